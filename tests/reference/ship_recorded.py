"""Write the recorded lme4 values that the package ships for its demo: python tests/reference/ship_recorded.py.

Takes the four classic models out of lme4.json (written by make_reference.R), without their random effects.
"""

import json
from pathlib import Path

HERE = Path(__file__).parent
TARGET = HERE.parents[1] / "lmmtools" / "datasets" / "data" / "recorded_lme4.json"
MODELS = ("penicillin", "dyestuff", "dyestuff2", "pastes_nested")
KEYS = (
    "reml",
    "criterion",
    "logLik",
    "AIC",
    "BIC",
    "nobs",
    "ngrps",
    "theta",
    "sigma",
    "varcorr",
    "fixef_names",
    "fixef_names_python",
    "fixef",
    "std_errors",
    "t_values",
    "is_singular",
)


def shipped() -> dict[str, object]:
    """The part of lme4.json that goes into the package."""
    recorded = json.loads((HERE / "lme4.json").read_text())
    models = {
        name: {
            **{k: recorded["models"][name][k] for k in ("dataset", "formula", "python_formula")},
            "fits": {
                criterion: {k: fit[k] for k in KEYS} for criterion, fit in recorded["models"][name]["fits"].items()
            },
        }
        for name in MODELS
    }
    return {"versions": recorded["versions"], "models": models}


if __name__ == "__main__":
    TARGET.write_text(json.dumps(shipped(), indent=1) + "\n")

"""Writes what MixedLM prints of the models here; run once with each release of statsmodels.

    python tests/reference/printed_mixedlm/make_printed.py

The files here were written with statsmodels 0.13.5, 0.14.4 and 0.15.0. ``wide`` is recorded of 0.15 alone.
"""

from pathlib import Path

import numpy as np
import statsmodels
import statsmodels.formula.api as smf
from statsmodels.regression.mixed_linear_model import MixedLM

from lmmtools import datasets

HERE = Path(__file__).parent
SEARCH = {"method": ["powell", "bfgs"], "maxiter": 1000}
LONG = "a very long name of a covariate of this study"


def fit_all():
    """Return the results of MixedLM by the names of their files."""
    sleep = datasets.load("sleepstudy").astype({"Subject": str})
    sleep[LONG] = np.tile(np.arange(5.0), 36)
    penicillin = datasets.load("Penicillin").assign(all=1)
    pastes, dyestuff = datasets.load("Pastes"), datasets.load("Dyestuff2")
    slope = smf.mixedlm("Reaction ~ Days", sleep, groups="Subject", re_formula="~Days")
    wide = smf.mixedlm(f"Reaction ~ Days * C(Q({LONG!r}))", sleep, groups="Subject", re_formula="~Days+I(Days**2)")
    plates = {"plate": "0 + C(plate)", "sample": "0 + C(sample)"}
    crossed = smf.mixedlm("diameter ~ 1", penicillin, groups="all", vc_formula=plates)
    casks = {"cask": "0 + C(cask)"}
    nested = smf.mixedlm("strength ~ 1", pastes, groups="batch", re_formula="1", vc_formula=casks)
    design = np.column_stack([np.ones(len(sleep)), sleep["Days"]])
    arrays = MixedLM(sleep["Reaction"].to_numpy(), design, sleep["Subject"].to_numpy())
    return {
        "slope": slope.fit(**SEARCH),
        "slope_ml": slope.fit(reml=False, **SEARCH),
        "crossed": crossed.fit(**SEARCH),
        "nested": nested.fit(**SEARCH),
        "arrays": arrays.fit(**SEARCH),
        "wide": wide.fit(),
        "boundary": smf.mixedlm("Yield ~ 1", dyestuff, groups="Batch").fit(),
    }


if __name__ == "__main__":
    release = ".".join(statsmodels.__version__.split(".")[:2])
    for name, result in fit_all().items():
        (HERE / f"{name}_{release}.txt").write_text(f"{result.summary()}\n", encoding="utf-8")

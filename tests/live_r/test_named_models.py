""" "This model is ...": MixedLM's criterion is lme4's of the formula that lint names, for every kind of structure."""

from __future__ import annotations

import json
import subprocess
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

import lmmtools as lmt
from tests.live_lme4 import require_lme4
from tests.unit.linting.calls import CALLS, raters

pytestmark = pytest.mark.live_r

# MixedLM's and lme4's optimisers stop within about 1e-4 of the optimum in these units.
CLOSE = 5e-3

R = """
suppressMessages({library(lme4); library(jsonlite)})
center <- function(x) x - mean(x)
models <- fromJSON("models.json", simplifyVector = FALSE)
control <- lmerControl(check.nobs.vs.nlev = "ignore", check.nobs.vs.nRE = "ignore", optCtrl = list(ftol_abs = 1e-12))
values <- lapply(models, function(m) {
  d <- read.csv(m$file, stringsAsFactors = TRUE)
  tryCatch(-2 * as.numeric(logLik(lmer(as.formula(m$formula), d, control = control))),
           error = function(e) conditionMessage(e))
})
writeLines(toJSON(values, digits = NA, auto_unbox = TRUE), "out.json")
"""

# As keywords of smf.mixedlm, on the data of `trial`.
NAMED = {
    "intercept": {},
    "slope": {"re_formula": "0 + x"},
    "correlated slope": {"re_formula": "~x"},
    "two slopes": {"formula": "rt ~ x + z", "re_formula": "1 + x + z"},
    "slopes of a factor": {"formula": "rt ~ f", "re_formula": "1 + f"},
    "slopes of a factor in C()": {"formula": "rt ~ C(f)", "re_formula": "~C(f)"},
    "means of a factor": {"formula": "rt ~ f", "re_formula": "0 + C(f)"},
    "an interaction's slope": {"formula": "rt ~ x*z", "re_formula": "~x:z"},
    "all of a product": {"formula": "rt ~ x*z", "re_formula": "~x*z"},
    "a square": {"formula": "rt ~ x + I(x**2)", "re_formula": "~I(x**2)"},
    "a logarithm": {"formula": "rt ~ np.log(z)", "re_formula": "~np.log(z)"},
    "a centred slope": {"formula": "rt ~ center(z)", "re_formula": "~center(z)"},
    "a response that is a function": {"formula": "np.log(rt + 5000) ~ x", "re_formula": "1"},
    "a factor inside": {"re_formula": "1", "vc_formula": {"item": "0 + C(item)"}},
    "a factor inside, alone": {"vc_formula": {"item": "0 + C(item)"}},
    "text without C()": {"re_formula": "1", "vc_formula": {"item": "0 + item"}},
    "minus one": {"re_formula": "1", "vc_formula": {"item": "C(item) - 1"}},
    "a slope as component": {"re_formula": "1", "vc_formula": {"s": "0 + x"}},
    "a slope by a factor inside": {"re_formula": "1", "vc_formula": {"fx": "0 + C(f):x"}},
    "the groups as component": {"vc_formula": {"s": "0 + C(subj)"}},
    "the groups as component with an intercept": {"vc_formula": {"s": "1 + C(subj)"}},
    "crossed": {"groups": "all", "vc_formula": {"s": "0 + C(subj)", "i": "0 + C(item)"}},
    "an interaction": {"groups": "all", "vc_formula": {"s": "0 + C(subj)", "si": "0 + C(subj):C(item)"}},
    "a slope by a factor": {"groups": "all", "vc_formula": {"s": "0 + C(subj)", "sx": "0 + C(subj):x"}},
    "one group with an intercept": {"groups": "all", "re_formula": "1", "vc_formula": {"s": "0 + C(subj)"}},
}
UNNAMED = {
    "intercept and slope of one variance": {"vc_formula": {"s": "1 + x"}},
    "two factors of one variance": {"groups": "all", "vc_formula": {"si": "0 + C(subj) + C(item)"}},
    "contrasts": {"groups": "all", "vc_formula": {"s": "C(subj)", "i": "0 + C(item)"}},
    "contrasts that sum to zero": {"groups": "all", "vc_formula": {"s": "0 + C(subj, Sum)"}},
    "a factor and its slopes of one variance": {"groups": "all", "vc_formula": {"sx": "0 + C(subj)*x"}},
    "a slope of one group": {"groups": "all", "re_formula": "0 + z", "vc_formula": {"s": "0 + C(subj)"}},
    "a factor that is no column": {"groups": "all", "vc_formula": {"s": "0 + C(subj)", "h": "0 + C(x > 0)"}},
}


def trial() -> pd.DataFrame:
    """Subjects by items with covariates x and z and a factor f whose effects differ between subjects."""
    data, rng = raters(), np.random.default_rng(5)
    n = len(data)
    data = data.assign(x=rng.normal(size=n), z=rng.uniform(1, 3, n), f=np.array(["a", "b", "c"])[np.arange(n) % 3])
    data["all"] = 1
    effects = rng.normal(size=(20, 4))[data["subj"].str[1:].astype(int)]
    data["rt"] += 20 * effects[:, 0] * data["x"] + 15 * effects[:, 1] * data["z"]
    data["rt"] += 25 * effects[:, 2] * (data["f"] == "b") + 30 * effects[:, 3] * (data["f"] == "c")
    return data


def _keywords(given):
    return {"formula": "rt ~ x", "groups": "subj", **given}


def _lint(data, given):
    keywords = _keywords(given)
    return lmt.lint(keywords.pop("formula"), data=data, **keywords)


def _criterion(data, given) -> float:
    """Return the lowest criterion that MixedLM's optimisers find."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = smf.mixedlm(data=data, **_keywords(given))
        return -2.0 * model.fit(method=["powell", "bfgs"], ftol=1e-12, maxiter=1000).llf


def _ask_lme4(folder, models: dict[str, tuple[str, pd.DataFrame]]) -> dict[str, float]:
    entries = {}
    for number, (name, (formula, data)) in enumerate(models.items()):
        data.to_csv(folder / f"{number}.csv", index=False)
        entries[name] = {"formula": formula, "file": f"{number}.csv"}
    (folder / "models.json").write_text(json.dumps(entries))
    (folder / "run.R").write_text(R)
    subprocess.run(["Rscript", "run.R"], cwd=folder, check=True, capture_output=True)
    return json.loads((folder / "out.json").read_text())


def test_lme4_has_mixedlm_s_criterion_of_every_kind_that_lint_names(tmp_path) -> None:
    require_lme4("jsonlite")
    data = trial()
    named = {name: _lint(data, given).lme4 for name, given in NAMED.items()}
    assert all(named.values()), named
    found = _ask_lme4(tmp_path, {name: (formula, data) for name, formula in named.items()})
    for name, given in NAMED.items():
        assert found[name] == pytest.approx(_criterion(data, given), abs=CLOSE), (name, named[name])


def test_lme4_has_mixedlm_s_criterion_of_calls_as_people_write_them(tmp_path) -> None:
    require_lme4("jsonlite")
    # MixedLM of one row per level has no optimum: lme4 stops elsewhere on the same ridge, or refuses.
    lost = {"one-row-per-level", "levels-not-below-rows", "groups-misaligned", "duplicate-index", "unused-levels"}
    lost |= {"same-component", "slope-constant"}
    # Slopes of values around 1000, or 1e-6: MixedLM's optimiser stops far above the optimum of the same model.
    lost |= {"number-as-slope", "badly-scaled-slope"}
    made = {call.name: call.make() for call in CALLS if not lost & set(call.codes)}
    models, criteria = {}, {}
    for name, given in made.items():
        data, groups = given.pop("data"), given["groups"]
        formula = lmt.lint(given["formula"], data=data, **{k: v for k, v in given.items() if k != "formula"}).lme4
        if not formula:
            continue
        own = data if isinstance(groups, str) else data.assign(groups=np.asarray(groups))
        models[name] = (formula, own.drop(columns=[c for c in own if isinstance(own[c].iloc[0], list)]))
        criteria[name] = _criterion(data, given)
    assert len(models) > 15
    found = _ask_lme4(tmp_path, models)
    for name, value in criteria.items():
        assert found[name] == pytest.approx(value, abs=CLOSE), (name, models[name][0])


@pytest.mark.parametrize("name", UNNAMED)
def test_what_lme4_s_notation_lacks_is_not_named(name) -> None:
    report = _lint(trial(), UNNAMED[name])
    assert report.lme4 == ""
    assert "lme4's notation has no such model" in str(report)
    assert "This model is" not in str(report)

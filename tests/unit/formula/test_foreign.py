"""Covariance structures and splines as other packages write them are answered with what they are and what to write."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.errors import DroppedColumnsWarning, FormulaError
from lmmtools.formula.foreign import spline_cure
from lmmtools.formula.parser import parse


@pytest.mark.parametrize("term", ["(1 | g)", "(1 + x | g)", "(0 + f | a/b)"])
def test_us_is_the_plain_term(term):
    assert parse(f"y ~ x + us{term}").random == parse(f"y ~ x + {term}").random


def test_a_column_called_us_is_a_column():
    assert parse("y ~ us + diag + (us | cs)").fixed == "us + diag"


# What each spelling is must be said, and no operator asked for.
REFUSED = {
    "diag(1 + x | g)": ("lme4 2.0", r"Write \(1 \+ x \|\| g\)"),
    "diag(f | g, hom = TRUE)": ("lme4 2.0", r"\(f \|\| g\)"),
    "cs(1 + x | g)": ("compound symmetry in lme4 2.0", r"not available here.*\(1 \+ x \| g\)"),
    "ar1(0 + t | g)": ("autoregressive covariance in lme4 2.0", "not available here"),
    "toep(0 + t | g)": ("Toeplitz covariance in glmmTMB", "not available here"),
    "homcs(0 + f | g)": ("glmmTMB", r"\(1 \| g\) \+ \(1 \| g:f\)"),
    "exp(pos + 0 | g)": ("exponential spatial", "not available here"),
    "us(x | g, hom = TRUE)": ("nothing more", r"Write \(x \| g\)"),
}


@pytest.mark.parametrize("term", REFUSED)
def test_a_structure_is_answered_with_what_it_is(term):
    with pytest.raises(FormulaError) as refused:
        parse(f"y ~ x + {term}")
    text = " ".join(str(refused.value).split())
    for part in REFUSED[term]:
        assert re.search(part, text), text
    assert "Put +" not in text


def test_the_models_that_are_called_the_same_are_the_same():
    """Compound symmetry with one variance by dense algebra: the criterion of (1|g) + (1|g:f) is that of its V."""
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"g": np.repeat(np.arange(12), 6), "f": np.tile(list("abcabc"), 12)})
    data["y"] = rng.standard_normal(12)[data.g] + rng.standard_normal(72)
    fit = lmt.lmm("y ~ 1 + (1 | g) + (1 | g:f)", data).fit(engine="pls", reml=False)
    vcov = dict(zip(fit.varcorr.to_frame().grp, fit.varcorr.to_frame().vcov, strict=True))
    inner = next(v for k, v in vcov.items() if ":" in k)
    total, rho = vcov["g"] + inner, vcov["g"] / (vcov["g"] + inner)
    same_g = data.g.to_numpy()[:, None] == data.g.to_numpy()
    same_f = data.f.to_numpy()[:, None] == data.f.to_numpy()
    V = total * np.where(same_f, 1.0, rho) * same_g + vcov["Residual"] * np.eye(72)
    r = data.y.to_numpy() - fit.params.iloc[0]
    deviance = np.linalg.slogdet(V)[1] + r @ np.linalg.solve(V, r) + 72 * np.log(2 * np.pi)
    assert fit.objective == pytest.approx(deviance, abs=1e-6)


# Fixed effects and deviance of lmer(Reaction ~ ... + (1 | Subject), sleepstudy, REML = FALSE): lme4 1.1-31, R 4.2.2.
IN_R = [
    ("ns(Days, 1)", 2, None),
    ("ns(Days, 2)", 3, 1793.098450),
    ("ns(Days, 3)", 4, 1793.029692),
    ("ns(Days, df=3)", 4, 1793.029692),
    ("ns(df = 3, x = Days)", 4, 1793.029692),
    ("ns(Days, 4)", 5, None),  # R's knots are quantiles of all values, cr()'s of the distinct ones
    ("ns(Days, knots = c(3, 6))", 4, 1793.029692),
    ("rcs(Days, 3)", 3, None),
    ("rcs(Days, 5)", 5, None),
    ("rcs(Days)", 5, None),
]


@pytest.mark.parametrize(("call", "count", "deviance"), IN_R)
def test_the_advice_for_a_spline_of_r_is_the_same_model(call, count, deviance):
    data = lmt.datasets.load("sleepstudy")
    with pytest.raises(FormulaError) as refused:
        lmt.lmm(f"Reaction ~ {call} + (1 | Subject)", data)
    advice = re.search(r"Write (Days|\w+\(.*?\))[: ]", str(refused.value))
    assert advice is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DroppedColumnsWarning)
        fit = lmt.lmm(f"Reaction ~ {advice[1]} + (1 | Subject)", data).fit(reml=False, engine="pls")
    assert len(fit.params) == count
    if deviance is not None:
        assert fit.objective == pytest.approx(deviance, abs=2e-6)


def test_other_functions_have_no_spline_advice():
    assert spline_cure("bs", "x, 3") is None

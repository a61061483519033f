"""The advice for R's splines: models with R's number of columns, and R's criterion where the knots are the same."""

from __future__ import annotations

import re
import warnings

import pytest

import lmmtools as lmt
from lmmtools.errors import DroppedColumnsWarning, FormulaError
from lmmtools.formula.spline_cures import spline_cure

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

"""``dummy(f, "level")``: lme4's indicator columns, in a bar and in the fixed part."""

from __future__ import annotations

import numpy as np
import pytest

import lmmtools as lmt
from lmmtools.errors import DataError, FormulaError

# lme4 1.1-31 (R 4.2), REMLcrit(); its criterion of dummy(Type) is 3e-7 above the optimum.
STOOL = {
    "effort ~ Type + (0 + dummy(Type, 'T2') | Subject)": 134.608065526,
    "effort ~ Type + (1 | Subject) + (0 + dummy(Type, c('T2', 'T3')) | Subject)": 120.970999999,
    "effort ~ Type + (dummy(Type) | Subject)": 104.991997288,
    "effort ~ dummy(Type, 'T2') + (1 | Subject)": 137.175248745,
}


@pytest.fixture(scope="module")
def stool():
    return lmt.datasets.load("ergoStool")


@pytest.fixture(scope="module")
def sleep():
    return lmt.datasets.load("sleepstudy")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("formula", STOOL)
def test_the_criterion_is_lme4s(stool, formula) -> None:
    fit = lmt.lmm(formula, stool).fit(check=False)
    assert fit.objective == pytest.approx(STOOL[formula], abs=2e-6)


@pytest.mark.parametrize("level", ["9", "'9'"])
def test_a_level_of_numbers_is_named_as_text_or_number(sleep, level) -> None:
    fit = lmt.lmm(f"Reaction ~ Days + (0 + dummy(Days, {level}) | Subject) + (1 | Subject)", sleep).fit()
    assert fit.objective == pytest.approx(1780.93047921, abs=1e-6)  # lme4
    assert fit.varcorr.to_frame()["sdcor"][0] == pytest.approx(32.662, abs=1e-3)


def test_new_data_take_the_levels_of_the_fit(stool) -> None:
    fit = lmt.lmm("effort ~ dummy(Type, c('T2', 'T3')) + (1 | Subject)", stool).fit()
    one = stool[stool.Type == "T3"].head(2)
    np.testing.assert_array_equal(fit.design.encoder.encode(one), [[1, 0, 1]] * 2)
    with pytest.raises(DataError, match="'T9', which the fit has not seen"):
        fit.predict(one.assign(Type="T9"))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("dummy(Type, 'T9')", "names the level 'T9'; there are 'T1', 'T2', 'T3'"),
        ("dummy(Type, Subject)", "names levels as texts or numbers"),
        ("dummy()", "has no column"),
        ("dummy(Type, level='T2')", "has no argument level"),
    ],
)
def test_what_dummy_does_not_take(stool, call, said) -> None:
    with pytest.raises((FormulaError, DataError), match=said):
        lmt.lmm(f"effort ~ Type + (0 + {call} | Subject)", stool)


def test_a_factor_of_many_levels_is_refused_by_its_size() -> None:
    import pandas as pd

    n = 12_000
    data = pd.DataFrame({"y": np.arange(n) % 7.0, "f": np.arange(n) // 2, "g": np.arange(n) % 40})
    with pytest.raises(DataError, match=r"dummy\(f\) alone makes 6,000"):
        lmt.lmm("y ~ dummy(f) + (1 | g)", data)

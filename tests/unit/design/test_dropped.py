"""Values that a function does not have, told apart from values that are missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.design.dropped import describe_undefined
from lmmtools.errors import DataError, DroppedRowsWarning


def data() -> pd.DataFrame:
    # 75 of 180 reactions are below 280 ms, by counting.
    return lmt.datasets.load("sleepstudy").assign(z=lambda d: d.Reaction - 280)


@pytest.mark.parametrize("formula", ["log(z) ~ Days + (1|Subject)", "Reaction ~ log(z) + (1|Subject)"])
def test_the_logarithm_of_a_negative_number_is_not_called_missing(formula):
    with pytest.warns(DroppedRowsWarning) as said:
        fit = lmt.lmm(formula, data()).fit(engine="pls")
    text = str(said[0].message)
    count = int((data().z < 0).sum())
    assert text == f"{count} of 180 rows left out for log(z) of a negative number ({count})"
    assert "missing" not in str(fit.summary())
    assert f"{count} of 180 rows left out for log(z) of a negative number" in " ".join(str(fit.summary()).split())
    assert fit.design.dropped.rows == {"log(z)": count}
    assert fit.design.dropped.undefined == {"log(z)": "log(z) of a negative number"}


def test_missing_and_undefined_rows_are_counted_apart():
    frame = data()
    frame.loc[:4, "Days"] = np.nan
    with pytest.warns(
        DroppedRowsWarning, match=r"left out for missing values \(Days 5\) and np.sqrt\(z\) of a negative number"
    ):
        fit = lmt.lmm("Reaction ~ Days + sqrt(z) + (1|Subject)", frame).fit(engine="pls")
    again = lmt.read_json(fit.to_json())
    assert again.dropped.rows == {"Days": 5, "np.sqrt(z)": 72}
    assert again.dropped.undefined == fit.design.dropped.undefined


def test_raising_names_what_is_undefined():
    with pytest.raises(DataError, match=r"log\(z\) of a negative number: \d+.*na_action='drop'"):
        lmt.lmm("Reaction ~ log(z) + (1|Subject)", data(), na_action="raise")
    with pytest.raises(DataError, match=r"No row is left: of 180.*log\(z\) of a negative number: 180"):
        lmt.lmm("Reaction ~ log(z) + (1|Subject)", data().assign(z=-1.0))


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("log(z)", "log(z) of a negative number"),
        ("np.log(z - 3)", "np.log(z - 3) of a negative number"),
        ("x:log10(z)", "log10(z) of a negative number"),
        ("I(sqrt(abs_z))", "sqrt(abs_z) of a negative number"),
        ("log1p(z)", "log1p(z) of a number below -1"),
        ("lag(x)", "no value of lag(x)"),
        ("log(x/z)", "no value of log(x/z)"),  # 0/0 as well as a negative quotient
        ("log(lag(x))", "no value of log(lag(x))"),
        ("I(x / z)", "no value of I(x / z)"),
    ],
)
def test_the_cause_is_said_only_where_it_is_sure(text, cause):
    assert describe_undefined(text) == cause

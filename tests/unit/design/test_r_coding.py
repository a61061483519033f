"""What lmer() leaves out of a formula's columns, by R's rule; ``tests/live_r`` holds the rule against R itself."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.errors import CodingWarning

# Ranks of model.matrix() of R 4.2.2 where every combination of levels occurs, and the number of columns here.
RANKS = [
    ("x + f + x:g + f:g", 5, 6),
    ("f*g", 4, 4),
    ("f + f:g", 4, 4),
    ("x:f + g", 4, 4),
    ("x*f + (x*f):g", 7, 8),
    ("0 + f:x + f:g", 4, 6),
    ("0 + x + x:f", 2, 2),
    ("x:f:g + f:g", 8, 8),
    ("x + C(f, contr.sum) + x:C(g, contr.sum) + C(f, contr.sum):C(g, contr.sum)", 5, 6),
]


@pytest.fixture
def data() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    i = np.arange(48)
    columns = {"x": rng.standard_normal(48), "f": np.array(["N", "V"])[i % 2], "g": np.array(["hi", "lo"])[i // 2 % 2]}
    return pd.DataFrame(columns | {"s": [f"s{k}" for k in i // 12], "y": rng.standard_normal(48)})


@pytest.mark.parametrize(("formula", "in_r", "here"), RANKS)
def test_the_number_of_columns_that_lmer_leaves_out_is_rs(
    data: pd.DataFrame, formula: str, in_r: int, here: int
) -> None:
    from lmmtools.design.r_coding import find_narrower

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CodingWarning)
        design = lmt.lmm(f"y ~ {formula} + (1 | s)", data).design
    found = find_narrower(design.encoder, design.frame, design.X, design.x_names)
    assert design.p == here
    assert (found.count if found else 0) == here - in_r


def test_the_columns_are_named_when_the_model_is_made_and_stay_on_the_fit(data: pd.DataFrame) -> None:
    with pytest.warns(CodingWarning, match=r"lmer\(\).*leaves out the column f\[N\]:g\[T\.lo\].*add g to the formula"):
        model = lmt.lmm("y ~ x + f + x:g + f:g + (1 | s)", data)
    with warnings.catch_warnings():
        warnings.simplefilter("error", CodingWarning)  # said once
        fit = model.fit(engine="pls")
    assert any("f[N]:g[T.lo]" in text for text in fit.warnings), fit.warnings
    assert "leaves out the column" in str(fit.summary())


def test_with_sum_contrasts_no_single_column_is_the_one_left_out(data: pd.DataFrame) -> None:
    with pytest.warns(CodingWarning, match="1 of the columns .*contr.sum.*, .*contr.sum.* keeps their other"):
        lmt.lmm(f"y ~ {RANKS[-1][0]} + (1 | s)", data)


def test_random_effects_are_coded_by_the_same_rule(data: pd.DataFrame) -> None:
    with pytest.warns(CodingWarning, match=r"In \(0 \+ f:x \+ f:g \| s\)"):
        lmt.lmm("y ~ x + (0 + f:x + f:g | s)", data)


def test_a_model_with_what_is_to_be_added_is_lmers(data: pd.DataFrame) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", CodingWarning)
        wider = lmt.lmm("y ~ x + f + x:g + f:g + g + (1 | s)", data)
    assert wider.design.p == 6


def test_what_to_add_is_quoted_where_a_name_needs_it(data: pd.DataFrame) -> None:
    with pytest.warns(CodingWarning, match="add `a b` to the formula"):
        lmt.lmm("y ~ x:`a b` + `a b`:f + (1 | s)", data.assign(**{"a b": data.g}))


def test_a_row_that_a_lag_leaves_out_does_not_hide_a_column(data: pd.DataFrame) -> None:
    with pytest.warns(CodingWarning, match=r"leaves out the columns? .*f\[T"):
        lmt.lmm("y ~ lag(x):f + f:g + (1 | s)", data)

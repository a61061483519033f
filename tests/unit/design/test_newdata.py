"""New data through a design's recipes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lmmtools.datasets import load
from lmmtools.design.build import build_design
from lmmtools.design.newdata import encode_basis, encode_codes, encode_fixed, encode_offset, encode_weights
from lmmtools.errors import DataError
from lmmtools.formula.parser import parse

PASTES = load("Pastes").assign(x=np.linspace(1, 2, 60))
FORMULAS = [
    "strength ~ x + (1 | batch/cask)",
    "strength ~ poly(x, 3) + batch + offset(np.log(x)) + (0 + I(x^2) | cask:batch)",
    "np.log(strength) ~ x + I(2*x) + (x || batch)",
]


def build(formula, data=PASTES, **options):
    return build_design(parse(formula), data, **options)


@pytest.mark.parametrize("formula", FORMULAS)
def test_the_fitted_rows_are_encoded_as_they_were(formula):
    design = build(formula)
    order = np.random.default_rng(3).permutation(60)
    new = PASTES.iloc[order].drop(columns="strength")
    np.testing.assert_allclose(encode_fixed(design, new), design.X[order], rtol=1e-12)
    for block in design.blocks:
        np.testing.assert_array_equal(encode_codes(block, new), block.codes[order])
        np.testing.assert_allclose(encode_basis(block, new), block.basis[order], rtol=1e-12)
    offset = np.zeros(60) if design.offset is None else design.offset[order]
    np.testing.assert_allclose(encode_offset(design, new), offset, rtol=1e-12)


@pytest.mark.parametrize("formula", FORMULAS)
def test_other_tables_work_too(formula):
    pl = pytest.importorskip("polars")
    design = build(formula)
    new = pl.from_pandas(PASTES.astype({"batch": str, "cask": str}))
    np.testing.assert_allclose(encode_fixed(design, new), design.X, rtol=1e-12)
    for block in design.blocks:
        np.testing.assert_array_equal(encode_codes(block, new), block.codes)
    np.testing.assert_array_equal(encode_codes(design.blocks[0], PASTES.to_dict("list")), design.blocks[0].codes)


def test_unseen_levels_and_pairs_are_minus_one():
    nested, outer = build(FORMULAS[0], PASTES.query("not (batch == 'B' and cask == 'c')")).blocks
    new = pd.DataFrame({"batch": ["A", "A", "new", "B", None], "cask": ["a", "zz", "a", "c", "a"]})
    assert encode_codes(nested, new).tolist() == [0, -1, -1, -1, -1]
    assert encode_codes(outer, new).tolist() == [0, 0, -1, 1, -1]


def test_dropped_columns_stay_dropped():
    design = build(FORMULAS[2])
    assert design.dropped.columns == ("I(2 * x)",)
    assert encode_fixed(design, PASTES).shape == (60, 2)


@pytest.mark.parametrize(
    ("encode", "missing"),
    [
        (lambda d, new: encode_fixed(d, new), "x"),
        (lambda d, new: encode_codes(d.blocks[0], new), "cask"),
        (lambda d, new: encode_offset(d, new), "x"),
        (lambda d, new: encode_basis(d.blocks[0], new), "x"),
    ],
)
def test_a_missing_column_is_named(encode, missing):
    design = build(FORMULAS[1])
    with pytest.raises(DataError, match=f"no column '{missing}'"):
        encode(design, PASTES.drop(columns=missing))


def test_missing_values_make_missing_rows():
    design = build(FORMULAS[0])
    new = PASTES.iloc[:3].assign(x=[1.0, np.nan, 1.5])
    assert np.isnan(encode_fixed(design, new)).any(axis=1).tolist() == [False, True, False]


def test_an_offset_column_is_found_again_and_given_values_are_asked_for():
    by_name = build("strength ~ 1 + (1|batch)", offset="x")
    np.testing.assert_array_equal(encode_offset(by_name, PASTES.iloc[:2]), PASTES["x"][:2])
    by_value = build("strength ~ 1 + (1|batch)", offset=PASTES["x"])
    np.testing.assert_array_equal(encode_offset(by_value, PASTES.iloc[:2], [1.0, 2.0]), [1.0, 2.0])
    np.testing.assert_array_equal(encode_offset(by_value, PASTES.iloc[:2], 0.0), [0.0, 0.0])
    with pytest.raises(DataError, match="give the new rows theirs"):
        encode_offset(by_value, PASTES.iloc[:2])
    with pytest.raises(DataError, match="shape"):
        encode_offset(by_value, PASTES.iloc[:2], [1.0, 2.0, 3.0])


def test_a_series_beside_new_data_with_the_rows_in_another_order_is_refused():
    data = load("sleepstudy")
    design = build_design(parse("Reaction ~ Days + (1 | Subject)"), data, weights=np.linspace(1.0, 2.0, len(data)))
    new, values = data.iloc[:3], pd.Series([1.0, 2.0, 3.0], index=data.index[2::-1])
    with pytest.raises(DataError, match=r"offset= is a Series .* in another order"):
        encode_offset(design, new, values)
    with pytest.raises(DataError, match=r"weights= is a Series .* in another order"):
        encode_weights(design, new, values)
    np.testing.assert_array_equal(encode_weights(design, new, values.reindex(new.index)), [3.0, 2.0, 1.0])

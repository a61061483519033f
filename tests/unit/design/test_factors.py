"""Grouping factors: codes, level order, combinations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lmmtools.design.factors import combine_factors, encode_factor, match_levels

# values, levels in order; as R's factor() orders them in the C locale
ORDERS = [
    ([3, 1, 2, 10], [1, 2, 3, 10]),
    ([0.5, -1.0, 10.0, 2.0], [-1.0, 0.5, 2.0, 10.0]),
    (["b", "a", "B", "10", "9"], ["10", "9", "B", "a", "b"]),
    ([True, False], [False, True]),
    (["é", "z", "e"], ["e", "z", "é"]),
]


@pytest.mark.parametrize(("values", "levels"), ORDERS)
def test_values_are_sorted(values, levels):
    factor = encode_factor(pd.Series(values))
    assert factor.levels.tolist() == levels
    assert [levels[c] for c in factor.codes] == values


def test_categorical_keeps_its_order_and_loses_unused_levels():
    column = pd.Series(pd.Categorical(["lo", "hi", "lo"], categories=["off", "lo", "mid", "hi"], ordered=True))
    factor = encode_factor(column)
    assert factor.levels.tolist() == ["lo", "hi"]
    assert factor.codes.tolist() == [0, 1, 0]
    assert factor.unused == ("off", "mid")


@pytest.mark.parametrize("dtype", ["object", "str", "string", "category"])
def test_text_of_any_dtype_gives_the_same_codes(dtype):
    factor = encode_factor(pd.Series(["b", "a", "c", "a"]).astype(dtype))
    assert factor.codes.tolist() == [1, 0, 2, 0]
    assert factor.levels.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "int8", "uint64", "float32"])
def test_numbers_of_any_dtype_give_the_same_codes(dtype):
    factor = encode_factor(pd.Series([30, 1, 2, 1]).astype(dtype))
    assert factor.codes.tolist() == [2, 0, 1, 0]
    assert factor.codes.dtype == np.intp


def test_dates_and_mixed_labels_group():
    assert encode_factor(pd.Series(pd.to_datetime(["2021-01-02", "2020-01-01"]))).codes.tolist() == [1, 0]
    assert len(encode_factor(pd.Series(["a", 1, "b", 1], dtype=object)).levels) == 3


def test_combinations_vary_slowest_by_the_first_factor():
    a = encode_factor(pd.Series(["y", "x", "x", "y", "y"]))
    b = encode_factor(pd.Series([2, 1, 10, 1, 2]))
    both = combine_factors([a, b])
    assert both.levels.tolist() == ["x:1", "x:10", "y:1", "y:2"]
    assert both.codes.tolist() == [3, 0, 1, 2, 3]
    assert both.members.tolist() == [[0, 0], [0, 2], [1, 0], [1, 1]]


def test_labels_with_colons_never_collide():
    a = encode_factor(pd.Series(["a:b", "a", "a:b"]))
    b = encode_factor(pd.Series(["c", "b:c", "c"]))
    both = combine_factors([a, b])
    assert both.codes.tolist() == [1, 0, 1]
    assert both.levels.tolist() == ["a:b:c", "a:b:c"]


@pytest.mark.parametrize("n_levels", [3, 3000])
def test_sparse_and_dense_combinations_agree_with_pandas(n_levels):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({c: rng.integers(0, n_levels, size=5000) for c in "abc"})
    both = combine_factors([encode_factor(frame[c]) for c in "abc"])
    assert both.codes.tolist() == frame.groupby(list("abc")).ngroup().tolist()
    new = frame.sample(frac=1, random_state=2)
    codes = match_levels([new[c] for c in "abc"], both.parts, both.members)
    assert codes.tolist() == both.codes[new.index].tolist()


def test_unseen_and_missing_levels_are_minus_one():
    a = encode_factor(pd.Series(["x", "y", "x"]))
    b = encode_factor(pd.Series([1, 1, 2]))
    both = combine_factors([a, b])
    new = [pd.Series(["x", "y", "y", "z", None]), pd.Series([2.0, 1.0, 2.0, 1.0, 1.0])]
    assert match_levels(new, both.parts, both.members).tolist() == [1, 2, -1, -1, -1]
    categorical = pd.Series(pd.Categorical(["y", None, "new"]))
    assert match_levels([categorical], a.parts, a.members).tolist() == [1, -1, -1]

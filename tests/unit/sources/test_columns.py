"""Batches of Arrow as columns of pandas."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lmmtools.design.factors import encode_factor
from lmmtools.design.frame import as_numbers, is_factor, is_missing
from lmmtools.errors import DataError
from lmmtools.sources import as_columns

pa = pytest.importorskip("pyarrow")


def column(values: Any, kind: Any = None) -> pd.Series[Any]:
    array = pa.array(values, kind) if kind is not None else pa.array(values)
    return as_columns(pa.record_batch([array], names=["v"]))["v"]


def test_numbers_are_views_of_the_batch() -> None:
    array = pa.array(np.arange(5.0))
    values = as_columns(pa.record_batch([array], names=["v"]))["v"].to_numpy()
    assert values.__array_interface__["data"][0] == array.buffers()[1].address


def test_missing_numbers_are_nan_or_masked() -> None:
    assert is_missing(column([1.5, None, float("nan")])).tolist() == [False, True, True]
    whole = column([7, None, 2], pa.int32())
    assert is_missing(whole).tolist() == [False, True, False]
    assert encode_factor(whole[~is_missing(whole)]).levels.tolist() == [2, 7]
    assert as_numbers(whole, "v", "the response")[0] == 7
    assert np.isnan(as_numbers(column([None, None]), "v", "the response")).all()


def test_decimals_are_floats() -> None:
    assert as_numbers(column([Decimal("1.50"), None]), "v", "the response")[0] == 1.5


@pytest.mark.parametrize("kind", ["string", "large_string", "binary", "large_binary", "dictionary"])
def test_levels_of_text_are_sorted_by_code_point(kind: str) -> None:
    values = pa.array(["b", "Z", None, "ä", "b"])
    made = values.dictionary_encode() if kind == "dictionary" else values.cast(kind)
    text = column(made) if kind != "dictionary" else None
    if text is not None:
        assert encode_factor(text[~is_missing(text)]).levels.tolist() == ["Z", "b", "ä"]
        assert text.tolist()[:2] == ["b", "Z"]
        assert is_missing(text).tolist() == [False, False, True, False, False]


def test_a_dictionary_keeps_its_declared_order_and_unused_levels() -> None:
    declared = pa.DictionaryArray.from_arrays(pa.array([1, None, 0], pa.int8()), pa.array(["low", "high", "none"]))
    factor = column(declared)
    assert factor.cat.categories.tolist() == ["low", "high", "none"]
    assert factor.astype(object).where(factor.notna(), None).tolist() == ["high", None, "low"]
    assert encode_factor(factor.dropna()).unused == ("none",)


def test_labels_of_a_dictionary_that_are_missing_or_double_are_one() -> None:
    declared = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 3]), pa.array(["b", None, "a", "b"]))
    factor = column(declared)
    assert factor.isna().tolist() == [False, True, False, False]
    assert factor.dropna().tolist() == ["b", "a", "b"]


def test_truth_values_are_factors() -> None:
    for values in ([True, False], [True, None]):
        assert is_factor(column(values), "v")
    assert column([True, None]).isna().tolist() == [False, True]


@pytest.mark.parametrize("kind", ["date32", "timestamp"])
def test_dates_are_refused_as_in_memory(kind: str) -> None:
    dates = column([0, 1], pa.date32() if kind == "date32" else pa.timestamp("us"))
    with pytest.raises(DataError, match="dates"):
        as_numbers(dates, "v", "the response")
    with pytest.raises(DataError, match="dates"):
        is_factor(dates, "v")


def test_the_index_counts_rows_of_the_source() -> None:
    assert as_columns(pa.record_batch([pa.array([1, 2])], names=["v"]), 40)["v"].index.tolist() == [40, 41]

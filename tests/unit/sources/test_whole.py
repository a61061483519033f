"""Sources that memory holds are read into one frame with the types that a frame has; others are left where they are."""

from __future__ import annotations

import pandas as pd
import pytest

from lmmtools.design.factors import encode_factor
from lmmtools.sources import open_source, read_small, read_whole, whole
from tests.unit.sources.test_kinds import FRAME, KINDS, ROWS, dask_frame, parquet, relation

pa = pytest.importorskip("pyarrow")


@pytest.mark.parametrize("make", [k for k in KINDS if k is not dask_frame], ids=lambda make: make.__name__)
def test_a_small_source_is_one_frame(make, tmp_path):
    columns = ["f", "k", "y", "a b", "t"]
    found = read_small(open_source(make(tmp_path)), columns)
    pd.testing.assert_frame_equal(found, FRAME[columns], check_dtype=False, check_categorical=False)
    assert found["k"].dtype == "int32"
    assert not isinstance(found["a b"].dtype, pd.CategoricalDtype)
    assert found["f"].cat.categories.tolist() == ["none", "low", "high"]


def test_partitions_of_a_cluster_stay_where_they_are_unless_all_rows_are_asked_for(tmp_path):
    source = open_source(dask_frame(tmp_path))
    assert read_small(source, ["y"]) is None
    assert len(read_whole(source, ["y"])) == ROWS


@pytest.mark.parametrize("make", [parquet, relation])  # whose rows are known, and are not
@pytest.mark.parametrize("columns", [["y"], ["y", "k"]])
def test_rows_times_columns_decide(make, columns, tmp_path, monkeypatch):
    source = open_source(make(tmp_path))
    monkeypatch.setattr(whole, "WHOLE_VALUES", ROWS * len(columns))
    assert len(read_small(source, columns)) == ROWS
    monkeypatch.setattr(whole, "WHOLE_VALUES", ROWS * len(columns) - 1)
    assert read_small(source, columns) is None
    assert len(read_whole(source, columns)) == ROWS  # the query that was not read to its end can be run again


def test_free_memory_decides(tmp_path, monkeypatch):
    source = open_source(parquet(tmp_path))
    needed = whole.BYTES_OF_VALUE * ROWS / whole.SHARE_OF_MEMORY
    monkeypatch.setattr(whole, "free_memory", lambda: needed)
    assert read_small(source, ["y"]) is not None
    monkeypatch.setattr(whole, "free_memory", lambda: needed - whole.BYTES_OF_VALUE / whole.SHARE_OF_MEMORY)
    assert read_small(source, ["y"]) is None
    monkeypatch.setattr(whole, "free_memory", lambda: None)
    assert read_small(source, ["y"]) is not None


@pytest.mark.parametrize("rows", [2, 1 << 20])  # in one batch, and in several
def test_parts_with_other_levels_declare_no_order(rows, tmp_path):
    for i, levels in enumerate((["b", "a"], ["c", "a"])):
        labels = levels * (rows // 2)
        pd.DataFrame({"f": pd.Categorical(labels, categories=levels)}).to_parquet(tmp_path / f"{i}.parquet")
    found = read_small(open_source(tmp_path), ["f"])["f"]
    assert found.iloc[[0, 1, rows, rows + 1]].tolist() == ["b", "a", "c", "a"]
    assert encode_factor(found).levels.tolist() == ["a", "b", "c"]


def test_missing_values_leave_whole_numbers_and_truth_values_as_they_are(tmp_path):
    frame = pd.DataFrame({"i": pd.array([1, None, 3]), "t": pd.array([True, False, None]), "s": ["a", None, "b"]})
    frame.to_parquet(tmp_path / "rows.parquet")
    found = read_small(open_source(tmp_path / "rows.parquet"), ["i", "t", "s"])
    assert [str(found[name].dtype) for name in "it"] == ["Int64", "boolean"]
    assert found["s"].isna().tolist() == [False, True, False]

"""Parquet files, folders and patterns as a source."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lmmtools.errors import DataError
from lmmtools.sources import as_columns, open_source

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def write(path: Path, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def read(data: Any, *columns: str) -> pd.DataFrame:
    source = open_source(data)
    assert source is not None
    batches = [pd.DataFrame(as_columns(b)) for b in source.batches(columns)]
    return pd.concat(batches, ignore_index=True) if batches else pd.DataFrame(columns=list(columns))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part in range(3):
        write(
            tmp_path / "t" / f"part-{part}.parquet", x=np.arange(4.0) + 4 * part, g=["a", "b", "c", "a"], k=[part] * 4
        )
    return tmp_path / "t"


@pytest.mark.parametrize("as_path", [str, Path])
def test_a_folder_is_its_files_in_order(folder: Path, as_path: Any) -> None:
    source = open_source(as_path(folder))
    assert source is not None
    assert (source.columns, source.rows(), source.name) == (("x", "g", "k"), 12, str(folder))
    assert read(folder, "k", "x").to_dict("list") == {
        "k": [0] * 4 + [1] * 4 + [2] * 4,
        "x": list(map(float, range(12))),
    }


def test_a_pattern_takes_what_matches(folder: Path) -> None:
    assert read(f"{folder}/part-[02].parquet", "k")["k"].unique().tolist() == [0, 2]
    assert read(f"{folder.parent}/*/part-1.parquet", "x")["x"].tolist() == [4, 5, 6, 7]
    assert len(read(f"{folder.parent}/**/*.parquet", "x")) == 12


def test_parts_are_the_rows_in_order(folder: Path) -> None:
    source = open_source(folder)
    assert source is not None
    parts = source.parts()
    assert [p.rows() for p in parts] == [4, 4, 4]
    assert [v for p in parts for b in p.batches(["x"]) for v in b["x"].to_pylist()] == list(map(float, range(12)))
    assert parts[0].parts() == ()


def test_row_groups_of_any_size_give_batches_of_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmmtools.sources.parquet_file.BATCH_ROWS", 1000)
    monkeypatch.setattr("lmmtools.sources.batches.BATCH_ROWS", 1000)
    for size in (10, 700, 100_000):
        pq.write_table(pa.table({"x": np.arange(4500)}), tmp_path / "t.parquet", row_group_size=size)
        source = open_source(tmp_path / "t.parquet")
        assert source is not None
        sizes = [b.num_rows for b in source.batches(["x"])]
        assert (sum(sizes), max(sizes)) == (4500, 1000)
        assert read(tmp_path / "t.parquet", "x")["x"].tolist() == list(range(4500))


def test_runs_of_row_groups_are_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmmtools.sources.parts.PART_ROWS", 25)
    pq.write_table(pa.table({"x": np.arange(95)}), tmp_path / "t.parquet", row_group_size=10)
    source = open_source(tmp_path / "t.parquet")
    assert source is not None
    assert [p.rows() for p in source.parts()] == [20, 20, 20, 20, 15]
    values = [v for p in source.parts() for b in p.batches(["x"]) for v in b["x"].to_pylist()]
    assert values == list(range(95))


def test_hidden_and_other_files_are_no_data(folder: Path) -> None:
    for name in ("_SUCCESS", ".part-0.parquet.crc", "README.md", "notes.txt", "_temporary/part-9.parquet"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("no table")
    assert open_source(folder).rows() == 12  # type: ignore[union-attr]


def test_folders_named_by_values_give_a_column(tmp_path: Path) -> None:
    for g, f in ((3, "b a"), (10, "c"), (10, None)):
        place = f"g={g}/f={'__HIVE_DEFAULT_PARTITION__' if f is None else f.replace(' ', '%20')}"
        write(tmp_path / place / "0.parquet", x=[1.0, 2.0])
    got = read(tmp_path, "x", "f", "g")
    assert got["g"].tolist() == [10, 10, 10, 10, 3, 3]
    assert got["g"].dtype == np.int64
    assert got["f"].isna().tolist() == [True, True, False, False, False, False]
    assert got["f"].dropna().tolist() == ["c", "c", "b a", "b a"]


def test_numbers_of_two_types_are_widened(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", x=pa.array([1, None], pa.int32()), k=pa.array([1, 2], pa.int16()))
    write(tmp_path / "b.parquet", x=pa.array([0.5, 2.5]), k=pa.array([2**40, 1], pa.int64()))
    got = read(tmp_path, "x", "k")
    assert got["x"].tolist()[::2] == [1.0, 0.5]
    assert np.isnan(got["x"][1])
    assert got["k"].tolist() == [1, 2, 2**40, 1]
    assert got["k"].dtype == np.int64


def test_another_type_in_a_part_is_named_once_the_column_is_wanted(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", x=[1.0], y=[1.0])
    write(tmp_path / "b.parquet", x=["one"], y=[2.0])
    assert read(tmp_path, "y")["y"].tolist() == [1, 2]
    with pytest.raises(DataError, match=r"b\.parquet has text in column 'x', where .*a\.parquet has numbers"):
        read(tmp_path, "x")


def test_a_column_missing_in_a_part_is_named_once_it_is_wanted(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", x=[1.0], y=[1.0])
    write(tmp_path / "b.parquet", y=[2.0])
    assert read(tmp_path, "y")["y"].tolist() == [1, 2]
    with pytest.raises(DataError, match=r"b\.parquet has no column 'x', which .*a\.parquet has"):
        read(tmp_path, "x")


def test_an_empty_part_adds_nothing_and_takes_any_type_without_values(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", x=pa.array([], pa.null()), f=pa.array([], pa.string()))
    write(tmp_path / "b.parquet", x=[2.0], f=["u"])
    got = read(tmp_path, "x", "f")
    assert (got["x"].tolist(), got["f"].tolist()) == ([2.0], ["u"])


def test_a_level_in_one_part_alone_is_there(folder: Path) -> None:
    write(folder / "part-9.parquet", x=[0.0], g=["new"], k=[9])
    assert read(folder, "g")["g"].tolist()[-1] == "new"


@pytest.mark.parametrize(
    ("name", "near"),
    [("*.csv", "has: part-0.parquet"), ("xyz.parquet", "has: part-0"), ("../u/*.parquet", "There is no folder ")],
)
def test_no_file_names_what_is_near(folder: Path, name: str, near: str) -> None:
    with pytest.raises(DataError, match=r"There is no file|matches no file") as caught:
        open_source(f"{folder}/{name}")
    assert near in str(caught.value)


def test_a_file_of_another_name_is_suggested(folder: Path) -> None:
    with pytest.raises(DataError, match=r"Did you mean .*part-1\.parquet\?"):
        open_source(folder / "part1.parquet")


def test_files_of_two_kinds_are_refused(folder: Path) -> None:
    (folder / "more.csv").write_text("x\n1\n")
    with pytest.raises(DataError, match=r"several kinds: .*1 text.* Name those of one kind"):
        open_source(folder)


@pytest.mark.parametrize("content", [b"", b"PAR1 cut", b"x,y\n1,2\n"])
def test_a_file_that_is_no_parquet_is_named(folder: Path, content: bytes) -> None:
    (folder / "part-1.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"part-1\.parquet"):
        open_source(folder)


def test_damaged_pages_are_named(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"x": np.random.default_rng(1).normal(size=10_000)}), path)
    content = bytearray(path.read_bytes())
    content[4:400] = b"\xff" * 396
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"t\.parquet cannot be read as Parquet"):
        read(path, "x")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "part-1.parquet").unlink(), r"part-1\.parquet has vanished"),
        (
            lambda f: write(f / "part-1.parquet", x=np.random.default_rng(1).normal(size=999)),
            r"part-1\.parquet has grown from",
        ),
        (lambda f: os.truncate(f / "part-1.parquet", 7), r"part-1\.parquet has shrunk from"),
        (lambda f: os.utime(f / "part-1.parquet", ns=(1, 1)), r"part-1\.parquet was written again"),
        (lambda f: write(f / "part-8.parquet", x=[1.0]), r"has new files since it was opened: .*part-8\.parquet"),
    ],
)
@pytest.mark.parametrize("is_within", [True, False])
def test_files_that_change_between_or_within_passes_are_noticed(
    folder: Path, change: Any, message: str, is_within: bool
) -> None:
    source: Any = open_source(folder)
    batches = source.source.batches(["x"])  # without what was read ahead before the change
    next(batches)
    if not is_within:
        list(batches)
    change(folder)
    with pytest.raises(DataError, match=message):
        list(batches if is_within else source.batches(["x"]))


def test_a_part_notices_that_its_file_changed(folder: Path) -> None:
    part = open_source(folder).parts()[1]  # type: ignore[union-attr]
    os.truncate(folder / "part-1.parquet", 7)
    with pytest.raises(DataError, match="has shrunk"):
        list(part.batches(["x"]))


def test_names_with_blanks_and_points_are_names_like_others(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", **{"a b": [1.0], "a.b": [2.0], "ä`": [3.0]})
    assert read(path, "ä`", "a.b", "a b").iloc[0].tolist() == [3, 2, 1]


def test_a_name_that_occurs_twice_is_refused_where_it_is_wanted(tmp_path: Path) -> None:
    pq.write_table(pa.table([[1.0], [2.0], [3.0]], names=["x", "x", "y"]), tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet", "y")["y"].tolist() == [3]
    with pytest.raises(DataError, match="2 columns named 'x'"):
        read(tmp_path / "t.parquet", "x")


def test_a_missing_column_names_the_closest(folder: Path) -> None:
    with pytest.raises(DataError, match=r"has no column 'gg'\. Did you mean 'g'"):
        read(folder, "gg")

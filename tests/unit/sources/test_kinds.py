"""All kinds of sources give the same rows, however often they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lmmtools.errors import DataError
from lmmtools.sources import Source, as_columns, open_source

pa = pytest.importorskip("pyarrow")
ds = pytest.importorskip("pyarrow.dataset")
pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("pyarrow.feather")

ROWS = 5000
RNG = np.random.default_rng(18)
FRAME = pd.DataFrame(
    {
        "y": np.where(RNG.random(ROWS) < 0.1, np.nan, RNG.normal(size=ROWS)),
        "k": RNG.integers(0, 50, ROWS).astype("int32"),
        "a b": RNG.choice(["u", "Ä", "Z z"], ROWS),
        "f": pd.Categorical(RNG.choice(["low", "high"], ROWS), categories=["none", "low", "high"]),
        "t": RNG.random(ROWS) < 0.5,
    }
)
TABLE = pa.Table.from_pandas(FRAME, preserve_index=False)


def parquet(folder: Path) -> Any:
    for i in range(3):
        pq.write_table(TABLE.slice(i * 2000, 2000), folder / f"{i}.parquet", row_group_size=700)
    return folder


def feather(folder: Path) -> Any:
    pa.feather.write_feather(TABLE, folder / "t.feather", chunksize=900)
    return folder / "t.feather"


def arrow_stream(folder: Path) -> Any:
    with pa.ipc.new_stream(folder / "t.arrow", TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=800)
    return folder / "t.arrow"


def parquet_dataset(folder: Path) -> Any:
    return ds.dataset(parquet(folder))


def filtered_dataset(folder: Path) -> Any:
    return ds.dataset(parquet(folder)).filter(ds.field("k") >= 0)


def arrow_dataset(folder: Path) -> Any:
    return ds.dataset(feather(folder), format="feather")


def memory_dataset(folder: Path) -> Any:
    return ds.dataset(TABLE)


def relation(folder: Path) -> Any:
    duckdb = pytest.importorskip("duckdb")
    found = duckdb.connect().from_arrow(TABLE)
    return found.project("* replace (f::enum('none', 'low', 'high') as f)")


def lazy_polars(folder: Path) -> Any:
    pl = pytest.importorskip("polars", minversion="1.34")
    return pl.from_arrow(TABLE).lazy().with_columns(pl.col("f").cast(pl.Enum(["none", "low", "high"])))


def lazy_narwhals(folder: Path) -> Any:
    nw = pytest.importorskip("narwhals")
    return nw.from_native(lazy_polars(folder))


def dask_frame(folder: Path) -> Any:
    dd = pytest.importorskip("dask.dataframe")
    return dd.from_pandas(FRAME, npartitions=4)


KINDS = [
    parquet,
    feather,
    arrow_stream,
    parquet_dataset,
    filtered_dataset,
    arrow_dataset,
    memory_dataset,
    relation,
    lazy_polars,
    lazy_narwhals,
    dask_frame,
]


@pytest.fixture(params=KINDS, ids=lambda make: make.__name__)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    made = open_source(request.param(tmp_path))
    assert made is not None
    return made


def read(source: Source, *columns: str) -> pd.DataFrame:
    batches = [pd.DataFrame(as_columns(b)).astype(dict.fromkeys(columns, object)) for b in source.batches(columns)]
    return pd.concat(batches, ignore_index=True)


def test_all_passes_give_the_rows_in_their_order(source: Source) -> None:
    assert set(FRAME.columns) <= set(source.columns)
    columns = ["f", "k", "y", "a b", "t"]
    for _ in range(2):
        got = read(source, *columns)
        assert got.columns.tolist() == columns
        for name in columns:
            expected = FRAME[name].astype(object)
            pd.testing.assert_series_equal(got[name], expected, check_dtype=False)
    assert source.rows() in (ROWS, None)


def test_parts_have_the_rows_in_their_order(source: Source) -> None:
    parts = source.parts()
    if parts:
        got = pd.concat([read(part, "k", "y") for part in parts], ignore_index=True)
        np.testing.assert_array_equal(got["k"].to_numpy(int), FRAME["k"])
    else:
        assert len(parts) == 0


def test_types_stay(source: Source) -> None:
    batch = next(iter(source.batches(list(FRAME.columns))))
    columns = as_columns(batch)
    assert columns["k"].dtype == np.int32
    assert columns["y"].dtype == np.float64
    assert columns["t"].dtype == bool
    assert columns["a b"].cat.categories.tolist() == ["Z z", "u", "Ä"]
    assert pa.types.is_dictionary(source.schema.field("f").type)
    assert not pa.types.is_dictionary(source.schema.field("a b").type)
    assert columns["f"].cat.categories.tolist() == ["none", "low", "high"]


def test_batches_are_bounded(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmmtools.sources.batches.BATCH_ROWS", 1000)
    sizes = [b.num_rows for b in source.batches(["k", "f", "a b"])]
    assert sum(sizes) == ROWS
    assert max(sizes) <= 1000
    assert min(sizes[:-1]) >= 500


def test_a_column_that_is_not_there_is_named(source: Source) -> None:
    with pytest.raises(DataError, match=r"has no column 'ab'\. Did you mean 'a b'\?"):
        source.batches(["ab"])


@pytest.mark.parametrize(
    "once",
    [
        pa.RecordBatchReader.from_batches(TABLE.schema, TABLE.to_batches()),
        (row for row in [1, 2]),
        ds.dataset(TABLE).scanner(),
    ],
    ids=lambda data: type(data).__name__,
)
def test_what_can_be_read_once_is_refused_with_the_cure(once: Any) -> None:
    with pytest.raises(DataError, match=r"read only once, .* Give what it reads from.*write_dataset"):
        open_source(once)


@pytest.mark.parametrize("data", [TABLE, FRAME], ids=["pyarrow table", "pandas"])
def test_tables_in_memory_are_no_sources(data: Any) -> None:
    assert open_source(data) is None


def test_the_order_of_a_polars_categorical_means_nothing() -> None:
    pl = pytest.importorskip("polars", minversion="1.34")
    frame = pl.DataFrame({"c": ["b", "a", None]}, schema={"c": pl.Categorical}).lazy()
    source = open_source(frame)
    assert source is not None
    assert source.schema.field("c").type == pa.string()
    (batch,) = source.batches(["c"])
    assert as_columns(batch)["c"].cat.categories.tolist() == ["a", "b"]


def test_a_query_that_gives_other_rows_each_time_is_noticed() -> None:
    duckdb = pytest.importorskip("duckdb")
    db = duckdb.connect()
    db.execute("create table t as select range as x from range(10)")
    source = open_source(db.table("t"))
    assert source is not None
    list(source.batches(["x"]))
    db.execute("insert into t values (11)")
    with pytest.raises(DataError, match="had 10 rows when it was read first and 11 now"):
        list(source.batches(["x"]))


def test_a_query_that_fails_says_what_the_database_said() -> None:
    duckdb = pytest.importorskip("duckdb")
    source = open_source(
        duckdb.sql("select case when range > 5 then error('bad row') else range end as x from range(9)")
    )
    assert source is not None
    with pytest.raises(DataError, match=r"the DuckDB relation cannot be read: .*bad row"):
        list(source.batches(["x"]))


def test_a_pass_that_was_given_up_does_not_block_the_next() -> None:
    duckdb = pytest.importorskip("duckdb")
    source = open_source(duckdb.sql("select range as x from range(3000000)"))
    assert source is not None
    given_up = source.batches(["x"])
    next(given_up)
    for _ in range(2):
        assert sum(b.num_rows for b in source.batches(["x"])) == 3_000_000
    with pytest.raises(DataError, match="was read again before a pass over it came to its end"):
        next(given_up)


def test_quotes_in_names_reach_no_sql() -> None:
    duckdb = pytest.importorskip("duckdb")
    name = 'x" from t; drop table t; --'
    source = open_source(duckdb.connect().from_arrow(pa.table({name: [1.0]})))
    assert source is not None
    assert [b.column(0).to_pylist() for b in source.batches([name])] == [[1.0]]


def test_a_partition_that_raises_is_named() -> None:
    dd = pytest.importorskip("dask.dataframe")

    def fail(part: pd.DataFrame) -> pd.DataFrame:
        if part["x"].max() > 5:
            raise ValueError("no such thing")
        return part

    frame = dd.from_pandas(pd.DataFrame({"x": np.arange(10.0)}), npartitions=2)
    source = open_source(frame.map_partitions(fail, meta=frame._meta))
    assert source is not None
    with pytest.raises(DataError, match="partition 1 of the dask frame cannot be computed: ValueError: no such thing"):
        list(source.batches(["x"]))


def test_folders_of_a_dataset_give_columns_and_its_files_are_watched(tmp_path: Path) -> None:
    ds.write_dataset(
        TABLE.select(["y", "k", "t"]), tmp_path, format="parquet", partitioning=["t"], partitioning_flavor="hive"
    )
    source = open_source(ds.dataset(tmp_path, partitioning="hive"))
    assert source is not None
    got = read(source, "t", "k")
    assert got["t"].value_counts().to_dict() == {str(v).lower(): n for v, n in FRAME["t"].value_counts().items()}
    next(tmp_path.rglob("*.parquet")).unlink()
    with pytest.raises(DataError, match="has vanished"):
        list(source.batches(["k"]))


def test_a_list_of_paths_is_one_table_in_its_order(tmp_path: Path) -> None:
    parquet(tmp_path)
    source = open_source([tmp_path / "1.parquet", str(tmp_path / "0.parquet"), tmp_path / "1.parquet"])
    assert source is not None
    assert read(source, "k")["k"].tolist() == [*FRAME["k"][2000:4000], *FRAME["k"][:2000]]
    (tmp_path / "x.csv").write_text("k\n1\n")
    with pytest.raises(DataError, match=r"x\.csv is text, and .*0\.parquet is parquet: .* of one kind"):
        open_source([tmp_path / "0.parquet", tmp_path / "x.csv"])
    with pytest.raises(DataError, match=r"There is no file .*9\.parquet"):
        open_source([tmp_path / "0.parquet", tmp_path / "9.parquet"])

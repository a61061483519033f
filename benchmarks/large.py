"""Data larger than memory: written once in parts from a seed, and what reading them costs.

``python -m benchmarks.large --rows 100_000_000 --out DIR`` writes; ``python -m benchmarks.large --read DIR`` measures.
The model is ``y ~ x1 + x2 + (1 + x1 | g) + (1 | h)``.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lmmtools import sources

BATCH = 1_000_000
COLUMNS = ("y", "x1", "x2", "g", "h")
FORMULA = "y ~ x1 + x2 + (1 + x1 | g) + (1 | h)"
BETA = np.array([2.0, 0.5, -0.3])
# Standard deviations of intercept and slope by g, their correlation, of the intercept by h, of the residual.
SD_G, CORRELATION, SD_H, SIGMA = (0.8, 0.4), 0.3, 0.6, 1.5


@dataclass(frozen=True, slots=True)
class Plan:
    """The data to write.

    Attributes
    ----------
    rows, part_rows : int
        Rows in all and of each part but the last.
    m_g, m_h : int
        Levels of g and h.
    seed : int
    """

    rows: int
    part_rows: int = 5_000_000
    m_g: int = 100_000
    m_h: int = 500
    seed: int = 18


def make_batch(plan: Plan, number: int, rows: int) -> pa.RecordBatch:
    """Return batch ``number`` of the data: the same whatever else is written."""
    by_g, by_h = _effects(plan)
    rng = np.random.default_rng([plan.seed, 1, number])
    g = rng.integers(0, plan.m_g, rows, dtype=np.int32)
    h = rng.integers(0, plan.m_h, rows, dtype=np.int32)
    x1 = rng.standard_normal(rows)
    x2 = rng.uniform(-1.0, 1.0, rows)
    y = rng.normal(0.0, SIGMA, rows)
    y += BETA[0] + BETA[1] * x1 + BETA[2] * x2 + by_g[g, 0] + by_g[g, 1] * x1 + by_h[h]
    return pa.RecordBatch.from_arrays([pa.array(v) for v in (y, x1, x2, g, h)], names=list(COLUMNS))


def _effects(plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """Return the random effects: shape (m_g, 2) and (m_h,)."""
    rng = np.random.default_rng([plan.seed, 0])
    s0, s1 = SD_G
    cov = np.array([[s0**2, CORRELATION * s0 * s1], [CORRELATION * s0 * s1, s1**2]])
    return rng.standard_normal((plan.m_g, 2)) @ np.linalg.cholesky(cov).T, rng.normal(0.0, SD_H, plan.m_h)


def write(plan: Plan, folder: Path) -> None:
    """Write the parts that are not there yet; one that was interrupted has another name and is written again."""
    folder.mkdir(parents=True, exist_ok=True)
    noted = folder / "_plan.json"
    if noted.exists() and json.loads(noted.read_text()) != asdict(plan):
        raise SystemExit(f"{folder} holds other data ({noted.read_text()}): name another folder")
    need, free = plan.rows * 29, shutil.disk_usage(folder).free
    if need > free:
        raise SystemExit(f"{plan.rows:,} rows take {need / 1e9:.1f} GB; the disk has {free / 1e9:.1f} GB")
    noted.write_text(json.dumps(asdict(plan)))
    for part, start in enumerate(range(0, plan.rows, plan.part_rows)):
        file = folder / f"part-{part:05d}.parquet"
        if not file.exists():
            _write_part(plan, start, min(plan.rows, start + plan.part_rows), file)
            print(f"{file}: {start + plan.part_rows:,} of {plan.rows:,} rows", flush=True)


def _write_part(plan: Plan, start: int, stop: int, file: Path) -> None:
    starts = range(start, stop, BATCH)
    unfinished = file.with_name(f"_{file.name}")
    make = partial(_make_at, plan, stop)
    with ThreadPoolExecutor(2) as pool:
        batches = pool.map(make, starts)
        first = next(batches)
        with pq.ParquetWriter(unfinished, first.schema, use_dictionary=["g", "h"]) as writer:
            writer.write_batch(first, row_group_size=BATCH)
            for batch in batches:
                writer.write_batch(batch, row_group_size=BATCH)
    unfinished.rename(file)


def _make_at(plan: Plan, stop: int, start: int) -> pa.RecordBatch:
    return make_batch(plan, start // BATCH, min(BATCH, stop - start))


@dataclass(frozen=True, slots=True)
class Pass:
    """What a pass over all rows took.

    Attributes
    ----------
    what : str
    rows : int
    seconds, processor : float
        Of the clock, and of all threads.
    peak : int
        Largest resident memory of the process so far, bytes.
    """

    what: str
    rows: int
    seconds: float
    processor: float
    peak: int

    def __str__(self) -> str:
        rate, own = self.rows / self.seconds / 1e6, self.rows / self.processor / 1e6
        return (
            f"{self.what:<28} {self.seconds:7.1f} s {rate:7.1f} M rows/s {self.processor:7.1f} s of processor "
            f"{own:6.1f} M rows/s {self.peak / 1e6:7.0f} MB"
        )


def measure_pass(what: str, count_rows: Callable[[], int]) -> Pass:
    """Return what a pass took; it returns the rows that it saw."""
    started, processor = time.perf_counter(), time.process_time()
    rows = count_rows()
    seconds, processor = time.perf_counter() - started, time.process_time() - processor
    return Pass(what, rows, seconds, processor, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def read_bytes(folder: Path) -> int:
    """Return the rows of the Parquet files of a folder, whose bytes are all read: what the disk gives."""
    rows = 0
    for file in sorted(folder.glob("part-*.parquet")):
        with file.open("rb") as stream:
            while stream.read(1 << 22):
                pass
        rows += pq.read_metadata(file).num_rows
    return rows


def read_plainly(folder: Path) -> int:
    """Return the rows that pyarrow decodes of the columns of the model, file by file, and does nothing with."""
    files = sorted(folder.glob("part-*.parquet"))
    batches = (b for f in files for b in pq.ParquetFile(f).iter_batches(BATCH, columns=list(COLUMNS)))
    return sum(batch.num_rows for batch in batches)


def read_source(data: Any, columns: tuple[str, ...] = COLUMNS) -> int:
    """Return the rows of a source, each batch made columns of the design."""
    rows = 0
    for batch in sources.open_source(data).batches(columns):
        sources.as_columns(batch)
        rows += batch.num_rows
    return rows


def count_levels(data: Any) -> int:
    """Return the rows that the levels of g and h have, counted batch by batch."""
    counts = {"g": np.zeros(1 << 20, dtype=np.int64), "h": np.zeros(1 << 20, dtype=np.int64)}
    for batch in sources.open_source(data).batches(tuple(counts)):
        for name, values in sources.as_columns(batch).items():
            found = np.bincount(values.to_numpy())
            counts[name][: len(found)] += found
    return int(counts["g"].sum())


def count_levels_in_sql(pattern: str) -> int:
    """Return the rows that DuckDB counts by the levels of g and h."""
    import duckdb

    relation = duckdb.read_parquet(pattern)
    for name in "gh":
        total = sum(count for _, count in relation.aggregate(f"{name}, count(*)", name).fetchall())
    return total


def make_kinds(folder: Path) -> dict[str, Callable[[], Any]]:
    """Return what opens the same rows as each kind of source; packages that are not installed raise when called."""
    pattern = str(folder / "*.parquet")

    def dataset() -> Any:
        import pyarrow.dataset as ds

        return ds.dataset(sorted(map(str, folder.glob("part-*.parquet"))))

    def duckdb_relation() -> Any:
        import duckdb

        return duckdb.read_parquet(pattern)

    def polars_lazy() -> Any:
        import polars as pl

        return pl.scan_parquet(pattern)

    def dask_frame() -> Any:
        import dask.dataframe as dd

        return dd.read_parquet(sorted(map(str, folder.glob("part-*.parquet"))))

    def convert(ending: str) -> str:
        """Return a file of another kind with the rows of the first part, written once."""
        import pyarrow.csv as csv
        import pyarrow.feather as feather

        file = folder / f"_first{ending}"
        if not file.exists():
            table = pq.read_table(min(folder.glob("part-*.parquet")))
            if ending == ".csv":
                csv.write_csv(table, file)
            else:
                feather.write_feather(table, str(file), compression="uncompressed")
        return str(file)

    return {
        "Parquet": lambda: pattern,
        "pyarrow dataset": dataset,
        "DuckDB relation": duckdb_relation,
        "polars LazyFrame": polars_lazy,
        "dask DataFrame": dask_frame,
        "Arrow file, first part": lambda: convert(".arrow"),
        "CSV, first part": lambda: convert(".csv"),
    }


def measure(folder: Path, only: str | None = None) -> Iterator[Pass]:
    """Yield what reading takes: bytes, plain decoding, each kind of source, levels."""
    pattern = str(folder / "*.parquet")
    passes: dict[str, Callable[[], int]] = {
        "bytes of the files": partial(read_bytes, folder),
        "plain read by pyarrow": partial(read_plainly, folder),
        "levels of g and h": partial(count_levels, pattern),
        "levels of g and h by DuckDB": partial(count_levels_in_sql, pattern),
    }
    for name, make in make_kinds(folder).items():
        passes[name] = lambda make=make: read_source(make())
    for name, work in passes.items():
        if only is None or only.lower() in name.lower():
            yield measure_pass(name, work)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--part-rows", type=int, default=5_000_000)
    parser.add_argument("--seed", type=int, default=18)
    parser.add_argument("--out", type=Path, help="write the data into this folder")
    parser.add_argument("--read", type=Path, help="measure reading of the data in this folder")
    parser.add_argument("--only", metavar="NAME", help="with --read: the passes whose name has this")
    options = parser.parse_args()
    if options.out:
        write(Plan(options.rows, options.part_rows, seed=options.seed), options.out)
    if options.read:
        for found in measure(options.read, options.only):
            print(found, flush=True)


if __name__ == "__main__":
    main()

"""Data larger than memory: written once in parts from a seed, and what reading them costs.

``python -m benchmarks.large --rows 100_000_000 --out DIR`` writes; ``python -m benchmarks.large --read DIR`` measures.
The model is ``y ~ x1 + x2 + (1 + x1 | g) + (1 | h)``.
"""

from __future__ import annotations

import argparse
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--part-rows", type=int, default=5_000_000)
    parser.add_argument("--seed", type=int, default=18)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.out:
        write(Plan(options.rows, options.part_rows, seed=options.seed), options.out)


if __name__ == "__main__":
    main()

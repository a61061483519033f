"""``python -m benchmarks.exponents``: how the time of a fit grows with its sizes.

Each series varies one size and holds the others. What is fitted is ``lmm(formula, data).fit()`` with default engine and
threads; what is counted is processor time, the least of some runs. The exponent is the slope of the logarithm of time
on the logarithm of size over the upper half of the sizes, where constant costs matter least.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
import warnings
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import numpy as np

import lmmtools as lmt
from benchmarks.environments import HERE
from benchmarks.generators import covariates, fixed_levels, movers, ratings, slopes, term_of_many
from benchmarks.table import format_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

RECORD = HERE / "exponents.json"
TABLE = HERE.parent / "docs" / "tables" / "exponents.csv"
SEED = 5
RUNS = 3


@dataclass(frozen=True, slots=True)
class Series:
    """Fits of one kind, of growing size.

    Attributes
    ----------
    size : str
        What grows.
    model : str
        The rest, in words.
    sizes : tuple of int
    formula : callable
        Of a size.
    make : callable
        Data of a size.
    """

    size: str
    model: str
    sizes: tuple[int, ...]
    formula: Callable[[int], str]
    make: Callable[[int], pd.DataFrame]


def _rng() -> np.random.Generator:
    return np.random.default_rng(SEED)


SERIES = (
    Series(
        "rows",
        "``(1 + x | g)``, 1,000 levels",
        (100_000, 200_000, 400_000, 800_000),
        lambda _: "y ~ x + (1 + x | subj)",
        lambda n: slopes(_rng(), 1_000, n // 1_000),
    ),
    Series(
        "levels",
        "``(1 + x | g)``, 10 rows a level",
        (12_500, 25_000, 50_000, 100_000),
        lambda _: "y ~ x + (1 + x | subj)",
        lambda m: slopes(_rng(), m, 10),
    ),
    Series(
        "workers",
        "movers: ``(1 | worker) + (1 | firm)``, 5 workers a firm",
        (12_500, 25_000, 50_000, 100_000),
        lambda _: "y ~ 1 + (1 | worker) + (1 | firm)",
        lambda m: movers(_rng(), m, m // 5, 6),
    ),
    Series(
        "levels of the smaller factor",
        "ratings: ``(1 | g) + (1 | h)``, twice as many levels of the other, 200,000 rows",
        (500, 1_000, 1_500, 2_000, 3_000),
        lambda _: "y ~ 1 + (1 | g) + (1 | h)",
        lambda m: ratings(_rng(), 2 * m, m, 200_000),
    ),
    Series(
        "covariates",
        "p numeric columns, ``(1 | g)`` of 1,000 levels, 50,000 rows",
        (25, 50, 100, 200),
        lambda p: "y ~ " + " + ".join(f"x{k}" for k in range(1, p + 1)) + " + (1 | g)",
        lambda p: covariates(_rng(), 50_000, p, 1_000),
    ),
    Series(
        "fixed levels",
        "a fixed factor, ``(1 | g)`` of 1,000 levels, 100,000 rows",
        (125, 250, 500, 1_000),
        lambda _: "y ~ f + (1 | g)",
        lambda m: fixed_levels(_rng(), 100_000, m, 1_000).astype({"f": "category"}),
    ),
    Series(
        "variance parameters",
        "one term of 2 to 7 correlated effects, 500 levels of 40 rows",
        (2, 3, 4, 5, 6, 7),
        lambda n: f"y ~ 1 + (1 + {' + '.join(f'x{k}' for k in range(1, n))} | g)",
        lambda n: term_of_many(_rng(), 500, 40, n),
    ),
)


def measure(series: Series) -> dict[str, Any]:
    """Return the processor times of a series and their exponent."""
    times = []
    for size in series.sizes:
        data, formula = series.make(size), series.formula(size)
        times.append(min(_time(formula, data) for _ in range(RUNS)))
        print(f"{series.size} {size}: {format_seconds(times[-1])}", file=sys.stderr, flush=True)
    sizes = series.sizes
    if series.size == "variance parameters":
        sizes = tuple(n * (n + 1) // 2 + 1 for n in sizes)
    upper = slice(len(sizes) // 2 - 1, None)
    slope = np.polyfit(np.log(sizes[upper]), np.log(times[upper]), 1)[0]
    return {"size": series.size, "model": series.model, "sizes": sizes, "seconds": times, "exponent": float(slope)}


def _time(formula: str, data: pd.DataFrame) -> float:
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lmt.lmm(formula, data).fit()
    return time.process_time() - started


def rows(record: dict[str, Any]) -> list[list[str]]:
    """Return the rows of the docs' table."""
    found = [["What grows", "Model", "From", "To", "Time", "Exponent"]]
    for series in record["series"]:
        ends = [f"{series['sizes'][k]:,}" for k in (0, -1)]
        times = " to ".join(format_seconds(series["seconds"][k]) for k in (0, -1))
        found.append([series["size"], series["model"], *ends, times, f"{series['exponent']:.1f}"])
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the docs' table on request."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exponents", description=__doc__)
    parser.add_argument("--docs", action="store_true", help="write the table of the docs and its record")
    options = parser.parse_args(arguments)
    made = datetime.now(timezone.utc).isoformat(timespec="seconds")
    record = {"made": made, "version": lmt.__version__, "series": [measure(series) for series in SERIES]}
    for row in rows(record):
        print("  ".join(row))
    if options.docs:
        RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        with TABLE.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows(record))
    return 0


if __name__ == "__main__":
    sys.exit(main())

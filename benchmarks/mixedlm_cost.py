"""``python -m benchmarks.mixedlm_cost``: time statsmodels' likelihood on designs of many sizes.

Prints the coefficients that ``lmmtools.engines.mixedlm.layout`` holds, seconds by each kind of work, and how far the
estimates from them are off; then what a search of MixedLM's own takes, in evaluations per covariance parameter.
Processor time, the best of several runs, one BLAS thread: run it with OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import time
import warnings
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.optimize import nnls

import lmmtools as lmt
from lmmtools.engines import mixedlm
from lmmtools.engines.mixedlm.layout import COEFFICIENTS, count_work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAMES = ("one", "groups", "groups x components", "rows", "n p^2", "q_g^2 (q_g + n_g)")
SEED = 20261130


def models() -> Iterator[tuple[str, lmt.Model]]:
    """Give designs with many small groups, few large ones, one group of crossed factors; narrow and wide X."""
    rng = np.random.default_rng(SEED)
    for groups, rows in ((10, 5), (30, 20), (100, 10), (300, 10), (1000, 5), (1000, 30), (3000, 10), (20, 500)):
        data = _grouped(rng, groups, rows)
        for random in ("(1 | g)", "(x | g)", "(1 + x + z + w | g)", "(1 | g / h)", "(x || g)", "(x | g) + (1 | g:h)"):
            yield f"{random}, {groups} x {rows}", lmt.lmm(f"y ~ x + {random}", data)
    data = _grouped(rng, 200, 20)
    for k in (5, 20, 60):
        yield f"(1 | g), 200 x 20, {k} columns of X", lmt.lmm(f"y ~ bs(x, df={k}) + (1 | g)", data)
    for a, b, rows in ((10, 6, 60), (24, 6, 144), (50, 30, 800), (100, 50, 1000), (200, 40, 3000), (150, 150, 2000)):
        data = pd.DataFrame({"a": rng.permutation(rows) % a, "b": rng.permutation(rows) % b}).astype(str)
        data["y"] = rng.standard_normal(rows) + data.a.astype(int) / a
        yield f"(1 | a) + (1 | b), {a}, {b}, {rows} rows", lmt.lmm("y ~ 1 + (1 | a) + (1 | b)", data)


def _grouped(rng: np.random.Generator, groups: int, rows: int) -> pd.DataFrame:
    n = groups * rows
    g = np.repeat(np.arange(groups), rows)
    x, z, w = rng.standard_normal((3, n))
    y = rng.standard_normal(groups)[g] + rng.standard_normal(groups)[g] * x + rng.standard_normal(n)
    h = [f"h{k % 3}" for k in range(n)]
    return pd.DataFrame({"g": [f"g{k}" for k in g], "h": h, "x": x, "z": z, "w": w, "y": y})


def best_time(run: Callable[[], object], times: int = 3) -> float:
    """Return the least processor time of a few runs, in seconds."""
    found = []
    for _ in range(times):
        started = time.process_time()
        run()
        found.append(time.process_time() - started)
    return min(found)


def main() -> None:
    """Measure, fit and print."""
    warnings.simplefilter("ignore")
    names, work, seconds, searches = [], [], [], []
    for name, model in models():
        design, layout = model.design, mixedlm.lay_out(model.design)
        theta = model.fit(engine="pls").theta
        names.append(name)
        work.append(count_work(design, layout))
        seconds.append(best_time(partial(mixedlm.evaluate_likelihood, design, layout, theta, reml=True)))
        if seconds[-1] < 0.05:
            taken = best_time(partial(mixedlm.search, design, layout, reml=True), 1)
            searches.append(taken / seconds[-1] / design.k)
    W, s = np.array(work), np.array(seconds)
    # Relative errors count: an estimate is to be right to a small factor at every size.
    coefficients, _ = nnls(W / s[:, None], np.ones(len(s)))
    for name, measured, estimate in zip(names, s, W @ coefficients, strict=True):
        print(f"{name:45}{1e3 * measured:9.1f} ms, estimate {1e3 * estimate:9.1f}, off by {estimate / measured:5.2f}x")
    for name, new, old in zip(NAMES, coefficients, COEFFICIENTS, strict=True):
        print(f"{name:20}{new:10.2e} s (in use: {old:.2e})")
    spread = f"{min(searches):.1f} to {max(searches):.1f}"
    print(f"a search takes {np.median(searches):.1f} evaluations per covariance parameter ({spread})")


if __name__ == "__main__":
    main()

"""Fits of data larger than memory: streamed, in memory, and by two workers of dask; each in a process of its own.

``python -m benchmarks.large_fits DIR`` measures on what ``python -m benchmarks.large --out DIR`` wrote.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.large import FORMULA, read_plainly

DASK_PARTS = 4
CASES = ("plain", "streamed", "streamed-first", "memory-first", "streamed-some", "dask-some")


def run(case: str, folder: Path) -> dict[str, Any]:
    """Return what one case took, in this process."""
    import lmmtools as lmt

    files = sorted(map(str, folder.glob("part-*.parquet")))
    chosen = {"first": files[:1], "some": files[:DASK_PARTS]}.get(case.rpartition("-")[2], files)
    found: dict[str, Any] = {"case": case, "parts": len(chosen)}
    if case == "plain":
        started, processor = time.perf_counter(), time.process_time()
        found["rows"] = read_plainly(folder)
    elif case.startswith("dask"):
        import dask.dataframe as dd
        from distributed import Client, LocalCluster

        options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
        with LocalCluster(**options) as cluster, Client(cluster):
            frame = dd.read_parquet(chosen)
            started, processor = time.perf_counter(), time.process_time()
            found |= _fit(lmt, frame)
            found["seconds"] = time.perf_counter() - started
    elif case.startswith("memory"):
        import pandas as pd

        before = time.perf_counter()
        data: Any = pd.concat([pd.read_parquet(file) for file in chosen], ignore_index=True)
        found["reading"] = time.perf_counter() - before
        started, processor = time.perf_counter(), time.process_time()
        found |= _fit(lmt, data)
    else:
        started, processor = time.perf_counter(), time.process_time()
        found |= _fit(lmt, _dataset(chosen))
    found.setdefault("seconds", time.perf_counter() - started)
    found["processor"] = time.process_time() - processor
    found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return found


def _dataset(files: list[str]) -> Any:
    """Return the source of some files: of all in a folder by a pattern, as a user writes it."""
    folder = Path(files[0]).parent
    if len(files) == len(list(folder.glob("part-*.parquet"))):
        return f"{folder}/part-*.parquet"
    if len(files) == 1:
        return files[0]
    import pyarrow.dataset as ds

    return ds.dataset(files)


def _fit(lmt: Any, data: Any) -> dict[str, Any]:
    fit = lmt.lmm(FORMULA, data, stream=None if hasattr(data, "iloc") else True).fit()
    return {
        "rows": fit.nobs,
        "objective": fit.objective,
        "theta": fit.theta.tolist(),
        "beta": fit.params.tolist(),
        "converged": bool(fit.converged),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--case", choices=CASES, help="run one case in this process, and print JSON")
    parser.add_argument("--only", nargs="+", choices=CASES, default=CASES)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(run(options.case, options.folder)))
        return
    for case in options.only:
        call = [sys.executable, "-m", "benchmarks.large_fits", str(options.folder), "--case", case]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{case}: {done.stderr.strip().splitlines()[-1]}", flush=True)
            continue
        found = json.loads(done.stdout.strip().splitlines()[-1])
        reading = f", {found['reading']:.1f} s to read before" if "reading" in found else ""
        print(
            f"{case:<16} {found['rows'] / 1e6:6.0f} M rows {found['seconds']:7.1f} s by the clock{reading} "
            f"{found['processor']:7.1f} s of processor {found['peak'] / 1e6:7.0f} MB "
            f"{found.get('objective', float('nan')):.10f}",
            flush=True,
        )


if __name__ == "__main__":
    main()

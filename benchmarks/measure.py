"""One rival, one case, in a process of its own: ``python measure.py rival.py case.json data.csv``; a line of JSON.

Runs in the rival's environment: it needs pandas, and nothing of lmmtools.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import statistics
import sys
import time
import warnings
from typing import Any

import pandas as pd

# No more repeats once a case has taken this long, in seconds.
BUDGET = 5.0


def load_rival(path: str) -> Any:
    """Return the module of a rival, under a name that hides no package."""
    spec = importlib.util.spec_from_file_location("rival_under_test", path)
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module


def read_data(path: str, case: dict[str, Any]) -> pd.DataFrame:
    """Return the data with factors as categories, as a user would have them."""
    data = pd.read_csv(path, dtype=dict.fromkeys(case["factors"], str))
    return data.astype(dict.fromkeys(case["factors"], "category"))


def measure(rival: Any, case: dict[str, Any], data: pd.DataFrame) -> dict[str, Any]:
    """Time the task; the first run is told apart, and counts only where there is time for no other."""
    run = rival.TASKS[case["task"]](case, data)
    first, first_cpu, criterion = _time(run)
    seconds: list[float] = []
    cpu: list[float] = []
    started = time.perf_counter()
    while first < BUDGET and len(seconds) < case["repeats"] and time.perf_counter() - started < BUDGET:
        elapsed, used, criterion = _time(run)
        seconds.append(elapsed)
        cpu.append(used)
    return {
        "criterion": criterion,
        "first": first,
        "seconds": seconds or [first],
        "cpu": cpu or [first_cpu],
        "median": statistics.median(seconds or [first]),
    }


def _time(run: Any) -> tuple[float, float, float | None]:
    """Run; return the seconds that passed, those of all threads of the process, and the criterion."""
    started, used = time.perf_counter(), time.process_time()
    criterion = run()
    return time.perf_counter() - started, time.process_time() - used, criterion


def hold_peak() -> float:
    """Return the memory that the process holds now, in bytes, and start its peak from here where Linux allows it."""
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
    except OSError:
        pass
    return peak_bytes()


def peak_bytes() -> float:
    """Return the peak of the memory that the process held, in bytes."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            return next(1024.0 * int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    except OSError:
        # Kilobytes on Linux, bytes on macOS.
        unit = 1 if sys.platform == "darwin" else 1024
        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def main(arguments: list[str]) -> None:
    """Measure and print."""
    rival_path, case_path, data_path = arguments
    with open(case_path, encoding="utf-8") as file:
        case = json.load(file)
    warnings.simplefilter("ignore")
    # Some packages print while they fit: our line must be the only one on standard output.
    out = os.dup(1)
    os.dup2(2, 1)
    rival = load_rival(rival_path)
    result: dict[str, Any]
    before = 0.0
    try:
        rival.version()  # imports the package
        data = read_data(data_path, case)
        before = hold_peak()
        result = measure(rival, case, data)
    except Exception as error:  # a rival may fail in any way; that is a result too
        result = {"error": f"{type(error).__name__}: {error}"}
    result["version"] = rival.version()
    result["peak_bytes"] = peak_bytes() - before
    with os.fdopen(out, "w") as file:
        file.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])

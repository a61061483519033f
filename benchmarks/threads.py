"""``python -m benchmarks.threads``: every case with default threads of BLAS, with one and with two, idle and busy.

What is reported is the time of the default over the better of one and two. The aim is 1.2 at most, on a machine that
does nothing else and beside two processes that count for ever. Only lmmtools takes part.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.__main__ import WORK
from benchmarks.cases import CASES, write_data
from benchmarks.environments import Rival, find_rival
from benchmarks.runner import busy, run_once
from benchmarks.table import US, format_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.cases import Case

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
SETTINGS = ("default", "1", "2")
AIM = 1.2
REPEATS = 10
"""Runs in one process, at most."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; return 1 if a case takes longer by default than the aim allows."""
    options = _parse(arguments)
    cases = [
        replace(c, repeats=min(c.repeats, REPEATS)) for c in CASES if not c.is_long and _is_wanted(c, options.cases)
    ]
    if not cases:
        raise SystemExit(f"no case has any of {options.cases} in its name; there are: {[c.name for c in CASES]}")
    write_data(WORK / "data", tuple(cases))
    rival = find_rival(US, WORK / "environments", False)
    assert isinstance(rival, Rival)
    rows = []
    for case in cases:
        for state in options.states:
            with busy(options.loops if state == "busy" else 0):
                rows.append(_measure(case, rival, state, options.rounds))
            print(_line(rows[-1]), file=sys.stderr, flush=True)
    record = {
        "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "loops": options.loops,
        "rounds": options.rounds,
        "rows": rows,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "threads.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(HEAD, *map(_line, rows), "", _sum_up(rows), sep="\n")
    return int(any(_is_missed(row) for row in rows))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.threads", description=__doc__)
    parser.add_argument("--cases", nargs="+", default=(), metavar="WORD", help="only cases with a word in their name")
    parser.add_argument("--states", nargs="+", default=("idle", "busy"), choices=("idle", "busy"))
    parser.add_argument("--loops", type=int, default=2, help="processes that count for ever when busy (default 2)")
    parser.add_argument("--rounds", type=int, default=3, help="processes per case, state and setting (default 3)")
    parser.add_argument("--out", type=Path, default=WORK, help="folder for threads.json")
    return parser.parse_args(arguments)


def _is_wanted(case: Case, words: Sequence[str]) -> bool:
    return not words or any(word in case.name for word in words)


def _measure(case: Case, rival: Rival, state: str, rounds: int) -> dict[str, Any]:
    """Return medians over all runs of all rounds, the settings of a round one after the other."""
    seconds: dict[str, list[float]] = {setting: [] for setting in SETTINGS}
    cpu: dict[str, list[float]] = {setting: [] for setting in SETTINGS}
    for _ in range(rounds):
        for setting in SETTINGS:
            answer = run_once(case, rival, WORK / "data", _environment(setting))
            if "error" in answer:
                raise SystemExit(f"{case.name}, threads {setting}: {answer['error']}")
            seconds[setting] += answer["seconds"]
            cpu[setting] += answer["cpu"]
    row: dict[str, Any] = {"case": case.name, "state": state}
    for what, found in (("seconds", seconds), ("cpu", cpu)):
        middle = {setting: statistics.median(values) for setting, values in found.items()}
        row[what] = middle
        row[f"{what}_ratio"] = middle["default"] / min(middle["1"], middle["2"])
    return row


def _environment(setting: str) -> dict[str, str]:
    """Return the environment with the number of threads that a user would set, or with none."""
    plain = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return plain if setting == "default" else {**plain, **dict.fromkeys(VARIABLES, setting)}


HEAD = f"{'case':38s} {'state':6s} {'default':>9s} {'1':>9s} {'2':>9s} {'ratio':>6s}   of processor time"


def _line(row: dict[str, Any]) -> str:
    times = " ".join(f"{format_seconds(row['seconds'][setting]):>9s}" for setting in SETTINGS)
    missed = "  over the aim" if _is_missed(row) else ""
    return f"{row['case']:38s} {row['state']:6s} {times} {row['seconds_ratio']:6.2f}   {row['cpu_ratio']:6.2f}{missed}"


def _is_missed(row: dict[str, Any]) -> bool:
    return bool(row["seconds_ratio"] > AIM)


def _sum_up(rows: Sequence[dict[str, Any]]) -> str:
    worst = max(rows, key=lambda row: row["seconds_ratio"])
    missed = sum(map(_is_missed, rows))
    return (
        f"{len(rows) - missed} of {len(rows)} within {AIM} of the better of one and two threads; "
        f"the worst is {worst['case']}, {worst['state']}: {worst['seconds_ratio']:.2f}"
    )


if __name__ == "__main__":
    sys.exit(main())

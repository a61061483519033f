"""``python -m benchmarks``: run the cases, print the table, write JSON and a plot."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.cases import CASES, Against, write_data
from benchmarks.environments import HERE, RIVALS, Rival, find_rival
from benchmarks.plot import draw
from benchmarks.readme import QUIET, write_section
from benchmarks.runner import busy, run_case
from benchmarks.table import US, format_seconds, least_seconds, notes, render

if TYPE_CHECKING:
    from collections.abc import Sequence

WORK = HERE.parent / ".benchmarks"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; return 1 if lmmtools itself missed an optimum or failed."""
    options = _parse(arguments)
    listed = tuple(c for c in CASES if options.long or not c.is_long)
    cases = tuple(c for c in listed if not options.cases or any(word in c.name for word in options.cases))
    if not cases:
        raise SystemExit(f"no case has any of {options.cases} in its name; there are: {[c.name for c in listed]}")
    rivals = _find(options.rivals, install=options.install)
    print("writing data", file=sys.stderr)
    write_data(WORK / "data", cases)
    record: dict[str, Any] = {
        "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "rounds": options.rounds,
        "busy": options.busy,
        "rivals": [r.name for r in rivals],
        "cases": [],
    }
    wrong = False
    for case in cases:
        slow = _find_slow(case.name, options.skip_slow)
        with busy(options.busy):
            outcomes = run_case(
                case, [r for r in rivals if r.name not in slow], WORK / "data", options.rounds, options.limit
            )
        ours = outcomes[US]
        wrong |= ours.seconds is None or ours.gap is not None
        said = ", ".join(f"{n} {format_seconds(o.seconds) or o.failure}" for n, o in outcomes.items())
        print(f"{case.name}: {said}", file=sys.stderr, flush=True)
        aims = [asdict(aim) if isinstance(aim, Against) else aim for aim in case.aims]
        entry = {
            "name": case.name,
            "formula": case.formula,
            "task": case.task,
            "aims": aims,
            "aim_bytes": case.aim_bytes,
        }
        record["cases"].append({**entry, "outcomes": {n: asdict(o) for n, o in outcomes.items()}})
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "results.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    draw(record, options.out / "results.png")
    if options.readme:
        write_section(record)
    print(render(record), "", *notes(record), sep="\n")
    return int(wrong)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--cases", nargs="+", default=(), metavar="WORD", help="only cases with a word in their name")
    parser.add_argument("--rivals", nargs="+", default=RIVALS, choices=RIVALS, help="default: all that can run here")
    parser.add_argument("--rounds", type=int, default=3, help="processes per rival and case (default 3)")
    parser.add_argument("--install", action="store_true", help="install the packages of PyPI, each in its own venv")
    parser.add_argument(
        "--skip-slow",
        type=float,
        metavar="SECONDS",
        help="leave out rivals that took longer in the record of the table, which keeps that time",
    )
    parser.add_argument("--limit", type=float, default=300.0, metavar="SECONDS", help="stop a process after (300)")
    parser.add_argument("--long", action="store_true", help="also the cases that take minutes")
    parser.add_argument("--busy", type=int, default=0, metavar="N", help="beside so many processes that count for ever")
    parser.add_argument("--out", type=Path, default=WORK, help="folder for results.json and results.png")
    parser.add_argument(
        "--readme",
        action="store_true",
        help="put the table into docs/speed.rst and six rows into README.rst, or with --busy into docs/threads.rst",
    )
    return parser.parse_args(arguments)


def _find_slow(case: str, limit: float | None) -> set[str]:
    """Return the rivals that took longer than ``limit`` on a case in the record of the table."""
    if limit is None or not QUIET.record.exists():
        return set()
    kept = json.loads(QUIET.record.read_text(encoding="utf-8"))["cases"]
    outcomes = next((c["outcomes"] for c in kept if c["name"] == case), {})
    return {name for name, o in outcomes.items() if name != US and (least_seconds(o) or 0.0) > limit}


def _find(names: Sequence[str], *, install: bool) -> list[Rival]:
    """Return the rivals that can run here, lmmtools first, saying why others cannot."""
    rivals = []
    for name in dict.fromkeys([US, *names]):
        found = find_rival(name, WORK / "environments", install)
        if isinstance(found, Rival):
            rivals.append(found)
        else:
            print(f"{name}: {found}", file=sys.stderr)
    return rivals


if __name__ == "__main__":
    sys.exit(main())

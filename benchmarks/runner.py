"""Runs rivals on cases, a process for each, in rounds: the rivals of a case one after the other, then again."""

from __future__ import annotations

import json
import math
import os
import signal
import statistics
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.environments import HERE
from benchmarks.measure import BUDGET

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmarks.cases import Case
    from benchmarks.environments import Rival

__all__ = ["Outcome", "busy", "run_case", "run_once"]

AT_OPTIMUM = 1e-3
"""A criterion is at the optimum when it differs by no more than this, or by 1e-9 of its size."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rival did on a case.

    Attributes
    ----------
    seconds : float or None
        Median over all runs of all rounds, by the clock; None if it failed.
    cpu : float or None
        Median of the processor time of all threads of the process; None where the rival does not tell it.
    fastest, slowest : float or None
    runs : int
    gap : float or None
        Its criterion less the optimum's, where the difference is more than rounding; None where it is not, or where
        the task has no criterion.
    peak_bytes : float or None
        Peak memory of the process above what it held before the first run: interpreter, package and data frame.
    version : str
    failure : str
        Why there is no time.
    """

    seconds: float | None
    cpu: float | None
    fastest: float | None
    slowest: float | None
    runs: int
    gap: float | None
    peak_bytes: float | None
    version: str
    failure: str


def run_case(
    case: Case, rivals: Sequence[Rival], folder: Path, rounds: int, limit: float | None = None
) -> dict[str, Outcome]:
    """Return the outcome of each rival; those that take longer than the budget run in the first round only.

    A process of a rival is stopped after ``limit`` seconds.
    """
    able = [r for r in rivals if case.task in r.tasks]
    answers: dict[str, list[dict[str, Any]]] = {r.name: [] for r in able}
    for _ in range(rounds):
        for rival in able:
            before = answers[rival.name]
            if before and ("error" in before[-1] or before[-1]["first"] > BUDGET):
                continue
            before.append(run_once(case, rival, folder, limit=limit))
    return {r.name: _summarise(case, r, answers[r.name]) for r in able}


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Keep so many cores busy with processes that count for ever."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def run_once(
    case: Case,
    rival: Rival,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    limit: float | None = None,
) -> dict[str, Any]:
    """Return what one process of a rival answers: its times, or why there are none.

    Parameters
    ----------
    case : Case
    rival : Rival
    folder : Path
        Where the data are.
    environment : mapping, optional
        Of the process; by default this one's.
    limit : float, optional
        Seconds after which the process is stopped.
    """
    data = folder / f"{case.data}.csv"
    if rival.script.suffix == ".R":
        arguments = [case.task, str(data), case.formula, ",".join(case.factors), str(case.repeats), str(BUDGET)]
        command = [rival.interpreter, "--vanilla", str(rival.script), *arguments]
    else:
        description = folder / "case.json"
        description.write_text(case.to_json(), encoding="utf-8")
        command = [rival.interpreter, str(HERE / "measure.py"), str(rival.script), str(description), str(data)]
    # What is measured is this checkout.
    environment = dict(os.environ if environment is None else environment)
    if rival.interpreter == sys.executable:
        environment["PYTHONPATH"] = str(HERE.parent)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False, env=environment)
    except subprocess.TimeoutExpired:
        return {"error": f"over {limit:.0f} s"}
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        said = (done.stderr or done.stdout).strip().splitlines()
        return {"error": said[-1] if said else _name_end(done.returncode)}
    answer: dict[str, Any] = json.loads(lines[-1])
    return answer


def _summarise(case: Case, rival: Rival, answers: Sequence[dict[str, Any]]) -> Outcome:
    last = answers[-1]
    version = str(last.get("version", ""))
    if "error" in last:
        return Outcome(None, None, None, None, 0, None, last.get("peak_bytes"), version, last["error"])
    seconds = [s for answer in answers for s in answer["seconds"]]
    optimum = case.optimum if rival.reml else case.optimum_ml
    criterion = last["criterion"]
    gap = None if criterion is None or math.isnan(optimum) else criterion - optimum
    if gap is not None and abs(gap) <= max(AT_OPTIMUM, 1e-9 * abs(optimum)):
        gap = None
    peak = max(a["peak_bytes"] or 0.0 for a in answers) or None
    cpu = [s for answer in answers for s in answer.get("cpu", ())]
    middle = statistics.median(seconds), statistics.median(cpu) if cpu else None
    return Outcome(*middle, min(seconds), max(seconds), len(seconds), gap, peak, version, failure="")


def _name_end(status: int) -> str:
    """Return why a process ended that said nothing; nobody but the system sends SIGKILL here."""
    return "killed: it took all the memory there was" if status == -signal.SIGKILL else f"ended with status {status}"

"""The tables of README.rst, docs/speed.rst and docs/threads.rst, written by a run, held by the tests to its record."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.cases import CASES
from benchmarks.environments import HERE, RIVALS
from benchmarks.table import US, list_versions, notes, render, render_short

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = [
    "BUSY",
    "FIRST",
    "QUIET",
    "Place",
    "choose_rows",
    "merge",
    "read_section",
    "render_section",
    "render_short_section",
    "write_section",
]

ROOT = HERE.parent


@dataclass(frozen=True, slots=True)
class Place:
    """Where a table stands, and the record that it is made of."""

    page: Path
    record: Path


QUIET = Place(ROOT / "docs" / "speed.rst", HERE / "results.json")
"""The table of a machine with nothing else to do."""

FIRST = Place(ROOT / "README.rst", HERE / "results.json")
"""Six rows of that table, for those who meet the package."""

FIRST_CASES = (
    "sleepstudy",
    "InstEval, 73,421 rows",
    "slopes, 1,000,000 rows",
    "nested, 100,000 rows",
    "maximal, 1,792 rows",
    "ratings, 1,000,000 rows",
)
FIRST_RIVALS = ("lme4", "statsmodels", "glmm", "mixedlm", "gpboost")

BUSY = Place(ROOT / "docs" / "threads.rst", HERE / "results_busy.json")
"""The table of a machine whose cores count for ever."""

BEGIN = ".. benchmark table: written by python -m benchmarks --readme\n"
END = ".. end of the benchmark table\n"


def render_section(record: Mapping[str, Any]) -> str:
    """Return what stands between the marks of a page."""
    remarks = "\n".join(f"* {note}" for note in notes(record))
    return f"\n{render(record)}\n\n{remarks}\n\n{_say_when(record)}\n"


def render_short_section(record: Mapping[str, Any]) -> str:
    """Return what stands between the marks of the README; its notes are one line."""
    chosen = choose_rows(record)
    remarks = "; ".join(note.removesuffix(".") for note in notes(chosen))
    return f"\n{render_short(chosen)}\n\n{remarks}.\n\n{_say_when(chosen)}\n"


def choose_rows(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of the README's six rows and its columns, without aims of memory."""
    rivals = [US, *(r for r in FIRST_RIVALS if r in record["rivals"])]
    cases = [
        {**case, "aim_bytes": None, "outcomes": {r: o for r, o in case["outcomes"].items() if r in rivals}}
        for case in record["cases"]
        if case["name"] in FIRST_CASES
    ]
    return {**record, "rivals": rivals, "cases": cases}


def _say_when(record: Mapping[str, Any]) -> str:
    """Return the line that says when the run was made, on how many cores and with which versions."""
    made = record["made"][:10]
    versions = ", ".join(list_versions(record))
    beside = f" beside {record['busy']} processes that count for ever" if record.get("busy") else ""
    return f"Run of {made}{beside}: {record['cores']} cores, Python {record['python']}; {versions}.\n"


def read_section(place: Place) -> str:
    """Return what stands there now."""
    text = place.page.read_text(encoding="utf-8")
    return text.split(BEGIN)[1].split(END)[0]


def merge(record: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with this run's outcomes in place of the kept one's, the cases in the order of ``CASES``.

    A rival that this run left out keeps its time.
    """
    cases = {c["name"]: c for c in kept["cases"]}
    for case in record["cases"]:
        before = cases.get(case["name"], {"outcomes": {}})["outcomes"]
        cases[case["name"]] = {**case, "outcomes": {**before, **case["outcomes"]}}
    rivals = [r for r in RIVALS if r in {*kept["rivals"], *record["rivals"]}]
    return {**record, "rivals": rivals, "cases": [cases[c.name] for c in CASES if c.name in cases]}


def write_section(record: Mapping[str, Any]) -> None:
    """Renew a page's record by the cases of a run, and its table from it; README's six rows with the whole."""
    place = BUSY if record["busy"] else QUIET
    if place.record.exists():
        record = merge(record, json.loads(place.record.read_text(encoding="utf-8")))
    _replace_section(place.page, render_section(record))
    if place is QUIET:
        _replace_section(FIRST.page, render_short_section(record))
    place.record.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _replace_section(page: Path, section: str) -> None:
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    page.write_text(before + BEGIN + section + END + rest.split(END)[1], encoding="utf-8")

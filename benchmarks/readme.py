"""The tables of README.rst and docs/threads.rst, written by a run and checked by the tests against its record."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.cases import CASES
from benchmarks.environments import HERE, RIVALS
from benchmarks.table import list_versions, notes, render

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["BUSY", "QUIET", "Place", "merge", "read_section", "render_section", "write_section"]

ROOT = HERE.parent


@dataclass(frozen=True, slots=True)
class Place:
    """Where a table stands, and the record that it is made of."""

    page: Path
    record: Path


QUIET = Place(ROOT / "README.rst", HERE / "results.json")
"""The table of a machine with nothing else to do."""

BUSY = Place(ROOT / "docs" / "threads.rst", HERE / "results_busy.json")
"""The table of a machine whose cores count for ever."""

BEGIN = ".. benchmark table: written by python -m benchmarks --readme\n"
END = ".. end of the benchmark table\n"


def render_section(record: Mapping[str, Any]) -> str:
    """Return what stands between the marks of a page."""
    made = record["made"][:10]
    versions = ", ".join(list_versions(record))
    beside = f" beside {record['busy']} processes that count for ever" if record.get("busy") else ""
    head = f"Run of {made}{beside}: {record['cores']} cores, Python {record['python']}; {versions}.\n"
    remarks = "\n".join(f"* {note}" for note in notes(record))
    return f"\n{render(record)}\n\n{remarks}\n\n{head}\n"


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
    """Renew a page's record by the cases of a run, and its table from it."""
    place = BUSY if record["busy"] else QUIET
    if place.record.exists():
        record = merge(record, json.loads(place.record.read_text(encoding="utf-8")))
    before, rest = place.page.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    place.page.write_text(before + BEGIN + render_section(record) + END + after, encoding="utf-8")
    place.record.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")

"""The README's table, written by a run and checked by the tests against the record of that run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmarks.cases import CASES
from benchmarks.environments import HERE, RIVALS
from benchmarks.table import list_versions, notes, render

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RECORD", "merge", "read_section", "render_section", "write_readme"]

README = HERE.parent / "README.rst"
RECORD = HERE / "results.json"
BEGIN = ".. benchmark table: written by python -m benchmarks --readme\n"
END = ".. end of the benchmark table\n"


def render_section(record: Mapping[str, Any]) -> str:
    """Return what stands between the marks in README.rst."""
    made = record["made"][:10]
    versions = ", ".join(list_versions(record))
    head = f"Run of {made}: {record['cores']} cores, Python {record['python']}; {versions}.\n"
    remarks = "\n".join(f"* {note}" for note in notes(record))
    return f"\n{render(record)}\n\n{remarks}\n\n{head}\n"


def read_section() -> str:
    """Return what stands there now."""
    text = README.read_text(encoding="utf-8")
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


def write_readme(record: Mapping[str, Any]) -> None:
    """Renew the record beside this file by the cases of a run, and the section from it."""
    if RECORD.exists():
        record = merge(record, json.loads(RECORD.read_text(encoding="utf-8")))
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    README.write_text(before + BEGIN + render_section(record) + END + after, encoding="utf-8")
    RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")

"""How far the numbers of a fit may lie from it, as entries of its JSON record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lmmtools.errors import DataError
from lmmtools.report.nearby import ReachTable

if TYPE_CHECKING:
    from lmmtools.results.json_entry import Entry

__all__ = ["read_reach", "write_reach"]

VERSION = 1


def write_reach(table: ReachTable) -> dict[str, Any]:
    """Return the entry ``reach`` of a record."""
    rows = [[part, label, list(found)] for (part, label), found in table.reaches.items()]
    return {"version": VERSION, "gaps": list(table.gaps), "numbers": rows}


def read_reach(entry: Entry | None) -> ReachTable | None:
    """Return what the entry ``reach`` holds; None where a record has none, or one of a newer version.

    Raises
    ------
    DataError
        If it is not what a record has.
    """
    if entry is None or entry.optional() is None or entry["version"].count(1) > VERSION:
        return None
    size = len(entry["gaps"].entries())
    gaps = entry["gaps"].numbers(size).tolist()
    if not gaps or gaps[0] <= 0 or sorted(gaps) != gaps:
        raise DataError(f"{entry['gaps'].place} does not rise from above zero")
    reaches = {}
    for row in entry["numbers"].entries():
        if len(row.entries()) != 3:
            raise DataError(f"{row.place} is not a kind, a label and a list of numbers")
        part, label, found = row.entries()
        reaches[part.text(), label.text()] = tuple(number.number(least=0.0) for number in found.entries())
        if len(found.entries()) != size:
            raise DataError(f"{found.place} has not one number for each gap")
    return ReachTable(tuple(gaps), reaches)

"""JSON with every number at full precision; what is not finite becomes null."""

from __future__ import annotations

import importlib
import math
from typing import TYPE_CHECKING, Any

from lmmtools.report.table import Facts, Framed, Prose, Table

if TYPE_CHECKING:
    from lmmtools.report.table import Cell, Document, Part

__all__ = ["render"]

# This module has the name of the standard one.
_json = importlib.import_module("json")


def render(document: Document) -> str:
    """Return one JSON object: ``title``, then each part under its name.

    A table is ``{"title", "columns", "rows", "notes"}``, facts are ``{name: value}``, prose is a list of strings.
    `Framed` numbers are written without their text.
    """
    content: dict[str, Any] = {"title": document.title}
    content.update({part.name: _part(part) for part in document.parts})
    return str(_json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False))


def _part(part: Part) -> Any:
    if isinstance(part, Table):
        rows = [[_value(cell) for cell in row] for row in part.rows]
        content = {"title": part.title, "columns": [c.name for c in part.columns], "rows": rows}
        return {**content, "notes": list(part.notes)} if part.notes else content
    if isinstance(part, Facts):
        return {fact.name: _value(fact.value) for fact in part.facts}
    assert isinstance(part, Prose)
    return list(part.lines)


def _value(cell: Cell | Framed) -> Any:
    if isinstance(cell, Framed):
        numbers = [_value(number) for number in cell.numbers]
        return numbers[0] if len(numbers) == 1 else numbers
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell

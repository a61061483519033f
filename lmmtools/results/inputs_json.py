"""What a fit was made of, as its JSON record holds it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lmmtools.report.fingerprint import Fingerprint, Inputs

if TYPE_CHECKING:
    from lmmtools.results.json_entry import Entry

__all__ = ["read_inputs", "write_inputs"]


def write_inputs(inputs: Inputs) -> dict[str, Any]:
    """Return the entry ``inputs`` of a record."""
    return {
        "name": inputs.name,
        "response": _written(inputs.response),
        "weights": _written(inputs.weights),
        "offset": _written(inputs.offset),
        "columns": {name: [_finite(v) for v in sums] for name, sums in inputs.columns.items()},
    }


def read_inputs(entry: Entry | None) -> Inputs | None:
    """Return what the entry ``inputs`` holds; None where a record has none."""
    if entry is None:
        return None
    columns = {}
    for name, sums in entry["columns"].items():
        total, squares = sums.numbers(2, is_finite=False).tolist()
        columns[name] = (total, squares)
    response = _read(entry["response"])
    return Inputs(
        response or Fingerprint(),
        entry["name"].text(),
        _read(entry["weights"].optional()),
        _read(entry["offset"].optional()),
        columns,
    )


def _written(found: Fingerprint | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "n": found.n,
        "ordered": found.ordered,
        "unordered": found.unordered,
        "total": _finite(found.total),
        "squares": _finite(found.squares),
    }


def _read(entry: Entry | None) -> Fingerprint | None:
    if entry is None:
        return None
    n, total, squares = (entry[name].optional() for name in ("n", "total", "squares"))
    return Fingerprint(
        None if n is None else n.count(),
        entry["ordered"].text(),
        entry["unordered"].text(),
        None if total is None else total.number(is_finite=False),
        None if squares is None else squares.number(is_finite=False),
    )


def _finite(value: float | None) -> float | str | None:
    if value is None or math.isfinite(value):
        return value
    return "NaN"

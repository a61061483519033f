"""From raw cells to text: the one place where numbers are rounded."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lmmtools.report.rformat import (
    format_coefficients,
    format_correlations,
    format_numbers,
    format_pvalues,
    format_statistics,
    round_half_even,
    zapsmall,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lmmtools.report.table import Cell, Fact, NumberFormat, Table

__all__ = ["format_cells", "format_fact", "is_number"]


def format_cells(table: Table) -> list[list[str]]:
    """Return the cells of a table as text, row by row.

    Numbers that are laid out together are padded to one width (so that their points line up); empty cells are ``""``.
    """
    cells = [["" if c is None else str(c) for c in row] for row in table.rows]
    for places, numbers in _shared_layouts(table):
        texts = _format([float(table.rows[i][j]) for i, j in places], numbers)  # type: ignore[arg-type]
        for (i, j), text in zip(places, texts, strict=True):
            cells[i][j] = text
    return cells


def format_fact(fact: Fact) -> str:
    """Return the value of a fact as text."""
    if not is_number(fact.value):
        return "" if fact.value is None else str(fact.value)
    return _format([float(fact.value)], fact.numbers)[0]  # type: ignore[arg-type]


def is_number(cell: Cell) -> bool:
    """Whether a cell holds a number (a bool is none)."""
    return isinstance(cell, (int, float)) and not isinstance(cell, bool)


def _shared_layouts(table: Table) -> list[tuple[list[tuple[int, int]], NumberFormat]]:
    """Return the places (row, column) of numbers that are laid out together, and how."""
    columns: dict[str, list[int]] = {}
    for j, column in enumerate(table.columns):
        columns.setdefault(column.numbers.share or f"alone {j}", []).append(j)
    rules = {js[0]: js for js in columns.values() if table.columns[js[0]].numbers.rule not in ("text", "by row")}
    layouts = [
        ([(i, j) for j in js for i, row in enumerate(table.rows) if is_number(row[j])], table.columns[first].numbers)
        for first, js in rules.items()
    ]
    by_row = [j for j, column in enumerate(table.columns) if column.numbers.rule == "by row"]
    layouts += [
        ([(i, j) for j in by_row if is_number(table.rows[i][j])], numbers)
        for i, numbers in enumerate(table.row_numbers or ())
    ]
    return layouts


def _format(values: list[float], numbers: NumberFormat) -> list[str]:
    if numbers.decimals is not None:
        values = [round_half_even(v, numbers.decimals) for v in values]
    return _RULES[numbers.rule](values, numbers.digits)


def _each_alone(values: Sequence[float], digits: int) -> list[str]:
    return [format_numbers([v], digits)[0] for v in values]


def _scientific(values: Sequence[float], digits: int) -> list[str]:
    return ["0" if v == 0 else "" if math.isnan(v) else f"{v:.{digits - 1}e}" for v in values]


_RULES: dict[str, Callable[[Sequence[float], int], list[str]]] = {
    "text": lambda values, digits: _each_alone(values, 7),
    "significant": format_numbers,
    "zapped": lambda values, digits: format_numbers(zapsmall(values, digits), digits),
    "correlation": format_correlations,
    "coefficient": format_coefficients,
    "statistic": format_statistics,
    "pvalue": format_pvalues,
    "plain": _each_alone,
    "scientific": _scientific,
}

"""From raw cells to text: the one place where numbers are rounded."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from lmmtools.printout.number import RoundedNumber
from lmmtools.report.rformat import (
    format_coefficients,
    format_correlations,
    format_numbers,
    format_pvalues,
    format_statistics,
    round_half_even,
    zapsmall,
)
from lmmtools.report.table import Framed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lmmtools.report.table import Cell, Fact, NumberFormat, Table

__all__ = ["format_cells", "format_fact", "is_heading", "is_number", "split_at_point", "widths_at_point"]

# A number, with an optional parenthesis or < before it and marks such as *** after it.
_DECIMAL = re.compile(r"([(<]*-?\d+)((?:\.\d+)?(?:e[+-]\d+)?\)?[^\w\s\[\],]*)")


def format_cells(table: Table) -> list[list[str]]:
    """Return the cells of a table as text, row by row.

    Numbers that are laid out together are padded to one width (so that their points line up); empty cells are ``""``.
    A `RoundedNumber` shows no more digits than were read of it.
    """
    cells = [["" if c is None else str(c) for c in row] for row in table.rows]
    for places, numbers in _shared_layouts(table):
        values = [value for i, j in places for value in _numbers_of(table.rows[i][j])]
        texts = iter(map(_known_digits, values, _format(list(map(float, values)), numbers)))
        for i, j in places:
            cell = table.rows[i][j]
            if isinstance(cell, Framed):
                inside = ", ".join(next(texts).strip() for _ in cell.numbers)
                cells[i][j] = f"{cell.before}{inside}{cell.after}"
            else:
                cells[i][j] = next(texts)
    return cells


def _numbers_of(cell: Cell | Framed) -> tuple[float, ...]:
    """Return the numbers of a cell; an empty tuple for text."""
    if isinstance(cell, Framed):
        return cell.numbers
    return (cell,) if is_number(cell) else ()  # type: ignore[return-value]


def _known_digits(value: float, text: str) -> str:
    """Return the formatted text of a number, or the text it was read from where that has fewer decimals."""
    if not isinstance(value, RoundedNumber) or "<" in text:
        return text
    is_longer = len(text.partition(".")[2]) > len(value.text.partition(".")[2]) and "e" not in text
    return value.text if is_longer else text


def split_at_point(text: str) -> tuple[str, str] | None:
    """Return the parts of a number before and after the place of its decimal point; None for other text."""
    found = _DECIMAL.fullmatch(text.strip())
    return None if found is None else (found[1], found[2])


def widths_at_point(cells: Sequence[str]) -> tuple[int, int]:
    """Return the most characters before and after the decimal points of a column; (0, 0) without numbers."""
    parts = [part for part in map(split_at_point, cells) if part]
    return max((len(p[0]) for p in parts), default=0), max((len(p[1]) for p in parts), default=0)


def is_heading(row: Sequence[str]) -> bool:
    """Whether a row is the heading of a section: only its first cell is not empty."""
    return bool(row[0]) and not any(row[1:])


def format_fact(fact: Fact) -> str:
    """Return the value of a fact as text."""
    if not is_number(fact.value):
        return "" if fact.value is None else str(fact.value)
    return _format([float(fact.value)], fact.numbers)[0]  # type: ignore[arg-type]


def is_number(cell: Cell | Framed) -> bool:
    """Whether a cell holds a number; a bool is not one."""
    return isinstance(cell, (int, float)) and not isinstance(cell, bool)


def _shared_layouts(table: Table) -> list[tuple[list[tuple[int, int]], NumberFormat]]:
    """Return the groups of cells that are laid out together: their (row, column) places and their number format."""
    columns: dict[str, list[int]] = {}
    for j, column in enumerate(table.columns):
        columns.setdefault(column.numbers.share or f"alone {j}", []).append(j)
    rules = {js[0]: js for js in columns.values() if table.columns[js[0]].numbers.rule not in ("text", "by row")}
    layouts = [
        (
            [(i, j) for j in js for i, row in enumerate(table.rows) if _numbers_of(row[j])],
            table.columns[first].numbers,
        )
        for first, js in rules.items()
    ]
    by_row = [j for j, column in enumerate(table.columns) if column.numbers.rule == "by row"]
    together: dict[str, list[int]] = {}
    for i, numbers in enumerate(table.row_numbers or ()):
        together.setdefault(numbers.share or f"alone {i}", []).append(i)
    layouts += [
        ([(i, j) for i in rows for j in by_row if _numbers_of(table.rows[i][j])], (table.row_numbers or ())[rows[0]])
        for rows in together.values()
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


def _bounded(values: Sequence[float], digits: int) -> list[str]:
    least = 10.0**-digits
    return [f"<{least:.{digits}f}" if v < least else f"{v:.{digits}f}" for v in values]


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
    "bounded": _bounded,
}

"""``model_performance()``, ``icc()`` and ``r2()`` of R's package performance."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.printout.grid import cells_of_bars, number_of, read_bars
from lmmtools.printout.number import PrintedNumber
from lmmtools.printout.printed_table import PrintedRow, PrintedTable
from lmmtools.printout.rtable import name_line
from lmmtools.printout.wrapping import is_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.printout.layout import Line

__all__ = ["IS_FIT", "TITLE", "begins", "read"]

TITLE = "model_performance(), icc() or r2() of performance"
IS_FIT = False
_COLUMNS = ("AIC", "AICc", "BIC", "R2 (cond.)", "R2 (marg.)", "ICC", "RMSE", "Sigma")
_NEEDED = {"RMSE", "Sigma"}
_LINE = re.compile(r"(?P<name>(?:Adjusted|Unadjusted|Conditional) ICC|(?:Conditional|Marginal) R2): (?P<value>\S+)")
# Three decimals are printed, or powers with two.
_DECIMALS = re.compile(r"-?\d+[.,]\d{3}|-?\d[.,]\d{2}e[-+]\d\d")


def begins(lines: Sequence[Line]) -> int | None:
    """Return the place of the heading, or of the first line of a coefficient; None if there is none."""
    return next(
        (k for k, line in enumerate(lines) if not line.is_break and (_is_heading(line) or _LINE.match(line.words))),
        None,
    )


def _is_heading(line: Line) -> bool:
    names = set(cells_of_bars(line.text)) if "|" in line.text else set()
    return names >= _NEEDED and names <= set(_COLUMNS)


def read(lines: Sequence[Line], start: int) -> PrintedTable:
    """Return the figures from ``start`` on."""
    found: list[tuple[str, str, Line]] = []
    for k in range(start, len(lines)):
        line = lines[k]
        if line.is_break:
            continue
        if _is_heading(line):
            grid = read_bars(lines[k:])
            below = k + grid.used
            if len(grid.rows) != 1 or grid.unread or (below < len(lines) and is_numbers(lines[below])):
                raise PrintoutError(f"There is not one row of numbers below {name_line(line)}: was the text cut?")
            # Of a singular fit, R2 and ICC are empty.
            found += [(name, cell, grid.rows[0].line) for name, cell in grid.rows[0].cells.items() if cell]
        elif each := _LINE.fullmatch(line.words):
            found.append((each["name"], each["value"], line))
    numbers: dict[str, PrintedNumber] = {}
    for name, cell, line in found:
        if name in numbers or number_of(cell) is None or not _DECIMALS.fullmatch(cell.replace("\u2212", "-")):
            raise PrintoutError(f"{name}, {cell}, is no number of three decimals, or stands twice ({name_line(line)}).")
        numbers[name] = PrintedNumber(cell)
    _check_shares(numbers)
    return PrintedTable("parameters", TITLE, (PrintedRow(("fit",), numbers),))


def _check_shares(numbers: dict[str, PrintedNumber]) -> None:
    """Raise PrintoutError if a share is none, or a part is larger than its whole."""
    pairs = (("Marginal R2", "Conditional R2"), ("R2 (marg.)", "R2 (cond.)"), ("Unadjusted ICC", "Adjusted ICC"))
    for part, whole in pairs:
        if part in numbers and whole in numbers and numbers[part] > numbers[whole]:
            raise PrintoutError(f"{part} {numbers[part]} is above {whole} {numbers[whole]}: a digit was changed.")
    for name, number in numbers.items():
        if ("R2" in name or "ICC" in name) and not 0 <= number <= 1:
            raise PrintoutError(f"{name} {number} is no share: a digit was changed.")

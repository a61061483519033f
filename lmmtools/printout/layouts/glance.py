"""``glance(fit)`` of broom.mixed: criteria and sizes of a fit in one row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.printout.grid import cells_of_bars, number_of, read_grid
from lmmtools.printout.printed_table import PrintedRow, PrintedTable
from lmmtools.printout.rtable import name_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.printout.layout import Line

__all__ = ["IS_FIT", "TITLE", "begins", "read"]

TITLE = "glance() of broom.mixed"
IS_FIT = False
_COLUMNS = ("nobs", "sigma", "logLik", "AIC", "BIC", "REMLcrit", "deviance", "df.residual")
_NEEDED = {"sigma", "logLik", "AIC"}


def begins(lines: Sequence[Line]) -> int | None:
    """Return the place of the heading of the columns; None if there is none."""
    return next((k for k, line in enumerate(lines) if _is_heading(line)), None)


def _is_heading(line: Line) -> bool:
    names = cells_of_bars(line.text) if "|" in line.text else line.words.split()
    return not line.is_break and set(names) >= _NEEDED and set(names) <= set(_COLUMNS)


def read(lines: Sequence[Line], start: int) -> PrintedTable:
    """Return the figures of the row below the heading at ``start``."""
    grid = read_grid(lines[start:])
    if len(grid.rows) != 1 or grid.unread or any(map(_is_heading, lines[start + grid.used :])):
        raise PrintoutError(f"There is not one row of numbers below {name_line(lines[start])}: was the text cut?")
    row = grid.rows[0]
    found = {name: number_of(cell) for name, cell in row.cells.items()}
    numbers = {name: n.rounded_twice() for name, n in found.items() if n is not None}
    llf, criterion = numbers.get("logLik"), numbers.get("REMLcrit", numbers.get("deviance"))
    if len(numbers) < len(found):
        raise PrintoutError(f"{name_line(row.line)} has not a number below each name: was the text cut?")
    if llf is None or criterion is None:
        raise PrintoutError(f"{name_line(lines[start])} names no criterion: was the text cut?")
    if abs(-2.0 * llf - criterion) > 2.0 * llf.half_unit + criterion.half_unit:
        raise PrintoutError(f"The criterion is not -2 logLik in {name_line(row.line)}: a digit was changed.")
    return PrintedTable("parameters", TITLE, (PrintedRow(("fit",), numbers),))

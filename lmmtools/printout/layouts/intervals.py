"""``confint(fit)``: limits of the parameters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.printout.printed_table import PrintedRow, PrintedTable
from lmmtools.printout.rtable import columns_of, name_line, read_rtable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.printout.layout import Line

__all__ = ["IS_FIT", "TITLE", "begins", "read"]

TITLE = "confint() of lme4"
IS_FIT = False
_COLUMNS = re.compile(r"(?P<percent>\d+(?:\.\d+)?) ?%")


def begins(lines: Sequence[Line]) -> int | None:
    """Return the place of a heading of two percentages; None if there is none."""
    for k, line in enumerate(lines):
        found = columns_of(_COLUMNS)(line)
        if found is not None and len(found.names) == 2 and not found.labels and not line.is_break:
            return k
    return None


def read(lines: Sequence[Line], start: int) -> PrintedTable:
    """Return the limits of the table that begins at ``start``."""
    low, high = (float(m["percent"]) for m in _COLUMNS.finditer(lines[start].text))
    if not 0 < low < high < 100 or abs(low + high - 100) > 0.11:
        raise PrintoutError(f"The percentages of {name_line(lines[start])} are not two ends of an interval.")
    table = read_rtable(lines[start:], columns_of(_COLUMNS))
    rows = []
    for row in table.rows:
        lower, upper = row.numbers
        if lower is not None and upper is not None and lower > upper:
            raise PrintoutError(f"The lower limit is above the upper in {name_line(row.line)}: a digit was changed.")
        rows.append(PrintedRow((row.label.strip(),), {"lower": row.numbers[0], "upper": row.numbers[1]}))  # type: ignore[dict-item]
    if not rows or len({row.labels for row in rows}) < len(rows):
        raise PrintoutError("The table of limits has no rows, or two of one name: was the text cut?")
    facts = {"alpha": f"{1 - (high - low) / 100:.6g}"}
    return PrintedTable("intervals", TITLE, tuple(rows), facts, tuple(map(name_line, table.unread)))

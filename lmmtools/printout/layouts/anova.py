"""``anova(fit)`` of lmerTest and of lme4: F tests of the terms."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.printout.printed_table import PrintedRow, PrintedTable
from lmmtools.printout.rtable import check_quotients, columns_of, name_line, read_rtable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.printout.layout import Line

__all__ = ["IS_FIT", "TITLE", "begins", "read"]

TITLE = "anova() of lmerTest or lme4"
IS_FIT = False
_TITLE = re.compile(r"(?:Type (?P<type>I{1,3}) )?Analysis of Variance Table(?: with (?P<ddf>[\w-]+)['’]?s? method)?")
_COLUMNS = re.compile(r"\b(?:npar|Sum Sq|Mean Sq|NumDF|DenDF|F value|Df)(?=\s|$)|Pr\(>F\)")
_DDF = {"Satterthwaite": "satterthwaite", "Kenward-Roger": "kenward-roger"}


def begins(lines: Sequence[Line]) -> int | None:
    """Return the place of the title; None if there is none with a table of F tests below it."""
    heading = columns_of(_COLUMNS)
    for k, line in enumerate(lines[:-1]):
        if _TITLE.match(line.words) and not line.is_break:
            below = next((each for each in lines[k + 1 : k + 4] if not each.is_blank), None)
            found = heading(below) if below is not None else None
            if found is not None and "Sum Sq" in found.names:
                return k
    return None


def read(lines: Sequence[Line], start: int) -> PrintedTable:
    """Return the tests of the table that begins at ``start``."""
    title = _TITLE.match(lines[start].words)
    assert title is not None
    at = next(k for k in range(start + 1, len(lines)) if not lines[k].is_blank)
    table = read_rtable(lines[at:], columns_of(_COLUMNS), has_stars=True)
    names = [row.label.strip() for row in table.rows]
    if not names or len(set(names)) < len(names):
        raise PrintoutError(f"The table of {name_line(lines[start])} has no rows, or two for one term: was it cut?")
    # lme4 counts parameters, lmerTest degrees of freedom of the numerator.
    check_quotients(table, "Mean Sq", "Sum Sq", "NumDF" if "NumDF" in table.heading.names else "npar")
    facts = {"type": title["type"] or "I", "ddf": _DDF.get(title["ddf"] or "", "")}
    return PrintedTable(
        "anova",
        TITLE,
        tuple(PrintedRow((name,), table.by_column(row)) for name, row in zip(names, table.rows, strict=True)),
        facts,
        tuple(map(name_line, table.unread)),
    )

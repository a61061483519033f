"""``fixef(fit)`` and ``coef(summary(fit))``: the fixed effects alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.printout.fixed_effects import check_end, read_fixed_effects
from lmmtools.printout.printed_table import PrintedRow, PrintedTable
from lmmtools.printout.row import read_tail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.printout.layout import Line

__all__ = ["IS_FIT", "TITLE", "begins", "read"]

TITLE = "fixef() or coef(summary()) of lme4"
IS_FIT = False
_TABLE = re.compile(r"Estimate Std\. ?Error (?:df )?t[- ]value(?: Pr\(>\|t\|\))?")
_NAMES = re.compile(r"\(Intercept\)(?: |$)")
_NUMBERS = {"Estimate": "estimate", "Std. Error": "std_error", "df": "df", "t value": "t", "Pr(>|t|)": "p"}


def begins(lines: Sequence[Line]) -> int | None:
    """Return the place of a heading, or of names over as many numbers, the intercept first; None if there are none."""
    for k, line in enumerate(lines):
        if line.is_break or line.is_blank:
            continue
        if _TABLE.fullmatch(line.words):
            return k
        if _NAMES.match(line.words) and not len(read_tail(line.text)) and k + 1 < len(lines):
            tail = read_tail(lines[k + 1].text)
            # Names may have blanks; a level before the numbers would be one number more.
            if 0 < len(tail) <= len(line.words.split()) and not tail.label(len(tail)).strip() and _is_first(lines, k):
                return k
    return None


def _is_first(lines: Sequence[Line], k: int) -> bool:
    """Whether no heading of another table stands right above."""
    return k == 0 or lines[k - 1].is_blank or lines[k - 1].is_break or not lines[k - 1].words.startswith("$")


def read(lines: Sequence[Line], start: int) -> PrintedTable:
    """Return the fixed effects that begin at ``start``, up to a blank line."""
    end = next((k for k in range(start, len(lines)) if lines[k].is_blank or lines[k].is_break), len(lines))
    found = read_fixed_effects(lines[start:end])
    if all(line.is_blank for line in lines[end:]):
        check_end(lines[start:end])
    if len({c.name for c in found}) < len(found):
        raise PrintoutError("The fixed effects have two of one name: give one printout.")
    rows = []
    for c in found:
        numbers = {title: getattr(c, name) for title, name in _NUMBERS.items()}
        rows.append(PrintedRow((c.name,), {title: n for title, n in numbers.items() if n is not None}))
    return PrintedTable("coefficients", TITLE, tuple(rows))

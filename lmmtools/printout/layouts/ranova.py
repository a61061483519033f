"""``ranova(fit)`` of lmerTest: likelihood-ratio tests of the random effects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.printout.printed_table import PrintedRow, PrintedTable
from lmmtools.printout.rtable import columns_of, name_line, read_rtable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmmtools.printout.layout import Line
    from lmmtools.printout.number import PrintedNumber

__all__ = ["IS_FIT", "TITLE", "begins", "read"]

TITLE = "ranova() of lmerTest"
IS_FIT = False
_TITLE = re.compile(r"ANOVA-like table for random-effects")
_COLUMNS = re.compile(r"\b(?:npar|logLik|AIC|LRT|Df)(?=\s|$)|Pr\(>Chisq\)")
_WHOLE = "<none>"


def begins(lines: Sequence[Line]) -> int | None:
    """Return the place of the title; None if there is none."""
    return next((k for k, line in enumerate(lines) if _TITLE.match(line.words) and not line.is_break), None)


def read(lines: Sequence[Line], start: int) -> PrintedTable:
    """Return the tests of the table that begins at ``start``."""
    heading = columns_of(_COLUMNS)
    at = next((k for k in range(start + 1, len(lines)) if heading(lines[k])), None)
    if at is None:
        raise PrintoutError(f"There is no table 'npar logLik AIC LRT Df' below {name_line(lines[start])}.")
    table = read_rtable(lines[at:], heading, may_be_blank=True, has_stars=True)
    rows = [(" ".join(row.label.split()), table.by_column(row), row.line) for row in table.rows]
    if not rows or len({label for label, _, _ in rows}) < len(rows):
        raise PrintoutError(f"The table of {name_line(lines[start])} has no rows, or two for one term: was it cut?")
    whole = next((cells for label, cells, _ in rows if label == _WHOLE), None)
    for _, cells, line in rows:
        _check(cells, whole, line)
    return PrintedTable(
        "ranova",
        TITLE,
        tuple(PrintedRow((label,), cells) for label, cells, _ in rows),
        {},
        tuple(map(name_line, table.unread)),
    )


def _check(cells: Mapping[str, PrintedNumber], whole: Mapping[str, PrintedNumber] | None, line: Line) -> None:
    """Raise PrintoutError unless AIC, LRT and Df follow from the log-likelihoods and numbers of parameters."""
    npar, llf, aic = (cells.get(name) for name in ("npar", "logLik", "AIC"))
    if npar is not None and llf is not None and aic is not None:
        slack = 2.0 * llf.half_unit + aic.half_unit
        if abs(2.0 * npar - 2.0 * llf - aic) > slack * 1.2:
            raise PrintoutError(f"AIC does not follow from logLik and npar in {name_line(line)}: a digit was changed.")
    lrt, df = cells.get("LRT"), cells.get("Df")
    if whole is None or llf is None or npar is None:
        return
    if df is not None and "npar" in whole and df != whole["npar"] - npar:
        raise PrintoutError(f"Df is not the difference of npar in {name_line(line)}: a digit was lost or changed.")
    if lrt is not None and "logLik" in whole:
        slack = 2.0 * (llf.half_unit + whole["logLik"].half_unit) + lrt.half_unit
        if abs(2.0 * (whole["logLik"] - llf) - lrt) > slack * 1.2:
            raise PrintoutError(f"LRT is not twice the difference of logLik in {name_line(line)}: a digit was changed.")

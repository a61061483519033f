"""``tidy(fit)`` of broom.mixed: a tibble, a data frame, or a table of knitr's ``kable()``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.printout.grid import cells_of_bars, number_of, read_grid
from lmmtools.printout.number import is_quotient
from lmmtools.printout.printed_table import PrintedRow, PrintedTable
from lmmtools.printout.rtable import name_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.printout.grid import Grid, GridRow
    from lmmtools.printout.layout import Line
    from lmmtools.printout.number import PrintedNumber

__all__ = ["IS_FIT", "TITLE", "begins", "read"]

TITLE = "tidy() of broom.mixed"
IS_FIT = False
_HEADING = re.compile(r"\|?effect (?:component )?(?:group )?(?:level )?term estim\S*(?: .*)?")
_NUMBERS = ("estimate", "std.error", "statistic", "df", "p.value", "conf.low", "conf.high")
_LABELS = ("effect", "component", "group", "level", "term")
_EFFECTS = ("fixed", "ran_pars", "ran_vals", "ran_coefs")
_PARAMETER = re.compile(r"(?P<kind>sd|var|cor|cov)__?(?P<names>.+)")
_KINDS = {"sd": "sd", "var": "variance", "cor": "correlation", "cov": "covariance"}


def begins(lines: Sequence[Line]) -> int | None:
    """Return the place of the heading of the columns; None if there is none."""
    return next((k for k, line in enumerate(lines) if _is_heading(line)), None)


def _is_heading(line: Line) -> bool:
    words = " ".join(cells_of_bars(line.text)) if "|" in line.text else line.words
    return not line.is_break and _HEADING.fullmatch(words) is not None


def read(lines: Sequence[Line], start: int) -> PrintedTable:
    """Return the parameters of the table whose heading is at ``start``.

    Labels are ``fixed`` and the effect, or ``sd``, ``variance``, ``correlation``, ``covariance``, the group and the
    effects; of modes, ``mode``, group, level and effect. A component that is not ``cond`` stands before them.
    """
    grid = read_grid(lines[start:])
    if any(map(_is_heading, lines[start + grid.used :])):
        raise PrintoutError("The text holds two tables of tidy(): give one.")
    if unknown := [name for name in grid.columns if name not in (*_NUMBERS, *_LABELS)]:
        raise PrintoutError(f"{name_line(lines[start])} has the column {unknown[0]!r}, which tidy() has not.")
    rows: list[PrintedRow] = []
    unread = list(grid.unread)
    for row in grid.rows:
        labels = _labels(row.cells)
        if labels is None or any(number_of(row.cells[name]) is None for name in grid.columns if name in _NUMBERS):
            unread.append(row.line)
            continue
        numbers = _numbers(row, grid)
        _check(numbers, labels, row.line)
        rows.append(PrintedRow(labels, numbers))
    if not rows or len({row.labels for row in rows}) < len(rows):
        raise PrintoutError(
            f"The table of {name_line(lines[start])} has no row that is whole, or two of one name: print it wider "
            "(options(width = 120) in R), one table at a time."
        )
    unread.sort(key=lambda line: line.number)
    return PrintedTable("parameters", TITLE, tuple(rows), {}, tuple(map(name_line, unread)))


def _labels(cells: dict[str, str]) -> tuple[str, ...] | None:
    """Return the labels of a row; None if a text was abbreviated, or is none that tidy() has."""
    effect = next((e for e in _EFFECTS if e == cells["effect"]), None)
    texts = [cells[name] for name in _LABELS if name in cells]
    if effect is None or any("…" in text or not text for text in texts):
        return None
    group, term = cells.get("group", "NA"), cells["term"]
    component = cells.get("component", "cond")
    part = () if component == "cond" else (component,)
    if effect == "fixed":
        return (*part, "fixed", term)
    if group in ("NA", "<NA>"):
        return None
    if effect in ("ran_vals", "ran_coefs"):
        return (*part, "mode" if effect == "ran_vals" else "coefficient", group, cells.get("level", ""), term)
    found = _PARAMETER.fullmatch(term)
    if found is None:
        return None
    names = "" if group == "Residual" and found["names"] == "Observation" else found["names"]
    return (*part, _KINDS[found["kind"]], group, names)


def _numbers(row: GridRow, grid: Grid) -> dict[str, PrintedNumber]:
    """Return the numbers of a row by column, without those that are not available."""
    found = {name: number_of(row.cells[name]) for name in grid.columns if name in _NUMBERS}
    # Columns are rounded by format(), some after round().
    return {name: n.rounded_twice() for name, n in found.items() if n is not None and n == n}


def _check(numbers: dict[str, PrintedNumber], labels: tuple[str, ...], line: Line) -> None:
    """Raise PrintoutError if the numbers of a row contradict each other."""
    estimate, error, statistic = (numbers.get(name) for name in ("estimate", "std.error", "statistic"))
    is_whole = estimate is not None and error is not None and statistic is not None
    if is_whole and not is_quotient(statistic, estimate, error):  # type: ignore[arg-type]
        raise PrintoutError(
            f"The statistic is not estimate over std.error in {name_line(line)}: a digit was lost or changed, or the "
            "estimates were exponentiated."
        )
    if not 0 <= numbers.get("p.value", 0.0) <= 1:
        raise PrintoutError(f"The p value of {name_line(line)} is none: a digit was lost or changed.")
    low, high = numbers.get("conf.low"), numbers.get("conf.high")
    slack = 0.0 if estimate is None else estimate.half_unit
    for below, above in ((low, estimate), (estimate, high), (low, high)):
        if below is not None and above is not None and below - below.half_unit - slack > above + above.half_unit:
            raise PrintoutError(f"The estimate is not within its limits in {name_line(line)}: a digit was changed.")
    if estimate is not None and (
        ("correlation" in labels and abs(estimate) > 1) or ({"sd", "variance"} & set(labels) and estimate < 0)
    ):
        raise PrintoutError(f"{name_line(line)} is no standard deviation or correlation: a digit was changed.")

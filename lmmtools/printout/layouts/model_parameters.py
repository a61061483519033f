"""``model_parameters(fit)`` of R's package parameters, as text and in Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.printout.grid import cells_of_bars, number_of, read_bars
from lmmtools.printout.number import PrintedNumber, is_quotient
from lmmtools.printout.printed_table import PrintedRow, PrintedTable
from lmmtools.printout.rtable import name_line
from lmmtools.printout.terms import name_of_label
from lmmtools.printout.wrapping import is_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.printout.grid import Grid, GridRow
    from lmmtools.printout.layout import Line

__all__ = ["IS_FIT", "TITLE", "begins", "read"]

TITLE = "model_parameters() of parameters"
IS_FIT = False
_LIMITS = re.compile(r"(?P<level>\d+(?:\.\d+)?)% CI")
_NUMBER = r"[-\u2012\u2013\u2212]?\d+(?:\.\d+)?(?:e[-+]\d+)?"
_INTERVAL = re.compile(rf"[\[(] ?(?P<low>{_NUMBER}), *(?P<high>{_NUMBER})[\])]")
_STATISTIC = re.compile(r"(?P<name>[tz])(?:\((?P<df>[\d.]+)\))?")
_P = re.compile(r"(?P<number>< ?\.\d{3}|> ?\.\d{3}|0?\.\d{3}|1\.000|\d\.\d{2}e-\d+)\**")
_SPREAD = re.compile(r"(?P<kind>SD|Var) \((?:(?P<effect>[^:]+): )?(?P<group>.+)\)")
_PAIR = re.compile(r"(?P<kind>Cor|Cov) \((?P<one>.+?)~(?P<other>[^:]+): (?P<group>.+)\)")
_KINDS = {"SD": "sd", "Var": "variance", "Cor": "correlation", "Cov": "covariance"}
_RANDOM = re.compile(r"(?:Table: )?#? ?Random Effects")


def begins(lines: Sequence[Line]) -> int | None:
    """Return the place of the first heading; None if there is none."""
    return next((k for k, line in enumerate(lines) if _is_heading(line)), None)


def _is_heading(line: Line) -> bool:
    if line.is_break or "|" not in line.text:
        return False
    first, *others = cells_of_bars(line.text)
    return first == "Parameter" and bool(others) and all(_is_column(k, name) for k, name in enumerate(others))


def _is_column(k: int, name: str) -> bool:
    known = name in ("SE", "df", "df_error", "p") or _LIMITS.fullmatch(name) or _STATISTIC.fullmatch(name)
    return bool(known) or (k == 0 and re.fullmatch(r"[A-Z][\w -]*", name) is not None)


def read(lines: Sequence[Line], start: int) -> PrintedTable:
    """Return the parameters of the tables that begin at ``start``.

    Labels are those of tidy(); a column that is no ``Coefficient``, as ``Log-Odds``, stands before them.
    """
    places = [k for k in range(start, len(lines)) if _is_heading(lines[k])]
    rows: list[PrintedRow] = []
    unread: list[Line] = []
    facts: dict[str, str] = {}
    for k in places:
        above = next((line for line in reversed(lines[:k]) if not line.is_blank), None)
        if above is not None and "|" in above.text and len(places) > 1:
            raise PrintoutError(f"The title above {name_line(lines[k])} is missing: was a line lost?")
        grid = read_bars(lines[k:])
        below = k + grid.used
        if below < len(lines) and is_numbers(lines[below]):
            raise PrintoutError(f"{name_line(lines[below])} was cut from the table above it: paste the text wider.")
        _check_last(lines[k], grid, lines)
        is_random = above is not None and _RANDOM.match(above.words) is not None
        level = next((m["level"] for name in grid.columns if (m := _LIMITS.fullmatch(name))), None)
        share = "" if level is None else f"{float(level) / 100:.12g}"
        if share and facts.setdefault("level", share) != share:
            raise PrintoutError(f"{name_line(lines[k])} has another level than the table above it.")
        unread += grid.unread
        for row in grid.rows:
            found = _read_row(row, grid, is_random)
            if found is None:
                unread.append(row.line)
            else:
                rows.append(found)
    if not rows or len({row.labels for row in rows}) < len(rows):
        raise PrintoutError("The tables have no row that is whole, or two of one name: give one printout.")
    return PrintedTable("parameters", TITLE, tuple(rows), facts, tuple(map(name_line, unread)))


def _check_last(heading: Line, grid: Grid, lines: Sequence[Line]) -> None:
    """Raise PrintoutError if the text ends with a row that may be cut: a number at its end has no bracket or form."""
    last = next(line for line in reversed(lines) if not line.is_blank)
    is_open = grid.columns[-1] != "p" and not _LIMITS.fullmatch(grid.columns[-1]) and not heading.text.endswith("|")
    if is_open and grid.rows and grid.rows[-1].line is last and len(last.text) < len(heading.text):
        raise PrintoutError(f"{name_line(last)} ends before the table does: was the text cut?")


def _read_row(row: GridRow, grid: Grid, is_random: bool) -> PrintedRow | None:
    """Return a row; None if a cell is not understood."""
    estimate_name = grid.columns[1]
    labels = _labels(row.cells["Parameter"], is_random, "p" in grid.columns)
    numbers: dict[str, PrintedNumber] = {}
    for column in grid.columns[1:]:
        cell = row.cells[column]
        if not cell and column != estimate_name:
            continue
        if _LIMITS.fullmatch(column):
            interval = _INTERVAL.fullmatch(cell)
            if interval is None:
                return None
            numbers |= {"CI low": PrintedNumber(interval["low"]), "CI high": PrintedNumber(interval["high"])}
        elif column == "p":
            p = _P.fullmatch(cell)
            if p is None:
                return None
            if not p["number"].startswith(">"):
                numbers["p"] = PrintedNumber(p["number"].replace(" ", ""))
        else:
            statistic = _STATISTIC.fullmatch(column)
            number = number_of(cell)
            if number is None:
                return None
            numbers[statistic["name"] if statistic else column] = number
            if statistic and statistic["df"]:
                numbers["df"] = PrintedNumber(statistic["df"])
    if labels is None:
        return None
    _check(numbers, estimate_name, labels, row.line)
    # Another scale than the response's: log-odds, ratios.
    part = () if estimate_name == "Coefficient" else (estimate_name,)
    return PrintedRow((*part, *labels), numbers)


def _labels(name: str, is_random: bool, has_p: bool) -> tuple[str, ...] | None:
    """Return the labels of a row; None if the name is not understood, as that of a mode without its group."""
    spread, pair = _SPREAD.fullmatch(name), _PAIR.fullmatch(name)
    if pair is not None:
        return (_KINDS[pair["kind"]], pair["group"], _effect(pair["one"]), _effect(pair["other"]))
    if spread is not None:
        if spread["group"] == "Residual" and spread["effect"] in (None, "Observations"):
            return (_KINDS[spread["kind"]], "Residual", "")
        return (
            None if spread["effect"] is None else (_KINDS[spread["kind"]], spread["group"], _effect(spread["effect"]))
        )
    fixed = None if is_random or not has_p else name_of_label(name)
    return None if fixed is None else ("fixed", fixed)


def _effect(name: str) -> str:
    return "(Intercept)" if name == "Intercept" else name


def _check(numbers: dict[str, PrintedNumber], estimate_name: str, labels: tuple[str, ...], line: Line) -> None:
    """Raise PrintoutError if the numbers of a row contradict each other."""
    estimate, error, low, high = (numbers.get(name) for name in (estimate_name, "SE", "CI low", "CI high"))
    statistic = numbers.get("t", numbers.get("z"))
    is_plain = not estimate_name.endswith("Ratio") and estimate_name != "IRR"
    if estimate is None:
        raise PrintoutError(f"{name_line(line)} has no estimate: was the text cut?")
    if is_plain and error is not None and statistic is not None and not is_quotient(statistic, estimate, error):
        raise PrintoutError(f"The statistic is not {estimate_name} over SE in {name_line(line)}: a digit was changed.")
    for below, above in ((low, estimate), (estimate, high), (low, high)):
        if below is not None and above is not None and below - below.half_unit > above + above.half_unit:
            raise PrintoutError(f"The estimate is not within its limits in {name_line(line)}: a digit was changed.")
    if (labels[0] == "correlation" and abs(estimate) > 1) or (labels[0] in ("sd", "variance") and estimate < 0):
        raise PrintoutError(f"{name_line(line)} is no standard deviation or correlation: a digit was changed.")

"""SPSS's ``MIXED``: information criteria, fixed effects and covariance parameters, its tables copied as text.

The layout is that of exported outputs in public teaching material: a row of a pivot table is a line, with the letter of
a footnote behind a title.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.printout.number import PrintedNumber, is_quotient
from lmmtools.printout.printed_table import PrintedRow, PrintedTable
from lmmtools.printout.row import read_tail
from lmmtools.printout.rtable import name_line
from lmmtools.printout.wrapping import is_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.printout.layout import Line

__all__ = ["IS_FIT", "TITLE", "begins", "read"]

TITLE = "SPSS MIXED"
IS_FIT = True
_NOTE = r"(?: ?\(?[a-z]\)?)?"
_PARTS = {
    "criteria": re.compile(rf"Information Criteria{_NOTE}"),
    "fixed": re.compile(rf"Estimates of Fixed Effects{_NOTE}"),
    "covariance": re.compile(rf"Estimates of Covariance Parameters{_NOTE}"),
}
# What ends a table.
_END = re.compile(
    r"[a-z]\.? (?=Dependent Variable|This parameter)|[a-z]\. |The information criteria|Type III Tests"
    r"|Correlation Matrix|Covariance Matrix|Random Effect"
)
_BOUNDS = re.compile(r"(?P<level>\d+(?:[.,]\d+)?)% Confidence Interval")
_HEADING = re.compile(r"Parameter Estimate Std\. Error(?P<tests> (?:df t|Wald Z) Sig\.)?(?: .*)?")
_UPPER_HEADING = re.compile(r"(?:\d+(?:[.,]\d+)?% Confidence Interval|Lower Bound Upper Bound| )+")
_CRITERIA = {
    "-2 Restricted Log Likelihood": "-2 Restricted Log Likelihood",
    "-2 Log Likelihood": "-2 Log Likelihood",
    "Akaike's Information Criterion (AIC)": "AIC of SPSS",
    "Hurvich and Tsai's Criterion (AICC)": "AICC of SPSS",
    "Bozdogan's Criterion (CAIC)": "CAIC of SPSS",
    "Schwarz's Bayesian Criterion (BIC)": "BIC of SPSS",
}
_TERM = re.compile(r"(?P<effects>.+?) \[subject = (?P<group>[^\]]+)\](?: (?P<part>.+))?")
_UNSTRUCTURED = re.compile(r"UN ?\((?P<i>\d),(?P<j>\d)\)")
_LEVEL = re.compile(r"\[([^=\]]+)=([^\]]+)\]")
_COLUMNS = ("Estimate", "Std. Error", "df", "t", "Sig.", "Lower Bound", "Upper Bound")


@dataclass(slots=True)
class _Found:
    """What was read of the tables so far."""

    rows: list[PrintedRow] = field(default_factory=list)
    unread: list[Line] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)


def _words(line: Line) -> str:
    """Return the words of a line, without the bars of a table drawn as text."""
    return " ".join(line.text.replace("|", " ").split())


def _part(line: Line) -> str:
    """Return the table that a line is the title of; empty for other lines."""
    return next((part for part, pattern in _PARTS.items() if pattern.fullmatch(_words(line))), "")


def begins(lines: Sequence[Line]) -> int | None:
    """Return the place of the first title of a table; None if there is none."""
    return next((k for k, line in enumerate(lines) if not line.is_break and _part(line)), None)


def read(lines: Sequence[Line], start: int) -> PrintedTable:
    """Return the numbers of the tables from ``start`` on; labels are those of tidy().

    ``[group=2]`` is ``group2``. SPSS takes the last level of a factor as reference.
    """
    places = [k for k in range(start, len(lines)) if _part(lines[k])]
    parts = [_part(lines[k]) for k in places]
    if len(set(parts)) < len(parts):
        raise PrintoutError("The text holds more than one printed fit: give one.")
    found = _Found()
    readers = {"criteria": _read_criteria, "fixed": _read_fixed, "covariance": _read_covariance}
    last = next(line for line in reversed(lines) if not line.is_blank)
    for k, stop, part in zip(places, [*places[1:], len(lines)], parts, strict=True):
        body = lines[k + 1 : stop]
        ends = (j for j, line in enumerate(body) if line.is_break or _END.match(_words(line)))
        body = [line for line in body[: next(ends, len(body))] if not line.is_blank]
        if any(map(is_numbers, body)):
            cut = next(filter(is_numbers, body))
            raise PrintoutError(f"{name_line(cut)} is part of the line above it: paste the text wider.")
        readers[part](body, found, last)
    if not found.rows or len({row.labels for row in found.rows}) < len(found.rows):
        raise PrintoutError("The tables have no row that is whole, or two of one name: give one printout.")
    return PrintedTable("parameters", TITLE, tuple(found.rows), found.facts, tuple(map(name_line, found.unread)))


def _read_criteria(lines: Sequence[Line], found: _Found, last: Line) -> None:
    numbers: dict[str, PrintedNumber] = {}
    for line in lines:
        tail = read_tail(_words(line))
        name = _CRITERIA.get(tail.label(1).replace("\u2019", "'").replace("\u2212", "-")) if len(tail) == 1 else None
        if name is None or line is last or name in numbers:
            found.unread.append(line)
        else:
            numbers[name] = tail.numbers[0]
    criterion = numbers.get("-2 Restricted Log Likelihood", numbers.get("-2 Log Likelihood"))
    aic = numbers.get("AIC of SPSS")
    if criterion is not None and aic is not None:
        parameters = 0.5 * (aic - criterion)
        if abs(parameters - round(parameters)) > 0.51 * (aic.half_unit + criterion.half_unit) or parameters < 1:
            raise PrintoutError(f"AIC {aic} is not {criterion} and twice a number of parameters: a digit was changed.")
    if numbers:
        found.rows.append(PrintedRow(("fit",), numbers))


def _body(lines: Sequence[Line], tests: str) -> tuple[list[Line], int]:
    """Return the rows below a heading, and how many numbers each has; raise PrintoutError where it is not known."""
    k = next((k for k, line in enumerate(lines) if _HEADING.fullmatch(_words(line))), None)
    if k is None:
        raise PrintoutError("A table has no heading 'Parameter Estimate Std. Error': was a line lost?")
    heading = " ".join(_words(line) for line in lines[: k + 2])
    rows = [line for line in lines[k + 1 :] if not _UPPER_HEADING.fullmatch(_words(line))]
    shown = _HEADING.fullmatch(_words(lines[k]))
    assert shown is not None
    if (shown["tests"] or "").strip() not in ("", tests):
        raise PrintoutError(f"{name_line(lines[k])} is the heading of another table: was a title lost?")
    has_bounds = _BOUNDS.search(heading) is not None or "Lower Bound" in heading
    return rows, 2 + len((shown["tests"] or "").replace("Wald Z", "Z").split()) + 2 * has_bounds


def _level(lines: Sequence[Line]) -> float:
    level = next((m["level"] for line in lines if (m := _BOUNDS.search(_words(line)))), "95")
    return float(level.replace(",", ".")) / 100.0


def _read_fixed(lines: Sequence[Line], found: _Found, last: Line) -> None:
    rows, count = _body(lines, "df t Sig.")
    if count != len(_COLUMNS):
        raise PrintoutError("The table of fixed effects has not the columns df, t, Sig. and two bounds: was it cut?")
    found.facts["level"] = f"{_level(lines):.12g}"
    for line in rows:
        tail = read_tail(_words(line))
        if len(tail) != count or not tail.label(count).strip():
            found.unread.append(line)
            continue
        numbers = dict(zip(_COLUMNS, tail.numbers, strict=True))
        estimate, error, _, t, p, low, high = tail.numbers
        if line is last and high.decimals != low.decimals:
            found.unread.append(line)
            continue
        slack = 2.0 * estimate.half_unit + low.half_unit + high.half_unit
        if not is_quotient(t, estimate, error):
            raise PrintoutError(f"t is not Estimate over Std. Error in {name_line(line)}: a digit was changed.")
        if low > high or abs(low + high - 2.0 * estimate) > 1.01 * slack or not 0 <= p <= 1:
            raise PrintoutError(f"The bounds or Sig. are not those of {estimate} in {name_line(line)}.")
        found.rows.append(PrintedRow(("fixed", _effect(tail.label(count))), numbers))


def _read_covariance(lines: Sequence[Line], found: _Found, last: Line) -> None:
    rows, count = _body(lines, "Wald Z Sig.")
    effects: list[str] = []
    group = ""
    for line in rows:
        tail = read_tail(_words(line))
        label = tail.label(count) if len(tail) == count else ""
        if term := _TERM.fullmatch(label):
            effects = [_effect(each) for each in term["effects"].split(" + ")]
            group = ":".join(each.strip() for each in term["group"].split(" * "))
            label = term["part"] or ""
        elif not _UNSTRUCTURED.fullmatch(label) or len(tail) != count:
            # A row that names no term goes on with the one above it only in its table.
            effects = [] if len(tail) == count else effects
        labels = _labels(label, group, effects) if len(tail) == count else None
        if labels is None or (count == 2 and line is last):
            found.unread.append(line)
            continue
        estimate, error = tail.numbers[:2]
        if count > 2 and not is_quotient(tail.numbers[2], estimate, error):
            raise PrintoutError(f"Wald Z is not Estimate over Std. Error in {name_line(line)}: a digit was changed.")
        if labels[0] == "variance" and estimate < 0:
            raise PrintoutError(f"{name_line(line)} has a negative variance: a digit was changed.")
        found.rows.append(PrintedRow(labels, {"Estimate": estimate, "Std. Error": error}))


def _labels(label: str, group: str, effects: Sequence[str]) -> tuple[str, ...] | None:
    """Return the labels of a covariance parameter; None if it is none that a linear mixed model of lme4 has."""
    if label == "Residual":
        return ("variance", "Residual", "")
    if label == "Variance" and len(effects) == 1:
        return ("variance", group, effects[0])
    cell = _UNSTRUCTURED.fullmatch(label)
    if cell is None or not effects or max(int(cell["i"]), int(cell["j"])) > len(effects):
        return None
    one, other = effects[int(cell["j"]) - 1], effects[int(cell["i"]) - 1]
    return ("variance", group, one) if one == other else ("covariance", group, one, other)


def _effect(name: str) -> str:
    """Return the name of an effect as R writes it: ``[group=2] * time`` is ``group2:time``."""
    return "(Intercept)" if name == "Intercept" else _LEVEL.sub(r"\1\2", name).replace(" * ", ":")

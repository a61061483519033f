"""``summ(fit)`` of jtools; the layout is that of its public README and of outputs in public notebooks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.printout.number import PrintedNumber, is_quotient
from lmmtools.printout.printed_table import PrintedRow, PrintedTable
from lmmtools.printout.row import read_tail
from lmmtools.printout.rtable import name_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.printout.layout import Line

__all__ = ["IS_FIT", "TITLE", "begins", "read"]

TITLE = "summ() of jtools"
IS_FIT = True
_FIRST = "MODEL INFO:"
_TYPE = "Type: Mixed effects linear regression"
_ROWS = re.compile(r"Observations: (?P<count>\d+)")
_CRITERIA = re.compile(r"AIC = (?P<aic>-?\d+\.\d+), BIC = (?P<bic>-?\d+\.\d+)")
_SHARE = re.compile(r"(?P<name>Pseudo-R(?:\u00b2|2) \((?:fixed effects|total)\)) = (?P<value>\d\.\d+)")
_FIXED = re.compile(r"Est\.(?: S\.E\.)?(?: 2\.5% 97\.5%)? t val\.(?: d\.f\.)?(?: p)?")
_COLUMN = re.compile(r"Est\.|S\.E\.|2\.5%|97\.5%|t val\.|d\.f\.|p")
_RANDOM = "Group Parameter Std. Dev."
_RULE = re.compile(r"-{3,}(?: -{3,})*")
_METHODS = {
    "p values calculated using Satterthwaite d.f.": "satterthwaite",
    "p values calculated using Kenward-Roger standard errors and d.f.": "kenward-roger",
}


def begins(lines: Sequence[Line]) -> int | None:
    """Return the place of the first line; None if there is none of a linear mixed model."""
    for k, line in enumerate(lines):
        if line.words == _FIRST and any(other.words == _TYPE for other in lines[k + 1 : k + 6]):
            return k
    return None


def read(lines: Sequence[Line], start: int) -> PrintedTable:
    """Return the figures, effects and standard deviations from ``start`` on; labels are those of tidy()."""
    if sum(line.words == _FIRST for line in lines) > 1:
        raise PrintoutError("The text holds more than one printed fit: give one.")
    figures: dict[str, PrintedNumber] = {}
    facts: dict[str, str] = {}
    rows: list[PrintedRow] = []
    unread: list[Line] = []
    lines = lines[start:]
    k = 0
    while k < len(lines) and not lines[k].is_break:
        words = lines[k].words
        if found := _ROWS.fullmatch(words):
            facts["nobs"] = found["count"]
        elif found := _CRITERIA.fullmatch(words):
            figures |= {"AIC": PrintedNumber(found["aic"]), "BIC": PrintedNumber(found["bic"])}
        elif found := _SHARE.fullmatch(words):
            figures[found["name"].replace("\u00b2", "2")] = PrintedNumber(found["value"])
        elif words in _METHODS:
            facts["ddf"] = _METHODS[words]
        elif _FIXED.fullmatch(words) or words == _RANDOM:
            body = _body(lines[k:])
            columns = _COLUMN.findall(words)
            read_row = _fixed_row if columns[:1] == ["Est."] else _random_row
            for line in body:
                row = read_row(line, columns)
                if row is None:
                    unread.append(line)
                else:
                    rows.append(row)
            k += len(body) + 1
        k += 1
    if len({number.decimals for number in figures.values()}) > 1:
        raise PrintoutError("AIC, BIC and R2 have not equally many decimals: was the text cut?")
    if not any(row.labels[0] == "fixed" for row in rows) or len({row.labels for row in rows}) < len(rows):
        raise PrintoutError("The table of fixed effects is missing, cut, or has two rows of one name.")
    if figures:
        rows.append(PrintedRow(("fit",), figures))
    return PrintedTable("parameters", TITLE, tuple(rows), facts, tuple(map(name_line, unread)))


def _body(lines: Sequence[Line]) -> list[Line]:
    """Return the rows between the two rules below a heading."""
    rules = [k for k, line in enumerate(lines) if _RULE.fullmatch(line.words)][:2]
    if len(rules) < 2 or rules[0] != 1 or any(line.is_blank or line.is_break for line in lines[: rules[1]]):
        raise PrintoutError(f"The table of {name_line(lines[0])} is not closed by a rule: was the text cut?")
    return list(lines[2 : rules[1]])


def _fixed_row(line: Line, columns: Sequence[str]) -> PrintedRow | None:
    """Return the row of an effect; None if it has not a number in each column, or they differ in decimals."""
    tail = read_tail(line.text)
    name = " ".join(tail.label(len(tail)).split())
    if len(tail) != len(columns) or not name or len({number.decimals for number in tail.numbers}) > 1:
        return None
    numbers = dict(zip(columns, tail.numbers, strict=True))
    if "S.E." in numbers and not is_quotient(numbers["t val."], numbers["Est."], numbers["S.E."]):
        raise PrintoutError(f"t val. is not Est. over S.E. in {name_line(line)}: a digit was changed.")
    if "2.5%" in numbers and not numbers["2.5%"] <= numbers["Est."] <= numbers["97.5%"]:
        raise PrintoutError(f"The estimate is not within its limits in {name_line(line)}: a digit was changed.")
    if not 0 <= numbers.get("p", 0.0) <= 1:
        raise PrintoutError(f"{numbers['p']} is no p value, in {name_line(line)}: a digit was changed.")
    return PrintedRow(("fixed", name), numbers)


def _random_row(line: Line, _: Sequence[str]) -> PrintedRow | None:
    """Return the row of a standard deviation; None if it has not a group, a name without blanks and a number."""
    tail = read_tail(line.text)
    words = tail.label(1).split() if len(tail) == 1 else []
    if words == ["Residual"]:
        words = ["Residual", ""]
    if len(words) != 2 or tail.numbers[0] < 0:
        return None
    return PrintedRow(("sd", words[0], words[1]), {"Std. Dev.": tail.numbers[0]})

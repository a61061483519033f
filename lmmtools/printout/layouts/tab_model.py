"""``tab_model(fit)`` of sjPlot: its HTML table, copied as text from a browser or a viewer."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.printout.number import PrintedNumber, is_count_text, is_quotient
from lmmtools.printout.printed_table import PrintedRow, PrintedTable
from lmmtools.printout.rtable import name_line
from lmmtools.printout.terms import name_of_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.printout.layout import Line

__all__ = ["IS_FIT", "TITLE", "begins", "read"]

TITLE = "tab_model() of sjPlot"
IS_FIT = False
_COLUMNS = r"(?P<se> std\. Error)?(?P<ci> CI)?(?P<t> Statistic)?(?P<p> (?:p|P-Value))?(?P<df> df)?"
_HEADING = re.compile(rf"(?!Estimates)\S(?:(?! Estimates).){{0,40}} Estimates(?:{_COLUMNS})")
_SEVERAL = re.compile(r"\S.{0,40}? Estimates .*Estimates(?: .*)?")
_NAMES = {
    "estimate": "Estimates",
    "se": "std. Error",
    "low": "CI low",
    "high": "CI high",
    "t": "Statistic",
    "df": "df",
}
_RANDOM = "Random Effects"
_NUMBER = r"[-\u2012\u2013\u2212]?\d+[.,]\d+"
_INTERVAL = rf"(?P<low>{_NUMBER}) [-\u2010-\u2014\u2212] (?P<high>{_NUMBER})"
_BELOW = re.compile(rf"\({_INTERVAL}\)")
_P = r"\**(?P<p><?0[.,]\d{3,}|1[.,]0{3,})\**"
# Of a variance or correlation, the group may stand on either side of the number.
_COMPONENT = re.compile(
    rf"(?P<kind>\u03c400|\u03c411|\u03c101|&tau;00|&tau;11|&rho;01) "
    rf"(?:(?P<group>[^\d\W][^ ]*) (?P<value>{_NUMBER})|(?P<value2>{_NUMBER}) (?P<group2>[^\d\W][^ ]*))"
)
_SIGMA = re.compile(rf"(?:\u03c3|&sigma;)(?:2|\u00b2) (?P<value>{_NUMBER})")
_SHARES = re.compile(rf"Marginal R(?:2|\u00b2) / Conditional R(?:2|\u00b2) (?P<part>{_NUMBER}) / (?P<whole>{_NUMBER})")
_FIGURE = re.compile(r"(?P<name>AIC|AICc|log-Likelihood) (?P<value>[-\u2212]?\d+[.,]\d{3})")
_SHARE = re.compile(rf"ICC (?P<value>{_NUMBER})")
_LEVELS = re.compile(r"N (?:(?P<group>[^\d\W][^ ]*) (?P<count>\d+)|(?P<count2>\d+) (?P<group2>[^\d\W][^ ]*))")
_ROWS = re.compile(r"Observations (?P<count>\d+)")


@dataclass(slots=True)
class _Block:
    """What stands below the effects, while it is read."""

    components: list[tuple[str, str, PrintedNumber, Line]] = field(default_factory=list)
    figures: dict[str, PrintedNumber] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    unread: list[Line] = field(default_factory=list)


def begins(lines: Sequence[Line]) -> int | None:
    """Return the place of the names of the columns; None if there are none."""
    return next((k for k, line in enumerate(lines) if _is_heading(line)), None)


def _is_heading(line: Line) -> bool:
    if line.is_break or "|" in line.text:
        return False
    found = _HEADING.fullmatch(line.words)
    # 'Covariance Parameter Estimates' is SAS's.
    return bool(found and (found["ci"] or found["p"])) or _SEVERAL.fullmatch(line.words) is not None


def read(lines: Sequence[Line], start: int) -> PrintedTable:
    """Return the effects, variances and figures of the table of one model; labels are those of tidy()."""
    heading = _HEADING.fullmatch(lines[start].words)
    if heading is None or any(map(_is_heading, lines[start + 1 :])):
        raise PrintoutError(
            f"{name_line(lines[start])}: the table shows several models side by side, whose empty cells are lost in "
            "text: make it of one model."
        )
    pattern = _row_pattern(heading)
    end = next((k for k in range(start + 1, len(lines)) if lines[k].words == _RANDOM or lines[k].is_break), len(lines))
    rows: list[PrintedRow] = []
    unread: list[Line] = []
    body = [line for line in lines[start + 1 : end] if not line.is_blank]
    while body:
        line = body.pop(0)
        words = line.words
        if body and _BELOW.match(body[0].words):
            # The limits stand below the estimate, in one cell.
            words = f"{words} {body.pop(0).words}"
        found = _read_effect(words, pattern, line)
        if found is None:
            unread.append(line)
        else:
            rows.append(found)
    block = _read_block(lines[end + 1 :] if end < len(lines) and not lines[end].is_break else [])
    rows += _components(block)
    if block.figures:
        rows.append(PrintedRow(("fit",), block.figures))
    if not rows or len({row.labels for row in rows}) < len(rows):
        raise PrintoutError(f"The table of {name_line(lines[start])} has no whole row, or two of one name: was it cut?")
    return PrintedTable("parameters", TITLE, tuple(rows), block.facts, tuple(map(name_line, [*unread, *block.unread])))


def _row_pattern(heading: re.Match[str]) -> re.Pattern[str]:
    """Return the pattern of a row with the columns of a heading."""
    parts = [rf"(?P<name>\S.*?) (?P<estimate>{_NUMBER})"]
    parts += [rf"(?P<se>{_NUMBER})"] if heading["se"] else []
    parts += [_INTERVAL] if heading["ci"] else []
    parts += [rf"(?P<t>{_NUMBER})"] if heading["t"] else []
    parts += [_P] if heading["p"] else []
    parts += [rf"(?P<df>{_NUMBER})"] if heading["df"] else []
    if not heading["ci"]:
        parts[0] += rf"(?: \({_INTERVAL}\))?"
    return re.compile(" ".join(parts))


def _read_effect(words: str, pattern: re.Pattern[str], line: Line) -> PrintedRow | None:
    """Return the row of an effect; None if it is not understood."""
    found = pattern.fullmatch(words)
    # A number before the columns is of a column that the heading has lost.
    name = None if found is None or re.search(rf" {_NUMBER}(?: |$)", found["name"]) else name_of_label(found["name"])
    if found is None or name is None:
        return None
    names = {
        "estimate": "Estimates",
        "se": "std. Error",
        "low": "CI low",
        "high": "CI high",
        "t": "Statistic",
        "df": "df",
    }
    texts = {column: found[key] for key, column in names.items() if key in pattern.groupindex and found[key]}
    numbers = {column: PrintedNumber(text) for column, text in texts.items()}
    # sjPlot prints the numbers of a row with one number of decimals.
    if len({number.decimals for number in numbers.values()}) > 1:
        return None
    if "p" in pattern.groupindex:
        numbers["p"] = PrintedNumber(found["p"])
    estimate, low, high = numbers["Estimates"], numbers.get("CI low"), numbers.get("CI high")
    slack = 2.02 * (estimate.half_unit + estimate.half_unit)
    if low is not None and high is not None and (low > high or abs(low + high - 2.0 * estimate) > slack):
        raise PrintoutError(f"The estimate is not in the middle of its limits in {name_line(line)}.")
    error, statistic = numbers.get("std. Error"), numbers.get("Statistic")
    if error is not None and statistic is not None and not is_quotient(statistic, estimate, error):
        raise PrintoutError(f"The statistic is not the estimate over its error in {name_line(line)}.")
    return PrintedRow(("fixed", name), numbers)


def _read_block(lines: Sequence[Line]) -> _Block:
    """Return what stands below ``Random Effects``, up to a break or what is not understood after a blank line."""
    block = _Block()
    last = next((line for line in reversed(lines) if not line.is_blank), None)
    after_blank = False
    for line in lines:
        words = line.words
        if line.is_break:
            break
        if line.is_blank:
            after_blank = True
            continue
        if sigma := _SIGMA.fullmatch(words):
            block.components.append(("\u03c32", "Residual", PrintedNumber(sigma["value"]), line))
        elif found := _COMPONENT.fullmatch(words):
            kind = found["kind"].replace("&tau;", "\u03c4").replace("&rho;", "\u03c1")
            value = PrintedNumber(found["value"] or found["value2"])
            block.components.append((kind, found["group"] or found["group2"], value, line))
        elif shares := _SHARES.fullmatch(words):
            part, whole = PrintedNumber(shares["part"]), PrintedNumber(shares["whole"])
            if part > whole or whole > 1 or part.decimals != whole.decimals:
                raise PrintoutError(f"{name_line(line)} has not two shares of equally many decimals: was it cut?")
            block.figures |= {"Marginal R2": part, "Conditional R2": whole}
        elif figure := _FIGURE.fullmatch(words):
            block.figures[figure["name"]] = PrintedNumber(figure["value"])
        elif share := _SHARE.fullmatch(words):
            block.figures["ICC"] = PrintedNumber(share["value"])
        elif (count := _LEVELS.fullmatch(words) or _ROWS.fullmatch(words)) and line is not last:
            group = count.groupdict().get("group") or count.groupdict().get("group2")
            number = count["count"] or count["count2"]
            if is_count_text(number):
                block.facts[f"levels of {group}" if group else "nobs"] = number
        elif after_blank:
            break
        else:
            block.unread.append(line)
            continue
        after_blank = False
    if len(block.components) == 1 and block.components[0][-1] is last:
        # Nothing tells whether its last digits were cut.
        block.unread.append(block.components.pop()[-1])
    decimals = {value.decimals for _, _, value, _ in block.components}
    decimals |= {block.figures["ICC"].decimals} if "ICC" in block.figures else set()
    if len(decimals) > 1:
        raise PrintoutError("The variances have not equally many decimals: was the text cut?")
    return block


def _components(block: _Block) -> list[PrintedRow]:
    """Return the rows of variances and correlations; a slope belongs to a group that has an intercept or levels."""
    groups = {group for kind, group, _, _ in block.components if kind == "\u03c400"}
    groups |= {name.removeprefix("levels of ") for name in block.facts if name.startswith("levels of ")}
    slopes: dict[str, list[str]] = {}
    rows: list[PrintedRow] = []
    for kind, name, value, line in block.components:
        of = [group for group in groups if name.startswith(f"{group}.")]
        if kind == "\u03c32":
            rows.append(PrintedRow(("variance", "Residual", ""), {"Estimates": value}))
        elif kind == "\u03c400":
            rows.append(PrintedRow(("variance", name, "(Intercept)"), {"Estimates": value}))
        elif kind == "\u03c411" and len(of) == 1:
            effect = name.removeprefix(f"{of[0]}.")
            slopes.setdefault(of[0], []).append(effect)
            rows.append(PrintedRow(("variance", of[0], effect), {"Estimates": value}))
        elif kind == "\u03c101" and len(slopes.get(name, ())) == 1 and abs(value) <= 1:
            rows.append(PrintedRow(("correlation", name, "(Intercept)", slopes[name][0]), {"Estimates": value}))
        else:
            block.unread.append(line)
    if any(row.labels[0] == "variance" and row.numbers["Estimates"] < 0 for row in rows):
        raise PrintoutError("A variance is negative: a digit was changed.")
    return rows

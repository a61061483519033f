"""``emmeans()``, ``pairs()`` and ``emtrends()``: marginal means, slopes and their contrasts."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.printout.printed_table import PrintedRow, PrintedTable
from lmmtools.printout.row import read_tail
from lmmtools.printout.rtable import check_quotients, columns_of, name_line, read_rtable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.printout.layout import Line
    from lmmtools.printout.rtable import RRow, RTable

__all__ = ["IS_FIT", "TITLE", "begins", "read"]

TITLE = "emmeans(), pairs() or emtrends() of emmeans"
IS_FIT = False
_COLUMNS = re.compile(
    r"(?<!\S)(?:emmean|estimate|[\w.]+\.trend|SE|df|lower\.CL|upper\.CL|asymp\.LCL|asymp\.UCL|[tz]\.ratio|p\.value)(?=\s|$)"
)
_BY = re.compile(r"(?P<factors>[\w.]+ = .+?):")
_PART = re.compile(r"\$(?P<part>emmeans|emtrends|contrasts)")
_METHOD = re.compile(r"Degrees-of-freedom method: (?P<method>[\w-]+)")
_LEVEL = re.compile(r"Confidence level used: (?P<level>0?\.\d+)")
_ADJUST = re.compile(r"P value adjustment: (?P<method>[\w-]+) method")
_LIMITS = re.compile(r"Conf-level adjustment: (?P<method>[\w-]+) method")
_METHODS = {"kenward-roger": "kenward-roger", "satterthwaite": "satterthwaite", "asymptotic": "z"}


def _is_heading(line: Line) -> bool:
    found = columns_of(_COLUMNS)(line)
    return found is not None and "SE" in found.names and "df" in found.names and bool(found.labels)


def begins(lines: Sequence[Line]) -> int | None:
    """Return the place of the first heading, or of what names its table; None if there is none."""
    for k, line in enumerate(lines):
        if _is_heading(line) and not line.is_break:
            named = k > 0 and (_BY.fullmatch(lines[k - 1].words) or _PART.fullmatch(lines[k - 1].words))
            return k - 1 if named else k
    return None


def read(lines: Sequence[Line], start: int) -> PrintedTable:
    """Return the rows of all tables from ``start`` on, the part and the levels of ``by`` among their labels."""
    rows: list[PrintedRow] = []
    unread: list[str] = []
    facts: dict[str, str] = {}
    part, by, is_named = "", "", True
    by_names: set[str] = set()
    k = start
    while k < len(lines) and not lines[k].is_break:
        line = lines[k]
        if found := _PART.fullmatch(line.words):
            part, by, is_named = found["part"], "", True
        elif found := _BY.fullmatch(line.words):
            if k + 1 == len(lines) or not _is_heading(lines[k + 1]) or (rows and not by and not is_named):
                raise PrintoutError(f"{name_line(line)} heads no table, or the table above it has no such line.")
            by, is_named = found["factors"], True
        elif _is_heading(line):
            if not is_named:
                raise PrintoutError(f"{name_line(line)} heads a second table without a name: was a line lost?")
            table = read_rtable(lines[k:], columns_of(_COLUMNS))
            unread += map(name_line, table.unread)
            for row in table.rows:
                labels = _labels(table, row)
                if labels is None:
                    unread.append(name_line(row.line))
                    continue
                fixed = tuple(each.strip() for each in by.split(", ")) if by else ()
                own_by = {each.partition(" = ")[0] for each in fixed}
                if own_by != by_names and rows and not part:
                    raise PrintoutError(f"{name_line(row.line)} has not the factors of the rows above: a line is lost.")
                by_names = own_by
                rows.append(PrintedRow((*((part,) if part else ()), *fixed, *labels), table.by_column(row)))
            _check(table)
            is_named = False
            k += table.used - 1
        elif len(read_tail(line.text)) > 1:
            unread.append(name_line(line))
        else:
            _read_fact(line.words, facts)
        k += 1
    if not rows or len({row.labels for row in rows}) < len(rows):
        raise PrintoutError("The table of means has no rows, or two of one name: was a line lost?")
    return PrintedTable("means", TITLE, tuple(rows), facts, tuple(unread))


def _labels(table: RTable, row: RRow) -> tuple[str, ...] | None:
    """Return ``factor = level`` of each label of a row, split under the headings; None if they do not split so."""
    names, starts = table.heading.labels, table.heading.starts
    if len(names) == 1:
        return (f"{names[0]} = {' '.join(row.label.split())}",)
    text = row.label
    cells = [text[a:b].strip() for a, b in zip(starts, (*starts[1:], len(text)), strict=True)]
    cut = any(text[a - 1 : a].strip() for a in starts)
    if cut or not all(cells) or text[: starts[0]].strip():
        cells = text.split()
        if len(cells) != len(names):
            return None
    return tuple(f"{name} = {cell}" for name, cell in zip(names, cells, strict=True))


def _read_fact(words: str, facts: dict[str, str]) -> None:
    for name, pattern, key in (
        ("ddf", _METHOD, "method"),
        ("level", _LEVEL, "level"),
        ("adjust", _ADJUST, "method"),
        ("adjust_limits", _LIMITS, "method"),
    ):
        if found := pattern.match(words):
            value = _METHODS.get(found[key], "") if name == "ddf" else found[key]
            if facts.setdefault(name, value) != value:
                raise PrintoutError(f"The text says {words!r:.100} after another method: give one printout at a time.")


def _check(table: RTable) -> None:
    """Raise PrintoutError where t is not estimate over error, or the estimate not in the middle of its limits."""
    names = table.heading.names
    value = next(name for name in names if name in ("emmean", "estimate") or name.endswith(".trend"))
    for ratio in ("t.ratio", "z.ratio"):
        check_quotients(table, ratio, value, "SE")
    limits = [name for name in names if name.endswith(("CL", "LCL", "UCL"))]
    for row in table.rows:
        cells = table.by_column(row)
        if len(limits) != 2 or not all(math.isfinite(cells[name]) for name in (value, *limits)):
            continue
        low, high = (cells[name] for name in limits)
        slack = cells[value].half_unit + 0.5 * (low.half_unit + high.half_unit)
        if abs(0.5 * (low + high) - cells[value]) > slack * 1.2:
            raise PrintoutError(f"The estimate is not in the middle of its limits in {name_line(row.line)}.")

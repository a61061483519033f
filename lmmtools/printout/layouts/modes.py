"""``ranef(fit)``: the conditional modes of each level."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.printout.printed_table import PrintedRow, PrintedTable
from lmmtools.printout.rtable import Heading, name_line, read_rtable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.printout.layout import Line
    from lmmtools.printout.number import PrintedNumber, RoundedNumber

__all__ = ["IS_FIT", "TITLE", "begins", "read"]

TITLE = "ranef() of lme4"
IS_FIT = False
_GROUP = re.compile(r"\$`?(?P<group>[^`$]+?)`?")
_MEANS_OF_EMMEANS = ("emmeans", "contrasts", "emtrends")


def begins(lines: Sequence[Line]) -> int | None:
    """Return the place of the first ``$group`` with names right below it; None if there is none."""
    for k, line in enumerate(lines[:-2]):
        found = _GROUP.fullmatch(line.words)
        if found and found["group"] not in _MEANS_OF_EMMEANS and not line.is_break and _is_names(lines[k + 1]):
            return k
    return None


def _is_names(line: Line) -> bool:
    # Names stand over numbers, behind the blanks over the levels.
    return line.text.startswith(" ") and _heading(line) is not None


def _heading(line: Line) -> Heading | None:
    words = list(re.finditer(r"\S+", line.text))
    if not words or not any(re.match(r"[(`A-Za-z.]", m[0]) for m in words) or line.text[:1] not in (" ", "("):
        return None
    if not all(re.match(r"[(`A-Za-z._]", m[0]) for m in words):
        return None
    return Heading(tuple(m[0] for m in words), tuple(m.end() for m in words))


def read(lines: Sequence[Line], start: int) -> PrintedTable:
    """Return the modes of all groups from ``start`` on."""
    rows: list[PrintedRow] = []
    unread: list[str] = []
    seen: set[str] = set()
    k = start
    while k < len(lines):
        line = lines[k]
        found = _GROUP.fullmatch(line.words)
        if line.is_break:
            break
        if found is None:
            if _is_names(line):
                raise PrintoutError(f"{name_line(line)} heads modes of a group that is not named: was a line lost?")
            k += 1
            continue
        group = found["group"]
        if group in seen or k + 1 == len(lines) or not _is_names(lines[k + 1]):
            raise PrintoutError(f"The group of {name_line(line)} comes twice or has no modes below it.")
        seen.add(group)
        table = read_rtable(lines[k + 1 :], _heading)
        unread += map(name_line, table.unread)
        for row in table.rows:
            level = row.label.strip()
            rows += [PrintedRow((group, effect, level), {"mode": n}) for effect, n in table.by_column(row).items()]
        k += 1 + table.used
    _check_not_coef(lines[start:], rows)
    if not rows or len({row.labels for row in rows}) < len(rows):
        raise PrintoutError("ranef() has no rows, or two for one level: was the text cut?")
    return PrintedTable("modes", TITLE, tuple(rows), {}, tuple(unread))


def _check_not_coef(lines: Sequence[Line], rows: Sequence[PrintedRow]) -> None:
    """Raise PrintoutError if the rows may be those of coef(), which adds the fixed effects to the modes.

    The modes of an effect add up to zero where it is a fixed effect too; coef() has the same layout.
    """
    said = [line.words for line in lines]
    if any("with conditional variances for" in words for words in said):
        return
    sums: dict[tuple[str, ...], list[PrintedNumber | RoundedNumber]] = {}
    for row in rows:
        sums.setdefault(row.labels[:2], []).append(row.numbers["mode"])
    for labels, numbers in sums.items():
        slack = sum(n.half_unit for n in numbers) + 1e-3 * max(abs(n) for n in numbers)
        if abs(sum(numbers)) > slack or any("coef.mer" in words for words in said):
            raise PrintoutError(
                f"The numbers of {' '.join(labels)} do not add up to zero: they may be those of coef(), whose tables "
                "look the same. Paste ranef(fit) whole, with its line 'with conditional variances'."
            )

"""A table as R prints a data frame or a matrix: names over numbers, in strips where the page is narrow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.printout.row import read_tail

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lmmtools.printout.layout import Line
    from lmmtools.printout.number import PrintedNumber

__all__ = ["Heading", "RRow", "RTable", "check_quotients", "columns_of", "name_line", "read_rtable"]

_STARS = re.compile(r"\s+(?:[*∗⋆]{1,3}|\.)$")


@dataclass(frozen=True, slots=True)
class Heading:
    """The heading of a table or of a strip of it.

    Attributes
    ----------
    names : tuple of str
        The columns of numbers.
    ends : tuple of int
        Where the name of each ends: its numbers end there too.
    labels : tuple of str
        Names of the columns of labels before them.
    starts : tuple of int
        Where each of these begins, and its labels.
    """

    names: tuple[str, ...]
    ends: tuple[int, ...]
    labels: tuple[str, ...] = ()
    starts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RRow:
    """A row: the label before the numbers, the numbers (None for an empty cell), and its line."""

    label: str
    numbers: tuple[PrintedNumber | None, ...]
    line: Line


@dataclass(frozen=True, slots=True)
class RTable:
    """A table that was read.

    Attributes
    ----------
    heading : Heading
        Of the first strip, with the columns of all.
    rows : tuple of RRow
    unread : tuple of Line
        Lines with numbers that are not under the columns.
    used : int
        How many lines the table takes.
    """

    heading: Heading
    rows: tuple[RRow, ...]
    unread: tuple[Line, ...]
    used: int

    def by_column(self, row: RRow) -> dict[str, PrintedNumber]:
        """Return the numbers of a row by column, without empty cells."""
        return {name: n for name, n in zip(self.heading.names, row.numbers, strict=True) if n is not None}


def name_line(line: Line) -> str:
    """Return a line with its number, for messages."""
    return f"line {line.number}: {line.words!r:.120}"


def columns_of(pattern: re.Pattern[str]) -> Callable[[Line], Heading | None]:
    """Return a function that reads a heading whose columns of numbers the pattern matches, None for other lines."""

    def read(line: Line) -> Heading | None:
        found = list(pattern.finditer(line.text))
        if not found:
            return None
        between = pattern.sub("", line.text[found[0].start() :])
        if between.strip():
            return None
        words = list(re.finditer(r"\S+", line.text[: found[0].start()]))
        return Heading(
            tuple(m[0] for m in found),
            tuple(m.end() for m in found),
            tuple(m[0] for m in words),
            tuple(m.start() for m in words),
        )

    return read


def read_rtable(
    lines: Sequence[Line],
    read_heading: Callable[[Line], Heading | None],
    *,
    may_be_blank: bool = False,
    has_stars: bool = False,
) -> RTable:
    """Return the table that begins with the first line, which must be a heading; it ends at a blank line or text.

    Where the numbers of a row stand under the ends of the names, those of every row must; only where blanks were lost
    in all rows are they told by their order. Rows that do not fit are left out.

    Parameters
    ----------
    lines : sequence of Line
    read_heading : callable
        Reads a line as a heading; None if it is none.
    may_be_blank : bool
        Whether cells may be empty; then numbers must stand under the names.
    has_stars : bool
        Whether stars may follow a row.

    Raises
    ------
    PrintoutError
        If the strips of a table do not have the same rows, or the heading lacks the mark of the lines above it.
    """
    strips: list[tuple[Heading, list[Line]]] = []
    used = 0
    for line in lines:
        if line.is_blank or line.is_break:
            break
        heading = read_heading(line)
        if heading is not None:
            if strips and (set(heading.names) & {n for h, _ in strips for n in h.names}):
                break
            strips.append((heading, []))
        elif not strips or not len(read_tail(_bare(line.text, has_stars))):
            break
        else:
            strips[-1][1].append(line)
        used += 1
    if not strips:
        raise PrintoutError(f"The heading {name_line(lines[0])} stands apart from what is above it: was its mark lost?")
    parts = [_read_strip(heading, rows, may_be_blank, has_stars) for heading, rows in strips]
    whole, unread = parts[0]
    for (rows, left), (heading, _) in zip(parts[1:], strips[1:], strict=True):
        if left or unread or [r.label for r in rows] != [r.label for r in whole]:
            raise PrintoutError(
                f"The columns {', '.join(heading.names)}, below the others, have not the same rows as these: was the "
                "text cut?"
            )
        whole = [RRow(a.label, a.numbers + b.numbers, a.line) for a, b in zip(whole, rows, strict=True)]
    first = strips[0][0]
    every = Heading(
        tuple(n for h, _ in strips for n in h.names),
        tuple(e for h, _ in strips for e in h.ends),
        first.labels,
        first.starts,
    )
    return RTable(every, tuple(whole), tuple(unread), used)


def _bare(text: str, has_stars: bool) -> str:
    return _STARS.sub("", text) if has_stars else text


def _read_strip(
    heading: Heading, lines: Sequence[Line], may_be_blank: bool, has_stars: bool
) -> tuple[list[RRow], list[Line]]:
    """Return the rows, and the lines that are none."""
    aligned = [_read_aligned(heading, line, may_be_blank, has_stars) for line in lines]
    found = aligned
    if not may_be_blank and all(line.text == line.words for line in lines):
        found = [_read_by_order(heading, line, has_stars) for line in lines]
    return [row for row in found if row], [line for line, row in zip(lines, found, strict=True) if row is None]


def _read_aligned(heading: Heading, line: Line, may_be_blank: bool, has_stars: bool) -> RRow | None:
    """Return the row whose numbers end under the names; None if it is none."""
    text = _bare(line.text, has_stars)
    tail = read_tail(text)
    ends = [len(text[:b].rstrip()) for b in (*tail.starts[1:], len(text))]
    at = dict(zip(ends, range(len(tail)), strict=True))
    cells = [at.get(end) for end in heading.ends]
    there = [k for k in cells if k is not None]
    if not there or (None in cells and not may_be_blank) or there != list(range(there[0], len(tail))):
        return None
    label = text[: tail.starts[there[0]]].rstrip()
    if not label.strip() or (may_be_blank and there[0] > 0):
        return None
    return RRow(label, tuple(None if k is None else tail.numbers[k] for k in cells), line)


def _read_by_order(heading: Heading, line: Line, has_stars: bool) -> RRow | None:
    tail = read_tail(_bare(line.text, has_stars))
    count = len(heading.names)
    if len(tail) != count or not tail.label(count).strip():
        return None
    return RRow(tail.label(count), tail.numbers, line)


def check_quotients(table: RTable, quotient: str, numerator: str, denominator: str) -> None:
    """Raise PrintoutError where a column is not the quotient of two others."""
    from lmmtools.printout.number import is_quotient

    for row in table.rows:
        cells = table.by_column(row)
        q, a, b = (cells.get(name) for name in (quotient, numerator, denominator))
        if q is None or a is None or b is None or is_quotient(q, a.rounded_twice(), b.rounded_twice()):
            continue
        raise PrintoutError(
            f"{quotient} is not {numerator} over {denominator} in {name_line(row.line)}: a digit was lost or changed."
        )

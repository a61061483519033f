"""Marks that a page puts before the lines of a text: comment signs, quotation, line numbers, stamps of a log."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING

from lmmtools.printout.row import read_tail

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["remove_marks"]

_COMMENT = re.compile(r"\s*(?P<mark>#+['>]?|//+[/!]?)(?P<gap> ?)")
_QUOTED = re.compile(r"\s*(?:>|\||%|--)(?: |$)")
_NUMBERED = re.compile(r"\s*[\[(]?(?P<number>\d{1,6})[\])]?[:.|]?(?= |$)")
_STAMPED = re.compile(
    r"\s*[\[(<]?(?:(?:\d{4}[-/.]\d\d[-/.]\d\d|\d\d[-/.]\d\d[-/.]\d{4}|[A-Z][a-z]{2} +\d{1,2})[T ,]{0,2})?"
    r"\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z| ?[-+]\d\d:?\d\d)?[\])>]?:?(?: |$)"
)
_LEVEL = re.compile(r"\s*[\[(<]?(?:TRACE|DEBUG|INFO|NOTE|NOTICE|WARN|WARNING|ERROR)\b[\])>]?")
_ASSIGNMENT = re.compile(r"<-|->|\w *= *\w")
# Share of lines with a mark by which a text is quoted; some (a page number, a wrapped line) may have lost theirs.
_MOST = 0.8
# Fewer numbered or stamped lines may be so by chance.
_FEWEST = 5
# No source in a log is longer.
_LONGEST_SOURCE = 200
# Marks within marks are removed to this depth.
_DEEPEST = 20


@dataclass(frozen=True, slots=True)
class _Found:
    """The rows of a text without one kind of mark, the marks (empty where a row had none), by place."""

    rows: list[str]
    marks: list[str]


def remove_marks(rows: list[str], is_heading: Callable[[str], bool]) -> tuple[list[str], set[int]]:
    """Return the rows without marks, and the places of rows that stand outside the marked printout above them.

    A printout whose lines have a comment mark ends where the mark ends. A row that lost its mark is still known as one
    of a table by the numbers at its end, and as a heading.

    Parameters
    ----------
    rows : list of str
        The lines of the text.
    is_heading : callable
        Whether a row without marks is a heading of a printout.
    """
    outside: set[int] = set()
    for _ in range(_DEEPEST):
        before = rows
        rows = _remove_prefixes(_remove_line_numbers(rows))
        found = _remove_comments(rows)
        outside |= _ends(found, is_heading)
        rows = _remove_quotation(found.rows)
        if rows == before:
            break
    return rows, outside


def _remove_quotation(rows: list[str]) -> list[str]:
    filled = [row for row in rows if row]
    if not filled or sum(bool(_QUOTED.match(row)) for row in filled) < _MOST * len(filled):
        return rows
    return [_QUOTED.sub("", row, count=1) if _QUOTED.match(row) else row for row in rows]


def _remove_comments(rows: list[str]) -> _Found:
    """Return the rows without comment marks, and without the blank after a mark if each such mark has one."""
    found = [_COMMENT.match(row) for row in rows]
    # '#(Intercept)' beside '#  Groups': the blanks are the table's.
    tight = {m["mark"] for m in found if m and not m["gap"] and m.end() < len(m.string)}
    return _Found(
        [
            row if m is None else row[m.end("mark") :] if m["mark"] in tight else row[m.end() :]
            for row, m in zip(rows, found, strict=True)
        ],
        ["" if m is None else m["mark"] for m in found],
    )


def _ends(found: _Found, is_heading: Callable[[str], bool]) -> set[int]:
    """Return the places of rows without the mark of the printout above them."""
    carrying = {mark for row, mark in zip(found.rows, found.marks, strict=True) if mark and is_heading(row)}
    filled = [k for k, row in enumerate(found.rows) if row]
    ends: set[int] = set()
    current = ""
    for k, following in zip_longest(filled, filled[1:]):
        mark, row = found.marks[k], found.rows[k]
        if mark in carrying or not current:
            current = mark if mark in carrying else ""
            continue
        if is_heading(row):
            continue
        is_between = following is not None and found.marks[following] == current
        if mark or _ASSIGNMENT.search(row) or len(read_tail(row)) < (1 if is_between else 2):
            ends.add(k)
            current = ""
    return ends


def _remove_line_numbers(rows: list[str]) -> list[str]:
    """Return the rows without numbers before them, if they count the lines."""
    found = [_NUMBERED.match(row) for row in rows]
    numbered = [m for m in found if m]
    filled = sum(bool(row) for row in rows)
    numbers = [int(m["number"]) for m in numbered]
    steps = sum(b - a == 1 for a, b in pairwise(numbers))
    if len(numbered) < max(_FEWEST, _MOST * filled) or steps < _MOST * (len(numbers) - 1):
        return rows
    # The rows of a data frame are numbered too; a printout has lines without numbers.
    if all(len(read_tail(m.string[m.end() :])) for m in numbered):
        return rows
    width = max(m.end() for m in numbered) + 1
    # Numbers of one width; where they are not padded, one blank follows each.
    is_padded = all(not m.string[m.end() : width].strip() for m in numbered)
    return [
        row if m is None else row[width:] if is_padded else row[m.end() + 1 :]
        for row, m in zip(rows, found, strict=True)
    ]


def _remove_prefixes(rows: list[str]) -> list[str]:
    """Return the rows without time, level and source that a log puts before them, if nearly all have a time."""
    found = [_STAMPED.match(row) for row in rows]
    filled = sum(bool(row) for row in rows)
    if sum(m is not None for m in found) < max(_FEWEST, _MOST * filled):
        return rows
    bare = [row if m is None else row[m.end() :] for row, m in zip(rows, found, strict=True)]
    bare = [_LEVEL.sub("", row, count=1) if m else row for row, m in zip(bare, found, strict=True)]
    stamped = [row for row, m in zip(bare, found, strict=True) if m]
    # The source is the same for every line; blank lines of the printout end with it.
    padded = [row[:_LONGEST_SOURCE].ljust(_LONGEST_SOURCE) for row in stamped]
    first, last = min(padded), max(padded)
    shared = first[: next((k for k, (a, b) in enumerate(zip(first, last, strict=True)) if a != b), len(first))]
    at = len(shared) if shared.strip() else min(len(shared), 1)
    return [row[at:] if m else row for row, m in zip(bare, found, strict=True)]

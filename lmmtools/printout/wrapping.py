"""Tables whose lines a narrow page broke: heading and rows are put together again."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

from lmmtools.errors import PrintoutError
from lmmtools.printout.row import read_tail

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmmtools.printout.layout import Line

__all__ = ["is_numbers", "join_heading", "join_numbers", "join_row"]

# A number with its point: neither half of a broken number is one with both ends of the break.
_WHOLE = re.compile(r"\W?\d+\.\d+(?:e[-+]\d+)?")
# A heading or row that is broken more often than this is not put together.
_MOST_PIECES = 4


def is_numbers(line: Line) -> bool:
    """Whether a line holds numbers and no label."""
    tail = read_tail(line.text)
    return len(tail) > 0 and not tail.label(len(tail)).strip()


def join_heading(lines: Sequence[Line], heading: re.Pattern[str]) -> tuple[Line, int] | None:
    """Return the heading that the first lines form, and of how many; None if the first line is a whole heading or none.

    Parameters
    ----------
    lines : sequence of Line
        From the first line of the heading on.
    heading : re.Pattern
        Matches the words of a heading, and of any part of it that has whole columns.
    """
    for count in range(min(_MOST_PIECES, len(lines)), 1, -1):
        pieces = lines[:count]
        if any(line.is_blank for line in pieces):
            continue
        for text in _joined([line.text for line in pieces]):
            words = " ".join(text.split())
            if heading.fullmatch(words):
                return replace(lines[0], text=text), count
    return None


def join_row(lines: Sequence[Line], count: int) -> tuple[Line, int]:
    """Return the row of ``count`` numbers that the first lines form, and of how many lines it is.

    A number that was broken in two is put together if this alone gives ``count`` numbers.

    Raises
    ------
    PrintoutError
        If the lines form no such row, or several.
    """
    for pieces in range(1, min(_MOST_PIECES, len(lines)) + 1):
        if pieces > 1 and not is_numbers(lines[pieces - 1]):
            break
        rows: dict[tuple[str | float, ...], str] = {}
        for text in _joined([line.text for line in lines[:pieces]]):
            tail = read_tail(text)
            if len(tail) == count and tail.label(count).strip():
                # A blank after '<' or a minus makes no other number.
                rows.setdefault((tail.label(count).strip(), *map(float, tail.numbers)), text)
        has_more = pieces < len(lines) and is_numbers(lines[pieces])
        if rows and not has_more:
            if len(rows) == 1:
                return replace(lines[0], text=next(iter(rows.values()))), pieces
            break
    raise PrintoutError(
        f"Line {lines[0].number} and those below it do not form a row of {count} numbers: {lines[0].words!r}. The "
        "table was broken by a narrow page: paste it wider."
    )


def join_numbers(lines: Sequence[Line]) -> list[Line]:
    """Return the lines, those of numbers alone put behind the line above them.

    Raises
    ------
    PrintoutError
        If the break may have cut a number in two.
    """
    joined: list[Line] = []
    for line in lines:
        if joined and not joined[-1].is_blank and is_numbers(line):
            ends = (*read_tail(joined[-1].text).numbers[-1:], read_tail(line.text).numbers[0])
            if not all(_WHOLE.fullmatch(number.text) for number in ends):
                raise PrintoutError(
                    f"Line {line.number} may go on with a number of the line above it: {line.words!r}. The table "
                    "was broken by a narrow page: paste it wider."
                )
            joined[-1] = replace(joined[-1], text=f"{joined[-1].text}  {line.text.strip()}")
        else:
            joined.append(line)
    return joined


def _joined(pieces: Sequence[str]) -> Iterator[str]:
    """Yield the pieces as one text, with and without a blank at each break."""
    for gaps in product((" ", ""), repeat=len(pieces) - 1):
        text = pieces[0]
        for gap, piece in zip(gaps, pieces[1:], strict=True):
            text += gap + (piece if gap else piece.lstrip())
        yield text

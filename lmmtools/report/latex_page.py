"""What keeps LaTeX within the page: smaller type, text columns that wrap, tables cut into pieces, lines that break."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["SIZES", "Layout", "fit_page"]

# The text of an article of ten points is 345 pt wide.
PAGE = 340.0
# Command, width of a character and space beside a column, in points: measured of Computer Modern, on the safe side.
SIZES = (("", 5.2, 6.0), (r"\footnotesize", 4.6, 3.0), (r"\scriptsize", 3.9, 2.0))
# A column of text that wraps has room for a word or two; shorter ones stay as they are.
LEAST_WIDTH, SHORT = 60.0, 12


@dataclass(frozen=True, slots=True)
class Layout:
    """How a table is set.

    Attributes
    ----------
    size : str
        Command of the type's size, empty for that of the text.
    separation : float
        Space on each side of a column, in points.
    widths : tuple of (float or None), one per column
        Where text wraps, in points; None where it does not.
    pieces : tuple of tuple of int
        Columns of each piece of the table, one below the other.
    """

    size: str
    separation: float
    widths: tuple[float | None, ...]
    pieces: tuple[tuple[int, ...], ...]


def fit_page(lengths: Sequence[int], is_text: Sequence[bool], is_label: Sequence[bool]) -> Layout:
    """Return the layout of a table whose columns have so many characters: the largest type that fits the page.

    Parameters
    ----------
    lengths : sequence of int
        Characters of the longest cell of each column, the header counted.
    is_text : sequence of bool
        Whether a column is text, which may wrap.
    is_label : sequence of bool
        Whether a column names the rows: it is in every piece.
    """
    columns = tuple(range(len(lengths)))
    for size, per_character, separation in SIZES:
        natural = [n * per_character for n in lengths]
        room = PAGE - 2 * separation * len(columns)
        if sum(natural) <= room:
            return Layout(size, separation, (None,) * len(columns), (columns,))
        wrapped = [j for j in columns if is_text[j] and lengths[j] > SHORT]
        rest = room - sum(natural[j] for j in columns if j not in wrapped)
        if size and wrapped and rest >= LEAST_WIDTH * len(wrapped):
            widths = _share_out(rest, {j: natural[j] for j in wrapped})
            return Layout(size, separation, tuple(widths.get(j) for j in columns), (columns,))
    widths = {j: min(natural[j], 1.5 * LEAST_WIDTH) for j in wrapped}
    taken = [widths.get(j, natural[j]) + 2 * separation for j in columns]
    return Layout(size, separation, tuple(widths.get(j) for j in columns), _cut(taken, is_label))


def _share_out(room: float, natural: dict[int, float]) -> dict[int, float]:
    """Return the width of each column: its own where there is room for it, the rest shared by those that need more."""
    widths: dict[int, float] = {}
    for j in sorted(natural, key=natural.__getitem__):
        widths[j] = min(natural[j], (room - sum(widths.values())) / (len(natural) - len(widths)))
    return widths


def _cut(taken: Sequence[float], is_label: Sequence[bool]) -> tuple[tuple[int, ...], ...]:
    """Return the columns of each piece: the labels, and as many others as there is room for, one at least."""
    labels = [j for j, own in enumerate(is_label) if own]
    room = PAGE - sum(taken[j] for j in labels)
    pieces: list[list[int]] = []
    used = 0.0
    for j in (j for j in range(len(taken)) if j not in labels):
        if not pieces or used + taken[j] > room:
            pieces.append([])
            used = 0.0
        pieces[-1].append(j)
        used += taken[j]
    return tuple(tuple(sorted([*labels, *piece])) for piece in pieces) or (tuple(labels),)

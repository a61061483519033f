"""A picture in characters of which levels of two factors occur together: a mark per combination, or shaded blocks."""

from __future__ import annotations

import sys
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from lmmtools.design.incidence import build_incidence
from lmmtools.design.relations import tell_apart
from lmmtools.errors import DataError
from lmmtools.report.factors.blocks import block_label, describe_blocks, level_label
from lmmtools.report.table import LINE_WIDTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.design.incidence import Blocks, Incidence, Order

__all__ = ["ASCII", "UNICODE", "Characters", "Marks", "Picture", "choose_marks", "draw", "draw_pair"]

MAX_ROWS = 24
# Upper limits of the four shades, as parts of the largest share of a block's combinations.
_STEPS = (1 / 8, 1 / 4, 1 / 2, 1.0)
# Most letters of column names that are written upright over their columns.
_UPRIGHT = 10

Characters = Literal["auto", "unicode", "ascii"]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """Pictures of two factors, one down and one across; prints as text, shows as HTML in notebooks.

    Attributes
    ----------
    panels : tuple of (str, Incidence)
        Title and table of each picture. A pair whose labels are probably reused has a second picture, in which equal
        labels are different levels.
    """

    panels: tuple[tuple[str, Incidence], ...]

    def to_text(self, characters: Characters = "auto", max_rows: int = MAX_ROWS) -> str:
        """Return the pictures as text, at most 80 characters wide.

        Parameters
        ----------
        characters : {"auto", "unicode", "ascii"}
            Shades as block characters or in plain ASCII; ``"auto"``: as standard output can write them.
        max_rows : int
            Most lines of a picture without its headings; more levels share lines.
        """
        marks = choose_marks(characters)
        return "\n\n".join(f"{title}\n\n{draw(incidence, marks, max_rows)}" for title, incidence in self.panels)

    def to_html(self) -> str:
        """Return the pictures as SVG in HTML, with a tooltip for each square."""
        from lmmtools.report.factors.blocks import render_picture

        return "\n".join(render_picture(title, incidence) for title, incidence in self.panels)

    def __str__(self) -> str:
        return self.to_text()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.to_html()


def draw_pair(incidence: Incidence, order: Order = "structure") -> Picture:
    """Return the picture of a pair, with a second panel of distinct levels if its labels are probably reused."""
    pair = incidence.pair
    panels = [(f"{incidence.a} down, {incidence.b} across: {pair.by_labels}", incidence)]
    if pair.relation == "implicitly nested":
        apart = tell_apart(pair)
        title = f"{apart.a} down, {apart.b} across: nested, if the labels of {pair.inner} are reused"
        panels = [(f"{panels[0][0]} by their labels", incidence), (title, build_incidence(apart, apart.a, order))]
    return Picture(tuple(panels))


def draw(incidence: Incidence, marks: Marks, max_rows: int = MAX_ROWS, width: int = LINE_WIDTH) -> str:
    """Return a table of two factors as a picture, with its legend.

    Where all levels have room, a digit is the number of rows of a combination; otherwise a shade is the share of a
    block's combinations that occur.
    """
    blocks = incidence.blocks(max_rows, width)
    labels = _row_labels(incidence, blocks)
    room = width - 2 - max(map(len, labels))
    if blocks.counts.shape[1] > room:
        blocks = incidence.blocks(max_rows, room)
    gap = " " * max(map(len, labels))
    lines = [f"{gap} {line}".rstrip() for line in _header(incidence, blocks)]
    field = _digits(blocks, marks) if blocks.is_whole else _shades(blocks, marks)
    lines += [f"{label.ljust(len(gap))} {row}" for label, row in zip(labels, field, strict=True)]
    return f"{textwrap.indent(chr(10).join(lines), ' ')}\n\n{_legend(incidence, blocks, marks, width)}"


def _row_labels(incidence: Incidence, blocks: Blocks) -> list[str]:
    return [block_label(incidence.a_levels, blocks.row_edges, i) for i in range(len(blocks.row_edges) - 1)]


def _header(incidence: Incidence, blocks: Blocks) -> list[str]:
    """Return the lines of column names, written downwards; only the first and last of long or many names."""
    edges = blocks.column_edges
    names = [level_label(incidence.b_levels[k]) for k in edges[:-1]]
    if len(edges) - 1 == len(incidence.b_levels) and max(map(len, names)) <= _UPRIGHT:
        height = max(map(len, names))
        return ["".join(letters) for letters in zip(*(name.rjust(height) for name in names), strict=True)]
    first, last = level_label(incidence.b_levels[0]), level_label(incidence.b_levels[-1])
    room = len(names) - len(first) - len(last)
    return [f"{first}{' ' * room}{last}" if room > 0 else f"{first} .. {last}"]


def _digits(blocks: Blocks, marks: Marks) -> list[str]:
    return ["".join(marks.none if c == 0 else str(c) if c <= 9 else "+" for c in row) for row in blocks.counts.tolist()]


def _shades(blocks: Blocks, marks: Marks) -> list[str]:
    share = blocks.share
    shades = np.array([*marks.shades])[np.searchsorted(np.array(_STEPS[:-1]), share / share.max())]
    return ["".join(row) for row in np.where(share == 0, marks.none, shades).tolist()]


def _legend(incidence: Incidence, blocks: Blocks, marks: Marks, width: int) -> str:
    if blocks.is_whole:
        most = int(blocks.counts.max())
        digits = "1: one row" if most == 1 else "digit: rows of the combination" + (", +: 10 or more" * (most > 9))
        return f" {digits}" + (f"; {marks.none} it does not occur" if (blocks.counts == 0).any() else "")
    largest = float(blocks.share.max())
    shades = ", ".join(f"{mark} to {_percent(step * largest)}" for mark, step in zip(marks.shades, _STEPS, strict=True))
    legend = f"Share of a block's combinations that occur: {marks.none} none, {shades}."
    lines: Sequence[str] = textwrap.wrap(legend, width - 1, break_on_hyphens=False)
    return textwrap.indent("\n".join([*lines, describe_blocks(incidence, blocks, "Levels", width - 1)]), " ")


def _percent(share: float) -> str:
    return f"{100 * share:.2g}%" if share < 0.995 else "100%"


@dataclass(frozen=True, slots=True)
class Marks:
    """Characters of a picture.

    Attributes
    ----------
    none : str
        Mark of a combination that does not occur.
    shades : str
        Four marks, from light to dark.
    """

    none: str
    shades: str


UNICODE = Marks("·", "░▒▓█")
ASCII = Marks(".", ":+#@")


def choose_marks(characters: Characters = "auto") -> Marks:
    """Return the marks asked for; ``"auto"``: block shades if standard output can encode them, else ASCII.

    Raises
    ------
    DataError
        If there is no such set of characters.
    """
    if characters not in ("auto", "unicode", "ascii"):
        raise DataError(f"characters is 'auto', 'unicode' or 'ascii', not {characters!r}.")
    if characters == "auto":
        characters = "unicode" if _can_write(UNICODE) else "ascii"
    return UNICODE if characters == "unicode" else ASCII


def _can_write(marks: Marks) -> bool:
    try:
        (marks.none + marks.shades).encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True

"""Tables and documents before they are formatted: unrounded cells, and how each column is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = [
    "LINE_WIDTH",
    "TEXT",
    "Cell",
    "Column",
    "Document",
    "Fact",
    "Facts",
    "Framed",
    "NumberFormat",
    "Part",
    "Prose",
    "Table",
]


LINE_WIDTH = 80
"""Characters of a line of text: R's default."""


@dataclass(frozen=True, slots=True)
class Framed:
    """Unrounded numbers within text: an estimate with its stars, an error in parentheses, two limits in brackets.

    Attributes
    ----------
    numbers : tuple of float
        The numbers; formats put a comma between them.
    before, after : str
        Text on either side of them.
    """

    numbers: tuple[float, ...]
    before: str = ""
    after: str = ""


Cell: TypeAlias = str | float | int | None
"""A cell of a table: text, an unrounded number, or None for an empty cell."""


Rule: TypeAlias = Literal[
    "text",
    "significant",
    "zapped",
    "correlation",
    "coefficient",
    "statistic",
    "pvalue",
    "plain",
    "scientific",
    "bounded",
    "by row",
]


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """How the numbers of a column are shown.

    Attributes
    ----------
    rule : str
        ``"significant"``: the fewest decimals that show each number to ``digits`` significant digits; ``"zapped"``:
        the same, of numbers rounded to where the largest has ``digits``;
        ``"correlation"``: ``digits`` decimals, always; ``"coefficient"``, ``"statistic"`` and ``"pvalue"``: R's rules
        for the columns of a coefficient table; ``"plain"``: each number on its own to ``digits`` significant digits;
        ``"scientific"``: each in scientific form; ``"bounded"``: ``digits`` decimals, and what is smaller as a bound,
        ``<0.001``; ``"by row"``: with the others of its row, as the table says;
        ``"text"``: as it is.
    digits : int
        Significant digits or decimals, as the rule says.
    decimals : int or None
        Decimals to which each number is rounded first; None for no such step.
    share : str
        Columns (or rows, under the rule ``"by row"``) of a table with the same ``share`` are laid out together, as if
        they were one; by default each alone.
    """

    rule: Rule = "text"
    digits: int = 4
    decimals: int | None = None
    share: str = ""


TEXT = NumberFormat()


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name : str
        Header, also the key in JSON; may be empty.
    numbers : NumberFormat
        How its numbers are shown.
    align : {"left", "right", "decimal"}
        Alignment; ``"decimal"`` puts the points of numbers below each other, and text in the middle.
    is_label : bool
        Whether its cells name their rows (``<th scope="row">`` in HTML).
    tones : tuple of (str, str)
        Text of a cell -> ``"good"``, ``"caution"`` or ``"bad"``, where a format has colours.
    """

    name: str
    numbers: NumberFormat = TEXT
    align: Literal["left", "right", "decimal"] = "left"
    is_label: bool = False
    tones: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A table of raw cells.

    Attributes
    ----------
    name : str
        Short name, the key in JSON (``"random_effects"``).
    title : str
        Caption, may be empty.
    columns : tuple of Column
        One per cell of a row.
    rows : tuple of tuple of (Cell or Framed)
        The cells, unrounded.
    notes : tuple of str
        Lines below the table.
    indent : int
        Blanks before each line in text.
    is_even : bool
        Whether text gives all columns the same width, as R prints a named vector.
    is_ruled : bool
        Whether text has a line under the header.
    width : int or None
        Characters beyond which text cuts the table into pieces, as R does; None for never.
    row_numbers : tuple of NumberFormat or None
        One per row, for the cells in columns whose rule is ``"by row"``: they are laid out together.
    sections : tuple of int
        Rows before which a section begins. A row of which only the first cell holds something is its heading.
    label : str
        Label of the table in LaTeX; may be empty.
    is_long : bool or None
        Whether LaTeX lets the table run over pages (``longtable``); None for where it is longer than a page.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell | Framed, ...], ...]
    notes: tuple[str, ...] = ()
    indent: int = 0
    is_even: bool = False
    is_ruled: bool = False
    width: int | None = LINE_WIDTH
    row_numbers: tuple[NumberFormat, ...] | None = None
    sections: tuple[int, ...] = ()
    label: str = ""
    is_long: bool | None = False

    def __post_init__(self) -> None:
        wrong = next((i for i, row in enumerate(self.rows) if len(row) != len(self.columns)), None)
        if wrong is not None:
            raise ValueError(
                f"row {wrong} of table {self.name!r} has {len(self.rows[wrong])} cells for {len(self.columns)} columns"
            )


@dataclass(frozen=True, slots=True)
class Fact:
    """A label with a value, on one line: ``Data: Penicillin``."""

    name: str
    label: str
    value: Cell
    numbers: NumberFormat = TEXT


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts one below the other."""

    name: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Prose:
    """Sentences, one paragraph each; a list where ``is_list``."""

    name: str
    lines: tuple[str, ...]
    title: str = ""
    is_list: bool = False


Part: TypeAlias = Table | Facts | Prose


@dataclass(frozen=True, slots=True)
class Document:
    """A title and parts, from top to bottom; in LaTeX they are one float if ``is_one_float``."""

    title: str
    parts: tuple[Part, ...]
    is_one_float: bool = False

    def find(self, name: str) -> Part | None:
        """Return the part called ``name``, None if there is none."""
        return next((part for part in self.parts if part.name == name), None)

"""Tables for LaTeX: as a float, within a float or over pages, fitted to the page, numbers aligned at their points."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmmtools.report.cells import format_cells, is_heading, split_at_point
from lmmtools.report.latex_text import LONG_WORD, LONG_WORD_IN_COLUMN, escape, escape_broken, set_cell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.report.table import Column, Table

__all__ = ["SIZES", "Layout", "fit_page", "float_table", "set_table"]

# Characters of a header beyond which it is broken over several lines.
_LONG_HEADER = 13
# Lines of a page per size of type, less a caption and a few notes.
_LINES = {"": 40, r"\footnotesize": 50, r"\scriptsize": 60}
_EXPONENT = re.compile(r"e([+-]\d+)")
_NEW_LINE = r"\\"
# Characters that an exponent takes beside its digits: a times sign and a ten.
_WIDTH_OF_POWER = 4

# Width of the text in points: 345 in a ten-point article.
PAGE = 340.0
# Size command, width of a character and space beside a column, in points: Computer Modern, rounded up.
SIZES = (("", 5.2, 6.0), (r"\footnotesize", 4.6, 3.0), (r"\scriptsize", 3.9, 2.0))
# Least width in points of a text column that wraps; characters of a text column that never wraps.
LEAST_WIDTH, SHORT = 60.0, 12


@dataclass(frozen=True, slots=True)
class _Cells:
    """A table as text with its layout; ``places``: digits before and after the points of each decimal column."""

    table: Table
    header: list[str]
    rows: list[list[str]]
    layout: Layout
    places: list[tuple[int, int] | None]

    @property
    def is_long(self) -> bool:
        """Whether the table runs over pages."""
        asked = self.table.is_long
        if asked is not None:
            return asked
        notes = sum(1 + len(note) // 90 for note in self.table.notes)
        return len(self.layout.pieces) * (len(self.rows) + 2) + notes > _LINES[self.layout.size]


def float_table(table: Table) -> str:
    """Return a table as a float of its own, or as a ``longtable`` where it is longer than a page."""
    cells = _lay_out(table)
    caption = rf"\caption{{{escape_broken(table.title)}}}" if table.title else ""
    label = rf"\label{{{_safe_label(table.label)}}}" if table.label else ""
    if cells.is_long:
        return _write_longtable(cells, caption + label)
    start = [r"\begin{table}[htbp]", *([caption + label + r"\par\smallskip"] if caption or label else [])]
    return "\n".join([*start, _write_pieces(cells), r"\end{table}"])


def set_table(table: Table) -> str:
    """Return a table to stand within a float, its title as a line of text."""
    title = [rf"\noindent {escape_broken(table.title)}\par\smallskip"] if table.title else []
    return "\n".join([*title, _write_pieces(_lay_out(table))])


def _write_pieces(cells: _Cells) -> str:
    """Return the pieces of a table, one below the other and centred, then its notes."""
    body = "\n\\par\\medskip\n".join(
        "\n".join(
            [
                rf"\begin{{tabular}}{{{_column_specs(cells, piece)}}}",
                r"\toprule",
                rf"{_write_header(cells, piece)} \\",
                r"\midrule",
                *_write_rows(cells, piece),
                r"\bottomrule",
                r"\end{tabular}",
            ]
        )
        for piece in cells.layout.pieces
    )
    return "\n".join([r"{\centering", *_size_commands(cells.layout), body, r"\par}", *_write_notes(cells.table)])


def _write_longtable(cells: _Cells, caption: str) -> str:
    """Return a table as ``longtable``, with its header on every page."""
    pieces = []
    for k, piece in enumerate(cells.layout.pieces):
        header = [r"\toprule", rf"{_write_header(cells, piece)} \\", r"\midrule"]
        more = rf"\multicolumn{{{len(piece)}}}{{r}}{{\textit{{continued on the next page}}}} \\"
        pieces += [
            rf"\begin{{longtable}}{{{_column_specs(cells, piece)}}}",
            *([rf"{caption} \\"] if caption and k == 0 else []),
            *header,
            r"\endfirsthead",
            *header,
            r"\endhead",
            r"\midrule",
            more,
            r"\endfoot",
            r"\bottomrule",
            r"\endlastfoot",
            *_write_rows(cells, piece),
            r"\end{longtable}",
        ]
    # Braces keep the size of type and the column separation within the table.
    return "\n".join(["{", *_size_commands(cells.layout), *pieces, *_write_notes(cells.table), "}"])


def _lay_out(table: Table) -> _Cells:
    rows = format_cells(table)
    header = [c.name for c in table.columns]
    is_text = [_is_text(c) for c in table.columns]
    numbers = range(len(header))
    places = [
        _digits_around_point([row[j] for row in rows]) if table.columns[j].align == "decimal" else None for j in numbers
    ]
    counted = [row for i, row in enumerate(rows) if not (i in table.sections and is_heading(row))]
    lengths = []
    for j, place in enumerate(places):
        texts = [row[j].strip() for row in counted]
        if place is not None:
            # A decimal column is as wide as its digits, or as its widest text; raised marks are not counted.
            texts = ["0" * sum(place), *(t for t in texts if split_at_point(t) is None)]
        lengths.append(max(map(len, [*texts, *_break_header(header[j], place is not None)])))
    labels = [c.is_label or (j == 0 and is_text[j]) for j, c in enumerate(table.columns)]
    return _Cells(table, header, rows, fit_page(lengths, is_text, labels), places)


def _is_text(column: Column) -> bool:
    return column.numbers.rule == "text" and column.align == "left"


def _digits_around_point(cells: Sequence[str]) -> tuple[int, int]:
    """Return the width in digits of a column's numbers before and after their points."""
    parts = [part for part in map(split_at_point, cells) if part]
    left = max((len(p[0]) for p in parts), default=1)
    right = max((_width_after_point(p[1]) for p in parts), default=0)
    return left, right


def _width_after_point(text: str) -> int:
    return len(text.lstrip(".")) + (_WIDTH_OF_POWER if _EXPONENT.search(text) else 0)


def _break_header(header: str, is_split: bool) -> list[str]:
    """Return the lines of a header, broken between words where it is long."""
    if not is_split or len(header) <= _LONG_HEADER:
        return [header]
    lines = [""]
    for word in header.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > _LONG_HEADER:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _safe_label(text: str) -> str:
    """Return a label with every character replaced that LaTeX could take for a command."""
    return re.sub(r"[^\w:.\- ]", "-", text)


def _size_commands(layout: Layout) -> list[str]:
    return [layout.size, rf"\setlength{{\tabcolsep}}{{{layout.separation:g}pt}}"] if layout.size else []


def _write_notes(table: Table) -> list[str]:
    """Return the notes as paragraphs of small type."""
    notes = [rf"{escape_broken(note)}\par" for note in table.notes]
    return [r"\smallskip", r"{\footnotesize\raggedright\noindent", *notes, "}"] if notes else []


def _column_specs(cells: _Cells, piece: Sequence[int]) -> str:
    return "".join(_column_spec(cells, j) for j in piece)


def _column_spec(cells: _Cells, j: int) -> str:
    width, place = cells.layout.widths[j], cells.places[j]
    if width is not None:
        return f"p{{{width:.0f}pt}}"
    if place is not None:
        return f"D{{.}}{{.}}{{{place[0]}.{place[1]}}}"
    return "l" if _is_text(cells.table.columns[j]) else "r"


def _write_header(cells: _Cells, piece: Sequence[int]) -> str:
    return " & ".join(_write_header_cell(cells, j) for j in piece)


def _write_header_cell(cells: _Cells, j: int) -> str:
    if cells.places[j] is None:
        width = cells.layout.widths[j]
        return _wrap(cells.header[j], escape_broken(cells.header[j], _longest_word(width)), width)
    lines = [escape(line) for line in _break_header(cells.header[j], True)]
    text = lines[0] if len(lines) == 1 else rf"\shortstack{{{_NEW_LINE.join(lines)}}}"
    return rf"\multicolumn{{1}}{{c}}{{{text}}}"


def _write_rows(cells: _Cells, piece: Sequence[int]) -> list[str]:
    """Return the rows of a piece, with rules between sections and headings over all columns."""
    found = []
    for i, row in enumerate(cells.rows):
        is_start = i in cells.table.sections
        if is_start and i:
            found.append(r"\midrule")
        if is_start and is_heading(row):
            found.append(rf"\multicolumn{{{len(piece)}}}{{l}}{{\textit{{{escape_broken(row[0])}}}}} \\")
        else:
            found.append(rf"{' & '.join(_write_cell(cells, row, j) for j in piece)} \\")
    return found


def _write_cell(cells: _Cells, row: Sequence[str], j: int) -> str:
    width, text = cells.layout.widths[j], row[j].strip()
    if cells.places[j] is None:
        return _wrap(text, set_cell(text, _longest_word(width)), width)
    parts = split_at_point(text)
    if parts is None:
        return rf"\multicolumn{{1}}{{c}}{{{set_cell(text)}}}" if text else ""
    return _write_decimal("".join(parts))


def _write_decimal(text: str) -> str:
    """Return a number for a ``dcolumn`` column, which is in math mode: raised marks, exponent as a power of ten."""
    number, marks = re.fullmatch(r"([(<]*-?[\d.]+(?:e[+-]\d+)?\)?)(.*)", text).groups()  # type: ignore[union-attr]
    number = _EXPONENT.sub(lambda power: rf" \times 10^{{{int(power[1])}}}", number)
    return number + (rf"^{{{escape(marks)}}}" if marks else "")


def _longest_word(width: float | None) -> int:
    """Return the length up to which a word is not broken, given the width of its column in points."""
    return LONG_WORD if width is None else max(LONG_WORD_IN_COLUMN, int(width / SIZES[0][1]))


def _wrap(text: str, cell: str, width: float | None) -> str:
    """Return a cell; one that wraps is set ragged right, and the end of its row keeps its meaning."""
    is_wrapped = width is not None and len(text) * SIZES[0][1] > width
    # Without \relax TeX reads on for the unit: "1fil Levels" would lose its L.
    return rf"\rightskip 0pt plus 1fil\relax {cell}" if is_wrapped else cell


@dataclass(frozen=True, slots=True)
class Layout:
    """How a table is set.

    Attributes
    ----------
    size : str
        Size command of the type; empty for the size of the text.
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
    """Return the layout with the largest type that fits the page, from the lengths of the columns.

    Parameters
    ----------
    lengths : sequence of int
        Characters of the longest cell of each column, the header counted.
    is_text : sequence of bool
        Whether a column is text, which may wrap.
    is_label : sequence of bool
        Whether a column names the rows; such a column is repeated in every piece.
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
    return Layout(size, separation, tuple(widths.get(j) for j in columns), _split_columns(taken, is_label))


def _share_out(room: float, natural: dict[int, float]) -> dict[int, float]:
    """Return the width of each column: its natural one if it fits, else an equal share of the room that is left."""
    widths: dict[int, float] = {}
    for j in sorted(natural, key=natural.__getitem__):
        widths[j] = min(natural[j], (room - sum(widths.values())) / (len(natural) - len(widths)))
    return widths


def _split_columns(taken: Sequence[float], is_label: Sequence[bool]) -> tuple[tuple[int, ...], ...]:
    """Return the columns of each piece: the labels and as many others as fit, at least one."""
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

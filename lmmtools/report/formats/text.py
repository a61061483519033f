"""Plain text, in the layout of R's printed summaries.

The package tabulate makes the project's other tables of text (Markdown, cross-tables, factors, ``tablefmt=`` of tables
of fits). It cannot make these. Tried with a ``TableFormat`` of one blank between columns, on 247 tables of
seven models:

* It strips the blanks by which numbers are aligned within their cells, which changes 114 of them; versions before 0.10
  keep blanks only by a switch of the module, which holds for everybody in the process.
* It has no heading that runs over all columns, no columns of one width, and no cut into pieces at the width of a line.
* Where the package wcwidth is installed it counts wide letters twice: the same table would differ between machines.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from lmmtools.report.cells import format_cells, format_fact, is_heading, split_at_point, widths_at_point
from lmmtools.report.table import LINE_WIDTH, Facts, Prose, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.report.table import Document, Part

__all__ = ["render", "render_table"]

# Characters beyond which a note is wrapped.
LONGEST_NOTE = 110


def render(document: Document) -> str:
    """Return the document as text."""
    parts = [_render_part(part) for part in document.parts]
    if document.title and document.parts and isinstance(document.parts[0], Facts):
        parts[0] = f"{document.title}\n{parts[0]}"
    elif document.title:
        parts.insert(0, document.title)
    return "\n\n".join(p for p in parts if p)


def _render_part(part: Part) -> str:
    if isinstance(part, Table):
        return render_table(part)
    if isinstance(part, Facts):
        width = max(len(fact.label) for fact in part.facts)
        return "\n".join(f"{fact.label:>{width}}: {format_fact(fact)}".rstrip() for fact in part.facts)
    return _render_prose(part)


def _render_prose(part: Prose) -> str:
    first, later = ("- ", "  ") if part.is_list else ("", "")
    lines = [f"{part.title}:"] if part.title else []
    for line in part.lines:
        # Text with line breaks is code or a small table: its lines are kept.
        pieces = line.split("\n") if "\n" in line else [line]
        wrapped = [
            textwrap.fill(p, LINE_WIDTH, initial_indent=first if k == 0 else later, subsequent_indent=later)
            if len(pieces) == 1
            else (first if k == 0 else later) + p
            for k, p in enumerate(pieces)
        ]
        lines.extend(wrapped)
    return "\n".join(lines)


def render_table(table: Table) -> str:
    """Return one table: title, header and rows in pieces of the line's width, notes."""
    cells = format_cells(table)
    headings = [i + 1 for i, row in enumerate(cells) if i in table.sections and is_heading(row)]
    columns = _padded_columns(table, cells)
    labels = [c for c, column in zip(columns, table.columns, strict=True) if column.is_label]
    bodies = [c for c, column in zip(columns, table.columns, strict=True) if not column.is_label]
    lines = [f"{table.title}:"] if table.title else []
    gap = "  " if table.is_ruled else " "
    width = 0
    for piece in _split_columns(
        bodies, sum(len(c[0]) + len(gap) for c in labels) + table.indent, table.width, len(gap)
    ):
        rows = list(zip(*labels, *piece, strict=True))
        rule = tuple("-" * len(text) for text in rows[0])
        texts = [gap.join(row) for row in rows]
        for i in headings:
            texts[i] = cells[i - 1][0]
        for i in sorted({*(start + 1 for start in table.sections), *([1] if table.is_ruled else [])}, reverse=True):
            texts.insert(i, gap.join(rule))
        if width and (table.sections or table.is_ruled):
            lines.append("")
        lines.extend((" " * table.indent + text).rstrip() for text in texts)
        width = max(width, len(gap.join(rule)))
    for note in table.notes:
        lines.extend([note] if len(note) <= LONGEST_NOTE else textwrap.wrap(note, max(width, LINE_WIDTH)))
    return "\n".join(lines)


def _padded_columns(table: Table, rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return each column as its header and cells, all of one width."""
    columns = [
        _centre_at_points([column.name, *(row[j] for row in rows)])
        if column.align == "decimal"
        else [column.name, *(row[j] for row in rows)]
        for j, column in enumerate(table.columns)
    ]
    # Headings of sections run over all columns and do not widen the first.
    counted = [0, *(i + 1 for i, row in enumerate(rows) if not (i in table.sections and is_heading(row)))]
    widths = [max(len(c[i]) for i in counted) for c in columns]
    if table.is_even:
        widths = [max(widths)] * len(widths)
    return [
        [text.ljust(w) if column.align == "left" else text.rjust(w) for text in c]
        for c, w, column in zip(columns, widths, table.columns, strict=True)
    ]


def _centre_at_points(cells: Sequence[str]) -> list[str]:
    """Return the cells padded to one width, numbers aligned at their points and text centred."""
    parts = [split_at_point(cell) for cell in cells[1:]]
    left, right = widths_at_point(cells[1:])
    numbers = [None, *(p and p[0].rjust(left) + p[1].ljust(right) for p in parts)]
    width = max(left + right, *(len(c) for c, n in zip(cells, numbers, strict=True) if n is None))
    return [(cell if number is None else number).center(width) for cell, number in zip(cells, numbers, strict=True)]


def _split_columns(columns: Sequence[list[str]], used: int, width: int | None, gap: int) -> list[list[list[str]]]:
    """Return the columns in pieces that fit beside the labels, at least one column each."""
    if width is None:
        return [list(columns)]
    pieces: list[list[list[str]]] = [[]]
    # R leaves the last character of a line free.
    room = width - 1 - used
    for column in columns:
        if pieces[-1] and sum(len(c[0]) + gap for c in pieces[-1]) + len(column[0]) > room:
            pieces.append([])
        pieces[-1].append(column)
    return pieces

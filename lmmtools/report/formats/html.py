"""HTML: semantic tables with captions and scopes, in one element that needs no style sheet."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from lmmtools.report.cells import format_cells, format_fact, is_heading, split_at_point, widths_at_point
from lmmtools.report.table import Facts, Prose, Table

if TYPE_CHECKING:
    from lmmtools.report.table import Column, Document, Part

__all__ = ["render"]

# Inline styles: a fragment in a page or notebook has no style sheet of its own.
_LEFT, _RIGHT = "text-align: left; padding: 0.1em 0.7em", "text-align: right; padding: 0.1em 0.7em"
_MIDDLE = "text-align: center; white-space: nowrap; padding: 0.1em 0.7em"
_RULE = "border-top: 1px solid"
_TABLE = "font-variant-numeric: tabular-nums; border-collapse: collapse; margin: 0.7em 0"
_CAPTION = "text-align: left; font-style: italic; white-space: nowrap; padding: 0 0.7em"
# Colours that colour-blind readers distinguish on light and dark ground; in grey print the weight remains.
_TONES = {
    "good": "color: #1a7fbf",
    "caution": "color: #c07000; font-weight: 600",
    "bad": "color: #d0451b; font-weight: 700",
}


def render(document: Document) -> str:
    """Return the document as one ``<section>``."""
    title = f"<p><strong>{escape(document.title)}</strong></p>" if document.title else ""
    return "\n".join(
        line for line in ('<section class="lmmtools">', title, *map(_render_part, document.parts), "</section>") if line
    )


def _render_part(part: Part) -> str:
    if isinstance(part, Table):
        return _render_table(part)
    if isinstance(part, Facts):
        rows = (f"<dt>{escape(f.label)}</dt><dd>{_code_or_text(format_fact(f), f.name)}</dd>" for f in part.facts)
        return "\n".join(["<dl>", *rows, "</dl>"])
    return _render_prose(part)


def _code_or_text(text: str, name: str) -> str:
    return f"<code>{escape(text)}</code>" if name == "formula" else escape(text)


def _render_prose(part: Prose) -> str:
    title = [f"<p><strong>{escape(part.title)}</strong></p>"] if part.title else []
    if part.is_list or part.name == "notes":
        return "\n".join([*title, "<ul>", *(f"<li>{_inline(line)}</li>" for line in part.lines), "</ul>"])
    return "\n".join([*title, *(_block(line) for line in part.lines)])


def _inline(line: str) -> str:
    return escape(line).replace("\n", "<br>")


def _block(line: str) -> str:
    """Return a paragraph; text with line breaks is code."""
    return f"<pre>{escape(line)}</pre>" if "\n" in line else f"<p>{escape(line)}</p>"


def _style(column: Column) -> str:
    if column.align == "decimal":
        return _MIDDLE
    return _LEFT if column.numbers.rule == "text" and column.align == "left" else _RIGHT


def _render_table(table: Table) -> str:
    headers = "".join(
        f'<th scope="col" style="{_style(c)}">{escape(c.name)}</th>' if c.name else "<td></td>" for c in table.columns
    )
    lines = [f'<table style="{_TABLE}">']
    if table.title:
        lines.append(f'<caption style="{_CAPTION}">{escape(table.title)}</caption>')
    lines += ["<thead>", f"<tr>{headers}</tr>", "</thead>"]
    cells = format_cells(table)
    widths = [widths_at_point([row[j] for row in cells]) for j in range(len(table.columns))]
    starts = sorted({0, *table.sections})
    for start, end in zip(starts, [*starts[1:], len(cells)], strict=True):
        lines.append(f'<tbody style="{_RULE}">' if start in table.sections else "<tbody>")
        for i in range(start, end):
            is_title = i in table.sections and is_heading(cells[i])
            row = _render_heading(cells[i]) if is_title else _render_row(table, cells[i], widths)
            lines.append(f"<tr>{row}</tr>")
        lines.append("</tbody>")
    lines.append("</table>")
    lines += [f"<p>{escape(note)}</p>" for note in table.notes]
    return "\n".join(lines)


def _render_heading(row: list[str]) -> str:
    return f'<th scope="rowgroup" colspan="{len(row)}" style="{_LEFT}">{escape(row[0])}</th>'


def _render_row(table: Table, row: list[str], widths: list[tuple[int, int]]) -> str:
    return "".join(
        f'<th scope="row" style="{_LEFT}; font-weight: normal">{escape(text)}</th>'
        if column.is_label and table.sections
        else f'<th scope="row" style="{_LEFT}">{escape(text)}</th>'
        if column.is_label
        else f'<td style="{_style(column)}{_tone(column, text.strip())}">{_content(column, text.strip(), width)}</td>'
        for column, text, width in zip(table.columns, row, widths, strict=True)
    )


def _content(column: Column, text: str, widths: tuple[int, int]) -> str:
    """Return the content of a cell; both parts of a decimal number have the column's width, so that points align."""
    parts = split_at_point(text) if column.align == "decimal" else None
    if parts is None:
        return escape(text)
    return "".join(
        f'<span style="display: inline-block; width: {width}ch; text-align: {side}">{escape(part)}</span>'
        for part, width, side in zip(parts, widths, ("right", "left"), strict=True)
        if width
    )


def _tone(column: Column, text: str) -> str:
    style = _TONES.get(dict(column.tones).get(text, ""), "")
    return f"; {style}" if style else ""

"""GitHub-flavoured Markdown with pipe tables."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from tabulate import tabulate

from lmmtools.report.cells import format_cells, format_fact, is_heading
from lmmtools.report.table import Facts, Prose, Table

if TYPE_CHECKING:
    from lmmtools.report.table import Column, Document, Part

__all__ = ["code", "escape", "render"]

# Characters that are mark-up in Markdown or in HTML within it.
_SPECIAL = re.compile(r"([\\`*_|\[\]<>#~$])")
# A < that could open a tag becomes an entity, which readers without backslash escapes also show.
_TAG = re.compile(r"<(?=[A-Za-z/!?])")


def escape(text: str) -> str:
    """Return the text with Markdown's special characters escaped, on one line."""
    pieces = (_SPECIAL.sub(r"\\\1", piece.replace("&", "&amp;")) for piece in _TAG.split(text))
    return " ".join("&lt;".join(pieces).splitlines())


def render(document: Document) -> str:
    """Return the document as Markdown."""
    parts = [f"**{escape(document.title)}**"] if document.title else []
    parts.extend(_render_part(part) for part in document.parts)
    return "\n\n".join(p for p in parts if p)


def _render_part(part: Part) -> str:
    if isinstance(part, Table):
        return _render_table(part)
    if isinstance(part, Facts):
        return "\n".join(
            f"- {escape(fact.label)}: {_code_or_text(format_fact(fact), fact.name)}" for fact in part.facts
        )
    return _render_prose(part)


def _code_or_text(text: str, name: str) -> str:
    return code(text) if name == "formula" else escape(text)


def code(text: str) -> str:
    """Return the text as inline code, between more backticks than it has in a row.

    Text that looks like a tag becomes ``<code>``, since entities are not read between backticks.
    """
    if _TAG.search(text):
        return f"<code>{escape(text)}</code>"
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    blank = " " if longest else ""
    return f"{fence}{blank}{' '.join(text.split())}{blank}{fence}"


def _render_prose(part: Prose) -> str:
    title = [f"**{escape(part.title)}**"] if part.title else []
    if part.is_list or part.name == "notes":
        return "\n\n".join([*title, "\n".join(f"- {escape(line)}" for line in part.lines)])
    return "\n\n".join([*title, *(_block(line) for line in part.lines)])


def _block(line: str) -> str:
    """Return a paragraph; text with line breaks is code."""
    if "\n" not in line:
        return escape(line)
    if _TAG.search(line):
        return f"<pre>{html.escape(line, quote=False)}</pre>"
    return "\n".join(f"    {row}" for row in line.split("\n"))


def _render_table(table: Table) -> str:
    rows = [[escape(cell.strip()) for cell in row] for row in format_cells(table)]
    for i in table.sections:
        if is_heading(rows[i]):
            rows[i][0] = f"**{rows[i][0]}**"
    aligned = [_align(c) for c in table.columns]
    headers = [escape(c.name) for c in table.columns]
    text = tabulate(rows, headers, tablefmt="pipe", disable_numparse=True, colalign=aligned if rows else None)
    title = f"**{escape(table.title)}**\n\n" if table.title else ""
    notes = "".join(f"\n\n{escape(note)}" for note in table.notes)
    return f"{title}{text}{notes}"


def _align(column: Column) -> str:
    if column.align == "decimal":
        return "center"
    return "left" if column.numbers.rule == "text" and column.align == "left" else "right"

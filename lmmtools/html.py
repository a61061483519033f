"""Small HTML fragments for notebooks, of records below the layer of reports; no style sheet is needed."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["facts", "grid"]

_CELL = "text-align: left; padding: 0.1em 0.7em; vertical-align: top"
_TABLE = "border-collapse: collapse; margin: 0.5em 0; font-variant-numeric: tabular-nums"


def facts(title: str, rows: Iterable[tuple[str, str]], notes: Iterable[str] = ()) -> str:
    """Return a title, a table of labels and texts, and sentences below, all escaped."""
    lines = [
        f'<tr><th scope="row" style="{_CELL}">{escape(k)}</th><td style="{_CELL}">{escape(v)}</td></tr>'
        for k, v in rows
    ]
    return _section(title, [f'<table style="{_TABLE}"><tbody>', *lines, "</tbody></table>"], notes)


def grid(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]], notes: Iterable[str] = ()) -> str:
    """Return a title, a table with a row of headings, and sentences below, all escaped."""
    heads = "".join(f'<th scope="col" style="{_CELL}">{escape(h)}</th>' for h in headings)
    lines = ["<tr>" + "".join(f'<td style="{_CELL}">{escape(c)}</td>' for c in row) + "</tr>" for row in rows]
    return _section(
        title, [f'<table style="{_TABLE}"><thead><tr>{heads}</tr></thead><tbody>', *lines, "</tbody></table>"], notes
    )


def _section(title: str, lines: Iterable[str], notes: Iterable[str]) -> str:
    """Return one section of a title, lines of HTML and sentences."""
    head = f"<p><strong>{escape(title)}</strong></p>"
    return "\n".join(
        ['<section class="lmmtools">', head, *lines, *(f"<p>{escape(n)}</p>" for n in notes), "</section>"]
    )

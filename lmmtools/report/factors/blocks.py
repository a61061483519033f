"""Blocks of the table of two factors: their names, their description, and the table as HTML with shaded cells."""

from __future__ import annotations

import textwrap
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.report.table import LINE_WIDTH

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.design.incidence import Blocks, Incidence

__all__ = ["block_label", "describe_blocks", "level_label", "render_picture", "render_table"]

MAX_ROWS, MAX_COLUMNS = 32, 64
_BLUE = "31, 119, 180"
_FAINTEST = 0.15
# Side of a square and width of a letter of a label, in pixels.
_SIDE, _LETTER = 12, 6

_LABEL = 16


def render_table(incidence: Incidence, blocks: Blocks) -> str:
    """Return an HTML table of the counts, each cell shaded by the share of its combinations that occur."""
    columns, shades = range(blocks.counts.shape[1]), _shades(blocks)
    heads = [escape(block_label(incidence.b_levels, blocks.column_edges, j)) for j in columns]
    names = "".join(f'<th scope="col" style="padding: 0.1em 0.5em">{head}</th>' for head in heads)
    head = f'<tr><th scope="col">{escape(incidence.a)} \\ {escape(incidence.b)}</th>{names}</tr>'
    body = "".join(
        f'<tr><th scope="row">{escape(block_label(incidence.a_levels, blocks.row_edges, i))}</th>'
        + "".join(
            f'<td style="text-align: right; padding: 0.1em 0.5em{shades[i][j]}">{blocks.counts[i, j] or "."}</td>'
            for j in columns
        )
        + "</tr>"
        for i in range(blocks.counts.shape[0])
    )
    note = escape(describe_blocks(incidence, blocks, "Rows of data in blocks of levels"))
    caption = (
        f'<caption style="text-align: left">Rows of data by {escape(incidence.a)} and {escape(incidence.b)}</caption>'
    )
    table = f'<table style="border-collapse: collapse">{caption}<thead>{head}</thead><tbody>{body}</tbody></table>'
    return f"<div>{table}{f'<p>{note}</p>' if note else ''}</div>"


def render_picture(title: str, incidence: Incidence) -> str:
    """Return the table as an SVG of shaded squares, each with a tooltip that says what it stands for."""
    blocks = incidence.blocks(MAX_ROWS, MAX_COLUMNS)
    rows, columns = blocks.counts.shape
    names = [block_label(incidence.a_levels, blocks.row_edges, i) for i in range(rows)]
    heads = [block_label(incidence.b_levels, blocks.column_edges, j) for j in range(columns)]
    left, top = (_LETTER * max(map(len, texts)) + _SIDE for texts in (names, heads))
    width, height = left + _SIDE * columns + 1, top + _SIDE * rows + 1
    share = blocks.share / blocks.share.max()
    squares = "".join(
        f'<rect x="{left + _SIDE * j}" y="{top + _SIDE * i}" width="{_SIDE - 1}" height="{_SIDE - 1}" '
        f'fill-opacity="{_FAINTEST + (1 - _FAINTEST) * share[i, j]:.2f}">'
        f"<title>{_tooltip(incidence, blocks, i, j)}</title></rect>"
        for i, j in zip(*(k.tolist() for k in blocks.counts.nonzero()), strict=True)
    )
    labels = "".join(
        f'<text x="{left - 4}" y="{top + _SIDE * (i + 0.75):g}" text-anchor="end">{escape(name)}</text>'
        for i, name in enumerate(names)
    ) + "".join(
        f'<text transform="translate({left + _SIDE * (j + 0.75):g} {top - 4}) rotate(-90)">{escape(head)}</text>'
        for j, head in enumerate(heads)
    )
    note = escape(describe_blocks(incidence, blocks, "Levels"))
    return (
        f'<figure style="margin: 0.7em 0"><figcaption>{escape(title)}</figcaption>'
        f'<svg role="img" aria-label="{escape(title, quote=True)}" xmlns="http://www.w3.org/2000/svg" '
        f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" style="max-width: 100%; height: auto" '
        f'font-family="sans-serif" font-size="{_SIDE - 2}">'
        f'<rect x="{left - 0.5}" y="{top - 0.5}" width="{_SIDE * columns}" height="{_SIDE * rows}" fill="none" '
        f'stroke="rgb(128, 128, 128)" stroke-opacity="0.6"/><g fill="rgb({_BLUE})">{squares}</g>'
        f'<g fill="currentColor">{labels}</g></svg>{f"<p>{note}</p>" if note else ""}</figure>'
    )


def _shades(blocks: Blocks) -> list[list[str]]:
    """Return the background of each block as CSS, darker for a larger share."""
    share = blocks.share / blocks.share.max()
    return [
        [f"; background: rgba({_BLUE}, {_FAINTEST + (1 - _FAINTEST) * s:.2f})" if s > 0 else "" for s in row]
        for row in share.tolist()
    ]


def _tooltip(incidence: Incidence, blocks: Blocks, i: int, j: int) -> str:
    row = block_label(incidence.a_levels, blocks.row_edges, i)
    column = block_label(incidence.b_levels, blocks.column_edges, j)
    rows = f"{blocks.counts[i, j]:,} row{'' if blocks.counts[i, j] == 1 else 's'}"
    if not blocks.is_whole:
        rows += f", {blocks.cells[i, j]:,} of {blocks.possible[i, j]:,} combinations"
    return escape(f"{incidence.a} {row}, {incidence.b} {column}: {rows}", quote=True)


def level_label(level: Any) -> str:
    """Return a level as text: whole numbers without a decimal point, long labels shortened."""
    text = str(int(level)) if isinstance(level, float) and level.is_integer() else str(level)
    return text if len(text) <= _LABEL else f"{text[: _LABEL - 2]}.."


def block_label(levels: pd.Index[Any], edges: NDArray[np.intp], i: int, joint: str = " .. ") -> str:
    """Return the name of a block: its level, or its first and last level."""
    first, last = level_label(levels[edges[i]]), level_label(levels[edges[i + 1] - 1])
    return first if edges[i + 1] - edges[i] == 1 else f"{first}{joint}{last}"


def describe_blocks(incidence: Incidence, blocks: Blocks, what: str, width: int = LINE_WIDTH) -> str:
    """Return a sentence on how many levels the blocks join; empty if every block is a cell."""
    if blocks.is_whole:
        return ""
    parts = [
        _describe_edges(incidence.a, blocks.row_edges, "down"),
        _describe_edges(incidence.b, blocks.column_edges, "across"),
    ]
    is_ordered = incidence.order.is_changed
    order = " Levels that go together stand together." if is_ordered else ""
    return textwrap.fill(f"{what}: {'; '.join(parts)}.{order}", width, break_on_hyphens=False)


def _describe_edges(name: str, edges: NDArray[np.intp], where: str) -> str:
    sizes = np.diff(edges)
    low, high = int(sizes.min()), int(sizes.max())
    if high == 1:
        return f"{len(sizes):,} of {name} {where}"
    each = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return f"{int(edges[-1]):,} of {name} {where}, {each} in a block"

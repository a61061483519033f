"""A structure in sentences, small tables and pictures, as text and as HTML."""

from __future__ import annotations

import textwrap
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from tabulate import tabulate

from lmmtools.design.incidence import build_incidence
from lmmtools.report.factors.blocks import render_picture, render_table
from lmmtools.report.factors.crosstab import CrossTable
from lmmtools.report.factors.picture import draw, draw_pair
from lmmtools.report.table import LINE_WIDTH
from lmmtools.sentences import count_noun

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.design.incidence import Incidence
    from lmmtools.design.relations import Pair
    from lmmtools.design.structure import FactorStructure
    from lmmtools.report.factors.picture import Marks

__all__ = [
    "compact_panels",
    "describe",
    "factor_rows",
    "is_small",
    "island_sentence",
    "joint_sentence",
    "pair_sentence",
    "render_structure",
    "rows_sentence",
]

# Most rows and columns of a table with every cell, most lines of a picture, most pairs that have a table or picture.
MAX_ROWS, MAX_COLUMNS, MAX_LINES, MAX_TABLES = 12, 12, 14, 6

_CELL = "text-align: left; padding: 0.1em 0.7em"


def describe(structure: FactorStructure, marks: Marks) -> str:
    """Return the structure as text: factors, each pair with its table, islands, findings, suggestion."""
    parts = [_write_factors(structure)]
    for k, pair in enumerate(structure.pairs):
        parts.append(_wrap(pair_sentence(pair)))
        if k < MAX_TABLES:
            parts.extend(_write_panels(pair, marks))
    if len(structure.factors) > 2:
        parts.append(_wrap(joint_sentence(structure)))
    parts.append(_wrap(island_sentence(structure)))
    if structure.findings:
        parts.append("\n".join(_wrap(f"- {finding}", "  ") for finding in structure.findings))
    if structure.suggestion is not None:
        parts.append(
            f"Random effects: {structure.suggestion.formula}\nthat is,        {structure.suggestion.declaration}"
        )
    return "\n\n".join(parts)


def _wrap(text: str, indent: str = "") -> str:
    return textwrap.fill(text, LINE_WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _write_range(counts: NDArray[np.intp]) -> str:
    low, high = int(counts.min()), int(counts.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def factor_rows(structure: FactorStructure) -> list[tuple[str, str, str]]:
    """Return (name, levels, rows per level) of each factor, in words."""
    return [
        (f.name, count_noun(f.m, "level"), f"{_write_range(f.counts)} {'row' if f.counts.max() == 1 else 'rows'} each")
        for f in structure.factors
    ]


def rows_sentence(structure: FactorStructure) -> str:
    """Return a phrase on how many rows are used and how many are left out."""
    lost = f" ({structure.n_missing:,} left out: no value in some factor)" if structure.n_missing else ""
    return f"{count_noun(structure.n_rows, 'row')}{lost}"


def _write_factors(structure: FactorStructure) -> str:
    table = tabulate(
        factor_rows(structure), tablefmt="plain", disable_numparse=True, colalign=("left", "right", "left")
    )
    return f"{rows_sentence(structure)}\n{textwrap.indent(table, '  ')}"


def pair_sentence(pair: Pair) -> str:
    """Return a sentence on how two factors relate, with the counts that show it."""
    if pair.relation == "equivalent":
        return f"{pair.a} and {pair.b} are the same factor under two names: they split the rows alike."
    if pair.relation == "nested":
        within = np.bincount(pair.a_codes if pair.outer == pair.a else pair.b_codes)
        return (
            f"{pair.inner} is nested in {pair.outer}: each level of {pair.inner} occurs in one level of {pair.outer}, "
            f"which has {_write_range(within)} of them."
        )
    return f"{_crossed_sentence(pair)}{_cell_sentence(pair)}{_reuse_sentence(pair)}"


def _crossed_sentence(pair: Pair) -> str:
    labels = " by their labels" if pair.reuse is not None else ""
    if pair.by_labels == "crossed":
        return f"{pair.a} and {pair.b} are crossed{labels}: all {pair.n_cells:,} combinations of their levels occur, "
    share = 100 * pair.n_cells / pair.n_possible
    joined = "" if pair.n_components == 1 else f", in {pair.n_components:,} separate islands"
    return (
        f"{pair.a} and {pair.b} are partially crossed{labels}: {pair.n_cells:,} of {pair.n_possible:,} combinations "
        f"of their levels occur ({share:.2g}%){joined}, "
    )


def _cell_sentence(pair: Pair) -> str:
    if pair.is_one_per_cell:
        return "once each, so that an interaction of the two could not be told from the residual."
    return f"with {_write_range(pair.counts)} rows each."


def _reuse_sentence(pair: Pair) -> str:
    """Return a sentence that labels may be reused; it refers to the finding where there is one."""
    reuse = pair.reuse
    if reuse is None:
        return ""
    if reuse.is_strong:
        return f" But {reuse.inner} is probably nested in {reuse.outer}, its labels reused: see below."
    return (
        f" The data cannot tell whether labels are reused: if {reuse.condition}, "
        f"write nested({reuse.outer!r}, {reuse.inner!r})."
    )


def joint_sentence(structure: FactorStructure) -> str:
    """Return a sentence on how often combinations of all factors occur."""
    counts = structure.cell_counts
    rows = "1 row" if counts.max() == 1 else f"{_write_range(counts)} rows"
    return f"All factors together: {count_noun(len(counts), 'combination')} of levels, with {rows} each."


def island_sentence(structure: FactorStructure) -> str:
    """Return a sentence on how many islands the rows form that share no level."""
    islands = structure.components
    if len(islands) == 1:
        return "All rows hang together through shared levels: for MixedLM they are one group."
    return (
        f"The rows fall into {len(islands):,} islands that share no level, of {_write_range(islands.sizes)} rows each: "
        "for MixedLM these are the groups."
    )


def compact_panels(pair: Pair) -> tuple[tuple[str, Incidence], ...]:
    """Return the pictures of a pair, with the factor of more levels across."""
    return draw_pair(build_incidence(pair, pair.a if len(pair.a_levels) <= len(pair.b_levels) else pair.b)).panels


def is_small(incidence: Incidence) -> bool:
    """Whether a table is shown cell by cell."""
    return incidence.shape[0] <= MAX_ROWS and incidence.shape[1] <= MAX_COLUMNS


def _write_panels(pair: Pair, marks: Marks) -> list[str]:
    """Return the combinations of a pair: a table where it is small, else a picture."""
    return [_write_panel(title, incidence, marks) for title, incidence in compact_panels(pair)]


def _write_panel(title: str, incidence: Incidence, marks: Marks) -> str:
    if is_small(incidence):
        text = CrossTable(incidence).to_text()
        if len(text.split("\n")) <= MAX_ROWS + 2:
            return textwrap.indent(text, "  ")
    text = f"{title}\n\n{draw(incidence, marks, MAX_LINES, LINE_WIDTH - 2)}"
    return textwrap.indent(text, "  ", lambda line: bool(line.strip()))


def render_structure(structure: FactorStructure) -> str:
    """Return the structure as one ``<section>`` with the same parts as its text."""
    parts = [f"<p>{escape(rows_sentence(structure))}</p>", _render_factors(structure)]
    for k, pair in enumerate(structure.pairs):
        parts.append(f"<p>{escape(pair_sentence(pair))}</p>")
        if k < MAX_TABLES:
            parts += [_render_panel(title, incidence) for title, incidence in compact_panels(pair)]
    if len(structure.factors) > 2:
        parts.append(f"<p>{escape(joint_sentence(structure))}</p>")
    parts.append(f"<p>{escape(island_sentence(structure))}</p>")
    if structure.findings:
        parts += ["<ul>", *(f"<li>{escape(str(finding))}</li>" for finding in structure.findings), "</ul>"]
    if structure.suggestion is not None:
        formula, declaration = escape(structure.suggestion.formula), escape(structure.suggestion.declaration)
        parts.append(f"<p>Random effects: <code>{formula}</code>, that is <code>{declaration}</code></p>")
    return "\n".join(['<section class="lmmtools">', *parts, "</section>"])


def _render_factors(structure: FactorStructure) -> str:
    rows = "".join(
        f'<tr><th scope="row" style="{_CELL}">{escape(name)}</th>'
        f'<td style="{_CELL}">{levels}</td><td style="{_CELL}">{rows}</td></tr>'
        for name, levels, rows in factor_rows(structure)
    )
    caption = '<caption style="text-align: left">Factors</caption>'
    return f'<table style="border-collapse: collapse">{caption}<tbody>{rows}</tbody></table>'


def _render_panel(title: str, incidence: Incidence) -> str:
    if is_small(incidence):
        return render_table(incidence, incidence.blocks(*incidence.shape))
    return render_picture(title, incidence)

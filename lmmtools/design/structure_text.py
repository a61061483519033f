"""A structure in sentences and small tables."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np
from tabulate import tabulate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.design.relations import Pair
    from lmmtools.design.structure import Structure

__all__ = ["describe"]

WIDTH = 80
# What fits on a screen; of longer tables the first and the last lines are shown.
MAX_ROWS, MAX_COLUMNS, MIN_COLUMNS, MAX_TABLES = 12, 12, 3, 6


def describe(structure: Structure) -> str:
    """Return the structure as text: factors, each pair with its table, islands, findings, suggestion."""
    parts = [_factors(structure)]
    for k, pair in enumerate(structure.pairs):
        parts.append(_fill(_pair_sentence(pair)))
        if k < MAX_TABLES:
            parts.append(_table(pair))
    if len(structure.factors) > 2:
        parts.append(_fill(_joint_sentence(structure)))
    parts.append(_fill(_island_sentence(structure)))
    if structure.findings:
        parts.append("\n".join(_fill(f"- {finding}", "  ") for finding in structure.findings))
    if structure.suggestion is not None:
        parts.append(
            f"Random effects: {structure.suggestion.formula}\nthat is,        {structure.suggestion.declaration}"
        )
    return "\n\n".join(parts)


def _fill(text: str, indent: str = "") -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _range(counts: NDArray[np.intp]) -> str:
    low, high = int(counts.min()), int(counts.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _factors(structure: Structure) -> str:
    rows = [
        (f.name, _count(f.m, "level"), f"{_range(f.counts)} {'row' if f.counts.max() == 1 else 'rows'} each")
        for f in structure.factors
    ]
    table = tabulate(rows, tablefmt="plain", disable_numparse=True, colalign=("left", "right", "left"))
    head = _count(structure.n_rows, "row")
    if structure.n_missing:
        head += f" ({structure.n_missing:,} left out: no value in some factor)"
    return f"{head}\n{textwrap.indent(table, '  ')}"


def _pair_sentence(pair: Pair) -> str:
    if pair.relation == "equivalent":
        return f"{pair.a} and {pair.b} are the same factor under two names: they split the rows alike."
    if pair.relation == "nested":
        within = np.bincount(pair.a_codes if pair.outer == pair.a else pair.b_codes)
        return (
            f"{pair.inner} is nested in {pair.outer}: each level of {pair.inner} occurs in one level of {pair.outer}, "
            f"which has {_range(within)} of them."
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
    return f"with {_range(pair.counts)} rows each."


def _reuse_sentence(pair: Pair) -> str:
    """Return the caution that labels may be reused; where it is a finding, the finding says it."""
    reuse = pair.reuse
    if reuse is None:
        return ""
    if reuse.is_strong:
        return f" But {reuse.inner} is probably nested in {reuse.outer}, its labels reused: see below."
    return (
        f" The data cannot tell whether labels are reused: if {reuse.condition}, "
        f"write nested({reuse.outer!r}, {reuse.inner!r})."
    )


def _joint_sentence(structure: Structure) -> str:
    counts = structure.cell_counts
    rows = "1 row" if counts.max() == 1 else f"{_range(counts)} rows"
    return f"All factors together: {_count(len(counts), 'combination')} of levels, with {rows} each."


def _island_sentence(structure: Structure) -> str:
    islands = structure.components
    if len(islands) == 1:
        return "All rows hang together through shared levels: for MixedLM they are one group."
    return (
        f"The rows fall into {len(islands):,} islands that share no level, of {_range(islands.sizes)} rows each: "
        "for MixedLM these are the groups."
    )


def _table(pair: Pair) -> str:
    """Return the rows of each combination as a table, a dot where there is none; what does not fit is left out."""
    for most in range(MAX_COLUMNS, MIN_COLUMNS, -1):
        text = _cut_table(pair, most)
        if len(text.split("\n", 1)[0]) <= WIDTH - 2:
            break
    return textwrap.indent(text, "  ")


def _cut_table(pair: Pair, most: int) -> str:
    """Return the table with at most so many columns."""
    # The factor with more levels goes down, where there is more room.
    is_down = len(pair.a_levels) >= len(pair.b_levels)
    down, across = (pair.a, pair.b) if is_down else (pair.b, pair.a)
    down_levels, across_levels = (pair.a_levels, pair.b_levels) if is_down else (pair.b_levels, pair.a_levels)
    i, j = (pair.a_codes, pair.b_codes) if is_down else (pair.b_codes, pair.a_codes)
    rows, columns = _chosen(len(down_levels), MAX_ROWS), _chosen(len(across_levels), most)
    is_shown = np.isin(i, rows) & np.isin(j, columns)
    shown = zip(i[is_shown].tolist(), j[is_shown].tolist(), pair.counts[is_shown].tolist(), strict=True)
    cells = {(r, c): str(count) for r, c, count in shown}
    header = [f"{down} \\ {across}", *_with_gap([_label(across_levels[c]) for c in columns], len(across_levels))]
    body = [
        [_label(down_levels[r]), *_with_gap([cells.get((r, c), ".") for c in columns], len(across_levels))]
        for r in rows
    ]
    if len(rows) < len(down_levels):
        body.insert(-1, ["...", *("" for _ in header[1:])])
    align = ("left", *("right" for _ in header[1:]))
    return tabulate(body, header, tablefmt="simple", disable_numparse=True, colalign=align)


def _label(level: object) -> str:
    """Return a level as text; a whole number without its point."""
    return str(int(level)) if isinstance(level, float) and level.is_integer() else str(level)


def _chosen(m: int, most: int) -> list[int]:
    """Return which levels of m to show: all, or the first and the last."""
    return list(range(m)) if m <= most else [*range(most - 2), m - 1]


def _with_gap(texts: list[str], m: int) -> list[str]:
    return texts if len(texts) == m else [*texts[:-1], "...", texts[-1]]

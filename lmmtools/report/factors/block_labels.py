"""Names of levels and of blocks of levels, for tables and pictures of two factors."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.design.incidence import Blocks, Incidence

__all__ = ["WIDTH", "block_label", "describe_blocks", "level_label"]

WIDTH = 80
_LABEL = 16


def level_label(level: Any) -> str:
    """Return a level as text, a whole number without its point, a long one shortened."""
    text = str(int(level)) if isinstance(level, float) and level.is_integer() else str(level)
    return text if len(text) <= _LABEL else f"{text[: _LABEL - 2]}.."


def block_label(levels: pd.Index[Any], edges: NDArray[np.intp], i: int, joint: str = " .. ") -> str:
    """Return the name of a block: its level, or its first and its last."""
    first, last = level_label(levels[edges[i]]), level_label(levels[edges[i + 1] - 1])
    return first if edges[i + 1] - edges[i] == 1 else f"{first}{joint}{last}"


def describe_blocks(incidence: Incidence, blocks: Blocks, what: str, width: int = WIDTH) -> str:
    """Return what the blocks of a table are, as a sentence; empty if every block is a cell."""
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

"""The table of two factors as an image: levels in an order that shows the structure, cells or blocks of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lmmtools.design.seriation import LevelOrder, order_levels

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.design.relations import Pair

__all__ = ["Blocks", "Incidence", "build_incidence"]

Order = Literal["structure", "levels"]


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """A table of two factors cut into blocks of neighbouring levels; where all levels have room, blocks are cells.

    Attributes
    ----------
    row_edges, column_edges : ndarray of intp, shapes (R + 1,) and (C + 1,)
        Block i has the rows ``row_edges[i]`` to ``row_edges[i + 1] - 1`` of the ordered table.
    counts : ndarray of int64, shape (R, C)
        Rows of data in each block.
    cells : ndarray of int64, shape (R, C)
        Combinations of levels that occur in each block.
    """

    row_edges: NDArray[np.intp]
    column_edges: NDArray[np.intp]
    counts: NDArray[np.int64]
    cells: NDArray[np.int64]

    @property
    def possible(self) -> NDArray[np.int64]:
        """Combinations of levels that there could be in each block, shape (R, C)."""
        return np.outer(np.diff(self.row_edges), np.diff(self.column_edges)).astype(np.int64)

    @property
    def share(self) -> NDArray[np.float64]:
        """Share of the combinations of each block that occur, 0 to 1, shape (R, C): what a picture shades."""
        return self.cells / self.possible

    @property
    def is_whole(self) -> bool:
        """Whether every block is one cell."""
        return bool(self.possible.max() == 1)


@dataclass(frozen=True, slots=True, eq=False)
class Incidence:
    """The combinations of two factors' levels that occur, at their places in an ordered table.

    Attributes
    ----------
    pair : Pair
        How the factors relate.
    a, b : str
        The factors: ``a`` goes down, ``b`` across.
    a_levels, b_levels : pandas.Index, shapes (m_a,) and (m_b,)
        Labels of the rows and columns, in order.
    rows, columns, counts : ndarray of intp, shape (cells,)
        Place of each combination that occurs, and its number of rows of data.
    order : LevelOrder
        The order, as places of the levels in the pair's own order, and where sets of levels begin.
    """

    pair: Pair
    a: str
    b: str
    a_levels: pd.Index[Any]
    b_levels: pd.Index[Any]
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    counts: NDArray[np.intp]
    order: LevelOrder

    @property
    def shape(self) -> tuple[int, int]:
        """Levels of the two factors."""
        return len(self.a_levels), len(self.b_levels)

    @property
    def transposed(self) -> Incidence:
        """The same table with the factors exchanged."""
        return Incidence(
            self.pair,
            self.b,
            self.a,
            self.b_levels,
            self.a_levels,
            self.columns,
            self.rows,
            self.counts,
            self.order.transposed,
        )

    def blocks(self, max_rows: int, max_columns: int) -> Blocks:
        """Return the table in at most ``max_rows`` by ``max_columns`` blocks of about the same size.

        Edges of blocks are moved to where a set of levels begins, if one does nearby.
        """
        row_edges = _edges(len(self.a_levels), max_rows, self.order.row_breaks)
        column_edges = _edges(len(self.b_levels), max_columns, self.order.column_breaks)
        i = np.searchsorted(row_edges, self.rows, side="right") - 1
        j = np.searchsorted(column_edges, self.columns, side="right") - 1
        shape = (len(row_edges) - 1, len(column_edges) - 1)
        place, size = i * shape[1] + j, shape[0] * shape[1]
        counts = np.bincount(place, self.counts, minlength=size).astype(np.int64).reshape(shape)
        cells = np.bincount(place, minlength=size).astype(np.int64).reshape(shape)
        return Blocks(row_edges, column_edges, counts, cells)


def build_incidence(pair: Pair, a: str, order: Order = "structure") -> Incidence:
    """Return the table of a pair with factor ``a`` going down.

    Parameters
    ----------
    pair : Pair
        The factors.
    a : str
        Which of the two goes down.
    order : {"structure", "levels"}
        ``"structure"``: as ``order_levels`` has it; ``"levels"``: as the factors have their levels.
    """
    empty = np.empty(0, dtype=np.intp)
    own = LevelOrder(
        np.arange(len(pair.a_levels), dtype=np.intp), np.arange(len(pair.b_levels), dtype=np.intp), empty, empty
    )
    placed = order_levels(pair) if order == "structure" else own
    found = Incidence(
        pair,
        pair.a,
        pair.b,
        pair.a_levels[placed.rows],
        pair.b_levels[placed.columns],
        np.argsort(placed.rows)[pair.a_codes].astype(np.intp),
        np.argsort(placed.columns)[pair.b_codes].astype(np.intp),
        pair.counts,
        placed,
    )
    return found if a == pair.a else found.transposed


def _edges(m: int, most: int, breaks: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the edges of at most so many blocks of m levels, shape (blocks + 1,)."""
    if m <= most:
        return np.arange(m + 1, dtype=np.intp)
    even = np.linspace(0, m, most + 1)
    inner = np.rint(even[1:-1]).astype(np.intp)
    if len(breaks):
        after = np.searchsorted(breaks, inner).clip(1, len(breaks) - 1) if len(breaks) > 1 else np.zeros_like(inner)
        before = np.maximum(after - 1, 0)
        nearest = np.where(
            np.abs(breaks[after] - inner) < np.abs(breaks[before] - inner), breaks[after], breaks[before]
        )
        inner = np.where(np.abs(nearest - inner) <= m / most / 2, nearest, inner)
    return np.unique(np.concatenate([[0], inner, [m]])).astype(np.intp)

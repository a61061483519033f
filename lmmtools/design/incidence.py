"""The table of two factors, cell by cell or in blocks, with levels in an order that shows nesting and crossing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lmmtools.design.factors import connected_components

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.design.relations import Pair


__all__ = ["Blocks", "Incidence", "LevelOrder", "build_incidence"]

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
        """Share of the combinations of each block that occur, 0 to 1, shape (R, C); pictures shade by it."""
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
        row_edges = _block_edges(len(self.a_levels), max_rows, self.order.row_breaks)
        column_edges = _block_edges(len(self.b_levels), max_columns, self.order.column_breaks)
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
        ``"structure"``: as ``_order_by_structure`` has it; ``"levels"``: as the factors have their levels.
    """
    empty = np.empty(0, dtype=np.intp)
    own = LevelOrder(
        np.arange(len(pair.a_levels), dtype=np.intp), np.arange(len(pair.b_levels), dtype=np.intp), empty, empty
    )
    placed = _order_by_structure(pair) if order == "structure" else own
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


def _block_edges(m: int, most: int, breaks: NDArray[np.intp]) -> NDArray[np.intp]:
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


# From this share of combinations on, a table is so full that the order of its levels shows nothing: it stays.
_FULL = 0.5
# Work that an order is worth, in visits of a combination; an order that has not settled shows the same picture.
_WORK, _FEWEST_ROUNDS, _MOST_ROUNDS = 4e7, 20, 200


@dataclass(frozen=True, slots=True, eq=False)
class LevelOrder:
    """An order of the levels of two factors.

    Attributes
    ----------
    rows, columns : ndarray of intp, shapes (m_a,) and (m_b,)
        Levels of the first and of the second factor, from first to last.
    row_breaks, column_breaks : ndarray of intp
        Places in that order, other than the first, where a set of levels begins: those within the next level of the
        outer factor, or the next island.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    row_breaks: NDArray[np.intp]
    column_breaks: NDArray[np.intp]

    @property
    def is_changed(self) -> bool:
        """Whether it is another order than the levels' own."""
        return bool((np.diff(self.rows) < 0).any() or (np.diff(self.columns) < 0).any())

    @property
    def transposed(self) -> LevelOrder:
        """The same with the factors exchanged."""
        return LevelOrder(self.columns, self.rows, self.column_breaks, self.row_breaks)


def _order_by_structure(pair: Pair) -> LevelOrder:
    """Return the order of levels in which the table of a pair shows its structure.

    Nested: the inner factor's levels follow the outer's, so that they form stairs. Partially crossed: islands one after
    the other; within an island that is less than half full, levels that share levels stand together (reciprocal
    averaging: each level moves to the mean of its partners, as in correspondence analysis). Levels that nothing sets
    apart keep their own order.
    """
    a, b = pair.a_codes, pair.b_codes
    m_a, m_b = len(pair.a_levels), len(pair.b_levels)
    if pair.by_labels in ("nested", "equivalent"):
        if pair.inner == pair.a:
            return _order_nested(b, a, m_b, m_a).transposed
        return _order_nested(a, b, m_a, m_b)
    island = connected_components([a, b], [m_a, m_b])
    a_island, b_island = _value_per_level(island, a, m_a), _value_per_level(island, b, m_b)
    a_score, b_score = _seriate(a, b, a_island, b_island)
    rows = np.lexsort((np.arange(m_a), a_score, a_island)).astype(np.intp)
    columns = np.lexsort((np.arange(m_b), b_score, b_island)).astype(np.intp)
    return LevelOrder(rows, columns, _find_breaks(a_island[rows]), _find_breaks(b_island[columns]))


def _order_nested(outer: NDArray[np.intp], inner: NDArray[np.intp], m_outer: int, m_inner: int) -> LevelOrder:
    """Return the order in which the inner factor's levels follow the outer's, so that they form stairs."""
    home = _value_per_level(outer, inner, m_inner)
    columns = np.lexsort((np.arange(m_inner), home)).astype(np.intp)
    return LevelOrder(
        np.arange(m_outer, dtype=np.intp), columns, np.empty(0, dtype=np.intp), _find_breaks(home[columns])
    )


def _value_per_level(values: NDArray[np.intp], codes: NDArray[np.intp], m: int) -> NDArray[np.intp]:
    """Return the value that all combinations of a level share, shape (m,)."""
    found = np.zeros(m, dtype=np.intp)
    found[codes] = values
    return found


def _find_breaks(groups: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the places, other than the first, where the group changes."""
    return (np.flatnonzero(np.diff(groups)) + 1).astype(np.intp)


def _seriate(
    a: NDArray[np.intp], b: NDArray[np.intp], a_island: NDArray[np.intp], b_island: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return scores of the levels, shapes (m_a,) and (m_b,); equal ones within an island that is half full or more."""
    degree_a, degree_b = np.bincount(a).astype(float), np.bincount(b).astype(float)
    cells = np.bincount(a_island, degree_a).astype(float)
    possible = np.bincount(a_island).astype(float) * np.bincount(b_island)
    is_open = cells < _FULL * possible
    a_score, b_score = np.zeros(len(a_island)), np.zeros(len(b_island))
    if not is_open.any():
        return a_score, b_score
    start = np.arange(len(a_island), dtype=float)
    a_score = _standardised(start, a_island, degree_a, cells)
    for _ in range(int(np.clip(_WORK / len(a), _FEWEST_ROUNDS, _MOST_ROUNDS))):
        b_score = np.bincount(b, a_score[a]) / degree_b
        a_score = _standardised(np.bincount(a, b_score[b]) / degree_a, a_island, degree_a, cells)
    # A score and its negative are the same order; the one closer to the levels' own is taken.
    agrees = np.bincount(a_island, a_score * _standardised(start, a_island, degree_a, cells) * degree_a) >= 0
    sign = np.where(agrees, 1.0, -1.0) * is_open
    b_score = np.bincount(b, a_score[a]) / degree_b
    # What differs in the last digits only is equal.
    return np.round(a_score * sign[a_island], 9), np.round(b_score * sign[b_island], 9)


def _standardised(
    score: NDArray[np.float64], island: NDArray[np.intp], weight: NDArray[np.float64], total: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return scores with mean zero and mean square one within each island."""
    centred = score - (np.bincount(island, weight * score) / total)[island]
    spread = np.sqrt(np.bincount(island, weight * centred**2) / total)
    return centred / np.where(spread > 0, spread, 1.0)[island]

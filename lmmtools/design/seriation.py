"""An order of levels in which nesting, crossing and islands can be seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.components import connected_components

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.design.relations import Pair

__all__ = ["LevelOrder", "order_levels"]

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


def order_levels(pair: Pair) -> LevelOrder:
    """Return the order in which the table of a pair shows its structure.

    Nested: the inner factor's levels follow the outer's, so that they form stairs. Partially crossed: islands one after
    the other; within an island that is less than half full, levels that share levels stand together (reciprocal
    averaging: each level moves to the mean of its partners, as in correspondence analysis). Levels that nothing sets
    apart keep their own order.
    """
    a, b = pair.a_codes, pair.b_codes
    m_a, m_b = len(pair.a_levels), len(pair.b_levels)
    if pair.by_labels in ("nested", "equivalent"):
        if pair.inner == pair.a:
            return _stairs(b, a, m_b, m_a).transposed
        return _stairs(a, b, m_a, m_b)
    island = connected_components([a, b], [m_a, m_b])
    a_island, b_island = _of_levels(island, a, m_a), _of_levels(island, b, m_b)
    a_score, b_score = _seriate(a, b, a_island, b_island)
    rows = np.lexsort((np.arange(m_a), a_score, a_island)).astype(np.intp)
    columns = np.lexsort((np.arange(m_b), b_score, b_island)).astype(np.intp)
    return LevelOrder(rows, columns, _breaks(a_island[rows]), _breaks(b_island[columns]))


def _stairs(outer: NDArray[np.intp], inner: NDArray[np.intp], m_outer: int, m_inner: int) -> LevelOrder:
    home = _of_levels(outer, inner, m_inner)
    columns = np.lexsort((np.arange(m_inner), home)).astype(np.intp)
    return LevelOrder(np.arange(m_outer, dtype=np.intp), columns, np.empty(0, dtype=np.intp), _breaks(home[columns]))


def _of_levels(values: NDArray[np.intp], codes: NDArray[np.intp], m: int) -> NDArray[np.intp]:
    """Return the value that all combinations of a level share, shape (m,)."""
    found = np.zeros(m, dtype=np.intp)
    found[codes] = values
    return found


def _breaks(groups: NDArray[np.intp]) -> NDArray[np.intp]:
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

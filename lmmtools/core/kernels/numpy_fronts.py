"""In what order levels are eliminated, and which of them make a front, by Python lists, NumPy and SuperLU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import spilu

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Indices = NDArray[np.intp]

__all__ = ["fills_at_once", "find_fronts", "find_order"]

FILLING = 0.05
"""Share of level pairs that meet from which it is checked whether any order can keep fill low."""

FULL = 0.9
"""Share of level pairs that meet from which a graph counts as full; and the share of levels that is then still left."""

BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.uint8)
"""Number of bits that are set, for each byte."""


def find_order(graph: sparse.csc_matrix, limit: float) -> Indices | None:
    """Return the levels in an order with low fill, by minimum degree, or None where all orders fill.

    Parameters
    ----------
    graph : csc_matrix, shape (levels, levels)
        Ones where two levels meet, and on the diagonal; symmetric.
    limit : float
        Sum over levels of the squared number of those that they meet when they are eliminated, beyond which no order
        is wanted. It is looked at where that is cheap.
    """
    return None if fills_at_once(graph) else _order_levels(graph)


def fills_at_once(graph: sparse.csc_matrix) -> bool:
    """Return whether eliminating the tenth of the levels with fewest neighbours joins nearly all the others.

    The last front alone then exceeds what sparse algebra may cost, and no order need be searched for, which takes
    seconds on such graphs. The neighbours of a level are held as bits.
    """
    n = graph.shape[0]
    if graph.nnz < FILLING * float(n) ** 2:
        return False
    rows = np.concatenate([np.packbits(graph[:, i : i + 1024].toarray().T != 0, axis=1) for i in range(0, n, 1024)])
    degree = np.diff(graph.indptr).astype(float)
    for gone in range(int((1.0 - FULL) * n)):
        v = int(np.argmin(degree))
        byte, bit = v // 8, np.uint8(0xFF ^ (0x80 >> v % 8))
        rows[v, byte] &= bit
        met = np.flatnonzero(np.unpackbits(rows[v], count=n))
        joined = rows[met] | rows[v]
        joined[:, byte] &= bit
        rows[met] = joined
        degree[met] = BITS[joined].sum(axis=1, dtype=np.intp)
        degree[v] = np.inf
        left = n - gone - 1
        if gone % 16 == 0 and degree[np.isfinite(degree)].sum() > FULL * float(left) ** 2:
            return True
    return False


def _order_levels(graph: sparse.csc_matrix) -> Indices:
    """Return the levels in an order with low fill, by minimum degree."""
    n = graph.shape[0]
    # SuperLU orders before it factors; an incomplete factorisation that drops everything leaves the ordering alone.
    heavy = (graph + sparse.eye(n, format="csc") * (2.0 * n)).tocsc()
    factor = spilu(
        heavy,
        drop_tol=1e10,
        fill_factor=1,
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    # perm_c gives each column its place.
    return np.argsort(factor.perm_c)


def find_fronts(
    indptr: Indices, indices: Indices, widths: Indices, waste: float, small_waste: float, limit: float
) -> tuple[Indices, Indices, Indices, Indices, Indices, Indices] | None:
    """Return the forest of fronts, children before parents, or None as soon as their work exceeds the limit.

    A level j meets those of its own column and, once they are eliminated, those that the levels before it meet. A child
    c, of k columns that meet m with their own, is merged with its parent, of m', where k (m' + k - m) stored zeros are
    few enough.

    Parameters
    ----------
    indptr, indices : ndarray of int
        CSC pattern of which levels meet, strictly below the diagonal, in order of elimination, rows ascending.
    widths : ndarray of int, shape (levels,)
        Columns of each level.
    waste, small_waste : float
        A child is merged if no more than this share of its numbers k m become zeros, or no more zeros than this.
    limit : float
        Multiply-adds, the sum of k m**2.

    Returns
    -------
    own_ends, own : ndarray of int
        Levels eliminated in each front, one front after the other, and where each ends, (fronts,).
    other_ends, others : ndarray of int
        The later levels that each meets, ascending.
    parent, height : ndarray of int, shape (fronts,)
        Parent's number, -1 at a root; fronts between it and the farthest leaf below.
    """
    n = len(widths)
    children: list[list[int]] = [[] for _ in range(n)]
    meets: list[Indices] = []
    own: list[list[int]] = []
    k, m = np.zeros(n, dtype=np.intp), np.zeros(n, dtype=np.intp)
    top = np.arange(n)
    work = 0.0
    for j in range(n):
        parts = [indices[indptr[j] : indptr[j + 1]]]
        parts.extend(meets[c][1:] for c in children[j])
        later = parts[0].astype(np.intp) if len(parts) == 1 else np.unique(np.concatenate(parts)).astype(np.intp)
        meets.append(later)
        if len(later):
            children[int(later[0])].append(j)
        k[j] = widths[j]
        m[j] = widths[j] + widths[later].sum()
        mine = [j]
        for c in sorted(children[j], key=lambda c: -m[c]):
            zeros = k[c] * (m[j] + k[c] - m[c])
            if zeros <= max(waste * k[c] * m[c], small_waste):
                mine = own[c] + mine
                k[j] += k[c]
                m[j] += k[c]
                top[c] = j
        own.append(mine)
        work += float(k[j]) * float(m[j]) ** 2
        if work > limit:
            return None
    fronts = np.flatnonzero(top == np.arange(n))
    number = np.full(n, -1, dtype=np.intp)
    number[fronts] = np.arange(len(fronts))
    for j in range(n - 1, -1, -1):
        # A level is merged with a later one, which has its number by now.
        number[j] = number[top[j]]
    parent, height = np.full(len(fronts), -1, dtype=np.intp), np.zeros(len(fronts), dtype=np.intp)
    for i, j in enumerate(fronts.tolist()):
        if len(meets[j]):
            p = parent[i] = number[meets[j][0]]
            height[p] = max(height[p], height[i] + 1)
    own_ends = np.cumsum([len(own[j]) for j in fronts], dtype=np.intp)
    other_ends = np.cumsum([len(meets[j]) for j in fronts], dtype=np.intp)
    none = np.zeros(0, dtype=np.intp)
    mine_all = np.array([v for j in fronts for v in own[j]], dtype=np.intp)
    return own_ends, mine_all, other_ends, np.concatenate([none, *(meets[j] for j in fronts)]), parent, height

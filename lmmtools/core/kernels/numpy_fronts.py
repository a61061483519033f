"""Orders of low fill, and which levels of a sparse elimination make a front, by Python lists and NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Indices = NDArray[np.intp]

__all__ = ["find_fronts", "order_by_degree"]

BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.uint8)
"""Number of bits that are set, for each byte."""


def order_by_degree(indptr: Indices, indices: Indices, full: float, limit: float) -> Indices | None:
    """Return the levels in order of minimum degree, or None as soon as their fronts' work exceeds the limit.

    For graphs in which many levels meet: the neighbours of each are held as bits.

    Parameters
    ----------
    indptr, indices : ndarray of int
        CSC pattern of a symmetric graph; levels that meet themselves count for nothing.
    full : float
        Share of pairs that meet from which all levels that are left make one front, in any order.
    limit : float
        Multiply-adds, the sum of k m**2 over fronts; a level that is eliminated alone has k = 1.
    """
    n = len(indptr) - 1
    marks = np.zeros((n, n), dtype=bool)
    marks[indices, np.repeat(np.arange(n), np.diff(indptr))] = True
    marks[np.arange(n), np.arange(n)] = False
    rows, degree = np.packbits(marks, axis=1), marks.sum(axis=1).astype(float)
    order = np.empty(n, dtype=np.intp)
    work, ends = 0.0, float(degree.sum())
    for i in range(n):
        left = n - i
        if ends >= full * left**2:
            order[i:] = np.flatnonzero(np.isfinite(degree))
            return None if work + float(left) ** 3 > limit else order
        # No order has less work than columns of equal length have that hold what is there.
        if work + (0.5 * ends + left) ** 2 / left > limit:
            return None
        v = int(np.argmin(degree))
        order[i] = v
        work += (degree[v] + 1.0) ** 2
        byte, bit = v // 8, np.uint8(0xFF ^ (0x80 >> v % 8))
        met = np.flatnonzero(np.unpackbits(rows[v], count=n))
        joined = rows[met] | rows[v]
        joined[:, byte] &= bit
        joined[np.arange(len(met)), met // 8] &= (0xFF ^ (0x80 >> met % 8)).astype(np.uint8)
        rows[met] = joined
        new = BITS[joined].sum(axis=1, dtype=np.intp)
        ends += float(new.sum() - degree[met].sum() - degree[v])
        degree[met], degree[v] = new, np.inf
    return order


def find_fronts(
    indptr: Indices, indices: Indices, widths: Indices, waste: float, small_waste: float, limit: float
) -> tuple[Indices, Indices, Indices, Indices, Indices, Indices] | None:
    """Return the forest of fronts, children before parents, or None as soon as their work exceeds the limit.

    A level j meets those of its own column and, once they are eliminated, those that the levels before it meet. A child
    c, of k columns that meet m with their own, is merged with its parent, of m', where the k (m' + k - m) zeros that
    are then stored, with those stored in both before, are few enough.

    Parameters
    ----------
    indptr, indices : ndarray of int
        CSC pattern of which levels meet, strictly below the diagonal, in order of elimination, rows ascending.
    widths : ndarray of int, shape (levels,)
        Columns of each level.
    waste, small_waste : float
        A child is merged if no more than this share of the front's numbers k m are zeros, or no more zeros than this.
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
    top, zero = np.arange(n), np.zeros(n)
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
            zeros = zero[j] + zero[c] + float(k[c]) * float(m[j] + k[c] - m[c])
            if zeros <= max(waste * float(k[j] + k[c]) * float(m[j] + k[c]), small_waste):
                zero[j] = zeros
                work -= float(k[c]) * float(m[c]) ** 2
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

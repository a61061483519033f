"""The plan of a sparse elimination: which levels of the rest are eliminated together, in fronts, and in what order.

Eliminating a level joins all that it meets. With an order that keeps this fill low (minimum degree, from SuperLU), the
elimination is a forest of small dense problems: a *front* holds the columns that are eliminated together (``own``) and
the later ones that they meet (``others``), and hands what is left among the others to its parent (multifrontal method:
Duff & Reid 1983, ACM TOMS 9; Liu 1992, SIAM Review 34). Fronts of equal shape and height are worked on as one stack, so
that a thousand islands cost one call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import spilu

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core.elimination.parts import Factor

    Indices = NDArray[np.intp]

__all__ = ["Batch", "Fronts", "Levels", "plan_fronts"]

CALLS = 2e5
"""Multiply-adds of LAPACK that take as long as the calls for one stack of fronts."""

ENTRY = 40.0
"""Multiply-adds of LAPACK that take as long as moving one number of a front by index."""

WORTH = 0.5
"""Share of the cost of dense algebra, about q**3 multiply-adds, that the sparse one may have."""

WASTE = 0.25
"""A child is merged with its parent if no more than this share of its columns' numbers become stored zeros."""

SMALL_WASTE = 24
"""Or if it adds at most this many stored zeros."""

FILLING = 0.05
"""Share of level pairs that meet from which it is checked whether any order can keep fill low."""

FULL = 0.9
"""Share of level pairs that meet from which a graph counts as full; and the share of levels that is then still left."""

BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.uint8)
"""Number of bits that are set, for each byte."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Fronts of one shape and height, stacked.

    Attributes
    ----------
    offset : int
        Where the stack, (count, width, width), begins among the numbers of all fronts.
    own : ndarray of int, shape (count, k)
        Columns eliminated here.
    others : ndarray of int, shape (count, width - k)
        Later columns that they meet.
    parent_offset, parent_width : ndarray of int, shape (count,)
    parent_place : ndarray of int, shape (count, width - k)
        Place of each of the others in the parent's front.
    is_single_parent : bool
        Whether no two of the fronts have the same parent.
    same, entry : ndarray of int
        Places in a (count, k, k) stack that belong to one level, and the place of each in the concatenated lambdas.
    """

    offset: int
    own: Indices
    others: Indices
    parent_offset: Indices
    parent_width: Indices
    parent_place: Indices
    is_single_parent: bool
    same: Indices
    entry: Indices

    @property
    def shape(self) -> tuple[int, int, int]:
        """(count, width, width)."""
        width = self.own.shape[1] + self.others.shape[1]
        return len(self.own), width, width

    @property
    def columns(self) -> slice:
        """Slice of the stack among the numbers of all fronts."""
        count, width, _ = self.shape
        return slice(self.offset, self.offset + count * width * width)

    def in_parent(self) -> Indices:
        """Return the places of (others, others) in the parents' fronts, shape (count, others, others)."""
        rows = self.parent_offset[:, None] + self.parent_place * self.parent_width[:, None]
        return np.asarray(rows[:, :, None] + self.parent_place[:, None, :])


@dataclass(frozen=True, slots=True, eq=False)
class Fronts:
    """The plan of a sparse elimination.

    Attributes
    ----------
    size : int
        Numbers in all fronts.
    batches : tuple of Batch
        Children before parents.
    place, mirrored : ndarray of int, shape (entries,)
        Place in the fronts of each entry of the pattern's lower triangle, and of its mirror image.
    is_scalar : bool
        Whether every level has one column.
    """

    size: int
    batches: tuple[Batch, ...]
    place: Indices
    mirrored: Indices
    is_scalar: bool


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """The levels of all factors of the rest.

    Attributes
    ----------
    of_column : ndarray of int, shape (q,)
        Level of each column.
    widths, starts : ndarray of int, shape (levels,)
        Columns of each level, and its first.
    lambdas : ndarray of int, shape (levels,)
        Where the factor's lambda, (l, l), begins when all are put one after the other.
    """

    of_column: Indices
    widths: Indices
    starts: Indices
    lambdas: Indices

    @classmethod
    def of(cls, factors: Sequence[Factor]) -> Levels:
        """Return the levels of factors whose columns follow each other."""
        widths = np.repeat([f.l for f in factors], [f.m for f in factors])
        begins = np.cumsum([0, *(f.l**2 for f in factors)])[:-1]
        lambdas = np.repeat(begins, [f.m for f in factors])
        return cls(np.repeat(np.arange(len(widths)), widths), widths, np.cumsum(widths) - widths, lambdas)


@dataclass(frozen=True, slots=True, eq=False)
class _Tree:
    """Fronts by level, numbered so that children precede parents: own levels, later levels, parent (-1 at a root)."""

    own: list[Indices]
    others: list[Indices]
    parent: list[int]
    height: list[int]


def plan_fronts(pattern: sparse.csc_matrix, levels: Levels) -> Fronts | None:
    """Return the plan for a symmetric pattern, or None where dense algebra costs less.

    Parameters
    ----------
    pattern : csc_matrix, shape (q, q)
        Lower triangle with the whole diagonal, sorted; columns of one level meet the same columns.
    levels : Levels
    """
    q = pattern.shape[0]
    limit = WORTH * float(q) ** 3
    tree = _eliminate_symbolically(_level_graph(pattern, levels), levels.widths, limit)
    if tree is None:
        return None
    widths = levels.widths
    sizes = np.array(
        [(widths[o].sum(), widths[o].sum() + widths[r].sum()) for o, r in zip(tree.own, tree.others, strict=True)]
    )
    keys = list(zip(tree.height, *sizes.T.tolist(), strict=True))
    shapes = sorted(set(keys))
    k, m = sizes.T.astype(float)
    if CALLS * len(shapes) + float((3.0 * k * m**2 + ENTRY * m**2).sum()) > limit:
        return None
    return _lay_out(tree, keys, shapes, pattern, levels)


def _level_graph(pattern: sparse.csc_matrix, levels: Levels) -> sparse.csc_matrix:
    """Return which levels meet, as a symmetric matrix of ones, from the pattern of their columns."""
    n = len(levels.widths)
    entries = pattern.tocoo()
    ends = levels.of_column[entries.row], levels.of_column[entries.col]
    lower = sparse.coo_matrix((np.ones(entries.nnz), ends), shape=(n, n)).tocsc()
    graph = (lower + lower.T).tocsc()
    graph.data[:] = 1.0
    return graph


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


def _eliminate_symbolically(graph: sparse.csc_matrix, widths: Indices, limit: float) -> _Tree | None:
    """Return the forest of fronts, or None as soon as their work exceeds the limit."""
    if fills_at_once(graph):
        return None
    order = _order_levels(graph)
    lower = sparse.tril(graph[order][:, order], -1, format="csc")
    lower.sort_indices()
    width = widths[order]
    n = len(order)
    children: list[list[int]] = [[] for _ in range(n)]
    meets: list[Indices] = []
    own: list[list[int]] = []
    k, m = np.zeros(n, dtype=np.intp), np.zeros(n, dtype=np.intp)
    kept: list[list[int]] = []
    is_merged = np.zeros(n, dtype=bool)
    work = 0.0
    for j in range(n):
        parts = [lower.indices[lower.indptr[j] : lower.indptr[j + 1]]]
        parts.extend(meets[c][1:] for c in children[j])
        later = parts[0].astype(np.intp) if len(parts) == 1 else np.unique(np.concatenate(parts)).astype(np.intp)
        meets.append(later)
        if len(later):
            children[int(later[0])].append(j)
        k[j] = width[j]
        m[j] = width[j] + width[later].sum()
        mine, stay = [j], []
        # Merging stores zeros where the child does not meet what the parent meets.
        for c in sorted(children[j], key=lambda c: -m[c]):
            waste = k[c] * (m[j] + k[c] - m[c])
            if waste <= max(WASTE * k[c] * m[c], SMALL_WASTE):
                mine = own[c] + mine
                stay.extend(kept[c])
                k[j] += k[c]
                m[j] += k[c]
                is_merged[c] = True
            else:
                stay.append(c)
        own.append(mine)
        kept.append(stay)
        work += float(k[j]) * float(m[j]) ** 2
        if work > limit:
            return None
    fronts = np.flatnonzero(~is_merged)
    number = {int(j): i for i, j in enumerate(fronts)}
    height, parent = [0] * len(fronts), [-1] * len(fronts)
    for i, j in enumerate(fronts.tolist()):
        for c in kept[j]:
            parent[number[c]] = i
            height[i] = max(height[i], height[number[c]] + 1)
    return _Tree([order[own[j]] for j in fronts], [order[meets[j]] for j in fronts], parent, height)


def _lay_out(
    tree: _Tree,
    keys: Sequence[tuple[int, int, int]],
    shapes: Sequence[tuple[int, int, int]],
    pattern: sparse.csc_matrix,
    levels: Levels,
) -> Fronts:
    """Return the plan with the offsets of all fronts and all index maps."""
    q = len(levels.of_column)

    def columns(of: Indices) -> Indices:
        spans = [np.arange(levels.starts[v], levels.starts[v] + levels.widths[v]) for v in of]
        return np.concatenate(spans) if spans else np.zeros(0, dtype=np.intp)

    own = [columns(o) for o in tree.own]
    others = [columns(r) for r in tree.others]
    members: dict[tuple[int, int, int], list[int]] = {shape: [] for shape in shapes}
    for i, key in enumerate(keys):
        members[key].append(i)
    offset, width = (
        np.zeros(len(own), dtype=np.intp),
        np.array([len(o) + len(r) for o, r in zip(own, others, strict=True)]),
    )
    at = 0
    for shape in shapes:
        for i in members[shape]:
            offset[i] = at
            at += int(width[i]) ** 2
    places = _Places(own, others, width, q)
    front_of = np.empty(q, dtype=np.intp)
    when = np.empty(q, dtype=np.intp)
    for i, cols in enumerate(own):
        front_of[cols] = i
    when[np.concatenate(own)] = np.arange(q)
    batches = []
    for shape in shapes:
        chosen = np.array(members[shape])
        mine, later = np.stack([own[i] for i in chosen]), np.stack([others[i] for i in chosen])
        parent = np.array([tree.parent[i] for i in chosen])
        in_parent = places.find(np.repeat(parent, later.shape[1]), later.ravel()).reshape(later.shape)
        same, entry = _same_level(mine, levels)
        has = parent[parent >= 0]
        batches.append(
            Batch(
                int(offset[chosen[0]]),
                mine,
                later,
                offset[parent],
                width[parent],
                in_parent,
                len(np.unique(has)) == len(has),
                same,
                entry,
            )
        )
    entries = pattern.tocoo()
    rows, cols = entries.row.astype(np.intp), entries.col.astype(np.intp)
    front = np.where(when[rows] < when[cols], front_of[rows], front_of[cols])
    r, c = places.find(front, rows), places.find(front, cols)
    place = offset[front] + r * width[front] + c
    mirrored = offset[front] + c * width[front] + r
    return Fronts(at, tuple(batches), place, mirrored, bool((levels.widths == 1).all()))


class _Places:
    """The place of any column within any front."""

    def __init__(self, own: Sequence[Indices], others: Sequence[Indices], width: Indices, q: int) -> None:
        self._q = q
        columns = np.concatenate([x for pair in zip(own, others, strict=True) for x in pair])
        keys = np.repeat(np.arange(len(own)), width) * q + columns
        local = np.concatenate([np.arange(w) for w in width])
        order = np.argsort(keys)
        self._keys, self._local = keys[order], local[order]

    def find(self, front: Indices, columns: Indices) -> Indices:
        return self._local[np.searchsorted(self._keys, front * self._q + columns)]


def _same_level(own: Indices, levels: Levels) -> tuple[Indices, Indices]:
    """Return the places in a (count, k, k) stack that belong to one level, and of each its place in the lambdas."""
    k = own.shape[1]
    of = levels.of_column[own]
    f, i, j = np.nonzero(of[:, :, None] == of[:, None, :])
    level = of[f, i]
    row, column = own[f, i] - levels.starts[level], own[f, j] - levels.starts[level]
    return (f * k + i) * k + j, levels.lambdas[level] + row * levels.widths[level] + column

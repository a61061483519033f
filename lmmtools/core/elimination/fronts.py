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

from lmmtools.core.kernels import fronts as kernel
from lmmtools.core.kernels.numpy_eliminated import Batch, FrontLists, Fronts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core.elimination.parts import Factor

    Indices = NDArray[np.intp]

__all__ = ["Levels", "plan_fronts"]

CALLS = 2e5
"""Multiply-adds of LAPACK that take as long as the calls for one stack of fronts."""

ENTRY = 40.0
"""Multiply-adds of LAPACK that take as long as moving one number of a front by index."""

WORTH = 0.5
"""Share of the cost of dense algebra, about q**3 multiply-adds, that the sparse one may have."""

WASTE = 0.25
"""A child is merged with its parent if no more than this share of the numbers of all columns merged are zeros."""

SMALL_WASTE = 24
"""Or if they are at most this many."""

WORK = 3.0
"""Multiply-adds that a front of k own columns and m in all takes, as a multiple of k m**2."""

FILLING = 0.05
"""Share of level pairs that meet from which the order is found with neighbours as bits, and the search for it is given
up as soon as it costs too much; SuperLU's takes seconds on such graphs."""

FULL = 0.9
"""Share of level pairs that meet from which a graph counts as full."""


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
    """Fronts, numbered so that children precede parents.

    Attributes
    ----------
    own, others : _Lists
        Columns eliminated in each, and the later ones that they meet.
    parent, height : ndarray of int, shape (fronts,)
        Parent's number, -1 at a root; fronts between it and the farthest leaf below.
    """

    own: _Lists
    others: _Lists
    parent: Indices
    height: Indices


@dataclass(frozen=True, slots=True, eq=False)
class _Lists:
    """Lists of columns, one after the other: where each begins and how many it has, (fronts,), and all entries."""

    begins: Indices
    counts: Indices
    entries: Indices

    @classmethod
    def of_levels(cls, ends: Indices, entries: Indices, levels: Levels) -> _Lists:
        """Return lists of the columns of levels, from lists of levels and where each ends."""
        spans = levels.widths[entries]
        before = np.append(0, np.cumsum(spans))
        columns = np.arange(before[-1]) + np.repeat(levels.starts[entries] - before[:-1], spans)
        ends = before[ends]
        begins = np.append(0, ends)[:-1]
        return cls(begins, ends - begins, columns)

    def stack(self, chosen: Indices, count: int) -> Indices:
        """Return some lists of the same length, (chosen, count)."""
        return np.asarray(self.entries[self.begins[chosen][:, None] + np.arange(count)])


def plan_fronts(graph: sparse.spmatrix, levels: Levels) -> tuple[Fronts, sparse.csc_matrix] | None:
    """Return the plan and the pattern of columns that it is for, or None where dense algebra costs less.

    The pattern, (q, q), is a lower triangle, sorted; columns of one level meet the same columns.

    Parameters
    ----------
    graph : sparse matrix, shape (levels, levels)
        Which levels meet, symmetric, each level with itself.
    levels : Levels
    """
    q = len(levels.of_column)
    limit = WORTH * float(q) ** 3
    graph = graph.tocsc()
    tree = _eliminate_symbolically(graph, levels, limit / WORK)
    if tree is None:
        return None
    k = tree.own.counts
    m = k + tree.others.counts
    shapes, shape_of = np.unique(np.column_stack([tree.height, k, m]), axis=0, return_inverse=True)
    if CALLS * len(shapes) + float((WORK * k * m.astype(float) ** 2 + ENTRY * m.astype(float) ** 2).sum()) > limit:
        return None
    pattern = _columns_of(graph, levels)
    return _lay_out(tree, shapes, shape_of.reshape(-1), pattern, levels), pattern


def _columns_of(graph: sparse.csc_matrix, levels: Levels) -> sparse.csc_matrix:
    """Return which columns meet, as ones in a sorted lower triangle, from which levels do."""
    if len(levels.widths) < len(levels.of_column):
        ones, begins = np.ones(len(levels.of_column)), np.arange(len(levels.of_column) + 1)
        of_level = sparse.csr_matrix((ones, levels.of_column, begins))
        graph = of_level @ graph @ of_level.T
    lower = sparse.tril(graph, format="csc")
    lower.sort_indices()
    return lower


def _order_levels(graph: sparse.csc_matrix, limit: float) -> Indices | None:
    """Return the levels in an order with low fill, by minimum degree; None where that exceeds the limit of work."""
    from scipy.sparse.linalg import spilu

    n = graph.shape[0]
    if graph.nnz > FILLING * float(n) ** 2:
        return kernel.order_by_degree(graph.indptr, graph.indices, FULL, limit)
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


def _eliminate_symbolically(graph: sparse.csc_matrix, levels: Levels, limit: float) -> _Tree | None:
    """Return the forest of fronts, or None as soon as their work, the sum of k m**2, exceeds the limit."""
    order = _order_levels(graph, limit / float(levels.widths.min()) ** 3)
    if order is None:
        return None
    lower = sparse.tril(graph[order][:, order], -1, format="csc")
    lower.sort_indices()
    found = kernel.find_fronts(lower.indptr, lower.indices, levels.widths[order], WASTE, SMALL_WASTE, limit)
    if found is None:
        return None
    own_ends, own, other_ends, others, parent, height = found
    return _Tree(
        _Lists.of_levels(own_ends, order[own], levels),
        _Lists.of_levels(other_ends, order[others], levels),
        parent,
        height,
    )


def _lay_out(tree: _Tree, shapes: Indices, shape_of: Indices, pattern: sparse.csc_matrix, levels: Levels) -> Fronts:
    """Return the plan with the offsets of all fronts and all index maps.

    Parameters
    ----------
    tree : _Tree
    shapes : ndarray of int, shape (shapes, 3)
        Height, own columns and width, ascending.
    shape_of : ndarray of int, shape (fronts,)
        The shape of each front.
    pattern : csc_matrix
    levels : Levels
    """
    q = len(levels.of_column)
    width = tree.own.counts + tree.others.counts
    # Fronts of one shape stand together, in their own order.
    order = np.argsort(shape_of, kind="stable")
    before = np.cumsum(width[order] ** 2)
    offset = np.empty(len(width), dtype=np.intp)
    offset[order] = before - width[order] ** 2
    places = _Places(tree, q)
    front_of, when = np.empty(q, dtype=np.intp), np.empty(q, dtype=np.intp)
    front_of[tree.own.entries] = np.repeat(np.arange(len(width)), tree.own.counts)
    when[tree.own.entries] = np.arange(q)
    batches = []
    bounds = np.searchsorted(shape_of[order], np.arange(len(shapes) + 1))
    for (_, k, m), first, last in zip(shapes.tolist(), bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        chosen = order[first:last]
        mine, later = tree.own.stack(chosen, k), tree.others.stack(chosen, m - k)
        parent = tree.parent[chosen]
        in_parent = places.find(np.repeat(parent, m - k), later.ravel()).reshape(later.shape)
        same, entry = _same_level(mine, levels)
        has = parent[parent >= 0]
        is_single = len(np.unique(has)) == len(has)
        batches.append(
            Batch(int(offset[chosen[0]]), mine, later, offset[parent], width[parent], in_parent, is_single, same, entry)
        )
    lists = FrontLists(
        offset,
        width,
        tree.own.begins,
        tree.own.counts,
        tree.others.begins,
        tree.own.entries,
        tree.others.entries,
        places.find(np.repeat(tree.parent, tree.others.counts), tree.others.entries),
        tree.parent,
        (np.arange(q) - levels.starts[levels.of_column]).astype(np.int32),
        levels.widths[levels.of_column].astype(np.int32),
        levels.lambdas[levels.of_column],
    )
    entries = pattern.tocoo()
    rows, cols = entries.row.astype(np.intp), entries.col.astype(np.intp)
    front = np.where(when[rows] < when[cols], front_of[rows], front_of[cols])
    r, c = places.find(front, rows), places.find(front, cols)
    place = offset[front] + r * width[front] + c
    mirrored = offset[front] + c * width[front] + r
    return Fronts(int(before[-1]), tuple(batches), lists, place, mirrored, bool((levels.widths == 1).all()))


class _Places:
    """The place of any column within any front."""

    def __init__(self, tree: _Tree, q: int) -> None:
        self._q = q
        keys, local = [], []
        for lists, shift in ((tree.own, np.zeros_like(tree.own.counts)), (tree.others, tree.own.counts)):
            front = np.repeat(np.arange(len(lists.counts)), lists.counts)
            keys.append(front * q + lists.entries)
            local.append(np.arange(len(front)) + np.repeat(shift - lists.begins, lists.counts))
        joined = np.concatenate(keys)
        order = np.argsort(joined)
        self._keys, self._local = joined[order], np.concatenate(local)[order]

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

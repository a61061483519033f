"""Pairs of columns that the same level meets: Gram matrices of a sparse coupling, product by product."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.blas import dot, product

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.core.elimination.parts import Layout

    Floats = NDArray[np.float64]

__all__ = ["Pairs", "light_pairs"]

PAIR_COST = 150.0
"""Dense multiply-adds of a rank-k update that take as long as one pair of columns added by index: for two cores, and a
fair compromise for one."""

PAIR_LIMIT = 6_000_000
"""Pairs (96 MB) that may be held as indices."""


class Pairs:
    """Pairs of columns met by the same level, level by level.

    Attributes
    ----------
    levels : ndarray of int, shape (light levels,)
        The levels whose pairs are here, in their order.
    counts : ndarray of int, shape (light levels,)
        Columns that each meets: count (count + 1) / 2 pairs.
    starts : ndarray of int, shape (light levels,)
        Place of each one's first column in the layout of values.
    target : ndarray of int, shape (pairs,)
        Place of (later column, earlier column) in a matrix of the rest.
    """

    def __init__(
        self,
        levels: NDArray[np.intp],
        counts: NDArray[np.intp],
        starts: NDArray[np.intp],
        columns: NDArray[np.intp],
        values: Floats,
        layout: Layout,
    ) -> None:
        self.levels, self.counts, self.starts = levels, counts, starts
        self._values = values
        targets = []
        for rows, (i, j) in self._groups():
            met = columns[rows]
            targets.append(layout.place(met[:, i].ravel(), met[:, j].ravel()))
        self.target = np.concatenate(targets) if targets else np.zeros(0, dtype=np.intp)

    def _groups(self) -> list[tuple[NDArray[np.intp], tuple[NDArray[np.intp], NDArray[np.intp]]]]:
        """Return for each number c of columns per level their places, (levels, c), and the pairs among c."""
        out = []
        for size in np.unique(self.counts).tolist():
            rows = self.starts[self.counts == size][:, None] + np.arange(size)
            out.append((rows, np.tril_indices(size)))
        return out

    @cached_property
    def places(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Places of the two columns of each pair in ``values``, the later column first."""
        parts = [(rows[:, i].ravel(), rows[:, j].ravel()) for rows, (i, j) in self._groups()]
        if not parts:
            return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp)
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    @cached_property
    def own_products(self) -> Floats:
        """Products of the original values of each pair, where there is one value per column."""
        parts = []
        for rows, (i, j) in self._groups():
            v = self._values[rows, 0]
            parts.append((v[:, i] * v[:, j]).ravel())
        return np.concatenate(parts)

    @cached_property
    def _sizes(self) -> NDArray[np.intp]:
        return self.counts * (self.counts + 1) // 2

    @cached_property
    def _diagonal(self) -> NDArray[np.intp]:
        """Which pairs are a column with itself."""
        parts, at = [], 0
        for rows, (i, j) in self._groups():
            own = np.flatnonzero(i == j)
            parts.append((at + np.arange(len(rows))[:, None] * len(i) + own).ravel())
            at += len(rows) * len(i)
        return np.concatenate(parts)

    def weighted(self, weight: Floats) -> Floats:
        """Return each pair's own product times the weight of its level, weight (m,)."""
        return self.own_products * np.repeat(weight[self.levels], self._sizes)

    def quadratics(self, W: Floats) -> Floats:
        """Return v_e'W v_e of each light level, for one value per column, from the lower triangle of W."""
        if not len(self.target):
            return np.zeros(len(self.levels))
        terms = W.ravel(order="K")[self.target]
        terms *= self.own_products
        ends = np.cumsum(self._sizes)
        twice = np.add.reduceat(terms, ends - self._sizes)
        once = np.add.reduceat(terms[self._diagonal], np.cumsum(self.counts) - self.counts)
        return np.asarray(2.0 * twice - once)

    def weighted_sum(self, weight: Floats, W: Floats) -> float:
        """Return sum_e weight_e v_e'W v_e over the light levels, weight (m,)."""
        return dot(weight[self.levels], self.quadratics(W))

    def products(self, values: Floats) -> Floats:
        """Return values_first' values_second of each pair."""
        first, second = self.places
        if values.shape[1] == 1:
            flat = values[:, 0]
            return flat[first] * flat[second]
        return np.asarray(np.einsum("pa,pa->p", values[first], values[second]))

    def quadratic(self, values: Floats, W: Floats) -> Floats:
        """Return sum_e values_e'W values_e over the light levels, shape (l, l), from the lower triangle of W."""
        if not len(self.target):
            return np.zeros((values.shape[1], values.shape[1]))
        first, second = self.places
        weight = W.ravel(order="K")[self.target]
        weight[self._diagonal] *= 0.5
        half = product(values[first].T, weight[:, None] * values[second])
        return np.asarray(half + half.T)

    def restrict(self, values: Floats, W: Floats) -> Floats:
        """Return values_e W in the columns that e meets, (places, l), of the light levels; zero elsewhere."""
        if not len(self.target):
            return np.zeros_like(values)
        first, second = self.places
        weight = W.ravel(order="K")[self.target]
        mirrored = weight.copy()
        mirrored[self._diagonal] = 0.0
        out = np.empty_like(values)
        for a in range(values.shape[1]):
            out[:, a] = np.bincount(first, weights=weight * values[second, a], minlength=len(values))
            out[:, a] += np.bincount(second, weights=mirrored * values[first, a], minlength=len(values))
        return out


def light_pairs(
    indptr: NDArray[np.int32], columns: NDArray[np.int32], values: Floats, layout: Layout
) -> tuple[Pairs, NDArray[np.intp]]:
    """Return the pairs of the levels that are cheaper to add pair by pair, and the other levels.

    Parameters
    ----------
    indptr, columns : ndarray of int
        CSR pattern over levels.
    values : ndarray, shape (pairs of level and column, l)
    layout : Layout
    """
    counts = np.diff(indptr).astype(np.intp)
    order = np.argsort(counts, kind="stable")
    c = counts[order]
    pairs = np.cumsum(c * (c + 1) // 2)
    # A sparse rest stores nothing but pairs, and is chosen only where they are few.
    light = (PAIR_COST * c * (c + 1) < float(layout.q) ** 2) & (pairs <= PAIR_LIMIT) | layout.is_sparse
    chosen = order[: int(np.count_nonzero(light))]
    # A level that meets no column has no pairs and adds nothing.
    chosen = chosen[counts[chosen] > 0]
    held = Pairs(chosen, counts[chosen], indptr[chosen].astype(np.intp), columns.astype(np.intp), values, layout)
    return held, np.sort(order[int(np.count_nonzero(light)) :])

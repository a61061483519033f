"""Pairs of columns that the same level meets, by NumPy: Gram matrices of sparse rows, product by product.

With v_e the row of level e, (l, q) with few columns, everything here is made of v_e[i] . v_e[j] over pairs of columns.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lmmtools.blas import product

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

__all__ = ["COST", "LIMIT", "Pairs", "Place"]

COST = 150.0
"""Dense multiply-adds of a rank-k update that take as long as one pair of columns: for two cores, and a fair compromise
for one."""

LIMIT = 6_000_000.0
"""Pairs (96 MB) that may be held as indices."""


class Place(Protocol):
    """Where a symmetric matrix of the rest has the entries of its lower triangle."""

    @property
    def q(self) -> int:
        """Columns."""

    @property
    def is_sparse(self) -> bool:
        """Whether there are the entries of a pattern only, column by column."""

    @property
    def pattern(self) -> tuple[Indices, Indices]:
        """Where each column begins among the entries, (q + 1,), and their rows; empty where all entries are there."""

    def place(self, rows: Indices, columns: Indices) -> Indices:
        """Return the place of entries among the numbers of a matrix."""


class Pairs:
    """Pairs of columns met by the same level.

    Parameters
    ----------
    levels : ndarray of int
        The levels whose pairs are here; the others add nothing to any result.
    indptr, columns : ndarray of int
        CSR pattern over all m levels, columns ascending within each.
    layout : Place
        Of the matrices S and W.

    Attributes
    ----------
    count : int
        How many there are.
    stored : int
        How many are held as indices.
    """

    def __init__(self, levels: Indices, indptr: Indices, columns: Indices, layout: Place) -> None:
        self._m = len(indptr) - 1
        counts = np.diff(indptr)[levels]
        # A level that meets no column has no pairs.
        self._levels = levels[counts > 0]
        self._counts = counts[counts > 0].astype(np.intp)
        self._starts = indptr[self._levels].astype(np.intp)
        targets = []
        for rows, (i, j) in self._groups():
            met = columns[rows].astype(np.intp)
            targets.append(layout.place(met[:, i].ravel(), met[:, j].ravel()))
        self._target = np.concatenate(targets) if targets else np.zeros(0, dtype=np.intp)
        self.count = self.stored = len(self._target)

    def _groups(self) -> list[tuple[NDArray[np.intp], tuple[NDArray[np.intp], NDArray[np.intp]]]]:
        """Return for each number c of columns per level their places, (levels, c), and the pairs among c."""
        out = []
        for size in np.unique(self._counts).tolist():
            rows = self._starts[self._counts == size][:, None] + np.arange(size)
            out.append((rows, np.tril_indices(size)))
        return out

    @cached_property
    def _places(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Places of the two columns of each pair in ``values``, the later column first."""
        parts = [(rows[:, i].ravel(), rows[:, j].ravel()) for rows, (i, j) in self._groups()]
        if not parts:
            return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp)
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    @cached_property
    def _diagonal(self) -> NDArray[np.intp]:
        """Which pairs are a column with itself."""
        parts, at = [], 0
        for rows, (i, j) in self._groups():
            own = np.flatnonzero(i == j)
            parts.append((at + np.arange(len(rows))[:, None] * len(i) + own).ravel())
            at += len(rows) * len(i)
        return np.concatenate(parts)

    @cached_property
    def _level(self) -> Indices:
        """The level of each pair."""
        parts = []
        for size in np.unique(self._counts).tolist():
            parts.append(np.repeat(self._levels[self._counts == size], size * (size + 1) // 2))
        return np.concatenate(parts)

    def subtract_gram(self, values: Floats, S: Floats, threads: int = 1) -> None:
        """Subtract sum_e v_e'v_e from the lower triangle of S, in place.

        Parameters
        ----------
        values : ndarray, shape (places, l)
            The columns of all v_e, in the order of the pattern.
        S : ndarray
            A matrix of the rest: (q, q) in Fortran order, or the entries of a pattern.
        threads : int
            How many may work at once.
        """
        if not self.count:
            return
        first, second = self._places
        products = np.einsum("pa,pa->p", values[first], values[second])
        flat = S.ravel(order="K")
        flat -= np.bincount(self._target, weights=products, minlength=len(flat))

    def quadratics(self, values: Floats, W: Floats, threads: int = 1) -> Floats:
        """Return v_e W v_e' of every level, shape (m, l, l), from the lower triangle of W."""
        l = values.shape[1]
        out = np.zeros((self._m, l, l))
        if not self.count:
            return out
        first, second = self._places
        weight = W.ravel(order="K")[self._target]
        weight[self._diagonal] *= 0.5
        for a in range(l):
            left = weight * values[first, a]
            for b in range(l):
                out[:, a, b] = np.bincount(self._level, weights=left * values[second, b], minlength=self._m)
        return out + out.transpose(0, 2, 1)

    def quadratic(self, values: Floats, W: Floats, threads: int = 1) -> Floats:
        """Return the sum of v_e W v_e' over the levels, shape (l, l), from the lower triangle of W."""
        l = values.shape[1]
        if not self.count:
            return np.zeros((l, l))
        first, second = self._places
        weight = W.ravel(order="K")[self._target]
        weight[self._diagonal] *= 0.5
        half = product(values[first].T, weight[:, None] * values[second])
        return half + half.T

    def restrict(self, values: Floats, W: Floats, threads: int = 1) -> Floats:
        """Return v_e W in the columns that e meets, shape (places, l), from the lower triangle of W."""
        if not self.count:
            return np.zeros_like(values)
        first, second = self._places
        weight = W.ravel(order="K")[self._target]
        mirrored = weight.copy()
        mirrored[self._diagonal] = 0.0
        out = np.empty_like(values)
        for a in range(values.shape[1]):
            out[:, a] = np.bincount(first, weights=weight * values[second, a], minlength=len(values))
            out[:, a] += np.bincount(second, weights=mirrored * values[first, a], minlength=len(values))
        return out

"""The sparse rest: what crosses the chain, eliminated front by front where fill is low.

The arithmetic is that of the chain (:mod:`~lmmtools.core.elimination.chain`), with the columns K of a front in place
of a level: nothing needs lambda to be invertible. With R the later columns that K meets,

    w    = Lambda (I + Lambda'A_KK Lambda)^-1 Lambda' ,   A_RR <- A_RR - A_KR' w A_KR
    W_KR = -w A_KR W_RR ,   W_KK = w + w A_KR W_RR A_KR' w
    N_KK = J A_KK - E W_RR E' ,   J = I - A_KK w ,   E = J A_KR

The matrices of the rest, A and W, are held as the entries of their lower triangles on the pattern of A with all pairs
that the chain joins, column by column.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from lmmtools import cholesky
from lmmtools.core.elimination.fronts import Levels, plan_fronts
from lmmtools.core.elimination.parts import not_definite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core.elimination.fronts import Batch, Fronts
    from lmmtools.core.elimination.parts import Factor

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

__all__ = ["SparseLayout", "SparseRest", "sparse_layout"]

DENSE_SHARE = 0.3
"""Share of level pairs that meet from which no order of elimination makes the sparse rest cheaper."""

MAX_JOINS = 2e7
"""Pairs of levels that the chain joins, counted with repeats, beyond which the pattern is not computed."""

SINGLE = 48
"""A single front that eliminates at least this many columns goes to LAPACK's symmetric routines."""


@dataclass(frozen=True, slots=True, eq=False)
class SparseLayout:
    """The layout of a sparse rest, with its cross-products and the plan of their elimination.

    Attributes
    ----------
    A : ndarray, shape (entries,)
        Z'WZ among the rest.
    keys : ndarray of int, shape (entries,)
        column * q + row of each entry, ascending, row >= column.
    q : int
    factors : tuple of Factor
    fronts : Fronts
    """

    A: Floats
    keys: Indices
    q: int
    factors: tuple[Factor, ...]
    fronts: Fronts

    @property
    def is_sparse(self) -> bool:
        """Whether matrices hold a pattern's entries only."""
        return True

    @property
    def pattern(self) -> tuple[Indices, Indices]:
        """Where each column begins among the entries, (q + 1,), and their rows."""
        return np.searchsorted(self.keys, np.arange(self.q + 1) * self.q), self.keys % self.q

    def place(self, rows: Indices, columns: Indices) -> Indices:
        """Return the place of entries among the numbers of a matrix; they must be on the pattern."""
        return np.searchsorted(self.keys, np.minimum(rows, columns) * self.q + np.maximum(rows, columns))

    def products(self) -> Floats:
        """Return a copy of Z'WZ among the rest that may be overwritten."""
        return self.A.copy()

    def factorise(self, A: Floats, lambdas: Sequence[Floats]) -> SparseRest:
        """Return I + Lambda'A Lambda factored.

        Raises
        ------
        EngineError
            If it is not positive definite to working precision.
        """
        return SparseRest(self, A, lambdas)


def sparse_layout(
    A: sparse.csr_matrix, patterns: Sequence[sparse.csr_matrix], factors: tuple[Factor, ...]
) -> SparseLayout | None:
    """Return the layout, or None where dense algebra costs less.

    Parameters
    ----------
    A : csr_matrix, shape (q, q)
        Z'WZ among the rest.
    patterns : sequence of csr_matrix, each (m, q)
        Which columns the levels of each chain factor meet.
    factors : tuple of Factor
        Of the rest.
    """
    levels = Levels.of(factors)
    q = A.shape[0]
    ones = np.ones(q)
    to_level = sparse.csr_matrix((ones, levels.of_column, np.arange(q + 1)), shape=(q, len(levels.widths)))
    graph = _pattern_of(to_level.T @ _pattern_of(A) @ to_level + sparse.eye(len(levels.widths)))
    for meets in patterns:
        by_level = _pattern_of(_pattern_of(meets) @ to_level)
        if float((np.diff(by_level.indptr).astype(float) ** 2).sum()) > MAX_JOINS:
            return None
        graph = graph + by_level.T @ by_level
    if graph.nnz > DENSE_SHARE * float(graph.shape[0]) ** 2:
        return None
    lower = sparse.tril(to_level @ _pattern_of(graph) @ to_level.T, format="csc")
    lower.sort_indices()
    fronts = plan_fronts(lower, levels)
    if fronts is None:
        return None
    keys = np.repeat(np.arange(q), np.diff(lower.indptr)) * q + lower.indices
    entries = A.tocoo()
    is_lower = entries.row >= entries.col
    values = np.zeros(len(keys))
    at = np.searchsorted(keys, entries.col[is_lower].astype(np.intp) * q + entries.row[is_lower])
    values[at] = entries.data[is_lower]
    return SparseLayout(values, keys, q, factors, fronts)


def _pattern_of(A: sparse.spmatrix) -> sparse.csr_matrix:
    """Return the pattern of stored entries, as ones."""
    out = sparse.csr_matrix(A, copy=True)
    out.data[:] = 1.0
    return out


@dataclass(frozen=True, slots=True, eq=False)
class _EliminatedFront:
    """A stack of fronts when it is eliminated: arrays (count, k, k) and (count, k, others).

    Attributes
    ----------
    batch : Batch
    A, B : ndarray
        A_KK and A_KR in the metric of what was eliminated before.
    w : ndarray
    C : ndarray
        w A_KR.
    """

    batch: Batch
    A: Floats
    B: Floats
    w: Floats
    C: Floats


class SparseRest:
    """The rest at one theta.

    Attributes
    ----------
    logdet : float
        log|I + Lambda'A Lambda|.
    """

    def __init__(self, layout: SparseLayout, A: Floats, lambdas: Sequence[Floats]) -> None:
        self._layout = layout
        plan = layout.fronts
        numbers = np.zeros(plan.size)
        numbers[plan.place] = A
        numbers[plan.mirrored] = A
        flat = np.concatenate([lam.ravel() for lam in lambdas])
        self.logdet = 0.0
        self._done: list[_EliminatedFront] = []
        for batch in plan.batches:
            front = numbers[batch.columns].reshape(batch.shape)
            k = batch.own.shape[1]
            own, B = front[:, :k, :k], front[:, :k, k:]
            w, change = _weights(own, batch, flat, is_scalar=plan.is_scalar)
            self.logdet += change
            C = w * B if k == 1 else np.matmul(w, B)
            self._done.append(_EliminatedFront(batch, own, B, w, C))
            if B.shape[2]:
                # The contributions of its children to the others, and its own.
                left = front[:, k:, k:] - np.matmul(B.transpose(0, 2, 1), C)
                at = batch.in_parent()
                if batch.is_single_parent:
                    numbers[at] += left
                else:
                    np.add.at(numbers, at.ravel(), left.ravel())
        if not np.isfinite(self.logdet):
            raise not_definite()

    def solve(self, C: Floats) -> tuple[Floats, Floats]:
        """Return U = Lambda (I + Lambda'A Lambda)^-1 Lambda'C and C - A U, shape (q_rest, b)."""
        right = np.array(C)
        for s in self._done:
            if s.B.shape[2]:
                product = np.matmul(s.C.transpose(0, 2, 1), right[s.batch.own])
                np.subtract.at(right, s.batch.others, product)
        U, F = np.empty_like(right), np.empty_like(right)
        for s in reversed(self._done):
            own = s.batch.own
            mine = right[own]
            if s.B.shape[2]:
                mine = mine - np.matmul(s.B, U[s.batch.others])
            U[own] = found = np.matmul(s.w, mine)
            F[own] = mine - np.matmul(s.A, found)
        return U, F

    def invert(self, *, full: bool) -> tuple[Floats, list[Floats]]:
        """Return W on the pattern and the traces of N = A - A W A per factor.

        ``full`` changes nothing here.
        """
        plan = self._layout.fronts
        numbers = np.empty(plan.size)
        factors = self._layout.factors
        T = np.zeros(sum(f.l**2 for f in factors))
        for s in reversed(self._done):
            batch = s.batch
            front = numbers[batch.columns].reshape(batch.shape)
            k = batch.own.shape[1]
            N = s.A - np.matmul(s.A, np.matmul(s.w, s.A))
            if s.B.shape[2]:
                W = numbers[batch.in_parent()]
                X = np.matmul(s.C, W)
                front[:, :k, k:], front[:, k:, :k], front[:, k:, k:] = -X, -X.transpose(0, 2, 1), W
                front[:, :k, :k] = s.w + np.matmul(X, s.C.transpose(0, 2, 1))
                E = s.B - np.matmul(s.A, s.C)
                N -= np.matmul(np.matmul(E, W), E.transpose(0, 2, 1))
            else:
                front[:] = s.w
            T += np.bincount(batch.entry, weights=N.reshape(-1)[batch.same], minlength=len(T))
        ends = np.cumsum([f.l**2 for f in factors])
        traces = [t.reshape(f.l, f.l) for f, t in zip(factors, np.split(T, ends[:-1]), strict=True)]
        return numbers[plan.place], [0.5 * (t + t.T) for t in traces]

    def traces(self) -> list[Floats]:
        """Return the traces of N alone."""
        return self.invert(full=False)[1]


def _weights(A: Floats, batch: Batch, flat: Floats, *, is_scalar: bool) -> tuple[Floats, float]:
    """Return Lambda (I + Lambda'A Lambda)^-1 Lambda' of stacked fronts and the sum of log|I + Lambda'A Lambda|.

    The last is nan where one is not positive definite to working precision.
    """
    count, k, _ = A.shape
    if is_scalar:
        s = flat[batch.entry].reshape(count, k)
        if k == 1:
            square = s[:, :, None] ** 2
            D = 1.0 + square * A
            with np.errstate(invalid="ignore", divide="ignore"):
                return square / D, float(np.log(D).sum())
        M = A * s[:, :, None] * s[:, None, :]
        M[:, range(k), range(k)] += 1.0
        inverse, logdet = _invert_definite(M)
        return inverse * s[:, :, None] * s[:, None, :], logdet
    lam = np.zeros(A.shape)
    lam.reshape(-1)[batch.same] = flat[batch.entry]
    M = np.matmul(np.matmul(lam.transpose(0, 2, 1), A), lam)
    M[:, range(k), range(k)] += 1.0
    inverse, logdet = _invert_definite(M)
    return np.matmul(np.matmul(lam, inverse), lam.transpose(0, 2, 1)), logdet


def _invert_definite(M: Floats) -> tuple[Floats, float]:
    """Return the inverses and the sum of log-determinants, nan where one is not positive definite."""
    count, k, _ = M.shape
    if count == 1 and k >= SINGLE:
        L, info = cholesky.factor(M[0].T)
        if info:
            return M, np.nan
        logdet = 2.0 * float(np.log(L.diagonal()).sum())
        lower = np.tril(cholesky.invert(L)[0])
        return (lower + np.tril(lower, -1).T)[None], logdet
    try:
        stacked = np.linalg.cholesky(M)
    except np.linalg.LinAlgError:
        return M, np.nan
    half = np.asarray(np.linalg.inv(stacked), dtype=float)
    return np.matmul(half.transpose(0, 2, 1), half), 2.0 * float(np.log(stacked[:, range(k), range(k)]).sum())

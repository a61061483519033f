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

from lmmtools.core.elimination.fronts import Levels, plan_fronts
from lmmtools.core.elimination.parts import not_definite
from lmmtools.core.kernels import eliminated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core.elimination.parts import Factor
    from lmmtools.core.kernels.numpy_eliminated import Fronts

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

__all__ = ["SparseLayout", "SparseRest", "sparse_layout"]

DENSE_SHARE = 0.3
"""Share of level pairs that meet from which no order of elimination makes the sparse rest cheaper."""

MAX_JOINS = 2e7
"""Pairs of levels that the chain joins, counted with repeats, beyond which the pattern is not computed."""


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
    q, n = A.shape[0], len(levels.widths)
    graph = _meeting(_pattern_of(A), levels, both=True) + sparse.eye(n)
    for meets in patterns:
        by_level = _meeting(_pattern_of(meets), levels)
        if float((np.diff(by_level.indptr).astype(float) ** 2).sum()) > MAX_JOINS:
            return None
        graph = graph + by_level.T @ by_level
    if graph.nnz > DENSE_SHARE * float(n) ** 2:
        return None
    plan = plan_fronts(graph, levels)
    if plan is None:
        return None
    fronts, lower = plan
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


def _meeting(pattern: sparse.csr_matrix, levels: Levels, *, both: bool = False) -> sparse.csr_matrix:
    """Return a pattern by levels, not columns, of the rest: its columns or, with ``both``, its rows too."""
    if len(levels.widths) == len(levels.of_column):
        return pattern
    q = len(levels.of_column)
    of_level = sparse.csr_matrix((np.ones(q), levels.of_column, np.arange(q + 1)), shape=(q, len(levels.widths)))
    return _pattern_of(of_level.T @ pattern @ of_level if both else pattern @ of_level)


class SparseRest:
    """The rest at one theta.

    Attributes
    ----------
    logdet : float
        log|I + Lambda'A Lambda|.
    """

    def __init__(self, layout: SparseLayout, A: Floats, lambdas: Sequence[Floats]) -> None:
        self._layout = layout
        self._fronts = eliminated.eliminate_fronts(layout.fronts, A, lambdas)
        self.logdet = float(self._fronts.logdet)
        if not np.isfinite(self.logdet):
            raise not_definite()

    def solve(self, C: Floats) -> tuple[Floats, Floats]:
        """Return U = Lambda (I + Lambda'A Lambda)^-1 Lambda'C and C - A U, shape (q_rest, b)."""
        return self._fronts.solve(C)

    def invert(self, *, full: bool) -> tuple[Floats, list[Floats]]:
        """Return W on the pattern and the traces of N = A - A W A per factor.

        ``full`` changes nothing here.
        """
        factors = self._layout.factors
        ends = np.cumsum([f.l**2 for f in factors])
        W, T = self._fronts.invert(int(ends[-1]))
        traces = [t.reshape(f.l, f.l) for f, t in zip(factors, np.split(T, ends[:-1]), strict=True)]
        return W, [0.5 * (t + t.T) for t in traces]

    def traces(self) -> list[Floats]:
        """Return the traces of N alone."""
        return self.invert(full=False)[1]

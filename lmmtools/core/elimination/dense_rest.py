"""The dense rest: what crosses the chain, factored in LAPACK.

Its matrices are Fortran-ordered. After a chain only their lower triangles hold numbers; without one they are full.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.blas import dsymm
from scipy.linalg.lapack import dpotrs

from lmmtools import cholesky
from lmmtools.blas import dot, product
from lmmtools.core.elimination.parts import KEEP_Q, not_definite
from lmmtools.threads import cores_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy import sparse

    from lmmtools.core.elimination.parts import Factor

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

__all__ = ["DenseLayout", "DenseRest", "PartlyZeroRest", "dense_blocks", "symmetric"]

SMALL_GAIN = 1e-3
"""Below this mean of lambda' N lambda the trace m I - sum [M^-1] would lose digits to cancellation."""

COMFORTABLE = 0.01
"""Relative variance, times a mean diagonal of A, from which dividing by lambda costs no digits that matter."""

TILE = 256
"""Tiles in which a triangle is mirrored: two of them fit the cache."""


DENSE_A = 1200
"""Up to this size (12 MB) the rest's cross-products are kept dense: copying them costs less than scattering them."""


@dataclass(frozen=True, slots=True, eq=False)
class DenseLayout:
    """The layout of a dense rest, with its cross-products.

    Attributes
    ----------
    A : ndarray, shape (q, q), Fortran order, or csr_matrix
        Z'WZ among the rest; sparse where it is large.
    factors : tuple of Factor
    is_lower : bool
        Whether a chain comes first, so that only lower triangles are worked on.
    """

    A: Floats | sparse.csr_matrix
    factors: tuple[Factor, ...]
    is_lower: bool

    @classmethod
    def of(cls, A: sparse.csr_matrix, factors: tuple[Factor, ...], *, is_lower: bool) -> DenseLayout:
        """Return the layout of sparse cross-products."""
        return cls(A.toarray(order="F") if A.shape[0] <= DENSE_A else A, factors, is_lower)

    @property
    def q(self) -> int:
        """Columns of the rest."""
        return int(self.A.shape[0])

    @property
    def is_sparse(self) -> bool:
        """Whether matrices hold a pattern's entries only."""
        return False

    @property
    def pattern(self) -> tuple[Indices, Indices]:
        """Nothing: all entries of a column are there."""
        return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp)

    def place(self, rows: Indices, columns: Indices) -> Indices:
        """Return the place of entries among the numbers of a matrix, in its lower triangle."""
        return np.minimum(rows, columns) * self.q + np.maximum(rows, columns)

    def products(self) -> Floats:
        """Return Z'WZ among the rest, Fortran-ordered; after a chain a copy that may be overwritten."""
        if isinstance(self.A, np.ndarray):
            return self.A.copy(order="F") if self.is_lower else self.A
        return np.asarray(self.A.toarray(order="F"))

    def factorise(self, A: Floats, lambdas: tuple[Floats, ...]) -> DenseRest | PartlyZeroRest:
        """Return I + Lambda'A Lambda factored.

        Raises
        ------
        EngineError
            If it is not positive definite to working precision.
        """
        return _factorise(self.factors, A, lambdas, is_lower=self.is_lower)


class DenseRest:
    """The rest at one theta.

    Attributes
    ----------
    factors : tuple of Factor
    lambdas : tuple of ndarray, each (l, l)
    scale : ndarray, shape (q_rest,), or None
        The diagonal of Lambda where all factors are scalar.
    A : ndarray, shape (q_rest, q_rest), or None
        Cross-products in the metric of the chain; None where they were overwritten to save memory.
    L : ndarray, shape (q_rest, q_rest)
        Lower Cholesky factor of I + Lambda'A Lambda; its upper triangle is not used.
    is_lower : bool
        Whether A holds its lower triangle only.
    logdet : float
        log|I + Lambda'A Lambda|.
    """

    __slots__ = ("A", "L", "factors", "is_lower", "lambdas", "logdet", "scale")

    def __init__(
        self,
        factors: tuple[Factor, ...],
        lambdas: tuple[Floats, ...],
        scale: Floats | None,
        A: Floats | None,
        L: Floats,
        is_lower: bool,
        logdet: float,
    ) -> None:
        self.factors, self.lambdas, self.scale = factors, lambdas, scale
        self.A, self.L, self.is_lower, self.logdet = A, L, is_lower, logdet

    @property
    def columns(self) -> tuple[slice, ...]:
        """Columns of each factor within the rest."""
        return _columns(self.factors)

    @property
    def is_comfortable(self) -> bool:
        """Whether every lambda can be divided by without loss of digits."""
        # Cross-products are overwritten only where it is.
        return self.A is None or _is_comfortable(self.factors, self.lambdas, self.A.diagonal())

    def products(self) -> Floats:
        """Return A, which must have been kept."""
        assert self.A is not None
        return self.A

    def solve(self, C: Floats) -> tuple[Floats, Floats]:
        """Return U = Lambda (I + Lambda'A Lambda)^-1 Lambda'C and C - A U, shape (q_rest, b)."""
        if self.scale is not None:
            x, _ = dpotrs(self.L, C * self.scale[:, None], lower=1)
            U = x * self.scale[:, None]
            if self.A is None:
                # (I + Lambda'A Lambda) x = Lambda'C, so Lambda'(C - A U) is x itself.
                return U, x / self.scale[:, None]
        else:
            x, _ = dpotrs(self.L, _times_lambda(C.T, self.factors, self.lambdas).T, lower=1)
            U = _times_lambda(x.T, self.factors, self.lambdas, transpose=True).T
        A = self.products()
        return U, C - (dsymm(1.0, A, U, lower=1) if self.is_lower else product(A, U))

    def invert(self, *, full: bool) -> tuple[Floats, list[Floats]]:
        """Return W = Lambda (I + Lambda'A Lambda)^-1 Lambda' and the traces of N = A - A W A.

        Parameters
        ----------
        full : bool
            Whether W's upper triangle is wanted as well; else it may hold anything.

        Returns
        -------
        W : ndarray, shape (q_rest, q_rest), Fortran order
        T : list of ndarray, each (l, l)
            Sums over levels of the diagonal blocks of N: lambda'T lambda = m I - sum [M^-1] where lambda is comfortably
            invertible, else from the rows of A.
        """
        inverse, info = cholesky.invert(self.L)
        if info:
            raise not_definite()
        T, weak = self._traces(self._sums_of_blocks(inverse))
        if full:
            _mirror(inverse)
        W = self._weighted(inverse, is_full=full)
        for i in weak:
            T[i] = _weak_trace(self.products(), W, self.columns[i], self.factors[i], self.is_lower)
        return W, T

    def traces(self) -> list[Floats]:
        """Return the traces of N alone: M^-1 = X'X with X = L^-1, which is half the work."""
        X, info = cholesky.invert_factor(self.L)
        if info:
            raise not_definite()
        X = np.tril(X)
        sums = []
        for f, s in zip(self.factors, self.columns, strict=True):
            flat = X.T[s].reshape(f.m, f.l, -1).transpose(1, 0, 2).reshape(f.l, -1)
            sums.append(product(flat, flat.T))
        T, weak = self._traces(sums)
        return self.invert(full=False)[1] if weak else T

    def _sums_of_blocks(self, inverse: Floats) -> list[Floats]:
        """Return the sums over levels of the diagonal blocks of a symmetric matrix, from its lower triangle."""
        sums = []
        for f, s in zip(self.factors, self.columns, strict=True):
            if f.l == 1:
                sums.append(inverse.diagonal()[s].sum().reshape(1, 1))
            else:
                low = np.tril(dense_blocks(inverse[s, s], f.m, f.l).sum(0))
                sums.append(low + np.tril(low, -1).T)
        return sums

    def _traces(self, sums: Sequence[Floats]) -> tuple[list[Floats], list[int]]:
        """Return the traces of N from the sums of M^-1's diagonal blocks, and for which factors that loses digits."""
        T: list[Floats] = []
        weak = []
        for i, (f, lam, total) in enumerate(zip(self.factors, self.lambdas, sums, strict=True)):
            if f.l == 1:
                gain = f.m - float(total[0, 0])
                is_weak = gain <= SMALL_GAIN * f.m and self.A is not None
                T.append(np.array([[0.0 if is_weak else gain / lam[0, 0] ** 2]]))
            else:
                gains = f.m * np.eye(f.l) - total
                is_weak = float(np.linalg.eigvalsh(gains)[0]) <= SMALL_GAIN * f.m
                solved = gains if is_weak else np.linalg.solve(lam.T, np.linalg.solve(lam.T, gains).T)
                T.append(np.asarray(solved, dtype=float))
            if is_weak:
                weak.append(i)
        return T, weak

    def _weighted(self, inverse: Floats, *, is_full: bool) -> Floats:
        """Return W, from M^-1 or its lower triangle; the inverse is overwritten where all lambda are scalar."""
        if self.scale is not None:
            inverse *= self.scale
            inverse *= self.scale[:, None]
            return inverse
        if not is_full:
            _mirror(inverse)
        W = _times_lambda(inverse, self.factors, self.lambdas, transpose=True)
        return np.asfortranarray(_times_lambda(W.T, self.factors, self.lambdas, transpose=True))


class PartlyZeroRest:
    """The rest at a theta at which variances are zero: I + Lambda'A Lambda of the other factors is all there is of it.

    Attributes
    ----------
    factors : tuple of Factor
    others : DenseRest or None
        Of the factors whose lambda is not zero; None where all are.
    at : ndarray of int
        Their columns.
    A : ndarray, shape (q_rest, q_rest)
        Cross-products in the metric of the chain.
    is_lower : bool
        Whether A holds its lower triangle only.
    logdet : float
        log|I + Lambda'A Lambda|.
    """

    __slots__ = ("A", "at", "factors", "is_lower", "is_zero", "logdet", "others")

    def __init__(self, factors: tuple[Factor, ...], A: Floats, lambdas: tuple[Floats, ...], is_lower: bool) -> None:
        self.factors, self.A, self.is_lower = factors, A, is_lower
        self.is_zero = tuple(not lam.any() for lam in lambdas)
        kept = [f for f, zero in zip(factors, self.is_zero, strict=True) if not zero]
        parts = [
            np.arange(s.start, s.stop) for s, zero in zip(_columns(factors), self.is_zero, strict=True) if not zero
        ]
        self.at = np.concatenate([np.zeros(0, dtype=np.intp), *parts])
        self.others = None
        if kept:
            own = np.asfortranarray(A[np.ix_(self.at, self.at)])
            nonzero = tuple(lam for lam, zero in zip(lambdas, self.is_zero, strict=True) if not zero)
            self.others = _factor_all(tuple(kept), own, nonzero, is_lower=is_lower)
        self.logdet = 0.0 if self.others is None else self.others.logdet

    def solve(self, C: Floats) -> tuple[Floats, Floats]:
        """Return U = Lambda (I + Lambda'A Lambda)^-1 Lambda'C and C - A U, shape (q_rest, b)."""
        U = np.zeros(C.shape)
        if self.others is None:
            return U, C.copy()
        U[self.at] = self.others.solve(C[self.at])[0]
        return U, C - (dsymm(1.0, self.A, U, lower=1) if self.is_lower else product(self.A, U))

    def invert(self, *, full: bool) -> tuple[Floats, list[Floats]]:
        """Return W = Lambda (I + Lambda'A Lambda)^-1 Lambda' and the traces of N = A - A W A."""
        W = np.zeros(self.A.shape, order="F")
        known: list[Floats] = []
        if self.others is not None:
            W[np.ix_(self.at, self.at)], known = self.others.invert(full=full)
        found = iter(known)
        T = [
            _weak_trace(self.A, W, s, f, self.is_lower) if zero else next(found)
            for f, s, zero in zip(self.factors, _columns(self.factors), self.is_zero, strict=True)
        ]
        return W, T

    def traces(self) -> list[Floats]:
        """Return the traces of N alone."""
        return self.invert(full=False)[1]


def _columns(factors: Sequence[Factor]) -> tuple[slice, ...]:
    """Return the columns of each factor within the rest."""
    ends = list(accumulate((f.q for f in factors), initial=0))
    return tuple(slice(a, b) for a, b in pairwise(ends))


def _weak_trace(A: Floats, W: Floats, s: slice, f: Factor, is_lower: bool) -> Floats:
    """Return the trace of N = A - A W A over one factor, without dividing by its lambda."""
    if is_lower:
        own = symmetric(np.asfortranarray(A[s, s]))
        rows = np.concatenate([A[s, : s.start], own, A[s.stop :, s].T], axis=1)
    else:
        own, rows = A[s, s], A[s]
    # Rows of A W, from the lower triangle of W.
    with cores_for(rows.size * len(W)):
        right = dsymm(1.0, W, rows, lower=1, side=1).reshape(f.m, f.l, -1)
    if f.l == 1:
        return np.array([[own.trace() - dot(right, rows)]])
    quadratic = np.einsum("eak,ebk->ab", right, rows.reshape(f.m, f.l, -1))
    return np.asarray(dense_blocks(own, f.m, f.l).sum(0) - quadratic)


def _factorise(
    factors: tuple[Factor, ...], A: Floats, lambdas: tuple[Floats, ...], *, is_lower: bool
) -> DenseRest | PartlyZeroRest:
    """Return I + Lambda'A Lambda factored; A is overwritten where it is large and can be spared."""
    if all(lam.any() for lam in lambdas):
        return _factor_all(factors, A, lambdas, is_lower=is_lower)
    return PartlyZeroRest(factors, A, lambdas, is_lower)


def _factor_all(factors: tuple[Factor, ...], A: Floats, lambdas: tuple[Floats, ...], *, is_lower: bool) -> DenseRest:
    """Return I + Lambda'A Lambda factored, no lambda zero; A is overwritten where it is large and can be spared."""
    scale = None
    kept: Floats | None = A
    if all(len(lam) == 1 for lam in lambdas):
        scale = np.repeat([lam[0, 0] for lam in lambdas], [f.m for f in factors])
        if is_lower and len(A) > KEEP_Q and _is_comfortable(factors, lambdas, A.diagonal()):
            S, kept = A, None
            S *= scale
        else:
            S, kept = A * scale, A
        S *= scale[:, None]
    else:
        full = symmetric(A) if is_lower else A
        S = np.asfortranarray(_times_lambda(_times_lambda(full, factors, lambdas).T, factors, lambdas))
    S.ravel(order="K")[:: len(S) + 1] += 1.0
    L, info = cholesky.factor(S)
    logdet = 2.0 * float(np.log(L.diagonal()).sum()) if info == 0 else np.nan
    if not np.isfinite(logdet):
        raise not_definite()
    return DenseRest(factors, lambdas, scale, kept, L, is_lower, logdet)


def _is_comfortable(factors: Sequence[Factor], lambdas: Sequence[Floats], diagonal: Floats) -> bool:
    """Return whether every lambda can be divided by without loss of digits."""
    start = 0
    for f, lam in zip(factors, lambdas, strict=True):
        smallest = lam[0, 0] if f.l == 1 else np.linalg.svd(lam, compute_uv=False)[-1]
        if smallest**2 * float(diagonal[start : start + f.q].reshape(-1, f.l).mean(0).min()) < COMFORTABLE:
            return False
        start += f.q
    return True


def symmetric(A: Floats) -> Floats:
    """Return a full copy of a lower triangle."""
    out = A.copy(order="F")
    _mirror(out)
    return out


def _mirror(A: Floats) -> None:
    """Copy the lower triangle of A onto the upper, in place."""
    q = len(A)
    for start in range(0, q, TILE):
        stop = min(start + TILE, q)
        tile = A[start:stop, start:stop]
        low = np.tril(tile, -1)
        diagonal = tile.diagonal().copy()
        np.add(low, low.T, out=tile)
        tile[range(stop - start), range(stop - start)] = diagonal
        A[start:stop, stop:] = A[stop:, start:stop].T


def _times_lambda(
    B: Floats, factors: Sequence[Factor], lambdas: Sequence[Floats], *, transpose: bool = False
) -> Floats:
    """Return B Lambda (or B Lambda'), columns of B in the order of the rest."""
    out = np.empty(B.shape)
    start = 0
    for f, lam in zip(factors, lambdas, strict=True):
        s = slice(start, start + f.q)
        if f.l == 1:
            np.multiply(B[:, s], lam[0, 0], out=out[:, s])
        else:
            out[:, s] = product(B[:, s].reshape(-1, f.l), lam.T if transpose else lam).reshape(len(B), -1)
        start += f.q
    return out


def dense_blocks(W: Floats, m: int, l: int) -> Floats:
    """Return the diagonal blocks (m, l, l) of a dense (m*l, m*l) matrix."""
    if l == 1:
        return np.diag(W).reshape(m, 1, 1).copy()
    at = np.arange(m)
    return np.asarray(W.reshape(m, l, m, l)[at, :, at, :])

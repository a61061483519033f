"""Algebra on many small matrices at once, (m, l, l) with m large and l rarely above four.

One by one and two by two are written out: NumPy's stacked routines call LAPACK once per matrix, which for these costs
ten times the arithmetic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["multiply", "resolvent", "small_inverse", "small_logdet", "transpose_multiply", "weights"]

MANY = 200
"""Stacks of at least this many two-by-two matrices are multiplied entry by entry."""


def multiply(A: Floats, B: Floats) -> Floats:
    """Return A_e B_e, A (m, a, c) and B (m, c, b)."""
    if A.shape[-1] == 1 and (A.shape[-2] == 1 or B.shape[-1] == 1):
        return A * B
    if A.shape[-1] == 2 and len(A) >= MANY:
        out = np.empty((len(A), A.shape[-2], B.shape[-1]))
        for i in range(A.shape[-2]):
            for j in range(B.shape[-1]):
                np.multiply(A[:, i, 0], B[:, 0, j], out=out[:, i, j])
                out[:, i, j] += A[:, i, 1] * B[:, 1, j]
        return out
    return np.asarray(np.matmul(A, B))


def transpose_multiply(A: Floats, B: Floats) -> Floats:
    """Return A_e' B_e."""
    return multiply(A.transpose(0, 2, 1), B)


def weights(A: Floats, lam: Floats) -> tuple[Floats, Floats, float]:
    """Return T with T'T = w, w = lambda (I + lambda'A_e lambda)^-1 lambda', and sum_e log|I + lambda'A_e lambda|.

    The last is nan where a matrix is not positive definite to working precision.
    """
    l = lam.shape[0]
    if l == 1:
        s = lam[0, 0] ** 2
        D = A * s
        D += 1.0
        w = s / D
        return np.sqrt(w), w, float(np.log(D).sum())
    D = multiply(multiply(np.broadcast_to(lam.T, A.shape), A), np.broadcast_to(lam, A.shape))
    D[:, range(l), range(l)] += 1.0
    L = _cholesky(D)
    if L is None:
        return D, D, np.nan
    T = _forward(L, lam.T)
    return T, transpose_multiply(T, T), 2.0 * float(np.log(L[:, range(l), range(l)]).sum())


def _cholesky(D: Floats) -> Floats | None:
    """Return the lower Cholesky factors, None if one does not exist."""
    if D.shape[-1] != 2:
        try:
            return np.asarray(np.linalg.cholesky(D), dtype=float)
        except np.linalg.LinAlgError:
            return None
    with np.errstate(invalid="ignore", divide="ignore"):
        L = np.zeros_like(D)
        L[:, 0, 0] = np.sqrt(D[:, 0, 0])
        L[:, 1, 0] = D[:, 1, 0] / L[:, 0, 0]
        rest = D[:, 1, 1] - L[:, 1, 0] ** 2
        L[:, 1, 1] = np.sqrt(rest)
    return L if rest.min() > 0 else None


def _forward(L: Floats, B: Floats) -> Floats:
    """Return L_e^-1 B for lower-triangular L (m, l, l) and one B (l, c), row by row."""
    m, l, _ = L.shape
    X = np.empty((m, l, B.shape[1]))
    for i in range(l):
        row = np.broadcast_to(B[i], (m, B.shape[1]))
        for j in range(i):
            row = row - L[:, i, j, None] * X[:, j]
        X[:, i] = row / L[:, i, i, None]
    return X


def resolvent(A: Floats, lam: Floats) -> Floats:
    """Return (I + A_e Sigma)^-1, Sigma = lambda lambda'."""
    l = lam.shape[0]
    if l == 1:
        return np.asarray(1.0 / (1.0 + A * lam[0, 0] ** 2))
    K = multiply(A, np.broadcast_to(lam @ lam.T, A.shape))
    K[:, range(l), range(l)] += 1.0
    return small_inverse(K)


def small_inverse(K: Floats) -> Floats:
    """Return the inverses of matrices (..., l, l)."""
    if K.shape[-1] != 2:
        return np.asarray(np.linalg.inv(K))
    a, b, c, d = K[..., 0, 0], K[..., 0, 1], K[..., 1, 0], K[..., 1, 1]
    r = 1.0 / (a * d - b * c)
    out = np.empty_like(K)
    out[..., 0, 0], out[..., 0, 1], out[..., 1, 0], out[..., 1, 1] = d * r, -b * r, -c * r, a * r
    return out


def small_logdet(K: Floats) -> Floats:
    """Return log|K| of matrices (..., l, l) with positive determinants, nan where it is not positive."""
    if K.shape[-1] != 2:
        sign, out = np.linalg.slogdet(K)
        return np.where(sign > 0, out, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.log(K[..., 0, 0] * K[..., 1, 1] - K[..., 0, 1] * K[..., 1, 0]))

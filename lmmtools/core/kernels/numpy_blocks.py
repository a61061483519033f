"""The blocks of many levels, (m, l, l) with m large and l rarely above four, by NumPy.

One by one and two by two are written out: NumPy's stacked routines call LAPACK once per matrix, which for these costs
ten times the arithmetic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.blas import product

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["factor", "moments", "multiply", "reduce", "small_inverse", "small_logdet"]

MANY = 200
"""Stacks of at least this many two-by-two matrices are multiplied entry by entry."""


def factor(A: Floats, lam: Floats) -> tuple[Floats, Floats, Floats, float]:
    """Return T, w, J, each (m, l, l), and log|I + lambda'A_e lambda| summed over the levels e.

    With L_e L_e' = I + lambda'A_e lambda and Sigma = lambda lambda':
    T_e = L_e^-1 lambda', w_e = T_e'T_e = Sigma (I + A_e Sigma)^-1, J_e = (I + A_e Sigma)^-1.

    Parameters
    ----------
    A : ndarray, shape (m, l, l)
        Symmetric blocks.
    lam : ndarray, shape (l, l)

    Returns
    -------
    T, w, J : ndarray, shape (m, l, l)
    logdet : float
        nan where a matrix is not positive definite to working precision; T, w and J mean nothing then.
    """
    l = len(lam)
    J = _resolvent(A, lam)
    if l == 1:
        s = lam[0, 0] ** 2
        D = 1.0 + A * s
        w = s / D
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.sqrt(w), w, J, float(np.log(D).sum())
    D = multiply(multiply(np.broadcast_to(lam.T, A.shape), A), np.broadcast_to(lam, A.shape))
    D[:, range(l), range(l)] += 1.0
    L = _cholesky(D)
    if L is None:
        return D, D, D, np.nan
    T = _forward(L, lam.T)
    return T, multiply(T.transpose(0, 2, 1), T), J, 2.0 * float(np.log(L[:, range(l), range(l)]).sum())


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
    return L if (rest > 0).all() else None


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


def _resolvent(A: Floats, lam: Floats) -> Floats:
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


def multiply(A: Floats, B: Floats, out: Floats | None = None) -> Floats:
    """Return A_e B_e, shape (m, a, b).

    Parameters
    ----------
    A : ndarray, shape (m, a, c)
    B : ndarray, shape (m, c, b)
    out : ndarray, shape (m, a, b), C order, optional
        Where the products are written.
    """
    if A.shape[-1] == 1 and (A.shape[-2] == 1 or B.shape[-1] == 1):
        return np.multiply(A, B, out=out)
    if A.shape[-1] == 2 and len(A) >= MANY:
        out = np.empty((len(A), A.shape[-2], B.shape[-1])) if out is None else out
        for i in range(A.shape[-2]):
            for j in range(B.shape[-1]):
                np.multiply(A[:, i, 0], B[:, 0, j], out=out[:, i, j])
                out[:, i, j] += A[:, i, 1] * B[:, 1, j]
        return out
    return np.asarray(np.matmul(A, B, out=out))


def reduce(A: Floats, lam: Floats, C: Floats) -> tuple[float, Floats]:
    """Return log|I + lambda'A_e lambda| and C_e'w_e C_e, (b, b), both summed over the levels e.

    Parameters
    ----------
    A : ndarray, shape (m, l, l)
    lam : ndarray, shape (l, l)
    C : ndarray, shape (m, l, b)
    """
    T, _, _, logdet = factor(A, lam)
    R = multiply(T, C).reshape(-1, C.shape[2])
    return logdet, product(R.T, R)


def moments(A: Floats, lam: Floats, C: Floats, B: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return sums over levels of the products that first and second derivatives are made of.

    With N_e = J_e A_e, (l, l), and Y_e = J_e C_e B, (l, c), of columns y_1 ... y_(c-1) and f:

    Parameters
    ----------
    A : ndarray, shape (m, l, l)
    lam : ndarray, shape (l, l)
    C : ndarray, shape (m, l, b)
    B : ndarray, shape (b, c)

    Returns
    -------
    T : ndarray, shape (l, l)
        Sum of N_e.
    gram : ndarray, shape (l * l, l * l)
        Sum of vec N_e (vec N_e)', vec row by row.
    cross : ndarray, shape (l * l, l * l)
        Sum of vec N_e (vec (y_1 y_1' + ...))'.
    last : ndarray, shape (l * l, l * l)
        Sum of vec N_e (vec f f')'.
    S : ndarray, shape (l, c, l, c)
        Sum of vec Y_e (vec Y_e)'.
    """
    m, l, b = C.shape
    c = B.shape[1]
    J = _resolvent(A, lam)
    N = multiply(J, A)
    flat = N.reshape(m, l * l)
    Y = product(multiply(J, C).reshape(m * l, b), B)
    wide = Y.reshape(m, l * c)
    y, f = Y.reshape(m, l, c)[:, :, :-1], Y.reshape(m, l, c)[:, :, -1]
    own = np.matmul(y, y.transpose(0, 2, 1)).reshape(m, l * l)
    square = (f[:, :, None] * f[:, None, :]).reshape(m, l * l)
    S = product(wide.T, wide).reshape(l, c, l, c)
    return N.sum(0), product(flat.T, flat), product(flat.T, own), product(flat.T, square), S

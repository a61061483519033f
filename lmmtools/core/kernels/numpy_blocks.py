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

__all__ = ["factor", "moments", "multiply"]

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
    eye = np.eye(l)
    try:
        L = np.linalg.cholesky(eye + lam.T @ A @ lam)
    except np.linalg.LinAlgError:
        return A, A, A, np.nan
    T = np.asarray(np.linalg.solve(L, np.broadcast_to(lam.T, A.shape)), dtype=float)
    J = np.asarray(np.linalg.inv(eye + A @ (lam @ lam.T)), dtype=float)
    logdet = 2.0 * float(np.log(np.diagonal(L, axis1=1, axis2=2)).sum())
    return T, T.transpose(0, 2, 1) @ T, J, logdet


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


def moments(A: Floats, J: Floats, F: Floats, B: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return sums over levels of the products that first and second derivatives are made of.

    With N_e = J_e A_e, (l, l), and Y_e = F_e B, (l, c), of columns y_1 ... y_(c-1) and f:

    Parameters
    ----------
    A, J : ndarray, shape (m, l, l)
    F : ndarray, shape (m, l, b)
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
    m, l, b = F.shape
    c = B.shape[1]
    N = multiply(J, A)
    flat = N.reshape(m, l * l)
    Y = product(F.reshape(m * l, b), B)
    wide = Y.reshape(m, l * c)
    y, f = Y.reshape(m, l, c)[:, :, :-1], Y.reshape(m, l, c)[:, :, -1]
    own = np.matmul(y, y.transpose(0, 2, 1)).reshape(m, l * l)
    square = (f[:, :, None] * f[:, None, :]).reshape(m, l * l)
    S = product(wide.T, wide).reshape(l, c, l, c)
    return N.sum(0), product(flat.T, flat), product(flat.T, own), product(flat.T, square), S

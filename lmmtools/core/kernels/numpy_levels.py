"""Sums over the rows of each level, by sparse matrices.

A row i has the basis b_i of a term, z_i = R'^-1 b_i in the engine's coordinates, and a level e.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.linalg import solve_triangular

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["add_products", "add_squares"]


def add_squares(codes: NDArray[np.intp], basis: Floats, R: Floats, w: Floats | None, out: Floats) -> None:
    """Add w_i z_i z_i' of the rows of each level to ``out``.

    Parameters
    ----------
    codes : ndarray of intp, shape (r,)
    basis : ndarray, shape (r, l)
    R : ndarray, shape (l, l)
        Lower triangular.
    w : ndarray, shape (r,), or None
    out : ndarray, shape (m, l, l), C order
    """
    z = _turn(basis, R)
    weighted = z if w is None else z * w[:, None]
    for a in range(z.shape[1]):
        for c in range(a + 1):
            sums = np.bincount(codes, weights=weighted[:, a] * z[:, c], minlength=len(out))
            out[:, a, c] += sums
            if c < a:
                out[:, c, a] += sums


def add_products(codes: NDArray[np.intp], basis: Floats, R: Floats, X: Floats, out: Floats) -> None:
    """Add z_i x_i' of the rows of each level to ``out``.

    Parameters
    ----------
    codes : ndarray of intp, shape (r,)
    basis : ndarray, shape (r, l)
    R : ndarray, shape (l, l)
        Lower triangular.
    X : ndarray, shape (r, p)
    out : ndarray, shape (m, l, p), C order
    """
    r, l = basis.shape
    columns = codes[:, None] * l + np.arange(l)
    Z = sparse.csr_matrix((_turn(basis, R).ravel(), columns.ravel(), np.arange(r + 1) * l), shape=(r, len(out) * l))
    out += np.asarray(Z.T @ X).reshape(out.shape)


def _turn(basis: Floats, R: Floats) -> Floats:
    """Return z_i = R'^-1 b_i, shape (r, l)."""
    if len(R) == 1:
        return np.asarray(basis / R[0, 0])
    return np.asarray(solve_triangular(R, basis.T, trans="T", lower=True, check_finite=False).T)

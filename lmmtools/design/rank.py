"""Which columns of X are kept: those that do not depend linearly on the ones before them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.blas import product

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["RANK_TOL", "independent_columns"]

# R's lm and lme4 call a column dependent when less than this share of its norm is left beside the columns before it.
RANK_TOL = 1e-7
# The Cholesky factor of X'X shows shares down to about 1e-8 with little accuracy; above this one it can be trusted.
_CLEAR_SHARE = 1e-3


def independent_columns(X: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the indices of the columns of X, shape (n, p), that are independent of the columns before them.

    Equivalent to sorting R's ``qr(X, tol = 1e-7)$pivot[1:rank]``: the unit of a column does not matter.
    """
    n, p = X.shape
    size = np.abs(X).max(axis=0, initial=0.0)
    # Powers of two: scaling changes no digit, so columns equal up to their unit stay so.
    unit = np.where(size > 0, np.exp2(-np.floor(np.log2(np.where(size > 0, size, 1.0)))), 0.0)
    scaled = X * unit
    norms = np.sqrt(np.einsum("ij,ij->j", scaled, scaled))
    scaled /= np.where(norms > 0, norms, 1.0)
    if n >= p and _is_clearly_full(scaled):
        return np.arange(p)
    R = np.asarray(np.linalg.qr(scaled, mode="r"))
    kept: list[int] = []
    basis = np.zeros((R.shape[0], 0))
    for j in range(p):
        left = R[:, j]
        # Twice is enough: the second pass removes what rounding left of the first.
        for _ in range(2):
            left = left - basis @ (basis.T @ left)
        share = float(np.linalg.norm(left))
        if share > RANK_TOL and len(kept) < R.shape[0]:
            kept.append(j)
            basis = np.column_stack([basis, left / share])
    return np.array(kept, dtype=np.intp)


def _is_clearly_full(X: NDArray[np.float64]) -> bool:
    """Whether each column of X, of unit norm, is far from dependent on the ones before it."""
    try:
        L = np.linalg.cholesky(product(X.T, X))
    except np.linalg.LinAlgError:
        return False
    return bool(np.all(np.diagonal(L) > _CLEAR_SHARE))

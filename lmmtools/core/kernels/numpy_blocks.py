"""The blocks of many levels, (m, l, l) with m large and l rarely above four, by NumPy.

One by one and two by two are written out: NumPy's stacked routines call LAPACK once per matrix, which for these costs
ten times the arithmetic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["factor"]


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

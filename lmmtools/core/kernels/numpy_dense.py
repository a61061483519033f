"""A small model at one theta: its criterion, and the derivatives in the parameters of the search.

NumPy has nothing here that the general elimination does not do as well: where there is no compiled kernel, or lambda is
beyond what its plain arithmetic holds, all functions return None, and the elimination does the work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.lapack import dpotrf, dtrtri, dtrtrs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Criterion = tuple[float, float, float, Floats, Floats, Floats]

__all__ = ["at_zero", "criterion", "point", "products", "start"]

CLEAR = 1e-3
"""Share of a column of X, or of a basis, that the others leave, from which a Cholesky factor of the products will do:
taken twice, its error is no larger than that of an orthogonal decomposition."""

SURE = 0.1
"""The share from which once is enough."""

LEAST, MOST = 1e-240, 1e240
"""Squares between which no digits are lost."""

LARGEST = 0
"""Columns of [Z X] up to which the kernel is used."""

TERMS, WIDEST = 0, 0
"""Terms, and effects per level of a factor, that it holds."""


def criterion(
    sizes: NDArray[np.intc], M: Floats, units: Floats, Zy: Floats, Xy: Floats, yy: float, lambdas: tuple[Floats, ...]
) -> Criterion | None:
    """Return log|V|, log|Hxx|, r2, b (p,), Lxx (p, p) and the modes u (q,), with V = I + Z Lambda Lambda' Z'.

    Parameters
    ----------
    sizes : ndarray of C integers
        Numbers of factors, of blocks and of fixed effects; levels and effects per level of each factor, in order of
        elimination; factor, first effect within a level and number of effects of each block, in design order.
    M : ndarray, shape (q + p or more, q + p or more)
        [Z X]'W[Z X] in its upper left, in C order.
    units : ndarray, shape (blocks,)
        Information of an average level.
    Zy, Xy : ndarray, shapes (q,) and (p,)
    yy : float
    lambdas : tuple of ndarray, each (l, l)
        Per block in design order.
    """
    return None


def point(
    sizes: NDArray[np.intc],
    M: Floats,
    units: Floats,
    Zy: Floats,
    Xy: Floats,
    yy: float,
    lambdas: tuple[Floats, ...],
    reml: bool,
    dof: int,
) -> tuple[Criterion, Floats, Floats, list[Floats]] | None:
    """Return what ``criterion`` does, and the derivatives.

    phi and the gradient (2, k), exact and average Hessian (2, k, k), and per block Q, L, Q L, G, T (5, l, l): the frame
    of lambda, and the derivatives with respect to Sigma of the criterion and of log|V|.
    """
    return None


def at_zero(
    sizes: NDArray[np.intc], M: Floats, units: Floats, Zy: Floats, Xy: Floats, yy: float, lambdas: tuple[Floats, ...]
) -> Floats | None:
    """Return log|V|, log|Hxx| and r2 with the lambda of each block at zero, then of all, (blocks + 1, 3)."""
    return None


def start(
    sizes: NDArray[np.intc],
    M: Floats,
    units: Floats,
    Zy: Floats,
    Xy: Floats,
    yy: float,
    n: int,
    floor: float,
    spread: float,
) -> tuple[Floats, ...] | None:
    """Return starting lambdas per block, (l, l), by the moments of :mod:`~lmmtools.core.search.start`."""
    return None


def products(
    codes: tuple[NDArray[np.intp], ...],
    bases: tuple[Floats, ...],
    places: NDArray[np.intc],
    X: Floats,
    y: Floats,
    weights: Floats | None,
    q: int,
    exact: float,
) -> tuple[Floats, Floats, Floats, float, list[Floats], bool] | None:
    """Return [Z Q r]'[Z Q r], T with Q = W^1/2 X T orthonormal, Q'W^1/2 y, the scale of r, and each block's basis map.

    Last, whether it is known that X spans no effects; False may be either.

    r is what X leaves of y, of mean square one, and the columns of each basis are orthonormal on average over the rows.
    None where columns are nearly dependent, X leaves nothing, or squares are beyond what a double holds.

    Parameters
    ----------
    codes : tuple of ndarray of intp, each (n,)
        Level of each row, per block.
    bases : tuple of ndarray, each (n, l)
    places : ndarray of C integers, shape (blocks, 3)
        Column of Z of a block's first effect at its first level, columns from one level to the next, and levels.
    X : ndarray, shape (n, p)
    y : ndarray, shape (n,)
    weights : ndarray, shape (n,), or None
    q : int
        Columns of Z.
    exact : float
        Share of the response below which what X leaves of it is rounding.
    """
    root_w = None if weights is None else np.sqrt(weights)
    if root_w is not None:
        X, y = X * root_w[:, None], y * root_w
    found = _orthonormal(X)
    if found is None:
        return None
    Q, x_map = found
    centre = Q.T @ y
    r = y - Q @ centre
    again = Q.T @ r
    centre += again
    r -= Q @ again
    ss, n = float(r @ r), len(y)
    if not max(exact**2 * float(y @ y), LEAST) < ss < MOST:
        return None
    y_scale = float(np.sqrt(ss / n))
    columns = np.zeros((n, q + X.shape[1] + 1))
    columns[:, q:-1], columns[:, -1] = Q, r / y_scale
    rows, maps = np.arange(n), []
    for code, basis, (first, stride, _) in zip(codes, bases, places.tolist(), strict=True):
        scaled = _unit_basis(basis if root_w is None else basis * root_w[:, None])
        if scaled is None:
            return None
        maps.append(scaled[1])
        for e in range(basis.shape[1]):
            columns[rows, code * stride + (first + e)] = scaled[0][:, e]
    return columns.T @ columns, x_map, centre, y_scale, maps, False


def _orthonormal(X: Floats) -> tuple[Floats, Floats] | None:
    """Return X T with orthonormal columns and T, upper triangular; None where columns are nearly dependent."""
    p = X.shape[1]
    if p == 0:
        return X, np.zeros((0, 0))
    Q, T, share = X, np.eye(p), 0.0
    while share < SURE:
        G = Q.T @ Q
        squares = G.diagonal()
        if not (squares.min() > LEAST and squares.max() < MOST):
            return None
        d = np.sqrt(squares)
        L, info = dpotrf(G / d / d[:, None], lower=1)
        share = float(L.diagonal().min()) if info == 0 else 0.0
        if share < CLEAR:
            return None
        step = dtrtri(L, lower=1)[0].T / d[:, None]
        Q, T = Q @ step, T @ step
    return Q, T


def _unit_basis(basis: Floats) -> tuple[Floats, Floats] | None:
    """Return ``basis @ inv(R)``, orthonormal on average over the rows, and R, lower triangular."""
    n, l = basis.shape
    if l == 1:
        square = float(np.vdot(basis, basis))
        if not LEAST < square < MOST:
            return None
        size = float(np.sqrt(square / n))
        return basis / size, np.array([[size]])
    G = basis.T @ basis
    squares = G.diagonal()
    if not (squares.min() > LEAST and squares.max() < MOST):
        return None
    d = np.sqrt(squares)
    # R'R = G with R lower triangular: Cholesky's factor from the last row up.
    L, info = dpotrf((G / d / d[:, None])[::-1, ::-1], lower=1)
    if info or L.diagonal().min() < CLEAR:
        return None
    R = np.ascontiguousarray(L[::-1, ::-1].T) * (d / np.sqrt(n))
    return dtrtrs(R, basis.T, lower=1, trans=1)[0].T, R

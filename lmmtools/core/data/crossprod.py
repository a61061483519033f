"""Cross-products A = Z'WZ, Z'W[X y] and [X y]'W[X y], accumulated in one pass over chunks of rows.

The model is held in coordinates of its own, chosen from the first chunk so that the rest of the engine meets numbers
near one whatever the data's units: X times an upper-triangular map (orthonormal columns), y less a preliminary
regression on X and divided by its spread, and every random-effects basis times the inverse of a lower-triangular map.
The criterion, beta and theta are mapped back exactly: a lower-triangular map keeps lambda_k lower triangular and the
signs of its diagonal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.linalg import solve_triangular
from scipy.linalg.blas import dnrm2

from lmmtools.blas import dot, product
from lmmtools.core.data.chunks import Chunk, ChunkSource, indicator_rows
from lmmtools.design.theta import lower_root
from lmmtools.errors import EngineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.core.model.residual import ResidualModel

    Floats = NDArray[np.float64]

__all__ = [
    "CrossProducts",
    "ResponseProducts",
    "Scaling",
    "accumulate",
    "choose_scaling",
    "project_response",
]

RANK_TOL = 1e-11
"""Length of a column of X or of a basis after orthogonalisation, relative to before, below which it is scaled only: the
map back would multiply rounding errors by the reciprocal."""

EXACT_TOL = 1e-14
"""Residuals of the regression on X below this fraction of y are rounding errors of y, not variation."""


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """The engine's coordinates.

    Attributes
    ----------
    x_map : ndarray, shape (p, p)
        X @ x_map has nearly orthonormal columns; upper triangular.
    centre : ndarray, shape (p,)
        Preliminary fixed effects taken off y, in the coordinates of X @ x_map.
    y_scale : float
        Spread of y around that regression, in y's units.
    basis_maps : tuple of ndarray, each (l, l)
        Lower-triangular R_k: the engine's basis is ``basis @ inv(R_k)`` and its lambda is ``R_k @ lambda_k``.
    """

    x_map: Floats
    centre: Floats
    y_scale: float
    basis_maps: tuple[Floats, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ResponseProducts:
    """What the data say about one response, in the engine's coordinates.

    Attributes
    ----------
    Zy : ndarray, shape (q,)
        Z'Wr, r the scaled residual of y.
    Xy : ndarray, shape (p,)
        X'Wr, zero but for rounding.
    yy : float
        r'Wr.
    centre : ndarray, shape (p,)
        Fixed effects taken off y, in the coordinates of the engine's X.
    y_scale : float
        Divisor of the residual, in y's units.
    """

    Zy: Floats
    Xy: Floats
    yy: float
    centre: Floats
    y_scale: float


@dataclass(frozen=True, slots=True, eq=False)
class CrossProducts:
    """All that the engine needs of the data.

    Attributes
    ----------
    A : csr_matrix, or ndarray of a small model, shape (q, q)
        Z'WZ, blocks in design order, level by level and effect by effect within a level.
    ZX : ndarray, shape (q, p)
        Z'WX.
    XX : ndarray, shape (p, p)
        X'WX, the identity but for rounding.
    log_weights : float
        Sum of log w over the rows; 0 without weights.
    response : ResponseProducts
        The parts that depend on y.
    """

    A: sparse.csr_matrix | Floats
    ZX: Floats
    XX: Floats
    log_weights: float
    response: ResponseProducts


def choose_scaling(chunk: Chunk) -> Scaling:
    """Return coordinates in which the rows of ``chunk`` have unit scale; those of any chunk are valid (invertible)."""
    X, y = chunk.residual.whitened(chunk.X), chunk.residual.whitened(chunk.y)
    p = X.shape[1]
    if p:
        norms = _nonzero(np.sqrt(np.einsum("ij,ij->j", X, X)))
        X = X / norms
        if p == 1:
            x_map = np.array([[1.0 / norms[0]]])
            centre = product(X.T, y)
        else:
            R = np.asarray(np.linalg.qr(X, mode="r")) if len(y) >= p else np.zeros((1, 1))
            if R.shape[0] == p and np.abs(np.diag(R)).min() > RANK_TOL:
                T = solve_triangular(R, np.eye(p), check_finite=False)
                Q = product(X, T)
                x_map = T / norms[:, None]
                centre = product(Q.T, y)
                centre += product(Q.T, y - product(Q, centre))
                X = Q
            else:
                x_map = np.diag(1.0 / norms)
                centre = np.zeros(p)
        r = y - product(X, centre)
    else:
        x_map, centre, r = np.zeros((0, 0)), np.zeros(0), y
    y_scale = float(np.sqrt(dot(r, r) / len(r)))
    maps = tuple(_basis_map(chunk.residual.whitened(b)) for b in chunk.bases)
    return Scaling(x_map, centre, y_scale or 1.0, maps)


def _basis_map(B: Floats) -> Floats:
    """Return the lower-triangular R with ``B @ inv(R)`` orthonormal on average over the rows, B whitened."""
    n, l = B.shape
    # Norms without squares, which overflow from 1e154 on.
    norms = _nonzero(np.array([dnrm2(column) for column in B.T]) / np.sqrt(n))
    if l == 1:
        return norms.reshape(1, 1)
    if n >= l:
        # R'R = B'B: reversing rows and columns turns the upper triangle of a QR factorisation into a lower one.
        R = lower_root((B / norms)[:, ::-1].T).T[::-1, ::-1] / np.sqrt(n)
        if np.diag(R).min() > RANK_TOL:
            return np.asarray(R * norms)
    return np.diag(norms)


def _nonzero(norms: Floats) -> Floats:
    """Return the norms with ones in place of zeros."""
    return np.where(norms > 0, norms, 1.0)


def accumulate(source: ChunkSource) -> tuple[Scaling, CrossProducts]:
    """Return the coordinates chosen and the cross-products in them; all rows are read once.

    Raises
    ------
    EngineError
        If X has no full column rank to working precision, as many columns as rows, or explains y exactly.
    """
    scaling: Scaling | None = None
    A: sparse.csr_matrix | None = None
    ZXy: Floats | None = None
    XyXy: Floats | None = None
    log_w = 0.0
    size = 0.0
    for chunk in source:
        if scaling is None:
            scaling = choose_scaling(chunk)
        p = chunk.X.shape[1]
        Xy = np.empty((len(chunk.y), p + 1))
        Xy[:, :p] = product(chunk.X, scaling.x_map)
        Xy[:, p] = (chunk.y - product(Xy[:, :p], scaling.centre)) / scaling.y_scale
        Z = indicator_rows(chunk.codes, chunk.bases, source.levels, scaling.basis_maps)
        WXy = chunk.residual.weighted(Xy)
        log_w += chunk.residual.log_weights
        size += dot(chunk.y, chunk.residual.weighted(chunk.y))
        Zt = Z.T
        gram = Zt @ chunk.residual.weighted_rows(Z)
        A = gram if A is None else A + gram
        ZXy = Zt @ WXy if ZXy is None else ZXy + Zt @ WXy
        XyXy = product(Xy.T, WXy) if XyXy is None else XyXy + product(Xy.T, WXy)
    if scaling is None or A is None or ZXy is None or XyXy is None:
        raise EngineError("The design has no rows; a mixed model needs at least two.")
    p = XyXy.shape[0] - 1
    if source.n <= p:
        raise EngineError(f"X has {p} columns for {source.n} rows: no degrees of freedom are left for the residual.")
    scaling, ZX, XX, response = _finish(scaling, ZXy, XyXy)
    _check_spread(response, source.n, size)
    return scaling, CrossProducts(sparse.csr_matrix(A), ZX, XX, log_w, response)


def _finish(s: Scaling, ZXy: Floats, XyXy: Floats) -> tuple[Scaling, Floats, Floats, ResponseProducts]:
    """Return coordinates, Z'WX, X'WX and the response's products, X orthonormal over all rows and taken off y."""
    p = len(s.centre)
    ZX, Zy = np.ascontiguousarray(ZXy[:, :p]), np.ascontiguousarray(ZXy[:, p])
    XX, Xy, yy = XyXy[:p, :p], XyXy[:p, p], float(XyXy[p, p])
    if p == 0:
        return s, ZX, XX, ResponseProducts(Zy, Xy, yy, s.centre, s.y_scale)
    d = np.sqrt(np.diag(XX))
    if not d.all():
        raise EngineError("A column of X is zero in every row; leave it out.")
    try:
        L = np.linalg.cholesky(XX / d / d[:, None])
    except np.linalg.LinAlgError:
        L = np.zeros((p, p))
    if not np.diag(L).min() > np.sqrt(RANK_TOL):
        raise EngineError("The columns of X are linearly dependent to working precision; leave one of them out.")
    T = solve_triangular(L, np.eye(p), lower=True, check_finite=False).T / d[:, None]
    ZX, XX, Xy = product(ZX, T), T.T @ XX @ T, T.T @ Xy
    rest = Xy
    centre = L.T @ (s.centre * d) + rest * s.y_scale
    Zy = Zy - ZX @ rest
    yy += float(rest @ XX @ rest - 2 * (rest @ Xy))
    Xy = Xy - XX @ rest
    s = Scaling(s.x_map @ T, centre, s.y_scale, s.basis_maps)
    return s, ZX, XX, ResponseProducts(Zy, Xy, yy, centre, s.y_scale)


def _check_spread(response: ResponseProducts, n: int, size: float) -> None:
    """Refuse a response without variation beside X: no variance can be estimated."""
    spread = response.y_scale * np.sqrt(max(response.yy, 0.0))
    if not np.isfinite(spread):
        raise EngineError("The response, X or a random-effects basis holds values that are not finite numbers.")
    if spread <= EXACT_TOL * np.sqrt(size) or spread == 0:
        raise EngineError(
            "The fixed effects reproduce the response exactly (is it constant?), so no variance can be estimated."
        )


def project_response(
    Zt: sparse.csr_matrix, Q: Floats, residual: ResidualModel, y: Floats
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return the products of B new responses with Z and X.

    Parameters
    ----------
    Zt : csr_matrix, shape (q, n)
        Z' in the engine's coordinates.
    Q : ndarray, shape (n, p)
        X in the engine's coordinates.
    residual : ResidualModel
    y : ndarray, shape (n, B)
        Responses less the offset.

    Returns
    -------
    Zy, Xy, yy, centre, y_scale : ndarrays of shape (q, B), (p, B), (B,), (p, B), (B,)

    Raises
    ------
    EngineError
        If a response is not finite, or X reproduces it exactly.
    """
    n = y.shape[0]
    WQ = residual.weighted(Q)
    centre = product(WQ.T, y)
    r = y - product(Q, centre)
    again = product(WQ.T, r)
    centre += again
    r -= product(Q, again)
    Wr = residual.weighted(r)
    ss = np.einsum("ij,ij->j", r, Wr)
    size = np.einsum("ij,ij->j", y, residual.weighted(y))
    bad = ~((ss > EXACT_TOL**2 * size) & (ss > 0) & np.isfinite(ss))
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        raise EngineError(
            f"Response {at} of {len(bad)} is not finite, or the fixed effects reproduce it exactly (is it constant?)."
        )
    y_scale = np.sqrt(ss / n)
    return (Zt @ Wr) / y_scale, product(WQ.T, r) / y_scale, ss / y_scale**2, centre, y_scale

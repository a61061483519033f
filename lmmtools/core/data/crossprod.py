"""The cross-products of a model and the coordinates that they are in, as the rest of the engine takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.sparse_columns import times, transposed_times
from lmmtools.errors import EngineError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

    from lmmtools.core.elimination.gram import Gram
    from lmmtools.core.model.residual import ResidualModel
    from lmmtools.design.sparse_columns import TurnedColumns

    Floats = NDArray[np.float64]

__all__ = ["EXACT_TOL", "CrossProducts", "ResponseProducts", "Scaling", "project_response"]

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
        Z'Wr, r the scaled residual of y; in the order of Z'WX.
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
    groups : tuple of tuple of int
        Blocks of each factor.
    A : Gram, or ndarray of a small model, shape (q, q)
        Z'WZ by factors in the order of ``groups``, level by level and effect by effect within a level.
    ZX : ndarray, shape (q, p)
        Z'WX, in the same order.
    XX : ndarray, shape (p, p)
        X'WX, the identity but for rounding.
    log_weights : float
        Sum of log w over the rows; 0 without weights.
    response : ResponseProducts
        The parts that depend on y.
    """

    groups: tuple[tuple[int, ...], ...]
    A: Gram | Floats
    ZX: Floats
    XX: Floats
    log_weights: float
    response: ResponseProducts


def project_response(
    Zt: sparse.csr_matrix, Q: Floats | TurnedColumns, residual: ResidualModel, y: Floats
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return the products of B new responses with Z and X.

    Parameters
    ----------
    Zt : csr_matrix, shape (q, n)
        Z' in the engine's coordinates.
    Q : ndarray or TurnedColumns, shape (n, p)
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
    centre = transposed_times(Q, residual.weighted(y))
    r = y - times(Q, centre)
    again = transposed_times(Q, residual.weighted(r))
    centre += again
    r -= times(Q, again)
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
    return (Zt @ Wr) / y_scale, transposed_times(Q, Wr) / y_scale, ss / y_scale**2, centre, y_scale

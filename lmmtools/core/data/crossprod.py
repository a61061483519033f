"""Cross-products A = Z'WZ, Z'W[X y] and [X y]'W[X y], accumulated over chunks of rows.

The model is held in coordinates of its own, so that the rest of the engine meets numbers near one whatever the data's
units: X times an upper-triangular map (orthonormal columns), y less its regression on X and divided by its spread, and
every random-effects basis times the inverse of a lower-triangular map.  The criterion, beta and theta are mapped back
exactly: a lower-triangular map keeps lambda_k lower triangular and the signs of its diagonal.

The map of X is Cholesky's of X'WX, applied to the products alone where their condition number leaves all digits that
matter.  Elsewhere X is multiplied by it first and the products are made anew, which is as accurate as a QR
decomposition of all rows at a fraction of its cost; columns of factors, which are held sparse, stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.linalg import solve_triangular
from scipy.linalg.blas import dnrm2
from scipy.linalg.lapack import dpotrf, dtrtri

from lmmtools.blas import dot, product
from lmmtools.core.data.chunks import Chunk, ChunkSource, indicator_rows
from lmmtools.core.data.room import check_dense
from lmmtools.core.kernels import levels
from lmmtools.design.sparse_columns import as_array, times, times_sparse, transposed_times
from lmmtools.design.theta import lower_root
from lmmtools.errors import EngineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.core.model.residual import ResidualModel
    from lmmtools.design.sparse_columns import Matrix, TurnedColumns

    Floats = NDArray[np.float64]

__all__ = [
    "CrossProducts",
    "ResponseProducts",
    "Scaling",
    "accumulate",
    "project_response",
]

LOSS = 1e4
"""Sum of the reciprocal eigenvalues of X'WX, its diagonal ones, up to which its Cholesky factor keeps twelve digits."""

SPARSE_LOSS = 1e8
"""The same for columns that are held sparse: their products are sums of few different numbers, which round little."""

TURNED_LOSS = 1e10
"""Up to here X times the map has columns so nearly orthogonal that the second map leaves all digits."""

LEAST = 1e-280
"""Squares between this and its reciprocal lose no digits to what a double can hold."""

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


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """The columns in which products with X are made: X itself, or X turned until its columns are orthogonal.

    Attributes
    ----------
    turn : ndarray, shape (p, p), or None
        Upper triangular; columns that are held sparse are turned only where ``is_dense``.
    is_dense : bool
        Whether X is made dense, a chunk of rows at a time.
    """

    turn: Floats | None = None
    is_dense: bool = False

    def of(self, X: Matrix) -> Matrix:
        """Return the columns on the rows of X, shape (r, p)."""
        if self.turn is None:
            return X
        if isinstance(X, np.ndarray) or self.is_dense:
            return product(as_array(X), self.turn)
        return X.with_dense(product(X.dense, self.turn[np.ix_(X.at_dense, X.at_dense)]))


@dataclass(frozen=True, slots=True, eq=False)
class _Products:
    """Products with X: Z'WX (q, p), X'WX (p, p), and X'Wy (p,) of y in units of its largest value."""

    ZX: Floats
    XX: Floats
    Xy: Floats


def accumulate(source: ChunkSource) -> tuple[Scaling, CrossProducts]:
    """Return the coordinates chosen and the cross-products in them.

    The rows are read once for X and Z, once more for the response less its regression on X, and again where columns of
    X are so nearly dependent that they are made orthogonal before they are multiplied.

    Raises
    ------
    EngineError
        If X has no full column rank to working precision, as many columns as rows, or explains y exactly.
    """
    first = next(iter(source), None)
    if first is None:
        raise EngineError("The design has no rows; a mixed model needs at least two.")
    n, p = source.n, first.X.shape[1]
    if n <= p:
        raise EngineError(f"X has {p} columns for {n} rows: no degrees of freedom are left for the residual.")
    maps = tuple(_basis_map(first.residual.whitened(b)) for b in first.bases)
    unit = _largest_response(source)
    columns, found, T = _multiply_columns(source, first, maps, unit)
    A, log_weights = _multiply_effects(source, maps)
    centre, y_scale, response = _project(source, columns, maps, unit, T, found)
    x_map = T if columns.turn is None else columns.turn @ T
    scaling = Scaling(x_map, centre, y_scale, maps)
    return scaling, CrossProducts(A, product(found.ZX, T), T.T @ found.XX @ T, log_weights, response)


def _largest_response(source: ChunkSource) -> float:
    """Return the largest size of the response, 1 where it is zero."""
    return max(float(np.abs(chunk.y).max(initial=0.0)) for chunk in source) or 1.0


def _multiply_effects(source: ChunkSource, maps: tuple[Floats, ...]) -> tuple[sparse.csr_matrix, float]:
    """Return Z'WZ, shape (q, q), and the sum of the logarithms of the weights."""
    A, log_weights = None, 0.0
    if len(maps) == 1 and next(iter(source)).residual.is_diagonal:
        return _square_one_term(source, maps[0])
    for chunk in source:
        Z = indicator_rows(chunk.codes, chunk.bases, source.levels, maps)
        gram = Z.T @ chunk.residual.weighted_rows(Z)
        A = gram if A is None else A + gram
        log_weights += chunk.residual.log_weights
    return sparse.csr_matrix(A), log_weights


def _square_one_term(source: ChunkSource, R: Floats) -> tuple[sparse.csr_matrix, float]:
    """Return what :func:`_multiply_effects` does, of independent rows and a single term: only its own blocks."""
    m, l = source.levels[0], len(R)
    blocks, log_weights = np.zeros((m, l, l)), 0.0
    for chunk in source:
        ones = np.ones(len(chunk.y))
        w = chunk.residual.weighted(ones)
        levels.add_squares(chunk.codes[0], chunk.bases[0], R, None if w is ones else w, blocks)
        log_weights += chunk.residual.log_weights
    columns = np.broadcast_to(np.arange(m * l).reshape(m, 1, l), blocks.shape)
    ends = np.arange(0, m * l * l + 1, l)
    return sparse.csr_matrix((blocks.ravel(), columns.ravel(), ends), shape=(m * l, m * l)), log_weights


def _multiply_columns(
    source: ChunkSource, first: Chunk, maps: tuple[Floats, ...], unit: float
) -> tuple[_Columns, _Products, Floats]:
    """Return columns of X far enough from dependent, their products, and the upper T that makes them orthonormal.

    Products of columns lose as many digits as the condition number of X'WX has.
    """
    columns = _Columns()
    plain = found = _add_products(source, columns, maps, unit)
    T, loss = _orthonormal(found.XX)
    if loss > LOSS:
        columns = _Columns(_turn(first.X, first.residual, plain.XX))
        found = _add_products(source, columns, maps, unit)
        T, loss = _orthonormal(found.XX)
    if loss > SPARSE_LOSS and not isinstance(first.X, np.ndarray):
        check_dense(*first.X.shape)
        columns = _Columns(_turn(first.X.toarray(), first.residual, plain.XX), is_dense=True)
        found = _add_products(source, columns, maps, unit)
        T, loss = _orthonormal(found.XX)
    if loss < 1.0 / RANK_TOL:
        return columns, found, T
    if not np.isfinite(found.XX).all():
        raise EngineError("X holds values that are not finite numbers.")
    if not np.diag(found.XX).all():
        raise EngineError("A column of X is zero in every row; leave it out.")
    raise EngineError("The columns of X are linearly dependent to working precision; leave one of them out.")


def _add_products(source: ChunkSource, columns: _Columns, maps: tuple[Floats, ...], unit: float) -> _Products:
    """Return the products with X of all rows."""
    total: list[Floats] = []
    for chunk in source:
        X = columns.of(chunk.X)
        WX = chunk.residual.weighted(X)
        new = [
            _times_effects(chunk, WX, source.levels, maps),
            transposed_times(X, WX),
            transposed_times(WX, chunk.y / unit),
        ]
        total = [a + b for a, b in zip(total, new, strict=True)] if total else new
    return _Products(*total)


def _times_effects(chunk: Chunk, X: Matrix, counts: tuple[int, ...], maps: tuple[Floats, ...]) -> Floats:
    """Return Z'X, shape (q, p), in the engine's coordinates."""
    if not isinstance(X, np.ndarray):
        return times_sparse(indicator_rows(chunk.codes, chunk.bases, counts, maps).T, X)
    parts = []
    for codes, basis, m, R in zip(chunk.codes, chunk.bases, counts, maps, strict=True):
        parts.append(np.zeros((m, len(R), X.shape[1])))
        levels.add_products(codes, basis, R, X, parts[-1])
    return np.concatenate([part.reshape(len(part) * part.shape[1], X.shape[1]) for part in parts])


def _orthonormal(XX: Floats) -> tuple[Floats, float]:
    """Return the upper T, shape (p, p), with T'XX T = I, and the digits that products lose, as a factor on rounding.

    The factor is the sum of the reciprocal eigenvalues of XX with a diagonal of ones; infinite where there is no T.
    """
    p, squares = len(XX), np.diag(XX)
    if p == 0:
        return np.zeros((0, 0)), 1.0
    if not (squares.min() > LEAST and squares.max() < 1.0 / LEAST):
        return np.eye(p), np.inf
    d = np.sqrt(squares)
    L, info = dpotrf(XX / d / d[:, None], lower=1)
    if info:
        return np.eye(p), np.inf
    T = dtrtri(L, lower=1)[0].T
    loss = float(np.vdot(T, T))
    return T / d[:, None], loss if np.isfinite(loss) else np.inf


def _turn(X: Matrix, residual: ResidualModel, XX: Floats) -> Floats:
    """Return the upper map, shape (p, p), that makes dense columns of X orthogonal and leaves others as they are."""
    p = X.shape[1]
    at = np.arange(p) if isinstance(X, np.ndarray) else X.at_dense
    dense = residual.whitened(X if isinstance(X, np.ndarray) else X.dense)
    out = np.eye(p)
    T, loss = _orthonormal(XX[np.ix_(at, at)])
    out[np.ix_(at, at)] = T if loss < TURNED_LOSS else _turn_by_qr(dense)
    return out


def _turn_by_qr(X: Floats) -> Floats:
    """Return the upper map that makes the columns of X, (r, c), orthonormal; of length one where they are dependent."""
    c = X.shape[1]
    # Norms without squares, which overflow from 1e154 on.
    norms = _nonzero(np.array([dnrm2(column) for column in X.T]))
    R = np.asarray(np.linalg.qr(X / norms, mode="r")) if len(X) >= c else np.zeros((0, 0))
    if len(R) < c or np.abs(np.diag(R)).min(initial=1.0) <= RANK_TOL:
        return np.diag(1.0 / norms)
    return np.asarray(solve_triangular(R, np.eye(c), check_finite=False) / norms[:, None])


def _project(
    source: ChunkSource, columns: _Columns, maps: tuple[Floats, ...], unit: float, T: Floats, found: _Products
) -> tuple[Floats, float, ResponseProducts]:
    """Return the regression of y on X in the engine's coordinates, y's scale, and the products of what it leaves."""
    p = len(T)
    centre = T.T @ found.Xy
    Zy, Xy, yy, size = np.zeros(len(found.ZX)), np.zeros(p), 0.0, 0.0
    for chunk in source:
        X, y = columns.of(chunk.X), chunk.y / unit
        r = y - times(X, T @ centre) if p else y
        Wr = chunk.residual.weighted(r)
        Xy = Xy + transposed_times(X, Wr)
        Zy += _times_effects(chunk, Wr[:, None], source.levels, maps)[:, 0]
        yy += dot(r, Wr)
        size += dot(y, chunk.residual.weighted(y))
    rest = T.T @ Xy
    ZX, XX = found.ZX @ (T @ rest), T.T @ (found.XX @ (T @ rest))
    centre, Zy = centre + rest, Zy - ZX
    yy += float(rest @ XX - 2.0 * (rest @ rest))
    scale = float(np.sqrt(max(yy, 0.0) / source.n))
    if not np.isfinite(scale * unit):
        raise EngineError("The response, X or a random-effects basis holds values that are not finite numbers.")
    if scale <= EXACT_TOL * np.sqrt(size / source.n):
        raise EngineError(
            "The fixed effects reproduce the response exactly (is it constant?), so no variance can be estimated."
        )
    return (
        unit * centre,
        unit * scale,
        ResponseProducts(Zy / scale, (rest - XX) / scale, yy / scale**2, unit * centre, unit * scale),
    )


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

"""The columns of a model matrix: which depend linearly on others, and their order in another package."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.lapack import dpotrf, dtrtrs

from lmmtools.design.sparse_columns import SparseColumns, as_array, times, transposed_times

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from lmmtools.design.sparse_columns import Matrix


__all__ = ["RANK_TOL", "find_order", "in_order", "independent_columns", "is_clearly_full", "largest_sizes", "places_of"]

# R's lm and lme4 call a column dependent when less than this share of its norm is left beside the columns before it.
RANK_TOL = 1e-7
# A spread below this share of a column's size is rounding of its values.
ROUNDING = 1e-13
# The Cholesky factor of X'X shows shares down to about 1e-8 with little accuracy; above this one it can be trusted.
_CLEAR_SHARE = 1e-3
# Sums of squares between this and its reciprocal lose no digits to what a double can hold.
_LEAST_SQUARES = 1e-280
# Columns up to which a matrix is read column by column, although its rows are contiguous.
_NARROW = 8


def largest_sizes(X: Matrix) -> NDArray[np.float64]:
    """Return the largest absolute value of each column of X, shape (n, p), 0 where there are no rows."""
    if isinstance(X, SparseColumns):
        return X.largest()
    if X.shape[1] > _NARROW:
        return np.asarray(np.maximum(X.max(axis=0, initial=0.0), -X.min(axis=0, initial=0.0)))
    # NumPy's reduction along the long axis of a narrow matrix takes thirty times as long.
    pairs = [(column.max(initial=0.0), -column.min(initial=0.0)) for column in X.T]
    return np.asarray(np.array(pairs, dtype=float).reshape(-1, 2).max(axis=1))


def independent_columns(X: Matrix) -> NDArray[np.intp]:
    """Return the indices of the columns of X, shape (n, p), that are independent of the columns before them.

    Equivalent to sorting R's ``qr(X, tol = 1e-7)$pivot[1:rank]``: the unit of a column does not matter.
    """
    p = X.shape[1]
    if is_clearly_full(X):
        return np.arange(p)
    if isinstance(X, SparseColumns):
        found = _independent_by_products(X)
        if found is not None:
            return found
        X = X.toarray()
    size = largest_sizes(X)
    # Powers of two: scaling changes no digit, so columns equal up to their unit stay so.
    unit = np.where(size > 0, np.exp2(-np.floor(np.log2(np.where(size > 0, size, 1.0)))), 0.0)
    scaled = X * unit
    norms = np.sqrt(np.einsum("ij,ij->j", scaled, scaled))
    scaled /= np.where(norms > 0, norms, 1.0)
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


def _independent_by_products(X: SparseColumns) -> NDArray[np.intp] | None:
    """Return the independent columns by the Cholesky factor of X'X, None where a column is nearly dependent.

    Dense columns are made orthogonal first, each to those before it, which changes no span.  A column whose share the
    products do not tell is taken off the columns before it row by row, which does.
    """
    own = independent_columns(X.dense)
    size = largest_sizes(X.dense[:, own])
    Q, R = np.linalg.qr(X.dense[:, own] / size)
    shares = np.ones(X.shape[1])
    shares[X.at_dense[own]] = np.abs(R.diagonal()) / np.linalg.norm(R, axis=0)
    X = SparseColumns(Q, X.sparse, X.at_dense[own], X.at_sparse, X.shape[1])
    G = transposed_times(X, X)
    norms = np.sqrt(G.diagonal())
    if not (
        norms[norms > 0].min(initial=1.0) ** 2 > _LEAST_SQUARES and norms.max(initial=0.0) ** 2 < 1 / _LEAST_SQUARES
    ):
        return None
    unit = np.where(norms > 0, norms, 1.0)
    G /= unit * unit[:, None]
    at = np.flatnonzero(norms)
    L, info = dpotrf(G[np.ix_(at, at)], lower=1)
    if (
        info == 0
        and L.diagonal().min(initial=1.0) > _CLEAR_SHARE
        and (L.diagonal() * shares[at]).min(initial=1.0) > RANK_TOL
    ):
        return at
    kept: list[int] = []
    L = np.zeros_like(G)
    for j in at.tolist():
        k = len(kept)
        row = dtrtrs(L[:k, :k], G[kept, j], lower=1)[0] if k else np.zeros(0)
        square = float(G[j, j] - row @ row)
        if square <= _CLEAR_SHARE**2:
            if shares[j] * _left_by_rows(X, unit, kept, L[:k, :k], j) > RANK_TOL:
                return None
        elif shares[j] * np.sqrt(square) > RANK_TOL:
            L[k, :k], L[k, k] = row, np.sqrt(square)
            kept.append(j)
    return np.array(kept, dtype=np.intp)


def _left_by_rows(
    X: SparseColumns, norms: NDArray[np.float64], kept: list[int], L: NDArray[np.float64], j: int
) -> float:
    """Return the share of column j that columns ``kept`` leave, L L' being their products at norm one."""
    left = X.column(j) / norms[j]
    coefficients = np.zeros(X.shape[1])
    for _ in range(3):
        across = transposed_times(X, left)[kept] / norms[kept]
        solution = dtrtrs(L, dtrtrs(L, across, lower=1)[0], lower=1, trans=1)[0]
        coefficients[kept] = solution / norms[kept]
        left = left - times(X, coefficients)
    return float(np.linalg.norm(left))


def is_clearly_full(X: Matrix) -> bool:
    """Whether each column of X is far from dependent on the ones before it, and its squares from the limits of doubles.

    The smallest share is a diagonal element of Cholesky's factor of X'X with columns of unit norm.
    """
    n, p = X.shape
    if n < p:
        return False
    if p == 0:
        return True
    # What overflows is infinite, and so not below the limit.
    with np.errstate(over="ignore", invalid="ignore"):
        G = transposed_times(X, X)
    squares = G.diagonal()
    if not (squares.min() > _LEAST_SQUARES and squares.max() < 1.0 / _LEAST_SQUARES):
        return False
    norms = np.sqrt(squares)
    L, info = dpotrf(G / norms / norms[:, None], lower=1)
    return bool(info == 0 and L.diagonal().min() > _CLEAR_SHARE)


def lost_by_distance(X: Matrix, kept: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return which columns of X, shape (n, p), are dependent only because they lie far from zero for their spread.

    Seconds since 1970, about 1.7e9, equal a constant to within the tolerance; less their mean they do not. Both span
    the same space if a constant is among the columns; without one the result is empty.
    """
    out = np.setdiff1d(np.arange(X.shape[1]), kept)
    if isinstance(X, SparseColumns):
        # A column of a factor is zero in most rows: it is not far from zero for its spread.
        out = np.intersect1d(out, X.at_dense)
    columns = np.column_stack([X[:, j] for j in out]) if len(out) else np.empty((len(X), 0))
    own_size, own_spread = np.abs(columns.mean(axis=0)), columns.std(axis=0)
    is_far = (own_spread < 10 * RANK_TOL * own_size) & (own_spread > ROUNDING * own_size)
    far = np.asarray(out[is_far], dtype=np.intp)
    if not len(far):
        return far
    X = as_array(X)
    mean = X.mean(axis=0)
    centred = X - mean
    size, spread = np.abs(mean), np.sqrt(np.mean(centred**2, axis=0))
    ones = np.ones(len(X))
    coefficients, *_ = np.linalg.lstsq(X[:, kept] / np.abs(X[:, kept]).max(axis=0), ones, rcond=None)
    left = ones - X[:, kept] / np.abs(X[:, kept]).max(axis=0) @ coefficients
    if np.abs(left).max() > RANK_TOL:
        return far[:0]
    varying = kept[spread[kept] > ROUNDING * size[kept]]
    own = independent_columns(np.column_stack([centred[:, varying], centred[:, far]]))
    return np.asarray(far[[j - len(varying) for j in own if j >= len(varying)]], dtype=np.intp)


def in_order(matrix: NDArray[np.float64], order: tuple[int, ...] | None) -> NDArray[np.float64]:
    """Return the matrix with its columns in the given order; None leaves them as they are."""
    return matrix if order is None else matrix[:, list(order)]


def places_of(
    columns_by_term: Mapping[str, tuple[int, ...]], order: tuple[int, ...] | None
) -> dict[str, tuple[int, ...]]:
    """Return the places of each term's columns after they were put in the given order."""
    if order is None:
        return dict(columns_by_term)
    place = {column: at for at, column in enumerate(order)}
    return {term: tuple(place[c] for c in columns) for term, columns in columns_by_term.items()}


def find_order(
    made: NDArray[np.float64],
    wanted: NDArray[np.float64],
    made_names: Sequence[str],
    wanted_names: Sequence[str],
    tolerance: float,
) -> tuple[int, ...] | None:
    """Return the column of ``made`` with the values of each column of ``wanted``; None if one has no partner.

    Equal columns go by their names, and then by their places.

    Parameters
    ----------
    made, wanted : ndarray, shape (n, p)
    made_names, wanted_names : sequence of str, length p
    tolerance : float
        How far values may lie apart, relative to the largest of the column.
    """
    if made.shape != wanted.shape:
        return None
    free = list(range(made.shape[1]))
    order = []
    for j, name in enumerate(wanted_names):
        bound = tolerance * np.abs(wanted[:, j]).max(initial=0.0)
        # Its own name and place first: nearly always that is the column, and equal columns are told apart by them.
        for c in sorted(free, key=lambda c: (made_names[c] != name, c != j)):
            if np.all(np.abs(made[:, c] - wanted[:, j]) <= bound):
                order.append(c)
                free.remove(c)
                break
        else:
            return None
    return tuple(order)

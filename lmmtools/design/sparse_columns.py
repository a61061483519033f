"""A wide model matrix: dense columns of numbers beside sparse columns of factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from lmmtools.blas import product

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy import sparse

    Floats = NDArray[np.float64]

__all__ = [
    "LEAST_LEVELS",
    "LEAST_NUMBERS",
    "SparseColumns",
    "TurnedColumns",
    "as_array",
    "from_codes",
    "left_beside",
    "split_columns",
    "take_columns",
    "times",
    "times_sparse",
    "transposed_times",
]

LEAST_LEVELS = 16
"""Columns of a factor from which they are held sparse: at most one row in sixteen is filled."""

FILLED = 1 / 8
"""Share of its rows above which a column is held dense."""

LEAST_NUMBERS = 1 << 19
"""Numbers in the sparse columns of a matrix from which they cost less than dense ones (4 MB)."""


@dataclass(frozen=True, slots=True, eq=False)
class SparseColumns:
    """A matrix X, shape (n, p), whose columns are dense or sparse.

    Attributes
    ----------
    dense : ndarray, shape (n, c)
    sparse : csr_matrix, shape (n, p - c)
    at_dense : ndarray of intp, shape (c,)
        Places of the dense columns in X, increasing.
    at_sparse : ndarray of intp, shape (p - c,)
        Places of the sparse columns in X, increasing.
    width : int, optional
        p where some columns are zero in every row and belong to neither.
    """

    dense: Floats
    sparse: sparse.csr_matrix
    at_dense: NDArray[np.intp]
    at_sparse: NDArray[np.intp]
    width: int | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.dense), len(self.at_dense) + len(self.at_sparse) if self.width is None else self.width

    @property
    def ndim(self) -> int:
        """Two."""
        return 2

    def __len__(self) -> int:
        return len(self.dense)

    def __matmul__(self, B: Floats) -> Floats:
        """Return X B, shape (n,) or (n, c), of B (p,) or (p, c)."""
        return np.asarray(self.sparse @ B[self.at_sparse]) + product(self.dense, np.ascontiguousarray(B[self.at_dense]))

    @property
    def T(self) -> _Transposed:
        """X', for products ``X.T @ A``."""
        return _Transposed(self)

    def __mul__(self, w: Floats) -> SparseColumns:
        """Return the matrix with row i multiplied by w[i], w of shape (n, 1)."""
        return SparseColumns(self.dense * w, self.sparse.multiply(w).tocsr(), self.at_dense, self.at_sparse)

    def __getitem__(self, key: Any) -> Any:
        """Return rows, ``X[rows]``, or columns, ``X[:, columns]``, of the same kind; one column as an array."""
        if not isinstance(key, tuple):
            return SparseColumns(self.dense[key], self.sparse[key], self.at_dense, self.at_sparse)
        _, columns = key
        if isinstance(columns, (int, np.integer)):
            return self.column(int(columns))
        return self.take(np.arange(self.shape[1])[columns])

    def column(self, j: int) -> Floats:
        """Return one column, shape (n,)."""
        at = np.flatnonzero(self.at_dense == j)
        if len(at):
            return np.asarray(self.dense[:, at[0]])
        return np.asarray(self.sparse[:, [int(np.flatnonzero(self.at_sparse == j)[0])]].toarray()[:, 0])

    def take(self, columns: NDArray[np.intp]) -> SparseColumns:
        """Return the matrix of some columns, in increasing order."""
        is_dense = np.isin(columns, self.at_dense)
        at = np.arange(len(columns))
        own = np.searchsorted(self.at_dense, columns[is_dense]), np.searchsorted(self.at_sparse, columns[~is_dense])
        dense = np.ascontiguousarray(self.dense[:, own[0]])
        return SparseColumns(dense, self.sparse[:, own[1]].tocsr(), at[is_dense], at[~is_dense])

    def with_dense(self, dense: Floats) -> SparseColumns:
        """Return the matrix with other dense columns in place of its own."""
        return SparseColumns(dense, self.sparse, self.at_dense, self.at_sparse)

    def toarray(self) -> Floats:
        """Return X as an array, shape (n, p)."""
        out = np.zeros(self.shape)
        out[:, self.at_dense] = self.dense
        step = max(1, _PIECE // max(len(self.at_sparse), 1))
        for start in range(0, len(self), step):
            rows = slice(start, start + step)
            out[rows, self.at_sparse] = self.sparse[rows].toarray()
        return out

    @property
    def values(self) -> Floats:
        """All numbers that are stored, shape (count,)."""
        return np.concatenate([self.dense.reshape(-1), self.sparse.data])

    def largest(self) -> Floats:
        """Return the largest size in each column, shape (p,)."""
        out = np.zeros(self.shape[1])
        out[self.at_dense] = np.abs(self.dense).max(axis=0, initial=0.0)
        np.maximum.at(out, self.at_sparse[self.sparse.indices], np.abs(self.sparse.data))
        return out


_PIECE = 1 << 22
"""Numbers of the sparse columns that are made dense at a time."""

if TYPE_CHECKING:
    Matrix = Floats | SparseColumns


@dataclass(frozen=True, slots=True, eq=False)
class _Transposed:
    """X' of a matrix with sparse columns."""

    of: SparseColumns

    def __matmul__(self, A: Floats | SparseColumns) -> Floats:
        """Return X'A, shape (p,) or (p, c), of A (n,) or (n, c)."""
        X, p = self.of, self.of.shape[1]
        if isinstance(A, SparseColumns):
            out = np.zeros((p, A.shape[1]))
            out[np.ix_(X.at_dense, A.at_dense)] = product(X.dense.T, A.dense)
            out[np.ix_(X.at_sparse, A.at_dense)] = X.sparse.T @ A.dense
            out[np.ix_(X.at_dense, A.at_sparse)] = (A.sparse.T @ X.dense).T
            found = (X.sparse.T @ A.sparse).tocoo()
            out[X.at_sparse[found.row], A.at_sparse[found.col]] = found.data
            return out
        out = np.zeros((p, *A.shape[1:]))
        out[X.at_dense] = product(X.dense.T, A)
        out[X.at_sparse] = X.sparse.T @ A
        return out


def times(X: Matrix | TurnedColumns, b: Floats) -> Floats:
    """Return X b, shape (n,) or (n, c), of b (p,) or (p, c)."""
    return product(X, b) if isinstance(X, np.ndarray) else X @ b


def transposed_times(X: Matrix | TurnedColumns, A: Matrix) -> Floats:
    """Return X'A, shape (p,) or (p, c), of A (n,) or (n, c), which has sparse columns only where X has."""
    if isinstance(X, np.ndarray):
        return product(X.T, as_array(A))
    return X.T @ as_array(A) if isinstance(X, TurnedColumns) else X.T @ A


def times_sparse(Zt: Any, X: Matrix) -> Floats:
    """Return Z'X, shape (q, p), of a sparse Z' (q, n)."""
    if isinstance(X, np.ndarray):
        return np.asarray(Zt @ X)
    out = np.zeros((Zt.shape[0], X.shape[1]))
    out[:, X.at_dense] = Zt @ X.dense
    found = (Zt @ X.sparse).tocoo()
    out[found.row, X.at_sparse[found.col]] = found.data
    return out


def left_beside(X: Matrix, B: Floats) -> Floats:
    """Return what the regression on X (n, p), of full rank, leaves of the columns of B, (n,) or (n, c)."""
    if isinstance(X, np.ndarray):
        size = np.abs(X).max(axis=0, initial=0.0)
        scaled = X / np.where(size > 0, size, 1.0)
        return np.asarray(B - scaled @ np.linalg.lstsq(scaled, B, rcond=None)[0])
    G = X.T @ X
    norms = np.sqrt(G.diagonal())
    L, info = dpotrf(G / norms / norms[:, None], lower=1)
    if info:
        return left_beside(X.toarray(), B)
    left = B
    # What rounding of X'X leaves is taken off by the next two.
    for _ in range(3):
        found = dpotrs(L, ((X.T @ left).T / norms).T, lower=1)[0]
        left = left - X @ (found.reshape(len(norms), *B.shape[1:]).T / norms).T
    return left


def take_columns(X: Matrix, columns: NDArray[np.intp]) -> Matrix:
    """Return some columns of a matrix, in increasing order."""
    return np.ascontiguousarray(X[:, columns]) if isinstance(X, np.ndarray) else X.take(columns)


def as_array(X: Matrix) -> Floats:
    """Return a model matrix as an array, shape (n, p)."""
    return X if isinstance(X, np.ndarray) else X.toarray()


@dataclass(frozen=True, slots=True, eq=False)
class TurnedColumns:
    """The matrix X M, shape (n, p), of sparse columns X and a map M (p, p); never formed as a whole."""

    of: SparseColumns
    map: Floats

    def __matmul__(self, B: Floats) -> Floats:
        """Return X M B, shape (n,) or (n, c)."""
        return self.of @ product(self.map, B)

    @property
    def T(self) -> _TurnedTransposed:
        """(X M)', for products."""
        return _TurnedTransposed(self)

    def __getitem__(self, rows: Any) -> Floats:
        """Return rows as an array."""
        return product(self.of[rows].toarray(), self.map)


@dataclass(frozen=True, slots=True, eq=False)
class _TurnedTransposed:
    """The transpose of turned columns."""

    whole: TurnedColumns

    def __matmul__(self, A: Floats) -> Floats:
        """Return M'X'A, shape (p,) or (p, c)."""
        return product(self.whole.map.T, self.whole.of.T @ A)


def split_columns(X: Any) -> SparseColumns:
    """Return a sparse matrix X, shape (n, p), with columns that are filled in more rows than a few as dense ones."""
    from scipy import sparse

    columns = sparse.csc_matrix(X, dtype=np.float64)
    is_dense = np.diff(columns.indptr) > FILLED * columns.shape[0]
    at_dense, at_sparse = np.flatnonzero(is_dense), np.flatnonzero(~is_dense)
    return SparseColumns(
        np.ascontiguousarray(columns[:, at_dense].toarray()), columns[:, at_sparse].tocsr(), at_dense, at_sparse
    )


def from_codes(
    parts: Sequence[tuple[int, NDArray[np.intp], Floats | None]],
    dense: Floats,
    at_dense: NDArray[np.intp],
    at_sparse: NDArray[np.intp],
) -> SparseColumns:
    """Return the matrix of dense columns and of terms that fill at most one column of their own in each row.

    Parameters
    ----------
    parts : sequence of (int, ndarray of intp, ndarray or None), each array (n,)
        Width of each term, which of its columns a row fills (-1: none), and the number there (None: one).
    dense : ndarray, shape (n, c)
    at_dense, at_sparse : ndarray of intp
        Places of the columns.
    """
    from scipy import sparse

    n = len(dense)
    indices = np.empty((n, len(parts)), dtype=np.int32)
    data = np.ones((n, len(parts)))
    start = 0
    for k, (width, codes, numbers) in enumerate(parts):
        indices[:, k] = codes
        indices[codes >= 0, k] += start
        if numbers is not None:
            data[:, k] = numbers
        start += width
    is_filled = indices >= 0
    indptr = np.concatenate([[0], np.cumsum(is_filled.sum(axis=1))]).astype(np.int32)
    S = sparse.csr_matrix((data[is_filled], indices[is_filled], indptr), shape=(n, start))
    return SparseColumns(dense, S, at_dense, at_sparse)

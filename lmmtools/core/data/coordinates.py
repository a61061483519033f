"""The coordinates in which cross-products are made: chosen from the first rows, and better ones where digits are lost.

X is multiplied by an upper-triangular turn where its columns are nearly dependent, y is taken less a preliminary
regression on X and in units of what that leaves, and each basis of random effects is divided by a lower-triangular map.
Any such coordinates give the same fit; good ones keep the digits of the products.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import solve_triangular
from scipy.linalg.blas import dnrm2
from scipy.linalg.lapack import dpotrf, dtrtri

from lmmtools.blas import product
from lmmtools.core.data.chunks import chunk_rows
from lmmtools.core.data.room import check_dense
from lmmtools.design.sparse_columns import as_array, times, transposed_times
from lmmtools.design.theta import lower_root
from lmmtools.errors import EngineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.core.data.chunks import Chunk, ChunkSource
    from lmmtools.core.model.residual import ResidualModel
    from lmmtools.design.sparse_columns import Matrix

    Floats = NDArray[np.float64]

__all__ = [
    "LOSS",
    "RANK_TOL",
    "SPARSE_LOSS",
    "TURNED_LOSS",
    "Columns",
    "Coordinates",
    "better_columns",
    "choose_coordinates",
    "is_dependent",
    "lower_map",
    "orthonormal",
    "shifted",
]

FIRST_ROWS = 1 << 14
"""Rows from which coordinates are chosen."""

FIRST_NUMBERS = 1 << 18
"""Numbers in their dense columns of X from which fewer rows will do."""

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

SHIFT = 1e-13
"""What is added to a diagonal of ones, times its length, where a matrix has no Cholesky factor to working precision: by
that of the sum, columns are turned a step nearer to orthogonal (Fukaya et al. 2020, SIAM J. Sci. Comput. 42)."""


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
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
class Coordinates:
    """What all who add rows to one model's products have to agree on.

    Attributes
    ----------
    n : int
        Rows of the model.
    groups : tuple of tuple of int
        Blocks of each factor.
    levels : tuple of int
        m per block.
    at_dense : ndarray of intp, shape (c,), or None
        Places of the columns of X that are held dense; None where all are.
    columns : Columns
    centre : ndarray, shape (p,)
        Preliminary fixed effects of ``columns``, in units of ``unit``.
    unit : float
        In units of y.
    maps : tuple of ndarray, each (l, l)
        R per block, lower triangular: products are made with ``basis @ inv(R)``.
    doubted, dependent : frozenset of int
        Blocks whose basis looked as if its columns were dependent, and is so: they are scaled only.
    """

    n: int
    groups: tuple[tuple[int, ...], ...]
    levels: tuple[int, ...]
    at_dense: NDArray[np.intp] | None
    columns: Columns
    centre: Floats
    unit: float
    maps: tuple[Floats, ...]
    doubted: frozenset[int] = frozenset()
    dependent: frozenset[int] = frozenset()

    @property
    def p(self) -> int:
        """Columns of X."""
        return len(self.centre)

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Levels m and effects l of each factor."""
        return tuple((self.levels[g[0]], sum(len(self.maps[k]) for k in g)) for g in self.groups)

    @property
    def dense_columns(self) -> NDArray[np.intp]:
        """Places of the columns of X that are multiplied as dense ones."""
        return np.arange(self.p) if self.at_dense is None or self.columns.is_dense else self.at_dense

    def parts(self, group: tuple[int, ...]) -> list[tuple[int, slice]]:
        """Return each block of a factor with its place within a level."""
        ends = np.cumsum([0, *(len(self.maps[k]) for k in group)]).tolist()
        return [(k, slice(a, b)) for k, (a, b) in zip(group, pairwise(ends), strict=True)]

    def is_same(self, other: Coordinates) -> bool:
        """Return whether products in both can be merged."""
        if self is other:
            return True
        a, b = ((c.n, c.groups, c.levels, c.unit, c.columns.is_dense, c.columns.turn is None) for c in (self, other))
        arrays = [(c.centre, *c.maps, *(() if c.columns.turn is None else (c.columns.turn,))) for c in (self, other)]
        return a == b and all(np.array_equal(x, y) for x, y in zip(*arrays, strict=True))

    def bases(self, chunk: Chunk) -> list[Floats]:
        """Return the basis of each factor in these coordinates, each (r, l)."""
        out = []
        for group in self.groups:
            parts = []
            for k in group:
                R, basis = self.maps[k], chunk.bases[k]
                if len(R) == 1:
                    parts.append(basis / R[0, 0])
                else:
                    parts.append(solve_triangular(R, basis.T, trans="T", lower=True, check_finite=False).T)
            out.append(parts[0] if len(parts) == 1 else np.hstack(parts))
        return out


def choose_coordinates(source: ChunkSource) -> Coordinates:
    """Return coordinates chosen from a source's first rows.

    Raises
    ------
    EngineError
        If there are no rows, or as many columns of X as rows.
    """
    first = next(iter(source), None)
    if first is None:
        raise EngineError("The design has no rows; a mixed model needs at least two.")
    n, p = source.n, first.X.shape[1]
    if n <= p:
        raise EngineError(f"X has {p} columns for {n} rows: no degrees of freedom are left for the residual.")
    dense = first.X if isinstance(first.X, np.ndarray) else first.X.dense
    some = slice(0, max(FIRST_ROWS >> 4, min(FIRST_ROWS, FIRST_NUMBERS // (dense.shape[1] + 1))))
    residual, X = first.residual.take(some), first.X[some]
    found = [_basis_map(residual.whitened(basis[some])) for basis in first.bases]
    is_all = min(len(first.y), some.stop) == n
    columns = Columns()
    at = np.arange(p) if isinstance(X, np.ndarray) else X.at_dense
    dense = dense[some]
    XX = product(dense.T, residual.weighted(dense))
    if orthonormal(XX)[1] > LOSS:
        turn = np.eye(p)
        turn[np.ix_(at, at)] = first_turn(dense, residual, XX)
        columns = Columns(turn)
        dense = product(dense, turn[np.ix_(at, at)])
    centre = np.zeros(p)
    centre[at], unit = _first_regression(dense, residual, first.y[some])
    return Coordinates(
        n,
        tuple(source.groups),
        source.levels,
        None if isinstance(X, np.ndarray) else at,
        columns,
        centre / unit,
        unit,
        tuple(R for R, _ in found),
        frozenset(k for k, (_, is_dependent) in enumerate(found) if is_dependent and is_all),
    )


def _first_regression(X: Floats, residual: ResidualModel, y: Floats) -> tuple[Floats, float]:
    """Return the coefficients of the regression of y on X, and the size of what it leaves, of y where that is zero."""
    largest = float(np.abs(y).max(initial=0.0)) or 1.0
    if not np.isfinite(largest):
        return np.zeros(X.shape[1]), 1.0
    y = y / largest
    T, loss = orthonormal(product(X.T, residual.weighted(X)))
    if loss <= TURNED_LOSS:
        b = T @ (T.T @ transposed_times(X, residual.weighted(y)))
    else:
        size = np.abs(X).max(axis=0, initial=0.0)
        size = np.where((size > 0) & np.isfinite(size), size, 1.0)
        scaled = residual.whitened(X / size)
        if not np.isfinite(scaled).all():
            return np.zeros(X.shape[1]), largest
        b = np.asarray(np.linalg.lstsq(scaled, residual.whitened(y), rcond=None)[0] / size)
    if not np.isfinite(b).all():
        return np.zeros(X.shape[1]), largest
    spread = float(np.sqrt(np.mean((y - times(X, b)) ** 2)))
    return largest * b, largest * spread if spread > RANK_TOL else largest


def _basis_map(B: Floats) -> tuple[Floats, bool]:
    """Return the lower R with ``B @ inv(R)`` orthonormal on average, and whether B, whitened, is dependent."""
    n, l = B.shape
    # Norms without squares, which overflow from 1e154 on.
    norms = _nonzero(np.array([dnrm2(column) for column in B.T]) / np.sqrt(n))
    if l == 1:
        return norms.reshape(1, 1), False
    if n >= l:
        # R'R = B'B: reversing rows and columns turns the upper triangle of a QR factorisation into a lower one.
        R = lower_root((B / norms)[:, ::-1].T).T[::-1, ::-1] / np.sqrt(n)
        if np.diag(R).min() > RANK_TOL:
            return np.asarray(R * norms), False
    return np.diag(norms), True


def _nonzero(norms: Floats) -> Floats:
    """Return the norms with ones in place of zeros."""
    return np.where(norms > 0, norms, 1.0)


def orthonormal(XX: Floats) -> tuple[Floats, float]:
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


def shifted(XX: Floats) -> Floats:
    """Return XX with its diagonal so much larger that there is a Cholesky factor; ones in place of zeros."""
    squares = np.diag(XX)
    return np.asarray(XX + np.diag(np.where(squares > 0, SHIFT * len(XX) * squares, 1.0)))


def lower_map(G: Floats) -> Floats:
    """Return the lower-triangular R, shape (l, l), with R'R = G, positive definite."""
    d = np.sqrt(np.diag(G))
    # Cholesky's factor from the last row up.
    L = np.linalg.cholesky((G / d / d[:, None])[::-1, ::-1])
    return np.asarray(np.ascontiguousarray(L[::-1, ::-1].T) * d)


def first_turn(X: Floats, residual: ResidualModel, XX: Floats) -> Floats:
    """Return the upper map, (c, c), that makes columns X (r, c) with X'WX = XX orthogonal."""
    T, loss = orthonormal(XX)
    return T if loss < TURNED_LOSS else _turn_by_qr(residual.whitened(X))


def _turn_by_qr(X: Floats) -> Floats:
    """Return the upper map that makes the columns of X, (r, c), orthonormal; of length one where they are dependent."""
    c = X.shape[1]
    # Norms without squares, which overflow from 1e154 on.
    norms = _nonzero(np.array([dnrm2(column) for column in X.T]))
    R = np.asarray(np.linalg.qr(X / norms, mode="r")) if len(X) >= c and np.isfinite(norms).all() else np.zeros((0, 0))
    if len(R) < c or np.abs(np.diag(R)).min(initial=1.0) <= RANK_TOL:
        return np.diag(1.0 / norms)
    return np.asarray(solve_triangular(R, np.eye(c), check_finite=False) / norms[:, None])


def better_columns(at: Coordinates, XX: Floats, loss: float) -> tuple[Columns, Floats] | None:
    """Return columns that lose fewer digits than those of some products X'WX, (p, p), and the upper step to them.

    None where nothing is lost that matters, or X is dependent; ``loss`` is that of the products.
    """
    p, turn = at.p, at.columns.turn
    dense = None if at.columns.is_dense else at.at_dense
    if loss <= LOSS:
        return None
    if dense is not None and loss <= SPARSE_LOSS and orthonormal(XX[np.ix_(dense, dense)])[1] <= LOSS:
        return None
    if not np.isfinite(XX).all() or not np.diag(XX).all() or is_dependent(at.columns, XX, loss):
        return None
    if dense is not None and turn is None:
        step = np.eye(p)
        step[np.ix_(dense, dense)] = _step(XX[np.ix_(dense, dense)])
        return Columns(step), step
    if dense is not None:
        check_dense(min(at.n, chunk_rows(p)), p)
    step = _step(XX)
    return Columns(step if turn is None else turn @ step, at.at_dense is not None), step


def is_dependent(columns: Columns, XX: Floats, loss: float) -> bool:
    """Return whether a column of X has no length beside those before it, relative to its own, to working precision.

    Parameters
    ----------
    columns : Columns
        Of X, perhaps turned before.
    XX : ndarray, shape (p, p)
        Products of those.
    loss : float
        Theirs.
    """
    if columns.turn is None:
        # Before any turn the products do not tell a column that is nearly dependent from one that is.
        return False
    T = orthonormal(XX if np.isfinite(loss) else shifted(XX))[0]
    back = dtrtri(columns.turn)[0]
    lengths = np.sqrt(np.einsum("ij,ij->j", back, product(XX, back)))
    left = 1.0 / np.abs(np.diag(T) * np.diag(columns.turn))
    return bool((left < RANK_TOL * lengths).any())


def _step(XX: Floats) -> Floats:
    """Return the upper map that makes columns with products XX orthogonal, or nearer to that."""
    T, loss = orthonormal(XX)
    return T if loss < TURNED_LOSS else orthonormal(shifted(XX))[0]

"""Z'WZ by factors: the diagonal blocks of each factor's levels, and one coupling for each pair of factors.

A coupling is dense where most pairs of levels meet and sparse elsewhere. The upper triangle alone is held: of a pair of
factors, the block between the earlier one's columns and the later one's.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy import sparse

from lmmtools.blas import product
from lmmtools.core.kernels import blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["SLICE", "Gram", "as_sparse", "slices_of"]

SLICE = 2_000_000
"""Numbers (16 MB) of a dense coupling that are copied at a time."""

if TYPE_CHECKING:
    Pair: TypeAlias = Floats | sparse.csr_matrix


def slices_of(rows: int, width: int) -> Iterator[slice]:
    """Yield consecutive slices of rows of ``width`` numbers, each of at most SLICE numbers."""
    step = max(1, SLICE // max(width, 1))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def as_sparse(pair: Pair) -> sparse.csr_matrix:
    """Return a coupling as a CSR matrix, itself where it is one."""
    return sparse.csr_matrix(pair)


@dataclass(frozen=True, slots=True, eq=False)
class Gram:
    """Z'WZ of several factors.

    Attributes
    ----------
    own : tuple of ndarray, each (m, l, l)
        Diagonal blocks of each factor.
    between : dict of (int, int) to csr_matrix or ndarray, each (m_i * l_i, m_j * l_j)
        Couplings of the factors i < j.
    """

    own: tuple[Floats, ...]
    between: dict[tuple[int, int], Pair]

    @classmethod
    def of_dense(cls, A: Floats, sizes: Sequence[tuple[int, int]]) -> Gram:
        """Return a dense Z'WZ, (q, q), by factors of the given levels and effects (m, l), one after the other."""
        ends = np.cumsum([0, *(m * l for m, l in sizes)]).tolist()
        own, between = [], {}
        for i, (m, l) in enumerate(sizes):
            columns = slice(ends[i], ends[i + 1])
            cut = A[columns, columns].reshape(m, l, m, l)
            own.append(np.ascontiguousarray(cut.diagonal(axis1=0, axis2=2).transpose(2, 0, 1)))
            for j in range(i + 1, len(sizes)):
                between[i, j] = A[columns, ends[j] : ends[j + 1]]
        return cls(tuple(own), between)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Columns of each factor."""
        return tuple(len(own) * own.shape[1] for own in self.own)

    @property
    def columns(self) -> tuple[slice, ...]:
        """Where each factor stands."""
        ends = np.cumsum([0, *self.sizes]).tolist()
        return tuple(slice(a, b) for a, b in pairwise(ends))

    @property
    def q(self) -> int:
        """Number of columns."""
        return sum(self.sizes)

    @property
    def numbers(self) -> float:
        """Numbers that are held; a sparse one counts its place as a half."""
        pairs = (M.size if isinstance(M, np.ndarray) else 1.5 * M.nnz for M in self.between.values())
        return float(sum(own.size for own in self.own) + sum(pairs))

    def pair(self, i: int, j: int) -> Pair:
        """Return the coupling of two factors, rows of i and columns of j."""
        return self.between[i, j] if i < j else self.between[j, i].T

    def in_order(self, order: Sequence[int]) -> Gram:
        """Return the products of some of the factors, in another order."""
        between: dict[tuple[int, int], Pair] = {}
        for a, i in enumerate(order):
            for b, j in enumerate(order[a + 1 :], start=a + 1):
                found = self.pair(i, j)
                between[a, b] = found if i < j else _in_rows(found)
        return Gram(tuple(self.own[i] for i in order), between)

    def joined(self, sets: Sequence[Sequence[int]]) -> Gram:
        """Return the products with the factors of each set made one: their levels are the same in every row."""
        own = []
        for members in sets:
            m, widths = len(self.own[members[0]]), [self.own[i].shape[1] for i in members]
            ends = np.cumsum([0, *widths]).tolist()
            whole = np.zeros((m, ends[-1], ends[-1]))
            for a, i in enumerate(members):
                rows = slice(ends[a], ends[a + 1])
                whole[:, rows, rows] = self.own[i]
                for b, j in enumerate(members[a + 1 :], start=a + 1):
                    columns = slice(ends[b], ends[b + 1])
                    found = as_sparse(self.pair(i, j)).tocoo()
                    cut = whole[:, rows, columns]
                    cut[found.row // widths[a], found.row % widths[a], found.col % widths[b]] = found.data
                    whole[:, columns, rows] = cut.transpose(0, 2, 1)
            own.append(whole)
        between: dict[tuple[int, int], Pair] = {}
        for a, left in enumerate(sets):
            for b, right in enumerate(sets[a + 1 :], start=a + 1):
                if len(left) == len(right) == 1:
                    between[a, b] = _in_rows(self.pair(left[0], right[0]))
                    continue
                pieces = [[as_sparse(self.pair(i, j)) for j in right] for i in left]
                whole_pair = sparse.csr_matrix(sparse.bmat(pieces, format="csr"))
                between[a, b] = whole_pair[self._interleaved(left)][:, self._interleaved(right)].tocsr()
        return Gram(tuple(own), between)

    def _interleaved(self, members: Sequence[int]) -> NDArray[np.intp]:
        """Return the columns of some factors, one after the other, level by level."""
        ends = np.cumsum([0, *(self.sizes[i] for i in members)]).tolist()
        parts = [
            a + np.arange(self.sizes[i]).reshape(len(self.own[i]), -1) for a, i in zip(ends, members, strict=False)
        ]
        return np.concatenate(parts, axis=1).ravel()

    def diagonal(self) -> Floats:
        """Return the diagonal, shape (q,)."""
        return np.concatenate([own.diagonal(axis1=1, axis2=2).reshape(-1) for own in self.own])

    def __matmul__(self, B: Floats) -> Floats:
        """Return Z'WZ B, shape (q, b), of B (q, b)."""
        out = np.empty(B.shape)
        columns = self.columns
        for own, at in zip(self.own, columns, strict=True):
            out[at] = blocks.multiply(own, B[at].reshape(*own.shape[:2], -1)).reshape(len(own) * own.shape[1], -1)
        for (i, j), M in self.between.items():
            out[columns[i]] += _times(M, B[columns[j]])
            out[columns[j]] += _times(M.T, B[columns[i]])
        return out

    def times_squares(self, B: Floats) -> Floats:
        """Return the matrix of squared numbers times B, shape (q, b), of B (q, b)."""
        out = np.empty(B.shape)
        columns = self.columns
        for own, at in zip(self.own, columns, strict=True):
            square = blocks.multiply(own**2, B[at].reshape(*own.shape[:2], -1))
            out[at] = square.reshape(len(own) * own.shape[1], -1)
        for (i, j), M in self.between.items():
            left, right = out[columns[i]], out[columns[j]]
            for rows in slices_of(*M.shape) if isinstance(M, np.ndarray) else [slice(None)]:
                square = M[rows] ** 2 if isinstance(M, np.ndarray) else M.multiply(M).tocsr()
                left[rows] += _times(square, B[columns[j]])
                right += _times(square.T, B[columns[i]][rows])
        return out

    def columns_of(self, factors: Sequence[int]) -> Floats:
        """Return all rows in the columns of some factors, one after the other, shape (q, columns)."""
        columns, sizes = self.columns, self.sizes
        ends = np.cumsum([0, *(sizes[j] for j in factors)]).tolist()
        out = np.zeros((self.q, ends[-1]))
        for start, end, j in zip(ends[:-1], ends[1:], factors, strict=True):
            for i, rows in enumerate(columns):
                own = self._sparse_piece(i, i) if i == j else self.pair(i, j)
                out[rows, start:end] = own if isinstance(own, np.ndarray) else own.toarray()
        return out

    def toarray(self) -> Floats:
        """Return all of it, (q, q)."""
        out = np.zeros((self.q, self.q))
        columns = self.columns
        for own, at in zip(self.own, columns, strict=True):
            m, l = own.shape[:2]
            levels = np.arange(m)
            out[at, at].reshape(m, l, m, l)[levels, :, levels, :] = own
        for (i, j), M in self.between.items():
            full = M if isinstance(M, np.ndarray) else M.toarray()
            out[columns[i], columns[j]] = full
            out[columns[j], columns[i]] = full.T
        return out

    def tocsr(self) -> sparse.csr_matrix:
        """Return all of it as a sparse matrix, (q, q)."""
        k = len(self.own)
        pieces = [[self._sparse_piece(i, j) for j in range(k)] for i in range(k)]
        return sparse.csr_matrix(sparse.bmat(pieces, format="csr"))

    def _sparse_piece(self, i: int, j: int) -> sparse.spmatrix:
        """Return the block between two factors, or of one, as a sparse matrix."""
        if i != j:
            return as_sparse(self.between[i, j]) if i < j else as_sparse(self.between[j, i]).T
        own = self.own[i]
        m, l = own.shape[:2]
        at = np.broadcast_to(np.arange(m * l).reshape(m, 1, l), own.shape)
        return sparse.csr_matrix((own.ravel(), at.ravel(), np.arange(0, m * l * l + 1, l)), shape=(m * l, m * l))


def _times(M: Pair, B: Floats) -> Floats:
    """Return M B."""
    return product(M, B) if isinstance(M, np.ndarray) else np.asarray(M @ B)


def _in_rows(pair: Pair) -> Pair:
    """Return a transposed coupling in row order."""
    return np.ascontiguousarray(pair) if isinstance(pair, np.ndarray) else pair.tocsr()

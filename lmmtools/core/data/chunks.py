"""The rows of a model, read in chunks, and their rows of Z."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy import sparse
from scipy.linalg import solve_triangular

from lmmtools.core.model.residual import KnownWeights
from lmmtools.design.rows_elsewhere import have_same_levels
from lmmtools.design.sparse_columns import SparseColumns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lmmtools.core.model.residual import ResidualModel
    from lmmtools.design.matrices import Design
    from lmmtools.design.rows_elsewhere import RowBatch
    from lmmtools.design.sparse_columns import Matrix

    Floats = NDArray[np.float64]

__all__ = [
    "CHUNK_ROWS",
    "Chunk",
    "ChunkSource",
    "DesignChunks",
    "as_chunk",
    "chunk_rows",
    "indicator_rows",
    "merge_blocks",
]

CHUNK_ROWS = 1 << 18
"""Rows of a chunk: many enough that calls cost little, few enough to bound the working memory."""


CHUNK_NUMBERS = 1 << 22
"""Numbers (32 MB) in the columns of X of a chunk, where they are many: they are copied beside those of y."""


def chunk_rows(p: int) -> int:
    """Return how many rows a chunk has beside p columns of X."""
    return min(CHUNK_ROWS, max(CHUNK_ROWS >> 6, CHUNK_NUMBERS // (p + 1)))


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Some consecutive rows of a model.

    Attributes
    ----------
    y : ndarray, shape (r,)
        Response less the offset.
    X : ndarray or SparseColumns, shape (r, p)
    residual : ResidualModel
        Of these rows.
    codes : tuple of ndarray of int, each (r,)
        Level of each row, one array per block; blocks of one factor may share theirs.
    bases : tuple of ndarray, each (r, l)
        Basis of each row, one array per block.
    """

    y: Floats
    X: Matrix
    residual: ResidualModel
    codes: tuple[NDArray[np.intp], ...]
    bases: tuple[Floats, ...]


class ChunkSource(Protocol):
    """A source of rows: anything that can be read once from start to end."""

    @property
    def n(self) -> int:
        """Number of rows."""

    @property
    def levels(self) -> tuple[int, ...]:
        """Number of levels of each block."""

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The blocks of each grouping factor, which have equal codes, in order of the first."""

    def __iter__(self) -> Iterator[Chunk]:
        """Yield chunks in row order, the same on every pass; none is empty."""


@dataclass(frozen=True, slots=True, eq=False)
class DesignChunks:
    """The rows of a Design, held in memory or read from elsewhere."""

    design: Design
    rows: int | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.design.n

    @property
    def levels(self) -> tuple[int, ...]:
        """Number of levels of each block."""
        return tuple(b.m for b in self.design.blocks)

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The blocks of each grouping factor."""
        return tuple(map(tuple, merge_blocks([b.codes for b in self.design.blocks], self.levels)))

    def __iter__(self) -> Iterator[Chunk]:
        """Yield chunks in row order: views of the design's arrays, or rows that are read and coded."""
        for batch in self.design.batches(self._rows):
            if len(batch):
                yield as_chunk(batch)

    @property
    def _rows(self) -> int:
        X = self.design.fixed
        return self.rows or chunk_rows(X.dense.shape[1] if isinstance(X, SparseColumns) else X.shape[1])

    @property
    def is_spread(self) -> bool:
        """Whether the rows lie with several workers, which add up their own."""
        return self.design.streamed is not None and self.design.streamed.is_spread

    def fold(self, sums: Any) -> Any:
        """Return sums over all rows (`RowSums`), made by the workers that have the rows."""
        assert self.design.streamed is not None
        return self.design.streamed.fold(self.design, self._rows, sums)


def as_chunk(batch: RowBatch) -> Chunk:
    """Return rows of a design as the engine reads them."""
    return Chunk(batch.response, batch.X, KnownWeights(batch.weights), batch.codes, batch.bases)


def merge_blocks(codes: Sequence[NDArray[np.intp]], levels: Sequence[int]) -> list[list[int]]:
    """Return the blocks of each grouping factor, in order of the first; blocks with equal codes share a factor."""
    groups: list[list[int]] = []
    for i, (code, m) in enumerate(zip(codes, levels, strict=True)):
        for group in groups:
            j = group[0]
            if levels[j] == m and (codes[j] is code or have_same_levels(codes[j], code)):
                group.append(i)
                break
        else:
            groups.append([i])
    return groups


def indicator_rows(
    codes: tuple[NDArray[np.intp], ...],
    bases: tuple[Floats, ...],
    levels: tuple[int, ...],
    maps: tuple[Floats, ...],
) -> sparse.csr_matrix:
    """Return rows of Z in the engine's coordinates, sparse, shape (r, q).

    Equivalent to the concatenation over blocks of ``Block.to_sparse() @ kron(I_m, inv(R_k))``.
    """
    r = len(codes[0])
    width = sum(b.shape[1] for b in bases)
    indices = np.empty((r, width), dtype=np.int32)
    data = np.empty((r, width))
    column = start = 0
    for code, basis, m, R in zip(codes, bases, levels, maps, strict=True):
        l = basis.shape[1]
        if l == 1:
            indices[:, column] = code
            indices[:, column] += start
            data[:, column] = basis[:, 0] / R[0, 0]
        else:
            indices[:, column : column + l] = start + code[:, None] * l + np.arange(l)
            data[:, column : column + l] = solve_triangular(R, basis.T, trans="T", lower=True, check_finite=False).T
        column += l
        start += m * l
    indptr = np.arange(0, r * width + 1, width, dtype=np.int32 if r * width < 2**31 else np.int64)
    return sparse.csr_matrix((data.ravel(), indices.ravel(), indptr), shape=(r, start))

"""Cross-products between a factor of the chain and the rest: dense where they fill, by pairs of levels where not.

Both kinds hold the same thing, for each level e of the factor an l x q_rest block, and answer the same few questions;
the sparse kind keeps only the columns that e meets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from lmmtools.blas import add_gram, dot, product
from lmmtools.core.elimination.gram import slices_of
from lmmtools.core.kernels import pairs as kernel
from lmmtools.threads import cores

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lmmtools.core.elimination.gram import Pair
    from lmmtools.core.elimination.parts import Coupling, Layout, Link

    Floats = NDArray[np.float64]

__all__ = [
    "DenseCoupling",
    "SparseCoupling",
    "couple_dense",
    "couple_sparse",
    "is_dense",
    "meeting_patterns",
]

DENSE_FILL = 0.2
"""Share of level pairs that meet from which dense arithmetic costs less."""

DENSE_SIZE = 20_000
"""Blocks with fewer numbers than this are always dense: sparse calls cost more than they save."""

DENSE_LIMIT = 8_000_000
"""Largest size of a dense block, in numbers (64 MB)."""

PAIR_COST = kernel.COST
"""Dense multiply-adds of a rank-k update that take as long as one pair of columns added by itself."""

PAIR_LIMIT = kernel.LIMIT
"""Pairs that may be added by themselves."""

SCRATCH = 4_000_000
"""Numbers (32 MB) in the dense working copy of some levels of a sparse block."""


@dataclass(frozen=True, slots=True, eq=False)
class DenseCoupling:
    """A dense coupling: values (m, l, q_rest), see :class:`~lmmtools.core.elimination.parts.Coupling`."""

    values: Floats
    links: tuple[Link, ...]
    reads_lower: bool = False
    pair_count: int = 0

    def scale(self, T: Floats, values: Floats) -> Floats:
        """Return T_e values_e."""
        return T * values if T.shape[1] == T.shape[2] == 1 else np.matmul(T, values)

    def subtract_gram(self, T: Floats, values: Floats, S: Floats) -> None:
        """Subtract sum_e (T_e values_e)'(T_e values_e) from S."""
        for scaled in self._scaled_slices(T, values):
            add_gram(-1.0, scaled.reshape(-1, values.shape[2]), S)

    def _scaled_slices(self, T: Floats, values: Floats) -> Iterator[Floats]:
        """Yield T_e values_e of some levels at a time, so that nothing of the coupling's size is copied."""
        for some in slices_of(len(values), values[0].size):
            yield self.scale(T[some], values[some])

    def times(self, values: Floats, B: Floats) -> Floats:
        """Return values_e B."""
        return product(values.reshape(-1, values.shape[2]), B).reshape(*values.shape[:2], -1)

    def transpose_times(self, values: Floats, V: Floats) -> Floats:
        """Return sum_e values_e' V_e."""
        return product(values.reshape(-1, values.shape[2]).T, V.reshape(-1, V.shape[2]))

    def quadratic(self, J: Floats, values: Floats, W: Floats) -> Floats:
        """Return sum_e J_e values_e W values_e' J_e'."""
        l, q = values.shape[1:]
        out = np.zeros((l, l))
        for scaled in self._scaled_slices(J, values):
            right = product(scaled.reshape(-1, q), W).reshape(scaled.shape)
            if l == 1:
                out[0, 0] += dot(scaled, right)
                continue
            for a in range(l):
                for b in range(a + 1):
                    out[a, b] += np.einsum("eq,eq->", scaled[:, a], right[:, b])
        return out + np.tril(out, -1).T

    def quadratics(self, values: Floats, W: Floats) -> Floats:
        """Return values_e W values_e'."""
        parts = [
            self.contract(self.restrict(values[some], W), values[some])
            for some in slices_of(len(values), values[0].size)
        ]
        return np.concatenate(parts)

    def restrict(self, values: Floats, W: Floats) -> Floats:
        """Return values_e W."""
        return product(values.reshape(-1, values.shape[2]), W).reshape(values.shape)

    def contract(self, left: Floats, right: Floats) -> Floats:
        """Return left_e right_e'."""
        return np.asarray(np.matmul(left, right.transpose(0, 2, 1)))

    def lift(self, link: int, values: Floats) -> Floats:
        """Return sums over children."""
        gather = self.links[link].gather
        out = gather @ values.reshape(len(values), -1)
        return np.asarray(out).reshape(-1, *values.shape[1:])

    def pull(self, link: int, values: Floats) -> Floats:
        """Return the parent's values at each child."""
        return values[self.links[link].parent]

    def matrix(self, values: Floats, a: int) -> Floats:
        """Return row a of every level's block, (m, q_rest)."""
        return values[:, a]

    def row_products(self, levels: NDArray[np.intp], values: Floats, columns: NDArray[np.intp]) -> Floats:
        """Return single columns."""
        return values[levels, :, columns]


@dataclass(frozen=True, slots=True, eq=False)
class SparseCoupling:
    """A sparse coupling: the columns that each level meets, in CSR order over levels, values (pairs, l).

    Attributes
    ----------
    values : ndarray, shape (pairs, l)
    indptr, columns : ndarray of int
        CSR pattern over the m levels.
    rows : ndarray of int, shape (pairs,)
        Level of each pair.
    q_rest : int
    maps : tuple of (ndarray, csr_matrix)
        Per coarser factor: the pair of its pattern that each pair falls into, and the matrix that sums accordingly.
    sums : csr_matrix, shape (m, pairs)
        Sums the pairs of a level.
    pairs : Pairs
        The levels whose products are added one by one.
    heavy : ndarray of int
        The levels that are copied to dense rows for theirs, because they meet too many columns.
    """

    values: Floats
    indptr: NDArray[np.int32]
    columns: NDArray[np.int32]
    rows: NDArray[np.intp]
    q_rest: int
    maps: tuple[tuple[NDArray[np.intp], sparse.csr_matrix], ...]
    sums: sparse.csr_matrix
    pairs: kernel.Pairs
    heavy: NDArray[np.intp]

    @property
    def reads_lower(self) -> bool:
        """Whether ``quadratic`` needs no more than the lower triangle of W."""
        return self.values.shape[1] == 1 or not len(self.heavy)

    @property
    def pair_count(self) -> int:
        """Pairs of columns that are held as indices."""
        return self.pairs.stored

    def scale(self, T: Floats, values: Floats) -> Floats:
        """Return T_e values_e."""
        if T.shape[1] == T.shape[2] == 1:
            return values * T[self.rows, :, 0]
        return np.asarray(np.matmul(T[self.rows], values[:, :, None])[:, :, 0])

    def subtract_gram(self, T: Floats, values: Floats, S: Floats) -> None:
        """Subtract sum_e (T_e values_e)'(T_e values_e) from S."""
        scaled = self.scale(T, values)
        self.pairs.subtract_gram(scaled, S, cores())
        for dense in self._dense_rows(scaled, self.heavy):
            add_gram(-1.0, dense.reshape(-1, self.q_rest), S)

    def times(self, values: Floats, B: Floats) -> Floats:
        """Return values_e B."""
        parts = [self.matrix(values, a) @ B for a in range(values.shape[1])]
        return parts[0][:, None, :] if len(parts) == 1 else np.stack(parts, axis=1)

    def transpose_times(self, values: Floats, V: Floats) -> Floats:
        """Return sum_e values_e' V_e."""
        out = np.zeros((self.q_rest, V.shape[2]))
        for a in range(values.shape[1]):
            out += self.matrix(values, a).T @ V[:, a, :]
        return out

    def quadratic(self, J: Floats, values: Floats, W: Floats) -> Floats:
        """Return sum_e J_e values_e W values_e' J_e'."""
        l = values.shape[1]
        scaled = self.scale(J, values)
        out = self.pairs.quadratic(scaled, W, cores())
        if not len(self.heavy):
            return out
        if l == 1:
            S = np.zeros((self.q_rest, self.q_rest), order="F")
            for dense in self._dense_rows(scaled, self.heavy):
                add_gram(1.0, dense.reshape(-1, self.q_rest), S)
            # The upper triangle of S is zero: twice the lower, less the diagonal counted twice.
            out[0, 0] += 2.0 * dot(S, W) - np.diag(S) @ np.diag(W)
            return out
        for dense in self._dense_rows(scaled, self.heavy):
            right = product(dense.reshape(-1, self.q_rest), W).reshape(l, -1)
            out += product(dense.reshape(l, -1), right.T)
        return out

    def quadratics(self, values: Floats, W: Floats) -> Floats:
        """Return values_e W values_e'."""
        if values.shape[1] > 1:
            return self.contract(self.restrict(values, W), values)
        out = self.pairs.quadratics(values, W, cores())
        start = 0
        for dense in self._dense_rows(values, self.heavy):
            chosen = self.heavy[start : start + dense.shape[1]]
            out[chosen, 0, 0] = np.einsum("ek,ek->e", product(dense[0], W), dense[0])
            start += len(chosen)
        return out

    def restrict(self, values: Floats, W: Floats) -> Floats:
        """Return values_e W in the columns that e meets."""
        out = self.pairs.restrict(values, W, cores())
        start = 0
        for dense in self._dense_rows(values, self.heavy):
            right = product(dense.reshape(-1, self.q_rest), W).reshape(dense.shape)
            for i, e in enumerate(self.heavy[start : start + dense.shape[1]]):
                own = slice(self.indptr[e], self.indptr[e + 1])
                out[own] = right[:, i, self.columns[own]].T
            start += dense.shape[1]
        return out

    def contract(self, left: Floats, right: Floats) -> Floats:
        """Return left_e right_e'."""
        outer = (left[:, :, None] * right[:, None, :]).reshape(len(left), -1)
        out = self.sums @ outer
        return np.asarray(out).reshape(-1, left.shape[1], right.shape[1])

    def lift(self, link: int, values: Floats) -> Floats:
        """Return sums over children."""
        return np.asarray(self.maps[link][1] @ values)

    def pull(self, link: int, values: Floats) -> Floats:
        """Return the parent's values at each child."""
        return values[self.maps[link][0]]

    def row_products(self, levels: NDArray[np.intp], values: Floats, columns: NDArray[np.intp]) -> Floats:
        """Return single columns, zero where the level does not meet the column."""
        key = self.rows * self.q_rest + self.columns
        wanted = levels * self.q_rest + columns
        at = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
        return np.where((key[at] == wanted)[:, None], values[at], 0.0)

    def matrix(self, values: Floats, a: int) -> sparse.csr_matrix:
        """Return row a of every level's block, (m, q_rest)."""
        shape = (len(self.indptr) - 1, self.q_rest)
        return sparse.csr_matrix((np.ascontiguousarray(values[:, a]), self.columns, self.indptr), shape=shape)

    def _dense_rows(self, values: Floats, levels: NDArray[np.intp]) -> Iterator[Floats]:
        """Yield dense copies of some levels at a time, (l, some levels, q_rest), of at most SCRATCH numbers."""
        l = values.shape[1]
        step = max(1, SCRATCH // (l * self.q_rest))
        counts = np.diff(self.indptr)
        for start in range(0, len(levels), step):
            chosen = levels[start : start + step]
            sizes = counts[chosen]
            local = np.repeat(np.arange(len(chosen)), sizes)
            ends = np.cumsum(sizes)
            at = np.arange(ends[-1] if len(ends) else 0) + np.repeat(self.indptr[chosen] - (ends - sizes), sizes)
            dense = np.zeros((l, len(chosen), self.q_rest))
            for a in range(l):
                dense[a, local, self.columns[at]] = values[at, a]
            yield dense


def light_levels(indptr: NDArray[np.int32], layout: Layout) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the levels that are cheaper to add pair by pair, and the other levels.

    Parameters
    ----------
    indptr : ndarray of int
        CSR pattern over levels.
    layout : Layout
    """
    counts = np.diff(indptr).astype(np.intp)
    order = np.argsort(counts, kind="stable")
    c = counts[order]
    pairs = np.cumsum(c * (c + 1) // 2)
    # A sparse rest stores nothing but pairs, and is chosen only where they are few.
    light = (PAIR_COST * c * (c + 1) < float(layout.q) ** 2) & (pairs <= PAIR_LIMIT) | layout.is_sparse
    count = int(np.count_nonzero(light))
    return np.sort(order[:count]), np.sort(order[count:])


def is_dense(pieces: Sequence[Sequence[Pair]]) -> bool:
    """Return whether the couplings of a chain with the rest are better held dense.

    Parameters
    ----------
    pieces : sequence of sequence of csr_matrix or ndarray, each (m*l, columns of a factor of the rest)
        One sequence per factor of the chain.
    """
    numbers = sum(p.shape[0] * p.shape[1] for row in pieces for p in row)
    if numbers <= DENSE_SIZE:
        return True
    # A chain of one factor is eliminated in slices, and none of its coupling is copied.
    largest = numbers if len(pieces) == 1 and all(isinstance(p, np.ndarray) for p in pieces[0]) else DENSE_LIMIT
    if numbers > largest:
        return False
    stored = sum(np.count_nonzero(p) if isinstance(p, np.ndarray) else p.nnz for row in pieces for p in row)
    return bool(stored > DENSE_FILL * numbers)


def couple_dense(
    pieces: Sequence[Sequence[Pair]], widths: Sequence[int], links: Sequence[tuple[Link, ...]]
) -> list[Coupling]:
    """Return the dense couplings of a whole chain with the rest.

    Parameters
    ----------
    pieces : sequence of sequence of csr_matrix or ndarray, each (m*l, columns of a factor of the rest)
        Cross-products of each chain factor, finest first, with the factors of the rest.
    widths : sequence of int
        l of each factor.
    links : sequence of tuple of Link
        Links of each factor to the coarser ones.
    """
    rows = [[p if isinstance(p, np.ndarray) else p.toarray() for p in row] for row in pieces]
    whole = [np.ascontiguousarray(row[0]) if len(row) == 1 else np.hstack(row) for row in rows]
    return [DenseCoupling(p.reshape(-1, l, p.shape[1]), link) for p, l, link in zip(whole, widths, links, strict=True)]


def meeting_patterns(
    pieces: Sequence[sparse.csr_matrix], widths: Sequence[int], links: Sequence[tuple[Link, ...]]
) -> list[sparse.csr_matrix]:
    """Return which columns of the rest the levels of each chain factor meet, (m, q_rest), sorted."""
    patterns: list[sparse.csr_matrix] = []
    for i, (piece, l) in enumerate(zip(pieces, widths, strict=True)):
        pattern = _level_rows(piece, l)
        for j in range(i):
            # A parent meets whatever its children meet, also where the numbers happen to cancel to zero.
            pattern = pattern + links[j][i - j - 1].gather @ patterns[j]
        pattern = sparse.csr_matrix(pattern)
        pattern.sum_duplicates()
        pattern.sort_indices()
        patterns.append(pattern)
    return patterns


def couple_sparse(
    pieces: Sequence[sparse.csr_matrix],
    patterns: Sequence[sparse.csr_matrix],
    links: Sequence[tuple[Link, ...]],
    layout: Layout,
) -> list[Coupling]:
    """Return the sparse couplings of a whole chain with the rest: the pairs of level and column that meet."""
    q_rest = layout.q
    keys = [_rows_of(p) * q_rest + p.indices for p in patterns]
    couplings: list[Coupling] = []
    for i, (piece, pattern) in enumerate(zip(pieces, patterns, strict=True)):
        l = piece.shape[0] // pattern.shape[0]
        rows = _rows_of(pattern)
        entries = piece.tocoo()
        at = np.searchsorted(keys[i], (entries.row // l).astype(np.int64) * q_rest + entries.col)
        values = np.zeros((len(rows), l))
        values[at, entries.row % l] = entries.data
        maps = []
        for step, link in enumerate(links[i]):
            to = np.searchsorted(keys[i + 1 + step], link.parent[rows] * q_rest + pattern.indices)
            ones = np.ones(len(rows))
            gather = sparse.csr_matrix((ones, (to, np.arange(len(rows)))), shape=(len(keys[i + 1 + step]), len(rows)))
            maps.append((to, gather))
        light, heavy = light_levels(pattern.indptr, layout)
        pairs = kernel.Pairs(light, pattern.indptr, pattern.indices, layout)
        sums = sparse.csr_matrix((np.ones(len(rows)), np.arange(len(rows)), pattern.indptr))
        couplings.append(
            SparseCoupling(values, pattern.indptr, pattern.indices, rows, q_rest, tuple(maps), sums, pairs, heavy)
        )
    return couplings


def _level_rows(piece: sparse.csr_matrix, l: int) -> sparse.csr_matrix:
    """Return which columns each level meets, as ones, (m, q_rest)."""
    if l == 1:
        # Copies: the caller sorts them, and piece keeps its own order.
        return sparse.csr_matrix((np.ones(piece.nnz), piece.indices.copy(), piece.indptr.copy()), shape=piece.shape)
    entries = piece.tocoo()
    shape = (piece.shape[0] // l, piece.shape[1])
    return sparse.csr_matrix((np.ones(entries.nnz), (entries.row // l, entries.col)), shape=shape)


def _rows_of(pattern: sparse.csr_matrix) -> NDArray[np.intp]:
    """Return the row of each entry of a CSR pattern."""
    return np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))

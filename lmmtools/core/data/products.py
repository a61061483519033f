"""Products of some rows of a model, to which more rows, or the products of other rows, are added in any order.

What a pass adds up is sums over rows and nothing else, in coordinates that are given: so threads and other computers
can each take rows of their own, and the order changes rounding errors only.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from lmmtools.blas import dot, product
from lmmtools.core.data.pair_sums import PairSums
from lmmtools.core.elimination.gram import Gram
from lmmtools.core.kernels import cells
from lmmtools.design.sparse_columns import times, transposed_times
from lmmtools.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core.data.chunks import Chunk
    from lmmtools.core.data.coordinates import Coordinates
    from lmmtools.core.model.residual import ResidualModel

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

__all__ = ["Products", "Work"]

NARROW = 8
"""Columns of X up to which they are copied beside y."""


class Work(IntEnum):
    """What a pass over the rows adds up: products with y, those with X as well, or all."""

    RESPONSE = 0
    COLUMNS = 1
    ALL = 2


class Products:
    """Sums over some rows; it can be pickled.

    Parameters
    ----------
    at : Coordinates
        Chosen once per pass: products in different coordinates cannot be merged.
    work : Work, optional
        What is added up.

    Attributes
    ----------
    rows : int
        How many were added.
    XX, Xr, rr : ndarray (p, p), ndarray (p,), float
        X'WX, X'Wr and r'Wr, r the response less its preliminary regression.
    size : float
        y'Wy, y in the same unit as r.
    largest : float
        Largest size of y, in its own units.
    log_weights : float
        Sum of log w.
    """

    __slots__ = (
        "XX",
        "Xr",
        "_C",
        "_beside",
        "_own",
        "_pairs",
        "_same",
        "at",
        "largest",
        "log_weights",
        "rows",
        "rr",
        "size",
        "work",
    )

    def __init__(self, at: Coordinates, work: Work = Work.ALL) -> None:
        self.at, self.work = at, work
        self.rows, self.rr, self.size, self.largest, self.log_weights = 0, 0.0, 0.0, 0.0, 0.0
        p, sizes = at.p, at.sizes
        self.XX, self.Xr = np.zeros((p, p)), np.zeros(p)
        # Z'W[X r]: of the dense columns of X where others are sparse, whose part stands beside.
        c = 0 if work == Work.RESPONSE else len(at.dense_columns)
        self._C = [np.zeros((m, l, c + 1)) for m, l in sizes]
        is_beside = work > Work.RESPONSE and c < p
        self._beside = [np.zeros((m * l, p - c)) for m, l in sizes] if is_beside else []
        places = [(i, j) for i in range(len(sizes)) for j in range(i + 1, len(sizes))] if work == Work.ALL else []
        self._own = [np.zeros((m, l, l)) for m, l in sizes] if work == Work.ALL else []
        self._pairs = {(i, j): PairSums(sizes[i], sizes[j], at.n) for i, j in places}
        self._same = {(i, j): True for i, j in places if sizes[i][0] == sizes[j][0]}

    def like(self) -> Products:
        """Return products of no row in the same coordinates, of the same parts."""
        return Products(self.at, self.work)

    def add(self, chunk: Chunk) -> None:
        """Add rows."""
        at, residual = self.at, chunk.residual
        codes, bases = [chunk.codes[g[0]] for g in at.groups], at.bases(chunk)
        if self.work == Work.ALL:
            self._add_effects(residual, codes, bases)
        X, y = at.columns.of(chunk.X), chunk.y / at.unit
        r = y - times(X, at.centre) if at.p else y
        if self.work == Work.RESPONSE:
            right = residual.weighted(r)[:, None]
            self.Xr += transposed_times(X, right[:, 0])
            self.rr += dot(r, right[:, 0])
        elif isinstance(X, np.ndarray) and at.p <= NARROW:
            # Beside each other, a row of both is added to its level at once.
            both = np.column_stack([X, r])
            right = residual.weighted(both)
            G = product(both.T, right)
            self.XX += G[:-1, :-1]
            self.Xr += G[:-1, -1]
            self.rr += float(G[-1, -1])
        else:
            WX, Wr = residual.weighted(X), residual.weighted(r)
            self.XX += transposed_times(X, WX)
            self.Xr += transposed_times(X, Wr)
            self.rr += dot(r, Wr)
            right = Wr[:, None]
            if isinstance(WX, np.ndarray):
                self._add_columns(WX, codes, bases)
            else:
                self._add_columns(WX.dense, codes, bases)
                self._add_beside(WX.sparse, codes, bases)
        for C, code, z in zip(self._C, codes, bases, strict=True):
            cells.add_products(code, z, right, C[:, :, C.shape[2] - right.shape[1] :])
        self.rows += len(y)
        self.size += dot(y, residual.weighted(y))
        self.largest = max(self.largest, float(np.abs(chunk.y).max(initial=0.0)))
        self.log_weights += residual.log_weights

    def _add_effects(self, residual: ResidualModel, codes: Sequence[Indices], bases: Sequence[Floats]) -> None:
        """Add the products of random effects."""
        ones = np.ones(len(codes[0]))
        w = residual.weighted(ones)
        for own, code, z in zip(self._own, codes, bases, strict=True):
            cells.add_squares(code, z, None if w is ones else w, own)
        for (i, j), pair in self._pairs.items():
            pair.add(codes[i], residual.weighted(bases[i]), codes[j], bases[j])
        for i, j in self._same:
            self._same[i, j] = self._same[i, j] and np.array_equal(codes[i], codes[j])

    def _add_columns(self, WX: Floats, codes: Sequence[Indices], bases: Sequence[Floats]) -> None:
        """Add Z'WX of the dense columns of X."""
        for C, code, z in zip(self._C, codes, bases, strict=True):
            cells.add_products(code, z, WX, C[:, :, :-1])

    def _add_beside(self, WX: sparse.csr_matrix, codes: Sequence[Indices], bases: Sequence[Floats]) -> None:
        """Add Z'WX of the sparse columns of X."""
        for S, code, z in zip(self._beside, codes, bases, strict=True):
            n, l = z.shape
            columns = code[:, None] * l + np.arange(l)
            Z = sparse.csr_matrix((z.ravel(), columns.ravel(), np.arange(n + 1) * l), shape=(n, len(S)))
            found = (Z.T @ WX).tocoo()
            S[found.row, found.col] += found.data

    def merge(self, other: Products) -> None:
        """Add the products of other rows, made in the same coordinates, which must not be used afterwards.

        Raises
        ------
        EngineError
            If they were made in other coordinates, or of another part.
        """
        if other.work != self.work or not other.at.is_same(self.at):
            raise EngineError("Products made in different coordinates cannot be merged; give all rows the same ones.")
        for mine, others in (
            (self._C, other._C),
            (self._beside, other._beside),
            (self._own, other._own),
            ([self.XX, self.Xr], [other.XX, other.Xr]),
        ):
            for a, b in zip(mine, others, strict=True):
                a += b
        for key, pair in self._pairs.items():
            pair.merge(other._pairs[key])
        for key in self._same:
            self._same[key] = self._same[key] and other._same[key]
        self.rows += other.rows
        self.rr += other.rr
        self.size += other.size
        self.largest = max(self.largest, other.largest)
        self.log_weights += other.log_weights

    def beside_x(self, g: int) -> Floats:
        """Return Z'WX of one factor, shape (m * l, p)."""
        C = self._C[g].reshape(-1, self._C[g].shape[2])[:, :-1]
        if not self._beside:
            return C
        out = np.empty((len(C), self.at.p))
        dense = self.at.dense_columns
        out[:, dense] = C
        out[:, np.setdiff1d(np.arange(self.at.p), dense)] = self._beside[g]
        return out

    def beside_r(self, g: int) -> Floats:
        """Return Z'Wr of one factor, shape (m * l,)."""
        return self._C[g][:, :, -1].reshape(-1)

    def mean_squares(self, g: int) -> Floats:
        """Return the mean over the rows of w z z', shape (l, l), of one factor's effects."""
        return np.asarray(self._own[g].sum(axis=0) / self.at.n)

    def same_factors(self) -> list[tuple[int, int]]:
        """Return the pairs of factors whose levels are the same in every row, the earlier first."""
        return [pair for pair, is_same in self._same.items() if is_same]

    def gram(self, turns: Sequence[Floats | None]) -> Gram:
        """Return Z'WZ, Z of each factor multiplied, level by level, by a turn (l, l) from the right.

        The sums are given away: nothing may be added afterwards.
        """
        own = [A if M is None else np.matmul(M.T, A @ M) for A, M in zip(self._own, turns, strict=True)]
        between = {
            (i, j): pair.matrix(None if (M := turns[i]) is None else M.T, turns[j])
            for (i, j), pair in self._pairs.items()
        }
        return Gram(tuple(own), between)

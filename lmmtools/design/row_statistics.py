"""``RowStatistics``: sums over all rows of a design, and few rows that span what all rows span."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.linalg.lapack import dpotrf, dtrtri

from lmmtools.blas import product
from lmmtools.design.moments import Moments

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.design.rows_elsewhere import RowBatch

    Floats = NDArray[np.float64]

__all__ = ["RowStatistics"]

WIDEST = 400
"""Columns of X and the bases together up to which rows that span all are looked for."""

OUTSIDE = 1e-9
"""Share of a row, in units of each column, that lies outside the span of others and is no rounding."""

HEAD = 500
"""Rows from the start that are kept beside those that span more."""


class RowStatistics:
    """Sums over the rows of a design that are read in batches.

    Attributes
    ----------
    n : int
    y, response : Moments
        Of the response, and of the response less the offset.
    weights, inverse_weights, offset : Moments
        Of those that there are.
    largest : ndarray, shape (p,)
        Largest size in each column of X.
    sums : ndarray, shape (p,)
        Column sums of X.
    squares : ndarray, shape (1 + b, 1 + b)
        B'B of a column of ones and the bases of all blocks side by side.
    weighted : ndarray, shape (1 + b,)
        Diagonal of B'WB.
    rows : pandas.DataFrame
        Rows, in the data's columns, that span with X and the bases all that the rows of the design span.
    """

    def __init__(self, p: int, widths: tuple[int, ...], pairs: tuple[tuple[int, int, int], ...]) -> None:
        b = sum(widths)
        self.n = 0
        self.y = Moments()
        # Smallest and largest weight and offset.
        self.ends: dict[str, tuple[float, float]] = {}
        self.response, self.weights, self.inverse_weights, self.offset = Moments(), Moments(), Moments(), Moments()
        self.largest, self.sums = np.zeros(p), np.zeros(p)
        self.squares, self.weighted = np.zeros((1 + b, 1 + b)), np.zeros(1 + b)
        self._turn: Floats | None = None
        self._products = np.zeros((p, p))
        # Blocks i, j with the same number of levels: the level of j that each level of i had first; None once two.
        self._partners = {(i, j): np.full(m, -1, dtype=np.intp) for i, j, m in pairs}
        self.alike = dict.fromkeys(self._partners, True)
        self._is_spanning = p + b <= WIDEST
        self._frames: list[pd.DataFrame] = []
        self._coded: list[Floats] = []
        self._kept = 0
        self._unit: Floats | None = None
        self._span = np.zeros((0, p + b))
        self._outside: Floats | None = None

    @classmethod
    def for_rows(cls, rows: Any) -> RowStatistics:
        """Return statistics without any row yet, for the rows of a stream."""
        coder = rows.coder
        p = len(coder.encoder.column_names) if coder.kept is None else len(coder.kept)
        blocks = coder.blocks
        pairs = tuple(
            (i, j, len(a.known))
            for i, a in enumerate(blocks)
            for j, b in enumerate(blocks)
            if i < j and a.factors != b.factors and len(a.known) == len(b.known)
        )
        return cls(p, tuple(b.width for b in blocks), pairs)

    def add(self, batch: RowBatch) -> None:
        """Add the rows of a batch."""
        X = np.asarray(batch.X)
        self.n += len(batch)
        self.y.add(batch.y)
        self.response.add(batch.response)
        if batch.weights is not None:
            self.weights.add(batch.weights)
            self._note_ends("weights", batch.weights)
            self.inverse_weights.add(1.0 / batch.weights)
        if batch.offset is not None:
            self.offset.add(batch.offset)
            self._note_ends("offset", batch.offset)
        if X.shape[1]:
            # Rows of the transpose are read several times as fast as columns.
            columns = np.ascontiguousarray(X.T)
            self.largest = np.maximum(self.largest, np.maximum(columns.max(axis=1), -columns.min(axis=1)))
            self.sums += columns.sum(axis=1)
            if self._turn is None:
                self._turn = _turn(X)
            turned = product(X, self._turn)
            self._products += product(turned.T, turned)
        B = np.hstack([np.ones((len(batch), 1)), *batch.bases])
        self.squares += product(B.T, B)
        if batch.weights is not None:
            self.weighted += batch.weights @ B**2
        else:
            self.weighted = self.squares.diagonal().copy()
        self._compare_levels(batch)
        if self._is_spanning:
            assert batch.frame is not None
            self._span_rows(X, B[:, 1:], batch.frame)

    def merge(self, other: RowStatistics) -> None:
        """Add the statistics of the rows that follow."""
        self.n += other.n
        for name in ("y", "response", "weights", "inverse_weights", "offset"):
            getattr(self, name).merge(getattr(other, name))
        self.largest, self.sums = np.maximum(self.largest, other.largest), self.sums + other.sums
        if self._turn is None:
            self._turn, self._products = other._turn, other._products
        elif other._turn is not None:
            change = np.linalg.solve(other._turn, self._turn)
            self._products = self._products + change.T @ other._products @ change
        self.squares, self.weighted = self.squares + other.squares, self.weighted + other.weighted
        for pair, first in self._partners.items():
            there = other._partners[pair]
            both = (first >= 0) & (there >= 0)
            is_alike = self.alike[pair] and other.alike[pair] and bool(np.array_equal(first[both], there[both]))
            self.alike[pair] = is_alike
            first[first < 0] = there[first < 0]
        p = len(self.sums)
        for M, frame in zip(other._coded, other._frames, strict=True):
            self._span_rows(M[:, :p], M[:, p:], frame)

    def _note_ends(self, key: str, values: Floats) -> None:
        low, high = self.ends.get(key, (np.inf, -np.inf))
        self.ends[key] = min(low, float(values.min())), max(high, float(values.max()))

    def _compare_levels(self, batch: RowBatch) -> None:
        for (i, j), first in self._partners.items():
            if self.alike[i, j]:
                a, b = batch.codes[i], batch.codes[j]
                unknown = first[a] < 0
                first[a[unknown]] = b[unknown]
                self.alike[i, j] = bool(np.array_equal(first[a], b))

    def _span_rows(self, X: Floats, B: Floats, frame: pd.DataFrame) -> None:
        """Keep rows that are outside the span of those kept, given coded and in the data's columns."""
        if self._unit is None:
            largest = np.concatenate([np.abs(M).max(axis=0, initial=0.0) for M in (X, B)])
            self._unit = np.where(largest > 0, largest, 1.0)

        def of(rows: Any) -> Floats:
            return np.hstack([X[rows], B[rows]]) / self._unit

        chosen: list[int] = []
        if self._kept < HEAD:
            chosen = list(range(min(len(X), HEAD - self._kept)))
            self._kept += len(chosen)
            self._learn_span(of(chosen))
        assert self._outside is not None
        while self._outside.shape[1]:
            N = self._outside / self._unit[:, None]
            left = product(X, N[: X.shape[1]]) + product(B, N[X.shape[1] :])
            if max(left.max(), -left.min()) <= OUTSIDE:
                break
            row = int(np.abs(left).max(axis=1).argmax())
            chosen.append(row)
            self._learn_span(of([row]))
        if chosen:
            self._frames.append(frame.iloc[chosen])
            self._coded.append(np.hstack([X[chosen], B[chosen]]))

    def _learn_span(self, rows: Floats) -> None:
        _, d, V = np.linalg.svd(np.vstack([self._span, rows]), full_matrices=True)
        rank = int((d > OUTSIDE * d.max(initial=0.0)).sum())
        self._span, self._outside = V[:rank], np.ascontiguousarray(V[rank:].T)

    @property
    def rows(self) -> pd.DataFrame | None:
        """Rows in the data's columns that span all; None where X has too many columns to look for them."""
        return pd.concat(self._frames) if self._is_spanning else None

    @property
    def root(self) -> Floats:
        """Upper R, shape (p, p), with R'R = X'X."""
        p = len(self.sums)
        if not p:
            return np.zeros((0, 0))
        assert self._turn is not None
        scale = np.sqrt(self._products.diagonal())
        L, info = dpotrf(self._products / scale / scale[:, None], lower=1)
        if info:
            raise np.linalg.LinAlgError("X'X has no Cholesky factor")
        return np.asarray(np.linalg.solve(self._turn.T, (np.tril(L) * scale[:, None])).T)


def _turn(X: Floats) -> Floats:
    """Return the upper map that makes the columns of X orthonormal, of length one where they are dependent."""
    norms = np.sqrt((X**2).sum(axis=0))
    unit = np.where(norms > 0, norms, 1.0)
    if len(X) >= X.shape[1]:
        R = np.asarray(np.linalg.qr(X / unit, mode="r"))
        if np.abs(R.diagonal()).min(initial=1.0) > 1e-6:
            return np.asarray(dtrtri(R)[0]) / unit[:, None]
    return np.diag(1.0 / unit)

"""``CodedRows``: what a pass over coded rows tells of the columns of a design before any is left out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lmmtools.design.frame import describe_infinite
from lmmtools.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from numpy.typing import NDArray

    from lmmtools.design.coder import Coder
    from lmmtools.design.rows_elsewhere import RowBatch

    Floats = NDArray[np.float64]

__all__ = ["CodedRows"]


class CodedRows:
    """What a pass over coded rows tells before columns are left out."""

    def __init__(self, coder: Coder, names: tuple[str, ...], response: str) -> None:
        self.coder = replace(coder, may_be_undefined=False)
        self.names = names
        self.n = 0
        self.undefined: dict[str, int] = {}
        self.largest = np.zeros(len(names))
        self.y_range = (np.inf, -np.inf)
        self._unit: Floats | None = None
        self._R = np.zeros((0, len(names)))
        self._infinite: dict[str, tuple[int, int]] = {}
        self._labels: list[str] = [response, *names]
        for block in coder.blocks:
            self._labels += [] if block.encoder is None else list(block.encoder.column_names)
        self._labels += [encoder.column_names[0] for encoder in coder.offset_encoders]
        self._head: dict[str, pd.Series[Any]] | None = None

    def add(self, columns: Mapping[str, pd.Series[Any]], start: int) -> None:
        """Add complete rows."""
        r = len(next(iter(columns.values())))
        step = max(1, min(1 << 18, (1 << 24) // max(len(self.names), 1)))
        for at in range(0, r, step):
            self._add({name: column.iloc[at : at + step] for name, column in columns.items()})

    def _add(self, columns: Mapping[str, pd.Series[Any]]) -> None:
        batch = self.coder.code(columns)
        parts = [batch.y[:, None], np.asarray(batch.X)]
        for block, basis in zip(self.coder.blocks, batch.bases, strict=True):
            parts += [] if block.encoder is None else [basis]
        if self.coder.offset_encoders:
            frame = pd.DataFrame(dict(columns), copy=False)
            parts += [encoder.encode(frame) for encoder in self.coder.offset_encoders]
        everything = np.hstack(parts)
        if not np.isfinite(np.add.reduce(everything, axis=None)):
            for j, label in enumerate(self._labels):
                infinite = np.isinf(everything[:, j])
                if infinite.any():
                    count, first = self._infinite.get(label, (0, int(batch.rows[np.argmax(infinite)])))
                    self._infinite[label] = (count + int(infinite.sum()), first)
                lost = int(np.isnan(everything[:, j]).sum())
                if lost:
                    self.undefined[label] = self.undefined.get(label, 0) + lost
            keep = ~np.isnan(everything).any(axis=1)
            y, X = batch.y[keep], np.asarray(batch.X)[keep]
            columns = {name: column[keep] for name, column in columns.items()}
        else:
            y, X = batch.y, np.asarray(batch.X)
        self.n += len(y)
        if not len(y):
            return
        self.y_range = (min(self.y_range[0], float(y.min())), max(self.y_range[1], float(y.max())))
        if self._head is None:
            self._head = {name: column.iloc[:2000] for name, column in columns.items()}
        if X.shape[1]:
            self.largest = np.maximum(self.largest, np.abs(X).max(axis=0))
            if self._unit is None:
                size = self.largest
                self._unit = np.where(size > 0, np.exp2(-np.floor(np.log2(np.where(size > 0, size, 1.0)))), 1.0)
            with np.errstate(over="ignore", invalid="ignore"):
                if np.isfinite(X).all():
                    self._R = np.asarray(np.linalg.qr(np.vstack([self._R, X * self._unit]), mode="r"))

    def merge(self, other: CodedRows, start: int) -> None:
        """Add what other rows tell, the first of them at position ``start``."""
        self.n += other.n
        for label, count in other.undefined.items():
            self.undefined[label] = self.undefined.get(label, 0) + count
        for label, (count, first) in other._infinite.items():
            known, at = self._infinite.get(label, (0, start + first))
            self._infinite[label] = (known + count, at)
        self.y_range = (min(self.y_range[0], other.y_range[0]), max(self.y_range[1], other.y_range[1]))
        self.largest = np.maximum(self.largest, other.largest)
        if self._head is None:
            self._head = other._head
        if self._unit is None:
            self._unit, self._R = other._unit, other._R
        elif other._unit is not None:
            self._R = np.asarray(np.linalg.qr(np.vstack([self._R, other._R / other._unit * self._unit]), mode="r"))

    def check_infinite(self) -> None:
        """Raise a DataError for an expression with infinite values."""
        for label, (count, first) in self._infinite.items():
            hint = "Leave those rows out, or transform the column so that all are finite."
            raise DataError(describe_infinite(label, count, first, hint))

    @property
    def R(self) -> Floats:
        """The triangular factor of X on the rows that are used, in units that differ by powers of two."""
        return self._R

    def head(self) -> RowBatch:
        """Return the first rows used, coded."""
        assert self._head is not None
        return self.coder.code(self._head)

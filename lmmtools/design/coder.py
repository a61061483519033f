"""Rows of a source coded as a design codes them: response, columns of X, levels and bases of each term."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lmmtools.design.factors import match_levels
from lmmtools.design.frame import as_numbers, is_missing
from lmmtools.design.numerals import name_row
from lmmtools.design.rows_elsewhere import RowBatch
from lmmtools.design.survey import as_plain
from lmmtools.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from lmmtools.design.encoders import Encoder

    Floats = NDArray[np.float64]
    AnyColumns = Mapping[str, pd.Series[Any]]

__all__ = ["BlockCoder", "Coder", "LevelFinder", "as_response", "code_in_pieces", "complete_rows", "describe_change"]

WIDEST_TABLE = 1 << 24
"""Integers within a range of this length, and so many possible combinations, are looked up in a table."""

MOST_NUMBERS = 1 << 24
"""Numbers in the rows of X that are coded at a time: 128 MB."""


def complete_rows(columns: AnyColumns, names: Sequence[str]) -> dict[str, pd.Series[Any]]:
    """Return the columns on the rows without a missing value in any of them."""
    missing = [where for name in names if (where := is_missing(columns[name])).any()]
    keep = ~np.any(missing, axis=0) if missing else None
    return {name: as_plain(columns[name] if keep is None else columns[name][keep]) for name in names}


def as_response(column: pd.Series[Any], name: str) -> Floats:
    """Return a column on the rows that a model uses as another response of it, shape (r,).

    Raises
    ------
    DataError
        It has no numbers, or none in a row.
    """
    values = as_numbers(column, name, "the response")
    if np.isnan(values).any():
        row = name_row(column.index[int(np.argmax(np.isnan(values)))])
        raise DataError(
            f"{name!r} has no value in {row}, which the model uses: another response has to have the same rows. "
            "Declare a model of its own for it."
        )
    return values


class LevelFinder:
    """Finds the place of each value of a column among levels, by a table where the levels are integers."""

    def __init__(self, levels: pd.Index[Any]) -> None:
        self.levels = levels
        self._table: NDArray[np.intp] | None = None
        self._base = 0
        if levels.dtype.kind in "iu" and len(levels):
            low, high = int(levels.min()), int(levels.max())
            if high - low < WIDEST_TABLE:
                self._base = low
                self._table = np.full(high - low + 1, -1, dtype=np.intp)
                self._table[levels.to_numpy() - low] = np.arange(len(levels))

    def of(self, column: pd.Series[Any]) -> NDArray[np.intp]:
        """Return the places, shape (r,), -1 for values that are none of the levels."""
        if self._table is None or not isinstance(column.dtype, np.dtype) or column.dtype.kind not in "iu":
            return np.asarray(match_levels([column], (self.levels,), np.empty((0, 1), dtype=np.intp)), dtype=np.intp)
        values = column.to_numpy()
        if not len(values):
            return np.empty(0, dtype=np.intp)
        if int(values.min()) < self._base or int(values.max()) >= self._base + len(self._table):
            inside = (values >= self._base) & (values < self._base + len(self._table))
            out = np.full(len(values), -1, dtype=np.intp)
            out[inside] = self._table[values[inside] - self._base]
            return out
        return np.asarray(self._table[values - self._base if self._base else values])


@dataclass(frozen=True, slots=True, eq=False)
class BlockCoder:
    """Codes the rows of one random-effects term.

    Attributes
    ----------
    factors : tuple of str
    sizes : tuple of int
        Levels of each factor.
    members : ndarray of intp, shape (m, factors)
    encoder : Encoder or None
        Makes the basis; None where it is the constant.
    width : int
    known : ndarray of int64, shape (m,)
        Each level as one number, increasing.
    table : ndarray of intp or None
        The level of each possible combination, -1 for those that do not occur.
    """

    factors: tuple[str, ...]
    sizes: tuple[int, ...]
    members: NDArray[np.intp]
    encoder: Encoder | None
    width: int
    known: NDArray[np.int64]
    table: NDArray[np.intp] | None

    @classmethod
    def of(
        cls, factors: tuple[str, ...], sizes: tuple[int, ...], members: NDArray[np.intp], encoder: Any, width: int
    ) -> BlockCoder:
        """Return the coder of a term."""
        known = _as_one(list(members.T), sizes)
        table = None
        if len(factors) > 1 and np.prod([float(s) for s in sizes]) <= WIDEST_TABLE:
            table = np.full(int(np.prod(sizes)), -1, dtype=np.intp)
            table[known] = np.arange(len(known))
        return cls(factors, sizes, members, encoder, width, known, table)

    def codes(self, by_factor: Mapping[str, NDArray[np.intp]]) -> NDArray[np.intp]:
        """Return the level of each row, shape (r,), -1 where it is not known."""
        if len(self.factors) == 1:
            return by_factor[self.factors[0]]
        parts = [by_factor[name] for name in self.factors]
        cells = _as_one(parts, self.sizes)
        if self.table is not None:
            found = self.table[np.maximum(cells, 0)]
        else:
            place = np.minimum(np.searchsorted(self.known, cells), len(self.known) - 1)
            found = np.where(self.known[place] == cells, place, -1)
        lost = np.any([part < 0 for part in parts], axis=0)
        return np.where(lost, -1, found) if lost.any() else found


def _as_one(parts: Sequence[NDArray[np.intp]], sizes: Sequence[int]) -> NDArray[np.int64]:
    """Return the combination of each row as one number, in lexicographic order."""
    out = parts[0].astype(np.int64)
    for part, size in zip(parts[1:], sizes[1:], strict=True):
        out = out * size + part
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Coder:
    """Codes rows as a design codes them.

    Attributes
    ----------
    names : tuple of str
        The columns used.
    response : str
        Column or expression.
    response_encoder : Encoder or None
        None where the response is a column of numbers.
    encoder : Encoder
        Makes X, with columns that depend on others.
    kept : ndarray of intp, shape (p,), or None
        The columns of X that are kept; None for all.
    offset_encoders : tuple of Encoder
    weights, offset : str or None
        Columns.
    levels : dict of str to LevelFinder
        Of the columns that are factors in X or a basis, and of grouping columns.
    labels : frozenset of str
        Columns that are factors in X or a basis and hold no numbers.
    blocks : tuple of BlockCoder
    complete : tuple of str
        The columns that decide which rows are used.
    may_be_undefined : bool
        Whether an expression may have no value in some rows, which are left out.
    """

    names: tuple[str, ...]
    response: str
    response_encoder: Encoder | None
    encoder: Encoder
    kept: NDArray[np.intp] | None
    offset_encoders: tuple[Encoder, ...]
    weights: str | None
    offset: str | None
    levels: dict[str, LevelFinder]
    labels: frozenset[str]
    blocks: tuple[BlockCoder, ...]
    complete: tuple[str, ...]
    may_be_undefined: bool

    def complete_columns(self, columns: AnyColumns) -> dict[str, pd.Series[Any]]:
        """Return the rows without a missing value, with all columns that are read."""
        found = complete_rows(columns, self.complete)
        index = next(iter(found.values())).index
        for name in self.names:
            if name not in found:
                found[name] = pd.Series(as_response(columns[name].loc[index], name), index=index, name=name)
        return found

    def code(self, columns: AnyColumns, with_frame: bool = False) -> RowBatch:
        """Return complete rows coded, those left out in which an expression has no value."""
        index = next(iter(columns.values())).index
        codes = {f: self._find(f, columns[f]) for f in dict.fromkeys(f for b in self.blocks for f in b.factors)}
        coded = {
            name: pd.Series(
                pd.Categorical.from_codes(
                    codes[name] if name in codes else self._find(name, column),
                    categories=self.levels[name].levels,
                ),
                index=index,
                copy=False,
            )
            if name in self.labels
            else column
            for name, column in columns.items()
        }
        frame = pd.DataFrame(coded, index=index, copy=False)
        X = self.encoder.encode(frame)
        if self.kept is not None:
            X = np.ascontiguousarray(X[:, self.kept])
        made: dict[int, Floats] = {}
        bases = []
        for block in self.blocks:
            if block.encoder is None:
                bases.append(np.ones((len(frame), 1)))
            else:
                key = id(block.encoder)
                made[key] = made[key] if key in made else block.encoder.encode(frame)
                bases.append(made[key])
        y = (
            np.asarray(columns[self.response].to_numpy(), dtype=np.float64)
            if self.response_encoder is None
            else self.response_encoder.encode(frame)[:, 0]
        )
        offsets = [encoder.encode(frame)[:, 0] for encoder in self.offset_encoders]
        if self.offset is not None:
            offsets.append(np.asarray(columns[self.offset].to_numpy(), dtype=np.float64))
        batch = RowBatch(
            y,
            X,
            None if self.weights is None else np.asarray(columns[self.weights].to_numpy(), dtype=np.float64),
            np.sum(offsets, axis=0) if offsets else None,
            tuple(block.codes(codes) for block in self.blocks),
            tuple(bases),
            np.asarray(index),
            pd.DataFrame(dict(columns), index=index, copy=False) if with_frame else None,
        )
        return self._leave_out_undefined(batch) if self.may_be_undefined else batch

    def _find(self, name: str, column: pd.Series[Any]) -> NDArray[np.intp]:
        """Return the level of each row."""
        return self.levels[name].of(column)

    def _leave_out_undefined(self, batch: RowBatch) -> RowBatch:
        parts = [batch.y[:, None], np.asarray(batch.X), *batch.bases]
        parts += [] if batch.offset is None else [batch.offset[:, None]]
        undefined = [np.isnan(part).any(axis=1) for part in parts if np.isnan(np.add.reduce(part, axis=None))]
        return take_rows(batch, ~np.any(undefined, axis=0)) if undefined else batch


def take_rows(batch: RowBatch, rows: Any) -> RowBatch:
    """Return some rows of a batch, by a mask or a slice."""
    return RowBatch(
        batch.y[rows],
        batch.X[rows],
        None if batch.weights is None else batch.weights[rows],
        None if batch.offset is None else batch.offset[rows],
        tuple(c[rows] for c in batch.codes),
        tuple(b[rows] for b in batch.bases),
        batch.rows[rows],
        None if batch.frame is None else batch.frame[rows],
    )


def code_in_pieces(coder: Coder, columns: AnyColumns, rows: int, with_frame: bool) -> Iterator[RowBatch]:
    """Yield coded pieces, of at most ``rows``, of a batch of columns."""
    r = len(next(iter(columns.values())))
    step = max(1, min(rows, MOST_NUMBERS // max(len(coder.encoder.column_names), 1)))
    for start in range(0, r, step):
        piece = {name: column.iloc[start : start + step] for name, column in columns.items()} if r > step else columns
        batch = coder.code(piece, with_frame)
        if any((codes < 0).any() for codes in batch.codes):
            raise DataError(describe_change())
        if len(batch):
            yield batch


def describe_change(name: str = "The source of the rows") -> str:
    """Return the message on data that are no longer those that were surveyed."""
    return f"{name} changed after its rows were first read: it has other rows or levels now. Declare the model again."

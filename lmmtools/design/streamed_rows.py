"""``StreamedRows``: the rows of a design, read from a source and coded batch by batch, as often as they are needed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
import pandas as pd

from lmmtools.design.factors import match_levels
from lmmtools.design.facts import spanning_rows
from lmmtools.design.frame import as_numbers, is_missing, need_columns
from lmmtools.design.numerals import name_row
from lmmtools.design.row_statistics import RowStatistics
from lmmtools.design.rows_elsewhere import RowBatch
from lmmtools.design.survey import as_plain
from lmmtools.errors import DataError
from lmmtools.sources import as_columns
from lmmtools.sources.folding import Spread, fold_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from lmmtools.design.encoders import Encoder
    from lmmtools.design.matrices import Design
    from lmmtools.design.survey import Survey
    from lmmtools.sources import Source

    Floats = NDArray[np.float64]
    AnyColumns = Mapping[str, pd.Series[Any]]

T = TypeVar("T")

__all__ = ["BlockCoder", "Coder", "LevelFinder", "RowSums", "StreamedRows", "complete_rows", "read_columns"]

WIDEST_TABLE = 1 << 24
"""Integers within a range of this length, and so many possible combinations, are looked up in a table."""

MOST_NUMBERS = 1 << 24
"""Numbers in the rows of X that are coded at a time: 128 MB."""


def read_columns(source: Source, names: Sequence[str]) -> Iterator[tuple[dict[str, pd.Series[Any]], int]]:
    """Yield the columns of each batch, and the position of its first row."""
    start = 0
    # A table needs one column at least to have rows.
    wanted = tuple(names) or source.columns[:1]
    for batch in source.batches(wanted):
        yield as_columns(batch, start), start
        start += batch.num_rows


def complete_rows(columns: AnyColumns, names: Sequence[str]) -> dict[str, pd.Series[Any]]:
    """Return the columns on the rows without a missing value in any of them."""
    missing = [where for name in names if (where := is_missing(columns[name])).any()]
    keep = ~np.any(missing, axis=0) if missing else None
    return {name: as_plain(columns[name] if keep is None else columns[name][keep]) for name in names}


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
                values = as_numbers(columns[name].loc[index], name, "the response")
                if np.isnan(values).any():
                    row = name_row(index[int(np.argmax(np.isnan(values)))])
                    raise DataError(
                        f"{name!r} has no value in {row}, which the model uses: another response has to have the same "
                        "rows. Declare a model of its own for it."
                    )
                found[name] = pd.Series(values, index=index, name=name)
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


@dataclass(frozen=True, eq=False)
class StreamedRows:
    """The rows of a design that are read from a source.

    Attributes
    ----------
    source : Source
    coder : Coder
    n : int
        Rows used.
    survey : Survey
        Of the rows used.
    """

    source: Source
    coder: Coder
    n: int
    survey: Survey
    _found: list[RowStatistics] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What the source is called."""
        return self.source.name

    @property
    def widths(self) -> tuple[int, ...]:
        """Columns of the basis of each term."""
        return tuple(block.width for block in self.coder.blocks)

    def with_tables(self, rows: int, design: Design) -> Iterator[tuple[Any, RowBatch]]:
        """Yield tables of Arrow with all columns of the rows used, and these rows coded as a design has them."""
        start = n = 0
        for table in self.source.batches(self.source.columns):
            columns = as_columns(table, start)
            complete = complete_rows(columns, self.coder.complete)
            for batch in code_in_pieces(self.coder, complete, rows, with_frame=False):
                n += len(batch)
                yield table.take(batch.rows - start), design.in_blocks(batch)
            start += table.num_rows
        if n != self.n:
            raise DataError(_changed(self.name))

    def with_response(self, name: str) -> StreamedRows:
        """Return the same rows with another column as their response; it must have a value in each."""
        need_columns(pd.DataFrame(columns=list(self.source.columns)), [name])
        names = tuple(dict.fromkeys((*self.coder.names, name)))
        coder = replace(self.coder, names=names, response=name, response_encoder=None)
        return StreamedRows(self.source, coder, self.n, self.survey)

    def are_alike(self, a: Any, b: Any) -> bool:
        """Whether two terms, by their codes, have the same levels in the same rows."""
        pair = (a.at, b.at) if a.at < b.at else (b.at, a.at)
        alone = self.coder.blocks[a.at].factors == self.coder.blocks[b.at].factors
        return bool(self.statistics.alike.get(pair, alone))

    def collect(self, design: Design) -> Design:
        """Return the design with its rows in memory, as arrays."""
        batches = list(design.batches(1 << 18))

        def joined(parts: list[Any]) -> Any:
            return None if parts[0] is None else np.concatenate(parts)

        blocks = tuple(
            replace(block, codes=joined([b.codes[k] for b in batches]), basis=joined([b.bases[k] for b in batches]))
            for k, block in enumerate(design.blocks)
        )
        return replace(
            design,
            y=joined([b.y for b in batches]),
            fixed=joined([b.X for b in batches]),
            blocks=blocks,
            weights=joined([b.weights for b in batches]),
            offset=joined([b.offset for b in batches]),
            rows=joined([b.rows for b in batches]),
            streamed=None,
        )

    def few(self, design: Design) -> Design:
        """Return a design of few rows in memory that span, with X and the bases, all that its rows span."""
        rows = spanning_rows(design)
        batch = self.coder.code(complete_rows({name: rows[name] for name in self.coder.names}, self.coder.names))
        codes: Any = [b.codes for b in design.blocks]
        bases: Any = [b.basis for b in design.blocks]
        blocks = tuple(
            replace(block, codes=c.of(batch), basis=b.of(batch))
            for block, c, b in zip(design.blocks, codes, bases, strict=True)
        )
        return replace(
            design,
            y=batch.y,
            fixed=batch.X,
            blocks=blocks,
            weights=batch.weights,
            offset=batch.offset,
            rows=batch.rows,
            complete=rows,
            streamed=None,
        )

    def batches(self, rows: int, with_frame: bool = False) -> Iterator[RowBatch]:
        """Yield the rows used in batches of at most ``rows``, in order; a whole pass also makes the statistics.

        Raises
        ------
        DataError
            The data are no longer those that were surveyed.
        """
        statistics = None if self._found else RowStatistics.for_rows(self)
        n = 0
        for columns, _ in read_columns(self.source, self.coder.names):
            complete = self.coder.complete_columns(columns)
            for batch in code_in_pieces(self.coder, complete, rows, with_frame or statistics is not None):
                if statistics is not None:
                    statistics.add(batch)
                n += len(batch)
                yield batch
        if n != self.n:
            raise DataError(_changed(self.name))
        if statistics is not None and not self._found:
            self._found.append(statistics)

    @property
    def is_spread(self) -> bool:
        """Whether sums over the rows are made by several workers."""
        return isinstance(self.source, Spread)

    def fold(self, design: Design, rows: int, sums: RowSums[T]) -> T:
        """Return sums over the rows of a design, made where they are; its first pass also makes the statistics.

        Raises
        ------
        DataError
            The data are no longer those that were surveyed.
        """
        blocks = tuple((block.codes, block.basis) for block in design.blocks)
        work = _CodedFold(self.coder, self.name, blocks, rows, sums, has_statistics=not self._found)
        total: _CodedSums = fold_rows(self.source, tuple(self.coder.names) or self.source.columns[:1], work)
        if total.used != self.n:
            raise DataError(_changed(self.name))
        if total.statistics is not None and not self._found:
            self._found.append(total.statistics)
        found: T = total.sums
        return found

    @property
    def statistics(self) -> RowStatistics:
        """What all rows tell once they are coded; a pass of its own if none was made yet."""
        if not self._found:
            for _ in self.batches(1 << 18):
                pass
        return self._found[0]


def code_in_pieces(coder: Coder, columns: AnyColumns, rows: int, with_frame: bool) -> Iterator[RowBatch]:
    """Yield coded pieces, of at most ``rows``, of a batch of columns."""
    r = len(next(iter(columns.values())))
    step = max(1, min(rows, MOST_NUMBERS // max(len(coder.encoder.column_names), 1)))
    for start in range(0, r, step):
        piece = {name: column.iloc[start : start + step] for name, column in columns.items()} if r > step else columns
        batch = coder.code(piece, with_frame)
        if any((codes < 0).any() for codes in batch.codes):
            raise DataError(_changed())
        if len(batch):
            yield batch


class RowSums(Protocol[T]):
    """Sums over rows of a design, by way of sums over some of them; it can be pickled, and so can the sums."""

    def start(self) -> T:
        """Return the sums over no row."""

    def add(self, total: T, batch: RowBatch) -> None:
        """Add rows."""

    def merge(self, total: T, following: T) -> None:
        """Add the sums over the rows that follow."""


@dataclass(slots=True)
class _CodedSums:
    """Sums over coded rows: those asked for, the statistics, rows read and rows used."""

    sums: Any
    statistics: RowStatistics | None
    read: int = 0
    used: int = 0


@dataclass(frozen=True, slots=True)
class _CodedFold:
    """A fold over the rows of a source as a design codes them."""

    coder: Coder
    name: str
    blocks: tuple[tuple[Any, Any], ...]
    rows: int
    wanted: RowSums[Any]
    has_statistics: bool

    def start(self) -> _CodedSums:
        """Return the sums over no row."""
        return _CodedSums(self.wanted.start(), RowStatistics.for_rows(self) if self.has_statistics else None)

    def add(self, total: _CodedSums, batches: Iterable[pa.RecordBatch]) -> _CodedSums:
        """Return the sums with more rows."""
        for table in batches:
            columns = as_columns(table, total.read)
            total.read += table.num_rows
            complete = self.coder.complete_columns(columns)
            for batch in code_in_pieces(self.coder, complete, self.rows, total.statistics is not None):
                if total.statistics is not None:
                    total.statistics.add(batch)
                total.used += len(batch)
                codes, bases = (tuple(part[k].of(batch) for part in self.blocks) for k in (0, 1))
                self.wanted.add(total.sums, replace(batch, codes=codes, bases=bases, frame=None))
        return total

    def merge(self, total: _CodedSums, following: _CodedSums) -> _CodedSums:
        """Return the sums over the rows of both."""
        self.wanted.merge(total.sums, following.sums)
        if total.statistics is not None and following.statistics is not None:
            total.statistics.merge(following.statistics)
        total.read += following.read
        total.used += following.used
        return total


def _changed(name: str = "The source of the rows") -> str:
    return f"{name} changed after its rows were first read: it has other rows or levels now. Declare the model again."

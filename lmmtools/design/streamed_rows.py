"""``StreamedRows``: the rows of a design, read from a source and coded batch by batch, as often as they are needed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
import pandas as pd

from lmmtools.design.coder import Coder, code_in_pieces, complete_rows, describe_change
from lmmtools.design.facts import spanning_rows
from lmmtools.design.frame import need_columns
from lmmtools.design.row_statistics import RowStatistics
from lmmtools.design.rows_elsewhere import RowBatch
from lmmtools.errors import DataError
from lmmtools.sources import as_columns
from lmmtools.sources.folding import Spread, fold_rows
from lmmtools.sources.places import reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design
    from lmmtools.design.survey import Survey
    from lmmtools.sources import Source

    Floats = NDArray[np.float64]
    AnyColumns = Mapping[str, pd.Series[Any]]

T = TypeVar("T")

__all__ = ["RowSums", "StreamedRows", "read_columns"]

SAME_MEAN = 1e-9
"""Difference of the means of the same numbers in two passes, as a share of the largest: above what rounding makes."""


def read_columns(source: Source, names: Sequence[str]) -> Iterator[tuple[dict[str, pd.Series[Any]], int]]:
    """Yield the columns of each batch, and the position of its first row."""
    start = 0
    # A table needs one column at least to have rows.
    wanted = tuple(names) or source.columns[:1]
    for batch in source.batches(wanted):
        yield as_columns(batch, start), start
        start += batch.num_rows


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
            raise DataError(describe_change(self.name))

    def with_response(self, name: str) -> StreamedRows:
        """Return the same rows with another column as their response; it must have a value in each."""
        need_columns(pd.DataFrame(columns=list(self.source.columns)), [name])
        if name in self.coder.labels:
            raise DataError(f"{name!r} is a factor of this model, and a response must hold numbers.")
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
            with reading(self.source, is_streamed=True):
                complete = self.coder.complete_columns(columns)
            for batch in code_in_pieces(self.coder, complete, rows, with_frame or statistics is not None):
                if statistics is not None:
                    statistics.add(batch)
                n += len(batch)
                yield batch
        if n != self.n:
            raise DataError(describe_change(self.name))
        if statistics is not None and not self._found:
            self._keep(statistics)

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
        with reading(self.source, is_streamed=True):
            total: _CodedSums = fold_rows(self.source, tuple(self.coder.names) or self.source.columns[:1], work)
        if total.used != self.n:
            raise DataError(describe_change(self.name))
        if total.statistics is not None and not self._found:
            self._keep(total.statistics)
        found: T = total.sums
        return found

    def _keep(self, statistics: RowStatistics) -> None:
        """Keep what a pass has found, of the rows that were surveyed and no others.

        Raises
        ------
        DataError
            The response has another mean than in the survey: a query that draws rows gives others in each pass.
        """
        response = self.coder.response
        summary = self.survey.numbers.get(response)
        if summary is not None and self.coder.response_encoder is None:
            largest = max(abs(summary.smallest), abs(summary.largest))
            if abs(statistics.y.mean - summary.moments.mean) > SAME_MEAN * largest:
                raise DataError(
                    f"{self.name} gave other values of {response} in a second pass. A fit reads its rows several "
                    "times, and they must be the same each time: write them to a file first."
                )
        self._found.append(statistics)

    @property
    def statistics(self) -> RowStatistics:
        """What all rows tell once they are coded; a pass of its own if none was made yet."""
        if not self._found:
            for _ in self.batches(1 << 18):
                pass
        return self._found[0]


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

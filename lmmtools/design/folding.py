"""Sums over the rows of a source as columns of pandas, or as rows of a design: made where the rows are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from lmmtools.sources import as_columns
from lmmtools.sources.folding import fold_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pandas as pd
    import pyarrow as pa

    from lmmtools.sources import Source

__all__ = ["ColumnSums", "fold_columns"]

T = TypeVar("T", bound="Mergeable")


class Mergeable(Protocol):
    """Sums to which those of the rows that follow can be added."""

    def merge(self, other: Any, start: int) -> None:
        """Add the sums of rows that begin at position ``start``."""


@dataclass(slots=True)
class ColumnSums:
    """Sums, and over how many rows."""

    sums: Any
    rows: int = 0


@dataclass(frozen=True, slots=True)
class _Columns:
    """A fold over columns.

    Attributes
    ----------
    make : callable
        Returns the sums over no row.
    step : callable
        Adds the columns of a batch, whose first row has the position given, to sums.
    """

    make: Callable[[], Any]
    step: Callable[[Any, Mapping[str, pd.Series[Any]], int], None]

    def start(self) -> ColumnSums:
        """Return the sums over no row."""
        return ColumnSums(self.make())

    def add(self, total: ColumnSums, batches: Iterable[pa.RecordBatch]) -> ColumnSums:
        """Return the sums with more rows."""
        for batch in batches:
            self.step(total.sums, as_columns(batch, total.rows), total.rows)
            total.rows += batch.num_rows
        return total

    def merge(self, total: ColumnSums, following: ColumnSums) -> ColumnSums:
        """Return the sums over the rows of both."""
        total.sums.merge(following.sums, total.rows)
        total.rows += following.rows
        return total


def fold_columns(
    source: Source,
    names: Sequence[str],
    make: Callable[[], T],
    step: Callable[[T, Mapping[str, pd.Series[Any]], int], None],
) -> T:
    """Return sums over all rows of a source.

    Parameters
    ----------
    source : Source
    names : sequence of str
        Columns that the sums need.
    make : callable
        Returns sums over no row, which have ``merge(other, start)``; it can be pickled.
    step : callable
        Adds the columns of a batch, the first of whose rows has the position given; it can be pickled.
    """
    # A table needs one column at least to have rows.
    total: ColumnSums = fold_rows(source, tuple(names) or source.columns[:1], _Columns(make, step))
    sums: T = total.sums
    return sums

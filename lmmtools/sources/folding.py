"""Sums over all rows of a source, made where the rows are: here, or by the workers of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa

    from lmmtools.sources.source import Source

__all__ = ["Fold", "Spread", "fold_rows"]

T = TypeVar("T")


class Fold(Protocol[T]):
    """Sums over rows, by way of sums over parts of them; it can be pickled, and so can the sums."""

    def start(self) -> T:
        """Return the sums over no row."""

    def add(self, total: T, batches: Iterable[pa.RecordBatch]) -> T:
        """Return the sums with more rows, which follow those added before; ``total`` may be changed."""

    def merge(self, total: T, following: T) -> T:
        """Return the sums over the rows of both, those of the second behind those of the first."""


@runtime_checkable
class Spread(Protocol):
    """A source whose parts lie with several workers, each of which adds up its own."""

    def fold(self, columns: Sequence[str], work: Fold[Any]) -> Any:
        """Return the sums over all rows, made where they are."""


def fold_rows(source: Source, columns: Sequence[str], work: Fold[T]) -> T:
    """Return sums over all rows of a source.

    Raises
    ------
    DataError
        As :meth:`Source.batches`, and what the sums themselves find wrong.
    """
    if isinstance(source, Spread):
        total: T = source.fold(columns, work)
        return total
    return work.add(work.start(), source.batches(columns))

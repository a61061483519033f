"""Where the rows of a model are read from, for messages: the file and the row in it, columns looked through again."""

from __future__ import annotations

from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from lmmtools.audience import advice
from lmmtools.sources.columns import as_columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from lmmtools.sources.source import Source

__all__ = ["Somewhere", "advice_on_data", "columns_elsewhere", "place_of", "reading"]


class _Placed(Protocol):
    """What knows where its rows are."""

    def place(self, row: int) -> str:
        """Return the row at a position as people count."""


@dataclass(frozen=True, slots=True)
class Somewhere:
    """Where a worker is that does not know how many rows come before its own: ``"partition 3 of the dask frame"``."""

    name: str

    def place(self, row: int) -> str:
        """Return its name."""
        return self.name


@dataclass(frozen=True, slots=True)
class _Reading:
    """A source that a model is declared on; ``is_streamed`` where a message sees some of its rows alone."""

    source: Any
    is_streamed: bool


_READING: ContextVar[_Reading | None] = ContextVar("lmmtools_reading", default=None)


@contextmanager
def reading(source: _Placed, *, is_streamed: bool) -> Iterator[None]:
    """Return a context in which positions of rows in messages are those of a source."""
    token = _READING.set(_Reading(source, is_streamed))
    try:
        yield
    finally:
        _READING.reset(token)


def place_of(position: int) -> str | None:
    """Return the place of a row, ``"row 12 of ratings/part-1.csv"``, counted from 1; None where no source is read."""
    found = _READING.get()
    if found is None:
        return None
    place: str = found.source.place(position)
    return place


def advice_on_data(python: str, elsewhere: str, command: str) -> str:
    """Return advice on a column: ``python`` for a frame, ``elsewhere`` for a source, ``command`` at a command line."""
    return advice(python if _READING.get() is None else elsewhere, command)


def columns_elsewhere(name: str) -> Iterator[pd.Series[Any]] | None:
    """Return a column in pieces by another pass where a message sees some of its rows alone, None elsewhere."""
    found = _READING.get()
    if found is None or not found.is_streamed or name not in found.source.columns:
        return None
    return _pieces(found.source, name)


def _pieces(source: Source, name: str) -> Iterator[pd.Series[Any]]:
    rows = 0
    with closing(source.batches([name])) as batches:
        for batch in batches:
            yield as_columns(batch, rows)[name]
            rows += batch.num_rows

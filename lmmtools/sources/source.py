"""``Source``: what every kind of source can do, and what is checked alike in all of them."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Protocol

from lmmtools.audience import how_to_install
from lmmtools.errors import DataError, EngineError
from lmmtools.sentences import list_first

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from types import ModuleType

    import pyarrow as pa

__all__ = ["BATCH_ROWS", "Source", "check_wanted", "load_package"]

BATCH_ROWS = 1 << 20
"""Most rows of a batch: 8 MB a column of numbers, so that a batch of ten columns and its copies stay under 300 MB."""

MOST_COLUMNS = 12
"""Columns that a message names."""


class Source(Protocol):
    """A table that is read in batches, as often as needed, with the same rows in the same order each time.

    Attributes
    ----------
    name : str
        What messages and reports call it.
    schema : pyarrow.Schema
        Name and type of each column. A column of a dictionary type is a factor with a declared order of its levels;
        batches may also hold a column of texts as dictionaries, whose order then means nothing.
    """

    @property
    def name(self) -> str:
        """What messages and reports call it."""

    @property
    def schema(self) -> pa.Schema:
        """Name and type of each column."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""

    def batches(self, columns: Sequence[str]) -> Generator[pa.RecordBatch, None, None]:
        """Return the rows, ``BATCH_ROWS`` or fewer at a time, with these columns in this order.

        Raises
        ------
        DataError
            A column is missing, a part cannot be read or has another type, or the data changed since they were opened.
        """

    def rows(self) -> int | None:
        """Return the number of rows, None if it is not known without reading them."""

    def place(self, row: int) -> str:
        """Return the row at a position as people count: ``"row 12 of ratings/part-1.csv"``."""

    def parts(self) -> Sequence[Source]:
        """Return pieces that can be read independently, in the order of rows; none if there is only one."""


def check_wanted(source: Source, columns: Iterable[str]) -> tuple[str, ...]:
    """Return the columns as a tuple after a check that the source has each of them once.

    Raises
    ------
    DataError
        Names the first that is missing, with the closest name there is, or that occurs twice.
    """
    wanted = tuple(columns)
    for name in wanted:
        count = source.columns.count(name)
        if count > 1:
            raise DataError(
                f"{source.name} has {count} columns named {name!r}. Rename or leave out all but one of them."
            )
        if not count:
            close = get_close_matches(name, source.columns, 1, 0.6)
            there = f"Did you mean {close[0]!r}?" if close else f"It has: {list_first(source.columns, MOST_COLUMNS)}."
            raise DataError(f"{source.name} has no column {name!r}. {there}")
    return wanted


def load_package(name: str, what: str) -> ModuleType:
    """Return an optional package, imported.

    Parameters
    ----------
    name : str
        The module: ``"pyarrow.parquet"``.
    what : str
        What needs it, as the subject of a sentence.

    Raises
    ------
    EngineError
        It is not installed.
    """
    from importlib import import_module

    package = name.partition(".")[0]
    try:
        return import_module(name)
    except ImportError as error:
        raise EngineError(
            f"{what} needs {package}, which is not installed: {how_to_install(package)}. The extra scale of "
            "lmmtools has all that data in files, databases and clusters need."
        ) from error

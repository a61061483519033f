"""A source of parts that have one schema between them: files of a folder, fragments of a dataset."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from lmmtools.errors import DataError
from lmmtools.sources.batches import regroup
from lmmtools.sources.schemas import common_type, describe_type
from lmmtools.sources.source import check_wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    import pyarrow as pa

__all__ = ["Part", "PartedSource", "join_parts"]

PART_ROWS = 4_000_000
"""Rows from which a file of several row groups is more than one part."""


def _check_nothing() -> None:
    """Do nothing, for parts that cannot change."""


class Part(Protocol):
    """A piece of a table that can be read alone.

    Attributes
    ----------
    name : str
        Of the file, for messages.
    schema : pyarrow.Schema
        As the piece has it.
    rows : int or None
        None if it is not known without reading.
    """

    @property
    def name(self) -> str:
        """Name of the file, for messages."""

    @property
    def schema(self) -> pa.Schema:
        """Columns and types as the piece has them."""

    @property
    def rows(self) -> int | None:
        """Number of rows, None if it is not known without reading."""

    def read(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Return the columns of ``schema`` in batches, as they are stored; texts may come as dictionaries."""

    def split(self, rows: int) -> Sequence[Part]:
        """Return pieces of about so many rows, itself alone if it has no more or is in one piece."""


@dataclass(frozen=True, slots=True)
class PartedSource:
    """A table in parts.

    Attributes
    ----------
    name : str
    schema : pyarrow.Schema
        Types that hold the values of all parts.
    pieces : tuple of Part
    faults : mapping of str to str
        What is wrong with a column in one of the parts, raised once the column is wanted.
    check_same : callable
        Raises a DataError if the parts are no longer those that were opened.
    """

    name: str
    schema: pa.Schema
    pieces: tuple[Part, ...]
    faults: Mapping[str, str] = field(default_factory=dict)
    check_same: Callable[[], None] = _check_nothing

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.schema.names)

    def batches(self, columns: Sequence[str]) -> Generator[pa.RecordBatch, None, None]:
        """Return the rows in batches, with these columns."""
        wanted = check_wanted(self, columns)
        for name in wanted:
            if name in self.faults:
                raise DataError(self.faults[name])
        return self._read(wanted)

    def _read(self, wanted: tuple[str, ...]) -> Generator[pa.RecordBatch, None, None]:
        import pyarrow as pa

        schema = pa.schema([self.schema.field(name) for name in wanted])
        self.check_same()
        try:
            yield from regroup((batch for piece in self.pieces for batch in piece.read(schema)), schema)
        except pa.ArrowException as error:  # a value that the common type cannot hold
            raise DataError(f"{self.name} cannot be read: {str(error).splitlines()[0]:.200}") from error
        self.check_same()

    def rows(self) -> int | None:
        """Return the number of rows, None if a part does not tell."""
        known = [piece.rows for piece in self.pieces if piece.rows is not None]
        return sum(known) if len(known) == len(self.pieces) else None

    def place(self, row: int) -> str:
        """Return the row at a position as people count, in the part that has it where parts tell their rows."""
        left = row
        for piece in self.pieces:
            if piece.rows is None:
                break
            if left < piece.rows:
                return f"row {left + 1:,} of {piece.name}"
            left -= piece.rows
        return f"row {row + 1:,} of {self.name}"

    def parts(self) -> Sequence[PartedSource]:
        """Return the parts, a large one in several; none if there is only one."""
        pieces = [small for piece in self.pieces for small in piece.split(PART_ROWS)]
        if len(pieces) < 2:
            return ()
        return [replace(self, name=piece.name, pieces=(piece,)) for piece in pieces]


def join_parts(
    name: str,
    pieces: Sequence[Part],
    check_same: Callable[[], None] = _check_nothing,
    schema: pa.Schema | None = None,
) -> PartedSource:
    """Return the source that parts make up.

    A part that is known to have no rows adds nothing, whatever its columns are.

    Parameters
    ----------
    name : str
    pieces : sequence of Part
        One or more.
    check_same : callable
        Raises a DataError if the parts are no longer those that were opened.
    schema : pyarrow.Schema, optional
        Types that the whole declares; by default those that hold the values of all parts.
    """
    pieces = [piece for piece in pieces if piece.rows != 0] or list(pieces)[:1]
    faults: dict[str, str] = {}
    if schema is None:
        schema, faults = _unify(pieces)
    return PartedSource(name, schema, tuple(pieces), {**_find_missing(pieces, schema), **faults}, check_same)


def _unify(pieces: Sequence[Part]) -> tuple[pa.Schema, dict[str, str]]:
    """Return the columns of all parts with types that hold their values, and a message for each that has no such type.

    A name that occurs twice in the first part does so in the schema, so that it is seen.
    """
    import pyarrow as pa

    first = pieces[0]
    kinds = {column.name: column.type for column in first.schema}
    names = list(first.schema.names)
    origin = dict.fromkeys(names, first.name)
    faults: dict[str, str] = {}
    last = first.schema
    for piece in pieces[1:]:
        schema = piece.schema
        if schema.equals(last):
            continue
        for column in schema:
            known = kinds.setdefault(column.name, column.type)
            if origin.setdefault(column.name, piece.name) == piece.name:
                names += [column.name] * (column.name not in names)
                continue
            both = common_type(known, column.type)
            if both is not None:
                kinds[column.name] = both
                continue
            faults.setdefault(
                column.name,
                f"{piece.name} has {describe_type(column.type)} in column {column.name!r}, where {origin[column.name]} "
                f"has {describe_type(known)}: parts of one table must agree. Convert one of them, or leave it out.",
            )
        last = schema
    return pa.schema([pa.field(name, kinds[name]) for name in names]), faults


def _find_missing(pieces: Sequence[Part], schema: pa.Schema) -> dict[str, str]:
    """Return a message for each column that a part lacks."""
    faults: dict[str, str] = {}
    last: pa.Schema | None = None
    for piece in pieces:
        there = piece.schema
        if last is not None and there.equals(last):
            continue
        for name in set(schema.names).difference(there.names):
            other = next((p.name for p in pieces if name in p.schema.names), "the schema of the whole")
            faults.setdefault(
                name,
                f"{piece.name} has no column {name!r}, which {other} has. Add it there, or leave that part out.",
            )
        last = there
    return faults

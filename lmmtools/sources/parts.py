"""A source of parts that have one schema between them: files of a folder, fragments of a dataset."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from lmmtools.errors import DataError
from lmmtools.sources.schemas import common_type, describe_type, is_text
from lmmtools.sources.source import check_wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pyarrow as pa

__all__ = ["Part", "PartedSource", "join_parts"]

PART_ROWS = 4_000_000
"""Rows from which a file of several row groups is more than one part."""


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
    check_same: Callable[[], None] = lambda: None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.schema.names)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Return the rows in batches, with these columns."""
        wanted = check_wanted(self, columns)
        for name in wanted:
            if name in self.faults:
                raise DataError(self.faults[name])
        return self._read(wanted)

    def _read(self, wanted: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        schema = pa.schema([self.schema.field(name) for name in wanted])
        self.check_same()
        for piece in self.pieces:
            for batch in piece.read(schema):
                if batch.num_rows:
                    yield convert_batch(batch, schema)
        self.check_same()

    def rows(self) -> int | None:
        """Return the number of rows, None if a part does not tell."""
        known = [piece.rows for piece in self.pieces if piece.rows is not None]
        return sum(known) if len(known) == len(self.pieces) else None

    def parts(self) -> Sequence[PartedSource]:
        """Return the parts, a large one in several; none if there is only one."""
        pieces = [small for piece in self.pieces for small in piece.split(PART_ROWS)]
        if len(pieces) < 2:
            return ()
        return [replace(self, name=piece.name, pieces=(piece,)) for piece in pieces]


def join_parts(name: str, pieces: Sequence[Part], check_same: Callable[[], None] = lambda: None) -> PartedSource:
    """Return the source that parts make up, with types that hold the values of all."""
    import pyarrow as pa

    fields: dict[str, pa.Field] = {}
    first_with: dict[str, str] = {}
    faults: dict[str, str] = {}
    schemas: list[pa.Schema] = []
    for piece in pieces:
        if any(piece.schema is s or piece.schema.equals(s) for s in schemas[-1:]):
            continue
        for column in piece.schema:
            if column.name not in fields or not schemas:
                fields.setdefault(column.name, column)
                first_with.setdefault(column.name, piece.name)
                continue
            known = fields[column.name].type
            both = common_type(known, column.type)
            if both is None:
                faults.setdefault(
                    column.name,
                    f"{piece.name} has {describe_type(column.type)} in column {column.name!r}, where "
                    f"{first_with[column.name]} has {describe_type(known)}: parts of one table must agree. Convert one "
                    "of them, or leave it out.",
                )
            else:
                fields[column.name] = pa.field(column.name, both)
        schemas.append(piece.schema)
    for piece in pieces:
        there = set(piece.schema.names)
        for column_name in fields:
            if column_name not in there:
                faults.setdefault(
                    column_name,
                    f"{piece.name} has no column {column_name!r}, which {first_with[column_name]} has. Add it there, "
                    "or leave that part out.",
                )
    names = list(fields)
    for doubled in pieces[0].schema.names:  # a name that occurs twice must be seen to do so
        if pieces[0].schema.names.count(doubled) > names.count(doubled):
            names.append(doubled)
    return PartedSource(name, pa.schema([fields[n] for n in names]), tuple(pieces), faults, check_same)


def convert_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch with the columns and types of ``schema``; texts that are dictionaries stay so."""
    import pyarrow as pa

    arrays = []
    for wanted in schema:
        values = batch.column(wanted.name)
        if not values.type.equals(wanted.type) and not (
            pa.types.is_dictionary(values.type) and is_text(values.type.value_type) and is_text(wanted.type)
        ):
            values = _convert(values, wanted.type)
        arrays.append(values)
    return pa.RecordBatch.from_arrays(arrays, names=schema.names)


def _convert(values: pa.Array, kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if pa.types.is_dictionary(kind) and pa.types.is_dictionary(values.type):
        labels = values.dictionary.cast(kind.value_type)
        return pa.DictionaryArray.from_arrays(values.indices.cast(kind.index_type), labels, ordered=kind.ordered)
    return values.cast(kind, safe=False) if pa.types.is_floating(kind) else values.cast(kind)

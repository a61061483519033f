"""Parts of which a folder's name gives columns, ``g=3/``, and parts that are checked to be the file that was opened."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lmmtools.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

    from lmmtools.sources.listing import FileList, ListedFile
    from lmmtools.sources.parts import Part

__all__ = ["GuardedPart", "PlacedPart", "partition_values"]


@dataclass(frozen=True, slots=True)
class GuardedPart:
    """A part of which the file is checked, before and after it is read, to be the one that was opened."""

    part: Part
    files: FileList
    file: ListedFile

    @property
    def name(self) -> str:
        """Path of the file."""
        return self.part.name

    @property
    def schema(self) -> pa.Schema:
        """Columns and types."""
        return self.part.schema

    @property
    def rows(self) -> int | None:
        """Number of rows, if known."""
        return self.part.rows

    def read(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Return the columns of ``schema`` in batches."""
        self.files.check_file(self.file)
        try:
            yield from self.part.read(schema)
        except DataError:
            self.files.check_file(self.file)  # what cannot be read was perhaps written to
            raise
        self.files.check_file(self.file)

    def split(self, rows: int) -> Sequence[GuardedPart]:
        """Return pieces of about so many rows."""
        return [replace(self, part=piece) for piece in self.part.split(rows)]


@dataclass(frozen=True, slots=True)
class PlacedPart:
    """A part with columns that the names of its folders give; a column of that name in the file itself goes first."""

    part: Part
    values: Mapping[str, pa.Scalar]

    @property
    def name(self) -> str:
        """Path of the file."""
        return self.part.name

    @property
    def schema(self) -> pa.Schema:
        """Columns and types."""
        import pyarrow as pa

        schema = self.part.schema
        for name, value in self._placed().items():
            schema = schema.append(pa.field(name, value.type))
        return schema

    @property
    def rows(self) -> int | None:
        """Number of rows, if known."""
        return self.part.rows

    def _placed(self) -> dict[str, pa.Scalar]:
        return {name: value for name, value in self.values.items() if name not in self.part.schema.names}

    def read(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Return the columns of ``schema`` in batches."""
        import pyarrow as pa

        placed = self._placed()
        stored = pa.schema([f for f in schema if f.name not in placed])
        for batch in self.part.read(stored):
            arrays = [
                _repeat(placed[name], batch.num_rows) if name in placed else batch.column(name) for name in schema.names
            ]
            yield pa.RecordBatch.from_arrays(arrays, names=schema.names)

    def split(self, rows: int) -> Sequence[PlacedPart]:
        """Return pieces of about so many rows."""
        return [replace(self, part=piece) for piece in self.part.split(rows)]


def partition_values(files: Sequence[ListedFile]) -> list[dict[str, pa.Scalar]]:
    """Return the columns that the folders of each file give: whole numbers if all values of a column are, else text."""
    import pyarrow as pa

    texts: dict[str, set[str]] = {}
    for file in files:
        for name, value in file.partition:
            texts.setdefault(name, set()).update(() if value is None else (value,))
    are_whole = {name for name, values in texts.items() if values and all(map(_is_whole, values))}
    return [
        {
            name: pa.scalar(None if value is None else int(value), pa.int64())
            if name in are_whole
            else pa.scalar(value, pa.string())
            for name, value in file.partition
        }
        for file in files
    ]


def _is_whole(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 19


def _repeat(value: pa.Scalar, rows: int) -> pa.Array:
    """Return a value n times, a text as a dictionary of one label."""
    import pyarrow as pa

    if not pa.types.is_string(value.type):
        return pa.repeat(value, rows)
    codes = pa.repeat(pa.scalar(0 if value.is_valid else None, pa.int32()), rows)
    return pa.DictionaryArray.from_arrays(codes, pa.array([value.as_py()] if value.is_valid else [], pa.string()))

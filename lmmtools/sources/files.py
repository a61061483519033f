"""Files on disk or elsewhere as a source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING

from lmmtools.errors import DataError
from lmmtools.sources.listing import list_files
from lmmtools.sources.parts import join_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from os import PathLike

    import pyarrow as pa

    from lmmtools.sources.listing import FileList, ListedFile
    from lmmtools.sources.parts import Part, PartedSource

__all__ = ["open_files"]


def open_files(path: str | PathLike[str]) -> PartedSource:
    """Return the source of a file, a folder or a pattern: Parquet, Arrow or text by the files' endings.

    Raises
    ------
    DataError
        There is no such file, or one cannot be read.
    EngineError
        pyarrow is not installed.
    """
    files = list_files(path)
    open_part = import_module(f"lmmtools.sources.{files.kind}_file").open_part
    pieces = [open_part(files, file) for file in files.files]
    kinds = _partition_types(files.files)
    if kinds:
        pieces = [_PlacedPart(piece, _values(file, kinds)) for piece, file in zip(pieces, files.files, strict=True)]
    guarded = [_GuardedPart(piece, files, file) for piece, file in zip(pieces, files.files, strict=True)]
    return join_parts(files.name, guarded, files.check_all)


@dataclass(frozen=True, slots=True)
class _GuardedPart:
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

    def split(self, rows: int) -> Sequence[_GuardedPart]:
        """Return pieces of about so many rows."""
        return [replace(self, part=piece) for piece in self.part.split(rows)]


@dataclass(frozen=True, slots=True)
class _PlacedPart:
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
        schema = self.part.schema
        for name, value in self._placed().items():
            schema = schema.append(_field(name, value))
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

    def split(self, rows: int) -> Sequence[_PlacedPart]:
        """Return pieces of about so many rows."""
        return [replace(self, part=piece) for piece in self.part.split(rows)]


def _partition_types(files: Sequence[ListedFile]) -> dict[str, pa.DataType]:
    """Return the type of each column that folders give: whole numbers if all its values are, else text."""
    import pyarrow as pa

    texts: dict[str, set[str]] = {}
    for file in files:
        for name, value in file.partition:
            texts.setdefault(name, set()).update(() if value is None else (value,))
    return {
        name: pa.int64() if values and all(_is_whole(v) for v in values) else pa.string()
        for name, values in texts.items()
    }


def _is_whole(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 19


def _values(file: ListedFile, kinds: Mapping[str, pa.DataType]) -> dict[str, pa.Scalar]:
    """Return the value of each column that the folders of a file give."""
    import pyarrow as pa

    return {
        name: pa.scalar(int(value) if value is not None and pa.types.is_integer(kinds[name]) else value, kinds[name])
        for name, value in file.partition
    }


def _field(name: str, value: pa.Scalar) -> pa.Field:
    import pyarrow as pa

    return pa.field(name, value.type)


def _repeat(value: pa.Scalar, rows: int) -> pa.Array:
    """Return a value n times, a text as a dictionary of one label."""
    import pyarrow as pa

    if pa.types.is_integer(value.type):
        return pa.repeat(value, rows)
    codes = pa.repeat(pa.scalar(0 if value.is_valid else None, pa.int32()), rows)
    return pa.DictionaryArray.from_arrays(codes, pa.array([value.as_py()] if value.is_valid else [], pa.string()))

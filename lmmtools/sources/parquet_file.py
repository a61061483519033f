"""Parquet files: rows decoded a batch at a time, whatever the size of their row groups."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lmmtools.errors import DataError
from lmmtools.sources.listing import naming
from lmmtools.sources.schemas import is_text
from lmmtools.sources.source import BATCH_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from pyarrow.fs import FileSystem

    from lmmtools.sources.listing import FileList, ListedFile

__all__ = ["ParquetPart", "open_parts"]

# Bytes of each column that are read at once. Without this a whole row group of a column is read before its first row.
_BUFFER, _BUFFER_ELSEWHERE = 1 << 20, 8 << 20


@dataclass(frozen=True, slots=True)
class ParquetPart:
    """A Parquet file, or some of its row groups.

    Attributes
    ----------
    name : str
        Path of the file.
    schema : pyarrow.Schema
    rows : int
    system : pyarrow.fs.FileSystem
    groups : tuple of (int, int)
        Number and rows of each row group that is read.
    """

    name: str
    schema: pa.Schema
    rows: int
    system: FileSystem
    groups: tuple[tuple[int, int], ...]

    def read(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Return the columns of ``schema`` in batches, texts as dictionaries."""
        import pyarrow.fs as fs
        import pyarrow.parquet as pq

        texts = [n for n in schema.names if is_text(self.schema.field(n).type)]
        is_near = isinstance(self.system, fs.LocalFileSystem)
        with naming(self.name, "as Parquet"), self.system.open_input_file(self.name) as stream:
            file = pq.ParquetFile(
                stream,
                pre_buffer=False,
                buffer_size=_BUFFER if is_near else _BUFFER_ELSEWHERE,
                read_dictionary=texts,
            )
            groups = [number for number, _ in self.groups]
            yield from file.iter_batches(BATCH_ROWS, row_groups=groups, columns=schema.names, use_threads=False)

    def split(self, rows: int) -> Sequence[ParquetPart]:
        """Return runs of row groups with about so many rows each."""
        runs: list[ParquetPart] = []
        start, count = 0, 0
        for i, (_, size) in enumerate(self.groups):
            if count and count + size > rows:
                runs.append(self._take(start, i))
                start, count = i, 0
            count += size
        return [*runs, self._take(start, len(self.groups))] if runs else [self]

    def _take(self, start: int, stop: int) -> ParquetPart:
        groups = self.groups[start:stop]
        return replace(self, rows=sum(size for _, size in groups), groups=groups)


def open_parts(files: FileList) -> list[ParquetPart]:
    """Return the files, of which the footers were read.

    Raises
    ------
    DataError
        One is no Parquet file, or was cut.
    """
    return [_open_part(files, file) for file in files.files]


def _open_part(files: FileList, file: ListedFile) -> ParquetPart:
    import pyarrow.parquet as pq

    if not file.size:
        raise DataError(f"{file.path} is empty and no Parquet file: it was not written to its end. Leave it out.")
    with naming(file.path, "as Parquet"), files.system.open_input_file(file.path) as stream:
        opened = pq.ParquetFile(stream)
        found = opened.metadata
        groups = tuple((i, found.row_group(i).num_rows) for i in range(found.num_row_groups))
        return ParquetPart(file.path, opened.schema_arrow.remove_metadata(), found.num_rows, files.system, groups)

"""Arrow files, also called Feather or IPC, and files of Arrow's stream format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lmmtools.sources.listing import naming

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from pyarrow.fs import FileSystem

    from lmmtools.sources.listing import FileList, ListedFile

__all__ = ["ArrowPart", "open_parts"]


@dataclass(frozen=True, slots=True)
class ArrowPart:
    """An Arrow file.

    Attributes
    ----------
    name : str
        Path of the file.
    schema : pyarrow.Schema
    rows : int or None
        None for the stream format, which does not tell.
    system : pyarrow.fs.FileSystem
    """

    name: str
    schema: pa.Schema
    rows: int | None
    system: FileSystem

    def read(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Return the columns of ``schema`` in batches."""
        wanted = [self.schema.get_field_index(name) for name in schema.names]
        with naming(self.name, "as an Arrow file"), self.system.open_input_file(self.name) as stream:
            opened = _open(stream, wanted)
            if self.rows is None:
                yield from opened
            else:
                for i in range(opened.num_record_batches):
                    yield opened.get_batch(i)

    def split(self, rows: int) -> Sequence[ArrowPart]:
        """Return the file itself: its batches cannot be chosen without reading those before them."""
        return [self]


def open_parts(files: FileList) -> list[ArrowPart]:
    """Return the files, of which the schemas were read.

    Raises
    ------
    DataError
        One is no Arrow file, or was cut.
    """
    return [_open_part(files, file) for file in files.files]


def _open_part(files: FileList, file: ListedFile) -> ArrowPart:
    import pyarrow as pa
    import pyarrow.dataset as ds

    with naming(file.path, "as an Arrow file"), files.system.open_input_file(file.path) as stream:
        opened = _open(stream, None)
        is_file = isinstance(opened, pa.ipc.RecordBatchFileReader)
        schema = opened.schema.remove_metadata()
    rows = None
    if is_file:
        with naming(file.path, "as an Arrow file"):
            rows = ds.dataset(file.path, format="ipc", filesystem=files.system).count_rows()
    return ArrowPart(file.path, schema, rows, files.system)


def _open(stream: Any, columns: Sequence[int] | None) -> Any:
    """Return a reader of a file or, where it is none, of a stream; of these columns, of all if None."""
    import pyarrow as pa

    options = pa.ipc.IpcReadOptions() if columns is None else pa.ipc.IpcReadOptions(included_fields=list(columns))
    is_file = stream.read(6) == b"ARROW1"
    stream.seek(0)
    return (pa.ipc.open_file if is_file else pa.ipc.open_stream)(stream, options=options)

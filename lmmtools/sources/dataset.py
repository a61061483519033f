"""pyarrow datasets."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from lmmtools.sources.listing import FileList, note_file
from lmmtools.sources.parquet_file import ParquetPart
from lmmtools.sources.parts import join_parts
from lmmtools.sources.placed import GuardedPart, PlacedPart
from lmmtools.sources.source import BATCH_ROWS
from lmmtools.sources.streams import StreamSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa

    from lmmtools.sources.parts import PartedSource
    from lmmtools.sources.source import Source

__all__ = ["open_data"]

_NAME = "the pyarrow dataset"


def open_data(dataset: Any) -> Source:
    """Return the source that a dataset is; one of Parquet files without a filter is read as these are."""
    import pyarrow.dataset as ds

    if isinstance(dataset, ds.FileSystemDataset):
        try:
            fragments = list(dataset.get_fragments())
        except ValueError:  # so pyarrow says that it has a filter
            fragments = []
        if fragments and all(isinstance(f, ds.ParquetFileFragment) for f in fragments):
            return _open_fragments(dataset, fragments)
    return StreamSource(_NAME, dataset.schema, partial(_scan, dataset), (OSError,))


def _open_fragments(dataset: Any, fragments: Sequence[Any]) -> PartedSource:
    import pyarrow as pa
    import pyarrow.dataset as ds

    system = dataset.filesystem
    files = FileList(_NAME, system, "parquet", tuple(map(note_file, system.get_file_info(dataset.files))), None)
    pieces: list[GuardedPart] = []
    for fragment, file in zip(fragments, files.files, strict=True):
        groups = tuple((group.id, group.num_rows) for group in fragment.row_groups)
        part = ParquetPart(
            fragment.path, fragment.physical_schema, sum(rows for _, rows in groups), fragment.filesystem, groups
        )
        keys = ds.get_partition_keys(fragment.partition_expression)
        values = {name: pa.scalar(value, dataset.schema.field(name).type) for name, value in keys.items()}
        pieces.append(GuardedPart(PlacedPart(part, values), files, file))
    return join_parts(_NAME, pieces, files.check_all, schema=dataset.schema)


def _scan(dataset: Any, columns: Sequence[str]) -> Iterable[pa.RecordBatch]:
    """Return batches of a dataset, of which few are read ahead: else the memory taken has no bound."""
    scanner = dataset.scanner(columns=list(columns), batch_size=BATCH_ROWS, batch_readahead=2, fragment_readahead=1)
    batches: Iterable[pa.RecordBatch] = scanner.to_batches()
    return batches

"""Data frames of dask: each partition is a part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lmmtools.errors import DataError
from lmmtools.sources.parts import join_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    import pyarrow as pa

    from lmmtools.sources.parts import PartedSource

__all__ = ["DaskPart", "as_batch", "open_data"]


@dataclass(frozen=True, slots=True)
class DaskPart:
    """A partition.

    Attributes
    ----------
    name : str
        For messages.
    schema : pyarrow.Schema
        Of the whole frame.
    frame : dask.dataframe.DataFrame
        The whole frame.
    number : int
        Which partition.
    rows : None
        Not known without computing it.
    """

    name: str
    schema: pa.Schema
    frame: Any
    number: int
    rows: None = None

    def read(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Return the partition, computed by dask's current scheduler, as one batch."""
        try:
            computed = self.frame[list(schema.names)].partitions[self.number].compute()
        except Exception as error:  # whatever the user's own functions raise
            said = f"{type(error).__name__}: {error}".split("\n")[0][:300]
            raise DataError(f"{self.name} cannot be computed: {said}") from error
        yield as_batch(computed)

    def split(self, rows: int) -> Sequence[DaskPart]:
        """Return the partition itself."""
        return [self]


def open_data(frame: Any) -> PartedSource:
    """Return the source that a dask frame is."""
    schema = as_batch(frame._meta).schema
    count = frame.npartitions
    pieces = [DaskPart(f"partition {i} of the dask frame", schema, frame, i) for i in range(count)]
    return join_parts("the dask frame", pieces)


def as_batch(frame: pd.DataFrame) -> pa.RecordBatch:
    """Return a pandas frame as a batch, without its index."""
    import pyarrow as pa

    batch: pa.RecordBatch = pa.RecordBatch.from_pandas(frame, preserve_index=False)
    return batch.replace_schema_metadata(None)

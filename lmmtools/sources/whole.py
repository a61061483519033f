"""A source whose rows memory holds, as one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.sources.schemas import is_text

if TYPE_CHECKING:
    import pyarrow as pa

    from lmmtools.sources.source import Source

__all__ = ["read_whole"]


def read_whole(source: Source) -> pa.Table:
    """Return all rows and columns of a source; texts are texts, not dictionaries.

    Raises
    ------
    DataError
        A part cannot be read, or has another schema.
    """
    import pyarrow as pa

    pieces = [_decode(batch, source.schema) for batch in source.batches(source.columns)]
    return pa.Table.from_batches(pieces).unify_dictionaries() if pieces else source.schema.empty_table()


def _decode(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch with texts of one type."""
    import pyarrow as pa

    arrays = [
        values.cast(pa.string()) if is_text(field.type) else values
        for field, values in zip(schema, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=schema.names)

"""Batches brought to one schema and to sizes that are worth a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.sources.schemas import describe_type, is_text
from lmmtools.sources.source import BATCH_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa

__all__ = ["TEXT", "convert_batch", "regroup"]

TEXT = {b"lmmtools": b"text"}
"""Metadata of a field that holds texts, though perhaps as a dictionary, whose order then means nothing."""


def regroup(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Return the same rows with the types of ``schema``, in batches of at most ``BATCH_ROWS`` rows.

    Large batches are cut without a copy, those under half of it are joined, empty ones are left out.
    """
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        rows = batch.num_rows
        size = -(-rows // max(1, -(-rows // BATCH_ROWS)))  # cuts are even
        for start in range(0, rows, max(1, size)):
            piece = convert_batch(batch.slice(start, size), schema)
            if waiting and count + piece.num_rows > BATCH_ROWS:
                yield _join(waiting, schema)
                waiting, count = [], 0
            waiting.append(piece)
            count += piece.num_rows
            if 2 * count >= BATCH_ROWS:
                yield _join(waiting, schema)
                waiting, count = [], 0
    if waiting:
        yield _join(waiting, schema)


def _join(batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    """Return the rows of several batches as one."""
    import pyarrow as pa

    if len(batches) == 1:
        return batches[0]
    arrays: list[pa.Array] = []
    for j in range(len(schema)):
        pieces = [batch.column(j) for batch in batches]
        if pa.types.is_dictionary(schema.field(j).type) and not all(
            piece.dictionary.equals(pieces[0].dictionary) for piece in pieces
        ):
            arrays.append(_join_declared(pieces))
            continue
        if len({str(piece.type) for piece in pieces}) > 1:  # texts, some of them as dictionaries
            pieces = [_as_dictionary(piece) for piece in pieces]
        joined = pa.chunked_array(pieces).unify_dictionaries().combine_chunks()
        arrays.extend(joined.chunks if isinstance(joined, pa.ChunkedArray) else [joined])
    return _make_batch(arrays, schema)


def _join_declared(pieces: Sequence[pa.DictionaryArray]) -> pa.DictionaryArray:
    """Return dictionaries with different orders as one in the order of its labels: there is none that all have."""
    import pyarrow as pa

    values = pa.concat_arrays([piece.dictionary_decode() for piece in pieces])
    labels = values.unique().drop_null()
    labels = labels.take(pa.compute.array_sort_indices(labels))
    return pa.DictionaryArray.from_arrays(pa.compute.index_in(values, value_set=labels), labels)


def convert_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch with the columns and types of ``schema``; texts that are dictionaries stay so."""
    arrays = [_as_declared(batch.column(wanted.name), wanted) for wanted in schema]
    return _make_batch(arrays, schema)


def _make_batch(arrays: Sequence[pa.Array], schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch whose fields tell which dictionaries are texts."""
    import pyarrow as pa

    fields = [
        pa.field(wanted.name, values.type, metadata=TEXT if is_text(wanted.type) else None)
        for wanted, values in zip(schema, arrays, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def _as_declared(values: pa.Array, wanted: pa.Field) -> pa.Array:
    """Return values with the type of a field; the error of one that this type cannot hold names the column."""
    import pyarrow as pa

    if values.type.equals(wanted.type):
        return values
    try:
        return _convert(values, wanted.type)
    except pa.ArrowException as error:
        raise pa.ArrowInvalid(f"column {wanted.name!r} is of {describe_type(wanted.type)}: {error}") from error


def _convert(values: pa.Array, kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if pa.types.is_dictionary(values.type):
        if is_text(values.type.value_type) and is_text(kind):
            return values
        if pa.types.is_dictionary(kind):
            labels = values.dictionary.cast(kind.value_type)
            return pa.DictionaryArray.from_arrays(values.indices.cast(kind.index_type), labels, ordered=kind.ordered)
    return values.cast(kind, safe=not pa.types.is_floating(kind))


def _as_dictionary(values: pa.Array) -> pa.Array:
    """Return texts as a dictionary with codes of one type."""
    import pyarrow as pa

    if not pa.types.is_dictionary(values.type):
        return values.cast(pa.string()).dictionary_encode()
    codes, labels = values.indices.cast(pa.int32()), values.dictionary.cast(pa.string())
    return pa.DictionaryArray.from_arrays(codes, labels)

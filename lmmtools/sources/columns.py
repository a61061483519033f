"""Batches of Arrow as the columns that the design reads, with the types that a frame in memory would have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lmmtools.sources.batches import TEXT
from lmmtools.sources.schemas import is_text as is_text_type

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    import pyarrow as pa

__all__ = ["as_column", "as_columns"]


def as_columns(batch: pa.RecordBatch, start: int = 0) -> dict[str, pd.Series[Any]]:
    """Return the columns of a batch by name, n rows each.

    Numbers without missing values are views of the batch, not copies, and not to be changed. Missing numbers are NaN in
    columns of floats; whole numbers stay whole, with a mask. Decimals become floats. Texts, also as bytes, and
    dictionaries become categoricals; the categories of texts are sorted by code point, as levels are. Dates stay dates.

    Parameters
    ----------
    batch : RecordBatch
        Of any source.
    start : int
        Number of the first row in the whole source: the index, which messages show.
    """
    import pandas as pd

    index = pd.RangeIndex(start, start + batch.num_rows)
    fields: Iterable[pa.Field] = batch.schema
    return {
        field.name: pd.Series(
            as_column(values, is_text=field.metadata == TEXT), index=index, name=field.name, copy=False
        )
        for field, values in zip(fields, batch.columns, strict=True)
    }


def as_column(values: pa.Array, *, is_text: bool = False) -> Any:
    """Return one Arrow array as what a pandas Series of these values holds; dictionaries may be texts."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.types as pt

    if pt.is_binary(values.type) or pt.is_large_binary(values.type):
        values = _as_text(values)
    kind = values.type
    if pt.is_dictionary(kind):
        return _from_dictionary(values, is_declared=not is_text)
    if is_text_type(kind):
        return _from_dictionary(values.dictionary_encode(), is_declared=False)
    if pt.is_null(kind):
        return np.full(len(values), np.nan)
    if pt.is_decimal(kind):
        values = values.cast(pa.float64())
    elif pt.is_float16(kind):
        values = values.cast(pa.float32())
    if pt.is_floating(values.type):
        return values.to_numpy(zero_copy_only=False)
    if pt.is_integer(kind) or pt.is_boolean(kind):
        return _from_whole(values)
    if pt.is_date(kind):
        values = values.cast(pa.timestamp("s"))
    return values.to_pandas().array


def _as_text(values: pa.Array) -> pa.Array:
    """Return bytes as the text that they are in UTF-8, as some programs write texts; others stay bytes."""
    import pyarrow as pa

    try:
        return values.cast(pa.large_string() if pa.types.is_large_binary(values.type) else pa.string())
    except pa.ArrowInvalid:
        return values


def _from_whole(values: pa.Array) -> Any:
    """Return whole numbers or truth values, with a mask where some are missing."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.types as pt

    if not values.null_count:
        return values.to_numpy(zero_copy_only=False)
    is_missing = values.is_null().to_numpy(zero_copy_only=False)
    if pt.is_boolean(values.type):
        filled = values.fill_null(False).to_numpy(zero_copy_only=False)
        return pd.arrays.BooleanArray(filled, is_missing)
    return pd.arrays.IntegerArray(values.fill_null(pa.scalar(0, values.type)).to_numpy(), is_missing)


def _from_dictionary(values: pa.DictionaryArray, *, is_declared: bool) -> pd.Categorical:
    """Return a dictionary array as a categorical; labels that were not declared are sorted."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    labels = values.dictionary
    if labels.null_count:  # a missing value with a code of its own
        return _from_dictionary(values.cast(labels.type).dictionary_encode(), is_declared=is_declared)
    codes = values.indices
    if pa.types.is_unsigned_integer(codes.type):
        codes = codes.cast(pa.int64() if codes.type.bit_width >= 32 else pa.int32())
    if codes.null_count:
        codes = codes.fill_null(-1)
    numbers = codes.to_numpy(zero_copy_only=False)
    if not is_declared and len(labels) > 1:
        order = pa.compute.array_sort_indices(labels).to_numpy()
        rank = np.empty(len(order) + 1, dtype=np.int32)
        rank[order], rank[-1] = np.arange(len(order), dtype=np.int32), -1  # -1, for missing ones, is the last
        numbers, labels = rank[numbers], labels.take(pa.array(order))
    ordered = bool(is_declared and values.type.ordered)
    names = pd.Index(labels.to_pylist())
    if not names.is_unique:
        joined, first = pd.factorize(names)
        numbers, names = np.append(joined, -1)[numbers], pd.Index(first)
    return pd.Categorical.from_codes(numbers, categories=names, ordered=ordered)

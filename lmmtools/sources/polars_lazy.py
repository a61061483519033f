"""Lazy frames of polars: ``polars.scan_parquet(...)``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from lmmtools.errors import DataError, EngineError
from lmmtools.sources.source import BATCH_ROWS
from lmmtools.sources.streams import StreamSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

__all__ = ["open_data"]


def open_data(frame: Any) -> StreamSource:
    """Return the source that a lazy frame is: its plan runs once a pass.

    Raises
    ------
    DataError
        The plan cannot be run.
    EngineError
        This polars gives no batches.
    """
    import polars as pl
    import pyarrow as pa

    if not hasattr(frame, "collect_batches"):
        raise EngineError(
            f"polars {pl.__version__} gives lazy frames only whole: pip install -U polars, or write "
            'frame.sink_parquet("rows.parquet") and give that path, or frame.collect() if it fits into memory'
        )
    try:
        kinds = frame.collect_schema()
    except pl.exceptions.PolarsError as error:
        raise DataError(f"The polars LazyFrame cannot be read: {str(error).strip()[:300]}") from error
    # polars orders a Categorical by when each label was first seen anywhere in the process: no order at all.
    texts = {name for name, kind in kinds.items() if kind == pl.Categorical}
    empty = pl.DataFrame(schema=kinds).to_arrow().schema
    schema = pa.schema([pa.field(f.name, pa.string()) if f.name in texts else f for f in empty])
    return StreamSource("the polars LazyFrame", schema, partial(_run, frame), (pl.exceptions.PolarsError, OSError))


def _run(frame: Any, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    chosen = frame.select(list(columns))
    for piece in chosen.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True, lazy=True):
        yield from piece.to_arrow().to_batches()

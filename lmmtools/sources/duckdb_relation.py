"""DuckDB relations: ``duckdb.sql("select ...")``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from lmmtools.errors import DataError
from lmmtools.sources.source import BATCH_ROWS
from lmmtools.sources.streams import StreamSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

__all__ = ["open_data"]


def open_data(relation: Any) -> StreamSource:
    """Return the source that a relation is: its query runs once a pass.

    Raises
    ------
    DataError
        The query cannot be run.
    """
    import duckdb

    try:
        schema = relation.limit(0).to_arrow_table().schema
    except duckdb.Error as error:
        raise DataError(f"The DuckDB relation cannot be read: {str(error).strip()[:300]}") from error
    return StreamSource("the DuckDB relation", schema, partial(_run, relation, []), (duckdb.Error, OSError))


def _run(relation: Any, last: list[Any], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Return the batches of a query; the last one, if it was not read to its end, is given up: it blocks this one."""
    while last:
        last.pop().close()
    chosen = relation.project(", ".join('"' + name.replace('"', '""') + '"' for name in columns))
    # Older versions have the second name alone.
    reader = (getattr(chosen, "to_arrow_reader", None) or chosen.fetch_record_batch)(BATCH_ROWS)
    last.append(reader)
    try:
        for batch in reader:
            yield batch
            if last != [reader]:
                break
        if last != [reader]:
            raise DataError(
                "The DuckDB relation was read again before a pass over it came to its end: one connection runs one "
                "query at a time."
            )
    finally:
        reader.close()

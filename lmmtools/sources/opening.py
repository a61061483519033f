"""One door to all kinds of sources."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from os import PathLike
from typing import TYPE_CHECKING, Any

from lmmtools.errors import DataError
from lmmtools.sources.folding import Spread
from lmmtools.sources.watched import WatchedSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.sources.listing import Paths
    from lmmtools.sources.source import Source

__all__ = ["open_files", "open_source"]

# Package and class -> the module here whose ``open_data`` takes it.
_KINDS = {
    ("pyarrow", "Dataset"): "dataset",
    ("duckdb", "DuckDBPyRelation"): "duckdb_relation",
    ("polars", "LazyFrame"): "polars_lazy",
    ("dask", "DataFrame"): "dask_frame",
    ("pyspark", "DataFrame"): "spark_frame",
}


def open_source(data: Any) -> Source | None:
    """Return the source that data are, None for a table that is in memory already; a source is returned as it is.

    Parameters
    ----------
    data : Any
        The path or URL of a file, a folder or a pattern such as ``"ratings/*.parquet"``, or several in a list; a
        pyarrow Dataset, a DuckDB relation, a polars LazyFrame, a dask or Spark DataFrame, or a narwhals LazyFrame of
        one of these.

    Raises
    ------
    DataError
        There is no such file, it cannot be read, or the data can be read only once.
    EngineError
        A package that this kind of source needs is not installed.
    """
    if isinstance(data, WatchedSource):
        return data
    if _are_paths(data):
        return open_files(data)
    if isinstance(data, Iterator) or _is_a(data, "pyarrow", "RecordBatchReader") or _is_a(data, "pyarrow", "Scanner"):
        raise DataError(
            f"The data are a {type(data).__name__}, which can be read only once, and a fit reads its data several "
            "times. Give what it reads from: a path, a dataset, a relation; or put it into a file first: "
            'pyarrow.dataset.write_dataset(data, "rows", format="parquet"), then give "rows".'
        )
    if _is_a(data, "duckdb", "DuckDBPyConnection"):
        raise DataError(
            'The data are a DuckDB connection. Give what it selects: connection.sql("select ..."), or '
            'connection.table("name").'
        )
    if _is_a(data, "narwhals", "LazyFrame"):
        return open_source(data.to_native())
    module = next((module for (package, kind), module in _KINDS.items() if _is_a(data, package, kind)), None)
    if module is None:
        return None
    opened: Source = import_module(f"lmmtools.sources.{module}").open_data(data)
    # Sums over rows that lie with several workers are made by these.
    return opened if isinstance(opened, Spread) else WatchedSource(opened)


def open_files(path: Paths, missing: Sequence[str] = (), encoding: str | None = None) -> Source:
    """Return the source of a file, a folder or a pattern: Parquet, Arrow or text by the files' endings.

    Parameters
    ----------
    path : str or path-like, or several
    missing : sequence of str
        Cells of a text that stand for a missing value, beside ``NA`` (and empty cells of columns of numbers).
    encoding : str, optional
        Of texts; UTF-8 by default.

    Raises
    ------
    DataError
        There is no such file, or one cannot be read.
    EngineError
        pyarrow is not installed.
    """
    from lmmtools.sources.files import open_listed

    return WatchedSource(open_listed(path, missing, encoding))


def _are_paths(data: Any) -> bool:
    """Whether data are a path, or a list of paths."""
    if isinstance(data, (list, tuple)):
        return bool(data) and all(isinstance(path, (str, PathLike)) for path in data)
    return isinstance(data, (str, PathLike))


def _is_a(data: Any, package: str, kind: str) -> bool:
    """Whether data are of a class of a package, which need not be imported to know."""
    return any(c.__name__ == kind and c.__module__.lstrip("_").split(".")[0] == package for c in type(data).__mro__)

"""One door to all kinds of sources."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lmmtools.sources.source import Source

__all__ = ["open_source"]


def open_source(data: Any) -> Source | None:
    """Return the source that data are, None for a table that is in memory already.

    Parameters
    ----------
    data : Any
        A path or a URL of a file, a folder, or a pattern such as ``"ratings/*.parquet"``.

    Raises
    ------
    DataError
        There is no such file, it cannot be read, or the data can be read only once.
    EngineError
        A package that this kind of source needs is not installed.
    """
    if isinstance(data, (str, PathLike)):
        from lmmtools.sources.files import open_files

        return open_files(data)
    return None

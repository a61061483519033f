"""Files on disk or elsewhere as a source."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from lmmtools.sources.listing import list_files
from lmmtools.sources.parts import join_parts
from lmmtools.sources.placed import GuardedPart, PlacedPart, partition_values

if TYPE_CHECKING:
    from os import PathLike

    from lmmtools.sources.parts import Part, PartedSource

__all__ = ["open_files"]


def open_files(path: str | PathLike[str]) -> PartedSource:
    """Return the source of a file, a folder or a pattern: Parquet, Arrow or text by the files' endings.

    Raises
    ------
    DataError
        There is no such file, or one cannot be read.
    EngineError
        pyarrow is not installed.
    """
    files = list_files(path)
    pieces: list[Part] = import_module(f"lmmtools.sources.{files.kind}_file").open_parts(files)
    values = partition_values(files.files)
    placed = [PlacedPart(piece, given) if given else piece for piece, given in zip(pieces, values, strict=True)]
    guarded = [GuardedPart(piece, files, file) for piece, file in zip(placed, files.files, strict=True)]
    return join_parts(files.name, guarded, files.check_all)

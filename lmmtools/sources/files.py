"""Files on disk or elsewhere as a source."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lmmtools.errors import DataError
from lmmtools.sources.listing import list_files
from lmmtools.sources.parts import join_parts
from lmmtools.sources.placed import GuardedPart, PlacedPart, partition_values
from lmmtools.sources.text_file import TextRules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.sources.listing import Paths
    from lmmtools.sources.parts import Part, PartedSource

__all__ = ["open_listed"]


def open_listed(path: Paths, missing: Sequence[str] = (), encoding: str | None = None) -> PartedSource:
    """Return the source of the files that a path means, or several; the options are those of texts."""
    files = list_files(path)
    options: dict[str, Any] = {}
    if files.kind == "text":
        options["rules"] = TextRules(("NA", *missing), encoding or "utf-8")
    elif missing or encoding:
        raise DataError(f"{files.name} is no text: words for missing values and an encoding go with texts alone.")
    pieces: list[Part] = import_module(f"lmmtools.sources.{files.kind}_file").open_parts(files, **options)
    values = partition_values(files.files)
    placed = [PlacedPart(piece, given) if given else piece for piece, given in zip(pieces, values, strict=True)]
    guarded = [GuardedPart(piece, files, file) for piece, file in zip(placed, files.files, strict=True)]
    return join_parts(files.name, guarded, files.check_all)

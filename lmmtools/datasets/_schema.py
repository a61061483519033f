"""What the data files hold: columns, types and level orders, as R exported them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from lmmtools.errors import DataError
from lmmtools.other_names import closest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

__all__ = ["ColumnKind", "ColumnSchema", "DatasetSchema", "data_file", "find_schema", "read_schemas"]

ColumnKind = Literal["factor", "ordered", "integer", "double"]


@dataclass(frozen=True, slots=True)
class ColumnSchema:
    """One column as R has it.

    Attributes
    ----------
    name : str
    kind : {"factor", "ordered", "integer", "double"}
    levels : tuple of str
        In R's order; empty for a number.
    """

    name: str
    kind: ColumnKind
    levels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DatasetSchema:
    """One data file: its name, the R package it was exported from, its rows and columns."""

    file: str
    package: str
    rows: int
    columns: tuple[ColumnSchema, ...]


def data_file(name: str) -> Traversable:
    """Return a handle on the file ``name`` in the data folder, wherever the package is installed."""
    return files("lmmtools.datasets") / "data" / name


@lru_cache(maxsize=1)
def read_schemas() -> Mapping[str, DatasetSchema]:
    """Return the schema of every data set by name, in the order of the export; read once."""
    raw = json.loads(data_file("schema.json").read_text(encoding="utf-8"))
    return MappingProxyType(
        {
            name: DatasetSchema(
                file=entry["file"],
                package=entry["package"],
                rows=entry["rows"],
                columns=tuple(
                    ColumnSchema(column["name"], column["kind"], tuple(column.get("levels", ())))
                    for column in entry["columns"]
                ),
            )
            for name, entry in raw["datasets"].items()
        }
    )


def find_schema(name: str) -> DatasetSchema:
    """Return the schema of the data set ``name``.

    Raises
    ------
    DataError
        When there is no such data set; the message names the closest one.
    """
    schemas = read_schemas()
    if name in schemas:
        return schemas[name]
    known = ", ".join(schemas)
    raise DataError(f"there is no data set {name!r}.{closest(name, schemas)} The data sets are: {known}.")

"""Reading one data set into a DataFrame."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pandas as pd

from lmmtools.datasets._schema import data_file, find_schema

if TYPE_CHECKING:
    from lmmtools.datasets._schema import ColumnSchema

__all__ = ["load"]


def load(name: str) -> pd.DataFrame:
    """Return the data set ``name`` as a new DataFrame, with R's columns, row order and types.

    Factors are categorical with R's level order (ordered where R's are), integers
    are ``int64`` and doubles ``float64``; the index is 0, 1, 2, ... The frame is the
    caller's own: changing it leaves the next ``load`` untouched.

    Parameters
    ----------
    name : str
        One of ``names()``, spelt as in lme4 and nlme.

    Raises
    ------
    DataError
        When there is no such data set; the message names the closest one.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> lmt.datasets.load("ergoStool")["Subject"].cat.categories.tolist()
    ['8', '5', '4', '9', '6', '3', '7', '1', '2']
    """
    schema = find_schema(name)
    with data_file(schema.file).open("rb") as raw, gzip.open(raw) if schema.file.endswith(".gz") else raw as stream:
        frame = pd.read_csv(
            stream,
            dtype={column.name: _pandas_dtype(column) for column in schema.columns if column.kind != "double"},
            # Python's float() is exact; read_csv's own parser is off by one bit here and there in older pandas.
            converters={column.name: float for column in schema.columns if column.kind == "double"},
            # No data set has missing values, so text such as "NA" would be a label.
            na_filter=False,
        )
    # Reports name their data by it.
    frame.attrs["name"] = name
    return frame


def _pandas_dtype(column: ColumnSchema) -> pd.CategoricalDtype | str:
    if column.kind == "integer":
        return "int64"
    return pd.CategoricalDtype(list(column.levels), ordered=column.kind == "ordered")

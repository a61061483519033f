"""The public data sets of the mixed-model literature, with R's columns and types, and recorded lme4 fits of some.

``load("Penicillin")`` returns a DataFrame, ``describe("Penicillin")`` says where it comes from and what its columns
mean, ``names()`` lists what there is, and ``recorded("penicillin")`` has lme4's numbers, for tables without R.
"""

from __future__ import annotations

import gzip
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn

import pandas as pd

from lmmtools import memory
from lmmtools.datasets._catalogue import ColumnInfo, DatasetInfo, describe, names
from lmmtools.datasets._schema import data_file, find_schema
from lmmtools.errors import DataError, UnknownNameError
from lmmtools.other_names import closest, missing_function

if TYPE_CHECKING:
    from lmmtools.datasets._schema import ColumnSchema

__all__ = ["ColumnInfo", "DatasetInfo", "describe", "load", "names", "recorded"]


@memory.door
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

    See Also
    --------
    describe, names, recorded

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


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


def __getattr__(name: str) -> NoReturn:
    if name in names():
        raise UnknownNameError(f"lmmtools.datasets has no {name}: write lmt.datasets.load({name!r})", name=name)
    raise missing_function("lmmtools.datasets", name, __all__)


def _pandas_dtype(column: ColumnSchema) -> pd.CategoricalDtype | str:
    """Return the dtype of a factor or of integers."""
    if column.kind == "integer":
        return "int64"
    return pd.CategoricalDtype(list(column.levels), ordered=column.kind == "ordered")


@memory.door
def recorded(name: str, *, reml: bool = True) -> tuple[dict[str, Any], str]:
    """Return the recorded lme4 fit called ``name`` and the lme4 version that made it.

    Parameters
    ----------
    name : {"penicillin", "dyestuff", "dyestuff2", "pastes_nested"}
        The model.
    reml : bool
        The REML fit, or the ML fit.

    Raises
    ------
    DataError
        If there is no such recording.

    See Also
    --------
    load

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit, version = lmt.datasets.recorded("penicillin")
    >>> version, sorted(fit)[:3]
    ('1.1.31', ['AIC', 'BIC', 'criterion'])
    """
    models = _read_recorded()["models"]
    if name not in models:
        raise DataError(
            f"there is no recorded lme4 fit {name!r}; there are {', '.join(models)}.{closest(name, models)}"
        )
    fit: dict[str, Any] = models[name]["fits"]["REML" if reml else "ML"]
    return fit, str(_read_recorded()["versions"]["lme4"])


@lru_cache(maxsize=1)
def _read_recorded() -> dict[str, Any]:
    """Return the recorded fits with the versions that made them; read once."""
    content: dict[str, Any] = json.loads(data_file("recorded_lme4.json").read_text(encoding="utf-8"))
    return content

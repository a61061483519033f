"""Tables of any kind as pandas frames, and their columns as numbers or factors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from lmmtools.audience import advice
from lmmtools.design.numerals import describe_text, name_row
from lmmtools.errors import DataError
from lmmtools.sentences import list_first
from lmmtools.sources.places import advice_on_data

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "as_frame",
    "as_numbers",
    "check_finite",
    "describe_infinite",
    "is_factor",
    "is_missing",
    "kind_of",
    "like_given",
    "list_labels",
    "need_columns",
    "plain_array",
    "show_value",
]

MOST_COLUMNS = 12
"""Columns that a message names."""

Kind = Literal["number", "boolean", "factor", "date", "complex"]

_OBJECT_KINDS: dict[str, Kind] = {
    "integer": "number",
    "floating": "number",
    "mixed-integer-float": "number",
    "decimal": "number",
    "boolean": "boolean",
    "complex": "complex",
    "datetime": "date",
    "datetime64": "date",
    "date": "date",
    "timedelta": "date",
    "timedelta64": "date",
    "period": "date",
}
_DTYPE_KINDS: dict[str, Kind] = {
    **dict.fromkeys("iuf", "number"),
    "b": "boolean",
    "c": "complex",
    **dict.fromkeys("mM", "date"),
}


def as_frame(data: Any, columns: Iterable[str] | None = None) -> pd.DataFrame:
    """Return data as a pandas DataFrame; pandas data are returned as they are, never copied or changed.

    Parameters
    ----------
    data : DataFrame, mapping of arrays, record array, or any frame that narwhals accepts (polars, pyarrow, ...)
        The rows.
    columns : iterable of str, optional
        Columns that are used; others need not be converted.

    Raises
    ------
    DataError
        The object is no table, or its column names have several levels.
    """
    if isinstance(data, pd.DataFrame):
        frame = data
    elif isinstance(data, Mapping):
        frame = _from_mapping(data)
    elif isinstance(data, np.ndarray) and data.dtype.names:
        frame = pd.DataFrame({name: data[name] for name in data.dtype.names})
    else:
        frame = _from_narwhals(data, columns)
    if frame.columns.nlevels > 1:
        raise DataError(
            f"The data have column names of {frame.columns.nlevels} levels. "
            'Flatten them first: data.columns = ["_".join(c) for c in data.columns].'
        )
    return frame


def need_columns(frame: pd.DataFrame, names: Iterable[str], purpose: str = "the model", cure: str = "") -> None:
    """Check that the frame has each column exactly once; ``cure`` ends the message on a missing one.

    Raises
    ------
    DataError
        Names the first column that is missing, with the closest name there is, or that occurs twice.
    """
    for name in names:
        if name not in frame.columns:
            same = next((c for c in frame.columns if not isinstance(c, str) and str(c) == name), None)
            if same is not None:
                raise DataError(
                    f"The column {name!r}, which {purpose} uses, is named in the data by {same!r} of type "
                    f"{type(same).__name__}, a number or the like and no text. "
                    "Name columns by text: data.columns = data.columns.astype(str)."
                )
            close = get_close_matches(name, [str(c) for c in frame.columns], 1, 0.6)
            there = f"Did you mean {close[0]!r}?" if close else f"There are: {list_first(frame.columns, MOST_COLUMNS)}."
            raise DataError(f"The data have no column {name!r}, which {purpose} uses. {there}{cure}")
    if not frame.columns.is_unique:
        for name in names:
            count = int((frame.columns == name).sum())
            if count > 1:
                raise DataError(f"The data have {count} columns named {name!r}. Rename or drop all but one of them.")


def kind_of(column: Any) -> Kind:
    """Return what a Series or an array of one holds, whatever its dtype: objects are looked into."""
    dtype = column.dtype
    if isinstance(dtype, (pd.CategoricalDtype, pd.StringDtype, pd.IntervalDtype)):
        return "factor"
    if isinstance(dtype, pd.PeriodDtype):
        return "date"
    if dtype.kind in _DTYPE_KINDS:
        return _DTYPE_KINDS[dtype.kind]
    if dtype.kind == "O":
        return _OBJECT_KINDS.get(pd.api.types.infer_dtype(column, skipna=True), "factor")
    return "factor"


def is_missing(column: Any) -> NDArray[np.bool_]:
    """Return where a Series or an array of one has no value (NaN, None, NA, NaT), shape (n,)."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iub":
        return np.zeros(len(column), dtype=bool)
    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "f":
        return np.asarray(np.isnan(np.asarray(column)))
    if isinstance(column.dtype, pd.CategoricalDtype):
        values: Any = column.array if isinstance(column, pd.Series) else column
        return np.asarray(values.codes < 0)
    return np.asarray(pd.isna(column), dtype=bool)


def as_numbers(column: pd.Series[Any], name: str, role: str) -> NDArray[np.float64]:
    """Return a column as floats, shape (n,), missing values as NaN; a copy.

    Parameters
    ----------
    column : Series
        The values.
    name, role : str
        The column and its role in the model, for messages: ``"y"``, ``"the response"``.

    Raises
    ------
    DataError
        Text, dates or complex numbers where numbers are needed, or a value that is infinite or too large for a float.
    """
    kind = kind_of(column)
    if kind not in ("number", "boolean"):
        raise DataError(
            f"Column {name!r} is {role} and must hold numbers, but holds {_describe_contents(column, name, kind)}"
        )
    dtype = column.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "iub":
        return np.asarray(column.to_numpy(), dtype=np.float64)
    if isinstance(dtype, np.dtype) and dtype.kind == "f":
        values = column.to_numpy().astype(np.float64)
    else:
        try:
            values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        except OverflowError:
            raise DataError(
                f"Column {name!r} has a number too large for double precision, above 1.8e308. Use its logarithm, "
                "or another unit."
            ) from None
    check_finite(values, f"Column {name!r}", index=column.index)
    return values


def is_factor(column: pd.Series[Any], name: str) -> bool:
    """Whether a column enters as a factor, not as numbers: text, categories, and True and False, as in R and patsy.

    Raises
    ------
    DataError
        It holds dates or complex numbers.
    """
    kind = kind_of(column)
    if kind in ("date", "complex"):
        as_numbers(column, name, "numeric in the model")
    return kind in ("factor", "boolean")


def check_finite(values: NDArray[np.float64], what: str, hint: str = "", index: pd.Index[Any] | None = None) -> None:
    """Raise a DataError if there is an infinite value; NaN stands for missing and passes.

    Raises
    ------
    DataError
        Says where the first one is and how many there are.
    """
    # A finite sum has finite parts; one that is not may have overflowed.
    if not isfinite(np.add.reduce(values, axis=None)):
        infinite = np.isinf(values)
        count = int(infinite.sum())
        if count:
            first = int(np.flatnonzero(infinite if values.ndim == 1 else infinite.any(axis=1))[0])
            raise DataError(describe_infinite(what, count, first if index is None else index[first], hint))


def describe_infinite(what: str, count: int, row: Any, hint: str = "") -> str:
    """Return how many values of something are infinite, the label of the first row that has one, and the cure."""
    cure = hint or advice(
        "Correct them, or set them to NaN to leave their rows out.",
        "Correct them, or write NA to leave their rows out.",
    )
    return f"{what} has {count} infinite value{'s' * (count > 1)} (first in {name_row(row)}). {cure}"


def _describe_contents(column: pd.Series[Any], name: str, kind: Kind) -> str:
    """Return what a column holds instead of numbers, and the cure."""
    if kind == "date":
        days = f'data["{name}_days"] = (data["{name}"] - data["{name}"].min()).dt.days'
        count = "dates. Count days, in a column of numbers, and use that."
        return advice_on_data(f"dates. Write {days} and use that.", count, count)
    if kind == "complex":
        return "complex numbers. Use their real part or their modulus."
    if isinstance(column.dtype, pd.CategoricalDtype):
        present = column[~is_missing(column)]
        example = show_value(present.iloc[0]) if len(present) else "nothing"
        python = f"data[{name!r}].astype(float)"
        cure = advice_on_data(
            f"Where its labels are numbers: {python}.",
            f"Where its labels are numbers: in SQL cast({name} as double), in a frame {python}.",
            "Where its labels are numbers, leave out --factor.",
        )
        return f"a category ({example}). {cure}"
    return describe_text(column, name)


def list_labels(levels: Any) -> list[Any]:
    """Return labels as a list; an index of text that Arrow holds by Arrow, which takes a fifth of pandas' time."""
    if isinstance(levels, pd.Index) and isinstance(levels.dtype, pd.StringDtype) and levels.dtype.storage == "pyarrow":
        held: Any = levels.array
        return list(held.__arrow_array__().to_pylist())
    return levels.tolist() if hasattr(levels, "tolist") else list(levels)


def show_value(value: Any) -> str:
    """Return a value as its user would write it: text in quotes, numpy's numbers without their type."""
    return repr(value) if isinstance(value, str) else str(value)


def plain_array(values: Any) -> Any:
    """Return values, none of them missing, as an array of a type that has none: whole numbers and truth values stay so.

    Masked numbers would have levels of floats, ``1.0`` for 1; so would numbers that are objects.
    """
    dtype = values.dtype
    if isinstance(dtype, np.dtype):
        if dtype.kind != "O" or not len(values) or isinstance(values[0], str):
            return values
        found = pd.api.types.infer_dtype(values, skipna=False)
        if found == "boolean":
            return np.asarray(values, dtype=bool)
        if found == "integer":
            try:
                return np.asarray(values, dtype=np.int64)
            except OverflowError:
                return values
        return values
    plain = getattr(dtype, "numpy_dtype", None)
    if isinstance(dtype, pd.CategoricalDtype) or not isinstance(plain, np.dtype) or plain.kind not in "biuf":
        return values
    return values.to_numpy(dtype=plain)


def _from_mapping(data: Mapping[Any, Any]) -> pd.DataFrame:
    """Return a frame of arrays side by side; the index of a Series among them means nothing."""
    arrays = {k: v.array if isinstance(v, pd.Series) else v for k, v in data.items()}
    try:
        return pd.DataFrame(arrays)
    except ValueError as error:
        lengths = ", ".join(f"{k}: {len(v)}" for k, v in arrays.items() if hasattr(v, "__len__"))
        raise DataError(f"The arrays of the data do not make a table ({error}). Lengths: {lengths}.") from error


def like_given(frame: pd.DataFrame, given: Any) -> Any:
    """Return a frame as a polars DataFrame, without its index, where polars was given; else the frame itself."""
    if type(given).__module__.partition(".")[0] != "polars":
        return frame
    import polars

    return polars.DataFrame({str(name): _for_polars(frame[name]) for name in frame.columns})


def _for_polars(column: pd.Series[Any]) -> Any:
    """Return a column's values as polars takes them without pyarrow."""
    return column.to_numpy() if pd.api.types.is_numeric_dtype(column) else column.tolist()


def _from_narwhals(data: Any, columns: Iterable[str] | None) -> pd.DataFrame:
    """Return polars, pyarrow or another backend's table as pandas, with factors' declared orders kept."""
    import narwhals as nw

    try:
        table = nw.from_native(data)
    except TypeError:
        raise DataError(
            f"The data are {type(data).__name__}, not a table. Give a pandas, polars or pyarrow table, "
            "or a dict of arrays."
        ) from None
    if isinstance(table, nw.LazyFrame):
        table = table.collect()
    if not isinstance(table, nw.DataFrame):
        raise DataError(f"The data are one {type(data).__name__}, not a table. Put its columns into a DataFrame.")
    if columns is not None:
        wanted = set(columns)
        table = table.select([c for c in table.columns if c in wanted]) if wanted <= set(table.columns) else table
    return pd.DataFrame({c: _convert_column(table[c], nw) for c in table.columns})


def _convert_column(column: Any, nw: Any) -> Any:
    """Return one narwhals column as something that a DataFrame takes."""
    if column.dtype == nw.Enum:
        # Older narwhals does not hand on the declared levels; polars, the one that has Enum, does.
        declared = column.dtype if hasattr(column.dtype, "categories") else nw.to_native(column).dtype
        return pd.Categorical(column.to_list(), categories=list(declared.categories))
    if column.dtype == nw.Categorical and type(nw.to_native(column)).__module__.startswith("polars"):
        # polars orders a Categorical by when each string was first seen anywhere in the process: no order at all.
        return pd.Categorical(column.to_list())
    if column.dtype == nw.String:
        return pd.Series(column.to_list(), dtype=object if column.null_count() else None)
    if column.dtype.is_numeric() and not column.null_count():
        return column.to_numpy()
    if column.dtype.is_integer():
        return pd.arrays.IntegerArray(column.fill_null(0).to_numpy(), column.is_null().to_numpy())
    if column.dtype == nw.Boolean and column.null_count():
        filled = column.fill_null(False).to_numpy()
        return pd.arrays.BooleanArray(filled.astype(bool), column.is_null().to_numpy())
    try:
        return column.to_pandas().array
    except ImportError:  # polars converts through pyarrow, which need not be there
        return pd.Series(column.to_list())

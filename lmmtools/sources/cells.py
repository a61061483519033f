"""Cells of a text: which are numbers or truth values, by R's rules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd

__all__ = [
    "convert_cells",
    "from_decimal_comma",
    "is_decimal_comma",
    "is_numeral",
    "is_perhaps_thousands",
    "is_true",
    "is_truth_value",
    "to_float",
]

_NUMERAL = re.compile(r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|0[xX][\da-fA-F]+)", re.ASCII)
_NO_NUMBERS = ("nan", "NaN")
_INFINITE = ("inf", "infinity")
_DECIMAL_COMMA = re.compile(r"[-+]?\d*,?\d+(?:[eE][-+]?\d+)?", re.ASCII)
# Between three digits each, a comma separates thousands as well as decimals.
_PERHAPS_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})*", re.ASCII)
_TRUE, _FALSE = ("T", "TRUE", "true", "True"), ("F", "FALSE", "false", "False")


def is_numeral(text: str) -> bool:
    """Whether R and Python read a text as a number, blanks around it left out."""
    text = text.strip()
    return bool(_NUMERAL.fullmatch(text)) or text in _NO_NUMBERS or text.lstrip("+-").lower() in _INFINITE


def to_float(text: str) -> float:
    """Return the number that a numeral is."""
    text = text.strip()
    return float(int(text, 16)) if "x" in text.lower() else float(text)


def convert_cells(column: pd.Series[Any], missing: Collection[str], separator: str) -> pd.Series[Any]:
    """Return a column of cells as numbers or truth values if all of them are, else as texts.

    Parameters
    ----------
    column : Series
        As pandas reads it, with ``missing`` as the only words for missing values.
    missing : collection of str
        Cells that stand for a missing value. An empty cell does so in columns of numbers; elsewhere it is a text.
    separator : str
        Separator of columns; if it is not a comma, commas may be those of decimals.
    """
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype):
        return column
    cells = column.dropna().unique().tolist()
    if not all(isinstance(cell, str) for cell in cells):  # truth values beside missing ones
        return column
    stripped = {cell: cell.strip() for cell in cells}
    present = {cell: text for cell, text in stripped.items() if text and text not in missing}
    values = _truth_values(present) or _numbers(present.values(), separator)
    if values is None:
        return column.astype(object)
    mapped = column.astype(object).map({cell: values[text] for cell, text in present.items()})
    if not any(isinstance(value, bool) for value in values.values()):
        return mapped.astype("float64")
    return mapped.astype(bool) if mapped.notna().all() else mapped


def is_truth_value(cell: str) -> bool:
    """Whether R reads a cell as a truth value; there are no blanks around it."""
    return cell in _TRUE or cell in _FALSE


def is_true(text: str) -> bool:
    """Return the truth value that a text is."""
    return text in _TRUE


def is_decimal_comma(text: str) -> bool:
    """Whether a text is a number without a point, perhaps with a comma before its decimals."""
    return bool(_DECIMAL_COMMA.fullmatch(text))


def is_perhaps_thousands(text: str) -> bool:
    """Whether each comma of a number may separate thousands as well."""
    return bool(_PERHAPS_THOUSANDS.fullmatch(text))


def from_decimal_comma(text: str) -> float:
    """Return the number that a text is, a comma in it that of decimals."""
    return float(text.replace(",", "."))


def _truth_values(cells: Collection[str]) -> dict[str, Any] | None:
    """Return the value of each cell if all are truth values, without blanks around them; None otherwise."""
    return {cell: is_true(cell) for cell in cells} if cells and all(map(is_truth_value, cells)) else None


def _numbers(texts: Collection[str], separator: str) -> dict[str, Any] | None:
    """Return the value of each text if all are numbers; None if they are labels."""
    if all(map(is_numeral, texts)):
        return {text: to_float(text) for text in texts}
    # With a semicolon between columns, a comma in a number is a decimal one by convention.
    is_decimal = separator == ";" or (separator != "," and not all(map(is_perhaps_thousands, texts)))
    if is_decimal and all(is_decimal_comma(text) or is_numeral(text) for text in texts):
        return {text: from_decimal_comma(text) for text in texts}
    return None

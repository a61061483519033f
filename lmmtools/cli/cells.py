"""What the cells of a text are: numbers, truth values or labels, by the rules of R's ``read.csv``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lmmtools.design.numerals import is_numeral, to_float

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd

__all__ = ["as_labels", "convert_cells"]

_DECIMAL_COMMA = re.compile(r"[-+]?\d*,?\d+(?:[eE][-+]?\d+)?", re.ASCII)
# Between three digits each, a comma separates thousands as well as decimals.
_PERHAPS_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})*", re.ASCII)
_TRUE, _FALSE = ("T", "TRUE", "true", "True"), ("F", "FALSE", "false", "False")


def convert_cells(column: pd.Series[Any], missing: Collection[str], separator: str) -> pd.Series[Any]:
    """Return a column of cells as numbers or truth values if all of them are, else as the texts that they are.

    Parameters
    ----------
    column : Series
        As pandas reads it with no word for missing but ``missing``.
    missing : collection of str
        What stands for a missing value; in columns of numbers an empty cell does too, in others it is a text.
    separator : str
        What separates columns; where no comma does, it may be that of decimals.
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


def as_labels(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column as a factor: of a text, its labels as written, in the order of numbers where all are numbers."""
    import pandas as pd

    if not pd.api.types.is_string_dtype(column.dtype):
        return column.astype("category")
    labels = column.dropna().unique().tolist()
    present = [label for label in labels if label.strip()]
    if present and all(map(is_numeral, present)):
        ordered = sorted(present, key=lambda label: (to_float(label), label))
    else:
        ordered = sorted(labels)
    cells = column.astype(object).where(column.isin(ordered))
    return pd.Series(pd.Categorical(cells, categories=ordered), index=column.index, name=column.name)


def _truth_values(cells: Collection[str]) -> dict[str, Any] | None:
    """Return the value of each cell if all are truth values, which no blank may surround; None if not, or for none."""
    return {cell: cell in _TRUE for cell in cells} if cells and all(cell in _TRUE + _FALSE for cell in cells) else None


def _numbers(texts: Collection[str], separator: str) -> dict[str, Any] | None:
    """Return the value of each text if all are numbers; None if they are labels."""
    if all(map(is_numeral, texts)):
        return {text: to_float(text) for text in texts}
    # With a semicolon between columns, a comma in a number is a decimal one by convention.
    is_decimal = separator == ";" or (separator != "," and not all(map(_PERHAPS_THOUSANDS.fullmatch, texts)))
    if is_decimal and all(_DECIMAL_COMMA.fullmatch(text) or is_numeral(text) for text in texts):
        return {text: float(text.replace(",", ".")) for text in texts}
    return None

"""Texts that are numbers or nearly so, and the message on a column of texts where numbers are needed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

from lmmtools.audience import advice
from lmmtools.sources.cells import is_numeral

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

__all__ = ["describe_text", "name_row"]


@dataclass(frozen=True, slots=True)
class _NearNumeral:
    """A way to write numbers that R and Python do not read.

    Attributes
    ----------
    pattern : re.Pattern
    name : str
        What the text holds besides a number.
    cure : str
        What to write in Python, ``DATA`` for the column.
    """

    pattern: re.Pattern[str]
    name: str
    cure: str = "Take it out of the texts, then convert them: .str.replace(..., regex=True).astype(float)."


_TO_POINT = 'Write DATA.str.replace(",", ".").astype(float).'
_EITHER = 'Thousands: DATA.str.replace(",", "").astype(float); decimals: .str.replace(",", ".").'
_CURRENCY = (
    r"[-+]?[$\u20ac\u00a3\u00a5]\s*[-+]?[\d.,]+|[-+]?[\d.,]+\s*[^\W\d_\u00b0$\u20ac\u00a3\u00b5]*[$\u20ac\u00a3]"
)
# A comma before groups of three digits may be either.
_NEARLY = (
    _NearNumeral(re.compile(r"[-+]?\d{1,3}(,\d{3})+\.\d*"), "thousands separators"),
    _NearNumeral(
        re.compile(r"[-+]?\d{1,3}([.\u2019' \u00a0\u202f]\d{3})+,\d+"), "thousands separators and a decimal comma"
    ),
    _NearNumeral(re.compile(r"[-+]?\d{1,3}([\u2019' \u00a0\u202f]\d{3})+(\.\d+)?"), "thousands separators"),
    _NearNumeral(re.compile(r"[-+]?\d{1,3}(,\d{3})+"), "thousands separators or a decimal comma", _EITHER),
    _NearNumeral(re.compile(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?"), "a decimal comma", _TO_POINT),
    _NearNumeral(re.compile(r"\u2212\s*[\d.]+"), "a minus sign that is no hyphen"),
    _NearNumeral(re.compile(r"[-+]?[\d.,]+\s*%"), "a percent sign"),
    _NearNumeral(re.compile(_CURRENCY), "a currency"),
    _NearNumeral(re.compile(r"[-+]?\d+(?:[.,]\d+)?\s*[^\W\d_][\w/^\u00b2\u00b3]*"), "a unit"),
)


def name_row(label: Any) -> str:
    """Return the name of a row: its label in the index; at a command line, its place counted from 1."""
    return advice(f"row {label}", f"row {label + 1}" if isinstance(label, Integral) else f"row {label}")


def describe_text(column: pd.Series[Any], name: str) -> str:
    """Return what a column of texts holds instead of numbers, where, and the cure.

    Parameters
    ----------
    column : Series
        Texts, some of them missing.
    name : str
        The column's name.
    """
    texts = column.dropna().astype(str)
    if not len(texts):
        return "nothing"
    distinct = texts.unique().tolist()
    others = [text for text in distinct if not is_numeral(text)]
    if not others:
        reads = advice(f"pd.to_numeric(data[{name!r}])", f"leave out --factor {name}")
        return f"text ({distinct[0]!r}). All of it reads as numbers: {reads}."
    first = texts[texts.isin(others)].head(1)
    where = f"{first.iloc[0]!r} in {name_row(first.index[0])}"
    nearly = _find_common_form(others)
    if nearly is not None:
        python = nearly.cure.replace("DATA", f"data[{name!r}]")
        command = "Write plain numbers, with a point for decimals: in a spreadsheet, the cell format General."
        return f"text: {where} is a number with {nearly.name}. {advice(python, command)}"
    if len(others) == len(distinct):
        convert = advice(f" To make numbers of those that are and the rest missing: {_write_coercion(name)}.", "")
        return f"text ({others[0]!r}), of which nothing reads as a number.{convert}"
    count = int((~texts.isin(others)).sum())
    token = others[0] if others[0].isalnum() else f'"{others[0]}"'
    cure = advice(
        f"where it stands for a missing value: {_write_coercion(name)}",
        f"where it stands for a missing value, add --na {token}",
    )
    more = f", nor are {len(others) - 1} more texts" if len(others) > 1 else ""
    return f"text: {where} is no number{more} ({count} of the {len(texts)} values are). Correct it; {cure}."


def _write_coercion(name: str) -> str:
    """Return the call that makes numbers of a column and the rest missing."""
    return f"pd.to_numeric(data[{name!r}], errors='coerce')"


def _find_common_form(texts: Sequence[str]) -> _NearNumeral | None:
    """Return the near-numeral form that all texts have, None if they have none in common."""
    stripped = [text.strip() for text in texts]
    return next((form for form in _NEARLY if all(map(form.pattern.fullmatch, stripped))), None)

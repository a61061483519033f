"""Texts that are numbers or nearly so, and the message on a column of texts where numbers are needed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from numbers import Integral
from typing import TYPE_CHECKING, Any

from lmmtools.audience import advice
from lmmtools.sources.cells import is_numeral
from lmmtools.sources.places import advice_on_data, columns_elsewhere, place_of

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
    """Return the name of a row: its label in the index, its place in a source, or, at a command line, from 1."""
    place = place_of(int(label)) if isinstance(label, Integral) else None
    if place is not None:
        return place
    return advice(f"row {label}", f"row {label + 1}" if isinstance(label, Integral) else f"row {label}")


@dataclass(slots=True)
class _Texts:
    """The texts of a column that comes in pieces.

    Attributes
    ----------
    distinct : dict of str to bool
        Whether each is a numeral, in the order in which they were met.
    n, n_numerals : int
        All of them, and those that are numerals.
    first : Any
        Label of the first row whose text is none.
    """

    distinct: dict[str, bool] = field(default_factory=dict)
    n: int = 0
    n_numerals: int = 0
    first: Any = None

    def add(self, texts: pd.Series[str]) -> None:
        """Add a piece, without its missing values."""
        counts = texts.value_counts(sort=False)
        had_others = bool(self.others)
        for text in texts.unique().tolist():
            if text not in self.distinct:
                self.distinct[text] = is_numeral(text)
        self.n += len(texts)
        self.n_numerals += int(sum(counts[text] for text in counts.index if self.distinct[text]))
        if self.others and not had_others:
            self.first = texts.index[int((texts == self.others[0]).to_numpy().argmax())]

    @property
    def others(self) -> list[str]:
        """Those that are no numerals."""
        return [text for text, is_number in self.distinct.items() if not is_number]


def describe_text(column: pd.Series[Any], name: str) -> str:
    """Return what a column of texts holds instead of numbers, where, and the cure.

    Parameters
    ----------
    column : Series
        Texts, some of them missing.
    name : str
        The column's name.
    """
    texts = _Texts()
    for piece in columns_elsewhere(name) or [column]:
        texts.add(piece.dropna().astype(str))
    distinct, others = list(texts.distinct), texts.others
    if not distinct:
        return "nothing"
    if not others:
        python = f"pd.to_numeric(data[{name!r}])"
        reads = advice_on_data(
            python, f"in SQL cast({name} as double), in a frame {python}", f"leave out --factor {name}"
        )
        return f"text ({distinct[0]!r}). All of it reads as numbers: {reads}."
    where = f"{others[0]!r} in {name_row(texts.first)}"
    nearly = _find_common_form(others)
    if nearly is not None:
        frame = nearly.cure.replace("DATA", f"data[{name!r}]")
        python = advice_on_data(
            frame, f"Correct it where it comes from, or read it into a frame data first. {frame}", ""
        )
        command = "Write plain numbers, with a point for decimals: in a spreadsheet, the cell format General."
        return f"text: {where} is a number with {nearly.name}. {advice(python, command)}"
    if len(others) == len(distinct):
        convert = advice(f" To make numbers of those that are and the rest missing: {_write_coercion(name)}.", "")
        return f"text ({others[0]!r}), of which nothing reads as a number.{convert}"
    token = others[0] if others[0].isalnum() else f'"{others[0]}"'
    cure = advice(
        f"where it stands for a missing value: {_write_coercion(name)}",
        f"where it stands for a missing value, add --na {token}",
    )
    more = f", nor are {len(others) - 1} more texts" if len(others) > 1 else ""
    return f"text: {where} is no number{more} ({texts.n_numerals:,} of the {texts.n:,} values are). Correct it; {cure}."


def _write_coercion(name: str) -> str:
    """Return the call that makes numbers of a column and the rest missing."""
    python = f"pd.to_numeric(data[{name!r}], errors='coerce')"
    return advice_on_data(python, f"in SQL try_cast({name} as double), in a frame {python}", "")


def _find_common_form(texts: Sequence[str]) -> _NearNumeral | None:
    """Return the near-numeral form that all texts have, None if they have none in common."""
    stripped = [text.strip() for text in texts]
    return next((form for form in _NEARLY if all(map(form.pattern.fullmatch, stripped))), None)

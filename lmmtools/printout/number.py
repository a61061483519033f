"""Printed numbers, with the rounding that their digits leave open."""

from __future__ import annotations

import math
import re
from typing import Any

__all__ = ["PrintedNumber", "RoundedNumber", "is_count_text", "is_number_text", "is_quotient", "rounding_of", "shown"]

_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d"), "-")
_NUMBER = re.compile(
    r"(?P<bound><?)(?P<value>[-+]?(?:\d+[.,]?(?P<decimals>\d*)|[.,](?P<more>\d+))(?:e(?P<power>[-+]?\d+))?)", re.I
)
# R writes up to 22 digits, and no power of ten beyond the range of floats.
_LONGEST, _LARGEST_POWER = 60, 300
# More rows or levels than these digits tell are in no data.
_COUNT = re.compile(r"[0-9]{1,15}")
# A number that ends in 5 is rounded up or down by the noise of its last bits.
_NOISE = 1e-12
_SPECIAL = {"NA": math.nan, "NaN": math.nan, "Inf": math.inf, "-Inf": -math.inf}


class RoundedNumber(float):
    """A number that is known within half a unit of its last digit.

    Parameters
    ----------
    value : float
        The number.
    half_unit : float
        How far the number before rounding may be from it.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> printed = lmt.read_lme4_summary(str(fit.summary()))
    >>> printed.sigma.squared().text
    '2451'
    """

    __slots__ = ("half_unit",)
    half_unit: float

    def __new__(cls, value: float, half_unit: float) -> RoundedNumber:
        """Return the number."""
        number = super().__new__(cls, value)
        number.half_unit = half_unit
        return number

    def __getnewargs__(self) -> tuple[Any, ...]:
        return float(self), self.half_unit

    @property
    def text(self) -> str:
        """The number, with the digits that are known."""
        if self.half_unit == 0 or not math.isfinite(self.half_unit):
            return f"{float(self)}"
        return f"{float(self):.{max(0, math.floor(-math.log10(2 * self.half_unit)))}f}"

    def squared(self) -> RoundedNumber:
        """Return the square, with the half unit that follows from this number's."""
        value = float(self)
        return RoundedNumber(value * value, 2.0 * abs(value) * self.half_unit + self.half_unit * self.half_unit)

    def root(self) -> RoundedNumber:
        """Return the square root, with the half unit that follows from this number's, which must not be negative."""
        value = math.sqrt(self)
        return RoundedNumber(
            value, max(math.sqrt(self + self.half_unit) - value, value - math.sqrt(max(self - self.half_unit, 0.0)))
        )

    def shows(self, value: float) -> bool:
        """Whether ``value`` rounds to this number."""
        if math.isnan(value) or math.isnan(self):
            return math.isnan(value) and math.isnan(self)
        return abs(value - float(self)) <= self.half_unit + _NOISE * abs(value)


class PrintedNumber(RoundedNumber):
    """A number as it was printed; its text is kept.

    Parameters
    ----------
    text : str
        The digits, ``"0.7169"``, ``"3.26e-06"``, ``"NaN"``; ``"<2e-16"`` is a bound from above.
    decimals : int, optional
        Places after the point to which it was rounded, if more than are shown: a final zero may have been dropped.

    Raises
    ------
    ValueError
        If the text is no number.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> printed = lmt.read_lme4_summary(str(fit.summary()))
    >>> printed.sigma.shows(49.51)
    True
    """

    __slots__ = ("_text", "decimals", "is_bound")
    _text: str
    decimals: int
    is_bound: bool

    def __new__(cls, text: str, decimals: int | None = None) -> PrintedNumber:
        """Return the number that the text is."""
        value, places, is_bound = _parse(text)
        places = places if decimals is None else max(places, decimals)
        number = float.__new__(cls, value)
        number.half_unit = 0.5 * 10.0**-places if math.isfinite(value) else 0.0
        number._text, number.decimals, number.is_bound = text, places, is_bound
        return number

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.text, self.decimals

    def rounded_twice(self) -> PrintedNumber:
        """Return the number with a half unit 10% larger, for one that was rounded twice: 0.14951, 0.1495, 0.15."""
        number = PrintedNumber(self.text, self.decimals)
        number.half_unit *= 1.1
        return number

    def __repr__(self) -> str:
        return self.text

    __str__ = __repr__

    @property
    def text(self) -> str:
        """The digits, as they were printed."""
        return self._text

    @property
    def significant(self) -> int:
        """Significant digits shown; zero for a zero."""
        value = abs(float(self))
        return 0 if not math.isfinite(value) or value == 0 else math.floor(math.log10(value)) + self.decimals + 1

    def shows(self, value: float) -> bool:
        """Whether ``value`` would be printed as this number."""
        return value <= float(self) if self.is_bound else super().shows(value)


def rounding_of(value: float | None) -> float:
    """Return the half unit of a rounded number; zero for any other number."""
    return value.half_unit if isinstance(value, RoundedNumber) else 0.0


def shown(value: Any) -> Any:
    """Return the text of a rounded number; any other value unchanged."""
    return value.text if isinstance(value, RoundedNumber) else value


def is_number_text(text: str) -> bool:
    """Whether a word is a number as R prints them; any kind of dash is a minus."""
    text = text.translate(_DASHES)
    return text in _SPECIAL or _match(text) is not None


def is_count_text(text: str) -> bool:
    """Whether a word is a number of rows or levels."""
    return _COUNT.fullmatch(text) is not None


def is_quotient(quotient: RoundedNumber, numerator: RoundedNumber, denominator: RoundedNumber) -> bool:
    """Whether a rounded number can be the quotient of two others; True where the denominator may be zero.

    To first order in what the last digits of the three leave open.
    """
    if not denominator > denominator.half_unit:
        return True
    value = numerator / denominator
    hidden = (numerator.half_unit + abs(value) * denominator.half_unit) / (denominator - denominator.half_unit)
    return not abs(value - quotient) > hidden + quotient.half_unit


def _match(text: str) -> re.Match[str] | None:
    """Return the match of a finite number; None for any other text."""
    found = _NUMBER.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None or abs(int(found["power"] or 0)) > _LARGEST_POWER:
        return None
    return found if math.isfinite(float(found["value"].replace(",", "."))) else None


def _parse(text: str) -> tuple[float, int, bool]:
    """Return the value, the places after the point, and whether it is a bound."""
    plain = text.translate(_DASHES).replace(" ", "")
    if plain in _SPECIAL:
        return _SPECIAL[plain], 0, False
    found = _match(plain)
    if found is None:
        raise ValueError(f"{text!r} is no number")
    places = len(found["decimals"] or found["more"] or "") - int(found["power"] or 0)
    return float(found["value"].replace(",", ".")), places, bool(found["bound"])

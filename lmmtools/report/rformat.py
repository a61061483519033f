"""Numbers as R prints them, and names as R abbreviates them.

R chooses one layout for a whole column: the fewest decimals that show every number to the asked-for significant
digits, trailing zeros dropped where all can spare them, and the scientific form where that is shorter. These rules are
behind every number that lme4 prints, and are followed exactly here.
``tests/unit/report/rformat_cases.json`` holds R's own answers.
"""

from __future__ import annotations

import math
from collections import Counter
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "SIGNIFICANCE_LEGEND",
    "abbreviate",
    "format_coefficients",
    "format_correlations",
    "format_numbers",
    "format_pvalues",
    "format_statistics",
    "round_half_even",
    "significance_stars",
    "zapsmall",
]

# R shows at most 15 significant digits of a double: rounding to more changes nothing.
_DOUBLE_DIGITS = 15
# 10**decimals is a finite double up to here.
_MOST_DECIMALS = 300
_EPSILON = 2.220446049250313e-16

_VOWELS = frozenset("aeiou")


class _Shape(NamedTuple):
    """Space that a number needs: power of ten, significant digits, width left of the point with the sign."""

    power: int
    significant: int
    left: int


def round_half_even(x: float, decimals: int) -> float:
    """Return ``x`` rounded as R's ``round``: to the nearer neighbour, and to the even digit if both are as near."""
    if not math.isfinite(x) or x == 0:
        return x
    if decimals + math.ceil(math.log10(abs(x))) > _DOUBLE_DIGITS:
        return x
    if decimals > _MOST_DECIMALS:
        return x
    power = 10.0**decimals
    scaled = x * power
    below, above = math.floor(scaled), math.ceil(scaled)
    low, high = below / power, above / power
    to_low, to_high = x - low, high - x
    if to_low == to_high:
        return low if below % 2 == 0 else high
    return low if to_low < to_high else high


def zapsmall(values: Sequence[float], digits: int) -> list[float]:
    """Return the values rounded where they are negligible beside the largest, as R 4.2's ``zapsmall``."""
    finite = [abs(v) for v in values if math.isfinite(v)]
    largest = max(finite, default=0.0)
    decimals = max(0, math.floor(digits - math.log10(largest) + 0.5)) if largest > 0 else digits
    return [round_half_even(v, decimals) for v in values]


def _shape(x: float, digits: int) -> _Shape:
    """Return the space that ``x`` needs at up to ``digits`` significant digits, trailing zeros dropped."""
    sign = int(x < 0)
    if x == 0:
        return _Shape(0, 1, 1)
    exact = abs(Decimal(x))
    unit = Decimal(1).scaleb(exact.adjusted() - digits + 1)
    rounded = (exact / unit).to_integral_value(rounding=ROUND_HALF_EVEN) * unit
    power = rounded.adjusted()
    significant = len("".join(map(str, rounded.as_tuple().digits)).rstrip("0"))
    return _Shape(power, max(significant, 1), sign + max(power + 1, 1))


def _special(x: float) -> str:
    if math.isnan(x):
        return "NaN"
    return "Inf" if x > 0 else "-Inf"


def format_numbers(values: Sequence[float | None], digits: int = 7, nsmall: int = 0) -> list[str]:
    """Return the values in one common layout, as R's ``format(x, digits, nsmall)``; None stands for NA.

    Parameters
    ----------
    values : sequence of float or None
        The numbers of one column.
    digits : int
        Significant digits that the number with the least room must show.
    nsmall : int
        At least this many decimals unless the form is scientific.

    Returns
    -------
    list of str
        All of one width, padded on the left.
    """
    finite = [float(v) for v in values if v is not None and math.isfinite(v)]
    texts = _layout(finite, digits, nsmall)
    found = iter(texts)
    cells = ["NA" if v is None else next(found) if math.isfinite(v) else _special(v) for v in values]
    width = max(map(len, cells), default=0)
    return [c.rjust(width) for c in cells]


def _layout(finite: Sequence[float], digits: int, nsmall: int) -> list[str]:
    if not finite:
        return []
    shapes = [_shape(x, digits) for x in finite]
    negative = int(any(x < 0 for x in finite))
    decimals = max(0, *(s.significant - s.power - 1 for s in shapes), 0)
    fixed_width = max(s.left for s in shapes) + decimals + (decimals > 0)
    mantissa = max(s.significant for s in shapes) - 1
    exponent = 3 if any(abs(s.power) >= 100 for s in shapes) else 2
    scientific_width = negative + 1 + (mantissa > 0) + mantissa + 2 + exponent
    if fixed_width <= scientific_width:
        decimals = max(decimals, nsmall)
        # Adding zero turns -0.0 into 0.0, which R shows without a sign.
        return [f"{x + 0.0:.{decimals}f}" for x in finite]
    return [f"{x + 0.0:.{mantissa}e}" for x in finite]


def format_correlations(values: Sequence[float | None], decimals: int = 2) -> list[str]:
    """Return correlations rounded to ``decimals`` and always shown with that many, as lme4 shows them."""
    rounded = [None if v is None else round_half_even(float(v), decimals) for v in values]
    return format_numbers(rounded, digits=7, nsmall=decimals)


def format_coefficients(values: Sequence[float | None], digits: int = 4) -> list[str]:
    """Return estimates and standard errors, given together, as R's ``printCoefmat`` lays them out.

    The smallest number other than zero decides how many decimals there are.
    """
    numbers = [float("nan") if v is None else float(v) for v in values]
    sizes = [abs(v) for v in numbers if math.isfinite(v) and v != 0]
    smallest = 1 + math.floor(math.log10(min(sizes))) if sizes else 1
    decimals = max(1, digits - smallest)
    return format_numbers([_round_or_none(v, decimals) for v in numbers], digits)


def format_statistics(values: Sequence[float | None], digits: int = 4) -> list[str]:
    """Return t or F values as R's ``printCoefmat`` lays them out: with ``digits - 1`` decimals at most."""
    numbers = [float("nan") if v is None else float(v) for v in values]
    decimals = max(1, min(5, digits - 1))
    return format_numbers([_round_or_none(v, decimals) for v in numbers], digits)


def _round_or_none(x: float, decimals: int) -> float | None:
    return None if math.isnan(x) else round_half_even(x, decimals)


def format_pvalues(values: Sequence[float | None], digits: int = 3, eps: float = _EPSILON) -> list[str]:
    """Return p-values as R's ``format.pval``: small ones in scientific form, those under ``eps`` as a bound."""
    present = [float(v) for v in values if v is not None and not math.isnan(v)]
    large = [v for v in present if v >= eps and _fixed_power(v) >= -4]
    small = [v for v in present if v >= eps and _fixed_power(v) < -4]
    # R shows the bound with two digits less than the p-values.
    text_large = iter(format_numbers(large, digits))
    text_small = iter(format_numbers(small, digits))
    bound = f"< {format_numbers([eps], max(1, digits - 2))[0]}" if any(v >= eps for v in present) else None
    bound = bound or f"<{' ' if digits > 3 else ''}{format_numbers([eps], max(1, digits - 2))[0]}"
    cells = []
    for v in values:
        if v is None or math.isnan(v):
            cells.append("NA")
        elif v < eps:
            cells.append(bound)
        else:
            cells.append(next(text_large) if _fixed_power(v) >= -4 else next(text_small))
    width = max(map(len, cells), default=0)
    return [c.rjust(width) for c in cells]


def _fixed_power(p: float) -> int:
    return math.floor(math.log10(p)) if p > 0 else -_DOUBLE_DIGITS


SIGNIFICANCE_LEGEND = "Signif. codes: 0 '***' 0.001 '**' 0.01 '*' 0.05 '.' 0.1 ' ' 1"
"""What the marks of `significance_stars` mean, as R writes it below a table."""


def significance_stars(values: Sequence[float | None]) -> list[str]:
    """Return R's marks: ``***`` up to 0.001, ``**`` up to 0.01, ``*`` up to 0.05, ``.`` up to 0.1."""
    marks = ((0.001, "***"), (0.01, "**"), (0.05, "*"), (0.1, "."))
    return [next((m for cut, m in marks if v is not None and v <= cut), "") for v in values]


def abbreviate(names: Sequence[str], minlength: int) -> list[str]:
    """Return the names shortened towards ``minlength`` characters; names that differ stay different.

    Names within ``minlength`` are kept. Longer ones lose characters from the right until they fit: first lower-case
    vowels, then lower-case letters, then any; the first character of a word stays. Names that become equal are
    shortened less.
    """
    short = {name: _shorten(name, minlength) for name in names}
    length, longest = minlength, max(map(len, names), default=0)
    while length < longest:
        counts = Counter(short.values())
        clashing = [name for name, s in short.items() if counts[s] > 1]
        if not clashing:
            break
        length += 1
        short.update({name: _shorten(name, length) for name in clashing})
    return [short[name] for name in names]


def _shorten(name: str, length: int) -> str:
    text = name.lstrip()
    for may_drop in (_is_final_vowel, _is_vowel, _is_final_lower, _is_lower, _is_inner):
        text = _drop_from_right(text, length, may_drop)
    # Spaces separate the words while characters are dropped; they are not counted.
    return text.replace(" ", "") if len(text) > length else text


def _drop_from_right(text: str, length: int, may_drop: Callable[[str, int], bool]) -> str:
    at = len(text) - 1
    while at > 0 and len(text) - text.count(" ") > length and len(text) > length:
        if may_drop(text, at):
            text = text[:at] + text[at + 1 :]
        at -= 1
    return text


def _is_inner(text: str, at: int) -> bool:
    return text[at] != " " and text[at - 1] != " "


def _is_final(text: str, at: int) -> bool:
    return _is_inner(text, at) and (at + 1 == len(text) or text[at + 1] == " ")


def _is_vowel(text: str, at: int) -> bool:
    return text[at] in _VOWELS and _is_inner(text, at)


def _is_final_vowel(text: str, at: int) -> bool:
    return text[at] in _VOWELS and _is_final(text, at)


def _is_lower(text: str, at: int) -> bool:
    return text[at].islower() and _is_inner(text, at)


def _is_final_lower(text: str, at: int) -> bool:
    return text[at].islower() and _is_final(text, at)

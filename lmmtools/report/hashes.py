"""SHA-256 of columns of numbers and of tables, over the bytes of arrays."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["data_hash", "hash_as_text", "hash_rounded", "round_to_digits"]

DIGITS = 12
"""Significant digits of fingerprints: a value that went through a text file may come back one bit off."""

_POWERS = np.array([float(f"1e{k}") for k in range(309)])


def hash_rounded(rounded: Floats) -> str:
    """Return the SHA-256 of numbers that `round_to_digits` has rounded, shape (n,), in their order."""
    return hashlib.sha256(_bytes_of(rounded)).hexdigest()


def hash_as_text(values: Floats) -> str:
    """Return the SHA-256 of numbers, shape (n,), as twelve digits of text: that of records in format 1."""
    return hashlib.sha256("\n".join(f"{v:.{DIGITS}g}" for v in values.tolist()).encode()).hexdigest()


def round_to_digits(values: Floats) -> Floats:
    """Return numbers, shape (n,), rounded to twelve significant digits: neighbours mostly become the same bits.

    v = m 10^-k with k such that m has twelve digits. Zero has no sign, and NaN is one NaN.
    """
    values = np.asarray(values, dtype=np.float64)
    out = np.where(np.isnan(values), np.nan, values + 0.0)
    at = np.flatnonzero(np.isfinite(values) & (values != 0.0))
    out[at] = _round_nonzero(values[at])
    return out


def _round_nonzero(v: Floats) -> Floats:
    """Return finite numbers other than zero, rounded."""
    k = DIGITS - 1 - np.floor(np.log10(np.abs(v))).astype(np.intp)
    m = np.rint(_shift(v, k))
    # A logarithm may be one bit off, and rounding may add a digit: the bits must not depend on either.
    is_long, is_short = np.abs(m) >= 10.0**DIGITS, np.abs(m) < 10.0 ** (DIGITS - 1)
    wrong = np.flatnonzero(is_long | is_short)
    k[wrong] += np.where(is_short[wrong], 1, -1)
    m[wrong] = np.rint(_shift(v[wrong], k[wrong]))
    return _shift(m, -k)


def _shift(v: Floats, k: NDArray[np.intp]) -> Floats:
    """Return v 10^k, by two powers where one is out of the range of doubles."""
    first = np.clip(k, 1 - len(_POWERS), len(_POWERS) - 1)
    with np.errstate(under="ignore"):
        out: Floats = v * _POWERS[np.maximum(first, 0)] / _POWERS[np.maximum(-first, 0)]
        far = np.flatnonzero(k - first)
        second = k[far] - first[far]
        out[far] = out[far] * _POWERS[np.maximum(second, 0)] / _POWERS[np.maximum(-second, 0)]
    return out


def data_hash(frame: pd.DataFrame) -> str:
    """Return the SHA-256 of a table's columns and values, rows in order; it does not depend on their types.

    A column of numbers, of whatever type, enters as doubles at full precision; another one as the texts of its distinct
    values, in the order in which they come, and which of them each row has. The index does not enter.
    """
    total = hashlib.sha256()
    names = {str(name): name for name in frame.columns}
    for text in sorted(names):
        total.update(_framed(text.encode()))
        _add_column(total, frame[names[text]])
    return total.hexdigest()


def _add_column(total: Any, column: pd.Series[Any]) -> None:
    """Add one column of a table to a hash."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column.dtype):
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        codes, levels = pd.factorize(column)
        values = list(levels)
        if not all(isinstance(value, (int, float, np.number)) for value in values):
            total.update(b"levels")
            for value in values:
                total.update(_framed(_text_of(value).encode()))
            total.update(codes.astype("<i8").tobytes())
            return
        numbers = np.array([*map(float, values), np.nan])[codes]
    total.update(b"numbers")
    total.update(_bytes_of(np.where(np.isnan(numbers), np.nan, numbers)))


def _text_of(value: Any) -> str:
    return repr(float(value)) if isinstance(value, (int, float, np.number)) else str(value)


def _framed(text: bytes) -> bytes:
    """Return bytes with their length before them, so that two texts in a row are no third."""
    return len(text).to_bytes(8, "little") + text


def _bytes_of(values: Floats) -> bytes:
    """Return the numbers, eight bytes each, the lowest byte first."""
    return values.astype("<f8").tobytes()

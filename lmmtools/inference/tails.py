"""Tail probabilities and quantiles of t, F and chi-squared, without importing scipy.stats."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

__all__ = ["check_alpha", "check_level", "chi2_quantile", "chi2_tail", "f_tail", "t_below", "t_quantile", "t_two_sided"]


def check_alpha(alpha: Any) -> float:
    """Return alpha, one minus the coverage of an interval, as a float.

    Raises
    ------
    DataError
        If it is not a number between 0 and 1.
    """
    return _check_probability(alpha, "alpha", 0.05)


def check_level(level: Any, name: str = "level") -> float:
    """Return the coverage of an interval as a float; ``name`` is that of the argument.

    Raises
    ------
    DataError
        If it is not a number between 0 and 1.
    """
    return _check_probability(level, name, 0.95)


def _check_probability(value: Any, name: str, example: float) -> float:
    """Return a number between 0 and 1 as a float; ``example`` is what stands for 95% intervals."""
    if not isinstance(value, Real) or not 0 < float(value) < 1:
        raise DataError(f"{name} is {value!r}; it must lie between 0 and 1, {example} for 95% intervals")
    return float(value)


def t_two_sided(t: ArrayLike, df: ArrayLike) -> Floats:
    """Return P(|T| > |t|); infinite ``df`` means the normal distribution."""
    from scipy import special

    t, df = np.broadcast_arrays(np.asarray(t, dtype=float), np.asarray(df, dtype=float))
    return np.asarray(2.0 * np.where(np.isinf(df), special.ndtr(-np.abs(t)), special.stdtr(df, -np.abs(t))))


def t_below(t: ArrayLike, df: ArrayLike) -> Floats:
    """Return P(T < t); infinite ``df`` means the normal distribution."""
    from scipy import special

    t, df = np.broadcast_arrays(np.asarray(t, dtype=float), np.asarray(df, dtype=float))
    return np.asarray(np.where(np.isinf(df), special.ndtr(t), special.stdtr(df, t)))


def t_quantile(p: float, df: ArrayLike) -> Floats:
    """Return the value that T exceeds with probability p; infinite ``df`` means the normal distribution."""
    from scipy import special

    df = np.asarray(df, dtype=float)
    return np.asarray(-np.where(np.isinf(df), special.ndtri(p), special.stdtrit(df, p)))


def f_tail(F: float, num_df: float, den_df: float) -> float:
    """Return P(F' > F); infinite ``den_df`` means the chi-squared distribution of F times ``num_df``."""
    from scipy import special

    return float(special.fdtrc(num_df, den_df, F)) if np.isfinite(den_df) else chi2_tail(F * num_df, num_df)


def chi2_tail(x: float, df: float) -> float:
    """Return P(X > x), X chi-squared with ``df`` degrees of freedom."""
    from scipy import special

    return float(special.chdtrc(df, x))


def chi2_quantile(p: float, df: float) -> float:
    """Return the value that a chi-squared variable exceeds with probability p."""
    from scipy import special

    return float(special.chdtri(df, p))

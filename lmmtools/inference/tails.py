"""Tail probabilities and quantiles of t, F and chi-squared, without the import of all of scipy.stats."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from lmmtools.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

__all__ = ["check_alpha", "chi2_quantile", "chi2_tail", "f_tail", "t_quantile", "t_two_sided"]


def check_alpha(alpha: Any) -> float:
    """Return one less the coverage of an interval.

    Raises
    ------
    DataError
        If it is no number between 0 and 1.
    """
    if not isinstance(alpha, Real) or not 0 < float(alpha) < 1:
        raise DataError(f"alpha is {alpha!r}; it must lie between 0 and 1, 0.05 for 95% intervals")
    return float(alpha)


def t_two_sided(t: ArrayLike, df: ArrayLike) -> Floats:
    """Return P(|T| > |t|); infinite degrees mean the normal distribution."""
    t, df = np.broadcast_arrays(np.asarray(t, dtype=float), np.asarray(df, dtype=float))
    return np.asarray(2.0 * np.where(np.isinf(df), special.ndtr(-np.abs(t)), special.stdtr(df, -np.abs(t))))


def t_quantile(p: float, df: ArrayLike) -> Floats:
    """Return the value that T exceeds with probability p; infinite degrees mean the normal distribution."""
    df = np.asarray(df, dtype=float)
    return np.asarray(-np.where(np.isinf(df), special.ndtri(p), special.stdtrit(df, p)))


def f_tail(F: float, num_df: float, den_df: float) -> float:
    """Return P(F' > F); infinite denominator degrees mean chi-squared over ``num_df``."""
    return float(special.fdtrc(num_df, den_df, F)) if np.isfinite(den_df) else chi2_tail(F * num_df, num_df)


def chi2_tail(x: float, df: float) -> float:
    """Return P(X > x)."""
    return float(special.chdtrc(df, x))


def chi2_quantile(p: float, df: float) -> float:
    """Return the value that X exceeds with probability p."""
    return float(special.chdtri(df, p))

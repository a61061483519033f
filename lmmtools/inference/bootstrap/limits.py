"""Confidence intervals from bootstrap draws (Davison & Hinkley 1997, chapter 5; Efron 1987, J. Am. Stat. Assoc. 82)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from lmmtools.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = ["METHODS", "acceleration", "intervals"]

METHODS = ("percentile", "basic", "normal", "bca")


def intervals(
    draws: pd.DataFrame, estimate: pd.Series[float], alpha: float, method: str, shift: Floats | None = None
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return limits, columns 0 (lower) and 1 (upper), a row per statistic, and the statistics with too few draws.

    Draws without a value are left out. Draws are too few if a limit would lie outside them; the most extreme draw is
    then taken. Limits are NaN for a statistic with fewer than two values or, except for ``"percentile"``, without a
    value on the fit itself.

    Parameters
    ----------
    draws : DataFrame, shape (n, statistics)
    estimate : Series, length statistics
    alpha : float
    method : {"percentile", "basic", "normal", "bca"}
    shift : ndarray, shape (statistics,)
        The acceleration, for ``"bca"``.
    """
    import pandas as pd

    rows, few = [], []
    for i, name in enumerate(draws.columns):
        values, own = draws[name].dropna().to_numpy(), float(estimate.iloc[i])
        if len(values) < 2 or (method != "percentile" and np.isnan(own)):
            rows.append(np.full(2, np.nan))
            continue
        tails = np.array([alpha / 2.0, 1.0 - alpha / 2.0])
        if method == "normal":
            rows.append(2.0 * own - values.mean() + ndtri(tails) * values.std(ddof=1))
            continue
        if method == "bca":
            assert shift is not None
            # Ties count half, so that draws at a boundary do not all count as below or above.
            below = (np.mean(values < own) + np.mean(values <= own)) / 2.0
            z = ndtri(np.clip(below, 0.5 / len(values), 1.0 - 0.5 / len(values)))
            moved = z + ndtri(tails)
            tails = ndtr(z + moved / (1.0 - shift[i] * moved))
        if are_too_few(len(values), min(tails[0], 1.0 - tails[1])):
            few.append(str(name))
        limits = np.quantile(values, tails, method="weibull")
        rows.append(2.0 * own - limits[::-1] if method == "basic" else limits)
    return pd.DataFrame(rows, index=draws.columns, columns=[0, 1]), tuple(few)


def are_too_few(count: int, tail: float) -> bool:
    """Return whether a tail probability is smaller than ``count`` draws can resolve."""
    return tail * (count + 1) < 1.0


def describe_too_few(alpha: float) -> str:
    """Return the phrase ``"too few for 95% limits: ..."`` with its consequence."""
    return f"too few for {100.0 * (1.0 - alpha):.4g}% limits: the most extreme draw stands for a limit"


def acceleration(fit: Fit, statistic: Callable[[Fit], Floats]) -> Floats:
    """Return the acceleration: a sixth of the skewness of the jackknife values over levels, shape (statistics,).

    The levels are those of the factor with the fewest. A level is ignored for a statistic that has no value without it.

    Raises
    ------
    DataError
        If a level cannot be left out.
    """
    block = fit.design.blocks[-1]
    values = []
    for level in range(block.m):
        try:
            values.append(statistic(fit.on_rows(block.codes != level)))
        except MemoryError:
            raise
        except Exception as error:
            raise DataError(
                f"without {block.group} {block.levels[level]} the model cannot be fitted ({error}), so that there is "
                'no acceleration; use method="percentile" or "basic"'
            ) from error
    left_out = np.asarray(values)
    known = np.isfinite(left_out)
    mean = np.where(known, left_out, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    gaps = np.where(known, mean - left_out, 0.0)
    # In units of the largest, so that cubes neither overflow nor vanish.
    gaps = gaps / np.where((size := np.abs(gaps).max(axis=0, initial=0.0)) > 0, size, 1.0)
    below = 6.0 * (gaps**2).sum(axis=0) ** 1.5
    return np.asarray(np.where(below > 0, (gaps**3).sum(axis=0) / np.where(below > 0, below, 1.0), 0.0))

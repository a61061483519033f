"""The distribution of the studentised range, of Tukey's tests, for many statistics and degrees of freedom at once."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

__all__ = ["range_quantile", "range_tail"]

WIDEST = 38.0
"""The range of normal variables exceeds this with a probability below the smallest number of any use."""
STEP = 0.05
"""Between the knots of a spline of the logarithm of the normal range's tail; its error is then some 1e-9."""
Z_STEP = 0.2
"""Between nodes of the integral over the largest variable: the integrand is analytic and vanishes at both ends, so that
the error of its sum falls exponentially with one over the step."""
S_NODES = 240
"""Of the integral over the logarithm of the standard deviation's estimate, likewise."""
LOWER, UPPER = 1e-30, 1e-18
"""Probabilities in the tails of that estimate that the integral leaves out."""
LARGE = 1e8
"""From so many degrees of freedom on the standard deviation counts as known."""
AT_ONCE = 4096
"""Statistics that are evaluated together."""


def range_tail(q: ArrayLike, k: int, df: ArrayLike) -> Floats:
    """Return the probability that the studentised range of k means exceeds q with ``df`` degrees of freedom.

    The tail for a known standard deviation is averaged over its estimate s, where df s^2 is chi-squared: at q s.

    Parameters
    ----------
    q, df : array_like
        They are broadcast; NaN gives NaN, and so does a ``df`` that is not positive.
    k : int
        Means, two or more.
    """
    each, nu = np.broadcast_arrays(np.asarray(q, dtype=float), np.asarray(df, dtype=float))
    out = np.full(each.size, np.nan)
    known = np.flatnonzero(np.isfinite(each.ravel()) & (nu.ravel() > 0))
    for start in range(0, len(known), AT_ONCE):
        own = known[start : start + AT_ONCE]
        out[own] = _tails(np.maximum(each.ravel()[own], 0.0), k, nu.ravel()[own])
    return out.reshape(each.shape)


def range_quantile(alpha: float, k: int, df: float) -> float:
    """Return the q that the studentised range of k means exceeds with probability alpha."""
    from scipy.optimize import brentq

    if not df > 0:
        return float("nan")
    high = 4.0
    while float(range_tail(high, k, df)) > alpha:
        high *= 2.0
    return float(brentq(lambda q: float(range_tail(q, k, df)) - alpha, 0.0, high, xtol=1e-11, rtol=1e-12))


def _tails(q: Floats, k: int, df: Floats) -> Floats:
    """Return the tail at each q, shape (statistics,), of finite q and positive df."""
    from scipy.special import gammaln

    out = np.empty(len(q))
    is_normal = df > LARGE
    out[is_normal] = _normal_tail(q[is_normal], k)
    nu = df[~is_normal][:, None]
    low, high = _ends(nu.ravel())
    step = (high - low) / (S_NODES - 1)
    x = low[:, None] + step[:, None] * np.arange(S_NODES)
    # The density of x = log s is proportional to exp(nu x - nu exp(2 x) / 2).
    constant = np.log(2.0) + 0.5 * nu * np.log(0.5 * nu) - gammaln(0.5 * nu)
    density = np.exp(constant + nu * x - 0.5 * nu * np.exp(2.0 * x))
    out[~is_normal] = step * (density * _normal_tail(q[~is_normal][:, None] * np.exp(x), k)).sum(axis=1)
    return np.minimum(out, 1.0)


def _ends(nu: Floats) -> tuple[Floats, Floats]:
    """Return the ends of the integral over the logarithm of s, shapes of nu."""
    from scipy.special import chdtri, gammaincinv

    values, place = np.unique(nu, return_inverse=True)
    low = 0.5 * np.log(np.maximum(2.0 * gammaincinv(0.5 * values, LOWER) / values, 1e-300))
    high = 0.5 * np.log(chdtri(values, UPPER) / values)
    return low[place], high[place]


def _normal_tail(w: Floats, k: int) -> Floats:
    """Return the probability that the range of k normal variables exceeds w >= 0, in the shape of w."""
    found: Floats = np.where(w < WIDEST, np.exp(_log_tail(k)(np.minimum(w, WIDEST))), 0.0)
    return found


@lru_cache(maxsize=32)
def _log_tail(k: int) -> Any:
    """Return a spline of the logarithm of the tail of the range of k normal variables."""
    from scipy.interpolate import CubicSpline

    w = np.arange(0.0, WIDEST + STEP, STEP)
    return CubicSpline(w, np.log(np.minimum(_integrate_tail(w, k), 1.0)))


def _integrate_tail(w: Floats, k: int) -> Floats:
    """Return k times the integral of phi(z) [Phi(z)^(k-1) - (Phi(z) - Phi(z-w))^(k-1)] over z, the largest variable.

    The difference of powers is taken by logarithms, so that small tails keep their digits.
    """
    from scipy.special import log_ndtr

    z = np.arange(-9.0, 0.5 * WIDEST + 10.0, Z_STEP)
    log_phi = -0.5 * z**2 - 0.5 * np.log(2.0 * np.pi)
    below = log_ndtr(z)
    # log(Phi(z - w) / Phi(z)), at most zero.
    share = np.minimum(log_ndtr(z[None, :] - w[:, None]) - below, 0.0)
    with np.errstate(divide="ignore"):
        lost = -np.expm1((k - 1.0) * np.log1p(-np.exp(share)))
    return np.asarray(k * Z_STEP * (np.exp(log_phi + (k - 1.0) * below) * lost).sum(axis=1))

"""Limits of shares of variance that fixed effects have a part in: ICC and R2, by the delta method or by bootstrap.

A share N / T has the logit log N - log(T - N), whose derivatives are those of the parts over the parts. The parts are
functions of the covariance parameters, whose asymptotic covariance the engine has, and, for the variance of X b, b'S b
with S the sample covariance of the columns of X, of the fixed effects, which are independent of the others to that
order. By bootstrap the limits are percentiles of the shares in fits of data drawn from the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lmmtools import core
from lmmtools.design.facts import fixed_root, fixed_variance
from lmmtools.errors import DataError, EngineError
from lmmtools.inference.bootstrap.bootstrap_result import bootstrap_fit
from lmmtools.inference.tails import check_alpha
from lmmtools.inference.variance.partition import slopes_relative, variance_parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit
    from lmmtools.inference.variance.partition import Parts

    Floats = NDArray[np.float64]

__all__ = ["Asked", "Limits", "Share", "limits_of_shares", "total_log_variance"]

NO_SHARE = "not defined for a share of zero or one"


@dataclass(frozen=True, slots=True)
class Asked:
    """How limits are computed, as ``icc()`` and ``r2()`` take it.

    Attributes
    ----------
    limits : {"delta", "boot"} or None
    alpha : float
    n, rng, n_jobs
        Of the bootstrap.
    """

    limits: Literal["delta", "boot"] | None = None
    alpha: float = 0.05
    n: int = 1000
    rng: np.random.Generator | int | None = None
    n_jobs: int = 1


@dataclass(frozen=True, slots=True)
class Share:
    """A share of variance: which parts are in its numerator, and which make up the rest of its total.

    Attributes
    ----------
    own, rest : tuple of int
        Places of parts: of the fixed effects 0, of the terms 1, 2, ..., of the residual the last.
    """

    own: tuple[int, ...]
    rest: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """Limits of shares.

    Attributes
    ----------
    values : ndarray, shape (shares, 2)
        Lower and upper; NaN where undefined.
    notes : tuple of str
        How they were computed, and why some are undefined.
    """

    values: Floats
    notes: tuple[str, ...]


def parts_of(parts: Parts) -> Floats:
    """Return the parts in the order of `Share`: fixed effects, terms, residual."""
    return np.array([parts.fixed, *parts.terms, parts.residual])


def limits_of_shares(fit: Fit, shares: Sequence[Share], asked: Asked) -> Limits | None:
    """Return limits of shares, or None if none are asked for.

    Raises
    ------
    DataError
        If there is no such method, or ``alpha`` is not between 0 and 1.
    """
    if asked.limits is None:
        return None
    check_alpha(asked.alpha)
    level = f"{100 * (1 - asked.alpha):g}% limits"
    if asked.limits == "delta":
        return _by_delta(fit, shares, asked.alpha, level)
    if asked.limits != "boot":
        raise DataError(f'limits={asked.limits!r} is not known; use "delta" or "boot"')
    found = bootstrap_fit(
        fit, asked.n, _Shares(tuple(shares)), kind="parametric", n_jobs=asked.n_jobs, rng=asked.rng, progress=False
    )
    draws = found.draws.to_numpy(dtype=float)
    ends = np.nanquantile(draws, [asked.alpha / 2.0, 1.0 - asked.alpha / 2.0], axis=0).T
    return Limits(ends, (f"{level}: percentiles of {len(draws)} fits of data drawn from the model",))


@dataclass(frozen=True, slots=True)
class _Shares:
    """The shares of a fit, as a statistic that other processes can compute."""

    shares: tuple[Share, ...]

    def __call__(self, fit: Any) -> Floats:
        values = parts_of(variance_parts(fit))
        return np.array([_share(values, share) for share in self.shares])


def _share(values: Floats, share: Share) -> float:
    own = float(values[list(share.own)].sum())
    return own / (own + float(values[list(share.rest)].sum()))


def _by_delta(fit: Fit, shares: Sequence[Share], alpha: float, level: str) -> Limits:
    """Return limits by the delta method on the logit of each share."""
    from scipy.special import expit, logit, ndtri

    said = f"{level}: delta method on the logit of the share"
    out = np.full((len(shares), 2), np.nan)
    try:
        values, slopes, covariance = _relative_parts(fit)
    except EngineError as error:
        return Limits(out, (said, f"limits are not defined: {error}"))
    is_undefined = False
    for i, share in enumerate(shares):
        own, rest = list(share.own), list(share.rest)
        N, R = values[own].sum(), values[rest].sum()
        if N <= 0 or R <= 0:
            is_undefined = True
            continue
        g = slopes[own].sum(axis=0) / N - slopes[rest].sum(axis=0) / R
        half = ndtri(1.0 - alpha / 2.0) * np.sqrt(g @ covariance @ g)
        centre = logit(N / (N + R))
        out[i] = expit(centre - half), expit(centre + half)
    return Limits(out, (said, f"limits are {NO_SHARE}") if is_undefined else (said,))


def _relative_parts(fit: Fit) -> tuple[Floats, Floats, Floats]:
    """Return the parts over sigma**2, their derivatives, and the covariance of what they depend on.

    The last coordinates are the logarithm of sigma**2, and the variance of X b over sigma**2 at a given sigma.

    Raises
    ------
    EngineError
        If the fit is not at a minimum of its criterion, or terms share one variance.
    """
    if fit.design.shared:
        raise EngineError("terms share one variance")
    parts = variance_parts(fit)
    values = parts_of(parts) / fit.scale
    found = core.relative_uncertainty(fit.problem, fit.theta, fit.reml)
    m = len(found.covariance)
    slopes = np.zeros((len(values), m + 1))
    slopes[1:, : m - 1] = slopes_relative(found, parts.moments)
    # With b given, the variance of X b over sigma**2 falls as sigma**2 rises.
    slopes[0, m - 1], slopes[0, m] = -values[0], 1.0
    covariance = np.zeros((m + 1, m + 1))
    covariance[:m, :m] = found.covariance
    covariance[m, m] = _variance_of_fixed_part(fit) / fit.scale**2
    return values, slopes, covariance


def _variance_of_fixed_part(fit: Fit) -> float:
    """Return the variance of b'S b, (2 S b)'C (2 S b), C the covariance of b."""
    design, beta = fit.design, fit.estimate.beta
    if not design.p:
        return 0.0
    root = fixed_root(design)
    if design.streamed is None:
        centred = root - root.mean(axis=0)
        gradient = 2.0 * (centred.T @ (centred @ beta)) / (design.n - 1)
    else:
        # The form is quadratic: differences of any size are exact.
        size = 1.0 / np.sqrt((root**2).sum(axis=0) / design.n)
        ends = [
            [fixed_variance(design, beta + sign * step * np.eye(design.p)[j]) for sign in (1.0, -1.0)]
            for j, step in enumerate(size)
        ]
        gradient = np.array([(up - down) / (2.0 * step) for (up, down), step in zip(ends, size, strict=True)])
    return float(gradient @ fit.estimate.beta_cov @ gradient)


def total_log_variance(fit: Fit) -> tuple[float, float]:
    """Return the total variance of the random part and the residual, and the variance of its logarithm.

    Raises
    ------
    EngineError
        If the fit is not at a minimum of its criterion, or terms share one variance.
    """
    if fit.design.shared:
        raise EngineError("terms share one variance")
    parts = variance_parts(fit)
    found = core.relative_uncertainty(fit.problem, fit.theta, fit.reml)
    total = float(parts.terms.sum()) + parts.residual
    g = np.append(slopes_relative(found, parts.moments).sum(axis=0) / (total / fit.scale), 1.0)
    return total, float(g @ found.covariance @ g)

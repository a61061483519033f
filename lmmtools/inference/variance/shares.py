"""Limits of the terms' shares of variance, from the information of the variance parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools import core
from lmmtools.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = ["Shares", "shares_with_intervals"]


ZERO = "not defined on the boundary, for a variance of zero"
ONE = "not defined for a share of one"


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """Shares of the terms and the residual, which is last.

    Attributes
    ----------
    share, lower, upper : ndarray, shape (terms + 1,)
        Limits are NaN where undefined.
    reasons : tuple of str
        Why they are, or an empty string.
    """

    share: Floats
    lower: Floats
    upper: Floats
    reasons: tuple[str, ...]


def shares_with_intervals(fit: Fit, terms: Floats, residual: float, moments: Sequence[Floats], alpha: float) -> Shares:
    """Return each part's share of their sum with limits: the delta method on its logit, log v - log(total - v).

    Parameters
    ----------
    fit : Fit
    terms : ndarray, shape (blocks,)
        Variance of each term, linear in its covariance matrix: the sum of Sigma_k * moment.
    residual : float
        Variance of the residual, a multiple of sigma**2.
    moments : sequence of ndarray, each (l, l)
    alpha : float

    Notes
    -----
    Shares depend on the covariances relative to sigma**2 alone, whose coordinates have an asymptotic covariance on a
    singular fit too: a term that has lost rank keeps it, and has limits; a variance of zero has none, and the limits of
    the others are those of the model without it.
    """
    from scipy.special import expit, logit, ndtri

    values = np.array([*terms, residual]) / fit.scale
    share = values / values.sum()
    rest = values.sum() - values
    reasons = [ZERO if v <= 0 else ONE if r <= 0 else "" for v, r in zip(values, rest, strict=True)]
    lower, upper = np.full(len(values), np.nan), np.full(len(values), np.nan)
    try:
        slopes, covariance = _shared(fit, moments) if fit.design.shared else _relative(fit, moments)
    except EngineError as error:
        return Shares(share, lower, upper, tuple(r or f"not defined: {error}" for r in reasons))
    at = np.flatnonzero([not r for r in reasons])
    gradient = slopes[at] / values[at, None] - (slopes.sum(axis=0) - slopes[at]) / rest[at, None]
    half = ndtri(1.0 - alpha / 2.0) * np.sqrt(np.einsum("ti,ij,tj->t", gradient, covariance, gradient))
    lower[at], upper[at] = expit(logit(share[at]) - half), expit(logit(share[at]) + half)
    return Shares(share, lower, upper, tuple(reasons))


def _relative(fit: Fit, moments: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Derivatives of the parts over sigma**2, shape (terms + 1, m), and the covariance of what they are taken by."""
    found = core.relative_uncertainty(fit.problem, fit.theta, fit.reml)
    slopes = np.zeros((len(moments) + 1, len(found.owners)))
    for i, (k, move) in enumerate(zip(found.owners.tolist(), found.directions, strict=True)):
        slopes[k, i] = float((move * moments[k]).sum())
    return slopes, found.covariance[:-1, :-1]


def _shared(fit: Fit, moments: Sequence[Floats]) -> tuple[Floats, Floats]:
    """The same by variances and covariances, where terms share one."""
    info = core.information(fit.problem, fit.theta, fit.reml)
    slopes = np.zeros((len(moments) + 1, len(info.vcov)))
    for i, (k, (a, b)) in enumerate(zip(info.blocks, info.entries, strict=True)):
        if k >= 0:
            slopes[k, i] = moments[k][a, b] * (1.0 if a == b else 2.0)
            slopes[k, -1] -= moments[k][a, b] * (1.0 if a == b else 2.0) * info.vcov[i] / fit.scale
    unit = info.units / fit.scale
    return slopes, np.where(np.isfinite(info.relative_cov), info.relative_cov, 0.0) * unit * unit[:, None]

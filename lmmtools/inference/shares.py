"""Limits of the terms' shares of variance, from the information of the variance parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.engines import pls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.results.lmm_results import LMMResults

    Floats = NDArray[np.float64]

__all__ = ["Shares", "shares_with_intervals"]


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


def shares_with_intervals(
    fit: LMMResults, terms: Floats, residual: float, moments: Sequence[Floats], alpha: float
) -> Shares:
    """Return each part's share of their sum with limits: the delta method on its logit, log v - log(total - v).

    Parameters
    ----------
    fit : LMMResults
    terms : ndarray, shape (blocks,)
        Variance of each term, linear in its covariance matrix: the sum of Sigma_k * moment.
    residual : float
        Variance of the residual, a multiple of sigma**2.
    moments : sequence of ndarray, each (l, l)
    alpha : float

    Notes
    -----
    A term on the boundary has no limits; the others' hold it fixed, as the information does.
    """
    from scipy.special import expit, logit, ndtri

    info = pls.information(fit.problem, fit.theta, fit.reml)
    values = np.array([*terms, residual])
    slopes = np.zeros((len(values), len(info.vcov)))
    reasons = [""] * len(values)
    for i, (block, (a, b), reason) in enumerate(zip(info.blocks, info.entries, info.reasons, strict=True)):
        if block < 0:
            slopes[-1, i] = residual / info.vcov[i]
        else:
            slopes[block, i] = moments[block][a, b] * (1.0 if a == b else 2.0)
        reasons[block] = reasons[block] or reason
    covariance = np.where(np.isfinite(info.vcov_cov), info.vcov_cov, 0.0)
    total = values.sum()
    share = values / total
    rest = total - values
    for k in np.flatnonzero((rest <= 0) | (values <= 0)).tolist():
        reasons[k] = reasons[k] or "not defined for a share of zero or one"
    defined = np.array([not r for r in reasons])
    at = np.flatnonzero(defined)
    lower, upper = np.full(len(values), np.nan), np.full(len(values), np.nan)
    gradient = slopes[at] / values[at, None] - (slopes.sum(axis=0) - slopes[at]) / rest[at, None]
    se = np.sqrt(np.einsum("ti,ij,tj->t", gradient, covariance, gradient))
    half = ndtri(1.0 - alpha / 2.0) * se
    lower[at], upper[at] = expit(logit(share[at]) - half), expit(logit(share[at]) + half)
    return Shares(share, lower, upper, tuple(reasons))

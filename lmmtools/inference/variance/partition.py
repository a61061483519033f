"""The parts of the response's variance, and the share of each term and of the residual with limits.

The variance of a random term is its contribution to Var(y) averaged over the rows, the mean of diag(Z_k Sigma_k Z_k');
for an intercept it is the variance itself (Johnson 2014, Methods Ecol. Evol. 5, for slopes). The variance of the fixed
effects is the sample variance of X b (divisor n - 1), that of the residual the mean of sigma**2 / w.
Nakagawa, Johnson & Schielzeth (2017), J. R. Soc. Interface 14.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools import core
from lmmtools.design.facts import basis_products, fixed_variance, mean_inverse_weight
from lmmtools.errors import EngineError
from lmmtools.inference.tails import check_alpha
from lmmtools.report.result_table import Field, ResultTable, Tabular, row_labels
from lmmtools.report.table import NumberFormat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = [
    "COUNT",
    "NUMBER",
    "SHARE",
    "Parts",
    "VariancePartition",
    "notes_on",
    "slopes_relative",
    "variance_partition",
    "variance_parts",
]

SHARE = NumberFormat("correlation", 4)

NUMBER = NumberFormat("significant", 4)

COUNT = NumberFormat("plain", 9)

NO_VARIANCE = "on the boundary: {}; its variance counts as zero"

SLOPES = "variances of terms with slopes are averages over the rows"

ZERO = "not defined on the boundary, for a variance of zero"

ONE = "not defined for a share of one"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class VariancePartition(Tabular):
    """Variance of the random effects and the residual, term by term.

    ``to_frame()`` has the columns ``grp effects variance share lower upper note``; the note says why limits are
    NaN.

    Attributes
    ----------
    grp : tuple of str
        Term as ``varcorr`` names it; ``"Residual"`` last.
    effects : tuple of str
        The effects of each term.
    variance, share : ndarray, shape (terms,)
        Variance averaged over the rows (squared units of y), and its share of their sum.
    lower, upper : ndarray, shape (terms,)
        Limits of the share, NaN where undefined.
    reasons : tuple of str
        Why a row's limits are undefined, or an empty string.
    alpha : float
        One less the coverage.
    notes : tuple of str

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> fit.variance_partition().to_frame()[["grp", "share"]].round(3)
            grp  share
    0     Batch  0.418
    1  Residual  0.582
    """

    grp: tuple[str, ...]
    effects: tuple[str, ...]
    variance: Floats
    share: Floats
    lower: Floats
    upper: Floats
    reasons: tuple[str, ...]
    alpha: float
    notes: tuple[str, ...] = ()

    @property
    def _table(self) -> ResultTable:
        fields = (
            row_labels("Groups", self.grp, "grp", is_index=False),
            Field("effects", "Effects", self.effects),
            Field("variance", "Variance", self.variance, NUMBER),
            Field("share", "Share", self.share, SHARE),
            Field("lower", "Lower", self.lower, SHARE, is_blank_where_nan=True),
            Field("upper", "Upper", self.upper, SHARE, is_blank_where_nan=True),
            Field("note", None, self.reasons),
        )
        why = tuple(f"{g}: limits {reason}" for g, reason in zip(self.grp, self.reasons, strict=True) if reason)
        method = f"{100 * (1 - self.alpha):g}% limits: delta method on the logit of the share"
        return ResultTable("partition", fields, "Variance partition", (method, *self.notes, *why))


def variance_partition(fit: Fit, alpha: float = 0.05) -> VariancePartition:
    """Return each random term's and the residual's variance and share, with limits by the delta method."""
    check_alpha(alpha)
    parts = variance_parts(fit)
    found = _shares_with_intervals(fit, parts.terms, parts.residual, parts.moments, alpha)
    return VariancePartition(
        (*(t.name for t in fit.varcorr), "Residual"),
        (*(", ".join(t.cnames) for t in fit.varcorr), ""),
        np.array([*parts.terms, parts.residual]),
        found.share,
        found.lower,
        found.upper,
        found.reasons,
        alpha,
        tuple(n for n in notes_on(fit) if n == SLOPES),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """The variance of y, part by part, in squared units of y.

    Attributes
    ----------
    fixed : float
        Sample variance of X b.
    terms : ndarray, shape (blocks,)
        Contribution of each term to the variance of y, averaged over the rows, in design order.
    residual : float
        Mean of sigma**2 / w.
    moments : tuple of ndarray, each (l, l)
        B'B / n per term, B its basis: a term's variance is the sum of Sigma_k * moment.
    """

    fixed: float
    terms: Floats
    residual: float
    moments: tuple[Floats, ...]


def variance_parts(fit: Fit) -> Parts:
    """Return the variance of each part of a fit's model."""
    design = fit.design
    moments = tuple(basis_products(b, b) / design.n for b in design.blocks)
    terms = np.array([float((t.cov * M).sum()) for t, M in zip(fit.varcorr, moments, strict=True)])
    fixed = fixed_variance(design, fit.estimate.beta)
    return Parts(fixed, terms, fit.scale * mean_inverse_weight(design), moments)


def notes_on(fit: Fit) -> tuple[str, ...]:
    """Return notes on a fit's parts: which variances are zero, and that those of slopes are averages."""
    absent = [t.name for t in fit.varcorr if not t.cov.any()]
    notes = (NO_VARIANCE.format(", ".join(absent)),) if absent else ()
    return notes if all(b.cnames == ("(Intercept)",) for b in fit.design.blocks) else (*notes, SLOPES)


@dataclass(frozen=True, slots=True, eq=False)
class _Shares:
    """Shares of variance of the terms and, last, of the residual.

    Attributes
    ----------
    share, lower, upper : ndarray, shape (terms + 1,)
        Limits are NaN where undefined.
    reasons : tuple of str
        Why limits are undefined, or an empty string.
    """

    share: Floats
    lower: Floats
    upper: Floats
    reasons: tuple[str, ...]


def _shares_with_intervals(
    fit: Fit, terms: Floats, residual: float, moments: Sequence[Floats], alpha: float
) -> _Shares:
    """Return each part's share of the sum, with limits by the delta method on its logit, log v - log(total - v).

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
    Shares depend only on the covariances relative to sigma**2, whose coordinates have an asymptotic covariance on
    singular fits, too. A term of reduced rank has limits. A variance of zero has none, and the limits of the other
    terms are those of the model without it.
    """
    from scipy.special import expit, logit, ndtri

    values = np.array([*terms, residual]) / fit.scale
    share = values / values.sum()
    rest = values.sum() - values
    reasons = [ZERO if v <= 0 else ONE if r <= 0 else "" for v, r in zip(values, rest, strict=True)]
    lower, upper = np.full(len(values), np.nan), np.full(len(values), np.nan)
    try:
        slopes, covariance = _slopes_of_shared(fit, moments) if fit.design.shared else _slopes_relative(fit, moments)
    except EngineError as error:
        return _Shares(share, lower, upper, tuple(r or f"not defined: {error}" for r in reasons))
    at = np.flatnonzero([not r for r in reasons])
    gradient = slopes[at] / values[at, None] - (slopes.sum(axis=0) - slopes[at]) / rest[at, None]
    half = ndtri(1.0 - alpha / 2.0) * np.sqrt(np.einsum("ti,ij,tj->t", gradient, covariance, gradient))
    lower[at], upper[at] = expit(logit(share[at]) - half), expit(logit(share[at]) + half)
    return _Shares(share, lower, upper, tuple(reasons))


def _slopes_relative(fit: Fit, moments: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Return derivatives of the parts over sigma**2, (terms + 1, m), and the parameters' covariance, (m, m)."""
    found = core.relative_uncertainty(fit.problem, fit.theta, fit.reml)
    return slopes_relative(found, moments), found.covariance[:-1, :-1]


def slopes_relative(found: core.RelativeUncertainty, moments: Sequence[Floats]) -> Floats:
    """Return derivatives of the terms' variances, and last the residual's, over sigma**2, shape (terms + 1, m)."""
    slopes = np.zeros((len(moments) + 1, len(found.owners)))
    for i, (k, move) in enumerate(zip(found.owners.tolist(), found.directions, strict=True)):
        slopes[k, i] = float((move * moments[k]).sum())
    return slopes


def _slopes_of_shared(fit: Fit, moments: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Return the same with respect to variances and covariances, for terms that share a variance."""
    info = core.information(fit.problem, fit.theta, fit.reml)
    slopes = np.zeros((len(moments) + 1, len(info.vcov)))
    for i, (k, (a, b)) in enumerate(zip(info.blocks, info.entries, strict=True)):
        if k >= 0:
            slopes[k, i] = moments[k][a, b] * (1.0 if a == b else 2.0)
            slopes[k, -1] -= moments[k][a, b] * (1.0 if a == b else 2.0) * info.vcov[i] / fit.scale
    unit = info.units / fit.scale
    return slopes, np.where(np.isfinite(info.relative_cov), info.relative_cov, 0.0) * unit * unit[:, None]

"""Joint tests pooled over imputed data sets: D1 of Wald statistics, D2 of any statistics, D3 of likelihood ratios.

With k constraints, m data sets and t = k (m - 1),

    D1  = (q - q0)'ubar^-1 (q - q0) / (k (1 + r)) ,   r = (1 + 1/m) trace(b ubar^-1) / k
    D2  = (mean(d) / k - (m + 1) / (m - 1) r) / (1 + r) ,   r = (1 + 1/m) var(sqrt(d)) ,   d the m statistics
    D3  = d0 / (k (1 + r)) ,   r = (m + 1) / t (mean(d) - d0)

where d0 is the mean of the likelihood ratios at the pooled parameters of both models (Li, Raghunathan & Rubin 1991,
J. Am. Stat. Assoc. 86, doi:10.1080/01621459.1991.10475152; Li, Meng, Raghunathan & Rubin 1991, Stat. Sin. 1; Meng &
Rubin 1992, Biometrika 79, doi:10.1093/biomet/79.1.103). D1 and D3 are referred to F(k, v) with

    v = 4 + (t - 4) (1 + (1 - 2/t) / r)^2 if t > 4 ,   t (1 + 1/k) (1 + 1/r)^2 / 2 otherwise

and D1, for complete data with few degrees of freedom, to those of Reiter (2007, Biometrika 94,
doi:10.1093/biomet/asm028); D2 to F(k, k^(-3/m) (m - 1) (1 + 1/r)^2). Parameters are pooled as means: fixed effects,
covariance matrices, the residual variance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from lmmtools import core
from lmmtools.design.theta import pack_lambda, triangular_factor
from lmmtools.inference.tails import f_tail
from lmmtools.report.result_table import Field, ResultTable, Tabular
from lmmtools.report.table import NumberFormat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = ["PooledTest", "Pooling", "pool_likelihood_ratios", "pool_statistics", "pool_wald"]

Pooling = Literal["D1", "D2", "D3"]

DIGITS = 4

TINY = 1e-12
"""A relative increase of the variance below this is zero: the data sets do not differ."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class PooledTest(Tabular):
    """A joint test pooled over imputed data sets.

    ``to_frame()`` has one row with the columns ``F num_df den_df p riv m``.

    Attributes
    ----------
    method : {"D1", "D2", "D3"}
    F : float
    num_df, den_df : float
        Degrees of freedom; ``den_df`` is infinite where the data sets do not differ and complete data have no few.
    p : float
    riv : float
        Average relative increase of the variance for what is missing.
    m : int
        Data sets.
    notes : tuple of str

    Examples
    --------
    >>> import lmmtools as lmt
    >>> data = lmt.datasets.load("sleepstudy")
    >>> sets = [data.assign(z=(data.index * k) % 7) for k in (2, 3, 4)]
    >>> pooled = lmt.pool([lmt.lmm("Reaction ~ Days + z + (Days | Subject)", d).fit() for d in sets])
    >>> pooled.f_test("Days = 0, z = 0").to_frame().round(3)
            F  num_df   den_df    p    riv  m
    0  19.604     2.0  120.892  0.0  0.187  3
    """

    method: Pooling
    F: float
    num_df: float
    den_df: float
    p: float
    riv: float
    m: int
    notes: tuple[str, ...] = ()

    @property
    def _table(self) -> ResultTable:
        number = NumberFormat("significant", DIGITS)
        fields = (
            Field("F", "F value", [self.F], NumberFormat("statistic", DIGITS)),
            Field("num_df", "NumDF", [self.num_df], number),
            Field("den_df", "DenDF", [self.den_df], number),
            Field("p", "Pr(>F)", [self.p], NumberFormat("pvalue", DIGITS - 1)),
            Field("riv", "RIV", [self.riv], NumberFormat("correlation", 3)),
            Field("m", None, [self.m]),
        )
        title = f"Joint test pooled over {self.m} imputed data sets ({self.method})"
        return ResultTable("pooled_test", fields, title, self.notes)


def pool_wald(gaps: Floats, covariances: Floats, dfcom: float, notes: Sequence[str] = ()) -> PooledTest:
    """Return D1 of k constraints.

    Parameters
    ----------
    gaps : ndarray, shape (m, k)
        The constraints' values in each data set, less what the hypothesis says.
    covariances : ndarray, shape (m, k, k)
        Their covariances.
    dfcom : float
        Degrees of freedom of the complete data; infinite for large samples.
    notes : sequence of str
    """
    m, k = gaps.shape
    gap, ubar = gaps.mean(axis=0), covariances.mean(axis=0)
    b = np.atleast_2d(np.cov(gaps.T))
    r = (1.0 + 1.0 / m) * float(np.trace(np.linalg.solve(ubar, b))) / k
    F = float(gap @ np.linalg.solve(ubar, gap)) / (k * (1.0 + r))
    said = list(notes)
    if k == 1:
        share = r / (1.0 + r)
        seen = (dfcom + 1.0) / (dfcom + 3.0) * dfcom * (1.0 - share) if np.isfinite(dfcom) else np.inf
        den = 1.0 / (share**2 / (m - 1.0) + 1.0 / seen) if share > TINY or np.isfinite(seen) else np.inf
    elif np.isfinite(dfcom) and k * (m - 1) > 4 and dfcom > 4.0 * (1.0 + r):
        den = _reiter(r, k, m, dfcom)
    else:
        den = _large_sample(r, k, m)
        if np.isfinite(dfcom):
            said.append(
                "the data sets are too few to adjust for small samples: degrees of freedom are those of large ones"
            )
    return PooledTest("D1", F, float(k), den, f_tail(F, k, den), r, m, tuple(said))


def pool_statistics(statistics: Floats, k: int, notes: Sequence[str] = ()) -> PooledTest:
    """Return D2 of m chi-squared statistics with k degrees of freedom each."""
    m = len(statistics)
    r = (1.0 + 1.0 / m) * float(np.var(np.sqrt(np.maximum(statistics, 0.0)), ddof=1))
    F = (float(statistics.mean()) / k - (m + 1.0) / (m - 1.0) * r) / (1.0 + r)
    den = float(k ** (-3.0 / m) * (m - 1.0) * (1.0 + 1.0 / r) ** 2) if r > TINY else np.inf
    return PooledTest("D2", F, float(k), den, f_tail(max(F, 0.0), k, den), r, m, tuple(notes))


def pool_likelihood_ratios(
    larger: Sequence[Fit], smaller: Sequence[Fit], k: int, notes: Sequence[str] = ()
) -> PooledTest:
    """Return D3 of m likelihood ratios of nested fits by maximum likelihood, k parameters apart."""
    m = len(larger)
    own = np.array([2.0 * (a.llf - b.llf) for a, b in zip(larger, smaller, strict=True)])
    at_pooled = _deviances_at_pooled(smaller) - _deviances_at_pooled(larger)
    d0, t = float(at_pooled.mean()), k * (m - 1.0)
    r = (m + 1.0) / t * (float(own.mean()) - d0)
    F = d0 / (k * (1.0 + r))
    den = _large_sample(r, k, m)
    return PooledTest("D3", F, float(k), den, f_tail(max(F, 0.0), k, den), r, m, tuple(notes))


def _deviances_at_pooled(fits: Sequence[Fit]) -> Floats:
    """Return the deviance of each data set at the means of the fits' parameters, shape (m,)."""
    beta = np.mean([fit.estimate.beta for fit in fits], axis=0)
    sigma = float(np.sqrt(np.mean([fit.scale for fit in fits])))
    covariances = [
        np.mean(terms, axis=0) for terms in zip(*([t.cov for t in fit.varcorr] for fit in fits), strict=True)
    ]
    roots = [triangular_factor(cov) for cov in covariances]
    theta = pack_lambda([root / sigma for root in roots])
    out = []
    for fit in fits:
        found = core.unprofiled_deviance(fit.problem, roots, sigma)
        at = core.recover(fit.problem, theta, reml=False)
        gap = beta - found.beta
        # The deviance is quadratic in the fixed effects.
        moved = float(gap @ np.linalg.solve(at.beta_cov, gap)) * (at.sigma / sigma) ** 2 if len(gap) else 0.0
        out.append(found.deviance + moved)
    return np.array(out)


def _large_sample(r: float, k: int, m: int) -> float:
    """Return the denominator degrees of freedom of D1 and D3 for complete data with many."""
    t = k * (m - 1.0)
    if r <= TINY:
        return np.inf
    if t > 4.0:
        return float(4.0 + (t - 4.0) * (1.0 + (1.0 - 2.0 / t) / r) ** 2)
    return float(t * (1.0 + 1.0 / k) * (1.0 + 1.0 / r) ** 2 / 2.0)


def _reiter(r: float, k: int, m: int, dfcom: float) -> float:
    """Return the denominator degrees of freedom of D1 for complete data with few (Reiter 2007, section 3)."""
    t = k * (m - 1.0)
    seen = (dfcom + 1.0) / (dfcom + 3.0) * dfcom
    a, c0 = r * t / (t - 2.0), 1.0 / (t - 4.0)
    c1, c2 = seen - 2.0 * (1.0 + a), seen - 4.0 * (1.0 + a)
    z = (
        1.0 / c2
        + c0 * (a**2 * c1 / ((1.0 + a) ** 2 * c2))
        + c0 * (8.0 * a**2 * c1 / ((1.0 + a) * c2**2) + 4.0 * a**2 / ((1.0 + a) * c2))
        + c0 * (4.0 * a**2 / (c2 * c1) + 16.0 * a**2 * c1 / c2**3)
        + c0 * (8.0 * a**2 / c2**2)
    )
    return 4.0 + 1.0 / z

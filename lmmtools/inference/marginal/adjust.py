"""P-values and limits of several contrasts, adjusted for their number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from lmmtools.errors import DataError
from lmmtools.inference.studentized_range import range_quantile, range_tail
from lmmtools.inference.tails import f_tail, t_quantile

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Adjust", "Family", "Side", "adjust_family", "adjustment_name", "check_adjust", "family_quantiles"]

Adjust = Literal[
    "tukey", "dunnett", "mvt", "scheffe", "sidak", "bonferroni", "holm", "holm-sidak", "hochberg", "hommel", "fdr",
    "fdr_by", "none"
]  # fmt: skip
Side = Literal["two-sided", ">", "<", "equivalence"]

_STATSMODELS = {
    "bonferroni": "bonferroni",
    "sidak": "sidak",
    "holm": "holm",
    "holm-sidak": "holm-sidak",
    "hochberg": "simes-hochberg",
    "hommel": "hommel",
    "fdr": "fdr_bh",
    "fdr_bh": "fdr_bh",
    "fdr_by": "fdr_by",
}
_OPTIONS = ("none", "tukey", "dunnett", "mvt", "scheffe", *_STATSMODELS)
_JOINT = ("mvt", "dunnett")

POINTS = 1 << 15
"""Directions of the multivariate t integral: its relative error is then some 1e-4."""
MOST = 200
"""Contrasts of which the multivariate t is computed."""
RANK = 1e-9
"""Eigenvalues of the correlations below this share of the largest are zero."""


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """Contrasts that are adjusted together.

    Attributes
    ----------
    t, df, p : ndarray, shape (contrasts,)
        Statistics, degrees of freedom and unadjusted p-values; NaN where undefined.
    root : ndarray, shape (contrasts, p)
        B with B B' the covariance of the estimates.
    n_means : int
        Means that are compared.
    side : str
        Which tail the p-values are.
    """

    t: Floats
    df: Floats
    p: Floats
    root: Floats
    n_means: int
    side: Side = "two-sided"


def check_adjust(adjust: str, is_pairwise: bool, side: Side) -> None:
    """Check the name of an adjustment.

    Raises
    ------
    DataError
        If there is no such adjustment, Tukey's is asked of contrasts that are not all pairwise differences, or one of
        two-sided tests of others.
    """
    if adjust not in _OPTIONS:
        raise DataError(f"adjust={adjust!r} is not known; use one of {', '.join(map(repr, _OPTIONS))}")
    if adjust == "tukey" and not is_pairwise:
        raise DataError('adjust="tukey" is for all pairwise differences; use "sidak" or "holm" for other contrasts')
    if adjust in ("tukey", "scheffe") and side != "two-sided":
        raise DataError(f'adjust={adjust!r} is for two-sided tests; use "mvt", "sidak" or "holm" for side={side!r}')


def adjust_family(family: Family, adjust: str) -> Floats:
    """Return the p-values of a family, adjusted; those of undefined contrasts stay NaN.

    Parameters
    ----------
    family : Family
    adjust : str
        ``"tukey"``: the studentised range; ``"mvt"``, ``"dunnett"``: the largest of t statistics with the contrasts'
        correlations; ``"scheffe"``: all contrasts of their space; ``"none"``; or a method of
        ``statsmodels.stats.multitest.multipletests``.
    """
    is_there = np.isfinite(family.p)
    if adjust == "none" or not is_there.any():
        return family.p
    t, df, p = np.abs(family.t[is_there]), family.df[is_there], family.p[is_there]
    out = np.full(len(family.p), np.nan)
    if adjust == "tukey":
        # Two means have one difference, tested by t.
        found = p if family.n_means == 2 else range_tail(np.sqrt(2.0) * t, family.n_means, df)
        # The integral's rounding must not give less than the plain p-value.
        out[is_there] = np.clip(np.maximum(found, p), 0.0, 1.0)
    elif adjust == "scheffe":
        r = _rank(family)
        out[is_there] = [f_tail(x * x / r, r, d) for x, d in zip(t, df, strict=True)]
    elif adjust in _JOINT:
        is_one_sided = family.side != "two-sided"
        largest = _Largest(_scaled_root(family, is_there), is_one_sided)
        # The largest of the statistics turned so that large ones speak for what is tested.
        signed = family.t[is_there] if family.side == ">" else -family.t[is_there] if is_one_sided else t
        found = np.array([largest.tail(x, d) for x, d in zip(signed, df, strict=True)])
        # Between one test and the sum of as many, whatever the error of the mean.
        out[is_there] = np.clip(found, p, np.minimum(1.0, len(p) * p))
    else:
        from statsmodels.stats.multitest import multipletests

        # Undefined contrasts count in the family with p = 1, as in emmeans.
        with np.errstate(divide="ignore"):  # Sidak's logarithm of 1 - p
            found = multipletests(np.where(is_there, family.p, 1.0), method=_STATSMODELS[adjust])[1]
        out[is_there] = found[is_there]
    return out


def family_quantiles(family: Family, adjust: str, alpha: float) -> Floats:
    """Return the half-width of each simultaneous interval in standard errors, shape (contrasts,).

    ``"tukey"``, ``"mvt"``, ``"dunnett"``, ``"scheffe"``, ``"sidak"`` and ``"none"`` have their own limits, the stepwise
    methods Bonferroni's. ``alpha`` is one less the joint coverage, of each interval for ``"none"``; in one tail where
    the tests are one-sided.
    """
    df, n = family.df, len(family.p)
    if not np.isfinite(family.p).any():
        return np.full(n, np.nan)
    if adjust == "tukey" and family.n_means > 2:
        return _by_value(df, lambda v: range_quantile(alpha, family.n_means, v) / np.sqrt(2.0))
    if adjust == "scheffe":
        from scipy.stats import f

        r = _rank(family)
        return _by_value(df, lambda v: float(np.sqrt(r * f.isf(alpha, r, v))))
    if adjust in _JOINT:
        largest = _Largest(_scaled_root(family, np.isfinite(family.p)), family.side in ("<", ">"))
        return _by_value(df, lambda v: largest.quantile(alpha, v))
    if adjust in ("none", "tukey"):
        each = alpha
    elif "sidak" in adjust:
        each = float(-np.expm1(np.log1p(-alpha) / n))
    else:
        each = alpha / n
    return t_quantile(each if family.side in ("<", ">") else each / 2.0, df)


def adjustment_name(family: Family, adjust: str) -> str:
    """Return the note on the adjustment for the foot of a table; empty if there was none."""
    size = len(family.p)
    if adjust == "none" or size < 2:
        return ""
    if adjust == "tukey":
        return f"p-values adjusted by Tukey's method for {family.n_means} means"
    if adjust == "scheffe":
        rank = _rank(family)
        return f"p-values adjusted by Scheffe's method with rank {rank}"
    if adjust in _JOINT:
        name = {"mvt": "the multivariate t method", "dunnett": "Dunnett's method"}[adjust]
        return f"p-values adjusted by {name} for {size} tests"
    return f"p-values adjusted by the {adjust} method for {size} tests"


def _scaled_root(family: Family, is_there: NDArray[np.bool_]) -> Floats:
    """Return B with B B' the correlations of the contrasts that are defined, shape (contrasts, their rank)."""
    B = family.root[is_there]
    _, d, V = np.linalg.svd(B / np.linalg.norm(B, axis=1, keepdims=True), full_matrices=False)
    kept = d**2 > RANK * float(d.max(initial=0.0)) ** 2
    turned = B @ V[kept].T
    return np.asarray(turned / np.linalg.norm(turned, axis=1, keepdims=True))


def _rank(family: Family) -> int:
    """Return the dimension of the space of a family's contrasts."""
    return int(_scaled_root(family, np.isfinite(family.p)).shape[1])


class _Largest:
    """The distribution of the largest of several |t| statistics, or t statistics, with correlations B B'.

    The statistics are B u rho, u uniform on the sphere of as many dimensions r as B has columns, and rho**2 / r of the
    F distribution with r and df degrees. In a direction u the largest one exceeds t with the probability that rho does
    t / max |B u|; its mean over directions is taken by a Sobol sequence, so that small probabilities keep their digits
    (Genz and Bretz 2009, section 4.1.1: the spherical-radial transformation).

    Parameters
    ----------
    B : ndarray, shape (statistics, r)
    is_one_sided : bool
        The largest of t, not of |t|.
    """

    def __init__(self, B: Floats, is_one_sided: bool = False) -> None:
        from scipy.special import ndtri
        from scipy.stats import qmc

        if len(B) > MOST:
            raise DataError(
                f"the multivariate t method takes up to {MOST} contrasts, not {len(B)}; use adjust='sidak' or 'holm'"
            )
        self._r = B.shape[1]
        u = ndtri(qmc.Sobol(self._r, rng=1).random(POINTS)) if self._r > 1 else np.array([[1.0], [-1.0]])
        along = u @ B.T
        self._reach = (along if is_one_sided else np.abs(along)).max(axis=1) / np.linalg.norm(u, axis=1)

    def tail(self, t: float, df: float) -> float:
        """Return the probability that the largest statistic exceeds t; infinite ``df``: of normal variables."""
        ahead = self._reach > 0
        if t > 0:
            return float(self._radius_tail(t / self._reach[ahead], df).sum() / len(self._reach))
        # Where one statistic at least is positive it exceeds t; where none is, all are short enough not to fall below.
        behind = self._reach[self._reach < 0]
        short = 1.0 - self._radius_tail(t / behind, df)
        return float((ahead.sum() + short.sum()) / len(self._reach))

    def _radius_tail(self, rho: Floats, df: float) -> Floats:
        """Return the probability that the statistics' length exceeds rho."""
        from scipy import special

        r, x = float(self._r), rho**2
        return np.asarray(special.fdtrc(r, df, x / r) if np.isfinite(df) else special.chdtrc(r, x))

    def quantile(self, alpha: float, df: float) -> float:
        """Return the t that the largest statistic exceeds with probability alpha."""
        from scipy.optimize import brentq

        high = float(t_quantile(alpha / 2.0 / MOST, df))
        return float(brentq(lambda t: self.tail(t, df) - alpha, -high, high, xtol=1e-10))


def _by_value(df: Floats, quantile: Callable[[float], float]) -> Floats:
    """Return a quantile per degrees of freedom, computed once for values that differ by rounding alone."""
    # Contrasts of a balanced design have the same degrees of freedom but for rounding; each quantile takes a while.
    near = [float(f"{value:.9g}") for value in df.tolist()]
    found = {v: quantile(v) for v in set(near) if v > 0}
    return np.asarray([found.get(v, np.nan) for v in near], dtype=float)

"""P-values of several contrasts adjusted for their number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.errors import DataError
from lmmtools.inference.tails import t_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["adjust_pvalues", "adjusted_quantiles", "adjustment_name", "check_adjust"]

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
_OPTIONS = ("none", "tukey", *_STATSMODELS)


def check_adjust(adjust: str, is_pairwise: bool) -> None:
    """Check the name of an adjustment.

    Raises
    ------
    DataError
        If there is no such adjustment, or Tukey's is asked of contrasts that are not all pairwise differences.
    """
    if adjust not in _OPTIONS:
        raise DataError(f"adjust={adjust!r} is not known; use one of {', '.join(map(repr, _OPTIONS))}")
    if adjust == "tukey" and not is_pairwise:
        raise DataError('adjust="tukey" is for all pairwise differences; use "sidak" or "holm" for other contrasts')


def adjust_pvalues(t: Floats, df: Floats, p: Floats, adjust: str, n_means: int) -> Floats:
    """Return the p-values of one family of contrasts, adjusted; those of undefined contrasts stay NaN.

    Parameters
    ----------
    t, df, p : ndarray, shape (contrasts,)
        Statistics, degrees of freedom and unadjusted two-sided p-values.
    adjust : str
        ``"tukey"``: the studentised range of ``n_means`` means; ``"none"``; or a method of
        ``statsmodels.stats.multitest.multipletests``.
    n_means : int
        Means that are compared.
    """
    defined = np.isfinite(p)
    if adjust == "none" or not defined.any():
        return p
    out = np.full(len(p), np.nan)
    if adjust == "tukey":
        from scipy.stats import studentized_range

        found = studentized_range.sf(np.sqrt(2.0) * np.abs(t[defined]), n_means, df[defined])
        # Two means have one difference, tested by t. The integral's rounding must not give less than the plain p-value.
        out[defined] = p[defined] if n_means == 2 else np.clip(np.maximum(found, p[defined]), 0.0, 1.0)
        return out
    from statsmodels.stats.multitest import multipletests

    # Undefined contrasts count in the family with p = 1, as in emmeans.
    with np.errstate(divide="ignore"):  # Sidak's logarithm of 1 - p
        found = multipletests(np.where(defined, p, 1.0), method=_STATSMODELS[adjust])[1]
    out[defined] = found[defined]
    return out


def adjusted_quantiles(df: Floats, alpha: float, adjust: str, n_tests: int, n_means: int) -> Floats:
    """Return the half-width of each simultaneous interval in standard errors, shape (contrasts,).

    Parameters
    ----------
    df : ndarray, shape (contrasts,)
        Degrees of freedom; infinite for the normal distribution.
    alpha : float
        One minus the joint coverage of a family's intervals; of each interval for ``"none"``.
    adjust : str
        ``"tukey"``, ``"sidak"`` and ``"none"`` have their own limits; the stepwise methods use Bonferroni's.
    n_tests, n_means : int
        Size of the family: contrasts, and means that they compare.
    """
    if adjust == "tukey" and n_means > 2:
        from scipy.stats import studentized_range

        # Contrasts of a balanced design have the same degrees of freedom but for rounding; each quantile takes a while.
        near = [float(f"{value:.9g}") for value in df.tolist()]
        found = {v: float(studentized_range.ppf(1.0 - alpha, n_means, v)) for v in set(near) if v > 0}
        return np.asarray([found.get(v, np.nan) / np.sqrt(2.0) for v in near])
    if adjust in ("none", "tukey"):
        each = alpha
    elif "sidak" in adjust:
        each = -np.expm1(np.log1p(-alpha) / n_tests)
    else:
        each = alpha / n_tests
    return t_quantile(each / 2.0, df)


def adjustment_name(adjust: str, size: int, n_means: int) -> str:
    """Return the note on the adjustment for the foot of a table; empty if there was none."""
    if adjust == "none" or size < 2:
        return ""
    if adjust == "tukey":
        return f"p-values adjusted by Tukey's method for {n_means} means"
    return f"p-values adjusted by the {adjust} method for {size} tests"

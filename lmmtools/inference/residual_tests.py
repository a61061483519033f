"""Tests of what the model assumes of its residuals, in words, and with what they cannot tell.

Normality: Shapiro & Wilk (1965, Biometrika 52, doi:10.1093/biomet/52.3-4.591). Variance along the fitted values: the
score test of Breusch & Pagan (1979, Econometrica 47, doi:10.2307/1911963) in Koenker's form, which does not presume
normality (1981, J. Econom. 17, doi:10.1016/0304-4076(81)90062-2). Variance between groups: Levene's test from medians
(Brown & Forsythe 1974, J. Am. Stat. Assoc. 69, doi:10.1080/01621459.1974.10482955). Outliers: the largest externally
studentised residual by Bonferroni's inequality (Cook & Weisberg 1982, Residuals and Influence in Regression).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.errors import DataError, RowsNeededError
from lmmtools.inference.residuals import FEWEST, MANY, residuals
from lmmtools.inference.tails import chi2_tail, f_tail, t_two_sided
from lmmtools.report.result_table import Field, ResultTable, Tabular, row_labels
from lmmtools.report.table import NumberFormat
from lmmtools.sentences import list_first

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["ResidualTests", "residual_tests"]

FEW_ROWS = 2
"""Fewest rows of a group whose spread counts."""

LISTED = 5

LIMITS = (
    "with many rows a departure that does not matter is significant, with few one that does is not: look at "
    "fit.plot.qq() and fit.plot.residuals() too",
    "conditional residuals are not independent, as they share the random effects: p-values are approximate",
)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ResidualTests(Tabular):
    """Tests of the residuals, one row each.

    ``to_frame()`` has the columns ``about test statistic df p finding``.

    Attributes
    ----------
    about, test : tuple of str
        What is assumed, and the test of it.
    statistic, p : ndarray, shape (tests,)
    df : tuple of str
        Degrees of freedom, in words.
    findings : tuple of str
        What the test says at level ``alpha``.
    outliers : tuple
        Labels of the rows whose studentised residual is too large for ``alpha`` by Bonferroni's inequality.
    alpha : float
    notes : tuple of str

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit()
    >>> fit.residual_tests().to_frame()[["about", "statistic"]].round(3)
                           about  statistic
    0                  normality      0.901
    1             equal variance      4.511
    2  equal variance by Subject      1.953
    3                   outliers      6.056
    """

    about: tuple[str, ...]
    test: tuple[str, ...]
    statistic: Floats
    df: tuple[str, ...]
    p: Floats
    findings: tuple[str, ...]
    outliers: tuple[Any, ...]
    alpha: float
    notes: tuple[str, ...] = ()

    @property
    def _table(self) -> ResultTable:
        fields = (
            row_labels("", self.about, "about", is_index=False),
            Field("test", "Test", self.test),
            Field("statistic", "Statistic", self.statistic, NumberFormat("significant", 4), is_blank_where_nan=True),
            Field("df", "df", self.df),
            Field("p", "p", self.p, NumberFormat("pvalue", 3), is_blank_where_nan=True),
            Field("finding", None, self.findings),
        )
        return ResultTable("residual_tests", fields, "Tests of the residuals", (*self.findings, *self.notes))


@dataclass(frozen=True, slots=True)
class _Found:
    """One test."""

    about: str
    test: str
    statistic: float
    df: str
    p: float
    finding: str


def residual_tests(fit: Fit, by: str | None = None, alpha: float = 0.05) -> ResidualTests:
    """Return tests of a fit's residuals; see :meth:`LMMResults.residual_tests`."""
    if fit.design.streamed is not None:
        raise RowsNeededError("tests of the residuals need all rows in memory: fit to a frame, perhaps of some levels")
    name, codes, labels = _groups(fit, by)
    standard = residuals(fit, "standardized")
    known = np.isfinite(standard)
    if known.sum() < FEWEST:
        raise DataError(f"{int(known.sum())} rows have a residual of their own; the tests need {FEWEST}")
    studentized = residuals(fit, "studentized")
    largest, outliers = _test_outliers(fit, studentized, alpha)
    found = (
        _test_normality(standard[known], alpha),
        _test_along_fitted(np.asarray(fit.fittedvalues, dtype=float)[known], standard[known], alpha),
        _test_between(name, codes[known], labels, standard[known], alpha),
        largest,
    )
    return ResidualTests(
        tuple(f.about for f in found),
        tuple(f.test for f in found),
        np.array([f.statistic for f in found]),
        tuple(f.df for f in found),
        np.array([f.p for f in found]),
        tuple(f.finding for f in found),
        outliers,
        alpha,
        LIMITS,
    )


def _groups(fit: Fit, by: str | None) -> tuple[str, Codes, tuple[Any, ...]]:
    """Return the name of a factor, the group of each row, and labels; by default of the factor of fewest levels."""
    design = fit.design
    name = min(design.factors, key=lambda f: design.blocks[design.factors[f][0]].m) if by is None else by
    factor = design.find_factor(name)
    if factor is not None:
        block = design.blocks[design.factors[factor][0]]
        return factor, block.codes, tuple(block.levels)
    if name not in design.frame:
        known = dict.fromkeys([*design.factors, *map(str, design.frame.columns)])
        raise DataError(f"by={name!r} is no factor or column of this model; there are {', '.join(known)}")
    import pandas as pd

    codes, labels = pd.factorize(design.frame[name], sort=True)
    return name, np.asarray(codes, dtype=np.intp), tuple(labels)


def _test_normality(r: Floats, alpha: float) -> _Found:
    from scipy import stats

    with warnings.catch_warnings():
        # scipy warns of more than 5000 values; the finding says the same.
        warnings.simplefilter("ignore", UserWarning)
        found = stats.shapiro(r)
    p = float(found.pvalue)
    skewness, kurtosis = float(stats.skew(r)), float(stats.kurtosis(r))
    shape = f"skewness {skewness:.2f}, excess kurtosis {kurtosis:.2f}"
    about = f"p is approximate for more than {MANY} rows; " if len(r) > MANY else ""
    if p < alpha:
        tails = "heavier tails than" if kurtosis > abs(skewness) else "another shape than"
        finding = f"normality: the residuals have {tails} a normal distribution ({about}{shape})"
    else:
        finding = f"normality: no departure was found ({about}{shape})"
    return _Found("normality", "Shapiro-Wilk", float(found.statistic), "", p, finding)


def _test_along_fitted(fitted: Floats, r: Floats, alpha: float) -> _Found:
    squares = r**2
    x = fitted - fitted.mean()
    sum_squares = float(((squares - squares.mean()) ** 2).sum())
    size = float((x**2).sum())
    test = "Breusch-Pagan"
    if size <= 0 or sum_squares <= 0:
        return _Found("equal variance", test, np.nan, "", np.nan, "equal variance: all fitted values are equal")
    slope = float(x @ squares) / size
    statistic = len(r) * slope**2 * size / sum_squares
    p = chi2_tail(statistic, 1)
    way = "rises" if slope > 0 else "falls"
    said = f"it {way} with the fitted values" if p < alpha else "no trend with the fitted values was found"
    return _Found("equal variance", test, statistic, "1", p, f"equal variance: {said}")


def _test_between(name: str, codes: Codes, labels: tuple[Any, ...], r: Floats, alpha: float) -> _Found:
    about, test = f"equal variance by {name}", "Levene"
    counts = np.bincount(codes, minlength=len(labels))
    used = np.flatnonzero(counts >= FEW_ROWS)
    if len(used) < 2 or counts[used].sum() - len(used) < 1:
        return _Found(about, test, np.nan, "", np.nan, f"{about}: fewer than two levels have {FEW_ROWS} rows or more")
    away = [np.abs(r[codes == k] - np.median(r[codes == k])) for k in used]
    n, k = int(counts[used].sum()), len(used)
    means = np.array([a.mean() for a in away])
    grand = float(np.concatenate(away).mean())
    between = float((counts[used] * (means - grand) ** 2).sum()) / (k - 1)
    within = float(sum(((a - m) ** 2).sum() for a, m in zip(away, means, strict=True))) / (n - k)
    F = between / within if within > 0 else np.inf
    p = f_tail(F, k - 1, n - k)
    if p < alpha:
        spread = np.array([r[codes == j].std() for j in used])
        widest, narrowest = labels[used[int(spread.argmax())]], labels[used[int(spread.argmin())]]
        finding = f"{about}: variances differ, from the smallest at {narrowest} to the largest at {widest}"
    else:
        finding = f"{about}: no difference was found"
    return _Found(about, test, F, f"{k - 1}, {n - k}", p, finding)


def _test_outliers(fit: Fit, r: Floats, alpha: float) -> tuple[_Found, tuple[Any, ...]]:
    n = int(np.isfinite(r).sum())
    df = (fit.nobs - fit.design.p if fit.reml else fit.nobs) - 1
    p = np.minimum(1.0, n * t_two_sided(np.where(np.isfinite(r), r, 0.0), df))
    index = list(fit.design.frame.index)
    order = np.argsort(-np.abs(np.nan_to_num(r)), kind="stable")
    places = [int(i) for i in order if p[i] < alpha]
    labels = tuple(index[i] for i in places)
    top = int(order[0])
    if labels:
        rows = "row" if len(labels) == 1 else "rows"
        named = list_first(labels, LISTED)
        finding = f"outliers: {len(labels)} {rows} ({named}), the largest {r[top]:.2f} standard deviations out"
    else:
        finding = f"outliers: none; the largest residual, at row {index[top]}, is {r[top]:.2f} standard deviations out"
    test = "largest (Bonferroni)"
    return _Found("outliers", test, float(abs(r[top])), f"{df}", float(p[top]), finding), labels

"""Estimates of several imputed data sets, pooled by Rubin's rules.

With m data sets, estimates q_i and their variances u_i,

    q = mean of q_i    ubar = mean of u_i    b = variance of q_i (divisor m - 1)    t = ubar + (1 + 1/m) b
    lambda = (1 + 1/m) b / t    riv = (1 + 1/m) b / ubar

(Rubin 1987, Multiple Imputation for Nonresponse in Surveys, section 3.3; doi:10.1002/9780470316696). The degrees of
freedom are those of Barnard & Rubin (1999, Biometrika 86, doi:10.1093/biomet/86.4.948),

    1 / df = 1 / df_m + 1 / df_obs    df_m = (m - 1) / lambda^2    df_obs = (dfcom + 1) / (dfcom + 3) dfcom (1 - lambda)

with dfcom those of the complete data; and fmi = (riv + 2 / (df + 3)) / (riv + 1), the share of information missing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.inference.tails import t_quantile, t_two_sided
from lmmtools.report.result_table import Field, ResultTable, Tabular, free_name, row_labels, stars
from lmmtools.report.table import NumberFormat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["PooledEstimates", "Rubin", "pool_estimates", "pooled_estimates"]

DIGITS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Rubin:
    """Estimates pooled by Rubin's rules.

    Attributes
    ----------
    estimate, ubar, b, t, riv, lambda_, dfcom, df, fmi : ndarray, shape (rows,)
        As in the module's equations; ``t`` is the total variance.
    m : int
        Data sets.
    """

    estimate: Floats
    ubar: Floats
    b: Floats
    t: Floats
    riv: Floats
    lambda_: Floats
    dfcom: Floats
    df: Floats
    fmi: Floats
    m: int


def pool_estimates(estimates: Floats, variances: Floats, dfcom: Floats | float) -> Rubin:
    """Return estimates of m data sets pooled.

    Parameters
    ----------
    estimates, variances : ndarray, shape (m, rows)
        NaN in a data set gives NaN.
    dfcom : ndarray, shape (rows,), or float
        Degrees of freedom of the complete data; infinite for large samples.
    """
    m = len(estimates)
    ubar, b = variances.mean(axis=0), estimates.var(axis=0, ddof=1)
    between = (1.0 + 1.0 / m) * b
    t = ubar + between
    whole = np.broadcast_to(np.asarray(dfcom, dtype=float), ubar.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        riv, share = between / ubar, between / t
        of_sets = (m - 1.0) / share**2
        seen = np.where(np.isinf(whole), np.inf, (whole + 1.0) / (whole + 3.0) * whole * (1.0 - share))
        df = 1.0 / (1.0 / of_sets + 1.0 / seen)
        fmi = (riv + 2.0 / (df + 3.0)) / (riv + 1.0)
    return Rubin(estimates.mean(axis=0), ubar, b, t, riv, share, whole, df, fmi, m)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class PooledEstimates(Tabular):
    """Linear functions of the fixed effects, pooled over imputed data sets; one row each.

    ``to_frame()`` has the columns of mice's ``summary(pool(fits), type = "all", conf.int = TRUE)``: ``estimate
    std_error statistic df p lower upper riv lambda fmi ubar b t dfcom m``.

    Attributes
    ----------
    columns : tuple of str
        Columns that identify the rows; ``("term",)`` for fixed effects.
    values : tuple of tuple
        Their values, row by row.
    estimate, std_error : ndarray, shape (rows,)
        Mean of the estimates, and the root of their total variance ``t``.
    statistic, df, p : ndarray, shape (rows,)
        Estimate over error, Barnard and Rubin's degrees of freedom, two-sided p-value.
    lower, upper : ndarray, shape (rows,)
        Limits.
    riv, lambda_, fmi : ndarray, shape (rows,)
        Relative increase of the variance for what is missing, its share of the total, and the share of information
        missing.
    ubar, b, t : ndarray, shape (rows,)
        Variance within data sets, between them, and in total.
    dfcom : ndarray, shape (rows,)
        Degrees of freedom of complete data.
    m : int
        Data sets.
    alpha : float
        One less the coverage of the limits.
    notes : tuple of str

    Examples
    --------
    >>> import lmmtools as lmt
    >>> data = lmt.datasets.load("sleepstudy")
    >>> sets = [data.assign(z=(data.index * k) % 7) for k in (2, 3, 4)]
    >>> pooled = lmt.pool([lmt.lmm("Reaction ~ Days + z + (Days | Subject)", d).fit() for d in sets])
    >>> pooled.coefficients.to_frame()[["estimate", "std_error", "df", "fmi"]].round(3)
               estimate  std_error       df    fmi
    term
    Intercept   254.143      7.619  128.644  0.071
    Days         10.464      1.549  171.020  0.012
    z            -0.910      1.130   22.191  0.330
    """

    columns: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]
    estimate: Floats
    std_error: Floats
    statistic: Floats
    df: Floats
    p: Floats
    lower: Floats
    upper: Floats
    riv: Floats
    lambda_: Floats
    fmi: Floats
    ubar: Floats
    b: Floats
    t: Floats
    dfcom: Floats
    m: int
    alpha: float
    notes: tuple[str, ...] = ()

    @property
    def _table(self) -> ResultTable:
        both = NumberFormat("coefficient", DIGITS, share="coefficients")
        number, share = NumberFormat("significant", DIGITS), NumberFormat("correlation", 3)
        is_term = self.columns == ("term",)
        labels = [
            row_labels("" if is_term else name, [row[j] for row in self.values], name, is_index=is_term)
            for j, name in enumerate(self.columns)
        ]
        fields = (
            Field("estimate", "Estimate", self.estimate, both),
            Field("std_error", "Std. Error", self.std_error, both),
            Field("statistic", "t value", self.statistic, NumberFormat("statistic", DIGITS)),
            Field("df", "df", self.df, number),
            Field("p", "Pr(>|t|)", self.p, NumberFormat("pvalue", DIGITS - 1)),
            stars(self.p),
            Field("lower", None, self.lower),
            Field("upper", None, self.upper),
            Field("riv", "RIV", self.riv, share),
            Field("lambda", None, self.lambda_),
            Field("fmi", "FMI", self.fmi, share),
            *(Field(key, None, getattr(self, key)) for key in ("ubar", "b", "t", "dfcom")),
            Field("m", None, [self.m] * len(self.values)),
        )
        renamed = [f if f.key is None else replace(f, key=free_name(f.key, self.columns)) for f in fields]
        title = f"Pooled over {self.m} imputed data sets by Rubin's rules"
        return ResultTable("pooled", (*labels, *renamed), title, self.notes)


def pooled_estimates(
    columns: Sequence[str],
    values: Sequence[tuple[Any, ...]],
    found: Rubin,
    alpha: float,
    notes: Sequence[str] = (),
    null: Floats | float = 0.0,
) -> PooledEstimates:
    """Return the record of pooled estimates; ``null`` is what they are tested against."""
    error = np.sqrt(found.t)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = (found.estimate - null) / error
    half = t_quantile(alpha / 2.0, found.df) * error
    return PooledEstimates(
        tuple(columns),
        tuple(values),
        found.estimate,
        error,
        statistic,
        found.df,
        t_two_sided(statistic, found.df),
        found.estimate - half,
        found.estimate + half,
        found.riv,
        found.lambda_,
        found.fmi,
        found.ubar,
        found.b,
        found.t,
        found.dfcom,
        found.m,
        alpha,
        tuple(notes),
    )

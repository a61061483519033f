"""Variance parameters pooled over imputed data sets: standard deviations on the log scale, correlations by Fisher's z.

There their distributions are nearer to the normal than on their own scales, as Rubin's rules want (van Buuren 2018,
Flexible Imputation of Missing Data, section 5.2, doi:10.1201/9780429492259).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.inference.pooling.rubin import pool_estimates
from lmmtools.inference.tails import t_quantile
from lmmtools.report.result_table import Field, ResultTable, Tabular, row_labels
from lmmtools.report.table import NumberFormat
from lmmtools.sentences import join_with_and

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = ["PooledVariances", "pool_variances"]

DIGITS = 4


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class PooledVariances(Tabular):
    """Standard deviations and correlations of the random effects, pooled over imputed data sets.

    ``to_frame()`` has the columns ``grp var1 var2 sdcor lower upper transformed std_error df riv lambda fmi note``, the
    residual last.

    Attributes
    ----------
    grp, var1, var2 : tuple
        As in ``varcorr.to_frame()``.
    sdcor, lower, upper : ndarray, shape (rows,)
        Standard deviation, in units of y, or correlation, with limits: from the scale on which it is pooled.
    transformed, std_error : ndarray, shape (rows,)
        The log of the standard deviation, or Fisher's z of the correlation, and its standard error.
    df, riv, lambda_, fmi : ndarray, shape (rows,)
        As in `PooledEstimates`.
    reasons : tuple of str
        Why a row's numbers are NaN, or an empty string.
    m : int
    alpha : float
    notes : tuple of str

    Examples
    --------
    >>> import lmmtools as lmt
    >>> data = lmt.datasets.load("sleepstudy")
    >>> sets = [data.assign(z=(data.index * k) % 7) for k in (2, 3, 4)]
    >>> pooled = lmt.pool([lmt.lmm("Reaction ~ Days + z + (Days | Subject)", d).fit() for d in sets])
    >>> pooled.variances().to_frame()[["grp", "var1", "sdcor", "lower", "upper"]].round(2)
            grp         var1  sdcor  lower  upper
    0   Subject  (Intercept)  24.69  15.54  39.22
    1   Subject         Days   5.94   3.93   8.97
    2   Subject  (Intercept)   0.06  -0.52   0.61
    3  Residual          NaN  25.58  22.78  28.74
    """

    grp: tuple[str, ...]
    var1: tuple[str | None, ...]
    var2: tuple[str | None, ...]
    sdcor: Floats
    lower: Floats
    upper: Floats
    transformed: Floats
    std_error: Floats
    df: Floats
    riv: Floats
    lambda_: Floats
    fmi: Floats
    reasons: tuple[str, ...]
    m: int
    alpha: float
    notes: tuple[str, ...] = ()

    @property
    def _table(self) -> ResultTable:
        number, share = NumberFormat("significant", DIGITS), NumberFormat("correlation", 3)
        shown = [
            "" if a is None else a if b is None else f"{a}, {b}" for a, b in zip(self.var1, self.var2, strict=True)
        ]
        fields = (
            row_labels("Groups", self.grp, "grp", is_index=False),
            Field(None, "Effects", shown),
            Field("var1", None, self.var1),
            Field("var2", None, self.var2),
            Field("sdcor", "Std.Dev. or Corr", self.sdcor, number, is_blank_where_nan=True),
            Field("lower", f"{100 * (1 - self.alpha):g}% lower", self.lower, number, is_blank_where_nan=True),
            Field("upper", "upper", self.upper, number, is_blank_where_nan=True),
            Field("transformed", None, self.transformed),
            Field("std_error", None, self.std_error),
            Field("df", None, self.df),
            Field("riv", "RIV", self.riv, share, is_blank_where_nan=True),
            Field("lambda", None, self.lambda_),
            Field("fmi", "FMI", self.fmi, share, is_blank_where_nan=True),
            Field("note", None, self.reasons),
        )
        why = [
            f"{g} {effect}: {reason}".replace("  ", " ")
            for g, effect, reason in zip(self.grp, shown, self.reasons, strict=True)
            if reason
        ]
        title = f"Random effects pooled over {self.m} imputed data sets by Rubin's rules"
        return ResultTable("pooled_variances", fields, title, (*self.notes, *why))


def pool_variances(fits: Sequence[Fit], alpha: float) -> PooledVariances:
    """Return the variance parameters of fits of imputed data sets, pooled."""
    frames = [fit.varcorr_bse for fit in fits]
    first = frames[0]
    is_sd = first["var2"].isna().to_numpy()
    values = np.array([f["sdcor"].to_numpy(dtype=float) for f in frames])
    errors = np.array([f["se_sdcor"].to_numpy(dtype=float) for f in frames])
    with np.errstate(divide="ignore", invalid="ignore"):
        transformed = np.where(is_sd, np.log(values), np.arctanh(values))
        spread = np.where(is_sd, errors / values, errors / (1.0 - values**2))
    is_known = np.isfinite(transformed) & np.isfinite(spread)
    transformed, spread = np.where(is_known, transformed, np.nan), np.where(is_known, spread, np.nan)
    found = pool_estimates(transformed, spread**2, np.inf)
    error = np.sqrt(found.t)
    half = t_quantile(alpha / 2.0, found.df) * error
    back = [
        np.where(is_sd, np.exp(v), np.tanh(v)) for v in (found.estimate, found.estimate - half, found.estimate + half)
    ]
    reasons = []
    for row in is_known.T:
        lost = [str(i + 1) for i in np.flatnonzero(~row).tolist()]
        what = "data set" if len(lost) == 1 else "data sets"
        reasons.append(f"on the boundary in {what} {join_with_and(lost)}, without a standard error" if lost else "")
    return PooledVariances(
        tuple(first["grp"]),
        tuple(None if v != v else v for v in first["var1"]),
        tuple(None if v != v else v for v in first["var2"]),
        back[0],
        back[1],
        back[2],
        found.estimate,
        error,
        found.df,
        found.riv,
        found.lambda_,
        found.fmi,
        tuple(reasons),
        len(fits),
        alpha,
        ("standard deviations are pooled on the log scale, correlations by Fisher's z",),
    )

"""Effect sizes: shares of variance of terms from their F tests, and differences in standard deviations.

**Shares.** Of a term with F on df and den degrees of freedom,

    partial eta^2 = df F / (df F + den)
    epsilon^2 = df (F - 1) / (df F + den)    omega^2 = df (F - 1) / (df F + den + 1)

the last two not below zero (Cohen 1965, in Wolman, Handbook of Clinical Psychology; Kelley 1935, Proc. Natl. Acad.
Sci. 21, doi:10.1073/pnas.21.9.554; Hays 1963, Statistics; from F: Albers & Lakens 2018, J. Exp. Soc. Psychol. 74,
doi:10.1016/j.jesp.2017.09.004). Limits are lambda / (lambda + den) at the limits of the noncentral F distribution's
parameter lambda (Steiger 2004, Psychol. Methods 9, doi:10.1037/1082-989X.9.2.164) given F or, for the last two, given
the F of which the share is partial eta^2, as effectsize has it.

**Differences.** d is a difference of means over the root of the total variance, of all random effects in an average row
and the residual (Westfall, Kenny & Judd 2014, J. Exp. Psychol. Gen. 143, doi:10.1037/xge0000014). With edf the degrees
of freedom of that variance's estimate, 2 / Var(log variance),

    Var(d) = (SE / sd)^2 + d^2 / (2 edf)

as emmeans' ``eff_size`` has it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lmmtools import core
from lmmtools.errors import DataError, EngineError
from lmmtools.inference.anova import AnovaTable, anova_table
from lmmtools.inference.degrees import method_name
from lmmtools.inference.tails import check_alpha, t_quantile
from lmmtools.inference.variance.share_limits import total_log_variance
from lmmtools.report.result_table import Field, ResultTable, Tabular, free_name, row_labels
from lmmtools.report.table import NumberFormat

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit
    from lmmtools.inference.degrees import Method
    from lmmtools.inference.marginal.contrasts import MarginalContrasts
    from lmmtools.inference.wald_tests import FTest

    Floats = NDArray[np.float64]

__all__ = ["EffectShares", "StandardizedDifferences", "effect_shares", "standardize"]

DIGITS = 4

SHARE = NumberFormat("correlation", 4)

CALLED = {"total": "the total standard deviation", "residual": "the residual standard deviation"}


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class EffectShares(Tabular):
    """Partial eta, epsilon and omega squared of each term of the fixed part.

    ``to_frame()`` has the columns ``eta_sq eta_sq_lower eta_sq_upper``, the same of ``epsilon_sq`` and ``omega_sq``,
    and ``F num_df den_df``.

    Attributes
    ----------
    terms : tuple of str
    eta_sq, epsilon_sq, omega_sq : ndarray, shape (terms, 3)
        Estimate, lower and upper limit.
    tests : AnovaTable
        The F tests that they are made of.
    alpha : float
        One less the coverage of the limits, which are two-sided.
    notes : tuple of str

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool")).fit()
    >>> fit.eta_squared().to_frame()[["eta_sq", "omega_sq"]].round(3)
          eta_sq  omega_sq
    Type   0.736     0.696
    """

    terms: tuple[str, ...]
    eta_sq: Floats
    epsilon_sq: Floats
    omega_sq: Floats
    tests: AnovaTable
    alpha: float
    notes: tuple[str, ...] = ()

    @property
    def _table(self) -> ResultTable:
        shown = {"eta_sq": "Eta2", "epsilon_sq": "Epsilon2", "omega_sq": "Omega2"}
        fields = [row_labels("", self.terms)]
        for key, heading in shown.items():
            values = getattr(self, key)
            columns = (key, heading), (f"{key}_lower", "lower"), (f"{key}_upper", "upper")
            fields += [Field(name, text, values[:, j], SHARE) for j, (name, text) in enumerate(columns)]
        for key in ("F", "num_df", "den_df"):
            fields.append(Field(key, None, [getattr(test, key) for test in self.tests.tests]))
        return ResultTable("effect_sizes", tuple(fields), "Partial effect sizes", self.notes)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class StandardizedDifferences(Tabular):
    """Contrasts of marginal means in standard deviations, one row each.

    ``to_frame()`` has the levels of ``by``, then the columns ``contrast d se df lower upper``.

    Attributes
    ----------
    by : tuple of str
        Columns within whose levels the means are compared.
    groups : tuple of tuple
        Their levels, row by row.
    names : tuple of str
        The contrasts.
    d, se, df, lower, upper : ndarray, shape (rows,)
        Difference in standard deviations, its standard error, degrees of freedom and limits.
    sd : float
        The standard deviation, in units of y.
    edf : float
        Degrees of freedom of its square.
    standardizer : {"total", "residual"}
    ddf : str or Robust
    alpha : float
    notes : tuple of str

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool")).fit()
    >>> fit.cohens_d("Type").to_frame()[["contrast", "d", "se"]].head(2).round(3)
      contrast      d     se
    0  T1 - T2 -2.250  0.503
    1  T1 - T3 -1.286  0.379
    """

    by: tuple[str, ...]
    groups: tuple[tuple[Any, ...], ...]
    names: tuple[str, ...]
    d: Floats
    se: Floats
    df: Floats
    lower: Floats
    upper: Floats
    sd: float
    edf: float
    standardizer: Literal["total", "residual"]
    ddf: Method
    alpha: float
    notes: tuple[str, ...] = ()

    @property
    def _table(self) -> ResultTable:
        both = NumberFormat("coefficient", DIGITS, share="estimates")
        labels = [
            row_labels(name, [group[j] for group in self.groups], name, is_index=False)
            for j, name in enumerate(self.by)
        ]
        fields = [
            row_labels("Contrast", self.names, "contrast", is_index=False),
            Field("d", "d", self.d, both),
            Field("se", "Std. Error", self.se, both),
            Field("df", "df", self.df, NumberFormat("significant", DIGITS)),
            Field("lower", f"{100 * (1 - self.alpha):g}% lower", self.lower, both),
            Field("upper", "upper", self.upper, both),
        ]
        renamed = [replace(f, key=free_name(str(f.key), self.by)) for f in fields]
        title = f"Differences over {CALLED[self.standardizer]}, {self.sd:.4g}"
        return ResultTable("standardized", (*labels, *renamed), title, self.notes)


def effect_shares(fit: Fit, type: object, ddf: Method, alpha: float) -> EffectShares:
    """Return partial eta, epsilon and omega squared by term; see :meth:`LMMResults.eta_squared`."""
    check_alpha(alpha)
    table = anova_table(fit, type, ddf)
    if any(np.isinf(test.den_df) for test in table.tests):
        raise DataError('effect sizes need denominator degrees of freedom: leave out ddf="z"')
    kinds: dict[str, Callable[[float, float, float], float]] = {
        "eta": lambda f, df, den: df * f / (df * f + den),
        "epsilon": lambda f, df, den: max(df * (f - 1.0), 0.0) / (df * f + den),
        "omega": lambda f, df, den: max(df * (f - 1.0), 0.0) / (df * f + den + 1.0),
    }
    found = {
        name: np.array([_with_limits(share(t.F, t.num_df, t.den_df), t, alpha) for t in table.tests]).reshape(-1, 3)
        for name, share in kinds.items()
    }
    notes = (
        f"of F tests of type {'I' * table.type}; {method_name(table.ddf, 'F')}",
        f"{100 * (1 - alpha):g}% limits, two-sided, by the noncentral F distribution",
    )
    return EffectShares(table.terms, found["eta"], found["epsilon"], found["omega"], table, alpha, notes)


def _with_limits(share: float, test: FTest, alpha: float) -> tuple[float, float, float]:
    """Return a share and its limits, those of the noncentrality at the F of which it is partial eta squared."""
    df, den = test.num_df, test.den_df
    lower, upper = _noncentral_limits(share / (1.0 - share) * den / df, df, den, alpha)
    return share, lower / (lower + den), upper / (upper + den)


def _noncentral_limits(F: float, df: float, den: float, alpha: float) -> tuple[float, float]:
    """Return limits of the noncentrality of F, NaN where F is none."""
    if not (np.isfinite(F) and F >= 0 and den > 0):
        return np.nan, np.nan
    return _noncentrality(F, df, den, 1.0 - alpha / 2.0), _noncentrality(F, df, den, alpha / 2.0)


def _noncentrality(F: float, df: float, den: float, p: float) -> float:
    """Return the noncentrality at which F is the p quantile, zero where it is above that already at zero."""
    from scipy.optimize import brentq
    from scipy.special import fdtr, ncfdtr

    if fdtr(df, den, F) <= p:
        return 0.0
    end = df * F + den
    while ncfdtr(df, den, end, F) > p:
        end *= 2.0
    return float(brentq(lambda nc: (ncfdtr(df, den, nc, F) if nc else fdtr(df, den, F)) - p, 0.0, end, xtol=1e-10))


def standardize(
    fit: Fit, table: MarginalContrasts, standardizer: Literal["total", "residual"], alpha: float
) -> StandardizedDifferences:
    """Return contrasts of means in standard deviations; see :meth:`LMMResults.cohens_d`."""
    check_alpha(alpha)
    if standardizer not in CALLED:
        raise DataError(f'standardizer={standardizer!r} is not known; use "total" or "residual"')
    try:
        variance, spread = _variance(fit, standardizer)
    except EngineError as error:
        raise DataError(f"the standard deviation has no standard error: {error}") from None
    sd, edf = float(np.sqrt(variance)), 2.0 / spread
    d = table.estimate / sd
    se = np.sqrt((table.se / sd) ** 2 + d**2 / (2.0 * edf))
    half = t_quantile(alpha / 2.0, table.df) * se
    what = "all random effects in an average row and the residual" if standardizer == "total" else "the residual alone"
    notes = (
        f"the variance is that of {what}, with {edf:.4g} degrees of freedom",
        method_name(table.ddf),
    )
    return StandardizedDifferences(
        table.by, table.groups, table.names, d, se, table.df, d - half, d + half, sd, edf, standardizer, table.ddf,
        alpha, notes,
    )  # fmt: skip


def _variance(fit: Fit, standardizer: str) -> tuple[float, float]:
    """Return a variance and the variance of its logarithm."""
    if standardizer == "total":
        return total_log_variance(fit)
    if fit.design.shared:
        raise EngineError("terms share one variance")
    found = core.relative_uncertainty(fit.problem, fit.theta, fit.reml)
    return fit.scale, float(found.covariance[-1, -1])

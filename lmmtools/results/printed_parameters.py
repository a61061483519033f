"""The fit's own numbers beside those of a table of parameters: fixed effects, variances, correlations, modes, criteria.

The text seldom says how tests and limits were made. Of the methods that the fit has, the one is taken whose degrees of
freedom, p values and limits the table shows; where none shows half of them, they are not compared.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from lmmtools.errors import DataError
from lmmtools.printout.number import PrintedNumber, rounding_of
from lmmtools.report.effect_labels import group_key, level_key, match_key
from lmmtools.results.printed_bounds import LOOSE, bound_of, find_name, pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lmmtools.printout.printed_table import PrintedRow, PrintedTable
    from lmmtools.report.comparison_tables import Counterpart

__all__ = ["of_parameters"]

# What a column is -> its headings.
_NAMES = {
    "estimate": ("estimate", "Coefficient", "Estimates", "Estimate", "Est.", "Std. Dev."),
    "std_error": ("std.error", "SE", "std. Error", "Std. Error", "S.E."),
    "t": ("statistic", "t", "z", "Statistic", "t val."),
    "df": ("df", "df_error", "d.f."),
    "p": ("p.value", "p", "Sig."),
    "lower": ("conf.low", "CI low", "Lower Bound", "2.5%"),
    "upper": ("conf.high", "CI high", "Upper Bound", "97.5%"),
}
_COLUMNS = {heading: kind for kind, headings in _NAMES.items() for heading in headings}
_KINDS = ("fixed", "sd", "variance", "correlation", "covariance", "mode", "fit")
_TESTS = ("df", "p", "lower", "upper")
# Order in which methods are tried: the quick ones first.
_METHODS = ("z", "satterthwaite", "residual", "all parameters", "kenward-roger")

_LOOSE_ERROR = 2e-3
"""Relative difference of standard errors of variances by two implementations' numerical derivatives."""


def of_parameters(fit: Any, table: PrintedTable) -> Iterator[Counterpart]:
    """Yield each number of a table of parameters with the fit's own.

    Raises
    ------
    DataError
        If the table has parameters of another kind of model.
    """
    for row in table.rows:
        if row.labels[0] not in _KINDS:
            raise DataError(
                f"{table.title} shows {', '.join(row.labels)}, a parameter of {row.labels[0]!r}: lmmtools fits linear "
                "mixed models, and has no such number"
            )
    fixed = [row for row in table.rows if row.labels[0] == "fixed"]
    if fixed:
        yield from _of_fixed(fit, table, fixed)
    readers = {"mode": _of_modes, "fit": _of_figures}
    for kind in _KINDS[1:]:
        rows = [row for row in table.rows if row.labels[0] == kind]
        if rows:
            yield from readers.get(kind, _of_variances)(fit, rows)


# -- fixed effects -------------------------------------------------------------------------------------------------


def _of_fixed(fit: Any, table: PrintedTable, rows: Sequence[PrintedRow]) -> Iterator[Counterpart]:
    own, is_known = _choose_tests(fit, table, rows)
    for row in rows:
        name = find_name(own, row.labels[1])
        for column in row.numbers:
            kind = _COLUMNS[column]
            mine = None if name is None else own[name]
            value = None if mine is None else mine[kind]
            bound = 0.0 if mine is None else bound_of(kind, mine, "std_error")
            yield pair(row, column, value, bound, is_known=is_known or kind not in _TESTS or mine is None)


def _choose_tests(
    fit: Any, table: PrintedTable, rows: Sequence[PrintedRow]
) -> tuple[Mapping[str, Mapping[str, float]], bool]:
    """Return {effect: its estimate, std_error, t, df, p, lower, upper}, and whether the table shows the method's."""
    level = float(table.facts.get("level", 0.95))
    asked = {_COLUMNS[column] for row in rows for column in row.numbers} & set(_TESTS)
    if not asked:
        return _tests(fit, "z", level), True
    named = table.facts.get("ddf")
    best: tuple[Mapping[str, Mapping[str, float]], float] = ({}, -1.0)
    for method in (named,) if named else _METHODS:
        own = _tests(fit, method, level)
        share = _share_shown(own, rows)
        if share > best[1]:
            best = (own, share)
        if share == 1.0:
            break
    return best[0], bool(named) or best[1] >= 0.5


def _tests(fit: Any, method: str, level: float) -> dict[str, dict[str, float]]:
    """Return the tests of the fixed effects by a method, with their limits."""
    from scipy import stats

    frame = fit.tests(ddf="z" if method == "all parameters" else method).to_frame()
    found: dict[str, dict[str, float]] = {}
    for name, row in frame.iterrows():
        estimate, error, df = float(row["estimate"]), float(row["std_error"]), float(row["df"])
        if method == "all parameters":
            df = float(fit.df_resid)
        t = estimate / error
        law = stats.norm() if math.isinf(df) else stats.t(df)
        half = float(law.isf(0.5 * (1.0 - level))) * error
        found[str(name)] = {
            "estimate": estimate,
            "std_error": error,
            "t": t,
            "df": df,
            "p": 2.0 * float(law.sf(abs(t))),
            "lower": estimate - half,
            "upper": estimate + half,
        }
    return found


def _share_shown(own: Mapping[str, Mapping[str, float]], rows: Sequence[PrintedRow]) -> float:
    """Return the share of the printed degrees of freedom, p values and limits that are a method's."""
    shown: list[bool] = []
    for row in rows:
        name = find_name(own, row.labels[1])
        for column, printed in row.numbers.items():
            kind = _COLUMNS[column]
            if name is None or kind not in _TESTS:
                continue
            value = own[name][kind]
            is_bound = isinstance(printed, PrintedNumber) and printed.is_bound
            apart = max(0.0, value - printed) if is_bound else abs(value - printed)
            shown.append(value == printed or apart <= rounding_of(printed) + bound_of(kind, own[name], "std_error"))
    return sum(shown) / len(shown) if shown else 0.0


# -- variances and modes -------------------------------------------------------------------------------------------


def _of_variances(fit: Any, rows: Sequence[PrintedRow]) -> Iterator[Counterpart]:
    """Yield standard deviations, variances, correlations or covariances, labelled by kind, group and effects."""
    own: dict[tuple[str, str], tuple[float, float]] = {}
    for grp, var1, var2, vcov, sdcor in fit.varcorr.to_frame().itertuples(index=False, name=None):
        if not isinstance(var1, str):
            own["Residual", ""] = (vcov, sdcor)
        elif isinstance(var2, str):
            # Packages write a pair in either order, joined by a sign that names may have.
            for one, other in ((var1, var2), (var2, var1)):
                own[group_key(f"{grp} "), _pair_key(one, other)] = (vcov, sdcor)
        else:
            own[group_key(f"{grp} "), match_key(var1)] = (vcov, sdcor)
    errors = _errors_of_variances(fit) if any(_COLUMNS[c] == "std_error" for row in rows for c in row.numbers) else {}
    for row in rows:
        kind, group, *effects = row.labels
        grouped = "Residual" if group == "Residual" and not any(effects) else group_key(f"{group} ")
        wanted = _pair_key(*effects) if len(effects) == 2 else match_key("".join(effects))
        # broom.mixed joins a pair by a point, which names may have too.
        names = {(g, each.replace("|", ".") if len(effects) == 1 else each): v for (g, each), v in own.items()}
        found = names.get((grouped, wanted))
        value = None if found is None else found[kind in ("sd", "correlation")]
        size = 1.0 if kind == "correlation" else abs(value or 0.0)
        for column, printed in row.numbers.items():
            if _COLUMNS[column] == "estimate":
                yield pair(row, column, value, 2.0 * LOOSE * size)
                continue
            error = (
                errors.get((grouped, wanted), {}).get(kind, math.nan) if _COLUMNS[column] == "std_error" else math.nan
            )
            # By the expected or the observed information: known where it is the fit's.
            is_its = abs(error - printed) <= rounding_of(printed) + _LOOSE_ERROR * abs(error)
            yield pair(row, column, error, _LOOSE_ERROR * abs(error), is_known=is_its)


def _errors_of_variances(fit: Any) -> dict[tuple[str, str], dict[str, float]]:
    """Return {(group, effects): {kind: standard error}}."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for row in fit.varcorr_bse.itertuples(index=False):
        is_residual = not isinstance(row.var1, str)
        group = "Residual" if is_residual else group_key(f"{row.grp} ")
        error = {"variance": row.se_vcov, "covariance": row.se_vcov, "sd": row.se_sdcor, "correlation": row.se_sdcor}
        if isinstance(row.var2, str):
            found[group, _pair_key(row.var1, row.var2)] = found[group, _pair_key(row.var2, row.var1)] = error
        else:
            found[group, "" if is_residual else match_key(row.var1)] = error
    return found


def _pair_key(one: str, other: str) -> str:
    return f"{match_key(one)}|{match_key(other)}"


def _of_modes(fit: Any, rows: Sequence[PrintedRow]) -> Iterator[Counterpart]:
    own: dict[tuple[str, str], tuple[float, float]] = {}
    sizes: dict[str, float] = {}
    q = NormalDist().inv_cdf(0.975)
    for group, effect, level, mode, sd in fit.ranef_frame().itertuples(index=False, name=None):
        key = group_key(f"{group} {effect}")
        own[key, level_key(str(group), str(level))] = (float(mode), float(sd))
        sizes[key] = max(sizes.get(key, 0.0), abs(float(mode)), float(sd))
    for row in rows:
        _, group, level, effect = row.labels
        key = group_key(f"{group} {effect}")
        found = own.get((key, level_key(group, level)))
        for column in row.numbers:
            value = None
            if found is not None:
                mode, sd = found
                # broom.mixed takes the quantiles of the normal distribution.
                half = q * sd
                kinds = {"estimate": mode, "std_error": sd, "lower": mode - half, "upper": mode + half}
                value = kinds.get(_COLUMNS[column], math.nan)
            is_known = value is None or not math.isnan(value)
            yield pair(row, column, value, LOOSE * sizes.get(key, 0.0), is_known=is_known)


# -- figures of the fit --------------------------------------------------------------------------------------------

_FIGURES: dict[str, Callable[[Any], float]] = {
    "nobs": lambda fit: fit.nobs,
    "sigma": lambda fit: fit.sigma,
    "Sigma": lambda fit: fit.sigma,
    "logLik": lambda fit: fit.llf,
    "log-Likelihood": lambda fit: fit.llf,
    "AIC": lambda fit: fit.aic,
    "BIC": lambda fit: fit.bic,
    "AICc": lambda fit: _corrected_aic(fit),
    "df.residual": lambda fit: fit.df_resid,
    "RMSE": lambda fit: math.sqrt(math.fsum(r * r for r in map(float, fit.resid)) / fit.nobs),
    "R2 (cond.)": lambda fit: fit.r2().conditional,
    "R2 (marg.)": lambda fit: fit.r2().marginal,
    "Conditional R2": lambda fit: fit.r2().conditional,
    "Pseudo-R2 (total)": lambda fit: fit.r2().conditional,
    "Pseudo-R2 (fixed effects)": lambda fit: fit.r2().marginal,
    "Marginal R2": lambda fit: fit.r2().marginal,
    "ICC": lambda fit: fit.icc().adjusted,
    "Adjusted ICC": lambda fit: fit.icc().adjusted,
    "Unadjusted ICC": lambda fit: fit.icc().unadjusted,
    "Conditional ICC": lambda fit: fit.icc().unadjusted,
}
# SPSS counts, by REML, variance parameters alone and rows less fixed effects.
_OF_SPSS: dict[str, Callable[[float, float], float]] = {
    "AIC of SPSS": lambda d, n: 2.0 * d,
    "AICC of SPSS": lambda d, n: 2.0 * d * n / (n - d - 1.0),
    "CAIC of SPSS": lambda d, n: d * (math.log(n) + 1.0),
    "BIC of SPSS": lambda d, n: d * math.log(n),
}
# Criterion -> whether it is that of REML.
_CRITERIA = {
    "REMLcrit": True,
    "deviance": False,
    "-2 Restricted Log Likelihood": True,
    "-2 Log Likelihood": False,
}
# Versions of performance and sjPlot refit by ML, or by REML, for these.
_REFITTED = ("AIC", "AICc", "BIC")


def _corrected_aic(fit: Any) -> float:
    k = fit.nobs - fit.df_resid
    return float(fit.aic + 2.0 * k * (k + 1.0) / (fit.nobs - k - 1.0))


def _of_figures(fit: Any, rows: Sequence[PrintedRow]) -> Iterator[Counterpart]:
    for row in rows:
        for column, printed in row.numbers.items():
            if column in _OF_SPSS:
                fixed = len(fit.tests(ddf="z").to_frame()) if fit.reml else 0
                penalty = _OF_SPSS[column](fit.nobs - fit.df_resid - fixed, fit.nobs - fixed)
                yield pair(row, column, fit.objective + penalty, LOOSE)
                continue
            if column in _CRITERIA:
                is_its = fit.reml == _CRITERIA[column]
                yield pair(row, column, fit.objective if is_its else math.nan, LOOSE, is_known=is_its)
                continue
            value = float(_FIGURES[column](fit)) if column in _FIGURES else math.nan
            is_known = column in _FIGURES
            if column in _REFITTED and "logLik" not in row.numbers:
                is_known = abs(value - printed) <= printed.half_unit + LOOSE
            yield pair(row, column, value, LOOSE * max(1.0, abs(value)), is_known=is_known)

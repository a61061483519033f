"""Fits, records, printouts and linear models read into columns of a table."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.errors import DataError, LmmError
from lmmtools.inference.robust import Robust
from lmmtools.inference.wald_tests import t_tests
from lmmtools.printout.number import RoundedNumber, rounding_of
from lmmtools.printout.printed_fit import PrintedSummary
from lmmtools.report.comparison_column import ComparisonColumn
from lmmtools.report.effect_labels import name_intercept
from lmmtools.report.model_difference import rename_like
from lmmtools.report.provenance import inputs_of_arrays
from lmmtools.results.comparing import as_column
from lmmtools.results.fit_record import FitRecord
from lmmtools.results.lmm_results import LMMResults
from lmmtools.results.table_methods import has_degrees
from lmmtools.tables.column import Effect, FitColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lmmtools.inference.degrees import Method


__all__ = ["Asked", "as_fit", "read_columns"]

LINEAR = ("OLS", "WLS", "GLS")
SOFTWARE = {"mixedlm": "statsmodels", "lme4": "lme4"}
TESTS = {
    "satterthwaite": "t tests with Satterthwaite's degrees of freedom",
    "kenward-roger": "t tests with Kenward and Roger's degrees of freedom",
    "residual": "t tests with n - p degrees of freedom",
    "z": "z tests (Wald)",
}
# Most bytes that are read of a file with a fit or a printout.
_MOST_BYTES = 50_000_000


@dataclass(frozen=True, slots=True)
class Asked:
    """The tests that a table is to show of a fit.

    Attributes
    ----------
    ddf : str, Robust or None
        Method for the degrees of freedom, or a robust covariance; None for no p-values.
    level : float
        Level of the intervals.
    """

    ddf: Method | None
    level: float


def read_columns(sources: Sequence[Any], names: Sequence[str], asked: Sequence[Asked]) -> list[FitColumn]:
    """Return the columns of fits; random effects with the first fit's variances under other names get its names.

    Raises
    ------
    DataError
        If a source is none that has the numbers of a fit.
    """
    columns: list[FitColumn] = []
    first: ComparisonColumn | None = None
    for source, name, wanted in zip(sources, names, asked, strict=True):
        given = _read_source(source)
        if not _is_mixed(given):
            columns.append(_read_linear(given, name, wanted))
            continue
        fit = as_fit(given)
        base = as_column(fit, name)
        first = first or base
        _, changed = rename_like(base, first)
        columns.append(_rename_groups(_read_mixed(fit, given, base, wanted), changed))
    return columns


def _read_source(source: Any) -> Any:
    """Return the fit that a text or file holds (JSON or R's printout); any other source as it is."""
    if not isinstance(source, (str, PathLike)):
        return source
    text, where = str(source), "the text"
    if isinstance(source, PathLike) or ("\n" not in source and not source.lstrip().startswith("{")):
        where = str(source)
        try:
            with Path(source).open("rb") as file:
                text = file.read(_MOST_BYTES).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(f"{where} is no UTF-8 text: it is neither a fit written as JSON nor a printout") from error
        except (OSError, ValueError) as error:
            raise DataError(
                f"{where[:200]!r} is neither a file that can be read nor a text: side_by_side() takes fits, what "
                "fit.to_json() wrote, and what R printed for summary(lmer(...))"
            ) from error
    from lmmtools.printout.read import read_lme4_summary
    from lmmtools.results.fit_json import read_json

    try:
        return read_json(text) if text.lstrip().startswith("{") else read_lme4_summary(text)
    except LmmError as error:
        raise DataError(f"{where}: {error}") from error


def _is_mixed(source: Any) -> bool:
    if isinstance(source, (LMMResults, FitRecord, PrintedSummary, dict)) or hasattr(source, "cov_re_unscaled"):
        return True
    model = type(getattr(source, "model", None)).__name__
    if model in LINEAR and hasattr(source, "bse"):
        return False
    found = model if hasattr(source, "model") else type(source).__name__
    raise DataError(
        f"side_by_side() has no column for {found}: it takes results of lmmtools and of statsmodels' MixedLM, "
        f"{', '.join(LINEAR[:-1])} and {LINEAR[-1]}, fits written as JSON, recorded fits and lme4's printed summaries"
    )


def as_fit(source: Any) -> Any:
    """Return a result of MixedLM as a fit of lmmtools; any other source as it is."""
    if not hasattr(source, "cov_re_unscaled"):
        return source
    patched = getattr(source, "lmm", None)
    if isinstance(patched, LMMResults):
        return patched
    from lmmtools.results.fitting import read_mixedlm

    return LMMResults.of(read_mixedlm(source)[0])


def _read_mixed(fit: Any, given: Any, base: ComparisonColumn, asked: Asked) -> FitColumn:
    """Return the column of a mixed model."""
    effects, test, errors = _EFFECTS[type(fit)](fit, base, asked)
    rows = list(_component_rows(fit))
    named = dict(zip([r for r in rows if r[1] and not r[2]], base.variances, strict=False))
    effect_names = {(r[0], r[1]): label[len(r[0]) + 1 :] for r, label in named.items()}
    column = FitColumn(
        name=base.name,
        response=_response(base.formula),
        estimator="REML" if base.reml else "ML",
        software="statsmodels" if fit is not given else SOFTWARE.get(str(base.engine), "lmmtools"),
        effects=effects,
        test=test,
        errors=errors,
        components={(r[0], effect_names.get((r[0], r[1]), r[1])): (r[3], r[4]) for r in rows if r[1] and not r[2]},
        correlations={(r[0], *(effect_names.get((r[0], e), e) for e in r[1:3])): r[4] for r in rows if r[1] and r[2]},
        residual=next((r[3], r[4]) for r in rows if not r[1]),
        nobs=base.nobs,
        criterion=base.criterion,
        flags=_flags_of(fit, given, base),
        inputs=base.inputs,
    )
    return replace(column, **_criteria_and_shares(fit))


def _component_rows(fit: Any) -> list[tuple[str, Any, Any, float, float]]:
    """Return rows (group, effect, other, variance, deviation or correlation), "" for what a row does not have."""
    if isinstance(fit, dict):
        table = fit["varcorr"]
        rows = zip(*(table[c] for c in ("grp", "var1", "var2", "vcov", "sdcor")), strict=True)
        return [(g, a or "", b or "", v, math.nan if s is None else s) for g, a, b, v, s in rows]
    if not isinstance(fit, PrintedSummary):
        return [(g, a or "", b or "", v, s) for g, a, b, v, s in fit.varcorr.rows()]
    found: list[tuple[str, Any, Any, float, float]] = []
    above: dict[str, list[str]] = {}
    for effect, variance, sd in zip(fit.random, fit.variances.values(), fit.std_devs.values(), strict=True):
        found.append((effect.group, effect.name, "", variance, sd))
        names = above.setdefault(effect.group, [])
        found += [(effect.group, n, effect.name, math.nan, c) for n, c in zip(names, effect.correlations, strict=False)]
        names.append(effect.name)
    return [*found, ("Residual", "", "", fit.residual_variance, fit.sigma)]


# -- fixed effects ------------------------------------------------------------------------------------------------


def _effects_of_fit(fit: LMMResults, base: ComparisonColumn, asked: Asked) -> tuple[dict[str, Effect], str, str]:
    """Return (effects, test, kind of errors) with the tests asked for; normal tests where terms share a variance."""
    if asked.ddf is None or not fit.design.p:
        return _without_tests(base), "", ""
    ddf: Method = asked.ddf if has_degrees(fit) or isinstance(asked.ddf, Robust) else "z"
    tests = t_tests(fit, None, ddf)
    rows = zip(base.fixef, tests.estimate, tests.std_error, tests.t, tests.p, tests.df, strict=True)
    effects = {n: _effect(float(b), float(s), float(t), float(p), float(d), asked) for n, b, s, t, p, d in rows}
    if isinstance(ddf, Robust):
        return effects, TESTS[ddf.ddf], f"cluster-robust ({ddf.cov})"
    return effects, TESTS[ddf], "Kenward and Roger's" if ddf == "kenward-roger" else ""


def _effects_by_normal(
    fit: FitRecord | dict[str, Any], base: ComparisonColumn, asked: Asked
) -> tuple[dict[str, Effect], str, str]:
    """Return (effects, test, kind of errors) of a record, which has no degrees of freedom: only normal tests."""
    if asked.ddf != "z":
        return _without_tests(base), "", ""
    return {n: _by_normal(b, base.std_errors.get(n), asked) for n, b in base.fixef.items()}, TESTS["z"], ""


def _effects_of_printout(
    fit: PrintedSummary, base: ComparisonColumn, asked: Asked
) -> tuple[dict[str, Effect], str, str]:
    """Return (effects, test, kind of errors) with the tests that R printed, or normal tests if asked for."""
    if asked.ddf == "z":
        return {c.name: _by_normal(c.estimate, c.std_error, asked) for c in fit.fixed}, TESTS["z"], ""
    if asked.ddf is None or not any(c.p is not None for c in fit.fixed):
        return {c.name: Effect(c.estimate, c.std_error, c.t) for c in fit.fixed}, "", ""
    effects = {
        c.name: Effect(c.estimate, c.std_error, c.t)
        if c.df is None or c.p is None or c.t is None or c.std_error is None
        else _effect(c.estimate, c.std_error, c.t, c.p, c.df, asked)
        for c in fit.fixed
    }
    method = next((text for word, text in TESTS.items() if word.split("-")[0] in (fit.method or "").lower()), "t tests")
    return effects, f"{method}, as R printed them", ""


_EFFECTS: dict[type, Callable[..., tuple[dict[str, Effect], str, str]]] = {
    LMMResults: _effects_of_fit,
    FitRecord: _effects_by_normal,
    dict: _effects_by_normal,
    PrintedSummary: _effects_of_printout,
}


def _without_tests(base: ComparisonColumn) -> dict[str, Effect]:
    found = {}
    for name, estimate in base.fixef.items():
        error = base.std_errors.get(name)
        found[name] = Effect(estimate, error, None if not error else estimate / error)
    return found


def _by_normal(estimate: float, error: float | None, asked: Asked) -> Effect:
    from scipy.special import ndtr

    if not error:
        return Effect(estimate, error)
    t = estimate / error
    return _effect(estimate, error, t, 2.0 * float(ndtr(-abs(t))), math.inf, asked)


def _effect(estimate: float, error: float, t: float, p: float, df: float, asked: Asked) -> Effect:
    """Return an effect with its interval; limits of rounded numbers are `RoundedNumber`."""
    from scipy.special import ndtri, stdtrit

    tail = 0.5 * (1.0 + asked.level)
    q = float(ndtri(tail) if math.isinf(df) else stdtrit(df, tail))
    limits = [_rounded_like(estimate + side * q * error, estimate, error, q) for side in (-1.0, 1.0)]
    return Effect(estimate, error, t, p, limits[0], limits[1])


def _rounded_like(value: float, estimate: float, error: float, q: float) -> float:
    half = rounding_of(estimate) + q * rounding_of(error)
    return RoundedNumber(value, half) if half else value


# -- the rest ------------------------------------------------------------------------------------------------------


def _criteria_and_shares(fit: Any) -> dict[str, Any]:
    """Return AIC, BIC, levels per factor and, of a live fit, R2 and ICC."""
    if isinstance(fit, dict):
        return {"aic": fit.get("AIC"), "bic": fit.get("BIC"), "ngroups": fit.get("ngrps", {})}
    if isinstance(fit, PrintedSummary):
        return {**_criteria_of_printout(fit), "ngroups": fit.ngroups}
    found: dict[str, Any] = {"aic": fit.aic, "bic": fit.bic, "ngroups": dict(fit.ngroups)}
    if isinstance(fit, FitRecord):
        return found
    r2 = _or_none(fit.r2)
    icc = _or_none(fit.icc)
    return {
        **found,
        "r2_marginal": r2 and float(r2.marginal),
        "r2_conditional": r2 and float(r2.conditional),
        "icc": icc and float(icc.adjusted),
    }


def _or_none(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except LmmError:
        return None


def _criteria_of_printout(fit: PrintedSummary) -> dict[str, float]:
    """Return AIC and BIC as printed, or computed from the printed criterion and number of parameters."""
    size = len(fit.fixed) + len(fit.random) + len(fit.correlations) + 1
    printed = fit.criteria or {}
    made = {"aic": 2.0 * size, "bic": math.log(fit.nobs) * size}
    return {
        k: printed.get(k.upper()) or RoundedNumber(fit.criterion + extra, rounding_of(fit.criterion))
        for k, extra in made.items()
    }


def _response(formula: str | None) -> str | None:
    if formula is None or "~" not in formula:
        return None
    return formula.partition("~")[0].strip().strip("`").replace("np.", "").replace(" ", "") or None


def _flags_of(fit: Any, given: Any, base: ComparisonColumn) -> tuple[str, ...] | None:
    """Return the flags of a fit; None where the source says nothing of them."""
    found = ["singular"] if base.is_singular else []
    said = (*base.notes, *getattr(getattr(fit, "estimate", None), "messages", ()))
    is_stopped = given is not fit and getattr(given, "converged", None) is False
    if is_stopped or any("failed to converge" in text for text in said):
        found.append("not converged")
    if base.converged is False and isinstance(fit, (LMMResults, FitRecord)):
        found.append("not certified")
    elif base.converged is False and "not converged" not in found:
        found.append("not converged")
    is_silent = base.is_singular is None and base.converged is None
    return None if is_silent and not found else tuple(found)


def _rename_groups(column: FitColumn, changed: Mapping[str, str]) -> FitColumn:
    """Return the column with new names of groups: ``{"sample (Intercept)": "cask:batch (Intercept)"}``."""
    groups = {old.partition(" ")[0]: new.partition(" ")[0] for old, new in changed.items()}
    if not groups:
        return column
    return replace(
        column,
        components={(groups.get(g, g), e): v for (g, e), v in column.components.items()},
        correlations={(groups.get(g, g), a, b): v for (g, a, b), v in column.correlations.items()},
        ngroups={groups.get(g, g): m for g, m in column.ngroups.items()},
    )


def _read_linear(result: Any, name: str, asked: Asked) -> FitColumn:
    """Return the column of a least-squares fit of statsmodels, with the errors and tests that its user asked for."""
    model = result.model
    kind = type(model).__name__
    X = np.asarray(model.exog, dtype=float)
    names = name_intercept(list(map(str, model.exog_names)), X)
    limits = np.asarray(result.conf_int(1.0 - asked.level))
    values = zip(names, *(np.asarray(v) for v in (result.params, result.bse, result.tvalues, result.pvalues)), limits,
                 strict=True)  # fmt: skip
    is_tested = asked.ddf is not None
    effects = {
        n: Effect(float(b), float(s), float(t), float(p) if is_tested else None, float(c[0]), float(c[1]))
        for n, b, s, t, p, c in values
    }
    covariance = str(getattr(result, "cov_type", "nonrobust"))
    size = X.shape[1] + 1
    return FitColumn(
        name=name,
        response=str(model.endog_names).replace("np.", "").replace(" ", "") or None,
        estimator=kind,
        software="statsmodels",
        effects=effects,
        test=("t tests with n - p degrees of freedom" if result.use_t else TESTS["z"]) if is_tested else "",
        errors="" if covariance == "nonrobust" else f"robust ({covariance})",
        components={},
        correlations={},
        residual=(float(result.scale), math.sqrt(float(result.scale))),
        nobs=int(result.nobs),
        criterion=-2.0 * float(result.llf),
        aic=-2.0 * float(result.llf) + 2.0 * size,
        bic=-2.0 * float(result.llf) + math.log(result.nobs) * size,
        r2=float(result.rsquared),
        inputs=inputs_of_arrays(model.endog, X, names, str(model.endog_names)),
    )

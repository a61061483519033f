"""Anything that has the numbers of a fit as a column of a comparison, and the comparison that a report shows."""

from __future__ import annotations

import time
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from lmmtools.design.identification import check_identified
from lmmtools.engines import load_engine, mixedlm
from lmmtools.errors import DataError, EngineError, TranslationError
from lmmtools.fit.record import Fit
from lmmtools.fit.second_look import AFFORDABLE_SECONDS, describe_seconds
from lmmtools.inference.contrasts import ContrastTests, t_tests
from lmmtools.printout.printed_fit import PrintedMixedLM, PrintedSummary
from lmmtools.report.comparison import Comparison, compare_columns
from lmmtools.report.comparison_column import ComparisonColumn, column_of_linear_model
from lmmtools.results.findings import Finding, with_findings
from lmmtools.results.fit_record import FitRecord
from lmmtools.results.from_statsmodels import read_mixedlm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.design.matrices import Design
    from lmmtools.fit.record import Names

__all__ = ["as_column", "compare_beside", "compare_engines", "fit_all"]

Asked: TypeAlias = "tuple[Design, Names, str]"
"""A design, what its data are called, and the engine to fit it with."""


def as_column(source: Any, name: str | None = None, *, reml: bool = True, ddf: str = "z") -> ComparisonColumn:
    """Return the column of a fit, wherever it comes from.

    Parameters
    ----------
    source : ComparisonColumn, LMMResults, FitRecord, PrintedSummary, dict, MixedLMResults or OLS result
    name : str, optional
        Header; by default the engine's name.
    reml : bool
        Criterion by which an OLS result is judged.
    ddf : {"z", "satterthwaite", "kenward-roger", "residual"}
        Where a fit's degrees of freedom and p-values come from; printouts and records have their own.

    Raises
    ------
    DataError
        If it is none of these.
    """
    if isinstance(source, ComparisonColumn):
        return source
    if isinstance(source, Fit):
        column = ComparisonColumn.from_result(source, name, tests=_tests(source, ddf))
        text = source.second_look.disagreement
        return replace(column, notes=(*column.notes, text)) if text else column
    if isinstance(source, FitRecord):
        return ComparisonColumn.from_result(source, name)
    if isinstance(source, PrintedSummary):
        return ComparisonColumn.from_printed(source, name or "lme4")
    if isinstance(source, PrintedMixedLM):
        return ComparisonColumn.from_printed(source, name or "MixedLM")
    if isinstance(source, dict):
        return ComparisonColumn.from_recorded(source, name or "lme4")
    if hasattr(source, "cov_re"):
        fit, _, found = read_mixedlm(source)
        for category, text in found:
            warnings.warn(text, category, stacklevel=3)
        return ComparisonColumn.from_result(fit, name or "MixedLM", tests=_tests(fit, ddf))
    if hasattr(source, "mse_resid") and hasattr(source, "model"):
        return column_of_linear_model(source, name or "OLS", reml=reml)
    raise DataError(
        f"compare() got {type(source).__name__}; it takes lmmtools results, statsmodels OLS results, recorded "
        'fits, or a model and engine names: compare(model, "pls", "mixedlm")'
    )


def _tests(fit: Fit, ddf: str) -> ContrastTests | None:
    """Return the tests of the fixed effects by a method, None for the normal distribution's."""
    return None if ddf == "z" else t_tests(fit, None, ddf)


def compare_beside(fit: Fit, others: Sequence[Any]) -> Comparison:
    """Return the comparison of a fit with others: what `as_column` takes, or names of engines to fit its design with.

    Raises
    ------
    DataError, EngineError, TranslationError
        If an item is none of these, there is no such engine, or it cannot fit the model.
    """
    engines = [other for other in others if isinstance(other, str)]
    made = iter(fit_all([(fit.design, fit.names, engine) for engine in engines], reml=fit.reml))
    sources = [next(made)[0] if isinstance(other, str) else other for other in others]
    return compare_columns([as_column(source, reml=fit.reml) for source in (fit, *sources)])


def compare_engines(fit: Fit) -> tuple[Comparison | None, str]:
    """Return the comparison of a fit with MixedLM's (or with pls', where MixedLM made it); or None, and why not."""
    if fit.engine == "mixedlm":
        other = "pls"
    else:
        other = "mixedlm"
        try:
            layout = mixedlm.plan(fit.design)
        except TranslationError as error:
            return None, f"MixedLM has no such model: {error}"
        if mixedlm.estimate_seconds(fit.design, layout) > AFFORDABLE_SECONDS:
            seconds = describe_seconds(mixedlm.estimate_fit_seconds(fit.design, layout))
            return None, f"MixedLM was not asked: its fit would take about {seconds}."
    try:
        return compare_beside(fit, [other]), ""
    except EngineError as error:
        return None, f"The {other} engine cannot fit the model: {error}"


def fit_all(asked: Sequence[Asked], *, reml: bool) -> list[tuple[Fit, list[Finding]]]:
    """Return the fits asked for, each with what it must say in its ``warnings``, and these with their classes.

    Those by lme4 are made in one R process.

    Raises
    ------
    DataError, EngineError, TranslationError
        If the data do not identify a model, there is no such engine, or it cannot fit the model.
    """
    modules = [load_engine(engine) for _, _, engine in asked]
    for design, _, _ in asked:
        check_identified(design, reml)
    by_lme4 = [design for design, _, engine in asked if engine == "lme4"]
    in_r = iter(load_engine("lme4").fit_several(by_lme4, reml=reml) if by_lme4 else ())
    made = []
    for (design, names, engine), module in zip(asked, modules, strict=True):
        started = time.perf_counter()
        estimate = next(in_r) if engine == "lme4" else module.fit(design, reml=reml)
        if isinstance(estimate, EngineError):
            raise estimate
        seconds = time.perf_counter() - started if estimate.seconds is None else estimate.seconds
        made.append(with_findings(Fit(design, estimate, names, seconds)))
    return made

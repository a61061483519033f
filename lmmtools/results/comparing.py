"""Comparisons of fits from any source: each source becomes a column, models are fitted first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lmmtools.design.matrices import Design
from lmmtools.engines import mixedlm
from lmmtools.errors import DataError, EngineError, TranslationError
from lmmtools.fit.record import Fit
from lmmtools.fit.second_look import AFFORDABLE_SECONDS, describe_seconds
from lmmtools.inference.degrees import check_ddf
from lmmtools.inference.wald_tests import ContrastTests, t_tests
from lmmtools.printout.printed_fit import PrintedMixedLM, PrintedSummary
from lmmtools.printout.printed_table import PrintedTable
from lmmtools.printout.read import read_printout
from lmmtools.report.comparison import Comparison, compare_columns
from lmmtools.report.comparison_column import ComparisonColumn, column_of_linear_model
from lmmtools.report.comparison_tables import add_table
from lmmtools.results.fit_record import FitRecord
from lmmtools.results.fitting import Asked, fit_all, read_mixedlm, warn_of
from lmmtools.results.printed_tables import counterparts

if TYPE_CHECKING:
    from collections.abc import Sequence


__all__ = ["as_column", "compare_beside", "compare_engines", "compare_items"]

# Headings of columns.
_ENGINES = {"mixedlm": "MixedLM"}
# Stands for a fit until all fits are made together.
_TO_BE_MADE = object()


def compare_items(items: Sequence[Any], names: Sequence[str] | None, reml: bool) -> Comparison:
    """Return the comparison of what :func:`lmmtools.compare` takes; arguments and errors as there."""
    sources = _fit_models(items, reml)
    if names is not None and len(names) != len(sources):
        raise DataError(f"names has {len(names)} headings for {len(sources)} fits; give one heading for each fit")
    criterion = next((s.reml for s in sources if isinstance(getattr(s, "reml", None), bool)), reml)
    headings = [None] * len(sources) if names is None else list(names)
    named = list(zip(sources, headings, strict=True))
    fits = [(s, name) for s, name in named if not isinstance(s, PrintedTable)]
    tables = [(s, name) for s, name in named if isinstance(s, PrintedTable)]
    columns = [as_column(s, name, reml=criterion) for s, name in fits]
    if len(columns) + len(tables) < 2:
        raise DataError("compare() needs at least two fits: give another fit, or a model and engine names")
    return _beside_tables(fits[0][0] if fits else None, columns, tables)


def _beside_tables(
    first: Any, columns: list[ComparisonColumn], tables: Sequence[tuple[PrintedTable, str | None]]
) -> Comparison:
    """Return the comparison of columns, with each number of printed tables beside the first fit's."""
    if tables and not (isinstance(first, Fit) and hasattr(first, "anova")):
        raise DataError(
            f"what {tables[0][0].title} printed is compared with a fit that can be asked for the same numbers: give a "
            "fit or a model first, compare(fit, text)"
        )
    found = compare_columns(columns) if len(columns) > 1 else Comparison((columns[0],), (), ())
    for table, name in tables:
        found = add_table(found, table, counterparts(first, table), name)
    return found


def as_column(source: Any, name: str | None = None, *, reml: bool = True, ddf: str = "z") -> ComparisonColumn:
    """Return the column of a comparison that holds the numbers of a fit from any source.

    Parameters
    ----------
    source : ComparisonColumn, LMMResults, FitRecord, PrintedSummary, dict, MixedLMResults or OLS result
    name : str, optional
        Heading of the column; by default the engine's name.
    reml : bool
        Criterion by which an OLS result is judged.
    ddf : {"z", "satterthwaite", "kenward-roger", "residual"}
        Method of the degrees of freedom and p-values of a fit; printouts and records have their own.

    Raises
    ------
    DataError
        If the source is none of these.
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
        return ComparisonColumn.from_printed(source, name or source.engine)
    if isinstance(source, PrintedMixedLM):
        return ComparisonColumn.from_printed(source, name or _ENGINES.get(source.engine, source.engine))
    if isinstance(source, dict):
        return ComparisonColumn.from_recorded(source, name or "lme4")
    if hasattr(source, "cov_re"):
        fit, _ = read_mixedlm(source)
        return ComparisonColumn.from_result(fit, name or "MixedLM", tests=_tests(fit, ddf))
    if hasattr(source, "mse_resid") and hasattr(source, "model"):
        return column_of_linear_model(source, name or "OLS", reml=reml)
    raise DataError(
        f"compare() got {type(source).__name__}; it takes lmmtools results, statsmodels OLS results, recorded "
        'fits, or a model and engine names: compare(model, "pls", "mixedlm")'
    )


def _tests(fit: Fit, ddf: str) -> ContrastTests | None:
    """Return the tests of the fixed effects by a method, None for the normal distribution."""
    return None if check_ddf(ddf) == "z" else t_tests(fit, None, ddf)


def compare_beside(fit: Fit, others: Sequence[Any]) -> Comparison:
    """Return the comparison of a fit with others: what :func:`as_column` takes, and names of engines for its design.

    Raises
    ------
    DataError, EngineError, TranslationError
        If an item is none of these, there is no such engine, or it cannot fit the model.
    """
    engines = [other for other in others if isinstance(other, str)]
    made = iter(fit_all([(fit.design, fit.names, engine) for engine in engines], reml=fit.reml))
    sources = [next(made)[0] if isinstance(other, str) else other for other in others]
    tables = [(source, None) for source in sources if isinstance(source, PrintedTable)]
    fits = [source for source in sources if not isinstance(source, PrintedTable)]
    return _beside_tables(fit, [as_column(source, reml=fit.reml) for source in (fit, *fits)], tables)


def compare_engines(fit: Fit) -> tuple[Comparison | None, str]:
    """Return (comparison, "") of a fit with MixedLM's, or with pls' where MixedLM made it; (None, reason) if none."""
    if fit.engine == "mixedlm":
        other = "pls"
    else:
        other = "mixedlm"
        if fit.design.streamed is not None:
            return None, f"MixedLM was not asked: it takes all rows in memory, not those of {fit.design.streamed.name}."
        try:
            layout = mixedlm.lay_out(fit.design)
        except TranslationError as error:
            return None, f"MixedLM has no such model: {error}"
        if mixedlm.estimate_seconds(fit.design, layout) > AFFORDABLE_SECONDS:
            seconds = describe_seconds(mixedlm.estimate_fit_seconds(fit.design, layout))
            return None, f"MixedLM was not asked: its fit would take about {seconds}."
    try:
        return compare_beside(fit, [other]), ""
    except EngineError as error:
        return None, f"The {other} engine cannot fit the model: {error}"


def _is_text(item: str) -> bool:
    """Whether a string is a printed summary rather than the name of an engine."""
    return "\n" in item


def _is_model(item: Any) -> bool:
    """Whether an item is a declared model: it has a design, and is no fit."""
    return isinstance(getattr(item, "design", None), Design) and not isinstance(item, Fit)


def _fit_models(items: Sequence[Any], reml: bool) -> list[Any]:
    """Return the items with every model, and the engine names after it, replaced by its fits; warn of the fits."""
    sources: list[Any] = []
    asked: list[Asked] = []
    model: Any = None
    for k, item in enumerate(items):
        if _is_model(item):
            model = item
            if k + 1 < len(items) and isinstance(items[k + 1], str) and not _is_text(items[k + 1]):
                continue
            item = "auto"
        if isinstance(item, str) and _is_text(item):
            item = read_printout(item)
        elif isinstance(item, str):
            if model is None:
                raise DataError(f"the engine name {item!r} follows no model: write compare(model, {item!r}, ...)")
            asked.append((model.design, model.names, item))
            item = _TO_BE_MADE
        sources.append(item)
    made = iter(fit_all(asked, reml=reml))
    for i, source in enumerate(sources):
        if source is _TO_BE_MADE:
            sources[i], found = next(made)
            warn_of(found)
    return sources

"""Fits made of an engine's estimates and of MixedLM's results, with their warnings recorded."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from lmmtools import core
from lmmtools.audience import advice
from lmmtools.design.dropped import describe_lost_columns, describe_lost_rows
from lmmtools.design.facts import mean_weight, response_spread
from lmmtools.design.identification import check_identified, find_ambiguities
from lmmtools.design.remarks import remark_on_columns
from lmmtools.engines import choose_engine, load_engine
from lmmtools.errors import (
    AgreementWarning,
    BoundaryWarning,
    ConvergenceWarning,
    DataError,
    DroppedColumnsWarning,
    DroppedRowsWarning,
    EngineError,
    LmmWarning,
    ReproducedWarning,
    StructureWarning,
    warn_caller,
)
from lmmtools.fit.record import Fit, Prepared
from lmmtools.fit.second_look import describe_disagreement
from lmmtools.sentences import join_with_and

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TypeVar

    from lmmtools.design.matrices import Design
    from lmmtools.engines.estimate import Estimate
    from lmmtools.engines.mixedlm.reading import ReadDesign
    from lmmtools.fit.record import Names

    AnyFit = TypeVar("AnyFit", bound=Fit)

__all__ = ["Asked", "Finding", "fit_all", "make_fit", "read_mixedlm", "warn_of"]

Finding: TypeAlias = tuple[type[LmmWarning], str]
"""The class of a warning and its text."""
Asked: TypeAlias = "tuple[Design, Names, str]"
"""A design, what its data are called, and the engine to fit it with."""

# Where the residual standard deviation of an average row is below this share of the response's, an uncertified search
# has run towards a perfect fit.
REPRODUCED = 1e-5

# An expected decrease below this is rounding; the certificate then fails for another reason.
DECREASE_SHOWN = 1e-6

_UNPREPARED = Prepared()


def make_fit(
    kind: type[AnyFit],
    design: Design,
    names: Names,
    estimate: Estimate,
    seconds: float,
    prepared: Prepared = _UNPREPARED,
) -> tuple[AnyFit, list[Finding]]:
    """Return an estimate as a fit of a class, its findings among its ``warnings``, and the findings with their classes.

    Parameters
    ----------
    kind : type
        ``Fit`` or ``LMMResults``.
    design : Design
    names : Names
        What data, weights and offset are called.
    estimate : Estimate
        What the engine returned for the design.
    seconds : float
        Wall-clock time of the engine, used where the estimate has none of its own.
    prepared : Prepared
        What was computed before.
    """
    seconds = seconds if estimate.seconds is None else estimate.seconds
    fit = kind(design, estimate, names, seconds, prepared=prepared)
    found = find_findings(fit)
    texts = (*(text for _, text in found), *design.narrower_in_r, *estimate.messages)
    return replace(fit, warnings=tuple(dict.fromkeys(texts))), found


def fit_all(asked: Sequence[Asked], *, reml: bool) -> list[tuple[Fit, list[Finding]]]:
    """Return the fits asked for, each with its findings.

    Those by lme4 are made in one R process.

    Raises
    ------
    DataError, EngineError, TranslationError
        If the data do not identify a model, there is no such engine, or it cannot fit the model.
    """
    modules = [choose_engine(engine, design) for design, _, engine in asked]
    for design, _, _ in asked:
        check_identified(design, reml)
    by_lme4 = [design for design, _, engine in asked if engine == "lme4"]
    in_r = iter(load_engine("lme4").fit_several(by_lme4, reml=reml) if by_lme4 else ())
    made = []
    for (design, names, engine), module in zip(asked, modules, strict=True):
        started = time.perf_counter()
        prepared, options = _UNPREPARED, {}
        if design.is_streamed:  # what another pass would find again
            prepared = Prepared(core.prepare(design))
            options = {"problem": prepared.problem}
        estimate = next(in_r) if engine == "lme4" else module.fit(design, reml=reml, **options)
        if isinstance(estimate, EngineError):
            raise estimate
        made.append(make_fit(Fit, design, names, estimate, time.perf_counter() - started, prepared))
    return made


def read_mixedlm(result: Any) -> tuple[Fit, ReadDesign]:
    """Return a result of MixedLM as a fit, and the design as it was read; warn of what was found.

    Raises
    ------
    DataError, TranslationError, EngineError
        As :func:`lmmtools.from_mixedlm`.
    """
    from lmmtools.engines.mixedlm import reading

    if not hasattr(result, "cov_re_unscaled"):
        raise DataError(
            f"a result of statsmodels' MixedLM is expected, not {type(result).__name__}: give what its fit() returns"
        )
    model = reading.read_model(result)
    read = reading.as_design(result.model, model)
    problem = core.prepare(read.design)
    estimate = reading.as_estimate(result, read, problem)
    fit = Fit(read.design, estimate, remarks=model.remarks, prepared=Prepared(problem, result))
    found = find_findings(fit)
    found += [(StructureWarning, text) for text in model.remarks]
    warn_of(found)
    texts = (*(text for _, text in found), *estimate.messages)
    fit = replace(fit, warnings=tuple(dict.fromkeys(texts)), remarks=(*model.remarks, *estimate.messages))
    return fit, read


def warn_of(found: Iterable[Finding]) -> None:
    """Warn of findings; each warning points to the line outside lmmtools that asked for the fit."""
    for category, text in found:
        warn_caller(category, text)


def find_findings(result: Fit) -> list[Finding]:
    """Return what a fit must warn of: dropped rows and columns, ambiguous terms, boundary, doubts about the optimum."""
    found: list[Finding] = []
    dropped = result.design.dropped
    if dropped.n_rows:
        found.append((DroppedRowsWarning, describe_lost_rows(dropped)))
    if dropped.columns:
        found.append((DroppedColumnsWarning, describe_lost_columns(dropped)))
    found += [(StructureWarning, str(pair)) for pair in find_ambiguities(result.design)]
    found += [(StructureWarning, text) for text in remark_on_columns(result.design)]
    if result.is_singular:
        found.append((BoundaryWarning, result.boundary.sentence))
    found += _find_doubts(result)
    # After engine="auto" the second look itself warns, when somebody takes it.
    if result.estimate.agreement is not None:
        text = describe_disagreement(result.estimate, result.estimate.agreement)
        if text:
            found.append((AgreementWarning, text))
    return found


def _find_doubts(result: Fit) -> list[Finding]:
    """Return the warning that the optimum is not certified, with the reason; empty if it is."""
    c = result.certificate
    if not result.converged and (share := _residual_share(result)) < REPRODUCED:
        text = (
            f"the model reproduces the response: the residual standard deviation has fallen to {share:.1g} of the "
            "response's, and the criterion falls without end, so that there is no optimum to certify. Take terms out, "
            "or look whether the response is constant within the levels of a factor"
        )
        return [(ReproducedWarning, text)]
    if c.reproduced_by:
        terms = join_with_and([f"{result.design.blocks[k].term}" for k in c.reproduced_by])
        text = (
            f"the model reproduces the response: with large enough effects of {terms} no residual is left, and the "
            "criterion falls as their variances grow, without end or to a limit that it never reaches. These estimates "
            "are a local optimum at best, since there is no lowest value. Take terms out, or get more rows"
        )
        return [(ReproducedWarning, text)]
    if result.converged:
        return []
    if c.near_decrease is None:
        fall = "the criterion falls from here, and its derivatives do not tell how far"
    elif c.near_decrease > DECREASE_SHOWN:
        fall = f"the criterion may still fall by about {c.near_decrease:.2g}"
    else:
        fall = "a variance that was estimated as zero would lower the criterion if it were larger"
    details = advice("; fit.certificate has the numbers, and fit.confirm() lets MixedLM search", "")
    return [(ConvergenceWarning, f"the optimum is not certified: {fall}{details}")]


def _residual_share(result: Fit) -> float:
    """Return the residual standard deviation of an average row divided by the response's, whatever its unit."""
    design = result.design
    return float(result.sigma / np.sqrt(mean_weight(design)) / response_spread(design))

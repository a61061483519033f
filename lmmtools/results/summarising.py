"""From a result to the record that the report layer prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.dropped import name_causes
from lmmtools.design.remarks import remark_on_columns
from lmmtools.fit.second_look import describe_seconds
from lmmtools.inference.degrees import method_name
from lmmtools.inference.wald_tests import t_tests
from lmmtools.report.summary import SummaryData, summarise

if TYPE_CHECKING:
    from lmmtools.engines.estimate import Agreement
    from lmmtools.fit.record import Fit
    from lmmtools.report.summary import Summary

__all__ = ["notes", "summarise_results"]

ENGINE_NAMES = {"mixedlm": "statsmodels MixedLM", "pls": "lmmtools pls", "auto": "lmmtools pls", "lme4": "R's lme4"}
POSSESSIVES = {"mixedlm": "statsmodels'", "pls": "lmmtools'", "lme4": "lme4's", "least squares": "the least-squares"}
# Agreement is shown from 8 digits on (below that it is disagreement) and up to 10: what is beyond differs from one
# processor to the next.
MIN_DIGITS, MAX_DIGITS = 8, 10


def summarise_results(result: Fit, ddf: str | None = None) -> Summary:
    """Return the report of ``result`` in lme4's layout, with tests of its fixed effects if ``ddf`` names a method."""
    design = result.design
    tests = None if ddf is None else t_tests(result, None, ddf)
    data = SummaryData(
        formula=design.formula.source or str(design.formula),
        reml=result.reml,
        objective=result.objective,
        llf=result.llf,
        aic=result.aic,
        bic=result.bic,
        df_resid=result.df_resid,
        scaled_residuals=result.scaled_resid,
        varcorr=tuple(result.varcorr.rows()),
        nobs=result.nobs,
        ngroups=result.ngroups,
        names=design.x_names,
        estimates=result.estimate.beta,
        std_errors=np.sqrt(np.diag(result.estimate.beta_cov)) if tests is None else tests.std_error,
        cov=result.estimate.beta_cov,
        data_name=result.names.data,
        weights=result.names.weights,
        offset=result.names.offset,
        df=None if tests is None else tests.df,
        pvalues=None if tests is None else tests.p,
        method="" if tests is None else method_name(tests.ddf),
        notes=notes(result),
    )
    return summarise(data)


def notes(result: Fit) -> tuple[str, ...]:
    """Return the sentences under the report: boundary, what was dropped, engine and agreement."""
    dropped = result.design.dropped
    out = []
    if result.is_singular:
        out.append(f"boundary (singular) fit: {'; '.join(map(str, result.boundary))}")
    if not result.converged:
        out.append("NOT converged: the optimum is not certified (see fit.certificate)")
    if dropped.n_rows:
        out.append(f"{dropped.n_rows} of {dropped.n_input} rows left out for {name_causes(dropped)}")
    if dropped.columns:
        out.append(f"fixed-effects columns left out as linear combinations of others: {', '.join(dropped.columns)}")
    out += [f"{factor}: unused levels left out: {_some(levels)}" for factor, levels in dropped.levels.items() if levels]
    out += result.design.narrower_in_r
    out += remark_on_columns(result.design)
    out += result.remarks
    out += _engine(result)
    return tuple(out)


def _some(levels: tuple[str, ...], most: int = 6) -> str:
    shown = ", ".join(map(str, levels[:most]))
    return shown if len(levels) <= most else f"{shown} and {len(levels) - most} more"


def _engine(result: Fit) -> tuple[str, ...]:
    """Name the engine and the scope of its optimum, and say what a second one was asked and answered."""
    engine = f"engine: {ENGINE_NAMES.get(result.engine, result.engine)}"
    if result.converged:
        engine += f"; {result.certificate.scope} optimum"
    return tuple(filter(None, (engine, _second(result))))


def _second(result: Fit) -> str:
    second = result.second_look
    if second.agreement is not None:
        return _agreement(second.agreement, result.converged)
    if second.status == "no such model":
        return "statsmodels' MixedLM has no such model"
    if second.status == "too slow":
        seconds = describe_seconds(second.search_seconds)
        return f"statsmodels was not asked: fit.confirm() lets it search, about {seconds}"
    return second.why


def _agreement(agreement: Agreement, converged: bool) -> str:
    """Say to how many digits a second engine's criterion at the same parameters agrees."""
    whose = POSSESSIVES.get(agreement.engine, f"{agreement.engine}'")
    place = "at this optimum" if converged else "at these parameters"
    if not abs(agreement.difference) < 10.0**-MIN_DIGITS:
        return f"{whose} likelihood {place} disagrees: criterion {agreement.objective:.6f}"
    digits = MAX_DIGITS if agreement.difference == 0 else min(MAX_DIGITS, int(-np.log10(abs(agreement.difference))))
    return f"{whose} likelihood {place} agrees to {digits} digits"

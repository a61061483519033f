"""From a result to the record that the report layer prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.inference.degrees import method_name
from lmmtools.report.summary import SummaryData, summarise

if TYPE_CHECKING:
    from lmmtools.inference.contrasts import ContrastTests
    from lmmtools.report.summary import Summary
    from lmmtools.results.lmm_results import LMMResults

__all__ = ["notes", "summarise_results"]

ENGINE_NAMES = {"mixedlm": "statsmodels MixedLM", "pls": "lmmtools pls", "auto": "lmmtools pls", "lme4": "R's lme4"}
# Agreement is shown from 8 digits on (below that it is disagreement) and up to 10: what is beyond differs from one
# processor to the next.
MIN_DIGITS, MAX_DIGITS = 8, 10


def summarise_results(result: LMMResults, tests: ContrastTests | None = None) -> Summary:
    """Return the report of ``result`` in lme4's layout, with tests of its fixed effects if they are given."""
    design = result.design
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


def notes(result: LMMResults) -> tuple[str, ...]:
    """Return the sentences under the report: boundary, what was dropped, engine and agreement."""
    dropped = result.design.dropped
    out = []
    if result.is_singular:
        out.append(f"boundary (singular) fit: {'; '.join(map(str, result.boundary))}")
    if not result.converged:
        out.append("NOT converged: the optimum is not certified (see fit.certificate)")
    if dropped.n_rows:
        by = ", ".join(f"{name} {count}" for name, count in dropped.rows.items())
        out.append(f"{dropped.n_rows} of {dropped.n_input} rows left out for missing values ({by})")
    if dropped.columns:
        out.append(f"fixed-effects columns left out as linear combinations of others: {', '.join(dropped.columns)}")
    out += [f"{factor}: unused levels left out: {_some(levels)}" for factor, levels in dropped.levels.items() if levels]
    out += result.design.narrower_in_r
    out += result.remarks
    out.append(_engine(result))
    return tuple(out)


def _some(levels: tuple[str, ...], most: int = 6) -> str:
    shown = ", ".join(map(str, levels[:most]))
    return shown if len(levels) <= most else f"{shown} and {len(levels) - most} more"


def _engine(result: LMMResults) -> str:
    """Name the engine, and how many digits of its criterion a second one confirms."""
    text = f"engine: {ENGINE_NAMES.get(result.engine, result.engine)}"
    agreement = result.agreement
    if agreement is None:
        return text
    second = ENGINE_NAMES.get(agreement.engine, agreement.engine)
    if not abs(agreement.difference) < 10.0**-MIN_DIGITS:
        return f"{text}; {second} disagrees: its criterion is {agreement.objective:.6f}"
    digits = MAX_DIGITS if agreement.difference == 0 else min(MAX_DIGITS, int(-np.log10(abs(agreement.difference))))
    return f"{text}; {second} confirms the criterion to {digits} digits"

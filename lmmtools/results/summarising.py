"""The report of a fit: its numbers as the report layer takes them, and the sentences under them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.audience import advice
from lmmtools.design.dropped import describe_lost_columns, describe_lost_rows, list_unused_levels
from lmmtools.design.remarks import remark_on_columns
from lmmtools.fit.second_look import describe_seconds
from lmmtools.inference.degrees import degrees, method_name, read_method
from lmmtools.inference.robust import Robust
from lmmtools.inference.wald_tests import t_tests
from lmmtools.report.summary import SummaryData, summarise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.engines.estimate import Agreement
    from lmmtools.fit.record import Fit
    from lmmtools.inference.wald_tests import ContrastTests
    from lmmtools.report.summary import Summary
    from lmmtools.results.stored_fit import StoredFit

__all__ = ["report_notes", "summarise_numbers", "summarise_results"]

ENGINE_NAMES = {"mixedlm": "statsmodels MixedLM", "pls": "lmmtools pls", "auto": "lmmtools pls", "lme4": "R's lme4"}
POSSESSIVES = {"mixedlm": "statsmodels'", "pls": "lmmtools'", "lme4": "lme4's", "least squares": "the least-squares"}
# Agreement is counted from 8 digits, below which two criteria disagree, to 10: further digits differ between
# processors.
MIN_DIGITS, MAX_DIGITS = 8, 10


def summarise_results(fit: Fit, ddf: str | None = None, cov: str | None = None, cluster: Any = None) -> Summary:
    """Return the report of a fit in lme4's layout, with tests of its fixed effects if ``ddf`` or ``cov`` is given."""
    if cov is not None or cluster is not None:
        ddf = ddf or "satterthwaite"
    method = None if ddf is None else read_method(ddf, cov, cluster)
    return summarise_numbers(
        fit,
        formula=fit.design.formula.source or str(fit.design.formula),
        x_names=fit.design.x_names,
        beta=fit.estimate.beta,
        beta_cov=degrees(fit, method).cov if isinstance(method, Robust) else fit.estimate.beta_cov,
        scaled_residuals=fit.residual_quantiles,
        notes=report_notes(fit),
        tests=None if method is None else t_tests(fit, None, method),
    )


def summarise_numbers(
    numbers: Fit | StoredFit,
    *,
    formula: str,
    x_names: tuple[str, ...],
    beta: NDArray[np.float64],
    beta_cov: NDArray[np.float64],
    scaled_residuals: NDArray[np.float64],
    notes: tuple[str, ...],
    tests: ContrastTests | None = None,
) -> Summary:
    """Return the report of what a fit and a stored fit share, and of what each holds in its own way.

    Parameters
    ----------
    numbers : Fit or StoredFit
    formula : str
        The model as lme4 writes it.
    x_names, beta, beta_cov
        Names, shape (p,) estimates and shape (p, p) covariance of the fixed effects.
    scaled_residuals : ndarray
        The residuals, or their five quantiles: both have the same quantiles.
    notes : tuple of str
        Sentences under the report.
    tests : ContrastTests, optional
        Tests of the fixed effects, with degrees of freedom and p-values.
    """
    return summarise(
        SummaryData(
            formula=formula,
            reml=numbers.reml,
            objective=numbers.objective,
            llf=numbers.llf,
            aic=numbers.aic,
            bic=numbers.bic,
            df_resid=numbers.df_resid,
            scaled_residuals=scaled_residuals,
            varcorr=tuple(numbers.varcorr.rows()),
            nobs=numbers.nobs,
            ngroups=numbers.ngroups,
            names=x_names,
            estimates=beta,
            std_errors=np.sqrt(np.diag(beta_cov)) if tests is None else tests.std_error,
            cov=beta_cov,
            data_name=numbers.names.data,
            weights=numbers.names.weights,
            offset=numbers.names.offset,
            df=None if tests is None else tests.df,
            pvalues=None if tests is None else tests.p,
            method="" if tests is None else method_name(tests.ddf),
            notes=notes,
        )
    )


def report_notes(result: Fit) -> tuple[str, ...]:
    """Return the sentences under the report: boundary, what was dropped, engine and agreement."""
    dropped = result.design.dropped
    out = []
    if result.is_singular:
        out.append(result.boundary.sentence)
    if not result.converged:
        out.append("NOT converged: the optimum is not certified (see fit.certificate)")
    if dropped.n_rows:
        out.append(describe_lost_rows(dropped))
    if dropped.columns:
        out.append(describe_lost_columns(dropped))
    for factor, levels in dropped.levels.items():
        if levels:
            out.append(f"{factor}: unused levels left out: {list_unused_levels(levels)}")
    out += result.design.narrower_in_r
    out += remark_on_columns(result.design)
    out += result.remarks
    if result.design.is_streamed:
        python = "rows are read in batches when they are needed; fit.needs_rows names what reads them again"
        out.append(advice(python, "rows were read in batches"))
    elif result.names.given.source is not None:
        out.append(f"all rows of {result.names.given.source.name} were read into memory")
    out += _describe_engine(result)
    return tuple(out)


def _describe_engine(result: Fit) -> tuple[str, ...]:
    """Return the engine with the scope of its optimum, and what a second engine found."""
    engine = f"engine: {ENGINE_NAMES.get(result.engine, result.engine)}"
    if result.converged:
        engine += f"; {result.certificate.scope} optimum"
    return tuple(filter(None, (engine, _describe_second_look(result))))


def _describe_second_look(result: Fit) -> str:
    """Return how far a second engine's likelihood agrees, or why none was evaluated; "" where none was wanted."""
    second = result.second_look
    if second.agreement is not None:
        return _describe_agreement(second.agreement, result.converged)
    if second.status == "no such model":
        return "statsmodels' MixedLM has no such model"
    if second.status == "too slow":
        seconds = describe_seconds(second.search_seconds)
        return f"statsmodels was not asked: fit.confirm() lets it search, about {seconds}"
    return second.why


def _describe_agreement(agreement: Agreement, converged: bool) -> str:
    """Return to how many digits a second engine's criterion at the same parameters agrees."""
    whose = POSSESSIVES.get(agreement.engine, f"{agreement.engine}'")
    place = "at this optimum" if converged else "at these parameters"
    if not abs(agreement.difference) < 10.0**-MIN_DIGITS:
        return f"{whose} likelihood {place} disagrees: criterion {agreement.objective:.6f}"
    digits = MAX_DIGITS if agreement.difference == 0 else min(MAX_DIGITS, int(-np.log10(abs(agreement.difference))))
    return f"{whose} likelihood {place} agrees to {digits} digits"

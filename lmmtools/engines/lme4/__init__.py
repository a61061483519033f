"""R's lme4 as an engine: Designs in, Estimates out, one Rscript process in between.

The data go out as bytes and the results come back as JSON; no text reaches R's evaluator.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmmtools import core
from lmmtools.engines import pls
from lmmtools.engines.estimate import Agreement, Estimate, describe_shortfall
from lmmtools.engines.lme4.exchange import Job, LmerFit, RVersions, read_results, write_jobs
from lmmtools.engines.lme4.options import read_control, read_start, read_timeout
from lmmtools.engines.lme4.process import find_rscript, run_script
from lmmtools.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike

    from lmmtools.design.matrices import Design


__all__ = ["TIMEOUT", "RVersions", "describe_r", "fit", "fit_several"]

TIMEOUT = 600.0
"""Seconds that a run may take by default: lme4 fits the largest of our data sets in a few."""


def fit(
    design: Design,
    *,
    reml: bool = True,
    timeout: float | None = TIMEOUT,
    optimizer: str = "nloptwrap",
    control: Mapping[str, Any] | None = None,
    start: ArrayLike | None = None,
    callback: Callable[..., Any] | None = None,
) -> Estimate:
    """Return the estimate of lme4's ``lmer()``, run in a process of its own.

    The numbers are lme4's. The certificate is exact: it comes from the criterion's gradient at lme4's theta, as the pls
    engine computes it, and ``agreement`` says how close that engine's criterion at the same theta is. R's warnings and
    messages are among the estimate's ``messages``, and so is how far lme4 stopped above the optimum, if it did.

    Parameters
    ----------
    design : Design
    reml : bool
        REML criterion, else maximum likelihood.
    timeout : float or None
        Seconds that R may take; None for no limit.
    optimizer : str
        ``"nloptwrap"`` (lme4's default), ``"bobyqa"``, ``"Nelder_Mead"`` or ``"nlminbwrap"``.
    control : mapping, optional
        The optimiser's settings and some of lmerControl's: see :func:`lmmtools.engines.lme4.options.read_control`.
    start : array_like, shape (k,), optional
        theta to start from.
    callback : callable, optional
        Never called: R does not report its evaluations. A message says so.

    Raises
    ------
    EngineError
        If there is no R or no lme4 (the message says how to install it), R fails, takes too long, or refuses the model.
    """
    job = Job(design, reml, read_control(optimizer, control), read_start(start, design.k))
    outcome = _run([job], timeout)[1][0]
    if isinstance(outcome, EngineError):
        raise outcome
    silence = () if callback is None else ("lme4 does not report its evaluations: no progress was shown",)
    return _as_estimate(outcome, job, silence)


def fit_several(
    designs: Sequence[Design],
    *,
    reml: bool | Sequence[bool] = True,
    timeout: float | None = TIMEOUT,
    optimizer: str = "nloptwrap",
    control: Mapping[str, Any] | None = None,
) -> tuple[Estimate | EngineError, ...]:
    """Return the estimates of many designs from one R process; an EngineError stands for each that lme4 refuses.

    Parameters
    ----------
    designs : sequence of Design
    reml : bool or sequence of bool
        One for all, or one for each.
    timeout, optimizer, control
        As in :func:`fit`; the time limit is for all together.

    Raises
    ------
    EngineError
        If R as a whole is missing, fails, or takes too long.
    """
    criteria = [reml] * len(designs) if isinstance(reml, bool) else list(reml)
    if len(criteria) != len(designs):
        raise EngineError(f"reml has {len(criteria)} values for {len(designs)} designs; give one for each, or one")
    if not designs:
        return ()
    settings = read_control(optimizer, control)
    jobs = [Job(design, is_reml, settings) for design, is_reml in zip(designs, criteria, strict=True)]
    outcomes = _run(jobs, timeout)[1]
    return tuple(
        outcome if isinstance(outcome, EngineError) else _as_estimate(outcome, job)
        for outcome, job in zip(outcomes, jobs, strict=True)
    )


def describe_r(timeout: float | None = TIMEOUT) -> RVersions:
    """Return which R and which versions of lme4, lmerTest and pbkrtest there are.

    Raises
    ------
    EngineError
        If there is no R or no lme4, or R fails.
    """
    return _run([], timeout)[0]


def _run(jobs: Sequence[Job], timeout: float | None) -> tuple[RVersions, list[LmerFit | EngineError]]:
    """Return R's versions and the jobs' fits from one R process; the exchanged files are deleted afterwards."""
    limit = read_timeout(timeout)
    for job in jobs:
        _check_expressible(job.design)
    program = find_rscript()
    with tempfile.TemporaryDirectory(prefix="lmmtools-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        write_jobs(jobs, folder)
        finished = run_script(program, folder, limit)
        return read_results(jobs, folder, finished, program)


def _check_expressible(design: Design) -> None:
    """Raise an EngineError for a model that lmer() cannot express."""
    if not design.blocks:
        raise EngineError("lme4's lmer() needs at least one random-effects term; this model has none.")
    if design.shared:
        raise EngineError(
            "This model has one variance for several terms, as MixedLM's components of several columns have; lme4 "
            "cannot tie variances together."
        )


def _as_estimate(found: LmerFit, job: Job, messages: tuple[str, ...] = ()) -> Estimate:
    """Return lme4's fit with the certificate of its theta."""
    problem = core.prepare(job.design)
    at = core.evaluate(problem, found.theta, job.reml, gradient=False).objective
    certificate = core.certify(problem, found.theta, job.reml)
    said = tuple(f"lme4: {text}" for text in found.said)
    if not certificate.holds:
        said += _describe_shortfall(problem, found, job.reml)
    return Estimate(
        "lme4",
        job.reml,
        found.theta,
        found.beta,
        found.beta_cov,
        found.sigma,
        found.objective,
        found.modes,
        certificate,
        found.n_evaluations,
        (*said, *messages),
        Agreement.between("pls", at, found.objective),
        found.seconds,
    )


def _describe_shortfall(problem: core.Problem, found: LmerFit, reml: bool) -> tuple[str, ...]:
    """Return how far above the certified optimum lme4 stopped, where that is worth a sentence."""
    try:
        best = pls.fit_problem(problem, reml=reml)
    except EngineError:
        return ()
    if best.certificate is None or not best.certificate.holds:
        return ()
    return tuple(filter(None, [describe_shortfall("lme4", found.objective, best.objective)]))

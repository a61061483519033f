"""The package's own engine: lme4's criterion by penalised least squares, searched with its exact derivatives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lmmtools.core import (
    Known,
    Optimum,
    Options,
    Progress,
    evaluate,
    optimize,
    optimize_again,
    prepare,
    recover_optimum,
    with_reproduction,
)
from lmmtools.engines.estimate import Estimate
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from lmmtools.core import Problem
    from lmmtools.design.matrices import Design

    Floats = NDArray[np.float64]

__all__ = ["MAX_ITER", "TOL", "Progress", "evaluate", "fit", "fit_problem", "refit_problem"]

MAX_ITER = 200
"""Evaluations of the criterion allowed in one search."""

TOL = 1e-18
"""Expected decrease of the criterion at which a search stops."""


@single
def fit(
    design: Design,
    *,
    reml: bool = True,
    start: Floats | None = None,
    max_iter: int = MAX_ITER,
    tol: float = TOL,
    callback: Callable[[Progress], Any] | None = None,
    problem: Problem | None = None,
) -> Estimate:
    """Return the fit of a design by penalised least squares.

    Parameters
    ----------
    design : Design
    reml : bool
        REML criterion, else maximum likelihood.
    start : array_like, shape (k,), optional
        theta to start from; by default moments.
    max_iter : int
        Evaluations of the criterion allowed in one search.
    tol : float
        Expected decrease of the criterion at which to stop.
    callback : callable, optional
        Called with a :class:`~lmmtools.core.Progress` after every evaluation; returning True stops.
    problem : Problem, optional
        The design's cross-products, where they were made before.

    Raises
    ------
    EngineError
        If the model cannot be fitted to working precision; the message says what to change.
    """
    problem = prepare(design) if problem is None else problem
    optimum = optimize(problem, reml, start, Options(max_iter, tol, callback))
    return _estimate(problem, with_reproduction(problem, optimum))


@single
def fit_problem(
    problem: Problem, *, reml: bool = True, start: Floats | None = None, options: Options | None = None
) -> Estimate:
    """Return the fit of a prepared problem."""
    return _estimate(problem, optimize(problem, reml, start, options))


@single
def refit_problem(problem: Problem, known: Known) -> Estimate:
    """Return the fit of another response, or of some of the rows, searched from the optimum that is known."""
    return _estimate(problem, optimize_again(problem, known))


def _estimate(problem: Problem, optimum: Optimum) -> Estimate:
    """Return the estimate at an optimum."""
    r = recover_optimum(problem, optimum)
    return Estimate(
        "pls",
        r.reml,
        r.theta,
        r.beta,
        r.beta_cov,
        r.sigma,
        r.objective,
        r.modes,
        optimum.certificate,
        optimum.n_evaluations,
        optimum.messages,
    )

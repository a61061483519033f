"""The engine: a Design in, an Estimate out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.theta import upper_triangle
from lmmtools.engines.estimate import Certificate, Estimate
from lmmtools.engines.pls.certificate import certify_model
from lmmtools.engines.pls.competing import competing_starts
from lmmtools.engines.pls.objective import State, evaluate_state
from lmmtools.engines.pls.optimize import Descent, Options, descend
from lmmtools.engines.pls.problem import Problem, prepare
from lmmtools.engines.pls.recover import recover_state
from lmmtools.engines.pls.shared import refuse_shared
from lmmtools.engines.pls.start import joint_lambdas, starting_lambdas, unit_lambdas
from lmmtools.engines.pls.traces import DENSE_Q
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from lmmtools.design.record import Design
    from lmmtools.engines.pls.optimize import Progress

    Floats = NDArray[np.float64]

__all__ = ["Optimum", "fit", "fit_problem", "optimize"]

RESTARTS = (0.01, 10.0, 0.1)
"""Where else to start, as multiples of the first start's variances, when a certificate fails."""


LONG = 8
"""A search of more evaluations than this has crossed ground where the criterion is not convex, and another optimum may
be near; while a second search is cheap it is worth having."""

SMALL_Q = 160
"""Up to this many random effects a fit on the boundary is worth two more searches, since there may be an optimum inside
as well: that is a matter of few data."""

FLAT = 1e-5
"""With less curvature than this the parameters are not all identified, and other optima are common."""


@dataclass(frozen=True, slots=True, eq=False)
class Optimum:
    """The end of an optimisation.

    Attributes
    ----------
    theta : ndarray, shape (k,)
        On the data's scale.
    objective : float
    certificate : Certificate
    n_evaluations : int
        Of the criterion, searches from elsewhere counted, the certificate's differences left out.
    messages : tuple of str
    converged : bool
        Whether the certificate holds.
    state : State
        The evaluated optimum, in the engine's coordinates.
    """

    theta: Floats
    objective: float
    certificate: Certificate
    n_evaluations: int
    messages: tuple[str, ...]
    converged: bool
    state: State


@single
def optimize(
    problem: Problem, reml: bool = True, start: Floats | None = None, options: Options | None = None
) -> Optimum:
    """Minimise the criterion and prove the minimum; restart from elsewhere if the proof fails.

    Parameters
    ----------
    problem : Problem
    reml : bool
    start : array_like, shape (k,), optional
        theta to start from; by default moments.
    options : Options, optional

    Raises
    ------
    EngineError
        If the criterion cannot be evaluated at the start, or blocks share a variance.
    """
    refuse_shared(problem.design, "refit")
    options = Options() if options is None else options
    first = None if start is None else problem.to_lambdas(start)
    best = descend(problem, reml, first, options)
    certificate = certify_model(problem, best.model, best.curvature)
    count = best.n_evaluations
    messages = [best.message]
    for name, again, is_last in _elsewhere(problem, best, certificate, is_first=start is None):
        if best.interrupted or count >= options.max_iter:
            break
        other = descend(problem, reml, again, options)
        proof = certify_model(problem, other.model, other.curvature)
        count += other.n_evaluations
        slack = 1e-9 * max(1.0, abs(best.model.objective))
        gain = best.model.objective - other.model.objective
        if gain > slack or (gain > -slack and proof.holds and not certificate.holds):
            best, certificate = other, proof
            messages = [f"found in a search from {name}", other.message]
        elif other.interrupted:
            messages.append(f"{other.message} in a search from {name}")
        is_sure = certificate.holds and certificate.min_curvature >= FLAT and gain <= slack
        if other.interrupted or (is_sure and is_last):
            break
    if not certificate.holds and not best.interrupted:
        messages.append("the certificate does not hold: this may not be the optimum")
    state = _settle(problem, best.model.state)
    return Optimum(
        problem.to_theta(state.lambdas),
        state.objective,
        certificate,
        count,
        tuple(filter(None, messages)),
        certificate.holds,
        state,
    )


def _settle(problem: Problem, state: State) -> State:
    """Return the optimum at which effects that X spans have no variance, of those with the same REML criterion."""
    if not state.reml or all(span is None or span.is_all for span in problem.spanned):
        return state
    lambdas = [
        lam if span is None else span.without @ lam for lam, span in zip(state.lambdas, problem.spanned, strict=True)
    ]
    return evaluate_state(problem, lambdas, True)


def _elsewhere(
    problem: Problem, best: Descent, certificate: Certificate, *, is_first: bool
) -> Iterator[tuple[str, tuple[Floats, ...], bool]]:
    """Yield other starts, where one search is not to be trusted, and whether one that finds nothing new settles it."""
    q = problem.structure.q
    is_at_boundary = bool(certificate.null_spaces) and q <= SMALL_Q
    if is_first:
        for name, start in competing_starts(problem, problem.to_theta(best.model.state.lambdas)):
            yield name, start, False
        joint = joint_lambdas(problem)
        if joint is not None:
            yield "the variances of correlated effects", joint, False
        if is_at_boundary:
            yield "variances of a middling size", unit_lambdas(problem), False
    doubtful = not certificate.holds or certificate.min_curvature < FLAT
    is_cheap = is_first and q <= DENSE_Q
    # Of one variance the start before was enough: what lies between it and zero has been crossed.
    is_hard = (is_at_boundary and problem.design.k > 1) or best.n_evaluations > LONG
    if doubtful or (is_cheap and is_hard):
        identity = np.concatenate([np.eye(b.l)[upper_triangle(b.l)] for b in problem.design.blocks])
        yield "theta of the identity", problem.to_lambdas(identity), True
    if doubtful:
        for factor in RESTARTS:
            start = tuple(lam * np.sqrt(factor) for lam in starting_lambdas(problem))
            yield f"{factor:g} times the starting variances", start, True


@single
def fit_problem(
    problem: Problem, *, reml: bool = True, start: Floats | None = None, options: Options | None = None
) -> Estimate:
    """Fit a prepared problem (for a refit: ``problem.with_response(y)``)."""
    optimum = optimize(problem, reml, start, options)
    r = recover_state(problem, optimum.state, optimum.theta)
    return Estimate(
        "pls",
        reml,
        optimum.theta,
        r.beta,
        r.beta_cov,
        r.sigma,
        optimum.objective,
        r.modes,
        optimum.certificate,
        optimum.n_evaluations,
        optimum.messages,
    )


@single
def fit(
    design: Design,
    *,
    reml: bool = True,
    start: Floats | None = None,
    max_iter: int = 200,
    tol: float = 1e-18,
    callback: Callable[[Progress], Any] | None = None,
) -> Estimate:
    """Fit a design by penalised least squares.

    Parameters
    ----------
    design : Design
    reml : bool
        REML criterion, else maximum likelihood.
    start : array_like, shape (k,), optional
        theta to start from; by default moments.
    max_iter : int
        Evaluations of the criterion allowed.
    tol : float
        Expected decrease of the criterion at which to stop.
    callback : callable, optional
        Called with a :class:`~lmmtools.engines.pls.Progress` after every evaluation; returning True stops.

    Raises
    ------
    EngineError
        If the model cannot be fitted to working precision; the message says what to change.
    """
    return fit_problem(prepare(design), reml=reml, start=start, options=Options(max_iter, tol, callback))

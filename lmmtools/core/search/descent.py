"""One search for a minimum of the criterion: Newton's method under bounds.

Each iteration minimises the quadratic model over the free parameters (a variance at zero is not free while its
derivative is not negative), shortens the step to the region where the model can be trusted, and accepts it if the
criterion falls. The Hessian is the exact one where it is cheap and positive definite, else the average information. The
search stops when the expected decrease, half the Newton decrement, is below ``Options.tol``, or below the rounding
error of the criterion where the Hessian is not exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.core import kernels
from lmmtools.core.search import parameters
from lmmtools.core.search.curvature import LocalModel, Shared, evaluate_local, local_model
from lmmtools.core.search.objective import State, evaluate_state, rounding_of
from lmmtools.core.search.secants import corrected, error_after
from lmmtools.core.search.start import starting_lambdas
from lmmtools.errors import EngineError
from lmmtools.threads import given_back

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem

    Floats = NDArray[np.float64]

__all__ = ["Descent", "Options", "Progress", "descend"]

EXACT_SHARE = 1e-7
"""Expected decrease, as a share of the criterion's rounding error, at which a search with exact derivatives stops: with
millions of rows the rounding errors of derivatives alone make an expected decrease of 1e-18."""

UNFOUND = 1e-6
"""Expected decrease that is reported where it was not found; less changes no estimate visibly."""

LARGEST_START = 1e6
"""Largest relative standard deviation of a start, in units of c**-1/2; larger starts are scaled down."""

ZERO_COLUMN = 1e-5
"""A column c of lambda with c'Tc below this, T the derivative of log|V|, is set to zero if the criterion allows."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a callback gets after every evaluation.

    Attributes
    ----------
    n_evaluations : int
    objective : float
        The criterion.
    gradient_norm : float
        Largest absolute derivative over the free parameters, in the engine's units.
    """

    n_evaluations: int
    objective: float
    gradient_norm: float


@dataclass(frozen=True, slots=True)
class Options:
    """Limits of a search, and its callback.

    Attributes
    ----------
    max_iter : int
        Evaluations of the criterion allowed.
    tol : float
        Expected decrease of the criterion at which to stop, absolute; never below a share of the criterion's rounding
        error, by which a large criterion is known less exactly.
    callback : callable, optional
        Called with a :class:`Progress` after every evaluation; returning True stops the optimisation.
    shared : Shared, optional
        What all responses share at a theta nearby; by default the search starts there.
    finish : float
        Expected decrease at which, where the Hessian is not exact, one more step ends the search; its end is evaluated
        without derivatives.
    """

    max_iter: int = 200
    tol: float = 1e-18
    callback: Callable[[Progress], object] | None = None
    finish: float = 0.0
    shared: Shared | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Descent:
    """The end of one search.

    Attributes
    ----------
    model : LocalModel
        The best point, with the derivatives there.
    n_evaluations : int
    message : str
        Why it stopped; empty where the expected decrease is within the tolerance.
    interrupted : bool
        Whether the user stopped it.
    finish : State or None
        The end of a last step that was evaluated without derivatives.
    """

    model: LocalModel
    n_evaluations: int
    message: str
    interrupted: bool = False
    finish: State | None = None

    @property
    def end(self) -> State:
        """The last point, evaluated."""
        return self.model.state if self.finish is None else self.finish


def descend(problem: Problem, reml: bool, start: Sequence[Floats] | None, options: Options) -> Descent:
    """Return the end of one search from ``start``.

    Parameters
    ----------
    problem : Problem
    reml : bool
    start : sequence of ndarray, each (l, l), or None
        A root of Sigma per block in the engine's coordinates; by default moments.
    options : Options

    Raises
    ------
    EngineError
        If the criterion cannot be evaluated at the start.
    """
    terms = problem.covariances
    bounded = parameters.bounded(terms)
    shared = options.shared
    if start is None and shared is not None:
        point = shared.model(problem)
    else:
        point = _evaluate_start(problem, starting_lambdas(problem) if start is None else start, reml)
    count, last, stalls = 1, np.inf, 0
    # Of scalar terms, which alone share, phi is in one frame at all points.
    error = np.zeros_like(point.average)
    message, interrupted = "", False
    finish: State | None = None
    try:
        while True:
            if _report_progress(options, count, point, bounded):
                message, interrupted = "stopped by the callback", True
                break
            B = point.average if shared is None else corrected(point.average, error)
            is_exact, step, expected = kernels.newton.step(point.phi, point.g, point.exact, B, bounded)
            rounding = rounding_of(problem, point.state)
            stalls = stalls + 1 if expected <= rounding and expected > 0.25 * last else 0
            if expected <= max(options.tol, (EXACT_SHARE if is_exact else 1.0) * rounding) or stalls > 1:
                break
            if count >= options.max_iter:
                message = f"max_iter={options.max_iter} evaluations reached; another {expected:.2g} is expected"
                break
            last = expected
            share = float(parameters.step_limit(terms, point.phi, step))
            trial, used = _search_along(problem, point, step, bounded, share)
            count += used
            if trial is None:
                if expected > UNFOUND:
                    message = f"no lower value of the criterion was found, where {expected:.2g} was expected"
                break
            if not is_exact and expected <= options.finish:
                finish = trial
                break
            old, point = point, local_model(problem, trial, shared=shared)
            if shared is not None:
                error = error_after(error, old, point)
        point, used = _drop_vanished_columns(problem, point)
        count += used
    except KeyboardInterrupt:
        message, interrupted = f"interrupted by the user after {count} evaluations", True
    return Descent(point, count, message, interrupted, finish)


def _evaluate_start(problem: Problem, start: Sequence[Floats], reml: bool) -> LocalModel:
    """Return the evaluated start, scaled down until the criterion can be evaluated.

    Variances of effects that X spans are set to zero.
    """
    start = problem.away_from_x(start)
    # Rounding errors of the gradient grow with the variance: far out they hide its sign.
    largest = max(float(np.abs(lam).max()) * np.sqrt(c) for lam, c in zip(start, problem.units, strict=True))
    shrink = min(1.0, LARGEST_START / largest) if largest > 0 else 1.0
    while True:
        try:
            return evaluate_local(problem, tuple(lam * shrink for lam in start), reml)
        except EngineError:
            shrink *= 0.1
            if shrink < 1e-12:
                raise


def _report_progress(options: Options, count: int, point: LocalModel, bounded: NDArray[np.bool_]) -> bool:
    """Tell the callback, if there is one, and return whether it wants the search to stop."""
    if options.callback is None:
        return False
    free = ~(bounded & (point.phi == 0) & (point.g >= 0))
    norm = float(np.abs(point.g[free]).max(initial=0.0))
    with given_back():
        return options.callback(Progress(count, point.objective, norm)) is True


def _search_along(
    problem: Problem, point: LocalModel, step: Floats, bounded: NDArray[np.bool_], share: float
) -> tuple[State | None, int]:
    """Return a point along the step, at ``share`` of it or less, at which the criterion falls enough.

    Returns
    -------
    found : State or None
    used : int
        Evaluations.
    """
    objective = point.objective
    noise = 8 * rounding_of(problem, point.state)
    for used in range(1, 40):
        phi = point.phi + share * step
        phi[bounded] = np.maximum(phi[bounded], 0.0)
        slope = float(point.g @ (phi - point.phi))
        try:
            state = evaluate_state(problem, parameters.unpack(problem.covariances, phi, point.frames), point.state.reml)
        except EngineError:
            share *= 0.1
            continue
        fall = objective - state.objective
        if fall >= -1e-4 * slope - (noise if -slope < 1e3 * noise else 0.0):
            return state, used
        # The minimum of the parabola through both values and the slope, between a tenth and a half of the step.
        curve = 2.0 * (-fall - slope)
        share *= min(0.5, max(0.1, -slope / curve)) if curve > 0 else 0.5
        if share * abs(slope) < 1e-3 * noise:
            break
    return None, used


def _drop_vanished_columns(problem: Problem, point: LocalModel) -> tuple[LocalModel, int]:
    """Return the point with nearly zero columns of lambda at zero, if the criterion is no higher; and evaluations."""
    if max(problem.widths) == 1:
        return point, 0
    lambdas, changed = list(point.state.lambdas), False
    for k, (lam, T) in enumerate(zip(lambdas, point.d.T, strict=True)):
        is_small = (lam * (T @ lam)).sum(axis=0) < ZERO_COLUMN
        if len(lam) > 1 and is_small.any() and lam[:, is_small].any():
            lambdas[k] = np.where(is_small, 0.0, lam)
            changed = True
    if not changed:
        return point, 0
    state = evaluate_state(problem, tuple(lambdas), point.state.reml)
    if state.objective > point.objective + 8 * rounding_of(problem, point.state):
        return point, 1
    return local_model(problem, state), 1

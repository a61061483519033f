"""Minimise the criterion: Newton's method with bounds on the average-information curvature.

Each iteration solves the quadratic model over the parameters that are free (a variance at zero is not, while its
derivative is not negative), shortens the step if it leaves the region where the model can be trusted, and takes it if
the criterion falls. Curvature that the average information misses is learnt from the change of the gradient (a
symmetric rank-one update). The iteration stops when the decrease that the model expects, half the Newton decrement,
is below ``Options.tol`` of the criterion's own rounding error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.engines.pls import parameters
from lmmtools.engines.pls.curvature import curvature
from lmmtools.engines.pls.objective import Derivatives, State, derivatives, evaluate_state
from lmmtools.engines.pls.start import starting_lambdas
from lmmtools.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from lmmtools.engines.pls.problem import Problem

    Floats = NDArray[np.float64]

__all__ = ["Descent", "Options", "Progress", "descend"]

ROUNDING = 4e-16
"""Relative rounding error of the criterion, a few units in the last place."""

MAX_GROWTH = 6.0
"""A step multiplies the variances of a vector-valued term by no more than this: far from the optimum the model has the
right sign but not the right size."""

LOG_GROWTH = 6.0
"""The same for a scalar term, on the scale of its logarithm, where the criterion is close to convex."""

WEAKEST = 1e-6
"""The exact Hessian is used where its smallest eigenvalue (unit diagonal) exceeds this; elsewhere the average
information, which is never indefinite, gives the better direction."""

EIGEN_FLOOR = 1e-9
"""Smallest curvature that the scaled model is given."""

ZERO_COLUMN = 1e-5
"""A column of lambda that contributes less than this, a sum of relative information over levels, is tried at zero."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a callback is told after every evaluation.

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
    """How to optimise.

    Attributes
    ----------
    max_iter : int
        Evaluations of the criterion allowed.
    tol : float
        Expected decrease of the criterion at which to stop, absolute; never below the criterion's rounding error.
    callback : callable, optional
        Called with a :class:`Progress` after every evaluation; returning True stops the optimisation.
    """

    max_iter: int = 200
    tol: float = 1e-18
    callback: Callable[[Progress], object] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Descent:
    """Where an optimisation ended.

    Attributes
    ----------
    state : State
        The best point.
    derivatives : Derivatives
        There.
    curvature : ndarray, shape (k, k)
        The model's Hessian there.
    n_evaluations : int
    converged : bool
        Whether the stopping rule was met.
    message : str
        Why it stopped.
    interrupted : bool
        Whether the user stopped it.
    """

    state: State
    derivatives: Derivatives
    curvature: Floats
    n_evaluations: int
    converged: bool
    message: str
    interrupted: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Point:
    """One iterate: phi in its own frame, and everything known there."""

    phi: Floats
    frames: tuple[Floats, ...]
    state: State
    d: Derivatives
    g: Floats
    B: Floats
    is_exact: bool


def descend(problem: Problem, reml: bool, start: Sequence[Floats] | None, options: Options) -> Descent:
    """Minimise from ``start`` and say where it ended.

    Parameters
    ----------
    problem : Problem
    reml : bool
    start : sequence of ndarray, each (l, l), or None
        A factor of Sigma per block in the engine's coordinates; by default moments.
    options : Options

    Raises
    ------
    EngineError
        If the criterion cannot be evaluated at the start.
    """
    bounded = parameters.bounded(problem.widths)
    point = _first_point(problem, starting_lambdas(problem) if start is None else start, reml)
    secant = np.zeros_like(point.B)
    count, last, stalls = 1, np.inf, 0
    message, converged, interrupted = "", False, False
    try:
        while True:
            free = ~(bounded & (point.phi == 0) & (point.g >= 0))
            if _tell(options, count, point, free):
                message, interrupted = "stopped by the callback", True
                break
            step, expected = newton_step(
                point.phi, point.g, point.B if point.is_exact else point.B + secant, bounded, free
            )
            rounding = ROUNDING * max(1.0, abs(point.state.objective))
            stalls = stalls + 1 if expected <= rounding and expected > 0.25 * last else 0
            if expected <= (options.tol if point.is_exact else max(options.tol, 0.25 * rounding)) or stalls > 1:
                message, converged = "the expected decrease is within the tolerance", True
                break
            if count >= options.max_iter:
                message = f"max_iter={options.max_iter} evaluations reached; another {expected:.2g} is expected"
                break
            last = expected
            trial, used = _search(problem, point, step, bounded, _step_limit(problem, point.phi, step))
            count += used
            if trial is None:
                message = f"no lower value of the criterion was found, where {expected:.2g} was expected"
                converged = expected <= 1e3 * rounding
                break
            state, phi = trial
            moved = _point(problem, state)
            if not moved.is_exact and bounded.all():
                secant = _learn(secant, phi - point.phi, moved.g - point.g, moved.B)
            point = moved
        point, used = _snap(problem, point)
        count += used
    except KeyboardInterrupt:
        message, interrupted = f"interrupted by the user after {count} evaluations", True
    curvature_there = point.B if point.is_exact else point.B + secant
    return Descent(point.state, point.d, curvature_there, count, converged, message, interrupted)


def _first_point(problem: Problem, start: Sequence[Floats], reml: bool) -> _Point:
    """Evaluate the start, pulled towards smaller variances while it is beyond what the arithmetic can hold."""
    shrink = 1.0
    while True:
        try:
            return _point(problem, evaluate_state(problem, tuple(lam * shrink for lam in start), reml))
        except EngineError:
            shrink *= 0.1
            if shrink < 1e-12:
                raise


def _point(problem: Problem, state: State) -> _Point:
    frames, factors = parameters.frame(state.lambdas)
    if max(problem.widths) > 1:
        # The same Sigma, in its own frame.
        state = replace(state, lambdas=tuple(Q @ L for Q, L in zip(frames, factors, strict=True)))
    d = derivatives(problem, state)
    phi = parameters.pack(factors, problem.units)
    g = parameters.gradient(d.G, state.lambdas, frames, problem.units)
    B = curvature(problem, state, d, frames)
    if B.exact is not None and is_positive(B.exact, ~(parameters.bounded(problem.widths) & (phi == 0))):
        return _Point(phi, frames, state, d, g, B.exact, True)
    return _Point(phi, frames, state, d, g, B.average, False)


def is_positive(B: Floats, free: NDArray[np.bool_]) -> bool:
    """Return whether the curvature over the free parameters is that of a minimum."""
    if not free.all():
        B = B[np.ix_(free, free)]
    diagonal = np.diag(B)
    if not (diagonal > 0).all():
        return False
    scale = 1.0 / np.sqrt(diagonal)
    return bool(len(B) <= 1 or np.linalg.eigvalsh(B * scale * scale[:, None])[0] > WEAKEST)


def _tell(options: Options, count: int, point: _Point, free: NDArray[np.bool_]) -> bool:
    if options.callback is None:
        return False
    norm = float(np.abs(point.g[free]).max(initial=0.0))
    return options.callback(Progress(count, point.state.objective, norm)) is True


def newton_step(
    phi: Floats, g: Floats, B: Floats, bounded: NDArray[np.bool_], free: NDArray[np.bool_]
) -> tuple[Floats, float]:
    """Minimiser of g's + s'Bs/2 with phi + s >= 0 where bounded, B made positive definite; the expected decrease."""
    step = np.zeros_like(phi)
    active = free.copy()
    if not active.any():
        return step, 0.0
    for _ in range(len(phi) + 1):
        at = np.flatnonzero(active)
        right = g[at] + (B[np.ix_(at, np.flatnonzero(~active))] @ step[~active] if not active.all() else 0.0)
        step[at] = -_solve_positive(B[np.ix_(at, at)], right)
        below = active & bounded & (phi + step < 0)
        if not below.any():
            break
        step[below] = -phi[below]
        active &= ~below
        if not active.any():
            break
    expected = -float(g @ step) - 0.5 * _curve(B, step)
    return step, max(expected, -0.5 * float(g @ step))


def _curve(B: Floats, step: Floats) -> float:
    return float(step @ B @ step)


def _solve_positive(B: Floats, right: Floats) -> Floats:
    """B^-1 right with the eigenvalues of the scaled B replaced by their absolute values and kept off zero."""
    diagonal = np.abs(np.diag(B))
    top = diagonal.max(initial=0.0)
    scale = 1.0 / np.sqrt(np.maximum(diagonal, 1e-14 * top) if top > 0 else np.ones_like(diagonal))
    if len(B) == 1:
        return right * scale**2
    values, vectors = np.linalg.eigh(B * scale * scale[:, None])
    values = np.maximum(np.abs(values), EIGEN_FLOOR)
    return np.asarray(scale * (vectors @ ((vectors.T @ (scale * right)) / values)))


def _step_limit(problem: Problem, phi: Floats, step: Floats) -> float:
    """Return the share of the step that keeps every variance within MAX_GROWTH of what it was, or of one that matters."""
    limit, at = 1.0, 0
    for l, c in zip(problem.widths, problem.units, strict=True):
        k = l * (l + 1) // 2
        change = np.abs(step[at : at + k]).max()
        room = LOG_GROWTH if l == 1 else np.sqrt(MAX_GROWTH) * max(np.abs(phi[at : at + k]).max(), np.sqrt(1.0 / c))
        if change > room:
            limit = min(limit, room / change)
        at += k
    return float(limit)


def _search(
    problem: Problem, point: _Point, step: Floats, bounded: NDArray[np.bool_], share: float
) -> tuple[tuple[State, Floats] | None, int]:
    """Find a point along the step, from ``share`` of it downwards, at which the criterion falls enough.

    Returns
    -------
    found : (State, phi) or None
    used : int
        Evaluations.
    """
    objective = point.state.objective
    noise = 8 * ROUNDING * max(1.0, abs(objective))
    for used in range(1, 40):
        phi = point.phi + share * step
        phi[bounded] = np.maximum(phi[bounded], 0.0)
        slope = float(point.g @ (phi - point.phi))
        try:
            state = evaluate_state(problem, parameters.unpack(phi, point.frames, problem.units), point.state.reml)
        except EngineError:
            share *= 0.1
            continue
        fall = objective - state.objective
        if fall >= -1e-4 * slope - (noise if -slope < 1e3 * noise else 0.0):
            return (state, phi), used
        # The minimum of the parabola through both values and the slope, kept between a tenth and a half.
        curve = 2.0 * (-fall - slope)
        share *= min(0.5, max(0.1, -slope / curve)) if curve > 0 else 0.5
        if share * abs(slope) < 1e-3 * noise:
            break
    return None, used


def _learn(secant: Floats, s: Floats, y: Floats, B: Floats) -> Floats:
    """Symmetric rank-one update of what the average information misses, so that (B + secant) s = y."""
    r = y - (B + secant) @ s
    denominator = float(r @ s)
    if abs(denominator) <= 1e-8 * float(np.linalg.norm(r) * np.linalg.norm(s)):
        return secant
    update = secant + np.outer(r, r) / denominator
    # An update larger than the model itself is noise from a step too short, or from far away.
    if np.abs(np.diag(update)).max() > 10 * np.abs(np.diag(B)).max():
        return np.zeros_like(secant)
    return np.asarray(update)


def _snap(problem: Problem, point: _Point) -> tuple[_Point, int]:
    """Put columns of lambda that have all but vanished exactly at zero, if the criterion is no worse there."""
    lambdas = [lam.copy() for lam in point.state.lambdas]
    changed = False
    for lam, T in zip(lambdas, point.d.T, strict=True):
        for column in range(len(lam)) if len(lam) > 1 else ():
            c = lam[:, column]
            if c.any() and c @ T @ c < ZERO_COLUMN:
                lam[:, column] = 0.0
                changed = True
    if not changed:
        return point, 0
    state = evaluate_state(problem, tuple(lambdas), point.state.reml)
    if state.objective > point.state.objective + 8 * ROUNDING * max(1.0, abs(state.objective)):
        return point, 1
    return _point(problem, state), 1

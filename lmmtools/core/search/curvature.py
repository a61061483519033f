"""Second derivatives of the criterion with respect to the parameters of the search.

With P the projected inverse covariance, V_i = dV/dphi_i and q_i = y'P V_i P y, q_ij = y'P V_i P V_j P y,

    d2 criterion / dphi_i dphi_j = -tr(P V_i P V_j) + dof (2 q_ij / r2 - q_i q_j / r2^2) + (curvature of Sigma in phi)

(ML: V^-1 for P in the trace). The average information of Gilmour, Thompson & Cullis (1995) puts dof q_ij / r2 in the
trace's place: no inverse is needed, only solves with the elimination at hand, and what is left is never indefinite.
Where all of Z'PZ is cheap to have, the trace itself is used and Newton's method converges quadratically.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.lapack import dtrtrs

from lmmtools.core.elimination.chain import invert, solve
from lmmtools.core.elimination.parts import KEEP_Q
from lmmtools.core.search import parameters
from lmmtools.core.search.levels import quadratic_forms_from
from lmmtools.core.search.objective import (
    Derivatives,
    Solution,
    derivatives,
    derivatives_from,
    derivatives_from_sums,
    evaluate_state,
    projector,
    rounding_of,
    state_of,
    sums_of,
)
from lmmtools.core.search.traces import FewLevels, trace_products, trace_products_from, trace_products_once

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem
    from lmmtools.core.elimination.chain import Elimination, Inverse
    from lmmtools.core.search.objective import State

    Floats = NDArray[np.float64]

__all__ = ["LocalModel", "Shared", "curvature_along", "evaluate_local", "local_model", "quadratic_forms", "share"]


DIFFERENCE = 0.02
"""Step of a difference of gradients, as a share of the distance over which the criterion rises by one half."""

LEAST_STEP, LARGEST_STEP = 0.03, 0.1
"""The same of a difference of values, which takes no inverse: its error of third order is a third of the step, that of
gradients half of it. The largest that is taken to keep rounding small; beyond, gradients are differenced."""

NOISE, VALUE_ERROR = 16.0, 4e-6
"""Rounding errors in twice a difference of values, and what they may change the curvature by, a fraction of the
certificate's tolerance."""


@dataclass(frozen=True, slots=True, eq=False)
class LocalModel:
    """The criterion around one point, to second order in phi.

    Attributes
    ----------
    state : State
    d : Derivatives
    frames, roots : tuple of ndarray, each (l, l)
        Q and L per block.
    phi, g : ndarray, shape (k,)
        The point and the gradient.
    exact : ndarray, shape (k, k), or None
        The Hessian, where it is cheap.
    average : ndarray, shape (k, k)
        The average-information approximation, with the exact elements of factors with few levels, or a closer one.
    few : mapping of int to ndarray, each (m * l, m * l)
        Z'V^-1Z among the effects of terms with few levels, by their place in the design, where it was made.
    """

    state: State
    d: Derivatives
    frames: tuple[Floats, ...]
    roots: tuple[Floats, ...]
    phi: Floats
    g: Floats
    exact: Floats | None
    average: Floats
    few: Mapping[int, Floats] = field(default_factory=dict)

    @property
    def objective(self) -> float:
        """The criterion."""
        return self.state.objective


def quadratic_forms(problem: Problem, s: State, sigma: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Return q_i, shape (k,), and q_ij, shape (k, k).

    Parameters
    ----------
    problem : Problem
    s : State
    sigma : sequence of ndarray, each (parameters of the block, l, l)
        dSigma_i per block.
    """
    f = s.f
    D = parameters.apply_directions(f, sigma, problem.structure.factors)
    q = D.T @ f
    _, N = solve(s.elimination, problem.structure.times(D))
    Q = D.T @ N
    if problem.p:
        z, _ = dtrtrs(s.Lxx, s.F[:, :-1].T @ D, lower=1)
        Q -= z.T @ z
    return q, 0.5 * (Q + Q.T)


def evaluate_local(problem: Problem, lambdas: tuple[Floats, ...], reml: bool) -> LocalModel:
    """Return the quadratic model at lambda per block; of a small model, the point and it are evaluated at once."""
    if problem.dense is not None:
        dof = problem.n - problem.p if reml else problem.n
        found = problem.dense.point(problem.response, lambdas, reml, dof)
        if found is not None:
            parts, (phi, g), (exact, average), blocks = found
            frames, roots, turned, G, T = zip(*blocks, strict=True)
            state = state_of(problem, turned, reml, Solution(problem, turned), *parts)
            return LocalModel(state, Derivatives(G, T), frames, roots, phi, g, exact, average)
    return local_model(problem, evaluate_state(problem, lambdas, reml))


def local_model(problem: Problem, state: State, *, once: bool = False, shared: Shared | None = None) -> LocalModel:
    """Return the quadratic model at an evaluated point, in the point's own frame.

    Parameters
    ----------
    problem : Problem
    state : State
    once : bool
        Whether the exact Hessian may cost what is acceptable once per fit; else only what saves an iteration.
    shared : Shared, optional
        What is known of all responses at this theta, or of one nearby: then its traces make the average information
        nearly exact.
    """
    if problem.dense is not None:
        found = problem.dense.point(problem.response, state.lambdas, state.reml, state.dof)
        if found is not None:
            _, (phi, g), (exact, average), blocks = found
            frames, roots, lambdas, G, T = zip(*blocks, strict=True)
            if max(problem.widths) > 1:
                state = replace(state, lambdas=lambdas)
            return LocalModel(state, Derivatives(G, T), frames, roots, phi, g, exact, average)
    terms = problem.covariances
    frames, roots = parameters.frame(terms, state.lambdas)
    if max(problem.widths) > 1:
        # The same Sigma, factored in that frame.
        state = replace(state, lambdas=tuple(Q @ L for Q, L in zip(frames, roots, strict=True)))
    sums = sums_of(problem, state)
    if sums is None:
        is_there = shared is not None and state.elimination is shared.elimination
        inverse = shared.inverse if shared is not None and is_there else invert(state.elimination)
        Y = projector(state)
        d = derivatives_from(problem, state, inverse.T, Y)
    else:
        d = derivatives_from_sums(problem, state, sums)
    phi = parameters.pack(terms, roots)
    sigma = parameters.sigma_directions(terms, state.lambdas, frames)
    g = parameters.gradient(d.G, sigma)
    if sums is None:
        q, Q2 = quadratic_forms(problem, state, sigma)
        t = (trace_products_once if once else trace_products)(problem, state, inverse, Y, sigma)
    else:
        q, Q2 = quadratic_forms_from(problem, sums, sigma)
        t = trace_products_from(problem, sums, sigma, reml=state.reml)
    few = FewLevels.of(problem, state) if t is None and shared is None else None
    Q2 *= state.dof / state.r2
    rest = parameters.curvature(terms, d.G, state.lambdas, frames)
    rest -= np.outer(q, q) * (state.dof / state.r2**2)
    if problem.structure.q_rest > KEEP_Q:
        # The elimination is not needed any more, and the next point needs its memory.
        state.solution.drop_factor()
    exact = None if t is None else 2.0 * Q2 - t + rest
    average = Q2 + rest if shared is None else 2.0 * Q2 - shared.traces + rest
    if few is not None:
        known, is_known = few.traces(problem, Y, sigma)
        average = np.where(is_known, 2.0 * Q2 - known + rest, average)
    held = _idle_elements(problem, frames) if state.reml and any(problem.spanned) else None
    if held is not None:
        g[held] = 0.0
        for B in (average,) if exact is None else (average, exact):
            B[held], B[:, held] = 0.0, 0.0
            B[held, held] = 1.0
    return LocalModel(state, d, frames, roots, phi, g, exact, average, {} if few is None else few.blocks())


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """What does not depend on the response at one theta.

    Attributes
    ----------
    lambdas : tuple of ndarray, each (l, l)
    reml : bool
    elimination : Elimination
        The factor of V.
    inverse : Inverse
        The traces of N alone.
    traces : ndarray, shape (k, k)
        tr(P V_i P V_j).
    """

    lambdas: tuple[Floats, ...]
    reml: bool
    elimination: Elimination
    inverse: Inverse
    traces: Floats

    def model(self, problem: Problem) -> LocalModel:
        """Return the quadratic model of a response there."""
        state = evaluate_state(problem, self.lambdas, self.reml, self.elimination)
        return local_model(problem, state, shared=self)


def share(problem: Problem, lambdas: tuple[Floats, ...], reml: bool) -> Shared | None:
    """Return what all responses share at lambda, at a cost that is acceptable once for many; None where it costs more.

    For scalar terms alone: of others, phi is in the frame of one point.
    """
    if max(problem.widths) > 1 or problem.structure.q_rest > KEEP_Q:
        return None
    state = evaluate_state(problem, lambdas, reml)
    if problem.dense is not None or sums_of(problem, state) is not None:
        return None
    frames, _ = parameters.frame(problem.covariances, lambdas)
    sigma = parameters.sigma_directions(problem.covariances, lambdas, frames)
    inverse = invert(state.elimination)
    t = trace_products_once(problem, state, inverse, projector(state), sigma)
    return None if t is None else Shared(lambdas, reml, state.elimination, replace(inverse, W_rest=None), t)


def _idle_elements(problem: Problem, frames: Sequence[Floats]) -> NDArray[np.bool_]:
    """Return on which elements of phi the criterion does not depend because X spans effects, shape (k,)."""
    parts = []
    for term, Q, span in zip(problem.covariances, frames, problem.spanned, strict=True):
        parts.append(term.of_rows(np.zeros(len(Q), dtype=bool) if span is None else span.is_idle(Q)))
    return np.concatenate(parts)


def curvature_along(problem: Problem, m: LocalModel, direction: Floats) -> float:
    """Return the exact second derivative of the criterion along a direction of phi, by one difference.

    That of values, the gradient at the point being known, or of gradients where rounding would be seen.

    Parameters
    ----------
    problem : Problem
    m : LocalModel
    direction : ndarray, shape (k,)
        Scaled so that the criterion rises by about one half over its length.
    """
    terms = problem.covariances
    limits = parameters.bounded(terms)
    room = _distance_to_bound(m.phi, direction, limits)
    if room < 2.0 * LARGEST_STEP:
        # Variances have no upper bound.
        direction = -direction
        room = _distance_to_bound(m.phi, direction, limits)
    h = max(LEAST_STEP, np.sqrt(NOISE * rounding_of(problem, m.state) / VALUE_ERROR))
    is_by_value = h <= min(LARGEST_STEP, 0.4 * room)
    h = h if is_by_value else min(DIFFERENCE, 0.4 * room)
    state = evaluate_state(problem, parameters.unpack(terms, m.phi + h * direction, m.frames), m.state.reml)
    if is_by_value:
        return float(2.0 * (state.objective - m.objective - h * float(direction @ m.g)) / h**2)
    sigma = parameters.sigma_directions(terms, state.lambdas, m.frames)
    moved = parameters.gradient(derivatives(problem, state).G, sigma)
    return float(direction @ (moved - m.g)) / h


def _distance_to_bound(phi: Floats, direction: Floats, limits: NDArray[np.bool_]) -> float:
    """Return how many times the direction fits between phi and the nearest bound."""
    falling = limits & (direction < 0)
    return float((phi[falling] / -direction[falling]).min(initial=np.inf))

"""The criterion and its exact gradient at one theta.

With u, V as in :mod:`~lmmtools.core.elimination.chain` and H = [X y]'V^-1[X y] (Hxx, Hxy, Hyy):

    b = Hxx^-1 Hxy ;  r2 = Hyy - Hxy'b
    REML criterion = log|V| + log|Hxx| + (n-p) (1 + log(2 pi r2 / (n-p))) - sum log w
    deviance (ML)  = log|V|            + n     (1 + log(2 pi r2 / n))     - sum log w

(Bates, Maechler, Bolker & Walker 2015, eq. 39 and 41 with the sums of squares profiled out.) The derivative with
respect to Sigma_k = lambda_k lambda_k', valid where lambda_k is singular too, is

    G_k = sum_g [Z'V^-1Z]_kgg - sum_g F_kg,x Hxx^-1 F_kg,x' - (dof / r2) sum_g f_kg f_kg' ,   f = F (-b, 1)
    d criterion / d lambda_k = 2 G_k lambda_k  (lower triangle)

with F = Z'V^-1[X y], without the middle term under ML.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg.lapack import dpotrf, dtrtrs

from lmmtools.blas import add_gram, dot, product
from lmmtools.core.data.spectrum import solve_lower
from lmmtools.core.elimination.chain import Elimination, eliminate, solve, traces
from lmmtools.core.elimination.parts import not_definite
from lmmtools.core.search.levels import eliminate_levels, levels_alone, sum_levels
from lmmtools.errors import EngineError
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem
    from lmmtools.core.search.levels import LevelSums

    Floats = NDArray[np.float64]

__all__ = [
    "Evaluation",
    "Solution",
    "State",
    "derivatives",
    "derivatives_from",
    "derivatives_from_sums",
    "evaluate",
    "evaluate_state",
    "objectives_at_zero",
    "profile",
    "projector",
    "rounding_of",
    "state_of",
    "sums_of",
]

ROUNDING = 4e-16
"""Relative rounding error of the criterion, a few units in the last place."""

TINY = 1e-300
"""r2 must exceed this (in units of y's own spread): at less the random effects reproduce y exactly."""


class Solution:
    """The factor of V at one theta, and what it makes of [X y]; made when first read where the criterion needs neither.

    Parameters
    ----------
    problem : Problem
    lambdas : tuple of ndarray, each (l, l)
        Per block in design order.
    elimination : Elimination, optional
        The factor of V, if it is known.
    """

    def __init__(self, problem: Problem, lambdas: tuple[Floats, ...], elimination: Elimination | None = None) -> None:
        self._problem, self._lambdas, self._elimination = problem, lambdas, elimination

    @cached_property
    def lambdas(self) -> tuple[Floats, ...]:
        """lambda per factor in order of elimination."""
        return self._problem.by_factor(self._lambdas)

    @cached_property
    def elimination(self) -> Elimination:
        """The factor of V."""
        known = self._elimination
        return eliminate(self._problem.structure, self.lambdas) if known is None else known

    @cached_property
    def _solved(self) -> tuple[Floats, Floats]:
        return solve(self.elimination, self._problem.C)

    @property
    def U(self) -> Floats:
        """Lambda M^-1 Lambda' Z'W[X y], shape (q, p + 1)."""
        return self._solved[0]

    @property
    def F(self) -> Floats:
        """Z'V^-1[X y], shape (q, p + 1)."""
        return self._solved[1]

    def drop_factor(self) -> None:
        """Give the memory of the factor back; ``U`` and ``F`` stay."""
        self._solved  # noqa: B018  # they are made of it
        del self.elimination
        self._elimination = None


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """The criterion at one theta with its intermediate results, in the engine's coordinates.

    Attributes
    ----------
    lambdas : tuple of ndarray, each (l, l)
        Per block in design order, any root of Sigma_k.
    reml : bool
    objective : float
        The criterion on the data's scale.
    solution : Solution
        The factor of V, with U = Lambda M^-1 Lambda' Z'W[X y] and F = Z'V^-1[X y], each (q, p + 1).
    logdet : float
        log|V|.
    Lxx : ndarray, shape (p, p)
        Lower Cholesky factor of Hxx.
    b : ndarray, shape (p,)
        Fixed effects relative to the preliminary regression.
    r2 : float
        Penalised residual sum of squares.
    dof : int
        n - p under REML, n under ML.
    modes : ndarray, shape (q,), or None
        Lambda M^-1 Lambda' Z'W(y - Xb), where it is known without.
    """

    lambdas: tuple[Floats, ...]
    reml: bool
    objective: float
    solution: Solution
    logdet: float
    Lxx: Floats
    b: Floats
    r2: float
    dof: int
    modes: Floats | None = None

    @property
    def u(self) -> Floats:
        """Lambda M^-1 Lambda' Z'W(y - Xb), shape (q,)."""
        return self.U[:, -1] - self.U[:, :-1] @ self.b if self.modes is None else self.modes

    @property
    def elimination(self) -> Elimination:
        """The factor of V."""
        return self.solution.elimination

    @property
    def U(self) -> Floats:
        """Lambda M^-1 Lambda' Z'W[X y], shape (q, p + 1)."""
        return self.solution.U

    @property
    def F(self) -> Floats:
        """Z'V^-1[X y], shape (q, p + 1)."""
        return self.solution.F

    @property
    def f(self) -> Floats:
        """Z'V^-1(y - Xb), shape (q,)."""
        return self.F[:, -1] - self.F[:, :-1] @ self.b

    @property
    def Hxx(self) -> Floats:
        """X'V^-1X, shape (p, p)."""
        return np.asarray(self.Lxx @ self.Lxx.T)


@dataclass(frozen=True, slots=True, eq=False)
class Derivatives:
    """First derivatives in the engine's coordinates.

    Attributes
    ----------
    G : tuple of ndarray, each (l, l)
        d criterion / d Sigma_k per block in design order, symmetric.
    T : tuple of ndarray, each (l, l)
        Its first part, the derivative of log|V|.
    """

    G: tuple[Floats, ...]
    T: tuple[Floats, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """The criterion at theta.

    Attributes
    ----------
    theta : ndarray, shape (k,)
    reml : bool
    objective : float
        REML criterion or deviance, as lme4 states them.
    gradient : ndarray, shape (k,), or None
        With respect to theta.
    G : tuple of ndarray, each (l, l), or None
        With respect to Sigma_k = lambda_k lambda_k', on the data's scale.
    """

    theta: Floats
    reml: bool
    objective: float
    gradient: Floats | None
    G: tuple[Floats, ...] | None


@single
def evaluate(problem: Problem, theta: Floats, reml: bool = True, gradient: bool = True) -> Evaluation:
    """Return the criterion at theta, and its exact gradient.

    Parameters
    ----------
    problem : Problem
    theta : array_like, shape (k,)
        lme4's layout: lower triangles of lambda_k column by column, blocks in design order.
    reml : bool
    gradient : bool
        Whether to compute the gradient, which costs about as much as the criterion.

    Raises
    ------
    EngineError
        If theta has the wrong length, or cannot be evaluated to working precision.
    """
    theta = np.array(theta, dtype=float)
    lambdas = problem.to_lambdas(theta)
    state = evaluate_state(problem, lambdas, reml)
    if not gradient:
        return Evaluation(theta, reml, state.objective, None, None)
    G = derivatives(problem, state).G
    original = tuple(R.T @ g @ R for R, g in zip(problem.scaling.basis_maps, G, strict=True))
    parts = [term.theta_gradient(g, lam) for term, g, lam in zip(problem.covariances, G, lambdas, strict=True)]
    return Evaluation(theta, reml, state.objective, np.concatenate(parts), original)


def profile(logdet: Any, r2: Any, dof: int) -> Any:
    """Return the criterion with sigma profiled out, ``logdet + dof (1 + log(2 pi r2 / dof))``, elementwise.

    In the problem's coordinates: ``Problem.constant`` is what the data's scale adds.

    Parameters
    ----------
    logdet : float or ndarray, shape (...)
        log|V|, and log|Hxx| under REML.
    r2 : float or ndarray, shape (...)
        Penalised residual sum of squares.
    dof : int
        n - p under REML, n under ML.
    """
    return logdet + dof * (1.0 + np.log(2.0 * np.pi * r2 / dof))


def evaluate_state(
    problem: Problem, lambdas: Sequence[Floats], reml: bool, elimination: Elimination | None = None
) -> State:
    """Return the criterion at lambda per block, in the engine's coordinates, with the quantities behind it."""
    lambdas = tuple(lambdas)
    solution = Solution(problem, lambdas, elimination)
    found = None if problem.dense is None else problem.dense.criterion(problem.response, lambdas)
    return state_of(problem, lambdas, reml, solution, *(found or (*_regress(problem, solution), None)))


def state_of(
    problem: Problem,
    lambdas: tuple[Floats, ...],
    reml: bool,
    solution: Solution,
    logdet: float,
    logdet_x: float,
    r2: float,
    b: Floats,
    Lxx: Floats,
    modes: Floats | None,
) -> State:
    """Return the criterion from log|V|, log|Hxx|, r2, b (p,), Lxx (p, p) and the modes (q,) where they are known.

    Raises
    ------
    EngineError
        If no residual is left, or the criterion is not finite.
    """
    dof = problem.n - problem.p if reml else problem.n
    if not r2 > TINY:
        raise EngineError("The random effects reproduce the response exactly; no residual variance is left.")
    objective = float(profile(logdet + logdet_x if reml else logdet, r2, dof) + problem.constant(reml))
    if not isfinite(objective):
        raise EngineError("The criterion is not finite at this theta; it is beyond what the arithmetic can hold.")
    return State(lambdas, reml, objective, solution, logdet, Lxx, b, r2, dof, modes)


def _regress(problem: Problem, solution: Solution) -> tuple[float, float, float, Floats, Floats]:
    """Return log|V|, log|Hxx|, r2, b (p,) and Lxx (p, p)."""
    p = problem.p
    if (stage := levels_alone(problem)) is not None:
        logdet, taken = eliminate_levels(problem, stage, solution.lambdas[0])
        if not isfinite(logdet):
            raise not_definite()
        H = problem.H - taken
    elif (roots := _scalar_roots(problem, solution)) is not None:
        logdet, H = solution.elimination.logdet, np.array(problem.H, order="F")
        # The lower triangle, of which all that follows is made.
        add_gram(-1.0, problem.C * roots[:, None], H)
    else:
        logdet, H = solution.elimination.logdet, problem.H - problem.C.T @ solution.U
    if not p:
        return logdet, 0.0, float(H[0, 0]), np.zeros(0), H[:0, :0]
    Lxx, info = dpotrf(H[:p, :p], lower=1)
    if info:
        raise EngineError("X'V^-1X is not positive definite to working precision; theta is too large.")
    z, _ = dtrtrs(Lxx, H[p, :p], lower=1)
    b, _ = dtrtrs(Lxx, z, lower=1, trans=1)
    return logdet, 2.0 * float(np.log(Lxx.diagonal()).sum()), float(H[p, p] - z @ z), b, Lxx


def _scalar_roots(problem: Problem, solution: Solution) -> Floats | None:
    """Return the roots of the diagonal of Lambda M^-1 Lambda', (q,), of one factor with one effect; None of others."""
    st = problem.structure
    if len(st.chain) != 1 or st.q_rest or st.chain[0].factor.l > 1:
        return None
    variance = float(solution.lambdas[0][0, 0]) ** 2
    return np.asarray(np.sqrt(variance / (1.0 + variance * st.chain[0].A[:, 0, 0])))


def rounding_of(problem: Problem, s: State) -> float:
    """Return the rounding error of the criterion; r2 has the rounding error of y'y, from which it is computed."""
    return ROUNDING * max(1.0, abs(s.objective), s.dof * problem.response.yy / s.r2)


def derivatives(problem: Problem, s: State) -> Derivatives:
    """Return G_k of every block, in the engine's coordinates, at the b and r2 that the state has."""
    if (sums := sums_of(problem, s)) is not None:
        return derivatives_from_sums(problem, s, sums)
    return derivatives_from(problem, s, traces(s.elimination), projector(s))


def sums_of(problem: Problem, s: State) -> LevelSums | None:
    """Return the sums over levels that derivatives are made of, None where they take more than those."""
    stage = levels_alone(problem)
    return None if stage is None else sum_levels(problem, stage, s.solution.lambdas[0], s.Lxx, s.b)


def derivatives_from_sums(problem: Problem, s: State, sums: LevelSums) -> Derivatives:
    """Return G_k of every block of a model's one factor, in the engine's coordinates."""
    p = problem.p
    T = 0.5 * (sums.T + sums.T.T)
    full = T - (s.dof / s.r2) * sums.S[:, p, :, p]
    if s.reml:
        full -= np.einsum("ajbj->ab", sums.S[:, :p, :, :p])
    parts = [part for _, part in sorted(problem.structure.factors[0].parts())]
    return _without_idle(problem, s, [full[part, part] for part in parts], [T[part, part] for part in parts])


def projector(s: State) -> Floats:
    """Return Y = Z'V^-1X Lxx^-T under REML, shape (q, p), so that N - YY' is Z'PZ; (q, 0) under ML."""
    p = len(s.b)
    if not (s.reml and p):
        return np.zeros((len(s.F), 0))
    return np.asarray(dtrtrs(s.Lxx, s.F[:, :p].T, lower=1)[0].T)


def derivatives_from(problem: Problem, s: State, T: Sequence[Floats], Y: Floats) -> Derivatives:
    """Return G_k of every block, in the engine's coordinates, from the traces of N per factor and the projector Y."""
    f = s.f * np.sqrt(s.dof / s.r2)
    Y = np.column_stack([Y, f])
    G: list[Floats] = [f] * len(s.lambdas)
    trace: list[Floats] = [f] * len(s.lambdas)
    for factor, t in zip(problem.structure.factors, T, strict=True):
        y = Y[factor.columns]
        if factor.l == 1:
            k = factor.blocks[0]
            trace[k] = t
            G[k] = t - dot(y, y)
            continue
        y = y.reshape(factor.m, factor.l, -1).transpose(1, 0, 2).reshape(factor.l, -1)
        full = t - product(y, y.T)
        for k, part in factor.parts():
            trace[k], G[k] = t[part, part], full[part, part]
    return _without_idle(problem, s, G, trace)


def _without_idle(problem: Problem, s: State, G: list[Floats], trace: list[Floats]) -> Derivatives:
    """Return G_k with exactly zero for effects that X spans: rounding must not be taken for a slope."""
    if s.reml:
        G = [g if span is None else span.away @ g @ span.away for g, span in zip(G, problem.spanned, strict=True)]
    return Derivatives(tuple(G), tuple(trace))


def objectives_at_zero(problem: Problem, Xy: Floats, yy: Floats, y_scale: Floats, reml: bool) -> Floats:
    """Return the criterion of responses with all variances of random effects zero, least squares, shape (B,).

    Parameters
    ----------
    problem : Problem
    Xy : ndarray, shape (B, p)
    yy, y_scale : ndarray, shape (B,)
    reml : bool
    """
    L = problem.rows.L
    z = solve_lower(L, Xy.T)
    r2 = yy - np.einsum("pz,pz->z", z, z)
    dof = problem.n - problem.p if reml else problem.n
    logdet = 2.0 * float(np.log(L.diagonal()).sum()) if reml else 0.0
    return np.asarray(profile(logdet, r2, dof) + problem.constant(reml, y_scale))

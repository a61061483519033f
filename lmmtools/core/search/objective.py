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
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg.lapack import dpotrf, dtrtrs

from lmmtools.blas import dot, product
from lmmtools.core.elimination.chain import Elimination, eliminate, solve, traces
from lmmtools.errors import EngineError
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem

    Floats = NDArray[np.float64]

__all__ = [
    "Evaluation",
    "State",
    "derivatives",
    "derivatives_from",
    "evaluate",
    "evaluate_state",
    "objectives_at_zero",
    "profile",
    "projector",
]

TINY = 1e-300
"""r2 must exceed this (in units of y's own spread): at less the random effects reproduce y exactly."""


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
    elimination : Elimination
    U, F : ndarray, shape (q, p + 1)
        Lambda M^-1 Lambda' Z'W[X y] and Z'V^-1[X y].
    Hxx : ndarray, shape (p, p)
    Lxx : ndarray, shape (p, p)
        Lower Cholesky factor of Hxx.
    b : ndarray, shape (p,)
        Fixed effects relative to the preliminary regression.
    r2 : float
        Penalised residual sum of squares.
    dof : int
        n - p under REML, n under ML.
    """

    lambdas: tuple[Floats, ...]
    reml: bool
    objective: float
    elimination: Elimination
    U: Floats
    F: Floats
    Hxx: Floats
    Lxx: Floats
    b: Floats
    r2: float
    dof: int

    @property
    def f(self) -> Floats:
        """Z'V^-1(y - Xb), shape (q,)."""
        return self.F[:, -1] - self.F[:, :-1] @ self.b


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


def evaluate_state(problem: Problem, lambdas: Sequence[Floats], reml: bool) -> State:
    """Return the criterion at lambda per block, in the engine's coordinates, with the quantities behind it."""
    p, n = problem.p, problem.n
    el = eliminate(problem.structure, problem.by_factor(lambdas))
    U, F = solve(el, problem.C)
    H = problem.H - problem.C.T @ U
    dof = n - p if reml else n
    Hxx = H[:p, :p]
    logdet = el.logdet
    if p:
        Lxx, info = dpotrf(Hxx, lower=1)
        if info:
            raise EngineError("X'V^-1X is not positive definite to working precision; theta is too large.")
        z, _ = dtrtrs(Lxx, H[:p, p], lower=1)
        b, _ = dtrtrs(Lxx, z, lower=1, trans=1)
        r2 = float(H[p, p] - z @ z)
        if reml:
            logdet += 2.0 * float(np.log(Lxx.diagonal()).sum())
    else:
        Lxx, b, r2 = Hxx, np.zeros(0), float(H[0, 0])
    if not r2 > TINY:
        raise EngineError("The random effects reproduce the response exactly; no residual variance is left.")
    objective = float(profile(logdet, r2, dof) + problem.constant(reml))
    if not np.isfinite(objective):
        raise EngineError("The criterion is not finite at this theta; it is beyond what the arithmetic can hold.")
    return State(tuple(lambdas), reml, objective, el, U, F, Hxx, Lxx, b, r2, dof)


def derivatives(problem: Problem, s: State) -> Derivatives:
    """Return G_k of every block, in the engine's coordinates."""
    return derivatives_from(problem, s, traces(s.elimination), projector(s))


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
    if s.reml:
        # The derivative is exactly zero there; rounding errors would look like a slope.
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
    L = np.linalg.cholesky(problem.XX)
    r2 = yy - (np.linalg.solve(L, Xy.T) ** 2).sum(axis=0)
    dof = problem.n - problem.p if reml else problem.n
    logdet = 2.0 * np.log(np.diag(L)).sum() if reml else 0.0
    return np.asarray(profile(logdet, r2, dof) + problem.constant(reml, y_scale))

"""Estimates at a given theta, on the data's scale: fixed effects, sigma, conditional modes and their covariances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.lapack import dpotrs, dtrtrs

from lmmtools.core.elimination.chain import diagonal_of_inverse
from lmmtools.core.search.objective import State, evaluate_state
from lmmtools.threads import single

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem
    from lmmtools.core.search.optimum import Optimum

    Floats = NDArray[np.float64]

__all__ = [
    "Recovered",
    "conditional_covariances",
    "mode_covariances",
    "recover",
    "recover_optimum",
    "recover_state",
]


@dataclass(frozen=True, slots=True, eq=False)
class Recovered:
    """Estimates at one theta.

    Attributes
    ----------
    theta : ndarray, shape (k,)
    reml : bool
    objective : float
        REML criterion or deviance.
    beta : ndarray, shape (p,)
        Fixed effects.
    beta_cov : ndarray, shape (p, p)
        sigma**2 Hxx^-1.
    sigma : float
        Residual standard deviation, units of y.
    modes : tuple of ndarray, each (m, l)
        Conditional modes of the random effects, per block.
    logdet : float
        log|M|, with M = I + Lambda'Z'WZ Lambda.
    logdet_x : float
        log|Hxx|, with Hxx = X'V^-1X (V relative to sigma**2).
    pwrss : float
        Penalised weighted residual sum of squares r2, in squared units of y.
    """

    theta: Floats
    reml: bool
    objective: float
    beta: Floats
    beta_cov: Floats
    sigma: float
    modes: tuple[Floats, ...]
    logdet: float
    logdet_x: float
    pwrss: float


@single
def recover(problem: Problem, theta: Floats, reml: bool = True) -> Recovered:
    """Return the fixed effects, their covariance, sigma and conditional modes at theta (data's scale).

    Raises
    ------
    EngineError
        If the criterion cannot be evaluated at theta.
    """
    return recover_state(problem, evaluate_state(problem, problem.to_lambdas(theta), reml))


@single
def recover_optimum(problem: Problem, optimum: Optimum) -> Recovered:
    """Return the estimates at the optimum of a search."""
    return recover_state(problem, optimum.state, optimum.theta)


def recover_state(problem: Problem, s: State, theta: Floats | None = None) -> Recovered:
    """Return the estimates at an evaluated point; ``theta`` is computed from it where it is not given."""
    scale = problem.response.y_scale
    sigma = scale * float(np.sqrt(s.r2 / s.dof))
    X = problem.scaling.x_map
    beta = X @ (problem.response.centre + scale * s.b)
    inverse = _inverse_hxx(s)
    u = scale * s.u
    modes: list[Floats] = [u] * len(s.lambdas)
    for f in problem.structure.factors:
        rows = u[f.columns].reshape(f.m, f.l)
        for k, part in f.parts():
            R = problem.scaling.basis_maps[k]
            modes[k] = (
                rows[:, part] / R[0, 0]
                if len(R) == 1
                else np.asarray(np.linalg.solve(R, rows[:, part].T).T, dtype=float)
            )
    logdet_x = 2.0 * float(np.log(s.Lxx.diagonal()).sum()) - problem.log_x_map if problem.p else 0.0
    return Recovered(
        problem.to_theta(s.lambdas) if theta is None else theta,
        s.reml,
        s.objective,
        beta,
        sigma**2 * (X @ inverse @ X.T),
        sigma,
        tuple(modes),
        s.logdet,
        logdet_x,
        scale**2 * s.r2,
    )


def _inverse_hxx(s: State) -> Floats:
    """Return Hxx^-1 in the engine's coordinates, shape (p, p)."""
    p = len(s.b)
    if p == 0:
        return np.zeros((0, 0))
    inverse, _ = dpotrs(s.Lxx, np.eye(p), lower=1)
    return np.asarray(0.5 * (inverse + inverse.T))


@single
def conditional_covariances(problem: Problem, theta: Floats, reml: bool = True) -> tuple[Floats, ...]:
    """Return the covariance of each level's effects given the data and theta, (m, l, l) per block: lme4's ``condVar``.

    sigma**2 lambda_k [M^-1]_gg lambda_k', with beta treated as known.
    """
    s = evaluate_state(problem, problem.to_lambdas(theta), reml)
    sigma2 = problem.response.y_scale**2 * s.r2 / s.dof
    out: list[Floats] = [np.zeros(0)] * len(s.lambdas)
    for f, diagonal in zip(problem.structure.factors, diagonal_of_inverse(s.elimination), strict=True):
        for k, part in f.parts():
            inverse = np.linalg.inv(problem.scaling.basis_maps[k])
            own = sigma2 * (inverse @ diagonal[:, part, part] @ inverse.T)
            out[k] = 0.5 * (own + own.transpose(0, 2, 1))
    return tuple(out)


@single
def mode_covariances(problem: Problem, theta: Floats, reml: bool = True) -> tuple[Floats, ...]:
    """Return the covariance of each level's conditional mode over repeated data, theta known, (m, l, l) per block.

    Sigma - sigma**2 (W_gg + U_g Hxx^-1 U_g'): the covariance of the effect less that of its prediction error, with
    beta estimated.
    """
    s = evaluate_state(problem, problem.to_lambdas(theta), reml)
    sigma2 = problem.response.y_scale**2 * s.r2 / s.dof
    p = problem.p
    V = dtrtrs(s.Lxx, s.U[:, :p].T, lower=1)[0].T if p else s.U[:, :0]
    out: list[Floats] = [np.zeros(0)] * len(s.lambdas)
    for f, diagonal in zip(problem.structure.factors, diagonal_of_inverse(s.elimination), strict=True):
        v = V[f.columns].reshape(f.m, f.l, -1)
        unknown = diagonal + np.einsum("gap,gbp->gab", v, v)
        for k, part in f.parts():
            inverse = np.linalg.inv(problem.scaling.basis_maps[k])
            own = s.lambdas[k] @ s.lambdas[k].T - unknown[:, part, part]
            out[k] = sigma2 * (inverse @ own @ inverse.T)
    return tuple(out)

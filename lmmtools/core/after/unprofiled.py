"""The deviance as a function of covariance matrices and sigma, with one fixed effect held on request; profiles use it.

With the random effects' covariances Phi_k = sigma**2 Sigma_k and the fixed effects profiled out,

    D(Phi, sigma) = log|V(Sigma)| + n log(2 pi sigma**2) + r2(Sigma) / sigma**2 - sum log w

Holding a'b = c adds (a'b - c)**2 / a'Hxx^-1a to r2, b the free optimum. Maximum likelihood only, as lme4's profiles.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log, pi
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.lapack import dpotrs

from lmmtools.core.elimination.many_points import cholesky_many, reduce_many
from lmmtools.core.search.objective import derivatives, evaluate_state
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem

    Floats = NDArray[np.float64]

__all__ = ["Unprofiled", "unprofiled_deviance", "unprofiled_deviances"]


@dataclass(frozen=True, slots=True, eq=False)
class Unprofiled:
    """The deviance at one point.

    Attributes
    ----------
    deviance : float
        -2 log likelihood.
    G : tuple of ndarray, each (l, l)
        Its derivative with respect to Sigma_k = Phi_k / sigma**2 at fixed sigma, on the data's scale.
    by_log_sigma : float
        Its derivative with respect to log sigma at fixed Phi.
    by_beta : float
        Its derivative with respect to the value of the held fixed effect; 0 without one.
    beta : ndarray, shape (p,)
        Fixed effects there.
    """

    deviance: float
    G: tuple[Floats, ...]
    by_log_sigma: float
    by_beta: float
    beta: Floats


@single
def unprofiled_deviance(
    problem: Problem, roots: Sequence[Floats], sigma: float, held: tuple[int, float] | None = None
) -> Unprofiled:
    """Return the deviance and its exact derivatives.

    Parameters
    ----------
    problem : Problem
    roots : sequence of ndarray, each (l, l)
        Any root L_k of Phi_k = L_k L_k' per block in design order, in units of y.
    sigma : float
        Residual standard deviation, in units of y.
    held : (int, float), optional
        Index of a fixed effect, and the value that it is held at.

    Raises
    ------
    EngineError
        If the deviance cannot be evaluated there.
    """
    maps, scale, n = problem.scaling.basis_maps, problem.response.y_scale, problem.n
    relative = tuple(L / sigma for L in roots)
    s = evaluate_state(problem, tuple(R @ L for R, L in zip(maps, relative, strict=True)), reml=False)
    s2 = (sigma / scale) ** 2
    b, r2, by_beta = s.b, s.r2, 0.0
    if held is not None:
        a, target = _held(problem, held)
        gap = float(a @ b) - target
        direction, _ = dpotrs(s.Lxx, a, lower=1)
        spread = float(a @ direction)
        b = b - direction * (gap / spread)
        r2 += gap * gap / spread
        by_beta = -2.0 * gap / spread / (s2 * scale)
    deviance = s.elimination.logdet + n * log(2.0 * pi * s2) + r2 / s2 + problem.constant(reml=False)
    # In those derivatives the residual variance is r2 / dof.
    G = derivatives(problem, replace(s, b=b, r2=s2 * n, dof=n)).G
    original = tuple(R.T @ g @ R for R, g in zip(maps, G, strict=True))
    through = sum(float(np.vdot(g @ L, L)) for g, L in zip(original, relative, strict=True))
    beta = problem.scaling.x_map @ (problem.response.centre + scale * b)
    return Unprofiled(deviance, original, 2.0 * (n - r2 / s2 - through), by_beta, beta)


@single
def unprofiled_deviances(
    problem: Problem, relative: Sequence[Floats], sigma: Floats | None, held: tuple[int, float] | None = None
) -> tuple[Floats, Floats]:
    """Return the deviance at B points, inf where it cannot be evaluated, and sigma there, both of shape (B,).

    Parameters
    ----------
    problem : Problem
    relative : sequence of ndarray, each (B, l, l)
        Any root of Sigma_k = Phi_k / sigma**2 per block in design order, on the data's scale.
    sigma : ndarray, shape (B,), or None
        Residual standard deviations; None for those at which the deviance is smallest.
    held : (int, float), optional
        Index of a fixed effect, and the value that it is held at.
    """
    n, scale = problem.n, problem.response.y_scale
    logdet, r2 = _sums(problem, [R @ L for R, L in zip(problem.scaling.basis_maps, relative, strict=True)], held)
    with np.errstate(invalid="ignore", divide="ignore"):
        s2 = r2 / n if sigma is None else (sigma / scale) ** 2
        deviance = logdet + n * np.log(2.0 * pi * s2) + r2 / s2 + problem.constant(reml=False)
    return np.where(np.isfinite(deviance), deviance, np.inf), scale * np.sqrt(s2)


def _sums(problem: Problem, lambdas: Sequence[Floats], held: tuple[int, float] | None) -> tuple[Floats, Floats]:
    """Return log|V|, nan where V is not definite, and r2 under the constraint, both of shape (B,)."""
    logdet, H = reduce_many(problem.cut, lambdas)
    p = problem.p
    L, is_definite = cholesky_many(H)
    r2 = L[:, p, p] ** 2
    if held is not None:
        a, target = _held(problem, held)
        half = np.linalg.solve(L[:, :p, :p], np.broadcast_to(a[:, None], (len(H), p, 1)))[:, :, 0]
        r2 = r2 + ((half * L[:, p, :p]).sum(axis=1) - target) ** 2 / (half**2).sum(axis=1)
    return np.where(is_definite, logdet, np.nan), r2


def _held(problem: Problem, held: tuple[int, float]) -> tuple[Floats, float]:
    """Return a and c of the constraint a'b = c, with beta_j = a'(centre + scale b)."""
    j, value = held
    a = problem.scaling.x_map[j]
    return a, (value - float(a @ problem.response.centre)) / problem.response.y_scale

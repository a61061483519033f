"""The covariance of the fixed effects and its derivatives with respect to the variance parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.engines.pls.information import original_directions
from lmmtools.engines.pls.objective import evaluate_state

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.engines.pls.problem import Problem

    Floats = NDArray[np.float64]

__all__ = ["FixedEffectsDerivatives", "fixed_effects_derivatives"]


@dataclass(frozen=True, slots=True, eq=False)
class FixedEffectsDerivatives:
    """C = (X'V^-1X)^-1, V in squared units of y, and dC/dphi_i.

    Attributes
    ----------
    cov : ndarray, shape (p, p)
    slopes : ndarray, shape (k + 1, p, p)
        Per variance parameter in the order of :func:`~lmmtools.engines.pls.information`: per block the lower triangle
        of its covariance matrix column by column, the residual variance last.
    """

    cov: Floats
    slopes: Floats


def fixed_effects_derivatives(problem: Problem, theta: Floats, reml: bool = True) -> FixedEffectsDerivatives:
    """Return the covariance of the fixed effects at theta, and its exact derivatives.

    With V = sum_i phi_i V_i, phi the variances and covariances, dC/dphi_i = C (X'V^-1 V_i V^-1X) C; the term of the
    residual follows from the others because the V_i add up to V.

    Raises
    ------
    EngineError
        If the criterion cannot be evaluated at theta.
    """
    s = evaluate_state(problem, problem.to_lambdas(theta), reml)
    s2 = s.r2 / s.dof
    p = problem.p
    F = s.F[:, :p]
    inverse = np.linalg.inv(s.Hxx)
    products: list[Floats] = [F] * len(s.lambdas)
    values: list[Floats] = [F] * len(s.lambdas)
    for f in problem.structure.factors:
        rows = F[f.columns].reshape(f.m, f.l, p)
        for k, part in f.parts():
            R = problem.scaling.basis_maps[k]
            own = rows[:, part]
            gram = np.einsum("gap,gbq->abpq", own, own, optimize=True)
            products[k] = np.einsum("iab,abpq->ipq", original_directions(R), gram, optimize=True) / s2**2
            half = np.linalg.solve(R, s.lambdas[k])
            columns = np.triu_indices(len(R))
            values[k] = s2 * (half @ half.T)[columns[::-1]]
    every = np.concatenate(products) if products else np.zeros((0, p, p))
    phi = np.concatenate(values) if values else np.zeros(0)
    residual = (s.Hxx / s2 - np.einsum("i,ipq->pq", phi, every)) / s2
    every = np.concatenate([every, residual[None]])
    C = s2 * inverse
    slopes = np.einsum("ab,ibc,cd->iad", C, every, C, optimize=True)
    # From the engine's coordinates of X and units of y to the data's.
    X, scale = problem.scaling.x_map, problem.response.y_scale
    return FixedEffectsDerivatives(scale**2 * X @ C @ X.T, np.einsum("ab,ibc,dc->iad", X, slopes, X, optimize=True))

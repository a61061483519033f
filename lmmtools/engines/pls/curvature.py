"""Second derivatives of the criterion with respect to the optimiser's parameters.

With P the projected inverse covariance, V_i = dV/dphi_i and q_i = y'P V_i P y, q_ij = y'P V_i P V_j P y,

    d2 criterion / dphi_i dphi_j = -tr(P V_i P V_j) + dof (2 q_ij / r2 - q_i q_j / r2^2) + (curvature of Sigma in phi)

(ML: V^-1 for P in the trace). The average information of Gilmour, Thompson & Cullis (1995) puts dof q_ij / r2 in the
trace's place: no inverse is needed, only solves with the factor at hand, and what is left is never indefinite. Where
all of Z'PZ is cheap to have, the trace itself is used and Newton's method converges quadratically.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.lapack import dtrtrs

from lmmtools.engines.pls import parameters
from lmmtools.engines.pls.factor import solve
from lmmtools.engines.pls.objective import derivatives, evaluate_state

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.engines.pls.objective import Derivatives, State
    from lmmtools.engines.pls.problem import Problem

    Floats = NDArray[np.float64]

__all__ = ["average_information", "hessian", "quadratic_forms"]


def quadratic_forms(problem: Problem, s: State) -> tuple[Floats, Floats]:
    """q_i, shape (k,), and q_ij, shape (k, k)."""
    f = s.f
    D = parameters.directions(f, s.lambdas, problem.structure.factors, problem.design.k)
    q = D.T @ f
    _, N = solve(s.elimination, problem.structure.A @ D)
    Q = D.T @ N
    if problem.p:
        z, _ = dtrtrs(s.Lxx, s.F[:, :-1].T @ D, lower=1)
        Q -= z.T @ z
    return q, 0.5 * (Q + Q.T)


def average_information(problem: Problem, s: State, d: Derivatives) -> Floats:
    """The average-information approximation of the Hessian with respect to phi, shape (k, k)."""
    q, Q = quadratic_forms(problem, s)
    B = s.dof * (Q / s.r2 - np.outer(q, q) / s.r2**2)
    return B + parameters.second_order(d.G, problem.widths)


def hessian(problem: Problem, s: State, d: Derivatives, at: NDArray[np.intp]) -> Floats:
    """The Hessian with respect to the elements ``at`` of phi, by central differences of the exact gradient.

    Each difference is taken twice, at h and 2h, and extrapolated (error of order h^4); a variance nearer to zero than
    2h has its step shortened.
    """
    phi = parameters.pack(s.lambdas)
    widths = problem.widths
    B = average_information(problem, s, d)
    limits = parameters.bounded(widths)
    out = np.empty((len(at), len(at)))
    for row, i in enumerate(at):
        h = _step(phi, B, int(i), bool(limits[i]))
        g = [_gradient_at(problem, s, phi, int(i), c * h)[at] for c in (-2.0, -1.0, 1.0, 2.0)]
        out[row] = (8.0 * (g[2] - g[1]) - (g[3] - g[0])) / (12.0 * h)
    return 0.5 * (out + out.T)


DIFFERENCE = 1e-3
"""Step of the differences, as a share of the distance over which the criterion rises by one half."""


def _step(phi: Floats, B: Floats, i: int, is_variance: bool) -> float:
    """A step over which the gradient changes by much more than its rounding error and little else changes."""
    size = max(abs(float(phi[i])), 1e-3 * float(np.abs(phi).max(initial=0.0)), 1e-12)
    natural = 1.0 / np.sqrt(abs(float(B[i, i]))) if B[i, i] else size
    h = min(DIFFERENCE * natural * 10.0, DIFFERENCE * 10.0 * max(size, 1e-3 * natural))
    return min(h, 0.4 * float(phi[i])) if is_variance else h


def _gradient_at(problem: Problem, s: State, phi: Floats, i: int, change: float) -> Floats:
    moved = phi.copy()
    moved[i] += change
    state = evaluate_state(problem, parameters.unpack(moved, problem.widths), s.reml)
    return parameters.gradient(derivatives(problem, state).G, state.lambdas)

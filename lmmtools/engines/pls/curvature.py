"""Second derivatives of the criterion with respect to the optimiser's parameters.

With P the projected inverse covariance, V_i = dV/dphi_i and q_i = y'P V_i P y, q_ij = y'P V_i P V_j P y,

    d2 criterion / dphi_i dphi_j = -tr(P V_i P V_j) + dof (2 q_ij / r2 - q_i q_j / r2^2) + (curvature of Sigma in phi)

(ML: V^-1 for P in the trace). The average information of Gilmour, Thompson & Cullis (1995) puts dof q_ij / r2 in the
trace's place: no inverse is needed, only solves with the factor at hand, and what is left is never indefinite. Where
all of Z'PZ is cheap to have, the trace itself is used and Newton's method converges quadratically.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.lapack import dtrtrs

from lmmtools.engines.pls import parameters
from lmmtools.engines.pls.factor import solve
from lmmtools.engines.pls.objective import derivatives, evaluate_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.engines.pls.objective import Derivatives, State
    from lmmtools.engines.pls.problem import Problem

    Floats = NDArray[np.float64]

__all__ = ["Curvature", "curvature", "curvature_along", "quadratic_forms", "trace_products"]

DENSE_Q = 400
"""Up to this many random effects all of Z'PZ costs less than the iterations that its exact curvature saves."""


@dataclass(frozen=True, slots=True, eq=False)
class Curvature:
    """Second derivatives with respect to phi.

    Attributes
    ----------
    exact : ndarray, shape (k, k), or None
        The Hessian, where it is cheap.
    average : ndarray, shape (k, k)
        The average-information approximation.
    """

    exact: Floats | None
    average: Floats


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
    D = parameters.directions(f, sigma, problem.structure.factors)
    q = D.T @ f
    _, N = solve(s.elimination, problem.structure.A @ D)
    Q = D.T @ N
    if problem.p:
        z, _ = dtrtrs(s.Lxx, s.F[:, :-1].T @ D, lower=1)
        Q -= z.T @ z
    return q, 0.5 * (Q + Q.T)


def trace_products(problem: Problem, s: State, d: Derivatives, sigma: Sequence[Floats]) -> Floats | None:
    """Return tr(P V_i P V_j), shape (k, k), or None where Z'PZ would cost too much.

    tr(P V_i P V_j) = sum_gh tr(dSigma_i N_gh dSigma_j N_hg) over the blocks N_gh of Z'PZ.
    """
    st = problem.structure
    if d.inverse.N is not None:
        return _trace_one_factor(problem, d.inverse.N, d.Y, sigma)
    if st.q > DENSE_Q:
        return None
    if d.inverse.W_rest is not None and not st.chain:
        A = st.rest_products()
        N = A - A @ d.inverse.W_rest @ A
    else:
        _, N = solve(s.elimination, st.A.toarray())
    N = N - d.Y @ d.Y.T
    places = [(k, f, part) for f in st.factors for k, part in f.parts()]
    starts = np.cumsum([0, *(len(x) for x in sigma)])
    out = np.empty((starts[-1], starts[-1]))
    for i, (k, f, own) in enumerate(places):
        rows = N[f.columns]
        for j, other, part in places[: i + 1]:
            block = rows[:, other.columns]
            if f.l == other.l == 1:
                squares = np.vdot(block, block) * sigma[k][0, 0, 0] * sigma[j][0, 0, 0]
                out[starts[k], starts[j]] = out[starts[j], starts[k]] = squares
                continue
            cut = block.reshape(f.m, f.l, other.m, other.l)[:, own, :, part]
            flat = cut.transpose(1, 3, 0, 2).reshape(cut.shape[1] * cut.shape[3], -1)
            t = _contract(flat @ flat.T, sigma[k], sigma[j])
            out[starts[k] : starts[k + 1], starts[j] : starts[j + 1]] = t
            out[starts[j] : starts[j + 1], starts[k] : starts[k + 1]] = t.T
    return out


def _contract(gram: Floats, left: Floats, right: Floats) -> Floats:
    """sum_abcd left_i[a,b] right_j[c,d] gram[(a,c),(b,d)]."""
    a, c = left.shape[1], right.shape[1]
    g = gram.reshape(a, c, a, c).transpose(0, 2, 1, 3).reshape(a * a, c * c)
    return np.asarray(left.reshape(len(left), -1) @ g @ right.reshape(len(right), -1).T)


def _trace_one_factor(problem: Problem, N: Floats, Y: Floats, sigma: Sequence[Floats]) -> Floats:
    """The same for one factor with no other: N_gh = (N_gg where g = h) - Y_g Y_h', in time linear in its levels."""
    f = problem.structure.factors[0]
    m, l = f.m, f.l
    flat = N.reshape(m, l * l)
    gram = flat.T @ flat
    if Y.shape[1]:
        y = Y.reshape(m, l, -1)
        own = np.matmul(y, y.transpose(0, 2, 1)).reshape(m, l * l)
        cross = flat.T @ own
        gram = gram - cross - cross.T
        p = y.shape[2]
        wide = Y.reshape(m, l * p)
        S = (wide.T @ wide).reshape(l, p, l, p)
        gram += np.einsum("aubv,cudv->acbd", S, S).reshape(l * l, l * l)
    starts = np.cumsum([0, *(len(x) for x in sigma)])
    out = np.empty((starts[-1], starts[-1]))
    g = gram.reshape(l, l, l, l)
    for k, own_part in f.parts():
        for j, part in f.parts():
            piece = g[own_part, part, own_part, part]
            size = piece.shape[0] * piece.shape[1]
            t = _contract(piece.reshape(size, size), sigma[k], sigma[j])
            out[starts[k] : starts[k + 1], starts[j] : starts[j + 1]] = t
    return out


def curvature(problem: Problem, s: State, d: Derivatives, frames: Sequence[Floats]) -> Curvature:
    """Return the second derivatives at an evaluated point, with respect to phi in the given frames."""
    sigma = [parameters.sigma_directions(lam, Q, c) for lam, Q, c in zip(s.lambdas, frames, problem.units, strict=True)]
    q, Q = quadratic_forms(problem, s, sigma)
    Q = Q * (s.dof / s.r2)
    rest = parameters.second_order(d.G, s.lambdas, frames, problem.units) - np.outer(q, q) * (s.dof / s.r2**2)
    t = trace_products(problem, s, d, sigma)
    return Curvature(None if t is None else 2.0 * Q - t + rest, Q + rest)


def curvature_along(
    problem: Problem, s: State, g: Floats, phi: Floats, frames: Sequence[Floats], direction: Floats
) -> float:
    """Return the exact second derivative of the criterion along a direction of phi, by one difference of gradients.

    Parameters
    ----------
    g, phi : ndarray, shape (k,)
        The gradient at s, and s itself.
    frames : sequence of ndarray
    direction : ndarray, shape (k,)
        Scaled so that the criterion rises by about one half over its length.
    """
    limits = parameters.bounded(problem.widths)
    at_risk = limits & (direction < 0)
    h = DIFFERENCE
    if at_risk.any():
        # A variance stays positive; towards more of it there is always room.
        room = float((phi[at_risk] / -direction[at_risk]).min())
        if room < 2.0 * h:
            direction, room = -direction, np.inf
            falling = limits & (direction < 0)
            if falling.any():
                room = float((phi[falling] / -direction[falling]).min())
        h = min(h, 0.4 * room)
    state = evaluate_state(problem, parameters.unpack(phi + h * direction, frames, problem.units), s.reml)
    moved = parameters.gradient(derivatives(problem, state).G, state.lambdas, frames, problem.units)
    return float(direction @ (moved - g)) / h


DIFFERENCE = 0.02
"""Step of the difference, as a share of the distance over which the criterion rises by one half."""

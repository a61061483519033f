"""Second derivatives of the criterion with respect to the optimiser's parameters.

With P the projected inverse covariance, V_i = dV/dphi_i and q_i = y'P V_i P y, q_ij = y'P V_i P V_j P y,

    d2 criterion / dphi_i dphi_j = -tr(P V_i P V_j) + dof (2 q_ij / r2 - q_i q_j / r2^2) + (curvature of Sigma in phi)

(ML: V^-1 for P in the trace). The average information of Gilmour, Thompson & Cullis (1995) puts dof q_ij / r2 in the
trace's place: no inverse is needed, only solves with the factor at hand, and what is left is never indefinite. Where
all of Z'PZ is cheap to have, the trace itself is used and Newton's method converges quadratically.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg.lapack import dtrtrs

from lmmtools.engines.pls import parameters
from lmmtools.engines.pls.factor import solve
from lmmtools.engines.pls.inverse import Inverse, invert
from lmmtools.engines.pls.objective import derivatives, derivatives_from, evaluate_state, projector
from lmmtools.engines.pls.rest import KEEP_Q

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.engines.pls.objective import Derivatives, State
    from lmmtools.engines.pls.problem import Problem
    from lmmtools.engines.pls.structure import Factor

    Floats = NDArray[np.float64]

__all__ = [
    "LocalModel",
    "curvature_along",
    "local_model",
    "quadratic_forms",
    "trace_products",
    "trace_products_by_columns",
]

DENSE_Q = 400
"""Up to this many random effects all of Z'PZ costs less than the iterations that its exact curvature saves."""

COLUMNS = 256
"""Columns of Z'PZ at a time, where all of it would be too large."""


@dataclass(frozen=True, slots=True, eq=False)
class LocalModel:
    """The criterion around one point, to second order in phi.

    Attributes
    ----------
    state : State
    d : Derivatives
    frames, factors : tuple of ndarray, each (l, l)
        Q and L per block.
    phi, g : ndarray, shape (k,)
        The point and the gradient.
    exact : ndarray, shape (k, k), or None
        The Hessian, where it is cheap.
    average : ndarray, shape (k, k)
        The average-information approximation.
    """

    state: State
    d: Derivatives
    frames: tuple[Floats, ...]
    factors: tuple[Floats, ...]
    phi: Floats
    g: Floats
    exact: Floats | None
    average: Floats

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
    D = parameters.directions(f, sigma, problem.structure.factors)
    q = D.T @ f
    _, N = solve(s.elimination, problem.structure.A @ D)
    Q = D.T @ N
    if problem.p:
        z, _ = dtrtrs(s.Lxx, s.F[:, :-1].T @ D, lower=1)
        Q -= z.T @ z
    return q, 0.5 * (Q + Q.T)


def trace_products(problem: Problem, s: State, inverse: Inverse, Y: Floats, sigma: Sequence[Floats]) -> Floats | None:
    """Return tr(P V_i P V_j), shape (k, k), or None where Z'PZ would cost too much.

    tr(P V_i P V_j) = sum_gh tr(dSigma_i N_gh dSigma_j N_hg) over the blocks N_gh of Z'PZ.
    """
    st = problem.structure
    if inverse.N is not None:
        return _trace_one_factor(problem, inverse.N, Y, sigma)
    if st.q > DENSE_Q:
        return None
    if inverse.W_rest is not None and not st.chain:
        A = st.layout.products()
        N = A - A @ inverse.W_rest @ A
    else:
        _, N = solve(s.elimination, st.A.toarray())
    N = N - Y @ Y.T
    out = np.zeros((k := sum(len(x) for x in sigma), k))
    for other in st.factors:
        _add_products(problem, N[:, other.columns], other, sigma, out)
    return out


def trace_products_by_columns(problem: Problem, s: State, Y: Floats, sigma: Sequence[Floats]) -> Floats:
    """As :func:`trace_products` for any size: some columns of Z'PZ at a time, in memory of order q."""
    st = problem.structure
    out = np.zeros((k := sum(len(x) for x in sigma), k))
    A: Any = st.A.tocsc()
    for other in st.factors:
        step = max(1, COLUMNS // other.l)
        for first in range(0, other.m, step):
            begin = other.columns.start + first * other.l
            columns = slice(begin, min(begin + step * other.l, other.columns.stop))
            _, N = solve(s.elimination, A[:, columns].toarray())
            _add_products(problem, N - Y @ Y[columns].T, other, sigma, out)
    return out


def _add_products(problem: Problem, N: Floats, other: Factor, sigma: Sequence[Floats], out: Floats) -> None:
    """Add the share of some levels of one factor, columns N of Z'PZ, to tr(P V_i P V_j)."""
    starts = np.cumsum([0, *(len(x) for x in sigma)])
    for f in problem.structure.factors:
        if f.start > other.start:
            continue
        cut = N[f.columns].reshape(f.m, f.l, -1, other.l)
        for k, own in f.parts():
            for j, part in other.parts():
                block = cut[:, own, :, part]
                a, b = block.shape[1], block.shape[3]
                if a == b == 1:
                    t = np.vdot(block, block) * sigma[k][:, :1, 0] * sigma[j][:, 0, 0]
                else:
                    flat = block.transpose(1, 3, 0, 2).reshape(a * b, -1)
                    t = _contract(flat @ flat.T, sigma[k], sigma[j])
                out[starts[k] : starts[k + 1], starts[j] : starts[j + 1]] += t
                if f.start != other.start:
                    out[starts[j] : starts[j + 1], starts[k] : starts[k + 1]] += t.T


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


def local_model(problem: Problem, state: State) -> LocalModel:
    """Return an evaluated point in its own frame, with first and second derivatives."""
    frames, factors = parameters.frame(state.lambdas)
    if max(problem.widths) > 1:
        # The same Sigma, factored in that frame.
        state = replace(state, lambdas=tuple(Q @ L for Q, L in zip(frames, factors, strict=True)))
    inverse, Y = invert(state.elimination), projector(state)
    d = derivatives_from(problem, state, inverse, Y)
    units = problem.units
    phi = parameters.pack(factors, units)
    g = parameters.gradient(d.G, state.lambdas, frames, units)
    sigma = [parameters.sigma_directions(lam, Q, c) for lam, Q, c in zip(state.lambdas, frames, units, strict=True)]
    q, Q2 = quadratic_forms(problem, state, sigma)
    Q2 *= state.dof / state.r2
    rest = parameters.second_order(d.G, state.lambdas, frames, units)
    rest -= np.outer(q, q) * (state.dof / state.r2**2)
    t = trace_products(problem, state, inverse, Y, sigma)
    if problem.structure.q_rest > KEEP_Q:
        # What follows needs no more of the factor; the next point needs its memory.
        state = replace(state, elimination=replace(state.elimination, stages=(), rest=None))
    return LocalModel(state, d, frames, factors, phi, g, None if t is None else 2.0 * Q2 - t + rest, Q2 + rest)


def curvature_along(problem: Problem, m: LocalModel, direction: Floats) -> float:
    """Return the exact second derivative of the criterion along a direction of phi, by one difference of gradients.

    Parameters
    ----------
    problem : Problem
    m : LocalModel
    direction : ndarray, shape (k,)
        Scaled so that the criterion rises by about one half over its length.
    """
    limits = parameters.bounded(problem.widths)
    h = DIFFERENCE
    room = _room(m.phi, direction, limits)
    if room < 2.0 * h:
        # A variance stays positive; towards more of it there is always room.
        direction = -direction
        room = _room(m.phi, direction, limits)
    h = min(h, 0.4 * room)
    state = evaluate_state(problem, parameters.unpack(m.phi + h * direction, m.frames, problem.units), m.state.reml)
    moved = parameters.gradient(derivatives(problem, state).G, state.lambdas, m.frames, problem.units)
    return float(direction @ (moved - m.g)) / h


def _room(phi: Floats, direction: Floats, limits: NDArray[np.bool_]) -> float:
    falling = limits & (direction < 0)
    return float((phi[falling] / -direction[falling]).min(initial=np.inf))


DIFFERENCE = 0.02
"""Step of the difference, as a share of the distance over which the criterion rises by one half."""

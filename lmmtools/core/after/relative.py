"""The covariance of the variance parameters in the engine's own coordinates, where it exists for singular fits too.

With phi the coordinates of the relative covariances Sigma_k (see :mod:`~lmmtools.core.search.parameters`) and sigma**2
profiled out, the inverse of half the criterion's Hessian is the asymptotic covariance of phi, and sigma**2 = r2 / dof
moves with it. It counts by its logarithm, so that nothing here but C has a unit, whose powers could overflow. A
variance of zero, and the columns of a factor that have vanished, are held: the fixed effects' covariance does not
change with them to first order, and the criterion's mixed derivatives with them are zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.core.model.covariance import is_null
from lmmtools.core.search import parameters
from lmmtools.core.search.curvature import LocalModel, local_model
from lmmtools.core.search.objective import derivatives, evaluate_state
from lmmtools.errors import EngineError
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem

    Floats = NDArray[np.float64]

__all__ = ["RelativeUncertainty", "nearby_thetas", "relative_uncertainty"]

STEP = 1e-5
"""Step of the differences of exact gradients, in standard errors, where the Hessian itself costs more.

On InstEval steps from 1e-6 to 1e-4 give the degrees of freedom to six, five and four digits of central differences.
"""


FLAT, IDLE = 1e-5, 1e-6
"""Curvature along a direction (scaled to a unit diagonal), and relative change of C and sigma**2 along it, that count
as zero: rounding and the error of differences."""


@dataclass(frozen=True, slots=True, eq=False)
class RelativeUncertainty:
    """How the covariance of the fixed effects C depends on the variance parameters, and how uncertain these are.

    Attributes
    ----------
    cov : ndarray, shape (p, p)
        C, in squared units of y per units of X.
    slopes : ndarray, shape (m + 1, p, p)
        dC with respect to the m free coordinates and the logarithm of sigma**2, the last.
    covariance : ndarray, shape (m + 1, m + 1)
        Asymptotic covariance of those.
    held : tuple of int
        Blocks with a zero variance or lost rank, which is held.
    owners : ndarray of int, shape (m,)
        Block of each free coordinate.
    directions : tuple of ndarray, each (l, l), length m
        Derivative of that block's relative covariance Sigma_k / sigma**2 with respect to it, on the data's scale.
    """

    cov: Floats
    slopes: Floats
    covariance: Floats
    held: tuple[int, ...]
    owners: NDArray[np.intp]
    directions: tuple[Floats, ...]


@single
def relative_uncertainty(problem: Problem, theta: Floats, reml: bool = True) -> RelativeUncertainty:
    """Return the derivatives of the fixed effects' covariance, and the covariance of the parameters.

    Raises
    ------
    EngineError
        If the criterion cannot be evaluated at theta, or is not at a minimum there.
    """
    s = evaluate_state(problem, problem.to_lambdas(theta), reml)
    F, b, r2, dof, f = s.F[:, : problem.p], s.b, s.r2, s.dof, s.f
    C = np.asarray(np.linalg.inv(s.Hxx), dtype=float)
    m = local_model(problem, s, once=True)
    free, held = _free(problem, m.frames, m.roots, reml)
    lambdas = [Q @ L for Q, L in zip(m.frames, m.roots, strict=True)]
    sigma = parameters.sigma_directions(problem.covariances, lambdas, m.frames)
    H = m.exact[np.ix_(free, free)] if m.exact is not None else _by_differences(problem, m, free)
    p, k = len(b), len(m.phi)
    moved = [parameters.apply_directions(column, sigma, problem.structure.factors) for column in F.T]
    P = np.einsum("qa,bqi->iab", F, np.reshape(moved, (p, len(F), k)), optimize=True).reshape(k, p, p)[free]
    q = (parameters.apply_directions(f, sigma, problem.structure.factors).T @ f)[free]
    unit = problem.response.y_scale**2
    s2 = r2 / dof
    covariance = np.empty((len(free) + 1, len(free) + 1))
    own = _invert(0.5 * H, P, q / r2, C)
    # d log sigma**2 = dr2 / r2, dr2 = -q dphi; given phi its variance is 2 / dof.
    follow = -q / r2
    covariance[:-1, :-1] = own
    covariance[:-1, -1] = covariance[-1, :-1] = own @ follow
    covariance[-1, -1] = 2.0 / dof + follow @ own @ follow
    X = problem.scaling.x_map
    slopes = s2 * unit * np.concatenate([np.einsum("ab,ibc,cd->iad", C, P, C, optimize=True), C[None]])
    owners, moves = _on_data_scale(problem, sigma, free)
    return RelativeUncertainty(s2 * unit * (X @ C @ X.T), X @ slopes @ X.T, covariance, held, owners, moves)


def _invert(H: Floats, P: Floats, q: Floats, C: Floats) -> Floats:
    """Return the inverse of half the Hessian, without directions along which nothing changes.

    Such are those along which two terms exchange variance: C and sigma**2 do not change there either, and their
    uncertainty has no part in anything's.

    Parameters
    ----------
    H : ndarray, shape (m, m)
    P : ndarray, shape (m, p, p)
        dC = C P_i C.
    q : ndarray, shape (m,)
        d log sigma**2, less the sign.
    C : ndarray, shape (p, p)

    Raises
    ------
    EngineError
        If the criterion is no minimum in the others.
    """
    scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diag(H)), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(H * scale * scale[:, None])
    V = scale[:, None] * vectors
    idle = np.abs(values) <= FLAT
    for i in np.flatnonzero(idle):
        half = np.linalg.cholesky(C)
        share = float(np.abs(half.T @ np.tensordot(V[:, i], P, 1) @ half).max(initial=0.0))
        idle[i] = max(share, abs(float(V[:, i] @ q))) <= IDLE
    if (values[~idle] <= 0).any():
        raise EngineError(
            "the criterion is not at a minimum of the variance parameters, so that degrees of freedom are not defined"
        )
    kept = V[:, ~idle] / np.sqrt(values[~idle])
    return np.asarray(kept @ kept.T)


def _on_data_scale(
    problem: Problem, sigma: list[Floats], free: NDArray[np.intp]
) -> tuple[NDArray[np.intp], tuple[Floats, ...]]:
    """Return the block of each free coordinate, and the derivative of its Sigma on the data's scale."""
    owners = np.repeat(np.arange(len(sigma)), [len(d) for d in sigma])
    inverses = [np.linalg.inv(R) for R in problem.scaling.basis_maps]
    every = [inverses[k] @ d @ inverses[k].T for k, own in enumerate(sigma) for d in own]
    return owners[free], tuple(every[i] for i in free)


@single
def nearby_thetas(
    problem: Problem, theta: Floats, reml: bool, steps: Floats
) -> tuple[tuple[Floats, Floats, float], ...]:
    """Return theta ahead of and behind the optimum along each free coordinate, and the length between them.

    The coordinates are those of :func:`relative_uncertainty`.

    Parameters
    ----------
    problem : Problem
    theta : array_like, shape (k,)
    reml : bool
    steps : ndarray, shape (m,)
        Shorter where a variance would be negative.
    """
    terms = problem.covariances
    frames, roots = parameters.frame(terms, problem.to_lambdas(theta))
    free, _ = _free(problem, frames, roots, reml)
    phi = parameters.pack(terms, roots)
    is_bounded = parameters.bounded(terms)
    found = []
    for i, step in zip(free.tolist(), steps.tolist(), strict=True):
        h = min(step, float(phi[i])) if is_bounded[i] else step
        ahead, behind = phi.copy(), phi.copy()
        ahead[i], behind[i] = phi[i] + h, phi[i] - h
        pair = [problem.to_theta(parameters.unpack(terms, x, frames)) for x in (ahead, behind)]
        found.append((pair[0], pair[1], 2.0 * h))
    return tuple(found)


def _free(
    problem: Problem, frames: Sequence[Floats], roots: Sequence[Floats], reml: bool
) -> tuple[NDArray[np.intp], tuple[int, ...]]:
    """Return the coordinates along which some Sigma changes, and the blocks without full rank."""
    free, held = [], []
    for k, (Q, L, c) in enumerate(zip(frames, roots, problem.units, strict=True)):
        present = ~is_null(np.diag(L), c)
        moves = problem.covariances[k].of_columns(present)
        span = problem.spanned[k] if reml else None
        if span is not None:
            # The criterion does not depend on effects that X spans.
            moves = moves & problem.covariances[k].of_rows(span.is_kept(Q))
        free.append(moves)
        if not present.all():
            held.append(k)
    return np.flatnonzero(np.concatenate(free)), tuple(held)


def _by_differences(problem: Problem, m: LocalModel, free: NDArray[np.intp]) -> Floats:
    """Return the Hessian in the free coordinates by differences of exact gradients."""
    H = np.empty((len(free), len(free)))
    for row, i in enumerate(free):
        h = STEP / np.sqrt(max(float(m.average[i, i]), 1e-12))
        phi = m.phi.copy()
        phi[i] += h
        lambdas = parameters.unpack(problem.covariances, phi, m.frames)
        state = evaluate_state(problem, lambdas, m.state.reml)
        sigma = parameters.sigma_directions(problem.covariances, lambdas, m.frames)
        moved = parameters.gradient(derivatives(problem, state).G, sigma)
        H[row] = (moved - m.g)[free] / h
    return 0.5 * (H + H.T)

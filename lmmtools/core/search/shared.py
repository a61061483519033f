"""Blocks that share one variance: what MixedLM makes of a component of several columns per row.

No formula declares such a model; it comes from `from_mixedlm` alone. With theta = P tau, P of zeros and ones, the
gradient in tau is P' times that in theta, and what is checked of an optimum is checked in tau.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.core.search.certificate import Certificate, NullSpace
from lmmtools.core.search.objective import evaluate
from lmmtools.core.search.parameters import is_null
from lmmtools.design.theta import theta_slices
from lmmtools.errors import EngineError
from lmmtools.threads import single

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem
    from lmmtools.design.matrices import Design

    Floats = NDArray[np.float64]

__all__ = ["certify_shared", "lowest_shared", "refuse_shared", "tie"]

# Steps of the central differences, in units of tau or of a tenth of sigma where tau is small.
STEP = 1e-4
DECREASE_TOL, CURVATURE_TOL = 1e-6, -1e-4


def tie(design: Design) -> Floats:
    """Return P, shape (k, free parameters): which elements of theta are the same parameter."""
    slices = theta_slices(design.blocks)
    owner = np.arange(design.k)
    for first, *others in design.shared:
        for other in others:
            owner[slices[other]] = owner[slices[first]]
    _, column = np.unique(owner, return_inverse=True)
    P = np.zeros((design.k, int(column.max()) + 1))
    P[np.arange(design.k), column.reshape(-1)] = 1.0
    return P


def refuse_shared(design: Design, what: str) -> None:
    """Refuse to do ``what`` to a model whose blocks share a variance: it would part them.

    Raises
    ------
    EngineError
        If there are such blocks.
    """
    if design.shared:
        terms = " and ".join(str(design.blocks[i].term) for i in design.shared[0])
        raise EngineError(f"{terms} share one variance, so that there is no {what}: no engine fits such a model anew")


@single
def certify_shared(problem: Problem, theta: Floats, reml: bool) -> Certificate:
    """Return the certificate of theta in the free parameters; curvature by differences of the exact gradient.

    Raises
    ------
    EngineError
        If the criterion cannot be evaluated at theta.
    """
    P = tie(problem.design)
    tau = P.T @ theta / P.sum(axis=0)
    nulls, is_free = _null_spaces(problem, theta, P, reml)
    at = np.flatnonzero(is_free)
    if not len(at):
        return Certificate(0.0, np.inf, nulls, 0.0, all(n.min_eigenvalue >= -DECREASE_TOL for n in nulls))
    g = _gradient(problem, P, tau, reml)[at]
    H = np.empty((len(at), len(at)))
    for i, j in enumerate(at):
        step = np.zeros_like(tau)
        step[j] = STEP * max(abs(tau[j]), 0.1)
        ahead, behind = _gradient(problem, P, tau + step, reml), _gradient(problem, P, tau - step, reml)
        H[i] = (ahead - behind)[at] / (2.0 * step[j])
    H = 0.5 * (H + H.T)
    scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diag(H)), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(H * scale * scale[:, None])
    newton = scale * (vectors @ ((vectors.T @ (scale * g)) / np.maximum(np.abs(values), 1e-8)))
    expected = max(0.5 * float(g @ newton), 0.0)
    holds = expected <= DECREASE_TOL and values[0] >= CURVATURE_TOL
    holds = holds and all(n.min_eigenvalue >= -DECREASE_TOL for n in nulls)
    return Certificate(float(np.abs(g * newton).max()), float(values[0]), nulls, expected, bool(holds))


def _gradient(problem: Problem, P: Floats, tau: Floats, reml: bool) -> Floats:
    gradient = evaluate(problem, P @ tau, reml).gradient
    assert gradient is not None
    return np.asarray(P.T @ gradient)


def _null_spaces(
    problem: Problem, theta: Floats, P: Floats, reml: bool
) -> tuple[tuple[NullSpace, ...], NDArray[np.bool_]]:
    """Return the scalar terms whose variance is zero, and which free parameters are not."""
    design = problem.design
    slices = theta_slices(design.blocks)
    parts = zip(problem.to_lambdas(theta), problem.units, strict=True)
    is_zero = [len(lam) == 1 and bool(is_null(lam[0], c)[0]) for lam, c in parts]
    G = evaluate(problem, theta, reml).G
    assert G is not None
    together = {i: members for members in design.shared for i in members}
    nulls, is_free = [], np.ones(P.shape[1], dtype=bool)
    for i in np.flatnonzero(is_zero).tolist():
        members = together.get(i, (i,))
        is_free[P[slices[i].start] > 0] = False
        if members[0] == i:
            nulls.append(NullSpace(i, np.ones((1, 1)), float(sum(G[k][0, 0] for k in members))))
    return tuple(nulls), is_free


@single
def lowest_shared(problem: Problem, theta: Floats, reml: bool) -> float:
    """Return the lowest criterion found from theta by a gradient search in the free parameters."""
    from scipy.optimize import minimize

    P = tie(problem.design)

    def criterion(tau: Floats) -> tuple[float, Floats]:
        e = evaluate(problem, P @ tau, reml)
        assert e.gradient is not None
        return e.objective, np.asarray(P.T @ e.gradient)

    starts = [P.T @ theta / P.sum(axis=0), np.ones(P.shape[1])]
    return min(float(minimize(criterion, s, jac=True, method="L-BFGS-B").fun) for s in starts)

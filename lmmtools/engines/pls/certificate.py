"""What is checked of an optimum: free gradient, curvature, the derivative into every null space, and its scope."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.theta import upper_triangle
from lmmtools.engines.estimate import Certificate, NullSpace
from lmmtools.engines.pls import parameters
from lmmtools.engines.pls.curvature import LocalModel, curvature_along, local_model
from lmmtools.engines.pls.objective import Derivatives, evaluate_state
from lmmtools.engines.pls.spectrum import LowestOfAll, lowest_of_all
from lmmtools.threads import single

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.engines.estimate import Scope
    from lmmtools.engines.pls.problem import Problem

    Floats = NDArray[np.float64]

__all__ = ["SAME", "certify", "certify_model", "with_scope"]

DECREASE_TOL = 1e-6
"""Expected decrease at an optimum, on the criterion's scale: it moves no estimate by more than a thousandth of its
standard error."""

NULL_TOL = 1e-6
"""G on a null space may be below zero by this share of its two parts, which cancel there."""

SAME = 1e-7
"""Difference of two criteria, relative, that is no other optimum: what two ways to compute one leave, with room."""

CURVATURE_TOL = -1e-5
"""The smallest eigenvalue of the scaled Hessian (unit diagonal) may be below zero by the error of its differences."""


@single
def certify(problem: Problem, theta: Floats, reml: bool = True) -> Certificate:
    """Return the certificate of theta (data's scale), whoever found it.

    Parameters
    ----------
    problem : Problem
    theta : array_like, shape (k,)
    reml : bool

    Raises
    ------
    EngineError
        If the criterion cannot be evaluated at theta.
    """
    lambdas = problem.to_lambdas(theta)
    if reml:
        lambdas = problem.away_from_x(lambdas)
    state = evaluate_state(problem, lambdas, reml)
    certificate = certify_model(problem, local_model(problem, state))
    return with_scope(certificate, state.objective, lowest_of_all(problem, reml))


def with_scope(certificate: Certificate, objective: float, lowest: LowestOfAll | None) -> Certificate:
    """Return the certificate with the scope of an optimum, by what is known of the lowest value of all."""
    if lowest is None:
        return certificate
    is_lowest = lowest.is_proven and abs(objective - lowest.objective) <= SAME * max(1.0, abs(objective))
    scope: Scope = "global" if is_lowest else "local"
    return replace(certificate, scope=scope, reproduced_by=(0,) if lowest.falls else ())


def certify_model(problem: Problem, m: LocalModel) -> Certificate:
    """Return the certificate of an evaluated point.

    The gradient is taken over the elements of phi that are free: a variance at zero is not, and neither is a column of
    lambda that is zero; what those could gain is the null spaces' business. Element i's share of the expected decrease
    is |g_i (B^-1 g)_i|.

    Where the exact Hessian is not cheap (see :mod:`~lmmtools.engines.pls.curvature`) B is the average information, and
    the smallest curvature is the exact one along B's weakest direction.
    """
    d, g = m.d, m.g
    nulls, free = _null_spaces(problem, m)
    if not free.any():
        holds = all(_is_within(n, d) for n in nulls)
        return Certificate(0.0, np.inf, tuple(nulls), 0.0, holds)
    at = np.flatnonzero(free)
    B = m.average if m.exact is None else m.exact
    B = B[np.ix_(at, at)]
    scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diag(B)), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(B * scale * scale[:, None])
    weakest = float(values[0])
    if m.exact is None:
        direction = np.zeros_like(g)
        direction[at] = scale * vectors[:, 0]
        weakest = min(weakest, curvature_along(problem, m, direction))
    along = vectors.T @ (scale * g[at])
    # Where the curvature vanishes Newton's step has no meaning; the gradient there must then vanish as well.
    newton = scale * (vectors @ (along / np.maximum(np.abs(values), 1e-8)))
    shares = np.abs(g[at] * newton)
    expected = max(0.5 * float(g[at] @ newton), 0.0)
    holds = expected <= DECREASE_TOL and weakest >= CURVATURE_TOL and all(_is_within(n, d) for n in nulls)
    room = np.where(parameters.bounded([len(Q) for Q in m.frames]), m.phi, np.inf)[at]
    return Certificate(float(shares.max()), weakest, tuple(nulls), decrease_within(g[at], B, newton, room), bool(holds))


def decrease_within(g: Floats, B: Floats, step: Floats, room: Floats) -> float:
    """Return by how much the quadratic falls along Newton's step, cut where a variance reaches zero.

    Parameters
    ----------
    g : ndarray, shape (k,)
        Gradient.
    B : ndarray, shape (k, k)
        Hessian.
    step : ndarray, shape (k,)
        What Newton's method would subtract.
    room : ndarray, shape (k,)
        How far each parameter lies above its bound; inf where it has none.
    """
    is_long = step > room
    share = float(np.min(room[is_long] / step[is_long], initial=1.0))
    falls = [0.0]
    for s in (np.minimum(step, room), share * step):
        slope, bend = float(g @ s), float(s @ B @ s)
        t = 1.0 if bend <= slope else slope / bend
        falls.append(t * slope - 0.5 * t**2 * bend)
    return max(falls)


def _is_within(null: NullSpace, d: Derivatives) -> bool:
    return null.min_eigenvalue >= -NULL_TOL * float(np.abs(np.diag(d.T[null.block])).max())


def _null_spaces(problem: Problem, m: LocalModel) -> tuple[list[NullSpace], NDArray[np.bool_]]:
    """Return one record per rank-deficient lambda_k, and which elements of phi are free."""
    nulls, free = [], []
    parts = zip(m.frames, m.factors, m.d.G, problem.scaling.basis_maps, problem.units, strict=True)
    for k, (Q, L, G, R, c) in enumerate(parts):
        l = len(Q)
        null = parameters.is_null(np.diag(L), c)
        if null.any():
            basis = Q[:, null]
            span = problem.spanned[k] if m.state.reml else None
            if span is not None:
                # The slope is zero, and no rounding: the criterion does not depend on these effects.
                nulls.append(NullSpace(k, np.eye(l)[:, list(span.effects)], 0.0, is_spanned=True))
                basis = basis[:, ~span.is_idle(basis)]
            if basis.size:
                smallest = float(np.linalg.eigvalsh(basis.T @ G @ basis)[0])
                # A direction v of the engine's basis is R'v on the data's scale.
                original = np.linalg.qr(R.T @ basis)[0] if l > 1 else np.ones((1, 1))
                nulls.append(NullSpace(k, original, smallest))
        free.append(~null if l == 1 else ~null[upper_triangle(l)[0]])
    return nulls, np.concatenate(free)

"""What is checked of an optimum: free gradient, curvature, the derivative into every null space, and its scope."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from lmmtools.core.search import parameters
from lmmtools.core.search.curvature import LocalModel, curvature_along, local_model
from lmmtools.core.search.lowest import LowestOfAll, lowest_of_all
from lmmtools.core.search.objective import Derivatives, evaluate_state
from lmmtools.design.theta import upper_triangle
from lmmtools.threads import single

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem

    Floats = NDArray[np.float64]

__all__ = ["SAME", "Certificate", "NullSpace", "Scope", "certify", "certify_model", "with_scope"]

Scope = Literal["global", "local"]

DECREASE_TOL = 1e-6
"""Expected decrease at an optimum, on the criterion's scale: it moves no estimate by more than a thousandth of its
standard error."""

NULL_TOL = 1e-6
"""G on a null space may be below zero by this share of its two parts, which cancel there."""

SAME = 1e-7
"""Difference of two criteria, relative, that is no other optimum: what two ways to compute one leave, with room."""

CURVATURE_TOL = -1e-5
"""The smallest eigenvalue of the scaled Hessian (unit diagonal) may be below zero by the error of its differences."""

NEAR = 1.0
"""Up to here a quadratic tells how far a criterion falls: at 456 points of 40 random designs it said at most 1.5 times
what was there (33 times, where more is believed)."""


@dataclass(frozen=True, slots=True, eq=False)
class NullSpace:
    """Evidence at the boundary for one term whose lambda_k has lost rank.

    Attributes
    ----------
    block : int
        Index of the term in ``design.blocks``.
    directions : ndarray, shape (l, r)
        Orthonormal basis of the null space of Sigma_k.
    min_eigenvalue : float
        Smallest eigenvalue of G_k restricted to that space, scaled so that 1 is one unit of the criterion for one
        unit of relative variance over the whole design; not negative (to rounding) at an optimum.
    is_spanned : bool
        Whether the fixed effects span the directions: the restricted likelihood does not depend on their variance.
    """

    block: int
    directions: NDArray[np.float64]
    min_eigenvalue: float
    is_spanned: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Certificate:
    """What was checked of theta as an optimum of the criterion.

    Attributes
    ----------
    gradient_norm : float
        Largest absolute derivative of the criterion over the free elements of theta, each in units of that element's
        own step (so that it estimates how far the criterion can still fall).
    min_curvature : float
        Smallest eigenvalue of the criterion's scaled Hessian over the free directions; inf where none is free.
    null_spaces : tuple of NullSpace
        One per rank-deficient term.
    expected_decrease : float
        How far the quadratic at theta falls along Newton's step, cut where a variance reaches zero; an estimate of how
        much lower the criterion is nearby only where `near_decrease` has it.
    holds : bool
        Whether all of it is within tolerance.
    scope : {"local", "global"}
        "global" where it is known that no theta has a lower criterion, by more than rounding: with one variance, where
        the whole criterion is bounded from below. "local" elsewhere: no lower value is near, nor was any found.
    reproduced_by : tuple of int
        Terms, as indices of ``design.blocks``, whose effects reproduce the response together with X, so that the
        criterion falls without end, or towards a limit below any of its values, as their variances grow. Then there is
        no lowest value, and theta is a local optimum at best.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> fit.certificate.scope
    'global'
    """

    gradient_norm: float
    min_curvature: float
    null_spaces: tuple[NullSpace, ...]
    expected_decrease: float
    holds: bool
    scope: Scope = "local"
    reproduced_by: tuple[int, ...] = ()

    @property
    def near_decrease(self) -> float | None:
        """How much lower the criterion is nearby; None where the derivatives at theta do not tell.

        They tell where the criterion is convex and the decrease below `NEAR`.
        """
        is_told = self.min_curvature > 0 and self.expected_decrease <= NEAR
        return self.expected_decrease if is_told else None


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

    Where the exact Hessian is not cheap (see :mod:`~lmmtools.core.search.curvature`) B is the average information, and
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
    parts = zip(m.frames, m.roots, m.d.G, problem.scaling.basis_maps, problem.units, strict=True)
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

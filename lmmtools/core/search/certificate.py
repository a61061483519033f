"""The certificate of an optimum: free gradient, curvature, the derivative into every null space, and its scope.

Where blocks share one variance (what MixedLM makes of a component of several columns per row; no formula declares such
a model), theta = P tau with P of zeros and ones: the gradient in tau is P' times that in theta, and what is checked of
an optimum is checked in tau.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from lmmtools.core import kernels
from lmmtools.core.model.covariance import is_null
from lmmtools.core.search import parameters
from lmmtools.core.search.curvature import LocalModel, curvature_along, local_model
from lmmtools.core.search.objective import Derivatives, derivatives, evaluate, evaluate_state
from lmmtools.core.search.section import LowestOfAll, lowest_of_all
from lmmtools.design.theta import theta_slices
from lmmtools.errors import EngineError
from lmmtools.html import facts
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem
    from lmmtools.design.matrices import Design

    Floats = NDArray[np.float64]

__all__ = [
    "SAME",
    "Certificate",
    "NullSpace",
    "Scope",
    "certify",
    "certify_model",
    "certify_shared",
    "lowest_shared",
    "null_slack",
    "refuse_shared",
    "tie",
    "with_scope",
]

Scope = Literal["global", "local"]

DECREASE_TOL = 1e-6
"""Expected decrease at an optimum, on the criterion's scale: it moves no estimate by more than a thousandth of its
standard error."""

NULL_TOL = 1e-6
"""Share of the derivative of log|V| by which G on a null space may be negative: G is a difference of two parts."""

SAME = 1e-7
"""Relative difference of two criteria up to which they belong to one optimum: it exceeds the rounding of two ways to
compute one."""

CURVATURE_TOL = -1e-5
"""The smallest eigenvalue of the scaled Hessian (unit diagonal) may be below zero by the error of its differences."""

NEAR = 1.0
"""Expected decrease up to which the quadratic model is used as an estimate: at 456 points of 40 random designs it was
at most 1.5 times the true decrease (33 times, without this limit)."""


STEP = 1e-4
"""Step of the central differences, as a share of tau or of a tenth of sigma where tau is small."""


@dataclass(frozen=True, slots=True, eq=False)
class NullSpace:
    """The derivative at the boundary, for one term whose lambda_k has no full rank.

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
        Whether the fixed effects span the directions, so that the restricted likelihood does not depend on their
        variance.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff2")).fit(engine="pls")
    >>> round(fit.certificate.null_spaces[0].min_eigenvalue, 3)
    9.905
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

    @property
    def verdict(self) -> str:
        """What was found, in a sentence.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> print(fit.certificate.verdict)
        theta is an optimum, and no other theta has a lower criterion
        """
        if self.reproduced_by:
            return "the effects reproduce the response, so that the criterion has no lowest value"
        if not self.holds:
            return "theta is not certified as an optimum: the criterion may be lower elsewhere"
        if self.scope == "global":
            return "theta is an optimum, and no other theta has a lower criterion"
        return "theta is an optimum: no lower criterion is near, nor was one found elsewhere"

    def _facts(self) -> list[tuple[str, str]]:
        """Return labels and numbers for print."""
        return [
            ("largest derivative, in units of the step", f"{self.gradient_norm:.2g}"),
            ("smallest curvature", f"{self.min_curvature:.3g}"),
            ("decrease that may be left", f"{self.expected_decrease:.2g}"),
            ("terms of reduced rank", str(len(self.null_spaces))),
        ]

    def __str__(self) -> str:
        return "\n".join([self.verdict, *(f"{label}: {text}" for label, text in self._facts())])

    def _repr_html_(self) -> str:
        return facts("Certificate of the optimum", self._facts(), (self.verdict,))


@single
def certify(problem: Problem, theta: Floats, reml: bool = True) -> Certificate:
    """Return the certificate of any theta, on the data's scale.

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


def certify_model(problem: Problem, m: LocalModel, *, exact: bool = True) -> Certificate:
    """Return the certificate of an evaluated point.

    The gradient is taken over the free elements of phi. A variance at zero is not free, nor is a column of lambda that
    is zero: the null spaces tell whether more of those would lower the criterion. Element i's share of the expected
    decrease is |g_i (B^-1 g)_i|.

    Where the exact Hessian is not cheap (see :mod:`~lmmtools.core.search.curvature`) B is the average information, and
    the smallest curvature is the exact one along B's weakest direction, or, without ``exact``, B's own.
    """
    B = m.average if m.exact is None else m.exact
    room = np.where(parameters.bounded(problem.covariances), m.phi, np.inf)
    is_free = not any(is_null(L.diagonal(), c).any() for L, c in zip(m.roots, problem.units, strict=True))
    if is_free and m.exact is not None:
        return _make_certificate(m.g, B, room, (), m.d)
    nulls, free = _null_spaces(problem, m.frames, m.roots, m.d, m.state.reml)
    at = np.flatnonzero(free)

    def exact_along(direction: Floats) -> float:
        full = np.zeros_like(m.g)
        full[at] = direction
        return curvature_along(problem, m, full)

    return _make_certificate(
        m.g[at], B[np.ix_(at, at)], room[at], nulls, m.d, exact_along if exact and m.exact is None else None
    )


def _make_certificate(
    g: Floats,
    B: Floats,
    room: Floats,
    nulls: Sequence[NullSpace],
    d: Derivatives,
    exact_along: Callable[[Floats], float] | None = None,
) -> Certificate:
    """Return the certificate of a point from its derivatives.

    Parameters
    ----------
    g : ndarray, shape (r,)
        Gradient over the free parameters.
    B : ndarray, shape (r, r)
        Hessian over them.
    room : ndarray, shape (r,)
        How far each lies above its bound; inf where it has none.
    nulls : sequence of NullSpace
    d : Derivatives
    exact_along : callable, optional
        The exact curvature along a direction of the free parameters, where B is an approximation.
    """
    holds = all(null.min_eigenvalue >= -null_slack(d.T[null.block]) for null in nulls)
    if not len(g):
        return Certificate(0.0, np.inf, tuple(nulls), 0.0, holds)
    largest, weakest, expected, fall, direction = kernels.newton.judge(g, B, room)
    if exact_along is not None:
        weakest = min(weakest, exact_along(direction))
    holds = holds and expected <= DECREASE_TOL and weakest >= CURVATURE_TOL
    return Certificate(largest, weakest, tuple(nulls), fall, bool(holds))


def null_slack(T: Floats) -> NDArray[np.float64]:
    """Return how far below zero G on a null space counts as zero, shape (...), from T of the block, (..., l, l)."""
    return np.asarray(NULL_TOL * np.abs(T.diagonal(axis1=-2, axis2=-1)).max(axis=-1))


def _null_spaces(
    problem: Problem, frames: Sequence[Floats], roots: Sequence[Floats], d: Derivatives, reml: bool
) -> tuple[list[NullSpace], NDArray[np.bool_]]:
    """Return the null space of each lambda_k without full rank, and which elements of phi are free, shape (k,)."""
    nulls, free = [], []
    parts = zip(frames, roots, d.G, problem.scaling.basis_maps, problem.units, strict=True)
    for k, (Q, L, G, R, c) in enumerate(parts):
        l = len(Q)
        null = is_null(np.diag(L), c)
        if null.any():
            basis = Q[:, null]
            span = problem.spanned[k] if reml else None
            if span is not None:
                # The derivative is exactly zero: the criterion does not depend on these effects.
                nulls.append(NullSpace(k, np.eye(l)[:, list(span.effects)], 0.0, is_spanned=True))
                basis = basis[:, ~span.is_idle(basis)]
            if basis.size:
                smallest = float(np.linalg.eigvalsh(basis.T @ G @ basis)[0]) if l > 1 else float(G[0, 0])
                # A direction v of the engine's basis is R'v on the data's scale.
                original = np.linalg.qr(R.T @ basis)[0] if l > 1 else np.ones((1, 1))
                nulls.append(NullSpace(k, original, smallest))
        free.append(problem.covariances[k].of_columns(~null))
    return nulls, np.concatenate(free)


def tie(design: Design) -> Floats:
    """Return P of theta = P tau, shape (k, free parameters): ones where an element of theta is a free parameter."""
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
    """Raise an error if blocks of the design share a variance, which ``what`` would estimate separately.

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
    design = problem.design
    P = tie(design)
    tau = P.T @ theta / P.sum(axis=0)
    state = evaluate_state(problem, problem.to_lambdas(theta), reml)
    d = _tied_derivatives(problem, derivatives(problem, state))
    nulls, free = _null_spaces(problem, *parameters.frame(problem.covariances, state.lambdas), d, reml)
    later = {k for members in design.shared for k in members[1:]}
    nulls = [null for null in nulls if null.block not in later]
    # Of a vector-valued lambda all elements are free: no element of theta belongs to its null space alone.
    is_held = parameters.bounded(problem.covariances) & ~free
    at = np.flatnonzero(P.T @ is_held == 0)
    g, B = _tied_gradient(problem, P, tau, reml)[at], np.empty((len(at), len(at)))
    for i, j in enumerate(at):
        step = np.zeros_like(tau)
        step[j] = STEP * max(abs(tau[j]), 0.1)
        ahead, behind = _tied_gradient(problem, P, tau + step, reml), _tied_gradient(problem, P, tau - step, reml)
        B[i] = (ahead - behind)[at] / (2.0 * step[j])
    return _make_certificate(g, 0.5 * (B + B.T), np.full(len(at), np.inf), nulls, d)


def _tied_derivatives(problem: Problem, d: Derivatives) -> Derivatives:
    """Return the derivatives with respect to each Sigma_k, blocks that share its parameters changing with it."""
    maps, G, T = problem.scaling.basis_maps, list(d.G), list(d.T)
    for members in problem.design.shared:
        for own in members:
            to_own = [maps[j] @ np.linalg.inv(maps[own]) for j in members]
            G[own] = sum((R.T @ d.G[j] @ R for R, j in zip(to_own, members, strict=True)), np.zeros_like(G[own]))
            T[own] = sum((R.T @ d.T[j] @ R for R, j in zip(to_own, members, strict=True)), np.zeros_like(T[own]))
    return Derivatives(tuple(G), tuple(T))


def _tied_gradient(problem: Problem, P: Floats, tau: Floats, reml: bool) -> Floats:
    """Return the gradient with respect to tau, theta = P tau."""
    gradient = evaluate(problem, P @ tau, reml).gradient
    assert gradient is not None
    return np.asarray(P.T @ gradient)


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

"""The covariance of the fixed effects: its derivatives in the variance parameters, and its small-sample adjustment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.core.after.information import invert_tied, maps_in_own_units
from lmmtools.core.elimination.chain import invert, solve
from lmmtools.core.search.objective import State, evaluate_state, projector
from lmmtools.core.search.parameters import original_directions, sigma_entries
from lmmtools.core.search.traces import trace_products_by_columns, trace_products_once
from lmmtools.design.theta import upper_triangle
from lmmtools.errors import EngineError
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem

    Floats = NDArray[np.float64]

__all__ = [
    "AdjustedCovariance",
    "FixedEffectsDerivatives",
    "adjusted_covariance",
    "expected_information",
    "fixed_effects_derivatives",
]


IDLE = 1e-6
"""Change of C along a direction of the variances, as a share of that by its largest component, that is rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class FixedEffectsDerivatives:
    """C = (X'V^-1X)^-1, V in squared units of y, and dC/dphi_i with phi in units of sigma**2.

    Attributes
    ----------
    cov : ndarray, shape (p, p)
    slopes : ndarray, shape (k + 1, p, p)
        Per variance parameter in the order of :func:`~lmmtools.core.information`: per block the lower triangle
        of its covariance matrix column by column, the residual variance last.
    """

    cov: Floats
    slopes: Floats


@dataclass(frozen=True, slots=True, eq=False)
class AdjustedCovariance:
    """Kenward and Roger's adjustment of C = (X'V^-1X)^-1, and its ingredients.

    Attributes
    ----------
    cov : ndarray, shape (p, p)
        C itself.
    adjusted : ndarray, shape (p, p)
        C + 2 C {sum_ij W_ij (Q_ij - P_i C P_j)} C.
    slopes : ndarray, shape (k + 1, p, p)
        dC/dphi_i = C P_i C, phi the entries of the covariance matrices of the random effects in the engine's
        coordinates, the residual's last, all in units of sigma**2.
    W : ndarray, shape (k + 1, k + 1)
        Asymptotic covariance of phi, the inverse of half the expected information.
    """

    cov: Floats
    adjusted: Floats
    slopes: Floats
    W: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Products:
    """Products of X and V_i at one theta, in the engine's coordinates, with V in units of sigma**2.

    Attributes
    ----------
    state : State
    sigma : tuple of ndarray, each (parameters of the block, l, l)
        dSigma per entry of the data-scale Sigma.
    moved : ndarray, shape (k, q, p)
        dSigma_i Z'V^-1X.
    P : ndarray, shape (k, p, p)
        X'V^-1 V_i V^-1X.
    phi : ndarray, shape (k,)
        Entries of Sigma.
    """

    state: State
    sigma: tuple[Floats, ...]
    moved: Floats
    P: Floats
    phi: Floats


@single
def fixed_effects_derivatives(problem: Problem, theta: Floats, reml: bool = True) -> FixedEffectsDerivatives:
    """Return the covariance of the fixed effects at theta, and its exact derivatives.

    With V = sum_i phi_i V_i, phi the variances and covariances, dC/dphi_i = C (X'V^-1 V_i V^-1X) C; the term of the
    residual follows from the others because the V_i add up to V.

    Raises
    ------
    EngineError
        If the criterion cannot be evaluated at theta.
    """
    made = _products(problem, theta, reml)
    s2 = made.state.r2 / made.state.dof
    residual = made.state.Hxx - np.einsum("i,ipq->pq", made.phi, made.P)
    C = np.asarray(np.linalg.inv(made.state.Hxx), dtype=float)
    slopes: Floats = np.einsum("ab,ibc,cd->iad", C, np.concatenate([made.P, residual[None]]), C, optimize=True)
    return FixedEffectsDerivatives(_to_data(problem, s2 * C), _to_data(problem, s2 * slopes))


@single
def adjusted_covariance(problem: Problem, theta: Floats) -> AdjustedCovariance:
    """Return Kenward and Roger's adjusted covariance of the fixed effects, at a REML optimum.

    With P_i = X'V^-1 V_i V^-1X, Q_ij = X'V^-1 V_i V^-1 V_j V^-1X and W the inverse of half the expected information
    tr(P V_i P V_j). V is linear in phi, so that the term of its second derivatives is absent, and what belongs to the
    residual follows from the other terms.

    Raises
    ------
    EngineError
        If the criterion cannot be evaluated at theta, or the expected information is singular.

    Notes
    -----
    Kenward & Roger (1997), Biometrics 53: 983-997. Everything comes from solves with one elimination of V; the traces
    need all of Z'V^-1Z, column by column: time of order q**2 times a level's neighbours.
    """
    made = _products(problem, theta, True, _maps_of_one_size(problem))
    s, phi, k, p = made.state, made.phi, len(made.phi), problem.p
    C = np.asarray(np.linalg.inv(s.Hxx), dtype=float)
    P = np.empty((k + 1, p, p))
    P[:k], P[k] = made.P, s.Hxx - np.einsum("i,ipq->pq", phi, made.P)
    # X'V^-1 V_i V^-1 V_j V^-1X = moved_i' (Z'V^-1Z) moved_j.
    right = made.moved.transpose(1, 0, 2).reshape(-1, k * p)
    _, N = solve(s.elimination, problem.structure.times(right))
    Q = np.empty((k + 1, k + 1, p, p))
    Q[:k, :k] = (right.T @ N).reshape(k, p, k, p).transpose(0, 2, 1, 3)
    Q[:k, k] = made.P - np.einsum("j,ijpq->ipq", phi, Q[:k, :k])
    Q[k, :k] = Q[:k, k].transpose(0, 2, 1)
    Q[k, k] = P[k] - np.einsum("j,jpq->pq", phi, Q[:k, k])
    info = _expected_information(problem, made)
    # Variances of effects that X spans are not estimable, and C does not depend on them.
    told = np.flatnonzero(np.append(_is_estimable(problem), True))
    W = np.zeros_like(info)
    inverse = invert_tied(0.5 * info[np.ix_(told, told)], problem.design, told)
    failure = inverse.failure or ("" if _is_idle(inverse.idle, P[told], C) else "the variances are not determined")
    if failure:
        raise EngineError(f"Kenward and Roger's method is not defined here: {failure}")
    W[np.ix_(told, told)] = inverse.cov
    U = np.einsum("ij,ijpq->pq", W, Q) - np.einsum("ij,ipa,ab,jbq->pq", W, P, C, P, optimize=True)
    s2 = s.r2 / s.dof
    slopes = np.einsum("ab,ibc,cd->iad", C, P, C, optimize=True)
    adjusted = C + 2.0 * C @ (0.5 * (U + U.T)) @ C
    return AdjustedCovariance(
        _to_data(problem, s2 * C), _to_data(problem, s2 * adjusted), _to_data(problem, s2 * slopes), W
    )


def _is_idle(directions: Floats, P: Floats, C: Floats) -> bool:
    """Return whether C is constant along the given directions of the variances, shape (k, s)."""
    for v in directions.T:
        size = max(float(np.abs(C @ own).max() * abs(a)) for a, own in zip(v, P, strict=True))
        if float(np.abs(C @ np.tensordot(v, P, 1)).max()) > IDLE * size:
            return False
    return True


def _maps_of_one_size(problem: Problem) -> list[Floats]:
    """Return for each block the map from coordinates in which all effects have one size to the engine's, each (l, l).

    The results do not depend on these coordinates; rounding does. They are the engine's own, except where X spans some
    effects of a block or blocks share a variance: such effects and variances exist in the data's coordinates only.
    """
    tied = {k for members in problem.design.shared for k in members}
    maps = zip(maps_in_own_units(problem), problem.spanned, strict=True)
    return [R if span is not None or k in tied else np.eye(len(R)) for k, (R, span) in enumerate(maps)]


def _is_estimable(problem: Problem) -> NDArray[np.bool_]:
    """Return which entries of all Sigma_k belong to effects that X does not span, shape (k,)."""
    told = []
    for l, span in zip(problem.widths, problem.spanned, strict=True):
        is_left = np.ones(l, dtype=bool)
        if span is not None:
            is_left[list(span.effects)] = False
        columns, rows = upper_triangle(l)
        told.append(is_left[columns] & is_left[rows])
    return np.concatenate(told)


@single
def expected_information(problem: Problem, theta: Floats, reml: bool = True) -> Floats:
    """Return the expected information, tr(P V_i P V_j) / 2, shape (k + 1, k + 1); defined on the boundary too.

    Variances are in units of sigma**2, effects in units of their columns' root mean squares. Elements are ordered as
    those of :func:`~lmmtools.core.information`. Under ML P is V^-1.

    Raises
    ------
    EngineError
        If the criterion cannot be evaluated at theta.
    """
    maps = maps_in_own_units(problem)
    made = _products(problem, theta, reml, maps)
    return 0.5 * _expected_information(problem, made)


def _products(problem: Problem, theta: Floats, reml: bool, maps: Sequence[Floats] | None = None) -> _Products:
    """Return the products for variances of the data's effects, or of the effects that ``maps`` take to the engine's."""
    maps = problem.scaling.basis_maps if maps is None else maps
    s = evaluate_state(problem, problem.to_lambdas(theta), reml)
    p = problem.p
    F = s.F[:, :p]
    sigma = tuple(original_directions(R) for R in maps)
    starts = np.cumsum([0, *(len(x) for x in sigma)])
    moved = np.zeros((starts[-1], len(F), p))
    phi = np.empty(starts[-1])
    for f in problem.structure.factors:
        rows = F[f.columns].reshape(f.m, f.l, p)
        for k, part in f.parts():
            view = moved[starts[k] : starts[k + 1], f.columns].reshape(-1, f.m, f.l, p)
            view[:, :, part] = np.einsum("iab,gbp->igap", sigma[k], rows[:, part])
            moved[starts[k] : starts[k + 1], f.columns] = view.reshape(len(view), -1, p)
            phi[starts[k] : starts[k + 1]] = sigma_entries(maps[k], s.lambdas[k])
    return _Products(s, sigma, moved, np.einsum("qp,iqr->ipr", F, moved, optimize=True), phi)


def _expected_information(problem: Problem, made: _Products) -> Floats:
    """Return tr(P V_i P V_j), shape (k + 1, k + 1), V in units of sigma**2, the residual variance last.

    P V P = P gives the residual's row from the others.
    """
    s, sigma, phi = made.state, made.sigma, made.phi
    inverse, Y = invert(s.elimination), projector(s)
    t = trace_products_once(problem, s, inverse, Y, sigma)
    if t is None:
        t = trace_products_by_columns(problem, s, Y, sigma)
    first = _traces(problem, inverse.T, Y, sigma)
    out = np.empty((len(phi) + 1, len(phi) + 1))
    out[:-1, :-1] = t
    out[:-1, -1] = out[-1, :-1] = first - t @ phi
    out[-1, -1] = s.dof - first @ phi - out[:-1, -1] @ phi
    return out


def _traces(problem: Problem, T: Sequence[Floats], Y: Floats, sigma: Sequence[Floats]) -> Floats:
    """Return tr(P V_i), shape (k,)."""
    parts: dict[int, Floats] = {}
    for f, t in zip(problem.structure.factors, T, strict=True):
        y = Y[f.columns].reshape(f.m, f.l, -1)
        full = np.asarray(t).reshape(f.l, f.l) - np.einsum("gap,gbp->ab", y, y)
        for k, part in f.parts():
            parts[k] = np.einsum("iab,ab->i", sigma[k], full[part, part])
    return np.concatenate([parts[k] for k in range(len(sigma))])


def _to_data(problem: Problem, matrix: Floats) -> Floats:
    """Return a covariance matrix of the fixed effects on the data's scale, from the engine's coordinates."""
    X = problem.response.y_scale * problem.scaling.x_map
    return np.asarray(X @ matrix @ X.T)

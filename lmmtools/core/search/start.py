"""Starting values by moments: variances estimated from the sums of squares between levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.core.data.moments import vector_moments

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lmmtools.core.data.moments import VectorMoments
    from lmmtools.core.data.problem import Problem
    from lmmtools.core.elimination.parts import Factor

    Floats = NDArray[np.float64]

__all__ = [
    "joint_lambdas",
    "starting_lambdas",
    "starting_roots",
    "starting_sigmas",
    "unit_lambdas",
]

FLOOR = 0.05
"""A starting variance is at least this times the reciprocal of a level's information: away from the boundary, where
derivatives tell least."""

SPREAD = 1e-9
"""Smallest share of a starting covariance matrix's largest eigenvalue: its Cholesky factor exists, with digits to
spare."""

ALIKE = 0.9
"""Cosine of two columns above which one can stand for most of the other."""

UNIT = 3.0
"""Relative standard deviation, in units of c**-1/2, of a start that does not depend on the response."""


def starting_lambdas(problem: Problem) -> tuple[Floats, ...]:
    """Return starting lambdas per block, (l, l), in the engine's coordinates; see :func:`starting_sigmas`."""
    y = problem.response
    found = None if problem.dense is None else problem.dense.start(y, problem.n, FLOOR, SPREAD)
    if found is not None:
        return found
    sigmas = starting_sigmas(problem, y.Zy[None], np.array([y.yy]))
    return tuple(lam[0] for lam in starting_roots(problem, sigmas))


def unit_lambdas(problem: Problem) -> tuple[Floats, ...]:
    """Return a start that does not depend on the response: every effect has the relative variance UNIT**2 / c."""
    return tuple(np.eye(l) * (UNIT / np.sqrt(c)) for l, c in zip(problem.widths, problem.units, strict=True))


def starting_roots(problem: Problem, sigmas: Sequence[Floats]) -> tuple[Floats, ...]:
    """Return roots of starting values of Sigma, (B, l, l) per block."""
    return tuple(term.start(sigma) for term, sigma in zip(problem.covariances, sigmas, strict=True))


def starting_sigmas(problem: Problem, Zy: Floats, yy: Floats) -> tuple[Floats, ...]:
    """Return starting values of Sigma for B responses, (B, l, l) per block, in the engine's coordinates.

    Every effect c of every term is taken for a variance component v_c of its own. With a_g the diagonal of A, B the
    cross-products of Z with X projected out, and z = Z'Wr,

        E sum_g z_g^2 / a_g  =  sum_d v_d sum_gh B_gh^2 / a_g  +  v_e sum_g B_gg / a_g
        E r'Wr               =  sum_d v_d tr B_d               +  v_e (n - p)

    (g over the columns of c, h over those of d) is a small linear system for the v: the method of moments of
    Henderson (1953, Biometrics 9) on the cross-products, exact for balanced data.

    Parameters
    ----------
    problem : Problem
    Zy : ndarray, shape (B, q)
    yy : ndarray, shape (B,)
    """
    system = problem.moments
    sigmas, residual = _estimate_variances(problem, Zy, yy)
    if max(problem.widths) > 1:
        traces = [np.einsum("zaa->z", s) for s in sigmas]
        for f in problem.structure.factors:
            for k, part in f.parts():
                if problem.widths[k] > 1:
                    others = sum(t for j, t in enumerate(traces) if j != k) + np.zeros(len(yy))
                    z = Zy[:, f.columns].reshape(len(yy), f.m, f.l)[:, :, part]
                    floor = FLOOR * f.m / problem.n
                    sigmas[k] = _estimate_covariance(system.vectors[k], z, sigmas[k], residual, others, floor)
    return tuple(sigmas)


def joint_lambdas(problem: Problem) -> tuple[Floats, ...] | None:
    """Return starts for separate terms on one factor whose columns are nearly alike, or None where there are none.

    The intercepts and slopes of ``(x || g)`` with x far from zero can only follow lines that differ within the data by
    being large and opposite; taken for components of their own, as in :func:`starting_sigmas`, neither looks large.
    They start with the variances that they would have if they were correlated.
    """
    alike = list(_collinear_factors(problem))
    if not alike:
        return None
    y, out = problem.response, list(starting_lambdas(problem))
    sigmas, residual = _estimate_variances(problem, y.Zy[None], np.array([y.yy]))
    for f, known in alike:
        apart = np.zeros((1, f.l, f.l))
        for k, part in f.parts():
            apart[:, part, part] = sigmas[k]
        z = y.Zy[None, f.columns].reshape(1, f.m, f.l)
        joint = _estimate_covariance(known, z, apart, residual, np.zeros(1), FLOOR * f.m / problem.n)
        for k, part in f.parts():
            out[k] = problem.covariances[k].start(joint[0, part, part])
    return tuple(out)


def _collinear_factors(problem: Problem) -> Iterator[tuple[Factor, VectorMoments]]:
    """Yield the factors with several terms whose columns are nearly alike, and the moments of all their effects."""
    for f in problem.structure.factors:
        if len(f.blocks) > 1:
            known = vector_moments(problem.structure, f, slice(0, f.l), problem.ZX)
            if _is_collinear(known.total, f):
                yield f, known


def _is_collinear(total: Floats, f: Factor) -> bool:
    """Return whether columns of different terms on a factor are nearly alike, from their cross-products (l, l)."""
    lengths = np.sqrt(np.maximum(np.diag(total), np.finfo(float).tiny))
    cosines = np.abs(total / lengths / lengths[:, None])
    for _, part in f.parts():
        cosines[part, part] = 0.0
    return bool(cosines.max() > ALIKE)


def _estimate_variances(problem: Problem, Zy: Floats, yy: Floats) -> tuple[list[Floats], Floats]:
    """Return Sigma with every effect a variance component of its own, (B, l, l) per block, and the residual's, (B,)."""
    system = problem.moments
    squares = (Zy * Zy) @ system.weighted
    right = np.column_stack([squares, yy])
    try:
        v = np.linalg.solve(system.M, right.T).T
    except np.linalg.LinAlgError:
        v = (np.linalg.pinv(system.M, rcond=1e-10) @ right.T).T
    total = yy / problem.n
    residual = np.where(v[:, -1] > 1e-14 * total, v[:, -1], 0.1 * total)
    ratio = np.maximum(v[:, :-1] / residual[:, None], FLOOR / system.information)
    sigmas = [np.zeros((len(yy), l, l)) for l in problem.widths]
    for c, (k, effect) in enumerate(system.names):
        sigmas[k][:, effect, effect] = ratio[:, c]
    return sigmas, residual


def _estimate_covariance(
    known: VectorMoments, z: Floats, diagonal: Floats, residual: Floats, others: Floats, floor: float
) -> Floats:
    """Return Sigma_k of a vector-valued term, (B, l, l), from the moments of its own levels.

    E sum_g z_g z_g' = sum_g A_g Sigma A_g + s2 sum_g A_g, the other terms' variance counted as residual, and the share
    of z that X took made good; a system in the l**2 entries of Sigma.
    """
    B, _, l = z.shape
    moments = z.transpose(0, 2, 1) @ z / (residual * known.kept)[:, None, None]
    right = moments - (1.0 + others)[:, None, None] * known.total
    try:
        solved = np.linalg.solve(known.gram, right.reshape(B, l * l).T).T.reshape(B, l, l)
    except np.linalg.LinAlgError:
        return diagonal
    bad = ~np.isfinite(solved).all(axis=(1, 2))
    solved[bad] = diagonal[bad]
    values, vectors = np.linalg.eigh(0.5 * (solved + solved.transpose(0, 2, 1)))
    # Where a basis varies little within levels a moment estimate may be huge; the floor is then relative to it.
    least = np.maximum(floor, SPREAD * values[:, -1:])
    out = (vectors * np.maximum(values, least)[:, None, :]) @ vectors.transpose(0, 2, 1)
    return np.where((values[:, -1] > floor)[:, None, None], out, diagonal)

"""Starting values by moments: what the sums of squares between levels say of each variance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.blas import dot, product
from lmmtools.core.elimination.structure import diagonal_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem
    from lmmtools.core.elimination.structure import Factor, Structure

    Floats = NDArray[np.float64]

__all__ = [
    "MomentSystem",
    "factor_sigmas",
    "joint_lambdas",
    "moment_system",
    "starting_lambdas",
    "starting_sigmas",
    "unit_lambdas",
]

FLOOR = 0.05
# Smallest share of a starting covariance matrix's largest eigenvalue: its Cholesky factor exists, with digits to spare.
SPREAD = 1e-9
"""A starting variance is at least this times the reciprocal of a level's own information: away from the boundary,
where an optimiser has least to go by."""

ALIKE = 0.9
"""Cosine of two columns above which one can stand for most of the other."""

UNIT = 3.0
"""Relative standard deviation of a start that knows nothing, in units of one that begins to matter."""

PROJECTIONS = 300
"""Products A c for columns c of Z'WX that the moments may cost; beyond, the last columns of X do not count."""


@dataclass(frozen=True, slots=True, eq=False)
class VectorMoments:
    """What the design says of the moments of a vector-valued term's own levels.

    Attributes
    ----------
    total : ndarray, shape (l, l)
        Sum of the A_g.
    gram : ndarray, shape (l * l, l * l)
        Of sum_g A_g Sigma A_g as a linear map of Sigma.
    kept : float
        Share of z that X did not take.
    """

    total: Floats
    gram: Floats
    kept: float


@dataclass(frozen=True, slots=True, eq=False)
class MomentSystem:
    """The linear system of the moments; it depends on the design alone, so refits share it.

    Attributes
    ----------
    names : list of (int, int)
        (block, effect) of each type of column of Z.
    onehot : ndarray, shape (q, types)
        The type of each column, as indicators.
    inverse : ndarray, shape (q,)
        Reciprocal of the diagonal of A, zero where that is zero.
    M : ndarray, shape (types + 1, types + 1)
        Coefficients of the variances, the residual's last.
    information : ndarray, shape (types,)
        Mean diagonal of A.
    vectors : dict of int to VectorMoments
        Of each block with several effects per level.
    """

    names: list[tuple[int, int]]
    onehot: Floats
    inverse: Floats
    M: Floats
    information: Floats
    vectors: dict[int, VectorMoments]


def moment_system(st: Structure, ZX: Floats, n: int) -> MomentSystem:
    """Make the system for :func:`starting_lambdas`.

    With Q the orthonormal X, B = Z'W(I - QQ'W)Z = A - CC', C = Z'WQ, every sum of squares of B over a pair of types
    follows from A, A C and small cross-products; B itself, which is dense, is never formed.
    """
    names = [(k, e) for f in st.factors for k, w in zip(f.blocks, f.widths, strict=True) for e in range(w)]
    parts, first = [], 0
    for f in st.factors:
        parts.append(np.tile(np.arange(first, first + f.l), f.m))
        first += f.l
    types = np.concatenate(parts)
    K = len(names)
    a = st.A.diagonal()
    inverse = np.zeros(len(a))
    np.divide(1.0, a, out=inverse, where=a > 0)
    onehot = np.zeros((len(types), K))
    onehot[np.arange(len(types)), types] = 1.0
    squares = st.A.copy()
    squares.data = squares.data**2
    weighted = onehot * inverse[:, None]
    M = np.empty((K + 1, K + 1))
    M[:-1, :-1] = weighted.T @ (squares @ onehot)
    p = min(ZX.shape[1], max(1, PROJECTIONS // K))
    C = ZX[:, :p]
    row = np.einsum("qp,qp->q", C, C)
    for t in range(K):
        mine = types == t
        AC = st.A @ (C * mine[:, None])
        M[:-1, t] -= 2.0 * (weighted.T @ np.einsum("qp,qp->q", AC, C))
        G = product(C[mine].T, C[mine])
        M[:-1, t] += weighted.T @ np.einsum("qp,qp->q", product(C, G), C)
    M[:-1, -1] = weighted.T @ (a - row)
    M[-1, :-1] = onehot.T @ (a - row)
    M[-1, -1] = n - p
    counts = np.maximum(onehot.T @ (a > 0), 1.0)
    vectors = {
        k: _vector_moments(st, f, part, ZX) for f in st.factors for k, part in f.parts() if part.stop - part.start > 1
    }
    return MomentSystem(names, onehot, inverse, M, np.maximum(onehot.T @ a / counts, 1e-12), vectors)


def _vector_moments(st: Structure, f: Factor, part: slice, ZX: Floats) -> VectorMoments:
    A = diagonal_blocks(st, f)[:, part, part]
    l = A.shape[1]
    total = A.sum(0)
    C = ZX[f.columns].reshape(f.m, f.l, -1)[:, part]
    kept = 1.0 - dot(C, C) / max(float(np.trace(total)), 1e-12)
    flat = A.reshape(f.m, l * l)
    gram = (flat.T @ flat).reshape(l, l, l, l).transpose(0, 2, 1, 3).reshape(l * l, l * l)
    return VectorMoments(total, gram, max(kept, 0.1))


def starting_lambdas(problem: Problem) -> tuple[Floats, ...]:
    """Return starting lambdas per block, (l, l), in the engine's coordinates; see :func:`starting_sigmas`."""
    sigmas = starting_sigmas(problem, problem.response.Zy[None], np.array([problem.response.yy]))
    return tuple(lam[0] for lam in factor_sigmas(sigmas))


def unit_lambdas(problem: Problem) -> tuple[Floats, ...]:
    """Return a start that asks nothing of the response: every variance somewhat larger than one that matters."""
    return tuple(np.eye(l) * (UNIT / np.sqrt(c)) for l, c in zip(problem.widths, problem.units, strict=True))


def factor_sigmas(sigmas: tuple[Floats, ...]) -> tuple[Floats, ...]:
    """Return lambda of starting values of Sigma, (B, l, l) per block."""
    return tuple(np.asarray(np.sqrt(s) if s.shape[1] == 1 else np.linalg.cholesky(s), dtype=float) for s in sigmas)


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
    sigmas, residual = _components(problem, Zy, yy)
    if max(problem.widths) > 1:
        traces = [np.einsum("zaa->z", s) for s in sigmas]
        for f in problem.structure.factors:
            for k, part in f.parts():
                if problem.widths[k] > 1:
                    others = sum(t for j, t in enumerate(traces) if j != k) + np.zeros(len(yy))
                    z = Zy[:, f.columns].reshape(len(yy), f.m, f.l)[:, :, part]
                    floor = FLOOR * f.m / problem.n
                    sigmas[k] = _covariances(system.vectors[k], z, sigmas[k], residual, others, floor)
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
    sigmas, residual = _components(problem, y.Zy[None], np.array([y.yy]))
    for f, known in alike:
        apart = np.zeros((1, f.l, f.l))
        for k, part in f.parts():
            apart[:, part, part] = sigmas[k]
        z = y.Zy[None, f.columns].reshape(1, f.m, f.l)
        joint = _covariances(known, z, apart, residual, np.zeros(1), FLOOR * f.m / problem.n)
        for k, part in f.parts():
            (out[k],) = (lam[0] for lam in factor_sigmas((joint[:, part, part],)))
    return tuple(out)


def _collinear_factors(problem: Problem) -> Iterator[tuple[Factor, VectorMoments]]:
    """Yield the factors with several terms whose columns are nearly alike, and the moments of all their effects."""
    for f in problem.structure.factors:
        if len(f.blocks) > 1:
            known = _vector_moments(problem.structure, f, slice(0, f.l), problem.ZX)
            if _is_collinear(known.total, f):
                yield f, known


def _is_collinear(total: Floats, f: Factor) -> bool:
    """Whether columns of different terms on a factor are nearly alike, by their cross-products (l, l)."""
    lengths = np.sqrt(np.maximum(np.diag(total), np.finfo(float).tiny))
    cosines = np.abs(total / lengths / lengths[:, None])
    for _, part in f.parts():
        cosines[part, part] = 0.0
    return bool(cosines.max() > ALIKE)


def _components(problem: Problem, Zy: Floats, yy: Floats) -> tuple[list[Floats], Floats]:
    """Return Sigma with every effect a variance component of its own, (B, l, l) per block, and the residual's, (B,)."""
    system = problem.moments
    squares = (Zy * Zy) @ (system.onehot * system.inverse[:, None])
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


def _covariances(
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
    # A basis that varies little within levels makes a moment estimate of any size: the floor must not drown in it.
    least = np.maximum(floor, SPREAD * values[:, -1:])
    out = (vectors * np.maximum(values, least)[:, None, :]) @ vectors.transpose(0, 2, 1)
    return np.where((values[:, -1] > floor)[:, None, None], out, diagonal)

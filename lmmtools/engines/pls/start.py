"""Starting values by moments: what the sums of squares between levels say of each variance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.engines.pls.problem import Problem

    Floats = NDArray[np.float64]

__all__ = ["column_types", "starting_lambdas"]

FLOOR = 0.1
"""A starting variance is at least this times the reciprocal of a level's own information: away from the boundary,
where an optimiser has least to go by."""


def column_types(problem: Problem) -> tuple[NDArray[np.intp], list[tuple[int, int]]]:
    """Which (block, effect) each column of Z belongs to, shape (q,), and the list of those pairs."""
    types: list[tuple[int, int]] = []
    parts = []
    for f in problem.structure.factors:
        own = [(k, a) for k, w in zip(f.blocks, f.widths, strict=True) for a in range(w)]
        parts.append(np.tile(np.arange(len(types), len(types) + f.l), f.m))
        types += own
    return np.concatenate(parts), types


def starting_lambdas(problem: Problem) -> tuple[Floats, ...]:
    """lambda per block in the engine's coordinates, diagonal.

    Every effect c of every term is taken for a variance component v_c of its own. With a_g the diagonal of A and z = Z'Wy,

        E sum_g z_g^2 / a_g  =  sum_d v_d sum_gh A_gh^2 / a_g  +  m v_e ,     E y'Wy = sum_d v_d tr A_d + n v_e

    (g over the columns of c, h over those of d) is a small linear system for the v (degrees of freedom lost to X apart):
    the method of moments of Henderson (1953) on the cross-products.
    """
    types, names = column_types(problem)
    n_types = len(names)
    A = problem.structure.A
    a = A.diagonal()
    inverse = np.where(a > 0, 1.0 / np.where(a > 0, a, 1.0), 0.0)
    z = problem.response.Zy
    onehot = np.zeros((len(types), n_types))
    onehot[np.arange(len(types)), types] = 1.0
    squares = A.copy()
    squares.data = squares.data**2
    M = np.empty((n_types + 1, n_types + 1))
    M[:-1, :-1] = onehot.T @ (inverse[:, None] * (squares @ onehot))
    counts = np.bincount(types, weights=a > 0, minlength=n_types)
    M[:-1, -1] = counts
    M[-1, :-1] = np.bincount(types, weights=a, minlength=n_types)
    M[-1, -1] = problem.n
    right = np.append(np.bincount(types, weights=z * z * inverse, minlength=n_types), problem.response.yy)
    v = np.linalg.lstsq(M, right, rcond=1e-10)[0]
    total = problem.response.yy / problem.n
    residual = max(v[-1], 1e-12 * total)
    if v[-1] <= 0:
        residual = max(total - v[:-1].clip(0).sum(), 0.05 * total)
    information = np.maximum(M[-1, :-1] / np.maximum(counts, 1.0), 1e-12)
    ratio = np.maximum(v[:-1] / residual, FLOOR / information)
    lambdas = [np.zeros((l, l)) for l in problem.widths]
    for (k, effect), value in zip(names, ratio, strict=True):
        lambdas[k][effect, effect] = np.sqrt(value)
    return tuple(lambdas)

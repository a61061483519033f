"""A model of one factor: all that a search needs are sums over its levels, made in one pass each.

With A_e and C_e what the level e has of Z'WZ and Z'W[X y], and J_e = (I + A_e Sigma)^-1, N_e = J_e A_e and
F_e = J_e C_e are its blocks of Z'V^-1Z, which is block diagonal, and of Z'V^-1[X y].
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.lapack import dtrtrs

from lmmtools.core.kernels import blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem
    from lmmtools.core.elimination.structure import Stage

    Floats = NDArray[np.float64]

__all__ = ["LevelSums", "eliminate_levels", "levels_alone", "quadratic_forms_from", "sum_levels"]

NARROW = 32
"""Numbers per level, l (p + 1), up to which sums are made level by level; beyond, BLAS is faster."""


@dataclass(frozen=True, slots=True, eq=False)
class LevelSums:
    """Sums over the levels e of N_e and of Y_e = F_e [Lxx^-T, (-b, 1)'], whose last column is f = F_e (-b, 1)'.

    Attributes
    ----------
    T : ndarray, shape (l, l)
        Of N_e.
    gram, cross, last : ndarray, shape (l * l, l * l)
        Of vec N_e times vec N_e, times vec of y_1 y_1' + ... + y_p y_p', and times vec of f f'.
    S : ndarray, shape (l, p + 1, l, p + 1)
        Of vec Y_e (vec Y_e)'.
    """

    T: Floats
    gram: Floats
    cross: Floats
    last: Floats
    S: Floats


def levels_alone(problem: Problem) -> Stage | None:
    """Return the one factor of a model that has no other, if sums over its levels are cheap; else None."""
    chain = problem.structure.chain
    is_alone = len(chain) == 1 and not problem.structure.q_rest
    return chain[0] if is_alone and chain[0].factor.l * (problem.p + 1) <= NARROW else None


def eliminate_levels(problem: Problem, stage: Stage, lam: Floats) -> tuple[float, Floats]:
    """Return log|V|, nan where V is not definite, and what the levels take off H, (p + 1, p + 1)."""
    return blocks.reduce(stage.A, lam, _right(problem, stage))


def sum_levels(problem: Problem, stage: Stage, lam: Floats, Lxx: Floats, b: Floats) -> LevelSums:
    """Return the sums that derivatives are made of.

    Parameters
    ----------
    problem : Problem
    stage : Stage
        Of its one factor.
    lam : ndarray, shape (l, l)
    Lxx : ndarray, shape (p, p)
        Lower Cholesky factor of Hxx.
    b : ndarray, shape (p,)
        Fixed effects relative to the preliminary regression.
    """
    p = problem.p
    B = np.zeros((p + 1, p + 1))
    if p:
        B[:p, :p] = dtrtrs(Lxx, np.eye(p), lower=1)[0].T
    B[:p, p], B[p, p] = -b, 1.0
    return LevelSums(*blocks.moments(stage.A, lam, _right(problem, stage), B))


def _right(problem: Problem, stage: Stage) -> Floats:
    """Return Z'W[X y] by level, shape (m, l, p + 1)."""
    return problem.C.reshape(*stage.A.shape[:2], -1)


def quadratic_forms_from(problem: Problem, sums: LevelSums, sigma: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Return q_i, shape (k,), and q_ij, shape (k, k), of :mod:`~lmmtools.core.search.curvature`.

    Parameters
    ----------
    problem : Problem
    sums : LevelSums
    sigma : sequence of ndarray, each (parameters of the block, l, l)
        dSigma_i per block.
    """
    p, l = problem.p, len(sums.T)
    starts = list(accumulate((len(d) for d in sigma), initial=0))
    D = np.zeros((starts[-1], l, l))
    for k, part in problem.structure.factors[0].parts():
        D[starts[k] : starts[k + 1], part, part] = sigma[k]
    q = np.einsum("iab,ab->i", D, sums.S[:, p, :, p])
    # f'D_i N D_j f, and Lxx^-1 F_x'D_i f.
    Q = np.einsum("iba,jcd,acbd->ij", D, D, sums.last.reshape(l, l, l, l))
    z = np.einsum("iab,ajb->ji", D, sums.S[:, :p, :, p])
    Q -= z.T @ z
    return q, 0.5 * (Q + Q.T)

"""What the fixed effects span of the random ones.

The fixed effects may span random effects, as in ``g + (1 | g)``: the data say nothing of their variances. With P the
projection off X under V, P Z_k v = 0 for such a direction v of a term: the restricted likelihood is the same whatever
the variance along it, and the likelihood is largest at zero. It is held at zero, where the fixed effects' standard
errors are those of the model without it; anywhere else rounding errors would decide. The direction is all of a term
with one effect; in ``g + (x | g)`` it is the intercepts, and the slopes are estimated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.lapack import dpotrf

from lmmtools.blas import dot, product
from lmmtools.core.data.spectrum import solve_lower
from lmmtools.core.elimination.structure import Structure, total_block

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Spanned", "find_spanned"]


LEFT = 1e-12
"""Share of a direction's squared length that is left beside X and counts as rounding."""

ORTHOGONAL = 1e-6
"""Sine of the angle between a direction and a subspace that counts as rounding."""

CLEAR = 1e-9
"""Share of all directions' squared length, left beside X, from which a factor spans none: far from rounding."""

NARROW = 32
"""Numbers of Z'WX in a level up to which the products of all of them take less time than solving for each level."""

PIVOT = 1e-6
"""Smallest share of a spanned direction at which an effect can be left out for it."""


@dataclass(frozen=True, slots=True, eq=False)
class Spanned:
    """What X spans of one block, in the engine's coordinates.

    Attributes
    ----------
    away : ndarray, shape (l, l)
        Projector onto the directions orthogonal to those spanned; symmetric.
    without : ndarray, shape (l, l)
        Projector along the spanned directions that makes ``effects`` zero.
    effects : tuple of int
        As many effects of the data's own basis as directions are spanned, the first that can stand for them.
    """

    away: Floats
    without: Floats
    effects: tuple[int, ...]

    @property
    def is_all(self) -> bool:
        """Whether X leaves nothing of the block."""
        return len(self.effects) == len(self.away)

    def is_kept(self, directions: Floats) -> NDArray[np.bool_]:
        """Return which of c orthonormal directions, shape (l, c), are spanned by the effects that are not left out."""
        return np.asarray(np.linalg.norm(directions - self.without @ directions, axis=0) < ORTHOGONAL)

    def is_idle(self, directions: Floats) -> NDArray[np.bool_]:
        """Return which of c orthonormal directions, shape (l, c), X spans."""
        return np.asarray(np.linalg.norm(self.away @ directions, axis=0) < ORTHOGONAL)


def find_spanned(st: Structure, ZX: Floats, L: Floats, maps: Sequence[Floats]) -> tuple[Spanned | None, ...]:
    """Return for each block in design order the directions that X spans at every level, None where there are none.

    Parameters
    ----------
    st : Structure
    ZX : ndarray, shape (q, p)
        Z'WX in the engine's order.
    L : ndarray, shape (p, p)
        Lower Cholesky factor of X'WX.
    maps : sequence of ndarray, each (l, l)
        R per block: the engine's effects are R times the data's.
    """
    found: list[Spanned | None] = [None] * len(maps)
    diagonal = st.diagonal()
    for f in st.factors:
        if f.l == 1:
            told, size = solve_lower(L, ZX[f.columns].T), float(diagonal[f.columns].sum())
            if size - dot(told, told) > LEFT * size:
                continue
        total = total_block(st, f)
        left = total - _told_by_columns(ZX[f.columns], L, f.l)
        least = CLEAR * float(total.trace())
        if f.l > 1 and dpotrf(left - least * np.eye(f.l))[1] == 0:
            # No eigenvalue is below, nor one of a part.
            continue
        for k, part in f.parts():
            values, vectors = np.linalg.eigh(left[part, part])
            V = vectors[:, values <= LEFT * float(np.trace(total[part, part]))]
            if V.shape[1]:
                found[k] = Spanned(np.eye(len(V)) - V @ V.T, *_leave_out(V, maps[k]))
    return tuple(found)


def _told_by_columns(C: Floats, L: Floats, l: int) -> Floats:
    """Return the sum over levels of C_e (X'WX)^-1 C_e', shape (l, l), of Z'WX of one factor, (m l, p)."""
    p = C.shape[1]
    if l * p <= NARROW:
        rows = C.reshape(len(C) // l, l * p)
        inverse = solve_lower(L, np.eye(p))
        return np.asarray(np.einsum("acbd,ec,ed->ab", product(rows.T, rows).reshape(l, p, l, p), inverse, inverse))
    told = solve_lower(L, C.T).T.reshape(-1, l, p).transpose(1, 0, 2).reshape(l, -1)
    return product(told, told.T)


def _leave_out(V: Floats, R: Floats) -> tuple[Floats, tuple[int, ...]]:
    """Return the projector along V's columns (l, d) that makes d effects of the data's basis zero, and those."""
    # Effects in units of their columns; squares of the largest numbers would overflow.
    R = R / np.abs(R).max(axis=0)
    original = np.linalg.solve(R, V)
    least = PIVOT * float(np.abs(original).max())
    pivots: list[int] = []
    for j in range(len(V)):
        if np.linalg.matrix_rank(original[[*pivots, j]], tol=least) > len(pivots):
            pivots.append(j)
    out = np.eye(len(V))
    out[:, pivots] -= np.linalg.solve(original[pivots].T, original.T).T
    return np.asarray(R @ np.linalg.solve(R.T, out.T).T), tuple(pivots)

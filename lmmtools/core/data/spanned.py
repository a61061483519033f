"""Random effects that the fixed effects span, ``g + (1 | g)``: the data say nothing of their variances.

With P the projection off X under V, P Z_k v = 0 for such a direction v of a term: the restricted likelihood is the same
whatever the variance along it, and the likelihood is largest at zero. It is held at zero, where the fixed effects'
standard errors are those of the model without it; anywhere else rounding errors would decide. The direction is all of a
term with one effect; in ``g + (x | g)`` it is the intercepts, and the slopes are estimated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.blas import product
from lmmtools.core.elimination.structure import diagonal_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core.elimination.structure import Structure

    Floats = NDArray[np.float64]

__all__ = ["Spanned", "find_spanned"]

LEFT = 1e-12
"""Share of a direction's squared length that X leaves, below which it is rounding."""

ORTHOGONAL = 1e-6
"""Sine of an angle that rounding leaves between a direction and the spanned ones that it is of."""

PIVOT = 1e-6
"""Share of a spanned direction that an effect has at least, to be the one that is left out for it."""


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
        """Return which of some orthonormal directions, shape (l, c), lie among the effects that are not left out."""
        return np.asarray(np.linalg.norm(directions - self.without @ directions, axis=0) < ORTHOGONAL)

    def is_idle(self, directions: Floats) -> NDArray[np.bool_]:
        """Return which of some orthonormal directions, shape (l, c), are spanned."""
        return np.asarray(np.linalg.norm(self.away @ directions, axis=0) < ORTHOGONAL)


def find_spanned(st: Structure, ZX: Floats, XX: Floats, maps: Sequence[Floats]) -> tuple[Spanned | None, ...]:
    """Return for each block in design order which directions X spans at every level, None where there are none.

    Parameters
    ----------
    st : Structure
    ZX : ndarray, shape (q, p)
        Z'WX in the engine's order.
    XX : ndarray, shape (p, p)
        X'WX.
    maps : sequence of ndarray, each (l, l)
        R per block: the engine's effects are R times the data's.
    """
    found: list[Spanned | None] = [None] * len(maps)
    C = np.linalg.solve(np.linalg.cholesky(XX), ZX.T).T
    for f in st.factors:
        total = diagonal_blocks(st, f).sum(axis=0)
        told = C[f.columns].reshape(f.m, f.l, -1).transpose(1, 0, 2).reshape(f.l, -1)
        left = total - product(told, told.T)
        for k, part in f.parts():
            values, vectors = np.linalg.eigh(left[part, part])
            V = vectors[:, values <= LEFT * float(np.trace(total[part, part]))]
            if V.shape[1]:
                found[k] = Spanned(np.eye(len(V)) - V @ V.T, *_leave_out(V, maps[k]))
    return tuple(found)


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

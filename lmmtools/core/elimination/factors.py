"""Grouping factors as elimination sees them: all terms of a factor in one block, and how one lies within another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy import sparse

    Floats = NDArray[np.float64]

__all__ = ["Factor", "Link", "merge"]


@dataclass(frozen=True, slots=True)
class Factor:
    """One grouping factor with all the terms on it.

    Attributes
    ----------
    blocks : tuple of int
        Indices in ``design.blocks``.
    widths : tuple of int
        Effects per level of each of those blocks.
    m : int
        Levels.
    l : int
        Effects per level, the sum of the widths.
    start : int
        First column in the engine's order of Z's columns.
    """

    blocks: tuple[int, ...]
    widths: tuple[int, ...]
    m: int
    l: int
    start: int

    @property
    def q(self) -> int:
        """Columns of Z."""
        return self.m * self.l

    @property
    def columns(self) -> slice:
        """Where the factor stands in the engine's order."""
        return slice(self.start, self.start + self.q)

    def parts(self) -> tuple[tuple[int, slice], ...]:
        """Each block with its place within a level."""
        return _parts(self.blocks, self.widths)


@cache
def _parts(blocks: tuple[int, ...], widths: tuple[int, ...]) -> tuple[tuple[int, slice], ...]:
    ends = list(accumulate(widths, initial=0))
    return tuple((k, slice(a, b)) for k, a, b in zip(blocks, ends[:-1], ends[1:], strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """How a factor of the chain hangs on a coarser one.

    Attributes
    ----------
    parent : ndarray of int, shape (m,)
        The level of the coarser factor that each level lies in.
    gather : csr_matrix, shape (m_parent, m)
        Sums over the children of each parent.
    A : ndarray, shape (m, l, l_parent)
        Cross-products of each level with its parent.
    """

    parent: NDArray[np.intp]
    gather: sparse.csr_matrix
    A: Floats


def merge(factor: Factor, lambdas: Sequence[Floats]) -> Floats:
    """Return lambda of all terms of a factor, (..., l, l), block diagonal, from those per block in design order."""
    if len(factor.blocks) == 1:
        return lambdas[factor.blocks[0]]
    out = np.zeros((*lambdas[0].shape[:-2], factor.l, factor.l))
    for k, part in factor.parts():
        out[..., part, part] = lambdas[k]
    return out

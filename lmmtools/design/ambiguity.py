"""Random effects that two terms have in common: only the sum of their variances is determined.

Two terms whose factors split the rows alike give the response the same covariance along every direction that the
columns of both span, v = B_1 a = B_2 c: Sigma_1 + t a a' and Sigma_2 - t c c' are the same model for any t. A factor
given twice under two names is the plain case, ``(1 | g) + (x | g)`` another.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.design.blocks import Block
    from lmmtools.design.record import Design

    Floats = NDArray[np.float64]

__all__ = ["Ambiguity", "find_ambiguities"]

FEW = 1000
"""Rows that are looked at first."""

SAME = 1e-12
"""What the cosine of an angle between two spans may be below one, and is one but for rounding."""


@dataclass(frozen=True, slots=True)
class Ambiguity:
    """Two terms with effects in common.

    Attributes
    ----------
    first, second : str
        The terms.
    groups : (str, str)
        Their factors.
    count : int
        How many directions they share.
    is_whole : bool
        Whether they share all that either has.
    """

    first: str
    second: str
    groups: tuple[str, str]
    count: int
    is_whole: bool

    def __str__(self) -> str:
        one, other = self.groups
        what = f"{self.first} and {self.second}"
        why = "are of one factor" if one == other else f"are one factor: {one} and {other} split the rows alike"
        share = "" if self.is_whole else f", and share {self.count} random effect{'s' * (self.count > 1)}"
        cure = "Keep one of the two" if self.is_whole else "Leave it to one of the two"
        return (
            f"{what} {why}{share}. The data tell only the sum of their variances there; how it is divided between the "
            f"two, and their random effects with it, is a convention. {cure}"
        )


def find_ambiguities(design: Design) -> tuple[Ambiguity, ...]:
    """Return the pairs of terms that share random effects, in the order of the design's blocks."""
    found = []
    together = {frozenset(pair) for members in design.shared for pair in combinations(members, 2)}
    for (i, a), (j, b) in combinations(enumerate(design.blocks), 2):
        if frozenset((i, j)) in together or not _split_alike(a, b):
            continue
        count = _common_directions(a.basis, b.basis)
        if count:
            found.append(Ambiguity(str(a.term), str(b.term), (a.group, b.group), count, count == max(a.l, b.l)))
    return tuple(found)


def _split_alike(a: Block, b: Block) -> bool:
    if a.m != b.m:
        return False
    if a.codes is b.codes or a.group == b.group:
        return True
    # A level of the one for each of the other.
    first = np.zeros(a.m, dtype=np.intp)
    first[a.codes] = b.codes
    return bool(np.array_equal(first[a.codes], b.codes))


def _common_directions(A: Floats, B: Floats) -> int:
    """Return the dimension of what the columns of both span."""
    # What some rows tell apart, all rows do.
    for rows in (slice(FEW), slice(None)):
        count = _count_common(A[rows], B[rows])
        if not count or len(A) <= FEW:
            break
    return count


def _count_common(A: Floats, B: Floats) -> int:
    cosines = np.linalg.svd(_orthonormal(A).T @ _orthonormal(B), compute_uv=False)
    return int((cosines > 1.0 - SAME).sum())


def _orthonormal(B: Floats) -> Floats:
    size = np.abs(B).max(axis=0)
    scaled = B[:, size > 0] / size[size > 0]
    return np.asarray(np.linalg.qr(scaled / np.linalg.norm(scaled, axis=0))[0], dtype=float)

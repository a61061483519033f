"""Compact letters: means that share a letter were not shown to differ."""

from __future__ import annotations

from string import ascii_letters
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["WARNING", "compact_letters"]

WARNING = "means that share a letter were not shown to differ; that does not show that they are the same"
MOST = 1000
"""Sets of means that are kept; more are not read by anybody, and may be as many as there are subsets."""


def compact_letters(is_different: NDArray[np.bool_]) -> list[str]:
    """Return the letters of each mean, in the order given: two share one unless they differ.

    Each letter is a set of means none of which differ, that no other mean can join. The sets start with all means;
    each pair that differs splits the sets that hold both, and sets within others go (insert and absorb: Piepho 2004,
    J. Comput. Graph. Stat. 13). Letters are in the order of the first mean that has them.

    Parameters
    ----------
    is_different : ndarray of bool, shape (means, means)
        Symmetric.

    Raises
    ------
    DataError
        If the sets are too many.
    """
    k = len(is_different)
    sets = [frozenset(range(k))]
    for i in range(k):
        for j in range(i + 1, k):
            if is_different[i, j]:
                sets = _split(sets, i, j)
    sets.sort(key=sorted)
    return ["".join(_symbol(s) for s, members in enumerate(sets) if i in members) for i in range(k)]


def _split(sets: list[frozenset[int]], i: int, j: int) -> list[frozenset[int]]:
    """Return the sets with those that hold both i and j split, without sets that lie within others."""
    both = [s for s in sets if i in s and j in s]
    kept = [s for s in sets if not (i in s and j in s)]
    for part in (s - {lost} for s in both for lost in (j, i)):
        if not any(part <= other for other in kept):
            kept = [other for other in kept if not other < part]
            kept.append(part)
    if len(kept) > MOST:
        raise DataError(f"letters of these means are more than {MOST}: read their differences from fit.pairwise(...)")
    return kept


def _symbol(place: int) -> str:
    """Return a letter, or a number in brackets after the last."""
    return ascii_letters[place] if place < len(ascii_letters) else f"({place + 1})"

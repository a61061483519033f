"""Sets of rows that are left out, as one array: a million sets cost no million objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Rows = NDArray[np.intp]

__all__ = ["RowSets"]


@dataclass(frozen=True, slots=True, eq=False)
class RowSets:
    """Sets of rows, none of them empty.

    Attributes
    ----------
    rows : ndarray of intp, shape (n,)
        The rows of the sets, one set after the other.
    sizes : ndarray of intp, shape (r,)
        Rows of each set.
    """

    rows: Rows
    sizes: Rows

    @classmethod
    def of(cls, sets: Sequence[Rows]) -> RowSets:
        """Return sets given as an array each."""
        rows = np.concatenate(sets).astype(np.intp) if len(sets) else np.zeros(0, dtype=np.intp)
        return cls(rows, np.array([len(own) for own in sets], dtype=np.intp))

    @classmethod
    def single(cls, n: int) -> RowSets:
        """Return n sets of one row each."""
        return cls(np.arange(n), np.ones(n, dtype=np.intp))

    @classmethod
    def of_levels(cls, codes: Rows, m: int) -> RowSets:
        """Return the rows of each of m levels, from each row's level, shape (n,)."""
        return cls(np.argsort(codes, kind="stable"), np.bincount(codes, minlength=m))

    def __len__(self) -> int:
        return len(self.sizes)

    def __iter__(self) -> Iterator[Rows]:
        return iter(np.split(self.rows, self.starts[1:]) if len(self) else [])

    @property
    def starts(self) -> Rows:
        """Place of each set's first row in ``rows``, shape (r,)."""
        return np.cumsum(self.sizes) - self.sizes

    def take(self, places: Rows) -> RowSets:
        """Return some of the sets, by their places."""
        sizes = self.sizes[places]
        ends = np.cumsum(sizes)
        within = np.arange(int(sizes.sum())) - np.repeat(ends - sizes, sizes)
        return RowSets(self.rows[np.repeat(self.starts[places], sizes) + within], sizes)

    def runs(self, most: int) -> Iterator[slice]:
        """Yield the sets in runs of at most ``most`` rows together, or of a single set with more."""
        ends = np.cumsum(self.sizes)
        start = 0
        while start < len(ends):
            before = ends[start] - self.sizes[start]
            stop = max(start + 1, int(np.searchsorted(ends, before + most, side="right")))
            yield slice(start, stop)
            start = stop

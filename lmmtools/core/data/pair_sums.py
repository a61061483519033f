"""Sums over the rows of each pair of levels of two factors, as rows come: dense where most pairs meet, else sparse.

Sparse sums are kept as parts of doubling size, so that adding a chunk costs what the chunk has, and each cell is merged
as often as the logarithm of the number of chunks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from lmmtools.core.data.room import check_coupling
from lmmtools.core.elimination.gram import slices_of
from lmmtools.core.kernels import cells

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.core.elimination.gram import Pair

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]
    Part = tuple[NDArray[np.int64], Floats]

__all__ = ["PairSums"]

LITTLE = 1 << 15
"""Numbers of a coupling that is always dense (256 kB)."""

DENSE = 0.3
"""Share of the pairs of levels that meet from which a dense coupling takes no more memory than a sparse one."""

STEPS = 60
"""Halvings in which the number of levels that a level meets is found."""


class PairSums:
    """Sums of z_i v_i' over the rows of each pair of levels.

    Parameters
    ----------
    first, second : (int, int)
        Levels and effects of each factor.
    n : int
        Rows that will be added in all, by this one and those that it is merged with.

    Raises
    ------
    OutOfMemoryError
        Where most pairs meet and there is not the memory to hold them all; by ``add`` and ``merge``, too.
    """

    __slots__ = ("_dense", "_first", "_n", "_parts", "_second")

    def __init__(self, first: tuple[int, int], second: tuple[int, int], n: int) -> None:
        self._first, self._second, self._n = first, second, n
        self._parts: list[Part] = []
        self._dense: Floats | None = None
        if first[0] * first[1] * second[0] * second[1] <= LITTLE:
            self._become_dense()

    def add(self, first: Indices, z: Floats, second: Indices, v: Floats) -> None:
        """Add rows: their levels of both factors, (r,), and bases, (r, l) and (r, k)."""
        if self._dense is not None:
            cells.add_dense(first, z, second, v, self._dense)
            return
        part = cells.collect(first, z, second, v, self._first[0], self._second[0])
        if not self._parts and self._will_fill(first, len(part[0])):
            self._become_dense()
            self._scatter(part)
            return
        self._push(part)

    def merge(self, other: PairSums) -> None:
        """Add the sums of others' rows."""
        if other._dense is not None and self._dense is None:
            self._become_dense()
        if self._dense is not None and other._dense is not None:
            self._dense += other._dense
        for part in other._parts:
            if self._dense is None:
                self._push(part)
            else:
                self._scatter(part)

    def matrix(self, left: Floats | None = None, right: Floats | None = None) -> Pair:
        """Return the sums of left z_i v_i' right, shape (m l, m' k): an array where most pairs meet, else a CSR matrix.

        The sums are given away: nothing may be added afterwards.

        Parameters
        ----------
        left : ndarray, shape (l, l), or None
        right : ndarray, shape (k, k), or None
        """
        (m, l), (m_second, k) = self._first, self._second
        if self._dense is not None:
            dense = self._dense
            if left is not None or right is not None:
                for some in slices_of(m, l * m_second * k):
                    dense[some] = _turned(dense[some].transpose(0, 2, 1, 3), left, right).transpose(0, 2, 1, 3)
            whole = dense.reshape(m * l, m_second * k)
            return whole if np.count_nonzero(whole) > DENSE * whole.size else sparse.csr_matrix(whole)
        while len(self._parts) > 1:
            self._merge_last()
        keys, sums = self._parts[0] if self._parts else (np.zeros(0, dtype=np.int64), np.zeros((0, l * k)))
        values = _turned(sums.reshape(-1, l, k), left, right)
        rows, columns = keys // m_second, keys % m_second
        ends = np.searchsorted(rows, np.arange(m + 1))
        index = np.int32 if max(m * l, m_second * k, len(keys) * l * k) < 2**31 else np.int64
        if l == 1:
            at, data, ptr = (columns[:, None] * k + np.arange(k)).ravel(), values.ravel(), ends * k
        else:
            # Row a of a level follows row a - 1: entry i of the level moves behind those of the rows before.
            counts = np.diff(ends)
            start = np.repeat(ends[:-1], counts)
            place = start * l + np.arange(l)[:, None] * np.repeat(counts, counts) + np.arange(len(keys)) - start
            data, at = np.empty((len(keys) * l, k)), np.empty((len(keys) * l, k), dtype=index)
            for a in range(l):
                data[place[a]] = values[:, a]
                at[place[a]] = columns[:, None] * k + np.arange(k)
            at, data = at.ravel(), data.ravel()
            ptr = np.append((ends[:-1, None] * l + np.arange(l) * counts[:, None]).ravel(), len(keys) * l) * k
        return sparse.csr_matrix((data, at.astype(index, copy=False), ptr.astype(index)), shape=(m * l, m_second * k))

    def _push(self, part: Part) -> None:
        """Keep a part, merged with those before as long as they are not much larger."""
        self._parts.append(part)
        while len(self._parts) > 1 and len(self._parts[-2][0]) < 2 * len(self._parts[-1][0]):
            self._merge_last()
        if len(self._parts[0][0]) > DENSE * self._first[0] * self._second[0]:
            self._become_dense()

    def _merge_last(self) -> None:
        """Merge the two smallest parts."""
        last, before = self._parts.pop(), self._parts.pop()
        self._parts.append(cells.merge(*before, *last))

    def _become_dense(self) -> None:
        """Hold a dense coupling from here on."""
        (m, l), (m_second, k) = self._first, self._second
        if m * l * m_second * k > LITTLE:
            check_coupling(m * l, m_second * k)
        self._dense = np.zeros((m, l, m_second, k))
        while self._parts:
            self._scatter(self._parts.pop())

    def _scatter(self, part: Part) -> None:
        """Add a part to the dense coupling."""
        assert self._dense is not None
        keys, sums = part
        (_, l), (m, k) = self._first, self._second
        self._dense[keys // m, :, keys % m] += sums.reshape(-1, l, k)

    def _will_fill(self, levels: Indices, count: int) -> bool:
        """Return whether most pairs of levels are likely to meet, after the first rows' levels and number of cells.

        A level of the first factor is taken to meet K levels of the second at random: after r rows K (1 - exp(-r / K)).
        """
        m, m_second = self._first[0], self._second[0]
        if self._n < DENSE * m * m_second:
            return False
        seen = max(int(np.count_nonzero(np.bincount(levels, minlength=m))), 1)
        rows, met = len(levels) / seen, count / seen
        low, high = 0.0, float(m_second)
        for _ in range(STEPS):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if -middle * np.expm1(-rows / middle) < met else (low, middle)
        return bool(-high * np.expm1(-self._n / m / high) > DENSE * m_second)


def _turned(sums: Floats, left: Floats | None, right: Floats | None) -> Floats:
    """Return left B right of blocks B (..., l, k)."""
    if left is not None:
        sums = left @ sums
    return sums if right is None else sums @ right

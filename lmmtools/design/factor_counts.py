"""The levels of a factor with their rows, and the islands that levels of several factors make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["FactorCounts", "Islands"]


@dataclass(frozen=True, slots=True, eq=False)
class FactorCounts:
    """One factor: its levels and their numbers of rows.

    Attributes
    ----------
    name : str
        Column, or columns joined by colons.
    columns : tuple of str
        The columns.
    levels : pandas.Index, shape (m,)
        Labels of the levels that occur.
    counts : ndarray of intp, shape (m,)
        Rows of each level.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> found = lmt.structure(lmt.datasets.load("Penicillin"), ["plate", "sample"])
    >>> found.factors[0].name, found.factors[0].m
    ('plate', 24)
    """

    name: str
    columns: tuple[str, ...]
    levels: pd.Index[Any]
    counts: NDArray[np.intp]

    @property
    def m(self) -> int:
        """Number of levels."""
        return len(self.levels)


@dataclass(frozen=True, slots=True, eq=False)
class Islands:
    """Connected components of the levels of all factors: rows of different islands share no level.

    Attributes
    ----------
    number : ndarray of intp, shape (n,)
        Island of each row used, 0, 1, ... by first row.
    sizes : ndarray of intp, shape (islands,)
        Rows of each island.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> found = lmt.structure(lmt.datasets.load("Penicillin"), ["plate", "sample"])
    >>> found.components.sizes.tolist()
    [144]
    """

    number: NDArray[np.intp]
    sizes: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.sizes)

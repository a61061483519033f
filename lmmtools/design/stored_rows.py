"""What a file holds of the rows of a fit, where it holds no rows: facts of columns, counts of cells, and an error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from lmmtools.design.moments import Moments
from lmmtools.errors import RowsNeededError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.design.survey import NumberSummary, SurveyPlan

    Floats = NDArray[np.float64]

__all__ = ["NO_ROWS", "StoredCells", "StoredLevels", "StoredRows", "StoredStatistics", "StoredSurvey"]

NO_ROWS = (
    "This needs the rows of the data, and the fit was read from a file that holds none: fit the model to the data."
)


@dataclass(frozen=True, slots=True, eq=False)
class StoredLevels:
    """The levels of a column, each once."""

    values: pd.Series[Any]

    def column(self) -> tuple[pd.Series[Any], NDArray[np.int64]]:
        """Return a column with each level once, and one row for each."""
        return self.values, np.ones(len(self.values), dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class StoredSurvey:
    """What is known of the columns of the fixed part.

    Attributes
    ----------
    plan : SurveyPlan
    levels : dict of str to StoredLevels
        Of factors, and of numbers in ``C(...)``.
    numbers : dict of str to NumberSummary
        Mean, ends, and both values where there are two, of columns of numbers.
    """

    plan: SurveyPlan
    levels: Mapping[str, StoredLevels]
    numbers: Mapping[str, NumberSummary]


class _WithoutRows:
    """Base of what raises a RowsNeededError for all that it does not hold."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        _refuse()


def _refuse() -> NoReturn:
    raise RowsNeededError(NO_ROWS)


@dataclass(frozen=True, slots=True, eq=False)
class StoredStatistics(_WithoutRows):
    """Sums over all rows that a file holds.

    Attributes
    ----------
    largest : ndarray, shape (p,)
        Largest size in each column of X.
    weights, offset : Moments
    n : int
        Rows.
    squares : ndarray, shape (1 + b, 1 + b)
        B'B of a column of ones and the bases of all blocks side by side.
    weighted : ndarray, shape (1 + b,)
        Diagonal of B'WB.
    """

    n: int
    squares: Floats
    weighted: Floats
    largest: Floats
    weights: Moments
    offset: Moments


@dataclass(frozen=True, slots=True, eq=False)
class StoredCells:
    """How many rows have each combination of the levels of some columns.

    Attributes
    ----------
    levels : dict of str to list
        Levels of each column, in order.
    counts : ndarray, shape (levels of each column ...)
    """

    levels: Mapping[str, list[Any]]
    counts: Floats

    def of(self, wanted: Mapping[str, list[Any]]) -> Floats:
        """Return the rows of each combination of some levels of some of the columns."""
        if not set(wanted) <= set(self.levels):
            _refuse()
        own = list(self.levels)
        found = self.counts.sum(axis=tuple(i for i, name in enumerate(own) if name not in wanted))
        kept = [name for name in own if name in wanted]
        found = np.transpose(found, [kept.index(name) for name in wanted])
        for axis, (name, values) in enumerate(wanted.items()):
            place = {value: i for i, value in enumerate(self.levels[name])}
            at = np.array([place.get(value, -1) for value in values], dtype=np.intp)
            taken = np.take(found, np.maximum(at, 0), axis=axis)
            shape = [1] * taken.ndim
            shape[axis] = len(at)
            found = np.where((at >= 0).reshape(shape), taken, 0.0)
        return np.asarray(found)


@dataclass(frozen=True, slots=True, eq=False)
class StoredRows(_WithoutRows):
    """Stands for the rows of a fit that was read from a file.

    Attributes
    ----------
    n : int
        Rows fitted.
    widths : tuple of int
        Columns of the basis of each block.
    survey : StoredSurvey
    statistics : StoredStatistics
    dependence : ndarray, shape (kept columns of X, dropped columns)
        What the dropped columns are of those kept.
    cells : StoredCells or None
        None where there were too many to hold.
    """

    n: int
    widths: tuple[int, ...]
    survey: StoredSurvey
    statistics: StoredStatistics
    dependence: Floats
    cells: StoredCells | None = None

    @property
    def name(self) -> str:
        """What the rows are called in messages."""
        return "a file that holds none"

    def count_cells(self, levels: Mapping[str, list[Any]]) -> Floats:
        """Return the rows of each combination of levels, shape (levels of each column ...).

        Raises
        ------
        RowsNeededError
            If the file does not hold them.
        """
        if self.cells is None:
            _refuse()
        return self.cells.of(levels)

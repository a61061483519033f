"""``Survey``: what one pass over the rows tells of the columns before anything is coded; surveys of parts add up."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lmmtools.design.frame import is_missing, kind_of, plain_array
from lmmtools.design.level_counts import CellCounts, LevelCounts
from lmmtools.design.moments import Moments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["NumberSummary", "Survey", "SurveyPlan", "as_plain"]

HEAD = 2000
"""Complete rows that are kept: what expressions make of rows is learned from them."""


@dataclass(frozen=True, slots=True)
class SurveyPlan:
    """What a survey looks for.

    Attributes
    ----------
    names : tuple of str
        All columns used.
    labels : frozenset of str
        Columns whose values are levels even where they are numbers: grouping factors, numbers in ``C(...)``.
    numeric : frozenset of str
        Columns that are used as numbers where they hold numbers.
    cells : tuple of tuple of str
        Combinations of columns that group rows together.
    """

    names: tuple[str, ...]
    labels: frozenset[str]
    numeric: frozenset[str]
    cells: tuple[tuple[str, ...], ...]


@dataclass(slots=True)
class NumberSummary:
    """A column of numbers on the complete rows.

    Attributes
    ----------
    moments : Moments
    smallest, largest : float
        Of the finite numbers.
    n_infinite : int
    first_infinite : int or None
        Position of the first row that is infinite.
    n_nonpositive, first_nonpositive : int and float
        Numbers that are not above zero, and the first of them.
    values : set of float or None
        The distinct numbers where they are at most two.
    """

    moments: Moments = field(default_factory=Moments)
    smallest: float = float("inf")
    largest: float = float("-inf")
    n_infinite: int = 0
    first_infinite: int | None = None
    n_nonpositive: int = 0
    first_nonpositive: float = 0.0
    values: set[float] | None = field(default_factory=set)

    def add(self, values: NDArray[np.float64], rows: NDArray[np.intp]) -> None:
        """Add numbers, none missing, and the positions of their rows."""
        if not len(values):
            return
        # A finite sum has finite parts; one that is not may have overflowed.
        if not isfinite(float(values.sum())) and (infinite := np.isinf(values)).any():
            self.n_infinite += int(infinite.sum())
            if self.first_infinite is None:
                self.first_infinite = int(rows[np.argmax(infinite)])
            values = values[~infinite]
            if not len(values):
                return
        low, high = float(values.min()), float(values.max())
        if self.values is not None:
            self.values |= {low, high}
            if len(self.values) > 2 or not ((values == low) | (values == high)).all():
                self.values = None
        if low <= 0:
            if not self.n_nonpositive:
                self.first_nonpositive = float(values[np.argmax(values <= 0)])
            self.n_nonpositive += int((values <= 0).sum())
        self.smallest, self.largest = min(self.smallest, low), max(self.largest, high)
        self.moments.add(values)

    def merge(self, other: NumberSummary, start: int) -> None:
        """Add the numbers of another part, whose rows follow from position ``start`` on."""
        self.moments.merge(other.moments)
        self.smallest, self.largest = min(self.smallest, other.smallest), max(self.largest, other.largest)
        if not self.n_nonpositive:
            self.first_nonpositive = other.first_nonpositive
        self.n_nonpositive += other.n_nonpositive
        self.n_infinite += other.n_infinite
        if self.first_infinite is None and other.first_infinite is not None:
            self.first_infinite = start + other.first_infinite
        self.values = None if self.values is None or other.values is None else self.values | other.values
        if self.values is not None and len(self.values) > 2:
            self.values = None


class Survey:
    """What the rows tell before they are coded: counts, missing values, levels, combinations and numbers of columns.

    Attributes
    ----------
    plan : SurveyPlan
    declared : frozenset of str
        Columns whose categories have an order that the data declare; others are texts, held as categories.
    n_input : int
        Rows read.
    n : int
        Rows without a missing value in any column used.
    lost : dict of str to int
        Missing values of each column that has some.
    levels : dict of str to LevelCounts
        Levels on the complete rows, of columns that have them.
    numbers : dict of str to NumberSummary
        Numbers on the complete rows.
    own : dict of str to Moments
        Numbers of all rows that have the column, whatever else they miss: R learns ``scale(x)`` from them.
    cells : dict of tuple of str to CellCounts
        Combinations of grouping columns on the complete rows.
    head : list of dict of str to Series
        The first complete rows.
    """

    def __init__(self, plan: SurveyPlan, declared: frozenset[str] = frozenset()) -> None:
        self.plan, self.declared = plan, declared
        self.n_input = self.n = 0
        self.lost: dict[str, int] = {}
        self.levels: dict[str, LevelCounts] = {}
        self.numbers: dict[str, NumberSummary] = {}
        self.own: dict[str, Moments] = {}
        self.cells = {names: CellCounts(names) for names in plan.cells}
        self.head: list[dict[str, pd.Series[Any]]] = []
        self._in_head = 0

    def add(self, columns: Mapping[str, pd.Series[Any]]) -> None:
        """Add rows that follow those added before."""
        start, r = self.n_input, len(next(iter(columns.values())))
        missing = {name: found for name in self.plan.names if (found := is_missing(columns[name])).any()}
        self.n_input += r
        for name, where in missing.items():
            self.lost[name] = self.lost.get(name, 0) + int(where.sum())
        if not r:
            return
        is_complete = ~np.any(list(missing.values()), axis=0) if missing else None
        rows = np.arange(start, start + r) if is_complete is None else start + np.flatnonzero(is_complete)
        for name in self.plan.names:
            self._add_column(name, columns[name], missing.get(name), is_complete, rows)
        self.n += len(rows)
        for names, counts in self.cells.items():
            counts.add([_take(columns[name], is_complete) for name in names])
        if self._in_head < HEAD and len(rows):
            own = {name: _take(columns[name], is_complete)[: HEAD - self._in_head] for name in self.plan.names}
            self.head.append(own)
            self._in_head += len(next(iter(own.values())))

    def _add_column(
        self,
        name: str,
        column: pd.Series[Any],
        missing: NDArray[np.bool_] | None,
        is_complete: NDArray[np.bool_] | None,
        rows: NDArray[np.intp],
    ) -> None:
        kind = kind_of(column)
        used = _take(column, is_complete)
        if name in self.plan.labels or kind in ("factor", "boolean"):
            self.levels.setdefault(name, LevelCounts(name, name in self.declared)).add(used)
        if name in self.plan.numeric and kind in ("number", "boolean"):
            values = _as_floats(used)
            summary = self.numbers.setdefault(name, NumberSummary())
            summary.add(values, rows)
            own = self.own.setdefault(name, Moments())
            own.add(values if is_complete is None else _as_floats(_take(column, None if missing is None else ~missing)))

    def merge(self, other: Survey, start: int) -> None:
        """Add the survey of the rows that follow, the first at position ``start``."""
        for name, count in other.lost.items():
            self.lost[name] = self.lost.get(name, 0) + count
        for name, levels in other.levels.items():
            self.levels.setdefault(name, LevelCounts(name, name in self.declared)).merge(levels)
        for name, summary in other.numbers.items():
            self.numbers.setdefault(name, NumberSummary()).merge(summary, start)
        for name, moments in other.own.items():
            self.own.setdefault(name, Moments()).merge(moments)
        for names, counts in other.cells.items():
            self.cells[names].merge(counts)
        for part in other.head:
            if self._in_head < HEAD:
                own = {name: column[: HEAD - self._in_head] for name, column in part.items()}
                self.head.append(own)
                self._in_head += len(next(iter(own.values())))
        self.n_input += other.n_input
        self.n += other.n

    def head_columns(self) -> dict[str, pd.Series[Any]]:
        """Return the first complete rows, at most `HEAD`, as columns."""
        if len(self.head) == 1:
            return {name: column.reset_index(drop=True) for name, column in self.head[0].items()}
        return {name: pd.concat([part[name] for part in self.head], ignore_index=True) for name in self.plan.names}


def _take(column: pd.Series[Any], rows: NDArray[np.bool_] | None) -> pd.Series[Any]:
    """Return the values where ``rows`` is true, all for None; none of them is missing."""
    return as_plain(column if rows is None else column[rows])


def as_plain(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column without missing values, of a type that has none."""
    values = plain_array(column.array) if not isinstance(column.dtype, np.dtype) else column.array
    return column if values is column.array else pd.Series(values, index=column.index, name=column.name)


def _as_floats(column: pd.Series[Any]) -> NDArray[np.float64]:
    """Return numbers or booleans without missing values as floats."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
        return column.to_numpy().astype(np.float64, copy=False)
    return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))

"""The levels of columns and their combinations, counted over parts of the rows; counts of parts add up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lmmtools.design.factors import encode_factor
from lmmtools.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["CellCounts", "LevelCounts", "LevelIds", "count_sorted"]

WIDEST = 1 << 22
"""Integers within a range of this length are counted in a table, without looking for their distinct values."""

Counts = tuple["NDArray[Any]", "NDArray[np.int64]"]


def count_sorted(parts: Sequence[Counts]) -> Counts:
    """Return distinct values in order and their counts, of several such pairs."""
    if len(parts) == 1:
        return parts[0]
    values, place = np.unique(np.concatenate([v for v, _ in parts]), return_inverse=True)
    counts = np.bincount(place.reshape(-1), np.concatenate([c for _, c in parts]), len(values))
    return values, counts.astype(np.int64)


class _Tally:
    """Distinct numbers and their counts, of many parts: merged when they have doubled."""

    def __init__(self) -> None:
        self._parts: list[Counts] = []
        self._merged = 0

    def add(self, values: NDArray[Any], counts: NDArray[np.int64]) -> None:
        self._parts.append((values, counts))
        if sum(len(v) for v, _ in self._parts) > 2 * self._merged + 1000:
            self._parts = [count_sorted(self._parts)]
            self._merged = len(self._parts[0][0])

    def found(self) -> Counts:
        """Return distinct values in order and their counts."""
        if not self._parts:
            return np.empty(0), np.empty(0, dtype=np.int64)
        self._parts = [count_sorted(self._parts)]
        return self._parts[0]


class LevelCounts:
    """The levels of one column, and the rows of each; categories have an order where they are declared."""

    def __init__(self, name: str, is_declared: bool = True) -> None:
        self.name, self._is_declared = name, is_declared
        self._categories: pd.Index[Any] | None = None
        self._by_category = np.empty(0, dtype=np.int64)
        self._base, self._table = 0, np.empty(0, dtype=np.int64)
        self._numbers = _Tally()
        self._others: dict[Any, int] = {}

    def add(self, column: pd.Series[Any]) -> None:
        """Count the values of a column, none of them missing."""
        if not len(column):
            return
        if isinstance(column.dtype, pd.CategoricalDtype):
            codes, categories = np.asarray(column.array.codes), column.array.categories
            self._add_categories(categories, np.bincount(codes, minlength=len(categories)).astype(np.int64))
        elif isinstance(column.dtype, np.dtype) and column.dtype.kind in "iu":
            self._add_integers(column.to_numpy())
        elif isinstance(column.dtype, np.dtype) and column.dtype.kind == "f":
            self._numbers.add(*_count(column.to_numpy().astype(np.float64, copy=False)))
        else:
            try:
                codes, values = pd.factorize(column.array if not isinstance(column.dtype, np.dtype) else column)
            except TypeError:
                encode_factor(column)  # says which value cannot be a label
                raise
            self._add_others(list(values), np.bincount(codes, minlength=len(values)))

    def merge(self, other: LevelCounts) -> None:
        """Add the counts of other rows."""
        if other._categories is not None:
            self._add_categories(other._categories, other._by_category)
        found = np.flatnonzero(other._table)
        if len(found):
            self._numbers.add(found + other._base, other._table[found])
        values, counts = other._numbers.found()
        if len(values):
            self._numbers.add(values, counts)
        if other._others:
            self._add_others(list(other._others), np.array(list(other._others.values()), dtype=np.int64))

    def column(self) -> tuple[pd.Series[Any], NDArray[np.int64]]:
        """Return a column with each level once, and the rows of each."""
        if self._categories is not None and not self._others:
            used = np.flatnonzero(self._by_category)
            codes = pd.Categorical.from_codes(used, categories=self._categories)
            return pd.Series(codes, name=self.name), self._by_category[used]
        self._add_others([], np.empty(0, dtype=np.int64))
        in_table = np.flatnonzero(self._table)
        if len(in_table):
            self._numbers.add(in_table + self._base, self._table[in_table])
            self._table = np.empty(0, dtype=np.int64)
        numbers, counts = self._numbers.found()
        if not self._others:
            return pd.Series(numbers, name=self.name), counts
        labels = [*numbers.tolist(), *self._others]
        everything = np.concatenate([counts, np.array(list(self._others.values()), dtype=np.int64)])
        return pd.Series(labels, name=self.name), everything

    def _add_categories(self, categories: pd.Index[Any], counts: NDArray[np.int64]) -> None:
        """Count rows by category; where parts declare different ones, there is no order that all have."""
        if self._is_declared and self._categories is None and not self._others:
            self._categories, self._by_category = categories, counts
        elif self._categories is not None and categories.equals(self._categories):
            self._by_category = self._by_category + counts
        else:
            used = np.flatnonzero(counts)
            self._add_others(categories[used].tolist(), counts[used])

    def _add_integers(self, values: NDArray[Any]) -> None:
        low, high = int(values.min()), int(values.max())
        if len(self._table):
            low, high = min(low, self._base), max(high, self._base + len(self._table) - 1)
        if high - low >= WIDEST or high >= 2**62:
            self._numbers.add(*_count(values))
            return
        if low < self._base or high >= self._base + len(self._table):
            # Room on the upper side, so that growing tables are not copied for each part.
            grown = np.zeros(min(WIDEST, 2 * (high - low + 1)), dtype=np.int64)
            at = self._base - low if len(self._table) else 0
            grown[at : at + len(self._table)] = self._table
            self._base, self._table = low, grown
        counts = np.bincount(values - self._base)
        self._table[: len(counts)] += counts

    def _add_others(self, values: list[Any], counts: NDArray[Any]) -> None:
        if self._categories is not None:
            used = np.flatnonzero(self._by_category)
            categories, own = self._categories[used].tolist(), self._by_category[used]
            self._categories, self._by_category = None, np.empty(0, dtype=np.int64)
            self._add_others(categories, own)
        for value, count in zip(values, counts.tolist(), strict=True):
            self._others[value] = self._others.get(value, 0) + count


def _count(values: NDArray[Any]) -> Counts:
    codes, found = pd.factorize(values)
    order = np.argsort(found)
    return np.asarray(found)[order], np.bincount(codes, minlength=len(found)).astype(np.int64)[order]


class LevelIds:
    """Numbers of the levels of one column in the order in which they are first met."""

    def __init__(self) -> None:
        self.numbers: dict[Any, int] = {}

    def of(self, column: pd.Series[Any]) -> NDArray[np.int64]:
        """Return the number of each row's level, shape (r,)."""
        if isinstance(column.dtype, pd.CategoricalDtype):
            codes, values = np.asarray(column.array.codes), list(column.array.categories)
        else:
            try:
                codes, found = pd.factorize(column.array if not isinstance(column.dtype, np.dtype) else column)
            except TypeError:
                encode_factor(column)
                raise
            values = list(found)
        numbers = self.numbers
        at = np.array([numbers.setdefault(v, len(numbers)) for v in values], dtype=np.int64)
        return at[codes] if len(values) else np.empty(0, dtype=np.int64)


class CellCounts:
    """The combinations of the levels of several columns that occur, and the rows of each."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self._ids = [LevelIds() for _ in names]
        # Combinations of the first two columns, of the first three, ...: each is a number and one more level.
        self._pairs = [LevelIds() for _ in names[2:]]
        self._cells = _Tally()

    def add(self, columns: Sequence[pd.Series[Any]]) -> None:
        """Count the combinations in columns without missing values."""
        if len(columns[0]):
            ids = [known.of(column) for known, column in zip(self._ids, columns, strict=True)]
            self._add_ids(ids, np.ones(len(ids[0]), dtype=np.int64))

    def _add_ids(self, ids: list[NDArray[np.int64]], counts: NDArray[np.int64]) -> None:
        keys = (ids[0] << 32) | ids[1]
        for known, own in zip(self._pairs, ids[2:], strict=True):
            keys = (known.of(pd.Series(keys)) << 32) | own
        codes, found = pd.factorize(keys)
        order = np.argsort(found)
        totals = np.bincount(codes, counts, len(found)).astype(np.int64)
        self._cells.add(np.asarray(found)[order], totals[order])

    def merge(self, other: CellCounts) -> None:
        """Add the counts of other rows."""
        ids, counts = other._found()
        if len(counts):
            own = []
            for mine, theirs, at in zip(self._ids, other._ids, ids, strict=True):
                numbers = mine.numbers
                place = np.array([numbers.setdefault(v, len(numbers)) for v in theirs.numbers], dtype=np.int64)
                own.append(place[at])
            self._add_ids(own, counts)

    def _found(self) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
        """Return the number of each cell's level in each column, and the rows of each cell."""
        keys, counts = self._cells.found()
        keys = keys.astype(np.int64)
        ids: list[NDArray[np.int64]] = []
        for known in reversed(self._pairs):
            ids.append(keys & 0xFFFFFFFF)
            keys = np.array(list(known.numbers), dtype=np.int64)[keys >> 32]
        ids += [keys & 0xFFFFFFFF, keys >> 32]
        return ids[::-1], counts

    def members(self, levels: Sequence[pd.Index[Any]]) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """Return the level of each column in each cell, (m, columns), in lexicographic order, and the rows of each.

        Parameters
        ----------
        levels : sequence of pandas.Index
            The levels of each column in order.
        """
        ids, counts = self._found()
        places = []
        for known, own, at in zip(self._ids, levels, ids, strict=True):
            values = list(known.numbers)
            place = own.get_indexer(pd.Index(values))
            if (place < 0).any():
                place = np.where(place < 0, own.get_indexer(pd.Index([str(v) for v in values])), place)
            places.append(place[at])
            if (places[-1] < 0).any():
                raise DataError(f"The columns {', '.join(self.names)} changed while they were read.")
        order = np.lexsort(places[::-1])
        return np.column_stack(places)[order].astype(np.intp), counts[order]

"""Grouping factors: columns -> integer codes, their combinations, and how their levels hang together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lmmtools.design.frame import as_numbers, is_factor, is_missing, kind_of, list_labels, plain_array
from lmmtools.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from lmmtools.design.frame import Kind


__all__ = [
    "Columns",
    "Factor",
    "FactorCounts",
    "Islands",
    "combine_factors",
    "connected_components",
    "count_pairs",
    "encode_factor",
    "is_nested",
    "label_cells",
    "match_levels",
    "text_index",
]

# Up to so many cells per row, a table of all possible combinations is faster than sorting the ones that occur.
_DENSE_CELLS_PER_ROW = 4
# Labels up to which an index is kept for the next model of the same ones.
_FEW_LABELS = 500


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """A grouping factor on the rows used.

    Attributes
    ----------
    codes : ndarray of intp, shape (n,)
        Level of each row, 0 .. m-1; every level occurs.
    levels : pandas.Index, shape (m,)
        Labels; ``"a:A"`` for a combination.
    parts : tuple of pandas.Index
        Levels of each column that the factor combines; ``(levels,)`` for a single column.
    members : ndarray of intp, shape (m, number of parts)
        The level of each part that each level combines, in lexicographic order.
    unused : tuple of str
        Levels that a categorical column declares and the rows do not have.
    """

    codes: NDArray[np.intp]
    levels: pd.Index[Any]
    parts: tuple[pd.Index[Any], ...]
    members: NDArray[np.intp]
    unused: tuple[str, ...] = ()


def encode_factor(column: pd.Series[Any]) -> Factor:
    """Return a column without missing values as a factor.

    A categorical keeps its declared order; other values are sorted, numbers by size and text by code point. Labels of
    several types, which have no order of their own, are taken as text.

    Raises
    ------
    DataError
        The values are lists or the like, which cannot be labels.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        return _declared_factor(column.array)
    try:
        codes, uniques = pd.factorize(_as_labels(column), sort=True)
        is_mixed = _has_text_and_others(uniques)
    except TypeError:
        _check_hashable(column)
        is_mixed = True
    if is_mixed:
        codes, uniques = pd.factorize(np.asarray(column.astype(str)), sort=True)
    levels = pd.Index(uniques)
    members = np.arange(len(levels), dtype=np.intp)[:, None]
    return Factor(codes.astype(np.intp, copy=False), levels, (levels,), members)


def _declared_factor(values: pd.Categorical) -> Factor:
    """Return a categorical as a factor without the levels that no row has."""
    codes, levels = np.asarray(values.codes).astype(np.intp), values.categories
    unused: tuple[str, ...] = ()
    is_used = np.bincount(codes, minlength=len(levels)) > 0
    if not is_used.all():
        renumber = np.cumsum(is_used) - 1
        codes, unused = renumber[codes].astype(np.intp), tuple(map(str, levels[~is_used]))
        levels = levels[is_used]
    return Factor(codes, levels, (levels,), np.arange(len(levels), dtype=np.intp)[:, None], unused)


def _has_text_and_others(labels: Any) -> bool:
    """Whether some labels are text and others are not, as 1 and "1", which look the same."""
    if labels.dtype != object or pd.api.types.infer_dtype(labels, skipna=False) == "string":
        return False
    return any(isinstance(label, str) for label in labels)


class Columns(Mapping[str, "pd.Series[Any]"]):
    """Columns of data by name, n rows each, read once as numbers and once as a factor however often a model asks.

    They are held as arrays: a Series of its own for each takes longer to make than most work on a small one.

    Parameters
    ----------
    arrays : dict of str to ndarray or ExtensionArray, each shape (n,)
    index : pandas.Index, shape (n,)
        Row labels of the series that are made of them.
    """

    def __init__(self, arrays: dict[str, Any], index: pd.Index[Any]) -> None:
        self.arrays, self.index = arrays, index
        self._series: dict[str, pd.Series[Any]] = {}
        self._numbers: dict[str, NDArray[np.float64]] = {}
        self._factors: dict[str, Factor] = {}

    @classmethod
    def of(cls, table: Mapping[str, pd.Series[Any]] | pd.DataFrame, names: Iterable[str]) -> Columns:
        """Return columns of a table, which it may share, or those of a mapping of series."""
        names = tuple(names)
        # What a frame's items() read: a fifth of the time of table[name].
        read = getattr(table, "_get_column_array", None)
        if read is not None and isinstance(table, pd.DataFrame) and table.columns.is_unique:
            places = [table.columns.get_loc(name) for name in names]
            return cls({name: read(place) for name, place in zip(names, places, strict=True)}, table.index)
        series = {name: table[name] for name in names}
        labels = [column.index for column in series.values()]
        found = cls({name: _array_of(column) for name, column in series.items()}, labels[0] if labels else pd.Index([]))
        found._series.update(series)
        return found

    def __getitem__(self, name: str) -> pd.Series[Any]:
        if name not in self._series:
            self._series[name] = pd.Series(self.arrays[name], index=self.index, name=name, copy=False)
        return self._series[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)

    def __contains__(self, name: object) -> bool:
        return name in self.arrays

    def plain(self) -> Columns:
        """Return the same columns, none with a missing value, with arrays of types that have none."""
        arrays = {name: plain_array(array) for name, array in self.arrays.items()}
        if all(array is self.arrays[name] for name, array in arrays.items()):
            return self
        return Columns(arrays, self.index)

    def copies(self) -> dict[str, Any]:
        """Return copies of the arrays, which later changes of the data do not reach."""
        return {name: array.copy() for name, array in self.arrays.items()}

    def kind(self, name: str) -> Kind:
        """Return what a column holds."""
        return kind_of(self.arrays[name])

    def is_categorical(self, name: str) -> bool:
        """Whether a column declares its levels."""
        return isinstance(self.arrays[name].dtype, pd.CategoricalDtype)

    def missing(self, name: str) -> NDArray[np.bool_] | None:
        """Return where a column has no value, shape (n,), None where it has one in all rows."""
        array = self.arrays[name]
        if isinstance(array, np.ndarray) and array.dtype.kind == "f" and not isnan(np.add.reduce(array)):
            return None
        found = is_missing(array)
        return found if found.any() else None

    def is_factor(self, name: str) -> bool:
        """Whether a column enters as a factor, as `is_factor` says."""
        array = self.arrays[name]
        if isinstance(array.dtype, np.dtype) and array.dtype.kind in "iuf":
            return False
        return self.is_categorical(name) or is_factor(self[name], name)

    def numbers(self, name: str, role: str) -> NDArray[np.float64]:
        """Return a column as floats, shape (n,), as `as_numbers` does; not to be changed."""
        if name not in self._numbers:
            array = self.arrays[name]
            is_plain = isinstance(array, np.ndarray) and array.dtype.kind in "iuf"
            values = array.astype(np.float64) if is_plain else None
            if values is None or not isfinite(np.add.reduce(values)):
                values = as_numbers(self[name], name, role)
            self._numbers[name] = values
        return self._numbers[name]

    def factor(self, name: str) -> Factor:
        """Return a column as a factor."""
        if name not in self._factors:
            array = self.arrays[name]
            self._factors[name] = _declared_factor(array) if self.is_categorical(name) else encode_factor(self[name])
        return self._factors[name]


def _array_of(column: pd.Series[Any]) -> Any:
    """Return the array of a column, of NumPy where it is one."""
    return column.to_numpy() if isinstance(column.dtype, np.dtype) else column.array


def combine_factors(factors: list[Factor]) -> Factor:
    """Return the combinations of factors that occur, the first factor's levels slowest, as R's ``a:b`` orders them."""
    if len(factors) == 1:
        return factors[0]
    codes, members = factors[0].codes, factors[0].members
    for factor in factors[1:]:
        m = len(factor.levels)
        codes, cells = _renumber(codes.astype(np.int64) * m + factor.codes, len(members) * m)
        members = np.column_stack([members[cells // m], cells % m])
    parts = tuple(f.levels for f in factors)
    unused = tuple(u for f in factors for u in f.unused)
    return Factor(codes, label_cells(parts, members), parts, members, unused)


def label_cells(parts: tuple[pd.Index[Any], ...], members: NDArray[np.intp]) -> pd.Index[Any]:
    """Return the labels of combinations, ``"a:A"``, given the levels of each part and which each cell combines."""
    labels = [[text[i] for i in members[:, j].tolist()] for j, text in enumerate(map(_write_levels, parts))]
    return text_index(tuple(":".join(label) for label in zip(*labels, strict=True)))


def text_index(labels: tuple[str, ...]) -> pd.Index[Any]:
    """Return labels as an index; two of the same labels share what stands in them, and have names of their own."""
    return _made_index(labels).view() if len(labels) <= _FEW_LABELS else pd.Index(list(labels))


@lru_cache(maxsize=256)
def _made_index(labels: tuple[str, ...]) -> pd.Index[Any]:
    # Pandas takes longer to find out that these are text than a small model takes to fit.
    return pd.Index(list(labels))


def _write_levels(levels: pd.Index[Any]) -> list[str]:
    """Return levels as text; a number that is whole without its ``.0``, as R writes it."""
    if levels.dtype.kind == "f":
        return [f"{level:.15g}" for level in levels]
    written = list_labels(levels)
    return written if all(type(level) is str for level in written) else levels.astype(str).tolist()


def match_levels(columns: list[pd.Series[Any]], parts: tuple[pd.Index[Any], ...], members: NDArray[np.intp]) -> Any:
    """Return the level of each row of new data, shape (n,), -1 where the level was not seen or a value is missing."""
    codes = [_match_column(column, levels) for column, levels in zip(columns, parts, strict=True)]
    if len(parts) == 1:
        return codes[0]
    sizes = [len(p) for p in parts]
    known, rows = np.zeros(len(members), dtype=np.int64), np.zeros(len(codes[0]), dtype=np.int64)
    for j, m in enumerate(sizes):
        known = known * m + members[:, j]
        rows = rows * m + codes[j]
    place = np.minimum(np.searchsorted(known, rows), len(known) - 1)
    is_seen = (known[place] == rows) & np.all([c >= 0 for c in codes], axis=0)
    return np.where(is_seen, place, -1).astype(np.intp)


def _match_column(column: pd.Series[Any], levels: pd.Index[Any]) -> NDArray[np.intp]:
    """Return the place of each value among the levels, -1 where it is not one of them."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        place = np.append(levels.get_indexer(column.cat.categories), -1)
        return np.asarray(place[column.array.codes], dtype=np.intp)
    labels = _as_labels(column)
    try:
        place = levels.get_indexer(pd.Index(labels))
    except TypeError:
        _check_hashable(column)
        raise
    if column.dtype == object and (place < 0).any() and pd.api.types.infer_dtype(levels) == "string":
        place = np.where(place < 0, levels.get_indexer(pd.Index(column.astype(str))), place)
    return np.where(column.isna().to_numpy(dtype=bool), -1, place).astype(np.intp)


def _as_labels(column: pd.Series[Any]) -> Any:
    """Return the values of a column as an array that pandas takes for labels; half floats and bytes are converted."""
    if not isinstance(column.dtype, np.dtype):
        return column.array
    wider: dict[str, Any] = {"float16": np.float64}
    return column.to_numpy(dtype=object if column.dtype.kind == "S" else wider.get(column.dtype.name))


def _check_hashable(column: pd.Series[Any]) -> None:
    """Raise a DataError that shows the first value that cannot be a label."""
    for value in column:
        if not pd.api.types.is_hashable(value):
            raise DataError(
                f"Column {column.name!r} holds values of type {type(value).__name__}, which are no labels: "
                f"{value!r:.60}. Take one number or text out of each, or data[{column.name!r}].astype(str)."
            )


def _renumber(cells: NDArray[np.int64], possible: int) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return cells renumbered 0 .. m-1 in order, shape (n,), and the cells that occur, shape (m,)."""
    if possible <= _DENSE_CELLS_PER_ROW * len(cells):
        is_there = np.bincount(cells, minlength=possible) > 0
        return (np.cumsum(is_there) - 1)[cells].astype(np.intp), np.flatnonzero(is_there)
    found, codes = np.unique(cells, return_inverse=True)
    return codes.reshape(-1).astype(np.intp), found


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


def connected_components(codes: Sequence[NDArray[np.intp]], sizes: Sequence[int]) -> NDArray[np.intp]:
    """Return the island of each row, shape (n,), numbered 0, 1, ... in the order in which rows first meet them.

    A level of one factor is joined to a level of another if a row has both; rows are in the same island if their
    levels are joined, directly or through other levels. With one factor, the islands are its levels.

    Parameters
    ----------
    codes : sequence of ndarray of intp, each shape (n,)
        Level of each row, 0 .. m-1, one array per factor.
    sizes : sequence of int
        Number of levels m of each factor.

    Raises
    ------
    ValueError
        If no factor is given.
    """
    from scipy import sparse
    from scipy.sparse import csgraph

    if not codes:
        raise ValueError("connected components need at least one factor")
    starts = np.concatenate([[0], np.cumsum(sizes)])
    # A row joins the level of every factor to that of the first, and so all of them to each other.
    hub = np.asarray(codes[0])
    ends = [np.asarray(c) + start for c, start in zip(codes[1:], starts[1:-1], strict=True)]
    tails = np.tile(hub, len(ends))
    heads = np.concatenate(ends) if ends else tails
    total = int(starts[-1])
    graph = sparse.coo_array((np.ones(len(tails), dtype=np.int8), (tails, heads)), shape=(total, total))
    _, labels = csgraph.connected_components(graph, directed=False)
    island = labels[hub]
    _, first, inverse = np.unique(island, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.intp)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse.ravel()]


def count_pairs(
    a: NDArray[np.intp], b: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return the cells of two factors that have rows: (level of a, level of b, number of rows), each shape (cells,).

    Cells are ordered by a, then by b. Memory grows with the rows, never with the number of possible cells.
    """
    width = int(b.max()) + 1 if len(b) else 1
    cells, counts = np.unique(a.astype(np.int64) * width + b, return_counts=True)
    return (cells // width).astype(np.intp), (cells % width).astype(np.intp), counts.astype(np.intp)


def is_nested(inner_codes: NDArray[np.intp], outer_codes: NDArray[np.intp]) -> bool:
    """Whether every level of the inner factor occurs within one level of the outer factor only.

    Also true of two factors that split the rows alike: then each is nested in the other.
    """
    inner, _, _ = count_pairs(np.asarray(inner_codes), np.asarray(outer_codes))
    return len(inner) == len(np.unique(inner))

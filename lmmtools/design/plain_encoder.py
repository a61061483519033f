"""Model matrices of plain columns and their interactions, made without formulaic: most models need no more.

Names and numbers are those of formulaic, to the last bit (tests compare the two), in microseconds rather than
milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.checks import check_columns, check_levels, check_seen
from lmmtools.design.columns import in_order, places_of
from lmmtools.design.factors import Columns, match_levels
from lmmtools.design.frame import as_numbers, list_labels
from lmmtools.design.sparse_columns import LEAST_LEVELS, LEAST_NUMBERS, from_codes
from lmmtools.formula.tokens import quote_name

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.design.sparse_columns import Matrix, SparseColumns

__all__ = ["PlainColumn", "PlainEncoder", "learn_plain"]


@dataclass(frozen=True, slots=True, eq=False)
class PlainColumn:
    """One column of data as a factor of a term: its numbers, or an indicator for each of some levels.

    Attributes
    ----------
    name : str
        The column.
    levels : pandas.Index or None
        The factor's levels; None for numbers.
    is_reduced : bool
        Whether the first level has no indicator, being the reference.
    """

    name: str
    levels: pd.Index[Any] | None = None
    is_reduced: bool = True

    @property
    def width(self) -> int:
        """Number of the columns."""
        return 1 if self.levels is None else len(self.levels) - self.is_reduced

    @property
    def column_names(self) -> list[str]:
        """Names of the columns, as formulaic writes them."""
        if self.levels is None:
            return [self.name]
        if self.is_reduced:
            return [f"{self.name}[T.{level}]" for level in list_labels(self.levels)[1:]]
        return [f"{self.name}[{level}]" for level in list_labels(self.levels)]

    def encode(self, frame: pd.DataFrame) -> list[NDArray[np.float64]]:
        """Return the columns, each of shape (n,), NaN where the value is missing."""
        column = frame[self.name]
        if self.levels is None:
            return [as_numbers(column, self.name, "numeric in the model")]
        codes = match_levels([column], (self.levels,), np.empty((0, 1), dtype=np.intp))
        check_seen(codes, column, self.name, self.levels)
        return self.indicate(codes)

    def indicate(self, codes: NDArray[np.intp]) -> list[NDArray[np.float64]]:
        """Return the columns for given level codes, NaN where the code is -1."""
        assert self.levels is not None
        columns = [(codes == j).astype(np.float64) for j in range(int(self.is_reduced), len(self.levels))]
        missing = codes < 0
        if missing.any():
            for c in columns:
                c[missing] = np.nan
        return columns


@dataclass(frozen=True, slots=True, eq=False)
class PlainEncoder:
    """Makes the matrix of a sum of plain columns and their interactions.

    Attributes
    ----------
    terms : tuple of tuple of PlainColumn
        ``()`` is the constant.
    column_names : tuple of str, length p
        As formulaic writes them.
    order : tuple of int, length p, or None
        The terms' column at each place, where another package made the matrix; None: in their own order.
    """

    terms: tuple[tuple[PlainColumn, ...], ...]
    column_names: tuple[str, ...]
    order: tuple[int, ...] | None = None

    def encode(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Return the matrix of new data, shape (n, p); rows with missing values are NaN.

        Raises
        ------
        DataError
            A level that was not there before, or text for numbers.
        """
        made = {id(c): c.encode(frame) for term in self.terms for c in term}
        return in_order(_assemble(self.terms, made, len(frame)), self.order)

    def columns_by_term(self) -> dict[str, tuple[int, ...]]:
        """Return which columns each term has, names as a formula writes them; the constant's is empty."""
        found, at = {}, 0
        for term in self.terms:
            size = prod(c.width for c in term)
            found[":".join(quote_name(c.name) for c in term)] = tuple(range(at, at + size))
            at += size
        return places_of(found, self.order)

    def levels_by_column(self) -> dict[str, pd.Index[Any]]:
        """Return the levels of each column that is a factor."""
        return {c.name: c.levels for term in self.terms for c in term if c.levels is not None}

    def factors_by_term(self) -> list[tuple[tuple[str, ...], frozenset[str]]]:
        """Return each term's parts in the formula's order, none for the constant, and which of them are factors."""
        return [
            (tuple(c.name for c in term), frozenset(c.name for c in term if c.levels is not None))
            for term in self.terms
        ]

    def encode_factor(self, frame: pd.DataFrame, name: str, *, is_reduced: bool) -> NDArray[np.float64]:
        """Return the columns of one part of a term alone, shape (n, columns), a factor with or without all levels."""
        column = next(c for term in self.terms for c in term if c.name == name)
        return np.column_stack(PlainColumn(name, column.levels, is_reduced).encode(frame))


def learn_plain(
    terms: tuple[tuple[str, ...], ...],
    data: Mapping[str, pd.Series[Any]],
    n: int,
    constant: str,
    *,
    may_be_sparse: bool = False,
) -> tuple[Matrix, PlainEncoder] | None:
    """Return the matrix of columns and their products, and its encoder; None where coding needs formulaic's rules.

    Large columns of factors are held sparse where they may be.
    """
    columns_read = data if isinstance(data, Columns) else Columns.of(data, data)
    names = tuple(dict.fromkeys(name for term in terms for name in term))
    values: dict[str, list[NDArray[np.float64]]] = {}
    levels: dict[str, pd.Index[Any]] = {}
    codes: dict[str, NDArray[np.intp]] = {}
    for name in names:
        if columns_read.is_factor(name):
            factor = columns_read.factor(name)
            check_levels(name, factor.levels)
            codes[name], levels[name] = factor.codes, factor.levels
        else:
            values[name] = [columns_read.numbers(name, "numeric in the model")]
    if not levels:
        encoder = _encoder_of_numbers(terms, constant)
        check_columns(((label, 1) for label in encoder.column_names), n)
        return _assemble(encoder.terms, {id(c): values[c.name] for term in encoder.terms for c in term}, n), encoder
    coding = _decide_coding(terms, set(levels))
    if coding is None:
        return None
    columns = {(name, r): PlainColumn(name, levels[name], r) for name in levels for r in (True, False)}
    columns |= {(name, True): PlainColumn(name) for name in values}
    plain = tuple(
        tuple(columns[name, r] for name, r in zip(term, reduced, strict=True))
        for term, reduced in zip(terms, coding, strict=True)
    )
    wide = _choose_sparse(plain, n) if may_be_sparse else ()
    narrow = [term for term in plain if term not in wide]
    stored = n * (len(wide) + sum(prod(c.width for c in term) for term in narrow))
    check_columns(((":".join(c.name for c in term), prod(c.width for c in term)) for term in plain), n, stored)
    used = {id(c): c for term in plain for c in term}
    made = {
        key: values[c.name] if c.levels is None else c.indicate(codes[c.name])
        for key, c in used.items()
        if any(c in term for term in narrow)
    }
    written = {key: c.column_names for key, c in used.items()}
    labels = tuple(label for term in plain for label in _name_columns([written[id(c)] for c in term], constant))
    encoder = PlainEncoder(plain, labels)
    if wide:
        return _assemble_sparse(plain, wide, _assemble(narrow, made, n), codes, values), encoder
    return _assemble(plain, made, n), encoder


@lru_cache(maxsize=256)
def _encoder_of_numbers(terms: tuple[tuple[str, ...], ...], constant: str) -> PlainEncoder:
    """Return the encoder of columns of numbers and their products, which depends on no data."""
    columns = {name: PlainColumn(name) for term in terms for name in term}
    plain = tuple(tuple(columns[name] for name in term) for term in terms)
    labels = (label for term in terms for label in _name_columns([[name] for name in term], constant))
    return PlainEncoder(plain, tuple(labels))


def _choose_sparse(terms: Sequence[tuple[PlainColumn, ...]], n: int) -> list[tuple[PlainColumn, ...]]:
    """Return the terms whose columns are held sparse: of many levels, and large together."""
    wide = [term for term in terms if prod(c.width for c in term) >= LEAST_LEVELS]
    return wide if n * sum(prod(c.width for c in term) for term in wide) >= LEAST_NUMBERS else []


def _assemble_sparse(
    terms: Sequence[tuple[PlainColumn, ...]],
    wide: Sequence[tuple[PlainColumn, ...]],
    dense: NDArray[np.float64],
    codes: Mapping[str, NDArray[np.intp]],
    values: Mapping[str, list[NDArray[np.float64]]],
) -> SparseColumns:
    """Return the matrix of terms, those that are wide sparse beside the dense columns of the others, (n, c)."""
    widths = [prod(c.width for c in term) for term in terms]
    is_sparse = np.repeat([term in wide for term in terms], widths)
    parts = []
    for term in wide:
        column, stride = np.zeros(len(dense), dtype=np.intp), 1
        is_empty = np.zeros(len(dense), dtype=bool)
        for c in term:
            if c.levels is not None:
                own = codes[c.name] - int(c.is_reduced)
                is_empty |= own < 0
                column += own * stride
                stride *= c.width
        column[is_empty] = -1
        numbers = [values[c.name][0] for c in term if c.levels is None]
        parts.append((stride, column, reduce(np.multiply, numbers) if numbers else None))
    return from_codes(parts, dense, np.flatnonzero(~is_sparse), np.flatnonzero(is_sparse))


def _decide_coding(terms: tuple[tuple[str, ...], ...], factors: set[str]) -> list[tuple[bool, ...]] | None:
    """Return for each factor in each term whether it leaves out its reference level, or None if that is not plain.

    A factor is reduced where the term without it is in the model too.  Without a constant, the first factor that
    stands alone is not reduced and spans the constant for the others.
    """
    present = {frozenset(term) for term in terms}
    spans_constant = False
    coding: list[tuple[bool, ...]] = []
    for term in terms:
        reduced = []
        for name in term:
            margin = frozenset(term) - {name}
            if name not in factors or margin in present:
                reduced.append(True)
            elif not margin:
                reduced.append(spans_constant)
                spans_constant = True
            else:
                return None
        coding.append(tuple(reduced))
    return coding


def _name_columns(names: Sequence[Sequence[str]], constant: str) -> Sequence[str]:
    """Return the names of a term's columns from its parts'; the first's vary fastest, as in R and formulaic."""
    if len(names) < 2:
        return names[0] if names else [constant]
    return [":".join(reversed(choice)) for choice in product(*reversed(names))]


def _assemble(
    terms: Sequence[tuple[PlainColumn, ...]], made: Mapping[int, list[NDArray[np.float64]]], n: int
) -> NDArray[np.float64]:
    """Return the matrix of terms whose columns are made, shape (n, p)."""
    columns: list[NDArray[np.float64]] = []
    for term in terms:
        if not term:
            columns.append(np.ones(n))
        elif len(term) == 1:
            columns += made[id(term[0])]
        else:
            for choice in product(*(made[id(c)] for c in reversed(term))):
                columns.append(reduce(np.multiply, reversed(choice)))
    return np.column_stack(columns) if columns else np.empty((n, 0))

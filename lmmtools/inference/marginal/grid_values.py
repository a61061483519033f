"""What values each predictor has in a reference grid, and how many rows have each combination of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.factors import encode_factor
from lmmtools.design.facts import ColumnFacts
from lmmtools.design.frame import as_numbers
from lmmtools.design.newdata import is_categorical
from lmmtools.design.stored_rows import StoredRows
from lmmtools.errors import DataError, RowsNeededError
from lmmtools.formula.expressions import columns_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design

    Floats = NDArray[np.float64]

__all__ = ["GridOptions", "count_cells", "counted_names", "grid_levels"]

MAX_COMBINATIONS = 5_000_000
"""Most combinations of levels, those that nesting rules out included."""
BATCH = 1 << 18
"""Rows that are counted at once."""


@dataclass(frozen=True, slots=True, eq=False)
class GridOptions:
    """How a reference grid is made and averaged.

    Attributes
    ----------
    at : mapping of str to values, or None
        Levels or values to use for some columns instead of all levels, or of the mean.
    slope_of : str or None
        A covariate: each cell is then the slope of the mean along it.
    weights : str
        See :func:`cell_weights`.
    nesting : mapping or None
        Factors and those that they are nested in; None to find it in the data and the formula.
    cov_reduce : callable, mapping of str to callable, False, or None
        What values of a covariate the grid has, by its values over the rows; False for all distinct ones.
    """

    at: Mapping[str, Any] | None = None
    slope_of: str | None = None
    weights: str = "equal"
    nesting: Mapping[str, Any] | None = None
    cov_reduce: Any = None


def grid_levels(design: Design, names: Sequence[str], options: GridOptions) -> dict[str, list[Any]]:
    """Return the values of each predictor in the grid.

    Raises
    ------
    DataError
        If a column is not in the fixed part, or there are no fixed effects or too many combinations.
    """
    at, slope_of = options.at, options.slope_of
    if not design.p:
        raise DataError("the model has no fixed effects, and so no marginal means")
    if at is not None and not isinstance(at, Mapping):
        raise DataError(f'at={at!r} must be a dict of values by column, {{"x": [0, 1]}}')
    predictors = [name for name in columns_of(design.formula.fixed) if name in ColumnFacts(design).names]
    reduce = options.cov_reduce if isinstance(options.cov_reduce, Mapping) else {}
    for name in [*names, *(at or {}), *reduce, *([slope_of] if slope_of else [])]:
        if name not in predictors:
            there = ", ".join(map(repr, predictors)) or "none"
            raise DataError(
                f"{name!r} is no predictor of the fixed part {design.formula.fixed!r}; its columns: {there}"
                + _ask_for_names(name)
            )
    for name in reduce:
        if is_categorical(design, name):
            raise DataError(f"cov_reduce= is of covariates, and {name!r} is a factor; at= picks its levels")
    levels = {name: _grid_values(design, name, dict(at or {}), options.cov_reduce) for name in predictors}
    size = int(np.prod([len(v) for v in levels.values()], dtype=float)) if levels else 1
    if size > MAX_COMBINATIONS:
        raise DataError(f"the reference grid has {size} rows: say which values of the predictors to use with at=")
    return levels


def _ask_for_names(name: str) -> str:
    """Return what to write in place of a formula, as emmeans takes it; nothing for the name of a column."""
    if not re.search("[~*:+|]", name):
        return ""
    return '. Write several columns as a list, ["a", "b"]; differences of means are fit.pairwise("a", by="b")'


def _grid_values(design: Design, name: str, at: Mapping[str, Any], cov_reduce: Any) -> list[Any]:
    """Return the values of a predictor in the grid: levels, both of two values, or the mean."""
    facts = ColumnFacts(design)
    if name in at:
        given = at[name]
        values = [given] if isinstance(given, str) or np.ndim(given) == 0 else list(given)
        if isinstance(given, np.ndarray) and given.ndim > 1:
            raise DataError(f"at= has a table of values for {name!r}; give a list of them")
        if not values or any(v is None or v != v for v in values):
            raise DataError(f"at= has {'a missing' if values else 'no'} value for {name!r}")
        # A level that is given twice is one level.
        return [v for i, v in enumerate(values) if v not in values[:i]] if is_categorical(design, name) else values
    if facts.is_factor(name):
        return list(facts.levels(name))
    by_levels = is_categorical(design, name)
    reduce = cov_reduce.get(name) if isinstance(cov_reduce, Mapping) else cov_reduce
    found = facts.distinct(name, most=None if by_levels else 2)
    if reduce is not None and not by_levels and (found is None or isinstance(cov_reduce, Mapping)):
        return _reduced(design, name, reduce)
    return [facts.mean(name)] if found is None else found


def _reduced(design: Design, name: str, reduce: Any) -> list[Any]:
    """Return what a function makes of a covariate's values over the rows used, or all distinct ones for False.

    Raises
    ------
    DataError
        If it is no function, or returns no finite numbers.
    """
    if reduce is False:
        distinct: list[Any] = ColumnFacts(design).distinct(name) or []
        return distinct
    if not callable(reduce):
        raise DataError(
            f"cov_reduce={reduce!r} must be a function of a column's values, such as numpy.median, or False"
        )
    if design.streamed is not None:
        raise RowsNeededError(f"cov_reduce= needs the values of {name}; write at={{{name!r}: ...}} with what it gives.")
    made = reduce(as_numbers(design.frame[name], name, "numeric in the model"))
    try:
        values = np.unique(np.asarray(made, dtype=float).reshape(-1))
    except (TypeError, ValueError):
        values = np.zeros(0)
    if not len(values) or not np.isfinite(values).all():
        raise DataError(f"cov_reduce= gives no finite numbers for {name!r}: {made!r}")
    found: list[Any] = values.tolist()
    return found


def counted_names(design: Design, levels: Mapping[str, list[Any]]) -> tuple[str, ...]:
    """Return the predictors whose levels rows have: factors, numbers in ``C(...)``, columns of two values."""
    facts = ColumnFacts(design)

    def is_counted(name: str) -> bool:
        if is_categorical(design, name):
            return True
        both = facts.distinct(name, most=2)
        return both is not None and set(levels[name]) <= set(both)

    return tuple(name for name in levels if is_counted(name))


def count_cells(design: Design, levels: Mapping[str, list[Any]]) -> Floats:
    """Return the rows used that have each combination of levels, shape (levels of each column ...)."""
    if isinstance(design.streamed, StoredRows):
        return design.streamed.count_cells(levels)
    shape = tuple(map(len, levels.values()))
    total = np.zeros(int(np.prod(shape)))
    for frame in _frames(design):
        at = np.zeros(len(frame), dtype=np.intp)
        has = np.ones(len(frame), dtype=bool)
        for name, values in levels.items():
            place = {value: i for i, value in enumerate(values)}
            factor = encode_factor(frame[name])
            own = np.array([place.get(level, -1) for level in factor.levels.tolist()], dtype=np.intp)[factor.codes]
            has &= own >= 0
            at = at * len(values) + own
        total += np.bincount(at[has], minlength=len(total))
    return total.reshape(shape)


def _frames(design: Design) -> Iterator[pd.DataFrame]:
    """Yield the columns of the rows used, in batches where they are not in memory."""
    if design.streamed is None:
        yield design.frame
        return
    for batch in design.streamed.batches(BATCH, with_frame=True):
        assert batch.frame is not None
        yield batch.frame

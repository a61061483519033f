"""The reference grid: the combinations of predictors that marginal means average, and their rows of X."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.facts import ColumnFacts, spanning_rows
from lmmtools.design.newdata import is_categorical
from lmmtools.errors import DataError
from lmmtools.formula.expressions import columns_of, lagged_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design

    Floats = NDArray[np.float64]

__all__ = ["Cells", "reference_cells"]

STEP = 1e-4
"""Half the step of a slope's central difference, in units of the column's range: exact for straight lines and
parabolas, to 1e-8 of the third derivative otherwise."""
ONE_SIDED = 1e-7
"""Half the step where one side may be missing: the error is then proportional to the step."""
ESTIMABLE = 1e-8
"""A cell is estimable if its dropped columns equal their values by the kept ones to within this share of its size."""
MAX_GRID = 200_000
"""Most rows of a reference grid."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Marginal means as linear functions of the fixed effects.

    Attributes
    ----------
    names : tuple of str
        The columns whose levels identify the means: those compared first, then those compared within.
    values : tuple of tuple, length cells
        Their levels, cell by cell; the first column's vary fastest.
    L : ndarray, shape (cells, p)
        Weights of the fixed effects.
    constant : float
        The mean offset, which each mean includes, in units of y.
    is_estimable : ndarray of bool, shape (cells,)
        False where a dropped column of X makes the mean not estimable.
    averaged : tuple of str
        Factors over whose levels each mean is an unweighted average.
    fixed_at : dict
        Predictors that are held at one value, and the value.
    interacting : tuple of str
        Factors of ``averaged`` that interact with the cells: differences between cells depend on their levels.
    """

    names: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]
    L: Floats
    constant: float
    is_estimable: NDArray[np.bool_]
    averaged: tuple[str, ...]
    fixed_at: dict[str, Any]
    interacting: tuple[str, ...] = ()


def reference_cells(
    design: Design, names: Sequence[str], at: Mapping[str, Any] | None = None, slope_of: str | None = None
) -> Cells:
    """Return the cells that some columns span over a balanced grid of the other predictors.

    Parameters
    ----------
    design : Design
    names : sequence of str
        Columns of the fixed part.
    at : mapping of str to values, optional
        Levels or values to use for some columns instead of all levels, or of the mean.
    slope_of : str, optional
        A covariate: each cell is then the slope of the mean along it.

    Raises
    ------
    DataError
        If a column is not in the fixed part, a level is unknown, or a slope is asked of a factor.
    """
    import pandas as pd

    if not design.p:
        raise DataError("the model has no fixed effects, and so no marginal means")
    if at is not None and not isinstance(at, Mapping):
        raise DataError(f'at={at!r} must be a dict of values by column, {{"x": [0, 1]}}')
    predictors = [name for name in columns_of(design.formula.fixed) if name in ColumnFacts(design).names]
    at = dict(at or {})
    for name in [*names, *at, *([slope_of] if slope_of else [])]:
        if name not in predictors:
            there = ", ".join(map(repr, predictors)) or "none"
            raise DataError(
                f"{name!r} is no predictor of the fixed part {design.formula.fixed!r}; its columns: {there}"
            )
    levels = {name: _grid_values(design, name, at) for name in predictors}
    size = int(np.prod([len(v) for v in levels.values()])) if levels else 1
    if size > MAX_GRID:
        raise DataError(f"the reference grid has {size} rows: say which values of the predictors to use with at=")
    order = [*dict.fromkeys(names), *(name for name in predictors if name not in names)]
    # The first column varies fastest, so that those averaged over are the slowest.
    combinations = [row[::-1] for row in product(*(levels[name] for name in reversed(order)))]
    columns = {name: [row[j] for row in combinations] for j, name in enumerate(order)}
    grid = pd.DataFrame(columns, index=range(len(combinations)))
    full = _encode_grid(design, grid) if slope_of is None else _encode_slopes(design, grid, slope_of)
    own = tuple(dict.fromkeys(names))
    rest = order[len(own) :]
    n_cells = int(np.prod([len(levels[name]) for name in own]))
    by_axis = full.reshape(*(len(levels[name]) for name in reversed(rest)), n_cells, full.shape[1])
    interacting = _interacting_factors(design, by_axis, rest[::-1])
    L, is_estimable = _drop_columns(design, full.reshape(-1, n_cells, full.shape[1]).mean(axis=0))
    return Cells(
        own,
        tuple(row[: len(own)] for row in combinations[:n_cells]),
        L,
        0.0 if design.offset is None or slope_of is not None else float(design.offset.mean()),
        is_estimable,
        tuple(name for name in rest if len(levels[name]) > 1),
        {name: levels[name][0] for name in rest if len(levels[name]) == 1},
        interacting,
    )


def _interacting_factors(design: Design, by_axis: Floats, names: Sequence[str]) -> tuple[str, ...]:
    """Return the predictors, on the leading axes, on which differences between cells depend.

    ``by_axis`` has the rows of X, shape (levels of each name ..., cells, columns).
    """
    kept = [j for j, name in enumerate(design.encoder.column_names) if name not in design.dropped.columns]
    gaps = (by_axis - by_axis[..., :1, :])[..., kept]
    size = float(np.abs(gaps).max(initial=0.0))
    return tuple(name for i, name in enumerate(names) if np.ptp(gaps, axis=i).max(initial=0.0) > 1e-9 * size)[::-1]


def _grid_values(design: Design, name: str, at: Mapping[str, Any]) -> list[Any]:
    """Return the values of a predictor in the grid: levels, both of two values, or the mean."""
    facts = ColumnFacts(design)
    if name in at:
        given = at[name]
        values = [given] if isinstance(given, str) or np.ndim(given) == 0 else list(given)
        if not values or any(v is None or v != v for v in values):
            raise DataError(f"at= has {'a missing' if values else 'no'} value for {name!r}")
        return values
    if facts.is_factor(name):
        return list(facts.levels(name))
    found = facts.distinct(name, most=None if is_categorical(design, name) else 2)
    return [facts.mean(name)] if found is None else found


def _encode_grid(design: Design, grid: pd.DataFrame) -> Floats:
    """Return the grid's rows of X with the columns that the fit dropped, shape (rows, columns).

    ``lag(x)`` is at its mean over the rows of the fit, as any column of numbers is.
    """
    lagged = lagged_columns(design.formula.fixed)
    if not lagged:
        return np.asarray(design.encoder.encode(grid))
    back = max(k for _, k in lagged)
    long = grid.loc[np.repeat(grid.index, back + 1)].reset_index(drop=True)
    for name, k in lagged:
        before = design.take_used(design.seen[name].shift(k).to_numpy(dtype=float))
        values = long[name].to_numpy(dtype=float, copy=True)
        values[back - k :: back + 1] = float(np.nanmean(before))
        long[name] = values
    return np.asarray(design.encoder.encode(long))[back :: back + 1]


def _encode_slopes(design: Design, grid: pd.DataFrame, name: str) -> Floats:
    """Return the derivative of each row of X along a covariate, by central differences."""
    if is_categorical(design, name):
        raise DataError(f"slope_of={name!r} is a factor; slopes are taken along numbers")
    smallest, largest = ColumnFacts(design).ends(name)
    base = grid[name].to_numpy(dtype=float)

    def slope(step: float, low: float, high: float) -> Floats:
        half = step * (largest - smallest)
        below, above = np.clip(base - half, low, high), np.clip(base + half, low, high)
        rise = _encode_grid(design, grid.assign(**{name: above})) - _encode_grid(design, grid.assign(**{name: below}))
        return np.asarray(rise / (above - below)[:, None])

    try:
        return slope(STEP, -np.inf, np.inf)
    except DataError:  # a spline that ends with the data has a slope to one side there
        if base.min() < smallest or base.max() > largest:
            raise
        return slope(ONE_SIDED, smallest, largest)


def _drop_columns(design: Design, full: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the weights on the columns that the fit kept, and whether each row is estimable."""
    names = design.encoder.column_names
    kept = [j for j, name in enumerate(names) if name not in design.dropped.columns]
    L = full[:, kept]
    if len(kept) == len(names):
        return L, np.ones(len(L), dtype=bool)
    lost = [j for j in range(len(names)) if j not in kept]
    if design.streamed is None:
        X = design.take_used(design.encoder.encode(design.seen))
    else:
        X = design.encoder.encode(spanning_rows(design))
    dependence, *_ = np.linalg.lstsq(X[:, kept], X[:, lost], rcond=None)
    gap = np.abs(full[:, lost] - L @ dependence).max(axis=1)
    return L, gap <= ESTIMABLE * max(1.0, float(np.abs(full).max()))

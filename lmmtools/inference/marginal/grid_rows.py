"""Rows of X of a reference grid, or their slopes along a covariate, and which functions of them are estimable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.facts import ColumnFacts, spanning_rows
from lmmtools.design.newdata import is_categorical
from lmmtools.design.stored_rows import StoredRows
from lmmtools.errors import DataError
from lmmtools.formula.expressions import lagged_columns

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design

    Floats = NDArray[np.float64]

__all__ = ["dependence_of_dropped", "drop_columns", "encode_rows"]

STEP = 1e-4
"""Half the step of a slope's central difference, in units of the column's range: exact for straight lines and
parabolas, to 1e-8 of the third derivative otherwise."""
ONE_SIDED = 1e-7
"""Half the step where one side may be missing: the error is then proportional to the step."""
ESTIMABLE = 1e-8
"""A mean is estimable if its dropped columns equal their values by the kept ones to within this share of their size."""


def encode_rows(design: Design, columns: Mapping[str, list[Any]], slope_of: str | None) -> Floats:
    """Return the rows of X of the grid, or their slopes, with the columns that the fit dropped."""
    import pandas as pd

    n = len(next(iter(columns.values()))) if columns else 1
    grid = pd.DataFrame(dict(columns), index=range(n))
    return _encode_grid(design, grid) if slope_of is None else _encode_slopes(design, grid, slope_of)


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


def drop_columns(design: Design, full: Floats, size: float) -> tuple[Floats, Floats]:
    """Return the weights on the columns that the fit kept, and the gaps of those that it dropped.

    A gap is by how much a dropped column differs from what the kept ones make of it, shape (rows, dropped), in units
    of the largest difference that is zero; ``size`` is that of the grid's rows.
    """
    names = design.encoder.column_names
    kept = [j for j, name in enumerate(names) if name not in design.dropped.columns]
    L = full[:, kept]
    lost = [j for j in range(len(names)) if j not in kept]
    if not lost:
        return L, np.zeros((len(L), 0))
    return L, (full[:, lost] - L @ dependence_of_dropped(design)) / (ESTIMABLE * max(1.0, size))


def dependence_of_dropped(design: Design) -> Floats:
    """Return what the columns of X that the fit dropped are of those kept, shape (kept, dropped)."""
    if isinstance(design.streamed, StoredRows):
        return design.streamed.dependence
    names = design.encoder.column_names
    kept = [j for j, name in enumerate(names) if name not in design.dropped.columns]
    lost = [j for j in range(len(names)) if j not in kept]
    if not lost:
        return np.zeros((len(kept), 0))
    if design.streamed is None:
        X = design.take_used(design.encoder.encode(design.seen))
    else:
        X = design.encoder.encode(spanning_rows(design))
    return np.asarray(np.linalg.lstsq(X[:, kept], X[:, lost], rcond=None)[0])

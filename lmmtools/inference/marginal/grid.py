"""The reference grid: the combinations of predictors that marginal means average, and their rows of X."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.errors import DataError
from lmmtools.formula.expressions import columns_of
from lmmtools.inference.marginal.cell_weights import cell_weights, check_weights, describe_weights
from lmmtools.inference.marginal.grid_rows import drop_columns, encode_rows
from lmmtools.inference.marginal.grid_values import GridOptions, count_cells, counted_names, grid_levels
from lmmtools.inference.marginal.nesting import (
    Nesting,
    describe_nesting,
    existing_cells,
    find_nesting,
    given_nesting,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design
    from lmmtools.inference.marginal.cell_weights import Weights

    Floats = NDArray[np.float64]

__all__ = ["Cells", "GridOptions", "GridTerm", "are_estimable", "estimable_contrasts", "grid_terms", "reference_cells"]

MAX_GRID = 200_000
"""Most rows of a reference grid."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Marginal means as linear functions of the fixed effects.

    Attributes
    ----------
    names : tuple of str
        The columns whose levels identify the means: those compared first, then those compared within.
    n_compared : int
        How many of them are compared.
    values : tuple of tuple, length cells
        Their levels, cell by cell; the first column's vary fastest.
    L : ndarray, shape (cells, p)
        Weights of the fixed effects.
    constant : float
        The mean offset, which each mean includes, in units of y.
    gap : ndarray, shape (cells, dropped columns or one more)
        By how much each dropped column of X is not what the kept ones say: in units of the largest value that counts
        as zero. Where cells have no weight, a column more is infinite for these.
    averaged : tuple of str
        Factors over whose levels each mean is an average.
    fixed_at : dict
        Predictors that are held at one value, and the value.
    interacting : tuple of str
        Factors of ``averaged`` that interact with the cells: differences between cells depend on their levels.
    notes : tuple of str
        On nesting and weights.
    """

    names: tuple[str, ...]
    n_compared: int
    values: tuple[tuple[Any, ...], ...]
    L: Floats
    constant: float
    gap: Floats
    averaged: tuple[str, ...]
    fixed_at: dict[str, Any]
    interacting: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def compared(self) -> tuple[str, ...]:
        """The columns whose levels are compared."""
        return self.names[: self.n_compared]

    @property
    def within(self) -> tuple[str, ...]:
        """The columns within whose levels these are compared."""
        return self.names[self.n_compared :]

    @property
    def is_estimable(self) -> NDArray[np.bool_]:
        """Whether the data determine each mean, shape (cells,)."""
        return are_estimable(self.gap)

    def groups(self) -> dict[tuple[Any, ...], NDArray[np.intp]]:
        """Return the cells within each combination of the levels of ``within``."""
        found: dict[tuple[Any, ...], list[int]] = {}
        for i, row in enumerate(self.values):
            found.setdefault(row[self.n_compared :], []).append(i)
        return {group: np.array(members) for group, members in found.items()}

    def take(self, order: NDArray[np.intp]) -> Cells:
        """Return some of the cells, in this order."""
        return replace(self, values=tuple(self.values[i] for i in order), L=self.L[order], gap=self.gap[order])


def are_estimable(gap: Floats) -> NDArray[np.bool_]:
    """Return whether the data determine linear functions with these gaps, shape (rows, dropped columns)."""
    return np.asarray((np.abs(gap) <= 1.0).all(axis=1))


def estimable_contrasts(weights: Floats, gap: Floats) -> NDArray[np.bool_]:
    """Return whether the data determine each contrast of means with these gaps, shape (contrasts,)."""
    is_there = np.asarray(np.isfinite(gap).all(axis=1))
    uses_absent = ((weights != 0.0) & ~is_there).any(axis=1)
    return np.asarray(are_estimable(weights @ np.where(is_there[:, None], gap, 0.0)) & ~uses_absent)


def reference_cells(
    design: Design, compared: Sequence[str], within: Sequence[str] = (), options: GridOptions | None = None
) -> Cells:
    """Return the cells that some columns span over a grid of the other predictors.

    Parameters
    ----------
    design : Design
    compared, within : sequence of str
        Columns of the fixed part; the first vary fastest. Those in which one of them is nested are added to it.
    options : GridOptions, optional

    Raises
    ------
    DataError
        If a column is not in the fixed part, a level is unknown, or a slope is asked of a factor.
    """
    options = options or GridOptions()
    scheme = check_weights(options.weights)
    levels = grid_levels(design, [*compared, *within], options)
    counted = counted_names(design, levels)
    nesting, counts = _nesting_and_counts(design, levels, counted, options.nesting, scheme)
    own, n_compared = _with_outer(compared, within, nesting)
    order = [*own, *(name for name in levels if name not in own)]
    # The last axis varies fastest: the first column.
    axes = order[::-1]
    shape = tuple(len(levels[name]) for name in axes)
    where = {name: a for a, name in enumerate(axes)}
    full_counts = _spread_counts(counts, counted, where, shape)
    exists = existing_cells(full_counts, axes, nesting)
    if (n_rows := int(exists.sum())) > MAX_GRID:
        raise DataError(f"the reference grid has {n_rows} rows: say which values of the predictors to use with at=")
    outer = {where[name]: tuple(where[o] for o in groups) for name, groups in nesting.items()}
    W = cell_weights(full_counts, exists, tuple(where[n] for n in own), outer, scheme)[exists]
    index = np.nonzero(exists)
    full = encode_rows(
        design, {name: [levels[name][i] for i in index[where[name]]] for name in levels}, options.slope_of
    )
    n_cells = int(np.prod([len(levels[name]) for name in own]))
    cell = np.flatnonzero(exists) % n_cells
    sums = np.zeros((n_cells, full.shape[1]))
    np.add.at(sums, cell, np.where(np.isnan(W), 0.0, W)[:, None] * full)
    there = np.flatnonzero(np.bincount(cell, minlength=n_cells))
    is_empty = np.zeros(n_cells, dtype=bool)
    is_empty[cell[np.isnan(W)]] = True
    L, gap = drop_columns(design, sums[there], float(np.abs(full).max(initial=1.0)))
    if is_empty.any():
        gap = np.column_stack([gap, np.where(is_empty[there], np.inf, 0.0)])
    own_shape = tuple(len(levels[name]) for name in reversed(own))
    places = (
        np.array(np.unravel_index(there, own_shape)).reshape(len(own), -1)[::-1].T if own else np.zeros((1, 0), int)
    )
    rest = order[len(own) :]
    if nesting:
        interacting = _sharing_terms(design, own, rest, nesting)
    else:
        interacting = _interacting_factors(design, full.reshape(*shape[: len(rest)], n_cells, -1), rest[::-1])
    return Cells(
        own,
        n_compared,
        tuple(tuple(levels[name][i] for name, i in zip(own, row, strict=True)) for row in places),
        L,
        0.0 if design.offset is None or options.slope_of is not None else float(design.offset.mean()),
        gap,
        tuple(name for name in rest if len(levels[name]) > 1),
        {name: levels[name][0] for name in rest if len(levels[name]) == 1},
        interacting,
        (*describe_nesting(nesting), *describe_weights(scheme)),
    )


@dataclass(frozen=True, slots=True)
class GridTerm:
    """Factors whose means are compared, in products of differences, within the levels of others.

    Attributes
    ----------
    name : str
        ``"year:genotype"``: all of them.
    compared, outer : tuple of str
        The factors compared, and those that they are nested in.
    """

    name: str
    compared: tuple[str, ...]
    outer: tuple[str, ...]


def grid_terms(design: Design, options: GridOptions, within: Sequence[str] = ()) -> list[GridTerm]:
    """Return the terms of the fixed part by their factors with several levels in the grid, ``within`` left out.

    A factor in which another one of the term is nested is not compared itself. Factors that are nested in the same
    others are terms together with these. Terms of fewer factors come first.
    """
    levels = grid_levels(design, within, options)
    counted = counted_names(design, levels)
    nesting, _ = _nesting_and_counts(design, levels, counted, options.nesting, "equal")
    names = [name for name in levels if len(levels[name]) > 1]
    found: dict[tuple[str, ...], GridTerm] = {}
    for term in _columns_by_term(design):
        own = {name for name in names if name in term and name not in within}
        outer = {o for name in own for o in nesting.get(name, ()) if o not in within}
        compared = tuple(name for name in names if name in own - outer)
        around = tuple(name for name in names if name in outer)
        if compared:
            found.setdefault(compared, GridTerm(":".join([*around, *compared]), compared, around))
    order = {name: i for i, name in enumerate(names)}
    return sorted(
        found.values(),
        key=lambda t: (len(t.compared) + len(t.outer), sorted(order[n] for n in (*t.outer, *t.compared))),
    )


def _with_outer(compared: Sequence[str], within: Sequence[str], nesting: Nesting) -> tuple[tuple[str, ...], int]:
    """Return the columns with those that they are nested in, and how many of them are compared."""
    groups = [o for name in within for o in nesting.get(name, ())]
    inside = list(dict.fromkeys([*within, *groups]))
    first = [name for name in compared if name not in inside]
    nested = [name for name in first if name in nesting]
    more = [o for name in nested for o in nesting[name] if o not in inside]
    first = list(dict.fromkeys([*nested, *more, *first]))
    return (*first, *inside), len(first)


def _nesting_and_counts(
    design: Design, levels: Mapping[str, list[Any]], counted: tuple[str, ...], given: Any, scheme: Weights
) -> tuple[Nesting, Floats]:
    """Return which factors are nested, and the rows of each combination of their levels, shape (levels ...).

    Where rows are not in memory and nothing needs them counted, each combination counts one.
    """
    several = [name for name in counted if len(levels[name]) > 1]
    terms = _columns_by_term(design)
    by_formula = find_nesting(several, None, terms)
    # A factor that is nested in another one of the model makes columns of X dependent.
    may_be_nested = len(several) > 1 and (design.streamed is None or bool(design.dropped.columns) or bool(by_formula))
    is_needed = scheme != "equal" or bool(given) or (given is None and may_be_nested)
    if not is_needed:
        return {}, np.ones(tuple(len(levels[name]) for name in counted))
    counts = count_cells(design, {name: levels[name] for name in counted})
    if given is not None:
        return given_nesting(given, counted), counts
    axes = tuple(i for i, name in enumerate(counted) if name not in several)
    return find_nesting(several, counts.sum(axis=axes), terms), counts


def _columns_by_term(design: Design) -> list[frozenset[str]]:
    """Return the columns of the data that each term of the fixed part uses."""
    return [frozenset(columns_of(term)) for term in design.encoder.columns_by_term() if term]


def _spread_counts(counts: Floats, counted: Sequence[str], where: Mapping[str, int], shape: tuple[int, ...]) -> Floats:
    """Return counts with an axis for each predictor, in the grid's order; values of covariates count alike."""
    axes = [where[name] for name in counted]
    ordered = counts.transpose(np.argsort(axes))
    sizes = [shape[a] if a in axes else 1 for a in range(len(shape))]
    return np.broadcast_to(ordered.reshape(sizes), shape)


def _sharing_terms(design: Design, own: Sequence[str], rest: Sequence[str], nesting: Nesting) -> tuple[str, ...]:
    """Return the predictors that share a term with the cells' columns, but for what is nested in each other."""
    terms = _columns_by_term(design)

    def are_nested(a: str, b: str) -> bool:
        return a in nesting.get(b, ()) or b in nesting.get(a, ())

    return tuple(
        name
        for name in rest
        if any({name, other} <= term and not are_nested(name, other) for term in terms for other in own)
    )


def _interacting_factors(design: Design, by_axis: Floats, names: Sequence[str]) -> tuple[str, ...]:
    """Return the predictors, on the leading axes, on which differences between cells depend.

    ``by_axis`` has the rows of X, shape (levels of each name ..., cells, columns).
    """
    kept = [j for j, name in enumerate(design.encoder.column_names) if name not in design.dropped.columns]
    gaps = (by_axis - by_axis[..., :1, :])[..., kept]
    size = float(np.abs(gaps).max(initial=0.0))
    return tuple(name for i, name in enumerate(names) if np.ptp(gaps, axis=i).max(initial=0.0) > 1e-9 * size)[::-1]

"""Marginal means along one variable, a curve for each level of others, and the points that belong to each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from lmmtools.design.facts import ColumnFacts, are_in_memory
from lmmtools.design.newdata import is_categorical
from lmmtools.errors import DataError, RowsNeededError
from lmmtools.formula.expressions import columns_of, plain_name
from lmmtools.inference.degrees import degrees, method_in_legend
from lmmtools.inference.marginal.grid import GridOptions, reference_cells
from lmmtools.inference.marginal.means import back_transformation, marginal_means, name_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design
    from lmmtools.fit.record import Fit
    from lmmtools.inference.degrees import DDF
    from lmmtools.inference.marginal.means import MarginalMeans
    from lmmtools.inference.marginal.response_scale import ResponseScale

    Floats = NDArray[np.float64]

__all__ = ["Curve", "MeanCurves", "Points", "Scale", "back", "mean_curves", "mean_label", "name_levels"]

Points = Literal["data", "partial", "none"]
Scale = Literal["link", "response"]

# Numbers along a variable at which the mean is computed, at a time.
_STEPS = 100
# Most distinct numbers of a column, each of which has a curve of its own.
_FEW_NUMBERS = 4
# Most curves that colours, markers and lines tell apart.
MAX_CURVES = 12


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Means along a variable, at one combination of the other variables' levels.

    Attributes
    ----------
    levels : tuple
        The levels of ``by``.
    label : str
        The levels in words.
    mean, lower, upper : ndarray, shape (k,)
        NaN where not estimable.
    x, y : ndarray, shape (points,)
        The rows that belong to the curve: the variable, as positions 0, 1, ... of a factor's levels, and the response.
    """

    levels: tuple[Any, ...]
    label: str
    mean: Floats
    lower: Floats
    upper: Floats
    x: Floats
    y: Floats


@dataclass(frozen=True, slots=True, eq=False)
class MeanCurves:
    """Marginal means along a variable.

    Attributes
    ----------
    variable : str
    along : tuple, length k
        Levels, or numbers in order.
    is_factor : bool
        Whether the variable enters by its levels.
    by : tuple of str
        Variables that tell the curves apart.
    curves : tuple of Curve
    interval : str
        What the limits are: coverage, and where the degrees of freedom come from.
    notes : tuple of str
        What is averaged over, what is held.
    response : str
        What the means are of.
    """

    variable: str
    along: tuple[Any, ...]
    is_factor: bool
    by: tuple[str, ...]
    curves: tuple[Curve, ...]
    interval: str
    notes: tuple[str, ...]
    response: str

    @property
    def places(self) -> Floats:
        """Positions along the x axis, shape (k,)."""
        return np.arange(len(self.along), dtype=float) if self.is_factor else np.asarray(self.along, dtype=float)

    def split_panels(self, count: int) -> dict[str, MeanCurves]:
        """Return the curves by the levels of the last ``count`` of ``by``, each under its levels in words.

        Raises
        ------
        DataError
            If a panel has more curves than are told apart.
        """
        panels: dict[tuple[Any, ...], list[Curve]] = {}
        first = len(self.by) - count
        for curve in self.curves:
            label = name_levels(self.by[:first], curve.levels[:first])
            panels.setdefault(curve.levels[first:], []).append(replace(curve, label=label))
        _need_few(self.by[:first], next(iter(panels.values())))
        return {
            name_levels(self.by[first:], levels): replace(self, by=self.by[:first], curves=tuple(own))
            for levels, own in panels.items()
        }


def mean_curves(
    fit: Fit,
    variable: str,
    by: str | Sequence[str] | None,
    at: Mapping[str, Any] | None,
    level: float,
    ddf: DDF,
    points: Points,
    type: Scale = "link",
    is_limited: bool = True,
) -> MeanCurves:
    """Return marginal means along a variable, the numbers of ``fit.marginal_means``, with their points.

    ``is_limited``: whether all curves are for one plot, which tells twelve apart.

    Raises
    ------
    DataError
        If a name is no predictor, there are too many curves, or the data do not tell the effect apart.
    RowsNeededError
        If partial residuals are asked of rows that are not in memory.
    """
    if points not in get_args(Points):
        raise DataError(f"points={points!r} is not known; use one of {', '.join(map(repr, get_args(Points)))}")
    design = fit.design
    if points == "partial" and not are_in_memory(design):
        raise RowsNeededError(
            f"Partial residuals need the rows of {variable!r} in memory: write points='none', or fit to a frame."
        )
    names = name_list(by, "by")
    if len({variable, *names}) <= len(names):
        raise DataError(f"{', '.join([variable, *names])}: a column stands twice; each has one place in the plot")
    given = dict(at) if isinstance(at, Mapping) else at
    chosen = _choose_values(design, variable, names, given)
    options = GridOptions(at=chosen)
    found = marginal_means(fit, variable, by=names, options=options, type=type, ddf=ddf, alpha=1.0 - level)
    scale = back_transformation(fit, type)
    # A variable that is nested in others has a curve for each level of these too.
    names = [name for name in found.names if name != variable]
    along, groups, (mean, lower, upper) = _arrange(found, variable)
    if is_limited:
        _need_few(names, groups)
    _need_estimable(design, variable, mean)
    is_factor = is_categorical(design, variable)
    rows = _rows_of_curves(fit, variable, along if is_factor else None, names, groups, chosen, points)
    curves = tuple(
        Curve(group, name_levels(names, group), m, low, high, x, back(y, scale))
        for group, m, low, high, (x, y) in zip(groups, mean, lower, upper, rows, strict=True)
    )
    method = method_in_legend(ddf)
    # What the degrees of freedom hold fixed is in the table alone: a title is short.
    notes = [note for note in found.notes if note not in degrees(fit, ddf).notes]
    if points != "none" and not are_in_memory(design):
        notes.append("the rows are not in memory and not drawn")
    return MeanCurves(
        variable,
        along,
        is_factor,
        tuple(names),
        curves,
        f"{100 * level:g}% interval ({method})",
        tuple(notes),
        mean_label(fit, scale),
    )


def mean_label(fit: Fit, scale: ResponseScale | None = None) -> str:
    """Return the label of an axis of means: the response, or the column within it where they are on its scale."""
    formula = fit.design.formula.response
    response = plain_name(formula) if scale is None else ", ".join(columns_of(formula))
    return response if fit.design.offset is None else f"{response}, at the mean offset"


def back(values: Floats, scale: ResponseScale | None) -> Floats:
    """Return values of the response on the scale of its column; the same where there is none."""
    return values if scale is None else scale.inverse(values)[0]


def _arrange(found: MarginalMeans, variable: str) -> tuple[tuple[Any, ...], tuple[tuple[Any, ...], ...], Floats]:
    """Return the values along a variable, the levels of the curves, and numbers, shape (3, curves, values).

    Numbers are mean, lower and upper limit; NaN where the data have no such combination.
    """
    own = found.names.index(variable)
    along = {value: k for k, value in enumerate(dict.fromkeys(row[own] for row in found.values))}
    rest = [row[:own] + row[own + 1 :] for row in found.values]
    groups = {levels: k for k, levels in enumerate(dict.fromkeys(rest))}
    numbers = np.full((3, len(groups), len(along)), np.nan)
    places = [groups[levels] for levels in rest], [along[row[own]] for row in found.values]
    for k, values in enumerate((found.estimate, found.lower, found.upper)):
        numbers[k][places] = values
    return tuple(along), tuple(groups), numbers


def _need_few(names: Sequence[str], groups: Sequence[Any]) -> None:
    """Raise a DataError if there are more curves than a plot tells apart.

    Raises
    ------
    DataError
        The message says how many there are.
    """
    if len(groups) > MAX_CURVES:
        raise DataError(
            f"{', '.join(names)} would have {len(groups)} curves, and no more than {MAX_CURVES} are told apart: choose "
            "levels with at={name: [...]}"
        )


def _choose_values(design: Design, variable: str, by: Sequence[str], at: Any) -> Any:
    """Return ``at`` with the numbers along a variable, and those of numeric ``by``, where it does not say them."""
    if at is not None and not isinstance(at, dict):
        return at  # marginal_means() says what is wrong
    chosen, facts = dict(at or {}), ColumnFacts(design)
    known = set(facts.names)
    if variable in known and variable not in chosen and not is_categorical(design, variable):
        chosen[variable] = np.linspace(*facts.ends(variable), _STEPS).tolist()
    for name in by:
        if name not in known or name in chosen or is_categorical(design, name):
            continue
        values = facts.distinct(name, most=_FEW_NUMBERS if are_in_memory(design) else 2)
        if values is None and not are_in_memory(design):
            values = list(facts.ends(name))
        chosen[name] = _around_mean(design, name) if values is None else values
    return chosen


def _around_mean(design: Design, name: str) -> list[float]:
    """Return the mean of a column less its standard deviation, the mean, and the mean plus it."""
    column = design.frame[name].to_numpy(dtype=float)
    mean, spread = float(column.mean()), float(column.std(ddof=1))
    return [mean - spread, mean, mean + spread]


def _need_estimable(design: Design, variable: str, mean: Floats) -> None:
    """Raise a DataError if no curve has two means.

    Raises
    ------
    DataError
        The message names the columns of X that were left out.
    """
    if int(np.isfinite(mean).sum(axis=1).max()) < min(2, mean.shape[1]):
        raise DataError(
            f"The effect of {variable!r} cannot be drawn: its columns of X depend on others and were left out "
            f"({', '.join(design.dropped.columns)})."
        )


def name_levels(names: Sequence[str], levels: Sequence[Any]) -> str:
    """Return levels as a legend shows them, numbers with their column's name."""
    return ", ".join(_name_level(name, value) for name, value in zip(names, levels, strict=True))


def _name_level(name: str, value: Any) -> str:
    is_number = isinstance(value, (float, int, np.number)) and not isinstance(value, bool)
    return f"{name} = {value:.4g}" if is_number else str(value)


def _rows_of_curves(
    fit: Fit,
    variable: str,
    levels: Sequence[Any] | None,
    by: Sequence[str],
    groups: Sequence[tuple[Any, ...]],
    at: Mapping[str, Any],
    points: Points,
) -> list[tuple[Floats, Floats]]:
    """Return x and y of the rows that belong to each curve; ``levels`` are those of a factor."""
    design, none = fit.design, (np.empty(0), np.empty(0))
    if points == "none" or not are_in_memory(design):
        return [none] * len(groups)
    curve, column = _assign_rows(design, by, groups, at), design.frame[variable]
    if levels is None:
        x = column.to_numpy(dtype=float)
    else:
        place = {value: float(k) for k, value in enumerate(levels)}
        x = np.array([place.get(value, np.nan) for value in column])
    y = design.response + (0.0 if design.offset is None else float(design.offset.mean()))
    out = []
    for k, group in enumerate(groups):
        own = (curve == k) & np.isfinite(x)
        response = y[own]
        if points == "partial":
            means = _means_at(fit, variable, column[own].tolist(), dict(zip(by, group, strict=True)), at)
            response = means + fit.resid.to_numpy()[own]
        out.append((x[own], response))
    return out


def _assign_rows(
    design: Design, by: Sequence[str], groups: Sequence[tuple[Any, ...]], at: Mapping[str, Any]
) -> NDArray[np.intp]:
    """Return the curve that each row belongs to, -1 for none: equal levels of factors, the nearest of numbers."""
    frame, n = design.frame, design.n
    is_there = np.ones(n, dtype=bool)
    for name, given in at.items():
        if name not in by and is_categorical(design, name):
            allowed = [given] if isinstance(given, str) or np.ndim(given) == 0 else list(given)
            is_there &= frame[name].isin(allowed).to_numpy()
    curve = np.full(n, -1, dtype=np.intp)
    own = []
    for j, name in enumerate(by):
        values = list(dict.fromkeys(group[j] for group in groups))
        if is_categorical(design, name):
            own.append(np.array([{v: i for i, v in enumerate(values)}.get(v, -1) for v in frame[name]]))
        else:
            away = np.abs(frame[name].to_numpy(dtype=float)[:, None] - np.array(values, dtype=float))
            own.append(away.argmin(axis=1))
    for k, group in enumerate(groups):
        matches = is_there.copy()
        for j, places in enumerate(own):
            matches &= places == list(dict.fromkeys(g[j] for g in groups)).index(group[j])
        curve[matches] = k
    return curve


def _means_at(
    fit: Fit, variable: str, values: Sequence[Any], group: Mapping[str, Any], at: Mapping[str, Any]
) -> Floats:
    """Return the marginal mean at each value of a variable, within one combination of levels."""
    distinct = list(dict.fromkeys(values))
    found: dict[Any, float] = {}
    others = {name: given for name, given in at.items() if name != variable} | dict(group)
    for start in range(0, len(distinct), _STEPS):
        part = distinct[start : start + _STEPS]
        cells = reference_cells(fit.design, [variable], (), GridOptions(at={**others, variable: part}))
        own, means = cells.names.index(variable), cells.L @ fit.estimate.beta + cells.constant
        found.update((row[own], float(mean)) for row, mean in zip(cells.values, means, strict=True))
    return np.array([found.get(value, np.nan) for value in values])

"""Plot of the population's mean along one variable, with its interval, over the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.facts import ColumnFacts
from lmmtools.design.newdata import encode_fixed, is_categorical
from lmmtools.errors import DataError
from lmmtools.formula.expressions import columns_of, plain_name
from lmmtools.inference.degrees import check_ddf, degrees
from lmmtools.inference.tails import check_level, t_quantile
from lmmtools.plots.style import (
    BAND,
    COLOURS,
    GREY,
    MANY_POINTS,
    choose,
    finish,
    need_fit,
    new_axes,
    put_legend,
    shorten,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design
    from lmmtools.fit.record import Fit

__all__ = ["effects", "is_identified", "reference_grid", "short_value"]

_POINTS = 100


def effects(
    fit: Fit,
    variable: str | None = None,
    *,
    level: float = 0.95,
    ddf: str = "satterthwaite",
    ax: Axes | None = None,
) -> Axes:
    """Return Axes with the population's mean and its interval along a variable, over the data.

    Other numeric columns are held at their mean, other factors at their most frequent level; the title says so.

    Parameters
    ----------
    fit : LMMResults
    variable : str, optional
        A column of the fixed effects, the first if None.
    level : float
        Coverage of the interval of the mean, which holds for the fixed effects alone.
    ddf : {"satterthwaite", "kenward-roger", "residual", "z"}
        Degrees of freedom of the interval's t quantiles, as :meth:`LMMResults.marginal_means` has them; ``"z"``:
        normal quantiles. The legend says which.
    ax : Axes, optional

    Raises
    ------
    DataError
        If the fixed effects have no such column, the data do not tell its effect apart, or ``level`` is not between 0
        and 1.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> lmt.plots.effects(fit).get_xlabel()
    'Days'
    """
    need_fit(fit)
    method = degrees(fit, check_ddf(ddf))
    check_level(level)
    variable = choose(variable, list(columns_of(fit.design.formula.fixed)), "column in the fixed effects")
    grid, held = reference_grid(fit, variable)
    X = encode_fixed(fit.design, grid)
    if not is_identified(X):
        raise DataError(
            f"The effect of {variable!r} cannot be drawn: its columns of X depend on others and were left out "
            f"({', '.join(fit.design.dropped.columns)})."
        )
    mean = X @ fit.estimate.beta
    half = t_quantile(0.5 - level / 2, method.df(X)) * np.sqrt(((X @ method.cov) * X).sum(axis=1))
    ax = new_axes(ax)
    as_levels = is_categorical(fit.design, variable)
    if fit.design.streamed is None:
        y = fit.design.response
        _draw_data(ax, fit.design.frame[variable], y, list(grid[variable]) if as_levels else None)
    name = f"mean, {100 * level:g}% interval ({'normal' if ddf == 'z' else f't, {ddf}'})"
    if as_levels:
        shown: Any = ax.errorbar(range(len(grid)), mean, half, fmt="s", color=COLOURS[1], capsize=5, lw=2, zorder=3)
        _name_columns(ax, list(grid[variable]))
    else:
        x = grid[variable].to_numpy(dtype=float)
        ax.fill_between(x, mean - half, mean + half, color=COLOURS[1], alpha=0.3, linewidth=0, zorder=2)
        (shown,) = ax.plot(x, mean, color=COLOURS[1], linewidth=2, zorder=3)
    ax.set_xlabel(variable)
    response = plain_name(fit.design.formula.response)
    ax.set_ylabel(response if fit.design.offset is None else f"{response} less its offset")
    at = ", ".join(f"{k} = {short_value(v)}" for k, v in held.items())
    put_legend(ax, [(shown, name)], title=f"at {at}" if held else "")
    return finish(ax)


def reference_grid(fit: Fit, variable: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return rows along a variable with all other columns held, and {column: value it is held at}.

    A numeric variable goes from its smallest value to its largest in 100 steps; a factor through its levels.
    """
    import pandas as pd

    design = fit.design
    if design.streamed is not None:
        return _grid_of_facts(design, variable)
    frame = design.frame
    held = {name: _centre(design, name) for name in columns_of(design.formula.fixed) if name != variable}
    column = frame[variable]
    if is_categorical(design, variable):
        levels = column.cat.remove_unused_categories().cat.categories if column.dtype == "category" else None
        along: Any = list(levels) if levels is not None else sorted(column.unique())
    else:
        along = np.linspace(float(column.min()), float(column.max()), _POINTS)
    grid = pd.DataFrame({variable: along})
    for name, value in held.items():
        grid[name] = value
    for name in grid.columns:
        if frame[name].dtype == "category":
            grid[name] = grid[name].astype(frame[name].dtype)
    return grid, held


def _grid_of_facts(design: Design, variable: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the same of rows that are not in memory, a factor held at its first level among the most frequent."""
    import pandas as pd

    facts = ColumnFacts(design)

    def centre(name: str) -> Any:
        return facts.most_frequent(name) if is_categorical(design, name) else facts.mean(name)

    held = {name: centre(name) for name in columns_of(design.formula.fixed) if name != variable}
    if is_categorical(design, variable):
        along: Any = list(facts.levels(variable))
    else:
        along = np.linspace(*facts.ends(variable), _POINTS)
    return pd.DataFrame({variable: along, **dict.fromkeys(held)}).assign(**held), held


def is_identified(X: NDArray[np.float64]) -> bool:
    """Whether the rows of X along a variable differ; they do not if all of its columns were left out."""
    return bool(np.ptp(X, axis=0).any())


def _centre(design: Design, name: str) -> Any:
    column = design.frame[name]
    return column.mode().iloc[0] if is_categorical(design, name) else float(column.astype(float).mean())


def _name_columns(ax: Axes, levels: list[Any]) -> None:
    """Write the levels of a factor below their places, rotated if they do not fit side by side."""
    names = [shorten(level, 24) for level in levels]
    # Points per name; a letter of the font is about 5.5 points wide.
    room = ax.bbox.width * 72.0 / ax.figure.dpi / len(names)
    is_wide = 5.5 * max(map(len, names)) > room
    ax.set_xticks(range(len(names)), names, parse_math=False, rotation=90 if is_wide else 0)


def short_value(value: Any) -> str:
    """Return a value as a title shows it: a float with four significant digits, anything else as it is."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _draw_data(ax: Axes, column: pd.Series[Any], y: NDArray[np.float64], levels: list[Any] | None) -> None:
    """Draw the response of each row, jittered within levels of a factor; density or boxes where there are many rows."""
    if levels is None:
        x = column.to_numpy(dtype=float)
    else:
        x = np.array([{level: k for k, level in enumerate(levels)}[value] for value in column], dtype=float)
    if len(y) > MANY_POINTS:
        if levels is None:
            ax.hexbin(x, y, gridsize=50, mincnt=1, bins="log", cmap="Greys", alpha=0.6, linewidths=0.1)
        else:
            parts = [y[x == k] for k in range(len(levels))]
            ax.boxplot(
                parts,
                positions=range(len(levels)),
                widths=0.6,
                showfliers=False,
                manage_ticks=False,
                patch_artist=True,
                boxprops={"facecolor": BAND, "edgecolor": BAND},
                medianprops={"color": GREY},
                whiskerprops={"color": BAND},
                capprops={"color": BAND},
            )
        return
    jitter = 0.0 if levels is None else np.random.default_rng(0).uniform(-0.15, 0.15, len(y))
    ax.plot(x + jitter, y, linestyle="none", marker="o", markersize=3.5, alpha=0.5, color=COLOURS[0], markeredgewidth=0)

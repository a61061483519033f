"""Plot of the population's mean along one variable, with its interval, over the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.formula.expressions import columns_of
from lmmtools.inference.degrees import check_ddf
from lmmtools.inference.tails import check_level
from lmmtools.plots.mean_curves import mean_curves
from lmmtools.plots.names import name_columns
from lmmtools.plots.style import (
    BAND,
    COLOURS,
    DASHES,
    GREY,
    MANY_POINTS,
    MARKERS,
    SIZE,
    choose,
    finish,
    need_fit,
    new_axes,
    put_legend,
    size_of_columns,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit
    from lmmtools.inference.degrees import DDF
    from lmmtools.plots.mean_curves import MeanCurves, Points, Scale

    Floats = NDArray[np.float64]

__all__ = ["dodge", "draw_curves", "effects", "put_curve_legend", "style_of_curve"]

# How far curves stand apart at a level, in units of the distance of levels: alone, and with points around them.
_STEP, _STEP_WITH_POINTS = 0.12, 0.24


def effects(
    fit: Fit,
    variable: str | None = None,
    *,
    by: str | Sequence[str] | None = None,
    at: Mapping[str, Any] | None = None,
    points: Points = "data",
    type: Scale = "link",
    level: float = 0.95,
    ddf: DDF = "satterthwaite",
    ax: Axes | None = None,
) -> Axes:
    """Return Axes with the population's mean and its interval along a variable, over the data.

    The numbers are those of :meth:`LMMResults.marginal_means`: means over the levels of the other factors, with other
    columns of numbers held at their mean. The title says which.

    Parameters
    ----------
    fit : LMMResults
    variable : str, optional
        A column of the fixed effects, the first if None.
    by : str or list of str, optional
        Columns of the fixed effects: a curve for each level. A column of more than four numbers has three curves, at
        the mean and one standard deviation to either side, unless ``at`` says where.
    at : mapping of str to values, optional
        Levels or values to use for some columns instead of all levels, or of the mean.
    points : {"data", "partial", "none"}
        What is drawn beside the means: the responses of the rows that belong to each curve, or partial residuals, the
        mean at the row plus the row's conditional residual, or nothing. Rows belong to the curve of their level; of a
        column of numbers, to the nearest.
    type : {"link", "response"}
        The scale of the model, or that of the response's column where the formula has a function of it, ``log(y)``.
    level : float
        Coverage of the interval of the mean, which holds for the fixed effects alone.
    ddf : {"satterthwaite", "kenward-roger", "residual", "z"}
        Degrees of freedom of the interval's t quantiles, as :meth:`LMMResults.marginal_means` has them; ``"z"``:
        normal quantiles. The legend says which.
    ax : Axes, optional

    Raises
    ------
    DataError
        If the fixed effects have no such column, the data do not tell its effect apart, there are more than twelve
        curves, or ``level`` is not between 0 and 1.
    RowsNeededError
        If partial residuals are asked of rows that are not in memory.

    See Also
    --------
    interaction : Means of one factor at the levels of another, joined by lines.
    means : Means with comparison arrows and letters.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> lmt.plots.effects(fit).get_xlabel()
    'Days'
    """
    need_fit(fit)
    method = check_ddf(ddf)
    check_level(level)
    variable = choose(variable, list(columns_of(fit.design.formula.fixed)), "column in the fixed effects")
    found = mean_curves(fit, variable, by, at, level, method, points, type)
    ax = new_axes(ax, size_of_columns(found.along) if found.is_factor else SIZE)
    step = _STEP if points == "none" else _STEP_WITH_POINTS
    _draw_points(ax, found, step, is_partial=points == "partial")
    shown = draw_curves(ax, found, step=step)
    put_curve_legend(ax, found, shown)
    return finish(ax)


def style_of_curve(k: int) -> dict[str, Any]:
    """Return colour, marker and line of the k-th curve; the first alone looks as curves that stand alone do."""
    return {
        "color": COLOURS[(k + 1) % len(COLOURS)],
        "marker": MARKERS[(k + 1) % len(MARKERS)],
        "linestyle": DASHES[(k + k // len(COLOURS)) % len(DASHES)],
    }


def dodge(count: int, step: float) -> Floats:
    """Return how far each of several curves stands beside the place of a level, at most so far apart."""
    reach = min(step * (count - 1), 0.7)
    return np.linspace(-reach / 2, reach / 2, count)


def draw_curves(
    ax: Axes,
    found: MeanCurves,
    *,
    step: float = _STEP,
    is_joined: bool = False,
    is_interval_shown: bool = True,
) -> list[tuple[Any, str]]:
    """Draw means with intervals and their labels; return what stands for each curve in a legend, and its name."""
    shown: list[tuple[Any, str]] = []
    for k, (curve, beside) in enumerate(zip(found.curves, dodge(len(found.curves), step), strict=True)):
        style = style_of_curve(k)
        if found.is_factor:
            line = style.pop("linestyle") if is_joined else "none"
            style.pop("linestyle", None)
            half = np.array([curve.mean - curve.lower, curve.upper - curve.mean])
            artist: Any = ax.errorbar(
                found.places + beside,
                curve.mean,
                half if is_interval_shown else None,
                linestyle=line,
                markersize=5,
                capsize=4 if len(found.curves) == 1 else 2,
                lw=1.6,
                zorder=3,
                **style,
            )
        else:
            style.pop("marker")
            if is_interval_shown:
                ax.fill_between(
                    found.places, curve.lower, curve.upper, color=style["color"], alpha=0.25, linewidth=0, zorder=2
                )
            (artist,) = ax.plot(found.places, curve.mean, linewidth=2, zorder=3, **style)
        shown.append((artist, curve.label))
    if found.is_factor:
        name_columns(ax, found.along)
    ax.set_xlabel(found.variable)
    ax.set_ylabel(found.response)
    return shown


def put_curve_legend(ax: Axes, found: MeanCurves, shown: list[tuple[Any, str]], is_interval_shown: bool = True) -> None:
    """Put a legend above means, with what their intervals are, and notes on what they average above that."""
    interval = f", {found.interval}" if is_interval_shown else ""
    if found.by:
        put_legend(ax, shown, 4, title="; ".join(found.notes), heading=f"{', '.join(found.by)}: mean{interval}")
    else:
        put_legend(ax, [(shown[0][0], f"mean{interval}")], title="; ".join(found.notes))


def _draw_points(ax: Axes, found: MeanCurves, step: float, *, is_partial: bool) -> None:
    """Draw the rows of each curve, jittered within levels of a factor; density or boxes where there are many rows."""
    beside = dodge(len(found.curves), step)
    # Half the room of a curve at a level.
    half = float(beside[1] - beside[0]) / 2.0 if len(beside) > 1 else 0.3
    n = sum(len(curve.y) for curve in found.curves)
    if n > MANY_POINTS and not found.is_factor:
        x, y = (np.concatenate([getattr(curve, name) for curve in found.curves]) for name in ("x", "y"))
        ax.hexbin(x, y, gridsize=50, mincnt=1, bins="log", cmap="Greys", alpha=0.6, linewidths=0.1)
        return
    for k, curve in enumerate(found.curves):
        if not len(curve.y):
            continue
        if n > MANY_POINTS:
            _draw_boxes(ax, curve.x, curve.y, beside[k], 1.6 * half)
            continue
        jitter = np.random.default_rng(0).uniform(-half / 2.0, half / 2.0, len(curve.y))
        alone = len(found.curves) == 1
        ax.plot(
            curve.x + ((beside[k] + jitter) if found.is_factor else 0.0),
            curve.y,
            linestyle="none",
            marker=("d" if is_partial else "o") if alone else style_of_curve(k)["marker"],
            markersize=3.5,
            alpha=0.5 if alone else 0.35,
            color=COLOURS[0] if alone else style_of_curve(k)["color"],
            markeredgewidth=0,
        )


def _draw_boxes(ax: Axes, x: Floats, y: Floats, beside: float, width: float) -> None:
    """Draw a box of the responses at each level."""
    places = np.unique(x)
    ax.boxplot(
        [y[x == place] for place in places],
        positions=places + beside,
        widths=width,
        showfliers=False,
        manage_ticks=False,
        patch_artist=True,
        boxprops={"facecolor": BAND, "edgecolor": BAND},
        medianprops={"color": GREY},
        whiskerprops={"color": BAND},
        capprops={"color": BAND},
    )

"""Plots of residuals: against fitted values, within each level of a factor, against normal quantiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.errors import DataError
from lmmtools.formula.expressions import plain_name
from lmmtools.inference.draws import as_generator
from lmmtools.inference.tails import check_level
from lmmtools.plots.style import (
    BAND,
    COLOURS,
    GREY,
    MANY_POINTS,
    choose,
    finish,
    ink,
    name_rows,
    need_fit,
    new_axes,
    put_legend,
    size_of_rows,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = ["by_group", "check_samples", "draw_neighbours", "draw_quantiles", "qq", "residuals", "simulate_band"]

_MAX_BINS, _ROWS_PER_BIN = 20, 10

# Most rows of a level, and most levels, that are drawn as points; beyond, quartiles are drawn.
MAX_POINTS, MAX_LEVELS = 100, 60
# Most order statistics for which a band is simulated.
_PLACES_OF_BAND = 400
_FEWEST_SAMPLES = 20


def residuals(fit: Fit, *, is_scaled: bool = False, ax: Axes | None = None) -> Axes:
    """Return Axes with residuals against fitted values; the line joins means of equal parts of the rows.

    Parameters
    ----------
    fit : LMMResults
    is_scaled : bool
        Whether residuals are scaled (Pearson residuals divided by sigma, as in lme4's summary), not in units of y.
    ax : Axes, optional

    See Also
    --------
    by_group : Residuals within each level of a factor.
    qq : Standardised residuals against normal quantiles.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> lmt.plots.residuals(fit).get_xlabel()
    'fitted Reaction'
    """
    need_fit(fit)
    x = fit.fittedvalues.to_numpy()
    y = fit.scaled_resid if is_scaled else fit.resid.to_numpy()
    ax = new_axes(ax)
    line = draw_neighbours(ax, np.asarray(x, dtype=float), np.asarray(y, dtype=float))
    ax.axhline(0.0, color=GREY, linewidth=0.8, linestyle="--")
    response = plain_name(fit.design.formula.response)
    ax.set_xlabel(f"fitted {response}")
    ax.set_ylabel("scaled residual" if is_scaled else f"residual, in units of {response}")
    put_legend(ax, [(line, "mean of neighbours")])
    return finish(ax)


def draw_neighbours(ax: Axes, x: Floats, y: Floats) -> Any:
    """Draw points, or their density where they are many, and the line of means of equal parts; return the line."""
    if len(x) > MANY_POINTS:
        cells = ax.hexbin(x, y, gridsize=60, mincnt=1, bins="log", cmap="Blues", linewidths=0.1)
        ax.figure.colorbar(cells, ax=ax, shrink=0.8).set_label("rows")
    else:
        ax.plot(x, y, linestyle="none", marker="o", markersize=4, alpha=0.7, color=COLOURS[0], markeredgewidth=0)
    order = np.argsort(x, kind="stable")
    parts = np.array_split(order, int(np.clip(len(x) // _ROWS_PER_BIN, 1, _MAX_BINS)))
    means = np.array([(x[part].mean(), y[part].mean()) for part in parts])
    (line,) = ax.plot(means[:, 0], means[:, 1], color=COLOURS[1], linewidth=1.8)
    return line


def by_group(fit: Fit, factor: str | None = None, *, ax: Axes | None = None) -> Axes:
    """Return Axes with the residuals of each level: points with their median, or quartiles where there are too many.

    Parameters
    ----------
    fit : LMMResults
    factor : str, optional
        Grouping factor, the first if None.
    ax : Axes, optional

    Raises
    ------
    DataError
        If the model has no such factor.

    See Also
    --------
    residuals : Residuals against fitted values.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> lmt.plots.by_group(fit).get_xlabel()
    'residual, in units of Reaction'
    """
    need_fit(fit)
    factor = choose(factor, list(fit.design.factors), "grouping factor")
    block = fit.design.blocks[fit.design.factors[factor][0]]
    resid = fit.resid.to_numpy()
    order = np.argsort(block.codes, kind="stable")
    sizes = np.bincount(block.codes, minlength=block.m)
    parts = np.split(resid[order], np.cumsum(sizes)[:-1])
    quartiles = np.array([np.quantile(part, (0.25, 0.5, 0.75)) for part in parts])
    is_many = block.m > MAX_LEVELS
    # Levels that are named keep their order, from the top.
    place = np.argsort(np.argsort(quartiles[:, 1], kind="stable")) if is_many else block.m - 1 - np.arange(block.m)
    ax = new_axes(ax, size_of_rows(block.levels))
    ax.axvline(0.0, color=GREY, linewidth=0.8, linestyle="--")
    if is_many or sizes.max() > MAX_POINTS:
        width = 0.5 if is_many else 3.0
        rows: Any = ax.hlines(place, quartiles[:, 0], quartiles[:, 2], color=COLOURS[0], linewidth=width, alpha=0.5)
        what = "middle half"
    else:
        style: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 3.5, "markeredgewidth": 0}
        (rows,) = ax.plot(resid, place[block.codes], alpha=0.6, color=COLOURS[0], **style)
        what = "residual"
    size = 1.5 if is_many else 7
    (medians,) = ax.plot(quartiles[:, 1], place, linestyle="none", marker="|", markersize=size, color=ink(), mew=1.6)
    ax.set_xlabel(f"residual, in units of {plain_name(fit.design.formula.response)}")
    name_rows(ax, list(block.levels[np.argsort(place)]), factor)
    put_legend(ax, [(rows, what), (medians, "median")])
    return finish(ax)


def qq(
    fit: Fit,
    *,
    level: float = 0.95,
    n_simulations: int = 500,
    rng: np.random.Generator | int | None = 0,
    ax: Axes | None = None,
) -> Axes:
    """Return Axes with the ordered standardised residuals against normal quantiles, with a simulated band.

    A residual is divided by its own standard deviation under the model, sigma sqrt((1 - h) / w) with h its leverage,
    so that each is standard normal. The band contains all of a normal sample with probability ``level``; the slight
    correlation of residuals is ignored.

    Parameters
    ----------
    fit : LMMResults
    level : float
        Coverage of the band.
    n_simulations : int
        Samples drawn for the band.
    rng : Generator, int or None
        Source of the samples, or its seed.
    ax : Axes, optional

    Raises
    ------
    DataError
        If ``level`` is not between 0 and 1, or there are fewer than 20 simulations.

    See Also
    --------
    residuals : Residuals against fitted values.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> lmt.plots.qq(fit).get_xlabel()
    'standard normal quantile'
    """
    need_fit(fit)
    check_level(level)
    check_samples(n_simulations)
    free = 1.0 - fit.hat_values.to_numpy()
    # A row with leverage one has no residual.
    is_free = free > 1e-10
    values = np.sort(fit.scaled_resid[is_free] / np.sqrt(free[is_free]))
    ax = new_axes(ax, (4.2, 4.0))
    draw_quantiles(ax, values, level, n_simulations, rng)
    ax.set_ylabel("standardised residual")
    return finish(ax)


def check_samples(n_simulations: int) -> None:
    """Raise a DataError if there are too few samples for a band.

    Raises
    ------
    DataError
        The message says how many there must be.
    """
    if n_simulations < _FEWEST_SAMPLES:
        raise DataError(f"n_simulations is {n_simulations}; a band needs {_FEWEST_SAMPLES} or more")


def draw_quantiles(
    ax: Axes, values: Floats, level: float, n_simulations: int, rng: np.random.Generator | int | None
) -> None:
    """Draw ordered values against normal quantiles, with a simulated band and its legend."""
    from scipy.special import ndtri

    n = len(values)
    quantiles = ndtri((np.arange(n) + 0.5) / n)
    places, low, high = simulate_band(n, level, n_simulations, as_generator(rng))
    band = ax.fill_between(quantiles[places], low, high, color=BAND, alpha=0.6, linewidth=0)
    ax.axline((0.0, 0.0), slope=1.0, color=GREY, linewidth=0.8, linestyle="--")
    size = 2.0 if n > MANY_POINTS else 4.0
    ax.plot(
        quantiles, values, linestyle="none", marker="o", markersize=size, color=COLOURS[0], rasterized=n > MANY_POINTS
    )
    ax.set_xlabel("standard normal quantile")
    put_legend(ax, [(band, f"{100 * level:g}% band of a normal sample")])


def simulate_band(
    n: int, level: float, n_simulations: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """Return places in the ordered sample, and the band's lower and upper limits there, each of shape (places,).

    Limits are pointwise quantiles of simulated order statistics; their level is such that a share ``level`` of the
    simulated samples lies within all of them. Order statistics are drawn at the places only, as partial sums of
    exponential spacings (Devroye 1986, section V.2), so that the cost does not grow with the sample.
    """
    from scipy.special import ndtri

    places = np.unique(np.rint(np.linspace(0, n - 1, min(n, _PLACES_OF_BAND))).astype(np.intp))
    spacings = rng.gamma(np.diff([-1, *places, n]), size=(n_simulations, len(places) + 1))
    sums = np.cumsum(spacings, axis=1)
    samples = ndtri(sums[:, :-1] / sums[:, -1:])
    # Smallest distance of each sample's ranks from either end, over the places.
    ranks = samples.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    depth = np.minimum(ranks, n_simulations - 1 - ranks).min(axis=1)
    cut = int(np.quantile(depth, 1.0 - level, method="lower"))
    ordered = np.sort(samples, axis=0)
    return places, ordered[cut], ordered[n_simulations - 1 - cut]

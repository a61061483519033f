"""Plots that check a model: spread of residuals, normality of modes, influence, observed beside simulated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools import core
from lmmtools.design.facts import are_in_memory
from lmmtools.errors import DataError, RowsNeededError
from lmmtools.formula.expressions import plain_name
from lmmtools.inference.draws import as_generator, check_count
from lmmtools.inference.influence import influence as leave_out
from lmmtools.inference.residuals import ROUNDING, cooks_distance
from lmmtools.inference.residuals import residuals as residuals_of
from lmmtools.inference.simulation import simulate
from lmmtools.inference.tails import check_level
from lmmtools.plots.names import name_points
from lmmtools.plots.residual_plots import check_samples, draw_neighbours, draw_quantiles
from lmmtools.plots.style import (
    COLOURS,
    GREY,
    MANY_POINTS,
    choose,
    finish,
    ink,
    need_fit,
    new_axes,
    put_legend,
    shorten,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = ["influence", "mode_qq", "predictive", "scale_location"]

# Most names of influential rows or levels.
_MAX_NAMES = 8
# Fewest modes of which a picture of quantiles says something.
_FEWEST = 3
# Points of a density along the x axis, and bins before smoothing.
_BINS = 512


def scale_location(fit: Fit, *, ax: Axes | None = None) -> Axes:
    """Return Axes with the square roots of standardised residuals' sizes against fitted values.

    Where the variance is the same everywhere, the line that joins means of equal parts of the rows is level, near
    0.82, the mean of the square root of a standard normal variable's size.

    Parameters
    ----------
    fit : LMMResults
    ax : Axes, optional

    See Also
    --------
    residuals : Residuals against fitted values.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> lmt.plots.scale_location(fit).get_xlabel()
    'fitted Reaction'
    """
    need_fit(fit)
    x = np.asarray(fit.fittedvalues, dtype=float)
    y = np.sqrt(np.abs(residuals_of(fit, "standardized")))
    known = np.isfinite(y)
    ax = new_axes(ax)
    line = draw_neighbours(ax, x[known], y[known])
    ax.set_xlabel(f"fitted {plain_name(fit.design.formula.response)}")
    ax.set_ylabel("square root of |standardised residual|")
    put_legend(ax, [(line, "mean of neighbours")])
    return finish(ax)


def mode_qq(
    fit: Fit,
    factor: str | None = None,
    effect: str | None = None,
    *,
    level: float = 0.95,
    n_simulations: int = 500,
    rng: np.random.Generator | int | None = 0,
    ax: Axes | None = None,
) -> Axes:
    """Return Axes with the ordered standardised conditional modes of one effect against normal quantiles.

    A mode is divided by its own standard deviation under the model. Modes are shrunken and look more normal than the
    effects are; the band contains all of a normal sample with probability ``level``.

    Parameters
    ----------
    fit : LMMResults
    factor, effect : str, optional
        Grouping factor and effect, the first if None.
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
        If the model has no such factor or effect, its variance is zero, or fewer than three levels are known.

    See Also
    --------
    qq : The same of residuals.
    caterpillar : The modes with their intervals.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> lmt.plots.mode_qq(fit, "Subject", "Days").get_ylabel()
    'standardised mode: Days by Subject'
    """
    need_fit(fit)
    check_level(level)
    check_samples(n_simulations)
    factor = choose(factor, list(fit.random_effects), "grouping factor")
    effect = choose(effect, list(fit.random_effects[factor].columns), f"effect by {factor}")
    values = np.sort(_standardised_modes(fit, factor, effect))
    if len(values) < _FEWEST:
        why = "too few levels are known" if len(values) else "its variance is zero, so that all modes are zero"
        raise DataError(f"{effect} by {factor}: {why}; there is nothing to draw")
    ax = new_axes(ax, (4.2, 4.0))
    draw_quantiles(ax, values, level, n_simulations, rng)
    ax.set_ylabel(f"standardised mode: {effect} by {factor}")
    return finish(ax)


def _standardised_modes(fit: Fit, factor: str, effect: str) -> Floats:
    """Return the modes of one effect over their standard deviations; none where its variance is zero."""
    spread, terms = core.mode_covariances(fit.problem, fit.theta, fit.reml), list(fit.varcorr)
    for i in fit.design.factors[factor]:
        names = list(fit.design.blocks[i].cnames)
        if effect not in names:
            continue
        j = names.index(effect)
        modes, variance = fit.estimate.modes[i][:, j], spread[i][:, j, j]
        known = variance > ROUNDING * terms[i].cov[j, j]
        if terms[i].cov[j, j] == 0.0 or not modes.any():
            break
        return np.asarray(modes[known] / np.sqrt(variance[known]))
    return np.empty(0)


def influence(fit: Fit, level: str | None = None, *, ax: Axes | None = None) -> Axes:
    """Return Axes with Cook's distance of each row, or of each level left out, against its leverage.

    The dashed line is at four over the number of rows or levels, above which influence is worth a look; at most eight
    names above it are written.

    Parameters
    ----------
    fit : LMMResults
    level : str, optional
        What is left out, as :meth:`LMMResults.influence` has it: a factor or a column's levels; rows if None.
    ax : Axes, optional

    Raises
    ------
    DataError
        If the model has no fixed effects, or no such factor or column.

    See Also
    --------
    LMMResults.influence : The numbers, with the changes of each parameter.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> lmt.plots.influence(fit, "Subject").get_xlabel()
    'leverage of each level of Subject'
    """
    need_fit(fit)
    if not fit.design.p:
        raise DataError("Cook's distance is of the fixed effects, and the model has none")
    if level is None:
        leverage, cooks = np.asarray(fit.hat_values, dtype=float), cooks_distance(fit)
        labels: Sequence[Any] = list(fit.hat_values.index)
    else:
        found = leave_out(fit, level)
        leverage, cooks, labels = found.leverage, found.cooks, found.labels
    known = np.isfinite(cooks)
    ax = new_axes(ax)
    limit = 4.0 / len(cooks)
    size, alpha = (2.0, 0.4) if len(cooks) > MANY_POINTS else (4.0, 0.8)
    style: dict[str, Any] = {"linestyle": "none", "marker": "o", "color": COLOURS[0], "markeredgewidth": 0}
    ax.plot(leverage[known], cooks[known], markersize=size, alpha=alpha, rasterized=len(cooks) > MANY_POINTS, **style)
    line = ax.axhline(limit, color=GREY, linewidth=0.8, linestyle="--")
    ax.margins(0.08)
    ax.set_ylim(bottom=0.0)
    ax.autoscale_view(scaley=False)
    ax.set_xlabel("leverage of each row" if level is None else f"leverage of each level of {level}")
    ax.set_ylabel("Cook's distance")
    put_legend(ax, [(line, f"4 / {len(cooks):,}")])
    order = np.argsort(np.where(known, -cooks, 0.0), kind="stable")
    named = [int(i) for i in order[:_MAX_NAMES] if known[i] and cooks[i] > limit]
    points = np.column_stack([leverage, cooks])[known]
    near = points[points[:, 1] > 0.5 * limit] if len(points) > MANY_POINTS else points
    name_points(ax, leverage[named], cooks[named], [shorten(labels[i], 20) for i in named], near)
    return finish(ax)


def predictive(
    fit: Fit,
    *,
    n_simulations: int = 50,
    rng: np.random.Generator | int | None = 0,
    ax: Axes | None = None,
) -> Axes:
    """Return Axes with the density of the response beside those of responses simulated from the model.

    Simulations have new random effects and residuals. A model that fits makes responses like those observed; a density
    of another shape, with other peaks or tails, shows that it does not.

    Parameters
    ----------
    fit : LMMResults
    n_simulations : int
        Number of simulated responses.
    rng : Generator, int or None
        Source of the simulations, or its seed.
    ax : Axes, optional

    Raises
    ------
    DataError
        If the number of simulations is none.
    RowsNeededError
        If the rows are not in memory.

    See Also
    --------
    LMMResults.simulate : The simulated responses.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> lmt.plots.predictive(fit).get_xlabel()
    'Reaction'
    """
    need_fit(fit)
    count, generator, design = check_count(n_simulations), as_generator(rng), fit.design
    if not are_in_memory(design):
        raise RowsNeededError(
            "This needs all rows in memory, for simulated responses: lmt.lmm(formula, data, stream=False) reads them."
        )
    observed = np.asarray(design.y, dtype=float)
    width = _bandwidth(observed)
    ax = new_axes(ax)
    entries: list[tuple[Any, str]] = []
    # One at a time: rows by simulations may be more than memory holds.
    for k in range(count):
        drawn = simulate(design, fit.estimate.beta, fit.theta, fit.sigma, 1, generator)[:, 0]
        style: dict[str, Any] = {"color": COLOURS[5], "linewidth": 0.6, "alpha": 0.6}
        (line,) = ax.plot(*_density(drawn, width), **style)
        if not k:
            entries.append((line, f"{count} simulated"))
    (line,) = ax.plot(*_density(observed, width), color=ink(), linewidth=1.8)
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel(plain_name(design.formula.response))
    ax.set_ylabel("density")
    put_legend(ax, [(line, "observed"), *entries])
    return finish(ax)


def _bandwidth(values: Floats) -> float:
    """Return Silverman's bandwidth (1986, equation 3.31): 0.9 times the smaller measure of spread, by n^(-1/5)."""
    quartiles = np.subtract(*np.quantile(values, (0.75, 0.25))) / 1.34
    spread = float(np.std(values, ddof=1))
    smaller = min(spread, quartiles) if quartiles > 0.0 else spread
    return float(0.9 * (smaller or 1.0) * len(values) ** -0.2)


def _density(values: Floats, width: float) -> tuple[Floats, Floats]:
    """Return places and a Gaussian kernel density of values there: counts in fine bins, smoothed."""
    low, high = values.min() - 3.0 * width, values.max() + 3.0 * width
    bins = int(np.clip(np.ceil((high - low) / width * 8.0), _BINS, 1 << 16))
    counts, edges = np.histogram(values, bins, (low, high))
    step = float(edges[1] - edges[0])
    reach = min(int(np.ceil(4.0 * width / step)), (bins - 1) // 2)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / width) ** 2)
    smooth = np.convolve(counts, kernel / kernel.sum(), "same") / (len(values) * step)
    return np.asarray((edges[:-1] + edges[1:]) / 2.0), np.asarray(smooth)

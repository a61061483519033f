"""Residuals against the quantiles of a normal distribution, with the band in which a normal sample would lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.errors import DataError
from lmmtools.inference.draws import as_generator
from lmmtools.plots.style import BAND, COLOURS, GREY, MANY_POINTS, finish, need_fit, new_axes, put_legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

__all__ = ["qq", "simulate_band"]

# Order statistics that a band of a large sample is simulated for.
_PLACES = 400


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
    so that each is standard normal. The band holds the whole of a normal sample with probability ``level``; that
    residuals are correlated, slightly, is left out.

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

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> lmt.plots.qq(fit).get_xlabel()
    'standard normal quantile'
    """
    from scipy.special import ndtri

    need_fit(fit)
    if not 0 < level < 1 or n_simulations < 20:
        raise DataError("level must lie between 0 and 1, 0.95 for a 95% band, and n_simulations be 20 or more.")
    free = 1.0 - fit.hat_values.to_numpy()
    # A row that the model reproduces exactly has no residual to judge.
    is_free = free > 1e-10
    values = np.sort(fit.scaled_resid[is_free] / np.sqrt(free[is_free]))
    n = len(values)
    quantiles = ndtri((np.arange(n) + 0.5) / n)
    places, low, high = simulate_band(n, level, n_simulations, as_generator(rng))
    ax = new_axes(ax, (4.2, 4.0))
    band = ax.fill_between(quantiles[places], low, high, color=BAND, alpha=0.6, linewidth=0)
    ax.axline((0.0, 0.0), slope=1.0, color=GREY, linewidth=0.8, linestyle="--")
    size = 2.0 if n > MANY_POINTS else 4.0
    ax.plot(
        quantiles, values, linestyle="none", marker="o", markersize=size, color=COLOURS[0], rasterized=n > MANY_POINTS
    )
    ax.set_xlabel("standard normal quantile")
    ax.set_ylabel("standardised residual")
    put_legend(ax, [(band, f"{100 * level:g}% band of a normal sample")])
    return finish(ax)


def simulate_band(
    n: int, level: float, n_simulations: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """Return places in the ordered sample, and the limits there, each shape (places,).

    Limits are pointwise quantiles of the simulated order statistics, at the level at which a share ``level`` of the
    simulated samples lies within all of them. Order statistics are drawn at the places alone, as partial sums of
    exponential spacings (Devroye 1986, section V.2), whatever the size of the sample.
    """
    from scipy.special import ndtri

    places = np.unique(np.rint(np.linspace(0, n - 1, min(n, _PLACES))).astype(np.intp))
    spacings = rng.gamma(np.diff([-1, *places, n]), size=(n_simulations, len(places) + 1))
    sums = np.cumsum(spacings, axis=1)
    samples = ndtri(sums[:, :-1] / sums[:, -1:])
    # Each sample's most extreme rank over the places, from either end.
    ranks = samples.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    depth = np.minimum(ranks, n_simulations - 1 - ranks).min(axis=1)
    cut = int(np.quantile(depth, 1.0 - level, method="lower"))
    ordered = np.sort(samples, axis=0)
    return places, ordered[cut], ordered[n_simulations - 1 - cut]

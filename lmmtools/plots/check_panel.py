"""All checks of a model's assumptions in one figure, a panel each, with what a good one looks like."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from lmmtools.errors import LmmError
from lmmtools.plots.check_plots import influence, mode_qq, predictive, scale_location
from lmmtools.plots.collinearity_plot import collinearity
from lmmtools.plots.residual_plots import qq, residuals
from lmmtools.plots.style import need_fit, new_panels, title_panel, write_instead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from lmmtools.fit.record import Fit

__all__ = ["checks"]

# Most panels of random effects.
_MOST_MODES = 6


class _Panel(NamedTuple):
    """A check: its name, what a good one looks like, and the drawing on an Axes."""

    name: str
    good: str
    draw: Callable[..., Axes]


def checks(
    fit: Fit,
    *,
    n_simulations: int = 50,
    rng: np.random.Generator | int | None = 0,
    fig: Figure | SubFigure | None = None,
) -> Figure | SubFigure:
    """Return a Figure with all checks of the model's assumptions, a panel each.

    They are the observed response beside simulated ones, linearity, constant variance, influence of rows, collinearity
    of the fixed part, normality of residuals and of each random effect (of the first six). A panel that cannot be drawn
    of this fit says why.

    Parameters
    ----------
    fit : LMMResults
    n_simulations : int
        Number of simulated responses.
    rng : Generator, int or None
        Source of simulations and bands, or its seed.
    fig : Figure or SubFigure, optional
        Where to draw; a narrow one has its panels one below the other.

    See Also
    --------
    predictive, residuals, scale_location, influence, collinearity, qq, mode_qq : The panels.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> [ax.get_title(loc="left").splitlines()[0] for ax in lmt.plots.checks(fit).axes][:2]
    ['Observed and simulated', 'Linearity']
    """
    need_fit(fit)
    panels = list(_panels(fit, n_simulations, rng))
    figure, axes = new_panels(fig, len(panels), most_columns=2)
    for ax, panel in zip(axes, panels, strict=True):
        try:
            panel.draw(ax=ax)
        except LmmError as error:
            ax.clear()
            write_instead(ax, str(error))
        title_panel(ax, panel.name, panel.good)
    return figure


def _panels(fit: Fit, n_simulations: int, rng: np.random.Generator | int | None) -> Iterator[_Panel]:
    simulated = partial(predictive, fit, n_simulations=n_simulations, rng=rng)
    yield _Panel("Observed and simulated", "the black line looks like the others", simulated)
    yield _Panel("Linearity", "the line stays near zero", partial(residuals, fit))
    yield _Panel("Constant variance", "the line is level", partial(scale_location, fit))
    yield _Panel("Influence", "no point stands far above the others", partial(influence, fit))
    yield _Panel("Collinearity", "points lie left of the lines", partial(collinearity, fit))
    yield _Panel("Normal residuals", "points lie in the band", partial(qq, fit, rng=rng))
    effects = [(factor, name) for factor, modes in fit.random_effects.items() for name in modes.columns]
    for factor, name in effects[:_MOST_MODES]:
        draw = partial(mode_qq, fit, factor, name, rng=rng)
        yield _Panel(f"Normal {name} by {factor}", "points lie in the band", draw)

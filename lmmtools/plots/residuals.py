"""Residuals against fitted values, with the running mean that should stay at zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.formula.expressions import plain_name
from lmmtools.plots.style import COLOURS, GREY, MANY_POINTS, finish, need_fit, new_axes, put_legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lmmtools.fit.record import Fit

__all__ = ["residuals"]

_MAX_BINS, _ROWS_PER_BIN = 20, 10


def residuals(fit: Fit, *, is_scaled: bool = False, ax: Axes | None = None) -> Axes:
    """Return Axes with residuals against fitted values; the line joins means of equal parts of the rows.

    Parameters
    ----------
    fit : LMMResults
    is_scaled : bool
        Scaled residuals (Pearson's over sigma, as lme4's summary has them) instead of those in units of y.
    ax : Axes, optional

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
    if len(x) > MANY_POINTS:
        cells = ax.hexbin(x, y, gridsize=60, mincnt=1, bins="log", cmap="Blues", linewidths=0.1)
        ax.figure.colorbar(cells, ax=ax, shrink=0.8).set_label("rows")
    else:
        ax.plot(x, y, linestyle="none", marker="o", markersize=4, alpha=0.7, color=COLOURS[0], markeredgewidth=0)
    ax.axhline(0.0, color=GREY, linewidth=0.8, linestyle="--")
    order = np.argsort(x, kind="stable")
    parts = np.array_split(order, int(np.clip(len(x) // _ROWS_PER_BIN, 1, _MAX_BINS)))
    means = np.array([(x[part].mean(), y[part].mean()) for part in parts])
    (line,) = ax.plot(means[:, 0], means[:, 1], color=COLOURS[1], linewidth=1.8)
    response = plain_name(fit.design.formula.response)
    ax.set_xlabel(f"fitted {response}")
    ax.set_ylabel("scaled residual" if is_scaled else f"residual, in units of {response}")
    put_legend(ax, [(line, "mean of neighbours")])
    return finish(ax)

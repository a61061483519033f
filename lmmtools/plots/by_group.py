"""Residuals within each level of a grouping factor: a level that varies more, or lies off, stands out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.formula.expressions import plain_name
from lmmtools.plots.style import (
    COLOURS,
    GREY,
    choose,
    finish,
    name_rows,
    need_fit,
    new_axes,
    put_legend,
    size_of_rows,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lmmtools.fit.record import Fit

__all__ = ["by_group"]

# So many rows of a level can be seen as points; of more, quartiles are drawn.
MAX_POINTS, MAX_LEVELS = 100, 60


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
    # Levels that can be named keep their order, from the top.
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
    (medians,) = ax.plot(quartiles[:, 1], place, linestyle="none", marker="|", markersize=size, color="black", mew=1.6)
    ax.set_xlabel(f"residual, in units of {plain_name(fit.design.formula.response)}")
    name_rows(ax, list(block.levels[np.argsort(place)]), factor)
    put_legend(ax, [(rows, what), (medians, "median")])
    return finish(ax)

"""Residuals within each level of a grouping factor: a level that varies more, or lies off, stands out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.plots.style import COLOURS, GREY, choose, name_rows, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["by_group"]

# So many rows of a level can be seen as points; of more, quartiles are drawn.
MAX_POINTS, MAX_LEVELS = 100, 60


def by_group(fit: Any, factor: str | None = None, *, ax: Axes | None = None) -> Axes:
    """Draw the residuals of each level: points with their median, or quartiles where there are too many.

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
    """
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
    ax = new_axes(ax, (5.8, float(np.clip(0.24 * block.m, 2.6, 9.0)) + 0.8))
    ax.axvline(0.0, color=GREY, linewidth=0.8, linestyle="--")
    if is_many or sizes.max() > MAX_POINTS:
        width = 0.5 if is_many else 3.0
        ax.hlines(
            place, quartiles[:, 0], quartiles[:, 2], color=COLOURS[0], linewidth=width, alpha=0.5, label="middle half"
        )
    else:
        rows = place[block.codes]
        ax.plot(
            resid, rows, linestyle="none", marker="o", markersize=3.5, alpha=0.6, color=COLOURS[0], label="residual"
        )
    size = 1.5 if is_many else 7
    ax.plot(
        quartiles[:, 1], place, linestyle="none", marker="|", markersize=size, color="black", mew=1.6, label="median"
    )
    name_rows(ax, list(block.levels[np.argsort(place)]), factor)
    ax.set_xlabel(f"residual, in units of {fit.design.formula.response}")
    ax.legend(frameon=False, fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return ax

"""Conditional modes of a factor's levels with their intervals, in order of size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.errors import DataError
from lmmtools.plots.style import COLOURS, GREY, choose, finish, name_rows, need_fit, new_axes, size_of_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lmmtools.fit.record import Fit

__all__ = ["caterpillar"]


def caterpillar(
    fit: Fit,
    factor: str | None = None,
    effect: str | None = None,
    *,
    level: float = 0.95,
    is_sorted: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Return Axes with the conditional modes of one effect, each with its interval.

    Parameters
    ----------
    fit : LMMResults
    factor, effect : str, optional
        Grouping factor and effect, the first if None.
    level : float
        Coverage of the intervals, mode -/+ z times the conditional standard deviation.
    is_sorted : bool
        From the smallest mode to the largest; in the order of the levels if False.
    ax : Axes, optional

    Raises
    ------
    DataError
        If the model has no such factor or effect, or ``level`` is not between 0 and 1.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> lmt.plots.caterpillar(fit).get_xlabel()
    '(Intercept) by Subject: conditional mode, 95% interval'
    """
    from scipy.special import ndtri

    need_fit(fit)
    if not 0 < level < 1:
        raise DataError(f"level is {level}; it must lie between 0 and 1, 0.95 for 95% intervals.")
    factor = choose(factor, list(fit.random_effects), "grouping factor")
    modes = fit.random_effects[factor]
    effect = choose(effect, list(modes.columns), f"effect by {factor}")
    values = modes[effect].to_numpy()
    # One l x l matrix per level, its diagonal element of the effect.
    l, column = modes.shape[1], list(modes.columns).index(effect)
    variances = fit.random_effects_cov[factor].to_numpy().reshape(len(modes), l, l)[:, column, column]
    half = float(ndtri(0.5 + level / 2)) * np.sqrt(variances)
    order = np.argsort(values, kind="stable") if is_sorted else np.arange(len(values))[::-1]
    ax = new_axes(ax, size_of_rows(modes.index))
    rows, is_dense = np.arange(len(values)), len(values) > 200
    low, high = (values - half)[order], (values + half)[order]
    ax.hlines(rows, low, high, color=COLOURS[0], linewidth=0.4 if is_dense else 1.4, alpha=0.5 if is_dense else 1.0)
    ax.plot(values[order], rows, linestyle="none", marker="o", markersize=1.2 if is_dense else 4, color="black")
    ax.axvline(0.0, color=GREY, linewidth=0.8, linestyle="--")
    ax.set_xlabel(f"{effect} by {factor}: conditional mode, {100 * level:g}% interval")
    name_rows(ax, list(modes.index[order]), factor)
    return finish(ax)

"""Plot of least-squares coefficients of each level of a factor, with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.errors import DataError
from lmmtools.inference.lmer_list import LmerList
from lmmtools.plots.style import COLOURS, GREY, choose, finish, ink, name_rows, new_axes, size_of_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["intervals_by_level"]


def intervals_by_level(
    found: LmerList,
    term: str | None = None,
    *,
    level: float = 0.95,
    pool: bool = False,
    is_sorted: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Return Axes with a coefficient of each level and its interval, as lme4's ``plot(confint(lmList(...)))``.

    Parameters
    ----------
    found : LmerList
        From :func:`lmmtools.lmer_list`.
    term : str, optional
        Coefficient, the first if None.
    level : float
        Coverage of the intervals.
    pool : bool
        Whether the residual variance is that of all levels together, or each level's own, as in lme4.
    is_sorted : bool
        Whether the levels are sorted by their coefficient; False keeps their order.
    ax : Axes, optional

    Raises
    ------
    DataError
        If there is no such coefficient, or no level has it.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> found = lmt.lmer_list("Reaction ~ Days | Subject", lmt.datasets.load("sleepstudy"))
    >>> lmt.plots.intervals_by_level(found, "Days").get_xlabel()
    'Days by Subject: least squares, 95% interval'
    """
    if not isinstance(found, LmerList):
        raise DataError(f"this plot is of lmt.lmer_list(...), not of {type(found).__name__}")
    term = choose(term, found.names, "coefficient")
    limits = found.conf_int(1.0 - level, pool=pool).xs(term, level="term")
    values = found.coef[term].to_numpy()
    there = np.flatnonzero(np.isfinite(values))
    if not len(there):
        raise DataError(f"no level has the coefficient {term}, so there is nothing to plot")
    order = there[np.argsort(values[there], kind="stable")] if is_sorted else there[::-1]
    labels = [found.levels[i] for i in order]
    ax = new_axes(ax, size_of_rows(labels))
    rows, is_dense = np.arange(len(order)), len(order) > 200
    low, high = limits[0].to_numpy()[order], limits[1].to_numpy()[order]
    ax.hlines(rows, low, high, color=COLOURS[0], linewidth=0.4 if is_dense else 1.4, alpha=0.5 if is_dense else 1.0)
    ax.plot(values[order], rows, linestyle="none", marker="o", markersize=1.2 if is_dense else 4, color=ink())
    ax.axvline(float(values[there].mean()), color=GREY, linewidth=0.8, linestyle="--")
    pooled = ", pooled variance" if pool else ""
    ax.set_xlabel(f"{term} by {found.group}: least squares, {100 * level:g}% interval{pooled}")
    name_rows(ax, labels, found.group)
    return finish(ax)

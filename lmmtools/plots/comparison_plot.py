"""Plot of the relative differences between fits, one row per quantity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.errors import DataError
from lmmtools.plots.style import BAND, COLOURS, GREY, MARKERS, finish, new_axes, put_legend, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lmmtools.report.comparison import Comparison

__all__ = ["comparison"]

_FLOOR = 1e-16


def comparison(compared: Comparison, *, ax: Axes | None = None) -> Axes:
    """Return Axes with the relative differences of each fit from the first, one row per quantity.

    Differences of zero are drawn at the left edge, "same".

    Parameters
    ----------
    compared : Comparison
        As ``lmmtools.compare(...)`` returns it.
    ax : Axes, optional

    Raises
    ------
    DataError
        If no quantity is a number in two of the fits, or this is no comparison.

    See Also
    --------
    lmmtools.compare : The comparison that is drawn.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> model = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff"))
    >>> lmt.plots.comparison(lmt.compare(model, "pls", "mixedlm")).get_xlabel()
    'size of the relative difference from pls'
    """
    if not hasattr(compared, "columns") or not hasattr(compared, "rows"):
        raise DataError(f"This is a {type(compared).__name__}; comparison() draws what lmmtools.compare(...) returns.")
    rows = [row for row in compared.rows if any(v is not None for v in row.relative[1:]) and row.part != "rows"]
    if not rows:
        raise DataError("No quantity of the comparison is a number in two of the fits; there is nothing to draw.")
    names = [column.name for column in compared.columns]
    values = np.array([[np.nan if v is None else abs(v) for v in row.relative[1:]] for row in rows])
    positive = values[np.isfinite(values) & (values > _FLOOR)]
    smallest = positive.min() if positive.size else 1e-15
    edge = 10.0 ** (np.floor(np.log10(smallest)) - 1.0)
    ax = new_axes(ax, (5.6, 1.1 + 0.2 * len(rows)))
    places = np.arange(len(rows))[::-1]
    ax.hlines(places, edge, 1.0, color=BAND, linewidth=0.6)
    count, dots = values.shape[1], []
    for i in range(count):
        shift = 0.0 if count == 1 else 0.3 * (0.5 - i / (count - 1))
        at = np.where(values[:, i] > _FLOOR, values[:, i], np.where(np.isnan(values[:, i]), np.nan, edge))
        style: dict[str, Any] = {"marker": MARKERS[i % 6], "color": COLOURS[i % 6], "markersize": 6}
        dots += ax.plot(at, places + shift, linestyle="none", clip_on=False, **style)
    ax.set_xscale("log")
    ax.set_xlim(edge, max(1.0, 2.0 * positive.max() if positive.size else 1.0))
    # Whole decades, with room for the label of the edge.
    first, last = round(np.log10(edge)) + 2, int(np.floor(np.log10(ax.get_xlim()[1])))
    decades = range(last, first - 1, -max(1, -(-(last - first) // 4)))
    ax.set_xticks([edge, *(10.0**d for d in decades)], ["same", *(f"$10^{{{d}}}$" for d in decades)])
    ax.minorticks_off()
    ax.set_yticks(places, [shorten(row.name, 40) for row in rows], fontsize=9, parse_math=False)
    ax.spines["left"].set_color(GREY)
    ax.set_xlabel(f"size of the relative difference from {names[0]}")
    put_legend(ax, list(zip(dots, names[1:], strict=True)))
    return finish(ax)

"""Plot of the variance inflation of each term of the fixed part, against the limits that people use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.inference.collinearity import collinearity as inflation_of
from lmmtools.plots.names import name_places
from lmmtools.plots.style import BAND, COLOURS, GREY, SIZE, finish, need_fit, new_axes, put_legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lmmtools.fit.record import Fit

__all__ = ["collinearity"]

# Variance inflation from which dependence is called moderate and high (Kutner et al. 2005, Applied Linear Statistical
# Models, section 10.5, has 10; 5 is James et al. 2013, An Introduction to Statistical Learning, section 3.3.3).
_MODERATE, _HIGH = 5.0, 10.0


def collinearity(fit: Fit, *, ax: Axes | None = None) -> Axes:
    """Return Axes with the variance inflation of each term of the fixed part, a row each.

    A term of several columns is drawn at the square of ``GVIF^(1/(2 Df))``, which compares with the VIF of one column.
    The dashed lines at 5 and 10 are customary limits of moderate and high dependence.

    Parameters
    ----------
    fit : LMMResults
    ax : Axes, optional

    Raises
    ------
    DataError
        If the fixed part has no terms but an intercept.

    See Also
    --------
    LMMResults.collinearity : The numbers.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("angle ~ recipe + temp + (1 | recipe:replicate)", lmt.datasets.load("cake")).fit(engine="pls")
    >>> lmt.plots.collinearity(fit).get_xlabel()
    'variance inflation'
    """
    need_fit(fit)
    found = inflation_of(fit)
    values = found.gvif_adjusted**2
    rows = -np.arange(len(values), dtype=float)
    ax = new_axes(ax, (SIZE[0], 1.1 + 0.27 * max(len(rows), 2)))
    ax.hlines(rows, 1.0, values, color=BAND, linewidth=2.5)
    ax.plot(values, rows, linestyle="none", marker="o", color=COLOURS[0], markersize=5)
    for limit in (_MODERATE, _HIGH):
        line = ax.axvline(limit, color=GREY, linewidth=0.8, linestyle="--")
    # Whole numbers of a logarithmic scale: inflation has no upper end.
    ax.set_xscale("log")
    top = max(1.5 * _HIGH, 1.3 * float(values.max()))
    ax.set_xlim(0.9, top)
    ticks = [t for t in (1, 2, 5, 10, 20, 50, 100, 1000, 10_000) if t <= top]
    ax.set_xticks(ticks, [f"{t:,}" for t in ticks])
    ax.minorticks_off()
    ax.set_xlabel("variance inflation")
    name_places(ax, rows.tolist(), list(found.terms))
    put_legend(ax, [(line, f"{_MODERATE:g}: moderate, {_HIGH:g}: high")], is_right=True)
    return finish(ax)

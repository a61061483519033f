"""Plot of the fixed effects of one fit or several, with their intervals, a row for each coefficient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.errors import DataError
from lmmtools.formula.expressions import plain_name
from lmmtools.inference.degrees import check_ddf, degrees, method_in_legend
from lmmtools.inference.tails import check_level, t_quantile
from lmmtools.plots.names import name_places
from lmmtools.plots.style import COLOURS, GREY, MARKERS, SIZE, finish, need_fit, new_axes, put_legend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit
    from lmmtools.inference.degrees import DDF

__all__ = ["coefficients"]

_INTERCEPTS = ("Intercept", "(Intercept)")
# Most fits that markers and colours tell apart.
_MOST = len(MARKERS)


def coefficients(
    *fits: Fit,
    names: Sequence[str] | None = None,
    intercept: bool = False,
    level: float = 0.95,
    ddf: DDF = "satterthwaite",
    ax: Axes | None = None,
) -> Axes:
    """Return Axes with the fixed effects of one fit or several and their intervals, a row for each coefficient.

    Parameters
    ----------
    *fits : LMMResults
        At most six. A coefficient that a fit does not have is missing from its row.
    names : sequence of str, optional
        The fits' names in the legend; their formulas if None.
    intercept : bool
        Whether to draw the intercept too, which is often far from the other coefficients.
    level : float
        Coverage of the intervals.
    ddf : {"satterthwaite", "kenward-roger", "residual", "z"}
        Degrees of freedom of the t quantiles, and the covariance that goes with them, as ``fit.summary(ddf=...)`` has
        them; ``"z"``: normal quantiles.
    ax : Axes, optional

    Raises
    ------
    DataError
        If there is no coefficient to draw, there are more than six fits, ``names`` are not as many, or ``level`` is
        not between 0 and 1.

    See Also
    --------
    variance : The variance of each term.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> oats = lmt.datasets.load("Oats")
    >>> one = lmt.lmm("yield ~ Variety + nitro + (1 | Block/Variety)", oats).fit(engine="pls")
    >>> two = lmt.lmm("yield ~ Variety * nitro + (1 | Block/Variety)", oats).fit(engine="pls")
    >>> ax = lmt.plots.coefficients(one, two, names=["added", "crossed"])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['added', 'crossed']
    """
    if not fits:
        raise DataError("coefficients() draws one fit or several; none was given")
    for fit in fits:
        need_fit(fit)
    method = check_ddf(ddf)
    check_level(level)
    if len(fits) > _MOST:
        raise DataError(f"{len(fits)} fits in one plot are not told apart; give at most {_MOST}")
    labels = [str(fit.design.formula) for fit in fits] if names is None else list(map(str, names))
    if len(labels) != len(fits):
        raise DataError(f"names has {len(labels)} names for {len(fits)} fits")
    limits = [_limits(fit, level, method, intercept) for fit in fits]
    rows = {name: -k for k, name in enumerate(dict.fromkeys(name for own in limits for name in own))}
    if not rows:
        raise DataError("the fits have no fixed effects but intercepts: write intercept=True to draw these")
    ax = new_axes(ax, (SIZE[0], min(1.1 + (0.16 + 0.1 * len(fits)) * len(rows), 9.0)))
    ax.axvline(0.0, color=GREY, linewidth=0.8, linestyle="--")
    entries = []
    for k, (own, beside) in enumerate(zip(limits, _beside(len(fits)), strict=True)):
        values = np.array(list(own.values())).reshape(-1, 3).T
        artist = ax.errorbar(
            values[0],
            [rows[name] + beside for name in own],
            xerr=np.array([values[0] - values[1], values[2] - values[0]]),
            linestyle="none",
            marker=MARKERS[k],
            color=COLOURS[k],
            markersize=5,
            lw=1.6,
            capsize=2,
        )
        entries.append((artist, labels[k]))
    responses = {plain_name(fit.design.formula.response) for fit in fits}
    of = f" on {responses.pop()}" if len(responses) == 1 else ""
    interval = f"{100 * level:g}% interval ({method_in_legend(method)})"
    ax.set_xlabel(f"effect{of}, {interval}")
    name_places(ax, list(rows.values()), list(rows), len(fits) if len(fits) > 1 else 0)
    if len(fits) > 1:
        put_legend(ax, entries, 1, is_right=True)
    return finish(ax)


def _limits(fit: Fit, level: float, ddf: DDF, intercept: bool) -> dict[str, tuple[float, float, float]]:
    """Return each coefficient with its limits; those that were left out of X are not there."""
    found = degrees(fit, ddf)
    beta = fit.estimate.beta
    half = t_quantile(0.5 - level / 2.0, found.df(np.eye(len(beta)))) * np.sqrt(np.diag(found.cov))
    names = [str(name) for name in fit.params.index]
    return {
        name: (b, b - h, b + h)
        for name, b, h in zip(names, beta.tolist(), half.tolist(), strict=True)
        if intercept or name not in _INTERCEPTS
    }


def _beside(count: int) -> NDArray[np.float64]:
    """Return how far each fit stands above its row."""
    reach = min(0.18 * (count - 1), 0.7)
    return np.linspace(reach / 2.0, -reach / 2.0, count) if count > 1 else np.zeros(1)

"""Plots of profile likelihoods: zeta along a parameter, and the density that it implies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.errors import DataError
from lmmtools.inference.profile.profile_result import ROUNDING
from lmmtools.inference.tails import check_alpha
from lmmtools.plots.style import COLOURS, GREY, choose, finish, new_axes, put_legend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from lmmtools.inference.profile.profile_result import Profile

__all__ = ["profile_density", "profile_zeta"]

LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)
"""Levels of the intervals that are marked, those of lme4's ``xyplot``."""
# |zeta| that is shown, a 99.7% interval: profiles go further out and would compress the middle.
_REACH = 3.0
# Absolute correlations beyond this do not set the height of a density plot.
_POLE = 0.98
_LINES = ("-", "--", "-.", ":")


def profile_zeta(profile: Profile, parameter: str | None = None, *, ax: Axes | None = None) -> Axes:
    """Return Axes with the signed root of the deviance's rise along one parameter, and five intervals.

    A straight line means that the likelihood is quadratic in the parameter and Wald's interval is accurate. The view is
    limited to zeta from -3 to 3; the line extends as far as the profile.

    Parameters
    ----------
    profile : Profile
        As ``fit.profile()`` returns it.
    parameter : str, optional
        The first by default.
    ax : Axes, optional

    Raises
    ------
    DataError
        If there is no such parameter, or ``ax`` is no Axes.

    See Also
    --------
    profile_density : The density that the profile implies.
    section : The criterion with the other parameters held.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> lmt.plots.profile_zeta(fit.profile("sigma")).get_xlabel()
    'residual standard deviation, sigma'
    """
    from scipy.special import ndtri

    curve = profile.curves[choose(parameter, list(profile.curves), "profiled parameter")]
    ax = new_axes(ax)
    v = np.linspace(curve.path.v[0], curve.path.v[-1], 300)
    x, zeta = curve.coordinates.to_parameter(v), curve.along(v)
    ax.plot(x, zeta, color=COLOURS[0], lw=1.8)
    ax.axhline(0.0, color=GREY, lw=0.8)
    ax.axvline(curve.estimate, color=GREY, lw=0.8, ls=":")
    marked = []
    for level in LEVELS:
        reach = float(ndtri(0.5 + level / 2.0))
        if reach > profile.cutoff:
            continue
        for side in (-reach, reach):
            at, end = curve.limit(side), float(np.clip(side, curve.zeta[0], curve.zeta[-1]))
            # A limit at the end of the parameter's range does not reach its zeta.
            ax.plot([at, at], [0.0, end], color=COLOURS[1], lw=1.0)
            if end == side:
                marked.append((side, f"{100 * level:g}%"))
    _show_middle(ax, x, zeta)
    if marked:
        levels = ax.secondary_yaxis("right")
        levels.set_yticks([at for at, _ in marked], [text for _, text in marked], fontsize=7.5)
        levels.set_ylabel("interval that ends here", fontsize=9)
        levels.spines["right"].set_visible(False)
    ax.set_xlabel(curve.parameter.label)
    ax.set_ylabel("ζ: signed root of the deviance's rise")
    return finish(ax)


def profile_density(
    profile: Profile, parameters: str | Sequence[str] | None = None, *, alpha: float = 0.05, ax: Axes | None = None
) -> Axes:
    """Return Axes with the density that the profile of a parameter implies, its interval shaded.

    Parameters
    ----------
    profile : Profile
    parameters : str or sequence of str, optional
        The first by default; several are drawn in one plot, for parameters in the same units.
    alpha : float
        One less the interval's level.
    ax : Axes, optional

    Raises
    ------
    DataError
        If there is no such parameter, ``alpha`` is not between 0 and 1, or ``ax`` is no Axes.

    See Also
    --------
    profile_zeta : The signed root along the same parameter.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> lmt.plots.profile_density(fit.profile("sigma")).get_ylabel()
    'density; 95% interval shaded'
    """
    from scipy.special import ndtri

    reach = float(ndtri(1.0 - check_alpha(alpha) / 2.0))
    if reach > profile.cutoff * (1.0 + ROUNDING):
        raise DataError(f"These profiles go out to zeta = {profile.cutoff:.3g}; make them with alphamax={alpha:g}.")
    given = [parameters] if isinstance(parameters, str) or parameters is None else list(parameters)
    names = [choose(name, list(profile.curves), "profiled parameter") for name in given]
    ax = new_axes(ax)
    entries, ends, tops = [], [], []
    for i, name in enumerate(names):
        curve, frame = profile.curves[name], profile.density(name)
        x, density = frame["value"].to_numpy(), frame["density"].to_numpy()
        colour = COLOURS[i % len(COLOURS)]
        (line,) = ax.plot(x, density, color=colour, lw=1.8, ls=_LINES[i % len(_LINES)])
        entries.append((line, curve.parameter.label))
        inside = (x >= curve.limit(-reach)) & (x <= curve.limit(reach))
        ax.fill_between(x[inside], density[inside], color=colour, alpha=0.2, lw=0)
        zeta = curve.along(np.linspace(curve.path.v[0], curve.path.v[-1], len(x)))
        is_seen = np.abs(zeta) <= max(_REACH, reach)
        ends += [x[is_seen].min(), x[is_seen].max()]
        # The density of a correlation has poles at -1 and 1, whose drawn height depends on the grid.
        is_seen &= (np.abs(x) < _POLE) | (curve.parameter.kind != "cor")
        tops.append(density[is_seen].max(initial=0.0))
    ax.set_xlim(*_widen(min(ends), max(ends)))
    ax.set_ylim(0.0, 1.05 * max(tops) if max(tops) > 0.0 else None)
    ax.set_xlabel(entries[0][1] if len(names) == 1 else "parameter")
    ax.set_ylabel(f"density; {100 * (1 - alpha):g}% interval shaded")
    if len(names) > 1:
        put_legend(ax, entries, ncols=1)
    return finish(ax)


def _show_middle(ax: Axes, x: NDArray[np.float64], zeta: NDArray[np.float64]) -> None:
    """Limit the view to the part of the curve with |zeta| up to 3."""
    inside = np.abs(zeta) <= _REACH
    ax.set_xlim(*_widen(x[inside].min(), x[inside].max()))
    ax.set_ylim(*_widen(min(zeta[inside].min(), 0.0), max(zeta[inside].max(), 0.0)))


def _widen(low: float, high: float) -> tuple[float, float]:
    margin = 0.03 * (high - low)
    return low - margin, high + margin

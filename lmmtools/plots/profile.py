"""Profile likelihood: zeta along a parameter, and the density that it implies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.plots.style import COLOURS, GREY, choose, new_axes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

__all__ = ["profile_density", "profile_zeta"]

LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)
"""Levels of the intervals that are marked, those of lme4's ``xyplot``."""


def profile_zeta(profile: Any, parameter: str | None = None, *, ax: Axes | None = None) -> Axes:
    """Draw the signed root of the deviance's rise along one parameter, with intervals at five levels.

    A straight line means that the likelihood is quadratic in the parameter, and Wald's interval right.

    Parameters
    ----------
    profile : Profile
        As ``fit.profile()`` returns it.
    parameter : str, optional
        The first by default.
    ax : Axes, optional
    """
    from scipy.special import ndtri

    name = choose(parameter, list(profile.curves), "profiled parameter")
    curve = profile.curves[name]
    ax = new_axes(ax)
    v = np.linspace(curve.path.v[0], curve.path.v[-1], 300)
    ax.plot(curve.coordinates.to_parameter(v), curve.along(v), color=COLOURS[0], lw=1.8)
    ax.axhline(0.0, color=GREY, lw=0.8)
    ax.axvline(curve.estimate, color=GREY, lw=0.8, ls=":")
    for level in LEVELS:
        reach = float(ndtri(0.5 + level / 2.0))
        if reach > profile.cutoff:
            continue
        low, high = curve.limit(-reach), curve.limit(reach)
        ax.plot([low, low], [0.0, max(-reach, curve.zeta[0])], color=COLOURS[1], lw=1.0)
        ax.plot([high, high], [0.0, min(reach, curve.zeta[-1])], color=COLOURS[1], lw=1.0)
        ax.annotate(f"{100 * level:g}%", (high, min(reach, curve.zeta[-1])), (3, 2), textcoords="offset points", size=8)
    ax.set_xlabel(name)
    ax.set_ylabel("ζ: signed root of the deviance's rise")
    return ax


def profile_density(
    profile: Any, parameters: str | Sequence[str] | None = None, *, alpha: float = 0.05, ax: Axes | None = None
) -> Axes:
    """Draw the density that the profile of a parameter implies, its interval shaded.

    Parameters
    ----------
    profile : Profile
    parameters : str or sequence of str, optional
        The first by default; several are drawn in one plot, for parameters in the same units.
    alpha : float
        One less the interval's level.
    ax : Axes, optional
    """
    from scipy.special import ndtri

    given = [parameters] if isinstance(parameters, str) or parameters is None else list(parameters)
    names = [choose(name, list(profile.curves), "profiled parameter") for name in given]
    ax = new_axes(ax)
    reach = float(ndtri(1.0 - alpha / 2.0))
    for name, colour in zip(names, COLOURS * (1 + len(names) // len(COLOURS)), strict=False):
        frame = profile.density(name)
        curve = profile.curves[name]
        ax.plot(frame["value"], frame["density"], color=colour, lw=1.8, label=name)
        inside = frame["value"].between(curve.limit(-reach), curve.limit(reach))
        ax.fill_between(frame["value"][inside], frame["density"][inside], color=colour, alpha=0.2, lw=0)
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel(names[0] if len(names) == 1 else "parameter")
    ax.set_ylabel(f"density; {100 * (1 - alpha):g}% interval shaded")
    if len(names) > 1:
        ax.legend(frameon=False)
    return ax

"""The figures of a report page: which there are, and what each shows, in words for who cannot see them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np

from lmmtools.design.newdata import encode_fixed
from lmmtools.errors import EngineError
from lmmtools.formula.expressions import columns_of, plain_name
from lmmtools.inference.degrees import degrees
from lmmtools.page import describing
from lmmtools.page.svg import inline_svg
from lmmtools.plots.caterpillar import caterpillar
from lmmtools.plots.effects import effects, is_identified, reference_grid
from lmmtools.plots.qq import qq
from lmmtools.plots.residuals import residuals
from lmmtools.plots.section import section
from lmmtools.plots.shrinkage import least_squares_by_level, shrinkage
from lmmtools.plots.style import apart_from_pyplot
from lmmtools.plots.variance import variance, variance_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

    from lmmtools.fit.record import Fit

__all__ = ["Figure", "draw_figures"]

# So many variables of the fixed effects, and effects of grouping factors, have their own figure.
MAX_EFFECTS, MAX_MODES = 4, 6
# Up to so many rows the criterion is evaluated along each parameter at its boundary; beyond it would take long.
MAX_SECTION_ROWS = 20_000
# A shrinkage plot of one level says nothing, of thousands takes long.
SHRINKAGE_LEVELS = range(2, 2001)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the page.

    Attributes
    ----------
    name : str
        Its id, unique in the page.
    title : str
        What it shows, the figure's caption.
    description : str
        What is to be seen in it, in words.
    svg : str
        The drawing.
    is_tall : bool
        Whether it is higher than wide.
    """

    name: str
    title: str
    description: str
    svg: str
    is_tall: bool = False


def draw_figures(fit: Fit) -> tuple[Figure, ...]:
    """Return the figures of a fit."""
    return tuple(_figures(fit))


def _degrees_of(fit: Fit) -> str:
    """Return the method of the means' intervals; the legend says which. One without an optimum has normal ones."""
    try:
        degrees(fit, "satterthwaite")
    except EngineError:
        return "z"
    return "satterthwaite"


def _figures(fit: Fit) -> Iterator[Figure]:
    response = plain_name(fit.design.formula.response)
    for k, variable in enumerate(_variables(fit)[:MAX_EFFECTS], 1):
        yield _draw(
            f"effect-{k}",
            f"{response} along {variable}",
            describing.effects(fit, variable),
            partial(effects, fit, variable, ddf=_degrees_of(fit)),
        )
    parts = variance_parts(fit)
    yield _draw(
        "variance",
        "Where the variance comes from",
        describing.variance(parts),
        partial(variance, fit),
    )
    yield from _modes(fit)
    yield from _shrinkage(fit)
    yield _draw("residuals", "Residuals against fitted values", describing.residuals(fit), partial(residuals, fit))
    yield _draw(
        "qq",
        "Residuals against the normal distribution",
        describing.qq(fit),
        partial(qq, fit),
    )
    yield from _sections(fit)


def _modes(fit: Fit) -> Iterator[Figure]:
    pairs = [(factor, effect) for factor, modes in _named_modes(fit) for effect in modes.columns]
    for k, (factor, effect) in enumerate(pairs[:MAX_MODES], 1):
        yield _draw(
            f"modes-{k}",
            f"{effect} by {factor}: conditional modes",
            describing.caterpillar(fit, factor, effect),
            partial(caterpillar, fit, factor, effect),
        )


def _shrinkage(fit: Fit) -> Iterator[Figure]:
    factors = [f for f, modes in _named_modes(fit) if len(modes) in SHRINKAGE_LEVELS]
    for k, factor in enumerate(factors[:MAX_MODES], 1):
        own = least_squares_by_level(fit, factor)
        if np.isfinite(own).all(axis=1).sum() < 2:
            continue
        yield _draw(
            f"shrinkage-{k}",
            f"Shrinkage of {factor}",
            describing.shrinkage(fit, factor, own),
            partial(shrinkage, fit, factor),
        )


def _sections(fit: Fit) -> Iterator[Figure]:
    """Draw the criterion along each standard deviation that is zero: why the fit is at its boundary."""
    if fit.nobs > MAX_SECTION_ROWS:
        return
    rows = [row for row in fit.boundary if row.kind == "zero variance"]
    for k, row in enumerate(rows[:MAX_MODES], 1):
        label = f"{row.effect} by {row.group}"
        yield _draw(
            f"section-{k}",
            f"The criterion along the standard deviation of {label}",
            describing.section(fit, label, fit.converged),
            partial(section, fit, parameter=label),
        )


def _named_modes(fit: Fit) -> list[tuple[str, pd.DataFrame]]:
    """Return the modes of each factor whose effects have names of their own: not so in some models of MixedLM."""
    return [(factor, modes) for factor, modes in fit.random_effects.items() if modes.columns.is_unique]


def _variables(fit: Fit) -> list[str]:
    """Return the columns of the fixed effects along which the mean changes; what was left out of X changes nothing."""
    names = columns_of(fit.design.formula.fixed)
    return [name for name in names if is_identified(encode_fixed(fit.design, reference_grid(fit, name)[0]))]


def _draw(name: str, title: str, description: str, plot: Callable[[], Axes]) -> Figure:
    with apart_from_pyplot():
        canvas = cast("Canvas", plot().figure)
    width, height = canvas.get_size_inches()
    return Figure(name, title, description, inline_svg(canvas, name, title, description), height > 1.2 * width)

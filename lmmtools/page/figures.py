"""The figures of a page: which there are, what each shows in words, and the drawing as an inline SVG."""

from __future__ import annotations

import io
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast
from xml.etree import ElementTree

import numpy as np

from lmmtools.errors import DataError, EngineError
from lmmtools.formula.expressions import columns_of, plain_name
from lmmtools.inference.degrees import degrees
from lmmtools.plots.effects_plot import effects
from lmmtools.plots.mean_curves import MeanCurves, mean_curves
from lmmtools.plots.mode_plots import caterpillar, least_squares_by_level, shrinkage
from lmmtools.plots.residual_plots import qq, residuals
from lmmtools.plots.section_plot import section
from lmmtools.plots.style import apart_from_pyplot
from lmmtools.plots.variance_plot import variance, variance_parts
from lmmtools.sentences import join_with_and

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit
    from lmmtools.inference.degrees import DDF

__all__ = ["Figure", "describe_effects", "draw_figures", "inline_svg"]

# Most variables of the fixed effects, and most effects of grouping factors, that have a figure.
MAX_EFFECTS, MAX_MODES = 4, 6
# Rows beyond which no section of the criterion is drawn: its evaluations would take long.
MAX_SECTION_ROWS = 20_000
# Numbers of levels for which shrinkage is drawn: one level shows nothing, thousands take long.
SHRINKAGE_LEVELS = range(2, 2001)

_Z95 = 1.959963984540054
# Most levels of a factor whose means are listed.
_MAX_NAMED = 8
_XLINK = "{http://www.w3.org/1999/xlink}href"
_REFERENCE = re.compile(r"url\(#([^)]*)\)")
# Resolution of clouds of points that are drawn as pixels.
RASTER_DPI = 200
_LEFT_OUT = ("metadata", "style")


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the page.

    Attributes
    ----------
    name : str
        Id of the figure, unique in the page.
    title : str
        Caption of the figure.
    description : str
        What the figure shows, in words, for readers who cannot see it.
    svg : str
        The drawing as an ``<svg>`` element.
    is_tall : bool
        Whether it is clearly higher than wide.
    """

    name: str
    title: str
    description: str
    svg: str
    is_tall: bool = False


def draw_figures(fit: Fit) -> tuple[Figure, ...]:
    """Return the figures of a fit."""
    return tuple(_draw_all(fit))


def _method_of_degrees(fit: Fit) -> DDF:
    """Return the method of the means' intervals: Satterthwaite's, or normal for a fit without an optimum."""
    try:
        degrees(fit, "satterthwaite")
    except EngineError:
        return "z"
    return "satterthwaite"


def _draw_all(fit: Fit) -> Iterator[Figure]:
    response = plain_name(fit.design.formula.response)
    for k, variable in enumerate(_variables_with_effect(fit)[:MAX_EFFECTS], 1):
        yield _draw(
            f"effect-{k}",
            f"{response} along {variable}",
            describe_effects(fit, variable),
            partial(effects, fit, variable, ddf=_method_of_degrees(fit)),
        )
    parts = variance_parts(fit)
    yield _draw(
        "variance",
        "Where the variance comes from",
        describe_variance(parts),
        partial(variance, fit),
    )
    yield from _draw_modes(fit)
    if fit.design.streamed is None:
        yield from _draw_shrinkage(fit)
    yield _draw("residuals", "Residuals against fitted values", describe_residuals(fit), partial(residuals, fit))
    yield _draw(
        "qq",
        "Residuals against the normal distribution",
        describe_qq(fit),
        partial(qq, fit),
    )
    yield from _draw_sections(fit)


def _draw_modes(fit: Fit) -> Iterator[Figure]:
    pairs = [(factor, effect) for factor, modes in _named_modes(fit) for effect in modes.columns]
    for k, (factor, effect) in enumerate(pairs[:MAX_MODES], 1):
        yield _draw(
            f"modes-{k}",
            f"{effect} by {factor}: conditional modes",
            describe_caterpillar(fit, factor, effect),
            partial(caterpillar, fit, factor, effect),
        )


def _draw_shrinkage(fit: Fit) -> Iterator[Figure]:
    factors = [f for f, modes in _named_modes(fit) if len(modes) in SHRINKAGE_LEVELS]
    for k, factor in enumerate(factors[:MAX_MODES], 1):
        own = least_squares_by_level(fit, factor)
        if np.isfinite(own).all(axis=1).sum() < 2:
            continue
        yield _draw(
            f"shrinkage-{k}",
            f"Shrinkage of {factor}",
            describe_shrinkage(fit, factor, own),
            partial(shrinkage, fit, factor),
        )


def _draw_sections(fit: Fit) -> Iterator[Figure]:
    """Yield a figure of the criterion along each standard deviation that is zero."""
    if fit.nobs > MAX_SECTION_ROWS:
        return
    rows = [row for row in fit.boundary if row.kind == "zero variance"]
    for k, row in enumerate(rows[:MAX_MODES], 1):
        label = f"{row.effect} by {row.group}"
        yield _draw(
            f"section-{k}",
            f"The criterion along the standard deviation of {label}",
            describe_section(fit, label, fit.converged),
            partial(section, fit, parameter=label),
        )


def _named_modes(fit: Fit) -> list[tuple[str, pd.DataFrame]]:
    """Return (factor, modes) of each factor whose effects have distinct names; in some MixedLM models they have not."""
    return [(factor, modes) for factor, modes in fit.random_effects.items() if modes.columns.is_unique]


def _variables_with_effect(fit: Fit) -> list[str]:
    """Return the columns of the fixed effects along which the mean changes; not those left out of X."""
    names = []
    for name in columns_of(fit.design.formula.fixed):
        with suppress(DataError):
            _curve_along(fit, name)
            names.append(name)
    return names


def _curve_along(fit: Fit, variable: str) -> MeanCurves:
    return mean_curves(fit, variable, None, None, 0.95, _method_of_degrees(fit), "none")


def _draw(name: str, title: str, description: str, plot: Callable[[], Axes]) -> Figure:
    with apart_from_pyplot():
        canvas = cast("Canvas", plot().figure)
    width, height = canvas.get_size_inches()
    return Figure(name, title, description, inline_svg(canvas, name, title, description), height > 1.2 * width)


def describe_effects(fit: Fit, variable: str) -> str:
    """Return what an effects plot shows: the mean at both ends of a variable, or at each level."""
    found = _curve_along(fit, variable)
    mean = found.curves[0].mean
    others = "".join(f", {note}" for note in found.notes)
    said = f"The population's mean with its 95% interval over the data{others}: "
    if found.is_factor:
        pairs = zip(mean, found.along, strict=True)
        return f"{said}{join_with_and((f'{m:.4g} at {value}' for m, value in pairs), _MAX_NAMED)}."
    first, last = found.along[0], found.along[-1]
    return f"{said}from {mean[0]:.4g} at {variable} = {first:.4g} to {mean[-1]:.4g} at {variable} = {last:.4g}."


def describe_variance(parts: Mapping[str, float]) -> str:
    """Return what a variance plot shows: the variance of each part and its share."""
    total = sum(parts.values())
    shares = [f"{name} {value:.4g} ({100 * value / total:.3g}%)" for name, value in parts.items()]
    return f"Bars of the variance that each part contributes to one row on average: {join_with_and(shares)}."


def describe_caterpillar(fit: Fit, factor: str, effect: str) -> str:
    """Return what a caterpillar plot shows: the outermost modes, and how many intervals exclude zero."""
    modes = fit.random_effects[factor]
    values, m, l = modes[effect].to_numpy(), len(modes), modes.shape[1]
    if not np.any(values):
        return f"All {m:,} levels of {factor} stand at zero: their variance is zero."
    column = list(modes.columns).index(effect)
    errors = np.sqrt(fit.random_effects_cov[factor].to_numpy().reshape(m, l, l)[:, column, column])
    clear = int((np.abs(values) > _Z95 * errors).sum())
    low, high = int(values.argmin()), int(values.argmax())
    return (
        f"One point with its 95% interval for each of {m:,} levels, in order of size: from {values[low]:.4g} "
        f"({modes.index[low]}) to {values[high]:.4g} ({modes.index[high]}); {clear:,} of the intervals "
        f"{'leaves' if clear == 1 else 'leave'} out zero."
    )


def describe_shrinkage(fit: Fit, factor: str, own: NDArray[np.float64]) -> str:
    """Return what a shrinkage plot shows: the spread of modes as a share of that of the levels' own estimates."""
    modes = fit.random_effects[factor].to_numpy()
    there = np.isfinite(own).all(axis=1)
    parts = []
    for name, a, b in zip(fit.random_effects[factor].columns, own[there].T, modes[there].T, strict=True):
        spread = float(np.sqrt(np.mean(a**2)))
        share = float(np.sqrt(np.mean(b**2))) / spread if spread else 1.0
        parts.append(f"{name} to {100 * share:.3g}%")
    return (
        f"Each level's own least-squares estimate against its conditional mode. The modes are drawn in towards the "
        f"population; what is left of the spread (root mean square) over {int(there.sum()):,} levels: "
        f"{join_with_and(parts)}."
    )


def describe_residuals(fit: Fit) -> str:
    """Return what a residual plot shows: the standard deviation and the largest residual."""
    scaled = fit.scaled_resid
    k = int(np.abs(scaled).argmax())
    return (
        f"{len(scaled):,} residuals against what the model fits, with the mean of neighbours as a line. Residual "
        f"standard deviation {fit.sigma:.4g}; the largest residual, of row {fit.fittedvalues.index[k]}, is "
        f"{scaled[k]:.3g} times that."
    )


def describe_qq(fit: Fit) -> str:
    """Return what a Q-Q plot shows: how many residuals exceed two standard deviations, and the expected number."""
    scaled = np.abs(fit.scaled_resid)
    found, expected = int((scaled > 2).sum()), 0.0455 * len(scaled)
    return (
        "Ordered standardised residuals against normal quantiles, with a simulated 95% band: points on the line are "
        f"normal. {found:,} of {len(scaled):,} residuals exceed two standard deviations, where a normal "
        f"distribution has about {expected:.3g}."
    )


def describe_section(fit: Fit, label: str, is_certified: bool) -> str:
    """Return what a section shows: which criterion, and whether zero is certified as its lowest point."""
    criterion = "REML criterion" if fit.reml else "deviance"
    rises = ": lowest at zero, the boundary, from where it rises" if is_certified else ""
    return f"The {criterion} along the standard deviation of {label}, the other parameters as fitted{rises}."


def inline_svg(figure: Canvas, name: str, title: str, description: str) -> str:
    """Return a figure as an ``<svg>`` element with title and description.

    Its ids start with ``name``, so that they are unique in the page. It has no style sheet, which would apply to the
    whole page, no metadata and no external address. Letters are outlines, so that no font is needed.
    """
    import matplotlib

    text = io.BytesIO()
    # A fixed hash salt makes the ids, and so the page, reproducible.
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": name}):
        figure.savefig(text, format="svg", dpi=RASTER_DPI, metadata={"Date": None})
    # The parser drops comments, which repeat the figure's texts.
    root = ElementTree.fromstring(text.getvalue())
    _make_local(root, name)
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.attrib |= {
        "role": "img",
        "aria-labelledby": f"{name}-title {name}-description",
        # The declarations of the style sheet that is dropped.
        "stroke-linejoin": "round",
        "stroke-linecap": "butt",
    }
    for tag, content in (("desc", description), ("title", title)):
        element = ElementTree.Element(tag, {"id": f"{name}-{'title' if tag == 'title' else 'description'}"})
        element.text = content
        root.insert(0, element)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)


def _make_local(root: ElementTree.Element, name: str) -> None:
    """Remove namespaces, metadata and style sheets, and prefix ids and references with the name, in place."""
    for parent in list(root.iter()):
        parent.tag = _local(parent.tag)
        for child in [c for c in parent if _local(c.tag) in _LEFT_OUT]:
            parent.remove(child)
        for key, value in list(parent.attrib.items()):
            if key == "id":
                parent.set(key, f"{name}-{value}")
            elif key == _XLINK:
                del parent.attrib[key]
                parent.set("href", f"#{name}-{value[1:]}" if value.startswith("#") else value)
            elif "url(#" in value:
                parent.set(key, _REFERENCE.sub(rf"url(#{name}-\1)", value))


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]

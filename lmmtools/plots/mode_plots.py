"""Plots of conditional modes: in order of size with their intervals, and against least squares within each level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.inference.tails import check_level
from lmmtools.plots.names import name_points
from lmmtools.plots.style import (
    COLOURS,
    GREY,
    choose,
    finish,
    ink,
    name_rows,
    need_fit,
    new_axes,
    put_legend,
    shorten,
    size_of_rows,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]
    _Entries = list[tuple[Any, str]]

__all__ = ["caterpillar", "least_squares_by_level", "shrinkage"]

# Most levels that are named; most levels with a line from their own estimate to their mode.
_MAX_NAMES, _MAX_LINES = 30, 2000


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
        Whether the modes are sorted by size; False keeps the order of the levels.
    ax : Axes, optional

    Raises
    ------
    DataError
        If the model has no such factor or effect, or ``level`` is not between 0 and 1.

    See Also
    --------
    shrinkage : The modes against least squares within each level.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> lmt.plots.caterpillar(fit).get_xlabel()
    '(Intercept) by Subject: conditional mode, 95% interval'
    """
    from scipy.special import ndtri

    need_fit(fit)
    check_level(level)
    factor = choose(factor, list(fit.random_effects), "grouping factor")
    modes = fit.random_effects[factor]
    effect = choose(effect, list(modes.columns), f"effect by {factor}")
    values = modes[effect].to_numpy()
    # The diagonal element of each level's l x l matrix.
    l, column = modes.shape[1], list(modes.columns).index(effect)
    variances = fit.random_effects_cov[factor].to_numpy().reshape(len(modes), l, l)[:, column, column]
    half = float(ndtri(0.5 + level / 2)) * np.sqrt(variances)
    order = np.argsort(values, kind="stable") if is_sorted else np.arange(len(values))[::-1]
    ax = new_axes(ax, size_of_rows(modes.index))
    rows, is_dense = np.arange(len(values)), len(values) > 200
    low, high = (values - half)[order], (values + half)[order]
    ax.hlines(rows, low, high, color=COLOURS[0], linewidth=0.4 if is_dense else 1.4, alpha=0.5 if is_dense else 1.0)
    ax.plot(values[order], rows, linestyle="none", marker="o", markersize=1.2 if is_dense else 4, color=ink())
    ax.axvline(0.0, color=GREY, linewidth=0.8, linestyle="--")
    ax.set_xlabel(f"{effect} by {factor}: conditional mode, {100 * level:g}% interval")
    name_rows(ax, list(modes.index[order]), factor)
    return finish(ax)


def shrinkage(fit: Fit, factor: str | None = None, *, ax: Axes | None = None) -> Axes:
    """Return Axes with each level's own estimate and its conditional mode, as deviations from the fixed effects.

    With one effect, the mode is drawn against the level's own estimate; points on the dashed line are not shrunk. With
    several, the first two effects are drawn against each other, with a line from each level's own estimate to its mode.

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

    See Also
    --------
    caterpillar : The modes with their intervals.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> lmt.plots.shrinkage(fit).get_xlabel()
    '(Intercept) by Subject: deviation from the fixed effect'
    """
    need_fit(fit)
    factor = choose(factor, list(fit.random_effects), "grouping factor")
    modes = fit.random_effects[factor]
    own = least_squares_by_level(fit, factor)
    is_there = np.isfinite(own).all(axis=1)
    if modes.shape[1] == 1:
        ax, entries, unnamed = _draw_one(own[:, 0], modes, factor, new_axes(ax, (4.4, 4.1)))
    else:
        ax, entries, unnamed = _draw_two(own, modes, factor, new_axes(ax, (4.8, 4.3)))
    notes = []
    if not is_there.all():
        lost = int((~is_there).sum())
        notes.append(f"{'1 level has' if lost == 1 else f'{lost:,} levels have'} too few rows for least squares")
    if unnamed:
        notes.append(f"no room for {'1 name' if unnamed == 1 else f'{unnamed} names'}")
    put_legend(ax, entries, title="; ".join(notes))
    return finish(ax)


def least_squares_by_level(fit: Fit, factor: str) -> Floats:
    """Return each level's least-squares deviations from what the rest of the model predicts, shape (m, l).

    The response less fixed effects, offset and the modes of all other factors is regressed on the factor's basis within
    each level; NaN where a level has too few rows.
    """
    design = fit.design
    indices = design.factors[factor]
    blocks = [design.blocks[i] for i in indices]
    basis = np.hstack([block.basis for block in blocks])
    own = sum(
        np.einsum("nl,nl->n", block.basis, fit.estimate.modes[i][block.codes])
        for i, block in zip(indices, blocks, strict=True)
    )
    rest = fit.resid.to_numpy() + own
    weights = np.ones(len(rest)) if design.weights is None else design.weights
    m, l, codes = blocks[0].m, basis.shape[1], blocks[0].codes
    moments, right = np.zeros((m, l, l)), np.zeros((m, l))
    np.add.at(moments, codes, weights[:, None, None] * basis[:, :, None] * basis[:, None, :])
    np.add.at(right, codes, weights[:, None] * basis * rest[:, None])
    found = np.full((m, l), np.nan)
    is_full = np.linalg.matrix_rank(moments, hermitian=True) == l
    found[is_full] = np.linalg.solve(moments[is_full], right[is_full][:, :, None])[:, :, 0]
    return found


def _draw_one(own: Floats, modes: pd.DataFrame, factor: str, ax: Axes) -> tuple[Axes, _Entries, int]:
    values = modes.iloc[:, 0].to_numpy()
    is_dense = len(values) > 200
    line = ax.axline((0.0, 0.0), slope=1.0, color=GREY, linewidth=0.8, linestyle="--")
    ax.axhline(0.0, color=GREY, linewidth=0.6)
    # The same scale on both axes, so that modes of zero show as such.
    reach = 1.1 * float(np.nanmax(np.abs([own, values])))
    ax.set_xlim(-reach, reach)
    ax.set_ylim(-reach, reach)
    size, alpha = (2.5, 0.35) if is_dense else (5, 1.0)
    (dots,) = ax.plot(own, values, linestyle="none", marker="o", markersize=size, alpha=alpha, color=COLOURS[0])
    lost = _name_levels(ax, own, values, modes.index, np.column_stack([own, values]))
    name = modes.columns[0]
    ax.set_xlabel(f"{name} by {factor}: least squares within the level")
    ax.set_ylabel(f"{name} by {factor}: conditional mode")
    return ax, [(dots, f"levels of {factor}"), (line, "no shrinkage")], lost


def _draw_two(own: Floats, modes: pd.DataFrame, factor: str, ax: Axes) -> tuple[Axes, _Entries, int]:
    from matplotlib.collections import LineCollection

    x, y = modes.iloc[:, 0].to_numpy(), modes.iloc[:, 1].to_numpy()
    is_dense = len(x) > 200
    if len(x) <= _MAX_LINES:
        segments = np.stack([own[:, :2], np.column_stack([x, y])], axis=1)
        is_there = np.isfinite(segments).all(axis=(1, 2))
        lines = LineCollection(segments[is_there], color=GREY, linewidth=0.7, alpha=0.4 if is_dense else 1.0)
        ax.add_collection(lines)
    plain: dict[str, Any] = {"linestyle": "none", "markersize": 2.5 if is_dense else 5}
    (squares,) = ax.plot(own[:, 0], own[:, 1], marker="s", color=COLOURS[1], **plain)
    (dots,) = ax.plot(x, y, marker="o", color=COLOURS[0], **plain)
    ax.axhline(0.0, color=GREY, linewidth=0.6, linestyle="--")
    ax.axvline(0.0, color=GREY, linewidth=0.6, linestyle="--")
    ax.margins(0.08)
    ax.autoscale_view()
    lost = _name_levels(ax, own[:, 0], own[:, 1], modes.index, np.vstack([own[:, :2], np.column_stack([x, y])]))
    ax.set_xlabel(f"{modes.columns[0]} by {factor}: deviation from the fixed effect")
    ax.set_ylabel(f"{modes.columns[1]} by {factor}: deviation from the fixed effect")
    return ax, [(squares, "least squares within the level"), (dots, "conditional mode")], lost


def _name_levels(ax: Axes, x: Floats, y: Floats, names: pd.Index[Any], points: Floats) -> int:
    """Write the names of the levels if they are few; return how many had no room."""
    if len(x) > _MAX_NAMES:
        return 0
    return name_points(ax, x, y, [shorten(name, 20) for name in names], points[np.isfinite(points).all(axis=1)])

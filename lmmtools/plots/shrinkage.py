"""Least squares within each level against the conditional modes: how far each level is drawn to the mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.plots.style import COLOURS, GREY, choose, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["least_squares_by_level", "shrinkage"]

_MAX_NAMES = 30


def shrinkage(fit: Any, factor: str | None = None, *, ax: Axes | None = None) -> Axes:
    """Draw each level's own estimate and its conditional mode, both as deviations from the fixed effects.

    With one effect: the mode against the level's own estimate; the dashed line is no shrinkage. With several: the
    first two against each other, an arrow from each level's own estimate to its mode.

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
    """
    factor = choose(factor, list(fit.random_effects), "grouping factor")
    modes = fit.random_effects[factor]
    own = least_squares_by_level(fit, factor)
    is_there = np.isfinite(own).all(axis=1)
    if modes.shape[1] == 1:
        ax = _draw_one(own[:, 0], modes, factor, new_axes(ax, (5.2, 4.6)))
    else:
        ax = _draw_two(own, modes, factor, new_axes(ax, (6.2, 5.2)))
    if not is_there.all():
        lost = int((~is_there).sum())
        who = "1 level has" if lost == 1 else f"{lost:,} levels have"
        ax.set_title(f"{who} too few rows for least squares", fontsize=9)
    return ax


def least_squares_by_level(fit: Any, factor: str) -> NDArray[np.float64]:
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


def _draw_one(own: NDArray[np.float64], modes: Any, factor: str, ax: Axes) -> Axes:
    values = modes.iloc[:, 0].to_numpy()
    is_dense = len(values) > 200
    ax.axline((0.0, 0.0), slope=1.0, color=GREY, linewidth=0.8, linestyle="--", label="no shrinkage")
    ax.axhline(0.0, color=GREY, linewidth=0.6)
    # One scale for both: modes that are all zero show as such.
    reach = 1.1 * float(np.nanmax(np.abs([own, values])))
    ax.set_xlim(-reach, reach)
    ax.set_ylim(-reach, reach)
    size, alpha = (2.5, 0.35) if is_dense else (5, 1.0)
    ax.plot(own, values, linestyle="none", marker="o", markersize=size, alpha=alpha, color=COLOURS[0], label=factor)
    if len(values) <= _MAX_NAMES:
        _name_points(ax, own, values, modes.index)
    name = modes.columns[0]
    ax.set_xlabel(f"{name} by {factor}: least squares within the level")
    ax.set_ylabel(f"{name} by {factor}: conditional mode")
    ax.legend(frameon=False)
    return ax


def _draw_two(own: NDArray[np.float64], modes: Any, factor: str, ax: Axes) -> Axes:
    x, y = modes.iloc[:, 0].to_numpy(), modes.iloc[:, 1].to_numpy()
    arrow = {"arrowstyle": "-", "color": GREY, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0}
    if len(x) <= 500:
        for k in np.flatnonzero(np.isfinite(own).all(axis=1)):
            ax.annotate("", (x[k], y[k]), (own[k, 0], own[k, 1]), arrowprops=arrow)
    plain: dict[str, Any] = {"linestyle": "none", "markersize": 5}
    ax.plot(own[:, 0], own[:, 1], marker="s", color=COLOURS[1], label="least squares within the level", **plain)
    ax.plot(x, y, marker="o", color=COLOURS[0], label="conditional mode", **plain)
    if len(x) <= _MAX_NAMES:
        _name_points(ax, own[:, 0], own[:, 1], modes.index, own[:, 0] < x)
    ax.axhline(0.0, color=GREY, linewidth=0.6, linestyle="--")
    ax.axvline(0.0, color=GREY, linewidth=0.6, linestyle="--")
    ax.set_xlabel(f"{modes.columns[0]} by {factor}: deviation from the fixed effect")
    ax.set_ylabel(f"{modes.columns[1]} by {factor}: deviation from the fixed effect")
    ax.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.1), ncols=2)
    return ax


def _name_points(
    ax: Axes, x: NDArray[np.float64], y: NDArray[np.float64], names: Any, is_left: NDArray[np.bool_] | None = None
) -> None:
    """Write the name of each level beside its point, on the left where asked; levels at one point share a label."""
    # What differs by less than a thousandth of the plot is one point.
    units = [max(float(np.nanmax(np.abs(values))), 1e-300) / 1000 for values in (x, y)]
    together: dict[tuple[int, int], list[int]] = {}
    for k in np.flatnonzero(np.isfinite(x) & np.isfinite(y)):
        together.setdefault((round(x[k] / units[0]), round(y[k] / units[1])), []).append(int(k))
    for members in together.values():
        text, at = ", ".join(str(names[k]) for k in members), (x[members[0]], y[members[0]])
        away, side = (-5, "right") if is_left is not None and is_left[members[0]] else (5, "left")
        ax.annotate(text, at, (away, -2), textcoords="offset points", fontsize=7, ha=side, va="center")

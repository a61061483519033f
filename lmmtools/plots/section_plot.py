"""Plot of the criterion along one covariance parameter, with the estimates of several fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools import core
from lmmtools.design.theta import theta_slices, upper_triangle
from lmmtools.errors import DataError, EngineError
from lmmtools.plots.style import BAND, COLOURS, GREY, MARKERS, choose, finish, ink, need_fit, new_axes, put_legend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from lmmtools.design.blocks import Block
    from lmmtools.fit.record import Fit

__all__ = ["section", "theta_labels"]

# Points of the curve on either side; rise of the criterion at its ends: 9 is about three standard errors.
_POINTS, _RISE = 41, 9.0
# Longest reach in units of the estimate, for a criterion that levels off.
_FARTHEST = 6.0


def section(*fits: Fit, parameter: str | None = None, width: float | None = None, ax: Axes | None = None) -> Axes:
    """Return Axes with the criterion along one covariance parameter, and the estimate of every fit.

    The other parameters are held at the first fit's estimates.

    A fit above the curve's lowest point, or off the curve, stopped early or elsewhere. A curve that only rises from
    zero shows a variance at its boundary.

    Parameters
    ----------
    *fits : LMMResults
        Fits of one model on the same data; the curve goes through the first.
    parameter : str, optional
        One of ``theta_labels(fit.design.blocks)``; the first if None.
    width : float, optional
        Half the length of the section, in units of theta; by default it reaches where the criterion is higher by about
        9, but no further than six times the estimate.
    ax : Axes, optional

    Raises
    ------
    DataError
        If there is no fit or parameter of that name, or the fits differ in model or criterion.

    See Also
    --------
    profile_zeta : The criterion with the other parameters at their best.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> lmt.plots.section(fit).get_xlabel()
    'theta of (Intercept) by Subject, in units of sigma'
    """
    if not fits:
        raise DataError("section() needs at least one fit.")
    for fit in fits:
        need_fit(fit)
    first = fits[0]
    labels = theta_labels(first.design.blocks)
    k = list(labels).index(choose(parameter, list(labels), "covariance parameter"))
    name, is_diagonal = list(labels.items())[k]
    for fit in fits[1:]:
        if (
            fit.reml != first.reml
            or list(theta_labels(fit.design.blocks)) != list(labels)
            or not _has_same_data(fit, first)
        ):
            raise DataError("section() needs fits of one model on the same data, all by REML or all by ML.")
    answers = np.array([fit.theta[k] for fit in fits])
    reach = width if width is not None else _reach(first, k)
    low, high = min(answers.min(), answers[0] - reach), max(answers.max(), answers[0] + reach)
    low = max(low, 0.0) if is_diagonal else low
    # Points are denser near the estimate, where the curve bends most.
    away = np.linspace(0.0, 1.0, _POINTS) ** 1.5
    x = np.unique(np.concatenate([answers[0] - (answers[0] - low) * away, answers[0] + (high - answers[0]) * away]))
    y = np.array([_criterion(first, k, value) for value in x])
    heights = np.array([core.evaluate(first.problem, fit.theta, first.reml, gradient=False).objective for fit in fits])
    floor = min(np.nanmin(y), heights.min())
    ax = new_axes(ax)
    # A steep side would flatten the rest of the curve.
    is_shown = y - floor <= 3.0 * max(_RISE, y[-1] - floor, float((heights - floor).max()))
    x, y = x[is_shown], y[is_shown]
    ax.plot(x, y - floor, color=ink(), linewidth=1.6)
    entries: list[tuple[Any, str]] = []
    for i, (fit, answer, height) in enumerate(zip(fits, answers, heights - floor, strict=True)):
        size = 11 - 2 * min(i, 3)
        style: dict[str, Any] = {"marker": MARKERS[i % 6], "color": COLOURS[i % 6], "markersize": size}
        (dot,) = ax.plot([answer], [height], linestyle="none", clip_on=False, zorder=3 + i, **style)
        entries.append((dot, f"{fit.engine}: {fit.objective:.4f}"))
    if is_diagonal and x[0] == 0.0:
        is_first = k in {part.start for part in theta_slices(first.design.blocks)}
        wall = ax.axvspan(-0.04 * (x[-1] - x[0]), 0.0, color=BAND, lw=0)
        entries.append((wall, "boundary: a variance of zero" if is_first else "boundary: no variance of its own"))
    ax.margins(y=0.08)
    ax.axhline(0.0, color=GREY, linewidth=0.6)
    ax.set_xlabel(f"theta of {name}, in units of sigma")
    ax.set_ylabel(f"{'REML criterion' if first.reml else 'deviance'} above {floor:.4f}")
    put_legend(ax, entries, ncols=2)
    return finish(ax)


def theta_labels(blocks: Sequence[Block]) -> dict[str, bool]:
    """Return {name: whether it is on the diagonal of its lambda} for each element of theta, in order.

    Raises
    ------
    DataError
        If the model has no random effects.
    """
    labels: dict[str, bool] = {}
    for block, part in zip(blocks, theta_slices(blocks), strict=True):
        columns, rows = upper_triangle(len(block.cnames))
        for _, i, j in zip(range(part.start, part.stop), rows, columns, strict=True):
            pair = block.cnames[i] if i == j else f"{block.cnames[i]}, {block.cnames[j]}"
            label, count = f"{pair} by {block.group}", 2
            while label in labels:
                label, count = f"{pair} by {block.group} ({count})", count + 1
            labels[label] = bool(i == j)
    return labels


def _has_same_data(a: Fit, b: Fit) -> bool:
    """Whether two fits have the same response and fixed effects."""
    return (a.design.n, a.design.p) == (b.design.n, b.design.p) and all(
        np.allclose(getattr(a.design, part), getattr(b.design, part)) for part in ("y", "X")
    )


def _criterion(fit: Fit, k: int, value: float) -> float:
    """Return the criterion with one element of theta changed; NaN where it cannot be evaluated."""
    theta = fit.theta
    theta[k] = value
    try:
        return float(core.evaluate(fit.problem, theta, fit.reml, gradient=False).objective)
    except EngineError:
        return float("nan")


def _reach(fit: Fit, k: int) -> float:
    """Return how far from the estimate the criterion is higher by about 9."""
    start, at = float(fit.theta[k]), _criterion(fit, k, float(fit.theta[k]))
    step = 0.05 * max(abs(start), 0.1)
    for _ in range(12):
        rise = _criterion(fit, k, start + step) - at
        if not rise < _RISE:
            break
        step *= 1.6
    return min(step, _FARTHEST * max(abs(start), 0.25))

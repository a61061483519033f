"""Plot of means with their intervals, one row each, with arrows and letters that say which of them differ."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.inference.degrees import check_ddf, degrees, method_in_legend
from lmmtools.inference.marginal.contrasts import marginal_contrasts
from lmmtools.inference.marginal.grid_values import GridOptions
from lmmtools.inference.marginal.means import back_transformation, marginal_means, name_list
from lmmtools.inference.tails import check_alpha, check_level
from lmmtools.plots.comparison_arrows import comparison_arrows
from lmmtools.plots.mean_curves import back, mean_label, name_levels
from lmmtools.plots.names import name_places
from lmmtools.plots.style import COLOURS, GREY, SIZE, finish, ink, need_fit, new_axes, put_legend
from lmmtools.sentences import list_first

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from matplotlib.axes import Axes

    from lmmtools.fit.record import Fit
    from lmmtools.inference.degrees import DDF
    from lmmtools.inference.marginal.adjust import Adjust
    from lmmtools.inference.marginal.contrasts import MarginalContrasts
    from lmmtools.inference.marginal.means import MarginalMeans
    from lmmtools.inference.marginal.response_scale import ResponseScale
    from lmmtools.plots.mean_curves import Scale

__all__ = ["means"]

# Inches of a row.
_ROW = 0.27


def means(
    fit: Fit,
    factors: str | Sequence[str],
    *,
    by: str | Sequence[str] | None = None,
    at: Mapping[str, Any] | None = None,
    comparisons: bool = False,
    letters: bool = False,
    adjust: Adjust | None = None,
    alpha: float = 0.05,
    type: Scale = "link",
    level: float = 0.95,
    ddf: DDF = "satterthwaite",
    ax: Axes | None = None,
) -> Axes:
    """Return Axes with marginal means and their intervals, one row each; with arrows or letters that say which differ.

    The numbers are those of :meth:`LMMResults.marginal_means`, the arrows of all pairwise contrasts, the letters of
    ``cld()``.

    Parameters
    ----------
    fit : LMMResults
    factors : str or list of str
        Columns of the fixed effects: a row for each combination of their levels.
    by : str or list of str, optional
        Columns within whose levels the means are compared: a block of rows for each.
    at : mapping of str to values, optional
        Levels or values to use for some columns.
    comparisons : bool
        Whether to draw comparison arrows: two means of a block differ, with p below ``alpha``, where the arrows that
        point from one to the other do not overlap. Intervals do not say this. Where no lengths of arrows say it of all
        pairs, the title names those of which they do not.
    letters : bool
        Whether to write compact letters beside the means: those of a block that share a letter do not differ.
    adjust : str, optional
        How p-values are adjusted for their number, as :meth:`LMMResults.pairwise` has it: ``"tukey"`` if None.
    alpha : float
        Of the comparisons.
    type : {"link", "response"}
        The scale of the model, or that of the response's column where the formula has a function of it, ``log(y)``.
        Means are compared on the scale of the model.
    level : float
        Coverage of the intervals.
    ddf : {"satterthwaite", "kenward-roger", "residual", "z"}
        Degrees of freedom, of intervals and comparisons.
    ax : Axes, optional

    Raises
    ------
    DataError
        If a name is no column of the fixed effects, or ``level`` or ``alpha`` is not between 0 and 1.

    See Also
    --------
    effects : Means along a variable over the data.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool")).fit(engine="pls")
    >>> lmt.plots.means(fit, "Type", comparisons=True).get_xlabel()
    'effort'
    """
    need_fit(fit)
    check_level(level)
    check_alpha(alpha)
    options = GridOptions(at=at)
    found = marginal_means(fit, factors, by=by, options=options, type=type, ddf=ddf, alpha=1.0 - level)
    scale, pairs, compared = back_transformation(fit, type), None, found
    if comparisons:
        compared = marginal_means(fit, factors, by=by, options=options, ddf=ddf) if scale else found
        pairs = marginal_contrasts(fit, factors, by=by, options=options, adjust=adjust, ddf=ddf)
    within = pairs.by if pairs is not None else tuple(name for name in found.names if name in name_list(by, "by"))
    blocks = _rows_by_block(found, within)
    rows, ticks = _place_rows(found, within, blocks)
    notes = [note for note in found.notes if note not in degrees(fit, check_ddf(ddf)).notes]
    above = 2 + comparisons + letters + 2 * bool(notes)
    ax = new_axes(ax, (SIZE[0], 0.7 + _ROW * len(ticks) + 0.2 * above))
    from matplotlib.lines import Line2D  # after new_axes(), which says how to install it

    bars = ax.hlines(rows, found.lower, found.upper, color=COLOURS[5], linewidth=7, alpha=0.6)
    (dots,) = ax.plot(found.estimate, rows, linestyle="none", marker="o", markersize=5, color=ink(), zorder=4)
    method = method_in_legend(ddf)
    entries: list[tuple[Any, str]] = [(dots, "mean"), (bars, f"{100 * level:g}% interval ({method})")]
    if pairs is not None:
        wrong = _draw_arrows(ax, compared, scale, pairs, blocks, rows, alpha)
        arrow = Line2D([], [], color=COLOURS[1], marker=">", markersize=5, linewidth=1.6)
        entries.append((arrow, f"apart: differ ({pairs.adjust}, p < {alpha:g})"))
        if wrong:
            notes.append(f"arrows do not say what the test says of {list_first(wrong, 3)}")
    if letters:
        grouped = found.cld(alpha, adjust=adjust or "tukey", sort=False).letters
        for row, text in zip(rows, grouped, strict=True):
            ax.text(1.02, row, text, transform=ax.get_yaxis_transform(), va="center", fontsize=9)
        letter = Line2D([], [], linestyle="none", marker="$a$", color=ink())
        test = "" if comparisons else f" ({adjust or 'tukey'}, p < {alpha:g})"
        entries.append((letter, f"shared: not different{test}"))
    ax.set_xlabel(mean_label(fit, scale))
    row = _name_ticks(ax, ticks, above)
    bars.set_linewidth(min(7.0, 0.45 * row))
    ax.set_ylabel(", ".join(name for name in found.names if name not in within))
    put_legend(ax, entries, 2, is_right=True, title="; ".join(notes))
    return finish(ax)


def _rows_by_block(found: MarginalMeans, within: Sequence[str]) -> dict[tuple[Any, ...], list[int]]:
    """Return the means of each combination of levels of ``within``."""
    places = [found.names.index(name) for name in within]
    blocks: dict[tuple[Any, ...], list[int]] = {}
    for i, row in enumerate(found.values):
        blocks.setdefault(tuple(row[j] for j in places), []).append(i)
    return blocks


def _place_rows(
    found: MarginalMeans, within: Sequence[str], blocks: Mapping[tuple[Any, ...], Sequence[int]]
) -> tuple[list[float], list[tuple[float, str, bool]]]:
    """Return the place of each mean, and of each name with the name and whether it is that of a block, from the top."""
    own = [j for j, name in enumerate(found.names) if name not in within]
    rows, ticks, place = [0.0] * len(found.values), [], 0.0
    for levels, members in blocks.items():
        if within:
            ticks.append((place, name_levels(within, levels), True))
            place -= 1.0
        for i in members:
            ticks.append((place, ", ".join(_show(found.values[i][j]) for j in own), False))
            rows[i], place = place, place - 1.0
    return rows, ticks


def _show(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _draw_arrows(
    ax: Axes,
    found: MarginalMeans,
    scale: ResponseScale | None,
    pairs: MarginalContrasts,
    blocks: Mapping[tuple[Any, ...], Sequence[int]],
    rows: Sequence[float],
    alpha: float,
) -> list[str]:
    """Draw the arrows of each block, on the scale of the means; return the pairs of which they are wrong."""
    wrong: list[str] = []
    for members, chosen in _pairs_by_block(pairs, blocks):
        where = np.array(list(combinations(range(len(members)), 2)), dtype=np.intp).reshape(-1, 2)
        margins = np.asarray(_margins(pairs, alpha))[chosen]
        arrows = comparison_arrows(found.estimate[members], where, margins, pairs.p[chosen] < alpha)
        names = [name_levels(found.names, found.values[i]) for i in members]
        wrong += [f"{names[i]} and {names[j]}" for i, j in arrows.wrong]
        for i, left, right in zip(members, -arrows.left, arrows.right, strict=True):
            for length in (left, right):
                if length:
                    start, end = back(found.estimate[i] + np.array([0.0, length]), scale).tolist()
                    _draw_arrow(ax, start, end, rows[i])
    return wrong


def _pairs_by_block(
    pairs: MarginalContrasts, blocks: Mapping[tuple[Any, ...], Sequence[int]]
) -> Iterator[tuple[list[int], list[int]]]:
    """Yield the means of each block that are compared, and the rows of their contrasts."""
    rows: dict[tuple[Any, ...], list[int]] = {}
    for k, group in enumerate(pairs.groups):
        rows.setdefault(tuple(group), []).append(k)
    for levels, chosen in rows.items():
        yield list(blocks[levels]), chosen


def _margins(pairs: MarginalContrasts, alpha: float) -> Any:
    """Return half the width of each contrast's simultaneous interval."""
    limits = pairs.conf_int(alpha).iloc[:, -2:].to_numpy(dtype=float)
    return (limits[:, 1] - limits[:, 0]) / 2.0


def _draw_arrow(ax: Axes, start: float, end: float, row: float) -> None:
    style = {"arrowstyle": "-|>", "color": COLOURS[1], "linewidth": 1.6, "shrinkA": 0.0, "shrinkB": 0.0}
    ax.annotate("", (end, row), (start, row), arrowprops=style, annotation_clip=False, zorder=3)
    ax.update_datalim([(end, row)])
    ax.autoscale_view()


def _name_ticks(ax: Axes, ticks: Sequence[tuple[float, str, bool]], lines_above: int) -> float:
    """Write the names beside the rows, those of blocks in bold; return the height of a row, in points."""
    places, names, is_block = zip(*ticks, strict=True)
    row = name_places(ax, places, names, lines_above)
    for text, bold in zip(ax.get_yticklabels(), is_block, strict=True):
        if bold:
            text.set_fontweight("bold")
    ax.spines["left"].set_color(GREY)
    return row

"""Plot of the means of one variable at the levels of others, joined by lines: parallel where nothing interacts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, overload

from lmmtools.errors import DataError
from lmmtools.inference.degrees import check_ddf
from lmmtools.inference.marginal.means import name_list
from lmmtools.inference.tails import check_level
from lmmtools.plots.effects_plot import draw_curves, put_curve_legend
from lmmtools.plots.mean_curves import mean_curves
from lmmtools.plots.style import SIZE, finish, need_fit, new_axes, new_panels, put_figure_legend, size_of_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from lmmtools.fit.record import Fit
    from lmmtools.inference.degrees import DDF
    from lmmtools.plots.mean_curves import Scale

__all__ = ["interaction"]

_NAME = r"`([^`]+)`|([^\s~|*`]+)"
_NAMES = r"\s*(?:`[^`]+`|[^\s~|*`]+)\s*(?:\*\s*(?:`[^`]+`|[^\s~|*`]+)\s*)*"
_EXAMPLE = '"trace ~ x", or "trace ~ x | by"'


@overload
def interaction(
    fit: Fit,
    formula: str | None = None,
    *,
    x: str | None = None,
    trace: str | Sequence[str] | None = None,
    by: None = None,
    at: Mapping[str, Any] | None = None,
    type: Scale = "link",
    is_interval_shown: bool = True,
    level: float = 0.95,
    ddf: DDF = "satterthwaite",
    ax: Axes | None = None,
) -> Axes: ...


@overload
def interaction(
    fit: Fit,
    formula: str | None = None,
    *,
    x: str | None = None,
    trace: str | Sequence[str] | None = None,
    by: str | Sequence[str],
    at: Mapping[str, Any] | None = None,
    type: Scale = "link",
    is_interval_shown: bool = True,
    level: float = 0.95,
    ddf: DDF = "satterthwaite",
    fig: Figure | SubFigure | None = None,
) -> Figure | SubFigure: ...


def interaction(
    fit: Fit,
    formula: str | None = None,
    *,
    x: str | None = None,
    trace: str | Sequence[str] | None = None,
    by: str | Sequence[str] | None = None,
    at: Mapping[str, Any] | None = None,
    type: Scale = "link",
    is_interval_shown: bool = True,
    level: float = 0.95,
    ddf: DDF = "satterthwaite",
    ax: Axes | None = None,
    fig: Figure | SubFigure | None = None,
) -> Axes | Figure | SubFigure:
    """Return Axes with the means of one variable, a line for each level of another; a Figure of panels with ``by``.

    The numbers are those of :meth:`LMMResults.marginal_means`. R's ``emmip()`` draws the same.

    Parameters
    ----------
    fit : LMMResults
    formula : str, optional
        ``"trace ~ x"``, or ``"trace ~ x | by"``, instead of the next three; ``*`` joins several names.
    x : str, optional
        A column of the fixed effects, along the x axis.
    trace : str or list of str, optional
        Columns with a line for each level.
    by : str or list of str, optional
        Columns with a panel for each level.
    at : mapping of str to values, optional
        Levels or values to use for some columns.
    type : {"link", "response"}
        The scale of the model, or that of the response's column where the formula has a function of it, ``log(y)``.
    is_interval_shown : bool
        Whether each mean has its interval; intervals stand side by side.
    level : float
        Coverage of the intervals. Whether two of them overlap is no test of the difference; see ``means``.
    ddf : {"satterthwaite", "kenward-roger", "residual", "z"}
        Degrees of freedom, as :meth:`LMMResults.marginal_means` has them.
    ax : Axes, optional
        Where to draw without ``by``.
    fig : Figure or SubFigure, optional
        Where to draw the panels of ``by``.

    Raises
    ------
    DataError
        If the formula has another form, a name is no column of the fixed effects, there are more than twelve lines in
        a panel, or ``ax`` is given for panels.

    See Also
    --------
    effects : Means along a variable over the data.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> oats = lmt.datasets.load("Oats")
    >>> fit = lmt.lmm("yield ~ Variety * nitro + (1 | Block/Variety)", oats).fit(engine="pls")
    >>> lmt.plots.interaction(fit, "Variety ~ nitro").get_xlabel()
    'nitro'
    """
    need_fit(fit)
    method = check_ddf(ddf)
    check_level(level)
    along, lines, panels = _read_names(formula, x, trace, by)
    found = mean_curves(fit, along, [*lines, *panels], at, level, method, "none", type, is_limited=not panels)
    if not panels:
        if fig is not None:
            raise DataError("fig= is for the panels of by=; for one panel give ax=")
        ax = new_axes(ax, size_of_columns(found.along) if found.is_factor else SIZE)
        shown = draw_curves(ax, found, is_joined=True, is_interval_shown=is_interval_shown)
        put_curve_legend(ax, found, shown, is_interval_shown)
        return finish(ax)
    if ax is not None:
        raise DataError("by= draws a panel for each level: give fig=, a matplotlib Figure; ax= is for one panel")
    parts = found.split_panels(len(panels))
    figure, axes = new_panels(fig, len(parts), is_y_shared=True)
    for own, (title, part) in zip(axes, parts.items(), strict=True):
        shown = draw_curves(own, part, is_joined=True, is_interval_shown=is_interval_shown)
        own.set_title(title, fontsize=9)
        own.label_outer()
        finish(own)
    part = next(iter(parts.values()))
    interval = f", {found.interval}" if is_interval_shown else ""
    heading = "\n".join([*found.notes, f"{', '.join(lines)}: mean{interval}"])
    put_figure_legend(figure, [(artist, c.label) for (artist, _), c in zip(shown, part.curves, strict=True)], heading)
    return figure


def _read_names(
    formula: str | None, x: str | None, trace: str | Sequence[str] | None, by: str | Sequence[str] | None
) -> tuple[str, list[str], list[str]]:
    """Return the names along the x axis, of lines, and of panels.

    Raises
    ------
    DataError
        If the formula is none of that form, is given beside names, or there are no names.
    """
    if x is None and isinstance(formula, str) and "~" not in formula:
        x, formula = formula, None
    if formula is None:
        if x is None or trace is None:
            raise DataError(f"interaction() needs x= and trace=, or a formula: {_EXAMPLE}")
        return x, name_list(trace, "trace"), name_list(by, "by")
    if x is not None or trace is not None or by is not None:
        raise DataError(f"a formula ({_EXAMPLE}) stands in place of x=, trace= and by=; give one of both")
    found = re.fullmatch(rf"({_NAMES})~({_NAMES})(?:\|({_NAMES}))?", formula) if isinstance(formula, str) else None
    along = _names(found[2]) if found else []
    if not found or len(along) != 1:
        raise DataError(f"{formula!r} is no formula of an interaction plot; write {_EXAMPLE}")
    return along[0], _names(found[1]), _names(found[3] or "")


def _names(text: str) -> list[str]:
    return [quoted or plain for quoted, plain in re.findall(_NAME, text)]

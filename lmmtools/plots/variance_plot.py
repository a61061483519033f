"""Plot of the variance of each term and of the residual, with their shares."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.formula.expressions import plain_name
from lmmtools.inference.variance.partition import variance_parts as parts_of
from lmmtools.plots.style import COLOURS, GREY, SIZE, finish, need_fit, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lmmtools.fit.record import Fit

__all__ = ["variance", "variance_parts"]

# Most letters of a line of a part's name.
_LETTERS = 26


def variance(fit: Fit, *, ax: Axes | None = None) -> Axes:
    """Return Axes with the variance of each term and of the residual, and their shares of the sum.

    Parameters
    ----------
    fit : LMMResults
    ax : Axes, optional

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> lmt.plots.variance(fit).get_xlabel()
    'variance, in squared units of Reaction'
    """
    need_fit(fit)
    parts = variance_parts(fit)
    total = sum(parts.values())
    texts = [
        f"{textwrap.fill(name, _LETTERS)}\n{value:.4g} ({100 * value / total:.3g}%)" for name, value in parts.items()
    ]
    ax = new_axes(ax, (SIZE[0], 0.8 + 0.19 * sum(text.count("\n") + 2 for text in texts)))
    rows = np.arange(len(parts))[::-1]
    values = np.array(list(parts.values()))
    colours = [COLOURS[0]] * (len(parts) - 1) + [GREY]
    ax.barh(rows, values, color=colours, height=0.6)
    ax.set_yticks(rows, texts, fontsize=9, parse_math=False)
    ax.set_xlabel(f"variance, in squared units of {plain_name(fit.design.formula.response)}")
    return finish(ax)


def variance_parts(fit: Fit) -> dict[str, float]:
    """Return the variance that each term contributes to a row on average, the residual's last.

    For an intercept by a factor this is its variance; see :mod:`lmmtools.inference.variance.partition`.
    """
    parts = parts_of(fit)
    names = [
        term.name if term.cnames == ("(Intercept)",) else f"{term.name}: {', '.join(term.cnames)}"
        for term in fit.varcorr
    ]
    return {**dict(zip(names, parts.terms.tolist(), strict=True)), "residual": parts.residual}

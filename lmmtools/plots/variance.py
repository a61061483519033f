"""How the variance of the response divides between the terms and the residual."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.plots.style import COLOURS, GREY, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["variance", "variance_parts"]


def variance(fit: Any, *, ax: Axes | None = None) -> Axes:
    """Draw the variance that each term and the residual contribute, with its share of the sum.

    Parameters
    ----------
    fit : LMMResults
    ax : Axes, optional
    """
    parts = variance_parts(fit)
    total = sum(parts.values())
    ax = new_axes(ax, (6.4, 1.2 + 0.5 * len(parts)))
    rows = np.arange(len(parts))[::-1]
    values = np.array(list(parts.values()))
    colours = [COLOURS[0]] * (len(parts) - 1) + [GREY]
    ax.barh(rows, values, color=colours, height=0.6)
    ax.set_xlim(0, 1.25 * values.max())
    for row, value in zip(rows, values, strict=True):
        ax.annotate(
            f"{value:.4g} ({100 * value / total:.3g}%)", (value, row), (4, 0), textcoords="offset points", va="center"
        )
    ax.set_yticks(rows, list(parts))
    ax.set_xlabel(f"variance, in squared units of {fit.design.formula.response}")
    return ax


def variance_parts(fit: Any) -> dict[str, float]:
    """Return the variance that each term contributes to a row on average, the residual's last.

    Of an intercept by a factor, its variance; of a term with slopes, the mean of z' Sigma z over the rows (Johnson
    2014). With prior weights, the residual's is the mean of sigma^2 / w.
    """
    parts = {}
    for term, block in zip(fit.varcorr, fit.design.blocks, strict=True):
        contribution = float(np.einsum("nl,lk,nk->n", block.basis, term.cov, block.basis).mean())
        is_intercept = list(term.cnames) == ["(Intercept)"]
        parts[term.name if is_intercept else f"{term.name}: {', '.join(term.cnames)}"] = contribution
    weights = fit.design.weights
    parts["residual"] = float(fit.scale * (1.0 if weights is None else np.mean(1.0 / weights)))
    return parts

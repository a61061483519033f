"""Plot of which levels of two factors occur together, ordered so that nesting, crossing and islands show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.errors import DataError
from lmmtools.plots.style import GREY, choose, finish, new_axes, shorten
from lmmtools.report.factors.blocks import block_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lmmtools.design.incidence import Blocks, Incidence
    from lmmtools.report.factors.structure import Structure

__all__ = ["incidence"]

# Most rows or columns before levels are drawn in blocks, most named levels, most cells whose counts are legible.
MAX_BLOCKS, MAX_NAMES, MAX_NUMBERS = 150, 45, 400


def incidence(structure: Structure, a: str | None = None, b: str | None = None, *, ax: Axes | None = None) -> Axes:
    """Return Axes with the combinations of two factors' levels that occur.

    Nested factors show as stairs, crossed factors as a full field, islands as blocks.

    Parameters
    ----------
    structure : Structure
        As ``lmmtools.structure(data, factors)`` returns it.
    a, b : str, optional
        Factors that go down and across; by default the first two, the one with more levels across.
    ax : Axes, optional

    Raises
    ------
    DataError
        If they are not two of the factors, or there is one factor only.

    See Also
    --------
    lmmtools.structure : What the data show of the factors.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> found = lmt.structure(lmt.datasets.load("Penicillin"), ["plate", "sample"])
    >>> lmt.plots.incidence(found).get_xlabel()
    'plate'
    """
    if not hasattr(structure, "factors"):
        raise DataError(
            f"This is a {type(structure).__name__}; incidence() draws what lmmtools.structure(data, factors) returns."
        )
    table = _order_table(structure, a, b)
    blocks = table.blocks(MAX_BLOCKS, MAX_BLOCKS)
    rows, columns = blocks.counts.shape
    ax = new_axes(ax, (min(max(1.2 + 0.2 * columns, 2.6), 6.4), min(0.9 + 0.2 * rows, 5.4)))
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap, PowerNorm

    values: Any = blocks.share.copy()
    values[values == 0] = float("nan")
    colours = ListedColormap(colormaps["Blues"](np.linspace(0.25, 1.0, 256)))
    # A square-root scale makes small shares of large tables visible.
    norm = PowerNorm(0.5, vmin=0.0, vmax=float(blocks.share.max()))
    mesh = ax.pcolormesh(range(columns + 1), range(rows + 1), values, cmap=colours, norm=norm)
    mesh.set_edgecolor("white" if max(rows, columns) <= MAX_NAMES else "none")
    mesh.set_rasterized(blocks.counts.size > MAX_NUMBERS)
    ax.set_xlim(0, columns)
    ax.set_ylim(rows, 0)
    ax.spines[:].set_visible(True)
    ax.spines[:].set_color(GREY)
    if blocks.is_whole and blocks.counts.size <= MAX_NUMBERS:
        for i, j in zip(*blocks.counts.nonzero(), strict=True):
            ax.text(j + 0.5, i + 0.5, f"{blocks.counts[i, j]}", ha="center", va="center", fontsize=7, color="white")
    _write_names(ax, table, blocks)
    if not blocks.is_whole:
        bar = ax.figure.colorbar(mesh, ax=ax, shrink=0.8)
        bar.set_label("share of the combinations that occur", fontsize=9)
    return finish(ax)


def _order_table(structure: Structure, a: str | None, b: str | None) -> Incidence:
    names = [f.name for f in structure.factors]
    if len(names) < 2:
        raise DataError(f"An incidence needs two factors; the structure has {names[0]} alone.")
    if a is None and b is None:
        first, second = sorted(structure.factors[:2], key=lambda f: f.m)
        return structure.incidence(first.name, second.name)
    others = [name for name in names if name not in (a, b)]
    return structure.incidence(choose(a, [*others, *names], "factor"), choose(b, [*others, *names], "factor"))


def _write_names(ax: Axes, table: Incidence, blocks: Blocks) -> None:
    """Write the names of the factors, and of their levels or, if these have no room, their numbers."""
    rows, columns = blocks.counts.shape
    if rows <= MAX_NAMES:
        names = [shorten(block_label(table.a_levels, blocks.row_edges, i)) for i in range(rows)]
        ax.set_yticks([i + 0.5 for i in range(rows)], names, fontsize=8, parse_math=False)
    else:
        ax.set_yticks([])
    if columns <= MAX_NAMES:
        names = [shorten(block_label(table.b_levels, blocks.column_edges, j)) for j in range(columns)]
        is_short = max(map(len, names)) <= 2
        turn = 0 if is_short else 90
        ax.set_xticks([j + 0.5 for j in range(columns)], names, fontsize=8, rotation=turn, parse_math=False)
    else:
        ax.set_xticks([])
    ax.tick_params(length=0)
    ax.set_ylabel(table.a if rows <= MAX_NAMES else f"{table.a} ({table.shape[0]:,} levels)")
    ax.set_xlabel(table.b if columns <= MAX_NAMES else f"{table.b} ({table.shape[1]:,} levels)")
    ax.set_title(f"{table.pair.a} and {table.pair.b}: {table.pair.relation}", fontsize=10)

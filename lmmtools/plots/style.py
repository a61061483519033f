"""What the plots share: colours, an Axes to draw on, and names on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lmmtools.errors import DataError, EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

__all__ = ["BAND", "COLOURS", "GREY", "MANY_POINTS", "MARKERS", "choose", "name_rows", "new_axes"]

# Okabe & Ito (2008): told apart by colour-blind readers; markers tell them apart in grey print too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
GREY, BAND = "#595959", "#BDBDBD"
# From this many rows on, points become counts.
MANY_POINTS = 5000
# As many names have room beside each other.
_MAX_NAMES = 60


def new_axes(ax: Axes | None, size: tuple[float, float] = (6.4, 4.2)) -> Axes:
    """Return the Axes given, or one on a new figure of ``size`` inches.

    Raises
    ------
    EngineError
        If matplotlib is not installed.
    """
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise EngineError('plots need matplotlib: pip install "lmmtools[plot]"') from error
    made: Axes = pyplot.subplots(figsize=size, layout="constrained")[1]
    made.spines[["top", "right"]].set_visible(False)
    return made


def choose(given: str | None, names: Sequence[str], what: str) -> str:
    """Return the name given, or the first of ``names``.

    Raises
    ------
    DataError
        If it is none of them, or there is none.
    """
    if not names:
        raise DataError(f"The model has no {what}, so there is nothing to plot.")
    if given is not None and given not in names:
        raise DataError(f"{given!r} is no {what} of the model; there are {', '.join(names)}.")
    return names[0] if given is None else given


def name_rows(ax: Axes, labels: Sequence[Any], name: str) -> None:
    """Write the levels of a factor beside the rows 0, 1, ... of a plot, or how many they are if there is no room."""
    if len(labels) <= _MAX_NAMES:
        ax.set_yticks(range(len(labels)), [str(label) for label in labels], fontsize=9 if len(labels) <= 30 else 7)
        ax.set_ylabel(name)
    else:
        ax.set_yticks([])
        ax.set_ylabel(f"{len(labels):,} levels of {name}, in order")
    ax.set_ylim(-0.8, len(labels) - 0.2)

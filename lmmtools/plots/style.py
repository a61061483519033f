"""What the plots share: colours, an Axes to draw on, legends above the data, names beside rows and points."""

from __future__ import annotations

import textwrap
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from lmmtools.audience import how_to_install
from lmmtools.errors import DataError, EngineError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
__all__ = [
    "BAND",
    "COLOURS",
    "DASHES",
    "GREY",
    "LETTER",
    "MANY_POINTS",
    "MARKERS",
    "SIZE",
    "SMALLEST",
    "apart_from_pyplot",
    "choose",
    "finish",
    "ink",
    "name_rows",
    "need_fit",
    "new_axes",
    "new_panels",
    "put_figure_legend",
    "put_legend",
    "shorten",
    "size_of_columns",
    "size_of_rows",
    "title_panel",
    "write_instead",
]

# Okabe & Ito (2008), distinct for colour-blind readers; markers are distinct in grey print too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES = ("-", "--", ":", "-.")
GREY, BAND = "#595959", "#BDBDBD"
# Rows beyond which densities replace points.
MANY_POINTS = 5000
# Inches. In a printed column of 8 cm, letters of 10 points are still 6.5 points high.
SIZE = (4.8, 3.4)
# Most names beside rows, and most letters of a name.
_MAX_NAMES, _LONGEST = 60, 32
# Letters of names beside rows that fit a plot of the usual width.
_NORMAL = 12
# Smallest legible size of letters, in points.
SMALLEST = 5.0
# Width of an average letter, in units of the font's size.
LETTER = 0.56
# Width over height of a panel whose sides are equally short of room.
_PANEL_SHAPE = 1.3
_IS_APART: ContextVar[bool] = ContextVar("is_apart", default=False)


@contextmanager
def apart_from_pyplot() -> Iterator[None]:
    """Make new figures without pyplot within the block, so that they are neither shown nor kept."""
    token = _IS_APART.set(True)
    try:
        yield
    finally:
        _IS_APART.reset(token)


def new_axes(ax: Axes | None, size: tuple[float, float] = SIZE) -> Axes:
    """Return the Axes given, or one on a new figure of ``size`` inches.

    Raises
    ------
    EngineError
        If matplotlib is not installed.
    DataError
        If ``ax`` is no Axes.
    """
    try:
        from matplotlib import axes
    except ImportError as error:
        raise EngineError(f"plots need matplotlib: {how_to_install('matplotlib')}") from error
    if isinstance(ax, axes.Axes):
        return ax
    if ax is not None:
        raise DataError(
            f"ax is a {type(ax).__name__}; it must be one matplotlib Axes, as in "
            "figure, ax = matplotlib.pyplot.subplots(), or one element of an array of them."
        )
    made = _new_figure(size).subplots()
    made.spines[["top", "right"]].set_visible(False)
    return made


def _new_figure(size: tuple[float, float]) -> Figure:
    if _IS_APART.get():
        from matplotlib.figure import Figure

        return Figure(figsize=size, layout="constrained")
    from matplotlib import pyplot

    figure: Figure = pyplot.figure(figsize=size, layout="constrained")
    return figure


def new_panels(
    fig: Figure | SubFigure | None,
    count: int,
    *,
    height: float = 2.6,
    most_columns: int = 3,
    is_y_shared: bool = False,
) -> tuple[Figure | SubFigure, list[Axes]]:
    """Return the figure given, or a new one, and that many Axes on it, in as many columns as are legible.

    Raises
    ------
    EngineError
        If matplotlib is not installed.
    DataError
        If ``fig`` is no Figure.
    """
    try:
        from matplotlib.figure import Figure, FigureBase
    except ImportError as error:
        raise EngineError(f"plots need matplotlib: {how_to_install('matplotlib')}") from error
    if fig is not None and not isinstance(fig, FigureBase):
        raise DataError(f"fig is a {type(fig).__name__}; it must be a matplotlib Figure, as pyplot.figure() makes it.")
    columns = min(count, most_columns, 2 if count == 4 else most_columns)
    if fig is None:
        figure: Any = _new_figure((max(SIZE[0], min(3.4 * columns, 7.5)), 0.6 + height * -(-count // columns)))
    else:
        figure = fig
        columns = _best_columns(fig.bbox.width, fig.bbox.height, count, columns)
        if isinstance(fig, Figure) and fig.get_layout_engine() is None:
            fig.set_layout_engine("constrained")
    rows = -(-count // columns)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=is_y_shared).ravel()
    for ax in grid:
        ax.spines[["top", "right"]].set_visible(False)
    for ax in grid[count:]:
        ax.remove()
    return figure, list(grid[:count])


def need_fit(fit: object) -> None:
    """Raise a DataError if this is no fit with its data.

    Raises
    ------
    DataError
        The message says what was given and how to get a fit.
    """
    if hasattr(fit, "design") and hasattr(fit, "estimate"):
        return
    cure = "fit a model: lmm(formula, data).fit()"
    if hasattr(fit, "fit"):
        cure = "call .fit() first"
    elif hasattr(fit, "cov_re"):
        cure = "read it first: from_mixedlm(result)"
    elif isinstance(fit, str):
        cure = f"fit the model so first: model.fit(engine={fit!r})"
    elif hasattr(fit, "varcorr"):
        cure = "it holds numbers without their data; fit the model again"
    raise DataError(f"A plot is drawn of an LMMResults; this is a {type(fit).__name__}: {cure}.")


def _best_columns(width: float, height: float, count: int, most: int) -> int:
    """Return the number of columns, at most so many, whose panels have the longest of their shorter sides."""

    def room(columns: int) -> float:
        return min(width / columns / _PANEL_SHAPE, height / -(-count // columns))

    return max(range(1, most + 1), key=room)


def ink() -> str:
    """Return the colour of text in the user's style: black, or what stands out from a dark ground."""
    import matplotlib

    colour: str = matplotlib.rcParams["text.color"]
    return colour


def choose(given: str | None, names: Sequence[str], what: str) -> str:
    """Return the name given, or the first of ``names``.

    Raises
    ------
    DataError
        If it is none of ``names``, or there are none.
    """
    if not names:
        raise DataError(f"The model has no {what}, so there is nothing to plot.")
    if given is not None and given not in names:
        raise DataError(f"{given!r} is no {what} of the model; there are {', '.join(names)}.")
    return names[0] if given is None else given


def size_of_rows(labels: Collection[Any]) -> tuple[float, float]:
    """Return the width and height in inches of a plot with a row for each label."""
    width = SIZE[0] + 0.07 * max(_longest_name(labels) - _NORMAL, 0)
    return width, min(max(0.19 * len(labels), 1.8), 7.2) + 0.7


def _longest_name(labels: Collection[Any]) -> int:
    """Return the number of letters of the longest name beside a row; zero if names are not written."""
    return max((len(shorten(label)) for label in labels), default=0) if len(labels) <= _MAX_NAMES else 0


def name_rows(ax: Axes, labels: Sequence[Any], name: str) -> None:
    """Write the levels of a factor beside the rows 0, 1, ... of a plot, or their number if there is no room.

    Call it after the x axis has its label, which is moved if the names are long.
    """
    # Points per row.
    room = ax.bbox.height * 72.0 / ax.figure.dpi / max(len(labels), 1)
    if len(labels) <= _MAX_NAMES and room >= SMALLEST:
        size = min(room, 9.0)
        ax.set_yticks(range(len(labels)), list(map(shorten, labels)), fontsize=size, parse_math=False)
        ax.set_ylabel(name)
        if _longest_name(labels) > _NORMAL:
            # Aligned right, the label can extend below the names.
            ax.xaxis.label.set(x=1.0, horizontalalignment="right")
    else:
        ax.set_yticks([])
        ax.set_ylabel(f"{len(labels):,} levels of {name}, in order")
    ax.set_ylim(-0.8, len(labels) - 0.2)


def size_of_columns(labels: Collection[Any]) -> tuple[float, float]:
    """Return the width and height in inches of a plot with a column for each label: wider where there are many."""
    return min(max(SIZE[0], 0.22 * len(labels)), 7.0), SIZE[1]


def shorten(label: Any, longest: int = _LONGEST) -> str:
    """Return a name, its middle left out if it is too long, since names often differ at their ends."""
    text = str(label)
    end = longest // 3
    return text if len(text) <= longest else f"{text[: longest - end - 1]}…{text[-end:]}"


def put_legend(
    ax: Axes,
    entries: Sequence[tuple[Any, str]],
    ncols: int = 3,
    title: str = "",
    heading: str = "",
    *,
    is_right: bool = False,
) -> None:
    """Put a legend above the plot, where it hides no data, with a heading, and a title above that.

    A name may begin with an underscore. There are as many columns as have room, at most ``ncols``. ``is_right``: the
    legend ends with the plot and may begin above names to its left, where it would be wider than the plot.
    """
    names = [_shorten_entry(name) for _, name in entries]
    # A column's marker and gap are six letters wide; a new Axes becomes about a fifth wider.
    widths = [LETTER * 9.0 * (max(map(len, name.split("\n"))) + 6) for name in names]
    room = 1.2 * ax.bbox.width * 72.0 / ax.figure.dpi
    count = min(ncols, len(names))
    while count > 1 and sum(max(widths[c::count]) for c in range(count)) > room:
        count -= 1
    shown = ax.legend(
        [artist for artist, _ in entries],
        # matplotlib leaves out labels with a leading underscore: names are set below.
        [str(i) for i in range(len(entries))],
        frameon=False,
        fontsize=9,
        loc="lower right" if is_right else "lower center",
        bbox_to_anchor=(1.0 if is_right else 0.5, 1.0),
        ncols=count,
        borderaxespad=0.2,
        title=_balance_lines(heading, max(int(room / (LETTER * 9.0)), 16)) if heading else None,
        title_fontsize=9,
    )
    shown.get_title().set_parse_math(False)
    for text, name in zip(shown.get_texts(), names, strict=True):
        text.set_text(name)
    if title:
        lines = _count_lines(names, count) + (shown.get_title().get_text().count("\n") + 1 if heading else 0)
        if is_right:
            title = _balance_lines(title, max(int(1.25 * ax.bbox.width * 72.0 / ax.figure.dpi / (LETTER * 9.0)), 16))
        ax.set_title(title, loc="right" if is_right else "center", fontsize=9, pad=8 + 14 * lines, parse_math=False)


def _count_lines(names: Sequence[str], columns: int) -> int:
    """Return the lines of a legend in so many columns."""
    return max(sum(name.count("\n") + 1 for name in names[c::columns]) for c in range(columns))


def _shorten_entry(name: str) -> str:
    """Return a name in a legend: on two lines if it is long, or its middle left out."""
    lines = textwrap.wrap(name, 48, break_long_words=False)
    return "\n".join(lines) if len(lines) <= 2 and all(len(line) <= 48 for line in lines) else shorten(name, 48)


def title_panel(ax: Axes, name: str, good: str) -> None:
    """Write the name of a panel and what a good one looks like above it, in place of its legend."""
    if (legend := ax.get_legend()) is not None:
        legend.remove()
    ax.set_title("")
    # The name begins with the plot, beside which labels take some 20 points.
    letters = max(int((1.2 * ax.bbox.width * 72.0 / ax.figure.dpi - 20.0) / (LETTER * 9.0)), 16)
    lines = [*textwrap.wrap(name, letters), *textwrap.wrap(good, letters)]
    ax.set_title("\n".join(lines), loc="left", fontsize=9, parse_math=False)


def write_instead(ax: Axes, text: str) -> None:
    """Write a text in place of a drawing that cannot be made."""
    letters = max(int(ax.bbox.width * 72.0 / ax.figure.dpi / (LETTER * 9.0)), 16)
    ax.set_axis_off()
    style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 9, "parse_math": False}
    ax.text(0.5, 0.5, textwrap.fill(text, letters), transform=ax.transAxes, **style)


def put_figure_legend(figure: Figure | SubFigure, entries: Sequence[tuple[Any, str]], heading: str) -> None:
    """Put one legend above all panels of a figure, with a heading of one or several lines."""
    names = [shorten(name, 48) for _, name in entries]
    letters = figure.bbox.width * 72.0 / figure.dpi / (LETTER * 9.0)
    count = min(4, len(names), max(1, int(letters / (max(map(len, names)) + 6))))
    shown = figure.legend(
        [artist for artist, _ in entries],
        [str(i) for i in range(len(entries))],
        frameon=False,
        fontsize=9,
        loc="outside upper center",
        ncols=count,
        title="\n".join(_balance_lines(line, max(int(letters), 16)) for line in heading.split("\n")),
        title_fontsize=9,
    )
    for text, name in zip(shown.get_texts(), names, strict=True):
        text.set_text(name)
    for text in (*shown.get_texts(), shown.get_title()):
        text.set_parse_math(False)


def finish(ax: Axes) -> Axes:
    """Return the Axes with labels and notes as plain text, long labels on several lines.

    Otherwise matplotlib reads ``$`` in a name as mathematics, and fails if it is not valid.
    """
    labels = (ax.xaxis.label, ax.yaxis.label, ax.title)
    legend = ax.get_legend()
    for text in (*labels, *ax.texts, *(legend.get_texts() if legend else ())):
        text.set_parse_math(False)
    points = 72.0 / ax.figure.dpi
    # A new Axes becomes about 15% larger when its figure is laid out; a title is in the middle of it, and the figure
    # ends to the right.
    rooms = (1.15 * ax.bbox.width, 1.15 * ax.bbox.height, ax.bbox.width)
    for text, room in zip(labels, rooms, strict=True):
        letters = max(int(room * points / (LETTER * float(text.get_fontsize()))), 16)
        text.set_text("\n".join(_balance_lines(line, letters) for line in text.get_text().split("\n")))
    return ax


def _balance_lines(line: str, letters: int) -> str:
    """Return a text on as few lines as it needs, of about equal length."""
    count = len(textwrap.wrap(line, letters))
    longest = max(map(len, line.split()), default=1)
    while letters > longest and len(textwrap.wrap(line, letters - 1)) == count:
        letters -= 1
    return textwrap.fill(line, letters)

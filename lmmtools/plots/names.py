"""Names in plots: below columns and beside rows, as large as they fit, and beside points where they cover nothing."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lmmtools.plots.style import LETTER, SMALLEST, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["name_columns", "name_places", "name_points"]

# Sizes of letters of names below columns and beside rows, in points, and most lines of a name below.
_COLUMN_SIZES, _ROW_SIZES, _COLUMN_LINES = (10.0, 9.0, 8.0), (10.0, 9.0, 8.0, 7.5), 3
# Share of the width, of names and rows, that names beside rows take at most.
_NAMES_SHARE = 0.42
# Height of a line of a legend, in points.
_LINE = 14.0
# In points: size of the letters of names beside points, half a marker, the gap between both.
_NAME_SIZE, _HALF_MARKER, _GAP = 8.0, 3.0, 2.0
# Width that such a letter is given, in units of its size; more than the average.
_WIDE_LETTER = 0.6


def name_columns(ax: Axes, labels: Sequence[Any]) -> None:
    """Write the levels of a factor below the places 0, 1, ...: on lines that fit side by side, or else upright.

    Words are not divided. Upright names take at most a third of the plot's height.
    """
    texts, points = [str(label) for label in labels], 72.0 / ax.figure.dpi
    room = ax.bbox.width * points / max(len(texts), 1)
    for size in _COLUMN_SIZES:
        letters = int(room / (LETTER * size)) - 1
        lines = [textwrap.wrap(text, letters, break_long_words=False) if letters > 0 else [] for text in texts]
        if all(own and len(own) <= _COLUMN_LINES and max(map(len, own)) <= letters for own in lines):
            names, angle = ["\n".join(own) for own in lines], 0
            break
    else:
        size, angle = min(room, 9.0), 90
        longest = max(int(ax.bbox.height * points / 3.0 / (LETTER * max(size, SMALLEST))), 4)
        names = [shorten(text, longest) for text in texts]
    if size < SMALLEST:
        ax.set_xticks([])
        return
    ax.set_xticks(range(len(names)), names, fontsize=size, parse_math=False, rotation=angle)
    ax.set_xlim(-0.6, len(names) - 0.4)


def name_places(ax: Axes, places: Sequence[float], names: Sequence[str], lines_above: int = 0) -> float:
    """Write names beside rows at some places, as large as leaves more than half of the width to the plot.

    Call it after the x axis has its label: a long one ends with the plot, so that it may begin below the names.
    ``lines_above``: lines of legend and title that the plot's height must leave room for. Returned is the height of a
    row, in points.
    """
    points = 72.0 / ax.figure.dpi
    # A new Axes is about four fifths of its figure.
    width, height = 1.25 * ax.bbox.width * points, 1.1 * ax.bbox.height * points - _LINE * lines_above
    room = max(height, 0.25 * ax.bbox.height * points) / max(len(names), 1)
    for size in _ROW_SIZES:
        longest = int(_NAMES_SHARE * width / (LETTER * size))
        if size <= room and max(map(len, names), default=0) <= longest:
            break
    size = max(min(size, room), 3.0)
    texts = [shorten(name, max(longest, 8)) for name in names]
    ax.set_yticks(places, texts, fontsize=size, parse_math=False)
    ax.set_ylim(min(places) - 0.7, max(places) + 0.7)
    label = ax.xaxis.label
    if len(label.get_text()) * LETTER * float(label.get_fontsize()) > (1.0 - _NAMES_SHARE) * width:
        label.set(x=1.0, horizontalalignment="right")
    return room


class _Box(NamedTuple):
    """A rectangle: left, bottom, right and top, in points."""

    left: float
    bottom: float
    right: float
    top: float

    def meets(self, other: _Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.bottom < other.top and other.bottom < self.top
        )


def name_points(ax: Axes, x: Floats, y: Floats, names: Sequence[str], obstacles: Floats) -> int:
    """Write names beside their points where they cover neither points nor names; return how many had no room.

    Points closer than half a marker share a label. The limits of ``ax`` must be final.

    Parameters
    ----------
    ax : Axes
    x, y : ndarray, shape (m,)
        NaN where there is no point.
    names : sequence of str, length m
    obstacles : ndarray, shape (k, 2)
        Points that no name may cover, those to be named included.
    """
    scale = 72.0 / ax.figure.dpi
    places = np.asarray(ax.transData.transform(np.column_stack([x, y]))) * scale
    markers = [_box_of_marker(place) for place in np.asarray(ax.transData.transform(obstacles)) * scale]
    frame = _Box(*(np.asarray(ax.bbox.extents) * scale))
    taken: list[_Box] = []
    lost = 0
    for members in _group_coinciding(places):
        text = ", ".join(names[k] for k in members)
        for align, offset, box in _candidate_places(places[members[0]], text):
            is_inside = box.left >= frame.left and box.right <= frame.right
            if is_inside and not any(box.meets(other) for other in (*markers, *taken)):
                taken.append(box)
                at = (x[members[0]], y[members[0]])
                style: dict[str, Any] = {"fontsize": _NAME_SIZE, "ha": align, "va": "center", "parse_math": False}
                ax.annotate(text, at, offset, textcoords="offset points", annotation_clip=False, **style)
                break
        else:
            lost += len(members)
    return lost


def _group_coinciding(places: Floats) -> list[list[int]]:
    """Return the indices of points in groups that coincide in the plot; points that are NaN are in no group."""
    groups: dict[tuple[int, int], list[int]] = {}
    for k in np.flatnonzero(np.isfinite(places).all(axis=1)).tolist():
        groups.setdefault((round(places[k, 0] / _HALF_MARKER), round(places[k, 1] / _HALF_MARKER)), []).append(k)
    return list(groups.values())


def _box_of_marker(place: Floats) -> _Box:
    return _Box(place[0] - _HALF_MARKER, place[1] - _HALF_MARKER, place[0] + _HALF_MARKER, place[1] + _HALF_MARKER)


def _candidate_places(place: Floats, text: str) -> list[tuple[str, tuple[float, float], _Box]]:
    """Return the places of a name, best first: alignment, offset, and the box that it fills."""
    width, half = _WIDE_LETTER * _NAME_SIZE * len(text), 0.5 * _NAME_SIZE
    away, up = _HALF_MARKER + _GAP, _HALF_MARKER + half
    found = []
    for align, dx, dy in (
        ("left", away, 0.0),
        ("right", -away, 0.0),
        ("center", 0.0, up),
        ("center", 0.0, -up),
        ("left", away - 2.0, up),
        ("left", away - 2.0, -up),
        ("right", 2.0 - away, up),
        ("right", 2.0 - away, -up),
    ):
        left = place[0] + dx - {"left": 0.0, "center": width / 2, "right": width}[align]
        middle = place[1] + dy
        found.append((align, (dx, dy), _Box(left, middle - half, left + width, middle + half)))
    return found

"""Names beside points, each where it covers neither a point nor another name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["name_points"]

# In points: of the letters, of an average one's width in units of that, of half a marker, of the gap beside it.
_SIZE, _LETTER, _MARKER, _GAP = 8.0, 0.6, 3.0, 2.0


class _Box(NamedTuple):
    """Left, bottom, right and top, in points."""

    left: float
    bottom: float
    right: float
    top: float

    def meets(self, other: _Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.bottom < other.top and other.bottom < self.top
        )


def name_points(ax: Axes, x: Floats, y: Floats, names: Sequence[str], obstacles: Floats) -> int:
    """Write names beside their points, and return for how many there was no room.

    Points closer than half a marker share a label. The limits of ``ax`` have to be final.

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
    markers = [_around(place) for place in np.asarray(ax.transData.transform(obstacles)) * scale]
    frame = _Box(*(np.asarray(ax.bbox.extents) * scale))
    taken: list[_Box] = []
    lost = 0
    for members in _together(places):
        text = ", ".join(names[k] for k in members)
        for align, offset, box in _positions(places[members[0]], text):
            is_inside = box.left >= frame.left and box.right <= frame.right
            if is_inside and not any(box.meets(other) for other in (*markers, *taken)):
                taken.append(box)
                at = (x[members[0]], y[members[0]])
                style: dict[str, Any] = {"fontsize": _SIZE, "ha": align, "va": "center", "parse_math": False}
                ax.annotate(text, at, offset, textcoords="offset points", annotation_clip=False, **style)
                break
        else:
            lost += len(members)
    return lost


def _together(places: Floats) -> list[list[int]]:
    """Return the points in groups of those that cannot be told apart; points that are NaN in none."""
    groups: dict[tuple[int, int], list[int]] = {}
    for k in np.flatnonzero(np.isfinite(places).all(axis=1)).tolist():
        groups.setdefault((round(places[k, 0] / _MARKER), round(places[k, 1] / _MARKER)), []).append(k)
    return list(groups.values())


def _around(place: Floats) -> _Box:
    return _Box(place[0] - _MARKER, place[1] - _MARKER, place[0] + _MARKER, place[1] + _MARKER)


def _positions(place: Floats, text: str) -> list[tuple[str, tuple[float, float], _Box]]:
    """Return where a name may stand, the best place first: alignment, offset, and the box that it fills."""
    width, half = _LETTER * _SIZE * len(text), 0.5 * _SIZE
    away, up = _MARKER + _GAP, _MARKER + half
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

"""Following the deviance's valley: one parameter moves, all others stay where the deviance is smallest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.inference.profile.valley import FLAT_TOL, TOL, Valley, is_near_singular
from lmmtools.inference.profile.walk import Node, Side

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.inference.profile.around import SecondOrder
    from lmmtools.inference.profile.coordinates import Coordinates, Point

    Floats = NDArray[np.float64]

__all__ = ["Path", "follow"]

KINK = 1e-9
"""Width, in v, of the corner between a valley's zeta and a flat one."""


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """Points of one profile, in order of the coordinate.

    Attributes
    ----------
    nodes : tuple of Node
    at_fit : int
        Which of them is the fit.
    valley : Valley
        With the inverse Hessian of the others at the fit.
    direction : ndarray, shape (d,)
        How the others move with v at the fit.
    bounds : (float, float)
        Where v ends.
    ends : (bool, bool)
        Whether the first, the last point is where v ends.
    stopped : str
        Why a side goes no further, if one stops before the cutoff and the end.
    lowest : Point
        The fit's own point, or one that is lower: then the fit is not the minimum.
    """

    nodes: tuple[Node, ...]
    at_fit: int
    valley: Valley
    direction: Floats
    bounds: tuple[float, float]
    ends: tuple[bool, bool]
    stopped: str
    lowest: Point

    @property
    def v(self) -> Floats:
        """The coordinate that stands apart, shape (points,)."""
        return np.array([node.v for node in self.nodes])

    @property
    def zeta(self) -> Floats:
        """Signed root of the deviance's rise, shape (points,)."""
        return np.array([node.zeta for node in self.nodes])

    @property
    def slope(self) -> Floats:
        """d zeta / d v, shape (points,)."""
        return np.array([node.slope for node in self.nodes])


def follow(
    coordinates: Coordinates,
    v: float,
    x: Floats,
    local: SecondOrder,
    cutoff: float,
    bounds: tuple[float, float],
    elsewhere: Point | None = None,
) -> Path:
    """Return the profile around a fit, out to ``cutoff`` in zeta on both sides or to where the coordinate ends.

    Parameters
    ----------
    coordinates : Coordinates
    v, x
        The fit, the minimum of the deviance.
    local : SecondOrder
        The deviance's second derivatives there.
    cutoff : float
    bounds : (float, float)
        Where v ends.
    elsewhere : Point, optional
        What can be had whatever v is: the deviance's smallest value nowhere exceeds it.
    """
    lowest = coordinates.evaluate(v, x)
    cap = np.inf if elsewhere is None else float(np.sqrt(max(elsewhere.deviance - lowest.deviance, 0.0)))
    inverse = _positive_inverse(local.others)
    first = -inverse @ local.cross
    rate = float(np.sqrt(0.5 * max(local.own + float(local.cross @ first), 0.0)))
    start = Node(v, 0.0, rate, lowest, x, True)
    valley = Valley(coordinates, inverse, FLAT_TOL if is_near_singular(coordinates, x) else TOL)
    found: list[list[Node]] = []
    ends, deepest, stopped = [], lowest, ""
    for sign, bound in zip((-1.0, 1.0), bounds, strict=True):
        if abs(bound - v) < 1e-10:
            found.append([])
            ends.append(True)
            continue
        side = Side(replace(valley), [start], first, sign, bound)
        side.walk(min(cutoff, cap))
        nodes, ended = side.nodes, side.ended
        if elsewhere is not None and len(nodes) > 1 and cap <= min(cutoff, sign * nodes[-1].zeta):
            nodes, ended = _flattened(nodes, bound, cap, elsewhere), True
        found.append(nodes[1:])
        ends.append(ended)
        deepest = min(deepest, side.deepest, key=lambda point: point.deviance)
        stopped = stopped or side.stopped
    below, above = found
    both = (*reversed(below), start, *above)
    return Path(both, len(below), valley, first, bounds, (ends[0], ends[1]), stopped, deepest)


def _flattened(side: list[Node], bound: float, cap: float, beyond: Point) -> list[Node]:
    """Return the nodes, zeta flat at ``cap`` from where it comes there to where v ends."""
    from scipy.interpolate import CubicHermiteSpline
    from scipy.optimize import brentq

    *inner, last = side
    before = inner[-1]
    room = abs(bound - before.v)
    if room <= 3.0 * KINK:
        return side
    sign, width = (1.0 if bound > before.v else -1.0), abs(last.v - before.v)
    rise = CubicHermiteSpline([0.0, width], [sign * before.zeta, sign * last.zeta], [before.slope, last.slope])
    way = brentq(lambda u: float(rise(u)) - cap, 0.0, width) if sign * before.zeta < cap else 0.0
    way = min(max(way, KINK), room - 2.0 * KINK)
    corner = before.v + sign * way
    flat = [(corner, float(rise(way, 1))), (corner + sign * KINK, 0.0), (bound, 0.0)]
    return [*inner, *(Node(v, sign * cap, slope, beyond, None, True) for v, slope in flat)]


def _positive_inverse(hessian: Floats) -> Floats:
    values, vectors = np.linalg.eigh(hessian)
    floor = 1e-6 * max(float(np.abs(values).max(initial=0.0)), 1e-12)
    return np.asarray((vectors / np.maximum(np.abs(values), floor)) @ vectors.T)

"""One side of a profile: from the fit outwards to where zeta has a given value, or to where the parameter ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.errors import EngineError
from lmmtools.inference.profile.valley import FLAT_TOL, LOWER, Bottom, Valley

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.inference.profile.coordinates import Point

    Floats = NDArray[np.float64]

__all__ = ["Node", "Side"]

STEP = 0.5
"""Aim for this difference of zeta from one point to the next."""

FIRST = 0.1
"""The first step where the deviance is flat to second order: a guess."""

JUMP = 0.9
"""A step that changes zeta by more is shortened: what lies between would be guessed."""

USUAL = 1.959964
"""Most often the limits that are asked for are those of 95% intervals: a point next to them saves looking for it."""

OVERSHOOT = 5e-4
"""Steps to a stop aim beyond it by this share."""

NEAR_ZETA, NEAR_V = 2e-3, 2e-3
"""A point leads to the cutoff along its slope, with an error of second order, if its zeta is this near to it, and the
way shorter than this share of the way from the fit."""

DOUBTFUL = 1e-3
"""Expected decrease of the deviance, by the curvature at the fit, above which the minimum is looked for anew."""

MAX_STEPS = 200

MAX_SEARCHES = 20
"""How often a side may be taken up again in a lower valley."""

SHORTEST = 1e-3
"""A step that cannot be made is shortened down to this share; then the profile stops short."""

NARROW = 1e-9
"""Points this near to each other, of order one, between which zeta jumps."""

APART = 0.5
"""Where the others at two points differ by more than this, both are tried as starts between them."""


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One point of a path.

    Attributes
    ----------
    v : float
        The coordinate that stands apart.
    zeta : float
        Signed root of the deviance's rise above its minimum.
    slope : float
        d zeta / d v.
    point : Point
    x : ndarray, shape (d,), or None
        The others; None where the deviance is the same for any v.
    is_searched : bool
        Whether other valleys were looked for there, and none was lower.
    """

    v: float
    zeta: float
    slope: float
    point: Point
    x: Floats | None
    is_searched: bool = False


class Side:
    """One side of a path.

    Parameters
    ----------
    valley : Valley
    nodes : list of Node
        From the fit outwards; those that are found are added.
    direction : ndarray, shape (d,)
        How the others move with v at the fit.
    sign : float
        1 upwards, -1 downwards.
    bound : float
        Where v ends.

    Attributes
    ----------
    ended : bool
        Whether the last node is there.
    stopped : str
        Why the side goes no further, where it comes neither to the cutoff nor to the end.
    deepest : Point
        The lowest point that it came to.
    """

    def __init__(self, valley: Valley, nodes: list[Node], direction: Floats, sign: float, bound: float) -> None:
        self.valley, self.nodes, self.direction, self.sign, self.bound = valley, nodes, direction, sign, bound
        self.inverse = valley.inverse
        self.ended, self.stopped, self.deepest = False, "", nodes[0].point

    def walk(self, cutoff: float) -> Node | None:
        """Go out to the cutoff and return the node that is next to it, the lowest there; None if there is none.

        The side may end before, or stop.
        """
        for _ in range(MAX_SEARCHES):
            self._step_out(cutoff)
            near = self._bracket_cutoff(cutoff)
            if near is None and self._is_short_of(cutoff):
                continue
            if near is None:
                return None
            found = self.nodes[near]
            if found.is_searched or found.x is None:
                return found
            lower = self._lower_at(found.v, Bottom(found.x, found.point, 0.0, found.point.slope))
            if self.stopped:
                return None
            if lower is None:
                self.nodes[near] = replace(found, is_searched=True)
                return self.nodes[near]
            self.nodes[near:] = [self._node(found.v, lower)]
            self.ended = False
            self._lower_inner_nodes()
        self.stopped = "lower and lower minima over the other parameters are found"
        return None

    def _lower_at(self, v: float, known: Bottom) -> Bottom | None:
        """Return a lower bottom at v than the one that is known, None where a new search finds none."""
        x, g = known.x, known.point.gradient
        if 0.5 * float(g @ self.inverse @ g) > DOUBTFUL:
            # By the curvature at the fit there is more to gain than by that learnt on the way.
            again = Valley(self.valley.coordinates, np.eye(len(x)), FLAT_TOL).settle(v, x, x)
            if again.left > DOUBTFUL:
                self.stopped = "the deviance could not be minimised over the other parameters"
                return None
            if again.deviance < known.deviance - LOWER:
                return again
        return self.valley.search_elsewhere(v, known)

    def _is_short_of(self, cutoff: float) -> bool:
        return not self.stopped and self.sign * self.nodes[-1].zeta < cutoff and not self.ended

    def _lower_inner_nodes(self) -> None:
        """Follow the last node's valley inwards while it is lower there than the one that was followed outwards."""
        x = self.nodes[-1].x
        for i in range(len(self.nodes) - 2, 0, -1):
            node = self.nodes[i]
            if x is None:
                return
            try:
                lower = self.valley.settle(node.v, x, x)
            except EngineError:
                return
            if lower.deviance > node.point.deviance - LOWER:
                return
            self.nodes[i], x = self._node(node.v, lower), lower.x

    def _step_out(self, cutoff: float) -> None:
        before, shorter = 0.5 * FIRST, np.inf
        for _ in range(MAX_STEPS):
            last = self.nodes[-1]
            if self.ended or self.sign * last.zeta >= cutoff:
                return
            step = min(self._next_step(cutoff, before), shorter)
            v = last.v + self.sign * step
            is_end = (self.bound - v) * self.sign <= 0.0
            v = self.bound if is_end else v
            shortest = SHORTEST * max(abs(last.v - self.nodes[0].v), SHORTEST)
            try:
                node = self._settle_at(v)
            except EngineError as error:
                shorter = 0.5 * abs(v - last.v)
                if shorter < shortest:
                    self.stopped = f"the deviance cannot be evaluated further out ({error})"
                    return
                continue
            jump = self.sign * (node.zeta - last.zeta)
            if jump > JUMP and abs(v - last.v) > shortest:
                shorter = abs(v - last.v) * max(0.1, min(0.5, STEP / jump))
                continue
            self.nodes.append(node)
            if jump < -LOWER:
                self._lower_inner_nodes()
            self.ended, before, shorter = is_end, abs(v - last.v), np.inf
        self.stopped = f"{MAX_STEPS} steps do not lead to the cutoff"

    def _next_step(self, cutoff: float, before: float) -> float:
        """Return how far to go: a difference of ``STEP`` in zeta, or to the cutoff where it is near."""
        last = self.nodes[-1]
        slope = last.slope
        if not slope > 0.0:
            return 2.0 * before
        usual, left = (stop * (1.0 + OVERSHOOT) - self.sign * last.zeta for stop in (USUAL, cutoff))
        left = min(usual, left) if usual > 0.2 * STEP else left
        # Steps of equal length to the next stop.
        wanted = left / max(round(left / STEP), 1)
        if len(self.nodes) == 1:
            return wanted / slope
        bend = (slope - self.nodes[-2].slope) / abs(last.v - self.nodes[-2].v)
        root = max(slope * slope + 2.0 * bend * wanted, 0.25 * slope * slope)
        return min(2.0 * wanted / (slope + float(np.sqrt(root))), 2.0 * before)

    def _bracket_cutoff(self, cutoff: float) -> int | None:
        """Return the place of a node next to the cutoff, found between the last two; None if it lies further out."""
        for i in range(MAX_STEPS):
            if self.sign * self.nodes[-1].zeta < cutoff or len(self.nodes) == 1:
                return None
            inside, outside = self.nodes[-2:]
            for at in (-1, -2):
                if self._is_next_to(self.nodes[at], cutoff):
                    return len(self.nodes) + at
            if outside.x is None or inside.x is None:
                return None
            width = abs(outside.v - inside.v)
            if width <= NARROW * max(1.0, abs(outside.v)):
                lower = self.valley.settle(outside.v, inside.x, inside.x)
                if lower.deviance > outside.point.deviance - LOWER:
                    return len(self.nodes) - 1
                self.nodes[-1] = self._node(outside.v, lower)
                continue
            share = 0.5 if i % 4 == 3 else _share_of_way(inside, outside, self.sign, cutoff)
            try:
                node = self._between(inside, outside, share)
            except EngineError as error:
                self.stopped = f"the deviance cannot be evaluated further out ({error})"
                return None
            if self.sign * node.zeta >= cutoff:
                self.nodes[-1] = node
                self.ended = False
            else:
                self.nodes.insert(-1, node)
        return None

    def _is_next_to(self, node: Node, cutoff: float) -> bool:
        gap = abs(self.sign * node.zeta - cutoff)
        return gap <= NEAR_ZETA and gap <= NEAR_V * node.slope * abs(node.v - self.nodes[0].v)

    def _between(self, inside: Node, outside: Node, share: float) -> Node:
        v = inside.v + share * (outside.v - inside.v)
        assert inside.x is not None
        assert outside.x is not None
        way = outside.x - inside.x
        bottom = self.valley.settle(v, inside.x + share * way, inside.x, way / (outside.v - inside.v))
        if len(way) and np.abs(way).max() > APART:
            others = [self.valley.settle(v, x, x) for x in (inside.x, outside.x)]
            bottom = min((bottom, *others), key=lambda b: b.deviance)
        return self._node(v, bottom)

    def _settle_at(self, v: float) -> Node:
        guess, tangent = _extrapolate(self.nodes, self.direction, v)
        x = self.nodes[-1].x
        assert x is not None
        return self._node(v, self.valley.settle(v, guess, x, tangent))

    def _node(self, v: float, bottom: Bottom) -> Node:
        start = self.nodes[0]
        rise = bottom.deviance - start.point.deviance
        self.deepest = min(self.deepest, bottom.point, key=lambda point: point.deviance)
        size = float(np.sqrt(max(rise, 0.0)))
        slope = self.sign * bottom.slope / (2.0 * size) if size > 1e-8 else start.slope
        return Node(v, self.sign * size, slope, replace(bottom.point, deviance=bottom.deviance), bottom.x)


def _share_of_way(inside: Node, outside: Node, sign: float, cutoff: float) -> float:
    """Return where between two nodes zeta is expected at the cutoff, on the cubic through their slopes."""
    from scipy.optimize import brentq

    h = abs(outside.v - inside.v)
    low, high = sign * inside.zeta - cutoff, sign * outside.zeta - cutoff
    a, b = h * inside.slope, h * outside.slope

    def rise(u: float) -> float:
        w = 1.0 - u
        return w * w * (1.0 + 2.0 * u) * low + u * u * (3.0 - 2.0 * u) * high + u * w * (w * a - u * b)

    if not (low < 0.0 < high and np.isfinite(a + b + high)):
        return 0.5
    return float(np.clip(brentq(rise, 0.0, 1.0, xtol=1e-12), 0.01, 0.99))


def _extrapolate(nodes: list[Node], direction: Floats, v: float) -> tuple[Floats, Floats]:
    """Return the others expected at v, and how they move there: on the parabola through the last points."""
    v0, x0 = nodes[-1].v, nodes[-1].x
    assert x0 is not None
    if len(nodes) == 1:
        return x0 + direction * (v - v0), direction
    v1, x1 = nodes[-2].v, nodes[-2].x
    assert x1 is not None
    secant = (x0 - x1) / (v0 - v1)
    if len(nodes) == 2:
        bend = (secant - direction) / (v0 - v1)
    else:
        v2, x2 = nodes[-3].v, nodes[-3].x
        assert x2 is not None
        bend = (secant - (x1 - x2) / (v1 - v2)) / (v0 - v2)
    return x0 + (v - v0) * (secant + (v - v1) * bend), secant + (2.0 * v - v0 - v1) * bend

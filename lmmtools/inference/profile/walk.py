"""One side of a profile: from the fit outwards to a given zeta, or to the end of the parameter's range."""

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
"""Intended difference of zeta between neighbouring points."""

FIRST = 0.1
"""First step where the second derivative of the deviance is zero."""

JUMP = 0.9
"""A step that changes zeta by more than this is shortened."""

USUAL = 1.959964
"""Zeta of 95% limits, the most common ones: a point near it saves a search later."""

OVERSHOOT = 5e-4
"""Steps to a given zeta overshoot it by this share."""

NEAR_ZETA, NEAR_V = 2e-3, 2e-3
"""The cutoff is extrapolated along the slope of a point whose zeta is within NEAR_ZETA of it, over at most NEAR_V of
the distance from the fit; the error is of second order."""

DOUBTFUL = 1e-3
"""Expected decrease of the deviance, by the curvature at the fit, above which a point is minimised again."""

MAX_STEPS = 200

MAX_SEARCHES = 20
"""How often a side may be continued from a lower local minimum."""

SHORTEST = 1e-3
"""A step that fails is shortened down to this share of the distance from the fit; then the profile stops."""

NARROW = 1e-9
"""Width, relative to v, at which an interval in which zeta jumps is not divided further."""

APART = 0.5
"""If x differs by more than this between two points, both are tried as starts between them."""


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One point of a path.

    Attributes
    ----------
    v : float
        The profiled parameter's coordinate.
    zeta : float
        Signed root of the deviance's rise above its minimum.
    slope : float
        d zeta / d v.
    point : Point
    x : ndarray, shape (d,), or None
        The other coordinates; None where the deviance does not depend on v.
    is_searched : bool
        Whether other local minima were searched for there, and none was lower.
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
        Derivative of the other coordinates with respect to v at the fit.
    sign : float
        1 upwards, -1 downwards.
    bound : float
        End of v's range.

    Attributes
    ----------
    ended : bool
        Whether the last node is at ``bound``.
    stopped : str
        Why the side reaches neither the cutoff nor the bound.
    deepest : Point
        The lowest point met.
    """

    def __init__(self, valley: Valley, nodes: list[Node], direction: Floats, sign: float, bound: float) -> None:
        self.valley, self.nodes, self.direction, self.sign, self.bound = valley, nodes, direction, sign, bound
        self.inverse = valley.inverse
        self.ended, self.stopped, self.deepest = False, "", nodes[0].point

    def walk(self, cutoff: float) -> Node | None:
        """Return the node next to the cutoff, at the lowest local minimum; None if the side ends or stops before."""
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
        """Return a lower local minimum at v than the known one, None if a new search finds none."""
        x, g = known.x, known.point.gradient
        if 0.5 * float(g @ self.inverse @ g) > DOUBTFUL:
            # The curvature at the fit promises a larger decrease than the updated inverse Hessian.
            again = Valley(self.valley.coordinates, np.eye(len(x)), FLAT_TOL).settle(v, x, x)
            if again.left > DOUBTFUL:
                self.stopped = "the deviance could not be minimised over the other parameters"
                return None
            if again.deviance < known.deviance - LOWER:
                return again
        return self.valley.search_elsewhere(v, known)

    def _is_short_of(self, cutoff: float) -> bool:
        """Return whether the side can still go on towards the cutoff."""
        return not self.stopped and self.sign * self.nodes[-1].zeta < cutoff and not self.ended

    def _lower_inner_nodes(self) -> None:
        """Replace inner nodes by the last node's local minimum as long as it is lower than theirs."""
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
        """Add nodes outwards up to the first one at or beyond the cutoff."""
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
        """Return the length of the next step in v: ``STEP`` in zeta, or less if the cutoff is near."""
        last = self.nodes[-1]
        slope = last.slope
        if not slope > 0.0:
            return 2.0 * before
        usual, left = (stop * (1.0 + OVERSHOOT) - self.sign * last.zeta for stop in (USUAL, cutoff))
        left = min(usual, left) if usual > 0.2 * STEP else left
        # Steps of equal length to the 95% limit or the cutoff.
        wanted = left / max(round(left / STEP), 1)
        if len(self.nodes) == 1:
            return wanted / slope
        bend = (slope - self.nodes[-2].slope) / abs(last.v - self.nodes[-2].v)
        root = max(slope * slope + 2.0 * bend * wanted, 0.25 * slope * slope)
        return min(2.0 * wanted / (slope + float(np.sqrt(root))), 2.0 * before)

    def _bracket_cutoff(self, cutoff: float) -> int | None:
        """Return the index of a node next to the cutoff, found between the last two nodes; None if it lies beyond."""
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
        """Return whether the cutoff can be extrapolated from a node."""
        gap = abs(self.sign * node.zeta - cutoff)
        return gap <= NEAR_ZETA and gap <= NEAR_V * node.slope * abs(node.v - self.nodes[0].v)

    def _between(self, inside: Node, outside: Node, share: float) -> Node:
        """Return the node at a share of the way between two nodes, at the lowest minimum found from either."""
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
        """Return the node at v, the minimisation started by extrapolation."""
        guess, tangent = _extrapolate(self.nodes, self.direction, v)
        x = self.nodes[-1].x
        assert x is not None
        return self._node(v, self.valley.settle(v, guess, x, tangent))

    def _node(self, v: float, bottom: Bottom) -> Node:
        """Return the node of a minimum at v."""
        start = self.nodes[0]
        rise = bottom.deviance - start.point.deviance
        self.deepest = min(self.deepest, bottom.point, key=lambda point: point.deviance)
        size = float(np.sqrt(max(rise, 0.0)))
        slope = self.sign * bottom.slope / (2.0 * size) if size > 1e-8 else start.slope
        return Node(v, self.sign * size, slope, replace(bottom.point, deviance=bottom.deviance), bottom.x)


def _share_of_way(inside: Node, outside: Node, sign: float, cutoff: float) -> float:
    """Return the share of the way between two nodes at which the Hermite cubic of zeta reaches the cutoff."""
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
    """Return x at v and its derivative by the parabola through the last points."""
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

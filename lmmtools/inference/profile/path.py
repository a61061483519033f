"""Following the deviance's valley: one parameter moves, all others stay where the deviance is smallest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.errors import EngineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.inference.profile.coordinates import Coordinates, Point

    Floats = NDArray[np.float64]
    Node = tuple[float, float, float, Point]
    """v, zeta, d zeta / d v, and the point."""

__all__ = ["Path", "follow"]

STEP = 0.5
"""Aim for this difference of zeta from one point to the next."""

TOL = 1e-5
"""Expected decrease of the deviance at which the others are near enough: what is left is subtracted."""

MAX_STEPS = 200
MAX_ITERATIONS = 100

NUDGE = 0.02
"""Where a variance is zero its root has no gradient, even if the deviance falls with it: it starts from here."""

NEAR = 0.3
"""While a root of a covariance matrix is nearer to zero than this there may be a second, lower valley of full rank."""

FLAT_TOL = 1e-7
"""As ``TOL`` there and around a singular fit, where the deviance is flat and what is expected is too little."""

LONGEST = 1.0
"""How far a step may take any of the others, which are of order one, or as far as the largest of them is from zero."""

SHORTEST = 1e-3
"""A step that cannot be made is halved down to this share; then the profile stops short."""

KINK = 1e-9
"""Width, in v, of the corner between a valley's zeta and a flat one."""

DIFFERENCE = 1e-5
"""Step of the differences of exact gradients that make the first Hessian."""


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """Points of one profile, in order of the coordinate.

    Attributes
    ----------
    v : ndarray, shape (points,)
        The coordinate that stands apart.
    zeta : ndarray, shape (points,)
        Signed root of the deviance's rise above its minimum.
    slope : ndarray, shape (points,)
        d zeta / d v, exact.
    points : tuple of Point
    ends : (bool, bool)
        Whether the first, the last point is where v ends.
    stopped : str
        Why a side goes no further, if one stops before the cutoff and the end.
    found_lower : float
        How far below the fit's own deviance the path came; more than rounding means that the fit is not the minimum.
    """

    v: Floats
    zeta: Floats
    slope: Floats
    points: tuple[Point, ...]
    ends: tuple[bool, bool]
    stopped: str
    found_lower: float


@dataclass(slots=True)
class _Valley:
    """Where the path is: the last points, and an approximate inverse Hessian of the others."""

    coordinates: Coordinates
    inverse: Floats
    tol: float

    def settle(self, v: float, guess: Floats, direction: Floats, last: Floats) -> tuple[Floats, Point]:
        """Return the others at their best for v, by quasi-Newton steps from a guess; the Hessian is kept for later.

        The point returned has the deviance and the slope that the last, untaken step leads to; ``direction`` is how the
        others move with v, and ``last`` where they were before.

        Raises
        ------
        EngineError
            If the deviance cannot be evaluated at v.
        """
        x = self.coordinates.away_from_zero(last + _shortened(guess - last, last), NUDGE)
        found = self._try(v, x)
        if found is None:
            x = self.coordinates.away_from_zero(last, NUDGE)
            found = self.coordinates.evaluate(v, x)
        x, point = self._compared(v, *self._descend(v, x, found))
        left = max(0.5 * float(point.gradient @ self.inverse @ point.gradient), 0.0) if len(x) else 0.0
        slope = point.slope + float(point.gradient @ direction)
        return x, replace(point, deviance=point.deviance - left, slope=slope)

    def _compared(self, v: float, x: Floats, point: Point) -> tuple[Floats, Point]:
        """Return the best of a point and, next to a singular covariance matrix, the end of a way from uncorrelated."""
        apart = self.coordinates.uncorrelated(x, NEAR)
        start = None if apart is None else self._try(v, apart)
        if apart is None or start is None:
            return x, point
        other = _Valley(self.coordinates, self.inverse.copy(), FLAT_TOL)
        elsewhere, lower = other._descend(v, apart, start)
        if lower.deviance >= point.deviance - TOL:
            return x, point
        self.inverse = other.inverse
        return elsewhere, lower

    def _descend(self, v: float, x: Floats, point: Point) -> tuple[Floats, Point]:
        """Return where quasi-Newton steps from x end."""
        fresh = False
        for _ in range(MAX_ITERATIONS):
            step = _shortened(-self.inverse @ point.gradient, x)
            expected = -0.5 * float(point.gradient @ step)
            if not expected > self.tol:
                break
            share = 1.0
            while True:
                trial = self._try(v, x + share * step)
                if trial is not None and trial.deviance <= point.deviance - 1e-4 * share * expected:
                    break
                if share < 1e-6:
                    break
                share *= 0.3
            if trial is None or trial.deviance >= point.deviance:
                if fresh:
                    break
                self.inverse, fresh = np.eye(len(x)), True
                continue
            self._learn(share * step, trial.gradient - point.gradient)
            x, point, fresh = x + share * step, trial, False
        return x, point

    def _try(self, v: float, x: Floats) -> Point | None:
        try:
            return self.coordinates.evaluate(v, x)
        except EngineError:
            return None

    def _learn(self, s: Floats, y: Floats) -> None:
        """Update the inverse Hessian by the formula of Broyden, Fletcher, Goldfarb and Shanno."""
        product = float(s @ y)
        if product <= 1e-12 * float(np.linalg.norm(s) * np.linalg.norm(y)):
            return
        By = self.inverse @ y
        self.inverse = (
            self.inverse
            + np.outer(s, s) * ((1.0 + float(y @ By) / product) / product)
            - (np.outer(By, s) + np.outer(s, By)) / product
        )


def follow(
    coordinates: Coordinates,
    v: float,
    x: Floats,
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
    cutoff : float
    bounds : (float, float)
        Where v ends.
    elsewhere : Point, optional
        What can be had whatever v is: the deviance's smallest value nowhere exceeds it.
    """
    lowest = coordinates.evaluate(v, x)
    cap = np.inf if elsewhere is None else float(np.sqrt(max(elsewhere.deviance - lowest.deviance, 0.0)))
    hessian, cross, curvature = _second_derivatives(coordinates, v, x, lowest)
    inverse = _positive_inverse(hessian)
    first = -inverse @ cross
    bend = max(curvature + float(cross @ first), 0.0)
    rate = np.sqrt(0.5 * bend)
    start = (v, 0.0, float(rate), lowest)
    sides: list[list[Node]] = []
    ends = []
    deepest, stopped = 0.0, ""
    for sign, bound in zip((-1.0, 1.0), bounds, strict=True):
        if abs(bound - v) < 1e-10:
            sides.append([])
            ends.append(True)
            continue
        side, ended, lower, why = _one_side(
            coordinates, (v, x, lowest), (inverse, first, rate), sign, bound, min(cutoff, cap)
        )
        if elsewhere is not None and side and cap <= min(cutoff, sign * side[-1][1]):
            side, ended = _flattened([start, *side], bound, cap, elsewhere), True
        sides.append(side)
        ends.append(ended)
        deepest, stopped = max(deepest, lower), stopped or why
    below, above = sides
    everything = [*reversed(below), start, *above]
    columns = list(zip(*everything, strict=True))
    vs, zetas, slopes = (np.array(column, dtype=float) for column in columns[:3])
    return Path(vs, zetas, slopes, tuple(columns[3]), (ends[0], ends[1]), stopped, deepest)


def _one_side(
    coordinates: Coordinates,
    start: tuple[float, Floats, Point],
    local: tuple[Floats, Floats, float],
    sign: float,
    bound: float,
    cutoff: float,
) -> tuple[list[Node], bool, float, str]:
    v, x, lowest = start
    inverse, direction, rate = local
    valley = _Valley(coordinates, inverse.copy(), FLAT_TOL if coordinates.uncorrelated(x, NEAR) is not None else TOL)
    out: list[Node] = []
    deepest = 0.0
    nodes = [(v, x)]
    # Where the deviance is flat to second order the first step is a guess.
    step = STEP / rate if rate > 0 else 0.1
    for _ in range(MAX_STEPS):
        target = v + sign * step
        ended = (bound - target) * sign <= 0.0
        if ended:
            target = bound
        guess, tangent = _extrapolate(nodes, direction, target)
        try:
            x, point = valley.settle(target, guess, tangent, x)
        except EngineError as error:
            step *= 0.5
            if abs(step) < SHORTEST * abs(nodes[-1][0] - nodes[0][0] or 1.0):
                return out, False, deepest, str(error)
            continue
        v = target
        nodes.append((v, x))
        rise = point.deviance - lowest.deviance
        deepest = max(deepest, -rise)
        size = float(np.sqrt(max(rise, 0.0)))
        slope = sign * point.slope / (2.0 * size) if size > 1e-8 else rate
        out.append((v, sign * size, slope, point))
        if ended or size >= cutoff:
            return out, ended, deepest, ""
        # Where zeta flattens the next step is longer, but not by much.
        step = min(STEP / slope, 2.0 * step) if slope > 0 else 2.0 * step
    return out, False, deepest, f"{MAX_STEPS} steps do not lead to the cutoff"


def _flattened(side: list[Node], bound: float, cap: float, beyond: Point) -> list[Node]:
    """Return the nodes after the first, zeta flat at ``cap`` from where it comes there to where v ends."""
    from scipy.interpolate import CubicHermiteSpline
    from scipy.optimize import brentq

    *inner, (v1, zeta1, slope1, _) = side
    v0, zeta0, slope0, _ = inner[-1]
    room = abs(bound - v0)
    if room <= 3.0 * KINK:
        return side[1:]
    sign = 1.0 if bound > v0 else -1.0
    rise = CubicHermiteSpline([0.0, abs(v1 - v0)], [sign * zeta0, sign * zeta1], [slope0, slope1])
    way = brentq(lambda u: float(rise(u)) - cap, 0.0, abs(v1 - v0)) if sign * zeta0 < cap else 0.0
    way = min(max(way, KINK), room - 2.0 * KINK)
    corner = v0 + sign * way
    flat = [(corner, float(rise(way, 1))), (corner + sign * KINK, 0.0), (bound, 0.0)]
    return [*inner[1:], *((v, sign * cap, slope, beyond) for v, slope in flat)]


def _shortened(step: Floats, x: Floats) -> Floats:
    """Return a step no longer than is reasonable from x."""
    if not len(step):
        return step
    longest = LONGEST * max(1.0, float(np.abs(x).max()))
    return step * min(1.0, longest / max(float(np.abs(step).max()), longest))


def _extrapolate(nodes: list[tuple[float, Floats]], direction: Floats, v: float) -> tuple[Floats, Floats]:
    """Return the others expected at v, and how they move there: on the parabola through the last points."""
    v0, x0 = nodes[-1]
    if len(nodes) == 1:
        return x0 + direction * (v - v0), direction
    v1, x1 = nodes[-2]
    secant = (x0 - x1) / (v0 - v1)
    if len(nodes) == 2:
        bend = (secant - direction) / (v0 - v1)
    else:
        v2, x2 = nodes[-3]
        bend = (secant - (x1 - x2) / (v1 - v2)) / (v0 - v2)
    return x0 + (v - v0) * (secant + (v - v1) * bend), secant + (2.0 * v - v0 - v1) * bend


def _second_derivatives(c: Coordinates, v: float, x: Floats, at: Point) -> tuple[Floats, Floats, float]:
    """Return d2/dx2, d2/dx dv and d2/dv2 at the fit, by one difference of exact gradients each."""
    d = len(x)
    full = np.empty((d + 1, d + 1))
    for i in range(d + 1):
        h = np.zeros(d + 1)
        h[i] = DIFFERENCE * max(1.0, abs(v if i == d else x[i]))
        moved = c.evaluate(v + h[d], x + h[:d])
        full[i, :d] = (moved.gradient - at.gradient) / h[i]
        full[i, d] = (moved.slope - at.slope) / h[i]
    full = 0.5 * (full + full.T)
    return full[:d, :d], full[:d, d], float(full[d, d])


def _positive_inverse(hessian: Floats) -> Floats:
    values, vectors = np.linalg.eigh(hessian)
    floor = 1e-6 * max(float(np.abs(values).max(initial=0.0)), 1e-12)
    return np.asarray((vectors / np.maximum(np.abs(values), floor)) @ vectors.T)

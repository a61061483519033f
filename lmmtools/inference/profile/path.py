"""Following the deviance's valley: one parameter moves, all others stay where the deviance is smallest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.inference.profile.coordinates import Coordinates, Parameter
from lmmtools.inference.profile.valley import FLAT_TOL, TOL, Valley, is_near_singular
from lmmtools.inference.profile.walk import Node, Side

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core import Problem
    from lmmtools.inference.profile.coordinates import Point

    Floats = NDArray[np.float64]

__all__ = ["FitDerivatives", "Path", "SecondOrder", "follow"]

KINK = 1e-9
"""Width in v of the corner between rising and constant zeta."""

DIFFERENCE = 1e-5
"""Step of the differences of exact gradients that make a Hessian."""


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """Points of one profile, in order of the profiled parameter's coordinate v.

    Attributes
    ----------
    nodes : tuple of Node
    at_fit : int
        Index of the fit.
    valley : Valley
        Coordinates, and the inverse Hessian at the fit.
    direction : ndarray, shape (d,)
        Derivative of the other coordinates with respect to v at the fit.
    bounds : (float, float)
        Range of v.
    ends : (bool, bool)
        Whether the first and the last point are at the bounds.
    stopped : str
        Why a side reaches neither the cutoff nor its bound; empty if both do.
    lowest : Point
        The fit's own point, or a lower one, if the fit is not the minimum.
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
        """The profiled parameter's coordinate, shape (points,)."""
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
    """Return the profile around a fit, on both sides out to ``cutoff`` in zeta or to the bound of v.

    Parameters
    ----------
    coordinates : Coordinates
    v, x
        The fit, the minimum of the deviance.
    local : SecondOrder
        The deviance's second derivatives there.
    cutoff : float
    bounds : (float, float)
        Range of v.
    elsewhere : Point, optional
        A point whose deviance is attained at any v, which bounds the profile's deviance from above.
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
            nodes, ended = _flatten_at_cap(nodes, bound, cap, elsewhere), True
        found.append(nodes[1:])
        ends.append(ended)
        deepest = min(deepest, side.deepest, key=lambda point: point.deviance)
        stopped = stopped or side.stopped
    below, above = found
    both = (*reversed(below), start, *above)
    return Path(both, len(below), valley, first, bounds, (ends[0], ends[1]), stopped, deepest)


def _flatten_at_cap(side: list[Node], bound: float, cap: float, beyond: Point) -> list[Node]:
    """Return the nodes with zeta constant from where it reaches ``cap`` to the bound of v."""
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
    """Return the inverse of a Hessian with eigenvalues replaced by their absolute values, bounded from below."""
    values, vectors = np.linalg.eigh(hessian)
    floor = 1e-6 * max(float(np.abs(values).max(initial=0.0)), 1e-12)
    return np.asarray((vectors / np.maximum(np.abs(values), floor)) @ vectors.T)


@dataclass(frozen=True, slots=True, eq=False)
class SecondOrder:
    """Second derivatives of the deviance at a fit, in the coordinates of one profiled parameter.

    Attributes
    ----------
    others : ndarray, shape (d, d)
    cross : ndarray, shape (d,)
        Mixed derivatives of the other coordinates and the profiled one.
    own : float
    """

    others: Floats
    cross: Floats
    own: float


class FitDerivatives:
    """Second derivatives of the deviance at one fit, as far as possible shared between its parameters.

    Parameters
    ----------
    problem : Problem
    phi : sequence of ndarray, each (l, l)
        Covariance matrices of the random effects.
    sigma : float
    beta, bse : ndarray, shape (p,)
        Fixed effects and their standard errors.
    """

    def __init__(self, problem: Problem, phi: Sequence[Floats], sigma: float, beta: Floats, bse: Floats) -> None:
        self.problem, self.phi, self.sigma, self.beta, self.bse = problem, phi, sigma, beta, bse

    def coordinates(self, parameter: Parameter) -> Coordinates:
        """Return the coordinates for profiling a parameter."""
        return Coordinates(self.problem, parameter, self.sigma, self.beta, self.bse)

    def second_order(self, c: Coordinates, v: float, x: Floats) -> SecondOrder:
        """Return the second derivatives at the fit, (v, x) in coordinates c."""
        parameter = c.parameter
        if parameter.kind == "beta":
            return self._with_fixed_effect_held(parameter.effects[0])
        if parameter.kind == "sigma":
            return _split_off(self._all_derivatives[0], len(x))
        if parameter.kind == "sd" and parameter.effects == (0,):
            # The first effect's standard deviation is an element of the block's factor in its own order.
            return _split_off(
                self._all_derivatives[0], sum(len(cov) * (len(cov) + 1) // 2 for cov in self.phi[: parameter.block])
            )
        return _split_off(_difference_gradients(c, v, x)[0], len(x))

    def _with_fixed_effect_held(self, j: int) -> SecondOrder:
        """Return them with a fixed effect held: its squared distance from the free optimum is added to the deviance."""
        hessian, moves = self._all_derivatives
        g = moves[j] / self.bse[j]
        return SecondOrder(hessian + 2.0 * np.outer(g, g), -2.0 * g, 2.0)

    @cached_property
    def _all_derivatives(self) -> tuple[Floats, Floats]:
        """Second derivatives by factors' elements and log sigma, (k + 1, k + 1), and those of beta, (p, k + 1)."""
        c = self.coordinates(Parameter("sigma", "sigma"))
        return _difference_gradients(c, *c.locate(self.phi, self.sigma, self.beta))


def _difference_gradients(c: Coordinates, v: float, x: Floats) -> tuple[Floats, Floats]:
    """Return second derivatives by (x, v), (d + 1, d + 1), and first ones of beta, (p, d + 1), as differences."""
    d, at = len(x), c.evaluate(v, x)
    full, moves = np.empty((d + 1, d + 1)), np.empty((len(at.beta), d + 1))
    for i in range(d + 1):
        h = np.zeros(d + 1)
        h[i] = DIFFERENCE * max(1.0, abs(v if i == d else x[i]))
        moved = c.evaluate(v + h[d], x + h[:d])
        full[i, :d] = (moved.gradient - at.gradient) / h[i]
        full[i, d] = (moved.slope - at.slope) / h[i]
        moves[:, i] = (moved.beta - at.beta) / h[i]
    return 0.5 * (full + full.T), moves


def _split_off(full: Floats, i: int) -> SecondOrder:
    """Return second derivatives with coordinate i as the profiled one."""
    others = np.arange(len(full)) != i
    return SecondOrder(full[np.ix_(others, others)], full[others, i], float(full[i, i]))

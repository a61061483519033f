"""The minimum of the deviance over all other parameters at one value of a profiled parameter.

There may be several local minima ("valleys"). They differ in the size of some term: its variance may be zero, or so
large that it explains what the profiled parameter, held far from its estimate, leaves unexplained. The deviance is
evaluated on a grid of sizes, of all terms jointly where this is cheap, otherwise of one term after the other. Searches
start at local minima of the grid other than the known one.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from lmmtools import core
from lmmtools.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lmmtools.inference.profile.coordinates import Coordinates, Point

    Floats = NDArray[np.float64]

__all__ = ["LOWER", "Bottom", "Valley", "is_near_singular"]

TOL = 1e-5
"""Expected decrease of the deviance at which a search stops."""

FLAT_TOL = 1e-7
"""As ``TOL``, near a singular fit, where the deviance is flat and the expected decrease is too small."""

LOWER = 1e-4
"""A minimum counts as lower than another if it is lower by this."""

MAX_ITERATIONS = 100

NUDGE = 0.02
"""Start of a root that is zero: there its gradient is zero even where the deviance falls with the variance."""

NEAR = 0.3
"""With a root of a covariance matrix below this there may be a second, lower minimum of full rank."""

LONGEST = 1.0
"""Longest step in any coordinate, relative to the larger of one and the largest coordinate."""

SIZES = np.concatenate([[0.0], 0.06 * 2.0 ** np.arange(10)])
"""Standard deviations of the grid, in units of the fit's sigma over the root mean square of a column."""

LOG_SIGMAS = np.linspace(-2.1, 0.7, 9)
"""Values of log(sigma / sigma of the fit) in the grid, where the best sigma has no closed form."""

FEW_ROWS = 50
"""Most rows for a joint grid of all terms' sizes and sigma. With more rows other minima are rare, and the grid has the
sizes of one term after the other, at the known sigma."""

MOST_WORK = 2e6
"""Most multiplications that a grid may take; a larger grid is left out."""

SLACK = 4.0
"""A minimum of the grid by more than this above the known minimum is not searched; sizes are a factor of two apart."""

MOST_STARTS = 4

SIGMA = -1
"""Key of sigma's axis in a grid, in place of a block's index."""


@dataclass(frozen=True, slots=True, eq=False)
class Bottom:
    """A local minimum of the deviance over the other parameters at one value of the profiled one.

    Attributes
    ----------
    x : ndarray, shape (d,)
        The other coordinates.
    point : Point
    left : float
        Expected decrease of the deviance that remains.
    slope : float
        Derivative of the minimal deviance with respect to the profiled parameter's coordinate.
    """

    x: Floats
    point: Point
    left: float
    slope: float

    @property
    def deviance(self) -> float:
        """The deviance minus the remaining expected decrease, if that is within the tolerance."""
        return self.point.deviance - (self.left if self.left <= TOL else 0.0)


@dataclass(slots=True)
class Valley:
    """The state of the minimisation along a profile: coordinates and an approximate inverse Hessian.

    Attributes
    ----------
    coordinates : Coordinates
    inverse : ndarray, shape (d, d)
        Approximate inverse Hessian, kept from one value of the parameter to the next.
    tol : float
        Expected decrease at which to stop.
    """

    coordinates: Coordinates
    inverse: Floats
    tol: float

    def settle(self, v: float, guess: Floats, last: Floats, direction: Floats | None = None) -> Bottom:
        """Return the local minimum at v, by quasi-Newton steps from a guess.

        Parameters
        ----------
        v : float
        guess : ndarray, shape (d,)
        last : ndarray, shape (d,)
            The other coordinates before: the start is at most ``LONGEST`` from here, and here if the guess fails.
        direction : ndarray, shape (d,), optional
            Derivative of the other coordinates with respect to v.

        Raises
        ------
        EngineError
            If the deviance cannot be evaluated at v.
        """
        x = self.coordinates.away_from_zero(last + _shorten_step(guess - last, last), NUDGE)
        found = self._evaluate_or_none(v, x)
        if found is None:
            x = self.coordinates.away_from_zero(last, NUDGE)
            found = self.coordinates.evaluate(v, x)
        x, point = self._compare_with_uncorrelated(v, *self._descend(v, x, found))
        return self._bottom(x, point, direction)

    def search_elsewhere(self, v: float, known: Bottom) -> Bottom | None:
        """Return the lowest other local minimum at v if it is below the known one, else None."""
        best: Bottom | None = None
        for start in _starts_elsewhere(self.coordinates, v, known.x, known.deviance):
            x = self.coordinates.away_from_zero(start, NUDGE)
            point = self._evaluate_or_none(v, x)
            if point is None:
                continue
            other = Valley(self.coordinates, np.eye(len(x)), FLAT_TOL)
            x, point = other._descend(v, x, point)
            if point.deviance < (known if best is None else best).deviance - LOWER:
                best = other._bottom(x, point, None)
                self.inverse = other.inverse
        return best

    def _bottom(self, x: Floats, point: Point, direction: Floats | None) -> Bottom:
        """Return a point of this valley with its remaining decrease and its slope."""
        left = max(0.5 * float(point.gradient @ self.inverse @ point.gradient), 0.0) if len(x) else 0.0
        slope = point.slope if direction is None else point.slope + float(point.gradient @ direction)
        return Bottom(x, point, left, slope)

    def _compare_with_uncorrelated(self, v: float, x: Floats, point: Point) -> tuple[Floats, Point]:
        """Return the lower of a minimum and, near a singular covariance matrix, a search from uncorrelated effects."""
        apart = self.coordinates.uncorrelated(x, NEAR)
        start = None if apart is None else self._evaluate_or_none(v, apart)
        if apart is None or start is None:
            return x, point
        other = Valley(self.coordinates, self.inverse.copy(), FLAT_TOL)
        elsewhere, lower = other._descend(v, apart, start)
        if lower.deviance >= point.deviance - TOL:
            return x, point
        self.inverse = other.inverse
        return elsewhere, lower

    def _descend(self, v: float, x: Floats, point: Point) -> tuple[Floats, Point]:
        """Return (x, point) at which quasi-Newton steps from x end."""
        fresh = False
        for _ in range(MAX_ITERATIONS):
            step = _shorten_step(-self.inverse @ point.gradient, x)
            expected = -0.5 * float(point.gradient @ step)
            if not expected > self.tol:
                break
            share = 1.0
            while True:
                trial = self._evaluate_or_none(v, x + share * step)
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
            self._update_inverse(share * step, trial.gradient - point.gradient)
            x, point, fresh = x + share * step, trial, False
        return x, point

    def _evaluate_or_none(self, v: float, x: Floats) -> Point | None:
        """Return the deviance at (v, x), None where it cannot be evaluated."""
        try:
            return self.coordinates.evaluate(v, x)
        except EngineError:
            return None

    def _update_inverse(self, s: Floats, y: Floats) -> None:
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


def is_near_singular(coordinates: Coordinates, x: Floats) -> bool:
    """Return whether a covariance matrix of several effects is nearly singular."""
    return coordinates.uncorrelated(x, NEAR) is not None


def _shorten_step(step: Floats, x: Floats) -> Floats:
    """Return a step, shortened to ``LONGEST``."""
    if not len(step):
        return step
    longest = LONGEST * max(1.0, float(np.abs(x).max()))
    return step * min(1.0, longest / max(float(np.abs(step).max()), longest))


def _starts_elsewhere(c: Coordinates, v: float, x: Floats, deviance: float) -> list[Floats]:
    """Return starts of searches for local minima at v other than that at x, lowest deviance first.

    Parameters
    ----------
    c : Coordinates
    v : float
    x : ndarray, shape (d,)
        The other coordinates at the known minimum.
    deviance : float
        The deviance at the known minimum.
    """
    found: list[tuple[float, Floats]] = []
    if c.parameter.kind == "beta":
        # In coordinates relative to sigma, whose best value has a closed form here.
        x = np.append(x[:-1] * np.exp(-x[-1]), 0.0)
    grids = list(_grids(c, x))
    if not grids:
        return []
    points = [_grid_points(c, x, axes) for axes in grids]
    starts = np.concatenate(points)
    values, log_sigma = _deviances(c, v, starts)
    first = 0
    for axes, own_points in zip(grids, points, strict=True):
        shape = [len(a) for a in axes.values()]
        known = [int(np.argmin(np.abs(a - _term_size(c, x, k)))) for k, a in axes.items()]
        for at in _grid_minima(values[first : first + len(own_points)].reshape(shape), known):
            i = first + int(np.ravel_multi_index(at, shape))
            if values[i] > deviance + SLACK:
                continue
            start = starts[i]
            if c.parameter.kind == "beta":
                start = np.append(start[:-1] * np.exp(log_sigma[i]), log_sigma[i])
            found.append((float(values[i]), start))
        first += len(own_points)
    found.sort(key=lambda pair: pair[0])
    return [start for _, start in found[:MOST_STARTS]]


def _grids(c: Coordinates, x: Floats) -> Iterator[dict[int, Floats]]:
    """Yield grids as {axis: values}: one of all terms' sizes jointly, or one per term."""
    terms = [k for k, part in enumerate(c.slices) if part.stop > part.start]
    needs_sigma = c.parameter.kind in ("sd", "cor")
    axes = {k: _grid_axis(SIZES, _term_size(c, x, k)) for k in terms}
    is_small = c.problem.n <= FEW_ROWS
    sigma = {SIGMA: _grid_axis(LOG_SIGMAS, float(x[-1]))} if needs_sigma and is_small else {}
    most = MOST_WORK / core.work_of_one(c.problem.structure, c.problem.p)
    if terms and is_small and prod(len(a) for a in (*axes.values(), *sigma.values())) <= most:
        yield axes | sigma
        return
    for k in terms:
        if len(axes[k]) * (len(sigma[SIGMA]) if sigma else 1) <= most:
            yield {k: axes[k]} | sigma
    if not terms and sigma:
        yield sigma


def _grid_axis(values: Floats, known: float) -> Floats:
    """Return the values, sorted, with the nearest one replaced by the known value."""
    return np.unique(np.append(values[np.arange(len(values)) != np.argmin(np.abs(values - known))], known))


def _term_size(c: Coordinates, x: Floats, k: int) -> float:
    """Return the size of a term, or log sigma, at x on the axis of the grid."""
    if k == SIGMA:
        return float(x[-1])
    own = x[c.slices[k]]
    if k == c.parameter.block and c.parameter.kind == "cor":
        return float(np.exp(own[:2].max()))
    return float(np.abs(own).max())


def _grid_points(c: Coordinates, x: Floats, axes: dict[int, Floats]) -> Floats:
    """Return the other coordinates at all points of a grid, shape (points, d)."""
    values = np.array(list(product(*axes.values())))
    out = np.tile(x, (len(values), 1))
    for column, k in zip(values.T, axes, strict=True):
        if k == SIGMA:
            out[:, -1] = column
            continue
        part, size = c.slices[k], _term_size(c, x, k)
        if k == c.parameter.block and c.parameter.kind == "cor":
            share = np.maximum(column, SIZES[1]) / size
            first = slice(part.start, part.start + 2)
            out[:, first] = x[first] + np.log(share)[:, None]
            rest = slice(part.start + 2, part.stop)
            out[:, rest] = x[rest] * share[:, None]
        elif size > 1e-3:
            out[:, part] = x[part] * (column / size)[:, None]
        else:
            out[:, part] = column[:, None] * c.diagonal[part]
    return out


def _deviances(c: Coordinates, v: float, x: Floats) -> tuple[Floats, Floats]:
    """Return the deviances at v and B vectors x, and log(sigma / sigma of the fit), each of shape (B,)."""
    is_free = c.parameter.kind == "beta"
    sigma = c.sigma * np.exp(x[:, -1]) if not is_free and c.parameter.kind != "sigma" else None
    if c.parameter.kind == "sigma":
        sigma = np.full(len(x), c.sigma * np.exp(v))
    unit = np.full(len(x), c.sigma) if sigma is None else sigma
    factors = [F / unit[:, None, None] for F in c.on_data_scale(c.triangles(v, x))]
    deviance, at = core.unprofiled_deviances(c.problem, factors, sigma, c.held(v))
    with np.errstate(divide="ignore", invalid="ignore"):
        return deviance, np.log(at / c.sigma)


def _grid_minima(values: Floats, own: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield the indices of a grid's local minima, except those at or next to the point ``own``."""
    is_least = np.isfinite(values)
    for axis in range(values.ndim):
        padded = np.pad(values, [(int(a == axis),) * 2 for a in range(values.ndim)], constant_values=np.inf)
        n = values.shape[axis]
        is_least &= values <= np.take(padded, range(n), axis)
        is_least &= values <= np.take(padded, range(2, n + 2), axis)
    for at in np.argwhere(is_least):
        if np.abs(at - own).max() > 1:
            yield tuple(int(i) for i in at)

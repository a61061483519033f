"""The bottom of the deviance's valley at one value of a parameter: all others at their best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.errors import EngineError
from lmmtools.inference.profile.elsewhere import starts_elsewhere

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.inference.profile.coordinates import Coordinates, Point

    Floats = NDArray[np.float64]

__all__ = ["LOWER", "Bottom", "Valley", "is_near_singular"]

TOL = 1e-5
"""Expected decrease of the deviance at which the others are near enough."""

FLAT_TOL = 1e-7
"""As ``TOL`` next to a singular fit, where the deviance is flat and what is expected is too little."""

LOWER = 1e-4
"""A bottom is lower than another by at least this."""

MAX_ITERATIONS = 100

NUDGE = 0.02
"""Where a variance is zero its root has no gradient, even if the deviance falls with it: it starts from here."""

NEAR = 0.3
"""While a root of a covariance matrix is nearer to zero than this there may be a second, lower valley of full rank."""

LONGEST = 1.0
"""How far a step may take any of the others, which are of order one, or as far as the largest of them is from zero."""


@dataclass(frozen=True, slots=True, eq=False)
class Bottom:
    """Where the others are at their best for one value of a parameter.

    Attributes
    ----------
    x : ndarray, shape (d,)
        The others.
    point : Point
    left : float
        By how much the deviance may still fall there.
    slope : float
        Derivative of the smallest deviance with respect to the parameter's coordinate.
    """

    x: Floats
    point: Point
    left: float
    slope: float

    @property
    def deviance(self) -> float:
        """The deviance, less what is left to fall where that is within the tolerance."""
        return self.point.deviance - (self.left if self.left <= TOL else 0.0)


@dataclass(slots=True)
class Valley:
    """A valley that is followed: the coordinates, and an approximate inverse Hessian of the others.

    Attributes
    ----------
    coordinates : Coordinates
    inverse : ndarray, shape (d, d)
        Kept from one value of the parameter to the next.
    tol : float
        Expected decrease at which to stop.
    """

    coordinates: Coordinates
    inverse: Floats
    tol: float

    def settle(self, v: float, guess: Floats, last: Floats, direction: Floats | None = None) -> Bottom:
        """Return the bottom at v, by quasi-Newton steps from a guess.

        Parameters
        ----------
        v : float
        guess : ndarray, shape (d,)
        last : ndarray, shape (d,)
            Where the others were before: no further from there than is reasonable, and there if the guess fails.
        direction : ndarray, shape (d,), optional
            How the others move with v.

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
        return self._bottom(x, point, direction)

    def search_elsewhere(self, v: float, known: Bottom) -> Bottom | None:
        """Return a lower bottom at v than a known one, None where no other valley has any."""
        best: Bottom | None = None
        for start in starts_elsewhere(self.coordinates, v, known.x, known.deviance):
            x = self.coordinates.away_from_zero(start, NUDGE)
            point = self._try(v, x)
            if point is None:
                continue
            other = Valley(self.coordinates, np.eye(len(x)), FLAT_TOL)
            x, point = other._descend(v, x, point)
            if point.deviance < (known if best is None else best).deviance - LOWER:
                best = other._bottom(x, point, None)
                self.inverse = other.inverse
        return best

    def _bottom(self, x: Floats, point: Point, direction: Floats | None) -> Bottom:
        left = max(0.5 * float(point.gradient @ self.inverse @ point.gradient), 0.0) if len(x) else 0.0
        slope = point.slope if direction is None else point.slope + float(point.gradient @ direction)
        return Bottom(x, point, left, slope)

    def _compared(self, v: float, x: Floats, point: Point) -> tuple[Floats, Point]:
        """Return the best of a point and, next to a singular covariance matrix, the end of a way from uncorrelated."""
        apart = self.coordinates.uncorrelated(x, NEAR)
        start = None if apart is None else self._try(v, apart)
        if apart is None or start is None:
            return x, point
        other = Valley(self.coordinates, self.inverse.copy(), FLAT_TOL)
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


def is_near_singular(coordinates: Coordinates, x: Floats) -> bool:
    """Return whether a covariance matrix of several effects is next to singular."""
    return coordinates.uncorrelated(x, NEAR) is not None


def _shortened(step: Floats, x: Floats) -> Floats:
    """Return a step no longer than is reasonable from x."""
    if not len(step):
        return step
    longest = LONGEST * max(1.0, float(np.abs(x).max()))
    return step * min(1.0, longest / max(float(np.abs(step).max()), longest))

"""The deviance to second order around a fit: how the others move with a parameter, and how far its first step goes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.inference.profile.coordinates import Coordinates, Parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core import Problem

    Floats = NDArray[np.float64]

__all__ = ["Around", "SecondOrder"]

DIFFERENCE = 1e-5
"""Step of the differences of exact gradients that make a Hessian."""


@dataclass(frozen=True, slots=True, eq=False)
class SecondOrder:
    """Second derivatives of the deviance at a fit, in the coordinates of one parameter.

    Attributes
    ----------
    others : ndarray, shape (d, d)
    cross : ndarray, shape (d,)
        Of the others and the coordinate that stands apart.
    own : float
    """

    others: Floats
    cross: Floats
    own: float


class Around:
    """One fit, and the derivatives that the coordinates of its parameters share.

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
        """Return the coordinates in which a parameter stands apart."""
        return Coordinates(self.problem, parameter, self.sigma, self.beta, self.bse)

    def second_order(self, c: Coordinates, v: float, x: Floats) -> SecondOrder:
        """Return the second derivatives at the fit, (v, x) in coordinates c."""
        parameter = c.parameter
        if parameter.kind == "beta":
            return self._of_fixed_effect(parameter.effects[0])
        if parameter.kind == "sigma":
            return _split(self._shared[0], len(x))
        if parameter.kind == "sd" and parameter.effects == (0,):
            # The first effect's standard deviation is an element of the block's factor in its own order.
            return _split(self._shared[0], sum(len(cov) * (len(cov) + 1) // 2 for cov in self.phi[: parameter.block]))
        return _split(_differences(c, v, x)[0], len(x))

    def _of_fixed_effect(self, j: int) -> SecondOrder:
        """Return those with a fixed effect held: the square of its distance from the free optimum is added."""
        hessian, moves = self._shared
        g = moves[j] / self.bse[j]
        return SecondOrder(hessian + 2.0 * np.outer(g, g), -2.0 * g, 2.0)

    @cached_property
    def _shared(self) -> tuple[Floats, Floats]:
        """Second derivatives of all factors' elements and log sigma, and how beta moves with them, (p, k + 1)."""
        c = self.coordinates(Parameter("sigma", "sigma"))
        return _differences(c, *c.locate(self.phi, self.sigma, self.beta))


def _differences(c: Coordinates, v: float, x: Floats) -> tuple[Floats, Floats]:
    """Return second derivatives with respect to (x, v), and first ones of beta, by one difference of each."""
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


def _split(full: Floats, i: int) -> SecondOrder:
    """Return second derivatives with element i apart."""
    others = np.arange(len(full)) != i
    return SecondOrder(full[np.ix_(others, others)], full[others, i], float(full[i, i]))

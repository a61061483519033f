"""Coordinates in which one parameter of a model stands apart and all others are free.

The covariance matrix of a block is held as a lower triangular factor, its effects reordered: with effect j first, its
standard deviation is the first element; with i and j first, the second row's angle is the correlation's,
cor = sin(angle). Everything else may be any number: the deviance does not mind signs of columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from lmmtools import core
from lmmtools.design.theta import row_sizes, triangular_factor
from lmmtools.errors import EngineError
from lmmtools.report.result_table import free_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core import Problem
    from lmmtools.design.matrices import Design

    Floats = NDArray[np.float64]

__all__ = ["Coordinates", "Parameter", "Point", "parameters_of"]


FAR = 60.0
"""Largest log ratio to the fit's sigma at which the deviance is evaluated."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter that can be profiled.

    Attributes
    ----------
    name : str
        As lme4 names it: ``"sd_(Intercept)|Subject"``, ``"cor_Days.(Intercept)|Subject"``, ``"sigma"``, or the fixed
        effect.
    kind : {"sd", "cor", "sigma", "beta"}
    block : int
        Index of the block of a random effect's parameter; -1 otherwise.
    effects : tuple of int
        One effect for sd, two for cor, the fixed effect's index for beta.
    label : str
        The parameter in words.
    """

    name: str
    kind: Literal["sd", "cor", "sigma", "beta"]
    block: int = -1
    effects: tuple[int, ...] = ()
    label: str = ""

    def value(self, phi: Sequence[Floats], sigma: float, beta: Floats) -> float:
        """Return the parameter from covariance matrices, sigma and fixed effects; NaN for an undefined correlation."""
        if self.kind == "sigma":
            return sigma
        if self.kind == "beta":
            return float(beta[self.effects[0]])
        cov = phi[self.block]
        sd = np.sqrt(np.diag(cov))
        if self.kind == "sd":
            return float(sd[self.effects[0]])
        i, j = self.effects
        product = float(sd[i] * sd[j])
        return float(np.clip(cov[i, j] / product, -1.0, 1.0)) if product > 0 else np.nan


def parameters_of(design: Design) -> tuple[Parameter, ...]:
    """Return the parameters in lme4's order: of theta, then sigma, then the fixed effects.

    Sigma is called ``sigma_`` where a fixed effect is called ``sigma``.
    """
    found = []
    for k, block in enumerate(design.blocks):
        for j in range(block.l):
            label = f"standard deviation of {block.cnames[j]} by {block.group}"
            found.append(Parameter(f"sd_{block.cnames[j]}|{block.group}", "sd", k, (j,), label))
            for i in range(j + 1, block.l):
                name = f"cor_{block.cnames[i]}.{block.cnames[j]}|{block.group}"
                label = f"correlation of {block.cnames[j]} and {block.cnames[i]} by {block.group}"
                found.append(Parameter(name, "cor", k, (j, i), label))
    found.append(Parameter(free_name("sigma", design.x_names), "sigma", label="residual standard deviation, sigma"))
    names = enumerate(design.x_names)
    return (*found, *(Parameter(name, "beta", -1, (j,), f"fixed effect, {name}") for j, name in names))


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """The deviance and its derivatives at given coordinates.

    Attributes
    ----------
    deviance : float
    slope : float
        Derivative with respect to the coordinate of the profiled parameter.
    gradient : ndarray, shape (d,)
        Derivatives with respect to the other coordinates.
    phi : tuple of ndarray, each (l, l)
        Covariance matrices of the random effects, squared units of y.
    sigma : float
    beta : ndarray, shape (p,)
    """

    deviance: float
    slope: float
    gradient: Floats
    phi: tuple[Floats, ...]
    sigma: float
    beta: Floats


class Coordinates:
    """The coordinates (v; x) of a model around a fit, v that of the profiled parameter and x all others.

    v is the standard deviation in units of sigma over the weighted root mean square of the effect's column, the
    correlation's angle, log(sigma / sigma of the fit), or the fixed effect's distance from its estimate in standard
    errors. All are of order one in any units of the data and of the weights.

    Parameters
    ----------
    problem : Problem
    parameter : Parameter
    sigma : float
        Of the fit; the unit of the random effects' coordinates.
    beta, bse : ndarray, shape (p,)
        Fixed effects of the fit, and their standard errors.
    """

    def __init__(self, problem: Problem, parameter: Parameter, sigma: float, beta: Floats, bse: Floats) -> None:
        self.problem, self.parameter, self.sigma = problem, parameter, sigma
        if parameter.kind == "beta":
            (j,) = parameter.effects
            self.centre, self.unit = float(beta[j]), float(bse[j])
        blocks = problem.design.blocks
        self.orders = [
            [*parameter.effects, *(j for j in range(b.l) if j not in parameter.effects)]
            if k == parameter.block
            else list(range(b.l))
            for k, b in enumerate(blocks)
        ]
        rms = [row_sizes(b.basis, problem.design.weights) for b in blocks]
        self.units = [sigma / r[order, None] for r, order in zip(rms, self.orders, strict=True)]
        self.lower = [np.tril_indices(b.l) for b in blocks]

    def locate(self, phi: Sequence[Floats], sigma: float, beta: Floats) -> tuple[float, Floats]:
        """Return the coordinates (v, x) of covariance matrices, sigma and fixed effects."""
        parameter, parts, v = self.parameter, [], 0.0
        for k, (cov, order, unit, lower) in enumerate(zip(phi, self.orders, self.units, self.lower, strict=True)):
            L = triangular_factor(cov[np.ix_(order, order)]) / unit
            if k == parameter.block and parameter.kind == "cor":
                size = float(np.hypot(L[1, 0], L[1, 1]))
                v = float(np.arctan2(L[1, 0], L[1, 1]))
                parts.append(np.log([L[0, 0], size]))
                parts.append(L[lower][3:])
            elif k == parameter.block:
                v = float(L[0, 0])
                parts.append(L[lower][1:])
            else:
                parts.append(L[lower])
        t = float(np.log(sigma / self.sigma))
        if parameter.kind == "sigma":
            v = t
        else:
            parts.append(np.array([t]))
        if parameter.kind == "beta":
            v = (float(beta[parameter.effects[0]]) - self.centre) / self.unit
        return v, np.concatenate(parts) if parts else np.zeros(0)

    def to_parameter(self, v: Floats) -> Floats:
        """Return the parameter's values at coordinates v."""
        kind = self.parameter.kind
        if kind == "sd":
            return np.asarray(v * self.units[self.parameter.block][0, 0])
        if kind == "cor":
            return np.asarray(np.sin(v))
        return np.asarray(self.sigma * np.exp(v) if kind == "sigma" else self.centre + self.unit * v)

    def from_parameter(self, values: Floats) -> Floats:
        """Return v at values of the parameter; NaN outside its range."""
        kind = self.parameter.kind
        with np.errstate(invalid="ignore", divide="ignore"):
            if kind == "sd":
                return np.asarray(values / self.units[self.parameter.block][0, 0])
            if kind == "cor":
                return np.asarray(np.arcsin(values))
            return np.asarray(np.log(values / self.sigma) if kind == "sigma" else (values - self.centre) / self.unit)

    def away_from_zero(self, x: Floats, least: float) -> Floats:
        """Return x with diagonal elements of the factors near zero replaced by ``least``."""
        small = self.diagonal & (np.abs(x) < 0.05 * least)
        return np.where(small, least, x) if small.any() else x

    def uncorrelated(self, x: Floats, least: float) -> Floats | None:
        """Return x with the effects of nearly singular blocks uncorrelated and their standard deviations kept.

        A block whose correlation is profiled is not changed. None if no block of several effects has a diagonal element
        of its factor below ``least``.
        """
        if not (np.abs(x[self.diagonal]) < least).any():
            return None
        out, found, at = x.copy(), False, 0
        for k, (rows, columns) in enumerate(self.lower):
            own = k == self.parameter.block
            skipped = 1 if own else 0
            part, at = slice(at, at + len(rows) - skipped), at + len(rows) - skipped
            if rows[-1] == 0 or (own and self.parameter.kind == "cor"):
                continue
            L = np.zeros((rows[-1] + 1, rows[-1] + 1))
            L[rows[skipped:], columns[skipped:]] = x[part]
            if (np.abs(np.diag(L))[skipped:] < least).any():
                found = True
                L = np.diag(np.sqrt((L**2).sum(axis=1)))
                out[part] = L[rows[skipped:], columns[skipped:]]
        return out if found else None

    @cached_property
    def diagonal(self) -> NDArray[np.bool_]:
        """Whether each element of x is a diagonal element of a factor, shape (d,)."""
        parts = []
        for k, (rows, columns) in enumerate(self.lower):
            own = rows == columns
            if k == self.parameter.block:
                own = np.concatenate([[False, False], own[3:]]) if self.parameter.kind == "cor" else own[1:]
            parts.append(own)
        if self.parameter.kind != "sigma":
            parts.append(np.array([False]))
        return np.concatenate(parts)

    @cached_property
    def slices(self) -> list[slice]:
        """The slice of x of each block; empty for a block whose only effect is profiled."""
        out, at = [], 0
        for k, (rows, _) in enumerate(self.lower):
            size = len(rows) - (k == self.parameter.block)
            out.append(slice(at, at + size))
            at += size
        return out

    def held(self, v: float) -> tuple[int, float] | None:
        """Return (index, value) of the profiled fixed effect, None for other parameters."""
        return (self.parameter.effects[0], self.centre + self.unit * v) if self.parameter.kind == "beta" else None

    def triangles(self, v: float, x: Floats) -> list[Floats]:
        """Return the blocks' factors in units of the coordinates, (..., l, l) each, for x of shape (..., d)."""
        out = []
        for k, (order, lower, part) in enumerate(zip(self.orders, self.lower, self.slices, strict=True)):
            L = np.zeros((*x.shape[:-1], len(order), len(order)))
            rows, columns = lower
            own = x[..., part]
            if k != self.parameter.block:
                L[..., rows, columns] = own
            elif self.parameter.kind == "cor":
                s, size = np.exp(own[..., 0]), np.exp(own[..., 1])
                L[..., 0, 0], L[..., 1, 0], L[..., 1, 1] = s, size * np.sin(v), size * np.cos(v)
                L[..., rows[3:], columns[3:]] = own[..., 2:]
            else:
                L[..., 0, 0] = v
                L[..., rows[1:], columns[1:]] = own
            out.append(L)
        return out

    def on_data_scale(self, triangles: Sequence[Floats]) -> list[Floats]:
        """Return the factors on the data's scale, (..., l, l) each, from those in units of the coordinates."""
        out = []
        for L, order, unit in zip(triangles, self.orders, self.units, strict=True):
            factor = np.empty_like(L)
            factor[..., order, :] = L * unit
            out.append(factor)
        return out

    def evaluate(self, v: float, x: Floats) -> Point:
        """Return the deviance with all its derivatives at (v, x).

        Raises
        ------
        EngineError
            If the deviance cannot be evaluated there.
        """
        parameter = self.parameter
        log_sigma = v if parameter.kind == "sigma" else float(x[-1])
        if not (abs(log_sigma) < FAR and float(np.abs(x).max(initial=abs(v))) < np.exp(FAR)):
            raise EngineError(
                "the deviance falls further and further out, where sigma or a variance is zero or infinite"
            )
        triangles = self.triangles(v, x)
        factors = self.on_data_scale(triangles)
        sigma = self.sigma * float(np.exp(log_sigma))
        found = core.unprofiled_deviance(self.problem, factors, sigma, self.held(v))
        slope, parts = 0.0, []
        pieces = zip(found.G, factors, self.orders, self.units, self.lower, triangles, strict=True)
        for k, (G, factor, order, unit, lower, L) in enumerate(pieces):
            g = ((2.0 / sigma**2) * (G @ factor)[order] * unit)[lower]
            if k == parameter.block and parameter.kind == "cor":
                slope = float(g[1] * L[1, 1] - g[2] * L[1, 0])
                parts.append(np.array([g[0] * L[0, 0], g[1] * L[1, 0] + g[2] * L[1, 1]]))
                parts.append(g[3:])
            elif k == parameter.block:
                slope = float(g[0])
                parts.append(g[1:])
            else:
                parts.append(g)
        if parameter.kind == "sigma":
            slope = found.by_log_sigma
        else:
            parts.append(np.array([found.by_log_sigma]))
        if parameter.kind == "beta":
            slope = found.by_beta * self.unit
        phi = tuple(F @ F.T for F in factors)
        return Point(found.deviance, slope, np.concatenate(parts) if parts else np.zeros(0), phi, sigma, found.beta)

"""The criterion as a function of one variance, and its lowest value, found with bounds on the derivative.

With V = V_0 + tau Z_k Z_k', everything but tau held, and after one eigendecomposition, both parts of the criterion are
sums over eigenvalues, for REML those of Z_k'P_0 Z_k throughout, for ML those of Z_k'V_0^-1 Z_k in the logarithm:

    criterion(tau) = sum_i n_i log(1 + tau m_i) + dof log r(tau) + constant
    r(tau) = r_0 + sum_j w_j / (1 + tau mu_j)

so that a value costs as much as there are eigenvalues. On an interval [a, b] the derivative is bounded by values at its
ends: sum n_i m_i / (1 + tau m_i) falls with tau, and so do -r'/r and r''/r, which are means of x and of x^2 over
weights exp(-tau x) (r is a Laplace transform of positive weights), that move towards small x as tau grows. Hence bounds
on the first two derivatives, and from them on the criterion. An interval is done when its lower bound is not below the
lowest value known, or when the criterion is convex on it and its one minimum is found; else it is halved. Beyond the
last interval a bound in closed form holds to infinity. When all are done the lowest value is known to be the lowest.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.core import kernels
from lmmtools.core.data.spectrum import solve_lower
from lmmtools.core.search.objective import profile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem

    Floats = NDArray[np.float64]

__all__ = [
    "REPRODUCED",
    "Lowest",
    "LowestOfAll",
    "Section",
    "find_lowest",
    "lowest_of_all",
    "make_section",
    "section_of",
]


TOL = 1e-8
"""A value within this of the lowest, relative to the criterion where that is above one, is as low."""

PER_DECADE, MANY_PER_DECADE = 10, 3
"""Intervals per factor of ten of tau at the start, of a few responses and of many: narrow ones need fewer rounds,
whose cost is that of the calls where responses are few."""

FEW = 8
"""Number of responses up to which they are few."""

POLISHED = 1e-20
"""Expected decrease at which a minimum is found; the engine's own search then has nothing to improve."""

MAX_POLISHING = 60
"""Newton steps; where rounding keeps them moving after that the minimum is accurate enough."""

MAX_ROUNDS = 40
"""Halvings; an interval is then a 1e-12th of what it was."""

MAX_INTERVALS = 4000
"""Intervals of one response that may be open at once; more are open only where the criterion is level to rounding."""

REPRODUCED = 1e-12
"""Share of the response below which r_0 is its rounding: the effects reproduce the response."""

MAX_NUMBERS = 4_000_000
"""Numbers in the largest array at once (32 MB)."""


@dataclass(frozen=True, slots=True, eq=False)
class LowestOfAll:
    """The lowest value of the criterion of a model with one variance.

    Attributes
    ----------
    lambdas : tuple of ndarray, (1, 1), or None
        In the engine's coordinates; None where the criterion falls without end and has no minimum before.
    objective : float
    is_proven : bool
        Whether no variance has a lower value.
    falls : bool
        Whether the criterion falls without end, or towards a limit below all its values.
    """

    lambdas: tuple[Floats, ...] | None
    objective: float
    is_proven: bool
    falls: bool


def lowest_of_all(problem: Problem, reml: bool) -> LowestOfAll | None:
    """Return the lowest value of a model with one variance, None where there are several or it is not cheap."""
    if problem.design.k > 1:
        return None
    y = problem.response
    section = section_of(problem, y.Zy[None], y.Xy[None], np.array([y.yy]), np.array([y.y_scale]), reml)
    if section is None:
        return None
    found = find_lowest(section)
    tau = float(found.tau[0])
    lambdas = None if np.isnan(tau) else (np.array([[np.sqrt(tau)]]),)
    return LowestOfAll(lambdas, float(found.objective[0]), bool(found.is_proven[0]), bool(found.falls[0]))


def section_of(problem: Problem, Zy: Floats, Xy: Floats, yy: Floats, y_scale: Floats, reml: bool) -> Section | None:
    """Return the criterion of B responses of a model with one variance as a function of it, None where it is not cheap.

    Parameters
    ----------
    problem : Problem
    Zy, Xy : ndarray, shapes (B, q) and (B, p)
    yy, y_scale : ndarray, shape (B,)
    reml : bool
    """
    spectrum = problem.rows.spectrum
    if spectrum is None:
        return None
    p, n = problem.p, problem.n
    b = solve_lower(spectrum.L, Xy.T)
    rr = yy - (b * b).sum(axis=0)
    z = Zy[:, spectrum.order] - b.T @ spectrum.C.T
    reduced = z @ spectrum.reduce
    c = reduced @ spectrum.vectors
    values, squares, counts = spectrum.values, c * c, np.ones(len(spectrum.values))
    rest = spectrum.counts - np.bincount(spectrum.group, minlength=len(spectrum.a))
    if rest.any():
        # The squared length of z in each group that the reduced directions do not have.
        own = np.zeros((len(spectrum.group), len(spectrum.a)))
        own[np.arange(len(spectrum.group)), spectrum.group] = 1.0
        others = np.maximum(np.add.reduceat(z * z, spectrum.first, axis=1) - (reduced * reduced) @ own, 0.0)
        more = rest > 0
        values = np.concatenate([values, spectrum.a[more]])
        squares = np.concatenate([squares, others[:, more]], axis=1)
        counts = np.concatenate([counts, rest[more]])
    constant = problem.constant(reml, y_scale)
    if reml:
        constant = constant + 2.0 * float(np.log(np.diag(spectrum.L)).sum())
    logs = (values, counts) if reml else (spectrum.a, spectrum.counts)
    return make_section(*logs, values, squares, rr, n - p if reml else n, constant)


def make_section(
    log_values: Floats,
    log_counts: Floats,
    values: Floats,
    squares: Floats,
    rr: Floats,
    dof: int,
    constant: Floats,
) -> Section:
    """Return the criterion from the eigenvalues m_i and mu_j, the squares c_j^2 = (u_j'z)^2 and y'P_0y.

    Parameters
    ----------
    log_values, log_counts : ndarray, shape (s,)
    values : ndarray, shape (r,)
    squares : ndarray, shape (B, r)
    rr : ndarray, shape (B,)
    dof : int
    constant : ndarray, shape (B,)
        The criterion less its logarithms and the constant of the normal density.
    """
    there, is_log = values > 0, log_values > 0
    weights = squares[:, there] / values[there]
    left = rr - weights.sum(axis=1)
    left = np.where(left <= REPRODUCED * rr, 0.0, left)
    constant = profile(constant, 1.0, dof)
    return Section(log_values[is_log], log_counts[is_log], values[there], weights, left, dof, constant)


TAU, F, SLOPE, P, P2, H, K = range(7)
"""Rows of an array of points: tau, the criterion, its derivative; sum n m / (1 + tau m), sum n m^2 / (1 + tau m)^2,
-r'/r and r''/r, which all fall with tau."""


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """The criterion of B responses along one variance.

    Attributes
    ----------
    log_values, log_counts : ndarray, shape (s,)
        m_i > 0 and n_i.
    values : ndarray, shape (r,)
        mu_j > 0.
    weights : ndarray, shape (B, r)
        w_j >= 0.
    left : ndarray, shape (B,)
        r_0, zero where it is rounding.
    dof : int
    constant : ndarray, shape (B,)
    """

    log_values: Floats
    log_counts: Floats
    values: Floats
    weights: Floats
    left: Floats
    dof: int
    constant: Floats

    @property
    def rank(self) -> float:
        """Slope of the logarithmic part in log tau as tau tends to infinity."""
        return float(self.log_counts.sum())

    @property
    def falls(self) -> NDArray[np.bool_]:
        """Whether the criterion falls without end as tau grows, shape (B,)."""
        return np.asarray((self.left == 0.0) & (self.rank < self.dof) & self.weights.any(axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class Lowest:
    """The lowest value of B sections.

    Attributes
    ----------
    tau, objective : ndarray, shape (B,)
        Where the criterion falls without end, its lowest minimum; nan and inf where it has none.
    is_proven : ndarray of bool, shape (B,)
        Whether no tau has a lower value.
    falls : ndarray of bool, shape (B,)
        Whether the criterion falls without end as tau grows, or towards a limit that is below every value.
    """

    tau: Floats
    objective: Floats
    is_proven: NDArray[np.bool_]
    falls: NDArray[np.bool_]


def find_lowest(section: Section) -> Lowest:
    """Return the lowest value of each response's section over 0 <= tau <= infinity."""
    found = kernels.sections.lowest(
        section.log_values,
        section.log_counts,
        section.values,
        np.ascontiguousarray(section.weights),
        section.left,
        section.dof,
        section.constant,
    )
    return _find_in_step(section) if found is None else Lowest(*found)


def _find_in_step(section: Section) -> Lowest:
    """Return the same by NumPy, all responses in step."""
    B = len(section.left)
    best_tau, best = np.zeros(B), np.full(B, np.inf)
    proven, falls = np.ones(B, dtype=bool), np.zeros(B, dtype=bool)
    step = max(1, MAX_NUMBERS // (64 * max(len(section.values), len(section.log_values), 1)))
    for first in range(0, B, step):
        rows = slice(first, first + step)
        part = Section(
            section.log_values,
            section.log_counts,
            section.values,
            section.weights[rows],
            section.left[rows],
            section.dof,
            section.constant[rows],
        )
        best_tau[rows], best[rows], proven[rows], falls[rows] = _search_intervals(part)
    return Lowest(best_tau, best, proven, falls)


def _search_intervals(s: Section) -> tuple[Floats, Floats, NDArray[np.bool_], NDArray[np.bool_]]:
    """Return tau and the criterion where it is lowest, whether that is proven, and whether it falls, each (B,)."""
    B = len(s.left)
    grid = _make_grid(s)
    points = _evaluate(s, np.repeat(np.arange(B), len(grid)), np.tile(grid, B))
    best_tau, best = _find_lowest_of_grid(s, grid, points[F].reshape(B, -1))
    tol = TOL * np.maximum(1.0, np.abs(points[F, :: len(grid)]))
    proven, falls = np.ones(B, dtype=bool), s.falls
    cells = points.reshape(7, B, len(grid))
    a, b = cells[:, :, :-1].reshape(7, -1), cells[:, :, 1:].reshape(7, -1)
    owner = np.repeat(np.arange(B), len(grid) - 1)
    for _ in range(MAX_ROUNDS):
        is_open, bends = _judge_intervals(s, a, b, best[owner] - tol[owner], falls[owner])
        turns = (is_open & bends & (a[SLOPE] < 0) & (b[SLOPE] > 0)).nonzero()[0]
        if len(turns):
            tau, value = _find_minima(s, owner[turns], a[:, turns], b[:, turns])
            order = np.argsort(-value)
            order = order[value[order] < best[owner[turns[order]]]]
            # Of several minima of one response the lowest is written last.
            best[owner[turns[order]]], best_tau[owner[turns[order]]] = value[order], tau[order]
        at = (is_open & ~bends).nonzero()[0]
        if not len(at):
            break
        if len(at) > MAX_INTERVALS:
            proven &= np.bincount(owner[at], minlength=B) <= MAX_INTERVALS
            at = at[proven[owner[at]]]
        a, b, owner = a[:, at], b[:, at], owner[at]
        middle = np.where(a[TAU] > 0, np.sqrt(a[TAU] * b[TAU]), 0.5 * b[TAU])
        centre = _evaluate(s, owner, middle)
        a, b, owner = np.hstack([a, centre]), np.hstack([centre, b]), np.concatenate([owner, owner])
    else:
        proven[owner] = False
    towards = ~falls & (_limit_at_infinity(s) < best - tol)
    return best_tau, best, proven & ~falls & ~towards, falls | towards


def _find_lowest_of_grid(s: Section, grid: Floats, f: Floats) -> tuple[Floats, Floats]:
    """Return where the values f, shape (B, G), are lowest; among local minima where the criterion falls without end."""
    falls = s.falls
    if falls.any():
        f = f.copy()
        beside = np.pad(f, ((0, 0), (1, 1)), constant_values=np.inf)
        is_minimum = (f <= beside[:, :-2]) & (f <= beside[:, 2:])
        is_minimum[:, -1] = False
        f[falls[:, None] & ~is_minimum] = np.inf
    lowest = np.argmin(f, axis=1)
    best = f[np.arange(len(f)), lowest]
    return np.where(np.isfinite(best), grid[lowest], np.nan), best


def _judge_intervals(
    s: Section, a: Floats, b: Floats, least: Floats, falls: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return on which intervals the criterion may be below ``least``, and on which it is convex.

    Where it falls without end only minima count: intervals on which the derivative may be zero.
    """
    width = b[TAU] - a[TAU]
    low, high = b[P] - s.dof * a[H], a[P] - s.dof * b[H]
    bound = np.maximum(a[F] + np.minimum(low, 0.0) * width, b[F] - np.maximum(high, 0.0) * width)
    is_open = bound < least
    if falls.any():
        is_open &= ~falls | ((low < 0) & (high > 0))
    return is_open, s.dof * (b[K] - a[H] ** 2) > a[P2]


def _make_grid(s: Section) -> Floats:
    """Return zero and geometric values of tau, up to where the criterion only rises or is at its limit."""
    if not len(s.values) or not len(s.log_values):
        top = max(s.log_values.max(initial=0.0), s.values.max(initial=0.0))
        return np.array([0.0, 1.0 / top if top > 0 else 1.0])
    first = 0.1 / max(float(s.values.max()), float(s.log_values.max()))
    last = 10.0 / min(float(s.values.min()), float(s.log_values.min()))
    # From 1 / min m on the first part rises by at least rank / 2 per unit of log tau; the second falls by less from
    # where dof sum(w / mu) / (r_0 tau) is below that.
    sums = s.weights @ (1.0 / s.values)
    proper = s.left > 0
    if proper.any():
        last = max(last, 2.0 * s.dof / s.rank * float((sums[proper] / s.left[proper]).max()))
    if not proper.all():
        last = max(last, 1e9 / float(s.values.min()))
    per_decade = PER_DECADE if len(s.left) <= FEW else MANY_PER_DECADE
    start, end = np.log(first), np.log(last)
    return np.concatenate(
        [[0.0], np.exp(np.linspace(start, end, max(2, ceil(per_decade * (end - start) / np.log(10.0)) + 1)))]
    )


def _limit_at_infinity(s: Section) -> Floats:
    """Return the criterion's limit as tau grows where it has one below infinity, else inf, shape (B,)."""
    out = np.full(len(s.left), np.inf)
    if s.rank != s.dof or not len(s.values):
        return out
    level = (s.left == 0.0) & s.weights.any(axis=1)
    sums = s.weights[level] @ (1.0 / s.values)
    out[level] = float(s.log_counts @ np.log(s.log_values)) + s.dof * np.log(sums) + s.constant[level]
    return out


def _evaluate(s: Section, owner: NDArray[np.intp], tau: Floats) -> Floats:
    """Return the criterion and parts of its derivatives at tau of responses ``owner``, shape (7, N)."""
    out = np.empty((7, len(tau)))
    m = tau[:, None] * s.log_values
    v = s.log_values / (1.0 + m)
    out[TAU], out[P] = tau, v @ s.log_counts
    v *= v
    out[P2] = v @ s.log_counts
    share = 1.0 / (1.0 + tau[:, None] * s.values)
    part = s.weights[owner] * share
    r = s.left[owner] + part.sum(axis=1)
    share *= s.values
    part *= share
    out[H] = part.sum(axis=1) / r
    part *= share
    out[K] = 2.0 * part.sum(axis=1) / r
    out[F] = np.log1p(m) @ s.log_counts + s.dof * np.log(r) + s.constant[owner]
    out[SLOPE] = out[P] - s.dof * out[H]
    return out


def _find_minima(s: Section, owner: NDArray[np.intp], a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Return the minima in intervals on which the criterion is convex, by Newton's method within them."""
    low, high = a[TAU], b[TAU]
    tau, value = np.where(a[F] <= b[F], a[TAU], b[TAU]), np.minimum(a[F], b[F])
    trial = low - a[SLOPE] * (high - low) / (b[SLOPE] - a[SLOPE])
    for _ in range(MAX_POLISHING):
        at = _evaluate(s, owner, trial)
        better = at[F] < value
        tau, value = np.where(better, trial, tau), np.where(better, at[F], value)
        is_falling = at[SLOPE] < 0
        low, high = np.where(is_falling, trial, low), np.where(is_falling, high, trial)
        step = -at[SLOPE] / (s.dof * (at[K] - at[H] ** 2) - at[P2])
        if (np.abs(at[SLOPE] * step) < POLISHED).all():
            break
        last, trial = trial, trial + step
        trial = np.where((trial > low) & (trial < high), trial, 0.5 * (low + high))
        if (trial == last).all():
            break
    return tau, value

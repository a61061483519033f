"""Fits of thousands of responses on one design, by Newton's method on all of them in step, or one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.core.after.recover import recover_optimum
from lmmtools.core.search import parameters
from lmmtools.core.search.again import Known, optimize_again
from lmmtools.core.search.batch import (
    BatchElimination,
    BatchState,
    Dense,
    OneByOne,
    OneFactor,
    Points,
    Responses,
    elimination_for,
    evaluate_batch,
    project,
)
from lmmtools.core.search.certificate import SAME, null_slack, refuse_shared
from lmmtools.core.search.descent import ZERO_COLUMN
from lmmtools.core.search.elsewhere import competing_effects
from lmmtools.core.search.newton import newton_steps
from lmmtools.core.search.objective import ROUNDING, objectives_at_zero
from lmmtools.core.search.optimum import optimize
from lmmtools.core.search.section import find_lowest, section_of
from lmmtools.core.search.start import joint_lambdas, starting_roots, starting_sigmas
from lmmtools.errors import EngineError
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem

    Floats = NDArray[np.float64]

__all__ = ["Refits", "refit_many"]

BATCH_NUMBERS = 2_000_000
"""Numbers (16 MB) in the largest array of one batch: about what the caches hold."""

MAX_ROUNDS = 60
"""Largest number of evaluations in step; responses that have not converged by then are fitted one by one."""

TOL = 1e-17
"""Expected decrease of the criterion at which a response has converged."""


@dataclass(frozen=True, slots=True, eq=False)
class Refits:
    """Fits of B responses on one design.

    Attributes
    ----------
    theta : ndarray, shape (B, k)
    beta : ndarray, shape (B, p)
    beta_cov : ndarray, shape (B, p, p)
    sigma : ndarray, shape (B,)
    objective : ndarray, shape (B,)
        REML criterion or deviance.
    converged : ndarray of bool, shape (B,)
        Whether the stopping rule was met at a point where no zero variance would rather be positive.
    n_evaluations : ndarray of int, shape (B,)

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> fit.refit_many(fit.simulate(3, rng=1)).converged.shape
    (3,)
    """

    theta: Floats
    beta: Floats
    beta_cov: Floats
    sigma: Floats
    objective: Floats
    converged: NDArray[np.bool_]
    n_evaluations: NDArray[np.intp]


@single
def refit_many(problem: Problem, Y: Floats, reml: bool = True, theta: Floats | None = None) -> Refits:
    """Return the fits of every column of Y on the design of ``problem``.

    Parameters
    ----------
    problem : Problem
    Y : ndarray, shape (n, B)
        Responses, offset included as in the design.
    reml : bool
    theta : ndarray, shape (k,), optional
        The optimum of the problem's own response, or the truth that responses are drawn from, where one is known:
        large models are searched from there.

    Raises
    ------
    EngineError
        If Y has another number of rows, or a response is not finite or is reproduced exactly by X.
    """
    refuse_shared(problem.design, "refit")
    Y = np.asarray(Y, dtype=float)
    if Y.ndim != 2 or Y.shape[0] != problem.n:
        raise EngineError(f"The responses have shape {Y.shape}; give {problem.n} rows, one column per response.")
    out = _fit_in_step(problem, Y, reml)
    left = np.flatnonzero(~out.converged)
    known = None if theta is None else Known(problem, theta, reml, len(left))
    for i in left:
        own = problem.with_response(Y[:, i])
        optimum = optimize(own, reml) if known is None else optimize_again(own, known)
        found = recover_optimum(own, optimum)
        out.theta[i], out.beta[i], out.beta_cov[i] = found.theta, found.beta, found.beta_cov
        out.sigma[i], out.objective[i] = found.sigma, found.objective
        out.converged[i] = optimum.certificate.holds
        out.n_evaluations[i] += optimum.n_evaluations
    return out


def _fit_in_step(problem: Problem, Y: Floats, reml: bool) -> Refits:
    """Return the fits of the columns of Y, shape (n, B); not converged where one search in step does not settle them.

    No column is tried where the design lets the criterion have several optima, since these take several searches.
    """
    B, k, p = Y.shape[1], problem.design.k, problem.p
    out = Refits(
        np.empty((B, k)),
        np.empty((B, p)),
        np.empty((B, p, p)),
        np.empty(B),
        np.empty(B),
        np.zeros(B, dtype=bool),
        np.zeros(B, dtype=np.intp),
    )
    has_several = competing_effects(problem.design) or joint_lambdas(problem) is not None
    has_idle = any(span is not None and not span.is_all for span in problem.spanned)
    kind = None if has_several or has_idle else elimination_for(problem)
    if kind is None:
        return out
    f = problem.structure.factors[0]
    each = f.q * max(f.l, p + 1, k) if kind is OneFactor else problem.structure.q**2
    step = max(1, BATCH_NUMBERS // each)
    for start in range(0, B, step):
        rows = np.arange(start, min(start + step, B))
        _fit_batch(problem, kind, project(problem, Y[:, rows]), rows, reml, out)
    return out


@dataclass(frozen=True, slots=True, eq=False)
class _Moving:
    """The responses that have not converged, at their last accepted points, with the steps to try next.

    Attributes
    ----------
    rows : ndarray of int, shape (B,)
        Which responses.
    y : Responses
    lambdas, frames : tuple of ndarray, each (B, l, l)
        The root Q L of Sigma per block, and Q.
    phi, g, step : ndarray, shape (B, k)
    objective, noise, expected, share : ndarray, shape (B,)
        The criterion; a bound of its rounding error; the decrease that the step promises; the share of the step to try.
    settled : ndarray of bool, shape (B,)
        Whether the criterion falls along no direction of a null space of Sigma.
    T : tuple of ndarray, each (B, l, l)
        Derivative of log|V| per block.
    """

    rows: NDArray[np.intp]
    y: Responses
    lambdas: tuple[Floats, ...]
    frames: tuple[Floats, ...]
    phi: Floats
    g: Floats
    step: Floats
    objective: Floats
    noise: Floats
    expected: Floats
    share: Floats
    settled: NDArray[np.bool_]
    T: tuple[Floats, ...]

    def take(self, at: NDArray[np.intp]) -> _Moving:
        """Return some of the responses."""
        return _Moving(
            self.rows[at],
            self.y.take(at),
            tuple(x[at] for x in self.lambdas),
            tuple(x[at] for x in self.frames),
            self.phi[at],
            self.g[at],
            self.step[at],
            self.objective[at],
            self.noise[at],
            self.expected[at],
            self.share[at],
            self.settled[at],
            tuple(x[at] for x in self.T),
        )


def _take_accepted(use: NDArray[np.bool_], new: _Moving, old: _Moving) -> _Moving:
    """Return ``new`` where ``use`` is true, else ``old`` with a shorter step."""

    def pick(a: Floats, b: Floats) -> Floats:
        return np.where(use.reshape(-1, *[1] * (a.ndim - 1)), a, b)

    return _Moving(
        new.rows,
        new.y,
        tuple(pick(a, b) for a, b in zip(new.lambdas, old.lambdas, strict=True)),
        tuple(pick(a, b) for a, b in zip(new.frames, old.frames, strict=True)),
        pick(new.phi, old.phi),
        pick(new.g, old.g),
        pick(new.step, old.step),
        pick(new.objective, old.objective),
        pick(new.noise, old.noise),
        pick(new.expected, old.expected),
        pick(new.share, 0.35 * old.share),
        np.where(use, new.settled, old.settled),
        tuple(pick(a, b) for a, b in zip(new.T, old.T, strict=True)),
    )


def _fit_batch(
    problem: Problem,
    kind: type[OneFactor] | type[Dense] | type[OneByOne],
    y: Responses,
    rows: NDArray[np.intp],
    reml: bool,
    out: Refits,
) -> None:
    """Write the fits of some responses to ``out``; those that do not converge are left as they are."""
    lambdas = problem.away_from_x(_starts(problem, y, reml))
    front = _differentiate(problem, rows, y, lambdas, evaluate_batch(problem, kind, y, lambdas, reml), reml)
    out.n_evaluations[rows] = 1
    front = front.take(np.flatnonzero(np.isfinite(front.objective)))
    bounded = parameters.bounded(problem.covariances)
    for _ in range(MAX_ROUNDS):
        done = front.expected <= TOL
        if done.any():
            _write_results(problem, kind, front.take(np.flatnonzero(done)), reml, out)
        front = front.take(np.flatnonzero(~done & (front.share > 1e-8)))
        if not len(front.rows):
            return
        trial = front.phi + front.share[:, None] * front.step
        trial[:, bounded] = np.maximum(trial[:, bounded], 0.0)
        slope = np.einsum("zi,zi->z", front.g, trial - front.phi)
        lambdas = parameters.unpack(problem.covariances, trial, front.frames)
        state = evaluate_batch(problem, kind, front.y, lambdas, reml)
        out.n_evaluations[front.rows] += 1
        slack = np.where(-slope < 1e3 * front.noise, front.noise, 0.0)
        good = front.objective - state.objective >= -1e-4 * slope - slack
        front = _take_accepted(good, _differentiate(problem, front.rows, front.y, lambdas, state, reml), front)


def _starts(problem: Problem, y: Responses, reml: bool) -> tuple[Floats, ...]:
    """Return starts of B responses, (B, l, l) per block: with one variance the lowest point of all, else moments."""
    section = None
    if problem.design.k == 1:
        section = section_of(problem, y.Zy, y.Xy, y.yy, y.y_scale, reml)
    if section is None:
        return starting_roots(problem, starting_sigmas(problem, y.Zy, y.yy))
    tau = find_lowest(section).tau
    if np.isnan(tau).any():
        (moments,) = starting_roots(problem, starting_sigmas(problem, y.Zy, y.yy))
        return (np.where(np.isnan(tau)[:, None, None], moments, np.sqrt(tau)[:, None, None]),)
    return (np.sqrt(tau)[:, None, None],)


def _is_lower_at_zero(
    problem: Problem,
    kind: type[OneFactor] | type[Dense] | type[OneByOne],
    y: Responses,
    lambdas: Sequence[Floats],
    objective: Floats,
    reml: bool,
) -> NDArray[np.bool_]:
    """Return for which responses the criterion is lower with one term, or all, at zero, shape (B,)."""
    k = len(lambdas)
    if problem.design.k == 1:
        return np.zeros(len(objective), dtype=bool)
    lowest = objectives_at_zero(problem, y.Xy, y.yy, y.y_scale, reml)
    for without in range(k if k > 1 else 0):
        fewer = [np.zeros_like(lam) if j == without else lam for j, lam in enumerate(lambdas)]
        lowest = np.minimum(lowest, evaluate_batch(problem, kind, y, fewer, reml).objective)
    return np.asarray(lowest < objective - SAME * np.maximum(1.0, np.abs(objective)))


def _differentiate(
    problem: Problem,
    rows: NDArray[np.intp],
    y: Responses,
    lambdas: tuple[Floats, ...],
    s: BatchState,
    reml: bool,
) -> _Moving:
    """Return evaluated points with their derivatives and Newton's steps."""
    dof, is_there = problem.n - problem.p if reml else problem.n, np.isfinite(s.objective)
    elimination = s.elimination
    if isinstance(elimination, OneByOne):
        at = elimination.points(y, is_there, reml)
    else:
        at = _differentiate_in_step(problem, elimination, lambdas, s, reml)
    for array in (at.g, at.exact, at.average, at.phi):
        array[~is_there] = 0.0
    step, expected = newton_steps(at.phi, at.g, at.exact, at.average, parameters.bounded(problem.covariances))
    settled = _is_settled(at.G, at.T, at.lambdas, at.frames)
    share = parameters.step_limit(problem.covariances, at.phi, step)
    expected[~is_there] = np.inf
    with np.errstate(invalid="ignore"):
        noise = 8 * ROUNDING * np.maximum(np.maximum(1.0, np.abs(s.objective)), dof * y.yy / s.r2)
    return _Moving(
        rows, y, at.lambdas, at.frames, at.phi, at.g, step, s.objective, noise, expected, share, settled, tuple(at.T)
    )


def _differentiate_in_step(
    problem: Problem, elimination: BatchElimination, lambdas: Sequence[Floats], s: BatchState, reml: bool
) -> Points:
    """Return the derivatives of all responses from their elimination in step."""
    B, p = len(s.r2), problem.p
    dof = problem.n - p if reml else problem.n
    # Where a trial overflowed its criterion is infinite, and its other numbers are not used.
    frames, roots = parameters.frame(problem.covariances, [np.where(np.isfinite(lam), lam, 0.0) for lam in lambdas])
    framed = tuple(Q @ L for Q, L in zip(frames, roots, strict=True))
    f = s.Fy - np.einsum("zqp,zp->zq", s.Fx, s.b)
    Y = s.Fx
    if p:
        Y = np.asarray(np.linalg.solve(s.Lxx, s.Fx.transpose(0, 2, 1)).transpose(0, 2, 1), dtype=float)
    ratio = dof / s.r2
    if not reml:
        Y = Y[:, :, :0]
    G: list[Floats] = [f] * len(lambdas)
    T: list[Floats] = [f] * len(lambdas)
    for factor, t in zip(problem.structure.factors, elimination.blocks(), strict=True):
        rank = Y[:, factor.columns].reshape(B, factor.m, factor.l, -1).transpose(0, 2, 1, 3).reshape(B, factor.l, -1)
        own = f[:, factor.columns].reshape(B, factor.m, factor.l).transpose(0, 2, 1)
        full = t - rank @ rank.transpose(0, 2, 1) - ratio[:, None, None] * (own @ own.transpose(0, 2, 1))
        for j, part in factor.parts():
            T[j], G[j] = t[:, part, part], full[:, part, part]
    if reml:
        G = [g if span is None else span.away @ g @ span.away for g, span in zip(G, problem.spanned, strict=True)]
    terms = problem.covariances
    sigma = parameters.sigma_directions(terms, framed, frames)
    D = parameters.apply_directions(f, sigma, problem.structure.factors)
    q = np.einsum("zqk,zq->zk", D, f)
    Q2 = np.asarray(D.transpose(0, 2, 1) @ elimination.times_N(D))
    if p:
        z = np.linalg.solve(s.Lxx, s.Fx.transpose(0, 2, 1) @ D)
        Q2 = np.asarray(Q2 - z.transpose(0, 2, 1) @ z, dtype=float)
    Q2 = np.asarray(0.5 * (Q2 + Q2.transpose(0, 2, 1)) * ratio[:, None, None])
    rest = parameters.curvature(terms, G, framed, frames)
    rest -= np.einsum("zi,zj->zij", q, q) * (ratio / s.r2)[:, None, None]
    phi = parameters.pack(terms, roots)
    exact = 2.0 * Q2 - elimination.squares(Y, sigma) + rest
    gradient = parameters.gradient(G, sigma)
    return Points(frames, framed, G, T, phi, gradient, exact, Q2 + rest)


def _is_settled(
    G: Sequence[Floats], T: Sequence[Floats], lambdas: Sequence[Floats], frames: Sequence[Floats]
) -> NDArray[np.bool_]:
    """Return for which responses the criterion falls along no null direction of a vector-valued Sigma, shape (B,)."""
    settled = np.ones(len(G[0]), dtype=bool)
    for g, t, lam, Q in zip(G, T, lambdas, frames, strict=True):
        if Q.shape[1] > 1:
            slope = np.einsum("zab,zac,zcb->zb", Q, g, Q, optimize=True)
            settled &= ((slope >= -null_slack(t)[:, None]) | lam.any(axis=1)).all(axis=1)
    return settled


def _write_results(
    problem: Problem, kind: type[OneFactor] | type[Dense] | type[OneByOne], front: _Moving, reml: bool, out: Refits
) -> None:
    """Write the fits of finished responses to ``out``, with vanished columns of lambda at exactly zero."""
    lambdas, tried = [], np.zeros(len(front.rows), dtype=bool)
    for lam, T in zip(front.lambdas, front.T, strict=True):
        if lam.shape[1] == 1:
            lambdas.append(lam)
            continue
        size = np.einsum("zac,zab,zbc->zc", lam, T, lam)
        vanished = (size < ZERO_COLUMN) & lam.any(axis=1)
        tried |= vanished.any(axis=1)
        lambdas.append(np.where(vanished[:, None, :], 0.0, lam))
    s = evaluate_batch(problem, kind, front.y, lambdas, reml)
    settled = front.settled
    if tried.any():
        worse = s.objective > front.objective + front.noise
        back = worse & tried
        if back.any():
            lambdas = [np.where(back[:, None, None], a, b) for a, b in zip(front.lambdas, lambdas, strict=True)]
            s = evaluate_batch(problem, kind, front.y, lambdas, reml)
        settled = _differentiate(problem, front.rows, front.y, tuple(lambdas), s, reml).settled
    rows = front.rows
    dof = problem.n - problem.p if reml else problem.n
    scale = front.y.y_scale
    sigma2 = scale**2 * s.r2 / dof
    X = problem.scaling.x_map
    out.objective[rows] = s.objective
    out.sigma[rows] = np.sqrt(sigma2)
    out.converged[rows] = settled & ~_is_lower_at_zero(problem, kind, front.y, lambdas, s.objective, reml)
    if problem.p:
        out.beta[rows] = (front.y.centre + scale[:, None] * s.b) @ X.T
        half = np.linalg.solve(s.Lxx, np.broadcast_to(X.T, (len(rows), *X.shape)))
        out.beta_cov[rows] = sigma2[:, None, None] * (half.transpose(0, 2, 1) @ half)
    out.theta[rows] = problem.to_theta(lambdas)

"""Scans of the criterion from an optimum along one variance at a time, to find lower points that no search has reached.

Each term is taken out, or one direction of a vector-valued one, and the criterion is a function of one variance again:
that of what was taken out, everything else held (see :mod:`~lmmtools.core.search.section`). Its lowest value, zero
included, is known without a search; a value below the optimum is a start from which a search goes lower still.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.lapack import dtrtrs

from lmmtools.core.data.spectrum import NULL
from lmmtools.core.elimination.chain import solve
from lmmtools.core.search.objective import State, evaluate_state, objectives_at_zero, profile, projector
from lmmtools.core.search.section import find_lowest, make_section
from lmmtools.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem
    from lmmtools.core.search.curvature import LocalModel
    from lmmtools.core.search.section import Section
    from lmmtools.formula.terms import RandomTerm

    Floats = NDArray[np.float64]

__all__ = ["LowerPoint", "alone", "exchanges", "find_lower", "objective_without", "without_a_term"]


MOST_GAIN = 1e4
"""Largest relative variance times a level's information of a term that is taken out of an elimination: eight digits of
K are left."""


@dataclass(frozen=True, slots=True, eq=False)
class LowerPoint:
    """A point with its criterion, a candidate to be lower than an optimum.

    Attributes
    ----------
    where : str
        Describes the point, with ``{}`` for a term.
    term : RandomTerm or None
    objective : float
    lambdas : tuple of ndarray, each (l, l)
        In the engine's coordinates.
    """

    where: str
    term: RandomTerm | None
    objective: float
    lambdas: tuple[Floats, ...]

    @property
    def name(self) -> str:
        """Where it is, in words."""
        return self.where.format(self.term)


def find_lower(problem: Problem, model: LocalModel, least: float, *, scan: bool) -> LowerPoint | None:
    """Return the lowest point found that is below ``least``, None where there is none.

    Parameters
    ----------
    problem : Problem
    model : LocalModel
        An optimum.
    least : float
    scan : bool
        Whether to look along each variance, or at zeros alone.
    """
    state = model.state
    if not scan and _is_lower_than_zeros(problem, state, least):
        return None
    found = [_evaluate_at_zero(problem, state.reml)]
    if problem.design.k > 1:
        known = set() if scan else {k for k, N in model.few.items() if _is_higher_without(problem, state, k, N)}
        for k, base in without_a_term(problem, state, known):
            block = problem.design.blocks[k]
            found.append(LowerPoint("{} at zero", block.term, base.objective, base.lambdas))
            if scan:
                found += _scan_along(problem, base, k, _scan_directions(problem, state.lambdas[k], k))
    if scan:
        for k, lam in enumerate(state.lambdas):
            if len(lam) > 1:
                found += _scan_columns(problem, state, k)
    lowest = min(found, key=lambda one: one.objective)
    return lowest if lowest.objective < least else None


def _is_lower_than_zeros(problem: Problem, state: State, least: float) -> bool:
    """Return whether ``least`` is no higher than the criterion with each term, or all, at zero; False may be either.

    Of a small model, at the price of one call.
    """
    found = None if problem.dense is None else problem.dense.at_zero(problem.response, state.lambdas)
    if found is None:
        return False
    logdet = found[:, 0] + found[:, 1] if state.reml else found[:, 0]
    values = profile(logdet, found[:, 2], state.dof) + problem.constant(state.reml)
    return bool(values.min() >= least)


def exchanges(problem: Problem, state: State) -> Iterator[tuple[Floats, ...]]:
    """Yield for each term the lowest point at which that term is zero and one other has more variance."""
    for k, base in without_a_term(problem, state):
        found = [
            one
            for j, others in without_a_term(problem, base)
            if j != k
            for one in _scan_along(problem, others, j, _scan_directions(problem, base.lambdas[j], j)[:1])
        ]
        if found:
            yield min(found, key=lambda one: one.objective).lambdas


def alone(problem: Problem, reml: bool) -> Iterator[tuple[Floats, ...]]:
    """Yield for each term the lowest point along its variance where all others are zero."""
    zeros = tuple(np.zeros((l, l)) for l in problem.widths)
    base = evaluate_state(problem, zeros, reml)
    for k, lam in enumerate(zeros):
        found = list(_scan_along(problem, base, k, _scan_directions(problem, lam, k)))
        if found:
            yield min(found, key=lambda one: one.objective).lambdas


def _evaluate_at_zero(problem: Problem, reml: bool) -> LowerPoint:
    """Return the point with all variances at zero."""
    zeros = tuple(np.zeros((l, l)) for l in problem.widths)
    y = problem.response
    (value,) = objectives_at_zero(problem, y.Xy[None], np.array([y.yy]), np.array([y.y_scale]), reml)
    return LowerPoint("all variances at zero", None, float(value), zeros)


def without_a_term(problem: Problem, state: State, left_out: Collection[int] = ()) -> Iterator[tuple[int, State]]:
    """Yield each term and the state with that term at zero, the others held; ``state`` itself where it is zero."""
    for k, lam in enumerate(state.lambdas):
        if k in left_out:
            continue
        if not lam.any():
            yield k, state
            continue
        base = _evaluate_or_none(
            problem, [np.zeros_like(x) if j == k else x for j, x in enumerate(state.lambdas)], state.reml
        )
        if base is not None:
            yield k, base


def _is_higher_without(problem: Problem, state: State, k: int, N: Floats) -> bool:
    """Return whether the criterion is known to be higher with a term of few levels at zero, the others held."""
    objective = objective_without(problem, state, k, N)
    return objective is not None and objective > state.objective


def objective_without(problem: Problem, state: State, k: int, N: Floats) -> float | None:
    """Return the criterion with one term at zero, the others held, from the elimination with it.

    With V_0 = V - Z_k Lambda_k Lambda_k' Z_k', K = I - Lambda_k' N Lambda_k and G = Lambda_k' Z_k' V^-1 [X y],

        log|V_0| = log|V| + log|K| ,   H_0 = H + G' K^-1 G

    None where the variance is so large that K is nearly singular, which costs digits.

    Parameters
    ----------
    problem : Problem
    state : State
    k : int
        The term.
    N : ndarray, shape (m * l, m * l)
        Z_k'V^-1 Z_k.
    """
    f = next(f for f in problem.structure.factors if k in f.blocks)
    part, lam, p = dict(f.parts())[k], state.lambdas[k], problem.p
    if float((lam * lam).sum() * problem.structure.diagonal()[f.columns].max()) > MOST_GAIN:
        return None
    Lambda = np.kron(np.eye(f.m), lam)
    values, vectors = np.linalg.eigh(np.eye(len(N)) - Lambda.T @ N @ Lambda)
    F = state.F[f.columns].reshape(f.m, f.l, -1)[:, part].reshape(len(N), -1)
    G = (vectors / np.sqrt(values)).T @ (Lambda.T @ F)
    H = G.T @ G
    H[:p, :p] += state.Hxx
    H[:p, p] += state.Hxx @ state.b
    H[p, p] += state.r2 + state.b @ state.Hxx @ state.b
    L = np.linalg.cholesky(H[:p, :p])
    z = np.linalg.solve(L, H[:p, p])
    logdet = state.logdet + float(np.log(values).sum())
    if state.reml:
        logdet += 2.0 * float(np.log(L.diagonal()).sum())
    return float(profile(logdet, H[p, p] - z @ z, state.dof) + problem.constant(state.reml))


def _evaluate_or_none(problem: Problem, lambdas: Sequence[Floats], reml: bool) -> State | None:
    """Return the state at lambda; None where the criterion cannot be evaluated."""
    try:
        return evaluate_state(problem, tuple(lambdas), reml)
    except EngineError:
        return None


def _scan_directions(problem: Problem, lam: Floats, k: int) -> list[Floats]:
    """Return roots of Sigma_k, each (l, c), along whose multiples the criterion is scanned."""
    if len(lam) == 1:
        return [np.ones((1, 1))]
    R = problem.scaling.basis_maps[k]
    effects = [R[:, [j]] / np.linalg.norm(R[:, j]) for j in range(len(lam))]
    own = lam[:, lam.any(axis=0)]
    return [own / np.linalg.norm(own) if own.size else np.eye(len(lam)), *effects]


def _scan_along(problem: Problem, base: State, k: int, roots: list[Floats]) -> Iterator[LowerPoint]:
    """Yield the lowest points of the criterion along multiples of roots of Sigma_k, added to that of ``base``."""
    for root in roots:
        section = section_along(problem, base, k, root)
        lowest = find_lowest(section)
        if np.isfinite(lowest.objective[0]) and lowest.tau[0] > 0:
            lam = base.lambdas[k]
            added = np.column_stack([lam, np.sqrt(lowest.tau[0]) * root])
            Q, values, _ = np.linalg.svd(added, full_matrices=False)
            moved = tuple(Q * values if j == k else x for j, x in enumerate(base.lambdas))
            term = problem.design.blocks[k].term
            yield LowerPoint("a scan along {}", term, float(lowest.objective[0]), moved)


def _scan_columns(problem: Problem, state: State, k: int) -> Iterator[LowerPoint]:
    """Yield the lowest points along each principal direction of a vector-valued term, its other directions held."""
    Q, L = problem.covariances[k].frame(state.lambdas[k])
    lam = Q @ L
    term = problem.design.blocks[k].term
    for j in range(len(lam)):
        rest = lam.copy()
        rest[:, j] = 0.0
        base = _evaluate_or_none(problem, [rest if i == k else x for i, x in enumerate(state.lambdas)], state.reml)
        if base is not None:
            yield LowerPoint("{} without a direction", term, base.objective, base.lambdas)
            yield from _scan_along(problem, base, k, [Q[:, [j]]])


def section_along(problem: Problem, base: State, k: int, root: Floats) -> Section:
    """Return the criterion at Sigma_k + tau root root' as a function of tau.

    Parameters
    ----------
    problem : Problem
    base : State
    k : int
        The block.
    root : ndarray, shape (l, c)
    """
    st = problem.structure
    f = next(f for f in st.factors if k in f.blocks)
    part = dict(f.parts())[k]
    c = root.shape[1]
    E = np.zeros((f.m, f.l, f.m, c))
    E[range(f.m), part, range(f.m)] = root
    full = np.zeros((st.q, f.m * c))
    full[f.columns] = E.reshape(f.q, f.m * c)
    _, F = solve(base.elimination, st.times(full))
    N = full.T @ F
    N = 0.5 * (N + N.T)
    z = full.T @ base.f
    B = N
    if base.reml and problem.p:
        Y = full.T @ projector(base)
        B = N - Y @ Y.T
    elif problem.p:
        half = dtrtrs(base.Lxx, (full.T @ base.F[:, : problem.p]).T, lower=1)[0]
        B = N - half.T @ half
    values, vectors = np.linalg.eigh(B)
    values = _without_rounding(values)
    logs = values if base.reml else _without_rounding(np.linalg.eigvalsh(N))
    dof = base.dof
    constant = base.objective - profile(0.0, base.r2, dof)
    squares = (z @ vectors)[None] ** 2
    return make_section(logs, np.ones(len(logs)), values, squares, np.array([base.r2]), dof, np.array([constant]))


def _without_rounding(values: NDArray[np.floating]) -> Floats:
    """Return eigenvalues in ascending order, those that are rounding as zero."""
    return np.asarray(np.where(values <= NULL * max(float(values[-1]), 0.0), 0.0, values), dtype=float)

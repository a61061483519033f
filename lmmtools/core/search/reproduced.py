"""Whether random effects can reproduce the response, so that the criterion falls without end as their variances grow.

Let the variances of some terms grow together as tau, the others held. log|V| grows as rank(Z_S) log tau, and under REML
log|V| + log|X'V^-1X| as (rank[X Z_S] - p) log tau, Z_S the columns of those terms. If y is not in the span of [X Z_S],
r2 tends to a positive number, and the criterion rises. If it is, r2 falls as 1 / tau, and the criterion changes as

    (rank - dof) log tau,    rank = rank[X Z_S] - p and dof = n - p by REML, rank(Z_S) and n by ML:

it falls without end where rank < dof, and tends to a limit where they are equal. Of sets of terms that reproduce y the
smallest have the lowest ranks. A vector-valued term may grow in a part of its directions only, which lowers the rank,
too: one of its effects, a direction that some row does not see, or of two effects one that the response chooses.
"""

from __future__ import annotations

from itertools import combinations, islice, product
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.core.search.objective import evaluate_state
from lmmtools.core.search.traces import DENSE_Q
from lmmtools.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem

    Floats = NDArray[np.float64]

__all__ = ["reproducing_terms"]

LARGE = 1e5
"""Relative standard deviation, in units of c**-1/2, at which random effects nearly reproduce a response if they can."""

NEARLY = 1e-6
"""Largest r2 there, as a share of y'y, of a response that may be reproduced."""

EXACTLY = 1e-9
"""Length of the residuals of y on [X Z_S], as a share of y's beside X, that is rounding."""

RANK_TOL = 1e-10
"""Singular value of [X Z_S], columns of length one, as a share of the largest, that is rounding."""

MOST_NUMBERS = 1_000_000
"""Numbers in [X Z] up to which its subsets are decomposed."""

FEW_ROWS = 60
"""Up to this many rows, directions that a row does not see, or that the response chooses, are tried as well."""

MOST_SETS = 3000
"""Sets of columns that are tried."""

FOUND = 1e-6
"""As ``EXACTLY``, at an angle found by minimisation, which is accurate to half the digits."""

ANGLES = 90
"""Directions of a pair of effects that are tried at first."""


def reproducing_terms(problem: Problem, reml: bool) -> tuple[int, ...]:
    """Return the blocks of a set of terms by which the criterion falls without end, empty where there is none."""
    q = problem.structure.q
    if q > DENSE_Q or problem.n * (q + problem.p) > MOST_NUMBERS or not _is_suspicious(problem, reml):
        return ()
    d = problem.design
    X, y = problem.residual.whitened(d.X), problem.residual.whitened(d.response)
    Q = np.linalg.qr(X)[0]
    y = _project_off(Q, y)
    y = y / np.linalg.norm(y)
    columns = [_columns_of_z(problem, k, np.eye(l)) for k, l in enumerate(problem.widths)]
    for chosen, Z in islice(_sets_of_columns(problem, columns), MOST_SETS):
        if _lets_fall(X, Z, y, reml):
            return chosen
    if d.n <= FEW_ROWS:
        for chosen, Z in _sets_with_chosen_direction(problem, X, columns, y, reml):
            if _lets_fall(X, Z, y, reml):
                return chosen
    return ()


def _sets_of_columns(problem: Problem, columns: list[Floats]) -> Iterator[tuple[tuple[int, ...], Floats]]:
    """Yield sets of terms with their columns of Z: whole terms, then with one direction of vector-valued ones."""
    for size in range(1, len(columns) + 1):
        for chosen in combinations(range(len(columns)), size):
            yield chosen, np.column_stack([columns[k] for k in chosen])
    parts = [
        [Z, *(_columns_of_z(problem, k, v) for v in _special_directions(problem, k))] for k, Z in enumerate(columns)
    ]
    for size in range(1, len(columns) + 1):
        for chosen in combinations(range(len(columns)), size):
            for picked in product(*(parts[k] for k in chosen)):
                yield chosen, np.column_stack(picked)


def _special_directions(problem: Problem, k: int) -> Iterator[Floats]:
    """Yield directions of a vector-valued term, (l, 1), in which its columns may have a lower rank."""
    l = problem.widths[k]
    if l == 1:
        return
    yield from (np.eye(l)[:, [j]] for j in range(l))
    block = problem.design.blocks[k]
    if l == 2 and len(block.basis) <= FEW_ROWS:
        basis = block.basis / np.linalg.norm(block.basis, axis=0)
        for a, b in np.unique(basis, axis=0):
            yield np.array([[-b], [a]]) / np.hypot(a, b)


def _is_suspicious(problem: Problem, reml: bool) -> bool:
    """Return whether r2 nearly vanishes where all variances are large."""
    large = tuple(np.eye(l) * (LARGE / np.sqrt(c)) for l, c in zip(problem.widths, problem.units, strict=True))
    try:
        state = evaluate_state(problem, problem.away_from_x(large), reml)
    except EngineError:
        return True
    return state.r2 < NEARLY * problem.response.yy


def _columns_of_z(problem: Problem, k: int, directions: Floats) -> Floats:
    """Return the whitened columns of Z of some directions of a term's effects, shape (n, m * c)."""
    block = problem.design.blocks[k]
    basis = (block.basis / np.linalg.norm(block.basis, axis=0)) @ directions
    out = np.zeros((len(basis), block.m, basis.shape[1]))
    out[np.arange(len(basis)), block.codes] = basis
    return problem.residual.whitened(out.reshape(len(basis), -1))


def _lets_fall(X: Floats, Z: Floats, y: Floats, reml: bool) -> bool:
    """Return whether y is in the span of [X Z] and the rank lets the criterion fall without end."""
    is_reproduced = _length_outside(np.column_stack([X, Z]), y) <= EXACTLY
    return is_reproduced and _is_rank_below_dof(X, Z, reml)


def _is_rank_below_dof(X: Floats, Z: Floats, reml: bool) -> bool:
    """Return whether the criterion falls without end if y is in the span of [X Z]."""
    G = np.column_stack([X, Z]) if reml else Z
    values = np.linalg.svd(_with_length_one(G), compute_uv=False)
    return bool((values > RANK_TOL * values[0]).sum() < len(G))


def _length_outside(G: Floats, y: Floats) -> float:
    """Return the length of the residual of y after projection on the columns of G."""
    U, values, _ = np.linalg.svd(_with_length_one(G), full_matrices=False)
    return float(np.linalg.norm(_project_off(U[:, values > RANK_TOL * values[0]], y)))


def _with_length_one(G: Floats) -> Floats:
    """Return the columns with length one, without those of zeros."""
    lengths = np.linalg.norm(G, axis=0)
    return np.asarray(G[:, lengths > 0] / lengths[lengths > 0])


def _project_off(U: Floats, y: Floats) -> Floats:
    """Return y less its projection on orthonormal columns, projected twice."""
    y = y - U @ (U.T @ y)
    return np.asarray(y - U @ (U.T @ y))


def _sets_with_chosen_direction(
    problem: Problem, X: Floats, columns: list[Floats], y: Floats, reml: bool
) -> Iterator[tuple[tuple[int, ...], Floats]]:
    """Yield sets of columns in which a term of two effects has the one direction that leaves least of y."""
    from scipy.optimize import minimize_scalar

    blocks = range(len(columns))
    for k in (k for k, l in enumerate(problem.widths) if l == 2):
        others = [j for j in blocks if j != k]
        for size in range(len(others) + 1):
            for chosen in combinations(others, size):
                beside = np.column_stack([X, *(columns[j] for j in chosen)])

                def turned_columns(angle: float, k: int = k) -> Floats:
                    return _columns_of_z(problem, k, np.array([[np.cos(angle)], [np.sin(angle)]]))

                def left(
                    angle: float, beside: Floats = beside, turned: Callable[[float], Floats] = turned_columns
                ) -> float:
                    return _length_outside(np.column_stack([beside, turned(angle)]), y)

                if not _is_rank_below_dof(
                    X, np.column_stack([*(columns[j] for j in chosen), turned_columns(1.0)]), reml
                ):
                    continue
                grid = np.linspace(0.0, np.pi, ANGLES + 1)
                values = np.array([left(angle) for angle in grid])
                for i in np.flatnonzero((values[1:-1] <= values[:-2]) & (values[1:-1] <= values[2:])) + 1:
                    o = minimize_scalar(
                        left, bounds=(grid[i - 1], grid[i + 1]), method="bounded", options={"xatol": 1e-12}
                    )
                    if o.fun < FOUND:
                        yield (k, *chosen), np.column_stack([*(columns[j] for j in chosen), turned_columns(o.x)])

"""The fixed effects without some of the rows, with theta and sigma held, from V^-1 of all rows.

With I the rows left out, E their columns of the identity, S = E'V^-1 E, G = E'V^-1 X and e = E'V^-1 (y - X b),

    X'V^-1X of the rest   H_I = H - G'S^-1 G
    b of the rest         b_I = b - H_I^-1 G'S^-1 e

which is generalised least squares with a parameter for every row of I (Christensen, Pearson & Johnson 1992,
Technometrics 34). S has as many rows as I; where these are too many, V^-1 of the rest is factored anew.

For a chain without a rest, G'S^-1[G e] comes from cross-products of the rows by level; elsewhere S is formed, for all
sets of one size at a time, from z_i'W z_j of any two rows of Z.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import solve_triangular

from lmmtools.core.after.leverage import blocks_of_rows, by_factor, random_leverages, times_rows
from lmmtools.core.after.recover import recover_state
from lmmtools.core.after.reduced_rows import gram_of_sets, reduce_rows
from lmmtools.core.after.row_sets import RowSets
from lmmtools.core.data.problem import Problem, prepare
from lmmtools.core.data.room import check_deletions
from lmmtools.core.elimination.chain import invert, solve
from lmmtools.core.search.objective import State, evaluate_state
from lmmtools.design.stack import keep_rows
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Rows = NDArray[np.intp]
    Products = Callable[[Rows], Callable[[Rows], Floats]]

__all__ = ["Deletions", "delete_rows"]

SOLVED_ROWS = 512
"""Rows of the largest set that is left out by its own S."""

AT_ONCE = 4_000_000
"""Numbers (32 MB) in the arrays that hold some of the rows at once."""

RANK = 1e-9
"""Information of the remaining rows on a direction of the fixed effects, as a share of all, that counts as zero."""


@dataclass(frozen=True, slots=True, eq=False)
class Deletions:
    """The fixed effects without each of r sets of rows, theta and sigma held.

    Attributes
    ----------
    changes : ndarray, shape (r, p)
        b_I - b; NaN where the rest cannot estimate all fixed effects.
    covariances : ndarray, shape (r, p, p)
        sigma**2 (X'V^-1X)^-1 of the rest; NaN likewise.
    is_estimable : ndarray of bool, shape (r,)
    """

    changes: Floats
    covariances: Floats
    is_estimable: NDArray[np.bool_]

    @classmethod
    def unknown(cls, r: int, p: int) -> Deletions:
        """Return the record of r sets before anything is known."""
        return cls(np.full((r, p), np.nan), np.full((r, p, p), np.nan), np.zeros(r, dtype=bool))


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """What deletions need of each row.

    Attributes
    ----------
    B : ndarray, shape (n, p + 1)
        G and e over the weights: V^-1 X in the engine's coordinates, and V^-1 (y - X b) in units of y.
    w : ndarray, shape (n,)
        Weights.
    """

    B: Floats
    w: Floats


@single
def delete_rows(problem: Problem, theta: Floats, reml: bool, sets: RowSets) -> Deletions:
    """Return the fixed effects and their covariance without each set of rows.

    Parameters
    ----------
    problem : Problem
    theta : array_like, shape (k,)
    reml : bool
    sets : RowSets
        Rows to leave out.

    Raises
    ------
    EngineError
        If the criterion cannot be evaluated at theta, or there is no memory for so many sets.
    """
    check_deletions(len(sets), problem.p)
    s = evaluate_state(problem, problem.to_lambdas(theta), reml)
    rows = _divide_by_weights(problem, s)
    out = Deletions.unknown(len(sets), problem.p)
    if (sets.sizes == 1).all():
        _leave_out_single(problem, s, rows, sets.rows, out)
        return out
    st = problem.structure
    by_level = bool(st.chain) and not st.q_rest
    is_small = sets.sizes <= SOLVED_ROWS
    places = np.arange(len(sets)) if by_level else np.flatnonzero(is_small)
    gram = np.empty((len(places), problem.p + 1, problem.p + 1))
    small = sets.take(places)
    if by_level:
        _fill_by_level(problem, s, rows, small, gram)
    else:
        _fill_by_size(problem, s, rows, small, gram)
    _write(problem, s, gram, places, out)
    if not by_level:
        for i in np.flatnonzero(~is_small).tolist():
            _fit_rest(problem, s, rows.w, sets.take(np.array([i])).rows, i, out)
    return out


def _divide_by_weights(problem: Problem, s: State) -> _Rows:
    """Return what deletions need of each row, at an evaluated point."""
    d = problem.design
    found = recover_state(problem, s)
    B = np.empty((d.n, problem.p + 1))
    z = by_factor(problem, [b.basis for b in d.blocks])
    for rows in blocks_of_rows(d.n, problem.p):
        B[rows, :-1] = problem.rows.Q[rows] - times_rows(problem, z, rows, s.U[:, :-1])
    B[:, -1] = d.response - d.fixed @ found.beta
    for block, modes in zip(d.blocks, found.modes, strict=True):
        B[:, -1] -= np.einsum("nl,nl->n", block.basis, modes[block.codes])
    return _Rows(B, problem.residual.weighted(np.ones(d.n)))


def _write(problem: Problem, s: State, gram: Floats, places: Rows, out: Deletions) -> None:
    """Write the fixed effects without each set to its place in ``out``, by H_I = H - G'S^-1 G."""
    p = problem.p
    H, steps = s.Hxx - gram[:, :p, :p], gram[:, :p, p]
    # In these units H of the whole is the identity.
    unit = solve_triangular(s.Lxx, np.eye(p), lower=True) if p else s.Lxx
    found = np.linalg.eigvalsh(unit @ H @ unit.T)[:, 0] > RANK if p else np.ones(len(gram), dtype=bool)
    at = np.flatnonzero(found)
    X, scale = problem.scaling.x_map, problem.response.y_scale
    out.is_estimable[places] = found
    out.changes[places[at]] = -np.linalg.solve(H[at], steps[at][:, :, None])[:, :, 0] @ X.T
    out.covariances[places[at]] = scale**2 * s.r2 / s.dof * (X @ np.linalg.inv(H[at]) @ X.T)


def _fit_rest(problem: Problem, s: State, w: Floats, own: Rows, place: int, out: Deletions) -> None:
    """Write the fixed effects without one set to its place in ``out``, by a factorisation of V of the rest."""
    keep = np.ones(problem.n, dtype=bool)
    keep[own] = False
    out.is_estimable[place] = _has_full_rank(problem.rows.Q[keep], w[keep])
    if out.is_estimable[place]:
        whole = recover_state(problem, s)
        rest = prepare(keep_rows(problem.design, keep))
        left = recover_state(rest, evaluate_state(rest, rest.to_lambdas(whole.theta), s.reml))
        out.changes[place] = left.beta - whole.beta
        out.covariances[place] = (whole.sigma / left.sigma) ** 2 * left.beta_cov


def _has_full_rank(Q: Floats, w: Floats) -> bool:
    """Return whether some rows of X have full column rank, in coordinates in which X'WX of all rows is the identity."""
    gram = (Q * w[:, None]).T @ Q
    return not len(gram) or bool(np.linalg.eigvalsh(gram)[0] > RANK)


def _leave_out_single(problem: Problem, s: State, rows: _Rows, at: Rows, out: Deletions) -> None:
    """Write the fixed effects without each of some rows to ``out``.

    S is a number and H_I = L (I - tt') L', with t = L^-1 G / sqrt(S), so that H_I^-1 is known (Sherman and Morrison).
    """
    p = problem.p
    S = (1.0 / rows.w - random_leverages(problem, s))[at]
    X, sigma2 = problem.scaling.x_map, problem.response.y_scale**2 * s.r2 / s.dof
    turn = solve_triangular(s.Lxx, np.eye(p), lower=True).T if p else s.Lxx
    t = rows.B[at, :p] @ turn / np.sqrt(S)[:, None]
    left = 1.0 - np.einsum("rp,rp->r", t, t)
    out.is_estimable[:] = left > RANK
    left = np.where(out.is_estimable, left, np.nan)
    turned = t @ (X @ turn).T
    out.changes[:] = turned * (-rows.B[at, p] / np.sqrt(S) / left)[:, None]
    np.einsum("ra,rb->rab", turned, turned * (sigma2 / left)[:, None], out=out.covariances)
    out.covariances[:] += sigma2 * (X @ turn @ turn.T @ X.T)


def _fill_by_level(problem: Problem, s: State, rows: _Rows, sets: RowSets, gram: Floats) -> None:
    """Write [G e]'S^-1 [G e] of the sets, for a chain without a rest."""
    d, factors = problem.design, problem.structure.factors
    codes = [d.blocks[f.blocks[0]].codes for f in factors]
    z = by_factor(problem, [b.basis for b in d.blocks])
    columns = rows.B.shape[1] + sum(f.l for f in factors)
    starts = sets.starts
    for run in sets.runs(max(1, AT_ONCE // columns**2)):
        start = starts[run.start]
        own = sets.rows[start : start + sets.sizes[run].sum()]
        reduced = reduce_rows(s.elimination, None, [c[own] for c in codes], [v[own] for v in z])
        gram[run] = gram_of_sets(s.elimination, reduced, RowSets(own, sets.sizes[run]), rows.w[own], rows.B[own])


def _fill_by_size(problem: Problem, s: State, rows: _Rows, sets: RowSets, gram: Floats) -> None:
    """Write [G e]'S^-1 [G e] of the sets, by S of all sets of one size at a time."""
    products = _products_by_solving if problem.structure.layout.is_sparse else _products_by_reduction
    prepared = products(problem, s)
    for size in np.unique(sets.sizes).tolist():
        places = np.flatnonzero(sets.sizes == size)
        most = max(1, AT_ONCE // (size * max(size, problem.structure.q_rest)))
        if problem.structure.layout.is_sparse:
            most = max(1, SOLVED_ROWS // size)
        for start in range(0, len(places), most):
            at = places[start : start + most]
            own = sets.take(at).rows
            within = np.arange(len(own)).reshape(-1, size)
            S = -prepared(own)(within)
            S = 0.5 * (S + S.transpose(0, 2, 1))
            S[:, np.arange(size), np.arange(size)] += 1.0 / rows.w[own][within]
            B = rows.B[own][within]
            gram[at] = B.transpose(0, 2, 1) @ np.linalg.solve(S, B)


def _products_by_solving(problem: Problem, s: State) -> Products:
    """Return a function that computes Z_I W Z_I' of sets by one solve for all their rows of Z."""

    def prepared(own: Rows) -> Callable[[Rows], Floats]:
        C = np.asfortranarray(problem.rows.Zt[:, own].toarray())
        U, _ = solve(s.elimination, C)
        return lambda sets: np.asarray(C.T[sets] @ U.T[sets].transpose(0, 2, 1))

    return prepared


def _products_by_reduction(problem: Problem, s: State) -> Products:
    """Return a function that computes Z_I W Z_I' of sets by rows of Z with the chain eliminated.

    W among the dense rest is formed once, here.
    """
    W_rest = invert(s.elimination, blocks=True).W_rest
    d, factors = problem.design, problem.structure.factors
    codes = [d.blocks[f.blocks[0]].codes for f in factors]
    z = by_factor(problem, [b.basis for b in d.blocks])

    def prepared(own: Rows) -> Callable[[Rows], Floats]:
        return reduce_rows(s.elimination, W_rest, [c[own] for c in codes], [v[own] for v in z]).products

    return prepared

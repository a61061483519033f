"""The fixed effects without some of the rows, with theta and sigma held, from V^-1 of all rows.

With I the rows left out, E their columns of the identity, S = E'V^-1 E, G = E'V^-1 X and e = E'V^-1 (y - X b),

    X'V^-1X of the rest   H_I = H - G'S^-1 G
    b of the rest         b_I = b - H_I^-1 G'S^-1 e

which is generalised least squares with a parameter for every row of I (Christensen, Pearson & Johnson 1992,
Technometrics 34). S has as many rows as I; where these are too many, V^-1 of the rest is factored anew.

S needs z_i'W z_j of any two rows of Z. With z_k the part of a row in the k-th factor of the chain, e its level there,
once the finer factors are eliminated, and c what is left of it in the columns of the rest,

    y_k = w_ke z_k        z_a  <-  z_a - A_ea' y_k        c  <-  c - A_er' y_k
    z_i'W z_j = sum over the k in which both are at one level of z_ik'y_jk, and c_i'W_rest c_j
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from lmmtools.core.after.leverage import by_factor, random_leverages
from lmmtools.core.after.recover import recover_state
from lmmtools.core.data.problem import Problem, prepare
from lmmtools.core.data.room import check_deletions
from lmmtools.core.elimination.chain import invert, solve
from lmmtools.core.elimination.coupling import SparseCoupling
from lmmtools.core.search.objective import State, evaluate_state
from lmmtools.design.stack import keep_rows
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Rows = NDArray[np.intp]
    Products = Callable[[Problem, State, Sequence[Rows]], list[Floats]]
    from collections.abc import Sequence

    from lmmtools.core.elimination.chain import EliminatedStage, Elimination

    Codes = NDArray[np.intp]

__all__ = ["Deletions", "ReducedRows", "delete_rows", "reduce_rows"]

SOLVED_ROWS = 512
"""Rows of Z used at once, and rows of the largest set that is left out by its own S."""

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


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """What deletions need of each row.

    Attributes
    ----------
    G : ndarray, shape (n, p)
        V^-1 X, in the engine's coordinates.
    e : ndarray, shape (n,)
        V^-1 (y - X b), in units of y.
    w : ndarray, shape (n,)
        Weights.
    """

    G: Floats
    e: Floats
    w: Floats


@single
def delete_rows(problem: Problem, theta: Floats, reml: bool, sets: Sequence[Rows]) -> Deletions:
    """Return the fixed effects and their covariance without each set of rows.

    Parameters
    ----------
    problem : Problem
    theta : array_like, shape (k,)
    reml : bool
    sets : sequence of ndarray of int
        Rows to leave out, one array per set, none of them empty.

    Raises
    ------
    EngineError
        If the criterion cannot be evaluated at theta, or there is no memory for so many sets.
    """
    p = problem.p
    check_deletions(len(sets), p)
    s = evaluate_state(problem, problem.to_lambdas(theta), reml)
    rows = _weighted_rows(problem, s)
    out = Deletions(
        np.full((len(sets), p), np.nan), np.full((len(sets), p, p), np.nan), np.zeros(len(sets), dtype=bool)
    )
    small = np.array([i for i, own in enumerate(sets) if len(own) <= SOLVED_ROWS], dtype=np.intp)
    _downdate(problem, s, rows, [sets[i] for i in small], small, out)
    whole = recover_state(problem, s)
    for i in sorted(set(range(len(sets))) - set(small.tolist())):
        keep = np.ones(problem.n, dtype=bool)
        keep[sets[i]] = False
        out.is_estimable[i] = _has_full_rank(problem.rows.Q[keep], rows.w[keep])
        if out.is_estimable[i]:
            rest = prepare(keep_rows(problem.design, keep))
            left = recover_state(rest, evaluate_state(rest, rest.to_lambdas(theta), reml))
            out.changes[i] = left.beta - whole.beta
            out.covariances[i] = (whole.sigma / left.sigma) ** 2 * left.beta_cov
    return out


def _downdate(problem: Problem, s: State, rows: _Rows, sets: Sequence[Rows], places: Rows, out: Deletions) -> None:
    """Write the fixed effects without each set to its place in ``out``, by H_I = H - G'S^-1 G."""
    p = problem.p
    H, steps = np.empty((len(sets), p, p)), np.empty((len(sets), p))
    if sets and all(len(own) == 1 for own in sets):
        _delete_single(problem, s, rows, np.concatenate(sets), H, steps)
    else:
        products = _products_by_solving if problem.structure.layout.is_sparse else _products_by_reduction(problem, s)
        for chunk in _runs_of_sets(sets):
            for i, ZWZ in zip(chunk, products(problem, s, [sets[i] for i in chunk]), strict=True):
                H[i], steps[i] = _delete_set(s, rows, sets[i], ZWZ)
    # In these units H of the whole is the identity.
    unit = solve_triangular(s.Lxx, np.eye(p), lower=True) if p else s.Lxx
    found = np.linalg.eigvalsh(unit @ H @ unit.T)[:, 0] > RANK if p else np.ones(len(sets), dtype=bool)
    at = np.flatnonzero(found)
    X, scale = problem.scaling.x_map, problem.response.y_scale
    out.is_estimable[places] = found
    out.changes[places[at]] = -np.linalg.solve(H[at], steps[at][:, :, None])[:, :, 0] @ X.T
    out.covariances[places[at]] = scale**2 * s.r2 / s.dof * (X @ np.linalg.inv(H[at]) @ X.T)


def _weighted_rows(problem: Problem, s: State) -> _Rows:
    """Return what deletions need of each row, at an evaluated point."""
    d = problem.design
    found = recover_state(problem, s)
    w = problem.residual.weighted(np.ones(d.n))
    residual = d.response - d.fixed @ found.beta
    for block, modes in zip(d.blocks, found.modes, strict=True):
        residual = residual - np.einsum("nl,nl->n", block.basis, modes[block.codes])
    G = w[:, None] * (problem.rows.Q[:] - problem.rows.Zt.T @ s.U[:, :-1])
    return _Rows(G, w * residual, w)


def _has_full_rank(Q: Floats, w: Floats) -> bool:
    """Return whether some rows of X have full column rank, in coordinates in which X'WX of all rows is the identity."""
    gram = (Q * w[:, None]).T @ Q
    return not len(gram) or bool(np.linalg.eigvalsh(gram)[0] > RANK)


def _delete_single(problem: Problem, s: State, rows: _Rows, at: Rows, H: Floats, steps: Floats) -> None:
    """Write H_I and G'S^-1 e to ``H`` and ``steps`` where every set is one row, so that S is a number."""
    S = (rows.w - rows.w**2 * random_leverages(problem, s))[at]
    G = rows.G[at]
    H[:] = s.Hxx - G[:, :, None] * G[:, None, :] / S[:, None, None]
    steps[:] = G * (rows.e[at] / S)[:, None]


def _runs_of_sets(sets: Sequence[Rows]) -> list[list[int]]:
    """Return the indices of the sets in runs of at most SOLVED_ROWS rows together."""
    runs: list[list[int]] = []
    total = SOLVED_ROWS + 1
    for i, own in enumerate(sets):
        total += len(own)
        if total > SOLVED_ROWS:
            runs.append([])
            total = len(own)
        runs[-1].append(i)
    return runs


def _products_by_solving(problem: Problem, s: State, sets: Sequence[Rows]) -> list[Floats]:
    """Return Z_I W Z_I' of some sets, each (r, r), by one solve for all their rows of Z."""
    C = np.asfortranarray(problem.rows.Zt[:, np.concatenate(sets)].toarray())
    U, _ = solve(s.elimination, C)
    return [C[:, part].T @ U[:, part] for part in _places_of_sets(sets)]


def _products_by_reduction(problem: Problem, s: State) -> Products:
    """Return a function that computes Z_I W Z_I' of sets by rows of Z with the chain eliminated.

    W among the dense rest is formed once, here.
    """
    W_rest = invert(s.elimination, blocks=True).W_rest
    d, factors = problem.design, problem.structure.factors
    codes = [d.blocks[f.blocks[0]].codes for f in factors]
    z = by_factor(problem, [b.basis for b in d.blocks])

    def products(problem: Problem, s: State, sets: Sequence[Rows]) -> list[Floats]:
        own = np.concatenate(sets)
        rows = reduce_rows(s.elimination, W_rest, [c[own] for c in codes], [v[own] for v in z])
        return [rows.products(part) for part in _places_of_sets(sets)]

    return products


def _places_of_sets(sets: Sequence[Rows]) -> list[slice]:
    """Return the slice of each set's rows in the concatenation of all sets."""
    ends = np.cumsum([len(own) for own in sets]).tolist()
    return [slice(end - len(own), end) for own, end in zip(sets, ends, strict=True)]


def _delete_set(s: State, rows: _Rows, own: Rows, ZWZ: Floats) -> tuple[Floats, Floats]:
    """Return H_I and G'S^-1 e of one set, from its Z_I W Z_I'."""
    w, G = rows.w[own], rows.G[own]
    S = np.diag(w) - w[:, None] * ZWZ * w
    solved = cho_solve(cho_factor(0.5 * (S + S.T), lower=True), np.column_stack([G, rows.e[own]]))
    return s.Hxx - G.T @ solved[:, :-1], G.T @ solved[:, -1]


@dataclass(frozen=True, slots=True, eq=False)
class ReducedRows:
    """Some rows of Z with the chain eliminated.

    Attributes
    ----------
    levels : tuple of ndarray of intp, each (r,)
        Level of each row per factor of the chain.
    z, y : tuple of ndarray, each (r, l)
        z_k and y_k per factor of the chain.
    c : csr_matrix or ndarray, shape (r, q_rest)
    weighted : ndarray, shape (r, q_rest)
        c W_rest.
    """

    levels: tuple[Codes, ...]
    z: tuple[Floats, ...]
    y: tuple[Floats, ...]
    c: sparse.csr_matrix | Floats
    weighted: Floats

    def products(self, part: slice) -> Floats:
        """Return z_i'W z_j for all pairs of r rows, shape (r, r)."""
        out = np.asarray(self.c[part] @ self.weighted[part].T)
        for levels, z, y in zip(self.levels, self.z, self.y, strict=True):
            is_same = levels[part][:, None] == levels[part]
            out += np.where(is_same, z[part] @ y[part].T, 0.0)
        return out


def reduce_rows(el: Elimination, W_rest: Floats | None, codes: Sequence[Codes], z: Sequence[Floats]) -> ReducedRows:
    """Return rows of Z with the chain eliminated; the rest has to be dense, if there is one.

    Parameters
    ----------
    el : Elimination
    W_rest : ndarray, shape (q_rest, q_rest), or None
        W among the rest, all of it; None where there is none.
    codes : sequence of ndarray, each (r,)
        Level of each row per factor, in order of elimination; those of the chain as in some row of the data.
    z : sequence of ndarray, each (r, l)
        The row's entries in the columns of that level.
    """
    st = el.structure
    q_rest = 0 if W_rest is None else len(W_rest)
    n_chain = len(st.chain)
    starts = [f.start - st.q_chain for f in st.factors[n_chain:]]
    c = _entries_in_rest(codes[n_chain:], z[n_chain:], starts, len(codes[0]), q_rest)
    left = [np.array(own) for own in z[:n_chain]]
    y: list[Floats] = []
    for k, stage in enumerate(el.stages):
        levels = codes[k]
        y.append(np.einsum("rab,rb->ra", stage.w[levels], left[k]))
        for a, A in enumerate(stage.links):
            left[k + 1 + a] -= np.einsum("rab,ra->rb", A[levels], y[k])
        if stage.coupling is not None:
            c = _subtract(c, _times_coupling(stage, levels, y[k], q_rest))
    weighted = np.zeros((len(codes[0]), 0)) if W_rest is None else np.asarray(c @ W_rest)
    return ReducedRows(tuple(codes[:n_chain]), tuple(left), tuple(y), c, weighted)


def _entries_in_rest(
    codes: Sequence[Codes], z: Sequence[Floats], starts: Sequence[int], r: int, q_rest: int
) -> sparse.csr_matrix:
    """Return the rows' entries in the columns of the rest, shape (r, q_rest), from each factor's first column."""
    c = sparse.csr_matrix((r, q_rest))
    for code, v, start in zip(codes, z, starts, strict=True):
        l = v.shape[1]
        columns = start + code[:, None] * l + np.arange(l)
        c = c + sparse.csr_matrix((v.ravel(), columns.ravel(), np.arange(r + 1) * l), shape=(r, q_rest))
    return c


def _subtract(c: sparse.csr_matrix | Floats, other: sparse.csr_matrix | Floats) -> sparse.csr_matrix | Floats:
    """Return c - other, dense where either is dense."""
    found = c - other
    return found if sparse.issparse(found) else np.asarray(found)


def _times_coupling(f: EliminatedStage, levels: Codes, y: Floats, q_rest: int) -> sparse.csr_matrix | Floats:
    """Return A_er' y of each row, shape (r, q_rest), with e the row's level."""
    kind, values = f.stage.coupling, f.coupling
    assert values is not None
    if not isinstance(kind, SparseCoupling):
        return np.asarray(np.einsum("ra,rac->rc", y, values[levels]))
    counts = np.diff(kind.indptr)[levels].astype(np.intp)
    ends = np.cumsum(counts)
    place = np.arange(ends[-1]) + np.repeat(kind.indptr[levels] - (ends - counts), counts)
    entries = np.einsum("pa,pa->p", values[place], np.repeat(y, counts, axis=0))
    return sparse.csr_matrix((entries, kind.columns[place], np.append(0, ends)), shape=(len(levels), q_rest))

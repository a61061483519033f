"""Variances of fitted values and of predictions: x b + z u at the rows of the fit, and at new ones.

Both are quadratic forms in W = Lambda M^-1 Lambda'. Where all pairs of levels of a row occur together in the data, the
blocks of W that it takes are in the selected inverse. Where the rest is dense, it has the blocks between any of its
levels, from which those between the chain and the rest follow, level by level. For other rows M is solved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.lapack import dtrtrs

from lmmtools.blas import product
from lmmtools.core.data.chunks import indicator_rows
from lmmtools.core.elimination.chain import Inverse, invert, solve
from lmmtools.core.elimination.coupling import DenseCoupling, SparseCoupling
from lmmtools.core.search.objective import State, evaluate_state
from lmmtools.design.sparse_columns import as_array
from lmmtools.errors import EngineError
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from scipy import sparse

    from lmmtools.core.data.problem import Problem
    from lmmtools.design.sparse_columns import Matrix

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = [
    "RowLeverages",
    "blocks_of_rows",
    "by_factor",
    "hat_values",
    "prediction_variances",
    "random_leverages",
    "times_rows",
]

SOLVED_COLUMNS = 256
"""New rows that one solve takes."""

SOLVED_SIZE = 8_000_000
"""Numbers (64 MB) in the dense right-hand sides of one solve."""

GATHERED = 4_000_000
"""Numbers (32 MB) of W that are gathered at once, for rows whose levels do not meet in the data."""

SOLVES_PER_INVERSE = 4
"""Solving for a row costs about q_rest**2, inverting q_rest**3: from q_rest over this many rows on, W is formed."""


@single
def hat_values(problem: Problem, theta: Floats, reml: bool = True) -> Floats:
    """Return the leverages, shape (n,): the diagonal of the map from y to the conditional fitted values at theta.

    h_i = w_i [ z_i'W z_i + (x_i - U_X'z_i)' Hxx^-1 (x_i - U_X'z_i) ] with W = Lambda M^-1 Lambda'; only the entries of
    W that some row of Z meets are formed.
    """
    s = evaluate_state(problem, problem.to_lambdas(theta), reml)
    h = random_leverages(problem, s)
    if problem.p:
        z = by_factor(problem, [b.basis for b in problem.design.blocks])
        for rows in blocks_of_rows(problem.n, problem.p):
            free = problem.rows.Q[rows] - times_rows(problem, z, rows, s.U[:, :-1])
            x, _ = dtrtrs(s.Lxx, free.T, lower=1)
            h[rows] += np.einsum("in,in->n", x, x)
    return problem.residual.weighted(h)


class RowLeverages:
    """Leverages of rows that come in batches, at an optimum that stays.

    Parameters
    ----------
    problem : Problem
    theta : ndarray, shape (k,)
    reml : bool
    """

    @single
    def __init__(self, problem: Problem, theta: Floats, reml: bool = True) -> None:
        self.problem = problem
        self.state = evaluate_state(problem, problem.to_lambdas(theta), reml)
        self._W = invert(self.state.elimination, blocks=True)

    @single
    def of(self, X: Matrix, codes: Sequence[Codes], bases: Sequence[Floats], weights: Floats | None) -> Floats:
        """Return the leverages of r rows of the fit, shape (r,).

        Parameters
        ----------
        X : ndarray or SparseColumns, shape (r, p)
        codes : sequence of ndarray of int, each (r,)
            The level of each row, per block.
        bases : sequence of ndarray, each (r, l)
            One per block.
        weights : ndarray, shape (r,), or None
        """
        problem, s = self.problem, self.state
        z = by_factor(problem, bases)
        own = [codes[f.blocks[0]] for f in problem.structure.factors]
        h = _quadratic_forms(problem, s, own, z, W=self._W)
        if problem.p:
            free = product(as_array(X), problem.scaling.x_map)
            for f, levels, zi in zip(problem.structure.factors, own, z, strict=True):
                for a in range(f.l):
                    free = free - zi[:, a, None] * s.U[f.columns, :-1][a :: f.l][levels]
            x, _ = dtrtrs(s.Lxx, free.T, lower=1)
            h = h + np.einsum("in,in->n", x, x)
        return h if weights is None else h * weights


def random_leverages(problem: Problem, s: State) -> Floats:
    """Return z_i'W z_i of every row, shape (n,): the random effects' part of leverage / w_i."""
    d = problem.design
    codes = [d.blocks[f.blocks[0]].codes for f in problem.structure.factors]
    return _quadratic_forms(problem, s, codes, by_factor(problem, [b.basis for b in d.blocks]))


def by_factor(problem: Problem, bases: Sequence[Floats]) -> list[Floats]:
    """Return the bases in the engine's coordinates, those of blocks on one factor side by side, each (r, l)."""
    maps = problem.scaling.basis_maps
    scaled = [product(B, np.asarray(np.linalg.inv(R), dtype=float)) for R, B in zip(maps, bases, strict=True)]
    return [np.concatenate([scaled[k] for k in f.blocks], axis=1) for f in problem.structure.factors]


def blocks_of_rows(n: int, columns: int) -> Iterator[slice]:
    """Yield the rows in blocks of which so many columns are held at once."""
    step = max(1, SOLVED_SIZE // max(1, columns))
    return (slice(start, start + step) for start in range(0, n, step))


def times_rows(problem: Problem, z: Sequence[Floats], rows: slice, U: Floats) -> Floats:
    """Return Z U of some rows, shape (r, c), from their entries in the columns of each factor."""
    out: Floats | float = 0.0
    for f, own in zip(problem.structure.factors, z, strict=True):
        levels = problem.design.blocks[f.blocks[0]].codes[rows]
        for a in range(f.l):
            out = out + own[rows, a, None] * U[f.columns][a :: f.l][levels]
    return np.asarray(out)


def _quadratic_forms(
    problem: Problem,
    s: State,
    codes: Sequence[Codes],
    z: Sequence[Floats],
    *,
    all_meet: bool = True,
    W: Inverse | None = None,
) -> Floats:
    """Return z'W z of r rows, shape (r,), from the blocks of W between their levels.

    Parameters
    ----------
    problem : Problem
    s : State
    codes : sequence of ndarray, each (r,)
        Level of each row, per factor.
    z : sequence of ndarray, each (r, l)
        The row's entries in the columns of that level.
    all_meet : bool
        Whether all pairs of a row's levels are on the pattern of Z'WZ; otherwise those within the chain have to be, and
        the rest has to be dense.
    W : Inverse, optional
        Where it was computed before.
    """
    W = invert(s.elimination, blocks=True) if W is None else W
    out = np.zeros(len(z[0]))
    for i, (ci, zi) in enumerate(zip(codes, z, strict=True)):
        out += np.einsum("ra,rab,rb->r", zi, W.diagonal[i][ci], zi)
        for j in range(i + 1, len(codes)):
            out += 2.0 * np.einsum("ra,rab,rb->r", zi, _between(problem, s, W, i, j, ci, codes[j], all_meet), z[j])
    return out


def _between(problem: Problem, s: State, W: Inverse, i: int, j: int, ci: Codes, cj: Codes, all_meet: bool) -> Floats:
    """Return the block of W between each row's levels of factors i and j, shape (n, l_i, l_j), i before j."""
    st = problem.structure
    n_chain = len(st.chain)
    fi, fj = st.factors[i], st.factors[j]
    if j < n_chain:
        return W.links[i][j - i - 1][ci]
    columns = fj.start - st.q_chain + cj[:, None] * fj.l + np.arange(fj.l)
    if i >= n_chain and W.W_rest is not None:
        own = fi.start - st.q_chain + ci[:, None] * fi.l + np.arange(fi.l)
        return W.W_rest.ravel(order="K")[st.layout.place(own[:, :, None], columns[:, None, :])]
    kind, values = st.chain[i].coupling, W.couplings[i]
    if kind is not None and values is not None and (all_meet or isinstance(kind, DenseCoupling)):
        parts = [kind.row_products(ci, values, columns[:, b]) for b in range(fj.l)]
    else:
        parts = [_with_rest(s, W, i, ci, columns[:, b]) for b in range(fj.l)]
    return np.stack(parts, axis=2)


def _with_rest(s: State, W: Inverse, i: int, levels: Codes, columns: Codes) -> Floats:
    """Return W between a level of chain factor i and a column of the dense rest for each row, shape (r, l_i).

    W_ex = -w_e sum_y A_ey W_yx, y over the ancestors of level e and the columns of the rest that it meets: the
    equation of `invert`, off the pattern of A.
    """
    f = s.elimination.stages[i]
    V = np.zeros((len(levels), f.A.shape[1]))
    if isinstance(f.stage.coupling, SparseCoupling) and f.coupling is not None and W.W_rest is not None:
        V += _sparse_products(f.stage.coupling, f.coupling, W.W_rest, levels, columns)
    elif f.coupling is not None and W.W_rest is not None:
        V += _dense_products(f.coupling, W.W_rest, levels, columns)
    for a, (A, link) in enumerate(zip(f.links, f.stage.links, strict=True)):
        V += np.einsum("rab,rb->ra", A[levels], _with_rest(s, W, i + 1 + a, link.parent[levels], columns))
    return np.asarray(-np.einsum("rab,rb->ra", f.w[levels], V))


def _dense_products(values: Floats, W: Floats, levels: Codes, columns: Codes) -> Floats:
    """Return A_e W_x for a level e and a column x per row, shape (r, l), from the values of a dense coupling."""
    out = np.empty((len(levels), values.shape[1]))
    step = max(1, GATHERED // values[0].size)
    for start in range(0, len(levels), step):
        part = slice(start, start + step)
        out[part] = np.einsum("rlc,rc->rl", values[levels[part]], W[columns[part]])
    return out


def _sparse_products(kind: SparseCoupling, values: Floats, W: Floats, levels: Codes, columns: Codes) -> Floats:
    """Return A_e W_x for a level e and a column x per row, shape (r, l), from the columns that e meets."""
    counts = np.diff(kind.indptr)[levels].astype(np.intp)
    ends = np.cumsum(counts)
    out = np.empty((len(levels), values.shape[1]))
    start = 0
    while start < len(levels):
        before = ends[start] - counts[start]
        stop = max(start + 1, int(np.searchsorted(ends, before + GATHERED, side="right")))
        size = counts[start:stop]
        row = np.repeat(np.arange(start, stop), size)
        first = kind.indptr[levels[start:stop]] - (ends[start:stop] - size - before)
        place = np.arange(ends[stop - 1] - before) + np.repeat(first, size)
        met = W[kind.columns[place], columns[row]]
        for a in range(values.shape[1]):
            out[start:stop, a] = np.bincount(row - start, weights=values[place, a] * met, minlength=stop - start)
        start = stop
    return out


@single
def prediction_variances(
    problem: Problem,
    theta: Floats,
    reml: bool,
    X: Floats,
    codes: Sequence[NDArray[np.intp]] | None = None,
    bases: Sequence[Floats] | None = None,
) -> Floats:
    """Return the variance of the error of X b + Z u as a prediction at r new rows, shape (r,), in squared units of y.

    sigma**2 [ z'W z + (x - U_X'z)' Hxx^-1 (x - U_X'z) ], theta taken as known; a new observation has sigma**2 / w more.

    Parameters
    ----------
    problem : Problem
    theta : array_like, shape (k,)
    reml : bool
    X : ndarray, shape (r, p)
        Columns as in the design.
    codes : sequence of ndarray of int, each (r,), optional
        Level of each new row per block, -1 for a level that the design does not have; such a level's effect is
        predicted by zero and adds its whole variance z' Sigma z. Without codes the prediction is of X b alone.
    bases : sequence of ndarray, each (r, l), optional
    """
    s = evaluate_state(problem, problem.to_lambdas(theta), reml)
    sigma2 = problem.response.y_scale**2 * s.r2 / s.dof
    x = np.asarray(X, dtype=float) @ problem.scaling.x_map
    out = np.zeros(len(x))
    if codes is not None and bases is not None:
        d = problem.design
        if len(codes) != len(d.blocks) or len(bases) != len(d.blocks):
            raise EngineError(f"Give codes and bases for each of the {len(d.blocks)} blocks.")
        known, shown = [], []
        for lam, R, c, B in zip(s.lambdas, problem.scaling.basis_maps, codes, bases, strict=True):
            new = np.asarray(c) < 0
            spread = np.linalg.solve(R.T, np.where(new[:, None], B, 0.0).T).T @ lam
            out += np.einsum("ra,ra->r", spread, spread)
            known.append(np.where(new, 0, c))
            shown.append(np.where(new[:, None], 0.0, B))
        Z = indicator_rows(tuple(known), tuple(shown), tuple(b.m for b in d.blocks), problem.scaling.basis_maps)[
            :, problem.structure.order
        ]
        out += _row_forms(problem, s, known, shown, Z)
        x = x - Z @ s.U[:, :-1]
    if problem.p:
        z, _ = dtrtrs(s.Lxx, x.T, lower=1)
        out += np.einsum("pr,pr->r", z, z)
    return sigma2 * out


def _row_forms(
    problem: Problem, s: State, codes: Sequence[Codes], bases: Sequence[Floats], Z: sparse.csr_matrix
) -> Floats:
    """Return z'W z of new rows, shape (r,): from blocks of W where it has them and rows are many, else by solving."""
    z = by_factor(problem, bases)
    levels, is_there = _as_fitted(problem, codes, bases)
    out = np.zeros(len(is_there))
    if SOLVES_PER_INVERSE * is_there.sum() < problem.structure.q_rest:
        is_there[:] = False
    if is_there.any():
        own = [c[is_there] for c in levels], [v[is_there] for v in z]
        out[is_there] = _quadratic_forms(problem, s, *own, all_meet=problem.structure.layout.is_sparse)
    others = np.flatnonzero(~is_there)
    step = max(1, min(SOLVED_COLUMNS, SOLVED_SIZE // problem.structure.q))
    for start in range(0, len(others), step):
        rows = others[start : start + step]
        C = np.asfortranarray(Z[rows].T.toarray())
        U, _ = solve(s.elimination, C)
        out[rows] = np.einsum("qr,qr->r", C, U)
    return out


def _as_fitted(
    problem: Problem, codes: Sequence[Codes], bases: Sequence[Floats]
) -> tuple[list[Codes], NDArray[np.bool_]]:
    """Return the levels of new rows per factor, each (r,), and whether W has the blocks between them, shape (r,).

    It has those between any level and any of a dense rest; for the others the levels have to meet in a fitted row. A
    term whose basis is zero may be at any level: such rows take the levels of a fitted row that has the others.
    """
    st = problem.structure
    r = len(codes[0])
    own = [problem.design.blocks[f.blocks[0]].codes for f in st.factors]
    levels: list[Codes] = []
    pattern = np.zeros(r, dtype=np.int64)
    agrees = np.ones(r, dtype=bool)
    for i, f in enumerate(st.factors):
        level = np.full(r, -1, dtype=np.intp)
        for k in f.blocks:  # blocks with equal codes in the data share a factor, but their codes may differ in new rows
            used = bases[k].any(axis=1)
            agrees &= ~used | (level < 0) | (level == codes[k])
            level = np.where(used, codes[k], level)
        pattern |= (level >= 0).astype(np.int64) << i
        levels.append(level)
    n_paired = len(st.factors) if st.layout.is_sparse else len(st.chain)
    paired = range(n_paired) if n_paired > 1 else range(0)
    pattern &= (1 << n_paired) - 1
    for mask in np.unique(pattern).tolist() if paired else []:
        rows = np.flatnonzero(pattern == mask)
        used_factors = [i for i in paired if mask >> i & 1]
        fitted = _find_rows(
            [own[i] for i in used_factors],
            [levels[i][rows] for i in used_factors],
            [st.factors[i].m for i in used_factors],
        )
        agrees[rows] &= fitted >= 0
        for i in paired:
            levels[i][rows] = own[i][fitted]
    return [np.maximum(level, 0) for level in levels], agrees


def _find_rows(own: Sequence[Codes], new: Sequence[Codes], sizes: Sequence[int]) -> Codes:
    """Return for each new row a row of the fit with the same codes, shape (r,), -1 where there is none.

    Without codes any row will do, shape (1,).
    """
    if not own:
        return np.zeros(1, dtype=np.intp)
    n = len(own[0])
    keys = np.concatenate([own[0], new[0]]).astype(np.int64)
    size = sizes[0]
    for a, b, m in zip(own[1:], new[1:], sizes[1:], strict=True):
        keys = np.unique(keys * m + np.concatenate([a, b]), return_inverse=True)[1].reshape(-1)
        size = int(keys.max()) + 1
    place = np.full(size, -1, dtype=np.intp)
    place[keys[:n]] = np.arange(n)
    return place[keys[n:]]

"""Rows of Z with the chain eliminated, and what sets of them take from cross-products.

With z_k the part of a row in the k-th factor of the chain, e its level there, once the finer factors are eliminated,
and c what is left of it in the columns of the rest,

    y_k = w_ke z_k        z_a  <-  z_a - A_ea' y_k        c  <-  c - A_er' y_k
    z_i'W z_j = sum over the k in which both are at one level of z_ik'y_jk, and c_i'W_rest c_j
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from lmmtools.core.elimination.coupling import SparseCoupling
from lmmtools.core.kernels import cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core.after.row_sets import RowSets
    from lmmtools.core.elimination.chain import EliminatedStage, Elimination

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["ReducedRows", "gram_of_sets", "reduce_rows"]


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

    def products(self, sets: Codes) -> Floats:
        """Return z_i'W z_j for all pairs of rows in each set, shape (s, r, r), from the places of rows, (s, r)."""
        c = np.asarray(self.c.toarray() if isinstance(self.c, sparse.csr_matrix) else self.c)
        out = c[sets] @ self.weighted[sets].transpose(0, 2, 1)
        for levels, z, y in zip(self.levels, self.z, self.y, strict=True):
            is_same = levels[sets][:, :, None] == levels[sets][:, None, :]
            out += np.where(is_same, z[sets] @ y[sets].transpose(0, 2, 1), 0.0)
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


def gram_of_sets(el: Elimination, rows: ReducedRows, sets: RowSets, w: Floats, columns: Floats) -> Floats:
    """Return B'S^-1 B of each set, shape (r, c, c), S = diag(w)^-1 - Z W Z' of its rows; for a chain without a rest.

    The factors are taken from S one after the other, from fine to coarse. With z the columns of one factor at the rows
    of a set that are at its level e, B all columns that follow, and D = w_ke,

        (S - zDz')^-1  =  S^-1 + S^-1 z (I - D z'S^-1 z)^-1 D z'S^-1
        B'S^-1 B      <-  B'S^-1 B + B'S^-1 z (I - D z'S^-1 z)^-1 D z'S^-1 B

    summed over the levels of the set within each level of the next factor.

    Parameters
    ----------
    el : Elimination
    rows : ReducedRows
        Of all rows of the sets.
    sets : RowSets
    w : ndarray, shape (n,)
        Weights of the rows.
    columns : ndarray, shape (n, c)
        B of the rows.
    """
    own = np.repeat(np.arange(len(sets)), sets.sizes)
    B = np.concatenate([*rows.z, columns], axis=1)
    cell, first = _number_cells(own, rows.levels[0])
    gram = np.zeros((len(first), B.shape[1], B.shape[1]))
    cells.add_squares(cell, B, w, gram)
    for k, stage in enumerate(el.stages):
        l = stage.A.shape[1]
        D = stage.w[rows.levels[k][first]]
        cross = gram[:, :l, l:]
        gram = gram[:, l:, l:] + cross.transpose(0, 2, 1) @ np.linalg.solve(np.eye(l) - D @ gram[:, :l, :l], D @ cross)
        coarser = rows.levels[k + 1][first] if k + 1 < len(el.stages) else np.zeros(len(first), dtype=np.intp)
        cell, into = _number_cells(own[first], coarser)
        first = first[into]
        gram = _sum_by_cell(cell, gram, len(first))
    return gram


def _number_cells(sets: Codes, levels: Codes) -> tuple[Codes, Codes]:
    """Return the cell of each entry, one for each pair of a set and a level, and the first entry of each cell.

    Cells are in the order of the sets, which ascend.
    """
    keys = sets.astype(np.int64) * (int(levels.max()) + 1) + levels
    if (keys[1:] >= keys[:-1]).all():
        starts = np.flatnonzero(np.diff(keys, prepend=-1))
        return np.repeat(np.arange(len(starts)), np.diff(starts, append=len(keys))), starts
    _, first, cell = np.unique(keys, return_index=True, return_inverse=True)
    return cell.reshape(-1), first


def _sum_by_cell(cell: Codes, values: Floats, m: int) -> Floats:
    """Return the sums of matrices (n, c, c) by cell, shape (m, c, c)."""
    if (cell[1:] < cell[:-1]).any():
        order = np.argsort(cell, kind="stable")
        cell, values = cell[order], values[order]
    return values if m == len(values) else np.add.reduceat(values, np.flatnonzero(np.diff(cell, prepend=-1)), axis=0)

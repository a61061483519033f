"""Rows of Z with the chain eliminated: products z_i'W z_j of any two of them, without a solve for either.

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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core.elimination.chain import EliminatedStage, Elimination

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

__all__ = ["ReducedRows", "reduce_rows"]


@dataclass(frozen=True, slots=True, eq=False)
class ReducedRows:
    """Some rows of Z, reduced.

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
        """z_i'W z_j for all pairs of the rows in a slice of r of them, shape (r, r)."""
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
    c = _in_rest(codes[n_chain:], z[n_chain:], starts, len(codes[0]), q_rest)
    left = [np.array(own) for own in z[:n_chain]]
    y: list[Floats] = []
    for k, stage in enumerate(el.stages):
        levels = codes[k]
        y.append(np.einsum("rab,rb->ra", stage.w[levels], left[k]))
        for a, A in enumerate(stage.links):
            left[k + 1 + a] -= np.einsum("rab,ra->rb", A[levels], y[k])
        if stage.coupling is not None:
            c = _less(c, _coupled(stage, levels, y[k], q_rest))
    weighted = np.zeros((len(codes[0]), 0)) if W_rest is None else np.asarray(c @ W_rest)
    return ReducedRows(tuple(codes[:n_chain]), tuple(left), tuple(y), c, weighted)


def _in_rest(
    codes: Sequence[Codes], z: Sequence[Floats], starts: Sequence[int], r: int, q_rest: int
) -> sparse.csr_matrix:
    """The rows' own entries in the columns of the rest, shape (r, q_rest); each factor's begin at its start."""
    c = sparse.csr_matrix((r, q_rest))
    for code, v, start in zip(codes, z, starts, strict=True):
        l = v.shape[1]
        columns = start + code[:, None] * l + np.arange(l)
        c = c + sparse.csr_matrix((v.ravel(), columns.ravel(), np.arange(r + 1) * l), shape=(r, q_rest))
    return c


def _less(c: sparse.csr_matrix | Floats, other: sparse.csr_matrix | Floats) -> sparse.csr_matrix | Floats:
    found = c - other
    return found if sparse.issparse(found) else np.asarray(found)


def _coupled(f: EliminatedStage, levels: Codes, y: Floats, q_rest: int) -> sparse.csr_matrix | Floats:
    """A_er' y of each row, shape (r, q_rest)."""
    kind, values = f.stage.coupling, f.coupling
    assert values is not None
    if not isinstance(kind, SparseCoupling):
        return np.asarray(np.einsum("ra,rac->rc", y, values[levels]))
    counts = np.diff(kind.indptr)[levels].astype(np.intp)
    ends = np.cumsum(counts)
    place = np.arange(ends[-1]) + np.repeat(kind.indptr[levels] - (ends - counts), counts)
    entries = np.einsum("pa,pa->p", values[place], np.repeat(y, counts, axis=0))
    return sparse.csr_matrix((entries, kind.columns[place], np.append(0, ends)), shape=(len(levels), q_rest))

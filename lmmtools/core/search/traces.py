"""tr(P V_i P V_j), the part of the second derivatives that needs all of Z'PZ, not only its diagonal blocks.

With N_gh the blocks of N = Z'PZ between the levels of two factors,

    tr(P V_i P V_j) = sum_gh tr(dSigma_i N_gh dSigma_j N_hg)

is read from the Gram matrix <N^ab, N^cd> of the parts of N that belong to one effect of each factor.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.blas import dot, product
from lmmtools.core.elimination.chain import solve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem
    from lmmtools.core.elimination.factors import Factor
    from lmmtools.core.elimination.inverse import Inverse
    from lmmtools.core.search.objective import State

    Floats = NDArray[np.float64]

__all__ = ["DENSE_Q", "add_block", "add_gram", "trace_products", "trace_products_by_columns"]

DENSE_Q = 400
"""Up to this many random effects all of Z'PZ costs less than the iterations that its exact curvature saves."""

COLUMNS = 256
"""Columns of Z'PZ at a time, where all of it would be too large."""


def trace_products(problem: Problem, s: State, inverse: Inverse, Y: Floats, sigma: Sequence[Floats]) -> Floats | None:
    """Return tr(P V_i P V_j), shape (k, k), or None where Z'PZ would cost too much.

    tr(P V_i P V_j) = sum_gh tr(dSigma_i N_gh dSigma_j N_hg) over the blocks N_gh of Z'PZ.
    """
    st = problem.structure
    if inverse.N is not None:
        return _trace_one_factor(problem, inverse.N, Y, sigma)
    if st.q > DENSE_Q:
        return None
    if inverse.W_rest is not None and not st.chain:
        A = st.layout.products()
        N = A - product(product(A, inverse.W_rest), A)
    else:
        _, N = solve(s.elimination, st.A.toarray())
    N = N - product(Y, Y.T)
    out = np.zeros((k := sum(len(x) for x in sigma), k))
    for other in st.factors:
        _add_products(problem, N[:, other.columns], other, sigma, out)
    return out


def trace_products_by_columns(problem: Problem, s: State, Y: Floats, sigma: Sequence[Floats]) -> Floats:
    """As :func:`trace_products` for any size: some columns of Z'PZ at a time, in memory of order q."""
    st = problem.structure
    out = np.zeros((k := sum(len(x) for x in sigma), k))
    A: Any = st.A.tocsc()
    for other in st.factors:
        step = max(1, COLUMNS // other.l)
        for first in range(0, other.m, step):
            begin = other.columns.start + first * other.l
            columns = slice(begin, min(begin + step * other.l, other.columns.stop))
            _, N = solve(s.elimination, A[:, columns].toarray())
            _add_products(problem, N - product(Y, Y[columns].T), other, sigma, out)
    return out


def _add_products(problem: Problem, N: Floats, other: Factor, sigma: Sequence[Floats], out: Floats) -> None:
    """Add the share of some levels of one factor, columns N of Z'PZ, to tr(P V_i P V_j)."""
    for f in problem.structure.factors:
        if f.start <= other.start:
            add_block(f, other, N[f.columns], sigma, out)


def add_block(f: Factor, other: Factor, N: Floats, sigma: Sequence[Floats], out: Floats) -> None:
    """Add what Z'PZ between the levels of two factors, or some of them, adds to tr(P V_i P V_j).

    Parameters
    ----------
    f, other : Factor
        The first stands before the other, or is the same.
    N : ndarray, shape (levels * l, levels * l_other)
    sigma : sequence of ndarray, each (parameters of the block, l, l)
        dSigma_i per block.
    out : ndarray, shape (k, k)
        Added to.
    """
    cut = N.reshape(-1, f.l, N.shape[1] // other.l, other.l)
    starts = _starts(sigma)
    for k, own in f.parts():
        for j, part in other.parts():
            block = cut[:, own, :, part]
            a, b = block.shape[1], block.shape[3]
            if a == b == 1:
                t = dot(block, block) * sigma[k][:, :1, 0] * sigma[j][:, 0, 0]
            else:
                flat = block.transpose(1, 3, 0, 2).reshape(a * b, -1)
                t = _contract(product(flat, flat.T), sigma[k], sigma[j])
            _add(out, starts[k], starts[j], t, mirror=f.start != other.start)


def add_gram(f: Factor, other: Factor, gram: Floats, sigma: Sequence[Floats], out: Floats) -> None:
    """Add what two factors add to tr(P V_i P V_j), from their effects' Gram matrix, shape (l, l_other, l, l_other)."""
    starts = _starts(sigma)
    for k, own in f.parts():
        for j, part in other.parts():
            piece = gram[own, part, own, part]
            size = piece.shape[0] * piece.shape[1]
            t = _contract(piece.reshape(size, size), sigma[k], sigma[j])
            _add(out, starts[k], starts[j], t, mirror=f.start != other.start)


def _starts(sigma: Sequence[Floats]) -> list[int]:
    return list(accumulate((len(x) for x in sigma), initial=0))


def _add(out: Floats, row: int, column: int, t: Floats, *, mirror: bool) -> None:
    out[row : row + t.shape[0], column : column + t.shape[1]] += t
    if mirror:
        out[column : column + t.shape[1], row : row + t.shape[0]] += t.T


def _contract(gram: Floats, left: Floats, right: Floats) -> Floats:
    """sum_abcd left_i[a,b] right_j[c,d] gram[(a,c),(b,d)]."""
    a, c = left.shape[1], right.shape[1]
    g = gram.reshape(a, c, a, c).transpose(0, 2, 1, 3).reshape(a * a, c * c)
    return np.asarray(left.reshape(len(left), -1) @ g @ right.reshape(len(right), -1).T)


def _trace_one_factor(problem: Problem, N: Floats, Y: Floats, sigma: Sequence[Floats]) -> Floats:
    """The same for one factor with no other: N_gh = (N_gg where g = h) - Y_g Y_h', in time linear in its levels."""
    f = problem.structure.factors[0]
    m, l = f.m, f.l
    flat = N.reshape(m, l * l)
    gram = flat.T @ flat
    if Y.shape[1]:
        y = Y.reshape(m, l, -1)
        own = np.matmul(y, y.transpose(0, 2, 1)).reshape(m, l * l)
        cross = flat.T @ own
        gram = gram - cross - cross.T
        p = y.shape[2]
        wide = Y.reshape(m, l * p)
        S = (wide.T @ wide).reshape(l, p, l, p)
        gram += np.einsum("aubv,cudv->acbd", S, S).reshape(l * l, l * l)
    out = np.zeros((k := sum(len(x) for x in sigma), k))
    add_gram(f, f, gram.reshape(l, l, l, l), sigma, out)
    return out

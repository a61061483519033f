"""tr(P V_i P V_j), the part of the second derivatives that needs all of Z'PZ, not only its diagonal blocks.

With N_gh the blocks of N = Z'PZ between the levels of two factors,

    tr(P V_i P V_j) = sum_gh tr(dSigma_i N_gh dSigma_j N_hg)

is read from the Gram matrix <N^ab, N^cd> of the parts of N that belong to one effect of each factor.

Where one factor crosses a dense rest, products of the rest's size give it exactly. With D_e = J_e A_e the first
factor's own blocks, K_e = J_e A_er its coupling with the rest, both in the metric of its covariance, and
W = Lambda M^-1 Lambda' of the rest, the blocks of N = Z'V^-1 Z are

    N_ee' = D_e [e = e'] - K_e W K_e''     N_er = K_e W Sigma^-1     N_rr = Sigma^-1 - Sigma^-1 W Sigma^-1

Sums over the many levels e are products with Gram matrices of the rest's size, G^ac = sum_e K_e^a' K_e^c for effects a
and c of the first factor: <N^ab, N^cd> has tr(W G^ac W G^db) beside what D adds. The restricted likelihood's N - Y Y'
is of the same form: Y's columns are joined to K's, and the unit matrix to W.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy import sparse

from lmmtools.blas import dot, product
from lmmtools.core.elimination.chain import solve
from lmmtools.core.elimination.coupling import DenseCoupling
from lmmtools.core.elimination.dense_rest import DenseRest, symmetric
from lmmtools.core.elimination.gram import slices_of
from lmmtools.core.kernels import blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem
    from lmmtools.core.elimination.chain import Inverse
    from lmmtools.core.elimination.parts import Coupling, Factor
    from lmmtools.core.search.levels import LevelSums
    from lmmtools.core.search.objective import State

    Floats = NDArray[np.float64]
    from collections.abc import Mapping

    from lmmtools.core.elimination.chain import EliminatedStage

    Rows: TypeAlias = Floats | sparse.csr_matrix
    _ByPair: TypeAlias = dict[tuple[int, int], Floats]

__all__ = [
    "DENSE_Q",
    "FewLevels",
    "add_block",
    "trace_one_factor",
    "trace_products",
    "trace_products_by_columns",
    "trace_products_from",
    "trace_products_once",
]

DENSE_Q = 400
"""Up to this many random effects all of Z'PZ costs less than the iterations that its exact curvature saves."""

COLUMNS = 256
"""Columns of Z'PZ computed at a time where all of it is too large."""

LARGEST = 2500
"""Columns of the rest (50 MB a matrix) up to which products of its size are formed."""

PAIR_COST = 150.0
"""Dense multiply-adds that take as long as one pair of entries in a product of sparse matrices."""

FEW_Q = 32
"""Random effects of a factor, or of several, up to which their columns of Z'PZ cost less than the iteration that they
save: the average information is off by a share of about m**-1/2, where m levels are few."""

SLAB = 2000
"""Levels that are copied to dense rows at a time."""


def trace_products_once(
    problem: Problem, s: State, inverse: Inverse, Y: Floats, sigma: Sequence[Floats]
) -> Floats | None:
    """Return tr(P V_i P V_j), shape (k, k), at a cost that is acceptable once per fit; None where it costs more."""
    cheap = trace_products(problem, s, inverse, Y, sigma)
    if cheap is not None:
        return cheap
    el = s.elimination
    if len(el.stages) != 1 or inverse.W_rest is None or not isinstance(el.rest, DenseRest):
        return None
    if el.structure.q_rest > LARGEST or not el.rest.is_comfortable:
        return None
    return _trace_crossed(el.stages[0], el.rest, symmetric(inverse.W_rest), Y, sigma)


@dataclass(frozen=True, slots=True, eq=False)
class _Crossing:
    """One factor of the rest: N_er = [K_e, Y_e] diag(W, I) E with E = [Sigma^-1; -Y_r'].

    Attributes
    ----------
    factor : Factor
    columns : slice
        Within the rest.
    inverse : ndarray, shape (l, l)
        Of its Sigma.
    y : ndarray, shape (m * l, p)
        Its rows of Y.
    """

    factor: Factor
    columns: slice
    inverse: Floats
    y: Floats

    def end(self, W: Floats) -> Floats:
        """Return diag(W, I) E."""
        l = self.factor.l
        top = product(W[:, self.columns].reshape(-1, l), self.inverse)
        return np.concatenate([top.reshape(len(W), -1), -self.y.T])

    def times(self, M: Floats) -> Floats:
        """Return E'M."""
        own = M[self.columns].reshape(self.factor.m, self.factor.l, -1)
        top = blocks.multiply(np.broadcast_to(self.inverse, (len(own), *self.inverse.shape)), own)
        return top.reshape(self.factor.q, -1) - product(self.y, M[len(M) - self.y.shape[1] :])


def _trace_crossed(s: EliminatedStage, rest: DenseRest, W: Floats, Y: Floats, sigma: Sequence[Floats]) -> Floats:
    """Return tr(P V_i P V_j), shape (k, k), for one factor that crosses a dense rest."""
    f, coupling = s.stage.factor, s.stage.coupling
    assert coupling is not None and s.coupling is not None
    y, y_rest = Y[: f.q].reshape(f.m, f.l, -1), Y[f.q :]
    squares, beside = _crossed_products(coupling, s, y)
    # diag(W, I) G^ac of K and Y together.
    X = {
        (a, c): _weighted(W, square, beside[a, c], beside[c, a], product(y[:, a].T, y[:, c]))
        for (a, c), square in squares.items()
    }
    out = np.zeros((k := sum(len(x) for x in sigma), k))
    own = blocks.multiply(blocks.multiply(s.J, coupling.quadratics(s.coupling, W)), s.J.transpose(0, 2, 1))
    add_gram(
        f, f, _among_levels(blocks.multiply(s.J, s.A), own + blocks.multiply(y, y.transpose(0, 2, 1)), X), sigma, out
    )
    crossings = [
        _Crossing(g, part, np.asarray(np.linalg.inv(lam @ lam.T), dtype=float), y_rest[part])
        for g, part, lam in zip(rest.factors, rest.columns, rest.lambdas, strict=True)
    ]
    ends = [c.end(W) for c in crossings]
    for j, (crossing, end) in enumerate(zip(crossings, ends, strict=True)):
        add_gram(f, crossing.factor, _with_rest(f, crossing, end, X), sigma, out)
        for i in range(j + 1):
            N = -crossings[i].times(end)
            if i == j:
                at = np.arange(crossing.factor.m)
                N.reshape(len(at), -1, len(at), len(crossing.inverse))[at, :, at, :] += crossing.inverse
            add_block(crossings[i].factor, crossing.factor, N, sigma, out)
    return out


def _with_rest(f: Factor, crossing: _Crossing, end: Floats, X: Mapping[tuple[int, int], Floats]) -> Floats:
    """Return <N^ab, N^cd> between the first factor and one of the rest, shape (l, l_other, l, l_other)."""
    g = crossing.factor
    gram = np.empty((f.l, g.l, f.l, g.l))
    for (a, c), x in X.items():
        left = crossing.times(x).reshape(g.m, g.l, -1)
        for b, d in np.ndindex(g.l, g.l):
            gram[a, b, c, d] = dot(left[:, b], end[:, d :: g.l].T)
    return gram


def _among_levels(D: Floats, own: Floats, X: Mapping[tuple[int, int], Floats]) -> Floats:
    """Return <N^ab, N^cd> of the first factor, shape (l, l, l, l), with D - own its diagonal blocks of N."""
    m, l, _ = D.shape
    d, r = D.reshape(m, -1), own.reshape(m, -1)
    gram = (d.T @ d - d.T @ r - r.T @ d).reshape(l, l, l, l)
    for a, b, c, e in np.ndindex(l, l, l, l):
        gram[a, b, c, e] += dot(X[a, c], X[e, b].T)
    return gram


def _crossed_products(coupling: Coupling, s: EliminatedStage, y: Floats) -> tuple[_ByPair, _ByPair]:
    """Return K^a'K^c, (q_rest, q_rest), and K^a'y^c, (q_rest, p), of K = J A_er for each pair of the factor's effects.

    Of a dense K, some levels are made at a time.
    """
    assert s.coupling is not None
    l = y.shape[1]
    squares: _ByPair = {}
    beside: _ByPair = {}
    for some in slices_of(len(y), s.coupling[0].size) if isinstance(coupling, DenseCoupling) else [slice(None)]:
        K = coupling.scale(s.J[some] if isinstance(coupling, DenseCoupling) else s.J, s.coupling[some])
        rows = [coupling.matrix(K, a) for a in range(l)]
        for a, c in np.ndindex(l, l):
            found = np.asarray(rows[a].T @ y[some, c])
            beside[a, c] = beside[a, c] + found if (a, c) in beside else found
            if a <= c:
                square = _transpose_product(rows[a], rows[c])
                squares[a, c] = squares[a, c] + square if (a, c) in squares else square
    squares.update({(c, a): square.T for (a, c), square in squares.items() if a < c})
    return squares, beside


def _weighted(W: Floats, square: Floats, right: Floats, left: Floats, across: Floats) -> Floats:
    """Return diag(W, I) [[square, right], [left', across]]."""
    q, p = right.shape
    out = np.empty((q + p, q + p))
    out[:q, :q] = product(W, square)
    out[:q, q:] = product(W, right)
    out[q:, :q] = left.T
    out[q:, q:] = across
    return out


def _transpose_product(left: Rows, right: Rows) -> Floats:
    """Return left'right."""
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        return product(left.T, right)
    m, q = left.shape
    if PAIR_COST * float((np.diff(left.indptr).astype(float) ** 2).sum()) <= float(m) * q**2:
        return np.asarray((left.T @ right).toarray())
    out = np.zeros((q, q))
    for start in range(0, m, SLAB):
        part = slice(start, start + SLAB)
        out += product(left[part].toarray().T, right[part].toarray())
    return out


def trace_products(problem: Problem, s: State, inverse: Inverse, Y: Floats, sigma: Sequence[Floats]) -> Floats | None:
    """Return tr(P V_i P V_j), shape (k, k), or None where Z'PZ would cost too much.

    tr(P V_i P V_j) = sum_gh tr(dSigma_i N_gh dSigma_j N_hg) over the blocks N_gh of Z'PZ.
    """
    st = problem.structure
    if inverse.N is not None:
        return trace_one_factor(st.factors[0], inverse.N, Y, sigma)
    if st.q > DENSE_Q:
        return None
    if inverse.W_rest is not None and not st.chain:
        A = st.layout.products()
        N = A - product(product(A, inverse.W_rest), A)
    else:
        _, N = solve(s.elimination, st.toarray())
    N = N - product(Y, Y.T)
    out = np.zeros((k := sum(len(x) for x in sigma), k))
    for other in st.factors:
        _add_products(problem, N[:, other.columns], other, sigma, out)
    return out


@dataclass(frozen=True, slots=True, eq=False)
class FewLevels:
    """Columns of N = Z'V^-1Z of the factors that have few levels.

    Attributes
    ----------
    factors : tuple of Factor
    at : ndarray of int, shape (c,)
        Their columns, one factor after the other.
    N : ndarray, shape (q, c)
    """

    factors: tuple[Factor, ...]
    at: NDArray[np.intp]
    N: Floats

    @classmethod
    def of(cls, problem: Problem, s: State) -> FewLevels | None:
        """Return those of a state, None where every factor has many levels."""
        st = problem.structure
        few: list[Factor] = []
        for f in sorted(st.factors, key=lambda f: f.q):
            if f.q + sum(g.q for g in few) <= FEW_Q:
                few.append(f)
        if not few:
            return None
        at = np.concatenate([np.arange(f.start, f.start + f.q) for f in few])
        return cls(tuple(few), at, solve(s.elimination, st.columns(few))[1])

    def traces(self, problem: Problem, Y: Floats, sigma: Sequence[Floats]) -> tuple[Floats, NDArray[np.bool_]]:
        """Return tr(P V_i P V_j), shape (k, k), where i or j is of one of the factors, and which pairs those are."""
        starts, k = _starts(sigma), sum(len(x) for x in sigma)
        out, is_few = np.zeros((k, k)), np.zeros(k, dtype=bool)
        N = self.N - product(Y, Y[self.at].T)
        for i, f in enumerate(self.factors):
            own, N = N[:, : f.q], N[:, f.q :]
            for other in problem.structure.factors:
                if other not in self.factors[:i]:
                    add_block(other, f, own[other.columns], sigma, out)
            for block in f.blocks:
                is_few[starts[block] : starts[block + 1]] = True
        return out, is_few[:, None] | is_few

    def blocks(self) -> dict[int, Floats]:
        """Return N among the columns of each term, by its place in the design, shape (m * l, m * l)."""
        found, begin = {}, 0
        for f in self.factors:
            cut = self.N[f.columns, begin : begin + f.q].reshape(f.m, f.l, f.m, f.l)
            for block, part in f.parts():
                size = f.m * (part.stop - part.start)
                found[block] = cut[:, part, :, part].reshape(size, size)
            begin += f.q
        return found


def trace_products_by_columns(problem: Problem, s: State, Y: Floats, sigma: Sequence[Floats]) -> Floats:
    """Return tr(P V_i P V_j), shape (k, k), for any size: from some columns of Z'PZ at a time, in memory of order q."""
    st = problem.structure
    out = np.zeros((k := sum(len(x) for x in sigma), k))
    A: Any = st.gram.tocsr().tocsc()
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
    N : ndarray, shape (..., levels * l, levels * l_other)
    sigma : sequence of ndarray, each (..., parameters of the block, l, l)
        dSigma_i per block.
    out : ndarray, shape (..., k, k)
        Added to.
    """
    lead = N.shape[:-2]
    cut = N.reshape(*lead, -1, f.l, N.shape[-1] // other.l, other.l)
    starts = _starts(sigma)
    for k, own in f.parts():
        for j, part in other.parts():
            block = cut[..., own, :, part]
            a, b = block.shape[-3], block.shape[-1]
            if a == b == 1:
                flat = block.reshape(*lead, -1)
                squares = np.einsum("zi,zi->z", flat, flat)[:, None, None] if lead else dot(block, block)
                t = squares * sigma[k][..., :1, 0] * sigma[j][..., 0, :1].swapaxes(-1, -2)
            else:
                flat = np.moveaxis(block, (-3, -1), (-4, -3)).reshape(*lead, a * b, -1)
                t = _contract(_times_transpose(flat), sigma[k], sigma[j])
            _add(out, starts[k], starts[j], t, mirror=f.start != other.start)


def add_gram(f: Factor, other: Factor, gram: Floats, sigma: Sequence[Floats], out: Floats) -> None:
    """Add what two factors add to tr(P V_i P V_j), from their effects' Gram matrix, (..., l, l_other, l, l_other)."""
    starts = _starts(sigma)
    for k, own in f.parts():
        for j, part in other.parts():
            piece = gram[..., own, part, own, part]
            size = piece.shape[-2] * piece.shape[-1]
            t = _contract(piece.reshape(*piece.shape[:-4], size, size), sigma[k], sigma[j])
            _add(out, starts[k], starts[j], t, mirror=f.start != other.start)


def _starts(sigma: Sequence[Floats]) -> list[int]:
    """Return where each block's parameters begin, and where the last ones end."""
    return list(accumulate((x.shape[-3] for x in sigma), initial=0))


def _add(out: Floats, row: int, column: int, t: Floats, *, mirror: bool) -> None:
    """Add a block of tr(P V_i P V_j), and its mirror image, to ``out``."""
    out[..., row : row + t.shape[-2], column : column + t.shape[-1]] += t
    if mirror:
        out[..., column : column + t.shape[-1], row : row + t.shape[-2]] += t.swapaxes(-1, -2)


def _times_transpose(M: Floats) -> Floats:
    """Return M M', (..., a, a), of M (..., a, n)."""
    return product(M, M.T) if M.ndim == 2 else np.asarray(M @ M.swapaxes(-1, -2))


def _contract(gram: Floats, left: Floats, right: Floats) -> Floats:
    """Return sum_abcd left_i[a,b] right_j[c,d] gram[(a,c),(b,d)], shape (..., parameters, parameters)."""
    a, c, lead = left.shape[-1], right.shape[-1], gram.shape[:-2]
    g = gram.reshape(*lead, a, c, a, c).swapaxes(-3, -2).reshape(*lead, a * a, c * c)
    right = right.reshape(*right.shape[:-2], c * c)
    return np.asarray(left.reshape(*left.shape[:-2], a * a) @ g @ right.swapaxes(-1, -2))


def trace_one_factor(f: Factor, N: Floats, Y: Floats, sigma: Sequence[Floats]) -> Floats:
    """Return tr(P V_i P V_j), shape (..., k, k), for one factor with no other, in time linear in its levels.

    The blocks of Z'PZ are N_gh = (N_gg where g = h) - Y_g Y_h'.

    Parameters
    ----------
    f : Factor
    N : ndarray, shape (..., m, l, l)
    Y : ndarray, shape (..., q, p)
    sigma : sequence of ndarray, each (..., parameters of the block, l, l)
    """
    m, l, lead = f.m, f.l, N.shape[:-3]
    flat = N.reshape(*lead, m, l * l)
    gram = flat.swapaxes(-1, -2) @ flat
    if p := Y.shape[-1]:
        y = Y.reshape(*lead, m, l, p)
        own = (y @ y.swapaxes(-1, -2)).reshape(*lead, m, l * l)
        cross = flat.swapaxes(-1, -2) @ own
        wide = Y.reshape(*lead, m, l * p)
        S = (wide.swapaxes(-1, -2) @ wide).reshape(*lead, l, p, l, p).swapaxes(-3, -2).reshape(*lead, l * l, p * p)
        both = (S @ S.swapaxes(-1, -2)).reshape(*lead, l, l, l, l).swapaxes(-3, -2).reshape(*lead, l * l, l * l)
        gram = gram - cross - cross.swapaxes(-1, -2) + both
    out = np.zeros((*lead, k := sum(x.shape[-3] for x in sigma), k))
    add_gram(f, f, gram.reshape(*lead, l, l, l, l), sigma, out)
    return out


def trace_products_from(problem: Problem, sums: LevelSums, sigma: Sequence[Floats], *, reml: bool) -> Floats:
    """Return tr(P V_i P V_j), shape (k, k), of a model's one factor from the sums over its levels."""
    f, p = problem.structure.factors[0], problem.p
    gram = sums.gram
    if reml:
        S = sums.S[:, :p, :, :p]
        gram = gram - sums.cross - sums.cross.T + np.einsum("aubv,cudv->acbd", S, S).reshape(gram.shape)
    out = np.zeros((k := sum(len(x) for x in sigma), k))
    add_gram(f, f, gram.reshape(f.l, f.l, f.l, f.l), sigma, out)
    return out

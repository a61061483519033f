"""The moment system of a design: the expected sums of squares between levels as functions of the variances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.blas import dot, product
from lmmtools.core.elimination.structure import diagonal_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.core.elimination.parts import Factor
    from lmmtools.core.elimination.structure import Structure

    Floats = NDArray[np.float64]

__all__ = ["MomentSystem", "VectorMoments", "moment_system", "vector_moments"]

PROJECTIONS = 300
"""Products of A with columns of Z'WX that the moments may cost; beyond that, the last columns of X are left out."""


@dataclass(frozen=True, slots=True, eq=False)
class VectorMoments:
    """Coefficients of the moments of a vector-valued term's levels.

    Attributes
    ----------
    total : ndarray, shape (l, l)
        Sum of the A_g.
    gram : ndarray, shape (l * l, l * l)
        Of sum_g A_g Sigma A_g as a linear map of Sigma.
    kept : float
        Share of the squared length of z that is left beside X, on average.
    """

    total: Floats
    gram: Floats
    kept: float


@dataclass(frozen=True, slots=True, eq=False)
class MomentSystem:
    """The linear system of the moments. It depends on the design alone, so refits share it.

    Attributes
    ----------
    names : list of (int, int)
        (block, effect) of each type of column of Z.
    weighted : ndarray, shape (q, types)
        The reciprocal of the diagonal of A in the column of its type, zero where that is zero, and elsewhere.
    M : ndarray, shape (types + 1, types + 1)
        Coefficients of the variances, the residual's last.
    information : ndarray, shape (types,)
        Mean diagonal of A.
    vectors : dict of int to VectorMoments
        Of each block with several effects per level.
    """

    names: list[tuple[int, int]]
    weighted: Floats
    M: Floats
    information: Floats
    vectors: dict[int, VectorMoments]


def moment_system(st: Structure, ZX: Floats, n: int) -> MomentSystem:
    """Return the moment system of a design; its solution for a response is the starting values of the variances.

    With Q the orthonormal X, B = Z'W(I - QQ'W)Z = A - CC', C = Z'WQ, every sum of squares of B over a pair of types
    follows from A, A C and small cross-products; B itself, which is dense, is formed in a small model only.
    """
    names = [(k, e) for f in st.factors for k, w in zip(f.blocks, f.widths, strict=True) for e in range(w)]
    K, a = len(names), st.diagonal()
    onehot, first = np.zeros((len(a), K)), 0
    for f in st.factors:
        for e in range(f.l):
            onehot[f.start + e : f.start + f.q : f.l, first + e] = 1.0
        first += f.l
    inverse = np.zeros(len(a))
    np.divide(1.0, a, out=inverse, where=a > 0)
    weighted = onehot * inverse[:, None]
    M = np.empty((K + 1, K + 1))
    p = min(ZX.shape[1], max(1, PROJECTIONS // K))
    C = ZX[:, :p]
    if isinstance(st.products, np.ndarray):
        B = st.products - C @ C.T
        left = B.diagonal()
        M[:-1, :-1] = weighted.T @ (B * B) @ onehot
    else:
        left = a - np.einsum("qp,qp->q", C, C)
        M[:-1, :-1] = _squares_in_levels(st, C, inverse) if len(st.factors) == 1 else _squares(st, C, onehot, weighted)
    M[:-1, -1] = weighted.T @ left
    M[-1, :-1] = onehot.T @ left
    M[-1, -1] = n - p
    counts = np.maximum(onehot.T @ (a > 0), 1.0)
    vectors = {
        k: vector_moments(st, f, part, ZX) for f in st.factors for k, part in f.parts() if part.stop - part.start > 1
    }
    return MomentSystem(names, weighted, M, np.maximum(onehot.T @ a / counts, 1e-12), vectors)


def _squares(st: Structure, C: Floats, onehot: Floats, weighted: Floats) -> Floats:
    """Return sum_gh B_gh^2 / a_g over the columns g and h of each pair of types, (types, types), without B."""
    out = np.asarray(weighted.T @ st.gram.times_squares(onehot))
    for t in range(onehot.shape[1]):
        mine = onehot[:, t] > 0
        AC = st.times(C * mine[:, None])
        out[:, t] -= 2.0 * (weighted.T @ np.einsum("qp,qp->q", AC, C))
        G = product(C[mine].T, C[mine])
        out[:, t] += weighted.T @ np.einsum("qp,qp->q", product(C, G), C)
    return out


def _squares_in_levels(st: Structure, C: Floats, inverse: Floats) -> Floats:
    """Return what :func:`_squares` does, where one factor is all, from 1 / a: A is its blocks then."""
    (f,) = st.factors
    A, own, weights = diagonal_blocks(st, f), C.reshape(f.m, f.l, -1), inverse.reshape(f.m, f.l)
    grams = [product(own[:, t].T, own[:, t]) for t in range(f.l)]
    out = np.empty((f.l, f.l))
    for s in range(f.l):
        for t in range(f.l):
            squares = A[:, s, t] * (A[:, s, t] - 2.0 * np.einsum("mp,mp->m", own[:, s], own[:, t]))
            squares += np.einsum("mp,mp->m", product(own[:, s], grams[t]), own[:, s])
            out[s, t] = weights[:, s] @ squares
    return out


def vector_moments(st: Structure, f: Factor, part: slice, ZX: Floats) -> VectorMoments:
    """Return the coefficients of the moments of the effects ``part`` of a factor's levels."""
    A = diagonal_blocks(st, f)[:, part, part]
    l = A.shape[1]
    total = A.sum(0)
    C = ZX[f.columns].reshape(f.m, f.l, -1)[:, part]
    kept = 1.0 - dot(C, C) / max(float(np.trace(total)), 1e-12)
    flat = A.reshape(f.m, l * l)
    gram = (flat.T @ flat).reshape(l, l, l, l).transpose(0, 2, 1, 3).reshape(l * l, l * l)
    return VectorMoments(total, gram, max(kept, 0.1))

"""The optimiser's parameters phi, and the derivatives with respect to them from those with respect to Sigma.

A term with one effect per level has phi = log(1 + c Sigma) >= 0, Sigma its relative variance and c the information of
an average level. The criterion is smooth in it at zero, so the boundary is an ordinary bound, and for a balanced
one-way layout it is convex: (m-1) phi + dof log(SSE + SSB exp(-phi)).

A vector-valued term has a factor ``Q L`` of Sigma: Q holds the current Sigma's eigenvectors, largest first, and L is
lower triangular, its entries (column by column) unbounded. In that frame small eigenvalues stand last whatever Sigma
is, so a vanishing column of L is an ordinary minimum with curvature 2 G. In the fixed frame of theta it need not be:
where the leading rows of lambda are themselves dependent, columns can be rotated into each other at next to no cost,
and Newton's method creeps along a curved valley.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.theta import upper_triangle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core.elimination.factors import Factor

    Floats = NDArray[np.float64]

__all__ = [
    "bounded",
    "directions",
    "frame",
    "gradient",
    "is_null",
    "pack",
    "second_order",
    "sigma_directions",
    "unpack",
]

UNIT = np.ones((1, 1))

NULL_VARIANCE = 1e-9
"""A relative variance, times the information of one level, below this is one that the data could not tell from zero."""


def is_null(roots: Floats, c: float) -> NDArray[np.bool_]:
    """Return which directions of one block's Sigma have no variance, from the roots of those, with c of the block."""
    return np.asarray(roots**2 * c <= NULL_VARIANCE)


def frame(lambdas: Sequence[Floats]) -> tuple[tuple[Floats, ...], tuple[Floats, ...]]:
    """Return Q and L per block with Q L L'Q' = lambda lambda', L diagonal and decreasing."""
    frames, factors = [], []
    for lam in lambdas:
        if len(lam) == 1:
            frames.append(UNIT)
            factors.append(np.abs(lam))
            continue
        Q, values, _ = np.linalg.svd(lam)
        frames.append(Q)
        factors.append(np.diag(values))
    return tuple(frames), tuple(factors)


def pack(factors: Sequence[Floats], units: Sequence[float]) -> Floats:
    """Return phi, shape (k,), of L per block, with c per block."""
    parts = [
        np.log1p(c * L.ravel() ** 2) if len(L) == 1 else L.T[upper_triangle(len(L))]
        for L, c in zip(factors, units, strict=True)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def unpack(phi: Floats, frames: Sequence[Floats], units: Sequence[float]) -> tuple[Floats, ...]:
    """Return a factor Q L of Sigma per block."""
    out, at = [], 0
    for Q, c in zip(frames, units, strict=True):
        l = len(Q)
        if l == 1:
            out.append(np.sqrt(np.expm1(phi[at : at + 1, None]) / c))
            at += 1
        else:
            k = l * (l + 1) // 2
            L = np.zeros((l, l))
            L.T[upper_triangle(l)] = phi[at : at + k]
            out.append(Q @ L)
            at += k
    return tuple(out)


def bounded(widths: Sequence[int]) -> NDArray[np.bool_]:
    """Return which elements of phi are variances, shape (k,)."""
    return np.concatenate([np.full(l * (l + 1) // 2, l == 1) for l in widths])


def gradient(
    G: Sequence[Floats], lambdas: Sequence[Floats], frames: Sequence[Floats], units: Sequence[float]
) -> Floats:
    """Return the derivative with respect to phi, shape (k,), from G = d criterion / d Sigma and the factor Q L."""
    parts = []
    for g, lam, Q, c in zip(G, lambdas, frames, units, strict=True):
        if len(Q) == 1:
            parts.append(g.ravel() * (1.0 / c + lam[0, 0] ** 2))
        else:
            parts.append(2.0 * (Q.T @ g @ lam).T[upper_triangle(len(Q))])
    return np.concatenate(parts)


def sigma_directions(lam: Floats, Q: Floats, c: float) -> Floats:
    """Return the derivatives of Sigma with respect to one block's phi, shape (parameters, l, l)."""
    l = len(Q)
    if l == 1:
        return np.array([[[1.0 / c + lam[0, 0] ** 2]]])
    columns, rows = upper_triangle(l)
    # d Sigma / d L_ab = Q_a (Q L)_b' + its transpose.
    half = Q.T[rows][:, :, None] * lam.T[columns][:, None, :]
    return np.asarray(half + half.transpose(0, 2, 1))


def directions(f: Floats, sigma: Sequence[Floats], factors: Sequence[Factor]) -> Floats:
    """Return dSigma_i f for every parameter i, shape (q, k).

    Parameters
    ----------
    f : ndarray, shape (q,)
        In the engine's order.
    sigma : sequence of ndarray, each (parameters of the block, l, l)
        dSigma_i per block in design order.
    factors : sequence of Factor
    """
    starts = np.cumsum([0, *(len(d) for d in sigma)]).tolist()
    out = np.zeros((len(f), starts[-1]))
    for factor in factors:
        if factor.l == 1:
            k = factor.blocks[0]
            for i, d in enumerate(sigma[k]):
                out[factor.columns, starts[k] + i] = f[factor.columns] * d[0, 0]
            continue
        rows = f[factor.columns].reshape(factor.m, factor.l)
        view = out[factor.columns].reshape(factor.m, factor.l, -1)
        for k, part in factor.parts():
            d = sigma[k]
            # dSigma is symmetric: f_g' dSigma_i, all levels and parameters in one product.
            moved = rows[:, part] @ d.transpose(1, 2, 0).reshape(d.shape[1], -1)
            view[:, part, starts[k] : starts[k + 1]] = moved.reshape(factor.m, d.shape[1], len(d))
    return out


def second_order(
    G: Sequence[Floats], lambdas: Sequence[Floats], frames: Sequence[Floats], units: Sequence[float]
) -> Floats:
    """Return the curvature of the criterion through Sigma(phi): exactly 2 Q'GQ for each column of L; (k, k)."""
    k = sum(len(Q) * (len(Q) + 1) // 2 for Q in frames)
    out = np.zeros((k, k))
    at = 0
    for G_k, lam, Q, c in zip(G, lambdas, frames, units, strict=True):
        l = len(Q)
        if l == 1:
            # exp is its own derivative: d2 Sigma / dphi2 = d Sigma / dphi.
            out[at, at] = G_k[0, 0] * (1.0 / c + lam[0, 0] ** 2)
            at += 1
            continue
        g = 2.0 * (Q.T @ G_k @ Q)
        for column in range(l):
            size = l - column
            out[at : at + size, at : at + size] = g[column:, column:]
            at += size
    return out

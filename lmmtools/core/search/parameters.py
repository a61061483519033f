"""The optimiser's parameters phi, and the derivatives with respect to them from those with respect to Sigma.

A term with one effect per level has phi = log(1 + c Sigma) >= 0, Sigma its relative variance and c the information of
an average level. The criterion is smooth in it at zero, so the boundary is an ordinary bound, and for a balanced
one-way layout it is convex: (m-1) phi + dof log(SSE + SSB exp(-phi)).

A vector-valued term has a factor ``Q L`` of Sigma: Q holds the current Sigma's eigenvectors, largest first, and L is
lower triangular, its entries (column by column) unbounded. In that frame small eigenvalues stand last whatever Sigma
is, so a vanishing column of L is an ordinary minimum with curvature 2 G. In the fixed frame of theta it need not be:
where the leading rows of lambda are themselves dependent, columns can be rotated into each other at next to no cost,
and Newton's method creeps along a curved valley.

All functions take arrays with any leading dimensions ``...``: none for one response, (B,) for B of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.theta import upper_triangle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core.elimination.parts import Factor

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
    "step_limit",
    "unpack",
]

MAX_GROWTH = 6.0
"""A step multiplies the variances of a vector-valued term by no more than this: far from the optimum the model has the
right sign but not the right size."""

LOG_GROWTH = 6.0
"""The same for a scalar term, on the scale of its logarithm, where the criterion is close to convex."""

NULL_VARIANCE = 1e-9
"""A relative variance, times the information of one level, below this is one that the data could not tell from zero."""


def is_null(roots: Floats, c: float) -> NDArray[np.bool_]:
    """Return which directions of one block's Sigma have no variance, from the roots of those, with c of the block."""
    return np.asarray(roots**2 * c <= NULL_VARIANCE)


def frame(lambdas: Sequence[Floats]) -> tuple[tuple[Floats, ...], tuple[Floats, ...]]:
    """Return Q and L per block, (..., l, l), with Q L L'Q' = lambda lambda', L diagonal and decreasing."""
    frames, roots = [], []
    for lam in lambdas:
        l = lam.shape[-1]
        if l == 1:
            frames.append(np.ones_like(lam))
            roots.append(np.abs(lam))
            continue
        Q, values, _ = np.linalg.svd(lam)
        L = np.zeros_like(lam)
        L[..., range(l), range(l)] = values
        frames.append(Q)
        roots.append(L)
    return tuple(frames), tuple(roots)


def pack(roots: Sequence[Floats], units: Sequence[float]) -> Floats:
    """Return phi, shape (..., k), of L per block, with c per block."""
    parts = []
    for L, c in zip(roots, units, strict=True):
        l = L.shape[-1]
        if l == 1:
            parts.append(np.log1p(c * L[..., 0] ** 2))
        else:
            columns, rows = upper_triangle(l)
            parts.append(L[..., rows, columns])
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


def unpack(phi: Floats, frames: Sequence[Floats], units: Sequence[float]) -> tuple[Floats, ...]:
    """Return a root Q L of Sigma per block, (..., l, l)."""
    out, at = [], 0
    for Q, c in zip(frames, units, strict=True):
        l = Q.shape[-1]
        k = l * (l + 1) // 2
        own = phi[..., at : at + k]
        if l == 1:
            out.append(np.sqrt(np.expm1(own[..., None]) / c))
        else:
            columns, rows = upper_triangle(l)
            L = np.zeros((*phi.shape[:-1], l, l))
            L[..., rows, columns] = own
            out.append(Q @ L)
        at += k
    return tuple(out)


def bounded(widths: Sequence[int]) -> NDArray[np.bool_]:
    """Return which elements of phi are variances, shape (k,)."""
    return np.concatenate([np.full(l * (l + 1) // 2, l == 1) for l in widths])


def step_limit(phi: Floats, step: Floats, widths: Sequence[int], units: Sequence[float]) -> Floats:
    """Return the share of each step, shape (...), that keeps variances within MAX_GROWTH of what they were.

    Or within MAX_GROWTH of one that matters, where they were smaller.
    """
    share, at = np.ones(phi.shape[:-1]), 0
    for l, c in zip(widths, units, strict=True):
        k = l * (l + 1) // 2
        change = abs(step[..., at : at + k]).max(axis=-1)
        room: Floats | float = LOG_GROWTH
        if l > 1:
            room = MAX_GROWTH**0.5 * np.maximum(abs(phi[..., at : at + k]).max(axis=-1), c**-0.5)
        share = np.minimum(share, room / np.maximum(change, room))
        at += k
    return share


def gradient(
    G: Sequence[Floats], lambdas: Sequence[Floats], frames: Sequence[Floats], units: Sequence[float]
) -> Floats:
    """Return the derivative with respect to phi, shape (..., k), from G = d criterion / d Sigma and the root Q L."""
    parts = []
    for g, lam, Q, c in zip(G, lambdas, frames, units, strict=True):
        l = Q.shape[-1]
        if l == 1:
            parts.append(g[..., 0] * (1.0 / c + lam[..., 0] ** 2))
        else:
            columns, rows = upper_triangle(l)
            parts.append(2.0 * (Q.swapaxes(-1, -2) @ g @ lam)[..., rows, columns])
    return np.concatenate(parts, axis=-1)


def sigma_directions(lam: Floats, Q: Floats, c: float) -> Floats:
    """Return the derivatives of Sigma with respect to one block's phi, shape (..., parameters, l, l)."""
    l = Q.shape[-1]
    if l == 1:
        return np.asarray((1.0 / c + lam**2)[..., None, :, :])
    columns, rows = upper_triangle(l)
    # d Sigma / d L_ab = Q_a (Q L)_b' + its transpose.
    left, right = Q.swapaxes(-1, -2)[..., rows, :], lam.swapaxes(-1, -2)[..., columns, :]
    half = left[..., :, None] * right[..., None, :]
    return np.asarray(half + half.swapaxes(-1, -2))


def directions(f: Floats, sigma: Sequence[Floats], factors: Sequence[Factor]) -> Floats:
    """Return dSigma_i f for every parameter i, shape (..., q, k).

    Parameters
    ----------
    f : ndarray, shape (..., q)
        In the engine's order.
    sigma : sequence of ndarray, each (..., parameters of the block, l, l)
        dSigma_i per block in design order.
    factors : sequence of Factor
    """
    starts = np.cumsum([0, *(d.shape[-3] for d in sigma)]).tolist()
    lead = f.shape[:-1]
    out = np.zeros((*f.shape, starts[-1]))
    for factor in factors:
        if factor.l == 1:
            k = factor.blocks[0]
            out[..., factor.columns, starts[k]] = f[..., factor.columns] * sigma[k][..., 0, 0]
            continue
        rows = f[..., factor.columns].reshape(*lead, factor.m, factor.l)
        # Splitting an axis makes a view: what is written below stands in out.
        view = out[..., factor.columns, :].reshape(*lead, factor.m, factor.l, -1)
        for k, part in factor.parts():
            d = sigma[k]
            l = d.shape[-1]
            # dSigma is symmetric: f_g' dSigma_i, all levels and parameters in one product.
            moved = rows[..., part] @ d.swapaxes(-3, -1).reshape(*lead, l, -1)
            view[..., part, starts[k] : starts[k + 1]] = moved.reshape(*lead, factor.m, l, -1)
    return out


def second_order(
    G: Sequence[Floats], lambdas: Sequence[Floats], frames: Sequence[Floats], units: Sequence[float]
) -> Floats:
    """Return the curvature of the criterion through Sigma(phi), shape (..., k, k): 2 Q'GQ for each column of L."""
    k = sum(Q.shape[-1] * (Q.shape[-1] + 1) // 2 for Q in frames)
    out = np.zeros((*G[0].shape[:-2], k, k))
    at = 0
    for G_k, lam, Q, c in zip(G, lambdas, frames, units, strict=True):
        l = Q.shape[-1]
        if l == 1:
            # exp is its own derivative: d2 Sigma / dphi2 = d Sigma / dphi.
            out[..., at, at] = G_k[..., 0, 0] * (1.0 / c + lam[..., 0, 0] ** 2)
            at += 1
            continue
        g = 2.0 * (Q.swapaxes(-1, -2) @ G_k @ Q)
        for column in range(l):
            size = l - column
            out[..., at : at + size, at : at + size] = g[..., column:, column:]
            at += size
    return out

"""The optimiser's parameters phi, between lambda and the derivatives with respect to Sigma.

A term with one effect per level has phi = lambda**2 >= 0, the relative variance itself: the criterion is smooth in it
at zero, so the boundary is an ordinary bound. A vector-valued term has the entries of lambda, column by column and
unbounded: the criterion does not see the sign of a column, and where a column vanishes its curvature 2 G is that of
an ordinary minimum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.engines.pls.structure import Factor

    Floats = NDArray[np.float64]

__all__ = ["bounded", "directions", "gradient", "pack", "second_order", "sigma_directions", "unpack"]


def pack(lambdas: Sequence[Floats]) -> Floats:
    """Phi, shape (k,), of lambda per block."""
    parts = [lam.ravel() ** 2 if len(lam) == 1 else lam.T[np.triu_indices(len(lam))] for lam in lambdas]
    return np.concatenate(parts)


def unpack(phi: Floats, widths: Sequence[int]) -> tuple[Floats, ...]:
    """lambda per block, the inverse of :func:`pack`."""
    out, at = [], 0
    for l in widths:
        lam = np.zeros((l, l))
        if l == 1:
            lam[0, 0] = np.sqrt(phi[at])
            at += 1
        else:
            k = l * (l + 1) // 2
            lam.T[np.triu_indices(l)] = phi[at : at + k]
            at += k
        out.append(lam)
    return tuple(out)


def bounded(widths: Sequence[int]) -> NDArray[np.bool_]:
    """Which elements of phi are variances, shape (k,)."""
    return np.concatenate([np.full(l * (l + 1) // 2, l == 1) for l in widths])


def gradient(G: Sequence[Floats], lambdas: Sequence[Floats]) -> Floats:
    """Derivative with respect to phi, shape (k,), from G = d criterion / d Sigma per block."""
    parts = []
    for g, lam in zip(G, lambdas, strict=True):
        parts.append(g.ravel() if len(lam) == 1 else 2.0 * (g @ lam).T[np.triu_indices(len(lam))])
    return np.concatenate(parts)


def sigma_directions(lam: Floats) -> Floats:
    """d Sigma / d phi of one block, shape (its parameters, l, l)."""
    l = len(lam)
    if l == 1:
        return np.ones((1, 1, 1))
    columns, rows = np.triu_indices(l)
    out = np.zeros((len(rows), l, l))
    at = np.arange(len(rows))
    out[at, rows, :] += lam.T[columns]
    out[at, :, rows] += lam.T[columns]
    return out


def directions(f: Floats, lambdas: Sequence[Floats], factors: Sequence[Factor], k: int) -> Floats:
    """dSigma_i f for every parameter i, shape (q, k), f (q,) in the engine's order."""
    starts = np.cumsum([0, *(len(lam) * (len(lam) + 1) // 2 for lam in lambdas)])
    out = np.zeros((len(f), k))
    for factor in factors:
        if factor.l == 1:
            out[factor.columns, starts[factor.blocks[0]]] = f[factor.columns]
            continue
        rows = f[factor.columns].reshape(factor.m, factor.l)
        view = out[factor.columns].reshape(factor.m, factor.l, k)
        for block, part in factor.parts():
            d = sigma_directions(lambdas[block])
            # dSigma is symmetric: f_g' dSigma_i, all levels and parameters in one product.
            l = len(lambdas[block])
            moved = (rows[:, part] @ d.transpose(1, 0, 2).reshape(l, -1)).reshape(factor.m, -1, l)
            view[:, part, starts[block] : starts[block + 1]] = moved.transpose(0, 2, 1)
    return out


def second_order(G: Sequence[Floats], widths: Sequence[int]) -> Floats:
    """Curvature of the criterion through Sigma = lambda lambda', exactly 2 G (x) I per column of lambda; (k, k)."""
    k = sum(l * (l + 1) // 2 for l in widths)
    out = np.zeros((k, k))
    at = 0
    for g, l in zip(G, widths, strict=True):
        for column in range(l if l > 1 else 0):
            size = l - column
            out[at : at + size, at : at + size] = 2.0 * g[column:, column:]
            at += size
        at += l == 1
    return out

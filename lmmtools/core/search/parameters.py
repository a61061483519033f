"""The search's parameters phi: those of the covariances of all terms, one after the other.

Each term's part is the business of its :class:`~lmmtools.core.model.covariance.Covariance`; nothing here, or above,
knows what kinds there are. Beside phi stand the entries of Sigma of the data's effects, in which variances are
reported. All functions of phi take arrays with any leading dimensions ``...``: none for one response, (B,) for B.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.core.model.covariance import places
from lmmtools.design.theta import upper_triangle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core.elimination.parts import Factor
    from lmmtools.core.model.covariance import Covariance

    Floats = NDArray[np.float64]

__all__ = [
    "apply_directions",
    "bounded",
    "curvature",
    "frame",
    "gradient",
    "original_directions",
    "pack",
    "sigma_directions",
    "sigma_entries",
    "step_limit",
    "unpack",
]


def frame(terms: Sequence[Covariance], lambdas: Sequence[Floats]) -> tuple[tuple[Floats, ...], tuple[Floats, ...]]:
    """Return Q and L per block, (..., l, l), with Q L L'Q' = lambda lambda', L diagonal and decreasing."""
    both = [term.frame(lam) for term, lam in zip(terms, lambdas, strict=True)]
    return tuple(Q for Q, _ in both), tuple(L for _, L in both)


def pack(terms: Sequence[Covariance], roots: Sequence[Floats]) -> Floats:
    """Return phi, shape (..., k), of L per block."""
    parts = [term.pack(L) for term, L in zip(terms, roots, strict=True)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


def unpack(terms: Sequence[Covariance], phi: Floats, frames: Sequence[Floats]) -> tuple[Floats, ...]:
    """Return a root Q L of Sigma per block, (..., l, l)."""
    return tuple(term.unpack(phi[..., own], Q) for term, own, Q in zip(terms, places(terms), frames, strict=True))


def bounded(terms: Sequence[Covariance]) -> NDArray[np.bool_]:
    """Return which elements of phi are variances, shape (k,)."""
    return np.concatenate([term.bounded for term in terms])


def step_limit(terms: Sequence[Covariance], phi: Floats, step: Floats) -> Floats:
    """Return the share of each step, shape (...), within which all terms trust their quadratic models."""
    share = np.ones(phi.shape[:-1])
    for term, own in zip(terms, places(terms), strict=True):
        share = np.minimum(share, term.step_limit(phi[..., own], step[..., own]))
    return share


def sigma_directions(terms: Sequence[Covariance], lambdas: Sequence[Floats], frames: Sequence[Floats]) -> list[Floats]:
    """Return the derivatives of Sigma with respect to phi per block, (..., parameters of the block, l, l)."""
    return [term.directions(lam, Q) for term, lam, Q in zip(terms, lambdas, frames, strict=True)]


def gradient(G: Sequence[Floats], sigma: Sequence[Floats]) -> Floats:
    """Return the derivative with respect to phi, shape (..., k), from G = d criterion / d Sigma and dSigma."""
    return np.concatenate([np.einsum("...iab,...ab->...i", d, g) for g, d in zip(G, sigma, strict=True)], axis=-1)


def curvature(
    terms: Sequence[Covariance], G: Sequence[Floats], lambdas: Sequence[Floats], frames: Sequence[Floats]
) -> Floats:
    """Return the curvature of the criterion through Sigma(phi), shape (..., k, k), from G = d criterion / d Sigma."""
    owns = places(terms)
    k = owns[-1].stop
    out = np.zeros((*G[0].shape[:-2], k, k))
    for term, own, g, lam, Q in zip(terms, owns, G, lambdas, frames, strict=True):
        out[..., own, own] = term.curvature(g, lam, Q)
    return out


def apply_directions(f: Floats, sigma: Sequence[Floats], factors: Sequence[Factor]) -> Floats:
    """Return dSigma_i f for every parameter i, shape (..., q, k).

    Parameters
    ----------
    f : ndarray, shape (..., q)
        In the engine's order.
    sigma : sequence of ndarray, each (..., parameters of the block, l, l)
        dSigma_i per block in design order.
    factors : sequence of Factor
    """
    starts = list(accumulate((d.shape[-3] for d in sigma), initial=0))
    lead = f.shape[:-1]
    out = np.zeros((*f.shape, starts[-1]))
    for factor in factors:
        if factor.l == 1 and sigma[factor.blocks[0]].shape[-3] == 1:
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


def original_directions(R: Floats) -> Floats:
    """Return dSigma (engine's coordinates) per entry of the data-scale Sigma, lower triangle column by column."""
    columns, rows = upper_triangle(len(R))
    half = R.T[rows][:, :, None] * R.T[columns][:, None, :]
    out = half + half.transpose(0, 2, 1)
    out[rows == columns] *= 0.5
    return np.asarray(out)


def sigma_entries(R: Floats, lam: Floats) -> Floats:
    """Return the lower triangle of R^-1 lam lam' R^-1' column by column: Sigma of the effects that R maps."""
    half = np.linalg.solve(R, lam)
    return np.asarray((half @ half.T)[upper_triangle(len(R))[::-1]])

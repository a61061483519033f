"""Newton's steps under bounds of many problems at once; those of one are a kernel's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.core.kernels.numpy_newton import DIAGONAL_FLOOR, EIGEN_FLOOR, WEAKEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["newton_steps"]


def newton_steps(
    phi: Floats, g: Floats, exact: Floats, average: Floats, bounded: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Return Newton's steps and their expected decreases for many problems at once.

    Equivalent to ``kernels.newton.step`` on each, with ``exact`` where it is positive and ``average`` elsewhere.

    Parameters
    ----------
    phi, g : ndarray, shape (b, k)
    exact, average : ndarray, shape (b, k, k)
    bounded : ndarray of bool, shape (k,)
    """
    k = phi.shape[1]
    identity = np.eye(k)
    free = ~(bounded & (phi == 0) & (g >= 0))
    both = free[:, :, None] & free[:, None, :]
    scaled, _ = _scaled(np.where(both, exact, identity))
    use = (np.linalg.eigvalsh(scaled)[:, 0] > WEAKEST) & (np.einsum("zii->zi", scaled) > 0).all(axis=1)
    scaled, scale = _scaled(np.where(both, np.where(use[:, None, None], exact, average), identity))
    values, vectors = np.linalg.eigh(scaled)
    half = vectors * np.sqrt(np.maximum(np.abs(values), EIGEN_FLOOR))[:, None, :] * scale[:, :, None]
    B = half @ half.transpose(0, 2, 1)
    g = np.where(free, g, 0.0)
    lower = np.where(bounded & free, -phi, -np.inf)
    s = np.zeros_like(phi)
    active = free.copy()
    open_ = np.ones(len(phi), dtype=bool)
    for _ in range(4 * k):
        both = active[:, :, None] & active[:, None, :]
        held = np.where(active, 0.0, s)
        right = np.where(active, -(g + np.einsum("zij,zj->zi", B, held)), held)
        target = np.linalg.solve(np.where(both, B, identity), right[:, :, None])[:, :, 0]
        below = active & (target < lower) & open_[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = np.where(below, (lower - s) / (target - s), np.inf)
        first = np.argmin(shares, axis=1)
        hits = below.any(axis=1)
        share = np.where(hits, shares.min(axis=1), 1.0)
        moved = np.where(hits[:, None], s + share[:, None] * (target - s), target)
        s = np.where(open_[:, None], moved, s)
        rows = np.flatnonzero(hits)
        s[rows, first[rows]] = lower[rows, first[rows]]
        active[rows, first[rows]] = False
        force = np.where(active | ~free, 0.0, g + np.einsum("zij,zj->zi", B, s))
        done = ~hits & (force.min(axis=1) >= 0)
        open_ &= ~done
        if not open_.any():
            break
        release = np.flatnonzero(open_ & ~hits)
        active[release, np.argmin(force[release], axis=1)] = True
    expected = -np.einsum("zi,zi->z", g, s) - 0.5 * np.einsum("zi,zij,zj->z", s, B, s)
    return s, expected


def _scaled(B: Floats) -> tuple[Floats, Floats]:
    """Return B scaled to a diagonal of plus or minus one, and the roots that scale it back."""
    diagonal = np.abs(np.einsum("zii->zi", B))
    top = diagonal.max(axis=1, keepdims=True)
    scale = np.sqrt(np.maximum(diagonal, np.where(top > 0, DIAGONAL_FLOOR * top, 1.0)))
    return B / scale[:, :, None] / scale[:, None, :], scale

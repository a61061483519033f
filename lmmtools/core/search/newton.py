"""Newton's step under bounds: the minimum of a convex quadratic model whose bounded variables stay above zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["WEAKEST", "is_positive", "newton_step", "newton_steps"]

WEAKEST = 1e-6
"""The exact Hessian is used where its smallest eigenvalue (unit diagonal) exceeds this; elsewhere the average
information, which is hardly ever indefinite, gives the better direction."""

EIGEN_FLOOR = 1e-9
"""Smallest curvature that the scaled model is given."""

MAX_PIVOTS = 200
"""Largest number of changes of an element between held and free; a few per parameter are usual."""

DIAGONAL_FLOOR = 1e-14
"""Smallest diagonal element before scaling, relative to the largest."""


def is_positive(B: Floats, free: NDArray[np.bool_]) -> bool:
    """Return whether the Hessian over the free parameters is positive definite, by more than WEAKEST."""
    if not free.all():
        B = B[np.ix_(free, free)]
    diagonal = np.diag(B)
    if not (diagonal > 0).all():
        return False
    scale = 1.0 / np.sqrt(diagonal)
    return bool(len(B) <= 1 or np.linalg.eigvalsh(B * scale * scale[:, None])[0] > WEAKEST)


def newton_step(phi: Floats, g: Floats, B: Floats, bounded: NDArray[np.bool_]) -> tuple[Floats, float]:
    """Return the minimiser s of g's + s'Bs/2 with phi + s >= 0 where bounded, and its expected decrease.

    B is made positive definite first (eigenvalues of the scaled matrix by absolute value, kept off zero), so the
    decrease is positive unless s is zero. A bounded element that is at zero with g >= 0 stays there.
    """
    step = np.zeros_like(phi)
    free = np.flatnonzero(~(bounded & (phi == 0) & (g >= 0)))
    if not len(free):
        return step, 0.0
    B, g = B[np.ix_(free, free)], g[free]
    lower = np.where(bounded[free], -phi[free], -np.inf)
    if len(free) == 1:
        curve = max(abs(float(B[0, 0])), float(np.finfo(float).tiny))
        one = max(-float(g[0]) / curve, float(lower[0]))
        step[free] = one
        return step, -one * (float(g[0]) + 0.5 * curve * one)
    B = _make_positive(B)
    s = np.linalg.solve(B, -g)
    if (s < lower).any():
        s = _bounded_minimum(B, g, lower)
    step[free] = s
    return step, -float(g @ s + 0.5 * s @ B @ s)


def _make_positive(B: Floats) -> Floats:
    """Return B with the eigenvalues of its scaled matrix in absolute value and at least EIGEN_FLOOR."""
    scale = np.sqrt(np.maximum(np.abs(np.diag(B)), _smallest_diagonal(np.abs(np.diag(B)).max())))
    values, vectors = np.linalg.eigh(B / scale / scale[:, None])
    if values[0] > EIGEN_FLOOR:
        return B
    half = vectors * np.sqrt(np.maximum(np.abs(values), EIGEN_FLOOR)) * scale[:, None]
    return np.asarray(half @ half.T)


def _smallest_diagonal(top: float) -> float:
    """Return the smallest diagonal element to scale by, given the largest."""
    return DIAGONAL_FLOOR * top if top > 0 else 1.0


def _bounded_minimum(B: Floats, g: Floats, lower: Floats) -> Floats:
    """Return the minimiser of g's + s'Bs/2 with s >= lower, by Murty's least-index pivoting.

    With B positive definite, changing the first element that is below its bound, or held there against its force, from
    held to free or back ends at the minimum (Murty 1974, Linear Algebra and its Applications 9).
    """
    held = np.zeros(len(g), dtype=bool)
    for _ in range(MAX_PIVOTS):
        free = np.flatnonzero(~held)
        s = np.where(held, lower, 0.0)
        s[free] = np.linalg.solve(B[np.ix_(free, free)], -(g[free] + B[np.ix_(free, held)] @ lower[held]))
        wrong = np.where(held, g + B @ s < 0, s < lower)
        if not wrong.any():
            break
        held[np.argmax(wrong)] ^= True
    return np.maximum(s, lower)


def newton_steps(
    phi: Floats, g: Floats, exact: Floats, average: Floats, bounded: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Return Newton's steps and their expected decreases for many problems at once.

    Equivalent to ``newton_step`` on each, with ``exact`` where it is positive and ``average`` elsewhere.

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

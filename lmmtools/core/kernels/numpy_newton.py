"""Newton's step under bounds: the minimum of a convex quadratic model whose bounded variables stay above zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["judge", "step"]

WEAKEST = 1e-6
"""The exact Hessian is used where its smallest eigenvalue (unit diagonal) exceeds this; elsewhere the average
information, which is hardly ever indefinite, gives the better direction."""

EIGEN_FLOOR = 1e-9
"""Smallest curvature that the scaled model is given."""

MAX_PIVOTS = 200
"""Changes between held and free; a few per parameter are usual."""

DIAGONAL_FLOOR = 1e-14
"""The same for its diagonal before scaling, relative to the largest element."""

VANISHED = 1e-8
"""Curvature (unit diagonal) below which Newton's step has no meaning; the gradient must then vanish as well."""


def step(
    phi: Floats, g: Floats, exact: Floats | None, average: Floats, bounded: NDArray[np.bool_]
) -> tuple[bool, Floats, float]:
    """Return whether the exact Hessian is used, the step s to the lowest of g's + s'Bs/2, and the decrease it promises.

    B is the exact Hessian if it is that of a minimum over the elements that are not at their bounds, else the average
    information, made positive definite (eigenvalues of the scaled matrix by absolute value, kept off zero), so that
    the decrease is positive unless s is zero. phi + s >= 0 where bounded; an element at zero with g >= 0 stays there.

    Parameters
    ----------
    phi, g : ndarray, shape (k,)
    exact : ndarray, shape (k, k), or None
    average : ndarray, shape (k, k)
    bounded : ndarray of bool, shape (k,)
    """
    is_exact = exact is not None and _is_positive(exact, ~(bounded & (phi == 0)))
    B = exact if exact is not None and is_exact else average
    out = np.zeros_like(phi)
    free = np.flatnonzero(~(bounded & (phi == 0) & (g >= 0)))
    if not len(free):
        return is_exact, out, 0.0
    B, g = B[np.ix_(free, free)], g[free]
    lower = np.where(bounded[free], -phi[free], -np.inf)
    if len(free) == 1:
        curve = max(abs(float(B[0, 0])), float(np.finfo(float).tiny))
        one = max(-float(g[0]) / curve, float(lower[0]))
        out[free] = one
        return is_exact, out, -one * (float(g[0]) + 0.5 * curve * one)
    B = _positive(B)
    s = np.linalg.solve(B, -g)
    if (s < lower).any():
        s = _bounded_minimum(B, g, lower)
    out[free] = s
    return is_exact, out, -float(g @ s + 0.5 * s @ B @ s)


def judge(g: Floats, B: Floats, room: Floats) -> tuple[float, float, float, float, Floats]:
    """Return what a certificate needs of a point.

    That is the largest |g_i (B^-1 g)_i|; the smallest eigenvalue of B, scaled to a diagonal of one; half the Newton
    decrement; by how much the quadratic falls along Newton's step, cut where a variance reaches zero; and the weakest
    direction, in units of phi.

    Parameters
    ----------
    g : ndarray, shape (r,)
        Gradient over the free parameters.
    B : ndarray, shape (r, r)
        Hessian over them.
    room : ndarray, shape (r,)
        How far each lies above its bound; inf where it has none.
    """
    scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diag(B)), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(B * scale * scale[:, None])
    along = vectors.T @ (scale * g)
    newton = scale * (vectors @ (along / np.maximum(np.abs(values), VANISHED)))
    expected = max(0.5 * float(g @ newton), 0.0)
    largest = float(np.abs(g * newton).max())
    return largest, float(values[0]), expected, decrease_within(g, B, newton, room), scale * vectors[:, 0]


def decrease_within(g: Floats, B: Floats, newton: Floats, room: Floats) -> float:
    """Return by how much the quadratic falls along what Newton's method would subtract, as far as there is room."""
    is_long = newton > room
    share = float(np.min(room[is_long] / newton[is_long], initial=1.0))
    falls = [0.0]
    for s in (np.minimum(newton, room), share * newton):
        slope, bend = float(g @ s), float(s @ B @ s)
        t = 1.0 if bend <= slope else slope / bend
        falls.append(t * slope - 0.5 * t**2 * bend)
    return max(falls)


def _is_positive(B: Floats, free: NDArray[np.bool_]) -> bool:
    """Return whether the curvature over the free parameters is comfortably that of a minimum."""
    if not free.all():
        B = B[np.ix_(free, free)]
    diagonal = np.diag(B)
    if not (diagonal > 0).all():
        return False
    scale = 1.0 / np.sqrt(diagonal)
    return bool(len(B) <= 1 or np.linalg.eigvalsh(B * scale * scale[:, None])[0] > WEAKEST)


def _positive(B: Floats) -> Floats:
    scale = np.sqrt(np.maximum(np.abs(np.diag(B)), _floor(np.abs(np.diag(B)).max())))
    values, vectors = np.linalg.eigh(B / scale / scale[:, None])
    if values[0] > EIGEN_FLOOR:
        return B
    half = vectors * np.sqrt(np.maximum(np.abs(values), EIGEN_FLOOR)) * scale[:, None]
    return np.asarray(half @ half.T)


def _floor(top: float) -> float:
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

"""Derivatives of estimates with respect to the fixed effects, exact where the estimates are linear in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["exact_jacobian"]

LINEAR = 1e-6
"""Estimates that a step of about one standard error in each fixed effect moves as the derivatives say, to this share of
the estimates' standard errors, are linear and the derivatives right."""
SMALL = 1e-3
"""Step of a central difference where estimates are not linear, in standard errors: truncation is its square."""


def exact_jacobian(estimates: Callable[[Floats], Floats], beta: Floats, cov: Floats, guess: Floats) -> Floats:
    """Return the derivatives of the estimates at beta, shape (rows, p).

    Parameters
    ----------
    estimates : callable
        Fixed effects (p,) -> estimates (rows,).
    beta : ndarray, shape (p,)
    cov : ndarray, shape (p, p)
        Covariance of the fixed effects, for the size of steps.
    guess : ndarray, shape (rows, p)
        Derivatives that may be right; taken if they are.
    """
    here = estimates(beta)
    steps = np.sqrt(np.diag(cov))
    signs = np.where(np.arange(len(beta)) % 2, -1.0, 1.0)
    along = steps * signs * (1.0 + np.arange(len(beta)) / max(1, len(beta)))
    moved = estimates(beta + along) - here

    def is_right(J: Floats) -> bool:
        size = np.sqrt(np.maximum(np.einsum("ra,ab,rb->r", J, cov, J), 0.0))
        return bool((np.abs(moved - J @ along) <= LINEAR * size).all())

    if is_right(guess):
        return guess
    eye = np.diag(steps)
    wide = np.column_stack([(estimates(beta + h) - here) / s for h, s in zip(eye, steps, strict=True)])
    if is_right(wide):
        return wide
    narrow = SMALL * eye
    return np.column_stack(
        [(estimates(beta + h) - estimates(beta - h)) / (2.0 * SMALL * s) for h, s in zip(narrow, steps, strict=True)]
    )

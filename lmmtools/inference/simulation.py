"""Responses drawn from a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.theta import lambda_factors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.design.record import Design

    Floats = NDArray[np.float64]

__all__ = ["simulate"]


def simulate(design: Design, beta: Floats, theta: Floats, sigma: float, n: int, rng: np.random.Generator) -> Floats:
    """Return draws of the response with new random effects and residuals, shape (nobs, n), offset included.

    Parameters
    ----------
    design : Design
    beta : ndarray, shape (p,)
    theta : ndarray, shape (k,)
    sigma : float
        In units of y.
    n : int
        Number of draws.
    rng : numpy.random.Generator
    """
    mean = design.X @ beta if design.offset is None else design.X @ beta + design.offset
    noise = rng.standard_normal((design.n, n)) * sigma
    if design.weights is not None:
        noise /= np.sqrt(design.weights)[:, None]
    out = noise + mean[:, None]
    for block, lam in zip(design.blocks, lambda_factors(theta, design.blocks), strict=True):
        effects = rng.standard_normal((block.m, n, block.l)) @ (sigma * lam.T)
        for j in range(block.l):
            out += block.basis[:, j, None] * effects[block.codes, :, j]
    return out

"""Responses drawn from a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.theta import lambda_factors
from lmmtools.errors import DataError
from lmmtools.inference.draws import as_generator, check_count

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.design.record import Design
    from lmmtools.results.lmm_results import LMMResults

    Floats = NDArray[np.float64]

__all__ = ["add_noise", "simulate", "simulate_frame", "simulate_with_effects"]


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
    return simulate_with_effects(design, beta, theta, sigma, n, rng)[0]


def simulate_with_effects(
    design: Design, beta: Floats, theta: Floats, sigma: float, n: int, rng: np.random.Generator
) -> tuple[Floats, list[Floats]]:
    """Return the same draws and the random effects in them, (m, n, l) per block."""
    mean = design.X @ beta if design.offset is None else design.X @ beta + design.offset
    out = add_noise(design, mean, sigma, n, rng)
    effects = []
    for block, lam in zip(design.blocks, lambda_factors(theta, design.blocks), strict=True):
        effects.append(rng.standard_normal((block.m, n, block.l)) @ (sigma * lam.T))
        for j in range(block.l):
            out += block.basis[:, j, None] * effects[-1][block.codes, :, j]
    return out, effects


def add_noise(design: Design, mean: Floats, sigma: float, n: int, rng: np.random.Generator) -> Floats:
    """Return ``mean`` with n draws of the residuals, shape (nobs, n)."""
    noise = rng.standard_normal((design.n, n)) * sigma
    if design.weights is not None:
        noise /= np.sqrt(design.weights)[:, None]
    return np.asarray(noise + mean[:, None])


def simulate_frame(fit: LMMResults, n: int, rng: np.random.Generator | int | None, random: str) -> pd.DataFrame:
    """Return draws as a frame; see :meth:`LMMResults.simulate`."""
    import pandas as pd

    n = check_count(n)
    if random not in ("new", "fitted"):
        raise DataError(f'random={random!r} is not an option; write "new" or "fitted"')
    generator = as_generator(rng)
    estimate = fit.estimate
    if random == "new":
        drawn = simulate(fit.design, estimate.beta, estimate.theta, estimate.sigma, n, generator)
    else:
        drawn = add_noise(fit.design, np.asarray(fit.fittedvalues, dtype=float), estimate.sigma, n, generator)
    return pd.DataFrame(drawn, index=fit.design.frame.index, columns=[f"sim_{i}" for i in range(1, n + 1)])

"""The parameters of many refits at once, as a bootstrap collects them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.theta import lambda_factors
from lmmtools.inference.profile.coordinates import parameters_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design

    Floats = NDArray[np.float64]

__all__ = ["parameter_names", "parameter_values"]


def parameter_names(design: Design) -> tuple[str, ...]:
    """Return the names of standard deviations and correlations, sigma, and fixed effects, in lme4's order."""
    return tuple(p.name for p in parameters_of(design))


def parameter_values(design: Design, theta: Floats, sigma: Floats, beta: Floats) -> Floats:
    """Return them for B fits, shape (B, parameters); a correlation with a standard deviation of zero is NaN.

    Parameters
    ----------
    design : Design
    theta : ndarray, shape (B, k)
    sigma : ndarray, shape (B,)
    beta : ndarray, shape (B, p)
    """
    parts = []
    for lam in lambda_factors(theta, design.blocks):
        l = lam.shape[1]
        relative = lam @ lam.transpose(0, 2, 1)
        sd = np.sqrt(np.einsum("zaa->za", relative))
        for j in range(l):
            parts.append(sd[:, j] * sigma)
            for i in range(j + 1, l):
                product = sd[:, i] * sd[:, j]
                with np.errstate(invalid="ignore", divide="ignore"):
                    parts.append(np.where(product > 0, relative[:, i, j] / product, np.nan))
    return np.column_stack([*parts, sigma, beta])

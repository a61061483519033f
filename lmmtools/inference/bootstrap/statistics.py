"""The parameters of many refits at once, as a bootstrap collects them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.theta import upper_triangle
from lmmtools.inference.profile.coordinates import parameters_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.design.record import Design

    Floats = NDArray[np.float64]

__all__ = ["parameter_names", "parameter_values", "singular_draws"]

SINGULAR_TOL = 1e-4
"""lme4's tolerance of ``isSingular``, on the diagonal of theta times the root mean square of the effect's column."""


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
    for lam in _factors(design, theta):
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


def singular_draws(design: Design, theta: Floats) -> NDArray[np.bool_]:
    """Return which of B fits are singular, as ``fit.is_singular`` says of one, shape (B,)."""
    out = np.zeros(len(theta), dtype=bool)
    for block, lam in zip(design.blocks, _factors(design, theta), strict=True):
        rms = np.sqrt((block.basis**2).mean(axis=0))
        out |= (np.abs(np.einsum("zaa->za", lam)) * rms < SINGULAR_TOL).any(axis=1)
    return out


def _factors(design: Design, theta: Floats) -> list[Floats]:
    """Return lambda_k per block for B thetas, each (B, l, l)."""
    out, at = [], 0
    for block in design.blocks:
        columns, rows = upper_triangle(block.l)
        lam = np.zeros((len(theta), block.l, block.l))
        lam[:, rows, columns] = theta[:, at : at + block.k]
        out.append(lam)
        at += block.k
    return out

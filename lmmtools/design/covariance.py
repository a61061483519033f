"""D, R and V: the model's covariance matrices written out, for teaching and for checks on small data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.theta import lambda_factors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy import sparse

    from lmmtools.design.blocks import Block

__all__ = ["marginal_covariance", "random_effects_covariance", "residual_covariance"]


def random_effects_covariance(blocks: Sequence[Block], theta: NDArray[np.float64], sigma: float) -> sparse.csc_array:
    """Return D = sigma**2 Lambda Lambda', shape (q, q), block diagonal with one l x l block per level."""
    from scipy import sparse

    pieces = [
        sparse.kron(sparse.eye_array(block.m), sigma**2 * lam @ lam.T)
        for block, lam in zip(blocks, lambda_factors(theta, blocks), strict=True)
    ]
    return sparse.csc_array(sparse.block_diag(pieces, format="csc"))


def residual_covariance(n: int, weights: NDArray[np.float64] | None, sigma: float) -> sparse.csc_array:
    """Return R = sigma**2 W^-1, diagonal, shape (n, n)."""
    from scipy import sparse

    variances = np.full(n, sigma**2) if weights is None else sigma**2 / weights
    return sparse.csc_array(sparse.diags_array(variances))


def marginal_covariance(Z: sparse.csc_array, D: sparse.csc_array, R: sparse.csc_array) -> sparse.csc_array:
    """Return V = Z D Z' + R, shape (n, n)."""
    from scipy import sparse

    return sparse.csc_array(Z @ D @ Z.T + R)

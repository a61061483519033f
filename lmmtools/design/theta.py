"""theta <-> lambda_k: lme4's layout of the relative covariance parameters."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.design.blocks import Block

__all__ = [
    "lambda_factors",
    "pack_lambda",
    "theta_slices",
    "triangular_factor",
    "unpack_lambda",
    "upper_triangle",
]


@cache
def upper_triangle(l: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return ``np.triu_indices(l)``: of a transposed matrix the lower triangle column by column. Read only."""
    return np.triu_indices(l)


def theta_slices(blocks: Sequence[Block]) -> list[slice]:
    """Return where each block's parameters stand in theta."""
    ends = np.cumsum([0, *(b.k for b in blocks)])
    return [slice(int(a), int(b)) for a, b in pairwise(ends)]


def lambda_factors(theta: NDArray[np.float64], blocks: Sequence[Block]) -> list[NDArray[np.float64]]:
    """Return lambda_k per block, lower triangular (l, l), from theta (k,): lower triangles column by column."""
    return unpack_lambda(theta, [b.l for b in blocks])


def unpack_lambda(theta: NDArray[np.float64], sizes: Sequence[int]) -> list[NDArray[np.float64]]:
    """Return lambda_k, lower triangular (l, l), per term of l effects: the inverse of :func:`pack_lambda`."""
    factors, at = [], 0
    for l in sizes:
        lam = np.zeros((l, l))
        # Column by column of the lower triangle is row by row of the transposed upper triangle.
        k = l * (l + 1) // 2
        lam.T[upper_triangle(l)] = theta[at : at + k]
        factors.append(lam)
        at += k
    return factors


def pack_lambda(factors: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return theta, shape (k,), of the lambda_k: their lower triangles, column by column."""
    return np.concatenate([lam.T[upper_triangle(lam.shape[0])] for lam in factors])


def triangular_factor(cov: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return L with cov = LL', lower triangular (l, l), diagonal not negative, of a covariance matrix of any rank."""
    values, vectors = np.linalg.eigh(cov)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    R = np.asarray(np.linalg.qr(root.T, mode="r"), dtype=float)
    return np.asarray((R * np.where(np.diag(R) < 0, -1.0, 1.0)[:, None]).T)

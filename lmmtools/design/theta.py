"""theta <-> lambda_k, lme4's layout of the relative covariance parameters; and which variances are zero.

lme4's ``isSingular`` compares the diagonal of lambda_k with 1e-4. That diagonal is a ratio of standard deviations, an
effect's and that of a row of weight 1, so that it depends on the units of a covariate and of the weights. Here each row
of lambda_k is first multiplied by the root mean square of its column of the basis, rows weighted: the standard
deviation of the effect's part of an average row, in residual standard deviations of that row. For intercepts and
weights of about 1 it is lme4's number.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.lapack import dgeqrf

from lmmtools.design.columns import largest_sizes
from lmmtools.design.rows_elsewhere import StreamedBasis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.design.blocks import Block

    Floats = NDArray[np.float64]

__all__ = [
    "SINGULAR_TOL",
    "are_singular",
    "lambda_factors",
    "lambdas_per_row",
    "lower_root",
    "pack_lambda",
    "row_sizes",
    "theta_slices",
    "triangular_factor",
    "unpack_lambda",
    "upper_triangle",
]

SINGULAR_TOL = 1e-4
"""lme4's default tolerance of isSingular()."""

LEAST = 1e-200
"""Sums of squares between this and its reciprocal lose no digits to what a double can hold."""


@cache
def upper_triangle(l: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return ``np.triu_indices(l)``: of a transposed matrix the lower triangle column by column. Read only."""
    return np.triu_indices(l)


def theta_slices(blocks: Sequence[Block]) -> list[slice]:
    """Return where each block's parameters stand in theta."""
    ends = np.cumsum([0, *(b.k for b in blocks)])
    return [slice(int(a), int(b)) for a, b in pairwise(ends)]


def lambda_factors(theta: Floats, blocks: Sequence[Block]) -> list[Floats]:
    """Return lambda_k per block, lower triangular (..., l, l), from theta (..., k)."""
    return unpack_lambda(theta, [b.l for b in blocks])


def unpack_lambda(theta: Floats, sizes: Sequence[int]) -> list[Floats]:
    """Return lambda_k, lower triangular (..., l, l), per term of l effects, from theta (..., k).

    The inverse of :func:`pack_lambda`; leading dimensions are those of many fits.
    """
    factors, at = [], 0
    for l in sizes:
        # Column by column of the lower triangle is row by row of the transposed upper triangle.
        columns, rows = upper_triangle(l)
        lam = np.zeros((*theta.shape[:-1], l, l))
        lam[..., rows, columns] = theta[..., at : at + len(rows)]
        factors.append(lam)
        at += len(rows)
    return factors


def pack_lambda(factors: Sequence[Floats]) -> Floats:
    """Return theta, shape (k,), of the lambda_k: their lower triangles, column by column."""
    return np.concatenate([lam.T[upper_triangle(lam.shape[0])] for lam in factors])


def triangular_factor(cov: Floats) -> Floats:
    """Return L with cov = LL', lower triangular (l, l), diagonal not negative, of a covariance matrix of any rank."""
    values, vectors = np.linalg.eigh(cov)
    return lower_root(vectors * np.sqrt(np.maximum(values, 0.0)))


def lower_root(root: Floats) -> Floats:
    """Return L with LL' = root root', lower triangular (..., r, min(r, c)), diagonal not negative, of (..., r, c)."""
    if root.ndim == 2 and root.shape[0] == root.shape[1]:
        # One small matrix: NumPy's qr takes longer around LAPACK than LAPACK.
        columns, rows = upper_triangle(len(root))
        turned = dgeqrf(root.T)[0]
        L = np.zeros_like(root)
        L[rows, columns] = turned[columns, rows]
        return L * np.where(turned.diagonal() < 0, -1.0, 1.0)
    R = np.asarray(np.linalg.qr(root.swapaxes(-1, -2), mode="r"), dtype=float)
    signs = np.where(R.diagonal(axis1=-2, axis2=-1) < 0, -1.0, 1.0)
    return np.asarray((R * signs[..., None]).swapaxes(-1, -2))


def are_singular(
    theta: Floats, blocks: Sequence[Block], weights: Floats | None, tol: float = SINGULAR_TOL
) -> NDArray[np.bool_]:
    """Return which of B fits have a diagonal element below ``tol``, shape (B,).

    Parameters
    ----------
    theta : ndarray, shape (B, k)
    blocks : sequence of Block
    weights : ndarray, shape (n,), or None
        Prior weights.
    tol : float
        As that of lme4's ``isSingular``, in residual standard deviations of an average row.
    """
    out = np.zeros(len(theta), dtype=bool)
    for lam in lambdas_per_row(theta, blocks, weights):
        out |= (np.abs(lam.diagonal(axis1=1, axis2=2)) < tol).any(axis=1)
    return out


def lambdas_per_row(theta: Floats, blocks: Sequence[Block], weights: Floats | None) -> list[Floats]:
    """Return lambda_k per block, (B, l, l), in residual standard deviations of an average row, from theta (B, k)."""
    return [
        # A basis without an encoder is the constant.
        lam if block.encoder is None and weights is None else row_sizes(block.basis, weights)[:, None] * lam
        for block, lam in zip(blocks, lambda_factors(theta, blocks), strict=True)
    ]


def row_sizes(basis: Floats, weights: Floats | None = None) -> Floats:
    """Return the weighted root mean square of each column, shape (l,)."""
    if isinstance(basis, StreamedBasis):
        return basis.sizes(is_weighted=weights is not None)
    rows = basis if weights is None else basis * np.sqrt(weights)[:, None]
    squares = np.einsum("ij,ij->j", rows, rows)
    if squares.min(initial=1.0) > LEAST and squares.max(initial=1.0) < 1.0 / LEAST:
        return np.asarray(np.sqrt(squares / len(rows)))
    # Squares of the largest numbers would overflow. A power of two changes no digit.
    largest = largest_sizes(rows)
    scale = np.exp2(np.floor(np.log2(np.where(largest > 0, largest, 1.0))))
    rows = rows if (scale == 1.0).all() else rows / scale
    return np.asarray(scale * np.sqrt(np.einsum("ij,ij->j", rows, rows) / len(rows)))

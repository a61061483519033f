"""Whether one fit is within another, and its parameters as those of the larger: where the larger is at least as low."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.theta import lambda_factors, pack_lambda

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.design.blocks import Block
    from lmmtools.design.record import Design

    Floats = NDArray[np.float64]

__all__ = ["has_columns_of", "theta_within"]

LEFT = 1e-8
"""Share of a column that another X leaves, below which it is rounding."""


def theta_within(larger: Design, smaller: Design, theta: Floats) -> Floats | None:
    """Return theta of the smaller model as theta of the larger, shape (k,), None where its random terms are not within.

    Parameters
    ----------
    larger, smaller : Design
        On the same rows.
    theta : ndarray, shape (k of the smaller,)
    """
    sigmas = [np.zeros((b.l, b.l)) for b in larger.blocks]
    for block, lam in zip(smaller.blocks, lambda_factors(theta, smaller.blocks), strict=True):
        found = _place(block, larger.blocks)
        if found is None:
            return None
        k, at = found
        sigmas[k][np.ix_(at, at)] += lam @ lam.T
    return pack_lambda([_lower(S) for S in sigmas])


def _place(block: Block, blocks: tuple[Block, ...]) -> tuple[int, list[int]] | None:
    """Return which of some terms has all effects of a term, and which of its effects they are."""
    for k, other in enumerate(blocks):
        if other.m != block.m or not _are_same_levels(other.codes, block.codes):
            continue
        at = [_column(other.basis, column) for column in block.basis.T]
        if None not in at:
            return k, [j for j in at if j is not None]
    return None


def _are_same_levels(codes: NDArray[np.intp], others: NDArray[np.intp]) -> bool:
    """Whether two factors of equally many levels have the same levels, in whatever order."""
    return np.array_equal(codes, others) or len(np.unique(np.column_stack([codes, others]), axis=0)) == codes.max() + 1


def _column(basis: Floats, column: Floats) -> int | None:
    return next((j for j in range(basis.shape[1]) if np.array_equal(basis[:, j], column)), None)


def _lower(S: Floats) -> Floats:
    """Return the lower-triangular factor of a covariance matrix that may be singular, diagonal not negative."""
    values, vectors = np.linalg.eigh(S)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    r = np.asarray(np.linalg.qr(root.T, mode="r"))
    return np.asarray(np.tril((r * np.where(np.diag(r) < 0, -1.0, 1.0)[:, None]).T))


def has_columns_of(larger: Design, smaller: Design) -> bool:
    """Whether the fixed effects of the larger model span those of the smaller."""
    if not smaller.p:
        return True
    X = smaller.X / np.linalg.norm(smaller.X, axis=0)
    if not larger.p:
        return False
    Q = np.linalg.qr(larger.X / np.linalg.norm(larger.X, axis=0))[0]
    return bool((np.linalg.norm(X - Q @ (Q.T @ X), axis=0) < LEFT).all())

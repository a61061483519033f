"""Whether one fit is within another, and its parameters as those of the larger: where the larger is at least as low."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.theta import lambda_factors, pack_lambda, triangular_factor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.design.blocks import Block
    from lmmtools.design.matrices import Design

    Floats = NDArray[np.float64]

__all__ = ["has_columns_of", "lie_outside", "theta_within"]

OUTSIDE = 1e-7
"""Share of a column that must be outside the larger model's X: R's tolerance of rank."""


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
    return pack_lambda([triangular_factor(S) for S in sigmas])


def _place(block: Block, blocks: tuple[Block, ...]) -> tuple[int, list[int]] | None:
    """Return which of some terms has all effects of a term, and which of its effects they are."""
    for k, other in enumerate(blocks):
        if other.m != block.m or not _are_same_levels(other.codes, block.codes):
            continue
        at = [_find_column(other.basis, column) for column in block.basis.T]
        if None not in at:
            return k, [j for j in at if j is not None]
    return None


def _are_same_levels(codes: NDArray[np.intp], others: NDArray[np.intp]) -> bool:
    """Whether two factors of equally many levels have the same levels, in whatever order."""
    return np.array_equal(codes, others) or len(np.unique(np.column_stack([codes, others]), axis=0)) == codes.max() + 1


def _find_column(basis: Floats, column: Floats) -> int | None:
    """Return which column of a basis a column is, None if it is none of them."""
    return next((j for j in range(basis.shape[1]) if np.array_equal(basis[:, j], column)), None)


def has_columns_of(larger: Design, smaller: Design) -> bool:
    """Return whether the fixed effects of the larger model span those of the smaller."""
    return not lie_outside(smaller.X, larger).any()


def lie_outside(X: Floats, larger: Design) -> NDArray[np.bool_]:
    """Return which columns of X, shape (n, c), the fixed effects of a model do not span, shape (c,)."""
    X, whole = _in_own_units(X), _in_own_units(larger.X)
    left = X - whole @ np.linalg.lstsq(whole, X, rcond=None)[0] if larger.p else X
    return np.asarray(np.linalg.norm(left, axis=0) > OUTSIDE * np.linalg.norm(X, axis=0))


def _in_own_units(X: Floats) -> Floats:
    """Return the columns in units of their largest value, a column of zeros as it is."""
    size = np.abs(X).max(axis=0, initial=0.0)
    return np.asarray(X / np.where(size > 0, size, 1.0))

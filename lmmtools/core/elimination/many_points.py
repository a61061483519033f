"""log|V| and [X y]'V^-1[X y] at many values of lambda at once, for small models.

The largest factor is eliminated level by level, the rest is dense.
With M = I + Lambda'Z'WZ Lambda split into the largest factor's blocks and the rest, both log|M| and H = [X y]'V^-1[X y]
come from one small Cholesky factor per level and one of the rest. Arrays have a leading axis B over the values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.core.elimination.parts import Factor, merge
from lmmtools.core.elimination.structure import diagonal_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core.elimination.structure import Structure

    Floats = NDArray[np.float64]

__all__ = ["Cut", "cholesky_many", "cut_largest", "reduce_many", "work_of_one"]


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """Cross-products with the largest factor apart.

    Attributes
    ----------
    largest : Factor
        m levels, l effects.
    others : tuple of Factor
        q columns together.
    own : ndarray, shape (m, l, l)
        The largest factor's blocks of Z'WZ.
    beside : ndarray, shape (m, l, q + p + 1)
        What stands beside them: the others' columns of Z, X and y.
    rest : ndarray, shape (q + p + 1, q + p + 1)
        Cross-products of those.
    """

    largest: Factor
    others: tuple[Factor, ...]
    own: Floats
    beside: Floats
    rest: Floats


def cut_largest(structure: Structure, C: Floats, H: Floats) -> Cut:
    """Return the cross-products of a model, C = Z'W[X y] and H = [X y]'W[X y], with the largest factor apart."""
    largest = _largest(structure)
    others = tuple(f for f in structure.factors if f is not largest)
    beside, rest = C[largest.columns], H
    if others:
        columns = np.concatenate([np.arange(f.start, f.start + f.q) for f in others])
        A = structure.toarray()[:, columns]
        beside = np.column_stack([A[largest.columns], beside])
        rest = np.block([[A[columns], C[columns]], [C[columns].T, rest]])
    return Cut(largest, others, diagonal_blocks(structure, largest), beside.reshape(largest.m, largest.l, -1), rest)


def work_of_one(structure: Structure, p: int) -> float:
    """Return an estimate of the multiplications for one value of lambda in a model with p fixed effects."""
    first = _largest(structure)
    q = structure.q - first.q
    columns = q + p + 1
    return first.q * columns * (first.l + columns) + float(q) ** 2 * (q / 3.0 + p + 1)


def reduce_many(cut: Cut, lambdas: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Return log|V|, shape (B,), and H, shape (B, p + 1, p + 1); nan where they are beyond the arithmetic.

    Parameters
    ----------
    cut : Cut
    lambdas : sequence of ndarray, each (B, l, l)
        Per block, in the engine's coordinates.
    """
    B, m, l = len(lambdas[0]), cut.largest.m, cut.largest.l
    with np.errstate(all="ignore"):
        lam = merge(cut.largest, lambdas)[:, None]
        half, logdet = _invert_cholesky(np.eye(l) + lam.transpose(0, 1, 3, 2) @ cut.own @ lam)
        # Rows of L^-1 Lambda' times what stands beside the blocks.
        right = (half @ lam.transpose(0, 1, 3, 2) @ cut.beside).reshape(B, m * l, -1)
        K = cut.rest - right.transpose(0, 2, 1) @ right
        logdet = logdet.sum(axis=1)
        if not cut.others:
            return logdet, K
        left = _dense_lambda(cut.others, lambdas)
        q = left.shape[-1]
        half, more = _invert_cholesky(np.eye(q) + left.transpose(0, 2, 1) @ K[:, :q, :q] @ left)
        right = half @ (left.transpose(0, 2, 1) @ K[:, :q, q:])
        return logdet + more, K[:, q:, q:] - right.transpose(0, 2, 1) @ right


def _largest(structure: Structure) -> Factor:
    """Return the factor with most random effects."""
    return max(structure.factors, key=lambda f: f.q)


def cholesky_many(M: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return L with M = LL', (..., l, l), and whether there is one, (...): where there is none L is the identity."""
    is_definite = np.asarray(np.isfinite(M).all(axis=(-2, -1)))
    eye = np.eye(M.shape[-1])
    if not is_definite.all():
        M = np.where(is_definite[..., None, None], M, eye)
    try:
        return np.asarray(np.linalg.cholesky(M)), is_definite
    except np.linalg.LinAlgError:
        is_definite &= np.asarray(np.linalg.eigvalsh(M)[..., 0] > 1e-14 * np.linalg.norm(M, axis=(-2, -1)))
        return np.asarray(np.linalg.cholesky(np.where(is_definite[..., None, None], M, eye))), is_definite


def _invert_cholesky(M: Floats) -> tuple[Floats, Floats]:
    """Return L^-1 and log|M| of M = LL', nan where M is not positive definite."""
    if M.shape[-1] == 1:
        return 1.0 / np.sqrt(M), np.log(M[..., 0, 0])
    L, is_definite = cholesky_many(M)
    logdet = 2.0 * np.log(np.diagonal(L, axis1=-2, axis2=-1)).sum(axis=-1)
    return np.asarray(np.linalg.inv(L)), np.where(is_definite, logdet, np.nan)


def _dense_lambda(factors: Sequence[Factor], lambdas: Sequence[Floats]) -> Floats:
    """Return Lambda of several factors, (B, q, q)."""
    q = sum(f.q for f in factors)
    out = np.zeros((len(lambdas[0]), q, q))
    at = 0
    for f in factors:
        lam = merge(f, lambdas)
        for _ in range(f.m):
            out[:, at : at + f.l, at : at + f.l] = lam
            at += f.l
    return out

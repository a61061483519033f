"""Which variances are zero, and which effects determine each other: the one rule, in units that do not matter.

lme4's ``isSingular`` compares the diagonal of lambda_k with 1e-4. That diagonal is a ratio of standard deviations, an
effect's and that of a row of weight 1, so that it depends on the units of a covariate and of the weights. Here each row
of lambda_k is first multiplied by the root mean square of its column of the basis, rows weighted: what the effect moves
in an average row, in residual standard deviations of that row. For intercepts and weights of about 1 it is lme4's
number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.theta import upper_triangle

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.design.record import Design

    Floats = NDArray[np.float64]

__all__ = ["SINGULAR_TOL", "are_singular", "lambdas_per_row", "many_lambdas", "row_sizes"]

SINGULAR_TOL = 1e-4
"""lme4's default tolerance of isSingular()."""


def are_singular(theta: Floats, design: Design, tol: float = SINGULAR_TOL) -> NDArray[np.bool_]:
    """Return which of B fits have a diagonal element below ``tol``, shape (B,), from theta (B, k)."""
    out = np.zeros(len(theta), dtype=bool)
    for lam in lambdas_per_row(theta, design):
        out |= (np.abs(np.einsum("zaa->za", lam)) < tol).any(axis=1)
    return out


def lambdas_per_row(theta: Floats, design: Design) -> list[Floats]:
    """Return lambda_k per block, (B, l, l), in residual standard deviations of an average row, from theta (B, k)."""
    return [
        row_sizes(block.basis, design.weights)[:, None] * lam
        for block, lam in zip(design.blocks, many_lambdas(theta, design), strict=True)
    ]


def many_lambdas(theta: Floats, design: Design) -> list[Floats]:
    """Return lambda_k per block for B thetas (B, k), each lower triangular (B, l, l)."""
    out, at = [], 0
    for block in design.blocks:
        columns, rows = upper_triangle(block.l)
        lam = np.zeros((len(theta), block.l, block.l))
        lam[:, rows, columns] = theta[:, at : at + block.k]
        out.append(lam)
        at += block.k
    return out


def row_sizes(basis: Floats, weights: Floats | None = None) -> Floats:
    """Return the weighted root mean square of each column, shape (l,)."""
    rows = basis if weights is None else basis * np.sqrt(weights)[:, None]
    # Squares of the largest numbers would overflow.
    largest = np.abs(rows).max(axis=0)
    scale = np.where(largest > 0, largest, 1.0)
    return np.asarray(scale * np.sqrt(np.mean((rows / scale) ** 2, axis=0)))

"""The data on scales that MixedLM's algebra handles without loss, and its likelihood back on the data's scale.

The response is reduced to its least-squares residual in units of its spread, X to orthonormal columns and each basis to
unit mean square (so that neither an offset of 1e9 in y nor a column in nanometres costs digits).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.theta import row_sizes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design

__all__ = ["Conditioned", "condition", "least_squares_criterion", "read_criterion", "root_mean_squares"]


@dataclass(frozen=True, slots=True, eq=False)
class Conditioned:
    """The data as MixedLM sees them.

    y = offset + X b_ols + scale * endog, X = exog @ R, basis_k = bases[k] * units[k].

    Attributes
    ----------
    endog : ndarray, shape (n,)
    exog : ndarray, shape (n, p)
        Orthogonal columns of mean square one.
    R : ndarray, shape (p, p)
    b_ols : ndarray, shape (p,)
    scale : float
        Root mean square of the least-squares residual, in units of y.
    bases : tuple of ndarray, each (n, l)
    units : tuple of ndarray, each (l,)
        Root mean square of each basis column.
    """

    endog: NDArray[np.float64]
    exog: NDArray[np.float64]
    R: NDArray[np.float64]
    b_ols: NDArray[np.float64]
    scale: float
    bases: tuple[NDArray[np.float64], ...]
    units: tuple[NDArray[np.float64], ...]


def condition(design: Design) -> Conditioned:
    """Return the data of ``design`` on scales that MixedLM's algebra handles without loss."""
    n = design.n
    root = np.sqrt(n)
    norms = np.sqrt(np.mean(design.X**2, axis=0))
    Q, R = np.linalg.qr(design.X / norms)
    Q, R = Q * root, R / root * norms
    gamma = Q.T @ design.response / n
    resid = design.response - Q @ gamma
    # Once more on the residual: one pass of Gram-Schmidt loses digits where X explains nearly everything.
    again = Q.T @ resid / n
    resid -= Q @ again
    scale = float(np.sqrt(np.mean(resid**2)))
    b_ols = np.linalg.solve(R, gamma + again)
    units = tuple(root_mean_squares(b.basis) for b in design.blocks)
    bases = tuple(b.basis / u for b, u in zip(design.blocks, units, strict=True))
    return Conditioned(resid / scale, Q, R, b_ols, scale, bases, units)


def root_mean_squares(basis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the root mean square of each column, shape (l,); 1 for a column of zeros."""
    rms = row_sizes(basis)
    return np.where(rms > 0, rms, 1.0)


def read_criterion(design: Design, data: Conditioned, llf: float, *, reml: bool) -> float:
    """Return the REML criterion or deviance, on the data's scale, of MixedLM's log-likelihood of conditioned data."""
    dof = design.n - design.p if reml else design.n
    objective = -2.0 * llf + 2.0 * dof * np.log(data.scale)
    if reml:
        # log|X'V^-1X| with X = exog @ R.
        objective += 2.0 * float(np.linalg.slogdet(data.R)[1])
    return float(objective)


def least_squares_criterion(design: Design, *, reml: bool) -> float:
    """Return the REML criterion or deviance of the model without random effects, lme4's constants."""
    data = condition(design)
    n, p = design.n, design.p
    dof = n - p if reml else n
    rss = float(data.endog @ data.endog) * data.scale**2
    value = dof * (1.0 + np.log(2.0 * np.pi * rss / dof))
    if reml:
        value += p * np.log(n) + 2.0 * float(np.linalg.slogdet(data.R)[1])
    return float(value)

"""Reference distributions of a likelihood ratio for variances of zero.

A variance of zero lies on the boundary of the parameter space, and the ratio is not chi-squared. In large samples it is
a mixture of chi-squared distributions (Self & Liang 1987, J. Am. Stat. Assoc. 82; Stram & Lee 1994, Biometrics 50). For
the only variance of a model the exact distribution can be simulated at any sample size (Crainiceanu & Ruppert 2004, J.
R. Stat. Soc. B 66).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtrc

from lmmtools.design.theta import upper_triangle

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Mixture", "exact_draws", "mixture"]

DRAWS = 20_000
"""Draws that represent a mixture without a closed form."""

STEPS, SETTLED = 300, 1e-6
"""Most steps of the projection on the cone of covariance matrices, and the relative change at which it stops."""

GRID = 400
"""Values of the variance ratio at which the exact draws evaluate the likelihood."""


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """A chi-squared variable with ``df`` degrees of freedom plus an independent variable with an atom at zero.

    Attributes
    ----------
    df : int
        Number of parameters that are not on a boundary: covariances with effects that stay.
    size : int
        Number of correlated effects whose variances are zero under the hypothesis.
    beyond : ndarray
        Draws of the second variable; empty where ``size`` is one: it is then zero or chi-squared with one degree of
        freedom, with probability one half each.
    """

    df: int
    size: int
    beyond: Floats

    def sf(self, statistic: float) -> float:
        """Return the probability of a larger value."""
        x = max(statistic, 0.0)
        if self.size == 1:
            at_zero = chdtrc(self.df, x) if self.df else float(x <= 0)
            return float(0.5 * at_zero + 0.5 * chdtrc(self.df + 1, x))
        left = x - self.beyond
        tail = chdtrc(self.df, np.maximum(left, 0.0)) if self.df else (left <= 0).astype(float)
        return float(np.where(left > 0, tail, 1.0).mean())

    @property
    def label(self) -> str:
        """The mixture in words."""
        if self.size == 1:
            low = f"chi2({self.df})" if self.df else "zero"
            return f"half {low}, half chi2({self.df + 1})"
        return (
            f"chi2({self.df}) and the projection on {self.size} x {self.size} covariance matrices"
            if self.df
            else (f"the projection on {self.size} x {self.size} covariance matrices")
        )


def mixture(df: int, size: int, information: Floats | None, rng: np.random.Generator) -> Mixture:
    """Return the reference distribution of removing ``size`` correlated effects.

    Parameters
    ----------
    df : int
        Number of their covariances with the effects that stay.
    size : int
    information : ndarray, shape (k, k), k = size (size + 1) / 2, or None
        Of the removed variances and covariances at the smaller model, other parameters profiled out; for size > 1.
    rng : numpy.random.Generator
        For the draws of the second variable, where size > 1.
    """
    if size == 1 or information is None:
        return Mixture(df, 1, np.empty(0))
    return Mixture(df, size, _draw_projected_lengths(size, information, rng))


def _draw_projected_lengths(size: int, information: Floats, rng: np.random.Generator) -> Floats:
    """Return draws of ||projection of z on the cone of covariance matrices||^2, z ~ N(0, information^-1), (DRAWS,).

    Norm and projection are in the metric of ``information``.
    """
    columns, rows = upper_triangle(size)
    values, vectors = np.linalg.eigh(information)
    # Directions without information do not contribute to the projection's length.
    known = values > 1e-10 * values[-1]
    z = (vectors[:, known] / np.sqrt(values[known]) @ rng.standard_normal((int(known.sum()), DRAWS))).T
    # With off-diagonal elements times sqrt(2), vectors have the Frobenius norm: clipping eigenvalues is the projection.
    weight = np.where(rows == columns, 1.0, np.sqrt(2.0))
    metric = information / np.outer(weight, weight)
    z = z * weight
    longest = float(np.linalg.eigvalsh(metric)[-1])
    x = momentum = z.copy()
    t = 1.0
    for _ in range(STEPS):
        moved = _nearest_covariance(momentum - (momentum - z) @ metric / longest, size, rows, columns, weight)
        t, before = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * t * t)), t
        change, x = moved - x, moved
        momentum = x + (before - 1.0) / t * change
        if float(np.abs(change).max()) < SETTLED * float(np.abs(z).max()):
            break
    return np.asarray(np.einsum("zi,ij,zj->z", x, metric, x))


def _nearest_covariance(
    v: Floats, size: int, rows: NDArray[np.intp], columns: NDArray[np.intp], weight: Floats
) -> Floats:
    """Return the nearest positive semidefinite matrices in the Frobenius norm, as weighted vectors like ``v``."""
    matrix = np.zeros((len(v), size, size))
    matrix[:, rows, columns] = matrix[:, columns, rows] = v / weight
    values, vectors = np.linalg.eigh(matrix)
    nearest = (vectors * np.maximum(values, 0.0)[:, None, :]) @ vectors.transpose(0, 2, 1)
    return np.asarray(nearest[:, rows, columns] * weight)


def exact_draws(
    residual_values: Floats, values: Floats, reml: bool, n: int, p: int, n_sim: int, rng: np.random.Generator
) -> Floats:
    """Return draws of the likelihood ratio under the hypothesis that a model's only variance is zero, shape (n_sim,).

    Parameters
    ----------
    residual_values : ndarray, shape (q,)
        Eigenvalues of Z'MZ, M the projection off X.
    values : ndarray, shape (q,)
        Eigenvalues of Z'Z; not used under REML.
    reml : bool
    n, p : int
        Rows, fixed effects.
    n_sim : int
    rng : numpy.random.Generator

    Notes
    -----
    Crainiceanu & Ruppert (2004), theorems 1 and 2: with w_s standard normal and m_s the ``residual_values``, the ratio
    is the largest value over lambda of n' log(1 + N / D) - sum log(1 + lambda x_s), N = sum lambda m_s w_s^2 / (1 +
    lambda m_s), D = sum w_s^2 / (1 + lambda m_s) + the rest of the squares; n' = n - p and x_s = m_s under REML, n and
    ``values`` under ML.
    """
    dof = n - p
    keep = residual_values > 1e-10 * residual_values.max()
    mu = residual_values[keep]
    penalty = mu if reml else values[values > 1e-10 * values.max()]
    scale = 1.0 / mu.mean()
    ratio = np.concatenate([[0.0], scale * np.logspace(-4, 4, GRID)])
    shrink = 1.0 / (1.0 + np.outer(ratio, mu))
    logs = np.log1p(np.outer(ratio, penalty)).sum(axis=1)
    out = np.empty(n_sim)
    for start in range(0, n_sim, 1000):
        stop = min(start + 1000, n_sim)
        squares = rng.standard_normal((stop - start, len(mu))) ** 2
        rest = rng.chisquare(dof - len(mu), stop - start) if dof > len(mu) else np.zeros(stop - start)
        D = squares @ shrink.T + rest[:, None]
        N = squares @ (1.0 - shrink).T
        size = dof if reml else n
        out[start:stop] = (size * np.log1p(N / D) - logs).max(axis=1)
    return np.maximum(out, 0.0)

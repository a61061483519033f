"""What a likelihood ratio is compared with where the smaller model has a variance of zero.

A variance at zero lies on the boundary of what it can be, and the ratio is not chi-squared: a mixture of chi-squared
distributions in large samples (Self & Liang 1987, J. Am. Stat. Assoc. 82; Stram & Lee 1994, Biometrics 50), and for the
only variance of a model a distribution that can be drawn from at any size (Crainiceanu & Ruppert 2004, J. R. Stat.
Soc. B 66).
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
"""Draws behind the weights of a mixture that has no closed form."""

STEPS, SETTLED = 300, 1e-6
"""Steps of the projection on the cone of covariance matrices at most, and the change at which it is there."""

GRID = 400
"""Values of the variance ratio among which the exact draws look for the largest likelihood."""


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """A chi-squared variable with ``df`` degrees plus an independent one that is zero part of the time.

    Attributes
    ----------
    df : int
        Degrees of what the hypothesis leaves free on both sides: covariances with effects that stay.
    size : int
        How many correlated variances are zero under the hypothesis.
    beyond : ndarray
        Draws of the second variable; empty where ``size`` is one: it then is chi-squared with one degree half of the
        time.
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
        For the draws behind the weights, where size > 1.
    """
    if size == 1 or information is None:
        return Mixture(df, 1, np.empty(0))
    return Mixture(df, size, _draw_projected_lengths(size, information, rng))


def _draw_projected_lengths(size: int, information: Floats, rng: np.random.Generator) -> Floats:
    """Draw ||projection of z on the cone of covariance matrices||^2, z ~ N(0, information^-1), in its own metric."""
    columns, rows = upper_triangle(size)
    values, vectors = np.linalg.eigh(information)
    # What the data know nothing of has no say in the projection's length.
    known = values > 1e-10 * values[-1]
    z = (vectors[:, known] / np.sqrt(values[known]) @ rng.standard_normal((int(known.sum()), DRAWS))).T
    # Off-diagonal elements times sqrt(2): distances are then those between matrices, and eigenvalues project.
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
    matrix = np.zeros((len(v), size, size))
    matrix[:, rows, columns] = matrix[:, columns, rows] = v / weight
    values, vectors = np.linalg.eigh(matrix)
    nearest = (vectors * np.maximum(values, 0.0)[:, None, :]) @ vectors.transpose(0, 2, 1)
    return np.asarray(nearest[:, rows, columns] * weight)


def exact_draws(
    residual_values: Floats, values: Floats, reml: bool, n: int, p: int, n_sim: int, rng: np.random.Generator
) -> Floats:
    """Draw the likelihood ratio for the only variance of a model being zero, under the hypothesis, shape (n_sim,).

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

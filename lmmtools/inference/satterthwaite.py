"""Satterthwaite's degrees of freedom for contrasts of the fixed effects, from exact derivatives.

For a contrast l of the fixed effects, f = l'C(phi) l with C = (X'V^-1X)^-1 and phi the variance parameters, in any
coordinates. With A the asymptotic covariance of phi (the inverse of half the Hessian of the criterion),

    df = 2 f^2 / (g'A g) ,   g_i = l'dC/dphi_i l = l'C (X'V^-1 V_i V^-1X) C l

(Giesbrecht & Burns 1985, Biometrics 41; Kuznetsova, Brockhoff & Christensen 2017, J. Stat. Softw. 82(13)). The matrices
X'V^-1 V_i V^-1X are sums over levels of products of Z'V^-1X, which the engine has: nothing of size n x n is formed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools import core

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = ["Satterthwaite", "matched_df", "satterthwaite"]

FLAT = 1e-12
"""A contrast whose variance depends on no variance parameter, to this share of itself, has no limit to its degrees."""


@dataclass(frozen=True, slots=True, eq=False)
class Satterthwaite:
    """What the degrees of freedom of any contrast follow from.

    Attributes
    ----------
    cov : ndarray, shape (p, p)
        Covariance of the fixed effects.
    slopes : ndarray, shape (m, p, p)
        Its derivatives with respect to the variance parameters, which have no unit.
    covariance : ndarray, shape (m, m)
        Asymptotic covariance of the variance parameters.
    notes : tuple of str
        Which terms are held on the boundary.
    """

    cov: Floats
    slopes: Floats
    covariance: Floats
    notes: tuple[str, ...] = ()

    def df(self, contrasts: Floats) -> Floats:
        """Return the degrees of freedom of each contrast, rows of (r, p); infinite where its variance is known."""
        return matched_df(contrasts, self.cov, self.slopes, self.covariance)

    def f_reference(self, contrasts: Floats) -> tuple[float, float]:
        """Return F's scale, one, and its denominator degrees of freedom, for independent rows of contrasts, (q, p).

        The rows are turned into independent contrasts; nu_m being the degrees of each, F's are 2 E / (E - q) with
        E = sum of nu_m / (nu_m - 2) (Fai & Cornelius 1996, J. Stat. Comput. Simul. 54). Where one of the nu_m is 2 or
        less E is not defined, and F's are 2, as in lmerTest.
        """
        if len(contrasts) == 1:
            return 1.0, float(self.df(contrasts)[0])
        _, vectors = np.linalg.eigh(contrasts @ self.cov @ contrasts.T)
        nu = self.df(vectors.T @ contrasts)
        if np.ptp(nu) < 1e-8:
            return 1.0, float(nu.mean())
        if (nu <= 2).any():
            return 1.0, 2.0
        E = float(sum(v / (v - 2.0) if np.isfinite(v) else 1.0 for v in nu))
        return 1.0, 2.0 * E / (E - len(nu)) if len(nu) < E else 2.0


def matched_df(contrasts: Floats, cov: Floats, slopes: Floats, covariance: Floats) -> Floats:
    """Return the degrees of freedom whose chi-squared has mean and variance of each contrast's variance, shape (r,).

    2 v^2 / Var(v) with v = l'C l and Var(v) = g'W g, g_i = l'(dC/dphi_i) l (Satterthwaite 1946, Biometrics 2).

    Parameters
    ----------
    contrasts : ndarray, shape (r, p)
        NaN in a row gives NaN.
    cov : ndarray, shape (p, p)
    slopes : ndarray, shape (m, p, p)
    covariance : ndarray, shape (m, m)
        W, of the variance parameters.
    """
    variance = ((contrasts @ cov) * contrasts).sum(axis=1)
    g = np.stack([((contrasts @ S) * contrasts).sum(axis=1) for S in slopes], axis=1)
    # Shares, whose squares are in range whatever the unit of the contrast.
    with np.errstate(invalid="ignore", divide="ignore"):
        g = g / variance[:, None]
    spread = ((g @ covariance) * g).sum(axis=1)
    is_known = (spread <= FLAT) | (variance == 0.0)
    return np.where(is_known, np.inf, 2.0 / np.where(is_known, 1.0, spread))


def satterthwaite(fit: Fit) -> Satterthwaite:
    """Return the derivatives and covariances behind the degrees of freedom of a fit's contrasts.

    Raises
    ------
    EngineError
        If the fit is not at a minimum of its criterion.
    """
    if fit.design.shared:
        return _by_shared_variances(fit)
    found = core.relative_uncertainty(fit.problem, fit.theta, fit.reml)
    held = [str(fit.design.blocks[k].term) for k in found.held]
    notes = f"on the boundary, and held there for the degrees of freedom: {', '.join(held)}"
    return Satterthwaite(found.cov, found.slopes, found.covariance, (notes,) if held else ())


def _by_shared_variances(fit: Fit) -> Satterthwaite:
    """The same where terms share one variance; a term on the boundary is then taken as known altogether."""
    derivatives = core.fixed_effects_derivatives(fit.problem, fit.theta, fit.reml)
    info = core.information(fit.problem, fit.theta, fit.reml)
    unit = info.units / fit.scale
    covariance = np.where(np.isfinite(info.relative_cov), info.relative_cov, 0.0) * unit * unit[:, None]
    known = [name for name, reason in zip(info.names, info.reasons, strict=True) if reason]
    notes = f"on the boundary, and taken as known for the degrees of freedom: {', '.join(known)}"
    return Satterthwaite(derivatives.cov, derivatives.slopes, covariance, (notes,) if known else ())

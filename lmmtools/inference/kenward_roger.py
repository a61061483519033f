"""Kenward and Roger's tests: an adjusted covariance of the fixed effects, degrees of freedom, and a scaled F.

For contrasts L (q, p) with Theta = L'(L C L')^-1 L, and C P_i C the derivatives of C = (X'V^-1X)^-1,

    A1 = sum_ij W_ij tr(Theta C P_i C) tr(Theta C P_j C) ,   A2 = sum_ij W_ij tr(Theta C P_i C Theta C P_j C)

F's mean and variance under the hypothesis, to the order of the approximation, are matched to those of an F
distribution with a scale (Kenward & Roger 1997, Biometrics 53, sections 3 and 4; Halekoh & Hojsgaard 2014,
J. Stat. Softw. 59(9), section 3.2). For one contrast the degrees are 2 / A2 and the scale is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools import core
from lmmtools.audience import advice, option
from lmmtools.errors import DataError
from lmmtools.inference.satterthwaite import matched_df

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = ["KenwardRoger", "kenward_roger"]

TINY = 1e-10
"""A quantity of the approximation that is zero in exact arithmetic, next to others of order one."""


@dataclass(frozen=True, slots=True, eq=False)
class KenwardRoger:
    """What the tests of any contrast follow from.

    Attributes
    ----------
    cov : ndarray, shape (p, p)
        The adjusted covariance of the fixed effects, which the tests use.
    unadjusted : ndarray, shape (p, p)
        C = (X'V^-1X)^-1.
    slopes : ndarray, shape (k + 1, p, p)
        dC/dphi_i for the variances and covariances phi in units of sigma**2, the residual's last.
    covariance : ndarray, shape (k + 1, k + 1)
        Asymptotic covariance of phi, from the expected information.
    notes : tuple of str
    """

    cov: Floats
    unadjusted: Floats
    slopes: Floats
    covariance: Floats
    notes: tuple[str, ...] = ()

    def df(self, contrasts: Floats) -> Floats:
        """Return the degrees of freedom of each contrast, rows of (r, p).

        Of one row they are Satterthwaite's from the expected information: ``f_reference`` comes to 2 / A1.
        """
        return matched_df(contrasts, self.unadjusted, self.slopes, self.covariance)

    def f_reference(self, contrasts: Floats) -> tuple[float, float]:
        """Return F's scale, and its denominator degrees of freedom, for independent rows of contrasts, (q, p)."""
        q = len(contrasts)
        A1, A2 = self._moments(contrasts)
        if A2 <= TINY * TINY:
            return 1.0, np.inf
        B = 0.5 / q * (A1 + 6.0 * A2)
        g = ((q + 1.0) * A1 - (q + 4.0) * A2) / ((q + 2.0) * A2)
        below = 3.0 * q + 2.0 * (1.0 - g)
        v0 = 1.0 + g / below * B
        v1 = 1.0 - (q - g) / below * B
        v2 = 1.0 - (q + 2.0 - g) / below * B
        v0 = 0.0 if abs(v0) < TINY else v0
        shrunk = 1.0 - A2 / q
        # Both vanish together where the exact degrees are two.
        ratio = 1.0 if abs(shrunk) < TINY and abs(v1) < TINY else shrunk / v1
        rho = ratio**2 * v0 / (q * v2)
        df = 4.0 + (q + 2.0) / (q * rho - 1.0)
        scale = 1.0 if abs(df - 2.0) < 1e-2 else df * shrunk / (df - 2.0)
        return scale, df

    def _moments(self, L: Floats) -> tuple[float, float]:
        theta = L.T @ np.linalg.solve(L @ self.unadjusted @ L.T, L)
        moved = np.einsum("ab,ibc->iac", theta, self.slopes)
        traces = np.einsum("iaa->i", moved)
        W = self.covariance
        crossed = np.einsum("iab,jba->ij", moved, moved)
        return float(traces @ W @ traces), float((W * crossed).sum())


def kenward_roger(fit: Fit) -> KenwardRoger:
    """Return the adjusted covariance and what the degrees of freedom follow from.

    Raises
    ------
    DataError
        If the fit is not by REML.
    EngineError
        If the expected information of the variances is singular.
    """
    if not fit.reml:
        raise DataError(
            f"{option('ddf', 'kenward-roger')} is defined for REML fits: "
            f"{advice('fit(reml=True)', 'leave out --ml')}, or use {option('ddf', 'satterthwaite')}"
        )
    found = core.adjusted_covariance(fit.problem, fit.theta)
    notes: tuple[str, ...] = ()
    if fit.is_singular:
        notes = ("the fit is singular: Kenward and Roger's expansion is made there as if it were not",)
    return KenwardRoger(found.adjusted, found.cov, found.slopes, found.W, notes)

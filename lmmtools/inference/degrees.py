"""Degrees of freedom of the fixed effects, by four methods under one contract.

A method gives the covariance that standard errors come from, the degrees of freedom of t, and the reference of F.

**Satterthwaite.** For a contrast l of the fixed effects, f = l'C(phi) l with C = (X'V^-1X)^-1 and phi the variance
parameters, in any coordinates. With A the asymptotic covariance of phi (the inverse of half the Hessian of the
criterion),

    df = 2 f^2 / (g'A g) ,   g_i = l'dC/dphi_i l = l'C (X'V^-1 V_i V^-1X) C l

(Giesbrecht & Burns 1985, Biometrics 41; Kuznetsova, Brockhoff & Christensen 2017, J. Stat. Softw. 82(13)). The matrices
X'V^-1 V_i V^-1X are sums over levels of products of Z'V^-1X, which the engine has: nothing of size n x n is formed.

**Kenward and Roger.** For contrasts L (q, p) with Theta = L'(L C L')^-1 L, and C P_i C the derivatives of C,

    A1 = sum_ij W_ij tr(Theta C P_i C) tr(Theta C P_j C) ,   A2 = sum_ij W_ij tr(Theta C P_i C Theta C P_j C)

F's mean and variance under the hypothesis, to the order of the approximation, are matched to those of an F
distribution with a scale (Kenward & Roger 1997, Biometrics 53, sections 3 and 4; Halekoh & Hojsgaard 2014,
J. Stat. Softw. 59(9), section 3.2). For one contrast the degrees are 2 / A2 and the scale is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args, overload
from weakref import WeakKeyDictionary

import numpy as np

from lmmtools import core
from lmmtools.audience import advice, option
from lmmtools.errors import DataError
from lmmtools.inference.robust import Robust, read_robust, robust_degrees

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = [
    "DDF",
    "METHODS",
    "Degrees",
    "Method",
    "Satterthwaite",
    "check_ddf",
    "degrees",
    "is_normal",
    "method_in_legend",
    "method_in_title",
    "method_name",
    "read_method",
]

DDF = Literal["satterthwaite", "kenward-roger", "residual", "z"]

Method = DDF | Robust
"""What standard errors and degrees of freedom come from: the model's covariance by four methods, or a robust one."""

METHODS = {
    "satterthwaite": "Satterthwaite's method",
    "kenward-roger": "Kenward-Roger's method",
    "residual": "the residual degrees of freedom, n - p",
}

SPELLINGS: dict[str, DDF] = {
    **dict.fromkeys(("satterthwaite", "satterth", "satt", "sat"), "satterthwaite"),
    **dict.fromkeys(("kenward roger", "kenwardroger", "kenward", "kr"), "kenward-roger"),
    **dict.fromkeys(("residual", "resid"), "residual"),
    **dict.fromkeys(("z", "normal", "asymptotic", "asymp"), "z"),
}
"""Spelling of a method in lmerTest, emmeans and other packages, without regard to case and hyphens -> its name here."""

_CACHE: WeakKeyDictionary[Fit, dict[Method, Degrees]] = WeakKeyDictionary()

FLAT = 1e-12
"""Up to this squared coefficient of variation of a contrast's variance, its degrees of freedom are infinite."""

TINY = 1e-10
"""A quantity of the approximation that is zero in exact arithmetic, next to others of order one."""


class Degrees(Protocol):
    """The degrees of freedom of one fit by one method."""

    @property
    def cov(self) -> Floats:
        """Covariance of the fixed effects that the method's standard errors come from, shape (p, p)."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """Variance parameters treated as fixed, in words."""
        ...

    def df(self, contrasts: Floats) -> Floats:
        """Return the degrees of freedom of each contrast, shape (r,), of contrasts (r, p)."""
        ...

    def f_reference(self, contrasts: Floats) -> tuple[float, float]:
        """Return (scale of F, denominator degrees of freedom) for independent contrasts, shape (q, p)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """The same degrees of freedom for every contrast: n - p, or infinite for z tests."""

    cov: Floats
    value: float
    notes: tuple[str, ...] = ()

    def df(self, contrasts: Floats) -> Floats:
        """Return the constant value once per contrast, shape (r,)."""
        return np.full(len(contrasts), self.value)

    def f_reference(self, contrasts: Floats) -> tuple[float, float]:
        """Return (1.0, value)."""
        return 1.0, self.value


def method_name(ddf: Method, test: Literal["t", "F"] = "t") -> str:
    """Return the sentence on the degrees of freedom for the notes of a table of t or F tests."""
    if isinstance(ddf, Robust):
        return ddf.describe(test)
    if ddf == "z":
        known = {
            "t": "z-tests: the statistics are treated as standard normal",
            "F": "F times NumDF is treated as chi-squared",
        }
        return known[test]
    return f"t-tests use {METHODS[ddf]}" if test == "t" else f"the F test uses {METHODS[ddf]}"


def is_normal(ddf: Method) -> bool:
    """Return whether statistics are referred to the normal distribution, and have no degrees of freedom."""
    return (ddf.ddf if isinstance(ddf, Robust) else ddf) == "z"


def method_in_title(ddf: Method) -> str:
    """Return a method as the title of a table of F tests names it."""
    if isinstance(ddf, Robust):
        return f"{ddf.cov} covariance" if ddf.ddf == "z" else f"{ddf.cov} covariance and HTZ tests"
    return {**METHODS, "residual": "residual degrees of freedom", "z": "the chi-squared distribution"}[ddf]


def method_in_legend(ddf: DDF) -> str:
    """Return what intervals of a method are made with, as the legend of a plot says it."""
    return {"z": "normal", "residual": "t, residual df"}.get(ddf, f"t, {ddf.title()}")


def read_method(ddf: str, cov: str | None = None, cluster: Any = None) -> Method:
    """Return the method that the arguments ``ddf``, ``cov`` and ``cluster`` name together.

    Raises
    ------
    DataError
        If there is no such method, or clusters are given without a robust covariance.
    """
    if cov is not None:
        return read_robust(ddf, cov, cluster)
    if cluster is not None:
        raise DataError('cluster= is for a cluster-robust covariance: write cov="CR2" beside it')
    return check_ddf(ddf)


@overload
def check_ddf(ddf: str) -> DDF: ...


@overload
def check_ddf(ddf: str | Robust) -> Method: ...


def check_ddf(ddf: str | Robust) -> Method:
    """Return the method that ``ddf`` names: ``"Satterthwaite"``, ``"Kenward-Roger"`` and ``"kr"`` serve too.

    Raises
    ------
    DataError
        If there is no such method.
    """
    if isinstance(ddf, Robust):
        return ddf
    key = " ".join(str(ddf).lower().replace("-", " ").replace("_", " ").replace(".", " ").split())
    if key not in SPELLINGS:
        raise DataError(f"ddf={ddf!r} is not known here; use one of {', '.join(map(repr, get_args(DDF)))}")
    return SPELLINGS[key]


def degrees(fit: Fit, ddf: Method) -> Degrees:
    """Return a fit's degrees of freedom by one method, computed once and kept as long as the fit."""
    found = _CACHE.setdefault(fit, {})
    if ddf not in found:
        found[ddf] = _compute_degrees(fit, ddf)
    return found[ddf]


def _compute_degrees(fit: Fit, ddf: Method) -> Degrees:
    """Return the degrees of freedom of a fit by one method."""
    if not fit.design.p:
        return Constant(fit.estimate.beta_cov, np.inf, ("the model has no fixed effects",))
    if isinstance(ddf, Robust):
        return robust_degrees(fit, ddf)
    if ddf == "satterthwaite":
        return _satterthwaite(fit)
    if ddf == "kenward-roger":
        return _kenward_roger(fit)
    return Constant(fit.estimate.beta_cov, float(fit.nobs - fit.design.p) if ddf == "residual" else np.inf)


@dataclass(frozen=True, slots=True, eq=False)
class Satterthwaite:
    """Satterthwaite's degrees of freedom of any contrast.

    Attributes
    ----------
    cov : ndarray, shape (p, p)
        Covariance of the fixed effects.
    slopes : ndarray, shape (m, p, p)
        Derivatives of ``cov`` with respect to the variance parameters, in coordinates without unit.
    covariance : ndarray, shape (m, m)
        Asymptotic covariance of the variance parameters.
    notes : tuple of str
        Terms on the boundary, whose variances are treated as fixed.
    """

    cov: Floats
    slopes: Floats
    covariance: Floats
    notes: tuple[str, ...] = ()

    def df(self, contrasts: Floats) -> Floats:
        """Return the degrees of freedom of each contrast, shape (r,); infinite where its variance is known."""
        return _matched_df(contrasts, self.cov, self.slopes, self.covariance)

    def f_reference(self, contrasts: Floats) -> tuple[float, float]:
        """Return (1.0, denominator degrees of freedom of F) for independent contrasts, shape (q, p).

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


def _matched_df(contrasts: Floats, cov: Floats, slopes: Floats, covariance: Floats) -> Floats:
    """Return the degrees of freedom of a chi-squared variable with each variance's mean and variance, shape (r,).

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
    # Relative derivatives: their squares neither overflow nor vanish in any unit of the contrast.
    with np.errstate(invalid="ignore", divide="ignore"):
        g = g / variance[:, None]
    spread = ((g @ covariance) * g).sum(axis=1)
    is_known = (spread <= FLAT) | (variance == 0.0)
    return np.where(is_known, np.inf, 2.0 / np.where(is_known, 1.0, spread))


def _satterthwaite(fit: Fit) -> Satterthwaite:
    """Return Satterthwaite's degrees of freedom of a fit.

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
    """Return them for terms that share one variance; a variance on the boundary is treated as fixed."""
    derivatives = core.fixed_effects_derivatives(fit.problem, fit.theta, fit.reml)
    info = core.information(fit.problem, fit.theta, fit.reml)
    unit = info.units / fit.scale
    covariance = np.where(np.isfinite(info.relative_cov), info.relative_cov, 0.0) * unit * unit[:, None]
    known = [name for name, reason in zip(info.names, info.reasons, strict=True) if reason]
    notes = f"on the boundary, and treated as fixed for the degrees of freedom: {', '.join(known)}"
    return Satterthwaite(derivatives.cov, derivatives.slopes, covariance, (notes,) if known else ())


@dataclass(frozen=True, slots=True, eq=False)
class _KenwardRoger:
    """Kenward and Roger's covariance, degrees of freedom and scaled F of any contrast.

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
        """Return the degrees of freedom of each contrast, shape (r,).

        For one contrast ``f_reference`` reduces to 2 / A1, Satterthwaite's value from the expected information.
        """
        return _matched_df(contrasts, self.unadjusted, self.slopes, self.covariance)

    def f_reference(self, contrasts: Floats) -> tuple[float, float]:
        """Return (scale of F, denominator degrees of freedom) for independent contrasts, shape (q, p)."""
        q = len(contrasts)
        A1, A2 = self._traces(contrasts)
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
        # Numerator and denominator are both zero where the exact degrees of freedom are two.
        ratio = 1.0 if abs(shrunk) < TINY and abs(v1) < TINY else shrunk / v1
        rho = ratio**2 * v0 / (q * v2)
        df = 4.0 + (q + 2.0) / (q * rho - 1.0)
        scale = 1.0 if abs(df - 2.0) < 1e-2 else df * shrunk / (df - 2.0)
        return scale, df

    def _traces(self, L: Floats) -> tuple[float, float]:
        """Return A1 and A2 of the contrasts L, shape (q, p)."""
        theta = L.T @ np.linalg.solve(L @ self.unadjusted @ L.T, L)
        moved = np.einsum("ab,ibc->iac", theta, self.slopes)
        traces = np.einsum("iaa->i", moved)
        W = self.covariance
        crossed = np.einsum("iab,jba->ij", moved, moved)
        return float(traces @ W @ traces), float((W * crossed).sum())


def _kenward_roger(fit: Fit) -> _KenwardRoger:
    """Return Kenward and Roger's covariance and degrees of freedom of a fit.

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
        notes = ("the fit is singular, and Kenward and Roger's expansion is for fits that are not",)
    return _KenwardRoger(found.adjusted, found.cov, found.slopes, found.W, notes)

"""The methods for degrees of freedom, under one contract: a covariance for standard errors, df of t, reference of F."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, get_args
from weakref import WeakKeyDictionary

import numpy as np

from lmmtools.errors import DataError
from lmmtools.inference.kenward_roger import kenward_roger
from lmmtools.inference.satterthwaite import satterthwaite

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = ["DDF", "Degrees", "check_ddf", "degrees", "method_name"]

DDF = Literal["satterthwaite", "kenward-roger", "residual", "z"]
_METHODS = {
    "satterthwaite": "Satterthwaite's method",
    "kenward-roger": "Kenward-Roger's method",
    "residual": "the residual degrees of freedom, n - p",
}


_FOUND: WeakKeyDictionary[Fit, dict[DDF, Degrees]] = WeakKeyDictionary()


class Degrees(Protocol):
    """What a method says of one fit."""

    @property
    def cov(self) -> Floats:
        """Covariance of the fixed effects that the method's standard errors come from, shape (p, p)."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What is taken for known."""
        ...

    def df(self, contrasts: Floats) -> Floats:
        """Return the degrees of freedom of each contrast, rows of (r, p)."""
        ...

    def f_reference(self, contrasts: Floats) -> tuple[float, float]:
        """Return F's scale, and its denominator degrees of freedom, for independent rows of contrasts, (q, p)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """The same degrees of freedom for everything."""

    cov: Floats
    value: float
    notes: tuple[str, ...] = ()

    def df(self, contrasts: Floats) -> Floats:
        """Return them, once per row."""
        return np.full(len(contrasts), self.value)

    def f_reference(self, contrasts: Floats) -> tuple[float, float]:
        """Return no scale, and them."""
        return 1.0, self.value


def method_name(ddf: DDF, test: Literal["t", "F"] = "t") -> str:
    """Return what is done for the degrees of freedom, as a phrase."""
    if ddf == "z":
        known = {
            "t": "z-tests: the statistics are taken for standard normal",
            "F": "F times NumDF is taken for chi-squared",
        }
        return known[test]
    return f"t-tests use {_METHODS[ddf]}" if test == "t" else f"the F test uses {_METHODS[ddf]}"


def check_ddf(ddf: str) -> DDF:
    """Return the method's name.

    Raises
    ------
    DataError
        If there is no such method.
    """
    if ddf not in get_args(DDF):
        raise DataError(f"ddf={ddf!r} is not known here; use one of {', '.join(map(repr, get_args(DDF)))}")
    return ddf  # type: ignore[return-value]


def degrees(fit: Fit, ddf: DDF) -> Degrees:
    """Return what a method says of a fit; it is worked out once, and kept as long as the fit is."""
    found = _FOUND.setdefault(fit, {})
    if ddf not in found:
        found[ddf] = _make(fit, ddf)
    return found[ddf]


def _make(fit: Fit, ddf: DDF) -> Degrees:
    if not fit.design.p:
        return Constant(fit.estimate.beta_cov, np.inf, ("the model has no fixed effects",))
    if ddf == "satterthwaite":
        return satterthwaite(fit)
    if ddf == "kenward-roger":
        return kenward_roger(fit)
    return Constant(fit.estimate.beta_cov, float(fit.nobs - fit.design.p) if ddf == "residual" else np.inf)

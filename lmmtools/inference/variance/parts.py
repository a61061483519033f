"""The variance of the response, part by part.

The variance of a term of the model is that which it gives to y, averaged over the rows: mean of diag(Z_k Sigma_k Z_k'),
which is the variance itself for an intercept (Johnson 2014, Methods Ecol. Evol. 5, for slopes). That of the fixed
effects is the sample variance of X b (divisor n - 1), that of the residual the mean of sigma**2 / w.
Nakagawa, Johnson & Schielzeth (2017), J. R. Soc. Interface 14.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.report.table import NumberFormat

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = ["COUNT", "NUMBER", "SHARE", "SLOPES", "Parts", "notes_on", "variance_parts"]

SHARE = NumberFormat("correlation", 4)
NUMBER = NumberFormat("significant", 4)
COUNT = NumberFormat("plain", 9)
NO_VARIANCE = "on the boundary: {}; its variance counts as zero"
SLOPES = "variances of terms with slopes are averages over the rows"


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """The variance of y, part by part, in squared units of y.

    Attributes
    ----------
    fixed : float
        Sample variance of X b.
    terms : ndarray, shape (blocks,)
        Mean over the rows of the variance that each term gives, in design order.
    residual : float
        Mean of sigma**2 / w.
    moments : tuple of ndarray, each (l, l)
        B'B / n per term, B its basis: a term's variance is the sum of Sigma_k * moment.
    """

    fixed: float
    terms: Floats
    residual: float
    moments: tuple[Floats, ...]


def variance_parts(fit: Fit) -> Parts:
    """Return the variance of each part of a fit's model."""
    design = fit.design
    moments = tuple(b.basis.T @ b.basis / design.n for b in design.blocks)
    terms = np.array([float((t.cov * M).sum()) for t, M in zip(fit.varcorr, moments, strict=True)])
    fixed = float(np.var(design.X @ fit.estimate.beta, ddof=1)) if design.p else 0.0
    precision = 1.0 if design.weights is None else float(np.mean(1.0 / design.weights))
    return Parts(fixed, terms, fit.scale * precision, moments)


def notes_on(fit: Fit) -> tuple[str, ...]:
    """Return what to know of a fit's parts: which are at zero, and that those of slopes are averages."""
    absent = [t.name for t in fit.varcorr if not t.cov.any()]
    notes = (NO_VARIANCE.format(", ".join(absent)),) if absent else ()
    return notes if all(b.cnames == ("(Intercept)",) for b in fit.design.blocks) else (*notes, SLOPES)

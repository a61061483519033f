"""The shares of the random terms and the residual in the variance of the response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.inference.tails import check_alpha
from lmmtools.inference.variance.parts import NUMBER, SHARE, SLOPES, notes_on, variance_parts
from lmmtools.inference.variance.shares import shares_with_intervals
from lmmtools.report.result_table import Field, ResultTable, Tabular, row_labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = ["VariancePartition", "variance_partition"]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class VariancePartition(Tabular):
    """Variance of the random effects and the residual, term by term.

    ``to_frame()`` has the columns ``grp effects variance share lower upper note``; the note says why limits are
    NaN.

    Attributes
    ----------
    grp : tuple of str
        Term as ``varcorr`` names it; ``"Residual"`` last.
    effects : tuple of str
        The effects of each term.
    variance, share : ndarray, shape (terms,)
        Variance averaged over the rows (squared units of y), and its share of their sum.
    lower, upper : ndarray, shape (terms,)
        Limits of the share, NaN where undefined.
    reasons : tuple of str
        Why a row's limits are undefined, or an empty string.
    alpha : float
        One less the coverage.
    notes : tuple of str

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> fit.variance_partition().to_frame()[["grp", "share"]].round(3)
            grp  share
    0     Batch  0.418
    1  Residual  0.582
    """

    grp: tuple[str, ...]
    effects: tuple[str, ...]
    variance: Floats
    share: Floats
    lower: Floats
    upper: Floats
    reasons: tuple[str, ...]
    alpha: float
    notes: tuple[str, ...] = ()

    @property
    def _table(self) -> ResultTable:
        fields = (
            row_labels("Groups", self.grp, "grp", is_index=False),
            Field("effects", "Effects", self.effects),
            Field("variance", "Variance", self.variance, NUMBER),
            Field("share", "Share", self.share, SHARE),
            Field("lower", "Lower", self.lower, SHARE, is_blank_where_nan=True),
            Field("upper", "Upper", self.upper, SHARE, is_blank_where_nan=True),
            Field("note", None, self.reasons),
        )
        why = tuple(f"{g}: limits {reason}" for g, reason in zip(self.grp, self.reasons, strict=True) if reason)
        method = f"{100 * (1 - self.alpha):g}% limits: delta method on the logit of the share"
        return ResultTable("partition", fields, "Variance partition", (method, *self.notes, *why))


def variance_partition(fit: Fit, alpha: float = 0.05) -> VariancePartition:
    """Return each random term's and the residual's variance and share, with limits by the delta method."""
    check_alpha(alpha)
    parts = variance_parts(fit)
    found = shares_with_intervals(fit, parts.terms, parts.residual, parts.moments, alpha)
    return VariancePartition(
        (*(t.name for t in fit.varcorr), "Residual"),
        (*(", ".join(t.cnames) for t in fit.varcorr), ""),
        np.array([*parts.terms, parts.residual]),
        found.share,
        found.lower,
        found.upper,
        found.reasons,
        alpha,
        tuple(n for n in notes_on(fit) if n == SLOPES),
    )

"""The shares of the random terms and the residual in the variance of the response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.inference.tails import check_alpha
from lmmtools.inference.variance.parts import NUMBER, SHARE, SLOPES, notes_on, variance_parts
from lmmtools.inference.variance.shares import shares_with_intervals
from lmmtools.report.printable import Printable
from lmmtools.report.table import Column, Document, Prose, Table

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = ["VariancePartition", "variance_partition"]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class VariancePartition(Printable):
    """Variance of the random effects and the residual, term by term.

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

    def to_frame(self) -> pd.DataFrame:
        """Return columns ``grp effects variance share lower upper note``; the note says why limits are NaN."""
        import pandas as pd

        return pd.DataFrame(
            {
                "grp": self.grp,
                "effects": self.effects,
                "variance": self.variance,
                "share": self.share,
                "lower": self.lower,
                "upper": self.upper,
                "note": self.reasons,
            }
        )

    @property
    def document(self) -> Document:
        """The table, unrounded."""
        percent = f"{100 * (1 - self.alpha):g}%"
        columns = (
            Column("Groups", is_label=True),
            Column("Effects"),
            Column("Variance", NUMBER, "right"),
            Column("Share", SHARE, "right"),
            Column("Lower", SHARE, "right"),
            Column("Upper", SHARE, "right"),
        )
        limits = [[None if np.isnan(v) else float(v) for v in side] for side in (self.lower, self.upper)]
        rows = tuple(
            (g, e, float(v), float(s), low, high)
            for g, e, v, s, low, high in zip(
                self.grp, self.effects, self.variance, self.share, limits[0], limits[1], strict=True
            )
        )
        why = tuple(f"{g}: limits {reason}" for g, reason in zip(self.grp, self.reasons, strict=True) if reason)
        method = f"{percent} limits: delta method on the logit of the share"
        return Document(
            "Variance partition", (Table("partition", "", columns, rows), Prose("notes", (method, *self.notes, *why)))
        )


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

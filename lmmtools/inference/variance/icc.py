"""Intraclass correlation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.inference.variance.parts import SHARE, notes_on, variance_parts
from lmmtools.report.printable import Printable
from lmmtools.report.table import Column, Document, Fact, Facts, Prose, Table

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = ["ICC", "icc"]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ICC(Printable):
    """Intraclass correlation.

    Attributes
    ----------
    adjusted : float
        Variance of the random effects over that of random effects and residual.
    unadjusted : float
        The same with the variance of the fixed effects in the total.
    groups : tuple of str
        Grouping factors, where they were asked for.
    by_group : ndarray, shape (groups, 2)
        Adjusted and unadjusted per factor; the rows add up to the whole.
    notes : tuple of str
    """

    adjusted: float
    unadjusted: float
    groups: tuple[str, ...] = ()
    by_group: Floats | None = None
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> list[tuple[str, float, float]]:
        """Factor (``"all"`` for the whole), adjusted, unadjusted."""
        own = [] if self.by_group is None else self.by_group.tolist()
        factors = [(g, a, u) for g, (a, u) in zip(self.groups, own, strict=True)]
        return [*factors, ("all", self.adjusted, self.unadjusted)]

    def to_frame(self) -> pd.DataFrame:
        """Return columns ``adjusted unadjusted``, a row per factor if asked for and ``all`` last."""
        import pandas as pd

        return pd.DataFrame(self.rows, columns=["grp", "adjusted", "unadjusted"]).set_index("grp")

    @property
    def document(self) -> Document:
        """The numbers, unrounded."""
        if self.by_group is None:
            facts = Facts(
                "icc",
                (
                    Fact("adjusted", "Adjusted ICC", self.adjusted, SHARE),
                    Fact("unadjusted", "Unadjusted ICC", self.unadjusted, SHARE),
                ),
            )
            return Document("Intraclass correlation", (facts, Prose("notes", self.notes)))
        columns = (
            Column("Groups", is_label=True),
            Column("Adjusted", SHARE, "right"),
            Column("Unadjusted", SHARE, "right"),
        )
        table = Table("icc", "", columns, tuple(self.rows))
        return Document("Intraclass correlation", (table, Prose("notes", self.notes)))


def icc(fit: Fit, by_group: bool = False) -> ICC:
    """Return the intraclass correlation of a fit, and of each grouping factor if asked."""
    parts = variance_parts(fit)
    random = float(parts.terms.sum())
    totals = np.array([random + parts.residual, random + parts.residual + parts.fixed])
    whole = random / totals
    if not by_group:
        return ICC(float(whole[0]), float(whole[1]), notes=notes_on(fit))
    own = np.array([parts.terms[list(i)].sum() for i in fit.design.factors.values()])
    return ICC(float(whole[0]), float(whole[1]), tuple(fit.design.factors), own[:, None] / totals, notes_on(fit))

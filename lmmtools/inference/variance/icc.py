"""Intraclass correlation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.inference.variance.parts import SHARE, notes_on, variance_parts
from lmmtools.report.result_table import Field, ResultTable, Tabular, row_labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = ["ICC", "icc"]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ICC(Tabular):
    """Intraclass correlation.

    ``to_frame()`` has the columns ``adjusted unadjusted``, a row per factor if asked for and ``all`` last.

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

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> fit.icc().to_frame().round(4)
         adjusted  unadjusted
    grp
    all    0.4185      0.4185
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

    @property
    def _table(self) -> ResultTable:
        groups, adjusted, unadjusted = zip(*self.rows, strict=True)
        is_whole = self.by_group is None
        fields = (
            row_labels(None if is_whole else "Groups", groups, "grp"),
            Field("adjusted", "Adjusted ICC" if is_whole else "Adjusted", adjusted, SHARE),
            Field("unadjusted", "Unadjusted ICC" if is_whole else "Unadjusted", unadjusted, SHARE),
        )
        return ResultTable("icc", fields, "Intraclass correlation", self.notes, is_facts=is_whole)


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

"""Nakagawa's R2: the share of the variance that a model explains, by its fixed effects and by all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.inference.variance.parts import SHARE, notes_on, variance_parts
from lmmtools.report.printable import Printable
from lmmtools.report.table import Document, Fact, Facts, Prose

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = ["R2", "r2"]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class R2(Printable):
    """Nakagawa's R2.

    Attributes
    ----------
    marginal : float
        Share of the variance that the fixed effects have.
    conditional : float
        Share that fixed and random effects have together.
    notes : tuple of str
    """

    marginal: float
    conditional: float
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return one row with columns ``marginal conditional``."""
        import pandas as pd

        return pd.DataFrame({"marginal": [self.marginal], "conditional": [self.conditional]}, index=["R2"])

    @property
    def document(self) -> Document:
        """The numbers, unrounded."""
        facts = (
            Fact("marginal", "Marginal R2", self.marginal, SHARE),
            Fact("conditional", "Conditional R2", self.conditional, SHARE),
        )
        return Document("R2 for mixed models (Nakagawa)", (Facts("r2", facts), Prose("notes", self.notes)))


def r2(fit: Fit) -> R2:
    """Return the marginal and the conditional R2 of a fit."""
    parts = variance_parts(fit)
    total = parts.fixed + float(parts.terms.sum()) + parts.residual
    return R2(parts.fixed / total, 1.0 - parts.residual / total, notes_on(fit))

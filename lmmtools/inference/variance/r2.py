"""Nakagawa's R2: the share of the variance that a model explains, by its fixed effects and by all of it."""

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

__all__ = ["R2", "r2"]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class R2(Tabular):
    """Nakagawa's R2.

    ``to_frame()`` has one row with the columns ``marginal conditional``.

    Attributes
    ----------
    marginal : float
        Share of the variance that the fixed effects have.
    conditional : float
        Share that fixed and random effects have together.
    notes : tuple of str

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> fit.r2().to_frame().round(4)
        marginal  conditional
    R2    0.2787       0.7992
    """

    marginal: float
    conditional: float
    notes: tuple[str, ...] = ()

    @property
    def _table(self) -> ResultTable:
        fields = (
            row_labels(None, ["R2"]),
            Field("marginal", "Marginal R2", [self.marginal], SHARE),
            Field("conditional", "Conditional R2", [self.conditional], SHARE),
        )
        return ResultTable("r2", fields, "R2 for mixed models (Nakagawa)", self.notes, is_facts=True)


def r2(fit: Fit) -> R2:
    """Return the marginal and the conditional R2 of a fit."""
    parts = variance_parts(fit)
    total = parts.fixed + float(parts.terms.sum()) + parts.residual
    return R2(parts.fixed / total, 1.0 - parts.residual / total, notes_on(fit))

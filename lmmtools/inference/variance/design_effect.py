"""How much clustering inflates the variance of a mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.errors import DataError
from lmmtools.inference.variance.icc import icc
from lmmtools.inference.variance.parts import COUNT, NUMBER, SHARE
from lmmtools.report.result_table import Field, ResultTable, Tabular, row_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = ["DesignEffect", "design_effect"]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class DesignEffect(Tabular):
    """How much clustering inflates the variance of a mean.

    ``to_frame()`` has the columns ``levels size icc design_effect n_effective``, a row per factor.

    Attributes
    ----------
    factors : tuple of str
    levels : tuple of int
        Levels per factor.
    size : ndarray, shape (factors,)
        Sum of squared rows per level over the rows: the mean size of the level that a row is in.
    icc : ndarray, shape (factors,)
        The factor's own share of random and residual variance.
    effect : ndarray, shape (factors,)
        Variance of the plain mean of y beside that of as many independent rows, 1'V1 / trace(V), V that of y with the
        levels of this factor alone joined; for intercepts 1 + (size - 1) icc (Kish 1965).
    n_effective : ndarray, shape (factors,)
        Rows over the design effect.
    notes : tuple of str

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> fit.design_effect().to_frame().round(3)
           levels  size    icc  design_effect  n_effective
    Batch       6   5.0  0.418          2.674       11.219
    """

    factors: tuple[str, ...]
    levels: tuple[int, ...]
    size: Floats
    icc: Floats
    effect: Floats
    n_effective: Floats
    notes: tuple[str, ...] = ()

    @property
    def _table(self) -> ResultTable:
        fields = (
            row_labels("Groups", self.factors),
            Field("levels", "Levels", self.levels, COUNT),
            Field("size", "Rows per level", self.size, NUMBER),
            Field("icc", "ICC", self.icc, SHARE),
            Field("design_effect", "Design effect", self.effect, NUMBER),
            Field("n_effective", "Effective rows", self.n_effective, NUMBER),
        )
        return ResultTable("design_effect", fields, "Design effect", self.notes)


def design_effect(fit: Fit, factor: str | None = None) -> DesignEffect:
    """Return 1'V1 / trace(V) per factor, V the covariance of y with the levels of that factor alone joined.

    With s_g the sum of the rows of a level's basis b_i, 1'V_f1 = sum_g s_g'Sigma s_g and trace(V_f) = sum_i b_i'Sigma
    b_i; their ratio k makes 1 + (k - 1) times the factor's share of trace(V). For intercepts k is the mean size.
    """
    factors = fit.design.factors
    if factor is not None:
        found = fit.design.find_factor(factor)
        if found is None:
            raise DataError(f"{factor!r} is no grouping factor of this model; there are {', '.join(factors)}")
        factors = {found: factors[found]}
    whole = icc(fit, by_group=True)
    assert whole.by_group is not None
    share = np.array([whole.by_group[whole.groups.index(name), 0] for name in factors])
    counts = [np.bincount(fit.design.blocks[i[0]].codes).astype(float) for i in factors.values()]
    size = np.array([float((c**2).sum() / c.sum()) for c in counts])
    joined = np.array([_joined_rows(fit, blocks) for blocks in factors.values()])
    effect = 1.0 + (joined - 1.0) * share
    return DesignEffect(
        tuple(factors), tuple(len(c) for c in counts), size, share, effect, fit.nobs / effect, whole.notes
    )


def _joined_rows(fit: Fit, blocks: Sequence[int]) -> float:
    """Return 1'V_f1 / trace(V_f), V_f what the terms of one factor give to the covariance of y."""
    total = own = 0.0
    terms = tuple(fit.varcorr)
    for k in blocks:
        block, cov = fit.design.blocks[k], np.asarray(terms[k].cov, dtype=float) / fit.scale
        sums = np.column_stack([np.bincount(block.codes, column, block.m) for column in block.basis.T])
        total += float(((sums @ cov) * sums).sum())
        own += float(((block.basis.T @ block.basis) * cov).sum())
    return total / own if own > 0 else 1.0

"""Ratios of variances: the intraclass correlation, the design effect that follows from it, and Nakagawa's R2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.facts import basis_products, count_rows
from lmmtools.errors import DataError
from lmmtools.inference.variance.partition import COUNT, NUMBER, SHARE, notes_on, variance_parts
from lmmtools.inference.variance.share_limits import Asked, Limits, Share, limits_of_shares
from lmmtools.report.result_table import Field, ResultTable, Tabular, row_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = ["ICC", "R2", "DesignEffect", "design_effect", "icc", "r2"]

NO_LIMITS = Asked()

BATCH = 1 << 18
"""Rows whose sums by level are added at a time."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ICC(Tabular):
    """Intraclass correlation.

    ``to_frame()`` has the columns ``adjusted unadjusted``, a row per factor if asked for and ``all`` last; with limits
    also ``adjusted_lower adjusted_upper unadjusted_lower unadjusted_upper``.

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
    limits : ndarray, shape (rows, 2, 2), or None
        Lower and upper limit of adjusted and unadjusted, row by row as in ``to_frame()``; None where none were asked
        for.
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
    limits: Floats | None = None

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
            *limit_fields("adjusted", self.limits, 0),
            Field("unadjusted", "Unadjusted ICC" if is_whole else "Unadjusted", unadjusted, SHARE),
            *limit_fields("unadjusted", self.limits, 1),
        )
        return ResultTable("icc", fields, "Intraclass correlation", self.notes, is_facts=is_whole)


def limit_fields(name: str, limits: Floats | None, at: int) -> tuple[Field, ...]:
    """Return the columns of the limits of the share ``name``, which is the ``at``-th of each row; none without any."""
    if limits is None:
        return ()
    lower, upper = limits[:, at, 0], limits[:, at, 1]
    return (
        Field(f"{name}_lower", "lower", lower, SHARE, is_blank_where_nan=True),
        Field(f"{name}_upper", "upper", upper, SHARE, is_blank_where_nan=True),
    )


def icc(fit: Fit, by_group: bool = False, asked: Asked = NO_LIMITS) -> ICC:
    """Return the intraclass correlation of a fit, and of each grouping factor if asked."""
    parts = variance_parts(fit)
    random = float(parts.terms.sum())
    totals = np.array([random + parts.residual, random + parts.residual + parts.fixed])
    whole = random / totals
    factors = list(fit.design.factors.values()) if by_group else []
    terms = range(len(parts.terms))
    shares = []
    for own in (*factors, tuple(terms)):
        others = [k + 1 for k in terms if k not in own] + [len(terms) + 1]
        shares += [Share(tuple(k + 1 for k in own), (*fixed, *others)) for fixed in ((), (0,))]
    found = limits_of_shares(fit, shares, asked)
    notes, limits = _with_limits(fit, found)
    if not by_group:
        return ICC(float(whole[0]), float(whole[1]), notes=notes, limits=limits)
    own_sums = np.array([parts.terms[list(i)].sum() for i in factors])
    names = tuple(fit.design.factors)
    return ICC(float(whole[0]), float(whole[1]), names, own_sums[:, None] / totals, notes, limits)


def _with_limits(fit: Fit, found: Limits | None) -> tuple[tuple[str, ...], Floats | None]:
    """Return the notes of a table, and the limits of two shares a row, shape (rows, 2, 2)."""
    if found is None:
        return notes_on(fit), None
    return (*notes_on(fit), *found.notes), found.values.reshape(-1, 2, 2)


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
        Sum of squared level sizes over the number of rows: the mean size of the level that a row is in.
    icc : ndarray, shape (factors,)
        The factor's own share of random and residual variance.
    effect : ndarray, shape (factors,)
        Variance of the plain mean of y over that of as many independent rows, 1'V1 / trace(V), V the covariance of y
        with correlations within levels of this factor only; for intercepts 1 + (size - 1) icc (Kish 1965).
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
    """Return 1'V1 / trace(V) per factor, V the covariance of y with correlations within levels of that factor only.

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
    counts = [count_rows(fit.design.blocks[i[0]]).astype(float) for i in factors.values()]
    size = np.array([float((c**2).sum() / c.sum()) for c in counts])
    joined = np.array([_joined_rows(fit, blocks) for blocks in factors.values()])
    effect = 1.0 + (joined - 1.0) * share
    return DesignEffect(
        tuple(factors), tuple(len(c) for c in counts), size, share, effect, fit.nobs / effect, whole.notes
    )


def _joined_rows(fit: Fit, blocks: Sequence[int]) -> float:
    """Return 1'V_f1 / trace(V_f), V_f the contribution of one factor's terms to the covariance of y."""
    total = own = 0.0
    terms = tuple(fit.varcorr)
    for k in blocks:
        block, cov = fit.design.blocks[k], np.asarray(terms[k].cov, dtype=float) / fit.scale
        sums = np.zeros((block.m, block.l))
        for rows in fit.design.batches(BATCH):
            sums += np.column_stack([np.bincount(rows.codes[k], column, block.m) for column in rows.bases[k].T])
        total += float(((sums @ cov) * sums).sum())
        own += float((basis_products(block, block) * cov).sum())
    return total / own if own > 0 else 1.0


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class R2(Tabular):
    """Nakagawa's R2.

    ``to_frame()`` has one row with the columns ``marginal conditional``; with limits also ``marginal_lower
    marginal_upper conditional_lower conditional_upper``.

    Attributes
    ----------
    marginal : float
        Share of the variance that the fixed effects have.
    conditional : float
        Share that fixed and random effects have together.
    limits : ndarray, shape (1, 2, 2), or None
        Lower and upper limit of both; None where none were asked for.
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
    limits: Floats | None = None

    @property
    def _table(self) -> ResultTable:
        fields = (
            row_labels(None, ["R2"]),
            Field("marginal", "Marginal R2", [self.marginal], SHARE),
            *limit_fields("marginal", self.limits, 0),
            Field("conditional", "Conditional R2", [self.conditional], SHARE),
            *limit_fields("conditional", self.limits, 1),
        )
        return ResultTable("r2", fields, "R2 for mixed models (Nakagawa)", self.notes, is_facts=True)


def r2(fit: Fit, asked: Asked = NO_LIMITS) -> R2:
    """Return the marginal and the conditional R2 of a fit."""
    parts = variance_parts(fit)
    total = parts.fixed + float(parts.terms.sum()) + parts.residual
    terms, last = tuple(range(1, len(parts.terms) + 1)), len(parts.terms) + 1
    found = limits_of_shares(fit, (Share((0,), (*terms, last)), Share((0, *terms), (last,))), asked)
    notes, limits = _with_limits(fit, found)
    return R2(parts.fixed / total, 1.0 - parts.residual / total, notes, limits)

"""Where the variance of the response lies: intraclass correlation, Nakagawa's R2, shares of the terms, design effect.

The variance of a term of the model is that which it gives to y, averaged over the rows: mean of diag(Z_k Sigma_k Z_k'),
which is the variance itself for an intercept (Johnson 2014, Methods Ecol. Evol. 5, for slopes). That of the fixed
effects is the sample variance of X b (divisor n - 1), that of the residual the mean of sigma**2 / w.
Nakagawa, Johnson & Schielzeth (2017), J. R. Soc. Interface 14.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.errors import DataError
from lmmtools.inference.shares import shares_with_intervals
from lmmtools.inference.tails import check_alpha
from lmmtools.report.printable import Printable
from lmmtools.report.table import Column, Document, Fact, Facts, NumberFormat, Prose, Table

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.results.lmm_results import LMMResults

    Floats = NDArray[np.float64]

__all__ = ["ICC", "R2", "DesignEffect", "VariancePartition", "design_effect", "icc", "r2", "variance_partition"]

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


def variance_parts(fit: LMMResults) -> Parts:
    """Return the variance of each part of a fit's model."""
    design = fit.design
    moments = tuple(b.basis.T @ b.basis / design.n for b in design.blocks)
    terms = np.array([float((t.cov * M).sum()) for t, M in zip(fit.varcorr, moments, strict=True)])
    fixed = float(np.var(design.X @ fit.estimate.beta, ddof=1)) if design.p else 0.0
    precision = 1.0 if design.weights is None else float(np.mean(1.0 / design.weights))
    return Parts(fixed, terms, fit.scale * precision, moments)


def _notes(fit: LMMResults) -> tuple[str, ...]:
    absent = [t.name for t in fit.varcorr if not t.cov.any()]
    notes = (NO_VARIANCE.format(", ".join(absent)),) if absent else ()
    return notes if all(b.cnames == ("(Intercept)",) for b in fit.design.blocks) else (*notes, SLOPES)


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


def icc(fit: LMMResults, by_group: bool = False) -> ICC:
    """Return the intraclass correlation of a fit, and of each grouping factor if asked."""
    parts = variance_parts(fit)
    random = float(parts.terms.sum())
    totals = np.array([random + parts.residual, random + parts.residual + parts.fixed])
    whole = random / totals
    if not by_group:
        return ICC(float(whole[0]), float(whole[1]), notes=_notes(fit))
    own = np.array([parts.terms[list(i)].sum() for i in fit.design.factors.values()])
    return ICC(float(whole[0]), float(whole[1]), tuple(fit.design.factors), own[:, None] / totals, _notes(fit))


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


def r2(fit: LMMResults) -> R2:
    """Return the marginal and the conditional R2 of a fit."""
    parts = variance_parts(fit)
    total = parts.fixed + float(parts.terms.sum()) + parts.residual
    return R2(parts.fixed / total, 1.0 - parts.residual / total, _notes(fit))


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


def variance_partition(fit: LMMResults, alpha: float = 0.05) -> VariancePartition:
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
        tuple(n for n in _notes(fit) if n == SLOPES),
    )


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class DesignEffect(Printable):
    """How much clustering inflates the variance of a mean.

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
        1 + (size - 1) icc (Kish 1965).
    n_effective : ndarray, shape (factors,)
        Rows over the design effect.
    notes : tuple of str
    """

    factors: tuple[str, ...]
    levels: tuple[int, ...]
    size: Floats
    icc: Floats
    effect: Floats
    n_effective: Floats
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return columns ``levels size icc design_effect n_effective``, a row per factor."""
        import pandas as pd

        columns = {"levels": self.levels, "size": self.size, "icc": self.icc}
        return pd.DataFrame(
            {**columns, "design_effect": self.effect, "n_effective": self.n_effective}, index=list(self.factors)
        )

    @property
    def document(self) -> Document:
        """The table, unrounded."""
        columns = (
            Column("Groups", is_label=True),
            Column("Levels", COUNT, "right"),
            Column("Rows per level", NUMBER, "right"),
            Column("ICC", SHARE, "right"),
            Column("Design effect", NUMBER, "right"),
            Column("Effective rows", NUMBER, "right"),
        )
        numbers = zip(*(v.tolist() for v in (self.size, self.icc, self.effect, self.n_effective)), strict=True)
        rows = tuple((name, m, *row) for name, m, row in zip(self.factors, self.levels, numbers, strict=True))
        return Document("Design effect", (Table("design_effect", "", columns, rows), Prose("notes", self.notes)))


def design_effect(fit: LMMResults, factor: str | None = None) -> DesignEffect:
    """Return 1 + (size - 1) ICC per factor, exact for the plain mean of y under that factor alone."""
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
    effect = 1.0 + (size - 1.0) * share
    return DesignEffect(
        tuple(factors), tuple(len(c) for c in counts), size, share, effect, fit.nobs / effect, whole.notes
    )

"""Principal components of the random effects: in how many directions those of a factor vary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.report.result_table import Field, ResultTable, Tabular, row_labels
from lmmtools.report.table import NumberFormat

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = ["Components", "RePCA", "repca"]

NEGLIGIBLE = 1e-8
"""A component with less than this share of its factor's variance does not count in the rank."""


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """Principal components of one grouping factor's random effects.

    Attributes
    ----------
    group : str
    cnames : tuple of str, length l
        The effects, of all terms on the factor.
    sd : ndarray, shape (l,)
        Standard deviations in units of sigma, falling: the singular values of lambda.
    rotation : ndarray, shape (l, l)
        Loadings of the effects, a component per column; its largest loading is positive.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> fit.repca().factors[0].rank
    1
    """

    group: str
    cnames: tuple[str, ...]
    sd: Floats
    rotation: Floats

    @property
    def proportion(self) -> Floats:
        """Share of the factor's variance, shape (l,); zero where the factor has no variance at all."""
        total = float((self.sd**2).sum())
        return self.sd**2 / total if total > 0 else np.zeros_like(self.sd)

    @property
    def rank(self) -> int:
        """Number of components that have any variance."""
        return int((self.proportion > NEGLIGIBLE).sum())


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class RePCA(Tabular):
    """Principal components of the random effects of every factor.

    ``to_frame()`` has the columns ``grp component sd proportion cumulative``, sd in units of sigma.

    Attributes
    ----------
    factors : tuple of Components
        In the order of the fit's grouping factors.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> fit.repca().to_frame().round(3)
           grp  component     sd  proportion  cumulative
    0  Subject          1  0.967       0.946       0.946
    1  Subject          2  0.231       0.054       1.000
    """

    factors: tuple[Components, ...]

    @property
    def rotation(self) -> dict[str, pd.DataFrame]:
        """Loadings per factor: effect x component."""
        import pandas as pd

        return {
            c.group: pd.DataFrame(c.rotation, index=list(c.cnames), columns=range(1, len(c.sd) + 1))
            for c in self.factors
        }

    @property
    def rows(self) -> list[tuple[str, int, float, float, float]]:
        """Factor, number of the component, sd, proportion, cumulative proportion."""
        return [
            (c.group, i + 1, float(c.sd[i]), float(c.proportion[i]), float(c.proportion[: i + 1].sum()))
            for c in self.factors
            for i in range(len(c.sd))
        ]

    @property
    def _table(self) -> ResultTable:
        groups, numbers, sds, proportions, totals = zip(*self.rows, strict=True)
        share = NumberFormat("correlation", 4)
        fields = (
            row_labels("Groups", groups, "grp", is_index=False),
            Field("component", "Component", numbers, NumberFormat("plain", 5)),
            Field("sd", "Std.Dev.", sds, NumberFormat("significant", 4)),
            Field("proportion", "Proportion", proportions, share),
            Field("cumulative", "Cumulative", totals, share),
        )
        notes = ["standard deviations are relative to sigma"]
        for c in self.factors:
            if c.rank == 0:
                notes.append(f"{c.group}: no variance, so no component; its proportions are zero")
            elif c.rank < len(c.sd):
                notes.append(
                    f"{c.group}: {len(c.sd)} effects vary in {c.rank} direction{'s' if c.rank > 1 else ''} only"
                )
        return ResultTable("repca", fields, notes=tuple(notes))


def repca(fit: Fit) -> RePCA:
    """Return the principal components of lambda per grouping factor, terms on one factor side by side."""
    lambdas = [term.lam for term in fit.varcorr]
    found = []
    for group, indices in fit.design.factors.items():
        l = sum(len(lambdas[i]) for i in indices)
        lam, at = np.zeros((l, l)), 0
        for i in indices:
            step = len(lambdas[i])
            lam[at : at + step, at : at + step] = lambdas[i]
            at += step
        rotation, sd, _ = np.linalg.svd(lam)
        largest = np.abs(rotation).argmax(axis=0)
        rotation = rotation * np.where(rotation[largest, np.arange(l)] < 0, -1.0, 1.0)
        cnames = tuple(name for i in indices for name in fit.design.blocks[i].cnames)
        found.append(Components(group, cnames, sd, rotation))
    return RePCA(tuple(found))

"""The analysis-of-variance table of the fixed effects, as lmerTest's ``anova(fit)``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmmtools.errors import DataError
from lmmtools.inference.contrasts import FTest, joint_test
from lmmtools.inference.degrees import check_ddf
from lmmtools.inference.hypotheses import AnovaType, read_type, term_hypotheses
from lmmtools.report.printable import Printable
from lmmtools.report.rformat import significance_stars
from lmmtools.report.table import Column, Document, NumberFormat, Prose, Table

if TYPE_CHECKING:
    import pandas as pd

    from lmmtools.fit.record import Fit
    from lmmtools.inference.degrees import DDF

__all__ = ["AnovaTable", "anova_table"]

DIGITS = 5
ROMAN = {1: "I", 2: "II", 3: "III"}
METHODS = {
    "satterthwaite": "Satterthwaite's method",
    "kenward-roger": "Kenward-Roger's method",
    "residual": "residual degrees of freedom",
    "z": "the chi-squared distribution",
}


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class AnovaTable(Printable):
    """An F test of each term of the fixed part.

    Attributes
    ----------
    terms : tuple of str
    tests : tuple of FTest
        In the order of the terms.
    contrasts : tuple of ndarray, each (num_df, p)
        The hypotheses: contrasts of the fixed effects that are zero.
    type : {1, 2, 3}
    ddf : str
    """

    terms: tuple[str, ...]
    tests: tuple[FTest, ...]
    contrasts: tuple[object, ...]
    type: AnovaType
    ddf: DDF

    def to_frame(self) -> pd.DataFrame:
        """Return columns ``sum_sq mean_sq num_df den_df F p``, a row per term."""
        import pandas as pd

        names = ["sum_sq", "mean_sq", "num_df", "den_df", "F", "p"]
        rows = [[getattr(test, name) for name in names] for test in self.tests]
        return pd.DataFrame(rows, index=list(self.terms), columns=names, dtype=float)

    @property
    def document(self) -> Document:
        """The table, unrounded."""
        number = NumberFormat("zapped", DIGITS)
        columns = (
            Column("", is_label=True),
            Column("Sum Sq", number, "right"),
            Column("Mean Sq", number, "right"),
            Column("NumDF", number, "right"),
            Column("DenDF", number, "right"),
            Column("F value", NumberFormat("statistic", DIGITS), "right"),
            Column("Pr(>F)", NumberFormat("pvalue", DIGITS - 1), "right"),
            Column(""),
        )
        stars = significance_stars([t.p for t in self.tests])
        rows = tuple(
            (name, t.sum_sq, t.mean_sq, t.num_df, t.den_df, t.F, t.p, star)
            for name, t, star in zip(self.terms, self.tests, stars, strict=True)
        )
        notes = dict.fromkeys(note for t in self.tests for note in t.notes)
        title = f"Type {ROMAN[self.type]} Analysis of Variance Table with {METHODS[self.ddf]}"
        return Document(title, (Table("anova", "", columns, rows), Prose("notes", tuple(notes))))


def anova_table(fit: Fit, type: object = 3, ddf: str = "satterthwaite") -> AnovaTable:
    """Return an F test of each term of the fixed part; see :meth:`LMMResults.anova`."""
    kind, method = read_type(type), check_ddf(ddf)
    hypotheses = term_hypotheses(fit.design, kind)
    if not hypotheses:
        raise DataError("the fixed part has no term beside the constant, so that there is nothing to test")
    tests = tuple(joint_test(fit, L, None, method) for _, L in hypotheses)
    return AnovaTable(tuple(n for n, _ in hypotheses), tests, tuple(L for _, L in hypotheses), kind, method)

"""The analysis-of-variance table of the fixed effects, as lmerTest's ``anova(fit)``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmmtools.errors import DataError
from lmmtools.inference.contrasts import FTest, f_fields, joint_test
from lmmtools.inference.degrees import check_ddf
from lmmtools.inference.hypotheses import AnovaType, read_type, term_hypotheses
from lmmtools.report.result_table import ResultTable, Tabular, pick, row_labels, stars
from lmmtools.report.table import NumberFormat

if TYPE_CHECKING:
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
class AnovaTable(Tabular):
    """An F test of each term of the fixed part.

    ``to_frame()`` has the columns ``sum_sq mean_sq num_df den_df F p``, a row per term.

    Attributes
    ----------
    terms : tuple of str
    tests : tuple of FTest
        In the order of the terms.
    contrasts : tuple of ndarray, each (num_df, p)
        The hypotheses: contrasts of the fixed effects that are zero.
    type : {1, 2, 3}
    ddf : str

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool")).fit(engine="pls")
    >>> fit.anova().to_frame().round(3)
          sum_sq  mean_sq  num_df  den_df       F    p
    Type  81.194   27.065     3.0    24.0  22.356  0.0
    """

    terms: tuple[str, ...]
    tests: tuple[FTest, ...]
    contrasts: tuple[object, ...]
    type: AnovaType
    ddf: DDF

    @property
    def _table(self) -> ResultTable:
        notes = dict.fromkeys(note for t in self.tests for note in t.notes)
        return ResultTable(
            "anova",
            (
                row_labels("", self.terms),
                *f_fields(self.tests, NumberFormat("zapped", DIGITS), DIGITS),
                stars(pick(self.tests, "p")),
            ),
            f"Type {ROMAN[self.type]} Analysis of Variance Table with {METHODS[self.ddf]}",
            tuple(notes),
        )


def anova_table(fit: Fit, type: object = 3, ddf: str = "satterthwaite") -> AnovaTable:
    """Return an F test of each term of the fixed part; see :meth:`LMMResults.anova`."""
    kind, method = read_type(type), check_ddf(ddf)
    hypotheses = term_hypotheses(fit.design, kind)
    if not hypotheses:
        raise DataError("the fixed part has no term beside the constant, so that there is nothing to test")
    tests = tuple(joint_test(fit, L, None, method) for _, L in hypotheses)
    return AnovaTable(tuple(n for n, _ in hypotheses), tests, tuple(L for _, L in hypotheses), kind, method)

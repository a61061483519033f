"""``Finding``: a fault or remark with its severity and cure; and the findings about the factors of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lmmtools.design.remarks import remark_on_labels

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmmtools.design.factors import FactorCounts
    from lmmtools.design.relations import Pair


__all__ = ["Finding", "Severity", "find_structure_findings"]

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding about data or a model.

    Attributes
    ----------
    code : str
        Short name, stable between versions (``"labels-reused"``).
    severity : {"error", "warning", "info"}
        Error: a model with this cannot be right; warning: probably another model was meant; info: worth knowing.
    message : str
        What was found, naming the column, level or term.
    cure : str
        What to do or to write instead.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> data = lmt.datasets.load("Penicillin")
    >>> report = lmt.lint("diameter ~ 1", groups="plate", vc_formula={"sample": "0 + C(sample)"}, data=data)
    >>> report.findings[0].code
    'crossed-inside'
    """

    code: str
    severity: Severity
    message: str
    cure: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.message} {self.cure}".rstrip()


def find_structure_findings(
    factors: Sequence[FactorCounts], pairs: Sequence[Pair], n_rows: int, n_missing: int
) -> tuple[Finding, ...]:
    """Return the findings about factors: rows lost, then those of each factor, then those of each pair."""
    found: list[Finding] = []
    if n_missing:
        found.append(
            Finding(
                "missing-values",
                "info",
                f"{n_missing} of {n_rows + n_missing} rows have no value in some factor and are left out here.",
                "A model leaves them out too; give them a level of their own if being missing means something.",
            )
        )
    for factor in factors:
        found.extend(_factor_findings(factor, n_rows))
        for text in remark_on_labels(factor.name, factor.levels):
            sentence, _, cure = text.partition(". ")
            found.append(Finding("labels-alike", "warning", f"{sentence[0].upper()}{sentence[1:]}.", f"{cure}."))
    for pair in pairs:
        found.extend(_pair_findings(pair))
    return tuple(found)


def _factor_findings(factor: FactorCounts, n_rows: int) -> Iterator[Finding]:
    """Yield the findings about one factor: one level only, or as many levels as rows."""
    if factor.m == 1:
        yield Finding(
            "one-level",
            "error",
            f"{factor.name} has one level only, {factor.levels[0]!s}.",
            "It says nothing about how levels vary: leave it out of the model.",
        )
    elif factor.m == n_rows:
        yield Finding(
            "level-per-row",
            "error",
            f"{factor.name} has as many levels as there are rows, {n_rows}.",
            f"Without weights, the variance of (1 | {factor.name}) cannot be told from the residual variance: leave it "
            "out of the model.",
        )


def _pair_findings(pair: Pair) -> Iterator[Finding]:
    """Yield the findings about two factors: equal partitions, or labels that are reused."""
    if pair.relation == "equivalent" and len(pair.a_levels) > 1:
        yield Finding(
            "equivalent",
            "warning",
            f"{pair.a} and {pair.b} split the rows alike: each level of the one is a level of the other.",
            "Their variances cannot be told apart: keep one of the two.",
        )
    if pair.relation == "implicitly nested" and pair.reuse is not None:
        reuse = pair.reuse
        yield Finding(
            "labels-reused",
            "warning",
            f"The labels of {reuse.inner} occur in several levels of {reuse.outer}. {reuse.evidence}",
            f"If {reuse.condition}, the labels are reused: "
            f"write nested({reuse.outer!r}, {reuse.inner!r}), that is (1 | {reuse.outer}/{reuse.inner}).",
        )

"""Variances that the data do not identify."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.design.findings import Finding
from lmmtools.formula.notation import write_comment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmmtools.linting.case import Case

__all__ = ["check"]


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each component with as many levels as rows, and for each pair that is one."""
    reading = case.reading
    if reading is None:
        return
    for component in reading.components:
        if component.pieces and component.is_residual:
            yield Finding(
                "one-row-per-level",
                "error",
                f"{component.name} is {component.lme4} with one row for each of its {component.m} levels: its variance "
                "and the residual's cannot be told apart, only their sum is identified. What MixedLM reports for the "
                "two is where its optimiser happened to stop.",
                write_comment(f"Leave {component.name} out, or declare the coarser factor that was meant."),
            )
        elif component.pieces and component.m >= reading.n:
            yield Finding(
                "levels-not-below-rows",
                "error",
                f"{component.lme4} has {component.m} levels for {reading.n} rows; lme4's checks refuse such a "
                "term, whose variance is told from the residual variance only where the rows differ in their effects.",
                "# Use a coarser factor, or leave the term out.",
            )
    for first, second in reading.confounded:
        if second != "Residual":
            yield Finding(
                "same-component",
                "error",
                f"{first} and {second} are the same random effects twice: only the sum of their variances is known.",
                write_comment(f"Leave one of the two out: {second} adds nothing to {first}."),
            )

"""Variances that the data do not identify."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.design.findings import Finding
from lmmtools.formula.notation import write_comment
from lmmtools.linting.call import read_side
from lmmtools.sentences import join_with_and

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmmtools.linting.case import Case

__all__ = ["check"]


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each component with as many levels as rows, and for each pair that is one."""
    reading = case.reading
    if reading is None:
        yield from _from_text(case)
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
        for name in sorted({":".join(p.term.factors) for p in component.pieces if p.m == 1 and component.is_exact}):
            yield _describe_one_level(component.name, name, any(c.source == "vc" for c in reading.components))
    for first, second in reading.confounded:
        if second != "Residual":
            yield Finding(
                "same-component",
                "error",
                f"{first} and {second} are the same random effects twice: only the sum of their variances is known.",
                write_comment(f"Leave one of the two out: {second} adds nothing to {first}."),
            )


def _describe_one_level(component: str, factor: str, has_components: bool) -> Finding:
    return Finding(
        "one-level",
        "warning",
        f"{component} has a random effect of {factor}, which has one level: there is no variance between levels to "
        "estimate. The fixed effects take the effect; the variance is where the optimiser stopped.",
        "# Leave re_formula out: one group that holds all rows has no effect of its own."
        if has_components
        else 'groups="..."  # a column with several levels; without one, there is no mixed model',
    )


def _from_text(case: Case) -> Iterator[Finding]:
    """Yield a finding for each pair of terms that is one, as the groups are made of a component's columns."""
    call = case.call
    if call is None or call.api == "arrays" or not call.shows("re_formula", "vc_formula"):
        return
    if call.api == "formula" and call.is_one_group and (call.re_formula is not None or not call.vc_formula):
        yield _describe_one_level("The call", "the groups", bool(call.vc_formula))
    if call.groups is None and not call.is_one_group:
        return
    group = "all rows" if call.groups is None or call.is_one_group else call.groups
    own = {group, *call.made_of.get(group, ())}
    seen: dict[tuple[frozenset[str], tuple[str, ...]], str] = {}
    side = read_side(call.re_formula) if call.re_formula is not None else None
    if not call.is_one_group and side is not None and side.intercept:
        seen[frozenset(), ()] = "re_formula"
    for component in call.components:
        side = component.side
        if side is None or len(side.parts) + side.intercept != 1:
            continue
        labels = frozenset(call.labels_of(component)) - (set() if call.is_one_group else own)
        slopes = tuple(sorted(v for p in side.parts for v in p.variables if not call.is_labels(v)))
        first = seen.setdefault((labels, slopes), component.name)
        if first != component.name:
            yield _describe_pair(first, component.name, group, own - {group})


def _describe_pair(first: str, second: str, group: str, parts: set[str]) -> Finding:
    made = f" {group} is made of {join_with_and(sorted(parts))}, so that each {group} has one of each." if parts else ""
    return Finding(
        "same-component",
        "error",
        f"{first} and {second} are the same random effects twice, within {group}.{made} Only the sum of their "
        "variances is known; the data cannot tell how much is whose.",
        write_comment(
            f"Leave {second} out; or, if it was meant across {group}, put all rows into one group and declare each "
            "factor a component."
        ),
    )

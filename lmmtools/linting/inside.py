"""Factors that MixedLM takes within its groups: what their author meant, as far as data can tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lmmtools import core
from lmmtools.design.build import build_design
from lmmtools.engines import pls
from lmmtools.errors import LmmError
from lmmtools.formula.parser import parse
from lmmtools.formula.terms import RandomTerm
from lmmtools.report.factors.structure import structure

if TYPE_CHECKING:
    import pandas as pd

    from lmmtools.engines.mixedlm.reading import Component, MixedLMReading
    from lmmtools.linting.case import Case

__all__ = ["Verdict", "judge_inside", "lowest_criterion", "reading_terms"]

# Half a chi-square with one degree of freedom exceeds this once in twenty: a variance on its boundary.
SIGNIFICANT = 2.71
# Fits to look at are made up to so many rows.
MAX_ROWS = 200_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a factor inside the groups is.

    Attributes
    ----------
    kind : {"crossed", "reused", "interaction", "unknown"}
        ``"crossed"``: its levels mean the same in all groups; ``"reused"``: its labels are reused, so that each group
        has its own; ``"interaction"``: its levels are fixed effects, so that only their combination with the groups is
        left to be random.
    evidence : str
        Why, as a sentence.
    """

    kind: Literal["crossed", "reused", "interaction", "unknown"]
    evidence: str = ""


def judge_inside(case: Case, component: Component) -> Verdict:
    """Return what a component is whose factor occurs in several groups (``component.is_crossed_inside``)."""
    reading = case.reading
    assert reading is not None
    factors, frame = component.factors, reading.frame
    if set(factors) <= case.fixed_columns:
        return Verdict("interaction")
    is_lost = component.is_residual
    if frame is None or not set(factors) <= set(frame.columns):
        return Verdict("crossed" if is_lost else "unknown")
    if is_lost:
        return Verdict("crossed")
    reuse = _reuse(reading, frame, factors)
    if reuse:
        return Verdict("reused", reuse)
    others = [t for t in reading_terms(reading) if t.factors != component.piece.term.factors]
    inside = [*others, component.piece.term]
    with_main = lowest_criterion(case, [*inside, RandomTerm(True, (), factors)])
    without = lowest_criterion(case, inside)
    name = ":".join(factors)
    if with_main is None or without is None:
        return Verdict("unknown")
    if without - with_main > SIGNIFICANT:
        return Verdict(
            "crossed",
            f"A variance for {name} itself lowers the criterion from {without:.4f} to {with_main:.4f}: its levels mean "
            f"something across {reading.group}.",
        )
    return Verdict(
        "reused",
        f"A variance for {name} itself does not lower the criterion {without:.4f} by more than "
        f"{max(0.0, without - with_main):.2g}: as far as the data tell, equal labels have nothing in common.",
    )


def _reuse(reading: MixedLMReading, frame: pd.DataFrame, factors: tuple[str, ...]) -> str:
    """Return what suggests that labels are reused in each group; empty if nothing does strongly."""
    own = frame.reset_index(drop=True)
    group = reading.group
    if group not in own.columns:
        group = "the groups"
        own = own.assign(**{group: reading.groups})
    if group in factors:
        return ""
    try:
        pair = structure(own, [(group,), factors]).pairs[0]
    except LmmError:
        return ""
    is_reused = pair.reuse is not None and pair.reuse.is_strong and pair.inner == ":".join(factors)
    return pair.reuse.evidence if is_reused and pair.reuse is not None else ""


def reading_terms(reading: MixedLMReading) -> list[RandomTerm]:
    """Return the terms that a model really has, each once."""
    return list(dict.fromkeys(p.term for c in reading.components for p in c.pieces if p.m > 1))


def lowest_criterion(case: Case, terms: list[RandomTerm]) -> float | None:
    """Return the lowest criterion of the case's fixed effects with other random effects; None if there is none."""
    frame = case.reading.frame if case.reading is not None else case.frame
    if frame is None or len(frame) > MAX_ROWS:
        return None
    try:
        formula = parse(f"{case.response} ~ {case.fixed_text} + {' + '.join(map(str, terms))}")
        problem = core.prepare(build_design(formula, frame))
        return float(pls.fit_problem(problem, reml=case.reml).objective)
    except (LmmError, KeyError, ValueError, TypeError):
        return None

"""Factors that are crossed with the groups and declared inside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lmmtools.design.findings import Finding
from lmmtools.errors import LmmError
from lmmtools.formula.terms import RandomTerm
from lmmtools.linting.alternatives import BOUNDARY_5_PERCENT, lowest_criterion, reading_terms, write_model
from lmmtools.report.factors.structure import structure

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from lmmtools.engines.mixedlm.reading import Component, MixedLMReading
    from lmmtools.linting.case import Case

__all__ = ["check"]


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for every factor that crosses the groups it is declared in."""
    if case.reading is not None:
        inside = [c for c in case.reading.components if c.is_crossed_inside]
        crossed = {c.factors for c in inside if _judge_inside(case, c).kind == "crossed"}
        for component in inside:
            yield from _describe(case, component, crossed)
    elif case.call is not None:
        yield from _from_text(case)


def _describe(case: Case, component: Component, crossed: set[tuple[str, ...]]) -> Iterator[Finding]:
    reading, name = case.reading, ":".join(component.factors)
    assert reading is not None
    verdict = _judge_inside(case, component)
    really = component.lme4
    start = f"{name} is declared inside {reading.group}, so that the model has {really}"
    if verdict.kind == "crossed":
        terms, then = _choose_crossed(case, crossed)
        both = " and their interaction" if any(component.piece.term.factors == t.factors for t in terms) else ""
        gain = f" With the two crossed{both} the lowest criterion is {then:.4f}." if then is not None else ""
        yield Finding(
            "crossed-inside",
            "error",
            f"{name} is crossed with {reading.group}, declared inside it: the model has {really}, in which a level of "
            f"{name} in one {reading.group} has nothing to do with the same level in another."
            f"{_after(verdict.evidence)}{gain}",
            "# One group for all rows, each factor a variance component:\n" + write_model(case, terms),
        )
    elif verdict.kind == "reused":
        has_intercept = any(t.factors == (reading.group,) and t.intercept for t in reading_terms(reading))
        missing = "" if has_intercept else f" But {reading.group} itself has no intercept here."
        yield Finding(
            "nested-by-labels",
            "info",
            f"{start}: right, because the labels of {name} are reused in every {reading.group}. {verdict.evidence} "
            f"It is right by luck: were one {name} meant in several levels of {reading.group}, nothing would say so."
            f"{missing}",
            f"In lme4's notation the model is {reading.formula}.",
        )
    elif verdict.kind == "unknown":
        yield Finding(
            "factor-inside",
            "info",
            f"{start}. This is right if equal labels of {name} in several levels of {reading.group} mean different "
            "things, wrong if they mean the same.",
            f"# If they mean the same:\n{write_model(case, _with_main_effects(case, {component.factors}))}",
        )


@dataclass(frozen=True, slots=True)
class _Verdict:
    """How a factor inside the groups relates to them.

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


def _judge_inside(case: Case, component: Component) -> _Verdict:
    """Return what a component is of which levels occur in several groups (``component.is_crossed_inside``)."""
    reading = case.reading
    assert reading is not None
    factors, frame = component.factors, reading.frame
    if set(factors) <= case.fixed_columns:
        return _Verdict("interaction")
    is_lost = component.is_residual
    if frame is None or not set(factors) <= set(frame.columns):
        return _Verdict("crossed" if is_lost else "unknown")
    if is_lost:
        return _Verdict("crossed")
    reuse = _describe_reuse(reading, frame, factors)
    if reuse:
        return _Verdict("reused", reuse)
    others = [t for t in reading_terms(reading) if t.factors != component.piece.term.factors]
    inside = [*others, component.piece.term]
    with_main = lowest_criterion(case, [*inside, RandomTerm(True, (), factors)])
    without = lowest_criterion(case, inside)
    name = ":".join(factors)
    if with_main is None or without is None:
        return _Verdict("unknown")
    if without - with_main > BOUNDARY_5_PERCENT:
        return _Verdict(
            "crossed",
            f"A variance for {name} itself lowers the criterion from {without:.4f} to {with_main:.4f}: its levels mean "
            f"something across {reading.group}.",
        )
    return _Verdict(
        "reused",
        f"A variance for {name} itself does not lower the criterion {without:.4f} by more than "
        f"{max(0.0, without - with_main):.2g}: as far as the data tell, equal labels have nothing in common.",
    )


def _describe_reuse(reading: MixedLMReading, frame: pd.DataFrame, factors: tuple[str, ...]) -> str:
    """Return the evidence that labels are reused in each group; empty if there is no strong evidence."""
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


def _after(evidence: str) -> str:
    return f" {evidence}" if evidence else ""


def _choose_crossed(case: Case, crossed: set[tuple[str, ...]]) -> tuple[list[RandomTerm], float | None]:
    """Return the terms that the author of a model meant with its crossed factors, and their lowest criterion.

    The crossed factors stand beside the groups, which keep their effects. What the model has, the levels of a factor
    within the groups, stays as an interaction where the data ask for it: the criterion is never above the model's own.
    """
    terms = _with_main_effects(case, crossed)
    reading = case.reading
    assert reading is not None
    inside = [c.piece.term for c in reading.components if c.factors in crossed and not c.is_residual]
    now, alone = lowest_criterion(case, reading_terms(reading)), lowest_criterion(case, terms)
    if not inside:
        return terms, alone
    with_inside = list(dict.fromkeys([*terms, *inside]))
    then = lowest_criterion(case, with_inside)
    is_enough = alone is not None and (then is None or alone - then <= BOUNDARY_5_PERCENT)
    if alone is not None and is_enough and (now is None or alone <= now):
        return terms, alone
    return with_inside, then


def _with_main_effects(case: Case, crossed: set[tuple[str, ...]]) -> list[RandomTerm]:
    """Return the terms of the model, with the crossed factors outside the groups, and the groups' own intercept."""
    reading = case.reading
    assert reading is not None
    terms: dict[RandomTerm, None] = {}
    if reading.n_groups > 1 and not any(t.factors == (reading.group,) for t in reading_terms(reading)):
        terms[RandomTerm(True, (), (reading.group,))] = None
    for component in reading.components:
        for piece in component.pieces:
            old = piece.term
            is_out = component.factors in crossed
            term = RandomTerm(old.intercept, old.variables, component.factors) if is_out else old
            if piece.m > 1 or is_out:
                terms[term] = None
    return sorted(terms, key=lambda t: len(t.factors))


def _from_text(case: Case) -> Iterator[Finding]:
    call = case.call
    if call is None or call.groups is None or call.is_one_group or call.api != "formula":
        return
    own = {call.groups, *call.made_of.get(call.groups, ())}
    for component in call.components:
        factors = call.labels_of(component) if component.side is not None else ()
        if not set(factors) <= own:
            name = ":".join(f for f in factors if f not in own)
            yield Finding(
                "factor-inside",
                "info",
                f"{name} is declared inside {call.groups}: the model has (1|{call.groups}:{name}). This is right if "
                f"equal labels of {name} in several levels of {call.groups} mean different things (nested), and wrong "
                "if they mean the same (crossed).",
                "With the data at hand lint can tell: lmmtools lint SCRIPT --data FILE, or lmt.lint(model).",
            )

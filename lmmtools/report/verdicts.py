"""What a difference between two fits means, in one phrase for a row and in sentences for the whole."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from lmmtools.printout.number import rounding_of
from lmmtools.report.effect_labels import group_key, match_key
from lmmtools.sentences import join_with_and

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lmmtools.report.comparison_column import ComparisonColumn

__all__ = ["LOOSER", "SAME", "Verdict", "explain", "is_recoded", "is_same_number", "judge_pair"]

Verdict = Literal[
    "same to the digits shown", "same optimum, looser convergence", "different optimum", "different model"
]
SAME: Verdict = "same to the digits shown"
LOOSER: Verdict = "same optimum, looser convergence"
OTHER_OPTIMUM: Verdict = "different optimum"
OTHER_MODEL: Verdict = "different model"

# A hundredth of a unit of the criterion is a likelihood ratio of 1.005: optimisers that end closer found one place.
CRITERION_TOL = 1e-2
# One unit of the sixth significant digit: what two fits of one optimum may differ by when one number is rounded up.
SAME_REL = 1e-6
# Variances that agree to this are those of one model, whatever its fixed effects are called.
RECODED = 1e-4
# Rounding makes a criterion uncertain by about this much, relatively; a smaller difference says nothing.
CRITERION_NOISE = 1e-10


def is_same_number(value: float | None, reference: float | None, scale: float = 0.0) -> bool:
    """Whether two numbers are the same but for rounding, at the size of the reference or ``scale``.

    A number that was read from a printout is the same as any that rounds to it.
    """
    if value is None or reference is None:
        return value is None and reference is None
    if math.isnan(value) or math.isnan(reference):
        return math.isnan(value) and math.isnan(reference)
    return abs(value - reference) <= SAME_REL * max(abs(reference), scale) + rounding_of(value) + rounding_of(reference)


def judge_pair(column: ComparisonColumn, reference: ComparisonColumn) -> Verdict:
    """Return what numbers that differ between two columns mean."""
    if _are_different_models(column, reference):
        return OTHER_MODEL
    return (
        LOOSER
        if abs(column.criterion - reference.criterion) < CRITERION_TOL + _rounding(column, reference)
        else OTHER_OPTIMUM
    )


def _rounding(column: ComparisonColumn, reference: ComparisonColumn) -> float:
    """How far the difference of two criteria may be from what was printed of them."""
    return rounding_of(column.criterion) + rounding_of(reference.criterion)


def _are_different_models(column: ComparisonColumn, reference: ComparisonColumn) -> bool:
    if column.reml != reference.reml or _differ(column.nobs, reference.nobs):
        return True
    if set(map(match_key, column.fixef)) != set(map(match_key, reference.fixef)):
        return True
    if column.is_ols or reference.is_ols:
        # With all variances at zero, the mixed model is the linear model.
        return abs(column.criterion - reference.criterion) >= CRITERION_TOL + _rounding(column, reference)
    return any(
        set(map(group_key, one)) != set(map(group_key, other))
        for one, other in (
            (column.variances, reference.variances),
            (column.correlations, reference.correlations),
        )
    )


def _differ(a: int | None, b: int | None) -> bool:
    return a is not None and b is not None and a != b


def explain(columns: Sequence[ComparisonColumn], verdicts: Sequence[Verdict | Literal[""]]) -> tuple[str, ...]:
    """Return why columns differ from the first, or that they do not; ``verdicts`` has one for each of the others."""
    reference = columns[0]
    sentences: list[str] = []
    for column, verdict in zip(columns[1:], verdicts, strict=True):
        sentences.extend(_explain_pair(column, reference, verdict))
    sentences.extend(_boundary_sentences(columns))
    sentences.extend(
        f"{c.name} does not claim to be an optimum: it did not converge." for c in columns if c.converged is False
    )
    if not sentences or all(v == SAME for v in verdicts):
        sentences.insert(0, f"{join_with_and([c.name for c in columns])} agree to the digits shown.")
    return tuple(sentences)


def _explain_pair(
    column: ComparisonColumn, reference: ComparisonColumn, verdict: Verdict | Literal[""]
) -> Iterator[str]:
    a, b = reference.name, column.name
    if column.reml != reference.reml:
        ml, reml = (b, a) if reference.reml else (a, b)
        yield (
            f"{reml} is fitted by REML and {ml} by maximum likelihood: their criteria are not comparable, and ML "
            "variances are smaller because they do not pay for the fixed effects. Fit both the same way."
        )
    if _differ(column.nobs, reference.nobs):
        lost = "; ".join(f"{c.name}: {c.lost}" for c in (reference, column) if c.lost)
        why = lost or "missing values?"
        yield f"{a} used {reference.nobs} rows and {b} {column.nobs}: not the same data ({why})."
    if is_recoded(column, reference):
        yield _recoded_sentence(column, reference)
        return
    yield from _formula_sentence(column, reference)
    yield from _missing_terms(column, reference)
    if verdict != OTHER_MODEL or not _are_different_models(column, reference):
        yield from _scale_sentence(column, reference)
    if column.is_ols or reference.is_ols:
        yield _ols_sentence(column, reference)
        return
    gap = column.criterion - reference.criterion
    worse, better = (b, a) if gap > 0 else (a, b)
    if verdict == LOOSER and abs(gap) <= _rounding(column, reference):
        yield (
            f"{b} and {a} have the same criterion as far as it is printed; numbers that differ by more than their last "
            "digit mean that an optimiser stopped early."
        )
    elif verdict == LOOSER and abs(gap) <= CRITERION_NOISE * max(1.0, abs(reference.criterion)):
        yield f"{b} and {a} have the same criterion, which is too flat here to fix the other numbers further."
    elif verdict == LOOSER:
        yield (
            f"{b} and {a} found the same optimum, but the optimiser of {worse} stopped early: its criterion is higher "
            f"by {abs(gap):.2g}."
        )
    elif verdict == OTHER_OPTIMUM:
        yield (
            f"The criterion of {worse} is higher than that of {better} by {abs(gap):.4g}, and lower is better: "
            f"{worse} stopped away from the optimum, or is not the model that its labels say."
        )


def is_recoded(column: ComparisonColumn, reference: ComparisonColumn) -> bool:
    """Whether two fits are one model whose fixed effects have other contrasts, another reference level or other units.

    Variances and sigma do not depend on the coding of X; the fixed effects do.
    """
    if column.is_ols or reference.is_ols or column.reml != reference.reml or _differ(column.nobs, reference.nobs):
        return False
    if len(column.fixef) != len(reference.fixef) or not _same_values(column.variances, reference.variances, RECODED):
        return False
    if not _same_values(column.correlations, reference.correlations, RECODED):
        return False
    sigma_gap = abs(column.sigma - reference.sigma)
    if sigma_gap > RECODED * reference.sigma + rounding_of(column.sigma) + rounding_of(reference.sigma):
        return False
    names = set(map(match_key, column.fixef)), set(map(match_key, reference.fixef))
    if names[0] != names[1]:
        # Under ML the criterion does not depend on the coding either.
        return column.reml or judge_gap(column, reference) < CRITERION_TOL
    gap = judge_gap(column, reference)
    is_gap_of_coding = gap > CRITERION_TOL if column.reml else gap < CRITERION_TOL
    return is_gap_of_coding and not _are_same_effects(column, reference)


def judge_gap(column: ComparisonColumn, reference: ComparisonColumn) -> float:
    """Return how far two criteria differ beyond what was printed of them."""
    return max(0.0, abs(column.criterion - reference.criterion) - _rounding(column, reference))


def _same_values(
    one: Mapping[str, float], other: Mapping[str, float], rel: float, key: Callable[[str], str] = group_key
) -> bool:
    mine, theirs = ({key(k): v for k, v in table.items()} for table in (one, other))
    if set(mine) != set(theirs):
        return False
    return all(
        abs(v - theirs[k]) <= rel * max(abs(v), abs(theirs[k])) + rounding_of(v) + rounding_of(theirs[k])
        for k, v in mine.items()
    )


def _are_same_effects(column: ComparisonColumn, reference: ComparisonColumn) -> bool:
    """Whether the fixed effects agree to a small share of their standard errors."""
    theirs = {match_key(k): v for k, v in reference.fixef.items()}
    errors = {match_key(k): v for k, v in reference.std_errors.items()}
    for label, value in column.fixef.items():
        other = theirs[match_key(label)]
        slack = 0.05 * errors.get(match_key(label), abs(other)) + rounding_of(value) + rounding_of(other)
        if abs(value - other) > slack:
            return False
    return True


def _recoded_sentence(column: ComparisonColumn, reference: ComparisonColumn) -> str:
    gap = judge_gap(column, reference)
    criteria = (
        f" Under REML the criterion depends on the coding of X (by log|X'X|), hence the difference of {gap:.4g} in it."
        if column.reml and gap > CRITERION_TOL
        else ""
    )
    return (
        f"{column.name} codes the fixed effects otherwise than {reference.name}: other contrasts, another reference "
        "level, or other units of a column. Variances and residual are the same, so it is one model in other "
        f"coordinates.{criteria}"
    )


def _formula_sentence(column: ComparisonColumn, reference: ComparisonColumn) -> Iterator[str]:
    is_same = set(map(group_key, column.variances)) == set(map(group_key, reference.variances))
    if column.formula and reference.formula and not is_same and not (column.is_ols or reference.is_ols):
        yield f"Not the same model: {reference.name} is {reference.formula}, {column.name} is {column.formula}."


def _scale_sentence(column: ComparisonColumn, reference: ComparisonColumn) -> Iterator[str]:
    """Yield a sentence where all standard errors differ by one factor while the estimates agree."""
    mine = {match_key(k): v for k, v in column.std_errors.items()}
    theirs = {match_key(k): v for k, v in reference.std_errors.items()}
    common = [k for k in mine if theirs.get(k, 0.0) > 0 and mine[k] > 0]
    if not common or not _same_values(column.fixef, reference.fixef, 1e-4, match_key):
        return
    ratios = [mine[k] / theirs[k] for k in common]
    slack = max((rounding_of(mine[k]) / mine[k] + rounding_of(theirs[k]) / theirs[k]) for k in common)
    middle = math.exp(sum(map(math.log, ratios)) / len(ratios))
    if abs(middle - 1.0) <= 1e-3 + slack or any(abs(r / middle - 1.0) > 1e-3 + slack for r in ratios):
        return
    is_sigma = abs(middle * reference.sigma - 1.0) < 1e-2 or abs(middle / reference.sigma - 1.0) < 1e-2
    why = f" That is sigma ({reference.sigma:.4g}): one of the two leaves it out." if is_sigma else ""
    yield (
        f"The estimates agree, but all standard errors of {column.name} are {middle:.4g} times those of "
        f"{reference.name}: they are on another scale.{why}"
    )


def _missing_terms(column: ComparisonColumn, reference: ComparisonColumn) -> Iterator[str]:
    is_ols = column.is_ols or reference.is_ols
    for one, other in ((reference, column), (column, reference)):
        found: list[tuple[str, list[str]]] = [
            ("fixed effect", _only_in(one.fixef, other.fixef)),
            ("variance component", [] if is_ols else _only_in(one.variances, other.variances)),
            ("correlation", [] if is_ols else _only_in(one.correlations, other.correlations)),
        ]
        for what, labels in found:
            if labels:
                named = f"{what}{'s' if len(labels) > 1 else ''} {join_with_and(labels)}"
                yield f"{one.name} has the {named}, which {other.name} has not: another model."


def _only_in(one: Mapping[str, float], other: Mapping[str, float]) -> list[str]:
    there = {match_key(label) for label in other} | {group_key(label) for label in other}
    return [label for label in one if match_key(label) not in there and group_key(label) not in there]


def _ols_sentence(column: ComparisonColumn, reference: ComparisonColumn) -> str:
    ols, mixed = (column, reference) if column.is_ols else (reference, column)
    if column.reml != reference.reml:
        return f"{ols.name} is the linear model: {mixed.name} with the variances of all random effects at zero."
    gap = ols.criterion - mixed.criterion
    if abs(gap) < CRITERION_TOL + _rounding(column, reference):
        return f"With its variances at zero, {mixed.name} is the linear model: {ols.name} has the same criterion."
    return (
        f"{ols.name} is {mixed.name} with the variances of all random effects at zero; that makes the criterion worse "
        f"by {gap:.4g}."
    )


def _boundary_sentences(columns: Sequence[ComparisonColumn]) -> Iterator[str]:
    at = [c.name for c in columns if c.is_singular]
    inside = [c.name for c in columns if c.is_singular is False]
    if at and inside:
        yield (
            f"{join_with_and(at)} {'is' if len(at) == 1 else 'are'} at the boundary (singular), "
            f"{join_with_and(inside)} not: near a variance of zero or a correlation of one the "
            "criterion is flat, and some optimisers stop short."
        )
    elif at:
        yield f"{join_with_and(at)}: singular, with a variance at zero or effects that determine each other."

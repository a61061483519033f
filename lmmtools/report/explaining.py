"""Why columns of a comparison differ, or that they do not, in sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from lmmtools.printout.number import rounding_of
from lmmtools.report.comparison_column import MODEL_BASED
from lmmtools.report.effect_labels import match_key
from lmmtools.report.judging import CANNOT, DISAGREES, LOOSER, SAME, Verdict
from lmmtools.report.model_difference import judge_gap, same_values
from lmmtools.sentences import join_with_and

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmmtools.report.comparison_column import ComparisonColumn
    from lmmtools.report.judging import Judgement

__all__ = ["explain"]

CRITERION_TOL = 1e-2
# Rounding makes a criterion uncertain by about this much, relatively; a smaller difference says nothing.
CRITERION_NOISE = 1e-10
MOST_NAMED = 4


def explain(
    columns: Sequence[ComparisonColumn],
    judgements: Sequence[Judgement],
    verdicts: Sequence[Verdict | Literal[""]],
    disagreeing: Sequence[Sequence[str]],
) -> tuple[str, ...]:
    """Return why columns differ from the first, or that they do not.

    Parameters
    ----------
    columns : sequence of ComparisonColumn
    judgements, verdicts, disagreeing
        One for each column but the first: what is known of it, its worst verdict, the names of rows that disagree.
    """
    sentences: list[str] = []
    for judgement, verdict, names in zip(judgements, verdicts, disagreeing, strict=True):
        sentences.extend(_explain_pair(judgement, verdict, names))
    sentences.extend(_boundary_sentences(columns))
    sentences.extend(
        f"{c.name} does not claim to be an optimum: it did not converge." for c in columns if c.converged is False
    )
    if not sentences or all(v == SAME for v in verdicts):
        sentences.insert(0, f"{join_with_and([c.name for c in columns])} agree to the digits shown.")
    return tuple(dict.fromkeys(sentences))


def _explain_pair(j: Judgement, verdict: Verdict | Literal[""], names: Sequence[str]) -> Iterator[str]:
    column, reference = j.column, j.reference
    if j.is_coded:
        yield _recoded_sentence(column, reference)
    yield from j.reasons
    if not j.reasons and not j.is_coded:
        yield from _scale_sentence(column, reference)
    if column.error_kind != reference.error_kind:
        yield (
            f"The standard errors of {column.name} are {column.error_kind}, those of {reference.name} "
            f"{reference.error_kind}: these and what follows from them cannot be compared."
        )
    if column.is_ols != reference.is_ols and not j.reasons:
        ols, mixed = (column, reference) if column.is_ols else (reference, column)
        yield f"With its variances at zero, {mixed.name} is the linear model: {ols.name} has the same criterion."
    yield from _fault_sentences(j)
    if not j.reasons and not j.is_coded:
        yield from _convergence_sentences(j, verdict, names)


def _fault_sentences(j: Judgement) -> Iterator[str]:
    for (part, label), text in list(j.faults.items())[:MOST_NAMED]:
        whose = j.column.name if (part, label) in j.own else j.reference.name
        yield f"{part}{', ' if label else ''}{label} of {whose} contradicts its other numbers: {text}."


def _convergence_sentences(j: Judgement, verdict: Verdict | Literal[""], names: Sequence[str]) -> Iterator[str]:
    a, b = j.reference.name, j.column.name
    gap = j.column.criterion - j.reference.criterion
    worse, better = (b, a) if gap > 0 else (a, b)
    rounding = rounding_of(j.column.criterion) + rounding_of(j.reference.criterion)
    if not j.is_near:
        yield (
            f"The criterion of {worse} is higher than that of {better} by {abs(gap):.4g}, and lower is better: "
            f"{worse} stopped short of the optimum, or is not the model that its labels say."
        )
        return
    if verdict == DISAGREES and not j.faults:
        named = join_with_and([*names[:MOST_NAMED], *(["others"] if len(names) > MOST_NAMED else [])])
        yield (
            f"{named} of {b}: further from {a} than the criteria allow, which lie within {j.gap:.2g} of the optimum. "
            "No optimiser that stopped early explains that."
        )
    elif verdict == LOOSER:
        kind = (
            "each bound follows from the curvature of the criterion"
            if j.reach is not None
            else "the bounds are rough, from standard errors and numbers of groups: no fit here can be asked"
        )
        if abs(gap) <= rounding:
            yield (
                f"{b} and {a} have the same criterion as far as it is printed; numbers that differ by more than their "
                f"last digit lie within what that leaves open ({kind})."
            )
        elif abs(gap) <= CRITERION_NOISE * max(1.0, abs(j.reference.criterion)):
            yield f"{b} and {a} have the same criterion, which is too flat here to fix the other numbers further."
        else:
            yield (
                f"{b} and {a} found the same optimum, but the optimiser of {worse} stopped early: its criterion is "
                f"higher by {abs(gap):.2g}, which lets each number lie within its bound ({kind})."
            )
    elif verdict == CANNOT and j.column.error_kind == j.reference.error_kind == MODEL_BASED:
        yield f"What is known of {b} and {a} does not tell how far some of their numbers may lie apart."


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


def _scale_sentence(column: ComparisonColumn, reference: ComparisonColumn) -> Iterator[str]:
    """Yield a sentence where all standard errors differ by one factor while the estimates agree."""
    mine = {match_key(k): v for k, v in column.std_errors.items()}
    theirs = {match_key(k): v for k, v in reference.std_errors.items()}
    common = [k for k in mine if theirs.get(k, 0.0) > 0 and mine[k] > 0]
    if not common or not same_values(column.fixef, reference.fixef, 1e-4, match_key):
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

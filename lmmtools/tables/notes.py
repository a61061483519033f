"""The notes below a table of fits: numbers in parentheses, stars, tests, and which criteria do not compare.

Criteria compare if they are of one kind, of the same response and rows, and under REML of the same fixed part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.report.model_difference import SUMS_REL
from lmmtools.sentences import join_with_and
from lmmtools.tables.column import effect_key
from lmmtools.tables.layout import BELOW

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lmmtools.tables.column import FitColumn
    from lmmtools.tables.layout import Layout

__all__ = ["has_same_data", "has_same_fixed_part", "write_notes"]


def write_notes(columns: Sequence[FitColumn], layout: Layout, level: float) -> list[str]:
    """Return the notes of a table: what is in parentheses, what the stars mean, which criteria do not compare."""
    return [*_describe_below(columns, layout, level), *_describe_tests(columns, layout), *_describe_fits(columns)]


def _describe_below(columns: Sequence[FitColumn], layout: Layout, level: float) -> list[str]:
    if layout.below is None:
        return []
    if layout.below == "interval":
        notes = [f"{100 * level:g}% {BELOW['interval']} in brackets."]
    else:
        notes = [f"{BELOW[layout.below]} in parentheses."]
    kinds = {c.errors for c in columns if c.errors}
    return notes + [
        f"Standard errors of {join_with_and([c.name for c in columns if c.errors == kind])}: {kind}."
        for kind in sorted(kinds)
    ]


def _describe_tests(columns: Sequence[FitColumn], layout: Layout) -> list[str]:
    """Return the legend: thresholds, and which test each column has."""
    if not layout.marks and layout.below not in ("p", "interval"):
        return []
    tests = dict.fromkeys(c.test for c in columns)
    legend = ", ".join(f"{mark} p < {limit:g}" for mark, limit in reversed(layout.marks))
    notes = [f"{legend}."] if legend and any(tests) else []
    for test in tests:
        who = join_with_and([c.name for c in columns if c.test == test])
        if test:
            notes.append(f"p-values from {test}." if len(tests) == 1 else f"{who}: {test}.")
        else:
            notes.append(f"{who}: no p-values.")
    return notes


def _describe_fits(columns: Sequence[FitColumn]) -> list[str]:
    notes = _describe_comparability(columns)
    linear = [c.name for c in columns if not c.is_mixed]
    if linear and len(linear) < len(columns):
        notes.append(f"AIC and BIC of {join_with_and(linear)} count the residual variance, as those of the others.")
    return notes


def _describe_comparability(columns: Sequence[FitColumn]) -> list[str]:
    """Return sentences on columns whose criteria, AIC and BIC do not compare."""
    notes = []
    sets = _partition(columns, has_same_data)
    if len(sets) > 1:
        notes.append(f"Other responses or rows in {_versus(sets)}: criteria, AIC and BIC do not compare between these.")
    reml = [c for c in columns if c.kind == "REML"]
    sets = _partition(reml, has_same_fixed_part)
    if len(sets) > 1:
        notes.append(
            f"Other fixed effects in {_versus(sets)}: REML criteria, and AIC and BIC of them, do not compare between "
            "these; those by maximum likelihood do."
        )
    return notes


def _partition(columns: Sequence[FitColumn], is_same: Callable[[FitColumn, FitColumn], bool]) -> list[list[FitColumn]]:
    sets: list[list[FitColumn]] = []
    for column in columns:
        home = next((s for s in sets if all(is_same(column, other) for other in s)), None)
        if home is None:
            sets.append([column])
        else:
            home.append(column)
    return sets


def _versus(sets: Sequence[Sequence[FitColumn]]) -> str:
    """Return the headers of sets as a contrast: ``(1) and (2) than in (3)``."""
    return " than in ".join(join_with_and([c.name for c in s]) for s in sets)


def has_same_data(one: FitColumn, other: FitColumn) -> bool:
    """Whether two fits have the same response and rows, from what both columns hold."""
    named = ((one.response, other.response), (one.nobs, other.nobs))
    if any(None not in pair and pair[0] != pair[1] for pair in named):
        return False
    if one.inputs is None or other.inputs is None:
        return True
    return one.inputs.response.compare(other.inputs.response) != "other values"


def has_same_fixed_part(one: FitColumn, other: FitColumn) -> bool:
    """Whether two fits have the same columns of X, from their names and sums of squares."""
    if set(map(effect_key, one.effects)) != set(map(effect_key, other.effects)):
        return False
    if one.inputs is None or other.inputs is None:
        return True
    mine, theirs = ({effect_key(n): v[1] for n, v in c.inputs.columns.items()} for c in (one, other) if c.inputs)
    return all(abs(mine[k] - theirs[k]) <= SUMS_REL * max(mine[k], theirs[k]) for k in mine.keys() & theirs.keys())

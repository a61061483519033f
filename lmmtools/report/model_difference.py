"""Whether two columns are of one model: reasons why not, another coding of X, components under another name."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.printout.number import rounding_of
from lmmtools.report.effect_labels import group_key, match_key, pair_key
from lmmtools.report.fit_readings import MODEL_BASED
from lmmtools.report.provenance import have_same_sums
from lmmtools.sentences import join_with_and

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lmmtools.report.comparison_column import ComparisonColumn
    from lmmtools.report.provenance import Fingerprint

__all__ = [
    "CRITERION_TOL",
    "SUMS_REL",
    "find_reasons",
    "is_recoded",
    "judge_gap",
    "missing_terms",
    "rename_like",
    "same_values",
]

CRITERION_TOL = 1e-2
"""Difference of criteria that counts as none: a hundredth is a likelihood ratio of 1.005."""
RECODED = 1e-4
"""Relative difference of variances that count as those of one model under two codings of X."""
INVARIANT_REL, LOG_DET = 1e-7, 1e-3
"""Tolerances of what no coding of X changes: b'C^-1 b relatively, criterion plus log|C| absolutely."""
SUMS_REL = 1e-8
"""Relative difference of a column's sums that two packages compute."""


def find_reasons(column: ComparisonColumn, reference: ComparisonColumn) -> tuple[str, ...]:
    """Return sentences on why two columns are of different models; empty if nothing shows that they are."""
    found = (
        *_reasons_of_criteria(column, reference),
        *_reasons_of_data(column, reference),
        *_reasons_of_terms(column, reference),
    )
    # A linear model is the mixed model with zero variances only if data and fixed effects are the same.
    return found or tuple(_reasons_of_zero_variances(column, reference))


def _reasons_of_criteria(column: ComparisonColumn, reference: ComparisonColumn) -> Iterator[str]:
    if column.reml != reference.reml:
        ml, reml = (reference.name, column.name) if column.reml else (column.name, reference.name)
        yield (
            f"{reml} is fitted by REML and {ml} by maximum likelihood: their criteria are not comparable, and ML "
            "variances are smaller because they do not pay for the fixed effects. Fit both the same way."
        )


def _reasons_of_data(column: ComparisonColumn, reference: ComparisonColumn) -> Iterator[str]:
    a, b = reference.name, column.name
    if column.nobs is not None and reference.nobs is not None and column.nobs != reference.nobs:
        lost = "; ".join(f"{c.name}: {c.lost}" for c in (reference, column) if c.lost)
        yield f"{a} used {reference.nobs} rows and {b} {column.nobs}: not the same data ({lost or 'missing values?'})."
        return
    yield from _reasons_of_response(column, reference)
    mine, theirs = (_levels_by_factor(c) for c in (column, reference))
    for group in mine.keys() & theirs.keys():
        if mine[group] != theirs[group]:
            yield f"{group} has {theirs[group]} levels in {a} and {mine[group]} in {b}: not the same groups."


def _levels_by_factor(column: ComparisonColumn) -> dict[str, int]:
    return {group_key(f"{k} ").strip(): m for k, m in column.ngroups.items()}


def _reasons_of_response(column: ComparisonColumn, reference: ComparisonColumn) -> Iterator[str]:
    a, b, mine, theirs = reference.name, column.name, column.inputs, reference.inputs
    if mine is None or theirs is None or mine.response.compare(theirs.response) == "unknown":
        names = [_response_name(c) for c in (reference, column)]
        is_far = judge_gap(column, reference) > CRITERION_TOL
        if is_far and all(names) and match_key(names[0]) != match_key(names[1]):
            yield f"The response of {a} is {names[0]}, that of {b} is {names[1]}: another model."
        return
    if mine.response.compare(theirs.response) == "other values":
        named = (
            f" ({theirs.name} and {mine.name})"
            if mine.name and theirs.name and match_key(mine.name) != match_key(theirs.name)
            else ""
        )
        yield f"The responses of {a} and {b}{named} do not have the same values: another model."
        return
    if not (mine.columns and theirs.columns):
        return
    for what, one, other in (("weights", mine.weights, theirs.weights), ("offsets", mine.offset, theirs.offset)):
        if _do_differ(one, other, neutral=1.0 if what == "weights" else 0.0):
            yield f"The {what} of {a} and {b} are not the same: another model."
    sums = {match_key(k): v for k, v in theirs.columns.items()}
    n = column.nobs or 1
    changed = [
        k
        for k, v in mine.columns.items()
        if match_key(k) in sums and not have_same_sums(v, sums[match_key(k)], n, SUMS_REL)
    ]
    if changed and not is_recoded(column, reference):
        yield f"{join_with_and(changed)} of the fixed effects has other values in {a} than in {b}: another model."


def _do_differ(one: Fingerprint | None, other: Fingerprint | None, neutral: float) -> bool:
    """Whether weights or offsets differ; a constant ``neutral`` value counts as none."""
    one, other = (None if f is not None and _is_constant(f, neutral) else f for f in (one, other))
    if one is None or other is None:
        return one is not other
    return one.compare(other) == "other values"


def _is_constant(found: Fingerprint, value: float) -> bool:
    return found.n is not None and found.total == found.n * value and found.squares == found.n * value**2


def _response_name(column: ComparisonColumn) -> str:
    if column.inputs is not None and column.inputs.name:
        return column.inputs.name
    return (column.formula or "").partition("~")[0].strip()


def _reasons_of_terms(column: ComparisonColumn, reference: ComparisonColumn) -> Iterator[str]:
    is_ols = column.is_ols or reference.is_ols
    is_same = set(map(group_key, column.variances)) == set(map(group_key, reference.variances))
    if column.formula and reference.formula and not is_same and not is_ols:
        yield f"Not the same model: {reference.name} is {reference.formula}, {column.name} is {column.formula}."
    yield from missing_terms(column, reference)


def _reasons_of_zero_variances(column: ComparisonColumn, reference: ComparisonColumn) -> Iterator[str]:
    if column.is_ols != reference.is_ols and judge_gap(column, reference) >= CRITERION_TOL:
        ols, mixed = (column, reference) if column.is_ols else (reference, column)
        yield (
            f"{ols.name} is {mixed.name} with the variances of all random effects at zero; that makes the criterion "
            f"worse by {ols.criterion - mixed.criterion:.4g}."
        )


def missing_terms(column: ComparisonColumn, reference: ComparisonColumn) -> Iterator[str]:
    """Yield a sentence for each kind of term that only one of the two columns has."""
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


def is_recoded(column: ComparisonColumn, reference: ComparisonColumn) -> bool:
    """Whether two fits are one model with other contrasts, another reference level or other units of X's columns.

    Variances and sigma do not depend on the coding of X; the fixed effects do.
    """
    if (
        column.is_ols
        or reference.is_ols
        or column.reml != reference.reml
        or (None not in (column.nobs, reference.nobs) and column.nobs != reference.nobs)
    ):
        return False
    if len(column.fixef) != len(reference.fixef) or not same_values(column.variances, reference.variances, RECODED):
        return False
    if not same_values(column.correlations, reference.correlations, RECODED):
        return False
    sigma_gap = abs(column.sigma - reference.sigma)
    if sigma_gap > RECODED * reference.sigma + rounding_of(column.sigma) + rounding_of(reference.sigma):
        return False
    if not _have_one_test_of_all(column, reference):
        return False
    names = set(map(match_key, column.fixef)), set(map(match_key, reference.fixef))
    gap = judge_gap(column, reference)
    if names[0] != names[1]:
        # Under ML the criterion does not depend on the coding of X.
        return column.reml or gap < CRITERION_TOL
    return (column.reml or gap < CRITERION_TOL) and _have_other_units(column, reference)


def _have_one_test_of_all(column: ComparisonColumn, reference: ComparisonColumn) -> bool:
    """Whether b'C^-1 b agrees, C the covariance of the fixed effects b, and under REML the criterion plus log|C|.

    No coding of the fixed effects changes these two. Returns True where a column does not have them at full precision.
    """
    mine, theirs = _invariants(column), _invariants(reference)
    if mine is None or theirs is None:
        return True
    scale = max(column.sigma, reference.sigma) ** 2
    values = {group_key(k): v for k, v in reference.variances.items()}
    apart = [abs(v - values[group_key(k)]) / max(abs(v), scale) for k, v in column.variances.items()]
    apart.append(abs(column.sigma**2 - reference.sigma**2) / scale)
    rel = INVARIANT_REL + 4.0 * max(apart)
    if abs(mine[0] - theirs[0]) > rel * max(mine[0], theirs[0], 1.0):
        return False
    if not column.reml:
        return True
    return abs(column.criterion + mine[1] - reference.criterion - theirs[1]) <= LOG_DET + rel * len(column.fixef)


def _invariants(column: ComparisonColumn) -> tuple[float, float] | None:
    """Return b'C^-1 b and log|C|; None where numbers are rounded or missing."""
    names = list(column.fixef)
    errors = {match_key(k): v for k, v in column.std_errors.items()}
    pairs = {pair_key(k): v for k, v in column.fixef_correlations.items()}
    if column.error_kind != MODEL_BASED:
        return None
    found = [errors.get(match_key(k), math.nan) for k in names]
    corr = np.eye(len(names))
    for i in range(len(names)):
        for j in range(i):
            corr[i, j] = corr[j, i] = pairs.get(pair_key(f"{names[j]}, {names[i]}"), math.nan)
    values = [*column.fixef.values(), *found]
    if not np.all(np.isfinite(corr)) or not np.all(np.isfinite(values)) or min(found, default=1.0) <= 0.0:
        return None
    if any(map(rounding_of, values)):
        return None
    sign, log_det = np.linalg.slogdet(corr)
    if sign <= 0:
        return None
    t = np.array(list(column.fixef.values())) / np.array(found)
    return float(t @ np.linalg.solve(corr, t)), float(log_det + 2.0 * np.log(found).sum())


def _have_other_units(column: ComparisonColumn, reference: ComparisonColumn) -> bool:
    """Whether fixed effects and their errors differ as they do when a column of X has other units or another origin."""
    if column.inputs and reference.inputs and column.inputs.columns and reference.inputs.columns:
        if same_values(column.fixef, reference.fixef, 1e-6, match_key):
            return False
        theirs = {match_key(k): v for k, v in reference.inputs.columns.items()}
        n = column.nobs or 1
        pairs = [(v, theirs[match_key(k)]) for k, v in column.inputs.columns.items() if match_key(k) in theirs]
        return not all(have_same_sums(one, other, n, SUMS_REL) for one, other in pairs)
    if _are_same_effects(column, reference):
        return False
    estimates = {match_key(k): v for k, v in reference.fixef.items()}
    errors = {match_key(k): v for k, v in reference.std_errors.items()}
    mine = {match_key(k): v for k, v in column.std_errors.items()}
    for label, value in column.fixef.items():
        k = match_key(label)
        if k in errors and k in mine and not _is_close(value, estimates[k]) and _is_close(mine[k], errors[k]):
            return False
    return True


def _is_close(one: float, other: float) -> bool:
    return abs(one - other) <= 1e-3 * abs(other) + rounding_of(one) + rounding_of(other)


def judge_gap(column: ComparisonColumn, reference: ComparisonColumn) -> float:
    """Return the difference of two criteria beyond their rounding, zero or more."""
    return max(
        0.0,
        abs(column.criterion - reference.criterion) - rounding_of(column.criterion) - rounding_of(reference.criterion),
    )


def same_values(
    one: Mapping[str, float], other: Mapping[str, float], rel: float, key: Callable[[str], str] = group_key
) -> bool:
    """Whether two tables have the same labels and the same values, to ``rel`` and to their rounding."""
    mine, theirs = ({key(k): v for k, v in table.items()} for table in (one, other))
    if set(mine) != set(theirs):
        return False
    return all(
        abs(v - theirs[k]) <= rel * max(abs(v), abs(theirs[k])) + rounding_of(v) + rounding_of(theirs[k])
        for k, v in mine.items()
    )


def _are_same_effects(column: ComparisonColumn, reference: ComparisonColumn) -> bool:
    """Whether the fixed effects agree to a twentieth of their standard errors."""
    theirs = {match_key(k): v for k, v in reference.fixef.items()}
    errors = {match_key(k): v for k, v in reference.std_errors.items()}
    for label, value in column.fixef.items():
        other = theirs[match_key(label)]
        slack = 0.05 * errors.get(match_key(label), abs(other)) + rounding_of(value) + rounding_of(other)
        if abs(value - other) > slack:
            return False
    return True


def rename_like(column: ComparisonColumn, reference: ComparisonColumn) -> tuple[ComparisonColumn, dict[str, str]]:
    """Return the column with the reference's names for components that have the same variances, and {old: new name}.

    Components are renamed, such as ``sample`` to ``cask:batch``, if the criteria are the same and the components that
    only one of the columns has agree in their variances, one by one.
    """
    is_same_fit = _are_close(column.criterion, reference.criterion, 1e-9) and column.reml == reference.reml
    if column.is_ols or reference.is_ols or not is_same_fit:
        return column, {}
    mine, theirs = _unmatched(column.variances, reference.variances), _unmatched(reference.variances, column.variances)
    mine.sort(key=column.variances.__getitem__)
    theirs.sort(key=reference.variances.__getitem__)
    values = [(column.variances[a], reference.variances[b]) for a, b in zip(mine, theirs, strict=False)]
    if len(mine) != len(theirs) or not all(_are_close(a, b, 1e-4) for a, b in values):
        return column, {}
    changed = dict(zip(mine, theirs, strict=True))
    variances = {changed.get(k, k): v for k, v in column.variances.items()}
    std_devs = column.std_devs and {changed.get(k, k): v for k, v in column.std_devs.items()}
    # The levels of a renamed component have other names than the reference's: their modes cannot be matched.
    modes = {k: v for k, v in column.modes.items() if k not in changed}
    return replace(column, variances=variances, std_devs=std_devs, modes=modes), changed


def _are_close(a: float, b: float, rel: float) -> bool:
    """Whether two numbers are the same, to ``rel`` of their size and to their rounding."""
    return abs(a - b) <= rel * max(abs(a), abs(b)) + 1e-12 + rounding_of(a) + rounding_of(b)


def _unmatched(one: Mapping[str, float], other: Mapping[str, float]) -> list[str]:
    there = set(map(group_key, other))
    return [label for label in one if group_key(label) not in there]

"""Checks of columns without a live fit: numbers of one that contradict each other, rough bounds of differences.

A column whose criterion lies within g of the optimum has each fixed effect within sqrt(g) standard errors of its
optimal value, since its point lies on the joint likelihood. A variance of m groups is known no better than
sqrt(2 / (m - 1)) of the variance of its effect's means, and a standard error, which adds variances up, changes by half
of the largest relative change of these.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.theta import unpack_lambda
from lmmtools.printout.number import rounding_of
from lmmtools.report.effect_labels import Key, group_key, match_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmmtools.report.comparison_column import ComparisonColumn

__all__ = ["Fault", "find_faults", "rough_bound"]

Fault = tuple[Key, str]
"""A quantity, and the number of the same fit that it contradicts."""

IDENTITY_REL = 1e-6
"""Relative difference of two ways to compute one number."""
TWICE = 1.2
"""Factor on the rounding of a printed number, which may have been rounded twice."""

ROUGH_SAFETY = 1.5


def find_faults(column: ComparisonColumn) -> tuple[Fault, ...]:
    """Return the numbers of a column that contradict others of it, each with the reason."""
    return (
        *_faults_of_criterion(column),
        *_faults_of_variances(column),
        *_faults_of_theta(column),
        *_faults_of_tests(column),
        *_faults_of_sizes(column),
    )


def _is_contradiction(value: float, computed: float, slack: float = 0.0, scale: float = 0.0) -> bool:
    if not (math.isfinite(value) and math.isfinite(computed)):
        return False
    room = IDENTITY_REL * max(abs(value), abs(computed), scale) + TWICE * (rounding_of(value) + slack)
    return abs(value - computed) > room


def _faults_of_criterion(c: ComparisonColumn) -> Iterator[Fault]:
    if c.llf is not None and _is_contradiction(c.criterion, -2.0 * c.llf, 2.0 * rounding_of(c.llf)):
        yield ("criterion", ""), f"it is not -2 times the log-likelihood {c.llf:.6g}"
    k = _count_parameters(c)
    if k is None or c.is_ols:
        return
    if c.aic is not None and _is_contradiction(c.aic, c.criterion + 2.0 * k, rounding_of(c.criterion)):
        yield ("AIC", ""), f"it is not the criterion plus twice {k:g} parameters"
    if (
        c.bic is not None
        and c.nobs
        and _is_contradiction(c.bic, c.criterion + math.log(c.nobs) * k, rounding_of(c.criterion))
    ):
        yield ("BIC", ""), f"it is not the criterion plus log({c.nobs}) times {k:g} parameters"


def _count_parameters(c: ComparisonColumn) -> float | None:
    if c.k_params is not None:
        return float(c.k_params)
    return None if c.df_resid is None or c.nobs is None else float(c.nobs - c.df_resid)


def _faults_of_variances(c: ComparisonColumn) -> Iterator[Fault]:
    pairs = [(k, v, c.variances[k]) for k, v in (c.std_devs or {}).items() if k in c.variances]
    if c.residual_variance is not None:
        pairs.append(("residual", c.sigma, c.residual_variance))
    for label, sd, variance in pairs:
        slack = 2.0 * abs(sd) * rounding_of(sd) + rounding_of(sd) ** 2
        if _is_contradiction(variance, float(sd) ** 2, slack):
            key = label if label == "residual" else group_key(label)
            yield ("variance", key), f"it is not the square of the standard deviation {sd:.6g}"
    for label, corr in c.correlations.items():
        if abs(corr) > 1.0 + IDENTITY_REL + rounding_of(corr):
            yield ("correlation", group_key(label)), "a correlation lies between -1 and 1"


def _faults_of_theta(c: ComparisonColumn) -> Iterator[Fault]:
    """Yield variances and correlations that do not follow from theta and sigma, if a record has all of them."""
    terms = getattr(c.source, "varcorr", None)
    if c.theta is None or terms is None or not hasattr(terms, "rows"):
        return
    sizes = [len(term.cnames) for term in terms]
    for term, lam in zip(terms, unpack_lambda(np.array(c.theta), sizes), strict=True):
        implied = c.sigma**2 * (lam @ lam.T)
        scale = float(np.abs(implied).max())
        for i, name in enumerate(term.cnames):
            if _is_contradiction(float(term.cov[i, i]), float(implied[i, i]), scale=1e-6 * scale):
                yield ("variance", group_key(f"{term.name} {name}")), "theta and sigma give another"
            for j in range(i):
                size = math.sqrt(abs(float(implied[i, i] * implied[j, j])))
                if _is_contradiction(float(term.cov[i, j]), float(implied[i, j]), scale=size):
                    key = group_key(f"{term.name} {term.cnames[j]}, {name}")
                    yield ("correlation", key), "theta gives another"


def _faults_of_tests(c: ComparisonColumn) -> Iterator[Fault]:
    errors = {match_key(k): v for k, v in c.std_errors.items()}
    estimates = {match_key(k): v for k, v in c.fixef.items()}
    for label, t in c.tvalues.items():
        b, e = estimates.get(match_key(label)), errors.get(match_key(label))
        if b is None or e is None or not e > 0:
            continue
        low = max(float(e) - TWICE * rounding_of(e), 1e-300)
        slack = abs(t) * TWICE * rounding_of(e) / low + rounding_of(b) / low
        if _is_contradiction(t, float(b) / float(e), slack):
            yield ("t value", match_key(label)), f"it is not {b:.6g} over its standard error {e:.6g}"
    if c.tests is not None:
        for label, p in c.tests.pvalues.items():
            if not math.isnan(p) and not -1e-12 <= p <= 1.0 + 1e-12:
                yield ("p value", match_key(label)), "a p-value lies between 0 and 1"


def _faults_of_sizes(c: ComparisonColumn) -> Iterator[Fault]:
    if c.k_params is not None and c.df_resid is not None and c.nobs is not None and not c.is_ols:
        if c.df_resid != c.nobs - c.k_params:
            yield ("rows", ""), f"{c.nobs} rows less {c.k_params} parameters are not {c.df_resid}"
        free = len(c.fixef) + 1
        if not free <= c.k_params <= free + len(c.theta or ()) and c.theta is not None:
            yield ("rows", ""), f"{len(c.fixef)} fixed effects, theta and sigma are not {c.k_params} parameters"
    dropped = getattr(c.source, "dropped", None)
    if dropped is not None and c.nobs is not None and dropped.n_input - dropped.n_rows != c.nobs:
        yield ("rows", ""), f"{dropped.n_input} rows less {dropped.n_rows} that were left out are not {c.nobs}"
    if c.inputs is not None and c.nobs is not None and c.inputs.response.n not in (None, c.nobs):
        yield ("rows", ""), f"the response has {c.inputs.response.n}"


def rough_bound(key: tuple[str, str], g: float, column: ComparisonColumn, reference: ComparisonColumn) -> float | None:
    """Return a rough bound of one quantity's difference; None for a quantity without one.

    Parameters
    ----------
    key : (str, str)
        Kind and label's key.
    g : float
        Difference of the criteria.
    """
    part, label = key
    root = ROUGH_SAFETY * math.sqrt(g)
    share = root * math.sqrt(2.0 / (_fewest_levels(column, reference) - 1.0))
    if part == "fixed effect":
        errors = [float(v) for c in (column, reference) for k, v in c.std_errors.items() if match_key(k) == label]
        return root * max(errors) if errors else None
    if part in ("variance", "std. dev."):
        return _bound_of_component(part, label, root, column, reference)
    if part == "std. error":
        return 0.5 * share * _largest_of_label(label, column.std_errors, reference.std_errors)
    if part == "t value":
        return 0.5 * share * _largest_of_label(label, column.tvalues, reference.tvalues) + root
    if part in ("correlation", "fixed correlation"):
        return 2.0 * share
    if part == "theta":
        return share * max(map(abs, (*(column.theta or ()), *(reference.theta or ()), 0.0)))
    if part == "scaled residual":
        return root
    if part == "mode":
        # A mode is known at least to the standard deviation of its effect.
        term = label.partition(", level ")[0]
        sizes = [
            max(float(v), 0.0) for c in (column, reference) for k, v in c.variances.items() if group_key(k) == term
        ]
        return root * math.sqrt(max(sizes)) if sizes else None
    return None


def _fewest_levels(column: ComparisonColumn, reference: ComparisonColumn) -> float:
    """Return the smallest number of levels of any factor, at least two; two if unknown."""
    counts = [m for c in (column, reference) for m in c.ngroups.values()]
    return max(2.0, float(min(counts, default=2)))


def _largest_of_label(label: str, *tables: object) -> float:
    return max(
        (abs(float(v)) for t in tables for k, v in t.items() if match_key(k) == label),  # type: ignore[attr-defined]
        default=0.0,
    )


def _bound_of_component(
    part: str, label: str, root: float, column: ComparisonColumn, reference: ComparisonColumn
) -> float | None:
    if label == "residual":
        sigma = max(float(column.sigma), float(reference.sigma))
        n = reference.nobs or column.nobs or 0
        free = max(1.0, n - len(reference.fixef) - sum(reference.ngroups.values() or column.ngroups.values()))
        relative = root / math.sqrt(2.0 * free)
        return sigma * relative if part == "std. dev." else 2.0 * sigma**2 * relative
    values = [float(v) for c in (column, reference) for k, v in c.variances.items() if group_key(k) == label]
    group, _, effect = label.partition(" ")
    counts = [m for c in (column, reference) for k, m in c.ngroups.items() if group_key(f"{k} ").strip() == group]
    m = max(2.0, float(min(counts, default=2)))
    spread = max(values, default=0.0)
    if counts:
        # The variance of the groups' means: m times the squared standard error of the effect.
        spread = max(spread, m * _largest_of_label(effect, column.std_errors, reference.std_errors) ** 2)
    bound = root * math.sqrt(2.0 / (m - 1.0)) * spread
    if part == "variance":
        return bound
    sd = math.sqrt(max(min(values, default=0.0), 0.0))
    return math.sqrt(sd * sd + bound) - sd

"""How far numbers may lie from an optimum where no fit can be asked, from errors and numbers of groups alone.

A column within g of the optimum has each fixed effect within sqrt(g) standard errors of its optimal value, since its
own point lies on the joint likelihood. A variance of m groups is known no better than sqrt(2 / (m - 1)) of what its
effect's means vary by, and a standard error, which adds variances up, moves by half of the largest share of these.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lmmtools.report.effect_labels import group_key, match_key

if TYPE_CHECKING:
    from lmmtools.report.comparison_column import ComparisonColumn

__all__ = ["rough_bound"]

SAFETY = 1.5


def rough_bound(key: tuple[str, str], g: float, column: ComparisonColumn, reference: ComparisonColumn) -> float | None:
    """Return the bound of one quantity, None where nothing tells it.

    Parameters
    ----------
    key : (str, str)
        Kind and label's key.
    g : float
        How far the criteria may lie apart.
    """
    part, label = key
    root = SAFETY * math.sqrt(g)
    share = root * math.sqrt(2.0 / (_fewest(column, reference) - 1.0))
    if part == "fixed effect":
        errors = [float(v) for c in (column, reference) for k, v in c.std_errors.items() if match_key(k) == label]
        return root * max(errors) if errors else None
    if part in ("variance", "std. dev."):
        return _of_component(part, label, root, column, reference)
    if part == "std. error":
        return 0.5 * share * _largest(label, column.std_errors, reference.std_errors)
    if part == "t value":
        return 0.5 * share * _largest(label, column.tvalues, reference.tvalues) + root
    if part in ("correlation", "fixed correlation"):
        return 2.0 * share
    if part == "theta":
        return share * max(map(abs, (*(column.theta or ()), *(reference.theta or ()), 0.0)))
    if part == "scaled residual":
        return root
    if part == "mode":
        # No level is known worse than its effect varies.
        term = label.partition(", level ")[0]
        sizes = [
            max(float(v), 0.0) for c in (column, reference) for k, v in c.variances.items() if group_key(k) == term
        ]
        return root * math.sqrt(max(sizes)) if sizes else None
    return None


def _fewest(column: ComparisonColumn, reference: ComparisonColumn) -> float:
    """Return the fewest levels of any factor; two where they are not known."""
    counts = [m for c in (column, reference) for m in c.ngroups.values()]
    return max(2.0, float(min(counts, default=2)))


def _largest(label: str, *tables: object) -> float:
    return max(
        (abs(float(v)) for t in tables for k, v in t.items() if match_key(k) == label),  # type: ignore[attr-defined]
        default=0.0,
    )


def _of_component(
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
        # The means of the groups vary by the variance and by what the residual leaves of it.
        spread = max(spread, m * _largest(effect, column.std_errors, reference.std_errors) ** 2)
    bound = root * math.sqrt(2.0 / (m - 1.0)) * spread
    if part == "variance":
        return bound
    sd = math.sqrt(max(min(values, default=0.0), 0.0))
    return math.sqrt(sd * sd + bound) - sd

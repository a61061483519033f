"""Verdicts: whether two columns agree in each number, and the bound by which a difference is judged."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from lmmtools.printout.number import rounding_of
from lmmtools.report.effect_labels import Key, match_key
from lmmtools.report.fit_readings import MODEL_BASED
from lmmtools.report.model_difference import find_reasons, is_recoded
from lmmtools.report.reach import LiveModel, ReachTable, column_values, model_of_column
from lmmtools.report.without_fit import find_faults, rough_bound

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from lmmtools.report.comparison_column import ComparisonColumn

__all__ = [
    "CANNOT",
    "CRITERION_NOISE",
    "DISAGREES",
    "LOOSER",
    "ORDER",
    "OTHER_MODEL",
    "SAME",
    "Judgement",
    "Verdict",
    "is_same_number",
    "judge_columns",
]

Verdict = Literal["same to the digits shown", "looser convergence", "cannot be compared", "disagrees", "another model"]
SAME: Verdict = "same to the digits shown"
LOOSER: Verdict = "looser convergence"
CANNOT: Verdict = "cannot be compared"
DISAGREES: Verdict = "disagrees"
OTHER_MODEL: Verdict = "another model"
ORDER: tuple[Verdict, ...] = (SAME, LOOSER, CANNOT, DISAGREES, OTHER_MODEL)
"""From best to worst."""

SAME_REL = 1e-6
"""Relative difference of numbers that count as the same: one unit of the sixth significant digit."""
NEAR, NEAR_UNKNOWN = 0.1, 1e-2
"""Largest difference of two criteria of one optimum, with a live fit and without. A tenth is a likelihood ratio of 1.05
and moves an estimate by at most a third of its standard error; beyond it the higher fit stopped short."""
CRITERION_NOISE = 1e-10
"""Relative rounding error of a criterion."""
EVALUATED = 1e-7
"""Relative difference of a criterion that two packages compute at one theta."""
AT_THETA = 2e-5
"""The same for the other numbers, relative to their size or their standard error."""
ONE_THETA = 1e-10
"""Relative difference below which elements of theta count as the same."""
SPREAD = 1.5
"""Factor on the slack that rounding leaves, for numbers that are not linear in the rounded ones."""
NOISE_OF_DF = 2e-3
"""Relative difference of degrees of freedom by two implementations' numerical derivatives."""


def is_same_number(value: float | None, reference: float | None, scale: float = 0.0) -> bool:
    """Whether two numbers are the same to `SAME_REL`, relative to the reference or ``scale``, and to their rounding.

    A number that was read from a printout is the same as any number that rounds to it.
    """
    if value is None or reference is None:
        return value is None and reference is None
    if math.isnan(value) or math.isnan(reference):
        return math.isnan(value) and math.isnan(reference)
    return abs(value - reference) <= SAME_REL * max(abs(reference), scale) + rounding_of(value) + rounding_of(reference)


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """How one column relates to the reference column.

    Attributes
    ----------
    column, reference : ComparisonColumn
    reasons : tuple of str
        Sentences on why the column is of another model; empty if it is not.
    is_coded : bool
        Whether it is the same model with another coding of the fixed effects.
    gap : float
        Difference of the criteria plus their rounding, from which the bounds follow.
    is_near : bool
        Whether the gap is small enough for one optimum.
    faults : dict of Key to str
        Numbers of either column that contradict others of the same column, with the reason.
    reach : dict of Key to float, or None
        Bounds from a live fit or from records of curvature; None where there are none and bounds are rough.
    is_explained : bool
        Whether every number of the column follows from its own variances, and the criterion has no ridge between
        these and the reference's.
    own : dict of Key to str
        The entries of ``faults`` that are the column's; the others are the reference's.
    has_one_theta : bool
        Whether both columns have theta and it is the same.
    """

    column: ComparisonColumn
    reference: ComparisonColumn
    reasons: tuple[str, ...]
    is_coded: bool
    gap: float
    is_near: bool
    faults: Mapping[Key, str]
    reach: Mapping[Key, float] | None
    is_explained: bool = False
    own: Mapping[Key, str] = field(default_factory=dict)
    has_one_theta: bool = False

    def bound(self, key: Key) -> float | None:
        """Return how far a number may lie from the reference's by loose convergence; None if unknown."""
        if key[0] in ("criterion", "AIC", "BIC"):
            return self.gap
        if key[0] == "log-likelihood":
            return 0.5 * self.gap
        if self.reach is not None and key in self.reach:
            return self.reach[key]
        if self.reach is not None and key[0] == "df":
            error = self.reach.get(("std. error", key[1]), 0.0) / max(self._std_error(key[1]), 1e-300)
            return (NOISE_OF_DF + 4.0 * error) * self._df(key[1])
        if key[0] == "p value":
            return self._bound_of_p(key[1])
        return rough_bound(key, self.gap, self.column, self.reference)

    def _bound_of_p(self, key: str) -> float | None:
        """Return the bound of a p-value from the bounds of t and of its degrees of freedom, by d log p to first order.

        The derivative of log p is about -(t + 1) in t, and -df log(1 + t^2 / df) / 2 in log df.
        """
        t = next((abs(float(v)) for k, v in self.reference.tvalues.items() if match_key(k) == key), None)
        p = next((float(v) for k, v in self.reference.tests.pvalues.items() if match_key(k) == key), None)  # type: ignore[union-attr]
        move = self.bound(("t value", key))
        if t is None or p is None or move is None:
            return None
        df = self._df(key)
        change = (t + 1.0) * move
        if 0.0 < df < math.inf:
            change += 0.5 * df * math.log1p(t * t / df) * (self.bound(("df", key)) or NOISE_OF_DF * df) / df
        return p * math.expm1(min(change, 50.0))

    def _std_error(self, key: str) -> float:
        return next((float(v) for k, v in self.reference.std_errors.items() if match_key(k) == key), 0.0)

    def _df(self, key: str) -> float:
        tests = self.reference.tests
        return next((float(v) for k, v in (tests.df if tests else {}).items() if match_key(k) == key), 0.0)

    def verdict(self, key: Key, value: float, reference: float, *, is_same: bool) -> Verdict:
        """Return the verdict of one number, given whether both show the same digits."""
        if key in self.faults:
            return DISAGREES
        if self.reasons and key[0] == "criterion":
            # Equal criteria of two models are no agreement.
            return OTHER_MODEL
        if is_same:
            return SAME
        if self.reasons:
            return OTHER_MODEL
        if not self._is_comparable(key):
            return CANNOT
        if not self.is_near:
            return DISAGREES
        bound = self.bound(key)
        # Only a correlation may be undefined in one column alone: where a variance is zero.
        is_lost = key[0] != "correlation" and math.isnan(value) != math.isnan(reference)
        if bound is None or is_lost:
            return CANNOT
        rounding = rounding_of(value) + rounding_of(reference)
        difference = abs(float(value) - float(reference))
        is_within = difference <= bound + rounding + SAME_REL * abs(float(reference))
        if is_within and rounding and difference <= 3.0 * rounding:
            # R's optimum is known to about three units of the last digit it prints.
            return SAME
        return LOOSER if is_within or self.is_explained else DISAGREES

    def verdict_of_flags(self, *, is_same: bool) -> Verdict:
        """Return the verdict on the singular flags; equal theta under one rule admits no difference."""
        if is_same:
            return SAME
        if self.reasons:
            return OTHER_MODEL
        is_one_rule = all(hasattr(c.source, "boundary") for c in (self.column, self.reference))
        return LOOSER if self.is_near and not (self.has_one_theta and is_one_rule) else DISAGREES

    def _is_comparable(self, key: Key) -> bool:
        """Whether two numbers are of one kind: robust or adjusted errors are not compared with model-based ones."""
        if key[0] in ("std. error", "t value", "fixed correlation", "p value", "df"):
            return self.column.error_kind == self.reference.error_kind
        return True


def judge_columns(columns: Sequence[ComparisonColumn]) -> tuple[Judgement, ...]:
    """Return the judgement of each column but the first, against the first."""
    models = [model_of_column(c) for c in columns]
    reference = columns[0]
    return tuple(_judge(column, reference, _choose_model(column, reference, columns, models)) for column in columns[1:])


def _choose_model(
    column: ComparisonColumn,
    reference: ComparisonColumn,
    columns: Sequence[ComparisonColumn],
    models: Sequence[LiveModel | None],
) -> LiveModel | None:
    """Return the live fit of the pair's model with the lowest criterion, None if none is among the columns."""
    able = [
        (c.criterion, i)
        for i, (c, m) in enumerate(zip(columns, models, strict=True))
        if m is not None and not find_reasons(column, c) and not find_reasons(reference, c) and not c.is_ols
    ]
    return models[min(able)[1]] if able else None


def _judge(column: ComparisonColumn, reference: ComparisonColumn, model: LiveModel | None) -> Judgement:
    rounding = rounding_of(column.criterion) + rounding_of(reference.criterion)
    apart = abs(column.criterion - reference.criterion)
    noise = CRITERION_NOISE * max(1.0, abs(reference.criterion))
    is_coded = is_recoded(column, reference)
    reasons = () if is_coded else find_reasons(column, reference)
    is_one = _have_one_theta(column, reference)
    own = dict(find_faults(column))
    faults = {**dict(find_faults(reference)), **own}
    if reasons or model is None or is_coded or column.is_ols or reference.is_ols:
        if is_coded and column.reml:
            # Under REML the coding of X changes the criterion by a constant.
            apart = rounding = 0.0
        gap = AT_THETA**2 if is_one else apart + rounding + noise
        reach = None if reasons or is_coded or is_one else _recorded_reach(column, reference, gap)
        near = apart <= rounding + (NEAR_UNKNOWN if reach is None else NEAR) or is_coded
        return Judgement(column, reference, reasons, is_coded, gap, near, faults, reach, own=own, has_one_theta=is_one)
    at = [_find_contradictions(model, c) for c in (column, reference)]
    for (found, _), c in zip(at, (column, reference), strict=True):
        faults |= found
        own |= found if c is column else {}
    # The optimum lies below both columns, and below the fit by at most what its certificate says.
    fit = float(model.fit.objective)
    lowest = min(column.criterion, reference.criterion, fit - model.to_fall)
    above = [
        max(0.0, c.criterion - lowest) + rounding_of(c.criterion) + (model.to_fall if c.source is not None else 0.0)
        for c in (column, reference)
    ]
    root = math.sqrt(above[0] + noise) + math.sqrt(above[1] + noise)
    is_near = apart <= rounding + NEAR
    reach = model.reach(root * root) if is_near else {}
    heights = [c.criterion + rounding_of(c.criterion) for c in (column, reference)]
    thetas = [theta for _, theta in at]
    explained = (
        is_near
        and not faults
        and thetas[0] is not None
        and thetas[1] is not None
        and model.is_same_valley(thetas[0], thetas[1], max(*heights, lowest + max(above)) + noise)
    )
    return Judgement(column, reference, (), False, root * root, is_near, faults, reach, explained, own, is_one)


def _recorded_reach(column: ComparisonColumn, reference: ComparisonColumn, gap: float) -> dict[Key, float] | None:
    """Return bounds from the curvature that both records hold; None where a record holds none."""
    one, other = (getattr(c.source, "reach", None) for c in (column, reference))
    if not isinstance(one, ReachTable) or not isinstance(other, ReachTable):
        return None
    # The optimum lies below each record by the decrease that its derivatives predict, at most NEAR_UNKNOWN.
    falls = [float(getattr(c.source, "expected_decrease", 0.0)) for c in (column, reference)]
    below = [min(max(0.0, fall), NEAR_UNKNOWN) for fall in falls]
    root = math.sqrt(gap + below[0]) + math.sqrt(below[1])
    mine, theirs = one.at(root * root), other.at(root * root)
    return {k: min(v, theirs[k]) for k, v in mine.items() if k in theirs}


def _have_one_theta(column: ComparisonColumn, reference: ComparisonColumn) -> bool:
    """Whether both say theta and it is the same, so that every other number is."""
    if column.theta is None or reference.theta is None or len(column.theta) != len(reference.theta):
        return False
    return all(abs(a - b) <= ONE_THETA * max(1.0, abs(b)) for a, b in zip(column.theta, reference.theta, strict=True))


def _find_contradictions(
    model: LiveModel, column: ComparisonColumn
) -> tuple[dict[Key, str], NDArray[np.float64] | None]:
    """Return the numbers of a column that do not follow from its own variances, with the reason, and its theta."""
    if column.source is model.fit:
        return {}, model.theta
    made = model.predicted(column)
    if made is None:
        return {}, None
    spot, slack = made
    found: dict[Key, str] = {}
    if abs(column.criterion - spot.criterion) > (
        1.2 * rounding_of(column.criterion)
        + SPREAD * slack["criterion", ""]
        + EVALUATED * max(1.0, abs(spot.criterion))
    ):
        found["criterion", ""] = f"at the variances of {column.name} the model gives {spot.criterion:.6g}"
    errors = {k[1]: v for k, v in spot.values.items() if k[0] == "std. error"}
    for key, value in column_values(column).items():
        expected = spot.values.get(key)
        if expected is None or not math.isfinite(expected) or math.isnan(value):
            continue
        if key[0] in ("std. error", "t value", "fixed correlation") and column.error_kind != MODEL_BASED:
            continue
        if key[0] == "correlation" or (key[0] in ("variance", "std. dev.") and key[1] != "residual"):
            continue
        scale = 1.0 if key[0] in ("fixed correlation", "scaled residual") else abs(expected)
        scale = max(scale, errors.get(key[1], 0.0) if key[0] == "fixed effect" else 0.0)
        if key[0] == "mode":
            # The error of a mode is relative to the standard deviation of its effect.
            scale = max(scale, spot.values["std. dev.", key[1].partition(", level ")[0]])
        # The outermost residual of lme4's quantiles may be of another type by rounding.
        if abs(value - expected) > 1.2 * rounding_of(value) + SPREAD * slack[key] + AT_THETA * scale:
            found[key] = f"at the variances of {column.name} the model gives {expected:.6g}"
    return found, model.theta_of(column)

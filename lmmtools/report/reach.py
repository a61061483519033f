"""The reach of a fit's numbers: how far each can lie from the optimum's where the criterion is g above its minimum.

Fixed effects, their errors, variances, residual and criterion D are functions of theta. To second order the theta whose
criterion lies within g of the optimum fill the ellipsoid d'Hd <= 2g, H the second derivatives of D, and a number q with
derivatives J lies within sqrt(2g J H^-1 J') of its optimal value. Here q is evaluated at the ends of the ellipsoid's
axes, moved outwards until the criterion itself has risen by g. So the reach holds where D is not quadratic, and where q
has zero derivative, as a variance at zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools import core
from lmmtools.design.facts import ones_in_fixed
from lmmtools.design.theta import lambda_factors, pack_lambda, triangular_factor
from lmmtools.errors import EngineError
from lmmtools.printout.number import rounding_of
from lmmtools.report.effect_labels import (
    Key,
    constants_of_blocks,
    group_key,
    level_key,
    match_key,
    name_intercept,
    pair_key,
)
from lmmtools.report.fit_readings import correlations_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from lmmtools.report.comparison_column import ComparisonColumn

    Floats = NDArray[np.float64]

__all__ = ["LiveModel", "ModelNumbers", "ReachTable", "column_values", "mode_keys", "model_of_column", "reach_of"]

STEP = 1e-4
"""Step of the differences of exact gradients, relative to theta or absolute where theta is below one."""
WIDEST, DOUBLINGS = 1e3, 8
"""Longest axis, in units of theta, where the criterion hardly rises; most steps by which an axis is made longer."""
SAFETY = 1.25
"""Factor on the reach: a number that is not linear may lie further off between the axes."""
GAPS = (1e-8, 1e-6, 1e-4, 1e-2, 0.1, 0.4)
"""Gaps of the criterion for which a record holds the reach: two fits 0.1 above the optimum lie within 0.4."""
FLAT = 1e-9
"""Curvature relative to the largest, below which a direction counts as flat."""


@dataclass(frozen=True, slots=True, eq=False)
class ModelNumbers:
    """The numbers of a model at one theta.

    Attributes
    ----------
    criterion : float
    values : dict of Key to float
    """

    criterion: float
    values: dict[Key, float]


@dataclass(frozen=True, slots=True)
class ReachTable:
    """The reach of a fit's numbers for some gaps of the criterion, as a record holds it.

    Attributes
    ----------
    gaps : tuple of float
        Gaps of the criterion, increasing.
    reaches : dict of Key to tuple of float
        Reach of each number, one per gap.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> record = lmt.read_json(fit.to_json(curvature=True))
    >>> round(record.reach.at(0.01)["fixed effect", "(Intercept)"], 3)
    0.0
    """

    gaps: tuple[float, ...]
    reaches: Mapping[Key, tuple[float, ...]]

    def at(self, g: float) -> dict[Key, float]:
        """Return the reach of each number for the gap g, interpolated by the root of g; empty beyond the last gap."""
        i = next((i for i, gap in enumerate(self.gaps) if gap >= g), None)
        if i is None:
            return {}
        # Scaled down from the next larger gap, which does not cut a reach that rises faster than the root.
        share = math.sqrt(g / self.gaps[i])
        below = [r[i - 1] if i else 0.0 for r in self.reaches.values()]
        return {k: max(share * r[i], low) for (k, r), low in zip(self.reaches.items(), below, strict=True)}


@dataclass(slots=True, eq=False)
class LiveModel:
    """The numbers of a live fit's model at any theta, and their reach.

    Attributes
    ----------
    fit : LMMResults
    names : tuple of str, length p
        Fixed effects by the column's names.
    """

    fit: Any
    names: tuple[str, ...]
    _hessian: Floats | None = None
    _reaches: dict[float, dict[Key, float]] = field(default_factory=dict)

    @property
    def theta(self) -> Floats:
        """Theta of the fit, shape (k,)."""
        return np.asarray(self.fit.estimate.theta, dtype=float)

    def at(self, theta: Floats) -> ModelNumbers | None:
        """Return the model's numbers at a theta; None where the criterion cannot be evaluated."""
        try:
            r = core.recover(self.fit.problem, theta, self.fit.reml)
        except EngineError:
            return None
        design = self.fit.design
        values: dict[Key, float] = {("variance", "residual"): r.sigma**2, ("std. dev.", "residual"): r.sigma}
        renamed = constants_of_blocks(design)
        for block, lam, modes in zip(design.blocks, lambda_factors(theta, design.blocks), r.modes, strict=True):
            cov = r.sigma**2 * (lam @ lam.T)
            cnames = [renamed.get(str(c), str(c)) for c in block.cnames]
            for i, name in enumerate(cnames):
                key = group_key(f"{block.group} {name}")
                values["variance", key] = float(cov[i, i])
                values["std. dev.", key] = float(np.sqrt(max(cov[i, i], 0.0)))
                levels = mode_keys(block.group, name, block.levels)
                values |= zip(levels, modes[:, i].tolist(), strict=True)
            for label, corr in correlations_of(cov, cnames).items():
                values["correlation", group_key(f"{block.group} {label}")] = corr
        errors = np.sqrt(np.diag(r.beta_cov))
        for name, b, e in zip(self.names, r.beta, errors, strict=True):
            values["fixed effect", match_key(name)] = float(b)
            values["std. error", match_key(name)] = float(e)
            values["t value", match_key(name)] = float(b / e) if e > 0 else np.nan
        for label, corr in correlations_of(r.beta_cov, self.names).items():
            values["fixed correlation", pair_key(label)] = corr
        for i, t in enumerate(theta, 1):
            values["theta", str(i)] = float(t)
        for i, q in enumerate(self._quantiles(r), 1):
            values["scaled residual", str(i)] = q
        return ModelNumbers(float(r.objective), values)

    def _quantiles(self, r: core.Recovered) -> list[float]:
        """Return minimum, quartiles and maximum of the scaled residuals."""
        from dataclasses import replace

        fit = replace(self.fit, estimate=replace(self.fit.estimate, beta=r.beta, modes=r.modes, sigma=r.sigma))
        return [float(q) for q in np.quantile(fit.scaled_resid, (0.0, 0.25, 0.5, 0.75, 1.0))]

    @property
    def hessian(self) -> Floats:
        """Second derivatives of the criterion in theta at the fit, shape (k, k)."""
        if self._hessian is None:
            theta, rows = self.theta, []
            for i in range(len(theta)):
                h = STEP * max(1.0, abs(theta[i]))
                ends = []
                for sign in (1.0, -1.0):
                    moved = theta.copy()
                    moved[i] += sign * h
                    ends.append(np.asarray(core.evaluate(self.fit.problem, moved, self.fit.reml).gradient))
                rows.append((ends[0] - ends[1]) / (2.0 * h))
            H = np.array(rows).reshape(len(theta), len(theta))
            self._hessian = 0.5 * (H + H.T)
        return self._hessian

    def reach(self, g: float) -> dict[Key, float]:
        """Return how far each number may lie from the fit's at thetas whose criterion is higher by at most g."""
        if g not in self._reaches:
            self._reaches[g] = self._find_reach(g)
        return self._reaches[g]

    def table(self) -> ReachTable:
        """Return the reach of every number but the modes, for each of `GAPS`."""
        found = [self.reach(g) for g in GAPS]
        keys = [k for k in found[0] if k[0] != "mode"]
        return ReachTable(GAPS, {k: tuple(reach[k] for reach in found) for k in keys})

    def _find_reach(self, g: float) -> dict[Key, float]:
        here = self.at(self.theta)
        if here is None or g <= 0 or not len(self.theta):
            return {} if here is None else dict.fromkeys(here.values, 0.0)
        curvatures, axes = np.linalg.eigh(self.hessian)
        floor = FLAT * max(float(np.abs(curvatures).max()), 1e-12)
        slopes: dict[Key, list[float]] = {k: [] for k in here.values}
        for curvature, axis in zip(curvatures, axes.T, strict=True):
            radius = min(float(np.sqrt(2.0 * g / max(curvature, floor))), WIDEST)
            ends = [self._point_at_rise(here, sign * axis, radius, g) for sign in (1.0, -1.0)]
            for key, value in here.values.items():
                gaps = [abs(e.values[key] - value) for e in ends if e is not None and np.isfinite(e.values[key])]
                slopes[key].append(max(gaps, default=0.0))
        return {k: SAFETY * float(np.linalg.norm(v)) for k, v in slopes.items()}

    def _point_at_rise(self, here: ModelNumbers, direction: Floats, radius: float, g: float) -> ModelNumbers | None:
        """Return the numbers at the point of a direction where the criterion has risen by about g."""
        found = None
        for _ in range(DOUBLINGS):
            spot = self.at(self.theta + radius * direction)
            if spot is None:
                break
            found = spot
            if spot.criterion - here.criterion >= 0.98 * g or radius >= WIDEST:
                break
            radius = min(1.5 * radius, WIDEST)
        return found

    @property
    def to_fall(self) -> float:
        """Decrease of the criterion that the certificate leaves possible; zero where it has none."""
        return float(self.fit.certificate.near_decrease or 0.0)

    def theta_of(self, column: ComparisonColumn, moved: Key | None = None) -> Floats | None:
        """Return theta, shape (k,), from a column's variances, correlations and residual; None if one is missing.

        The number ``moved`` enters at the upper end of its rounding interval.
        """
        if moved is None and column.theta is not None and not any(map(rounding_of, column.variances.values())):
            return np.array(column.theta) if len(column.theta) == len(self.theta) else None
        sds = {
            group_key(k): _end_of_rounding(v, ("std. dev.", group_key(k)), moved) for k, v in _std_devs(column).items()
        }
        correlations = {
            group_key(k): _end_of_rounding(v, ("correlation", group_key(k)), moved)
            for k, v in column.correlations.items()
        }
        sigma = _end_of_rounding(column.sigma, ("std. dev.", "residual"), moved)
        if not sigma > 0:
            return None
        renamed, factors = constants_of_blocks(self.fit.design), []
        for block in self.fit.design.blocks:
            cnames = [renamed.get(str(c), str(c)) for c in block.cnames]
            found = [sds.get(group_key(f"{block.group} {c}")) for c in cnames]
            if None in found:
                return None
            sd = np.array(found, dtype=float) / sigma
            corr = np.eye(len(sd))
            for j in range(len(sd)):
                for i in range(j + 1, len(sd)):
                    r = correlations.get(group_key(f"{block.group} {cnames[j]}, {cnames[i]}"), np.nan)
                    corr[i, j] = corr[j, i] = r if np.isfinite(r) else 0.0
            factors.append(triangular_factor(corr * np.outer(sd, sd)))
        return np.asarray(pack_lambda(factors))

    def predicted(self, column: ComparisonColumn) -> tuple[ModelNumbers, dict[Key, float]] | None:
        """Return the numbers that a column's variances imply, and the slack that their rounding leaves each.

        The slack of the criterion has the key ``("criterion", "")``.
        """
        theta = self.theta_of(column)
        spot = None if theta is None else self.at(theta)
        if theta is None or spot is None:
            return None
        slack: dict[Key, float] = dict.fromkeys((*spot.values, ("criterion", "")), 0.0)
        rounded: list[Key] = [
            *(("std. dev.", group_key(k)) for k, v in _std_devs(column).items() if rounding_of(v)),
            *(("correlation", group_key(k)) for k, v in column.correlations.items() if rounding_of(v)),
        ]
        rounded += [("std. dev.", "residual")] if rounding_of(column.sigma) else []
        for key in rounded:
            moved = self.theta_of(column, key)
            there = None if moved is None else self.at(moved)
            if there is None:
                return None
            for k, v in there.values.items():
                gap = abs(v - spot.values[k])
                slack[k] += gap if np.isfinite(gap) else np.inf
            slack["criterion", ""] += abs(there.criterion - spot.criterion)
        return spot, slack

    def is_same_valley(self, one: Floats, other: Floats, height: float) -> bool:
        """Whether the criterion stays below a height on the straight line between two thetas' covariance matrices."""
        blocks = self.fit.design.blocks
        pairs = [
            (a @ a.T, b @ b.T) for a, b in zip(lambda_factors(one, blocks), lambda_factors(other, blocks), strict=True)
        ]
        for s in np.linspace(0.0, 1.0, 9)[1:-1]:
            factors = [triangular_factor((1.0 - s) * a + s * b) for a, b in pairs]
            spot = self.at(np.asarray(pack_lambda(factors)))
            if spot is None or spot.criterion > height:
                return False
        return True


def mode_keys(group: str, effect: str, levels: Iterable[object]) -> list[Key]:
    """Return the key of each level's conditional mode of one effect."""
    term = group_key(f"{group} {effect}")
    return [("mode", f"{term}, level {level_key(group, str(level))}") for level in levels]


def model_of_column(column: ComparisonColumn) -> LiveModel | None:
    """Return the model of a column that comes from a live fit; None for other columns."""
    fit = column.source
    if column.is_ols or not hasattr(fit, "problem") or not hasattr(fit, "estimate"):
        return None
    return _live(fit)


def reach_of(fit: Any) -> ReachTable:
    """Return the reach of a live fit's numbers, to be recorded."""
    return _live(fit).table()


def _live(fit: Any) -> LiveModel:
    """Return the model of a live fit, its effects named as comparisons name them."""
    # A row of ones and zeros tells which columns are the constant.
    ones = ones_in_fixed(fit.design)[None].astype(float)
    return LiveModel(fit, tuple(name_intercept(list(map(str, fit.design.x_names)), ones)))


def _std_devs(column: ComparisonColumn) -> dict[str, float]:
    if column.std_devs:
        return dict(column.std_devs)
    return {k: float(np.sqrt(max(v, 0.0))) for k, v in column.variances.items()}


def _end_of_rounding(value: float, key: Key, moved: Key | None) -> float:
    return float(value) + (rounding_of(value) if key == moved else 0.0)


def column_values(column: ComparisonColumn) -> dict[Key, float]:
    """Return the column's own values of the numbers that follow from theta."""
    values: dict[Key, float] = {("variance", "residual"): _residual(column), ("std. dev.", "residual"): column.sigma}
    values |= {("variance", group_key(k)): v for k, v in column.variances.items()}
    values |= {("std. dev.", group_key(k)): v for k, v in _std_devs(column).items()}
    values |= {("correlation", group_key(k)): v for k, v in column.correlations.items()}
    values |= {("fixed effect", match_key(k)): v for k, v in column.fixef.items()}
    values |= {("std. error", match_key(k)): v for k, v in column.std_errors.items()}
    values |= {("t value", match_key(k)): v for k, v in column.tvalues.items()}
    values |= {("fixed correlation", pair_key(k)): v for k, v in column.fixef_correlations.items()}
    values |= {("scaled residual", str(i)): q for i, q in enumerate(column.scaled_residuals or (), 1)}
    for label, modes in column.modes.items():
        group, _, effect = label.partition(" ")
        values |= zip(mode_keys(group, effect, modes), modes.values(), strict=True)
    return values


def _residual(column: ComparisonColumn) -> float:
    return column.sigma**2 if column.residual_variance is None else column.residual_variance

"""Residuals of every kind, those by simulation among them, and the normality of the modes."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from lmmtools import core
from lmmtools.errors import DataError
from lmmtools.inference.simulation import simulate
from lmmtools.report.result_table import Field, ResultTable, Tabular, row_labels
from lmmtools.report.table import NumberFormat

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = ["ModeNormality", "Residual", "cooks_distance", "mode_normality", "quantile_residuals", "residuals"]

Residual = Literal["conditional", "marginal", "pearson", "scaled", "standardized", "studentized"]

ROUNDING = 1e-10
"""Residuals are undefined for rows whose leverage is within this of one."""

FEWEST, MANY = 3, 5000
"""Fewest values for the Shapiro-Wilk test, and most values for which Royston's p-value is accurate."""

CHUNK = 2_000_000
"""Most simulated values in memory at once."""


def residuals(fit: Fit, kind: str) -> Floats:
    """Return residuals of one kind, shape (n,); see :meth:`LMMResults.residuals`."""
    if kind not in get_args(Residual):
        raise DataError(f"kind={kind!r} is not known; write one of {', '.join(map(repr, get_args(Residual)))}")
    design = fit.design
    if kind == "conditional":
        return np.asarray(fit.resid, dtype=float)
    if kind == "marginal":
        return np.asarray(design.response - design.fixed @ fit.estimate.beta)
    if kind == "pearson":
        return fit.sigma * fit.scaled_resid
    if kind == "scaled":
        return fit.scaled_resid
    standard = fit.scaled_resid / np.sqrt(_one_less_hat(fit))
    if kind == "standardized":
        return np.asarray(standard)
    dof = fit.nobs - design.p if fit.reml else fit.nobs
    # Leaving out a row reduces y'Py by the square of its standardised residual.
    return np.asarray(standard * np.sqrt((dof - 1.0) / (dof - standard**2)))


def cooks_distance(fit: Fit) -> Floats:
    """Return Cook's distance of each row from its hat value, shape (n,); see :attr:`LMMResults.cooks_distance`."""
    left, p = _one_less_hat(fit), fit.design.p
    return np.asarray((fit.scaled_resid / left) ** 2 * (1.0 - left) / (p if p else np.nan))


def _one_less_hat(fit: Fit) -> Floats:
    """Return 1 - hat values, shape (n,); NaN where that is zero up to rounding."""
    left = 1.0 - np.asarray(fit.hat_values, dtype=float)
    return np.where(left > ROUNDING, left, np.nan)


def quantile_residuals(fit: Fit, n: int, rng: np.random.Generator) -> Floats:
    """Return the quantile of each observation among n draws from the fitted model, shape (nobs,), in (0, 1)."""
    design, y = fit.design, fit.design.y
    below, equal = np.zeros(len(y)), np.zeros(len(y))
    step = max(1, CHUNK // len(y))
    for start in range(0, n, step):
        drawn = simulate(design, fit.estimate.beta, fit.theta, fit.sigma, min(step, n - start), rng)
        below += (drawn < y[:, None]).sum(axis=1)
        equal += (drawn == y[:, None]).sum(axis=1)
    place = np.where(equal > 0, rng.uniform(size=len(y)), 0.5)
    return np.asarray((below + place * (equal + 1.0)) / (n + 1.0))


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ModeNormality(Tabular):
    """Shapiro-Wilk tests of the standardised conditional modes, per factor and effect.

    ``to_frame()`` has the columns ``grp term levels W p note``; the note says why numbers are NaN.

    Attributes
    ----------
    grp, term : tuple of str
        Factor and effect.
    levels : tuple of int
    W, p : ndarray, shape (tests,)
        Statistic and p-value, NaN where undefined.
    reasons : tuple of str
        Why they are undefined, or a remark on them; an empty string otherwise.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> fit.mode_normality().to_frame()[["term", "W"]].round(3)
              term      W
    0  (Intercept)  0.950
    1         Days  0.976
    """

    grp: tuple[str, ...]
    term: tuple[str, ...]
    levels: tuple[int, ...]
    W: Floats
    p: Floats
    reasons: tuple[str, ...]

    @property
    def _table(self) -> ResultTable:
        fields = (
            row_labels("Groups", self.grp, "grp", is_index=False),
            Field("term", "Effect", self.term),
            Field("levels", "Levels", self.levels, NumberFormat("plain", 9)),
            Field("W", "W", self.W, NumberFormat("correlation", 4), is_blank_where_nan=True),
            Field("p", "Pr(<W)", self.p, NumberFormat("pvalue", 4), is_blank_where_nan=True),
            Field("note", None, self.reasons),
        )
        why = (f"{g}, {t}: {r}" for g, t, r in zip(self.grp, self.term, self.reasons, strict=True) if r)
        notes = (
            "modes are shrunken towards zero and mixed with the residuals' noise, which is normal in the model: they "
            "look more normal than the effects are, so a small p tells something, a large one little",
            *why,
        )
        return ResultTable("normality", fields, "Normality of the conditional modes", notes)


def mode_normality(fit: Fit) -> ModeNormality:
    """Return Shapiro-Wilk tests of the modes over their own standard deviations under the model."""
    from scipy import stats

    spread = core.mode_covariances(fit.problem, fit.theta, fit.reml)
    rows: list[tuple[str, str, int, float, float, str]] = []
    for block, modes, covariance, term in zip(fit.design.blocks, fit.estimate.modes, spread, fit.varcorr, strict=True):
        for j, name in enumerate(block.cnames):
            variance = covariance[:, j, j]
            known = variance > ROUNDING * term.cov[j, j]
            if term.cov[j, j] == 0.0 or not modes[:, j].any():
                reason = "its variance is zero, on the boundary, so that all modes are zero"
            elif known.sum() < FEWEST:
                reason = f"{known.sum()} levels are too few; the test needs {FEWEST}"
            else:
                with warnings.catch_warnings():
                    # scipy warns of more than 5000 values; the note says the same.
                    warnings.simplefilter("ignore", UserWarning)
                    found = stats.shapiro(modes[known, j] / np.sqrt(variance[known]))
                note = f"p is approximate for more than {MANY} levels" if known.sum() > MANY else ""
                rows.append((block.group, name, block.m, float(found.statistic), float(found.pvalue), note))
                continue
            rows.append((block.group, name, block.m, np.nan, np.nan, reason))
    grp, names, levels, W, p, reasons = zip(*rows, strict=True)
    return ModeNormality(grp, names, levels, np.array(W, dtype=float), np.array(p, dtype=float), reasons)

"""What a fit owes to single rows, or to the levels of a factor: deletion diagnostics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools import core
from lmmtools.design.columns import independent_columns
from lmmtools.errors import DataError, EngineError
from lmmtools.report.result_table import Field, ResultTable, Tabular, row_labels
from lmmtools.report.table import NumberFormat
from lmmtools.sentences import list_first

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]
    Rows = NDArray[np.intp]

__all__ = ["Influence", "influence"]

SHOWN = 10
"""Rows in the printed table."""

HELD = "theta and sigma are held at the whole fit's"
AGAIN = "the model is fitted again without each"
NOT_ESTIMABLE = "the rest cannot estimate every fixed effect"
NO_EFFECTS = "the model has no fixed effects"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Influence(Tabular):
    """Deletion diagnostics, one entry per row or level left out.

    ``to_frame()`` has the columns ``rows cooks covratio leverage``, ``dfbetas[...]`` per fixed effect, and
    ``note``.

    Attributes
    ----------
    level : str or None
        What is left out: a level of this factor, or a row.
    labels : tuple, length r
        The levels, or the rows' labels in the data.
    names : tuple of str, length p
        The fixed effects.
    rows : ndarray of int, shape (r,)
        Rows that are left out with each.
    cooks : ndarray, shape (r,)
        Cook's distance (b_I - b)' C^-1 (b_I - b) / p, C the covariance of b.
    covratio : ndarray, shape (r,)
        Determinant of the covariance of b_I over that of C.
    leverage : ndarray, shape (r,)
        Sum of the rows' hat values.
    changes : ndarray, shape (r, p)
        b_I - b, in units of the effects.
    dfbetas : ndarray, shape (r, p)
        The changes over the standard errors of b_I.
    reasons : tuple of str
        Why an entry's numbers are NaN, or an empty string.
    parameters : tuple of str
        Variance parameters: ``var(...)``, ``cov(...)``.
    whole : ndarray, shape (k + 1,)
        Their estimates, in squared units of y.
    without : ndarray, shape (r, k + 1), or None
        Their estimates without each; None where theta was held.
    notes : tuple of str

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> fit.influence("Batch").to_frame()[["rows", "cooks"]].head(2).round(4)
           rows   cooks
    Batch
    A         5  0.0539
    B         5  0.0000
    """

    level: str | None
    labels: tuple[Any, ...]
    names: tuple[str, ...]
    rows: Rows
    cooks: Floats
    covratio: Floats
    leverage: Floats
    changes: Floats
    dfbetas: Floats
    reasons: tuple[str, ...]
    parameters: tuple[str, ...]
    whole: Floats
    without: Floats | None
    notes: tuple[str, ...] = ()

    @property
    def _index(self) -> pd.Index[Any]:
        import pandas as pd

        index: pd.Index[Any] = pd.Index(list(self.labels), name=self.level, tupleize_cols=False)
        return index

    @property
    def fixed_effects(self) -> pd.DataFrame:
        """Change of each fixed effect, without less with: lme4's ``dfbeta``."""
        import pandas as pd

        return pd.DataFrame(self.changes, index=self._index, columns=list(self.names))

    @property
    def variances(self) -> pd.DataFrame:
        """Change of each variance parameter, without less with, in squared units of y.

        Raises
        ------
        DataError
            If theta was held.
        """
        import pandas as pd

        if self.without is None:
            raise DataError("the variance parameters were held: call influence(refit=True) to see how they change")
        return pd.DataFrame(self.without - self.whole, index=self._index, columns=list(self.parameters))

    @property
    def _table(self) -> ResultTable:
        share = NumberFormat("correlation", 4)
        is_row = self.level is None

        def number(key: str, heading: str, values: Floats) -> Field:
            return Field(key, heading, values, share, is_blank_where_nan=True)

        fields = (
            row_labels(self.level or "Row", self.labels, self.level),
            Field("rows", None if is_row else "Rows", self.rows, NumberFormat("plain", 9)),
            number("cooks", "Cook's D", self.cooks),
            number("covratio", "Cov. ratio", self.covratio),
            number("leverage", "Leverage", self.leverage),
            *(number(f"dfbetas[{n}]", f"DFBETAS {n}", self.dfbetas[:, j]) for j, n in enumerate(self.names)),
            Field("note", None, self.reasons),
        )
        largest = np.argsort(-np.nan_to_num(self.cooks, nan=np.inf), kind="stable")[:SHOWN].tolist()
        unit = "rows" if is_row else f"levels of {self.level}"
        return ResultTable("influence", fields, f"Influence of {unit}", self._report_notes(unit), shown=largest)

    def _report_notes(self, unit: str) -> tuple[str, ...]:
        """Return the notes: which entries are shown, how they were computed, and why some have no numbers."""
        count = len(self.labels)
        shown = (f"the {SHOWN} of {count} {unit} with the largest Cook's distance",) if count > SHOWN else ()
        why: dict[str, list[str]] = {}
        for i, reason in enumerate(self.reasons):
            if reason:
                why.setdefault(reason, []).append(str(self.labels[i]))
        return (*shown, *self.notes, *(f"without {list_first(left, SHOWN)}: {reason}" for reason, left in why.items()))


def influence(fit: Fit, level: str | None = None, refit: bool = False) -> Influence:
    """Return deletion diagnostics of a fit; see :meth:`LMMResults.influence`."""
    labels, sets = _rows_left_out(fit, level)
    info = core.information(fit.problem, fit.theta, fit.reml)
    cov = core.recover(fit.problem, fit.theta, fit.reml).beta_cov
    if refit:
        changes, covariances, without, reasons, notes = _refit_without(fit, sets)
    else:
        found = core.delete_rows(fit.problem, fit.theta, fit.reml, sets)
        changes, covariances, without = found.changes, found.covariances, None
        reasons = ["" if fine else NOT_ESTIMABLE for fine in found.is_estimable]
        notes = [HELD]
    p = len(cov)
    cooks, covratio = np.full((2, len(sets)), np.nan)
    if p:
        cooks = np.einsum("rp,pr->r", changes, np.linalg.solve(cov, changes.T)) / p
        at = np.isfinite(cooks)
        covratio[at] = np.linalg.det(covariances[at] @ np.linalg.inv(cov))
    else:
        reasons = [reason or NO_EFFECTS for reason in reasons]
    hat = fit.hat_values.to_numpy()
    return Influence(
        level,
        labels,
        fit.design.x_names,
        sets.sizes,
        cooks,
        covratio,
        np.add.reduceat(hat[sets.rows], sets.starts),
        changes,
        changes / np.sqrt(np.einsum("rpp->rp", covariances)),
        tuple(reasons),
        info.names,
        info.vcov,
        without,
        tuple(notes),
    )


def _rows_left_out(fit: Fit, level: str | None) -> tuple[tuple[Any, ...], core.RowSets]:
    """Return the labels of the rows or levels to leave out, and the rows of each."""
    design = fit.design
    if level is None:
        return tuple(design.frame.index), core.RowSets.single(design.n)
    factor = design.find_factor(level)
    if factor is not None:
        block = design.blocks[design.factors[factor][0]]
        codes, labels = block.codes, tuple(block.levels)
    else:
        codes, labels = _combinations(fit, level)
    return labels, core.RowSets.of_levels(codes, len(labels))


def _combinations(fit: Fit, level: str) -> tuple[Rows, tuple[Any, ...]]:
    """Return codes and labels of a column of the data, or of the combinations of several that ``"a:b"`` names."""
    frame = fit.design.frame
    columns = [level] if isinstance(level, str) and level in frame else str(level).split(":")
    if not all(name in frame for name in columns):
        known = dict.fromkeys([*fit.design.factors, *map(str, frame.columns)])
        raise DataError(f"{level!r} is no factor or column of this model; there are {', '.join(known)}")
    groups = frame.groupby(columns, observed=True, sort=True)
    keys = groups.size().index.to_frame().itertuples(index=False)
    labels = (key[0] if len(columns) == 1 else ":".join(map(str, key)) for key in keys)
    return np.asarray(groups.ngroup(), dtype=np.intp), tuple(labels)


def _refit_without(fit: Fit, sets: core.RowSets) -> tuple[Floats, Floats, Floats, list[str], list[str]]:
    """Return changes, covariances, variance parameters, reasons and notes of the fits without each set."""
    design, p, k = fit.design, fit.design.p, fit.design.k
    beta = core.recover(fit.problem, fit.theta, fit.reml).beta
    changes, covariances = np.full((len(sets), p), np.nan), np.full((len(sets), p, p), np.nan)
    without = np.full((len(sets), k + 1), np.nan)
    reasons, singular, uncertain = [""] * len(sets), 0, 0
    for i, own in enumerate(sets):
        keep = np.ones(design.n, dtype=bool)
        keep[own] = False
        if len(independent_columns(design.X[keep])) < p:
            reasons[i] = NOT_ESTIMABLE
            continue
        try:
            left = fit.on_rows(keep)
        except MemoryError:
            raise
        except EngineError as error:
            reasons[i] = str(error)
            continue
        changes[i], covariances[i] = left.estimate.beta - beta, left.estimate.beta_cov
        without[i] = [*(v for t in left.varcorr for v in t.cov[np.triu_indices(len(t.cov))]), left.scale]
        singular += left.is_singular
        uncertain += not left.converged
    notes = [AGAIN]
    if singular:
        notes.append(f"{singular} of these fits are singular")
    if uncertain:
        notes.append(f"{uncertain} of these fits could not be certified as optimal")
    return changes, covariances, without, reasons, notes

"""Contrasts of marginal means, or of slopes: their weights, estimates and adjusted p-values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.errors import DataError
from lmmtools.inference.degrees import DDF, check_ddf, method_name
from lmmtools.inference.marginal.adjust import adjust_pvalues, adjusted_quantiles, adjustment_name, check_adjust
from lmmtools.inference.marginal.grid import reference_cells
from lmmtools.inference.marginal.means import cell_label, describe_cells, estimate_rows, fields_beside_levels, name_list
from lmmtools.inference.tails import check_alpha
from lmmtools.report.result_table import ResultTable, Tabular, coefficient_fields, free_name, row_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = ["MarginalContrasts", "marginal_contrasts"]

DIGITS = 4


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class MarginalContrasts(Tabular):
    """Contrasts of marginal means, one row each.

    ``to_frame()`` has the levels of ``by``, then the columns ``contrast estimate se df t p``; one of these that is
    called like a column of ``by`` has an underscore behind its name.

    Attributes
    ----------
    by : tuple of str
        Columns within whose levels the means are compared.
    groups : tuple of tuple
        Their levels, row by row.
    names : tuple of str
        The contrasts, ``"A - B"``.
    estimate, se : ndarray, shape (rows,)
        NaN where not estimable.
    df, t, p : ndarray, shape (rows,)
        Degrees of freedom, statistic, and adjusted two-sided p-value.
    adjust : str
        Method by which p-values are adjusted for the number of contrasts within each group.
    ddf : str
        The method of the degrees of freedom.
    slope_of : str or None
        The covariate whose slopes are compared; None for means.
    n_means : int
        Number of means compared within each group.
    notes : tuple of str

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool")).fit(engine="pls")
    >>> fit.pairwise("Type").to_frame()[["contrast", "estimate"]].head(2).round(3)
      contrast  estimate
    0  T1 - T2    -3.889
    1  T1 - T3    -2.222
    """

    by: tuple[str, ...]
    groups: tuple[tuple[Any, ...], ...]
    names: tuple[str, ...]
    estimate: Floats
    se: Floats
    df: Floats
    t: Floats
    p: Floats
    adjust: str
    ddf: DDF
    slope_of: str | None = None
    n_means: int = 2
    notes: tuple[str, ...] = ()

    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame:
        """Return simultaneous limits: the rows of ``to_frame()`` with columns ``contrast lower upper``.

        Parameters
        ----------
        alpha : float
            One less the coverage of all intervals within a level of ``by`` at once, as ``adjust`` has it: Tukey's,
            Sidak's, Bonferroni's (for the stepwise methods too); of each interval for ``adjust="none"``.

        Raises
        ------
        DataError
            If ``alpha`` is not between 0 and 1.
        """
        check_alpha(alpha)
        n_tests = len(self.names) // len(dict.fromkeys(self.groups))
        half = adjusted_quantiles(self.df, alpha, self.adjust, n_tests, self.n_means) * self.se
        frame = self.to_frame().iloc[:, : len(self.by) + 1]
        lower, upper = free_name("lower", self.by), free_name("upper", self.by)
        return frame.assign(**{lower: self.estimate - half, upper: self.estimate + half})

    @property
    def _table(self) -> ResultTable:
        heading = "Contrast" if self.slope_of is None else f"Slope of {self.slope_of}"
        numbers = {"estimate": self.estimate, "se": self.se, "df": self.df, "t": self.t, "p": self.p}
        statistics = (
            row_labels(heading, self.names, "contrast", is_index=False),
            *coefficient_fields(numbers, DIGITS, statistic="z" if self.ddf == "z" else "t"),
        )
        fields, renamed = fields_beside_levels(self.by, self.groups, statistics)
        return ResultTable("contrasts", fields, notes=(method_name(self.ddf), *self.notes, *renamed))


def marginal_contrasts(
    fit: Fit,
    factors: str | Sequence[str],
    *,
    method: str | Mapping[str, Any] = "pairwise",
    by: str | Sequence[str] | None = None,
    at: Mapping[str, Any] | None = None,
    slope_of: str | None = None,
    adjust: str | None = None,
    ddf: str = "satterthwaite",
) -> MarginalContrasts:
    """Return contrasts of marginal means; see :meth:`LMMResults.contrasts`."""
    check = check_ddf(ddf)
    is_pairwise = isinstance(method, str) and method == "pairwise"
    adjust = adjust or ("tukey" if is_pairwise else "none")
    check_adjust(adjust, is_pairwise)
    compared, within = (list(dict.fromkeys(n)) for n in (name_list(factors, "factors"), name_list(by, "by")))
    if not compared or set(compared) & set(within):
        raise DataError(f"factors={factors!r} must name what to compare, and other columns than by={by!r}")
    cells = reference_cells(fit.design, [*compared, *within], at, slope_of)
    groups = list(dict.fromkeys(row[len(compared) :] for row in cells.values))
    k = len(cells.values) // len(groups)
    names, weights = _contrast_weights([cell_label(compared, row[: len(compared)]) for row in cells.values[:k]], method)
    # The compared columns vary fastest, so that the cells of a group are consecutive.
    L = np.einsum("ck,gkp->gcp", weights, cells.L.reshape(len(groups), k, cells.L.shape[1]))
    known = cells.is_estimable.reshape(len(groups), k)
    is_estimable = np.array([[bool(ok[row != 0].all()) for row in weights] for ok in known])
    constant = np.tile(weights.sum(axis=1) * cells.constant, len(groups))
    found = estimate_rows(
        fit, L.reshape(-1, L.shape[2]), constant, is_estimable.ravel(), list(names) * len(groups), check, slope_of
    )
    p = np.concatenate(
        [
            adjust_pvalues(t, df, p, adjust, k)
            for t, df, p in zip(*(a.reshape(len(groups), -1) for a in (found.t, found.df, found.p)), strict=True)
        ]
    )
    said = adjustment_name(adjust, len(names), k)
    return MarginalContrasts(
        tuple(within),
        tuple(group for group in groups for _ in names),
        names * len(groups),
        found.estimate,
        found.se,
        found.df,
        found.t,
        p,
        adjust,
        check,
        slope_of,
        k,
        (*describe_cells(cells), *found.notes, *((said,) if said else ())),
    )


def _contrast_weights(labels: Sequence[str], method: Any) -> tuple[tuple[str, ...], Floats]:
    """Return the names of contrasts and their weights on the means, shape (contrasts, means).

    Parameters
    ----------
    labels : sequence of str
        Labels of the means.
    method : str or mapping of str to array_like, each (means,)
        ``"pairwise"``: each less each later one; ``"reference"``: each later one less the first; ``"sequential"``: each
        less the one before; ``"effects"``: each less the mean of all; or name -> weights.

    Raises
    ------
    DataError
        If there is no such method, there is one mean alone, or weights are not one per mean.
    """
    k = len(labels)
    if isinstance(method, Mapping):
        return _given_weights(labels, method)
    if not isinstance(method, str) or method not in _WEIGHTS_OF:
        known = ", ".join(map(repr, _WEIGHTS_OF))
        raise DataError(f"method={method!r} is not known; use one of {known}, or a dict of weights by name")
    if k < 2:
        raise DataError(f"there is one mean alone ({labels[0]}): nothing to compare it with")
    return _WEIGHTS_OF[method](labels, np.eye(k))


def _given_weights(labels: Sequence[str], method: Mapping[str, Any]) -> tuple[tuple[str, ...], Floats]:
    """Return the names and weights of contrasts that the user gives."""
    rows = []
    for name, weights in method.items():
        try:
            row = np.asarray(weights, dtype=float)
        except (TypeError, ValueError):
            raise DataError(f"contrast {name!r} has weights that are no numbers: {weights!r}") from None
        if row.shape != (len(labels),) or not np.isfinite(row).all():
            raise DataError(f"contrast {name!r} needs {len(labels)} finite weights, for {', '.join(labels)}")
        rows.append(row)
    if not rows:
        raise DataError("there are no contrasts: give a dict of weights by name")
    return tuple(map(str, method)), np.array(rows)


def _pairwise(labels: Sequence[str], eye: Floats) -> tuple[tuple[str, ...], Floats]:
    pairs = [(i, j) for i in range(len(labels)) for j in range(i + 1, len(labels))]
    return tuple(f"{labels[i]} - {labels[j]}" for i, j in pairs), np.array([eye[i] - eye[j] for i, j in pairs])


def _reference(labels: Sequence[str], eye: Floats) -> tuple[tuple[str, ...], Floats]:
    return tuple(f"{label} - {labels[0]}" for label in labels[1:]), eye[1:] - eye[0]


def _sequential(labels: Sequence[str], eye: Floats) -> tuple[tuple[str, ...], Floats]:
    names = (f"{after} - {before}" for before, after in pairwise(labels))
    return tuple(names), eye[1:] - eye[:-1]


def _effects(labels: Sequence[str], eye: Floats) -> tuple[tuple[str, ...], Floats]:
    return tuple(f"{label} effect" for label in labels), eye - 1.0 / len(labels)


_WEIGHTS_OF: dict[str, Callable[[Sequence[str], Floats], tuple[tuple[str, ...], Floats]]] = {
    "pairwise": _pairwise,
    "reference": _reference,
    "sequential": _sequential,
    "effects": _effects,
}

"""Contrasts of marginal means, or of slopes: their weights, estimates and adjusted p-values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.errors import DataError
from lmmtools.inference.degrees import Method, check_ddf, degrees, is_normal, method_name
from lmmtools.inference.marginal.adjust import (
    Family,
    Side,
    adjust_family,
    adjustment_name,
    check_adjust,
    family_quantiles,
)
from lmmtools.inference.marginal.contrast_methods import find_method, given_weights
from lmmtools.inference.marginal.grid import Cells, GridOptions, are_estimable, reference_cells
from lmmtools.inference.marginal.means import cell_label, describe_cells, estimate_rows, fields_beside_levels, name_list
from lmmtools.inference.tails import check_alpha, t_below, t_two_sided
from lmmtools.report.result_table import ResultTable, Tabular, coefficient_fields, free_name, row_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit
    from lmmtools.inference.robust import Robust

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
        Degrees of freedom, statistic, and adjusted p-value.
    adjust : str
        Method by which p-values are adjusted for the number of contrasts within each group.
    ddf : str
        The method of the degrees of freedom.
    slope_of : str or None
        The covariate whose slopes are compared; None for means.
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
    ddf: Method
    slope_of: str | None = None
    notes: tuple[str, ...] = ()
    _families: tuple[Family, ...] = ()

    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame:
        """Return simultaneous limits: the rows of ``to_frame()`` with columns ``contrast lower upper``.

        Parameters
        ----------
        alpha : float
            One less the coverage of all intervals within a level of ``by`` at once, as ``adjust`` has it (for stepwise
            methods Bonferroni's); of each interval for ``adjust="none"``. One-sided tests have limits on one side.

        Raises
        ------
        DataError
            If ``alpha`` is not between 0 and 1.
        """
        check_alpha(alpha)
        half = np.concatenate([family_quantiles(family, self.adjust, alpha) for family in self._families]) * self.se
        side = self._families[0].side
        frame = self.to_frame().iloc[:, : len(self.by) + 1]
        lower, upper = free_name("lower", self.by), free_name("upper", self.by)
        low = np.full(len(half), -np.inf) if side == "<" else self.estimate - half
        high = np.full(len(half), np.inf) if side == ">" else self.estimate + half
        return frame.assign(**{lower: low, upper: high})

    @property
    def _table(self) -> ResultTable:
        heading = "Contrast" if self.slope_of is None else f"Slope of {self.slope_of}"
        numbers = {"estimate": self.estimate, "se": self.se, "df": self.df, "t": self.t, "p": self.p}
        statistics = (
            row_labels(heading, self.names, "contrast", is_index=False),
            *coefficient_fields(numbers, DIGITS, statistic="z" if is_normal(self.ddf) else "t"),
        )
        fields, renamed = fields_beside_levels(self.by, self.groups, statistics)
        return ResultTable("contrasts", fields, notes=(method_name(self.ddf), *self.notes, *renamed))


def marginal_contrasts(
    fit: Fit,
    factors: str | Sequence[str],
    *,
    method: str | Mapping[str, Any] = "pairwise",
    interaction: str | Sequence[str] | None = None,
    ref: Any = None,
    by: str | Sequence[str] | None = None,
    options: GridOptions | None = None,
    adjust: str | None = None,
    null: float = 0.0,
    delta: float = 0.0,
    side: str = "two-sided",
    ddf: str | Robust = "satterthwaite",
) -> MarginalContrasts:
    """Return contrasts of marginal means; see :meth:`LMMResults.contrasts`."""
    check = check_ddf(ddf)
    tail = _read_side(side, delta)
    compared, within = (list(dict.fromkeys(n)) for n in (name_list(factors, "factors"), name_list(by, "by")))
    if not compared or set(compared) & set(within):
        raise DataError(f"factors={factors!r} must name what to compare, and other columns than by={by!r}")
    cells = reference_cells(fit.design, compared, within, options)
    sets, left_out = _sets_by_group(cells, method, interaction, ref)
    usual = sets[0].usual
    if adjust is None:
        adjust = "sidak" if tail != "two-sided" and usual in ("tukey", "dunnett", "mvt") else usual
    check_adjust(adjust, sets[0].is_pairwise, tail)
    L = np.concatenate([own.weights @ cells.L[own.cells] for own in sets])
    is_estimable = np.concatenate([_are_estimable(own.weights, cells.gap[own.cells]) for own in sets])
    constant = np.concatenate([own.weights.sum(axis=1) for own in sets]) * cells.constant
    names = tuple(name for own in sets for name in own.names)
    slope_of = None if options is None else options.slope_of
    found = estimate_rows(fit, L, constant, is_estimable, names, check, slope_of)
    t, p = _test(found.estimate - float(null), found.se, found.df, float(delta), tail)
    cov = np.asarray(degrees(fit, check).cov)
    ends = np.cumsum([len(own.names) for own in sets])
    families = tuple(
        Family(t[rows], found.df[rows], p[rows], L[rows] @ cov @ L[rows].T, len(own.cells), tail)
        for own, rows in zip(sets, np.split(np.arange(len(t)), ends[:-1]), strict=True)
    )
    said = dict.fromkeys(filter(None, (adjustment_name(family, adjust) for family in families)))
    return MarginalContrasts(
        cells.within,
        tuple(own.group for own in sets for _ in own.names),
        names,
        found.estimate,
        found.se,
        found.df,
        t,
        np.concatenate([adjust_family(family, adjust) for family in families]),
        adjust,
        check,
        slope_of,
        (*describe_cells(cells), *found.notes, *_describe_side(tail, null, delta), *left_out, *said),
        families,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _ContrastSet:
    """The contrasts of the means of one group.

    Attributes
    ----------
    group : tuple
        Levels of the columns within which means are compared.
    cells : ndarray of intp, shape (means,)
    names : tuple of str
    weights : ndarray, shape (contrasts, means)
    usual : str
        The adjustment that they have by default.
    is_pairwise : bool
        Whether these are all pairwise differences.
    """

    group: tuple[Any, ...]
    cells: NDArray[np.intp]
    names: tuple[str, ...]
    weights: Floats
    usual: str
    is_pairwise: bool


def _sets_by_group(
    cells: Cells, method: Any, interaction: str | Sequence[str] | None, ref: Any
) -> tuple[list[_ContrastSet], tuple[str, ...]]:
    """Return the contrasts within each group, and a note on groups that have one mean alone.

    Raises
    ------
    DataError
        As :func:`_read_contrasts`; if each group has one mean alone.
    """
    k = cells.n_compared
    members = cells.groups()
    sizes = {len(own) for own in members.values()}
    sets, alone = [], []
    for group, own in members.items():
        if len(own) == 1 and len(sizes) > 1 and not isinstance(method, Mapping):
            alone.append(cell_label(cells.within, group))
            continue
        read = _read_contrasts(cells.compared, [cells.values[i][:k] for i in own], method, interaction, ref)
        sets.append(_ContrastSet(group, own, *read))
    note = f"one mean alone, and nothing to compare it with, within {', '.join(alone)}"
    return sets, (note,) if alone else ()


def _are_estimable(weights: Floats, gap: Floats) -> NDArray[np.bool_]:
    """Return whether the data determine each contrast of means with these gaps, shape (contrasts,)."""
    is_there = np.asarray(np.isfinite(gap).all(axis=1))
    uses_absent = ((weights != 0.0) & ~is_there).any(axis=1)
    return np.asarray(are_estimable(weights @ np.where(is_there[:, None], gap, 0.0)) & ~uses_absent)


def _read_side(side: str, delta: float) -> Side:
    """Return the tail of the tests.

    Raises
    ------
    DataError
        If there is no such side, or ``delta`` is no threshold or does not go with it.
    """
    if not isinstance(side, str) or side not in _SIDES:
        raise DataError(f"side={side!r} is not known; use one of {', '.join(map(repr, _SIDES))}")
    if not isinstance(delta, (int, float, np.number)) or not 0 <= delta < np.inf:
        raise DataError(f"delta={delta!r} must be a threshold in units of the response, zero or more")
    if side in _NEED_DELTA and not delta:
        raise DataError(f"side={side!r} needs delta=, the difference that does not matter, in units of the response")
    tail = _SIDES[side]
    return "equivalence" if tail == "two-sided" and delta else tail


def _test(gap: Floats, se: Floats, df: Floats, delta: float, side: Side) -> tuple[Floats, Floats]:
    """Return statistics and unadjusted p-values of estimates less their null value."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if side == "two-sided":
            t = gap / se
            return t, t_two_sided(t, df)
        if side == "equivalence":
            t = (np.abs(gap) - delta) / se
            return t, t_below(t, df)
        if side == ">":
            t = (gap + delta) / se
            return t, t_below(-t, df)
        t = (gap - delta) / se
        return t, t_below(t, df)


def _describe_side(side: Side, null: float, delta: float) -> tuple[str, ...]:
    """Return notes on what is tested, where it is not that contrasts are zero."""
    about = "" if not null else f"{null:g}"
    if side == "two-sided":
        return (f"tests that contrasts are {about}",) if about else ()
    if side == "equivalence":
        return (f"tests that contrasts lie within {delta:g} of {about or 'zero'} (equivalence)",)
    words = {">": ("above", "noninferiority"), "<": ("below", "nonsuperiority")}[side]
    limit = null - delta if side == ">" else null + delta
    return (f"one-sided tests that contrasts are {words[0]} {limit:g}" + (f" ({words[1]})" if delta else ""),)


def _read_contrasts(
    compared: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    method: Any,
    interaction: str | Sequence[str] | None,
    ref: Any,
) -> tuple[tuple[str, ...], Floats, str, bool]:
    """Return names, weights (contrasts, means), the usual adjustment, and whether they are all pairwise differences.

    Parameters
    ----------
    compared : sequence of str
        Columns whose levels are compared.
    rows : sequence of tuple
        The levels of each mean; those of the first column vary fastest.
    method, interaction, ref
        As :meth:`LMMResults.contrasts` takes them.

    Raises
    ------
    DataError
        If there is no such method, there is one mean alone, weights are not one per mean, or no mean is ``ref``.
    """
    labels = [cell_label(compared, row) for row in rows]
    if interaction is not None:
        names, weights = _cross(compared, rows, interaction)
        return names, weights, "none", False
    if isinstance(method, Mapping) or hasattr(method, "columns"):
        names, weights = given_weights(labels, {name: method[name] for name in method})
        return names, weights, "none", False
    chosen = find_method(method)
    if len(labels) < chosen.least:
        raise DataError(f"there is one mean alone ({labels[0]}): nothing to compare it with")
    if ref is not None and chosen.name != "reference":
        raise DataError(f'ref= goes with method="reference", not {method!r}')
    names, weights = chosen.weights(labels, _find_reference(ref, method, labels, rows))
    return names, weights, chosen.adjust, chosen.is_pairwise


def _find_reference(ref: Any, method: str, labels: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> int:
    """Return which mean is the reference: the first, emmeans' last of "trt.vs.ctrlk", or that of a level or label."""
    if ref is None:
        return len(labels) - 1 if method == "trt.vs.ctrlk" else 0
    wanted = ref if isinstance(ref, tuple) else (ref,)
    found = [i for i, row in enumerate(rows) if row == wanted or labels[i] == ref]
    found = found or [i for i, row in enumerate(rows) if tuple(map(str, row)) == tuple(map(str, wanted))]
    if not found:
        raise DataError(f"ref={ref!r} is none of the means compared: {', '.join(labels)}")
    return found[0]


def _cross(
    compared: Sequence[str], rows: Sequence[tuple[Any, ...]], interaction: str | Sequence[str]
) -> tuple[tuple[str, ...], Floats]:
    """Return products of contrasts of each column: names joined by colons, weights (contrasts, means)."""
    methods = [interaction] * len(compared) if isinstance(interaction, str) else list(interaction)
    if len(methods) != len(compared):
        raise DataError(
            f"interaction= needs one method, or one for each of {', '.join(compared)}; it has {len(methods)}"
        )
    names: list[tuple[str, ...]] = [()]
    weights: Floats = np.ones((1, 1))
    for j, (column, method) in enumerate(zip(compared, methods, strict=True)):
        levels = list(dict.fromkeys(row[j] for row in rows))
        chosen = find_method(method)
        if len(levels) < chosen.least:
            raise DataError(f"{column!r} has one level alone: nothing to compare it with")
        own, W = chosen.weights([cell_label([column], (level,)) for level in levels], 0)
        # Later columns vary more slowly.
        names = [(*before, name) for name in own for before in names]
        weights = np.asarray(np.kron(W, weights))
    return tuple(" : ".join(name) for name in names), weights


_SIDES: dict[str, Side] = {
    "two-sided": "two-sided",
    "equivalence": "equivalence",
    ">": ">",
    "greater": ">",
    "noninferiority": ">",
    "<": "<",
    "less": "<",
    "nonsuperiority": "<",
}
_NEED_DELTA = ("equivalence", "noninferiority", "nonsuperiority")

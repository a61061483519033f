"""F tests that all contrasts of marginal means of a term are zero, also within the levels of other factors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.facts import ColumnFacts
from lmmtools.errors import DataError
from lmmtools.inference.degrees import Method, check_ddf, degrees, method_name
from lmmtools.inference.marginal.contrast_methods import MINUS, find_method
from lmmtools.inference.marginal.grid import GridOptions, grid_terms, reference_cells
from lmmtools.inference.marginal.grid_values import grid_levels
from lmmtools.inference.marginal.means import fields_beside_levels, name_list
from lmmtools.inference.tails import f_tail
from lmmtools.report.result_table import Field, ResultTable, Tabular, row_labels, stars
from lmmtools.report.table import NumberFormat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit
    from lmmtools.inference.degrees import Degrees
    from lmmtools.inference.marginal.grid import Cells, GridTerm
    from lmmtools.inference.robust import Robust

    Floats = NDArray[np.float64]

__all__ = ["JointTests", "joint_tests"]

DIGITS = 5
RANK = 1e-8
"""Singular values below this share of the largest count as zero."""
CONFOUNDED = "(confounded)"
INTERVAL = 1.0
"""A covariate stands in the grid at its mean less and plus this, as in emmeans."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class JointTests(Tabular):
    """An F test of each term's contrasts of marginal means.

    ``to_frame()`` has the column ``term``, the levels of ``by``, then the columns ``num_df den_df F p``.

    Attributes
    ----------
    terms : tuple of str
        A factor with those that it is nested in, or several that interact.
    by : tuple of str
        Columns within whose levels the terms are tested.
    groups : tuple of tuple
        Their levels, row by row.
    F, num_df, den_df, p : ndarray, shape (rows,)
    ddf : str
    notes : tuple of str

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool")).fit(engine="pls")
    >>> fit.joint_tests().to_frame().round(3)
       term  num_df  den_df       F    p
    0  Type     3.0    24.0  22.356  0.0
    """

    terms: tuple[str, ...]
    by: tuple[str, ...]
    groups: tuple[tuple[Any, ...], ...]
    F: Floats
    num_df: Floats
    den_df: Floats
    p: Floats
    ddf: Method
    notes: tuple[str, ...] = ()

    @property
    def _table(self) -> ResultTable:
        numbers = NumberFormat("significant", DIGITS)
        statistics = (
            Field("num_df", "NumDF", self.num_df, numbers),
            Field("den_df", "DenDF", self.den_df, numbers),
            Field("F", "F value", self.F, NumberFormat("statistic", DIGITS)),
            Field("p", "Pr(>F)", self.p, NumberFormat("pvalue", DIGITS - 1)),
        )
        fields, renamed = fields_beside_levels(self.by, self.groups, statistics)
        term = row_labels("Term", self.terms, "term_" if "term" in self.by else "term", is_index=False)
        return ResultTable("joint_tests", (term, *fields, stars(self.p.tolist())), notes=(*self.notes, *renamed))


def joint_tests(
    fit: Fit,
    *,
    by: str | Sequence[str] | None = None,
    options: GridOptions | None = None,
    ddf: str | Robust = "satterthwaite",
) -> JointTests:
    """Return F tests of the terms' contrasts of means; see :meth:`LMMResults.joint_tests`."""
    method = check_ddf(ddf)
    found = degrees(fit, method)
    is_smallest = method in ("satterthwaite", "kenward-roger")
    within = name_list(by, "by")
    options = _at_both_sides(fit, options or GridOptions())
    terms = grid_terms(fit.design, options, within)
    if not terms:
        raise DataError(f"there is nothing to test{' within ' + ', '.join(within) if within else ''}")
    names: list[str] = []
    groups: list[tuple[Any, ...]] = []
    tests: list[tuple[float, float, float]] = []
    spent: list[Floats] = []
    notes: dict[str, None] = {}
    is_reduced = False
    for term in terms:
        cells = reference_cells(fit.design, term.compared, [*term.outer, *within], options)
        notes.update(dict.fromkeys(cells.notes))
        for group, (L, gap) in _hypotheses(cells, term, within).items():
            rows, lost = _estimable_rows(L, gap)
            is_reduced |= lost
            if len(rows):
                names.append(term.name)
                groups.append(group)
                tests.append(_test(rows, fit, found, is_smallest))
                spent.append(rows)
    if is_reduced and not within and (rest := _untested(fit, options, spent, found, is_smallest)):
        names.append(CONFOUNDED)
        groups.append(())
        tests.append(rest)
        notes[f"{CONFOUNDED}: differences of means that the data determine and no term above has for itself"] = None
    F, num_df, den_df = np.array(tests, dtype=float).reshape(-1, 3).T
    p = np.array(
        [f_tail(f, q, d) if np.isfinite(f) and d > 0 else np.nan for f, q, d in zip(F, num_df, den_df, strict=True)]
    )
    said = [method_name(method, "F"), *notes, *found.notes]
    if is_smallest:
        said.append("DenDF is the smallest of those of orthogonal contrasts of a term; fit.anova() has lmerTest's")
    if is_reduced:
        said.append("NumDF counts the contrasts that the data determine; some combinations have no rows")
    return JointTests(tuple(names), tuple(within), tuple(groups), F, num_df, den_df, p, method, tuple(said))


def _at_both_sides(fit: Fit, options: GridOptions) -> GridOptions:
    """Return the options with each covariate that is not given otherwise at its mean less and plus one."""
    at = dict(options.at or {})
    if options.cov_reduce is not None:
        return options
    facts = ColumnFacts(fit.design)
    for name, values in grid_levels(fit.design, [], options).items():
        if name not in at and len(values) == 1 and not facts.is_factor(name):
            at[name] = [values[0] - INTERVAL, values[0] + INTERVAL]
    return replace(options, at=at)


def _hypotheses(cells: Cells, term: GridTerm, within: Sequence[str]) -> dict[tuple[Any, ...], tuple[Floats, Floats]]:
    """Return, for each combination of the levels of ``within``, contrasts of the fixed effects and their gaps.

    Within the levels of what a factor is nested in, and of ``within``, they are products of consecutive differences.
    """
    places = [cells.within.index(name) for name in within]
    found: dict[tuple[Any, ...], list[tuple[Floats, Floats]]] = {}
    k = cells.n_compared
    for group, own in cells.groups().items():
        weights: Floats = np.ones((1, 1))
        for j in range(k):
            levels = list(dict.fromkeys(cells.values[i][j] for i in own))
            step = (
                find_method("sequential").weights([str(level) for level in levels], 0, MINUS)[1]
                if len(levels) > 1
                else np.zeros((0, 1))
            )
            weights = np.asarray(np.kron(step, weights))
        if weights.shape[1] != len(own):
            raise DataError(
                f"the combinations of the levels of {term.name} are not complete within what they are nested in"
            )
        gap, is_there = _known_gaps(cells.gap[own])
        weights = weights[(weights[:, ~is_there] == 0.0).all(axis=1)]
        key = tuple(group[at] for at in places)
        found.setdefault(key, []).append((weights @ cells.L[own], weights @ gap))
    return {
        key: (np.concatenate([L for L, _ in parts]), np.concatenate([gap for _, gap in parts]))
        for key, parts in found.items()
    }


def _known_gaps(gap: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return gaps with zeros for means that no row belongs to, and which means some row does, shape (means,)."""
    is_there = np.asarray(np.isfinite(gap).all(axis=1))
    return np.where(is_there[:, None], gap, 0.0), is_there


def _estimable_rows(L: Floats, gap: Floats) -> tuple[Floats, bool]:
    """Return orthonormal rows that span the estimable contrasts in the order given, and whether any were not."""
    if gap.shape[1]:
        size = np.abs(gap).max(initial=0.0)
        if size > 1.0:
            U, d, _ = np.linalg.svd(gap / size, full_matrices=True)
            rank = int((d > RANK * d.max(initial=0.0)).sum())
            return _orthonormal(U[:, rank:].T @ L), bool(rank)
    return _orthonormal(L), False


def _orthonormal(L: Floats) -> Floats:
    """Return the rows of L made orthonormal one after the other, without those that depend on earlier ones."""
    rows: list[Floats] = []
    size = float(np.abs(L).max(initial=0.0))
    for row in L:
        left = row - sum((r * (r @ row) for r in rows), np.zeros_like(row))
        left = left - sum((r * (r @ left) for r in rows), np.zeros_like(row))
        norm = float(np.linalg.norm(left))
        if norm > RANK * size:
            rows.append(left / norm)
        if len(rows) == len(row):
            break
    return np.array(rows).reshape(len(rows), L.shape[1])


def _test(L: Floats, fit: Fit, found: Degrees, is_smallest: bool) -> tuple[float, float, float]:
    """Return F, and the degrees of freedom of numerator and denominator.

    The denominator's are the smallest of the rows', or the method's own for F, with its scale of F.
    """
    gap = L @ fit.estimate.beta
    F = float(gap @ np.linalg.solve(L @ found.cov @ L.T, gap)) / len(L)
    if is_smallest:
        return F, float(len(L)), float(found.df(L).min())
    scale, den = found.f_reference(L)
    return scale * F, float(len(L)), den


def _untested(
    fit: Fit, options: GridOptions, spent: Sequence[Floats], found: Degrees, is_smallest: bool
) -> tuple[float, float, float] | None:
    """Return the test of what all estimable differences of means have beyond the terms', None if it is nothing.

    F is what their chi-squared statistic has beyond that of the terms' hypotheses together, over the degrees of freedom
    beyond theirs.
    """
    names = [name for name, values in grid_levels(fit.design, [], options).items() if len(values) > 1]
    cells = reference_cells(fit.design, names, [], options)
    gap, is_there = _known_gaps(cells.gap)
    rows, _ = _estimable_rows(np.diff(cells.L[is_there], axis=0), np.diff(gap[is_there], axis=0))
    of_terms = _orthonormal(np.concatenate(spent)) if spent else rows[:0]
    if len(rows) <= len(of_terms):
        return None
    F, q, df = _test(rows, fit, found, is_smallest)
    F_terms, q_terms, _ = _test(of_terms, fit, found, is_smallest) if len(of_terms) else (0.0, 0.0, df)
    return (F * q - F_terms * q_terms) / (q - q_terms), q - q_terms, df

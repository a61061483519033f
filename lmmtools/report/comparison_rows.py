"""The rows of a comparison: one quantity in every column, with differences, verdicts and bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from lmmtools.printout.number import PrintedNumber, rounding_of
from lmmtools.report.cells import is_number
from lmmtools.report.effect_labels import group_key, match_key, pair_key
from lmmtools.report.judging import (
    CANNOT,
    DISAGREES,
    LOOSER,
    ORDER,
    OTHER_MODEL,
    SAME,
    Judgement,
    Verdict,
    is_same_number,
)
from lmmtools.report.reach import mode_keys
from lmmtools.report.rformat import format_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lmmtools.report.comparison_column import ComparisonColumn
    from lmmtools.report.effect_labels import Key
    from lmmtools.report.table import Cell

__all__ = ["CRITERION_DECIMALS", "DIGITS", "ComparisonRow", "Part", "rows_of", "worst"]

# Significant digits of the table, one more than lme4 prints; decimals of the criterion.
DIGITS = 6
CRITERION_DECIMALS = 4
NO_VERDICT: Literal[""] = ""
Part = Literal[
    "criterion",
    "variance",
    "std. dev.",
    "correlation",
    "fixed effect",
    "std. error",
    "t value",
    "df",
    "p value",
    "fixed correlation",
    "scaled residual",
    "mode",
    "log-likelihood",
    "AIC",
    "BIC",
    "theta",
    "rows",
    "groups",
    "singular",
    "seconds",
    "printed",
]
# Quantities that depend on the coding of X: not compared where two fits code it differently.
_CODED: tuple[Part, ...] = (
    "criterion",
    "fixed effect",
    "std. error",
    "t value",
    "df",
    "p value",
    "fixed correlation",
    "log-likelihood",
    "AIC",
    "BIC",
)
# Quantities that a column may lack without being another model.
_OPTIONAL: tuple[Part, ...] = (
    "std. error",
    "theta",
    "rows",
    "groups",
    "singular",
    "t value",
    "df",
    "p value",
    "fixed correlation",
    "scaled residual",
    "mode",
    "log-likelihood",
    "AIC",
    "BIC",
)
_QUANTILES = ("min", "1Q", "median", "3Q", "max")


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One quantity in every column.

    Attributes
    ----------
    part : str
        Kind of quantity.
    label : str
        Label of the quantity; empty where there is only one of its kind.
    values : tuple
        One value per column, None where a column has none.
    differences : tuple of float or None
        Each value less the first column's, in the quantity's units.
    relative : tuple of float or None
        Differences divided by the size of the first column's value; None where that is zero.
    verdicts : tuple of str
        Verdict on each difference; empty for the first column and where nothing is judged (seconds).
    bounds : tuple of float or None
        How far each value may lie from the first by loose convergence; None where that is not its verdict.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> model = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff"))
    >>> lmt.compare(model, "pls", "mixedlm").rows[0].name
    'criterion, REML'
    """

    part: Part
    label: str
    values: tuple[Cell, ...]
    differences: tuple[float | None, ...]
    relative: tuple[float | None, ...]
    verdicts: tuple[Verdict | Literal[""], ...]
    bounds: tuple[float | None, ...] = ()

    @property
    def verdict(self) -> Verdict | Literal[""]:
        """The worst of the verdicts, empty if there is none."""
        return worst(self.verdicts)

    @property
    def name(self) -> str:
        """The row's header, ``"variance, plate (Intercept)"``."""
        if self.part == "printed":
            return self.label
        return f"{self.part}, {self.label}" if self.label else self.part


def worst(verdicts: Sequence[Verdict | Literal[""]]) -> Verdict | Literal[""]:
    """Return the worst verdict, empty if there is none."""
    return max((v for v in verdicts if v), key=ORDER.index, default="")


def rows_of(columns: tuple[ComparisonColumn, ...], judgements: Sequence[Judgement]) -> Iterator[ComparisonRow]:
    """Yield the rows of columns, given the judgement of each but the first."""

    def row(part: Part, label: str, values: Sequence[Cell], scale: float = 0.0) -> ComparisonRow:
        return _make_row(part, label, tuple(values), scale, judgements)

    yield row("criterion", _criterion_label(columns), [c.criterion for c in columns])
    variances = _align([c.variances for c in columns], group_key, [c.is_ols for c in columns])
    residuals: list[Cell] = [c.sigma**2 if c.residual_variance is None else c.residual_variance for c in columns]
    yield from (row("variance", label, values) for label, values in variances)
    yield row("variance", "residual", residuals)
    std_devs = [c.std_devs or {k: _standard_deviation(v) for k, v in c.variances.items()} for c in columns]
    for label, values in _align(std_devs, group_key, [c.is_ols for c in columns]):
        yield row("std. dev.", label, values)
    yield row("std. dev.", "residual", [c.sigma for c in columns])
    for label, values in _align([c.correlations for c in columns], group_key):
        yield row("correlation", label, values, scale=1.0)
    errors = _align([c.std_errors for c in columns], match_key)
    scales = {match_key(label): values[0] or 0.0 for label, values in errors}
    for label, values in _align([c.fixef for c in columns], match_key):
        yield row("fixed effect", label, values, scale=scales.get(match_key(label), 0.0))
    yield from (row("std. error", label, values) for label, values in errors)
    for label, values in _align([c.tvalues for c in columns], match_key):
        yield row("t value", label, values, scale=1.0)
    yield from _test_rows(columns, row)
    for label, values in _align([c.fixef_correlations for c in columns], pair_key):
        yield row("fixed correlation", label, values, scale=1.0)
    for i, name in enumerate(_QUANTILES):
        quantiles = [None if c.scaled_residuals is None else c.scaled_residuals[i] for c in columns]
        if quantiles.count(None) < len(columns):
            yield row("scaled residual", name, quantiles, scale=1.0)
    yield from _mode_rows(columns, judgements)
    parts: tuple[tuple[Part, list[float | None]], ...] = (
        ("log-likelihood", [c.llf for c in columns]),
        ("AIC", [c.aic for c in columns]),
        ("BIC", [c.bic for c in columns]),
    )
    for part, found in parts:
        if found.count(None) < len(columns):
            yield row(part, "", found)
    for label, values in _theta_values(columns):
        yield row("theta", label, values, scale=1.0)
    for label, values in _align([{f"{k} ": m for k, m in c.ngroups.items()} for c in columns], group_key):
        yield row("groups", label.strip(), values)
    if any(c.nobs is not None for c in columns):
        yield row("rows", "", [c.nobs for c in columns])
    if any(c.is_singular is not None for c in columns):
        yield row("singular", "", [None if c.is_singular is None else _yes_or_no(c.is_singular) for c in columns])
    if any(c.seconds is not None for c in columns):
        nothing = (None,) * len(columns)
        seconds, none = tuple(c.seconds for c in columns), (NO_VERDICT,) * len(columns)
        yield ComparisonRow("seconds", "", seconds, nothing, nothing, none, nothing)


def _test_rows(columns: Sequence[ComparisonColumn], row: Callable[..., ComparisonRow]) -> Iterator[ComparisonRow]:
    """Yield rows of degrees of freedom and p-values, for columns whose tests use the first column's method."""
    method = columns[0].tests.method if columns[0].tests else None
    tests = [c.tests if c.tests is not None and c.tests.method == method else None for c in columns]
    if len(columns) - tests.count(None) < 2:
        return
    for label, values in _align([t.df if t else {} for t in tests], match_key):
        yield row("df", label, values)
    for label, values in _align([t.pvalues if t else {} for t in tests], match_key):
        yield row("p value", label, values)


def _mode_rows(columns: Sequence[ComparisonColumn], judgements: Sequence[Judgement]) -> Iterator[ComparisonRow]:
    """Yield one row per random effect: the level whose difference is largest relative to its bound."""
    for term, tables in _tables_of_modes(columns).items():
        levels = dict.fromkeys(key for table in tables if table for key in table)
        only = [k for k in levels if any(t and k not in t for t in tables)]
        key = only[0] if only else max(levels, key=lambda k: _judge_mode(k, tables, judgements))
        values = tuple(table.get(key) if table else None for table in tables)
        size = max((abs(v) for table in tables if table for v in table.values()), default=0.0)
        row = _make_row("mode", key[1], values, size, judgements)
        if only:
            # Levels that only one column has may be the other's under another name: not comparable.
            verdicts = [CANNOT if t and tables[0] and set(t) != set(tables[0]) else NO_VERDICT for t in tables[1:]]
            row = replace(row, verdicts=(NO_VERDICT, *verdicts))
        name = key[1].removeprefix(group_key(term))
        yield replace(row, label=f"{term}{name}")


def _tables_of_modes(columns: Sequence[ComparisonColumn]) -> dict[str, list[dict[Key, float]]]:
    """Return {term: [modes by key, one dict per column]} for terms of the first column and at least one other."""
    labels: dict[str, str] = {}
    found: dict[str, list[dict[Key, float]]] = {}
    for i, column in enumerate(columns):
        for label, modes in column.modes.items():
            term = labels.setdefault(group_key(label), label)
            group, _, effect = label.partition(" ")
            tables = found.setdefault(term, [{} for _ in columns])
            tables[i] = dict(zip(mode_keys(group, effect, modes), modes.values(), strict=True))
    return {term: tables for term, tables in found.items() if tables[0] and any(tables[1:])}


def _judge_mode(key: Key, tables: Sequence[Mapping[Key, float]], judgements: Sequence[Judgement]) -> tuple[bool, float]:
    """Return whether a mode contradicts its fit, and the largest ratio of its difference to its bound."""
    pairs = [(table[key], j.bound(key)) for table, j in zip(tables[1:], judgements, strict=True) if table]
    ratios = [abs(value - tables[0][key]) / max(bound or 0.0, 1e-300) for value, bound in pairs]
    return any(key in judgement.faults for judgement in judgements), max(ratios)


def _theta_values(columns: Sequence[ComparisonColumn]) -> Iterator[tuple[str, list[float | None]]]:
    """Yield (label, values) of theta in lme4's order, if at least two columns have the same number of elements."""
    counts = [len(c.theta) if c.theta else 0 for c in columns]
    size = max(counts)
    if counts.count(size) < 2:
        return
    for i in range(size):
        yield str(i + 1), [c.theta[i] if c.theta and k == size else None for c, k in zip(columns, counts, strict=True)]


def _criterion_label(columns: Sequence[ComparisonColumn]) -> str:
    kinds = {c.reml for c in columns}
    if len(kinds) > 1:
        return "REML or -2 log L"
    return "REML" if kinds == {True} else "-2 log L"


def _yes_or_no(flag: bool) -> str:
    return "yes" if flag else "no"


def _standard_deviation(value: float) -> float:
    return math.sqrt(max(value, 0.0))


def _align(
    tables: Sequence[Mapping[str, float]], key: Callable[[str], str], is_zero: Sequence[bool] | None = None
) -> list[tuple[str, list[float | None]]]:
    """Return (label, values), a value per table, matched by key; a missing one is 0.0 where ``is_zero``, else None."""
    labels: dict[str, str] = {}
    for table in tables:
        for label in table:
            labels.setdefault(key(label), label)
    by_key = [{key(label): value for label, value in table.items()} for table in tables]
    absent = [0.0 if zero else None for zero in is_zero or [False] * len(tables)]
    return [
        (label, [values.get(k, default) for values, default in zip(by_key, absent, strict=True)])
        for k, label in labels.items()
    ]


def _make_row(
    part: Part, label: str, values: tuple[Cell, ...], scale: float, judgements: Sequence[Judgement]
) -> ComparisonRow:
    reference = values[0]
    size = abs(float(reference)) if is_number(reference) else 0.0  # type: ignore[arg-type]
    differences = tuple(
        _difference(float(v), float(reference)) if is_number(v) and is_number(reference) else None  # type: ignore[arg-type]
        for v in values
    )
    relative = tuple(None if d is None or size == 0 else d / size for d in differences)
    verdicts: list[Verdict | Literal[""]] = [NO_VERDICT]
    bounds: list[float | None] = [None]
    key = (part, _KEYS.get(part, str)(label))
    for value, judgement in zip(values[1:], judgements, strict=True):
        verdict = _judge_cell(part, key, value, reference, scale, judgement)
        verdicts.append(verdict)
        bounds.append(judgement.bound(key) if verdict == LOOSER else None)
    return ComparisonRow(part, label, values, differences, relative, tuple(verdicts), tuple(bounds))


def _difference(value: float, reference: float) -> float:
    """Return value - reference; zero if both are infinite."""
    return 0.0 if value == reference else value - reference


def _judge_cell(
    part: Part, key: Key, value: Cell, reference: Cell, scale: float, judgement: Judgement
) -> Verdict | Literal[""]:
    if None in (value, reference):
        # A missing optional quantity is no contradiction; a missing effect makes it another model.
        if part in _OPTIONAL:
            return SAME if part in ("rows", "singular") else NO_VERDICT
        return SAME if value is reference else OTHER_MODEL if not judgement.is_coded else NO_VERDICT
    if judgement.is_coded and part in _CODED:
        return DISAGREES if key in judgement.faults else NO_VERDICT
    if part in ("AIC", "BIC") and judgement.column.is_ols != judgement.reference.is_ols:
        # AIC and BIC of a linear model count no variance parameters.
        return NO_VERDICT
    if part == "singular":
        return judgement.verdict_of_flags(is_same=value == reference)
    assert not isinstance(value, str) and not isinstance(reference, str)
    assert value is not None and reference is not None
    is_same = _is_same(part, value, reference, scale)
    if part in ("rows", "groups"):
        return DISAGREES if key in judgement.faults else SAME if is_same else OTHER_MODEL
    if part == "p value":
        return _judge_p(key, value, reference, is_same, judgement)
    return judgement.verdict(key, value, reference, is_same=is_same)


def _judge_p(key: Key, value: float, reference: float, is_same: bool, judgement: Judgement) -> Verdict | Literal[""]:
    """Return the verdict of a p-value, whose bound follows from the bounds of its t and df."""
    if is_same or (isinstance(value, PrintedNumber) and value.shows(reference)):
        return judgement.verdict(key, value, reference, is_same=True)
    if isinstance(reference, PrintedNumber) and reference.shows(value):
        return judgement.verdict(key, value, reference, is_same=True)
    return judgement.verdict(key, value, reference, is_same=False)


_KEYS: dict[Part, Callable[[str], str]] = {
    "variance": lambda k: k if k == "residual" else group_key(k),
    "std. dev.": lambda k: k if k == "residual" else group_key(k),
    "correlation": group_key,
    "fixed effect": match_key,
    "std. error": match_key,
    "t value": match_key,
    "df": match_key,
    "p value": match_key,
    "fixed correlation": pair_key,
    "scaled residual": lambda k: str(_QUANTILES.index(k) + 1),
    "criterion": lambda k: "",
}


def _is_same(part: Part, value: float, reference: float, scale: float) -> bool:
    if is_same_number(value, reference, scale):
        return True
    if rounding_of(value) or rounding_of(reference):
        return False
    if part == "criterion":
        return f"{value:.{CRITERION_DECIMALS}f}" == f"{reference:.{CRITERION_DECIMALS}f}"
    return len(set(format_numbers([value, reference], DIGITS))) == 1

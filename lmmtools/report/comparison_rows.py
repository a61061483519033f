"""The rows of a comparison: each quantity in every column, with what its differences mean."""

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

# One digit more than lme4 prints, and the criterion to four decimals.
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
]
# What depends on the coding of X, and says nothing where two fits code it otherwise.
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
# What a column need not say; and what is shown only where it differs, since it follows from what is shown.
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
        What kind of quantity.
    label : str
        Which one; empty where there is only one of its kind.
    values : tuple
        One value per column, None where a column has none.
    differences : tuple of float or None
        Each value less the first column's, in the quantity's units.
    relative : tuple of float or None
        Differences divided by the size of the first column's value; None where that is zero.
    verdicts : tuple of str
        What each difference means; empty where it means nothing (the first column, seconds).
    bounds : tuple of float or None
        How far each value may lie from the first by convergence, where that is what its difference means.

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
        return f"{self.part}, {self.label}" if self.label else self.part


def worst(verdicts: Sequence[Verdict | Literal[""]]) -> Verdict | Literal[""]:
    """Return the worst verdict, empty if there is none."""
    return max((v for v in verdicts if v), key=ORDER.index, default="")


def rows_of(columns: tuple[ComparisonColumn, ...], meanings: Sequence[Judgement]) -> Iterator[ComparisonRow]:
    """Yield the rows of columns, given what is known of each but the first."""

    def row(part: Part, label: str, values: Sequence[Cell], scale: float = 0.0) -> ComparisonRow:
        return _make_row(part, label, tuple(values), scale, meanings)

    yield row("criterion", _criterion_label(columns), [c.criterion for c in columns])
    variances = _aligned([c.variances for c in columns], group_key, [c.is_ols for c in columns])
    residuals: list[Cell] = [c.sigma**2 if c.residual_variance is None else c.residual_variance for c in columns]
    yield from (row("variance", label, values) for label, values in variances)
    yield row("variance", "residual", residuals)
    std_devs = [c.std_devs or {k: _root(v) for k, v in c.variances.items()} for c in columns]
    for label, values in _aligned(std_devs, group_key, [c.is_ols for c in columns]):
        yield row("std. dev.", label, values)
    yield row("std. dev.", "residual", [c.sigma for c in columns])
    for label, values in _aligned([c.correlations for c in columns], group_key):
        yield row("correlation", label, values, scale=1.0)
    errors = _aligned([c.std_errors for c in columns], match_key)
    scales = {match_key(label): values[0] or 0.0 for label, values in errors}
    for label, values in _aligned([c.fixef for c in columns], match_key):
        yield row("fixed effect", label, values, scale=scales.get(match_key(label), 0.0))
    yield from (row("std. error", label, values) for label, values in errors)
    for label, values in _aligned([c.tvalues for c in columns], match_key):
        yield row("t value", label, values, scale=1.0)
    yield from _test_rows(columns, row)
    for label, values in _aligned([c.fixef_correlations for c in columns], pair_key):
        yield row("fixed correlation", label, values, scale=1.0)
    for i, name in enumerate(_QUANTILES):
        quantiles = [None if c.scaled_residuals is None else c.scaled_residuals[i] for c in columns]
        if quantiles.count(None) < len(columns):
            yield row("scaled residual", name, quantiles, scale=1.0)
    yield from _mode_rows(columns, meanings)
    parts: tuple[tuple[Part, list[float | None]], ...] = (
        ("log-likelihood", [c.llf for c in columns]),
        ("AIC", [c.aic for c in columns]),
        ("BIC", [c.bic for c in columns]),
    )
    for part, found in parts:
        if found.count(None) < len(columns):
            yield row(part, "", found)
    for label, values in _thetas(columns):
        yield row("theta", label, values, scale=1.0)
    for label, values in _aligned([{f"{k} ": m for k, m in c.ngroups.items()} for c in columns], group_key):
        yield row("groups", label.strip(), values)
    if any(c.nobs is not None for c in columns):
        yield row("rows", "", [c.nobs for c in columns])
    if any(c.is_singular is not None for c in columns):
        yield row("singular", "", [None if c.is_singular is None else _yes(c.is_singular) for c in columns])
    if any(c.seconds is not None for c in columns):
        nothing = (None,) * len(columns)
        seconds, none = tuple(c.seconds for c in columns), (NO_VERDICT,) * len(columns)
        yield ComparisonRow("seconds", "", seconds, nothing, nothing, none, nothing)


def _test_rows(columns: Sequence[ComparisonColumn], row: Callable[..., ComparisonRow]) -> Iterator[ComparisonRow]:
    """Yield degrees of freedom and p-values of columns whose tests are by the first's method."""
    method = columns[0].tests.method if columns[0].tests else None
    tests = [c.tests if c.tests is not None and c.tests.method == method else None for c in columns]
    if len(columns) - tests.count(None) < 2:
        return
    for label, values in _aligned([t.df if t else {} for t in tests], match_key):
        yield row("df", label, values)
    for label, values in _aligned([t.pvalues if t else {} for t in tests], match_key):
        yield row("p value", label, values)


def _mode_rows(columns: Sequence[ComparisonColumn], meanings: Sequence[Judgement]) -> Iterator[ComparisonRow]:
    """Yield a row per effect of a factor, of the level that lies furthest beyond what convergence explains."""
    for term, tables in _tables_of_modes(columns).items():
        levels = dict.fromkeys(key for table in tables if table for key in table)
        only = [k for k in levels if any(t and k not in t for t in tables)]
        key = only[0] if only else max(levels, key=lambda k: _excess(k, tables, meanings))
        values = tuple(table.get(key) if table else None for table in tables)
        size = max((abs(v) for table in tables if table for v in table.values()), default=0.0)
        row = _make_row("mode", key[1], values, size, meanings)
        if only:
            # A level that only one of two has may be another's under another name.
            verdicts = [CANNOT if t and tables[0] and set(t) != set(tables[0]) else NO_VERDICT for t in tables[1:]]
            row = replace(row, verdicts=(NO_VERDICT, *verdicts))
        name = key[1].removeprefix(group_key(term))
        yield replace(row, label=f"{term}{name}")


def _tables_of_modes(columns: Sequence[ComparisonColumn]) -> dict[str, list[dict[Key, float]]]:
    """Return {term: modes by key, a table for each column, empty if it has none}, of terms that two columns have."""
    labels: dict[str, str] = {}
    found: dict[str, list[dict[Key, float]]] = {}
    for i, column in enumerate(columns):
        for label, modes in column.modes.items():
            term = labels.setdefault(group_key(label), label)
            group, _, effect = label.partition(" ")
            tables = found.setdefault(term, [{} for _ in columns])
            tables[i] = dict(zip(mode_keys(group, effect, modes), modes.values(), strict=True))
    return {term: tables for term, tables in found.items() if tables[0] and any(tables[1:])}


def _excess(key: Key, tables: Sequence[Mapping[Key, float]], meanings: Sequence[Judgement]) -> tuple[bool, float]:
    """Return whether a mode contradicts its fit, and its largest difference over the bound of it."""
    pairs = [(table[key], meaning.bound(key)) for table, meaning in zip(tables[1:], meanings, strict=True) if table]
    ratios = [abs(value - tables[0][key]) / max(bound or 0.0, 1e-300) for value, bound in pairs]
    return any(key in meaning.faults for meaning in meanings), max(ratios)


def _thetas(columns: Sequence[ComparisonColumn]) -> Iterator[tuple[str, list[float | None]]]:
    """Yield the relative covariance parameters in lme4's order, where at least two columns have the same number."""
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


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"


def _root(value: float) -> float:
    return math.sqrt(max(value, 0.0))


def _aligned(
    tables: Sequence[Mapping[str, float]], key: Callable[[str], str], is_zero: Sequence[bool] | None = None
) -> list[tuple[str, list[float | None]]]:
    """Return one row per label: the value of each table, by keys; zero for a missing one where ``is_zero`` says so."""
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
    part: Part, label: str, values: tuple[Cell, ...], scale: float, meanings: Sequence[Judgement]
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
    for value, meaning in zip(values[1:], meanings, strict=True):
        verdict = _judge_cell(part, key, value, reference, scale, meaning)
        verdicts.append(verdict)
        bounds.append(meaning.bound(key) if verdict == LOOSER else None)
    return ComparisonRow(part, label, values, differences, relative, tuple(verdicts), tuple(bounds))


def _difference(value: float, reference: float) -> float:
    """Return the difference, zero of two infinite degrees of freedom."""
    return 0.0 if value == reference else value - reference


def _judge_cell(
    part: Part, key: Key, value: Cell, reference: Cell, scale: float, meaning: Judgement
) -> Verdict | Literal[""]:
    if None in (value, reference):
        # A column that does not say contradicts nobody; a missing effect is another model.
        if part in _OPTIONAL:
            return SAME if part in ("rows", "singular") else NO_VERDICT
        return SAME if value is reference else OTHER_MODEL if not meaning.is_coded else NO_VERDICT
    if meaning.is_coded and part in _CODED:
        return DISAGREES if key in meaning.faults else NO_VERDICT
    if part in ("AIC", "BIC") and meaning.column.is_ols != meaning.reference.is_ols:
        # A linear model has no variances to count.
        return NO_VERDICT
    if part == "singular":
        return meaning.verdict_of_flags(is_same=value == reference)
    assert not isinstance(value, str) and not isinstance(reference, str)
    assert value is not None and reference is not None
    is_same = _is_same(part, value, reference, scale)
    if part in ("rows", "groups"):
        return DISAGREES if key in meaning.faults else SAME if is_same else OTHER_MODEL
    if part == "p value":
        return _judge_p(key, value, reference, is_same, meaning)
    return meaning.verdict(key, value, reference, is_same=is_same)


def _judge_p(key: Key, value: float, reference: float, is_same: bool, meaning: Judgement) -> Verdict | Literal[""]:
    """Return the verdict of a p-value: where its t and df are allowed, it may lie between those of their ends."""
    if is_same or (isinstance(value, PrintedNumber) and value.shows(reference)):
        return meaning.verdict(key, value, reference, is_same=True)
    if isinstance(reference, PrintedNumber) and reference.shows(value):
        return meaning.verdict(key, value, reference, is_same=True)
    return meaning.verdict(key, value, reference, is_same=False)


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

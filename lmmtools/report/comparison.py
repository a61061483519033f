"""Fits side by side: each quantity a row, each fit a column, with what the differences mean."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from lmmtools.printout.number import shown
from lmmtools.report.cells import is_number
from lmmtools.report.comparison_column import ComparisonColumn, rename_like
from lmmtools.report.effect_labels import group_key, match_key
from lmmtools.report.printable import Printable
from lmmtools.report.rformat import format_numbers
from lmmtools.report.table import Column, Document, NumberFormat, Prose, Table
from lmmtools.report.verdicts import LOOSER, SAME, Verdict, explain, is_recoded, is_same_number, judge_pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pandas as pd

    from lmmtools.report.table import Cell

__all__ = ["Comparison", "ComparisonColumn", "ComparisonRow", "compare_columns"]

# One digit more than lme4 prints, and the criterion to four decimals.
DIGITS = 6
CRITERION_DECIMALS = 4
NO_VERDICT: Literal[""] = ""
_TONES: tuple[tuple[Verdict, str], ...] = (
    ("same to the digits shown", "good"),
    ("same optimum, looser convergence", "caution"),
    ("different optimum", "bad"),
    ("different model", "bad"),
)
OTHER_CODING: Literal["other coding"] = "other coding"
Meaning: TypeAlias = Verdict | Literal["other coding"]
# From best to worst.
_ORDER: tuple[Verdict, ...] = (
    "same to the digits shown",
    "same optimum, looser convergence",
    "different optimum",
    "different model",
)

Part = Literal[
    "criterion",
    "variance",
    "std. dev.",
    "correlation",
    "fixed effect",
    "std. error",
    "theta",
    "rows",
    "singular",
    "seconds",
]
# What depends on the coding of X, and says nothing where two fits code it otherwise.
_CODED: tuple[Part, ...] = ("criterion", "fixed effect", "std. error")


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
    """

    part: Part
    label: str
    values: tuple[Cell, ...]
    differences: tuple[float | None, ...]
    relative: tuple[float | None, ...]
    verdicts: tuple[Verdict | Literal[""], ...]

    @property
    def verdict(self) -> Verdict | Literal[""]:
        """The worst of the verdicts, empty if there is none."""
        return _worst(self.verdicts)

    @property
    def name(self) -> str:
        """The row's header, ``"variance, plate (Intercept)"``."""
        return f"{self.part}, {self.label}" if self.label else self.part


@dataclass(frozen=True, slots=True, repr=False)
class Comparison(Printable):
    """Fits side by side; prints as text, shows as HTML in notebooks.

    Attributes
    ----------
    columns : tuple of ComparisonColumn
        The fits; differences are from the first.
    rows : tuple of ComparisonRow
        The quantities.
    sentences : tuple of str
        Why the fits differ, or that they do not.
    """

    columns: tuple[ComparisonColumn, ...]
    rows: tuple[ComparisonRow, ...]
    sentences: tuple[str, ...]

    @property
    def verdict(self) -> Verdict | Literal[""]:
        """The worst verdict of any row."""
        return _worst([row.verdict for row in self.rows])

    def to_frame(self) -> pd.DataFrame:
        """Return one row per quantity: the fits' values, then ``difference`` and ``relative`` per fit, and ``verdict``.

        The index has the quantities' names. Differences are from the first fit, unrounded.
        """
        import pandas as pd

        others = [c.name for c in self.columns[1:]]
        records = [[*row.values, *row.differences[1:], *row.relative[1:], row.verdict] for row in self.rows]
        headers = [c.name for c in self.columns]
        headers += [f"difference {name}" for name in others] + [f"relative {name}" for name in others] + ["verdict"]
        return pd.DataFrame(records, columns=headers, index=pd.Index([row.name for row in self.rows], name="quantity"))

    @property
    def document(self) -> Document:
        """Table and sentences, unrounded."""
        return Document("", (_build_table(self), Prose("sentences", self.sentences)))


def compare_columns(columns: Sequence[ComparisonColumn]) -> Comparison:
    """Return the fits side by side; differences are from the first.

    Columns with the same name are numbered.

    Raises
    ------
    ValueError
        If there are fewer than two columns.
    """
    if len(columns) < 2:
        raise ValueError(f"a comparison needs at least two fits, not {len(columns)}")
    first, *others = _distinct(columns)
    renamed = [rename_like(column, first) for column in others]
    named = (first, *(column for column, _ in renamed))
    meanings = [OTHER_CODING if is_recoded(c, named[0]) else judge_pair(c, named[0]) for c in named[1:]]
    rows = tuple(_rows(named, meanings))
    verdicts = [_worst([row.verdicts[k] for row in rows]) for k in range(1, len(named))]
    names = tuple(
        f"{old} in {column.name} is {new} in {first.name}: the same numbers under another name."
        for column, changed in renamed
        for old, new in changed.items()
    )
    return Comparison(named, rows, (*explain(named, verdicts), *names))


def _worst(verdicts: Sequence[Verdict | Literal[""]]) -> Verdict | Literal[""]:
    return max((v for v in verdicts if v), key=_ORDER.index, default="")


def _distinct(columns: Sequence[ComparisonColumn]) -> tuple[ComparisonColumn, ...]:
    seen: dict[str, int] = {}
    named = []
    for column in columns:
        seen[column.name] = seen.get(column.name, 0) + 1
        count = seen[column.name]
        named.append(column if count == 1 else replace(column, name=f"{column.name} ({count})"))
    return tuple(named)


def _rows(columns: tuple[ComparisonColumn, ...], meanings: Sequence[Meaning]) -> Iterator[ComparisonRow]:
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
    for label, values in _thetas(columns):
        yield row("theta", label, values, scale=1.0)
    if any(c.nobs is not None for c in columns):
        yield row("rows", "", [c.nobs for c in columns])
    if any(c.is_singular is not None for c in columns):
        yield row("singular", "", [None if c.is_singular is None else _yes(c.is_singular) for c in columns])
    if any(c.seconds is not None for c in columns):
        nothing = (None,) * len(columns)
        yield ComparisonRow(
            "seconds", "", tuple(c.seconds for c in columns), nothing, nothing, (NO_VERDICT,) * len(columns)
        )


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
    part: Part, label: str, values: tuple[Cell, ...], scale: float, meanings: Sequence[Meaning]
) -> ComparisonRow:
    reference = values[0]
    size = abs(float(reference)) if is_number(reference) else 0.0  # type: ignore[arg-type]
    differences = tuple(
        float(v) - float(reference) if is_number(v) and is_number(reference) else None  # type: ignore[arg-type]
        for v in values
    )
    relative = tuple(None if d is None or size == 0 else d / size for d in differences)
    verdicts: list[Verdict | Literal[""]] = [NO_VERDICT]
    for value, meaning in zip(values[1:], meanings, strict=True):
        # A printout without standard errors contradicts nobody; a missing effect has a row of its own.
        is_silent = part in ("std. error", "theta") and None in (value, reference)
        if is_silent:
            verdicts.append(NO_VERDICT)
        elif _is_same(part, value, reference, scale):
            verdicts.append(SAME)
        elif meaning == OTHER_CODING:
            verdicts.append(NO_VERDICT if part in _CODED else LOOSER)
        else:
            verdicts.append(meaning)
    return ComparisonRow(part, label, values, differences, relative, tuple(verdicts))


def _is_same(part: Part, value: Cell, reference: Cell, scale: float) -> bool:
    if isinstance(value, str) or isinstance(reference, str) or value is None or reference is None:
        # A column that says nothing about a flag or a count contradicts nobody; a missing effect is another model.
        return value == reference or (part in ("singular", "rows") and None in (value, reference))
    if is_same_number(value, reference, scale):
        return True
    if part == "criterion":
        return f"{value:.{CRITERION_DECIMALS}f}" == f"{reference:.{CRITERION_DECIMALS}f}"
    return len(set(format_numbers([value, reference], DIGITS))) == 1


def _build_table(comparison: Comparison) -> Table:
    """Return the printed table; with more than two fits the differences are the largest of any."""
    by_row = NumberFormat("by row")
    many = len(comparison.columns) > 2
    small = NumberFormat("scientific", digits=2)
    columns = (
        Column("", is_label=True),
        *(Column(c.name, by_row, "right") for c in comparison.columns),
        Column("largest difference" if many else "difference", small, "right"),
        Column("relative", small, "right"),
        Column("verdict", tones=_TONES),
    )
    rows = tuple(
        (
            row.name,
            *map(shown, row.values),
            _largest(row.differences[1:]),
            _largest(row.relative[1:]),
            row.verdict or None,
        )
        for row in comparison.rows
    )
    formats = tuple(_number_format(row) for row in comparison.rows)
    return Table("comparison", "", columns, rows, row_numbers=formats, width=None, is_ruled=True)


def _largest(values: Sequence[float | None]) -> float | None:
    present = [v for v in values if v is not None]
    return max(present, key=abs) if present else None


def _number_format(row: ComparisonRow) -> NumberFormat:
    if row.part == "criterion":
        return NumberFormat("correlation", CRITERION_DECIMALS)
    return NumberFormat("significant", 3 if row.part == "seconds" else DIGITS)

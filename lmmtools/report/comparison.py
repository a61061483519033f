"""Fits side by side: each quantity a row, each fit a column, with what the differences mean."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from lmmtools.printout.number import shown
from lmmtools.report.comparison_column import ComparisonColumn, rename_like
from lmmtools.report.comparison_rows import CRITERION_DECIMALS, DIGITS, ComparisonRow, Part, rows_of, worst
from lmmtools.report.explaining import explain
from lmmtools.report.judging import (
    CANNOT,
    DISAGREES,
    LOOSER,
    OTHER_MODEL,
    SAME,
    Verdict,
    judge_columns,
)
from lmmtools.report.printable import Printable
from lmmtools.report.table import Column, Document, NumberFormat, Prose, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


__all__ = ["Comparison", "ComparisonColumn", "ComparisonRow", "compare_columns"]

_TONES: dict[Verdict, str] = {SAME: "good", LOOSER: "caution", CANNOT: "caution", DISAGREES: "bad", OTHER_MODEL: "bad"}

_QUIET: tuple[Part, ...] = (
    "t value",
    "df",
    "p value",
    "fixed correlation",
    "scaled residual",
    "mode",
    "groups",
    "log-likelihood",
    "AIC",
    "BIC",
)


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

    Examples
    --------
    >>> import lmmtools as lmt
    >>> model = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff"))
    >>> lmt.compare(model, "pls", "mixedlm").verdict
    'same to the digits shown'
    """

    columns: tuple[ComparisonColumn, ...]
    rows: tuple[ComparisonRow, ...]
    sentences: tuple[str, ...]

    @property
    def verdict(self) -> Verdict | Literal[""]:
        """The worst verdict of any row."""
        return worst([row.verdict for row in self.rows])

    @property
    def shown_rows(self) -> tuple[ComparisonRow, ...]:
        """The rows that are printed: without those that follow from others and differ nowhere."""
        return tuple(r for r in self.rows if r.part not in _QUIET or r.verdict not in ("", SAME))

    def to_frame(self) -> pd.DataFrame:
        """Return one row per quantity: the fits' values, ``difference``, ``relative``, ``bound`` per fit, ``verdict``.

        The index has the quantities' names. Differences are from the first fit, unrounded.
        """
        import pandas as pd

        others = [c.name for c in self.columns[1:]]
        records = [
            [*row.values, *row.differences[1:], *row.relative[1:], *row.bounds[1:], row.verdict] for row in self.rows
        ]
        headers = [c.name for c in self.columns]
        headers += [f"difference {name}" for name in others] + [f"relative {name}" for name in others]
        headers += [f"bound {name}" for name in others] + ["verdict"]
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
    meanings = judge_columns(named)
    rows = tuple(rows_of(named, meanings))
    disagreeing = [[row.name for row in rows if row.verdicts[k] == DISAGREES] for k in range(1, len(named))]
    verdicts = [worst([row.verdicts[k] for row in rows]) for k in range(1, len(named))]
    names = tuple(
        f"{old} in {column.name} is {new} in {first.name}: the same numbers under another name."
        for column, changed in renamed
        for old, new in changed.items()
    )
    return Comparison(named, rows, (*explain(named, meanings, verdicts, disagreeing), *names))


def _distinct(columns: Sequence[ComparisonColumn]) -> tuple[ComparisonColumn, ...]:
    seen: dict[str, int] = {}
    named = []
    for column in columns:
        seen[column.name] = seen.get(column.name, 0) + 1
        count = seen[column.name]
        named.append(column if count == 1 else replace(column, name=f"{column.name} ({count})"))
    return tuple(named)


def _build_table(comparison: Comparison) -> Table:
    """Return the printed table; with more than two fits the differences are the largest of any."""
    by_row = NumberFormat("by row")
    many = len(comparison.columns) > 2
    small = NumberFormat("scientific", digits=2)
    said = [(row, _say(row)) for row in comparison.shown_rows]
    columns = (
        Column("", is_label=True),
        *(Column(c.name, by_row, "right") for c in comparison.columns),
        Column("largest difference" if many else "difference", small, "right"),
        Column("relative", small, "right"),
        Column("verdict", tones=tuple((text, _TONES[row.verdict]) for row, text in said if row.verdict)),
    )
    rows = tuple(
        (
            row.name,
            *map(shown, row.values),
            _largest(row.differences[1:]),
            _largest(row.relative[1:]),
            text or None,
        )
        for row, text in said
    )
    formats = tuple(_number_format(row) for row in comparison.shown_rows)
    return Table("comparison", "", columns, rows, row_numbers=formats, width=None, is_ruled=True)


def _say(row: ComparisonRow) -> str:
    """Return a row's verdict with the bound that explains it."""
    bounds = [b for b in row.bounds if b is not None]
    return f"{row.verdict} (within {max(bounds):.2g})" if row.verdict == LOOSER and bounds else row.verdict


def _largest(values: Sequence[float | None]) -> float | None:
    present = [v for v in values if v is not None]
    return max(present, key=abs) if present else None


def _number_format(row: ComparisonRow) -> NumberFormat:
    if row.part == "criterion":
        return NumberFormat("correlation", CRITERION_DECIMALS)
    return NumberFormat("significant", 3 if row.part == "seconds" else DIGITS)

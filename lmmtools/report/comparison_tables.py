"""Printed tables beside a comparison: each printed number with the same number of the first fit."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lmmtools.printout.number import PrintedNumber, rounding_of
from lmmtools.report.comparison import Comparison
from lmmtools.report.comparison_column import ComparisonColumn
from lmmtools.report.comparison_rows import NO_VERDICT, ComparisonRow
from lmmtools.report.judging import CANNOT, DISAGREES, LOOSER, OTHER_MODEL, SAME, Verdict
from lmmtools.sentences import join_with_and

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.printout.number import RoundedNumber
    from lmmtools.printout.printed_table import PrintedTable

__all__ = ["Counterpart", "add_table", "column_of_table"]

# Within what is left open, three units of the last digit are no difference: R stops that far from the optimum.
_UNITS = 3.0
MOST_NAMED = 4


@dataclass(frozen=True, slots=True)
class Counterpart:
    """A printed number and the fit's own.

    Attributes
    ----------
    label : str
        What the number is, ``"Days, F value"``.
    printed : RoundedNumber
        As it was printed.
    value : float or None
        The fit's; None if the fit has none of that name.
    bound : float
        How far the two may lie apart where one optimiser stopped early or a derivative is numerical.
    is_known : bool
        Whether the fit can tell the number at all: not if the text does not say how it was made.
    """

    label: str
    printed: RoundedNumber
    value: float | None
    bound: float = 0.0
    is_known: bool = True


def column_of_table(table: PrintedTable, reml: bool, name: str | None) -> ComparisonColumn:
    """Return the column that heads the numbers of a printed table; it has no criterion and no variances of its own."""
    return ComparisonColumn(
        name=name or table.title.partition(" of ")[0],
        criterion=math.nan,
        reml=reml,
        variances={},
        correlations={},
        sigma=math.nan,
        fixef={},
        std_errors={},
        engine=table.title,
        source=table,
    )


def add_table(
    comparison: Comparison, table: PrintedTable, found: Sequence[Counterpart], name: str | None
) -> Comparison:
    """Return the comparison with a column of a printed table, and a row for each of its numbers.

    Parameters
    ----------
    comparison : Comparison
        Its first column is the fit that the table is held against.
    table : PrintedTable
    found : sequence of Counterpart
        Its numbers beside the fit's.
    name : str, optional
        Heading of the column.
    """
    column = column_of_table(table, comparison.columns[0].reml, name)
    named = [c.name for c in comparison.columns].count(column.name)
    column = replace(column, name=f"{column.name} ({named + 1})") if named else column
    before = tuple(_widen(row) for row in comparison.rows)
    width = len(comparison.columns)
    rows = tuple(_row_of(each, table.layout, width) for each in found)
    sentences = tuple(_sentences(column.name, comparison.columns[0].name, table, rows))
    return Comparison((*comparison.columns, column), (*before, *rows), (*comparison.sentences, *sentences))


def _widen(row: ComparisonRow) -> ComparisonRow:
    """Return a row with an empty cell for one more column."""
    return replace(
        row,
        values=(*row.values, None),
        differences=(*row.differences, None),
        relative=(*row.relative, None),
        verdicts=(*row.verdicts, NO_VERDICT),
        bounds=(*row.bounds, None),
    )


def _row_of(each: Counterpart, layout: str, width: int) -> ComparisonRow:
    verdict = _judge(each)
    blank = (None,) * (width - 1)
    apart = None if each.value is None else float(each.printed) - each.value
    if apart is not None and float(each.printed) == each.value:
        apart = 0.0
    relative = None if apart is None or not each.value else apart / abs(each.value)
    return ComparisonRow(
        "printed",
        f"{layout}: {each.label}",
        (each.value, *blank, each.printed),
        (None if each.value is None else 0.0, *blank, apart),
        (None if each.value is None else 0.0, *blank, relative),
        (*(NO_VERDICT,) * width, verdict),
        (None, *blank, each.bound if verdict == LOOSER else None),
    )


def _judge(each: Counterpart) -> Verdict:
    if not each.is_known:
        return CANNOT
    if each.value is None:
        return OTHER_MODEL
    value, printed = float(each.value), each.printed
    if value == printed or printed.shows(value):
        return SAME
    if math.isnan(value) or math.isnan(printed) or math.isinf(value) or math.isinf(printed):
        return DISAGREES
    is_bound = isinstance(printed, PrintedNumber) and printed.is_bound
    apart = max(0.0, value - printed) if is_bound else abs(value - printed)
    if apart > each.bound + rounding_of(printed):
        return DISAGREES
    return SAME if apart <= _UNITS * rounding_of(printed) else LOOSER


def _sentences(name: str, fit: str, table: PrintedTable, rows: Sequence[ComparisonRow]) -> list[str]:
    verdicts = [row.verdict for row in rows]
    said = []
    if rows and all(v == SAME for v in verdicts):
        said.append(f"The {len(rows)} numbers that {table.title} printed are those of {fit}, to the digits printed.")
    for verdict, text in (
        (DISAGREES, f"{name} disagrees with {fit} in {{rows}}."),
        (OTHER_MODEL, f"{fit} has no {{rows}}: the table is of another model."),
        (LOOSER, f"{{rows}} of {name} differ from {fit} by no more than an optimiser that stopped early explains."),
        (
            CANNOT,
            f"{{rows}} of {name} cannot be compared: the text does not say how they are made, or {fit} has none.",
        ),
    ):
        labels = [row.label.partition(": ")[2] for row in rows if row.verdict == verdict]
        if labels:
            said.append(text.format(rows=join_with_and(labels, MOST_NAMED)))
    if table.unread:
        said.append(f"Not read, and so not compared: {join_with_and(table.unread, MOST_NAMED)}.")
    return said

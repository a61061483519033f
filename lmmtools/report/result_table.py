"""The table of a result, declared once; its text, HTML, LaTeX, JSON and ``DataFrame`` follow from it.

A result class derives from :class:`Tabular` and returns a :class:`ResultTable` from ``_table``: per column the name in
``to_frame()``, the heading in print, the number format and the unrounded values.

Some results are not one table of such columns and write their documents and frames themselves: `Summary` has four
tables and no frame, `Comparison` gives each row its own digits, the columns of a `CrossTable` are levels, a
`LintReport` is a list of sentences. `VarCorr`, `Boundary` and `FactorStructure` stand in layers that this package
imports.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.audience import need_package
from lmmtools.other_names import AnswersOtherNames
from lmmtools.report.formats import render
from lmmtools.report.rformat import SIGNIFICANCE_LEGEND, significance_stars
from lmmtools.report.table import TEXT, Column, Document, Fact, Facts, NumberFormat, Prose, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.report.table import Cell, Part

__all__ = [
    "Field",
    "Printable",
    "ResultTable",
    "Tabular",
    "coefficient_fields",
    "free_name",
    "pick",
    "row_labels",
    "stars",
]


class Printable(AnswersOtherNames, ABC):
    """Base of results with a ``document``: it gives them every format."""

    __slots__ = ()

    @property
    @abstractmethod
    def document(self) -> Document:
        """Title, facts and tables, unrounded."""

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_text(self) -> str:
        """Return plain text, as R prints it."""
        return render(self.document, "text")

    def to_markdown(self) -> str:
        """Return Markdown with pipe tables."""
        return render(self.document, "markdown")

    def to_html(self) -> str:
        """Return an HTML fragment that needs no style sheet."""
        return render(self.document, "html")

    def to_latex(self) -> str:
        """Return LaTeX tables; the preamble needs ``booktabs``."""
        return render(self.document, "latex")

    def to_json(self) -> str:
        """Return JSON with every number at full precision."""
        return render(self.document, "json")


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """One column of a result's table.

    Attributes
    ----------
    key : str or None
        Name of the column in ``to_frame()``, or of its index if ``is_index``; None for a column that is only printed.
    heading : str or None
        Heading in print; None for a column of the frame alone.
    values : sequence
        One value per row, unrounded.
    numbers : NumberFormat
        How the numbers are printed; text is left-aligned, numbers are right-aligned.
    is_label : bool
        Whether the values name their rows; they are printed as text.
    is_index : bool
        Whether the values are the index of the frame.
    is_blank_where_nan : bool
        Whether a NaN is printed as an empty cell.
    is_mark : bool
        Whether the values are R's significance marks, whose meaning stands below the table.
    """

    key: str | None
    heading: str | None
    values: Sequence[Any] | NDArray[Any]
    numbers: NumberFormat = TEXT
    is_label: bool = False
    is_index: bool = False
    is_blank_where_nan: bool = False
    is_mark: bool = False


def row_labels(heading: str | None, values: Sequence[Any], key: str | None = None, *, is_index: bool = True) -> Field:
    """Return the field that names the rows; it is the index of the frame unless told otherwise."""
    return Field(key, heading, values, is_label=True, is_index=is_index)


def stars(pvalues: Iterable[float | None]) -> Field:
    """Return the field of R's significance marks, which the frame does not have."""
    return Field(None, "", significance_stars([None if p is None else float(p) for p in pvalues]), is_mark=True)


def pick(records: Iterable[Any], name: str) -> list[Any]:
    """Return one attribute of each record."""
    return [getattr(record, name) for record in records]


def free_name(name: str, taken: Iterable[str]) -> str:
    """Return the name of a column, with underscores behind it where columns that a user named have it already."""
    others = set(taken)
    while name in others:
        name += "_"
    return name


def coefficient_fields(
    numbers: Mapping[str, Sequence[float] | NDArray[np.float64]],
    digits: int,
    *,
    statistic: str = "t",
    is_df_shown: bool = True,
    heading: str = "Estimate",
) -> tuple[Field, ...]:
    """Return R's columns of estimates and their tests.

    Parameters
    ----------
    numbers : mapping of str to sequence of float
        In the frame's order: the estimate, its standard error, then of ``df``, ``t`` and ``p`` what there is.
    digits : int
    statistic : {"t", "z"}
        Name of the statistic in print.
    is_df_shown : bool
        Whether the degrees of freedom are printed.
    heading : str
        Of the estimates.
    """
    both = NumberFormat("coefficient", digits, share="coefficients")
    estimate, error = list(numbers)[:2]
    fields = [Field(estimate, heading, numbers[estimate], both), Field(error, "Std. Error", numbers[error], both)]
    if "df" in numbers:
        shown = "df" if is_df_shown else None
        fields.append(Field("df", shown, numbers["df"], NumberFormat("significant", digits)))
    if "t" in numbers:
        fields.append(Field("t", f"{statistic} value", numbers["t"], NumberFormat("statistic", digits)))
    if "p" in numbers:
        fields.append(Field("p", f"Pr(>|{statistic}|)", numbers["p"], NumberFormat("pvalue", digits - 1)))
        fields.append(stars(numbers["p"]))
    return tuple(fields)


@dataclass(frozen=True, slots=True, eq=False)
class ResultTable:
    """The table of a result, from which its document and its frame follow.

    Attributes
    ----------
    name : str
        Key of the table in JSON.
    fields : tuple of Field
        All with as many values as there are rows.
    title : str
        Title of the document.
    notes : tuple of str
        Sentences below the table.
    above : tuple of Part
        Parts of the document above the table.
    shown : sequence of int, optional
        Rows that are printed, in this order; all by default.
    is_facts : bool
        Whether the single row is printed as facts, one per line, instead of a table.
    """

    name: str
    fields: tuple[Field, ...]
    title: str = ""
    notes: tuple[str, ...] = ()
    above: tuple[Part, ...] = ()
    shown: Sequence[int] | None = None
    is_facts: bool = False

    def to_document(self) -> Document:
        """Return the document: the parts above, the table, its notes."""
        table = self._to_facts() if self.is_facts else self.to_table()
        return Document(self.title, (*self.above, table, Prose("notes", self.notes)))

    def to_table(self, title: str = "") -> Table:
        """Return the fields that have a heading as a table with the caption ``title``."""
        fields = [f for f in self.fields if f.heading is not None]
        cells = [_cells(f, range(len(f.values)) if self.shown is None else self.shown) for f in fields]
        # As R does, only where a mark is printed.
        has_marks = any(any(column) for f, column in zip(fields, cells, strict=True) if f.is_mark)
        notes = (SIGNIFICANCE_LEGEND,) if has_marks else ()
        return Table(self.name, title, tuple(map(_column, fields)), tuple(zip(*cells, strict=True)), notes)

    def _to_facts(self) -> Facts:
        fields = [f for f in self.fields if f.heading is not None]
        return Facts(self.name, tuple(Fact(f.key or "", f.heading or "", _cell(f, 0), f.numbers) for f in fields))

    def to_frame(self) -> pd.DataFrame:
        """Return the fields that have a key as a frame, unrounded; the index is the field that says so."""
        import pandas as pd

        columns = {f.key: f.values for f in self.fields if f.key is not None and not f.is_index}
        own = next((f for f in self.fields if f.is_index), None)
        # tupleize_cols=False: pandas would make a MultiIndex of tuples.
        index = None if own is None else pd.Index(list(own.values), name=own.key, tupleize_cols=False)
        return pd.DataFrame(columns, index=index)


class Tabular(Printable):
    """Base of results that are one table: ``_table`` declares it; document and frame follow."""

    __slots__ = ()

    @property
    @abstractmethod
    def _table(self) -> ResultTable:
        """The table, declared once."""

    @property
    def document(self) -> Document:
        """Title, table and notes, unrounded."""
        return self._table.to_document()

    def to_frame(self) -> pd.DataFrame:
        """Return the table as a frame, unrounded; its columns are described with the class."""
        return self._table.to_frame()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return the frame, its index as the first column, to what reads Arrow: ``polars.DataFrame(fit.tests())``."""
        need_package("pyarrow", "Arrow's interface")
        frame = self.to_frame()
        if any(f.is_index for f in self._table.fields):
            frame.index.name = frame.index.name or "row"
            frame = frame.reset_index()
        return frame.__arrow_c_stream__(requested_schema)

    def to_great_tables(self) -> Any:
        """Return a ``great_tables.GT`` of the cells as they are printed, to be styled further.

        Raises
        ------
        EngineError
            If great_tables is not installed.
        """
        from lmmtools.report.great_tables import to_great_table

        table = self._table
        return to_great_table(table.to_table(), table.title, table.notes)


def _column(field: Field) -> Column:
    align = "left" if field.numbers.rule == "text" else "right"
    return Column(field.heading or "", field.numbers, align, field.is_label)  # type: ignore[arg-type]


def _cells(field: Field, rows: Iterable[int]) -> list[Cell]:
    return [_cell(field, i) for i in rows]


def _cell(field: Field, row: int) -> Cell:
    """Return a value as Python's own type, so that JSON can hold it."""
    value = field.values[row]
    if field.is_label:
        return str(value)
    if isinstance(value, np.generic):
        value = value.item()
    if field.is_blank_where_nan and isinstance(value, float) and math.isnan(value):
        return None
    return value  # type: ignore[no-any-return]

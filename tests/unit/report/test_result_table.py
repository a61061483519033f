"""A result's table is declared once: report and frame have the same numbers, each under its own name."""

from __future__ import annotations

import json

import numpy as np
import pytest

import lmmtools as lmt
from lmmtools.report.result_table import (
    Field,
    Printable,
    ResultTable,
    Tabular,
    coefficient_fields,
    pick,
    row_labels,
    stars,
)
from lmmtools.report.table import Facts, NumberFormat, Table

PLAIN = NumberFormat("plain", 3)


def _table(**changes: object) -> ResultTable:
    fields = (
        row_labels("Group", ("a", 2), "grp"),
        Field("size", "Rows", np.array([3, 4]), PLAIN),
        Field("share", "Share", np.array([0.123456, np.nan]), PLAIN, is_blank_where_nan=True),
        Field("note", None, ("", "why")),
        stars([0.0005, 0.5]),
    )
    return ResultTable("sizes", fields, "Sizes", ("a note",), **changes)  # type: ignore[arg-type]


def test_report_has_the_fields_with_a_heading_and_the_frame_those_with_a_key() -> None:
    table = _table().to_table()
    assert [c.name for c in table.columns] == ["Group", "Rows", "Share", ""]
    assert [c.align for c in table.columns] == ["left", "right", "right", "left"]
    assert table.rows == (("a", 3, 0.123456, "***"), ("2", 4, None, ""))
    frame = _table().to_frame()
    assert list(frame.columns) == ["size", "share", "note"]
    assert (frame.index.name, list(frame.index)) == ("grp", ["a", 2])
    assert frame["share"].iloc[0] == 0.123456
    assert np.isnan(frame["share"].iloc[1])


def test_json_of_a_report_holds_python_numbers_at_full_precision() -> None:
    class Sizes(Tabular):
        __slots__ = ()

        @property
        def _table(self) -> ResultTable:
            return _table()

    assert json.loads(Sizes().to_json())["sizes"]["rows"] == [["a", 3, 0.123456, "***"], ["2", 4, None, ""]]
    assert isinstance(Sizes(), Printable)


def test_report_shows_the_rows_asked_for_in_their_order_and_the_frame_all() -> None:
    table = _table(shown=[1, 0])
    assert [row[0] for row in table.to_table().rows] == ["2", "a"]
    assert list(table.to_frame().index) == ["a", 2]


def test_one_row_as_facts_keeps_key_and_heading() -> None:
    fields = (row_labels(None, ["R2"]), Field("marginal", "Marginal R2", [0.25], PLAIN))
    facts = ResultTable("r2", fields, is_facts=True).to_document().find("r2")
    assert isinstance(facts, Facts)
    assert [(f.name, f.label, f.value) for f in facts.facts] == [("marginal", "Marginal R2", 0.25)]


def test_tuples_as_labels_stay_one_label_each() -> None:
    fields = (row_labels("", [("a", 1), ("b", 2)]), Field("x", "x", [1.0, 2.0], PLAIN))
    assert ResultTable("t", fields).to_frame().index.nlevels == 1


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        ResultTable("t", (row_labels("", ["a", "b"]), Field("x", "x", [1.0], PLAIN))).to_table()


@pytest.mark.parametrize(
    ("statistic", "is_df_shown", "headings"),
    [
        ("t", True, ["Estimate", "Std. Error", "df", "t value", "Pr(>|t|)", ""]),
        ("z", False, ["Estimate", "Std. Error", "z value", "Pr(>|z|)", ""]),
    ],
)
def test_coefficient_columns_are_those_of_r(statistic: str, is_df_shown: bool, headings: list[str]) -> None:
    numbers = {"estimate": [1.0], "se": [0.5], "df": [17.0], "t": [2.0], "p": [0.06]}
    fields = coefficient_fields(numbers, 4, statistic=statistic, is_df_shown=is_df_shown)
    table = ResultTable("tests", fields)
    assert [c.name for c in table.to_table().columns] == headings
    assert list(table.to_frame().columns) == ["estimate", "se", "df", "t", "p"]
    assert isinstance(table.to_document().parts[0], Table)


def test_an_attribute_is_picked_from_each_record() -> None:
    assert pick([1 + 2j, 3 + 4j], "imag") == [2.0, 4.0]


@pytest.fixture(scope="module")
def stool():
    return lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool")).fit()


LEGEND = "Signif. codes: 0 '***' 0.001 '**' 0.01 '*' 0.05 '.' 0.1 ' ' 1"


@pytest.mark.parametrize(
    "of",
    [
        lambda f: f.tests(),
        lambda f: f.tests(ddf="z"),
        lambda f: f.anova(),
        lambda f: f.ranova(),
        lambda f: f.drop1(),
        lambda f: f.drop1(test="chisq"),
        lambda f: f.step().fixed,
        lambda f: f.pairwise("Type"),
        lambda f: f.summary(ddf="kenward-roger"),
    ],
)
def test_what_marks_mean_stands_below_every_table_that_has_them(stool, of):
    text = of(stool).to_text()
    assert "***" in text.replace(LEGEND, "")
    assert text.count(LEGEND) == 1


def test_a_table_without_marks_has_no_legend(stool):
    for table in (stool.summary(), stool.marginal_means("Type"), stool.t_test("Type[T.T4] = 0.6")):
        assert "Signif" not in table.to_text()


def test_a_summary_of_z_tests_says_z(stool):
    text = stool.summary(ddf="z").to_text()
    assert "z value Pr(>|z|)" in text
    assert "t value" not in text
    assert "inf" not in text.lower()


def test_arrow_and_polars_read_a_table_with_its_names(stool):
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame(stool.tests())
    assert frame.columns == ["row", "estimate", "std_error", "df", "t", "p"]
    assert frame["row"].to_list() == list(stool.params.index)
    assert frame["estimate"].to_list() == stool.params.to_list()
    assert pl.DataFrame(stool.marginal_means("Type"))["Type"].to_list() == ["T1", "T2", "T3", "T4"]


def test_great_tables_has_the_printed_cells(stool):
    pytest.importorskip("great_tables")
    html = stool.tests().to_great_tables().as_raw_html()
    for cell in ("Type[T.T2]", "3.8889", "9.75e-08", "Pr(&gt;|t|)", "Signif. codes", "Satterthwaite"):
        assert cell in html, cell
    assert "Type III" in stool.anova().to_great_tables().as_raw_html()


def test_a_styled_frame_has_the_numbers(stool):
    pytest.importorskip("jinja2")
    html = stool.tests().to_frame().style.format(precision=3).highlight_max("t").to_html()
    assert "8.556" in html
    assert "background-color" in html

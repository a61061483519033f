"""Levels are put in an order that shows nesting, crossing and islands; no row of the data is lost in a table."""

import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmmtools import datasets
from lmmtools.errors import DataError
from lmmtools.report.factors.picture import ASCII, UNICODE, choose_marks
from lmmtools.report.factors.structure import structure

CELLS = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 6)), min_size=1, max_size=60)


def frame_of(cells):
    return pd.DataFrame(cells, columns=["a", "b"])


def islands_of_letters(rng):
    """Return three islands of four levels each, under shuffled names."""
    a, b = rng.permutation(12), rng.permutation(12)
    return frame_of([(a[4 * k + i], b[4 * k + j]) for k in range(3) for i in range(4) for j in range(4) if i != j])


@pytest.fixture(scope="module")
def ratings():
    rng = np.random.default_rng(1)
    return structure(
        pd.DataFrame({"user": rng.integers(0, 3000, 40000), "item": rng.integers(0, 1500, 40000)}), ["user", "item"]
    )


# -- order --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Pastes", "InstEval"])
def test_nested_levels_form_stairs(name):
    outer, inner = {"Pastes": ("batch", "sample"), "InstEval": ("dept", "d")}[name]
    table = structure(datasets.load(name), [outer, inner]).incidence(outer, inner)
    assert (np.diff(table.rows[np.argsort(table.columns)]) >= 0).all()
    assert len(table.order.column_breaks) == table.shape[0] - 1


def test_islands_stand_one_after_the_other():
    table = structure(islands_of_letters(np.random.default_rng(3)), ["a", "b"]).incidence("a", "b")
    assert table.order.row_breaks.tolist() == table.order.column_breaks.tolist() == [4, 8]
    np.testing.assert_array_equal(table.rows // 4, table.columns // 4)


def test_a_band_is_found_again_after_shuffling():
    a, b = np.random.default_rng(5).permutation(30), np.random.default_rng(6).permutation(30)
    data = frame_of([(a[i], b[j]) for i in range(30) for j in range(max(0, i - 2), min(30, i + 3))])
    table = structure(data, ["a", "b"]).incidence("a", "b")
    assert np.abs(table.rows - table.columns).max() <= 2


def test_crossed_levels_keep_their_order():
    found = structure(datasets.load("Penicillin"), ["plate", "sample"])
    assert not found.incidence("plate", "sample").order.is_changed


@given(CELLS)
def test_order_is_a_permutation_and_keeps_every_row(cells):
    data = frame_of(cells)
    found = structure(data, ["a", "b"])
    reference = pd.crosstab(data["a"], data["b"])
    for order in ("structure", "levels"):
        table = found.crosstab("a", "b", order).to_frame()
        np.testing.assert_array_equal(table.loc[reference.index, reference.columns], reference)
        np.testing.assert_array_equal(found.crosstab("b", "a", order).to_frame().T, table)


@given(CELLS, st.integers(1, 5), st.integers(1, 5))
def test_blocks_add_up(cells, rows, columns):
    blocks = structure(frame_of(cells), ["a", "b"]).incidence("a", "b").blocks(rows, columns)
    assert blocks.counts.shape[0] <= rows
    assert blocks.counts.shape[1] <= columns
    assert blocks.counts.sum() == len(cells)
    assert blocks.cells.sum() == len(set(cells))
    assert (blocks.cells <= blocks.possible).all()


# -- tables -------------------------------------------------------------------------------------------------------


def test_crosstab_is_that_of_the_data():
    found = structure(datasets.load("Pastes"), ["batch", "cask"])
    table = found.crosstab("batch", "cask").to_frame()
    assert (table.index.name, table.columns.name, table.shape) == ("batch", "cask", (10, 3))
    assert (table.to_numpy() == 2).all()


def test_wide_table_continues_below_with_every_column():
    text = str(structure(datasets.load("Pastes"), ["batch", "sample"]).crosstab("batch", "sample"))
    header = " ".join(line for line in text.splitlines() if line.startswith("batch"))
    assert header.replace("batch \\ sample", "").split() == [f"{b}:{c}" for b in "ABCDEFGHIJ" for c in "abc"]
    assert max(map(len, text.splitlines())) <= 80


def test_large_table_prints_in_blocks_that_add_up(ratings):
    lines = str(ratings.crosstab("user", "item")).splitlines()
    assert len(lines) < 20
    assert max(map(len, lines)) <= 80
    rule = next(k for k, line in enumerate(lines) if set(line) == {"-", " "})
    numbers = [line.split("  ", 1)[1].split() for line in lines[rule + 1 : rule + 13]]
    assert sum(int(text.replace(",", "")) for row in numbers for text in row if text != ".") == 40000


def test_large_frame_is_sparse_and_whole():
    rng = np.random.default_rng(2)
    data = frame_of(np.column_stack([rng.integers(0, 4000, 9000), rng.integers(0, 3000, 9000)]))
    table = structure(data, ["a", "b"]).crosstab("a", "b").to_frame()
    assert all(isinstance(kind, pd.SparseDtype) for kind in table.dtypes), table.dtypes
    assert table.sparse.to_coo().sum() == 9000


# -- pictures -----------------------------------------------------------------------------------------------------


def field(text):
    """Return the rows of a picture's field, names cut off."""
    return [line.split()[-1] for line in text.splitlines()[2:] if line and line.split()[-1].strip("0123456789+.") == ""]


def test_picture_of_crossed_and_nested_is_the_teaching_table():
    crossed = structure(datasets.load("Penicillin"), ["plate", "sample"]).picture("sample", "plate").to_text("ascii")
    assert field(crossed) == ["1" * 24] * 6
    nested = structure(datasets.load("Pastes"), ["batch", "sample"]).picture("batch", "sample").to_text("ascii")
    assert field(nested) == ["." * 3 * k + "222" + "." * 3 * (9 - k) for k in range(10)]


def test_reused_labels_get_a_second_panel_with_levels_told_apart():
    picture = structure(datasets.load("Pastes"), ["batch", "cask", "sample"]).picture("batch", "cask")
    assert [incidence.shape for _, incidence in picture.panels] == [(10, 3), (10, 30)]
    assert "nested, if the labels of cask are reused" in picture.panels[1][0]


def test_picture_of_thousands_of_levels_fits_on_a_screen(ratings):
    for characters in ("unicode", "ascii"):
        lines = ratings.picture("user", "item").to_text(characters).splitlines()
        assert len(lines) <= 34, characters
        assert max(map(len, lines)) <= 80, characters


def test_ascii_is_asked_for_or_taken_where_output_cannot_write_more(ratings, monkeypatch):
    assert ratings.to_text("ascii").isascii()
    assert not ratings.to_text("unicode").isascii()
    assert choose_marks("unicode") is UNICODE
    monkeypatch.setattr(sys, "stdout", type("Stream", (), {"encoding": "latin-1"})())
    assert choose_marks() is ASCII
    with pytest.raises(DataError, match="'utf'"):
        choose_marks("utf")


def test_svg_has_a_square_per_combination():
    html = structure(datasets.load("Pastes"), ["batch", "sample"]).picture("batch", "sample").to_html()
    assert html.count("<title>") == 30
    assert "<title>batch A, sample A:a: 2 rows</title>" in html


@pytest.mark.parametrize(
    ("a", "b", "order", "message"),
    [
        ("plate", "dish", "levels", "'dish'"),
        ("plate", "plate", "levels", "not two of the factors"),
        ("plate", "sample", "size", "order is"),
    ],
)
def test_what_is_not_there_is_named(a, b, order, message):
    found = structure(datasets.load("Penicillin"), ["plate", "sample"])
    for method in (found.incidence, found.crosstab, found.picture):
        with pytest.raises(DataError, match=message):
            method(a, b, order)

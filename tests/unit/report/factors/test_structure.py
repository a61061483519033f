"""The structure of a study is read from its data alone, and printed in words that hold."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmmtools import datasets
from lmmtools.design.factors import connected_components, is_nested
from lmmtools.errors import DataError
from lmmtools.report.factors.structure import structure

EXPECTED = Path(__file__).parent / "expected"

SCHOOLS = pd.DataFrame(
    [(s, c, g) for s in "XY" for c in "ABC" for g in ("male", "female")], columns=["school", "section", "gender"]
)
DRUGS = pd.DataFrame(
    [(d, a, g) for d in ("drug", "placebo") for a in ("young", "middle", "old") for g in ("male", "female")],
    columns=["drug", "age", "gender"],
)


def codes_of(sizes, n):
    return st.tuples(*(st.lists(st.integers(0, m - 1), min_size=n, max_size=n) for m in sizes))


# -- components ---------------------------------------------------------------------------------------------------


@given(st.integers(1, 25).flatmap(lambda n: codes_of((5, 4, 3), n)))
def test_islands_are_the_closure_of_sharing_a_level(columns):
    codes = [np.array(c, dtype=np.intp) for c in columns]
    found = connected_components(codes, [5, 4, 3])
    shares = np.any([c[:, None] == c[None, :] for c in codes], axis=0)
    reach = np.linalg.matrix_power(shares.astype(float), len(found)) > 0
    np.testing.assert_array_equal(found[:, None] == found[None, :], reach)


def test_islands_are_numbered_as_rows_meet_them():
    found = connected_components([np.array([2, 2, 0, 1, 0])], [3])
    assert found.tolist() == [0, 0, 1, 2, 1]


def test_islands_need_a_factor():
    with pytest.raises(ValueError, match="at least one factor"):
        connected_components([], [])


def test_nesting_is_a_question_of_pairs():
    inner, outer = np.array([0, 1, 2, 2]), np.array([0, 0, 1, 1])
    assert is_nested(inner, outer)
    assert not is_nested(outer, inner)
    assert is_nested(inner, inner)


# -- relations ----------------------------------------------------------------------------------------------------


def test_penicillin_is_crossed_with_nothing_wrong():
    found = structure(datasets.load("Penicillin"), ["plate", "sample"])
    pair = found.pair("sample", "plate")
    assert (pair.relation, pair.n_cells, pair.n_possible) == ("crossed", 144, 144)
    assert pair.is_one_per_cell
    assert found.findings == ()
    assert len(found.components) == 1
    assert found.suggestion.formula == "(1 | plate) + (1 | sample)"
    assert found.suggestion.declaration == "crossed('plate', 'sample')"


def test_sample_is_nested_in_batch():
    found = structure(datasets.load("Pastes"), ["batch", "sample"])
    pair = found.pairs[0]
    assert (pair.relation, pair.inner, pair.outer) == ("nested", "sample", "batch")
    assert found.findings == ()
    assert found.components.sizes.tolist() == [6] * 10
    assert found.suggestion.declaration == "nested('batch', 'sample')"


@pytest.mark.parametrize("factors", [["batch", "cask"], ["cask", "batch"], ["batch", "cask", "sample"]])
def test_cask_labels_are_reused_as_the_sample_column_shows(factors):
    found = structure(datasets.load("Pastes"), factors)
    pair = found.pair("batch", "cask")
    assert (pair.relation, pair.by_labels) == ("implicitly nested", "crossed")
    assert (pair.inner, pair.outer, pair.reuse.column) == ("cask", "batch", "sample")
    (finding,) = found.findings
    assert (finding.code, finding.severity) == ("labels-reused", "warning")
    assert "cask a of batch A has nothing to do with cask a of batch B" in finding.cure
    assert found.suggestion.formula == "(1 | batch/cask)"


def test_without_another_column_reuse_is_a_caution_and_no_finding():
    found = structure(datasets.load("Pastes")[["strength", "batch", "cask"]], ["batch", "cask"])
    assert found.pairs[0].relation == "crossed"
    assert not found.pairs[0].reuse.is_strong
    assert found.findings == ()
    assert "cannot tell whether labels are reused" in " ".join(str(found).split())
    assert found.suggestion.declaration == "crossed('batch', 'cask')"


def test_labels_that_start_over_and_stop_anywhere_are_reused():
    rows = [(school, pupil) for school, k in enumerate((3, 5, 4, 2)) for pupil in range(1, k + 1) for _ in range(2)]
    found = structure(pd.DataFrame(rows, columns=["school", "pupil"]), ["school", "pupil"])
    assert found.pairs[0].relation == "implicitly nested"
    assert found.pairs[0].by_labels == "partially crossed"
    assert (found.pairs[0].inner, found.pairs[0].reuse.kind) == ("pupil", "runs")
    assert [f.code for f in found.findings] == ["labels-reused"]


def test_one_missing_combination_is_no_sign_of_nesting():
    data = datasets.load("Penicillin")
    data = data[~((data["plate"] == "x") & (data["sample"] == "F"))]
    found = structure(data, ["plate", "sample"])
    assert found.pairs[0].relation == "partially crossed"
    assert found.findings == ()


def test_a_row_number_is_no_sign_of_nesting():
    data = datasets.load("Penicillin").assign(row=np.arange(144))
    assert structure(data, ["plate", "sample"]).findings == ()


def test_partially_crossed_data_may_fall_into_islands():
    data = pd.DataFrame({"a": ["p", "p", "q", "r", "r"], "b": ["u", "v", "u", "w", "z"]}).loc[[0, 1, 2, 2, 3, 4]]
    found = structure(data, ["a", "b"])
    pair = found.pairs[0]
    assert (pair.relation, pair.n_components, pair.count_min, pair.count_max) == ("partially crossed", 2, 1, 2)
    assert found.components.number.tolist() == [0, 0, 0, 0, 1, 1]


def test_study_of_a_drug_is_crossed():
    found = structure(DRUGS, ["drug", "age", "gender"])
    assert {p.relation for p in found.pairs} == {"crossed"}
    assert found.cell_counts.tolist() == [1] * 12


def test_sections_of_schools_get_the_caution():
    found = structure(SCHOOLS, ["school", "section"])
    assert "section A of school X has nothing to do with section A of school Y" in " ".join(str(found).split())


def test_sections_with_names_of_their_own_are_nested():
    data = SCHOOLS.assign(section=SCHOOLS["school"] + SCHOOLS["section"])
    assert structure(data, ["school", "section"]).pairs[0].relation == "nested"


def test_interaction_is_a_factor():
    data = datasets.load("Pastes")
    for factor in ("batch:cask", ("batch", "cask")):
        found = structure(data, ["batch", factor])
        assert found.pairs[0].relation == "nested", factor
        assert found.factors[1].m == 30, factor
        assert found.suggestion.formula == "(1 | batch) + (1 | batch:cask)", factor
        assert found.suggestion.declaration == "crossed('batch') + random(('batch', 'cask'))", factor


def test_interaction_with_a_row_per_level_is_an_error():
    found = structure(datasets.load("Penicillin"), ["plate", "sample", "plate:sample"])
    assert [(f.code, f.severity) for f in found.findings] == [("level-per-row", "error")]
    assert found.suggestion.declaration == "crossed('plate', 'sample')"


def test_chains_of_nesting_are_one_declaration():
    data = pd.DataFrame(
        [(f"a{i}", f"b{i}{j}", f"c{i}{j}{k}") for i in range(3) for j in range(2) for k in range(2)] * 2
    )
    data.columns = ["a", "b", "c"]
    found = structure(data, ["c", "a", "b"])
    assert found.suggestion.declaration == "nested('a', 'b', 'c')"


def test_crossed_beside_nested():
    found = structure(datasets.load("InstEval"), ["s", "d", "dept"])
    assert found.suggestion.formula == "(1 | s) + (1 | dept/d)"
    assert found.findings == ()


def test_equal_factors_and_constants_are_found():
    data = pd.DataFrame({"a": list("ppqq"), "b": [1, 1, 2, 2], "c": ["k"] * 4})
    found = structure(data, ["a", "b", "c"])
    assert {f.code for f in found.findings} == {"equivalent", "one-level"}
    assert found.suggestion.formula == "(1 | a)"


def test_nothing_to_suggest():
    assert structure(pd.DataFrame({"c": ["k", "k"]}), "c").suggestion is None


# -- data ---------------------------------------------------------------------------------------------------------


def test_rows_without_a_level_are_left_out_and_counted():
    data = datasets.load("Penicillin")
    data.loc[[0, 5], "plate"] = None
    found = structure(data, ["plate", "sample"])
    assert (found.n_rows, found.n_missing) == (142, 2)
    assert found.findings[0].code == "missing-values"


def test_other_frames_and_a_shuffled_index_change_nothing():
    pl = pytest.importorskip("polars")
    data = datasets.load("Pastes")
    reference = str(structure(data, ["batch", "cask"]))
    assert str(structure(data.set_axis(np.zeros(60)), ["batch", "cask"])) == reference
    plain = {name: data[name].astype(str).tolist() for name in ("batch", "cask", "sample")}
    assert str(structure(pl.DataFrame(plain), ["batch", "cask"])) == reference


def test_unused_categories_do_not_count():
    data = datasets.load("Penicillin").query("plate in ('a', 'b', 'c')")
    assert structure(data, ["plate", "sample"]).factors[0].m == 3


@pytest.mark.parametrize(
    ("data", "factors", "message"),
    [
        (DRUGS, ["drug", "sex"], "no column 'sex'"),
        (DRUGS, [], "at least one factor"),
        (DRUGS, ["drug", "drug"], "given twice"),
        (DRUGS, [3], "A factor is a column name"),
        (DRUGS.iloc[:0], ["drug"], "no rows"),
        (DRUGS.assign(drug=None), ["drug", "age"], "No row has a value"),
    ],
)
def test_what_is_not_there_is_named(data, factors, message):
    with pytest.raises(DataError, match=message):
        structure(data, factors)


# -- print --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "factors"),
    [
        ("Penicillin", ["plate", "sample"]),
        ("Pastes", ["batch", "cask"]),
        ("Dyestuff", ["Batch"]),
        ("InstEval", ["s", "d", "dept"]),
    ],
)
def test_printed_structure(name, factors):
    assert f"{structure(datasets.load(name), factors).to_text('unicode')}\n" == (
        EXPECTED / f"structure_{name}.txt"
    ).read_text(encoding="utf-8")


def test_thousands_of_levels_print_on_a_screen():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"user id": rng.integers(0, 3000, 20000), "item": rng.integers(0, 1500, 20000)})
    text = str(structure(data, ["user id", "item"]))
    assert len(text.splitlines()) < 35
    assert max(map(len, text.splitlines())) <= 80
    assert "(1 | `user id`) + (1 | item)" in text


def test_html_escapes_names():
    data = pd.DataFrame({"a<b": list("ppqq"), "c": list("uvuv")})
    html = structure(data, ["a<b", "c"])._repr_html_()
    assert "a&lt;b" in html
    assert "a<b" not in html


def test_html_has_every_part_of_the_text():
    html = structure(datasets.load("Pastes"), ["batch", "cask", "sample"]).to_html()
    for part in ("60 rows", "nested in batch", "<svg", "labels are reused", "<code>(1 | batch/cask)</code>"):
        assert part in html, part


def test_html_of_thousands_of_levels_stays_small():
    assert len(structure(datasets.load("InstEval"), ["s", "d", "dept"]).to_html()) < 500_000


def test_frame_has_a_row_per_pair_with_its_counts():
    table = structure(datasets.load("Pastes"), ["batch", "cask", "sample"]).to_frame().set_index(["a", "b"])
    assert table["relation"].tolist() == ["implicitly nested", "nested", "nested"]
    first = table.loc[("batch", "cask")]
    assert (first["by_labels"], first["inner"], first["outer"]) == ("crossed", "cask", "batch")
    assert first[["cells", "possible", "min_rows", "max_rows", "islands"]].tolist() == [30, 30, 2, 2, 1]
    assert structure(DRUGS, "drug").to_frame().shape == (0, 14)

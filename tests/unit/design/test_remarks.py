"""Labels that hardly differ are other levels, and that is said; labels that do differ are not remarked on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.design.remarks import remark_on_labels
from lmmtools.errors import StructureWarning


@pytest.mark.parametrize(
    ("labels", "how"),
    [
        (["A", "a", "b"], "upper and lower case"),
        (["A", "A ", "b"], "blanks at their ends"),
        (["A", " A", "b"], "blanks at their ends"),
        (["A", "A\u00a0", "b"], "blanks at their ends"),
        (["A\x00b", "a\x00B", "b"], "upper and lower case"),
        (["A B", "A  B", "b"], "blanks (spaces)"),
        (["A", "a "], "upper and lower case, blanks or characters that look alike"),
        (["caf\u00e9", "cafe\u0301"], "characters that look alike"),
        (["Stra\u00dfe", "STRASSE"], "upper and lower case"),
    ],
)
def test_labels_that_hardly_differ_are_remarked_on(labels, how):
    (text,) = remark_on_labels("g", labels)
    assert how in text
    assert repr(labels[0]) in text


@pytest.mark.parametrize("kind", ["str", "string[python]", object, "category"])
@pytest.mark.parametrize(
    "labels", [["S1", "s1"], ["s1", "s 1", "s  1"], ["\u00e9", "e\u0301"], ["Z", "A", "a"], ["a", "A", None]]
)
def test_labels_are_seen_however_they_are_held(labels, kind):
    held = pd.Index(pd.Series(labels, dtype=object).dropna().astype(kind))
    assert len(remark_on_labels("g", held)) == 1
    assert remark_on_labels("g", held[:1]) == []
    # What lies beside a slice of Arrow's text does no harm.
    assert remark_on_labels("g", pd.Index(pd.Series([*labels, "z1", "z2"]).astype("str"))[-2:]) == []


@pytest.mark.parametrize(
    "labels", [["A", "B"], ["a1", "a 1"], ["1", "01"], ["A\x00", "A"], [], [1, 2], pd.Index([1.0, 2.0]), ["-", "_"]]
)
def test_other_labels_are_not(labels):
    assert remark_on_labels("g", labels) == []


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    names = np.array([f"school {i}" for i in range(8)])
    data = pd.DataFrame({"y": rng.normal(size=64), "school": np.repeat(names, 8), "f": rng.choice(["u", "v"], 64)})
    data["y"] += np.repeat(rng.normal(size=8), 8) * 2
    return data


@pytest.mark.parametrize(
    ("column", "formula"),
    [
        ("school", "y ~ f + (1|school)"),
        ("f", "y ~ f + (1|school)"),
        ("f", "y ~ C(f) + (1|school)"),
        ("school", "y ~ 1 + (1|school:f)"),
    ],
)
def test_a_fit_warns_of_them_and_shows_it_in_the_summary(column, formula):
    data = frame()
    data.loc[::2, column] = data.loc[::2, column].str.upper()
    with pytest.warns(StructureWarning, match=f"labels of {column} differ only by upper and lower case") as said:
        fit = lmt.lmm(formula, data).fit(engine="pls")
    text = str(said[0].message)
    assert text in fit.warnings
    assert f"labels of {column} differ only by" in " ".join(str(fit.summary()).split())


def test_structure_has_a_finding():
    data = frame()
    data.loc[::2, "school"] += " "
    found = [f for f in lmt.structure(data, ["school", "f"]).findings if f.code == "labels-alike"]
    assert len(found) == 1
    assert found[0].message.startswith("Labels of school differ only by blanks at their ends")

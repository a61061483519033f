"""Joint tests, limits and labels of means where combinations have no rows, or levels are long numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.errors import DataError

pytestmark = pytest.mark.filterwarnings("ignore::lmmtools.errors.DroppedColumnsWarning")


@pytest.fixture(scope="module")
def holes():
    """An unbalanced table of a by b in six groups, without the rows of r and v."""
    grid = pd.DataFrame([(a, b, g) for g in range(1, 7) for b in "uv" for a in "pqr"], columns=["a", "b", "g"])
    grid = grid[(grid.a != "r") | (grid.b != "v")]
    data = grid[np.arange(1, len(grid) + 1) * 5 % 9 != 0]
    i = np.arange(1, len(data) + 1)
    level = data.a.map({"p": 1, "q": 2, "r": 3}) + 0.5 * (data.b == "v") + 2 * np.cos(data.g * 1.7)
    data = data.assign(y=np.round(np.sin(i * 2.3) * 2 + level, 2), code=1_000_000 + i % 3)
    return lmt.lmm("y ~ a * b + (1 | g)", data).fit(), data


def test_confounded_row_is_beyond_the_hypotheses_of_all_terms_together(holes):
    """emmeans 1.8.4, of a fit by lmerTest 3.1.3, gives F to three digits. The terms are not orthogonal."""
    frame = holes[0].joint_tests().to_frame().set_index("term")
    assert list(frame.num_df) == [1, 1, 2]
    np.testing.assert_allclose(frame.F, [0.840, 0.001, 2.259], atol=1e-3)


def test_limits_of_a_group_without_a_known_difference_are_missing(holes):
    means = holes[0]
    for adjust in ("mvt", "dunnett", "scheffe", "holm"):
        own = means.contrasts("b", method="reference", by="a", adjust=adjust).conf_int()
        assert list(own[["lower", "upper"]].notna().all(axis=1)) == [True, True, False]


def test_labels_show_all_digits_of_whole_numbers(holes):
    fit = lmt.lmm("y ~ C(code) + (1 | g)", holes[1]).fit()
    names = fit.pairwise("code").names
    assert names[0] == "code1000000 - code1000001"
    assert len(set(names)) == 3


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"null": "x"}, "null='x' must be a number"),
        ({"null": np.nan}, "null=nan must be a number"),
        ({"interaction": 5}, "interaction=5 must be the name of a method"),
        ({"at": {"b": np.array([["u"], ["v"]])}}, "at= has a table of values for 'b'"),
    ],
)
def test_arguments_of_another_kind_are_named(holes, asked, message):
    with pytest.raises(DataError, match=message):
        holes[0].contrasts("a", **asked)


def test_letters_are_those_of_the_pairwise_tests_of_all_means(holes):
    """A mean that is not estimable counts among the means of Tukey's method, in emmeans' cld and pairs both."""
    means, pairs = holes[0].marginal_means("a"), holes[0].pairwise("a")
    assert np.isnan(means.estimate[2])
    between = pairs.p[0] + 1e-6, pairs.p[0] - 1e-6
    assert means.cld(between[0], sort=False).letters == ("a", "b", "")
    assert means.cld(between[1], sort=False).letters == ("a", "a", "")


@pytest.mark.parametrize("weights", ["cells", "flat"])
def test_a_cell_without_rows_has_no_average_by_the_rows_of_cells(holes, weights):
    """As in emmeans; the additive model has no dropped column that could tell. What averages nothing has no weights."""
    fit = lmt.lmm("y ~ a + b + C(code) + (1 | g)", holes[1]).fit()
    found = fit.marginal_means(["a", "b"], weights=weights)
    assert list(np.isnan(found.estimate)) == [row == ("r", "v") for row in found.values]
    alone = lmt.lmm("y ~ a + b + (1 | g)", holes[1]).fit()
    weighted, equal = alone.marginal_means(["a", "b"], weights=weights), alone.marginal_means(["a", "b"])
    np.testing.assert_array_equal(weighted.estimate, equal.estimate)
    assert np.isfinite(equal.estimate).all()


def test_terms_stand_in_the_order_of_all_their_factors():
    """As emmeans orders them: A:B, in which B is nested in A, before A:x."""
    i = np.arange(48)
    data = pd.DataFrame({"A": i % 2, "g": i // 8, "x": np.cos(i * 1.9)})
    data = data.assign(A=data.A.map({0: "p", 1: "q"}), B=[f"{a}{k % 3}" for a, k in zip(i % 2, i // 2, strict=True)])
    data["y"] = data.x + np.sin(i * 2.7) + np.cos(data.g * 1.7)
    fit = lmt.lmm("y ~ A + A:B + x + A:x + (1 | g)", data).fit()
    assert list(fit.joint_tests().terms) == ["A", "x", "A:B", "A:x"]


def test_a_term_whose_columns_were_all_dropped_is_named_below_the_anova_table(holes):
    two = holes[1][holes[1].a != "p"]
    fit = lmt.lmm("y ~ a * b + (1 | g)", two).fit()
    found = fit.anova()
    assert found.terms == ("a", "b")
    assert "depend on those of other terms: a:b" in " ".join(str(found).split())
    assert not fit.update("~ . - a:b").anova().notes


def test_a_level_that_is_given_twice_is_one_level(holes):
    once = holes[0].marginal_means("a", at={"b": ["u", "v"]}, weights="proportional")
    twice = holes[0].marginal_means("a", at={"b": ["u", "u", "v"]}, weights="proportional")
    np.testing.assert_array_equal(twice.estimate, once.estimate)

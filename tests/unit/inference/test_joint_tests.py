"""Joint tests of terms, and simple effects."""

from __future__ import annotations

import numpy as np
import pytest

import lmmtools as lmt
from lmmtools.errors import DataError

pytestmark = pytest.mark.filterwarnings("ignore::lmmtools.errors.DroppedColumnsWarning")


@pytest.fixture(scope="module")
def oats():
    data = lmt.datasets.load("Oats")
    return lmt.lmm("yield ~ Variety * C(nitro) + (1 | Block/Variety)", data).fit()


def test_terms_of_balanced_data_are_tested_as_by_anova(oats):
    """Orthogonal rows have the same degrees of freedom, so that both ways of combining them agree."""
    found, anova = oats.joint_tests().to_frame(), oats.anova().to_frame()
    assert list(found.term) == ["Variety", "nitro", "Variety:nitro"]
    np.testing.assert_allclose(found[["num_df", "den_df", "F", "p"]], anova[["num_df", "den_df", "F", "p"]], rtol=1e-6)
    by_z = oats.joint_tests(ddf="z")
    assert np.isinf(by_z.den_df).all()
    assert "chi-squared" in str(by_z)


def test_within_by_a_term_of_two_levels_is_the_squared_t_of_its_difference(oats):
    found = oats.joint_tests(by="Variety", at={"nitro": [0.0, 0.6]}).to_frame()
    pairs = oats.pairwise("nitro", by="Variety", at={"nitro": [0.0, 0.6]}).to_frame()
    np.testing.assert_allclose(found.F, pairs.t**2, rtol=1e-8)
    np.testing.assert_allclose(found.den_df, pairs.df, rtol=1e-8)
    assert list(found.Variety) == list(pairs.Variety)


def test_a_covariate_is_tested_by_its_slope_and_others_at_its_mean():
    data = lmt.datasets.load("Oats")
    fit = lmt.lmm("yield ~ Variety * nitro + (1 | Block/Variety)", data).fit()
    found = fit.joint_tests().to_frame().set_index("term")
    slope = fit.marginal_means([], slope_of="nitro")
    np.testing.assert_allclose(found.F["nitro"], (slope.estimate / slope.se)[0] ** 2, rtol=1e-6)
    means = fit.contrasts("Variety", method="consec", adjust="none")
    V = means.to_frame()
    assert found.F["Variety"] >= (V.t**2).max() / 2 - 1e-9
    assert list(fit.joint_tests(at={"nitro": 0.0}).terms) == ["Variety"]


def test_empty_cells_leave_the_contrasts_that_are_estimable_and_a_row_of_the_rest():
    cake = lmt.datasets.load("cake")
    holes = cake[~((cake.recipe == "B") & cake.temperature.isin(["215", "225"]))]
    fit = lmt.lmm("angle ~ recipe * temperature + (1 | recipe:replicate)", holes).fit()
    found = fit.joint_tests()
    frame = found.to_frame()
    assert list(frame.term) == ["recipe", "temperature", "recipe:temperature", "(confounded)"]
    assert list(frame.num_df) == [1, 3, 8, 3]
    text = " ".join(str(found).split())
    assert "some combinations have no rows" in text
    by = fit.joint_tests(by="temperature").to_frame()
    assert list(by.num_df) == [2, 2, 2, 2, 1, 1]


def test_nothing_left_to_test_is_said(oats):
    with pytest.raises(DataError, match="nothing to test within Variety, nitro"):
        oats.joint_tests(by=["Variety", "nitro"])
    sleep = lmt.lmm("Reaction ~ 1 + (1 | Subject)", lmt.datasets.load("sleepstudy")).fit()
    with pytest.raises(DataError, match="nothing to test"):
        sleep.joint_tests()


def test_simple_effects_are_contrasts_within_the_other_factors(oats):
    both = oats.contrasts(["Variety", "nitro"], simple="each").to_frame()
    first = oats.pairwise("Variety", by="nitro").to_frame()
    second = oats.pairwise("nitro", by="Variety").to_frame()
    assert list(both.columns[:3]) == ["Variety", "nitro", "contrast"]
    assert (both.Variety[: len(first)] == ".").all()
    assert (both.nitro[len(first) :] == ".").all()
    columns = ["contrast", "estimate", "se", "df", "t", "p"]
    assert both[columns][: len(first)].equals(first[columns])
    assert both[columns][len(first) :].reset_index(drop=True).equals(second[columns])
    one = oats.contrasts(["Variety", "nitro"], simple="nitro").to_frame()
    assert one[columns].equals(second[columns])
    with pytest.raises(DataError, match="simple='Block' must be 'each', or name some of Variety, nitro"):
        oats.contrasts(["Variety", "nitro"], simple="Block")


def test_products_of_contrasts_need_all_combinations():
    cake = lmt.datasets.load("cake")
    data = cake.assign(oven=np.where(cake.recipe == "A", "old", "new"))
    fit = lmt.lmm("angle ~ oven + recipe * temperature + (1 | replicate)", data).fit()
    with pytest.raises(DataError, match="some do not exist"):
        fit.contrasts(["recipe", "temperature"], interaction="consec")
    found = fit.contrasts(["recipe", "temperature"], interaction="consec", by="oven").to_frame()
    assert set(found.oven) == {"new"}

"""from_mixedlm() keeps the formula whatever order patsy gives the columns, and names groups after no covariate."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from statsmodels.regression.mixed_linear_model import MixedLM

import lmmtools as lmt
from lmmtools.design.columns import find_order, in_order, places_of

# Two optimisers of one criterion: F moves by the variances' difference.
SAME_FIT = 5e-2


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def clinic() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    who = np.repeat(np.arange(48), 4)
    data = pd.DataFrame(
        {
            "who": who,
            "month": np.tile(np.arange(4.0), 48),
            "dose": np.array(["high", "low"])[who % 2],
            "ward": pd.Categorical(np.array(["n", "e", "s"])[who % 3], ["s", "n", "e"]),
            "weight": rng.uniform(50, 90, 48)[who],
            "blood count": rng.normal(size=192),
        }
    )
    data["pain"] = 3 + 0.4 * data["month"] * (data["dose"] == "low") + rng.normal(size=48)[who] + rng.normal(size=192)
    return data


# As patsy reads it -> as lmm() reads it, where that differs.
FORMULAS = {
    "month + dose": None,
    "month*dose + weight": None,
    "weight + C(ward)": None,
    "month*ward*dose": None,
    "0 + month + ward": None,
    "np.log(weight) + dose": None,
    "month + C(ward, Treatment('n'))": "month + C(ward, Treatment('n'))",
    "Q('blood count') * dose": "`blood count` * dose",
    "bs(weight, df=4) + dose": None,
}


@pytest.mark.parametrize("formula", FORMULAS)
def test_every_order_of_columns_keeps_the_formula(clinic, formula):
    result = smf.mixedlm(f"pain ~ {formula}", clinic, groups="who").fit()
    fit = lmt.from_mixedlm(result)
    # statsmodels' own order stays, so that contrasts written for it test what they say.
    assert list(fit.params.index) == list(result.fe_params.index)
    new = clinic.iloc[[5, 9, 14]]
    np.testing.assert_allclose(fit.predict(new), fit.fittedvalues.iloc[[5, 9, 14]], rtol=1e-8)
    own = lmt.lmm(f"pain ~ {FORMULAS[formula] or formula} + (1|who)", clinic).fit(engine="pls")
    np.testing.assert_allclose(fit.anova().to_frame()["F"], own.anova().to_frame()["F"], rtol=SAME_FIT)
    factor = "ward" if "ward" in formula else "dose"
    estimates = [f.marginal_means(factor).to_frame().select_dtypes("number").iloc[:, 0] for f in (fit, own)]
    np.testing.assert_allclose(*estimates, rtol=1e-2)
    assert fit.to_report() is not None


def test_a_contrast_in_statsmodels_order_tests_the_same_coefficient(clinic):
    result = smf.mixedlm("pain ~ month + dose", clinic, groups="who").fit()
    assert list(result.fe_params.index)[1] == "dose[T.low]"
    fit = lmt.from_mixedlm(result)
    assert fit.t_test(np.array([[0.0, 1.0, 0.0]])).to_frame()["estimate"].iloc[0] == pytest.approx(
        result.fe_params["dose[T.low]"], rel=1e-6
    )


def test_random_slopes_keep_their_recipe_in_any_order(clinic):
    result = smf.mixedlm("pain ~ month + dose", clinic, groups="ward", re_formula="~month + dose").fit()
    fit = lmt.from_mixedlm(result)
    np.testing.assert_allclose(fit.predict(clinic.iloc[::-1]), fit.fittedvalues.iloc[::-1], rtol=1e-8)


def test_columns_are_told_by_values_and_equal_ones_by_name():
    made = np.column_stack([np.ones(3), [1.0, 2.0, 4.0], [1.0, 2.0, 4.0], [0.0, 1.0, 0.0]])
    wanted = made[:, [0, 3, 2, 1]]
    order = find_order(made, wanted, ["c", "a", "b", "f"], ["c", "f", "b", "a"], 1e-10)
    assert order == (0, 3, 2, 1)
    np.testing.assert_array_equal(in_order(made, order), wanted)
    assert places_of({"": (0,), "a": (1,), "f": (3,)}, order) == {"": (0,), "a": (3,), "f": (1,)}
    assert find_order(made, wanted + 1e-6, ["c", "a", "b", "f"], ["c", "f", "b", "a"], 1e-10) is None
    assert find_order(made, wanted[:, :3], ["c", "a", "b", "f"], ["c", "f", "b"], 1e-10) is None


def named(model) -> str:
    return lmt.engines.mixedlm.reading.read_model(model).group


@pytest.mark.parametrize(
    ("keywords", "name"),
    [
        ({"groups": "who"}, "who"),
        ({"groups": "who", "missing": "drop"}, "who"),
        ({"groups": "who", "re_formula": "~0 + weight"}, "who"),
    ],
)
def test_a_column_of_the_data_keeps_its_name(clinic, keywords, name):
    assert named(MixedLM.from_formula("pain ~ month + weight", clinic, **keywords)) == name


@pytest.mark.parametrize("re_formula", [None, "1", "~month", "~0 + weight"])
@pytest.mark.parametrize("missing", ["none", "drop"])
def test_groups_given_as_an_array_are_called_after_no_covariate(clinic, re_formula, missing):
    # weight is constant within each person, so that it splits the rows as the groups do.
    data = clinic.drop(columns="who")
    model = MixedLM.from_formula(
        "pain ~ month + weight", data, groups=clinic["who"].to_numpy(), re_formula=re_formula, missing=missing
    )
    assert named(model) == "Group"


def test_a_covariate_called_group_or_of_ones_is_not_taken_for_the_groups(clinic):
    groups = clinic["who"].to_numpy()
    data = clinic.drop(columns="who").assign(Group=clinic["month"], one=1.0)
    model = MixedLM.from_formula("pain ~ Group + weight", data, groups=groups, re_formula="~0 + one")
    assert named(model) == "Group1"
    fit = lmt.from_mixedlm(model.fit())
    np.testing.assert_array_equal(fit.design.frame["Group"], clinic["month"])
    assert fit.ngroups == {"Group1": 48}


def test_a_series_that_carries_a_covariates_name_does_not_replace_it(clinic):
    bands = (clinic["weight"] // 5).astype(int)
    model = MixedLM(clinic["pain"], clinic[["month", "weight"]].assign(one=1.0), groups=bands)
    assert model.groups.name == "weight"
    fit = lmt.from_mixedlm(model.fit())
    assert list(fit.random_effects) == ["Group"]
    np.testing.assert_array_equal(fit.design.frame["weight"], clinic["weight"])

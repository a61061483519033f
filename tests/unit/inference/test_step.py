"""``drop1`` and ``step``, beside lmerTest 3.1-3 on lme4 1.1-31.

Numbers of R: cake without 22 rows (`UNBALANCED`), temperature as an unordered factor; drop1(m), drop1(m,
ddf="Kenward-Roger"), drop1(as(m, "lmerMod"), test="Chisq"), step(m).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.errors import DataError

LEFT_OUT = [0, 4, 8, 19, 32, 76, 100, 149, 200, *range(249, 262)]
# lme4's own optimum leaves about six digits of its sums of squares.
REL = 5e-6


@pytest.fixture(scope="module")
def unbalanced():
    data = lmt.datasets.load("cake")
    data = data.drop(data.index[LEFT_OUT]).reset_index(drop=True)
    return data.assign(temperature=data.temperature.astype(str))


@pytest.fixture(scope="module")
def additive(unbalanced):
    return lmt.lmm("angle ~ recipe + temperature + (1 | recipe:replicate)", unbalanced).fit()


@pytest.fixture(scope="module")
def crossed(unbalanced):
    return lmt.lmm("angle ~ recipe * temperature + (1 | recipe:replicate) + (1 | replicate)", unbalanced).fit()


@pytest.mark.parametrize(
    ("ddf", "recipe", "temperature"),
    [
        ("satterthwaite", (15.68867513, 2, 40.37999573, 0.4014164027), (1955.07052680, 5, 198.99040357, 20.0092709214)),
        ("kenward-roger", (15.68818378, 2, 40.97297924, 0.401403813), (1954.35733414, 5, 199.58419908, 20.001970027)),
    ],
)
def test_single_deletions_are_those_of_lmertest(additive, ddf, recipe, temperature):
    found = additive.drop1(ddf=ddf).to_frame()[["sum_sq", "num_df", "den_df", "F"]]
    np.testing.assert_allclose(found.loc["recipe"], recipe, rtol=REL)
    np.testing.assert_allclose(found.loc["temperature"], temperature, rtol=REL)


def test_degrees_of_freedom_follow_the_coding_of_the_model_as_in_lmertest(unbalanced):
    formula = "angle ~ C(recipe, Sum) + C(temperature, Sum) + (1 | recipe:replicate)"
    found = lmt.lmm(formula, unbalanced).fit().drop1().to_frame()
    np.testing.assert_allclose(found.den_df, [40.37995951, 198.99045855], rtol=REL)


def test_a_term_within_another_is_not_dropped(crossed):
    assert crossed.drop1().terms == ("recipe:temperature",)


def test_likelihood_ratios_are_those_of_lme4(crossed):
    found = crossed.drop1("chisq").to_frame()
    np.testing.assert_allclose(found.aic, [1542.414392, 1530.854768], rtol=1e-8)
    np.testing.assert_allclose(
        found.loc["recipe:temperature", ["npar", "lrt", "p"]], [10, 8.440375418, 0.5859039995], rtol=1e-6
    )


def test_steps_are_those_of_lmertest(crossed):
    steps = crossed.step()
    random = steps.random.to_frame()
    assert list(random.index) == ["<none>", "(1 | recipe:replicate)", "(1 | replicate)"]
    np.testing.assert_allclose(random.llf, [-728.1223884, -732.2540676, -746.0499007], rtol=1e-8)
    np.testing.assert_allclose(random.p[1:], [4.045322547e-03, 2.125591550e-09], rtol=1e-5)
    fixed = steps.fixed.to_frame()
    assert list(zip(fixed.index, fixed.eliminated, strict=True)) == [
        ("recipe:temperature", 1),
        ("recipe", 2),
        ("temperature", 0),
    ]
    np.testing.assert_allclose(fixed.den_df, [190.43007455, 26.74205138, 200.57002386], rtol=1e-4)
    np.testing.assert_allclose(fixed.F, [0.7988193988, 1.3744032087, 19.8932020036], rtol=1e-4)
    assert steps.formula == "angle ~ temperature + (1 | recipe:replicate) + (1 | replicate)"
    again = lmt.lmm(steps.formula, crossed.design.frame).fit()
    assert steps.fit.objective == pytest.approx(again.objective, abs=1e-8)


def test_random_effects_go_before_fixed_terms_and_the_last_stays():
    pastes = lmt.lmm("strength ~ 1 + (1 | batch/cask)", lmt.datasets.load("Pastes")).fit().step()
    assert pastes.random.eliminated == (None, 1, 0)
    np.testing.assert_allclose(pastes.random.lrt[1:], [0.658, 62.531], atol=5e-4)
    assert pastes.fixed.terms == ()
    flat = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff2")).fit(engine="pls").step()
    assert flat.formula == "Yield ~ 1 + (1 | Batch)"
    assert "ordinary least squares" in flat.notes[0]


def test_a_slope_goes_and_its_intercept_stays():
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(30), 8)
    x = np.tile(np.arange(8.0), 30)
    y = rng.normal(size=30)[g] + rng.normal(size=240)
    fit = lmt.lmm("y ~ x + (x | g)", {"y": y, "x": x, "g": g}).fit()
    steps = fit.step(keep="x")
    assert steps.random.names[1] == "x in (x | g)"
    assert steps.formula == "y ~ x + (1 | g)"
    assert fit.step(keep=["x", "(x | g)"]).formula == "y ~ x + (x | g)"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"keep": "z"}, "no term"),
        ({"alpha_fixed": 5}, "alpha_fixed"),
        ({"ddf": "none"}, "none"),
        ({"keep": 5}, "keep=5"),
    ],
)
def test_what_step_cannot_read_is_named(additive, options, says):
    with pytest.raises(DataError, match=says):
        additive.step(**options)


def test_a_model_without_terms_has_an_empty_table():
    fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit()
    for table in (fit.anova(), fit.drop1()):
        assert len(table.to_frame()) == 0
        assert "no term beside the constant" in str(table)
    assert list(fit.drop1("chisq").to_frame().index) == ["<none>"]


def test_the_text_shows_both_tables_and_the_model(crossed):
    text = str(crossed.step())
    for part in ("Backward reduced random-effect table", "Backward reduced fixed-effect table", "Model found: angle ~"):
        assert part in text


def with_gaps() -> pd.DataFrame:
    """Return 240 rows of two crossed factors, a covariate and weights, with six missing values."""
    rng = np.random.default_rng(7)
    n = 240
    g, h = np.repeat(np.arange(20), 12), np.tile(np.arange(12), 20)
    f, k = rng.choice(list("abc"), n), np.where(np.arange(20) % 2, "u", "v")[g]
    x, z, w = rng.normal(size=n), rng.normal(size=n), rng.uniform(0.5, 3, n)
    u, v = rng.normal(size=(20, 2)) * [1.5, 0.6], rng.normal(size=12) * 0.7
    y = 2 + 0.5 * x + 0.3 * (f == "b") + 0.2 * (f == "b") * x + u[g, 0] + u[g, 1] * x + v[h]
    y += rng.normal(size=n) / np.sqrt(w)
    d = pd.DataFrame({"y": y, "x": x, "z": z, "f": f, "k": k, "g": g.astype(str), "h": h.astype(str), "w": w})
    d.loc[[3, 50], "z"], d.loc[[7, 90, 91], "f"], d.loc[5, "y"] = np.nan, np.nan, np.nan
    return d


def test_with_weights_and_missing_values_the_numbers_are_lmertests() -> None:
    # m <- lmer(y ~ x*f + z + k + (1|g) + (1|h), d, weights = w); drop1(m); drop1(as(m, "lmerMod"), test = "Chisq") and
    # step(m) on na.omit(d): lme4 and lmerTest do not leave out rows there themselves.
    fit = lmt.lmm("y ~ x*f + z + k + (1|g) + (1|h)", with_gaps(), weights="w").fit()
    assert fit.objective == pytest.approx(726.079811, abs=1e-5)
    tests = fit.drop1().to_frame()
    np.testing.assert_allclose(tests["F"], [5.99077, 6.16728, 1.48006], rtol=2e-5)
    np.testing.assert_allclose(tests["den_df"], [202.41989, 18.03458, 201.06683], rtol=2e-5)
    ratios = fit.drop1("chisq").to_frame()
    np.testing.assert_allclose(ratios["aic"], [733.4452, 737.5014, 737.2556, 732.4604], atol=6e-5)
    np.testing.assert_allclose(ratios["p"][1:], [0.013858, 0.015932, 0.221442], rtol=1e-4)
    steps = fit.step()
    np.testing.assert_allclose(steps.random.to_frame()["lrt"][1:], [172.14224, 70.20684], rtol=1e-6)
    found = steps.fixed.to_frame()
    assert found["eliminated"].to_dict() == {"x:f": 1, "f": 2, "x": 0, "z": 0, "k": 0}
    np.testing.assert_allclose(found["F"], [1.48006, 2.13175, 60.70666, 7.33744, 6.75563], rtol=2e-5)
    assert steps.formula == "y ~ x + z + k + (1 | g) + (1 | h)"


def test_updates_are_fits_of_the_rows_that_the_new_formula_has() -> None:
    # REMLcrit(update(m, . ~ . - x:f)), REMLcrit(update(m, . ~ . - z)), nobs: lme4 1.1-31.
    fit = lmt.lmm("y ~ x*f + z + (x|g) + (1|h)", data := with_gaps()).fit()
    assert fit.update("~ . - x:f").objective == pytest.approx(705.386394, abs=1e-5)
    without = fit.update("~ . - z")
    assert (without.objective, without.nobs) == (pytest.approx(710.688441, abs=1e-5), 236)
    assert len(data) == 240


def test_terms_whose_columns_depend_on_others_are_said_not_to_be_tested() -> None:
    d = with_gaps()
    fit = lmt.lmm("y ~ x + twice + z + (1|g)", d.assign(twice=2 * d.x)).fit()
    table = fit.drop1()
    assert (table.terms, table.notes) == (
        ("x", "z"),
        ("not tested, as its columns depend on those of other terms: twice",),
    )
    ratios = fit.drop1("chisq")
    assert ratios.npar[1] == 0
    assert "x: other terms take the place of its columns, so that nothing is tested" in ratios.notes

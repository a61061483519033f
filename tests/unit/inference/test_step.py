"""``drop1`` and ``step``, beside lmerTest 3.1-3 on lme4 1.1-31.

Numbers of R: cake without 22 rows (`UNBALANCED`), temperature as an unordered factor; drop1(m), drop1(m,
ddf="Kenward-Roger"), drop1(as(m, "lmerMod"), test="Chisq"), step(m).
"""

from __future__ import annotations

import numpy as np
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
    [({"keep": "z"}, "no term"), ({"alpha_fixed": 5}, "alpha_fixed"), ({"ddf": "none"}, "none")],
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

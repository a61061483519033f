"""The adapter to marginaleffects: its estimates are contrasts of the fixed effects, with their degrees of freedom."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt

me = pytest.importorskip("marginaleffects", reason="needs marginaleffects")
pl = pytest.importorskip("polars")
if int(pl.__version__.partition(".")[0]) >= 2:
    pytest.skip("marginaleffects 0.6 needs polars < 2", allow_module_level=True)

CLOSE = 1e-8
"""Relative; derivatives are taken over steps of a standard error."""


@pytest.fixture(scope="module")
def oats():
    formula = "yield ~ Variety * C(nitro) + (1|Block/Variety)"
    return lmt.lmm(formula, lmt.datasets.load("Oats")).fit(engine="pls")


@pytest.fixture(scope="module")
def curve():
    formula = "Reaction ~ Days + I(Days**2) + (Days|Subject)"
    return lmt.lmm(formula, lmt.datasets.load("sleepstudy")).fit(engine="pls")


def assert_rows(found, want, columns):
    for own, theirs in columns.items():
        np.testing.assert_allclose(found.data[own].to_numpy(), want[theirs], rtol=CLOSE, err_msg=own)


MEAN = {"estimate": "emmean", "std_error": "se", "df": "df", "conf_low": "lower", "conf_high": "upper"}
SLOPE = {**MEAN, "estimate": "slope"}
CONTRAST = {"estimate": "estimate", "std_error": "se", "df": "df", "statistic": "t", "p_value": "p"}


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger", "residual", "z"])
def test_average_predictions_of_balanced_data_are_the_marginal_means(oats, ddf):
    found = oats.marginal.avg_predictions(by="nitro", ddf=ddf)
    assert found.data["nitro"].to_list() == ["0", "0.2", "0.4", "0.6"]
    assert_rows(found, oats.marginal_means("nitro", ddf=ddf).to_frame(), MEAN)


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger"])
def test_comparisons_are_the_contrasts(oats, ddf):
    found = oats.marginal.avg_comparisons(variables={"nitro": "reference"}, ddf=ddf)
    assert_rows(found, oats.contrasts("nitro", method="reference", adjust="none", ddf=ddf).to_frame(), CONTRAST)
    found = oats.marginal.avg_comparisons(variables={"nitro": "reference"}, by="Variety", ddf=ddf)
    want = oats.contrasts("nitro", method="reference", adjust="none", by="Variety", ddf=ddf).to_frame()
    order = found.data.to_pandas()["Variety"].astype(str).argsort(kind="stable").to_numpy()
    np.testing.assert_allclose(found.data["estimate"].to_numpy()[order], want["estimate"], rtol=CLOSE)
    np.testing.assert_allclose(found.data["df"].to_numpy()[order], want["df"], rtol=CLOSE)


def test_slopes_have_exact_standard_errors(curve):
    grid = me.datagrid(model=curve.marginal.model, Days=[0, 5, 9])
    found = curve.marginal.slopes(variables="Days", newdata=grid)
    want = curve.marginal_means("Days", slope_of="Days", at={"Days": [0, 5, 9]}).to_frame()
    assert_rows(found, want, {**SLOPE, "std_error": "se"})
    np.testing.assert_allclose(found.jacobian, [[0, 1, 0], [0, 1, 10], [0, 1, 18]], atol=1e-7)
    found = curve.marginal.avg_slopes(variables="Days")
    assert_rows(found, curve.marginal_means([], slope_of="Days").to_frame(), SLOPE)


def test_hypotheses_are_tests_of_coefficients(oats):
    found = oats.marginal.hypotheses()
    tests = oats.tests()
    np.testing.assert_allclose(found.data["df"].to_numpy(), tests.df, rtol=CLOSE)
    np.testing.assert_allclose(found.data["p_value"].to_numpy(), tests.p, rtol=1e-6)
    found = oats.marginal.hypotheses("b1 - b2 = 0")
    names = oats.params.index
    row = np.zeros(len(names))
    row[[1, 2]] = 1, -1
    test = oats.t_test(row)
    np.testing.assert_allclose(found.data["statistic"].to_numpy(), test.t, rtol=1e-6)
    np.testing.assert_allclose(found.data["df"].to_numpy(), test.df, rtol=1e-6)


def test_a_ratio_is_tested_against_one(oats):
    found = oats.marginal.avg_predictions(by="Variety", hypothesis="ratio ~ reference").data
    t = (found["estimate"].to_numpy() - 1.0) / found["std_error"].to_numpy()
    np.testing.assert_allclose(found["statistic"].to_numpy(), t, rtol=1e-9)


def test_nonlinear_comparisons_have_the_delta_methods_errors(curve):
    grid = me.datagrid(model=curve.marginal.model, Days=[2.0])
    found = curve.marginal.comparisons(variables={"Days": [2.0, 8.0]}, comparison="lnratio", newdata=grid)
    low, high = np.array([1, 2, 4.0]), np.array([1, 8, 64.0])
    beta, cov = curve.params.to_numpy(), curve.cov_params().to_numpy()
    J = high / (high @ beta) - low / (low @ beta)
    assert found.data["estimate"].item() == pytest.approx(np.log((high @ beta) / (low @ beta)))
    assert found.data["std_error"].item() == pytest.approx(np.sqrt(J @ cov @ J), rel=1e-5)


def test_predictions_for_new_rows_and_offsets():
    data = lmt.datasets.load("sleepstudy").assign(o=np.arange(180.0))
    fit = lmt.lmm("Reaction ~ Days + (Days|Subject)", data, offset="o").fit(engine="pls")
    new = pd.DataFrame({"Days": [1.0, 3.5], "o": [0.0, 100.0], "Reaction": [0.0, 0.0]})
    found = fit.marginal.predictions(newdata=new)
    want = fit.predict(new, random=False, interval="confidence", ddf="satterthwaite")
    names = {"estimate": "mean", "std_error": "mean_se", "conf_low": "mean_ci_lower", "conf_high": "mean_ci_upper"}
    assert_rows(found, want, names)


def test_the_model_serves_the_packages_own_functions(oats):
    found = me.avg_predictions(oats.marginal.model, by="Variety")
    want = oats.marginal_means("Variety", ddf="z").to_frame()
    np.testing.assert_allclose(found.data["estimate"].to_numpy(), want["emmean"], rtol=CLOSE)
    np.testing.assert_allclose(found.data["std_error"].to_numpy(), want["se"], rtol=1e-6)
    np.testing.assert_allclose(found.data["conf_low"].to_numpy(), want["lower"], rtol=1e-6)


def test_any_name_and_transform_of_columns_will_do():
    data = lmt.datasets.load("sleepstudy").rename(columns={"Days": "days awake", "Reaction": "C"})
    data["half"] = np.where(np.arange(180) % 3, "a", "b")
    fit = lmt.lmm("np.log(C) ~ Q('days awake') * half + (1|Subject)", data).fit(engine="pls")
    found = fit.marginal.avg_slopes(variables="days awake", by="half")
    want = fit.marginal_means("half", slope_of="days awake").to_frame()
    assert_rows(found, want, SLOPE)


def test_what_has_no_degrees_of_freedom_is_refused(oats):
    with pytest.raises(lmt.DataError, match=r"marginaleffects.avg_predictions\(fit.marginal.model, transform"):
        oats.marginal.avg_predictions(by="nitro", transform=np.exp)
    with pytest.raises(lmt.DataError, match="not known here"):
        oats.marginal.avg_predictions(ddf="bayes")
    with pytest.raises(lmt.DataError, match="its own covariance"):
        oats.marginal.avg_predictions(vcov="HC3")


def test_the_table_is_headed_t_with_its_degrees(oats):
    text = oats.marginal.avg_predictions(by="nitro").summary()
    assert "P(>|t|)" in oats.marginal.hypotheses("b1 = b2").summary()
    assert "Std.Error" in text


def test_true_and_false_are_levels_as_in_the_model():
    sleep = lmt.datasets.load("sleepstudy").assign(late=lambda d: d["Days"] > 4)
    fit = lmt.lmm("Reaction ~ late * Days + (1|Subject)", sleep).fit(engine="pls")
    found = fit.marginal.avg_predictions(newdata="balanced", by="late")
    assert found.data["late"].to_list() == [False, True]
    assert_rows(found, fit.marginal_means("late").to_frame(), MEAN)
    assert fit.marginal.avg_comparisons(variables="late").data["contrast"].to_list() == ["True - False"]


def test_its_functions_given_a_fit_say_what_to_write(curve):
    with pytest.raises(lmt.DataError, match=r"write fit\.marginal\.avg_predictions\(\.\.\.\)"):
        me.avg_predictions(curve)
    plain = me.avg_predictions(curve.marginal.model)
    np.testing.assert_allclose(plain["estimate"], curve.marginal.avg_predictions()["estimate"], rtol=CLOSE)

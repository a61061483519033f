"""The record of a fit: labels, layouts, predictions."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.errors import (
    BoundaryWarning,
    DataError,
    DroppedColumnsWarning,
    DroppedRowsWarning,
    EngineError,
    LmmWarning,
)


@pytest.fixture(scope="module")
def sleep():
    return lmt.lmm("Reaction ~ Days + (Days|Subject)", lmt.datasets.load("sleepstudy")).fit()


@pytest.fixture(scope="module")
def pastes():
    return lmt.lmm("strength ~ 1", lmt.datasets.load("Pastes"), random=lmt.nested("batch", "cask")).fit()


def test_varcorr_has_lme4s_columns_and_rows(sleep):
    frame = sleep.varcorr.to_frame()
    assert list(frame.columns) == ["grp", "var1", "var2", "vcov", "sdcor"]
    assert frame[["grp", "var1", "var2"]].values.tolist() == [
        ["Subject", "(Intercept)", None],
        ["Subject", "Days", None],
        ["Subject", "(Intercept)", "Days"],
        ["Residual", None, None],
    ]


def test_a_factor_is_found_either_way_round(pastes):
    assert pastes.ngroups["batch:cask"] == pastes.ngroups["cask:batch"] == 30
    assert pastes.random_effects["batch:cask"] is pastes.random_effects["cask:batch"]
    with pytest.raises(KeyError, match="no grouping factor 'plate'"):
        _ = pastes.ngroups["plate"]


def test_fixed_effects_are_labelled_as_statsmodels_labels_them(sleep):
    assert list(sleep.params.index) == ["Intercept", "Days"]
    assert list(sleep.cov_params().columns) == ["Intercept", "Days"]
    interval = sleep.conf_int()
    np.testing.assert_allclose(interval[1] - sleep.params, 1.959963984540054 * sleep.bse, rtol=1e-12)
    np.testing.assert_allclose(sleep.pvalues["Days"], 1.27e-11, rtol=0.02)
    with pytest.raises(ValueError, match="between 0 and 1"):
        sleep.conf_int(alpha=95)


def test_fitted_values_and_residuals_add_up(sleep):
    data = lmt.datasets.load("sleepstudy")
    np.testing.assert_allclose(sleep.fittedvalues + sleep.resid, data["Reaction"], rtol=1e-12)
    assert sleep.fittedvalues.index.equals(data.index)


def test_prediction_of_the_fitted_rows_is_the_fit(sleep):
    data = lmt.datasets.load("sleepstudy")
    np.testing.assert_allclose(sleep.predict(data), sleep.fittedvalues, rtol=1e-12)
    np.testing.assert_allclose(sleep.predict(), sleep.fittedvalues, rtol=1e-12)
    by_hand = sleep.params["Intercept"] + sleep.params["Days"] * data["Days"]
    np.testing.assert_allclose(sleep.predict(data, random=False), by_hand, rtol=1e-12)


def test_unseen_levels_are_refused_or_predicted_from_the_population(sleep):
    new = pd.DataFrame({"Days": [0.0, 5.0], "Subject": ["308", "nobody"]})
    with pytest.raises(lmt.DataError, match='unseen="population"'):
        sleep.predict(new)
    predicted = sleep.predict(new, unseen="population")
    assert predicted[1] == pytest.approx(sleep.params["Intercept"] + 5 * sleep.params["Days"])
    assert predicted[0] == pytest.approx(sleep.fittedvalues.iloc[0])


def test_prediction_without_a_needed_column_names_it(sleep):
    with pytest.raises(lmt.DataError, match="Days"):
        sleep.predict(pd.DataFrame({"Subject": ["308"]}))


def test_marginal_covariance_is_the_models(pastes):
    design = pastes.design
    V = design.V(pastes).toarray()
    v = pastes.varcorr.to_frame()["vcov"].to_numpy()
    batch = design.frame["batch"].to_numpy()
    cask = design.frame["cask"].to_numpy()
    same_batch = batch[:, None] == batch
    expected = v[1] * same_batch + v[0] * (same_batch & (cask[:, None] == cask)) + v[2] * np.eye(60)
    np.testing.assert_allclose(V, expected, rtol=1e-12, atol=1e-12)


def test_criterion_is_the_likelihood_of_the_marginal_model(sleep):
    V = sleep.design.V(sleep).toarray()
    X, r = sleep.design.X, sleep.design.y - sleep.design.X @ sleep.params.to_numpy()
    Vi = np.linalg.inv(V)
    n, p = X.shape
    value = np.linalg.slogdet(V)[1] + np.linalg.slogdet(X.T @ Vi @ X)[1] + r @ Vi @ r + (n - p) * np.log(2 * np.pi)
    assert sleep.objective == pytest.approx(value, rel=1e-10)
    np.testing.assert_allclose(sleep.cov_params(), np.linalg.inv(X.T @ Vi @ X), rtol=1e-7)


def test_conditional_covariances_are_those_of_the_marginal_model(sleep):
    design = sleep.design
    Z, D, V = design.Z.toarray(), design.D(sleep).toarray(), design.V(sleep).toarray()
    conditional = D - D @ Z.T @ np.linalg.solve(V, Z @ D)
    np.testing.assert_allclose(sleep.random_effects_cov["Subject"].loc["309"], conditional[2:4, 2:4], rtol=1e-6)


def test_standard_errors_at_the_boundary_are_said_to_be_undefined():
    with pytest.warns(BoundaryWarning, match="zero"):
        fit = lmt.lmm("Yield ~ 1 + (1|Batch)", lmt.datasets.load("Dyestuff2")).fit()
    table = fit.varcorr_bse
    assert np.isnan(table["se_vcov"].iloc[0])
    assert "boundary" in table["note"].iloc[0]
    assert table["se_vcov"].iloc[1] == pytest.approx(fit.scale * np.sqrt(2 / 29), rel=1e-6)


def test_what_was_dropped_is_warned_of_kept_and_shown():
    data = lmt.datasets.load("sleepstudy")
    data.loc[[2, 5], "Reaction"] = np.nan
    data["Twice"] = 2 * data["Days"]
    model = lmt.lmm("Reaction ~ Days + Twice + (1|Subject)", data)
    with pytest.warns(DroppedRowsWarning, match="2 of 180"), pytest.warns(DroppedColumnsWarning, match="Twice"):
        fit = model.fit()
    assert any("Twice" in text for text in fit.warnings), fit.warnings
    text = str(fit.summary())
    assert "2 of 180 rows left out" in text
    assert "Twice" in text


def test_weights_scale_the_residual_variance():
    data = lmt.datasets.load("sleepstudy")
    plain = lmt.lmm("Reaction ~ Days + (1|Subject)", data).fit(engine="pls")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmmWarning)
        four = lmt.lmm("Reaction ~ Days + (1|Subject)", data, weights=np.full(180, 4.0)).fit()
    np.testing.assert_allclose(four.params, plain.params, rtol=1e-9)
    assert four.sigma == pytest.approx(2 * plain.sigma, rel=1e-8)
    assert four.objective == pytest.approx(plain.objective, rel=1e-10)


def test_engines_can_be_compared_in_one_call():
    model = lmt.lmm("strength ~ 1 + (1|batch/cask)", lmt.datasets.load("Pastes"))
    table = lmt.compare(model, "pls", "mixedlm")
    assert table.verdict == "same to the digits shown"
    with pytest.raises(lmt.DataError, match="follows no model"):
        lmt.compare("pls", "mixedlm")
    with pytest.raises(lmt.DataError, match="at least two"):
        lmt.compare(model, "pls")


def test_an_unknown_engine_is_named():
    model = lmt.lmm("strength ~ 1 + (1|batch/cask)", lmt.datasets.load("Pastes"))
    with pytest.raises(lmt.EngineError, match="'mixedlm'"):
        model.fit(engine="lme5")


def test_a_refit_is_the_fit_of_the_other_response(sleep):
    data = lmt.datasets.load("sleepstudy")
    other = data["Reaction"].to_numpy()[::-1].copy()
    fresh = lmt.lmm("Reaction ~ Days + (Days|Subject)", data.assign(Reaction=other)).fit(engine="pls")
    again = sleep.refit(other)
    assert again.objective == pytest.approx(fresh.objective, rel=1e-10)
    np.testing.assert_allclose(again.params, fresh.params, rtol=1e-7)
    np.testing.assert_allclose(again.resid, fresh.resid, atol=1e-4)
    with pytest.raises(lmt.EngineError, match="180 rows"):
        sleep.refit(other[:10])


def test_many_refits_are_the_single_refits(sleep):
    rng = np.random.default_rng(5)
    Y = sleep.fittedvalues.to_numpy()[:, None] + 25 * rng.normal(size=(180, 6))
    many = sleep.refit_many(Y)
    for i in range(6):
        one = sleep.refit(Y[:, i])
        assert many.objective[i] == pytest.approx(one.objective, rel=1e-9), i
        np.testing.assert_allclose(many.beta[i], one.params, rtol=1e-6)


def test_leverages_are_the_diagonal_of_the_map_to_the_fitted_values(sleep):
    y = sleep.design.y
    V = sleep.design.V(sleep).toarray()
    X = sleep.design.X
    Vi = np.linalg.inv(V)
    P = Vi - Vi @ X @ np.linalg.solve(X.T @ Vi @ X, X.T @ Vi)
    H = np.eye(len(y)) - sleep.scale * P
    np.testing.assert_allclose(sleep.fittedvalues, H @ y, rtol=1e-6)
    np.testing.assert_allclose(sleep.hat_values, np.diag(H), rtol=1e-6)


def test_a_long_fit_can_be_watched(capsys):
    # Unbalanced: on the whole data the start is the optimum.
    model = lmt.lmm("Reaction ~ Days + (Days|Subject)", lmt.datasets.load("sleepstudy").iloc[7:])
    want = f"criterion {model.fit().objective:.2f}"
    model.fit(verbose=True)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 2
    assert want in lines[-1]
    model.fit(progress=True)
    assert want in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["ML", "REML", "", None, 2, [True]])
def test_reml_is_true_or_false(wrong):
    """A text such as "ML" is true, and would fit by REML."""
    with pytest.raises(EngineError, match=r"reml=.* is not an option"):
        lmt.lmm("Reaction ~ Days + (1 | Subject)", lmt.datasets.load("sleepstudy")).fit(reml=wrong)


@pytest.mark.parametrize("wrong", [["a"] * 180, [1 + 2j] * 180, [{}] * 180, [10**400] * 180, [[1], [1, 2]]])
def test_a_new_response_that_is_no_numbers_is_a_data_error(wrong, sleep):
    for refit in (sleep.refit, sleep.refit_many):
        with pytest.raises(DataError, match="must be an array of numbers"):
            refit(wrong)

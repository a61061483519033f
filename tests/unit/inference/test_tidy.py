"""A fit as plain frames, with broom.mixed's columns in snake case."""

from __future__ import annotations

import numpy as np
import pytest

import lmmtools as lmt
from lmmtools.errors import BoundaryWarning, DataError


@pytest.fixture(scope="module")
def data():
    return lmt.datasets.load("sleepstudy")


@pytest.fixture(scope="module")
def sleep(data) -> lmt.LMMResults:
    return lmt.lmm("Reaction ~ Days + (Days|Subject)", data).fit(engine="pls")


@pytest.fixture(scope="module")
def singular() -> lmt.LMMResults:
    with pytest.warns(BoundaryWarning):
        return lmt.lmm("Yield ~ 1 + (1|Batch)", lmt.datasets.load("Dyestuff2")).fit(engine="pls")


def test_tidy_has_the_rows_of_broom(sleep) -> None:
    frame = sleep.tidy()
    names = ["effect", "group", "term", "estimate", "std_error", "statistic", "df", "p_value", "note"]
    assert list(frame.columns) == names
    assert frame["term"].tolist() == [
        "Intercept",
        "Days",
        "sd__(Intercept)",
        "cor__(Intercept).Days",
        "sd__Days",
        "sd__Observation",
    ]
    assert frame["group"].tolist()[2:] == ["Subject"] * 3 + ["Residual"]
    # As lme4 prints them.
    np.testing.assert_allclose(frame["estimate"], [251.405, 10.467, 24.741, 0.0656, 5.922, 25.592], rtol=1e-3)
    tests = sleep.tests().to_frame()
    np.testing.assert_array_equal(frame["p_value"][:2], tests["p"])
    np.testing.assert_allclose(frame["df"][:2], 17.0)
    errors = sleep.varcorr_bse.set_index(["var1", "var2"])["se_sdcor"]
    assert frame["std_error"][3] == errors.loc[("(Intercept)", "Days")]


def test_tidy_takes_its_intervals_from_conf_int(sleep) -> None:
    wald = sleep.tidy(conf_int=True, conf_level=0.9, ddf="satterthwaite")
    expected = sleep.conf_int(0.1, ddf="satterthwaite")
    np.testing.assert_allclose(wald[["conf_low", "conf_high"]][:2], expected, rtol=1e-12)
    assert wald["conf_low"][2:].isna().all()
    assert wald["note"][2:].str.contains("no Wald interval").all()
    profile = sleep.tidy(conf_int=True, conf_method="profile").set_index("term")
    np.testing.assert_allclose(
        profile.loc["cor__(Intercept).Days", ["conf_low", "conf_high"]].astype(float), [-0.4815, 0.6850], atol=1e-3
    )
    np.testing.assert_allclose(profile.loc["Days", ["conf_low", "conf_high"]].astype(float), [7.359, 13.576], atol=1e-3)


def test_tidy_lists_the_modes_on_request(sleep) -> None:
    frame = sleep.tidy("ran_vals", conf_int=True)
    modes = sleep.ranef_frame()
    assert list(frame.columns[:6]) == ["effect", "group", "level", "term", "estimate", "std_error"]
    np.testing.assert_array_equal(frame["estimate"], modes["condval"])
    np.testing.assert_allclose(frame["conf_high"] - frame["estimate"], 1.959963984540054 * modes["condsd"])
    assert set(sleep.tidy(["fixed", "ran_vals"])["effect"]) == {"fixed", "ran_vals"}


def test_no_nan_in_tidy_without_a_reason(singular) -> None:
    frame = singular.tidy()
    missing = frame["std_error"].isna()
    assert missing.tolist() == [False, True, False]
    assert frame["note"][1].startswith("standard error not defined on the boundary")
    assert (frame["note"][~missing] == "").all()


@pytest.mark.parametrize(("reml", "criterion"), [(True, "reml_crit"), (False, "deviance")])
def test_glance_has_the_figures_of_the_fit(data, reml, criterion) -> None:
    fit = lmt.lmm("Reaction ~ Days + (1|Subject)", data).fit(engine="pls", reml=reml)
    frame = fit.glance()
    assert list(frame.columns) == ["nobs", "sigma", "log_lik", "aic", "bic", criterion, "df_residual"]
    assert frame.iloc[0].tolist() == [fit.nobs, fit.sigma, fit.llf, fit.aic, fit.bic, fit.objective, fit.df_resid]


def test_augment_stands_beside_the_rows_fitted(data) -> None:
    holes = data.assign(Age=np.arange(180.0))
    holes.loc[5, "Reaction"] = np.nan
    with pytest.warns(lmt.errors.DroppedRowsWarning):
        fit = lmt.lmm("Reaction ~ Days + (1|Subject)", holes).fit(engine="pls")
    plain = fit.augment()
    assert list(plain.columns)[-5:] == ["fitted", "resid", "hat", "cooksd", "fixed"]
    np.testing.assert_allclose(plain["fitted"] + plain["resid"], plain["Reaction"])
    np.testing.assert_array_equal(plain["hat"], fit.hat_values)
    np.testing.assert_array_equal(plain["cooksd"], fit.cooks_distance)
    np.testing.assert_allclose(plain["fixed"], fit.predict(random=False))
    whole = fit.augment(holes)
    assert 5 not in whole.index
    assert whole["Age"].tolist() == [v for v in range(180) if v != 5]


def test_augment_predicts_new_rows(sleep, data) -> None:
    frame = sleep.augment(newdata=data.tail(3))
    assert list(frame.columns) == [*data.columns, "fitted", "fixed"]
    np.testing.assert_allclose(frame["fitted"], sleep.fittedvalues.tail(3))


def test_augment_overwrites_nothing(data) -> None:
    fit = lmt.lmm("resid ~ Days + (1|Subject)", data.rename(columns={"Reaction": "resid"})).fit(engine="pls")
    with pytest.raises(DataError, match="a column 'resid' already"):
        fit.augment()
    assert {"resid", ".resid", ".fitted"} <= set(fit.augment(prefix="."))


def test_augment_shows_weights(data) -> None:
    fit = lmt.lmm("Reaction ~ Days + (1|Subject)", data, weights=np.linspace(1, 2, 180)).fit(engine="pls")
    np.testing.assert_array_equal(fit.augment()["weights"], np.linspace(1, 2, 180))


def test_bad_arguments_are_named(sleep, data) -> None:
    with pytest.raises(DataError, match="effects='random' is not known"):
        sleep.tidy("random")
    with pytest.raises(DataError, match="data has 3 rows, and the fit was given 180"):
        sleep.augment(data.head(3))
    with pytest.raises(DataError, match="conf_level is 95"):
        sleep.tidy(conf_int=True, conf_level=95)
    with pytest.raises(DataError, match="not both"):
        sleep.augment(data, newdata=data)


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger", "residual"])
def test_a_model_without_fixed_effects_has_no_rows_of_them(data, ddf) -> None:
    fit = lmt.lmm("Reaction ~ 0 + (1|Subject)", data).fit(engine="pls")
    assert fit.tidy(ddf=ddf, conf_int=True)["effect"].tolist() == ["ran_pars"] * 2
    assert fit.augment()["cooksd"].isna().all()
    assert "the model has no fixed effects" in str(fit.tests(ddf=ddf))
    assert set(fit.influence().to_frame()["note"]) == {"the model has no fixed effects"}


def test_augment_refuses_rows_that_were_not_fitted(sleep, data) -> None:
    turned = data.iloc[::-1]
    with pytest.raises(DataError, match="column 'Reaction' of data is not what was fitted, first in row 0"):
        sleep.augment(turned)
    with pytest.raises(DataError, match="prefix=3 is no text"):
        sleep.augment(prefix=3)


def test_augment_predicts_for_strangers_on_request(sleep, data) -> None:
    new = data.head(2).assign(Subject=["308", "nobody"])
    with pytest.raises(DataError, match="'nobody'"):
        sleep.augment(newdata=new)
    found = sleep.augment(newdata=new, unseen="population")
    assert found["fitted"].iloc[1] == found["fixed"].iloc[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"effects": None}, "effects=None is not known"),
        ({"effects": 3}, "effects=3 is not known"),
        ({"conf_int": True, "conf_level": "0.9"}, "conf_level is '0.9'"),
        ({"n": 100}, r"tidy\(\) takes n as options of intervals, which are made with conf_int=True"),
    ],
)
def test_tidy_refuses_what_it_does_not_know(sleep, arguments, message) -> None:
    with pytest.raises(DataError, match=message):
        sleep.tidy(**arguments)


def test_variances_and_covariances_on_request(sleep) -> None:
    frame = sleep.tidy("ran_pars", scales="vcov", conf_int=True, conf_method="profile").set_index("term")
    # broom.mixed 0.2.9: tidy(fm, "ran_pars", scales = "vcov"), to what lme4's optimiser leaves.
    names = ["var__(Intercept)", "cov__(Intercept).Days", "var__Days", "var__Observation"]
    assert frame.index.tolist() == names
    np.testing.assert_allclose(frame["estimate"], [612.1002, 9.604409, 35.07171, 654.9400], rtol=5e-5)
    errors = sleep.varcorr_bse["se_vcov"].to_numpy()[[0, 2, 1, 3]]
    np.testing.assert_array_equal(frame["std_error"], errors)
    limits = sleep.conf_int(method="profile", parameters="sigma").to_numpy().ravel()
    np.testing.assert_allclose(frame.loc["var__Observation", ["conf_low", "conf_high"]].tolist(), limits**2, rtol=1e-6)
    assert frame.loc["cov__(Intercept).Days", ["conf_low", "conf_high"]].isna().all()
    assert "no limits of a covariance" in frame.loc["cov__(Intercept).Days", "note"]
    with pytest.raises(DataError, match="scales='sd' is not known"):
        sleep.tidy(scales="sd")


def test_coefficients_of_levels(sleep) -> None:
    frame = sleep.tidy("ran_coefs")
    assert len(frame) == 36
    # broom.mixed: 253.6637, 211.0064, 212.4447.
    np.testing.assert_allclose(frame["estimate"][:3], [253.6637, 211.0064, 212.4447], atol=3e-4)
    assert frame["term"].tolist() == ["Intercept"] * 18 + ["Days"] * 18


def test_polars_in_and_out():
    pl = pytest.importorskip("polars")
    data = lmt.datasets.load("sleepstudy")
    given = pl.DataFrame(
        {
            "Reaction": data["Reaction"].to_numpy(),
            "Days": data["Days"].to_numpy(),
            "Subject": data["Subject"].astype(str).tolist(),
        }
    )
    fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", given).fit()
    rows = fit.augment(given)
    assert isinstance(rows, pl.DataFrame)
    assert rows.columns == ["Reaction", "Days", "Subject", "fitted", "resid", "hat", "cooksd", "fixed"]
    np.testing.assert_array_equal(rows["fitted"].to_numpy(), fit.fittedvalues.to_numpy())
    assert rows["Subject"].to_list() == given["Subject"].to_list()
    new = fit.augment(newdata=given.head(3))
    np.testing.assert_allclose(new["fitted"].to_numpy(), fit.predict(given.head(3)).to_numpy())
    assert pl.Series(fit.predict(given.head(3)).to_numpy()).len() == 3

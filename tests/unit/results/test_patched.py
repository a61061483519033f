"""patch_summary(): MixedLM's result under MixedLM's names, on the scale of the data."""

import warnings

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt

pytest.importorskip("statsmodels")
from statsmodels.iolib.summary2 import summary_col
from statsmodels.regression.mixed_linear_model import MixedLM, MixedLMResults

# Closed forms of one and the same fit.
SAME = 1e-6


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def sleepstudy():
    return lmt.datasets.load("sleepstudy")


@pytest.fixture(scope="module")
def slopes(sleepstudy):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MixedLM.from_formula("Reaction ~ Days", sleepstudy, groups="Subject", re_formula="~Days").fit()


def test_variances_are_variances_and_their_errors_are_on_the_same_scale(slopes):
    patched, fit = lmt.patch_summary(slopes), lmt.from_mixedlm(slopes)
    names = ["Subject Var", "Subject x Days Cov", "Days Var"]
    np.testing.assert_allclose(patched.params[names], np.asarray(slopes.cov_re)[np.tril_indices(2)], rtol=SAME)
    table = fit.varcorr_bse
    np.testing.assert_allclose(patched.bse[names], table["se_vcov"].iloc[[0, 2, 1]], rtol=SAME)
    np.testing.assert_allclose(patched.bse_re, patched.bse[names])
    np.testing.assert_allclose(patched.conf_int()[1] - patched.params, 1.959964 * patched.bse, rtol=SAME)
    pd.testing.assert_series_equal(patched.fe_params, fit.params, check_names=False)
    assert patched.scale == pytest.approx(slopes.scale)
    assert patched.undefined == {}


def test_error_of_a_variance_is_the_balanced_designs_closed_form():
    # One-way balanced REML: var(MSa - MSe) / r with the mean squares' own variances.
    data = lmt.datasets.load("Dyestuff")
    patched = lmt.patch_summary(MixedLM.from_formula("Yield ~ 1", data, groups="Batch").fit(method="powell"))
    within, between = patched.scale, patched.scale + 5 * patched.params["Batch Var"]
    exact = np.sqrt(2 * between**2 / 5 + 2 * within**2 / 24) / 5
    assert patched.bse["Batch Var"] == pytest.approx(exact, rel=1e-3)


def test_summary_col_and_summary_print_the_datas_scale(sleepstudy):
    result = MixedLM.from_formula("Reaction ~ Days", sleepstudy, groups="Subject").fit()
    before = str(summary_col([result]))
    patched = lmt.patch_summary(result)
    table = str(summary_col([patched], stars=True))
    assert "1378.17" in table
    assert "(505.7" in table
    assert "1.4349" in before
    # The result given is left alone.
    assert str(summary_col([result])) == before
    summary = str(patched.summary())
    assert "Subject Var 1378.176  505.766" in summary
    assert "In lme4 notation: Reaction ~ Days + (1|Subject)" in summary


def test_it_still_is_a_mixedlm_result(slopes):
    patched = lmt.patch_summary(slopes)
    assert isinstance(patched._results, MixedLMResults)
    np.testing.assert_allclose(patched.fittedvalues, slopes.fittedvalues)
    assert patched.llf == pytest.approx(slopes.llf)
    assert patched.lmm.objective == pytest.approx(-2 * slopes.llf)
    np.testing.assert_allclose(patched.predict(pd.DataFrame({"Days": [0.0]})), patched.params["Intercept"])


def test_no_variance_has_a_p_value(slopes):
    p = lmt.patch_summary(slopes).pvalues
    np.testing.assert_allclose(p[["Intercept", "Days"]], slopes.pvalues[["Intercept", "Days"]], rtol=1e-3)
    assert p[2:].isna().all()


def test_errors_that_are_undefined_are_nan_and_say_why():
    data = lmt.datasets.load("Penicillin").astype({"plate": str, "sample": str})
    vc = {"plate": "1 + C(plate)", "sample": "0 + C(sample)"}
    patched = lmt.patch_summary(MixedLM.from_formula("diameter ~ 1", data, groups="plate", vc_formula=vc).fit())
    assert patched.params["sample Var"] == pytest.approx(2.6142, abs=1e-3)
    assert patched.bse[["plate Var", "sample Var"]].isna().all()
    assert "only a sum is identified" in patched.undefined["sample Var"]
    # Contrasts of fixed effects are not spoilt by it.
    assert patched.t_test(np.eye(1)).sd[0, 0] == pytest.approx(patched.bse["Intercept"])

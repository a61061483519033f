"""Degrees of freedom, tests of contrasts and likelihood ratios, against lmerTest and closed forms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import lmmtools as lmt
from lmmtools import core
from lmmtools.inference.tails import t_quantile, t_two_sided
from tests.unit.inference.recorded import RECORDED, rows_of

# lmerTest differentiates numerically, at an optimum that lme4 found to some five digits of theta.
DF, F, P = 1e-4, 1e-5, 1e-5


def as_fitted(entry) -> lmt.LMMResults:
    return lmt.lmm(entry["formula"], rows_of(entry)).fit(reml=entry["reml"], engine="pls")


@pytest.fixture(scope="module")
def sleep() -> lmt.LMMResults:
    return lmt.lmm("Reaction ~ Days + (Days|Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")


@pytest.mark.filterwarnings("ignore::lmmtools.errors.DroppedColumnsWarning")
@pytest.mark.parametrize("entry", RECORDED["fits"], ids=lambda e: e["name"])
def test_tests_equal_lmertest(entry) -> None:
    fit = as_fitted(entry)
    found = fit.tests().to_frame()
    np.testing.assert_allclose(found["df"], np.atleast_1d(entry["df"]), rtol=DF)
    np.testing.assert_allclose(found["t"], np.atleast_1d(entry["t"]), rtol=F)
    np.testing.assert_allclose(found["p"], np.atleast_1d(entry["p"]), atol=P)
    p = len(fit.params)
    joint = fit.f_test(np.eye(p)[max(0, p - 2) :])
    assert pytest.approx(entry["F"], rel=F) == joint.F
    assert joint.num_df == entry["num_df"]
    assert joint.den_df == pytest.approx(entry["den_df"], rel=DF)
    assert joint.sum_sq == pytest.approx(entry["sum_sq"], rel=F)


def test_balanced_slopes_have_the_degrees_of_a_two_stage_analysis(sleep) -> None:
    np.testing.assert_allclose(sleep.tests().df, 17.0, rtol=1e-9)


def test_one_way_layout_has_the_degrees_of_the_analysis_of_variance() -> None:
    fit = lmt.lmm("Yield ~ 1 + (1|Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    assert fit.tests().df[0] == pytest.approx(5.0, rel=1e-9)


def test_slopes_of_the_covariance_equal_differences(sleep) -> None:
    found = core.fixed_effects_derivatives(sleep.problem, sleep.theta)
    X, Z = sleep.design.X, sleep.design.Z.toarray()
    intercept, slope, between, s2 = sleep.varcorr.to_frame()["vcov"]

    def cov(phi):
        Phi = np.array([[phi[0], phi[1]], [phi[1], phi[2]]])
        V = Z @ np.kron(np.eye(18), Phi) @ Z.T + phi[3] * np.eye(180)
        return np.linalg.inv(X.T @ np.linalg.solve(V, X))

    phi = np.array([intercept, between, slope, s2])
    np.testing.assert_allclose(found.cov, cov(phi), rtol=1e-7)
    for i in range(4):
        h = np.zeros(4)
        h[i] = 1e-4 * max(abs(phi[i]), 1.0)
        slope = (cov(phi + h) - cov(phi - h)) / (2 * h[i])
        np.testing.assert_allclose(found.slopes[i] / sleep.scale, slope, rtol=1e-4, atol=1e-7)


def test_constraints_as_text_matrix_and_values_agree(sleep) -> None:
    by_text, by_matrix = sleep.t_test("Days = 10"), sleep.t_test(([[0.0, 1.0]], [10.0]))
    assert by_text.t[0] == pytest.approx(by_matrix.t[0])
    assert by_text.estimate[0] == pytest.approx(sleep.params["Days"] - 10)
    assert pytest.approx(sleep.tests().t[1] ** 2) == sleep.f_test("Days = 0").F


def test_named_columns_of_contrasts_go_by_their_names(sleep) -> None:
    turned = pd.DataFrame([[1.0, 0.0]], columns=["Days", "Intercept"])
    assert sleep.t_test(turned).t[0] == sleep.t_test("Days = 0").t[0]


def test_methods_differ_in_the_degrees_alone(sleep) -> None:
    z, residual = sleep.tests("z"), sleep.tests("residual")
    np.testing.assert_allclose(z.t, residual.t)
    assert np.isinf(z.df).all()
    np.testing.assert_array_equal(residual.df, 178)
    np.testing.assert_allclose(z.p, sleep.pvalues)


def test_on_the_boundary_what_is_known_is_said() -> None:
    fit = lmt.lmm("Yield ~ 1 + (1|Batch)", lmt.datasets.load("Dyestuff2")).fit(engine="pls")
    found = fit.tests()
    assert np.isfinite(found.df).all()
    assert found.df[0] == pytest.approx(29.0, rel=1e-6)
    assert "(1 | Batch)" in found.notes[0]


@pytest.mark.parametrize(
    ("constraints", "words"),
    [
        ("Dayz = 0", "'Dayz' is neither a fixed effect"),
        ("Days > 0", "'>' is neither"),
        ([[1.0, 2.0, 3.0]], r"shape \(1, 3\)"),
        ([[0.0, 0.0]], "zero"),
        (object(), "neither"),
        (([[0.0, 1.0]], [1.0, 2.0]), "number of values, 2"),
        (([[0.0, 1.0]], ["one"]), "'one'"),
        (([[0.0, 1.0]], [np.nan]), "not finite"),
    ],
)
def test_bad_constraints_are_named(sleep, constraints, words) -> None:
    with pytest.raises(lmt.DataError, match=words):
        sleep.t_test(constraints)


def test_dependent_constraints_are_left_out_and_said() -> None:
    # lmerTest 3.1-3: contest(m, rbind(c(0,1,0,0), c(0,0,1,0), c(0,1,-1,0))), and with a row of zeros.
    fit = lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool")).fit()
    test = fit.f_test([[0, 1, 0, 0], [0, 0, 1, 0], [0, 1, -1, 0]])
    assert (test.F, test.num_df, test.den_df) == pytest.approx((28.29828, 2, 24), rel=1e-5)
    assert "left out, as the other constraints imply it: Type[T.T2] - Type[T.T3]" in test.notes
    assert pytest.approx(56.21415, rel=1e-5) == fit.f_test([[0, 1, 0, 0], [0, 0, 0, 0]]).F
    assert fit.f_test("Type[T.T2] = 3, 2 * Type[T.T2] = 6").F == fit.f_test("Type[T.T2] = 3").F
    with pytest.raises(lmt.DataError, match=r"contradict each other: 2\*Type\[T.T2\] = 3 .*Type\[T.T2\] = 1"):
        fit.f_test("Type[T.T2] = 1, 2 * Type[T.T2] = 3")
    with pytest.raises(lmt.DataError, match="every row of the contrast matrix is zero"):
        fit.f_test([[0, 0, 0, 0]])


def test_a_model_without_fixed_effects_has_no_contrasts() -> None:
    fit = lmt.lmm("Yield ~ 0 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit()
    with pytest.raises(lmt.DataError, match="0 fixed effects"):
        fit.f_test([[1.0]])
    assert len(fit.anova().to_frame()) == 0
    assert "no term beside the constant" in str(fit.anova())


def test_unknown_methods_of_degrees(sleep) -> None:
    with pytest.raises(lmt.DataError, match="'satterthwaite'"):
        sleep.tests("sattherwaite")


def test_summary_shows_degrees_and_p(sleep) -> None:
    text = str(sleep.summary(ddf="satterthwaite"))
    assert "17" in text
    assert "Pr(>|t|)" in text
    assert "Satterthwaite" in text
    assert "Pr(>|t|)" not in str(sleep.summary())


def test_likelihood_ratio_equals_lme4(sleep) -> None:
    other = lmt.lmm("Reaction ~ Days + (Days||Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    found = lmt.anova(sleep, other, names=["full", "zero"])
    assert found.names == ("zero", "full")
    assert found.chisq[1] == pytest.approx(RECORDED["lrt"]["chisq"], rel=1e-4)
    assert found.chisq[1] == pytest.approx(0.0639, abs=1e-4)
    assert found.p[1] == pytest.approx(0.8004, abs=1e-4)
    np.testing.assert_allclose(found.aic, RECORDED["lrt"]["aic"], rtol=1e-8)
    np.testing.assert_allclose(found.bic, RECORDED["lrt"]["bic"], rtol=1e-8)
    assert "refitted by maximum likelihood" in found.notes[0]
    assert list(found.to_frame().columns) == ["npar", "aic", "bic", "llf", "deviance", "chisq", "df", "p"]


def test_what_cannot_be_compared_is_refused(sleep) -> None:
    data = lmt.datasets.load("sleepstudy")
    fewer = lmt.lmm("Reaction ~ Days + (1|Subject)", data.iloc[:-1]).fit(engine="pls")
    other = lmt.lmm("np.log(Reaction) ~ Days + (1|Subject)", data).fit(engine="pls")
    smaller = lmt.lmm("Reaction ~ 1 + (1|Subject)", data).fit(engine="pls")
    for fit, words in ((fewer, "same rows"), (other, "different responses")):
        with pytest.raises(lmt.DataError, match=words):
            lmt.anova(sleep, fit)
    with pytest.raises(lmt.DataError, match="REML criteria"):
        lmt.anova(sleep, smaller, refit=False)
    with pytest.raises(lmt.DataError, match="two or more"):
        lmt.anova(sleep)
    scaled = lmt.lmm("Reaction ~ Days + (1|Subject)", data.assign(Days=10 * data["Days"])).fit(engine="pls")
    with pytest.raises(lmt.DataError, match="REML criteria"):
        lmt.anova(sleep, scaled, refit=False)


def test_models_that_are_not_nested_are_told() -> None:
    data = lmt.datasets.load("sleepstudy")
    data = data.assign(
        a=np.sin(np.arange(180.0)), b=np.cos(np.arange(180.0)) ** 2, c=np.sin(2.0 + np.arange(180.0)) ** 3
    )
    slopes, curve, noise = (
        lmt.lmm(f"Reaction ~ {terms}", data).fit(reml=False, engine="pls")
        for terms in ("Days + (Days||Subject)", "Days + I(Days**2) + (1|Subject)", "a + b + c + (1|Subject)")
    )
    alike = lmt.anova(slopes, curve)
    assert (alike.chisq[1], alike.df[1], alike.p[1]) == (0.0, 0, None)
    assert alike.notes[0].startswith("m1 has as many parameters as m0")
    worse = lmt.anova(slopes, noise)
    assert (worse.chisq[1], worse.df[1], worse.p[1]) == (0.0, 1, 1.0)
    assert worse.notes[0].startswith("m1 fits worse than m0")


def test_degrees_by_differences_equal_those_by_the_hessian(monkeypatch) -> None:
    from dataclasses import replace

    fit = lmt.lmm("diameter ~ 1 + (1|plate) + (1|sample)", lmt.datasets.load("Penicillin")).fit(engine="pls")
    exact = fit.tests().df
    monkeypatch.setattr(core.search.traces, "DENSE_Q", 0)
    np.testing.assert_allclose(replace(fit).tests().df, exact, rtol=1e-5)


def test_undefined_degrees_of_freedom_give_neither_a_p_value_nor_a_quantile() -> None:
    assert np.isnan(t_two_sided(2.0, np.nan))
    assert np.isnan(t_quantile(0.025, np.nan))
    np.testing.assert_allclose(t_quantile(0.025, [np.inf, 10.0]), [stats.norm.isf(0.025), stats.t.isf(0.025, 10)])
    np.testing.assert_allclose(t_two_sided(2.0, [np.inf, 10.0]), 2 * np.array([stats.norm.sf(2), stats.t.sf(2, 10)]))

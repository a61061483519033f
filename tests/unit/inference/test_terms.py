"""Kenward-Roger's tests, tables of terms and of random effects, against lmerTest and pbkrtest and closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import lmmtools as lmt
from lmmtools import core
from lmmtools.errors import DataError
from lmmtools.inference.boundary_reference import exact_draws, mixture
from tests.unit.inference.recorded import RECORDED, rows_of

# lme4's optimum is good to some five digits of theta; lmerTest differentiates numerically, pbkrtest does not.
DF, F, P = 1e-4, 1e-5, 1e-5
BY_REML = [entry for entry in RECORDED["fits"] if entry["reml"]]
WITH_TERMS = [entry for entry in [*RECORDED["fits"], *RECORDED["contained"]] if entry.get("anova")]

pytestmark = [
    pytest.mark.filterwarnings("ignore::lmmtools.errors.DroppedColumnsWarning"),
    pytest.mark.filterwarnings("ignore::lmmtools.errors.BoundaryWarning"),
]


def as_fitted(entry) -> lmt.LMMResults:
    return lmt.lmm(entry["formula"], rows_of(entry)).fit(reml=entry["reml"], engine="pls")


@pytest.fixture(scope="module")
def sleep() -> lmt.LMMResults:
    return lmt.lmm("Reaction ~ Days + (Days|Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")


@pytest.fixture(scope="module")
def beets() -> lmt.LMMResults:
    data = pd.DataFrame(RECORDED["beets"])
    return lmt.lmm("sugpct ~ block + sow + harvest + (1|block:harvest)", data).fit(engine="pls")


@pytest.mark.parametrize("entry", BY_REML, ids=lambda e: e["name"])
def test_kenward_roger_equals_pbkrtest(entry) -> None:
    fit, expected = as_fitted(entry), entry["kenward_roger"]
    found = fit.tests(ddf="kenward-roger")
    np.testing.assert_allclose(found.std_error, np.atleast_1d(expected["se"]), rtol=F)
    np.testing.assert_allclose(found.df, np.atleast_1d(expected["df"]), rtol=DF)
    np.testing.assert_allclose(found.p, np.atleast_1d(expected["p"]), atol=P)
    p = len(fit.params)
    joint = fit.f_test(np.eye(p)[max(0, p - 2) :], ddf="kenward-roger")
    assert pytest.approx(expected["F"], rel=F) == joint.F
    assert joint.den_df == pytest.approx(expected["den_df"], rel=DF)


@pytest.mark.parametrize("kind", [1, 2, 3])
@pytest.mark.parametrize("entry", WITH_TERMS, ids=lambda e: e["name"] if "df" in e else e["formula"])
def test_anova_tables_equal_lmertest(entry, kind) -> None:
    fit, expected = as_fitted(entry), entry["anova"][kind - 1]
    found = fit.anova(kind).to_frame()
    assert [name.replace(" ** ", "^") for name in found.index] == expected["term"]
    assert list(found["num_df"]) == expected["num_df"]
    np.testing.assert_allclose(found["F"], expected["F"], rtol=F)
    np.testing.assert_allclose(found["sum_sq"], expected["sum_sq"], rtol=F)
    np.testing.assert_allclose(found["den_df"], expected["den_df"], rtol=DF)
    np.testing.assert_allclose(found["p"], expected["p"], atol=P)
    if entry["reml"]:
        found = fit.anova(kind, ddf="kenward-roger").to_frame()
        np.testing.assert_allclose(found["F"], expected["kr_F"], rtol=F)
        np.testing.assert_allclose(found["den_df"], expected["kr_den_df"], rtol=DF)


@pytest.mark.parametrize("entry", RECORDED["fits"], ids=lambda e: e["name"])
def test_random_deletions_equal_lmertest(entry) -> None:
    found, expected = as_fitted(entry).ranova().to_frame().iloc[1:], entry["ranova"]
    assert list(found.index) == [term.replace("I(Days^2)", "I(Days ** 2)") for term in expected["term"]]
    assert list(found["df"]) == expected["df"]
    np.testing.assert_allclose(found["llf"], expected["llf"], rtol=1e-7)
    np.testing.assert_allclose(found["lrt"].astype(float), expected["lrt"], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found["p_chisq"].astype(float), expected["p"], atol=P)


def test_beets_have_the_exact_tests_of_their_split_plot(beets) -> None:
    table = beets.anova(ddf="kenward-roger").to_frame()
    assert table.loc["harvest", "F"] == pytest.approx(15.2105, abs=1e-4)
    np.testing.assert_allclose(table.loc["harvest", ["num_df", "den_df"]].astype(float), [1, 2], rtol=1e-6)
    assert table.loc["sow", "F"] == pytest.approx(101, rel=1e-6)
    np.testing.assert_allclose(table.loc["sow", ["num_df", "den_df"]].astype(float), [4, 20], rtol=1e-6)


def test_balanced_slopes_need_no_adjustment(sleep) -> None:
    found = sleep.tests(ddf="kenward-roger")
    np.testing.assert_allclose(found.df, 17.0, rtol=1e-9)
    np.testing.assert_allclose(found.std_error, sleep.bse, rtol=1e-9)


def test_adjusted_covariance_equals_its_dense_definition() -> None:
    entry = next(e for e in BY_REML if e["name"] == "cake_factors_uneven")
    fit = as_fitted(entry)
    found = core.adjusted_covariance(fit.problem, fit.theta)
    X, V = fit.design.X, fit.design.V(fit).toarray()
    Z = fit.design.Z.toarray()
    inverse = np.linalg.inv(V)
    directions = [Z @ Z.T, np.eye(len(X))]
    C = np.linalg.inv(X.T @ inverse @ X)
    projected = inverse - inverse @ X @ C @ X.T @ inverse
    P = [X.T @ inverse @ D @ inverse @ X for D in directions]
    information = np.array([[np.trace(projected @ D @ projected @ E) for D in directions] for E in directions])
    W = 2.0 * np.linalg.inv(information)
    U = sum(
        W[i, j] * (X.T @ inverse @ D @ inverse @ E @ inverse @ X - P[i] @ C @ P[j])
        for i, D in enumerate(directions)
        for j, E in enumerate(directions)
    )
    np.testing.assert_allclose(found.W * fit.scale**2, W, rtol=1e-7)
    np.testing.assert_allclose(found.adjusted, C + 2 * C @ U @ C, rtol=1e-7, atol=1e-9)


def test_traces_by_columns_equal_those_at_once(monkeypatch) -> None:
    fit = lmt.lmm("diameter ~ 1 + (1|plate) + (1|sample)", lmt.datasets.load("Penicillin")).fit(engine="pls")
    at_once = core.expected_information(fit.problem, fit.theta)
    monkeypatch.setattr(core.after.fixed, "trace_products_once", lambda *_: None)
    monkeypatch.setattr(core.search.traces, "COLUMNS", 7)
    np.testing.assert_allclose(core.expected_information(fit.problem, fit.theta), at_once, rtol=1e-9, atol=1e-15)


def test_type_three_does_not_depend_on_the_coding() -> None:
    entry = next(e for e in WITH_TERMS if e["name"] == "cake_factors_uneven")
    by_treatment = as_fitted(entry).anova(3).to_frame()
    formula = "angle ~ C(recipe, contr.sum) * C(temperature, contr.helmert) + (1|recipe:replicate)"
    by_sum = lmt.lmm(formula, rows_of(entry)).fit(engine="pls").anova(3).to_frame()
    exact = ["sum_sq", "mean_sq", "num_df", "F"]
    np.testing.assert_allclose(by_sum[exact], by_treatment[exact], rtol=1e-6)
    # Fai and Cornelius' degrees depend on how a hypothesis of several rows is written, a little.
    np.testing.assert_allclose(by_sum["den_df"], by_treatment["den_df"], rtol=1e-4)


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_a_term_that_was_left_out_whole_changes_no_other(kind) -> None:
    data = lmt.datasets.load("cake").assign(double=lambda d: 2 * d["temp"])
    with_double = lmt.lmm("angle ~ recipe * temp + double + (1|replicate)", data).fit(engine="pls")
    without = lmt.lmm("angle ~ recipe * temp + (1|replicate)", data).fit(engine="pls")
    found, expected = with_double.anova(kind).to_frame(), without.anova(kind).to_frame()
    assert list(found.index) == list(expected.index) == ["recipe", "temp", "recipe:temp"]
    np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(), rtol=1e-8)


def test_a_factor_given_twice_with_other_contrasts_counts_once() -> None:
    data = lmt.datasets.load("cake")
    formula = "angle ~ C(recipe, contr.sum) + C(recipe, contr.helmert) + temp + (1|replicate)"
    found = lmt.lmm(formula, data).fit(engine="pls").anova(3).to_frame()
    expected = lmt.lmm("angle ~ recipe + temp + (1|replicate)", data).fit(engine="pls").anova(3).to_frame()
    assert list(found.index) == ["C(recipe, contr.sum)", "temp"]
    np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(), rtol=1e-8)


def test_the_printed_table_is_laid_out_as_lmertest_lays_it_out() -> None:
    entry = next(e for e in WITH_TERMS if e["name"] == "cake_factors_uneven")
    lines = str(as_fitted(entry).anova(1)).splitlines()
    assert lines[0] == "Type I Analysis of Variance Table with Satterthwaite's method"
    assert lines[3].split() == ["recipe", "10.46", "5.23", "2", "41.971", "0.2471", "0.7822"]
    assert lines[4].split() == ["temperature", "1879.62", "375.92", "5", "183.803", "17.7665", "2.387e-14", "***"]


def test_mixture_of_one_variance_is_half_and_half(sleep) -> None:
    row = sleep.ranova().to_frame().iloc[1]
    lrt = row["lrt"]
    assert row["p"] == pytest.approx(0.5 * stats.chi2.sf(lrt, 1) + 0.5 * stats.chi2.sf(lrt, 2))


def test_mixture_of_independent_variances_is_binomial() -> None:
    # With an information that makes the cone self-dual in the plane of matrices, weights follow from its angle: the
    # 2 x 2 cone is circular with half-angle 45 degrees, so that a fraction (1 - 1/sqrt 2)/2 of all directions is
    # inside, as many are projected to zero, and the rest to its surface.
    rng = np.random.default_rng(3)
    reference = mixture(0, 2, np.diag([1.0, 2.0, 1.0]), rng)
    at_zero = (reference.beyond < 1e-8).mean()
    assert at_zero == pytest.approx((1 - np.sqrt(0.5)) / 2, abs=0.01)
    assert 0.0 < reference.sf(2.0) < stats.chi2.sf(2.0, 3)


def test_exact_draws_are_those_of_the_balanced_f_statistic() -> None:
    # One way, balanced: the ratio is a function of F, and zero where F is below one.
    fit = lmt.lmm("Yield ~ 1 + (1|Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    row = fit.ranova(n_sim=20000, rng=1).to_frame().iloc[1]
    frame = fit.design.frame
    groups = [g["Yield"].to_numpy() for _, g in frame.groupby("Batch", observed=True)]
    exact = stats.f_oneway(*groups).pvalue
    assert row["p_simulated"] == pytest.approx(exact, abs=3 * np.sqrt(exact / 20000))


@pytest.mark.parametrize("reml", [True, False])
def test_exact_draws_are_zero_as_often_as_the_balanced_layout_is(reml) -> None:
    # One way, m levels of r rows: with A ~ chi2(m - 1) between and B ~ chi2(n - m) within, the derivative of the ratio
    # at zero is positive where A / (A + B) > (sum of the penalty) / (size * r): m - 1 of n - 1 by REML, m of n by ML.
    m, r, n_sim = 4, 2, 20_000
    n = m * r
    mu = np.repeat([float(r), 0.0], [m - 1, 1])
    draws = exact_draws(mu, np.full(m, float(r)), reml, n, 1, n_sim, np.random.default_rng(4))
    threshold = (m - 1) / (n - 1) if reml else m / n
    positive = stats.beta.sf(threshold, (m - 1) / 2, (n - m) / 2)
    assert (draws > 1e-9).mean() == pytest.approx(positive, abs=4 * np.sqrt(positive * (1 - positive) / n_sim))


def test_bootstrap_agrees_with_the_exact_distribution(monkeypatch) -> None:
    from lmmtools.inference import ranova

    fit = lmt.lmm("Yield ~ 1 + (1|Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    exact = fit.ranova(n_sim=5000, rng=2).to_frame().iloc[1]["p_simulated"]
    monkeypatch.setattr(ranova, "LARGEST", 0)
    bootstrapped = fit.ranova(n_sim=5000, rng=2).to_frame().iloc[1]["p_simulated"]
    assert bootstrapped == pytest.approx(exact, abs=0.005)


def test_what_cannot_be_done_is_said(sleep) -> None:
    with pytest.raises(DataError, match="type=4"):
        sleep.anova(4)
    with pytest.raises(DataError, match="kenward-roger"):
        sleep.anova(ddf="fay")
    by_ml = lmt.lmm("Reaction ~ Days + (Days|Subject)", lmt.datasets.load("sleepstudy")).fit(reml=False, engine="pls")
    with pytest.raises(DataError, match="REML"):
        by_ml.tests(ddf="kenward-roger")
    with pytest.raises(DataError, match="n_sim"):
        sleep.ranova(n_sim=-1)


def test_singular_fits_say_what_is_taken_as_known() -> None:
    fit = lmt.lmm("Yield ~ 1 + (1|Batch)", lmt.datasets.load("Dyestuff2")).fit(engine="pls")
    assert "singular" in str(fit.tests(ddf="kenward-roger"))
    row = fit.ranova(n_sim=100, rng=1).to_frame().iloc[1]
    assert row["lrt"] == 0
    assert row["p"] == row["p_simulated"] == 1


def test_tables_do_not_depend_on_where_a_covariate_is_measured_from() -> None:
    data = lmt.datasets.load("sleepstudy")
    i = np.arange(180)
    data["c"] = pd.Categorical(np.array(["lo", "mid", "hi"])[(i * i) % 7 % 3], ["lo", "mid", "hi"])
    data = data[(i % 5 != 2) & ((i % 3 != 1) | (i < 60))].reset_index(drop=True)
    tables = []
    # Days since 1970: the hypothesis on c does not change with the origin.
    for origin in (0, 18_000):
        data["t"] = data["Days"] + origin
        fit = lmt.lmm("Reaction ~ c * t + (t|Subject)", data).fit(engine="pls")
        tables.append(
            [fit.anova(1, ddf).to_frame().loc["c", ["den_df", "F"]] for ddf in ("kenward-roger", "satterthwaite")]
        )
    np.testing.assert_allclose(tables[1], tables[0], rtol=1e-4)
    # lmerTest's and pbkrtest's values for these rows.
    np.testing.assert_allclose(tables[0][0], [84.38199, 2.575136], rtol=1e-6)
    assert tables[0][1]["den_df"] == pytest.approx(84.60094, rel=1e-6)


def test_a_factor_without_a_constant_is_tested_with_its_mean() -> None:
    data = lmt.datasets.load("Machines")
    for kind in (1, 2, 3):
        row = lmt.lmm("score ~ 0 + Machine + (1|Worker)", data).fit(engine="pls").anova(kind).to_frame().iloc[0]
        np.testing.assert_allclose(row[["num_df", "den_df", "F"]].astype(float), [3, 9.92, 316.3889], rtol=1e-3)


def test_sums_of_squares_are_those_before_the_scaling_of_f() -> None:
    fit = lmt.lmm("score ~ Machine + (Machine|Worker)", lmt.datasets.load("Machines")).fit(engine="pls")
    row = fit.anova(1, "kenward-roger").to_frame().iloc[0]
    assert row["F"] == pytest.approx(32.80301, rel=1e-5)
    assert row["sum_sq"] == pytest.approx(75.8266, rel=1e-5)


@pytest.mark.parametrize("term", ["(Machine|Worker)", "(0 + Machine|Worker)"])
def test_a_factor_is_taken_out_of_a_random_term_down_to_the_constant(term) -> None:
    fit = lmt.lmm(f"score ~ Machine + {term}", lmt.datasets.load("Machines")).fit(engine="pls")
    row = fit.ranova().to_frame().iloc[1]
    assert row["lrt"] == pytest.approx(78.56698, rel=1e-6)
    assert (row["df"], row["npar"]) == (5, 5)


def test_terms_that_the_data_cannot_tell_apart_are_tested_all_the_same() -> None:
    fit = lmt.lmm("score ~ Machine + (Machine||Worker)", lmt.datasets.load("Machines")).fit(engine="pls")
    assert fit.ranova().to_frame()["p"].iloc[1:].between(0, 1).all()


def test_an_undefined_p_value_has_a_reason_beside_it() -> None:
    rng = np.random.default_rng(88)
    data = pd.DataFrame(
        {
            "a": rng.integers(0, 5, 24).astype(str),
            "f": rng.choice(["p", "q", "r"], 24),
            "y": rng.normal(size=24).round(3),
        }
    )
    table = lmt.lmm("y ~ f + (f|a)", data).fit(engine="pls").anova(3, "kenward-roger")
    assert np.isnan(table.to_frame()["p"].iloc[0])
    assert "undefined" in str(table)


@pytest.mark.parametrize("call", [lambda f: f.f_test(""), lambda f: f.f_test(np.zeros((0, 2))), lambda f: f.anova([1])])
def test_hypotheses_that_are_none_are_refused(sleep, call) -> None:
    with pytest.raises(DataError):
        call(sleep)


@pytest.mark.parametrize("formula", ["recipe + temp", "recipe * temperature", "recipe / temperature"])
def test_type_three_does_not_depend_on_the_coding_of_factors(formula) -> None:
    data = rows_of({"name": "cake_x", "rows": "uneven"})
    by_sum = formula.replace("recipe", "C(recipe, contr.sum)").replace("temperature", "C(temperature, contr.helmert)")
    one = lmt.lmm(f"angle ~ {formula} + (1 | replicate)", data).fit(engine="pls").anova(3).to_frame()
    other = lmt.lmm(f"angle ~ {by_sum} + (1 | replicate)", data).fit(engine="pls").anova(3).to_frame()
    np.testing.assert_allclose(other.astype(float), one.astype(float), rtol=1e-6)


def test_where_a_part_of_f_has_two_degrees_of_freedom_so_has_f() -> None:
    # lmerTest 3.1-3: DenDF 2; one of the two independent parts has 1.83, the other 2.12.
    rng = np.random.default_rng(73)
    data = pd.DataFrame({"g": np.arange(25) % 5, "x": rng.normal(0, 1, 25)})
    a = np.array(list("pqrpq"))[data["g"].to_numpy()]
    k = rng.integers(0, 25, 3)
    a[k[:2]], a[k[2:]] = "r", "q"
    data["y"] = rng.normal(0, 2, 5)[data["g"]] + rng.normal(0, 1, 25)
    table = (
        lmt.lmm("y ~ x + a + (1 | g)", data.assign(a=a, g=data["g"].astype(str))).fit(engine="pls").anova().to_frame()
    )
    assert table.loc["a", "den_df"] == 2.0
    assert table.loc["a", "p"] == pytest.approx(0.10423, abs=1e-5)


def beaten(fit):
    """The fit with the estimate of a search that stopped far above its optimum."""
    at = core.recover(fit.problem, 30.0 * fit.theta + 5.0, fit.reml)
    value = core.evaluate(fit.problem, 30.0 * fit.theta + 5.0, fit.reml, False).objective
    estimate = replace(fit.estimate, theta=30.0 * fit.theta + 5.0, objective=value, beta=at.beta, sigma=at.sigma)
    return fit.with_estimate(estimate)


@pytest.mark.parametrize("formula", ["Reaction ~ Days + (Days | Subject)", "Reaction ~ Days + (Days || Subject)"])
def test_ranova_searches_again_where_a_submodel_is_lower(formula):
    fit = lmt.lmm(formula, lmt.datasets.load("sleepstudy")).fit(engine="pls")
    above = beaten(fit)
    table, expected = above.ranova(), fit.ranova()
    assert above.objective > fit.objective + 10
    np.testing.assert_allclose(table.llf, expected.llf, rtol=1e-9)
    np.testing.assert_allclose(table.lrt[1:], expected.lrt[1:], atol=1e-6)
    assert any("searched again from its optimum" in note for note in table.notes), table.notes
    assert not any("searched again" in note for note in expected.notes), expected.notes


def test_anova_searches_again_where_a_model_within_is_lower():
    data = lmt.datasets.load("sleepstudy")
    small, large = (
        lmt.lmm(f"Reaction ~ Days + {terms}", data).fit(reml=False, engine="pls")
        for terms in ("(1 | Subject) + (0 + Days | Subject)", "(Days | Subject)")
    )
    table, expected = lmt.anova(small, beaten(large)), lmt.anova(small, large)
    assert table.chisq[1] == pytest.approx(expected.chisq[1], abs=1e-6)
    assert any("searched again from m0's optimum" in note for note in table.notes), table.notes
    assert not any("searched again" in note for note in expected.notes), expected.notes


def test_theta_of_terms_of_one_effect_is_theta_of_the_term_of_both():
    from lmmtools.inference.likelihood_ratio import theta_within

    data = lmt.datasets.load("sleepstudy")
    small, large = (
        lmt.lmm(f"Reaction ~ Days + {terms}", data).design for terms in ("(Days || Subject)", "(Days | Subject)")
    )
    np.testing.assert_allclose(theta_within(large, small, np.array([0.9, 0.2])), [0.9, 0.0, 0.2], atol=1e-15)
    np.testing.assert_allclose(theta_within(large, small, np.array([0.0, 0.2])), [0.0, 0.0, 0.2], atol=1e-15)
    other = lmt.lmm("Reaction ~ 1 + (1 | Days)", data).design
    assert theta_within(large, other, np.array([1.0])) is None

"""Effect sizes, variance inflation, tests of residuals and limits of shares.

Values: car 3.1-1, performance 0.10.2, effectsize 0.8.3 and emmeans 1.8.4 on lme4 1.1-31, recorded by
tests/reference/make_effects.R; closed forms of the balanced one-way layout; numerical derivatives.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

import lmmtools as lmt
from lmmtools import core
from lmmtools.errors import DataError, LmmError
from lmmtools.inference.variance.partition import variance_parts
from lmmtools.inference.variance.share_limits import total_log_variance

from .recorded import REFERENCE

RECORDED = json.loads((REFERENCE / "effects.json").read_text())["models"]

# lme4 stops where the criterion is flat to 1e-10 or so: theta then agrees to 1e-5, and what depends on it no better.
CLOSE = 5e-5


def data_of(entry):
    data = lmt.datasets.load(entry["name"])
    at = np.arange(1, len(data) + 1)
    if entry["name"] == "sleepstudy":
        return data.assign(z=data["Days"] + 2 * np.sin(at), g=np.array(list("abc"))[(at * 5) // 7 % 3])
    return data


@pytest.fixture(scope="module", params=RECORDED, ids=lambda entry: entry["name"])
def recorded(request):
    return request.param, lmt.lmm(request.param["formula"], data_of(request.param)).fit()


@pytest.fixture(scope="module")
def sleep():
    return lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit()


def test_inflation_is_cars_and_performances(recorded):
    entry, fit = recorded
    found = fit.collinearity()
    np.testing.assert_allclose(found.gvif, entry["gvif"], rtol=CLOSE)
    np.testing.assert_allclose(found.gvif, entry["performance"], rtol=CLOSE)
    np.testing.assert_allclose(found.gvif_adjusted, entry["adjusted"], rtol=CLOSE)


def test_condition_indices_do_not_depend_on_units_and_find_near_dependence():
    data = lmt.datasets.load("sleepstudy")
    near = data.assign(copy=data["Days"] + 1e-3 * np.sin(np.arange(180)))
    fit = lmt.lmm("Reaction ~ Days + copy + (1 | Subject)", near).fit()
    far = lmt.lmm("Reaction ~ Days + copy + (1 | Subject)", near.assign(copy=near["copy"] * 1e4)).fit()
    found = fit.collinearity()
    assert found.condition_number > 1000
    assert found.condition_number == pytest.approx(far.collinearity().condition_number, rel=1e-6)
    X = fit.design.X / np.sqrt((fit.design.X**2).sum(axis=0))
    assert found.condition_number == pytest.approx(np.linalg.cond(X), rel=1e-6)
    assert "moderate to strong" in str(found)


def test_collinearity_needs_a_term():
    fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit()
    with pytest.raises(DataError, match="no term beside the constant"):
        fit.collinearity()


@pytest.mark.parametrize("kind", ["eta", "omega", "epsilon"])
def test_shares_of_terms_and_their_limits_are_effectsizes(recorded, kind):
    entry, fit = recorded
    frame, expected = fit.eta_squared().to_frame(), entry[kind]
    np.testing.assert_allclose(frame[f"{kind}_sq"], expected["value"], rtol=2e-4, atol=2e-6)
    # effectsize searches its limits by a general optimiser, and stops up to this far off (the next test).
    for ours, theirs in ((f"{kind}_sq_lower", "lower"), (f"{kind}_sq_upper", "upper")):
        np.testing.assert_allclose(frame[ours], expected[theirs], rtol=2e-4, atol=3e-4)
    low = fit.eta_squared(alpha=0.1).to_frame()[f"{kind}_sq_lower"]
    np.testing.assert_allclose(low, expected["lower_one_sided"], rtol=2e-4, atol=3e-4)


def test_limits_of_shares_are_where_f_is_a_quantile(recorded):
    _, fit = recorded
    for row in fit.eta_squared().to_frame().itertuples():
        for share, p in ((row.eta_sq_lower, 0.975), (row.eta_sq_upper, 0.025)):
            noncentrality = share * row.den_df / (1 - share)
            found = stats.ncf.cdf(row.F, row.num_df, row.den_df, noncentrality)
            # A limit of zero is where F is not that large even without an effect.
            assert found == pytest.approx(p, abs=1e-8) if share else found < p


def test_shares_need_degrees_of_freedom(sleep):
    with pytest.raises(DataError, match="denominator degrees of freedom"):
        sleep.eta_squared(ddf="z")


def test_differences_in_residual_standard_deviations_are_emmeans(recorded):
    entry, fit = recorded
    found = fit.cohens_d(entry["factor"], standardizer="residual")
    np.testing.assert_allclose(found.d, entry["d"], rtol=CLOSE)
    # emmeans takes the degrees of freedom of sigma from its user.
    given = np.sqrt(found.se**2 - found.d**2 / (2 * found.edf) + found.d**2 / (2 * entry["edf"]))
    np.testing.assert_allclose(given, entry["se"], rtol=CLOSE)


def test_the_total_variance_has_the_moments_of_the_balanced_layout():
    fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit()
    m, k = 6, 5
    sa, s = fit.varcorr.terms[0].cov[0, 0], fit.scale
    between, within = s + k * sa, s
    total, spread = total_log_variance(fit)
    assert total == pytest.approx(sa + s)
    variance = 2 * (between / k) ** 2 / (m - 1) + 2 * (within * (k - 1) / k) ** 2 / (m * (k - 1))
    assert spread == pytest.approx(variance / total**2, rel=1e-6)


def test_the_total_standard_deviation_is_westfalls():
    fit = lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool")).fit()
    found = fit.cohens_d("Type", by=None)
    sd = np.sqrt(fit.varcorr.to_frame()["vcov"].sum())
    assert found.sd == pytest.approx(sd)
    assert found.d[0] == pytest.approx(fit.pairwise("Type").estimate[0] / sd)
    assert "total standard deviation" in str(found)
    robust = fit.cohens_d("Type", cov="CR2")
    assert robust.d[0] == pytest.approx(found.d[0])
    with pytest.raises(DataError, match="standardizer"):
        fit.cohens_d("Type", standardizer="pooled")


def test_tests_of_residuals_are_those_of_r(recorded):
    entry, fit = recorded
    found = fit.residual_tests()
    assert found.p[0] == pytest.approx(entry["shapiro"], rel=1e-3)
    assert found.statistic[1] == pytest.approx(entry["koenker"], rel=1e-3)
    assert found.statistic[2] == pytest.approx(entry["levene"][0], rel=1e-3)
    assert found.df[2] == "{}, {}".format(*entry["levene"][1:])


def test_findings_are_in_words(sleep):
    found = sleep.residual_tests()
    assert found.findings[0].startswith("normality: the residuals have heavier tails than a normal distribution")
    assert found.outliers == (56, 59, 7)
    assert "3 rows (56, 59, 7)" in found.findings[3]
    assert "many rows" in str(found)
    # Bonferroni's p-value of the largest studentised residual.
    largest = sleep.residuals("studentized").abs().max()
    assert found.statistic[3] == pytest.approx(largest)
    with pytest.raises(DataError, match="no factor or column"):
        sleep.residual_tests(by="nothing")
    assert sleep.residual_tests(by="Days").about[2] == "equal variance by Days"


def test_normal_residuals_of_equal_variance_are_not_complained_of():
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(30), 8)
    data = {"y": rng.normal(size=30)[g] + rng.normal(size=240), "g": g, "x": rng.normal(size=240)}
    found = lmt.lmm("y ~ x + (1 | g)", data).fit().residual_tests()
    assert (found.p > 0.05).all()
    assert "no departure" in found.findings[0]
    assert "none" in found.findings[3]


def test_limits_of_icc_are_those_of_the_variance_partition():
    fit = lmt.lmm("strength ~ 1 + (1 | batch/cask)", lmt.datasets.load("Pastes")).fit()
    shares = fit.variance_partition().to_frame()
    found = fit.icc(by_group=True, limits="delta").to_frame()
    np.testing.assert_allclose(found["adjusted_lower"].iloc[:2], shares["lower"].iloc[:2], rtol=1e-9)
    np.testing.assert_allclose(found["adjusted_upper"].iloc[:2], shares["upper"].iloc[:2], rtol=1e-9)
    # The share of all random effects is one less the residual's.
    assert found["adjusted_lower"].iloc[2] == pytest.approx(1 - shares["upper"].iloc[2])


def test_limits_of_r2_are_the_delta_method_by_numerical_derivatives():
    data = lmt.datasets.load("sleepstudy")
    fit = lmt.lmm("Reaction ~ Days + (1 | Subject)", data).fit(reml=False)
    beta, cov = fit.estimate.beta, fit.estimate.beta_cov
    info = core.information(fit.problem, fit.theta, fit.reml)

    def logits(at):
        fixed = np.var(fit.design.X @ at[:2], ddof=1)
        return np.array([np.log(fixed / (at[2] + at[3])), np.log((fixed + at[2]) / at[3])])

    at = np.array([*beta, *info.vcov])
    steps = 1e-4 * np.abs(at)
    J = np.array([(logits(at + h) - logits(at - h)) / (2 * s) for s, h in zip(steps, np.diag(steps), strict=True)]).T
    covariance = np.zeros((4, 4))
    covariance[:2, :2], covariance[2:, 2:] = cov, info.relative_cov * np.outer(info.units, info.units)
    half = 1.959964 * np.sqrt(np.diag(J @ covariance @ J.T))
    expected = 1 / (1 + np.exp(-(logits(at)[:, None] + half[:, None] * [-1, 1])))
    np.testing.assert_allclose(fit.r2(limits="delta").limits[0], expected, rtol=1e-4)


def test_limits_by_bootstrap_are_quantiles_of_draws(sleep):
    found = sleep.r2(limits="boot", n=40, rng=1).to_frame()
    draws = sleep.bootstrap(40, lambda fit: [fit.r2().marginal, fit.r2().conditional], rng=1).draws.to_numpy()
    np.testing.assert_allclose(found["marginal_lower"].iloc[0], np.quantile(draws[:, 0], 0.025), rtol=1e-9)
    np.testing.assert_allclose(found["conditional_upper"].iloc[0], np.quantile(draws[:, 1], 0.975), rtol=1e-9)
    assert "percentiles of 40 fits" in str(sleep.icc(limits="boot", n=40, rng=1))
    with pytest.raises(DataError, match='"delta" or "boot"'):
        sleep.r2(limits="profile")


@pytest.mark.filterwarnings("ignore::lmmtools.LmmWarning")
def test_a_share_of_zero_has_no_limits():
    fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff2")).fit()
    found = fit.icc(limits="delta")
    assert np.isnan(found.limits).all()
    assert "not defined for a share of zero" in str(found)


def test_rows_read_in_batches_have_limits_and_inflation_and_no_tests_of_residuals(tmp_path, sleep):
    pytest.importorskip("pyarrow")
    path = tmp_path / "rows.parquet"
    lmt.datasets.load("sleepstudy").to_parquet(path)
    fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", str(path), stream=True).fit()
    np.testing.assert_allclose(fit.r2(limits="delta").limits, sleep.r2(limits="delta").limits, rtol=1e-5)
    one, other = fit.collinearity(), sleep.collinearity()
    np.testing.assert_allclose(one.condition_indices, other.condition_indices, rtol=1e-9)
    with pytest.raises(LmmError, match="rows in memory"):
        fit.residual_tests()
    assert variance_parts(fit).fixed == pytest.approx(variance_parts(sleep).fixed, rel=1e-6)

"""Deletion diagnostics, residuals and normality of the modes, against lme4, dense algebra and refits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools import core
from lmmtools.core.after import deletion
from lmmtools.errors import BoundaryWarning, DataError
from tests.unit.inference.recorded import DIAGNOSTICS, fit_of

# lme4's fits without a level stop at its default tolerance: five digits of the effects, fewer of the variances.
LME4, LME4_VARIANCES = 1e-4, 5e-3
EXACT = 1e-9
MODELS = {
    "slopes": ("Reaction ~ Days + (Days|Subject)", "sleepstudy", False),
    "weighted": ("Reaction ~ Days + (Days||Subject)", "sleepstudy", True),
    "crossed": ("diameter ~ 1 + (1|plate) + (1|sample)", "Penicillin", False),
    "nested": ("strength ~ 1 + (1|batch/cask)", "Pastes", False),
}


def fitted(formula: str, data: str, weighted: bool = False, **options) -> lmt.LMMResults:
    frame = lmt.datasets.load(data)
    weights = np.linspace(0.5, 2.0, len(frame)) if weighted else None
    return lmt.lmm(formula, frame, weights=weights).fit(engine="pls", **options)


@pytest.fixture(scope="module", params=DIAGNOSTICS["fits"], ids=lambda e: e["name"])
def pair(request):
    return request.param, fit_of(request.param)


@pytest.fixture(scope="module", params=MODELS.values(), ids=MODELS.keys())
def fit(request) -> lmt.LMMResults:
    return fitted(*request.param)


@pytest.fixture(scope="module")
def sleep() -> lmt.LMMResults:
    return fitted(*MODELS["slopes"])


@pytest.fixture(scope="module")
def singular() -> lmt.LMMResults:
    with pytest.warns(BoundaryWarning):
        return fitted("Yield ~ 1 + (1|Batch)", "Dyestuff2")


def without(fit, rows) -> tuple[np.ndarray, np.ndarray]:
    """Generalised least squares on the rows left, V held."""
    keep = np.ones(fit.nobs, dtype=bool)
    keep[rows] = False
    V = fit.design.V(fit).toarray()[np.ix_(keep, keep)]
    X, y = fit.design.X[keep], fit.design.response[keep]
    C = np.linalg.inv(X.T @ np.linalg.solve(V, X))
    return C @ X.T @ np.linalg.solve(V, y), C


def test_row_diagnostics_equal_lme4(pair) -> None:
    entry, fit = pair
    np.testing.assert_allclose(fit.hat_values, entry["hat"], atol=1e-6)
    np.testing.assert_allclose(fit.cooks_distance, entry["cooks"], rtol=LME4, atol=1e-9)
    np.testing.assert_allclose(fit.residuals("standardized"), entry["rstudent"], rtol=LME4, atol=1e-6)


@pytest.mark.parametrize("entry", [e for e in DIAGNOSTICS["fits"] if "deletions" in e], ids=lambda e: e["name"])
def test_levels_left_out_equal_lme4(entry) -> None:
    fit = fit_of(entry)
    expected = entry["deletions"]
    found = fit.influence(expected["group"], refit=True)
    order = [[str(v) for v in found.labels].index(level) for level in expected["levels"]]
    m, p = found.changes.shape
    np.testing.assert_allclose(found.cooks[order] * (m - p) / m, expected["cooks"], rtol=LME4, atol=1e-7)
    np.testing.assert_allclose(found.changes[order], expected["changes"], rtol=LME4, atol=1e-5)
    np.testing.assert_allclose(found.dfbetas[order], expected["dfbetas"], rtol=LME4, atol=LME4)
    components = np.roll(expected["components"], -1, axis=1)
    scale = np.abs(components).max(axis=0)
    np.testing.assert_allclose(found.without[order] / scale, components / scale, atol=LME4_VARIANCES)


@pytest.mark.parametrize("solved", [deletion.SOLVED_ROWS, 3], ids=["downdated", "factored anew"])
def test_deletion_with_v_held_is_generalised_least_squares(fit, monkeypatch, solved) -> None:
    monkeypatch.setattr(deletion, "SOLVED_ROWS", solved)
    group = fit.design.blocks[-1]
    found = fit.influence(group.group)
    cov = fit.cov_params().to_numpy()
    for i in range(group.m):
        beta, C = without(fit, np.flatnonzero(group.codes == i))
        change = beta - fit.params.to_numpy()
        np.testing.assert_allclose(found.changes[i], change, atol=EXACT)
        assert found.cooks[i] == pytest.approx(change @ np.linalg.solve(cov, change) / len(beta), rel=1e-7), i
        assert found.covratio[i] == pytest.approx(np.linalg.det(C) / np.linalg.det(cov), rel=1e-7), i
        np.testing.assert_allclose(found.dfbetas[i], change / np.sqrt(np.diag(C)), rtol=1e-6, atol=EXACT)


def test_rows_left_out_with_v_held(fit) -> None:
    found = fit.influence()
    for i in range(0, fit.nobs, 17):
        beta, C = without(fit, [i])
        np.testing.assert_allclose(found.changes[i], beta - fit.params.to_numpy(), atol=EXACT)
        np.testing.assert_allclose(found.changes[i] / found.dfbetas[i], np.sqrt(np.diag(C)), rtol=1e-6)
    np.testing.assert_allclose(found.leverage, fit.hat_values, rtol=EXACT)


def test_sets_of_mixed_sizes_are_each_left_out(fit) -> None:
    sets = [np.array([3]), np.arange(10, 30), np.array([1, 50, 33])]
    found = core.delete_rows(fit.problem, fit.theta, fit.reml, core.RowSets.of(sets))
    for i, own in enumerate(sets):
        beta, C = without(fit, own)
        np.testing.assert_allclose(found.changes[i], beta - fit.params.to_numpy(), atol=EXACT)
        np.testing.assert_allclose(found.covariances[i], C, rtol=1e-7)


def test_refit_is_the_fit_of_the_remaining_data() -> None:
    data = lmt.datasets.load("Penicillin")
    fit = lmt.lmm("diameter ~ 1 + (1|plate) + (1|sample)", data).fit(engine="pls", reml=False)
    found = fit.influence("sample", refit=True)
    again = lmt.lmm("diameter ~ 1 + (1|plate) + (1|sample)", data[data["sample"] != "E"])
    left = again.fit(engine="pls", reml=False)
    assert found.fixed_effects.loc["E", "Intercept"] == pytest.approx((left.params - fit.params).iloc[0], rel=1e-6)
    np.testing.assert_allclose(found.without[4], left.varcorr.to_frame()["vcov"], rtol=1e-5)
    assert found.variances.loc["E", "var(Residual)"] == pytest.approx(left.scale - fit.scale, rel=1e-5)


def test_an_interaction_is_found_either_way_round() -> None:
    fit = fitted(*MODELS["nested"])
    assert fit.influence("batch:cask").labels == fit.influence("cask:batch").labels


@pytest.mark.parametrize("refit", [False, True])
def test_what_the_rest_cannot_estimate_has_a_reason(refit) -> None:
    fit = fitted("angle ~ recipe + temp + (1|recipe:replicate)", "cake")
    frame = fit.influence("recipe", refit=refit).to_frame()
    assert frame["cooks"].isna().all()
    assert set(frame["note"]) == {"the rest cannot estimate every fixed effect"}
    assert "without A, B, C: the rest cannot estimate every" in str(fit.influence("recipe", refit=refit))


def test_a_singular_fit_has_influence_and_says_so(singular) -> None:
    found = singular.influence("Batch")
    beta, _ = without(singular, np.arange(5))
    assert found.changes[0, 0] == pytest.approx(beta[0] - singular.params.iloc[0], rel=EXACT)
    assert "6 of these fits are singular" in str(singular.influence("Batch", refit=True))


def test_columns_that_are_no_factor_can_be_left_out(sleep) -> None:
    found = sleep.influence("Days")
    assert found.labels == tuple(range(10))
    assert found.rows.tolist() == [18] * 10
    beta, _ = without(sleep, np.flatnonzero(sleep.design.frame["Days"] == 4))
    np.testing.assert_allclose(found.changes[4], beta - sleep.params.to_numpy(), atol=EXACT)


def test_combinations_of_columns_can_be_left_out() -> None:
    fit = fitted("angle ~ recipe + temp + (1|recipe:replicate)", "cake")
    found = fit.influence("temp:recipe")
    assert found.rows.tolist() == [15] * 18
    assert str(found.labels[0]).endswith(":A")
    frame = fit.design.frame
    beta, _ = without(fit, np.flatnonzero((frame["temp"] == frame["temp"].min()) & (frame["recipe"] == "A")))
    np.testing.assert_allclose(found.changes[0], beta - fit.params.to_numpy(), atol=EXACT)


def test_influence_prints_the_largest_and_its_terms(sleep) -> None:
    text = str(sleep.influence("Subject"))
    assert text.splitlines()[3].split()[0] == "309"
    assert "the 10 of 18 levels of Subject with the largest Cook's distance" in text
    assert "theta and sigma are held" in text


def test_residuals_of_every_kind(fit) -> None:
    y, X = fit.design.response, fit.design.X
    V, R = fit.design.V(fit).toarray(), fit.design.R(fit).toarray()
    marginal = y - X @ fit.params.to_numpy()
    np.testing.assert_allclose(fit.residuals("marginal"), marginal, atol=EXACT)
    inverse = np.linalg.inv(V)
    P = inverse - inverse @ X @ np.linalg.solve(X.T @ inverse @ X, X.T @ inverse)
    conditional = R @ P @ y
    np.testing.assert_allclose(fit.residuals(), conditional, atol=1e-8)
    np.testing.assert_allclose(fit.residuals("scaled"), conditional / np.sqrt(np.diag(R)), atol=1e-8)
    np.testing.assert_allclose(
        fit.residuals("standardized"), conditional / np.sqrt(np.diag(R @ P @ R)), rtol=1e-7, atol=1e-8
    )
    i = 7
    keep = np.arange(fit.nobs) != i
    W = np.linalg.inv(V[np.ix_(keep, keep)])
    Xi = X[keep]
    Pi = W - W @ Xi @ np.linalg.solve(Xi.T @ W @ Xi, Xi.T @ W)
    # sigma**2 at the same theta, without row i, in units of the whole fit's.
    ratio = y[keep] @ Pi @ y[keep] / (fit.nobs - 1 - fit.design.p)
    studentized = fit.residuals("standardized").iloc[i] / np.sqrt(ratio)
    assert fit.residuals("studentized").iloc[i] == pytest.approx(studentized, rel=1e-6)


def test_quantile_residuals_are_uniform_under_the_model(sleep) -> None:
    from scipy import stats

    drawn = sleep.design.V(sleep).toarray()
    rng = np.random.default_rng(5)
    y = sleep.fittedvalues.mean() + np.linalg.cholesky(drawn) @ rng.standard_normal((180, 40))
    found = [sleep.refit(column).quantile_residuals(60, rng).to_numpy()[::10] for column in y.T]
    # One row per subject and draw: nearly independent.
    assert stats.kstest(np.concatenate(found), "uniform").pvalue > 1e-3


def test_quantile_residuals_follow_the_normal_distribution_of_each_row(sleep) -> None:
    from scipy import stats

    found = sleep.quantile_residuals(4000, 1)
    sd = np.sqrt(np.diag(sleep.design.V(sleep).toarray()))
    np.testing.assert_allclose(found, stats.norm.cdf(sleep.residuals("marginal") / sd), atol=0.03)
    assert found.between(0, 1, inclusive="neither").all()
    assert found.equals(sleep.quantile_residuals(4000, 1))


def test_modes_vary_as_their_covariance_says(fit) -> None:
    found = core.mode_covariances(fit.problem, fit.theta, fit.reml)
    X, Z = fit.design.X, fit.design.Z.toarray()
    D = fit.design.D(fit).toarray()
    inverse = np.linalg.inv(fit.design.V(fit).toarray())
    P = inverse - inverse @ X @ np.linalg.solve(X.T @ inverse @ X, X.T @ inverse)
    expected = D @ Z.T @ P @ Z @ D
    at = 0
    for block, own in zip(fit.design.blocks, found, strict=True):
        for g in range(block.m):
            part = slice(at + g * block.l, at + (g + 1) * block.l)
            np.testing.assert_allclose(own[g], expected[part, part], rtol=1e-6, atol=1e-7)
        at += block.q


def test_normal_modes_pass_and_absent_ones_have_a_reason(sleep, singular) -> None:
    from scipy import stats

    frame = sleep.mode_normality().to_frame()
    assert frame["term"].tolist() == ["(Intercept)", "Days"]
    # Balanced: all modes have one standard deviation, which the test does not see.
    assert frame["W"][1] == pytest.approx(stats.shapiro(sleep.random_effects["Subject"]["Days"]).statistic)
    absent = singular.mode_normality().to_frame()
    assert np.isnan(absent["p"][0])
    assert absent["note"][0].startswith("its variance is zero")


def test_many_levels_have_a_p_value_that_is_called_approximate() -> None:
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(5001), 2)
    data = pd.DataFrame({"g": g, "y": rng.standard_normal(5001)[g] + rng.standard_normal(len(g))})
    found = lmt.lmm("y ~ 1 + (1|g)", data).fit(engine="pls").mode_normality()
    assert 0 < found.p[0] < 1
    assert "approximate" in str(found)


def test_bad_arguments_are_named(sleep) -> None:
    with pytest.raises(DataError, match="'Person' is no factor or column of this model; there are Subject"):
        sleep.influence("Person")
    with pytest.raises(DataError, match="3 is no factor or column"):
        sleep.influence(3)
    with pytest.raises(DataError, match="is no factor or column"):
        sleep.influence(["Subject", "Days"])
    with pytest.raises(DataError, match="kind='response' is not known; write one of 'conditional'"):
        sleep.residuals("response")
    for n in (0, 2.5, "many"):
        with pytest.raises(DataError, match="ask for a whole number, at least 1"):
            sleep.quantile_residuals(n)
    with pytest.raises(DataError, match="rng='seed' is no source of random numbers"):
        sleep.quantile_residuals(5, rng="seed")
    with pytest.raises(DataError, match="influence\\(refit=True\\)"):
        _ = sleep.influence("Subject").variances


def test_pearson_residuals_are_scaled_ones_in_units_of_the_response() -> None:
    data = lmt.datasets.load("sleepstudy").assign(w=np.linspace(0.5, 2.0, 180))
    fit = lmt.lmm("Reaction ~ Days + (Days|Subject)", data, weights="w").fit(engine="pls")
    np.testing.assert_allclose(fit.residuals("pearson"), np.sqrt(data["w"]) * fit.resid, rtol=1e-12)

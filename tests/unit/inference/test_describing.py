"""Random effects as frames and components, ICC, R2, partition and design effect, against lme4 and definitions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools import core
from lmmtools.errors import DataError
from lmmtools.inference.variance.partition import _slopes_of_shared, _slopes_relative
from tests.unit.inference.recorded import DIAGNOSTICS, fit_of

# lme4 stops some six digits before the optimum; what is derived from theta has as many.
LME4 = 2e-5
EXACT = 1e-10
SINGULAR = ("cake_recipes", "dyestuff2_singular")


@pytest.fixture(scope="module", params=DIAGNOSTICS["fits"], ids=lambda e: e["name"])
def pair(request):
    return request.param, fit_of(request.param)


@pytest.fixture(scope="module")
def sleep() -> lmt.LMMResults:
    return lmt.lmm("Reaction ~ Days + (Days|Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")


@pytest.fixture(scope="module")
def singular() -> lmt.LMMResults:
    with pytest.warns(lmt.errors.BoundaryWarning):
        return lmt.lmm("Yield ~ 1 + (1|Batch)", lmt.datasets.load("Dyestuff2")).fit(engine="pls")


def test_ranef_frame_has_the_rows_of_lme4(pair) -> None:
    entry, fit = pair
    found, expected = fit.ranef_frame(), entry["ranef"]
    assert list(found.columns) == ["grpvar", "term", "grp", "condval", "condsd"]
    assert list(found["grpvar"]) == expected["grpvar"]
    # recipe[T.B] is recipeB in R.
    assert [v.replace("[T.", "").rstrip("]") for v in found["term"]] == expected["term"]
    assert [str(v) for v in found["grp"]] == expected["grp"]
    scale = np.abs(expected["condval"]).max()
    np.testing.assert_allclose(found["condval"], expected["condval"], rtol=LME4, atol=LME4 * scale)
    np.testing.assert_allclose(found["condsd"], expected["condsd"], rtol=LME4, atol=LME4)


def test_components_equal_repca(pair) -> None:
    entry, fit = pair
    found = fit.repca().to_frame()
    for group, expected in entry["repca"].items():
        rows = found[found["grp"] == group]
        np.testing.assert_allclose(rows["sd"], expected["sdev"], rtol=LME4)
        importance = np.array(expected["importance"])
        if not any(expected["sdev"]):
            # R has 0 / 0 there.
            assert rows["proportion"].tolist() == [0.0], group
            continue
        np.testing.assert_allclose(rows["proportion"], importance[1].astype(float), atol=1e-5)
        np.testing.assert_allclose(rows["cumulative"], importance[2].astype(float), atol=1e-5)
        rotation = fit.repca().rotation[group].to_numpy()
        np.testing.assert_allclose(np.abs(rotation), np.abs(expected["rotation"]), atol=LME4)


def test_a_lost_direction_is_told(singular) -> None:
    text = str(singular.repca())
    assert "Batch: no variance, so no component" in text
    assert singular.repca().to_frame()["proportion"].tolist() == [0.0]


def test_sleepstudy_has_the_published_r2_and_icc(sleep) -> None:
    assert sleep.r2().marginal == pytest.approx(0.279, abs=5e-4)
    assert sleep.r2().conditional == pytest.approx(0.799, abs=5e-4)
    assert sleep.icc().adjusted == pytest.approx(0.722, abs=5e-4)


def test_random_variance_is_the_mean_of_the_dense_diagonal(sleep) -> None:
    D = sleep.design.D(sleep).toarray()
    Z = sleep.design.Z.toarray()
    random = np.diag(Z @ D @ Z.T).mean()
    fixed = np.var(sleep.design.X @ sleep.params.to_numpy(), ddof=1)
    total = random + sleep.scale
    found = sleep.icc()
    assert found.adjusted == pytest.approx(random / total, rel=EXACT)
    assert found.unadjusted == pytest.approx(random / (total + fixed), rel=EXACT)
    assert sleep.r2().conditional == pytest.approx((random + fixed) / (total + fixed), rel=EXACT)


def test_icc_by_group_adds_up(pair) -> None:
    _, fit = pair
    table = fit.icc(by_group=True).to_frame()
    np.testing.assert_allclose(table.drop("all").sum(), table.loc["all"], rtol=EXACT)


def test_weights_enter_the_residual_variance() -> None:
    data = lmt.datasets.load("Dyestuff")
    fit = lmt.lmm("Yield ~ 1 + (1|Batch)", data, weights=np.tile([1.0, 4.0, 2.0], 10)).fit(engine="pls")
    residual = fit.scale * np.mean(1.0 / fit.design.weights)
    assert fit.variance_partition().variance[-1] == pytest.approx(residual, rel=EXACT)


def test_limits_of_a_share_follow_from_the_ratio_alone() -> None:
    # One-way: the share is a function of theta alone, and its logit is 2 log theta.
    fit = lmt.lmm("Yield ~ 1 + (1|Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    step, theta = 1e-3, fit.theta
    at = [core.evaluate(fit.problem, theta * np.exp(s)).objective for s in (-step, 0.0, step)]
    se = 2.0 * np.sqrt(2.0 / ((at[0] - 2.0 * at[1] + at[2]) / step**2))
    logit = 2.0 * np.log(theta[0])
    found = fit.variance_partition()
    expected = 1.0 / (1.0 + np.exp(-(logit + np.array([-1.0, 1.0]) * 1.959963984540054 * se)))
    np.testing.assert_allclose([found.lower[0], found.upper[0]], expected, rtol=1e-4)
    np.testing.assert_allclose([found.lower[1], found.upper[1]], 1.0 - expected[::-1], rtol=1e-4)


def test_limits_of_slopes_agree_with_differences(sleep) -> None:
    info = core.information(sleep.problem, sleep.theta)
    B = sleep.design.blocks[0].basis
    M = B.T @ B / len(B)

    def logit(phi) -> float:
        term = phi[0] * M[0, 0] + 2 * phi[1] * M[0, 1] + phi[2] * M[1, 1]
        return float(np.log(term / phi[3]))

    steps = np.diag(1e-5 * np.abs(info.vcov))
    gradient = np.array([(logit(info.vcov + s) - logit(info.vcov - s)) / (2 * s.sum()) for s in steps])
    half = 1.959963984540054 * np.sqrt(gradient @ info.vcov_cov @ gradient)
    expected = 1.0 / (1.0 + np.exp(-(logit(info.vcov) + half)))
    assert sleep.variance_partition().upper[0] == pytest.approx(expected, rel=1e-7)


def test_limits_of_several_terms_agree_with_differences() -> None:
    # Intercepts: a part's share is v / total, and the delta method on its logit counts every other part as well.
    fit = lmt.lmm("diameter ~ 1 + (1|plate) + (1|sample)", lmt.datasets.load("Penicillin")).fit(engine="pls")
    info, found = core.information(fit.problem, fit.theta), fit.variance_partition()
    steps = np.diag(1e-5 * info.vcov)
    for part, variance in enumerate(info.vcov):

        def logit(v, part=part) -> float:
            return float(np.log(v[part]) - np.log(v.sum() - v[part]))

        gradient = np.array([(logit(info.vcov + s) - logit(info.vcov - s)) / (2 * s.sum()) for s in steps])
        half = 1.959963984540054 * np.sqrt(gradient @ info.vcov_cov @ gradient)
        expected = 1.0 / (1.0 + np.exp(-(logit(info.vcov) + np.array([-half, half]))))
        assert found.variance[part] == pytest.approx(variance, rel=1e-9), part
        np.testing.assert_allclose([found.lower[part], found.upper[part]], expected, rtol=1e-6)


# The information of the variances holds a term that lost rank altogether.
@pytest.mark.parametrize(
    "entry", [e for e in DIAGNOSTICS["fits"] if e["name"] not in SINGULAR], ids=lambda e: e["name"]
)
def test_limits_do_not_depend_on_the_coordinates(entry) -> None:
    fit = fit_of(entry)
    moments = [b.basis.T @ b.basis / fit.nobs for b in fit.design.blocks]
    forms = [S @ C @ S.T for S, C in (_slopes_relative(fit, moments), _slopes_of_shared(fit, moments))]
    np.testing.assert_allclose(forms[0], forms[1], rtol=1e-5, atol=1e-10)


def test_a_term_that_lost_rank_has_limits() -> None:
    data = lmt.datasets.load("sleepstudy")
    with pytest.warns(lmt.errors.BoundaryWarning, match="perfect correlation"):
        fit = lmt.lmm("Reaction ~ Days + (Days|Subject)", data[data["Subject"].isin(["308", "309", "310"])]).fit()
    found = fit.variance_partition()
    assert found.reasons == ("", "")
    assert 0 < found.lower[0] < found.share[0] < found.upper[0] < 1
    np.testing.assert_allclose([found.lower[1], found.upper[1]], [1 - found.upper[0], 1 - found.lower[0]], rtol=1e-9)
    assert "Subject: 2 effects vary in 1 direction only" in str(fit.repca())


def test_undefined_limits_have_a_reason_beside_them(singular) -> None:
    frame = singular.variance_partition().to_frame()
    assert frame["share"].tolist() == [0.0, 1.0]
    assert frame["lower"].isna().all()
    assert (frame["note"] != "").all()
    assert singular.icc().adjusted == 0.0
    assert singular.r2().conditional == 0.0
    assert "on the boundary" in str(singular.icc())


@pytest.mark.parametrize(
    ("formula", "weights"),
    [("y ~ x + (x | g)", None), ("y ~ 1 + (0 + x | g)", "w"), ("y ~ x + (x || g)", "w"), ("y ~ 1 + (0 + f | g)", None)],
)
def test_design_effect_compares_the_variance_of_a_sum_with_independent_rows(formula: str, weights: str | None) -> None:
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(15), rng.integers(2, 9, 15))
    n = len(g)
    x, w, f = rng.normal(1.0, 1.0, n), rng.uniform(0.5, 3.0, n), rng.integers(0, 2, n)
    y = rng.normal(size=15)[g] + rng.normal(size=15)[g] * x + rng.normal(size=15)[g] * f + rng.normal(size=n)
    data = pd.DataFrame({"y": y, "x": x, "w": w, "f": np.array(["a", "b"])[f], "g": g.astype(str)})
    fit = lmt.lmm(formula, data, weights=weights).fit(engine="pls")
    V = fit.design.V(fit).toarray()
    assert fit.design_effect().effect[0] == pytest.approx(V.sum() / np.trace(V), rel=1e-10)


def test_design_effect_counts_unequal_groups() -> None:
    data = lmt.datasets.load("sleepstudy").iloc[:173]
    fit = lmt.lmm("Reaction ~ 1 + (1|Subject)", data).fit(engine="pls")
    found = fit.design_effect("Subject")
    counts = data["Subject"].value_counts().to_numpy()
    ones = np.ones(fit.nobs)
    V = fit.design.V(fit).toarray()
    rho = fit.icc().adjusted
    total = V[0, 0]
    assert found.effect[0] == pytest.approx(ones @ V @ ones / (fit.nobs * total), rel=1e-9)
    assert found.size[0] == pytest.approx((counts**2).sum() / counts.sum())
    assert found.effect[0] == pytest.approx(1 + (found.size[0] - 1) * rho)
    assert found.n_effective[0] == pytest.approx(fit.nobs / found.effect[0])


def test_bad_arguments_are_named(sleep) -> None:
    with pytest.raises(DataError, match="'Person' is no grouping factor"):
        sleep.design_effect("Person")
    with pytest.raises(DataError, match="alpha is 2"):
        sleep.variance_partition(alpha=2)


def test_an_interaction_is_found_either_way_round() -> None:
    fit = lmt.lmm("strength ~ 1 + (1|batch/cask)", lmt.datasets.load("Pastes")).fit(engine="pls")
    assert fit.design_effect("batch:cask").factors == fit.design_effect("cask:batch").factors


@pytest.mark.parametrize("entry", DIAGNOSTICS["fits"], ids=lambda e: e["name"])
def test_coefficients_of_levels_are_lme4s(entry) -> None:
    fit = fit_of(entry)
    assert set(fit.coef) == set(fit.random_effects)
    for group, expected in entry["coef"].items():
        found = fit.coef[group]
        rows = {str(level): i for i, level in enumerate(found.index)}
        names = [name.replace("[T.", "").replace("]", "") for name in found.columns]
        assert names == ["Intercept" if name == "(Intercept)" else name for name in expected["names"]], group
        values = found.to_numpy()[[rows[level] for level in expected["levels"]]]
        np.testing.assert_allclose(values, expected["values"], rtol=LME4, atol=LME4 * np.abs(values).max())


def test_coefficients_coded_otherwise_stay_apart() -> None:
    # Cells of a factor are no differences from its first level: lme4's coef() adds the two up by their names.
    data = lmt.datasets.load("cake")
    with pytest.warns(lmt.errors.BoundaryWarning):
        fit = lmt.lmm("angle ~ recipe + (0 + recipe|replicate)", data).fit(engine="pls")
    found = fit.coef["replicate"]
    assert list(found.columns) == ["recipe[A]", "recipe[B]", "recipe[C]", "Intercept", "recipe[T.B]", "recipe[T.C]"]
    level_b = found["Intercept"] + found["recipe[T.B]"] + found["recipe[B]"]
    rows = data["recipe"] == "B"
    np.testing.assert_allclose(level_b[data.loc[rows, "replicate"]], fit.fittedvalues[rows], rtol=EXACT)


def test_shares_without_fixed_effects_have_limits() -> None:
    rng = np.random.default_rng(3)
    g = np.arange(120) % 12
    fit = lmt.lmm("y ~ 0 + (1|g)", {"g": g, "y": rng.normal(size=12)[g] + rng.normal(size=120)}).fit(engine="pls")
    found = fit.variance_partition()
    np.testing.assert_array_less(found.lower, found.share)
    np.testing.assert_array_less(found.share, found.upper)


@pytest.mark.parametrize("alpha", [0, 1.5, "0.05", None, np.nan])
def test_limits_refuse_what_is_no_coverage(sleep, alpha) -> None:
    for ask in (sleep.variance_partition, sleep.conf_int):
        with pytest.raises(lmt.LmmError, match="it must lie between 0 and 1"):
            ask(alpha=alpha)

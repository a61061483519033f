"""Inference in any unit of the response: what has no unit stays, what has one follows it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt

SAME = 1e-4
"""Where the search ends depends on rounding: estimates agree to its tolerance."""

UNITS = [1e-150, 1e80, 1e150]

WITHOUT_UNIT: dict[str, Callable[[lmt.LMMResults], object]] = {
    "satterthwaite": lambda f: f.tests().to_frame()[["df", "t", "p"]],
    "kenward-roger": lambda f: f.tests(ddf="kenward-roger").to_frame()[["df", "t", "p"]],
    "anova by kenward-roger": lambda f: f.anova(ddf="kenward-roger").to_frame()[["num_df", "den_df", "F", "p"]],
    "anova type I": lambda f: f.anova(type=1).to_frame()[["num_df", "den_df", "F", "p"]],
    "ranova": lambda f: f.ranova(n_sim=10, rng=1).to_frame().loc[:, ["lrt", "p_chisq", "p", "p_simulated"]],
    "shares": lambda f: f.variance_partition().to_frame().filter(regex="share|lower|upper"),
    "design effect": lambda f: f.design_effect().to_frame(),
    "influence": lambda f: f.influence("g").cooks,
    "dfbetas": lambda f: f.influence("g").dfbetas,
    "covariance ratios": lambda f: f.influence("h", refit=True).covratio,
    "power": lambda f: lmt.power(f, {"x": 0.3 * f.sigma}, n_sim=10, rng=1).to_frame()["power"],
    "mean's df": lambda f: f.marginal_means("f").to_frame()["df"],
    "leverage": lambda f: f.hat_values,
}
IN_UNITS: dict[str, Callable[[lmt.LMMResults], object]] = {
    "standard errors": lambda f: f.tests(ddf="kenward-roger").std_error,
    "standard errors of deviations": lambda f: f.varcorr_bse["se_sdcor"][[0, 1, 3]],
    "tidy": lambda f: f.tidy("fixed", conf_int=True)[["estimate", "std_error", "conf_low", "conf_high"]],
    "wald": lambda f: f.conf_int(ddf="satterthwaite"),
    "bootstrap": lambda f: f.bootstrap(20, rng=1).draws[["Intercept", "x", "sigma"]],
    "residual bootstrap": lambda f: f.bootstrap(5, kind="residual", rng=1).draws[["Intercept", "x", "sigma"]],
    "bca": lambda f: f.bootstrap(20, lambda g: [g.sigma, *g.params], rng=1).conf_int(0.4, method="bca"),
    "profile": lambda f: f.conf_int(method="profile", parameters=["sigma", "x"]),
    "prediction": lambda f: f.predict(f.design.frame.head(3), interval="prediction"),
    "means": lambda f: f.marginal_means("f").to_frame()[["lower", "upper"]],
}


def fit_in(unit: float, weights: str | None = None) -> lmt.LMMResults:
    rng = np.random.default_rng(5)
    n = 120
    g, h, f, x = rng.integers(0, 10, n), rng.integers(0, 6, n), rng.integers(0, 3, n), rng.normal(size=n)
    u = rng.normal(size=(10, 2))
    y = 1 + u[g, 0] + (0.5 + 0.5 * u[g, 1]) * x + 0.7 * rng.normal(size=6)[h] + rng.normal(size=n)
    data = pd.DataFrame({"y": y * unit, "x": x, "w": rng.uniform(0.5, 2, n)})
    data = data.assign(g=g.astype(str), h=h.astype(str), f=np.array(list("abc"))[f])
    return lmt.lmm("y ~ x + f + (x | g) + (1 | h)", data, weights=weights).fit(engine="pls")


@pytest.fixture(scope="module", params=UNITS)
def pair(request: pytest.FixtureRequest) -> tuple[lmt.LMMResults, lmt.LMMResults, float]:
    return fit_in(1.0), fit_in(request.param), request.param


@pytest.mark.parametrize("what", WITHOUT_UNIT)
def test_what_has_no_unit_is_the_same_in_any(pair: tuple[lmt.LMMResults, lmt.LMMResults, float], what: str) -> None:
    right, moved = (np.asarray(WITHOUT_UNIT[what](fit), dtype=float) for fit in pair[:2])
    assert np.isfinite(right).any()
    np.testing.assert_allclose(moved, right, rtol=SAME, atol=1e-6)


@pytest.mark.parametrize("what", IN_UNITS)
def test_what_has_the_unit_of_the_response_follows_it(
    pair: tuple[lmt.LMMResults, lmt.LMMResults, float], what: str
) -> None:
    right, moved = (np.asarray(IN_UNITS[what](fit), dtype=float) for fit in pair[:2])
    assert np.isfinite(right).all()
    np.testing.assert_allclose(moved / pair[2], right, rtol=SAME, atol=1e-4)


@pytest.mark.parametrize("unit", [1e-100, 1e12, 1e100])
def test_inference_does_not_depend_on_the_unit_of_the_weights(unit: float) -> None:
    # sigma is that of a row of weight 1, and goes with the root of the weights.
    rng = np.random.default_rng(4)
    g, x = np.repeat(np.arange(12), 6), rng.normal(size=72)
    y = rng.normal(size=12)[g] + (0.3 + 0.5 * rng.normal(size=12)[g]) * x + rng.normal(size=72)
    data = pd.DataFrame({"y": y, "x": x, "w": rng.uniform(0.5, 2.0, 72), "g": g.astype(str)})
    right, fit = (
        lmt.lmm("y ~ x + (x || g)", data.assign(w=data.w * size), weights="w").fit(engine="pls") for size in (1.0, unit)
    )
    for one in (
        lambda f: f.tests(ddf="kenward-roger").to_frame(),
        lambda f: f.ranova().to_frame()[["lrt", "p"]][1:],
        lambda f: f.conf_int(method="profile").drop("sigma"),
        lambda f: f.variance_partition().to_frame().filter(regex="share|lower|upper"),
        lambda f: f.influence("g").cooks,
    ):
        np.testing.assert_allclose(
            np.asarray(one(fit), dtype=float), np.asarray(one(right), dtype=float), rtol=1e-3, atol=1e-6
        )
    assert fit.conf_int(method="profile").loc["sigma"].to_numpy() / np.sqrt(unit) == pytest.approx(
        right.conf_int(method="profile").loc["sigma"].to_numpy(), rel=1e-3
    )


def test_inference_does_not_depend_on_the_unit_of_a_covariate() -> None:
    data = lmt.datasets.load("sleepstudy")
    right = lmt.lmm("Reaction ~ Days + (Days | Subject)", data).fit(engine="pls")
    for unit in (1e-80, 1e80):
        moved = data.assign(Days=data.Days * unit)
        fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", moved).fit(engine="pls")
        np.testing.assert_allclose(fit.tests().df, right.tests().df, rtol=SAME)
        for one in (lambda f: f.ranova().to_frame()["p"][1:], lambda f: f.influence("Subject", refit=True).cooks):
            np.testing.assert_allclose(one(fit), one(right), rtol=SAME)
        errors, same = (f.varcorr_bse["se_sdcor"].to_numpy(float) for f in (fit, right))
        np.testing.assert_allclose(errors * [1, unit, 1, 1], same, rtol=SAME)


@pytest.mark.parametrize("unit", [1e-100, 1e-14, 1e14, 1e100])
def test_differences_and_slopes_of_means_do_not_depend_on_the_unit_of_a_covariate(unit: float) -> None:
    data = lmt.datasets.load("sleepstudy")
    formula = "Reaction ~ Days + (Days | Subject)"
    right, fit = (lmt.lmm(formula, data.assign(Days=data.Days * size)).fit(engine="pls") for size in (1.0, unit))
    first, second = (
        f.pairwise("Days", at={"Days": [0.0, 5.0 * size]}).to_frame()[["estimate", "se", "df", "p"]]
        for f, size in ((right, 1.0), (fit, unit))
    )
    np.testing.assert_allclose(second, first, rtol=SAME)
    slope, moved = (f.marginal_means([], slope_of="Days").to_frame()["slope"][0] for f in (right, fit))
    assert moved * unit == pytest.approx(slope, rel=SAME)

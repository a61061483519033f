"""Profile likelihood against lme4's confint, closed forms, and its own definition."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, optimize

import lmmtools as lmt
from lmmtools import core
from lmmtools.engines import pls
from lmmtools.errors import DataError

RECORDED = json.loads((Path(__file__).parents[2] / "reference" / "inference.json").read_text())
# lme4 interpolates its profiles.
OF_WIDTH = 1e-3


def fit_of(formula: str, name: str, **options) -> lmt.LMMResults:
    return lmt.lmm(formula, lmt.datasets.load(name)).fit(engine="pls", **options)


@pytest.fixture(scope="module")
def sleep() -> lmt.LMMResults:
    return fit_of("Reaction ~ Days + (Days|Subject)", "sleepstudy")


@pytest.mark.filterwarnings("ignore::lmmtools.errors.BoundaryWarning")
@pytest.mark.parametrize("entry", RECORDED["profiles"], ids=lambda e: e["name"])
def test_limits_equal_lme4(entry) -> None:
    data = lmt.datasets.load(entry["data"])
    if entry.get("days"):
        data = data[data["Days"].between(*entry["days"])]
    fit = lmt.lmm(entry["formula"], data).fit(engine="pls")
    found = fit.conf_int(method="profile")
    expected = np.array(entry["limits"])
    width = expected[:, 1] - expected[:, 0]
    assert len(found) == len(expected)
    gap = np.abs(found.to_numpy() - expected) / width[:, None]
    off = [
        f"{name}, {side}: {got:.8g}, lme4 {want:.8g}"
        for name, gots, wants, gaps in zip(found.index, found.to_numpy(), expected, gap, strict=True)
        for side, got, want, by in zip(("lower", "upper"), gots, wants, gaps, strict=True)
        if not by <= OF_WIDTH
    ]
    assert not off, f"limits off by more than {OF_WIDTH} of the interval's width: {'; '.join(off)}"


def test_mean_of_a_sample_has_its_closed_form() -> None:
    # A zero variance between batches that stays zero: n log(1 + (mean - m)^2 / s^2) rises by the square of zeta.
    with pytest.warns(lmt.errors.BoundaryWarning):
        fit = fit_of("Yield ~ 1 + (1|Batch)", "Dyestuff2", reml=False)
    curve = fit.profile("Intercept").curves["Intercept"]
    at = fit.params["Intercept"] + 0.2
    assert curve.at(at) == pytest.approx(np.sqrt(30 * np.log1p(0.04 / fit.scale)), rel=1e-4)


def test_zeta_is_the_rise_of_the_smallest_deviance(sleep) -> None:
    fit = sleep.refit(sleep.design.y)
    profile = fit.profile("sd_Days|Subject")
    ml = pls.fit_problem(fit.problem, reml=False)
    held = 8.0

    def deviance(x) -> float:
        L = np.array([[x[0], 0.0], [x[1], 0.0]])
        L[1, 1] = np.sqrt(max(held**2 - x[1] ** 2, 0.0))
        return core.unprofiled_deviance(fit.problem, [L], x[2]).deviance

    best = optimize.minimize(deviance, [24.0, 0.5, 25.6], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10})
    assert profile.zeta("sd_Days|Subject", held) == pytest.approx(np.sqrt(best.fun - ml.objective), rel=1e-5)


def test_derivatives_equal_differences(sleep) -> None:
    from lmmtools.inference.profile.coordinates import Coordinates, parameters_of

    rng = np.random.default_rng(1)
    for parameter in parameters_of(sleep.design):
        c = Coordinates(sleep.problem, parameter, 25.0, np.array([251.0, 10.0]), np.array([6.0, 2.0]))
        v, x = c.locate((np.array([[600.0, 40.0], [40.0, 35.0]]),), 27.0, np.array([250.0, 10.0]))
        x = x + 0.1 * rng.standard_normal(len(x))
        point, h = c.evaluate(v, x), 1e-6
        slope = (c.evaluate(v + h, x).deviance - c.evaluate(v - h, x).deviance) / (2 * h)
        assert point.slope == pytest.approx(slope, rel=1e-5, abs=1e-4), parameter
        for i in range(len(x)):
            step = h * np.eye(len(x))[i]
            rise = (c.evaluate(v, x + step).deviance - c.evaluate(v, x - step).deviance) / (2 * h)
            assert point.gradient[i] == pytest.approx(rise, rel=1e-5, abs=1e-4), (parameter, i)


@pytest.mark.parametrize("name", ["sd_(Intercept)|Subject", "Days"])
def test_shared_second_derivatives_equal_those_of_the_coordinates(sleep, name: str) -> None:
    from lmmtools.design.theta import lambda_factors
    from lmmtools.inference.profile.coordinates import parameters_of
    from lmmtools.inference.profile.path import FitDerivatives, _difference_gradients, _split_off

    ml = pls.fit_problem(sleep.problem, reml=False)
    phi = tuple(ml.sigma**2 * (lam @ lam.T) for lam in lambda_factors(ml.theta, sleep.design.blocks))
    around = FitDerivatives(sleep.problem, phi, ml.sigma, ml.beta, np.sqrt(np.diag(ml.beta_cov)))
    c = around.coordinates(next(p for p in parameters_of(sleep.design) if p.name == name))
    v, x = c.locate(phi, ml.sigma, ml.beta)
    found, own = around.second_order(c, v, x), _split_off(_difference_gradients(c, v, x)[0], len(x))
    # First differences of exact gradients, steps of 1e-5.
    for part in ("others", "cross", "own"):
        np.testing.assert_allclose(getattr(found, part), getattr(own, part), rtol=1e-3, atol=2e-3)


def test_all_parameters_stand_at_their_constrained_optimum(sleep) -> None:
    frame = sleep.profile("sigma").to_frame()
    assert list(frame.columns[:3]) == ["parameter", "zeta", "value"]
    np.testing.assert_allclose(frame["value"], frame["sigma"])
    assert frame["zeta"].is_monotonic_increasing
    # Balanced: the fixed effects do not depend on the variances.
    np.testing.assert_allclose(frame["Days"], sleep.params["Days"])


def test_a_correlation_that_does_not_exist_is_said_to_be_undefined() -> None:
    data = lmt.datasets.load("Dyestuff2").assign(x=np.tile(np.arange(5.0), 6))
    with pytest.warns(lmt.errors.BoundaryWarning):
        fit = lmt.lmm("Yield ~ x + (x|Batch)", data).fit(engine="pls")
    profile = fit.profile("theta_")
    undefined = [name for name in profile.undefined if name.startswith("cor_")]
    if undefined:
        with pytest.warns(lmt.errors.ProfileLimitWarning, match="leaves the correlation undefined"):
            limits = profile.conf_int()
        assert limits.loc[undefined[0]].isna().all()
        assert "undefined" in str(profile)
    else:
        assert profile.conf_int().notna().all(axis=None)


@pytest.mark.filterwarnings("ignore::lmmtools.errors.BoundaryWarning")
def test_a_correlation_is_undetermined_where_a_standard_deviation_may_be_zero() -> None:
    data = lmt.datasets.load("sleepstudy")
    fit = lmt.lmm("Reaction ~ Days + (Days|Subject)", data[data["Days"].between(4, 8)]).fit(engine="pls", reml=False)
    without = lmt.lmm("Reaction ~ Days + (1|Subject)", fit.design.frame).fit(engine="pls", reml=False)
    name = "cor_Days.(Intercept)|Subject"
    curve = fit.profile().curves[name]
    # Without a variance of the slope the deviance is the same for all correlations.
    cap = np.sqrt(without.objective - fit.objective)
    assert cap < 1.96
    assert curve.zeta.min() == pytest.approx(-cap)
    assert (np.diff(curve.zeta) >= 0).all()
    assert list(curve.values[[0, -1]]) == [-1.0, 1.0]
    for profile in (fit.profile(), fit.profile(name)):
        assert list(profile.conf_int().loc[name]) == [-1.0, 1.0], profile
    inside = float(curve.limit(-0.9 * cap))
    assert -1 < inside < curve.estimate
    # The limit is solved for, the curve goes through its points.
    assert curve.at(inside) == pytest.approx(-0.9 * cap, rel=1e-3)
    assert curve.at(-0.99) == pytest.approx(-cap)


def test_density_integrates_to_one(sleep) -> None:
    frame = sleep.profile("sigma").density("sigma", 2000)
    assert integrate.trapezoid(frame["density"], frame["value"]) == pytest.approx(1.0, abs=2e-3)


def test_wald_intervals_take_the_degrees_asked_for(sleep) -> None:
    from scipy import stats

    by_t = sleep.conf_int(ddf="satterthwaite")
    half = stats.t.isf(0.025, 17) * sleep.bse["Days"]
    assert by_t.loc["Days", 1] == pytest.approx(sleep.params["Days"] + half, rel=1e-7)
    assert list(sleep.conf_int(parameters="Days").index) == ["Days"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "exact"}, "wald"),
        ({"method": "profile", "parameters": "Dayz"}, "Dayz"),
        ({"parameters": "sigma"}, "varcorr_bse"),
        ({"method": "profile", "n": 5}, "no option n"),
    ],
)
def test_what_cannot_be_done_is_said(sleep, options, said) -> None:
    with pytest.raises(DataError, match=said):
        sleep.conf_int(**options)


@pytest.mark.parametrize("alpha", [0.2, 0.32, 1.0 - 0.95])
def test_any_level_is_within_its_own_profile(alpha) -> None:
    fit = lmt.lmm("Yield ~ 1 + (1|Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    lower, upper = fit.conf_int(alpha, method="profile", parameters="sigma").iloc[0]
    assert lower < fit.sigma < upper


@pytest.mark.parametrize(("y", "x", "shift"), [(1e-8, 1e4, 0.0), (1e8, 1e-5, 0.0), (1e-100, 1.0, 0.0), (1.0, 1.0, 1e9)])
def test_limits_do_not_depend_on_units(sleep, y: float, x: float, shift: float) -> None:
    known = sleep.conf_int(method="profile").to_numpy()
    data = lmt.datasets.load("sleepstudy")
    data = data.assign(Reaction=y * data["Reaction"] + shift, Days=x * data["Days"])
    found = lmt.lmm("Reaction ~ Days + (Days|Subject)", data).fit(engine="pls").conf_int(method="profile").to_numpy()
    unit = np.array([y, 1.0, y / x, y, y, y / x])[:, None]
    width = known[:, [1]] - known[:, [0]]
    gap = found - np.array([0.0, 0.0, 0.0, 0.0, shift, 0.0])[:, None] - known * unit
    # 1e9 added leaves the data seven digits.
    np.testing.assert_allclose(gap / (width * unit), 0, atol=1e-6)


def test_levels_beyond_the_profile_are_refused(sleep) -> None:
    with pytest.raises(ValueError, match="alphamax"):
        sleep.profile("sigma", alphamax=0.5).conf_int(1e-6)


@pytest.mark.filterwarnings("ignore::lmmtools.errors.BoundaryWarning")
def test_a_singular_vector_of_effects_has_limits_all_the_same() -> None:
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"h": rng.integers(0, 12, 400).astype(str), "f": rng.choice(list("abc"), 400)})
    data["y"] = rng.standard_normal(12)[data["h"].astype(int)] + rng.standard_normal(400)
    fit = lmt.lmm("y ~ f + (f|h)", data).fit(engine="pls")
    assert fit.is_singular
    limits = fit.conf_int(method="profile")
    assert limits.notna().all(axis=None)
    np.testing.assert_array_less(limits[0], limits[1])
    theta = fit.profile("theta_").to_frame()
    assert theta["zeta"].abs().max() < 10


def test_a_profile_that_cannot_go_on_says_so(sleep, monkeypatch) -> None:
    from lmmtools.errors import EngineError
    from lmmtools.inference.profile.coordinates import Coordinates

    original = Coordinates.evaluate

    def failing(self, v, x):
        if v > 0.1:
            raise EngineError("beyond what the arithmetic can hold")
        return original(self, v, x)

    monkeypatch.setattr(Coordinates, "evaluate", failing)
    profile = sleep.profile("sigma")
    with pytest.warns(lmt.errors.ProfileLimitWarning, match="sigma has no upper 95% limit: the deviance cannot"):
        low, high = profile.conf_int().loc["sigma"]
    assert np.isfinite(low)
    assert np.isnan(high)
    assert "stops short" in str(profile)


@pytest.mark.filterwarnings("ignore::lmmtools.errors.BoundaryWarning")
@pytest.mark.parametrize("name", ["sigma", "sd_temp|recipe:replicate", "temp"])
def test_the_path_of_a_singular_fit_finds_the_lower_valley(name) -> None:
    """Away from a fit of rank one the best covariance matrix may have full rank; along rank one there is a saddle."""
    fit = fit_of("angle ~ recipe * temp + (temp|recipe:replicate)", "cake")
    lowest = pls.fit_problem(fit.problem, reml=False).objective
    curve = fit.profile(name).curves[name]
    rng = np.random.default_rng(4)
    basis = fit.design.blocks[0].basis
    root = np.sqrt((basis**2).mean(axis=0))
    j = fit.design.x_names.index("temp")
    above = []
    for value, zeta in zip(curve.values[::4], curve.zeta[::4], strict=True):

        def deviance(x, value=value) -> float:
            L = np.array([[x[0], 0.0], [x[1], x[2]]]) / root[:, None]
            sigma = value if name == "sigma" else np.exp(x[3])
            if name.startswith("sd"):
                L[1] *= value / np.hypot(*L[1])
            held = (j, value) if name == "temp" else None
            return core.unprofiled_deviance(fit.problem, [L], sigma, held).deviance

        if name.startswith("sd") and value == 0:
            continue
        starts = [np.append(rng.normal(0, 4, 3), 1.5) for _ in range(4)]
        best = min(optimize.minimize(deviance, x, method="BFGS").fun for x in starts)
        assert zeta**2 <= best - lowest + 2e-3, f"{name} = {value}: zeta {zeta} is of a higher valley"
        # By symmetry a search that starts at rank one stays there.
        above.append(optimize.minimize(deviance, [4.0, 4.0, 0.0, 1.5], method="BFGS").fun - best)
    assert max(above) > 1, "no point tells the saddle from the valley"


def test_a_covariate_named_like_a_column_of_the_points_keeps_its_own() -> None:
    data = lmt.datasets.load("sleepstudy").rename(columns={"Days": "value"})
    profile = lmt.lmm("Reaction ~ value + (1 | Subject)", data).fit(engine="pls").profile("value")
    frame = profile.to_frame()
    assert list(frame.columns[:3]) == ["parameter", "zeta", "value_"]
    np.testing.assert_array_equal(frame["value"], frame["value_"])


def test_a_covariate_called_sigma_keeps_its_name_and_the_residual_standard_deviation_is_sigma_() -> None:
    data = lmt.datasets.load("sleepstudy")
    plain = lmt.lmm("Reaction ~ Days + (1 | Subject)", data).fit(engine="pls")
    fit = lmt.lmm("Reaction ~ sigma + (1 | Subject)", data.rename(columns={"Days": "sigma"})).fit(engine="pls")
    names = {"sigma": "sigma_", "Days": "sigma"}
    for method in ("profile", "boot"):
        options = {"n": 60, "rng": 1} if method == "boot" else {}
        expected = plain.conf_int(method=method, **options).rename(index=names)
        pd.testing.assert_frame_equal(fit.conf_int(method=method, **options), expected)
    own, expected = fit.tidy(conf_int=True).drop(columns="term"), plain.tidy(conf_int=True).drop(columns="term")
    pd.testing.assert_frame_equal(own, expected)
    truth = {"parameters": {"sigma_": 60.0}, "n_sim": 20, "rng": 1}
    found = lmt.power(fit, {"sigma": 3.0}, **truth)
    truth["parameters"] = {"sigma": 60.0}
    np.testing.assert_array_equal(pick_power(found), pick_power(lmt.power(plain, {"Days": 3.0}, **truth)))


def pick_power(result):
    return result.to_frame()["power"].to_numpy()

"""Simulation, bootstrap, bootstrap tests and power: against closed forms, lme4 and pbkrtest, and themselves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import lmmtools as lmt
from lmmtools.design.stack import extend_design, stack_rows
from lmmtools.errors import DataError
from lmmtools.inference.bootstrap import bootstrap_result as module
from lmmtools.inference.draws import spawn_pieces
from lmmtools.inference.simulation import simulate
from tests.unit.inference.recorded import RECORDED

BOOTSTRAP = json.loads((Path(__file__).parents[2] / "reference" / "bootstrap.json").read_text())


def fit_of(formula: str, data, **options) -> lmt.LMMResults:
    data = lmt.datasets.load(data) if isinstance(data, str) else data
    return lmt.lmm(formula, data).fit(engine="pls", **options)


@pytest.fixture(scope="module")
def sleep() -> lmt.LMMResults:
    return fit_of("Reaction ~ Days + (Days|Subject)", "sleepstudy")


@pytest.fixture(scope="module")
def crossed() -> lmt.LMMResults:
    return fit_of("diameter ~ 1 + (1|plate) + (1|sample)", "Penicillin")


def test_simulated_responses_have_the_moments_of_the_model(crossed) -> None:
    draws = crossed.simulate(20000, rng=1).to_numpy()
    V = crossed.design.V(crossed).toarray()
    # Of a plate, a pair of a plate, a pair of a sample, and an unrelated pair: four standard errors.
    for i, j in ((0, 0), (0, 1), (0, 6), (0, 7)):
        found = np.cov(draws[i], draws[j])[0, 1]
        error = np.sqrt((V[i, i] * V[j, j] + V[i, j] ** 2) / draws.shape[1])
        assert abs(found - V[i, j]) < 4 * error, (i, j)
    assert draws.mean() == pytest.approx(crossed.params["Intercept"], abs=0.05)


def test_simulation_honours_weights_offset_and_modes() -> None:
    data = lmt.datasets.load("sleepstudy").assign(w=np.tile([1.0, 4.0], 90), o=np.arange(180.0))
    fit = lmt.lmm("Reaction ~ Days + (1|Subject)", data, weights="w", offset="o").fit(engine="pls")
    draws = fit.simulate(4000, rng=2, random="fitted").to_numpy()
    np.testing.assert_allclose(draws.mean(axis=1), fit.fittedvalues, atol=5 * fit.sigma / np.sqrt(4000))
    ratio = draws[::2].var(axis=1).mean() / draws[1::2].var(axis=1).mean()
    assert ratio == pytest.approx(4.0, rel=0.05)


def test_draws_do_not_depend_on_the_number_of_workers(sleep) -> None:
    pytest.importorskip("joblib")
    alone, together = sleep.bootstrap(120, rng=5), sleep.bootstrap(120, rng=5, n_jobs=2)
    pd.testing.assert_frame_equal(alone.draws, together.draws)
    assert not alone.draws.equals(sleep.bootstrap(120, rng=6).draws)


def test_a_dask_cluster_makes_the_same_draws(sleep) -> None:
    joblib = pytest.importorskip("joblib")
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        found = sleep.bootstrap(100, rng=5, n_jobs=-1)
    pd.testing.assert_frame_equal(found.draws, sleep.bootstrap(100, rng=5).draws)


@pytest.mark.parametrize("entry", BOOTSTRAP["bootMer"], ids=lambda e: e["name"])
def test_standard_errors_equal_those_of_bootmer(entry) -> None:
    found = fit_of(entry["formula"], entry["data"]).bootstrap(4000, rng=3).std_error
    # Either standard error is known to one part in sqrt(2 * 4000) for normal statistics; four of those.
    np.testing.assert_allclose(found, entry["se"], rtol=4 * np.sqrt(2 / 8000))


def test_bootstrap_comparison_equals_that_of_pbkrtest() -> None:
    data, expected = pd.DataFrame(RECORDED["beets"]), BOOTSTRAP["PBmodcomp"]
    large = fit_of("sugpct ~ block + sow + harvest + (1|block:harvest)", data, reml=False)
    small = fit_of("sugpct ~ block + sow + (1|block:harvest)", data, reml=False)
    found = lmt.bootstrap_test(small, large, 4000, rng=1)
    assert found.statistic == pytest.approx(expected["statistic"], rel=1e-5)
    assert found.p_chisq == pytest.approx(expected["p_chisq"], rel=1e-4)
    assert found.p == pytest.approx(expected["p"], abs=4 * np.sqrt(2 * expected["p"] / 4000))
    assert "PBtest" in str(found)


def test_residual_draws_have_the_estimated_variances(crossed) -> None:
    from lmmtools.inference.bootstrap.resampling import draw_responses

    draws = draw_responses(crossed, "residual", 4000, np.random.default_rng(4))
    V = crossed.design.V(crossed).toarray()
    assert np.var(draws, axis=1).mean() == pytest.approx(V[0, 0], rel=0.05)


def test_groups_drawn_twice_are_two_groups(sleep) -> None:
    rows = [np.arange(10), np.arange(10), np.arange(10, 20)]
    design = stack_rows(sleep.design, rows, [0, 1, 0])
    assert list(design.blocks[0].levels) == ["308", "309", "308~1"]
    assert design.n == 30
    assert list(design.frame["Subject"].unique()) == ["308", "308~1", "309"]
    draws = sleep.bootstrap(60, kind="cluster", rng=1).draws
    assert draws["Days"].std() == pytest.approx(sleep.bse["Days"], rel=0.4)


def test_crossed_factors_have_no_groups_to_draw(crossed) -> None:
    with pytest.raises(DataError, match="plate and sample"):
        crossed.bootstrap(10, kind="cluster")


def test_a_statistic_that_raises_is_counted(sleep) -> None:
    calls = []

    def fragile(fit):
        calls.append(fit)
        if len(calls) % 5 == 0:
            raise RuntimeError("no value today")
        return fit.params["Days"]

    found = sleep.bootstrap(50, fragile, rng=1)
    assert found.failures == {"RuntimeError: no value today": 10}
    assert found.draws["fragile"].isna().sum() == 10
    assert "10 draws failed" in str(found)
    with pytest.raises(DataError, match="fails on the fit itself"):
        sleep.bootstrap(10, lambda fit: fit.nothing)


def test_values_are_told_apart_by_their_names(sleep) -> None:
    answers = iter([["a", "b"], ["b", "a"], ["a"], ["a", "c"], ["a", "b"]])
    found = sleep.bootstrap(4, lambda fit: pd.Series({k: float(ord(k)) for k in next(answers)}), rng=1)
    assert found.draws.dropna().to_numpy().tolist() == [[97.0, 98.0], [97.0, 98.0]]
    assert found.n_failed == 2
    assert "other names" in str(found)


@pytest.mark.parametrize(
    ("statistic", "names"),
    [
        (lambda fit: fit.sigma, ["statistic"]),
        (lambda fit: (fit.sigma, fit.llf), ["statistic[0]", "statistic[1]"]),
        (lambda fit: fit.params, ["Intercept", "Days"]),
        (lambda fit: {"sd": fit.sigma, "ratio": np.float64(fit.sigma / fit.bse["Days"])}, ["sd", "ratio"]),
        (lambda fit: fit.cov_params(), [f"statistic[{i}]" for i in range(4)]),
    ],
    ids=["number", "tuple", "series", "dict", "frame"],
)
def test_a_statistic_may_return_what_comes_naturally(sleep, statistic, names) -> None:
    drawn = sleep.bootstrap(3, statistic, rng=1)
    assert list(drawn.draws.columns) == names
    assert drawn.draws.notna().all(axis=None)
    assert drawn.n_failed == 0


def test_too_few_draws_are_shown_and_said(sleep) -> None:
    found = sleep.bootstrap(1, rng=1)
    assert "need two draws" in str(found)
    with pytest.raises(DataError, match="at least two"):
        found.conf_int()
    values = iter([1.0, np.nan, np.nan, 2.0, 3.0])
    found = sleep.bootstrap(4, lambda fit: next(values), rng=1)
    assert "no value in 2 refitted draws" in str(found)


def test_what_has_no_value_on_the_fit_has_percentiles_alone(sleep) -> None:
    first = iter([np.nan])
    found = sleep.bootstrap(40, lambda fit: [next(first, 1.0), fit.sigma], rng=1)
    assert found.conf_int().notna().all(axis=None)
    bca = found.conf_int(method="bca")
    assert list(bca[0].isna()) == [True, False]


def test_bootstrap_tests_refuse_what_is_not_nested(sleep) -> None:
    data = lmt.datasets.load("sleepstudy")
    data["late"] = (data["Days"] > 4).astype(float)
    with pytest.raises(DataError, match=r"late of .* is outside"):
        lmt.bootstrap_test(fit_of("Reaction ~ late + (1|Subject)", data), sleep, 5)
    weighted = lmt.lmm("Reaction ~ 1 + (1|Subject)", data, weights=np.arange(1.0, 181)).fit(engine="pls")
    with pytest.raises(DataError, match="different weights"):
        lmt.bootstrap_test(weighted, sleep, 5)
    other = lmt.lmm("Reaction ~ Days + (1|Subject)", data, weights=np.arange(180.0, 0, -1)).fit(engine="pls")
    with pytest.raises(DataError, match="different weights"):
        lmt.bootstrap_test(weighted, other, 5)
    # A slope held at ten by an offset is nested in one that is free.
    held = lmt.lmm("Reaction ~ 1 + offset(I(10 * Days)) + (Days|Subject)", data).fit(engine="pls")
    found = lmt.bootstrap_test(held, sleep, 200, rng=1)
    assert found.df == 1
    assert found.p > 0.5


def test_a_data_set_that_cannot_be_fitted_is_counted_in_power(sleep, monkeypatch) -> None:
    from lmmtools.inference.power import simulated_tests as power_module

    original = power_module.simulate

    def spoiled(*arguments):
        Y = original(*arguments)
        Y[0, 3] = np.nan
        return Y

    monkeypatch.setattr(power_module, "simulate", spoiled)
    for test in ("z", "satterthwaite", "lr"):
        row = lmt.power(sleep, {"Days": 4.0}, n_sim=20, test=test, rng=1).rows[0]
        assert (row.n_sim, row.n_failed) == (19, 1), test


def test_power_names_what_few_levels_do_not_determine() -> None:
    data = lmt.datasets.load("sleepstudy")
    data["old"] = data["Subject"].astype(str).isin(["371", "372"]).astype(float)
    with pytest.raises(DataError, match="first 5 levels of Subject do not determine old"):
        lmt.power(fit_of("Reaction ~ old + (1|Subject)", data), {"old": 9.0}, n_sim=5, along={"Subject": [5]})


def test_singular_refits_are_counted() -> None:
    with pytest.warns(lmt.errors.BoundaryWarning):
        fit = fit_of("Yield ~ 1 + (1|Batch)", "Dyestuff2")
    found = fit.bootstrap(400, rng=1)
    share = (found.draws["sd_(Intercept)|Batch"] == 0).mean()
    # Without a variance between batches the estimate is zero where F is below one.
    assert share == pytest.approx(stats.f.cdf(1, 5, 24), abs=4 * np.sqrt(0.25 / 400))
    assert found.n_singular >= (found.draws["sd_(Intercept)|Batch"] == 0).sum()


def test_an_interrupted_bootstrap_keeps_what_it_has(sleep, monkeypatch) -> None:
    original, calls = module._run_piece, []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(module, "_run_piece", interrupted)
    found = sleep.bootstrap(200, rng=1)
    assert found.interrupted
    assert len(found.draws) == 100
    assert "interrupted: 100 of 200" in str(found)


@pytest.mark.parametrize("kind", ["parametric", "cluster"])
def test_an_interrupted_statistic_keeps_every_draw_before_it(sleep, kind: str) -> None:
    calls = []

    def interrupted(fit):
        calls.append(fit)
        if len(calls) == 65:
            raise KeyboardInterrupt
        return fit.sigma

    found = sleep.bootstrap(200, interrupted, kind=kind, rng=1)
    # The first call is that on the fit itself.
    assert len(found.draws) == 63
    assert found.draws.notna().all(axis=None)
    assert "interrupted: 63 of 200" in str(found)
    whole = sleep.bootstrap(100, lambda fit: fit.sigma, kind=kind, rng=1).draws[:63]
    np.testing.assert_array_equal(found.draws, whole)


def test_intervals_follow_from_the_draws(sleep) -> None:
    found = sleep.bootstrap(999, rng=1)
    draws, own = np.sort(found.draws["Days"]), sleep.params["Days"]
    percentile, basic = found.conf_int().loc["Days"], found.conf_int(method="basic").loc["Days"]
    np.testing.assert_allclose(percentile, draws[[24, 974]])
    np.testing.assert_allclose(basic, 2 * own - draws[[974, 24]])
    normal = found.conf_int(method="normal").loc["Days"]
    np.testing.assert_allclose(normal[1] - normal[0], 2 * stats.norm.isf(0.025) * draws.std(ddof=1))
    by_method = sleep.conf_int(method="boot", n=999, rng=1, parameters="Days")
    np.testing.assert_allclose(by_method.loc["Days"], percentile)


def test_acceleration_of_a_mean_is_a_sixth_of_the_skewness_of_its_levels() -> None:
    """Efron (1987), eq. 6.6; without level i the mean moves by (mean - y_i) / (m - 1). Three levels skew it upwards."""
    from lmmtools.inference.bootstrap.limits import acceleration

    means = np.array([0.0, 0.2, 0.3, 0.5, 0.1, 0.4, 5.0, 7.0, 3.0])
    data = pd.DataFrame({"g": np.repeat(list("abcdefghi"), 3), "y": np.repeat(means, 3) + np.tile([-0.3, 0.1, 0.2], 9)})
    fit = lmt.lmm("y ~ 1 + (1|g)", data).fit(engine="pls")
    d = means - means.mean()
    expected = (d**3).sum() / (6.0 * (d**2).sum() ** 1.5)
    assert expected > 0.05
    found = acceleration(fit, lambda again: again.estimate.beta)
    assert found == pytest.approx([expected], rel=1e-9)


def test_bca_of_a_symmetric_statistic_is_near_the_percentile(sleep) -> None:
    found = sleep.bootstrap(999, rng=2)
    bca, percentile = found.conf_int(method="bca").loc["Days"], found.conf_int().loc["Days"]
    assert np.abs(bca - percentile).max() < 0.35 * found.std_error["Days"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda f: f.bootstrap(0), "n=0"),
        (lambda f: f.bootstrap(2.5), "whole number"),
        (lambda f: f.bootstrap(5, kind="wild"), "wild"),
        (lambda f: f.bootstrap(5, lambda fit: None), "no numbers"),
        (lambda f: f.bootstrap(5, n_jobs=0), "n_jobs=0"),
        (lambda f: lmt.power(f, n_jobs=1.5), "n_jobs=1.5"),
        (lambda f: f.simulate(0), "n=0"),
        (lambda f: f.simulate(1, random="old"), "old"),
        (lambda f: f.bootstrap(20, rng=1).conf_int(method="abc"), "abc"),
        (lambda f: f.conf_int(method="boot", draws=3), r"conf_int\(\) has no draws=: write n="),
        (lambda f: lmt.bootstrap_test(f, f), "smaller model first"),
        (lambda f: lmt.power(f, {"Dayz": 1.0}), "Dayz"),
        (lambda f: lmt.power(f, n_sim=0), "n_sim=0"),
        (lambda f: lmt.power(f, "Days"), "tested=name"),
        (lambda f: lmt.power(f, {"Days": "big"}), "'Days': 'big'"),
        (lambda f: lmt.power(f, {"Days": np.nan}), "finite"),
        (lambda f: lmt.power(f, tested="Dayz"), "no fixed effect and no term"),
        (lambda f: lmt.power(f.design.frame), "DataFrame"),
        (lambda f: lmt.power(f, along="Subject"), "'Subject' is not one factor"),
        (lambda f: lmt.power(f, along={"Subject": [10.5]}), "whole numbers"),
        (lambda f: lmt.power(f, along={"Subject": []}), "whole numbers"),
        (lambda f: lmt.power(f, test="wald"), "wald"),
        (lambda f: lmt.power(f, along={"School": [3]}), "School"),
        (lambda f: lmt.power(f, along={"Subject": [1]}), "at least two"),
        (lambda f: lmt.power(f, parameters={"cor_Days.(Intercept)|Subject": 1.5}), "eigenvalue"),
        (lambda f: lmt.power(lmt.lmm("Reaction ~ Days + (1|Subject)", f.design.frame)), "sigma"),
    ],
)
def test_what_cannot_be_done_is_said(sleep, call, said) -> None:
    with pytest.raises(DataError, match=said):
        call(sleep)


def test_power_of_a_balanced_layout_is_that_of_its_exact_test() -> None:
    # Twenty groups of four, half of them treated: a two-sample t test of group means.
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(20), 4)
    data = pd.DataFrame({"g": group.astype(str), "x": (group % 2).astype(float), "y": rng.standard_normal(80)})
    model = lmt.lmm("y ~ x + (1|g)", data)
    truth = {"sd_(Intercept)|g": 1.0, "sigma": 1.0}
    effect = 1.5
    found = lmt.power(model, {"Intercept": 0.0, "x": effect}, parameters=truth, tested="x", n_sim=1500, rng=1)
    shift = effect / np.sqrt(2 * (1.0 + 0.25) / 10)
    t = stats.t.isf(0.025, 18)
    exact = stats.nct.sf(t, 18, shift) + stats.nct.cdf(-t, 18, shift)
    assert found.rows[0].power == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 1500))
    assert found.rows[0].lower < exact < found.rows[0].upper or abs(found.rows[0].power - exact) < 0.05


def p_of_recipe(fit: lmt.LMMResults, test: str) -> float:
    if test == "satterthwaite":
        return fit.anova(type=3).to_frame().loc["recipe", "p"]
    if test == "lr":
        frame = fit.design.frame.assign(angle=fit.design.y)
        less, more = (
            lmt.lmm(f"angle ~ {fixed} + (1|recipe:replicate)", frame).fit(engine="pls", reml=False)
            for fixed in ("temperature", "recipe + temperature")
        )
        return stats.chi2.sf(less.objective - more.objective, 2)
    b, V = fit.params.to_numpy()[1:3], fit.cov_params().to_numpy()[1:3, 1:3]
    return stats.chi2.sf(b @ np.linalg.solve(V, b), 2)


@pytest.mark.filterwarnings("ignore::lmmtools.errors.BoundaryWarning")
@pytest.mark.parametrize(("test", "join"), [("satterthwaite", "*"), ("lr", "+"), ("z", "+")])
def test_power_of_a_term_is_that_of_its_test(test: str, join: str) -> None:
    fit = fit_of(f"angle ~ recipe {join} temperature + (1|recipe:replicate)", "cake")
    effects = {"Intercept": 30.0, "recipe[T.B]": -5.0}
    found = lmt.power(fit, effects, tested=["recipe", "recipe[T.B]"], n_sim=40, test=test, rng=3)
    assert list(found.to_frame()["effect"]) == ["recipe", "recipe[T.B]"]
    assert np.isnan(found.rows[0].value)
    assert found.rows[1].value == -5.0
    ((size, seed),) = spawn_pieces(40, 3)
    beta = fit.params.copy()
    beta[list(effects)] = list(effects.values())
    e = fit.estimate
    Y = simulate(fit.design, beta.to_numpy(), e.theta, e.sigma, size, np.random.default_rng(seed))
    rejected = sum(p_of_recipe(fit.refit(y), test) <= 0.05 for y in Y.T)
    assert 0 < rejected < 40
    assert found.rows[0].power == pytest.approx(rejected / 40)


def test_a_design_is_extended_along_a_factor(crossed) -> None:
    longer = extend_design(crossed.design, "plate", 30)
    assert [b.m for b in longer.blocks] == [30, 6]
    assert longer.n == 180
    assert [b.m for b in extend_design(crossed.design, "sample", 3).blocks] == [24, 3]


def test_nested_factors_grow_with_the_factor_they_are_in() -> None:
    fit = fit_of("strength ~ 1 + (1|batch/cask)", "Pastes")
    longer = extend_design(fit.design, "batch", 20)
    assert sorted(b.m for b in longer.blocks) == [20, 60]


def test_power_grows_with_the_number_of_subjects(sleep) -> None:
    found = lmt.power(sleep, {"Days": 4.0}, n_sim=100, test="z", along={"Subject": [6, 40]}, rng=2).to_frame()
    assert list(found["size"]) == [6, 40]
    assert found["power"].iloc[1] > found["power"].iloc[0] + 0.3


def test_a_model_that_cannot_be_refitted_is_refused_at_once() -> None:
    import statsmodels.formula.api as smf

    data = lmt.datasets.load("Pastes").astype({"batch": str, "cask": str})
    result = smf.mixedlm("strength ~ 1", data, groups="batch", vc_formula={"cask": "C(cask)"}).fit()
    with pytest.warns(lmt.errors.LmmWarning):
        fit = lmt.from_mixedlm(result)
    for call in (lambda: fit.bootstrap(10), lambda: lmt.power(fit, tested="Intercept"), lambda: fit.profile()):
        with pytest.raises(lmt.LmmError, match="share one variance"):
            call()


def test_a_bootstrap_without_values_still_prints(sleep) -> None:
    calls = []

    def once(fit):
        calls.append(fit)
        if len(calls) > 1:
            raise RuntimeError("only once")
        return 1.0

    found = sleep.bootstrap(5, once, rng=1)
    assert "5 draws failed" in str(found)
    with pytest.raises(DataError, match="0 draws with a value"):
        found.conf_int()


def test_failed_and_uncertain_draws_of_a_bootstrap_test_are_counted(sleep, monkeypatch) -> None:
    from lmmtools.inference.bootstrap import comparison

    original = comparison.simulate

    def spoiled(*arguments):
        Y = original(*arguments)
        Y[0, 3] = np.nan
        return Y

    def doubtful(problem, Y, *options):
        refits = refit_many(problem, Y, *options)
        refits.converged[0] = False
        return refits

    small = fit_of("Reaction ~ 1 + (Days|Subject)", "sleepstudy")
    refit_many = comparison.core.refit_many
    monkeypatch.setattr(comparison.core, "refit_many", doubtful)
    assert lmt.bootstrap_test(small, sleep, 20, rng=1).n_not_converged == 1
    monkeypatch.setattr(comparison, "simulate", spoiled)
    found = lmt.bootstrap_test(small, sleep, 20, rng=1)
    assert (found.n_failed, len(found.draws)) == (1, 19)
    assert "1 draws failed" in str(found)
    assert "without a certified optimum" in str(found)


@pytest.mark.parametrize(
    "call",
    [
        lambda f: f.simulate("a"),
        lambda f: f.simulate(1, rng="a"),
        lambda f: f.ranova(n_sim=0.5),
        lambda f: f.bootstrap(3, rng="a"),
        lambda f: f.bootstrap(3, rng=-1),
    ],
)
def test_draws_that_are_no_number_and_sources_that_are_none_are_refused(sleep, call) -> None:
    with pytest.raises(DataError):
        call(sleep)

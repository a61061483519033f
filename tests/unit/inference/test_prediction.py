"""Predictions: against a dense computation of the prediction error's variance, and against lme4's ``predict``."""

from __future__ import annotations

import json
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import lmmtools as lmt

CLOSE = 1e-7
"""Relative; what is left of double precision after inverting V densely."""
MEANS = 1e-7
"""Relative to lme4's means: both optima are found to about that."""
RECORDED = json.loads((Path(__file__).parents[2] / "reference" / "prediction.json").read_text())


def weighted_ratings() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n = 160
    data = pd.DataFrame({"g": rng.integers(0, 12, n), "h": rng.integers(0, 9, n), "x": rng.normal(size=n)})
    data["w"] = rng.uniform(0.5, 3.0, n)
    u, v = rng.normal(size=(12, 2)), rng.normal(size=9)
    mean = 1 + data["x"] + u[data["g"], 0] + 0.7 * u[data["g"], 1] * data["x"] + v[data["h"]]
    data["y"] = mean + rng.normal(size=n) / np.sqrt(data["w"])
    return data.astype({"g": "category", "h": "category"})


CASES = {
    "crossed": ("diameter ~ 1 + (1|plate) + (1|sample)", "Penicillin", None),
    "nested": ("strength ~ 1 + (1|batch/cask)", "Pastes", None),
    "slopes": ("Reaction ~ Days + (Days|Subject)", "sleepstudy", None),
    "split": ("Reaction ~ Days + (Days||Subject)", "sleepstudy", None),
    "weighted": ("y ~ x + (x|g) + (1|h)", weighted_ratings, "w"),
    "singular": ("Yield ~ 1 + (1|Batch)", "Dyestuff2", None),
}


@pytest.fixture(scope="module", params=CASES)
def case(request):
    formula, source, weights = CASES[request.param]
    data = lmt.datasets.load(source) if isinstance(source, str) else source()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lmt.lmm(formula, data, weights=weights).fit(engine="pls"), data


def error_variances(fit, X, Z):
    """Var(x b_hat + z u_hat - x b - z u), from the estimator as a linear map of y and the joint covariance of y and u.

    x b_hat + z u_hat = a'y with a'X = x, so that the variance is a'Va - 2 a'ZDz' + zDz'.
    """
    design = fit.design
    full, D, V = design.Z.toarray(), design.D(fit).toarray(), design.V(fit).toarray()
    Vi = np.linalg.inv(V)
    B = np.linalg.solve(design.X.T @ Vi @ design.X, design.X.T @ Vi)
    A = X @ B + Z @ D @ full.T @ Vi @ (np.eye(len(V)) - design.X @ B)
    covariance = A @ V @ A.T - 2.0 * A @ full @ D @ Z.T + Z @ D @ Z.T
    return np.diag(covariance)


def new_rows(fit, data, rng):
    """Rows of the data with each column shuffled by itself: levels in combinations that were and were not there."""
    design = fit.design
    mixed = data.copy()
    for name in ("x", "Days", "plate", "sample", "g", "h"):
        if name in mixed:
            mixed[name] = rng.permutation(mixed[name].to_numpy())
    mixed = mixed.astype({name: data[name].dtype for name in data})
    X = np.ones((len(mixed), 1))
    for name in design.x_names[1:]:
        X = np.column_stack([X, mixed[name]])
    Z = []
    for block in design.blocks:
        parts = [mixed[f].astype(str) for f in block.term.factors]
        label = parts[0].str.cat(parts[1:], sep=":") if len(parts) > 1 else parts[0]
        codes = pd.Index(block.levels.astype(str)).get_indexer(label)
        basis = np.column_stack([np.ones(len(mixed)) if c == "(Intercept)" else mixed[c] for c in block.cnames])
        own = np.zeros((len(mixed), block.m, block.l))
        own[np.arange(len(mixed)), codes] = basis
        Z.append(own.reshape(len(mixed), -1))
    return mixed, X, Z


def test_standard_errors_are_those_of_the_joint_prediction_error(case):
    fit, data = case
    mixed, X, Z = new_rows(fit, data, np.random.default_rng(1))
    found = fit.predict(mixed, interval="confidence")
    np.testing.assert_allclose(found["mean_se"] ** 2, error_variances(fit, X, np.hstack(Z)), rtol=CLOSE)
    np.testing.assert_array_equal(found["mean"], fit.predict(mixed))
    half = stats.norm.ppf(0.975) * found["mean_se"]
    np.testing.assert_allclose(found["mean_ci_upper"] - found["mean"], half, rtol=1e-9)
    np.testing.assert_allclose(found["mean"] - found["mean_ci_lower"], half, rtol=1e-9)
    assert found.index.equals(mixed.index)


def test_the_fitted_rows_have_the_errors_that_they_have_as_new_data(case):
    fit, data = case
    own = fit.predict(interval="prediction")
    pd.testing.assert_frame_equal(own, fit.predict(data, interval="prediction"), rtol=CLOSE)


def test_henderson_equations_say_the_same():
    fit = lmt.lmm("Reaction ~ Days + (Days|Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    W = np.hstack([fit.design.X, fit.design.Z.toarray()]) / fit.sigma
    left = W.T @ W
    left[2:, 2:] += np.linalg.inv(fit.design.D(fit).toarray())
    rows = W * fit.sigma
    variance = np.einsum("ra,ab,rb->r", rows, np.linalg.inv(left), rows)
    np.testing.assert_allclose(fit.predict(interval="confidence")["mean_se"] ** 2, variance, rtol=CLOSE)


def test_terms_left_out_enter_a_new_observation_with_their_whole_variance(case):
    fit, data = case
    mixed, X, Z = new_rows(fit, data, np.random.default_rng(2))
    kept = fit.design.blocks[0].group
    uses = [b.group == kept for b in fit.design.blocks]
    found = fit.predict(mixed, random=kept, interval="prediction", alpha=0.1)
    inside = np.hstack([z if use else 0.0 * z for z, use in zip(Z, uses, strict=True)])
    variance = error_variances(fit, X, inside).copy()
    np.testing.assert_allclose(found["mean_se"] ** 2, variance, rtol=CLOSE)
    outside = np.hstack([0.0 * z if use else z for z, use in zip(Z, uses, strict=True)])
    variance += np.diag(outside @ fit.design.D(fit).toarray() @ outside.T)
    variance += fit.scale / (mixed["w"] if fit.design.weights is not None else 1.0)
    half = stats.norm.ppf(0.95) * np.sqrt(variance)
    np.testing.assert_allclose(found["obs_ci_upper"] - found["mean"], half, rtol=CLOSE)
    np.testing.assert_allclose(found["mean"] - found["obs_ci_lower"], half, rtol=CLOSE)


def test_without_random_effects_the_interval_is_the_populations(case):
    fit, data = case
    found = fit.predict(data, random=False, interval="confidence")
    X = fit.design.X
    np.testing.assert_allclose(found["mean_se"] ** 2, np.diag(X @ fit.cov_params() @ X.T), rtol=1e-9)
    new = data.drop(columns=[f for b in fit.design.blocks for f in b.term.factors if f in data])
    pd.testing.assert_frame_equal(fit.predict(new, random=False, interval="confidence"), found)


def test_a_new_level_brings_the_variance_of_its_term():
    fit = lmt.lmm("Reaction ~ Days + (Days|Subject)", lmt.datasets.load("sleepstudy")).fit()
    new = pd.DataFrame({"Days": [0.0, 4.0], "Subject": ["nobody", "nobody"]})
    found = fit.predict(new, unseen="population", interval="prediction")
    basis = np.array([[1.0, 0.0], [1.0, 4.0]])
    fixed = np.diag(basis @ fit.cov_params().to_numpy() @ basis.T)
    own = np.diag(basis @ fit.varcorr["Subject"].to_numpy() @ basis.T)
    np.testing.assert_allclose(found["mean_se"] ** 2, fixed + own, rtol=CLOSE)
    population = fit.predict(new, random=False, interval="prediction")
    np.testing.assert_allclose(population["mean_se"] ** 2, fixed, rtol=CLOSE)
    np.testing.assert_allclose(population["obs_ci_upper"], found["obs_ci_upper"], rtol=CLOSE)
    np.testing.assert_array_equal(population["mean"], found["mean"])


@pytest.mark.parametrize("entry", RECORDED["predictions"], ids=lambda e: f"{e['name']}:{e['re_form']}")
def test_means_at_chosen_levels_of_nesting_are_lme4s(entry):
    data = lmt.datasets.load(entry["data"])
    fit = lmt.lmm(entry["formula"], data).fit()
    rows = pd.DataFrame(entry["newdata"])
    found = fit.predict(rows, random=entry["random"], unseen="population" if entry["new_levels"] else "error")
    np.testing.assert_allclose(found, entry["mean"], rtol=MEANS)


def test_a_factor_or_term_is_named_either_way_round():
    fit = lmt.lmm("strength ~ 1", lmt.datasets.load("Pastes"), random=lmt.nested("batch", "cask")).fit()
    data = lmt.datasets.load("Pastes")
    both = [fit.predict(data, random=r) for r in ("batch:cask", "cask:batch", "(1 | cask:batch)", ["~(1|batch:cask)"])]
    for other in both[1:]:
        pd.testing.assert_series_equal(both[0], other)
    pd.testing.assert_series_equal(fit.predict(data, random=["batch", "cask:batch"]), fit.predict(data))
    pd.testing.assert_series_equal(fit.predict(data, random="(1 | batch/cask)"), fit.predict(data))
    pd.testing.assert_series_equal(fit.predict(data, random=[]), fit.predict(data, random=False))
    assert abs(fit.predict(data, random="batch") - fit.predict(data)).max() > 1.0


def test_only_the_columns_of_included_terms_are_needed():
    fit = lmt.lmm("strength ~ 1 + (1|batch/cask)", lmt.datasets.load("Pastes")).fit()
    fit.predict(pd.DataFrame({"batch": ["A", "B"]}), random="batch", interval="prediction")
    with pytest.raises(lmt.DataError, match="'cask'"):
        fit.predict(pd.DataFrame({"batch": ["A", "B"]}))


def test_satterthwaite_widens_the_populations_interval():
    fit = lmt.lmm("Reaction ~ Days + (Days|Subject)", lmt.datasets.load("sleepstudy")).fit()
    rows = pd.DataFrame({"Days": [0.0, 3.0]})
    found = fit.predict(rows, random=False, interval="confidence", ddf="satterthwaite")
    tests = fit.t_test([[1, 0], [1, 3]])
    half = stats.t.ppf(0.975, tests.df) * tests.std_error
    np.testing.assert_allclose(found["mean_ci_upper"], tests.estimate + half, rtol=1e-9)
    with pytest.raises(lmt.DataError, match="random=False"):
        fit.predict(rows.assign(Subject="308"), interval="confidence", ddf="kenward-roger")


def balanced(m: int, n: int, sd: float) -> pd.DataFrame:
    rng = np.random.default_rng(6)
    g = np.repeat(np.arange(m), n)
    return pd.DataFrame({"y": 10 + sd * rng.normal(size=m)[g] + rng.normal(size=m * n), "g": g.astype(str)})


def test_degrees_of_a_new_observation_are_those_of_the_mean_squares_it_is_made_of():
    m, n = 7, 4
    data = balanced(m, n, 1.0)
    fit = lmt.lmm("y ~ 1 + (1|g)", data).fit(engine="pls")
    between = n * data.groupby("g")["y"].mean().var(ddof=1)
    within = data.groupby("g")["y"].var(ddof=1).mean()
    # Var(y_new - mean) = a MSB + c MSW with independent mean squares (Satterthwaite 1946).
    parts = np.array([(1 + 1 / m) / n * between, (1 - 1 / n) * within])
    df = parts.sum() ** 2 / (parts**2 / [m - 1, m * (n - 1)]).sum()
    found = fit.predict(data.head(1), random=False, interval="prediction", ddf="satterthwaite").iloc[0]
    half = stats.t.ppf(0.975, df) * np.sqrt(parts.sum())
    assert found["obs_ci_upper"] - found["mean"] == pytest.approx(half, rel=1e-5)
    # The mean of a new level: (1 + 1/m) MSB / n - MSW / n.
    parts = np.array([(1 + 1 / m) / n * between, -within / n])
    df = parts.sum() ** 2 / (parts**2 / [m - 1, m * (n - 1)]).sum()
    there = pd.DataFrame({"g": ["new"]})
    error = fit.predict(there, unseen="population", interval="confidence", ddf="satterthwaite").iloc[0]
    # With the mean's own error, MSB / (m n), in it once: as predicted for a level that is drawn with the others.
    assert error["mean_se"] ** 2 == pytest.approx(parts.sum(), rel=1e-6)
    half = stats.t.ppf(0.975, df) * np.sqrt(parts.sum())
    assert error["mean_ci_upper"] - error["mean"] == pytest.approx(half, rel=1e-5)


@pytest.mark.parametrize("random", [True, False, "g"])
def test_degrees_of_predictions_do_not_depend_on_units_and_widen_the_limits(random):
    data = weighted_ratings()
    limits = []
    for unit in (1.0, 1e-120, 1e120):
        moved = data.assign(y=data["y"] * unit, x=data["x"] / 60)
        fit = lmt.lmm("y ~ x + (x|g) + (1|h)", moved, weights="w").fit(engine="pls")
        found = fit.predict(moved.head(5), random=random, interval="prediction", ddf="satterthwaite")
        normal = fit.predict(moved.head(5), random=random, interval="prediction")
        np.testing.assert_array_less(normal["obs_ci_upper"], found["obs_ci_upper"])
        np.testing.assert_array_less(found["mean_ci_lower"], normal["mean_ci_lower"])
        limits.append(found / unit)
    np.testing.assert_allclose(limits[1], limits[0], rtol=1e-3)
    np.testing.assert_allclose(limits[2], limits[0], rtol=1e-3)


def test_a_bootstrap_of_predictions_counts_that_variances_are_estimates():
    # Levels so different that their variance is never zero: the mean's t has exactly m - 1 degrees of freedom, and a
    # new level's mean very nearly.
    data = balanced(5, 4, 12.0)
    fit = lmt.lmm("y ~ 1 + (1|g)", data).fit(engine="pls")
    found = fit.predict(data.head(1), random=False, interval="prediction", method="boot", n=2000, rng=1).iloc[0]
    error = fit.bse["Intercept"]
    exact = stats.t.ppf(0.975, 4) * error
    # A quantile of 2000 draws of t with 4 degrees: its standard error is 6% of it.
    assert found["mean_ci_upper"] - found["mean"] == pytest.approx(exact, rel=0.18)
    assert found["mean"] - found["mean_ci_lower"] == pytest.approx(exact, rel=0.18)
    spread = np.sqrt(error**2 + fit.varcorr.to_frame()["vcov"].sum())
    assert found["obs_ci_upper"] - found["mean"] == pytest.approx(stats.t.ppf(0.975, 4) * spread, rel=0.18)


def test_a_bootstrap_of_predictions_takes_the_same_rows_seeds_and_levels():
    data = weighted_ratings()
    fit = lmt.lmm("y ~ x + (x|g) + (1|h)", data, weights="w").fit(engine="pls")
    rows = pd.concat([data.head(2), data.head(1)], ignore_index=True).assign(g=[*data["g"].head(2), "none"])
    drawn = [
        fit.predict(rows, unseen="population", interval="prediction", method="boot", n=200, rng=rng)
        for rng in (1, np.random.default_rng(1))
    ]
    pd.testing.assert_frame_equal(*drawn)
    normal = fit.predict(rows, unseen="population", interval="prediction")
    pd.testing.assert_frame_equal(drawn[0][["mean", "mean_se"]], normal[["mean", "mean_se"]])
    width = (drawn[0]["obs_ci_upper"] - drawn[0]["obs_ci_lower"]).to_numpy()
    assert width[2] > 1.2 * width[0]
    with pytest.warns(lmt.errors.FewDrawsWarning, match="most extreme draw"):
        fit.predict(rows.head(1), interval="confidence", method="boot", n=20, rng=1)


def test_rows_with_missing_values_are_nan_and_do_not_spread():
    fit = lmt.lmm("Reaction ~ Days + (Days|Subject)", lmt.datasets.load("sleepstudy")).fit()
    rows = pd.DataFrame({"Days": [0.0, np.nan, 3.0], "Subject": ["308", "308", "309"]})
    found = fit.predict(rows, interval="prediction")
    assert found.isna().all(axis=1).tolist() == [False, True, False]
    np.testing.assert_allclose(found.iloc[[0, 2]], fit.predict(rows.iloc[[0, 2]], interval="prediction"), rtol=1e-12)
    assert fit.predict(rows.iloc[:0], interval="prediction").shape == (0, 6)


def test_weights_given_as_values_are_asked_for():
    data = weighted_ratings()
    fit = lmt.lmm("y ~ x + (1|g)", data, weights=data["w"]).fit()
    with pytest.raises(lmt.DataError, match="weights=values"):
        fit.predict(data, interval="prediction")
    by_column = fit.predict(data, weights="w", interval="prediction")
    pd.testing.assert_frame_equal(by_column, fit.predict(data, weights=data["w"], interval="prediction"))
    pd.testing.assert_frame_equal(by_column, fit.predict(interval="prediction"))
    with pytest.raises(lmt.DataError, match="positive"):
        fit.predict(data, weights=0.0, interval="prediction")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"random": "tank"}, "no such grouping factor; there are 'cask:batch', 'batch'"),
        ({"random": "(batch | cask)"}, r"no term \(batch \| cask\); its terms are"),
        ({"random": 3}, "write True, False"),
        ({"interval": "both"}, '"confidence" or "prediction"'),
        ({"interval": "confidence", "alpha": 95}, "between 0 and 1"),
        ({"interval": "confidence", "alpha": "0.05"}, "alpha is '0.05'; it must lie between 0 and 1"),
        ({"weights": 1.0}, "prediction intervals alone"),
        ({"ddf": "t"}, "not known here"),
        ({"method": "bayes"}, '"wald" or "boot"'),
        ({"method": "boot"}, "give interval="),
        ({"method": "boot", "interval": "confidence", "ddf": "residual"}, "leave ddf out"),
        ({"offset": ["a"] * 60}, "'offset' is the offset and must hold numbers, but holds text"),
        ({"unseen": "ignore"}, "not an option"),
        ({"weights": 1.0, "interval": "prediction"}, "without weights"),
        ({"interval": "confidence", "random": False, "ddf": "t"}, "not known here"),
    ],
)
def test_bad_requests_are_refused_with_what_there_is(arguments, message):
    data = lmt.datasets.load("Pastes")
    fit = lmt.lmm("strength ~ 1 + (1|batch/cask)", data).fit()
    with pytest.raises(lmt.DataError, match=message):
        fit.predict(data, **arguments)


def test_effects_of_a_term_are_chosen_as_terms_are():
    data = weighted_ratings()
    fit = lmt.lmm("y ~ x + (x|g) + (1|h)", data).fit()
    parts = [fit.predict(data, random=r) for r in (False, "(1|g)", "(0 + x | g)", "g")]
    np.testing.assert_allclose(parts[1] + parts[2] - parts[0], parts[3], rtol=CLOSE)
    found = fit.predict(data, random=["(1|g)", "h"], interval="confidence")
    blocks = []
    for block in fit.design.blocks:
        own = np.zeros((len(data), block.m, block.l))
        own[np.arange(len(data)), block.codes, 0] = 1.0
        blocks.append(own.reshape(len(data), -1))
    np.testing.assert_allclose(found["mean_se"] ** 2, error_variances(fit, fit.design.X, np.hstack(blocks)), rtol=CLOSE)
    with pytest.raises(lmt.DataError, match="some effects of a term and not the others"):
        fit.predict(data, random="(1|g)", interval="prediction")
    for other in ("(w|g)", "(nothing|g)", "(x|h)"):
        with pytest.raises(lmt.DataError, match="the model has no term"):
            fit.predict(data, random=other)


def test_numbers_for_text_are_told_from_unseen_levels():
    fit = lmt.lmm("Reaction ~ Days + (Days|Subject)", lmt.datasets.load("sleepstudy")).fit()
    rows = pd.DataFrame({"Days": [0.0, 1.0], "Subject": [308, 309]})
    for unseen in ("error", "population"):  # every row would be a stranger's
        with pytest.raises(
            lmt.DataError, match=r"text in the fit and numbers here: write data\['Subject'\].astype\(str\)"
        ):
            fit.predict(rows, unseen=unseen)
    fit.predict(rows.assign(Subject=rows["Subject"].astype(str)))
    data = weighted_ratings().astype({"g": int})
    fit = lmt.lmm("y ~ x + (1|g)", data).fit()
    with pytest.raises(lmt.DataError, match=r"numbers in the fit and text here: write pd.to_numeric\(data\['g'\]\)"):
        fit.predict(data.assign(g=data["g"].astype(str)), unseen="population")


def test_a_number_that_is_no_level_is_named():
    data = weighted_ratings().assign(k=np.arange(160) % 3)
    fit = lmt.lmm("y ~ C(k) + (1|g)", data).fit()
    np.testing.assert_allclose(fit.predict(data.astype({"k": float})), fit.fittedvalues)
    with pytest.raises(
        lmt.DataError, match=r"The factor 'k' has the level 7, which the fit has not seen. Levels: 0, 1, 2"
    ):
        fit.predict(data.assign(k=7))


def test_a_missing_grouping_column_names_the_prediction_without():
    fit = lmt.lmm("Reaction ~ Days + (Days|Subject)", lmt.datasets.load("sleepstudy")).fit()
    with pytest.raises(lmt.DataError, match=r"no column 'Subject', which \(Days \| Subject\) uses.*random=False"):
        fit.predict(pd.DataFrame({"Days": [1.0]}))
    with pytest.raises(lmt.DataError, match=r"no column 'Days', which the fixed part \(Days\) uses"):
        fit.predict(pd.DataFrame({"Subject": ["308"]}))


def test_unseen_levels_are_named_with_their_column():
    fit = lmt.lmm("strength ~ 1 + (1|batch/cask)", lmt.datasets.load("Pastes")).fit()
    rows = pd.DataFrame({"batch": ["A", "Z", None], "cask": ["a", "a", "b"]})
    with pytest.raises(lmt.DataError, match=r"levels of cask:batch: 'a:Z' \(row 1\), 'b:missing' \(row 2\)"):
        fit.predict(rows)


def test_thousands_of_rows_take_a_moment():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"g": rng.integers(0, 300, 6000), "h": rng.integers(0, 200, 6000)}).astype("category")
    data["y"] = rng.normal(size=300)[data["g"].cat.codes] + rng.normal(size=200)[data["h"].cat.codes]
    data["y"] += rng.normal(size=6000)
    fit = lmt.lmm("y ~ 1 + (1|g) + (1|h)", data).fit(engine="pls")
    start = time.process_time()
    fit.predict(data, interval="prediction")
    assert time.process_time() - start < 5.0


def test_levels_not_seen_are_missing_on_request() -> None:
    stool = lmt.datasets.load("ergoStool")
    fit = lmt.lmm("effort ~ Type + (1 | Subject)", stool).fit()
    new = stool.head(4).astype(object)
    new.loc[0, "Type"], new.loc[1, "Subject"], new.loc[2, "Type"] = "T9", "Z", None
    assert fit.predict(new, unseen="missing").isna().tolist() == [True, True, True, False]
    assert fit.predict(new, random=False, unseen="missing").isna().tolist() == [True, False, True, False]
    limits = fit.predict(new, unseen="missing", interval="prediction", ddf="satterthwaite")
    assert limits.isna().all(axis=1).tolist() == [True, True, True, False]
    np.testing.assert_allclose(
        limits.iloc[3], fit.predict(stool.iloc[3:4], interval="prediction", ddf="satterthwaite").iloc[0]
    )
    assert fit.augment(newdata=new, unseen="missing")["fitted"].isna().sum() == 3
    with pytest.raises(lmt.DataError, match="text in the fit and numbers here"):
        fit.predict(new.assign(Subject=[1, 2, 3, 4], Type="T1"), unseen="missing")


def test_a_number_that_a_call_takes_as_a_level_is_missing_too() -> None:
    sleep = lmt.datasets.load("sleepstudy")
    fit = lmt.lmm("Reaction ~ C(Days) + (1 | Subject)", sleep).fit()
    new = sleep.head(2).assign(Days=[17.0, 1.0])
    assert fit.predict(new, unseen="missing").isna().tolist() == [True, False]

"""from_mixedlm() against a dense evaluation of MixedLM's own arrays, and against lme4 where the model is lme4's."""

import json
import pickle
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt

sm = pytest.importorskip("statsmodels.api")
from scipy import sparse  # noqa: E402
from statsmodels.regression.mixed_linear_model import MixedLM, MixedLMParams, VCSpec  # noqa: E402

# The dense evaluation and the engine's are the same closed form.
SAME = 1e-9
# MixedLM's optimiser, told to go on until it stalls, stops within this of lme4's optimum; variances are then known to
# about the square root of it.
OPTIMUM, VARIANCE = 1e-6, 2e-3
TIGHT = {"method": ["powell", "bfgs"], "ftol": 1e-12, "maxiter": 1000}
UNCORRELATED = MixedLMParams.from_components(fe_params=np.ones(2), cov_re=np.eye(2))
RECORDED = json.loads((Path(__file__).parents[3] / "reference" / "lme4.json").read_text())["models"]


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def load(name, as_text=False):
    data = lmt.datasets.load(name).assign(one=1)
    return data.astype({c: str for c in data if isinstance(data[c].dtype, pd.CategoricalDtype)}) if as_text else data


def formula_model(name, formula, *, as_text=False, **keywords):
    return MixedLM.from_formula(formula, load(name, as_text), **keywords)


def sleepstudy_arrays(**keywords):
    data = load("sleepstudy")
    X = sm.add_constant(data[["Days"]])
    return MixedLM(data["Reaction"], X, groups=data["Subject"], **keywords), X


def array_slopes(**keywords):
    model, X = sleepstudy_arrays()
    return MixedLM(model.endog, X.to_numpy(), groups=model.groups.to_numpy(), exog_re=X.to_numpy(), **keywords)


def array_components():
    """(1|batch) + (1|batch:cask) by hand, the matrices sparse."""
    data = load("Pastes")
    batch, cask = data["batch"].cat.codes.to_numpy(), data["cask"].cat.codes.to_numpy()
    casks = [sparse.csr_array(np.eye(3)[cask[batch == g]]) for g in range(10)]
    ones = [sparse.csr_array(np.ones((6, 1))) for _ in range(10)]
    names = [[["cask[a]", "cask[b]", "cask[c]"]] * 10, [["Intercept"]] * 10]
    return MixedLM(
        data["strength"].to_numpy(), np.ones(60), groups=batch, exog_vc=VCSpec(["cask", "b"], names, [casks, ones])
    )


# name -> (model, options of fit, lme4 formula of the random part, recorded lme4 model or None)
CALLS = {
    "plates and samples in one group": (
        lambda: formula_model(
            "Penicillin",
            "diameter ~ 1",
            groups="one",
            vc_formula={"plate": "0 + C(plate)", "sample": "0 + C(sample)"},
        ),
        TIGHT,
        "(1|plate) + (1|sample)",
        "penicillin",
    ),
    "samples inside plates, of text": (
        lambda: formula_model(
            "Penicillin",
            "diameter ~ 1",
            as_text=True,
            groups="plate",
            vc_formula={"plate": "1 + C(plate)", "sample": "0 + C(sample)"},
        ),
        {},
        "(1|plate) + (1|plate:sample)",
        None,
    ),
    "samples inside plates, of categories": (
        lambda: formula_model(
            "Penicillin",
            "diameter ~ 1",
            groups="plate",
            vc_formula={"plate": "1 + C(plate)", "sample": "0 + C(sample)"},
        ),
        {},
        "(1|plate) + (1|plate:sample)",
        None,
    ),
    "casks inside batches": (
        lambda: formula_model(
            "Pastes", "strength ~ 1", groups="batch", re_formula="1", vc_formula={"cask": "0 + C(cask)"}
        ),
        TIGHT,
        "(1|batch) + (1|batch:cask)",
        "pastes_nested",
    ),
    "the sample column inside batches": (
        lambda: formula_model(
            "Pastes", "strength ~ 1", groups="batch", re_formula="1", vc_formula={"s": "0 + C(sample)"}
        ),
        TIGHT,
        "(1|batch) + (1|sample)",
        "pastes_sample",
    ),
    "casks crossed with batches": (
        lambda: formula_model(
            "Pastes", "strength ~ 1", groups="one", vc_formula={"b": "0 + C(batch)", "c": "0 + C(cask)"}
        ),
        TIGHT,
        "(1|batch) + (1|cask)",
        "pastes_cask_crossed",
    ),
    "sparse components by hand": (array_components, TIGHT, "(1|Group:cask) + (1|Group)", "pastes_nested"),
    "intercepts": (
        lambda: formula_model("sleepstudy", "Reaction ~ Days", groups="Subject"),
        TIGHT,
        "(1|Subject)",
        "sleepstudy_intercept",
    ),
    "correlated slopes, ML": (
        lambda: formula_model("sleepstudy", "Reaction ~ Days", groups="Subject", re_formula="~Days"),
        {"reml": False, **TIGHT},
        "(1 + Days|Subject)",
        "sleepstudy_slope",
    ),
    "slopes as components": (
        lambda: formula_model(
            "sleepstudy", "Reaction ~ Days", groups="Subject", vc_formula={"i": "1", "s": "0 + Days"}
        ),
        TIGHT,
        "(1|Subject) + (0 + Days|Subject)",
        "sleepstudy_uncorrelated",
    ),
    "slopes held uncorrelated": (
        lambda: formula_model("sleepstudy", "Reaction ~ Days", groups="Subject", re_formula="~Days"),
        {"free": UNCORRELATED},
        "(1|Subject) + (0 + Days|Subject)",
        "sleepstudy_uncorrelated",
    ),
    "slopes that Powell's method, which ignores free=, does not hold uncorrelated": (
        lambda: formula_model("sleepstudy", "Reaction ~ Days", groups="Subject", re_formula="~Days"),
        {"free": UNCORRELATED, **TIGHT},
        "(1 + Days|Subject)",
        "sleepstudy_slope",
    ),
    "slopes alone": (
        lambda: formula_model("sleepstudy", "Reaction ~ Days", groups="Subject", re_formula="0 + Days"),
        TIGHT,
        "(0 + Days|Subject)",
        "sleepstudy_slope_only",
    ),
    "indicators times a covariate": (
        lambda: formula_model(
            "sleepstudy",
            "Reaction ~ Days",
            groups="one",
            vc_formula={"i": "0 + C(Subject)", "s": "0 + C(Subject):Days"},
        ),
        TIGHT,
        "(1|Subject) + (0 + Days|Subject)",
        "sleepstudy_uncorrelated",
    ),
    "arrays": (array_slopes, TIGHT, "(1 + x_re2|Group)", "sleepstudy_slope"),
    "arrays without square roots": (
        lambda: sleepstudy_arrays(use_sqrt=False)[0],
        {},
        "(1|Subject)",
        "sleepstudy_intercept",
    ),
    "samples as contrasts to the first": (
        lambda: formula_model("Penicillin", "diameter ~ 1", groups="one", vc_formula={"s": "C(sample)"}),
        TIGHT,
        "(1|one) + (1|sample)",
        None,
    ),
    "intercepts and slopes of one variance": (
        lambda: formula_model("sleepstudy", "Reaction ~ Days", groups="Subject", vc_formula={"s": "Days"}),
        {"reml": False, **TIGHT},
        "(1|Subject) + (0 + Days|Subject)",
        None,
    ),
    "machines inside workers, fixed effects of a factor": (
        lambda: formula_model(
            "Machines", "score ~ Machine", groups="Worker", re_formula="1", vc_formula={"m": "0 + C(Machine)"}
        ),
        TIGHT,
        "(1|Worker) + (1|Worker:Machine)",
        "machines_nested",
    ),
}


def dense(result):
    """Criterion, fixed effects and their standard errors at a MixedLM result's variances, from its own arrays."""
    model, n, p = result.model, len(result.model.endog), result.model.exog.shape[1]
    V = np.eye(n)
    cov_re, vcomp = np.asarray(result.cov_re_unscaled), np.atleast_1d(result.vcomp) / result.scale
    for g, label in enumerate(model.group_labels):
        own = np.ix_(model.row_indices[label], model.row_indices[label])
        if model.k_re:
            V[own] += model.exog_re_li[g] @ cov_re @ model.exog_re_li[g].T
        for j, variance in enumerate(vcomp):
            mat = model.exog_vc.mats[j][g]
            V[own] += variance * (mat @ mat.T)
    X, y = model.exog, model.endog
    H = X.T @ np.linalg.solve(V, X)
    beta = np.linalg.solve(H, X.T @ np.linalg.solve(V, y))
    r = y - X @ beta
    dof = n - p if result.method == "REML" else n
    r2 = r @ np.linalg.solve(V, r)
    criterion = np.linalg.slogdet(V)[1] + dof * (1 + np.log(2 * np.pi * r2 / dof))
    if result.method == "REML":
        criterion += np.linalg.slogdet(H)[1]
    fitted = y - np.linalg.solve(V, r)
    return criterion, beta, np.sqrt(r2 / dof * np.diag(np.linalg.inv(H))), r2 / dof, fitted


@pytest.fixture(scope="module")
def results():
    cache = {}

    def fit(name):
        if name not in cache:
            make, options, _, _ = CALLS[name]
            cache[name] = make().fit(**options)
        return cache[name]

    return fit


@pytest.mark.parametrize("name", CALLS)
def test_numbers_are_those_of_the_model_that_was_fitted(name, results):
    result = results(name)
    fit = lmt.from_mixedlm(result)
    criterion, beta, errors, sigma2, fitted = dense(result)
    assert fit.objective == pytest.approx(criterion, rel=SAME)
    np.testing.assert_allclose(fit.params, beta, rtol=SAME)
    np.testing.assert_allclose(fit.bse, errors, rtol=1e-6)
    assert fit.scale == pytest.approx(sigma2, rel=1e-8)
    np.testing.assert_allclose(fit.fittedvalues, fitted, rtol=1e-7)
    assert fit.design.formula.source.endswith(f"+ {CALLS[name][2]}")
    assert fit.mixedlm is result
    assert abs(fit.agreement.difference) < SAME


@pytest.mark.parametrize("name", CALLS)
def test_variances_are_mixedlms_on_the_scale_of_the_data(name, results):
    result = results(name)
    fit = lmt.from_mixedlm(result)
    theirs = [*np.diag(np.asarray(result.cov_re)), *np.atleast_1d(result.vcomp), result.scale]
    ours = fit_variances(fit)
    if fit.design.shared:
        ours = [ours[0], *ours[2:]]
    np.testing.assert_allclose(sorted(ours), sorted(theirs), rtol=1e-6)
    # Every variance parameter is one of MixedLM's.
    assert fit.k_params == len(result.params) + 1 - (name == "slopes held uncorrelated")


def fit_variances(fit):
    frame = fit.varcorr.to_frame()
    return frame.loc[frame["var2"].isna(), "vcov"].tolist()


@pytest.mark.parametrize("name", [name for name, call in CALLS.items() if call[3]])
def test_models_that_are_lme4s_have_lme4s_numbers(name, results):
    fit = lmt.from_mixedlm(results(name))
    want = RECORDED[CALLS[name][3]]["fits"]["REML" if fit.reml else "ML"]
    assert fit.objective == pytest.approx(want["criterion"], rel=OPTIMUM)
    recorded = [v for v, second in zip(want["varcorr"]["vcov"], want["varcorr"]["var2"], strict=True) if second is None]
    np.testing.assert_allclose(sorted(fit_variances(fit)), sorted(recorded), rtol=VARIANCE)
    np.testing.assert_allclose(fit.params, want["fixef"], rtol=1e-4)
    np.testing.assert_allclose(fit.bse, want["std_errors"], rtol=VARIANCE)


def test_the_seed_of_it_all_is_read_as_the_wrong_model_it_is(results):
    with pytest.warns(lmt.LmmWarning, match="cannot be told apart"):
        fit = lmt.from_mixedlm(results("samples inside plates, of text"))
    assert fit.design.formula.source == "diameter ~ 1 + (1|plate) + (1|plate:sample)"
    assert fit.objective == pytest.approx(613.2560, abs=5e-5)
    assert fit.ngroups["plate:sample"] == 144
    assert "only their sum is identified" in " ".join(str(fit).split())


def test_batch_and_cask_declared_crossed_are_another_model_than_nested(results):
    assert lmt.from_mixedlm(results("casks crossed with batches")).objective == pytest.approx(301.47, abs=5e-3)
    assert lmt.from_mixedlm(results("casks inside batches")).objective == pytest.approx(246.99, abs=5e-3)


def test_a_result_that_stopped_short_says_so_and_by_how_much():
    model = formula_model("sleepstudy", "Reaction ~ Days", groups="Subject", re_formula="~Days")
    fit = lmt.from_mixedlm(model.fit(method="bfgs", maxiter=1))
    assert not fit.converged
    best = lmt.lmm("Reaction ~ Days + (Days|Subject)", load("sleepstudy")).fit(engine="pls").objective
    assert f"above {best:.4f}" in " ".join(fit.warnings)


def test_reml_is_read_from_the_result_and_not_from_the_models_last_fit():
    model = formula_model("sleepstudy", "Reaction ~ Days", groups="Subject")
    restricted = model.fit(reml=True)
    model.fit(reml=False)
    fit = lmt.from_mixedlm(restricted)
    assert fit.reml
    assert fit.objective == pytest.approx(RECORDED["sleepstudy_intercept"]["fits"]["REML"]["criterion"], rel=OPTIMUM)
    assert fit.agreement is not None


def test_a_formula_model_predicts_and_an_array_model_says_what_it_needs(results):
    data = load("Machines")
    fit = lmt.from_mixedlm(results("machines inside workers, fixed effects of a factor"))
    np.testing.assert_allclose(fit.predict(data.iloc[::-1]), fit.fittedvalues.iloc[::-1])
    assert list(fit.random_effects["Worker"].index) == list(data["Worker"].cat.categories)
    arrays = lmt.from_mixedlm(results("arrays"))
    with pytest.raises(lmt.DataError, match="x1"):
        arrays.predict(pd.DataFrame({"Days": [1.0]}))


@pytest.mark.parametrize("name", ["samples as contrasts to the first", "intercepts and slopes of one variance"])
def test_one_variance_for_several_columns_is_one_parameter(name, results):
    result = results(name)
    fit = lmt.from_mixedlm(result)
    assert fit.converged
    assert "share one variance" in fit.warnings[0]
    # Standard errors: the dense criterion's curvature in (variance, residual variance), by differences.
    v, s2 = float(result.vcomp[0]), result.scale
    h = 1e-3 * np.array([v, s2])

    def at(i, j):
        return dense_at(result, v + i * h[0], s2 + j * h[1])

    H = np.empty((2, 2))
    H[0, 0] = (at(1, 0) - 2 * at(0, 0) + at(-1, 0)) / h[0] ** 2
    H[1, 1] = (at(0, 1) - 2 * at(0, 0) + at(0, -1)) / h[1] ** 2
    H[0, 1] = H[1, 0] = (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)) / (4 * h[0] * h[1])
    errors = np.sqrt(np.diag(np.linalg.inv(H / 2)))
    np.testing.assert_allclose(fit.varcorr_bse["se_vcov"].to_numpy()[[0, 1, 2]], errors[[0, 0, 1]], rtol=1e-3)
    patched = lmt.patch_summary(result)
    assert patched.bse["s Var"] == pytest.approx(errors[0], rel=1e-3)
    with pytest.raises(lmt.EngineError, match="share one variance"):
        fit.refit(fit.design.y)
    with pytest.raises(lmt.EngineError, match="share one variance"):
        fit.refit_many(fit.design.y[:, None])


def dense_at(result, variance, sigma2):
    """-2 log (restricted) likelihood of a model of one component, nothing profiled but the fixed effects."""
    model, n = result.model, len(result.model.endog)
    V = sigma2 * np.eye(n)
    for g, label in enumerate(model.group_labels):
        mat = model.exog_vc.mats[0][g]
        V[np.ix_(model.row_indices[label], model.row_indices[label])] += variance * (mat @ mat.T)
    X, y = model.exog, model.endog
    H = X.T @ np.linalg.solve(V, X)
    r = y - X @ np.linalg.solve(H, X.T @ np.linalg.solve(V, y))
    value = np.linalg.slogdet(V)[1] + r @ np.linalg.solve(V, r)
    return value + np.linalg.slogdet(H)[1] if result.method == "REML" else value


def test_a_shared_variance_that_stopped_short_says_so():
    model = formula_model("sleepstudy", "Reaction ~ Days", groups="Subject", vc_formula={"s": "Days"})
    fit = lmt.from_mixedlm(model.fit(start_params=np.array([5.0]), method="bfgs", maxiter=0))
    assert not fit.converged
    assert "stopped short" in " ".join(fit.warnings)


def test_rows_left_out_by_mixedlm_stay_out_and_keep_their_labels():
    data = load("sleepstudy")
    data.loc[[3, 50], "Reaction"] = np.nan
    data.index += 1000
    model = MixedLM.from_formula("Reaction ~ Days", data, groups="Subject", re_formula="~Days", missing="drop")
    fit = lmt.from_mixedlm(model.fit(**TIGHT))
    want = lmt.lmm("Reaction ~ Days + (Days|Subject)", data).fit(engine="pls")
    assert fit.objective == pytest.approx(want.objective, rel=OPTIMUM)
    assert list(fit.fittedvalues.index) == list(want.fittedvalues.index)
    np.testing.assert_allclose(fit.predict(data.iloc[[3]]), want.predict(data.iloc[[3]]), rtol=1e-3)


def test_a_variance_of_zero_is_a_certified_boundary():
    fit = lmt.from_mixedlm(formula_model("Dyestuff2", "Yield ~ 1", groups="Batch").fit())
    want = RECORDED["dyestuff2"]["fits"]["REML"]
    assert fit.is_singular
    assert fit.converged
    assert fit.objective == pytest.approx(want["criterion"], rel=OPTIMUM)
    np.testing.assert_allclose(fit.params, want["fixef"], rtol=1e-9)


def test_effects_of_a_numeric_factor_predict_as_a_factors():
    data = load("Machines").assign(k=lambda d: d["Machine"].cat.codes)
    model = MixedLM.from_formula("score ~ C(k)", data, groups="Worker", re_formula="C(k)")
    fit = lmt.from_mixedlm(model.fit(method="powell"))
    np.testing.assert_allclose(fit.predict(data.iloc[::-1]), fit.fittedvalues.iloc[::-1])


def test_penalised_fixed_effects_are_refused_where_the_penalty_moved_them():
    model, X = sleepstudy_arrays()
    bare = MixedLM(model.endog, X.to_numpy(), groups=model.groups.to_numpy())
    result = bare.fit_regularized(alpha=2000.0)
    with pytest.raises(lmt.EngineError, match=r"were penalised.*model\.fit\(\)"):
        lmt.from_mixedlm(result)
    (finding,) = (f for f in lmt.lint(result).findings if f.code == "penalised")
    assert "shrunk towards zero" in finding.message
    assert "no-estimate" not in {f.code for f in lmt.lint(result).findings}


def test_a_penalty_of_zero_is_no_penalty():
    model, X = sleepstudy_arrays()
    bare = MixedLM(model.endog, X.to_numpy(), groups=model.groups.to_numpy())
    fit = lmt.from_mixedlm(bare.fit_regularized(alpha=0.0))
    assert fit.params["const"] == pytest.approx(RECORDED["sleepstudy_intercept"]["fits"]["REML"]["fixef"][0], rel=1e-6)
    assert not any(f.code == "penalised" for f in lmt.lint(bare.fit()).findings), lmt.lint(bare.fit()).findings


def test_a_pickled_result_is_read():
    result = formula_model("sleepstudy", "Reaction ~ Days", groups="Subject").fit()
    again = lmt.from_mixedlm(pickle.loads(pickle.dumps(result)))
    np.testing.assert_allclose(again.params, lmt.from_mixedlm(result).params, rtol=1e-12)


def test_a_result_outside_the_parameter_space_is_refused():
    # What MixedLM says of it is that the optimisation did not converge; its slopes have a variance of -2085.
    result = array_slopes(use_sqrt=False).fit(method="lbfgs")
    assert np.linalg.eigvalsh(result.cov_re)[0] < 0
    with pytest.raises(lmt.EngineError, match="use_sqrt=True"):
        lmt.from_mixedlm(result)


def test_a_result_without_its_data_is_refused():
    result = formula_model("sleepstudy", "Reaction ~ Days", groups="Subject").fit()
    result.model.exog = None
    with pytest.raises(lmt.DataError, match="lost its data"):
        lmt.from_mixedlm(result)
    with pytest.raises(lmt.DataError, match="not MixedLM"):
        lmt.from_mixedlm(result.model)

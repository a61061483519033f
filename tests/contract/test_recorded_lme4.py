"""Every engine against the recorded lme4 fits.

lme4's recorded optima were polished, yet are not exact. A criterion may be lower than lme4's; parameters may then
differ by what the flatness of the criterion allows: where the criterion agrees to CRITERION relative, a parameter is
known to about the square root of twice that times its standard error, which PARAMETER states relative to the
parameter's own size for well-determined models.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from lmmtools.engines import lme4
from lmmtools.errors import LmmWarning, TranslationError
from lmmtools.results.lmm_results import LMMResults
from tests.live_lme4 import require_lme4
from tests.reference_data import Recorded, all_fits

CRITERION = 1e-9
PARAMETER = 2e-6
FIXED = 1e-6

ENGINES = ("auto", "pls", "mixedlm", "lme4")
# lme4's own optimisers stop early by default, and on this one model whatever they are told.
TIGHT = {"optimizer": "bobyqa", "control": {"rhoend": 1e-9, "calc.derivs": False}}
LME4_STOPS_SHORT = {"cake_slope"}


@pytest.fixture(scope="module")
def fitted():
    """Fits shared by the tests of this module: one per recorded fit and engine."""
    cache = {}

    def fit_all_in_r():
        require_lme4()
        recorded = [r for r in all_fits() if r.name not in LME4_STOPS_SHORT]
        designs = [r.declare().design for r in recorded]
        estimates = lme4.fit_several(designs, reml=[r.reml for r in recorded], **TIGHT)
        for r, design, estimate in zip(recorded, designs, estimates, strict=True):
            cache[str(r), "lme4"] = LMMResults(design, estimate)

    def fit(recorded: Recorded, engine: str):
        key = str(recorded), engine
        if engine == "lme4" and key not in cache:
            fit_all_in_r()
        if key not in cache:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", LmmWarning)
                try:
                    cache[key] = recorded.declare().fit(reml=recorded.reml, engine=engine)
                except TranslationError as error:
                    cache[key] = error
        if isinstance(cache[key], TranslationError):
            pytest.skip(f"no MixedLM form: {str(cache[key]).splitlines()[0]}")
        return cache[key]

    return fit


def cases():
    small = [(r, e) for r in all_fits() for e in ENGINES if not (e == "lme4" and r.name in LME4_STOPS_SHORT)]
    large = [(r, "pls") for r in all_fits(large=True) if r.model["dataset"] == "InstEval"]
    return [pytest.param(r, e, id=f"{r}-{e}") for r, e in small + large]


@pytest.mark.parametrize(("recorded", "engine"), cases())
def test_criterion_is_at_or_below_lme4s(recorded, engine, fitted):
    fit, want = fitted(recorded, engine), recorded.fit["criterion"]
    assert fit.objective <= want + CRITERION * max(1, abs(want))
    assert fit.objective >= want - 1e-6 * max(1, abs(want))
    assert fit.converged


@pytest.mark.parametrize(("recorded", "engine"), cases())
def test_variance_components_are_lme4s(recorded, engine, fitted):
    fit, want = fitted(recorded, engine), recorded.fit["varcorr"]
    frame = fit.varcorr.to_frame()
    assert list(frame["grp"]) == want["grp"]
    top = max(want["vcov"])
    vcov = np.array(want["vcov"], dtype=float)
    np.testing.assert_allclose(frame["vcov"], vcov, rtol=PARAMETER * 10, atol=PARAMETER * top)
    np.testing.assert_allclose(fit.sigma, recorded.fit["sigma"], rtol=PARAMETER)
    np.testing.assert_allclose(fit.theta, recorded.fit["theta"], rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize(("recorded", "engine"), cases())
def test_fixed_effects_are_lme4s(recorded, engine, fitted):
    fit, want = fitted(recorded, engine), recorded.fit
    # statsmodels spaces the code inside a name as Python does: I(Days ** 2).
    assert [name.replace(" ", "") for name in fit.params.index] == [
        name.replace(" ", "") for name in want["fixef_names_python"]
    ]
    se = np.array(want["std_errors"])
    np.testing.assert_allclose(fit.params, want["fixef"], rtol=FIXED, atol=FIXED * se.max())
    np.testing.assert_allclose(fit.bse, se, rtol=1e-5)
    np.testing.assert_allclose(fit.tvalues, want["t_values"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(fit.cov_params(), want["fixef_vcov"], rtol=2e-5, atol=2e-5 * (se**2).max())


@pytest.mark.parametrize(("recorded", "engine"), cases())
def test_information_criteria_and_sizes_are_lme4s(recorded, engine, fitted):
    fit, want = fitted(recorded, engine), recorded.fit
    assert (fit.nobs, fit.k_params, fit.df_resid) == (want["nobs"], want["n_params"], want["df_residual"])
    np.testing.assert_allclose([fit.llf, fit.aic, fit.bic], [want["logLik"], want["AIC"], want["BIC"]], rtol=1e-7)
    assert dict(fit.ngroups) == want["ngrps"]
    assert fit.is_singular == want["is_singular"]
    assert fit.nobs == len(fit.design.rows) == fit.design.dropped.n_input - want["rows_dropped"]
    assert len(fit.design.dropped.columns) == len(want["dropped_columns"])


@pytest.mark.parametrize(("recorded", "engine"), cases())
def test_random_effects_and_their_variances_are_lme4s(recorded, engine, fitted):
    fit, want = fitted(recorded, engine), recorded.fit["ranef"]
    for factor, entry in want.items():
        modes = fit.random_effects[factor]
        shown = len(entry["levels"])
        assert list(map(str, modes.index[:shown])) == entry["levels"], (factor, entry)
        values = np.array(entry["modes"], dtype=float)
        spread = np.abs(values).max() or 1.0
        np.testing.assert_allclose(modes.to_numpy()[:shown], values, rtol=1e-4, atol=2e-5 * spread)
        conditional = fit.random_effects_cov[factor].to_numpy().reshape(entry["n_levels"], modes.shape[1], -1)[:shown]
        at = 0
        for term in entry["cond_var"]:
            l = len(term["effects"])
            ours = conditional[:, at : at + l, at : at + l]
            recorded_values = np.array(term["values"], dtype=float)
            np.testing.assert_allclose(
                ours, recorded_values, rtol=1e-3, atol=5e-5 * max(np.abs(recorded_values).max(), 1e-12)
            )
            at += l


@pytest.mark.parametrize(("recorded", "engine"), cases())
def test_fitted_values_are_lme4s(recorded, engine, fitted):
    fit, want = fitted(recorded, engine), recorded.fit.get("fitted")
    if not want:
        pytest.skip("not recorded for this model")
    np.testing.assert_allclose(fit.fittedvalues.iloc[: len(want)], want, rtol=1e-6, atol=2e-5 * fit.sigma)

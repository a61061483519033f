"""engine="lme4" against pls and MixedLM on one set of declared models, and what crosses into R and back.

All three evaluate the same criterion; the optimum is flat, so that criteria that agree to CRITERION leave parameters
that agree to about its square root.
"""

from __future__ import annotations

import time
import warnings

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.engines import lme4
from lmmtools.errors import BoundaryWarning, ConvergenceWarning, LmmWarning, TranslationError
from lmmtools.results.lmm_results import LMMResults
from tests.live_lme4 import require_lme4

pytestmark = pytest.mark.live_r

# lme4's criterion at its own theta and ours at the same theta: rounding only.
SAME_THETA = 1e-11
# How far bobyqa stops above the optimum when told to go on (TIGHT).
CRITERION = 1e-8
PARAMETER = 2e-4
DOSES = ["low", "mid", "high"]
TIGHT = {"optimizer": "bobyqa", "control": {"rhoend": 1e-9}}


def simulated() -> pd.DataFrame:
    """An unbalanced data set whose names and levels are what people have, and what an evaluator must never see."""
    rng = np.random.default_rng(12)
    n = 240
    school, pupil = rng.integers(0, 12, n), rng.integers(0, 20, n)
    item = rng.integers(0, 9, n)
    x, t = rng.normal(3, 2, n), rng.uniform(0, 10, n)
    effects = rng.normal(size=(20, 5)) * [2.0, 0.5, 1.0, 0.7, 0.4]
    y = 10 + 0.5 * x - 0.2 * t + effects[school, 0] + effects[school, 1] * x + effects[item, 2] + effects[pupil, 3]
    nasty = ['"; quit(status = 3); "', "`stop('x')`", "a:b", "é ü", "\\n", "NA", "TRUE", "#", "1e5", "", "lmm_g1", "0"]
    return pd.DataFrame(
        {
            "y": y + rng.normal(size=n),
            "x": x,
            "t": t,
            "my school": pd.Categorical([nasty[i] for i in school], categories=nasty[::-1]),
            "school": school,
            "pupil": pupil,
            "item": [f"item {i}" for i in item],
            "dose": pd.Categorical(
                rng.choice(["low", "mid", "high"], n), categories=["low", "mid", "high"], ordered=True
            ),
            "flag": rng.random(n) < 0.4,
            "w": rng.uniform(0.3, 3.0, n),
            "o": rng.normal(size=n),
            "größe": rng.normal(size=n),
            "system('exit')": rng.normal(size=n),
        }
    )


DATA = simulated()
MODELS = {
    "one factor": ("y ~ x + (1|school)", {}),
    "no fixed effects": ("y ~ 0 + (1|school)", {}),
    "crossed": ("y ~ x + t + (1|school) + (1|item)", {}),
    "crossed with missing values": ("y ~ gappy + (1|school) + (1|item)", {}),
    "nested": ("y ~ x + (1|school/pupil)", {}),
    "nested and crossed": ("y ~ x + (1|school/pupil) + (1|item)", {}),
    "slope": ("y ~ x + (x|school)", {}),
    "slope without intercept": ("y ~ x + (0 + x|school)", {}),
    "uncorrelated slope": ("y ~ x + (x||school)", {}),
    "slope and crossed": ("y ~ x + (x|school) + (1|item)", {}),
    "two vector terms": ("y ~ x + (x|school) + (t|item)", {}),
    "factor by group": ("y ~ dose + (1|school) + (0 + dose|item)", {}),
    "treatment contrasts, ordered levels": ("y ~ dose * x + (1|school)", {}),
    "sum contrasts": ("y ~ C(dose, contr.sum) + (1|school)", {}),
    "polynomial": ("y ~ poly(x, 2) + (1|school)", {}),
    "boolean and integer factor": ("y ~ flag + C(pupil) + (1|school)", {}),
    "weights": ("y ~ x + (x|school)", {"weights": "w"}),
    "offset": ("y ~ x + (1|school) + (1|item)", {"offset": "o"}),
    "weights and offset": ("y ~ x + (1|item) + (1|school)", {"weights": "w", "offset": "o"}),
    "names and levels that are code": ("y ~ `system('exit')` + größe + (größe|`my school`)", {}),
    "rank deficient": ("y ~ x + I(2 * x) + (1|school)", {}),
    "a variance of zero": ("o ~ x + (1|school) + (1|item)", {}),
    "transformed": ("np.exp(y / 10) ~ np.log(t + 1) + (1|school:item)", {}),
}
CASES = [(name, reml) for name in MODELS for reml in (True, False)]


def declare(name: str) -> lmt.Model:
    formula, given = MODELS[name]
    gappy = DATA["x"].where(np.arange(len(DATA)) % 11 > 0)
    return lmt.lmm(formula, DATA.assign(gappy=gappy), **given)


@pytest.fixture(scope="module")
def fitted():
    """{(model, criterion): lme4's fit}, all from one R process."""
    require_lme4()
    models = {case: declare(case[0]) for case in CASES}
    designs = [model.design for model in models.values()]
    estimates = lme4.fit_several(designs, reml=[reml for _, reml in CASES], **TIGHT)
    return {case: LMMResults(d, e) for case, d, e in zip(CASES, designs, estimates, strict=True)}


@pytest.mark.parametrize(("name", "reml"), CASES)
def test_lme4_evaluates_the_same_criterion(name, reml, fitted):
    fit = fitted[name, reml]
    assert fit.engine == "lme4"
    assert abs(fit.agreement.difference) < SAME_THETA
    assert fit.estimate.n_evaluations > 1


@pytest.mark.parametrize("engine", ["pls", "mixedlm"])
@pytest.mark.parametrize(("name", "reml"), CASES)
def test_engines_find_the_same_optimum(name, reml, engine, fitted):
    theirs = fitted[name, reml]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmmWarning)
        try:
            ours = declare(name).fit(engine=engine, reml=reml)
        except TranslationError:
            pytest.skip("no MixedLM form")
    assert ours.objective == pytest.approx(theirs.objective, rel=CRITERION)
    assert ours.objective <= theirs.objective + 1e-10 * abs(theirs.objective)
    assert theirs.converged
    np.testing.assert_allclose(ours.theta, theirs.theta, rtol=PARAMETER, atol=PARAMETER)
    assert ours.sigma == pytest.approx(theirs.sigma, rel=PARAMETER)
    np.testing.assert_allclose(ours.params, theirs.params, rtol=PARAMETER, atol=PARAMETER * ours.sigma)
    np.testing.assert_allclose(ours.bse, theirs.bse, rtol=PARAMETER)
    assert list(ours.params.index) == list(theirs.params.index)
    np.testing.assert_allclose(ours.fittedvalues, theirs.fittedvalues, atol=PARAMETER * ours.sigma)
    assert ours.is_singular == theirs.is_singular
    for factor, modes in theirs.random_effects.items():
        pd.testing.assert_frame_equal(modes, ours.random_effects[factor], atol=5 * PARAMETER * ours.sigma)


def test_through_the_model_with_warnings_and_time():
    require_lme4()
    started = time.perf_counter()
    with pytest.warns(BoundaryWarning):
        fit = lmt.lmm("Yield ~ 1 + (1|Batch)", lmt.datasets.load("Dyestuff2")).fit(engine="lme4")
    whole = time.perf_counter() - started
    assert fit.is_singular
    assert "lme4: boundary (singular) fit: see help('isSingular')" in fit.warnings
    # Of lmer() alone: starting R takes longer.
    assert 0 <= fit.fit_seconds < whole
    assert fit.mixedlm is None
    assert "engine: R's lme4; global optimum\nlmmtools' likelihood at this optimum agrees to 10 digits" in str(
        fit.summary()
    )


def test_a_model_that_lme4_refuses_leaves_the_others_alone():
    require_lme4()
    formulas = ("y ~ x + (1|school)", "y ~ x + I(1000000 * t) + (1|school)", "y ~ x + (1|school)")
    designs = [lmt.lmm(formula, DATA).design for formula in formulas]
    first, second, third = lme4.fit_several(designs, control={"check.scaleX": "stop"})
    assert isinstance(second, lmt.EngineError)
    assert "refused the model y ~ x + I(1000000 * t) + (1 | school): Some predictor variables" in str(second)
    assert first.objective == third.objective


def test_what_stops_short_is_found_out_by_the_exact_gradient():
    require_lme4()
    model = lmt.lmm("Reaction ~ Days + (Days|Subject)", lmt.datasets.load("sleepstudy"))
    with pytest.warns(ConvergenceWarning, match="the optimum is not certified"):
        short = model.fit(engine="lme4", control={"maxeval": 6})
    assert not short.converged
    gap = short.objective - model.fit(engine="pls").objective
    assert gap > 1e-3
    assert any(f"is {gap:.2g} above" in text for text in short.warnings), short.warnings


def test_a_start_at_the_optimum_ends_there():
    require_lme4()
    model = lmt.lmm("Reaction ~ Days + (Days|Subject)", lmt.datasets.load("sleepstudy"))
    ours = model.fit(engine="pls")
    theirs = model.fit(engine="lme4", start=ours.theta)
    np.testing.assert_allclose(theirs.theta, ours.theta, atol=1e-6)


def test_a_table_of_fits_has_a_live_fit_of_lme4_beside_ours() -> None:
    require_lme4()
    model = lmt.lmm("yield ~ nitro + (1 | Block/Variety)", lmt.datasets.load("Oats"))
    table = lmt.tables.side_by_side(model.fit(), model.fit(engine="lme4"))
    frame = table.to_frame(formatted=True)
    ours, theirs = (list(frame.iloc[:, i]) for i in range(2))
    different = {label: pair for label, *pair in zip(frame.index, ours, theirs, strict=True) if pair[0] != pair[1]}
    assert list(different.values()) == [["lmmtools", "lme4"]], different

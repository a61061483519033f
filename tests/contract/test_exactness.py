"""Closed forms and invariances that every engine keeps."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import lmmtools as lmt
from lmmtools.errors import LmmWarning

# Six significant digits of the ratios are asked for; the conditioning keeps nine.
RATIO = 1e-9
# Six digits of the exact variances are asked for; the optimiser stops when the criterion can fall by no more than its
# rounding error, which leaves half of the sixteen digits to the flattest variance.
VARIANCE = 1e-7
ENGINES = ("auto", "pls", "mixedlm")

# Exact REML variances of balanced designs, from their mean squares.
EXACT = {
    ("Dyestuff", "Yield ~ 1 + (1|Batch)"): (1764.05, 2451.25),
    ("Pastes", "strength ~ 1 + (1|batch/cask)"): (8.433666666666667, 1.6573086419753087, 0.678),
    ("Penicillin", "diameter ~ 1 + (1|plate) + (1|sample)"): (
        0.7169082125603865,
        3.7309178743961353,
        0.3024154589371981,
    ),
}


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmmWarning)
        yield


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("name", "formula"), EXACT, ids=[name for name, _ in EXACT])
def test_balanced_designs_have_their_exact_variances(name, formula, engine):
    fit = lmt.lmm(formula, lmt.datasets.load(name)).fit(engine=engine)
    np.testing.assert_allclose(fit.varcorr.to_frame()["vcov"], EXACT[name, formula], rtol=VARIANCE)


MODELS = [
    ("Pastes", "strength ~ 1 + (1|batch/cask)", "strength"),
    ("Penicillin", "diameter ~ 1 + (1|plate) + (1|sample)", "diameter"),
    ("sleepstudy", "Reaction ~ Days + (Days|Subject)", "Reaction"),
    ("Dyestuff2", "Yield ~ 1 + (1|Batch)", "Yield"),
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("name", "formula", "response"), MODELS, ids=[m[0] for m in MODELS])
@pytest.mark.parametrize(("factor", "shift"), [(1e6, 0), (1e-6, 0), (1, 1e9), (1e6, 1e9)])
def test_units_of_the_response_do_not_matter(name, formula, response, factor, shift, engine):
    data = lmt.datasets.load(name)
    plain = lmt.lmm(formula, data).fit(engine=engine)
    moved = lmt.lmm(formula, data.assign(**{response: factor * data[response] + shift})).fit(engine=engine)
    # A shift of 1e9 leaves y itself with some seven digits after the point of a spread near one.
    tolerance = RATIO if shift == 0 else 1e-6
    np.testing.assert_allclose(moved.theta, plain.theta, rtol=tolerance, atol=tolerance)
    assert moved.sigma / factor == pytest.approx(plain.sigma, rel=tolerance)
    np.testing.assert_allclose(moved.bse / factor, plain.bse, rtol=tolerance)
    expected = factor * plain.params + shift * (np.array(plain.params.index) == "Intercept")
    np.testing.assert_allclose(moved.params, expected, rtol=tolerance)
    assert moved.is_singular == plain.is_singular
    assert moved.converged


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("unit", [1e-8, 1e8])
def test_units_of_a_covariate_do_not_matter(unit, engine):
    data = lmt.datasets.load("sleepstudy")
    plain = lmt.lmm("Reaction ~ Days + (Days|Subject)", data).fit(engine=engine)
    moved = lmt.lmm("Reaction ~ Days + (Days|Subject)", data.assign(Days=data["Days"] * unit)).fit(engine=engine)
    assert moved.params["Days"] * unit == pytest.approx(plain.params["Days"], rel=RATIO)
    sd = plain.varcorr.terms[0].sd, moved.varcorr.terms[0].sd
    np.testing.assert_allclose(sd[1] * [1, unit], sd[0], rtol=1e-7)
    assert moved.objective - plain.objective == pytest.approx(2 * np.log(unit), abs=1e-6)
    assert not moved.is_singular


@pytest.mark.parametrize("engine", ENGINES)
def test_the_order_of_rows_does_not_matter(engine):
    data = lmt.datasets.load("Pastes")
    shuffled = data.sample(frac=1, random_state=3)
    formula = "strength ~ 1 + (1|batch/cask)"
    one, two = (lmt.lmm(formula, d).fit(engine=engine) for d in (data, shuffled))
    assert two.objective == pytest.approx(one.objective, rel=1e-12)
    np.testing.assert_allclose(two.fittedvalues.loc[data.index], one.fittedvalues, rtol=1e-8)


@pytest.mark.parametrize("engine", ENGINES)
def test_two_fits_of_one_model_are_the_same(engine):
    model = lmt.lmm("Reaction ~ Days + (Days|Subject)", lmt.datasets.load("sleepstudy"))
    first, second = model.fit(engine=engine), model.fit(engine=engine)
    assert first.objective == second.objective
    np.testing.assert_array_equal(first.theta, second.theta)

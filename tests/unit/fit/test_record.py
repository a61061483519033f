"""The record of a fit on another response, design or estimate, against fits made from the start."""

from __future__ import annotations

import gc
import weakref
from dataclasses import fields, replace

import numpy as np
import pytest

import lmmtools as lmt
from lmmtools.design.stack import keep_rows
from lmmtools.fit.record import Fit
from lmmtools.inference.degrees import degrees

# Two searches of one criterion from the same start end within rounding.
RTOL = 1e-9


@pytest.fixture
def fit() -> lmt.LMMResults:
    return lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")


def test_a_response_in_other_units_scales_the_estimates(fit):
    moved = fit.on_response(10.0 * fit.design.y)
    assert type(moved) is lmt.LMMResults
    np.testing.assert_allclose(moved.params, 10.0 * fit.params, rtol=RTOL)
    np.testing.assert_allclose(moved.resid, 10.0 * fit.resid, rtol=1e-6, atol=1e-6)


def test_a_design_without_rows_is_fitted_as_data_without_them(fit):
    keep = np.arange(fit.nobs) % 7 != 0
    data = lmt.datasets.load("sleepstudy")[keep]
    direct = lmt.lmm("Reaction ~ Days + (Days | Subject)", data).fit(engine="pls")
    moved = fit.on_design(keep_rows(fit.design, keep))
    assert moved.objective == pytest.approx(direct.objective, rel=RTOL)
    assert moved.nobs == keep.sum() == moved.problem.n


def test_another_estimate_keeps_the_cross_products_and_none_of_what_was_said(fit):
    said = replace(fit, warnings=("of the first estimate",))
    moved = said.with_estimate(replace(fit.estimate, sigma=2.0 * fit.sigma))
    assert moved.sigma == 2.0 * fit.sigma
    assert moved.problem is said.problem
    assert moved.warnings == ()


def test_results_are_a_record_with_the_same_fields(fit):
    record = Fit(**{f.name: getattr(fit, f.name) for f in fields(Fit)})
    assert [f.name for f in fields(lmt.LMMResults)] == [f.name for f in fields(Fit)]
    assert str(lmt.LMMResults.of(record).summary()) == str(fit.summary())


def test_degrees_of_freedom_are_found_once_and_go_with_the_fit(fit):
    copy = fit.with_estimate(fit.estimate)
    assert degrees(copy, "satterthwaite") is degrees(copy, "satterthwaite")
    gone = weakref.ref(copy)
    del copy
    gc.collect()
    assert gone() is None

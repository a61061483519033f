"""Warnings point to the caller's line, however many calls lie between."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import pytest

import lmmtools as lmt
from lmmtools.errors import BoundaryWarning, ConvergenceWarning, EngineError, FewDrawsWarning, ProfileLimitWarning
from lmmtools.inference import likelihood_ratio, ranova
from lmmtools.inference.profile.coordinates import Coordinates


def places_of(category, call):
    """Return the files to which the warnings of a category point, at least one."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    found = [w for w in caught if w.category is category]
    assert found, f"no {category.__name__} was raised"
    return {w.filename for w in found}


@pytest.mark.parametrize("door", ["fit", "compare"])
def test_a_warning_points_to_the_line_that_called_the_package(door):
    model = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff2"))
    calls = {"fit": lambda: model.fit(engine="pls"), "compare": lambda: lmt.compare(model, "pls", "pls")}
    assert places_of(BoundaryWarning, calls[door]) == {__file__}


def test_a_warning_of_a_result_of_statsmodels_points_to_the_line_that_reads_it():
    smf = pytest.importorskip("statsmodels.formula.api")
    data = lmt.datasets.load("Dyestuff2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = smf.mixedlm("Yield ~ 1", data, groups="Batch").fit()
    assert places_of(BoundaryWarning, lambda: lmt.from_mixedlm(result)) == {__file__}
    assert places_of(BoundaryWarning, lambda: lmt.compare(result, result)) == {__file__}


def failing_profile(monkeypatch):
    """Return a fit of which a profile's deviance can be evaluated nowhere around the estimates."""

    def evaluate(self, v, x):
        raise EngineError("out of range")

    monkeypatch.setattr(Coordinates, "evaluate", evaluate)
    return lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")


@pytest.mark.parametrize("door", ["bootstrap(...).conf_int", "conf_int(boot)", "predict(boot)"])
def test_a_warning_of_few_draws_points_to_the_line_that_called_the_package(door):
    fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    doors = {
        "bootstrap(...).conf_int": lambda: fit.bootstrap(5, rng=1).conf_int(),
        "conf_int(boot)": lambda: fit.conf_int(method="boot", n=5, rng=1),
        "predict(boot)": lambda: fit.predict(
            lmt.datasets.load("Dyestuff").head(1), interval="confidence", method="boot", n=5, rng=1
        ),
    }
    assert places_of(FewDrawsWarning, doors[door]) == {__file__}


@pytest.mark.parametrize("door", ["profile().conf_int", "conf_int(profile)"])
def test_a_warning_of_a_limit_that_was_not_found_points_to_the_line_that_called_the_package(door, monkeypatch):
    fit = failing_profile(monkeypatch)
    doors = {
        "profile().conf_int": lambda: fit.profile().conf_int(),
        "conf_int(profile)": lambda: fit.conf_int(method="profile"),
    }
    assert places_of(ProfileLimitWarning, doors[door]) == {__file__}


@pytest.mark.parametrize("door", ["lrt", "ranova"])
def test_a_warning_of_a_negative_likelihood_ratio_points_to_the_line_that_called_the_package(door, monkeypatch):
    monkeypatch.setattr(likelihood_ratio, "lower_estimate", lambda fit, theta: fit.estimate)
    monkeypatch.setattr(ranova, "lower_estimate", lambda fit, theta: fit.estimate)
    smaller, larger = (
        lmt.lmm(f"Reaction ~ Days + ({effects} | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        for effects in ("1", "Days")
    )
    fit = larger.with_estimate(replace(larger.estimate, objective=larger.objective + 100.0))
    doors = {"lrt": lambda: lmt.anova(smaller, fit, refit=False), "ranova": fit.ranova}
    assert places_of(ConvergenceWarning, doors[door]) == {__file__}


def test_no_module_but_errors_counts_the_calls_to_the_caller():
    package = Path(lmt.__file__).parent
    counting = [p.name for p in package.rglob("*.py") if "warnings.warn(" in p.read_text(encoding="utf-8")]
    assert counting == ["errors.py"], "use errors.warn_caller, which finds the user's line"

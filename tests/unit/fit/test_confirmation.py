"""fit.confirm(): MixedLM searches from its own start; only what it finds nothing below is confirmed."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.engines import mixedlm
from lmmtools.errors import EngineError

# MixedLM's search stops on a gradient; beyond that digit its criterion is the optimiser's.
SEARCHED = 1e-5


def fitted(formula, name, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lmt.LmmWarning)
        return lmt.lmm(formula, lmt.datasets.load(name)).fit(**options)


@pytest.mark.parametrize(
    ("formula", "name"),
    [
        ("Reaction ~ Days + (Days | Subject)", "sleepstudy"),
        ("diameter ~ 1 + (1 | plate) + (1 | sample)", "Penicillin"),
        ("Yield ~ 1 + (1 | Batch)", "Dyestuff2"),
    ],
)
@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("engine", ["auto", "pls", "mixedlm"])
def test_the_classics_are_confirmed(formula, name, reml, engine):
    fit = fitted(formula, name, reml=reml, engine=engine)
    found = fit.confirm()
    assert found.confirmed
    assert found.is_same_optimum
    assert found.found == pytest.approx(fit.objective, abs=SEARCHED)
    np.testing.assert_allclose(found.theta, fit.theta, atol=2e-3)
    assert "MixedLM confirms the optimum" in str(found)
    assert ("REML criterion" in str(found)) is reml


def test_a_fit_that_is_not_at_the_lowest_value_is_not_confirmed():
    # The fit as it would be had its search stopped at theta = 0.
    fit = fitted("diameter ~ 1 + (1 | plate)", "Penicillin")
    from lmmtools import core

    at_zero = core.recover(fit.problem, np.zeros(1), True)
    stuck = replace(fit, estimate=replace(fit.estimate, theta=at_zero.theta, objective=at_zero.objective))
    found = stuck.confirm()
    assert not found.confirmed
    assert found.difference == pytest.approx(fit.objective - at_zero.objective, abs=SEARCHED)
    assert "does not confirm" in str(found)
    assert "below the fit's" in str(found)
    again = lmt.lmm("diameter ~ 1 + (1 | plate)", lmt.datasets.load("Penicillin")).fit(start=found.theta)
    assert again.objective == pytest.approx(found.found, abs=SEARCHED)


def test_a_search_that_stops_above_the_optimum_is_told_apart(monkeypatch):
    fit = fitted("Reaction ~ Days + (Days | Subject)", "sleepstudy")
    real = mixedlm.search

    def stops_early(design, layout, *, reml):
        found = real(design, layout, reml=reml)
        return replace(found, lambdas=tuple(1.2 * lam for lam in found.lambdas))

    monkeypatch.setattr(mixedlm, "search", stops_early)
    found = fit.confirm()
    assert found.confirmed
    assert not found.is_same_optimum
    assert "MixedLM found nothing lower" in str(found)
    assert "confirms" not in str(found)


def test_a_search_that_fails_confirms_nothing(monkeypatch):
    monkeypatch.setattr(mixedlm, "search", lambda *_, **__: mixedlm.Search(None, 3, ("Singular matrix",)))
    with pytest.raises(EngineError, match="confirms nothing: Singular matrix"):
        fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff").confirm()


def test_only_a_search_confirms():
    # The word is not said of a likelihood at a given point.
    fit = fitted("Reaction ~ Days + (Days | Subject)", "sleepstudy")
    for text in (str(fit.summary()), fit.summary().to_html(), fit.to_json()):
        assert "confirm" not in text


def test_data_in_tiny_units_are_searched_on_their_own_scale():
    data = lmt.datasets.load("Dyestuff")
    small = pd.DataFrame({"Batch": data.Batch, "Yield": data.Yield * 1e-9})
    found = lmt.lmm("Yield ~ 1 + (1 | Batch)", small).fit().confirm()
    assert found.is_same_optimum

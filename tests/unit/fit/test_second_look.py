"""statsmodels joins the default fit when somebody looks at it, and the foot of the report says exactly what it did."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.engines import mixedlm
from lmmtools.errors import AgreementWarning, BoundaryWarning
from lmmtools.fit import second_look

# Two computations of one closed form in double precision; the worst seen over the reference models is 1e-11.
SAME = 1e-9
SLEEP = "Reaction ~ Days + (Days | Subject)"


def sleep(**options):
    return lmt.lmm(SLEEP, lmt.datasets.load("sleepstudy")).fit(**options)


def foot(fit):
    return fit.summary().data.notes


def many_groups(count):
    x = np.tile(np.arange(4.0), count)
    g = np.repeat(np.arange(count), 4)
    rng = np.random.default_rng(5)
    y = rng.standard_normal(count)[g] + rng.standard_normal(count)[g] * x + rng.standard_normal(4 * count)
    return pd.DataFrame({"g": [f"g{k}" for k in g], "x": x, "y": y})


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("sleepstudy", SLEEP),
        ("Pastes", "strength ~ 1 + (1 | batch/cask)"),
        ("Penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)"),
        ("cake", "angle ~ recipe * temp + (1 | recipe:replicate)"),
    ],
)
@pytest.mark.parametrize("reml", [True, False])
def test_a_look_at_the_default_fit_has_mixedlms_own_likelihood(name, formula, reml):
    fit = lmt.lmm(formula, lmt.datasets.load(name)).fit(reml=reml)
    assert fit.agreement.engine == "mixedlm"
    assert fit.agreement.objective == pytest.approx(fit.objective, rel=SAME)
    assert -2 * fit.mixedlm.llf == pytest.approx(fit.objective, rel=SAME)
    assert -2 * fit.mixedlm.model.loglike(fit.mixedlm.params_object) == pytest.approx(fit.objective, rel=SAME)
    assert foot(fit)[-2:] == (
        f"engine: lmmtools pls; {'global' if name == 'cake' else 'local'} optimum",
        "statsmodels' likelihood at this optimum agrees to 10 digits",
    )


def test_the_likelihood_is_that_of_the_parameters_it_is_asked_for():
    # Away from the optimum, so that no optimiser of MixedLM's can have moved there.
    fit = sleep()
    theta = fit.theta * (1.3, 0.5, 0.8)
    layout = mixedlm.lay_out(fit.design)
    _, objective = mixedlm.evaluate_likelihood(fit.design, layout, theta, reml=True)
    from lmmtools import core

    assert objective == pytest.approx(core.recover(fit.problem, theta, True).objective, rel=SAME)
    assert objective > fit.objective + 1


def test_the_default_fit_imports_no_statsmodels_and_a_look_does():
    code = (
        "import sys, lmmtools as lmt\n"
        f"fit = lmt.lmm({SLEEP!r}, lmt.datasets.load('sleepstudy')).fit()\n"
        "before = 'statsmodels' in sys.modules\n"
        "fit.summary()\n"
        "print(before, 'statsmodels' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_mixedlm_is_asked_once(monkeypatch):
    asked = []
    agree = mixedlm.agree
    monkeypatch.setattr(mixedlm, "agree", lambda *args: asked.append(1) or agree(*args))
    fit = sleep()
    assert not asked
    fit.summary(), fit.agreement, fit.to_json(), lmt.compare(fit, fit)
    assert asked == [1]


def test_what_pls_fits_alone_asks_nobody():
    fit = sleep(engine="pls")
    assert fit.agreement is None
    assert fit.mixedlm is None
    assert foot(fit)[-1] == "engine: lmmtools pls; local optimum"
    assert sleep().refit(fit.design.y).second_look.status == "not wanted"


def test_a_fit_through_statsmodels_is_held_against_the_pls_criterion():
    fit = sleep(engine="mixedlm")
    assert foot(fit)[-2:] == (
        "engine: statsmodels MixedLM; local optimum",
        "lmmtools' likelihood at this optimum agrees to 10 digits",
    )


def test_at_zero_variances_the_least_squares_criterion_stands_in():
    # Closed form: REML criterion of a mean, n - 1 = 29 degrees of freedom.
    data = lmt.datasets.load("Dyestuff2")
    with pytest.warns(BoundaryWarning):
        fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", data).fit()
    rss = float(((data.Yield - data.Yield.mean()) ** 2).sum())
    assert fit.agreement.engine == "least squares"
    assert fit.agreement.objective == pytest.approx(29 * (1 + np.log(2 * np.pi * rss / 29)) + np.log(30), rel=SAME)
    assert foot(fit)[-1] == "the least-squares likelihood at this optimum agrees to 10 digits"


def test_a_model_that_mixedlm_lacks_is_said_to_have_no_second_likelihood():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lmt.LmmWarning)
        fit = lmt.lmm("yield ~ nitro + (nitro | Block) + (nitro | Variety)", lmt.datasets.load("Oats")).fit()
    assert fit.second_look.status == "no such model"
    assert foot(fit)[-1] == "statsmodels' MixedLM has no such model"
    assert fit.mixedlm is None
    with pytest.raises(lmt.TranslationError, match="no MixedLM form"):
        fit.confirm()


def test_of_many_groups_mixedlm_is_not_asked_and_the_foot_says_how_to_ask():
    # 71 microseconds a group: 0.15 s an evaluation, 12 evaluations for each of 3 parameters.
    fits = {count: lmt.lmm("y ~ x + (x | g)", many_groups(count)).fit() for count in (200, 2000)}
    assert fits[200].second_look.status == "compared"
    assert fits[2000].second_look.status == "too slow"
    assert foot(fits[2000])[-1] == "statsmodels was not asked: fit.confirm() lets it search, about 5 seconds"
    again = replace(fits[2000])
    assert foot(again) == foot(fits[2000])


def test_of_many_crossed_levels_mixedlm_is_not_asked():
    # One dense group: cubic in the number of levels.
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"a": rng.integers(0, 400, 4000), "b": rng.integers(0, 300, 4000)}).astype(str)
    data["y"] = rng.standard_normal(400)[data.a.astype(int)] + rng.standard_normal(4000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lmt.LmmWarning)
        fit = lmt.lmm("y ~ 1 + (1 | a) + (1 | b)", data).fit()
    assert fit.second_look.status == "too slow"


def test_a_disagreement_is_warned_of_where_one_looks_and_stands_in_the_foot():
    fit = sleep()
    wrong = replace(fit, estimate=replace(fit.estimate, objective=fit.objective + 0.01))
    with pytest.warns(AgreementWarning, match="mixedlm has the lower") as caught:
        text = str(wrong.summary())
    assert caught[0].filename == __file__
    assert "statsmodels' likelihood at this optimum disagrees: criterion 1743.628272" in text
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wrong.summary()


def test_files_and_pickles_have_the_same_foot():
    fit = sleep()
    record = lmt.read_json(fit.to_json())
    assert record.notes == foot(fit)
    assert json.loads(fit.to_json())["notes"][-1].startswith("statsmodels' likelihood")
    fresh = pickle.loads(pickle.dumps(sleep()))
    assert foot(fresh) == foot(fit)
    assert pickle.loads(pickle.dumps(fit)).second_look == fit.second_look


def test_seconds_are_told_to_one_digit():
    told = [second_look.describe_seconds(s) for s in (0.2, 1.4, 38, 56, 58, 130, 3500, 7300, 1e6)]
    assert told == [
        "1 second",
        "1 second",
        "40 seconds",
        "1 minute",
        "1 minute",
        "2 minutes",
        "1 hour",
        "2 hours",
        "300 hours",
    ]

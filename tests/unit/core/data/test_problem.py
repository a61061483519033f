"""Terms that the fixed effects span are held at zero: every other number is that of the model without them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools import core

pytestmark = pytest.mark.filterwarnings("ignore::lmmtools.errors.BoundaryWarning")

EXACT = 1e-7


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"g": rng.choice(list("abcdef"), 90), "h": rng.choice(list("pqrst"), 90)})
    frame["x"] = rng.normal(size=90)
    frame["y"] = rng.normal(size=90) + frame["x"] + 0.7 * pd.Categorical(frame["h"]).codes
    return frame.assign(large=1e9 + 1e6 * frame["y"])


@pytest.mark.parametrize(
    ("formula", "without", "block"),
    [
        ("y ~ x + g + (1|g) + (1|h)", "y ~ x + g + (1|h)", "g"),
        ("y ~ 0 + g + (1|g) + (1|h)", "y ~ 0 + g + (1|h)", "g"),
        ("large ~ g + (1|g/h)", "large ~ g + (1|g:h)", "g"),
        ("y ~ g*x + (x|g) + (1|h)", "y ~ g*x + (1|h)", "g"),
        ("y ~ g*h + (1|g:h) + (0+x|h)", "y ~ g*h + (0+x|h)", "g:h"),
    ],
)
def test_all_numbers_are_those_of_the_model_without_the_term(data, formula, without, block) -> None:
    fit, expected = (lmt.lmm(text, data).fit(engine="pls") for text in (formula, without))
    assert fit.certificate.holds
    assert fit.objective == pytest.approx(expected.objective, rel=1e-12)
    assert {row.group for row in fit.boundary if row.is_spanned} == {block}
    assert "nothing is left to estimate" in str(fit.boundary)
    np.testing.assert_allclose(fit.bse, expected.bse, rtol=EXACT)
    for ddf in ("satterthwaite", "kenward-roger"):
        found, known = fit.anova(ddf=ddf).to_frame(), expected.anova(ddf=ddf).to_frame()
        np.testing.assert_allclose(found.to_numpy(), known.to_numpy(), rtol=10 * EXACT)
        np.testing.assert_allclose(fit.tests(ddf).df, expected.tests(ddf).df, rtol=10 * EXACT)


@pytest.mark.parametrize(
    ("formula", "without"),
    [
        ("y ~ g + x + (x|g) + (1|h)", "y ~ g + x + (0+x|g) + (1|h)"),
        ("y ~ g + large + (large|g)", "y ~ g + large + (0+large|g)"),
        ("y ~ g + huge + (huge|g)", "y ~ g + huge + (0+huge|g)"),
        ("y ~ g + tiny + (tiny|g)", "y ~ g + tiny + (0+tiny|g)"),
        ("y ~ 0 + h + x + (x|h)", "y ~ 0 + h + x + (0+x|h)"),
    ],
)
def test_effects_that_x_does_not_span_are_estimated_as_if_alone(data, formula, without) -> None:
    rng = np.random.default_rng(3)
    slope = (
        rng.normal(size=6)[pd.Categorical(data["g"]).codes] + 2 * rng.normal(size=5)[pd.Categorical(data["h"]).codes]
    )
    data = data.assign(y=data["y"] + slope * data["x"], large=100 + data["x"])
    data = data.assign(huge=1e8 * data["x"], tiny=1e-8 * data["x"])
    fit, expected = (lmt.lmm(text, data).fit(engine="pls") for text in (formula, without))
    assert fit.certificate.holds
    assert fit.objective == pytest.approx(expected.objective, rel=1e-10)
    assert [row.effect for row in fit.boundary if row.is_spanned] == ["(Intercept)"]
    np.testing.assert_allclose(fit.bse, expected.bse, rtol=EXACT)
    for ddf in ("satterthwaite", "kenward-roger"):
        np.testing.assert_allclose(fit.tests(ddf).df, expected.tests(ddf).df, rtol=1e-4)


@pytest.mark.parametrize("unit", [1e-8, 1.0, 1e8])
def test_a_direction_between_effects_is_left_out_in_any_unit(unit: float) -> None:
    # Within each g one level of f alone occurs, and X has g: of intercept and f only their sum is spanned.
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(6), 15)
    data = pd.DataFrame({"g": g.astype(str), "f": np.where(g % 2, "a", "b"), "x": unit * rng.normal(size=90)})
    data["y"] = rng.normal(size=90) + rng.normal(size=6)[g] * data["x"] / unit
    fit = lmt.lmm("y ~ g + x + (f + x|g)", data).fit(engine="pls")
    alone = lmt.lmm("y ~ g + x + (0 + x|g)", data).fit(engine="pls")
    assert fit.certificate.holds
    assert fit.objective == pytest.approx(alone.objective, rel=1e-10)
    assert [row.effect for row in fit.boundary if row.is_spanned] == ["(Intercept)", "f[T.b]"]


def test_a_variance_that_x_all_but_spans_is_estimated(data) -> None:
    # One row of g = a that X does not know of.
    codes = data["g"].where(np.arange(len(data)) != np.flatnonzero(data["g"] == "a")[0], "b")
    fit = lmt.lmm("y ~ k + (1|g) + (1|h)", data.assign(k=codes)).fit(engine="pls")
    assert not any(fit.problem.spanned)
    assert not any(row.is_spanned for row in fit.boundary), fit.boundary


def test_by_maximum_likelihood_more_of_it_is_worse(data) -> None:
    fit = lmt.lmm("y ~ g + (1|g) + (1|h)", data).fit(engine="pls", reml=False)
    assert [str(row).rpartition(": ")[2] for row in fit.boundary] == ["any more of it would make the criterion worse"]


def test_many_responses_are_refitted_alike(data) -> None:
    fit = lmt.lmm("y ~ g + (1|g) + (1|h)", data).fit(engine="pls")
    refits = core.refit_many(fit.problem, data[["y", "x"]].to_numpy())
    assert refits.converged.all()
    assert refits.objective[0] == pytest.approx(fit.objective, rel=1e-12)
    place = [b.group for b in fit.design.blocks].index("g")
    assert (refits.theta[:, place] == 0).all()


def test_every_engine_agrees_and_the_page_says_what_it_means(data, tmp_path) -> None:
    fit = lmt.lmm("y ~ g + (1|g) + (1|h)", data).fit()
    assert fit.converged
    assert fit.mixedlm is not None
    fit.to_report(tmp_path / "fit.html")
    assert "tell the levels of g apart already" in (tmp_path / "fit.html").read_text(encoding="utf-8")

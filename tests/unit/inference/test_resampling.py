"""Resampled modes, seeds of draws, and how many draws limits need."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import skew

import lmmtools as lmt
from lmmtools.errors import FewDrawsWarning
from lmmtools.inference.bootstrap.resampling import draw_responses

UNITS = [1.0, 60.0, 1 / 7, 1e-90, 1e90]


@pytest.fixture(scope="module")
def slopes() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    m, k = 60, 6
    g, x = np.repeat(np.arange(m), k), np.tile(np.linspace(-1, 1, k), m)
    u = np.column_stack([rng.exponential(size=m) - 1, 0.8 * rng.exponential(size=m) - 0.8])
    y = u[g, 0] + u[g, 1] * x + 0.7 * rng.normal(size=m * k)
    return pd.DataFrame({"y": y, "x": x, "g": [f"g{i:02d}" for i in g]})


@pytest.fixture(scope="module")
def sleep() -> lmt.LMMResults:
    return lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")


def without_slopes() -> lmt.LMMResults:
    return lmt.lmm("Reaction ~ Days + (1 | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")


@pytest.mark.parametrize("unit", UNITS)
def test_residual_draws_do_not_depend_on_the_unit_of_a_covariate(slopes: pd.DataFrame, unit: float) -> None:
    # Only the search's tolerance stands between the two: the same seed takes the same levels and residuals.
    first, second = (
        draw_responses(
            lmt.lmm("y ~ x + (x | g)", slopes.assign(x=slopes.x * size)).fit(engine="pls"),
            "residual",
            5,
            np.random.default_rng(1),
        )
        for size in (1.0, unit)
    )
    np.testing.assert_allclose(first, second, atol=1e-4)


def test_residual_draws_keep_covariances_and_sides_of_the_modes(slopes: pd.DataFrame) -> None:
    fit = lmt.lmm("y ~ x + (x | g)", slopes).fit(engine="pls")
    Y = draw_responses(fit, "residual", 4000, np.random.default_rng(3))
    # Covariance of the rows of one level: that of the model.
    own, V = np.cov(Y[:6]), fit.design.V(fit).toarray()[:6, :6]
    np.testing.assert_allclose(own, V, atol=0.1 * V.max())
    # At both ends x is -1 and 1, so that half the difference of means over levels is that of the slopes.
    modes = fit.random_effects["g"].to_numpy()
    drawn = [fit.refit(y).random_effects["g"].to_numpy() for y in Y.T[:40]]
    for j in range(2):
        assert np.mean([skew(d[:, j]) for d in drawn]) * skew(modes[:, j]) > 0, j


@pytest.mark.parametrize(
    "draw",
    [
        lambda fit, rng: fit.bootstrap(60, rng=rng).draws,
        lambda fit, rng: fit.bootstrap(5, kind="residual", rng=rng).draws,
        lambda fit, rng: fit.bootstrap(5, kind="cluster", rng=rng).draws,
        lambda fit, rng: fit.conf_int(method="boot", n=60, rng=rng),
        lambda fit, rng: fit.simulate(3, rng=rng),
        lambda fit, rng: lmt.bootstrap_test(without_slopes(), fit, 5, rng=rng).draws,
        lambda fit, rng: fit.ranova(n_sim=5, rng=rng).to_frame().drop(columns="reference"),
        lambda fit, rng: lmt.power(fit, {"Days": 5.0}, n_sim=10, rng=rng).to_frame().select_dtypes("number"),
        lambda fit, rng: fit.quantile_residuals(rng=rng),
    ],
)
def test_a_seed_and_a_new_generator_of_it_draw_alike_and_a_used_one_otherwise(sleep: lmt.LMMResults, draw) -> None:  # type: ignore[no-untyped-def]
    used = np.random.default_rng(7)
    first, second = (np.asarray(draw(sleep, source), dtype=float) for source in (7, used))
    np.testing.assert_array_equal(first, second)
    used_state = used.bit_generator.state
    again = np.asarray(draw(sleep, used), dtype=float)
    used.bit_generator.state = used_state
    np.testing.assert_array_equal(again, np.asarray(draw(sleep, used), dtype=float))


def test_a_generator_that_has_drawn_gives_other_draws(sleep: lmt.LMMResults) -> None:
    rng = np.random.default_rng(7)
    assert not np.array_equal(sleep.bootstrap(5, rng=rng).draws, sleep.bootstrap(5, rng=rng).draws)


@pytest.mark.parametrize(
    ("n", "alpha", "is_few"), [(38, 0.05, True), (39, 0.05, False), (18, 0.1, True), (19, 0.1, False)]
)
def test_limits_that_stand_on_the_most_extreme_draw_say_so(
    sleep: lmt.LMMResults, n: int, alpha: float, is_few: bool
) -> None:
    # The lower limit is the (n + 1) alpha / 2-th draw in order, which has to be the first at least.
    drawn = sleep.bootstrap(n, lambda fit: fit.sigma, rng=1)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        drawn.conf_int(alpha)
    assert any(issubclass(w.category, FewDrawsWarning) for w in said) is is_few
    assert ("are too few" in str(drawn)) is (n < 39)

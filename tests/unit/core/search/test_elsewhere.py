"""Terms that compete for the mean: an optimum for each, and the lowest of them found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools import core
from lmmtools.core.search.elsewhere import competing_effects


def crossed(seed: int, n: int, n_g: int, n_h: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(
        {
            "g": rng.integers(0, n_g, n).astype(str),
            "h": rng.integers(0, n_h, n).astype(str),
            "x": rng.uniform(0, 3, n),
        }
    )
    g, h = rng.normal(0, 1, n_g)[data["g"].astype(int)], rng.normal(0, 1, n_h)[data["h"].astype(int)]
    data["y"] = 5 + g + h + rng.normal(0, 1, n) + 0.5 * data["x"]
    return data


def test_without_a_constant_the_lower_optimum_is_found() -> None:
    # lme4 1.1-31 (bobyqa, rhoend 1e-9): 217.3018317, theta (4.096, 0.709); the other optimum has 221.5800446.
    fit = lmt.lmm("y ~ 0 + x + (1|g) + (1|h)", crossed(9, 60, 6, 6)).fit(engine="pls")
    assert fit.objective == pytest.approx(217.3018317, abs=1e-6)
    np.testing.assert_allclose(fit.theta, [4.096, 0.709], atol=2e-3)
    np.testing.assert_allclose(fit.params, [0.84111], atol=1e-5)


@pytest.mark.parametrize("terms", ["(1|g) + (1|h)", "(x|g) + (1|h)", "(x|g) + (x|h)"])
@pytest.mark.parametrize("seed", range(6))
def test_no_start_finds_less(seed: int, terms: str) -> None:
    problem = core.prepare(lmt.lmm(f"y ~ 0 + {terms}", crossed(seed, 90, 7, 6)).design)
    found = core.optimize(problem)
    rng = np.random.default_rng(seed)
    for _ in range(6):
        theta = np.abs(found.theta) * np.exp(rng.normal(0, 1.5, len(found.theta))) + 0.01
        assert core.optimize(problem, start=theta).objective > found.objective - 1e-6


def test_refits_in_one_go_find_what_single_fits_find() -> None:
    data = crossed(9, 60, 6, 6)
    fit = lmt.lmm("y ~ 0 + x + (1|g) + (1|h)", data).fit(engine="pls")
    many = core.refit_many(fit.problem, np.column_stack([data["y"], data["y"][::-1]]))
    assert many.objective[0] == pytest.approx(fit.objective, abs=1e-7)
    assert many.objective[1] == pytest.approx(fit.refit(data["y"].to_numpy()[::-1]).objective, abs=1e-7)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("y ~ x + (x|g) + (x|h)", []),
        ("y ~ 0 + x + (1|g) + (1|h)", [[(0, 0), (1, 0)]]),
        ("y ~ 1 + (x|g) + (0 + x|h)", [[(0, 1), (1, 0)]]),
        ("y ~ 0 + k + (1|g) + (1|h)", []),
        ("y ~ 0 + x + (1|g)", []),
    ],
)
def test_effects_compete_where_x_does_not_span_them(formula: str, expected: list) -> None:
    data = crossed(1, 60, 6, 5).assign(k=lambda d: np.where(d["x"] > 1, "a", "b"))
    assert competing_effects(lmt.lmm(formula, data).design) == expected

"""Fixed effects without sets of rows, theta held: by every route what generalised least squares of the rest gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools import core
from lmmtools.core.after import deletion
from tests.unit.core.dense import dense_fit
from tests.unit.core.designs import random_design, random_theta
from tests.unit.core.routes import ROUTES, take

CLOSE = 1e-7
"""Relative to the largest; what is left of double precision after inverting V densely."""


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("seed", range(12))
def test_any_rows_left_out_leave_what_least_squares_finds(seed, route, monkeypatch):
    take(route, monkeypatch)
    monkeypatch.setattr(deletion, "SOLVED_ROWS", 30)
    rng = np.random.default_rng(seed)
    design = random_design(700 + seed)
    theta = random_theta(design, seed)
    problem = core.prepare(design)
    sets = [np.sort(rng.choice(design.n, size, replace=False)) for size in (1, 2, 7, 20, 3)]
    found = core.delete_rows(problem, theta, True, sets)
    dense = dense_fit(design, theta, True)

    def least_squares(keep):
        X, Vi = design.X[keep], np.linalg.inv(dense.V[np.ix_(keep, keep)])
        cov = np.linalg.inv(X.T @ Vi @ X)
        return cov @ X.T @ Vi @ design.response[keep], dense.sigma2 * cov

    if not design.p:
        return
    whole, _ = least_squares(np.arange(design.n))
    for i in np.flatnonzero(found.is_estimable):
        left, cov = least_squares(np.setdiff1d(np.arange(design.n), sets[i]))
        np.testing.assert_allclose(found.changes[i], left - whole, rtol=0, atol=CLOSE * np.abs(whole).max())
        np.testing.assert_allclose(found.covariances[i], cov, rtol=0, atol=CLOSE * np.abs(cov).max())
    assert found.is_estimable.any()


def test_levels_of_a_crossed_factor_are_left_out_without_solving(monkeypatch):
    rng = np.random.default_rng(4)
    n = 4_000
    data = pd.DataFrame({"g": rng.integers(0, 400, n), "h": rng.integers(0, 60, n), "x": rng.normal(size=n)})
    data["y"] = rng.normal(size=400)[data["g"]] + rng.normal(size=60)[data["h"]] + rng.normal(size=n)
    fit = lmt.lmm("y ~ x + (x|g) + (1|h)", data).fit(engine="pls")
    monkeypatch.setattr(deletion, "solve", None)
    assert np.isfinite(fit.influence("h").cooks).all()
    assert np.isfinite(fit.influence("g").cooks).all()

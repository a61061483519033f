"""Prediction variances of new rows: seen and unseen combinations of levels, terms left out, however M is inverted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools import core
from lmmtools.core.after import leverage
from tests.unit.core.dense import dense_fit
from tests.unit.core.designs import random_design, random_theta
from tests.unit.core.routes import ROUTES, take

CLOSE = 1e-8
"""Relative to the largest."""


def dense_variances(design, theta, X, codes, bases):
    """Var(x b_hat + z u_hat - x b - z u): the estimator is a map A of y."""
    dense = dense_fit(design, theta, True)
    z = []
    for block, code, basis in zip(design.blocks, codes, bases, strict=True):
        own = np.zeros((len(X), block.m, block.l))
        own[np.arange(len(X)), code] = basis
        z.append(own.reshape(len(X), -1))
    z = np.hstack(z)
    Vi = np.linalg.inv(dense.V)
    B = np.linalg.solve(design.X.T @ Vi @ design.X, design.X.T @ Vi) if design.p else np.zeros((0, design.n))
    A = X @ B + z @ dense.Sigma @ dense.Z.T @ Vi @ (np.eye(design.n) - design.X @ B)
    relative = A @ dense.V @ A.T - 2.0 * A @ dense.Z @ dense.Sigma @ z.T + z @ dense.Sigma @ z.T
    return dense.sigma2 * np.diag(relative)


@pytest.mark.parametrize("per_inverse", [0, 10**6], ids=["solved", "inverted"])
@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("seed", range(12))
def test_any_rows_have_the_textbooks_variance(seed, route, per_inverse, monkeypatch):
    take(route, monkeypatch)
    monkeypatch.setattr(leverage, "SOLVES_PER_INVERSE", per_inverse)
    monkeypatch.setattr(leverage, "SOLVED_COLUMNS", 7)
    monkeypatch.setattr(leverage, "GATHERED", 50)
    rng = np.random.default_rng(seed)
    design = random_design(400 + seed)
    theta = random_theta(design, seed)
    problem = core.prepare(design)
    r = 40
    rows = rng.integers(0, design.n, r)
    mixed = rng.random(r) < 0.5  # levels that need not occur together
    codes, bases = [], []
    for f in problem.structure.factors:
        own = design.blocks[f.blocks[0]].codes[rows]
        shuffled = np.where(mixed, rng.integers(0, f.m, r), own)
        codes += [(k, shuffled) for k in f.blocks]
    codes = [code for _, code in sorted(codes, key=lambda item: item[0])]
    for block in design.blocks:
        bases.append(rng.normal(size=(r, block.l)) * (rng.random(r) < 0.8)[:, None])
    X = design.X[rows]
    found = core.prediction_variances(problem, theta, True, X, codes, bases)
    want = dense_variances(design, theta, X, codes, bases)
    np.testing.assert_allclose(found, want, rtol=0, atol=CLOSE * want.max())


def test_levels_that_coincide_in_the_data_may_differ_in_new_rows():
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(8), 6)
    data = pd.DataFrame({"g": g, "h": 7 - g, "x": rng.normal(size=48)})
    data["y"] = rng.normal(size=8)[g] + rng.normal(size=8)[g] * data["x"] + rng.normal(size=48)
    data = data.astype({"g": "category", "h": "category"})
    fit = lmt.lmm("y ~ 1 + (1|g) + (0 + x|h)", data).fit(engine="pls")
    design, problem = fit.design, fit.problem
    codes = [np.array([0, 1, 2, 3]), np.array([0, 1, 5, 6])]
    bases = [np.array([[1.0], [1.0], [1.0], [0.0]]), np.array([[1.0], [-2.0], [0.5], [1.0]])]
    X = np.ones((4, 1))
    found = core.prediction_variances(problem, fit.theta, True, X, codes, bases)
    np.testing.assert_allclose(found, dense_variances(design, fit.theta, X, codes, bases), rtol=CLOSE)


def test_levels_that_never_met_are_not_solved_for(monkeypatch):
    rng = np.random.default_rng(2)
    n = 6_000
    data = pd.DataFrame({"g": rng.integers(0, 600, n), "h": rng.integers(0, 90, n), "x": rng.normal(size=n)})
    u = rng.normal(size=(600, 2))
    data["y"] = u[data["g"], 0] + u[data["g"], 1] * data["x"] + rng.normal(size=90)[data["h"]] + rng.normal(size=n)
    fit = lmt.lmm("y ~ x + (x|g) + (1|h)", data).fit(engine="pls")
    new = data.assign(h=rng.permutation(data["h"])).head(1_000)
    few = fit.predict(new.head(20), interval="confidence")
    monkeypatch.setattr(leverage, "solve", None)
    found = fit.predict(new, interval="confidence")
    np.testing.assert_allclose(found.head(20), few, rtol=CLOSE)


def test_many_rows_of_many_levels_need_little_memory(monkeypatch):
    rng = np.random.default_rng(0)
    g = np.arange(40_000) % 8_000
    data = pd.DataFrame({"g": g, "x": rng.normal(size=len(g))})
    data["y"] = rng.normal(size=8_000)[g] + data["x"] + rng.normal(size=len(g))
    fit = lmt.lmm("y ~ x + (x|g)", data).fit(engine="pls")
    monkeypatch.setattr(leverage, "solve", None)  # seen levels are not solved for
    new = data.iloc[:5_000].assign(x=0.5)
    assert np.isfinite(fit.predict(new, interval="prediction").to_numpy()).all()

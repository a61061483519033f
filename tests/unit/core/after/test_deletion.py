"""Fixed effects without sets of rows, theta held: by every route what generalised least squares of the rest gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools import core
from lmmtools.core.after import deletion
from tests.unit.core.dense import dense_fit
from tests.unit.core.designs import make_design, random_design, random_theta
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
    found = core.delete_rows(problem, theta, True, core.RowSets.of(sets))
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


def test_sets_across_the_levels_of_nested_factors_are_left_out_by_cross_products(monkeypatch):
    """Levels of each factor, rows of many levels in any order, and one row; no set is fitted anew, however large."""
    rng = np.random.default_rng(8)
    n, fine = 240, rng.permutation(np.arange(240) % 37)
    middle, coarse = rng.permutation(12)[fine % 12], rng.permutation(5)[rng.integers(0, 5, 12)[fine % 12]]
    x, one = rng.normal(size=n), np.ones(n)
    y = rng.normal(size=37)[fine] + rng.normal(size=5)[coarse] + x * rng.normal(size=12)[middle] + rng.normal(size=n)
    bases = [("fine", fine, None), ("middle", middle, np.column_stack([one, x])), ("coarse", coarse, None)]
    design = make_design(y, np.column_stack([one, x]), bases, rng.uniform(0.5, 3.0, n))
    theta = np.array([0.7, 1.2, -0.3, 0.4, 0.0])
    take("chain, dense coupling", monkeypatch)
    problem = core.prepare(design)
    assert problem.structure.chain
    assert not problem.structure.q_rest
    monkeypatch.setattr(deletion, "prepare", None)
    monkeypatch.setattr(deletion, "SOLVED_ROWS", 5)
    monkeypatch.setattr(deletion, "AT_ONCE", 3_000)
    sets = [np.flatnonzero(codes == level) for codes in (fine, middle, coarse) for level in range(codes.max() + 1)]
    sets = [own for own in sets if len(own)] + [rng.permutation(n)[:90], np.array([17])]
    found = core.delete_rows(problem, theta, True, core.RowSets.of(sets))
    V = dense_fit(design, theta, True).V
    whole = _least_squares(design, V, np.arange(n))
    for own, change in zip(sets, found.changes, strict=True):
        left = _least_squares(design, V, np.setdiff1d(np.arange(n), own))
        np.testing.assert_allclose(change, left - whole, rtol=0, atol=CLOSE)


def _least_squares(design, V, keep):
    """Estimates of generalised least squares from some rows."""
    X, Vi = design.X[keep], np.linalg.inv(V[np.ix_(keep, keep)])
    return np.linalg.solve(X.T @ Vi @ X, X.T @ Vi @ design.response[keep])


def test_sets_of_rows_are_counted_taken_and_run_through():
    sets = core.RowSets.of([np.array([4, 2]), np.array([0]), np.array([5, 1, 3])])
    assert [own.tolist() for own in sets] == [[4, 2], [0], [5, 1, 3]]
    assert [own.tolist() for own in sets.take(np.array([2, 0]))] == [[5, 1, 3], [4, 2]]
    assert [(run.start, run.stop) for run in sets.runs(3)] == [(0, 2), (2, 3)]
    assert [(run.start, run.stop) for run in sets.runs(1)] == [(0, 1), (1, 2), (2, 3)]
    by_level = core.RowSets.of_levels(np.array([1, 0, 1, 0]), 2)
    assert [own.tolist() for own in by_level] == [[1, 3], [0, 2]]
    assert not list(core.RowSets.of([]))


def test_levels_of_a_crossed_factor_are_left_out_without_solving(monkeypatch):
    rng = np.random.default_rng(4)
    n = 4_000
    data = pd.DataFrame({"g": rng.integers(0, 400, n), "h": rng.integers(0, 60, n), "x": rng.normal(size=n)})
    data["y"] = rng.normal(size=400)[data["g"]] + rng.normal(size=60)[data["h"]] + rng.normal(size=n)
    fit = lmt.lmm("y ~ x + (x|g) + (1|h)", data).fit(engine="pls")
    monkeypatch.setattr(deletion, "solve", None)
    assert np.isfinite(fit.influence("h").cooks).all()
    assert np.isfinite(fit.influence("g").cooks).all()

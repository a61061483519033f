"""tr(P V_i P V_j) by every way there is to have it, against P and V_i written out as n x n matrices."""

from __future__ import annotations

import numpy as np
import pytest

from lmmtools import core
from lmmtools.core.elimination.chain import invert
from lmmtools.core.search import traces
from lmmtools.core.search.objective import evaluate_state, projector
from lmmtools.core.search.parameters import original_directions
from lmmtools.core.search.traces import trace_products, trace_products_by_columns, trace_products_once
from lmmtools.design.matrices import Design
from tests.unit.core.dense import dense_fit
from tests.unit.core.designs import make_design
from tests.unit.core.routes import ROUTES, take


def crossed(kind: str, seed: int = 3) -> Design:
    """Two or three crossed factors, one effect or several on each, weighted."""
    rng = np.random.default_rng(seed)
    n = 120
    first, second, third = rng.integers(0, 14, n), rng.integers(0, 6, n), rng.integers(0, 4, n)
    x, z, one = rng.standard_normal(n), rng.uniform(-2, 3, n), np.ones(n)
    slope, both = np.column_stack([one, x]), np.column_stack([one, x, z])
    wide = [("a", first, None), ("a", first, z[:, None]), ("b", second, slope), ("c", third, None)]
    terms = {
        "intercepts": [("a", first, None), ("b", second, None), ("c", third, None)],
        "slope on the first": [("a", first, slope), ("b", second, None)],
        "slopes on both": [("a", first, slope), ("b", second, both)],
        "two terms on a factor": wide,
    }[kind]
    X = np.column_stack([one, x, z])
    return make_design(rng.standard_normal(n) + x, X, terms, weights=rng.uniform(0.5, 2.0, n))


KINDS = ("intercepts", "slope on the first", "slopes on both", "two terms on a factor")


def inner_theta(design: Design) -> np.ndarray:
    """All covariance matrices of full rank."""
    rng = np.random.default_rng(5)
    columns = [np.tril(rng.uniform(-0.3, 0.3, (b.l, b.l)) + 0.8 * np.eye(b.l)).T for b in design.blocks]
    return np.concatenate([c[np.triu_indices(len(c))] for c in columns])


def textbook(design: Design, theta: np.ndarray, reml: bool) -> np.ndarray:
    found = dense_fit(design, theta, reml)
    projected = found.P if reml else np.linalg.inv(found.V)
    products = []
    for block in design.blocks:
        same = block.codes[:, None] == block.codes
        for direction in original_directions(np.eye(block.l)):
            products.append(projected @ (same * (block.basis @ direction @ block.basis.T)))
    return np.array([[np.sum(a * b.T) for b in products] for a in products])


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("route", ROUTES)
def test_traces_equal_the_textbook(route: str, kind: str, reml: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    take(route, monkeypatch)
    design = crossed(kind)
    theta = inner_theta(design)
    problem = core.prepare(design)
    s = evaluate_state(problem, problem.to_lambdas(theta), reml)
    inverse, Y = invert(s.elimination), projector(s)
    sigma = [original_directions(R) for R in problem.scaling.basis_maps]
    expected = textbook(design, theta, reml)
    near = {"rtol": 1e-9, "atol": 1e-9 * float(np.abs(expected).max())}
    cheap = trace_products(problem, s, inverse, Y, sigma)
    assert cheap is not None
    np.testing.assert_allclose(cheap, expected, **near)
    np.testing.assert_allclose(trace_products_by_columns(problem, s, Y, sigma), expected, **near)
    monkeypatch.setattr(traces, "DENSE_Q", -1)
    monkeypatch.setattr(traces, "SLAB", 5)
    once = trace_products_once(problem, s, inverse, Y, sigma)
    if route == "as planned" or route.startswith("fronts"):
        # No chain at all, or a sparse rest.
        assert once is None
        return
    assert once is not None
    np.testing.assert_allclose(once, expected, **near)


def test_a_variance_near_zero_is_left_to_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    take("chain, dense coupling", monkeypatch)
    monkeypatch.setattr(traces, "DENSE_Q", -1)
    design = crossed("intercepts")
    problem = core.prepare(design)
    sigma = [original_directions(R) for R in problem.scaling.basis_maps]

    def once(theta: np.ndarray) -> np.ndarray | None:
        s = evaluate_state(problem, problem.to_lambdas(theta), True)
        return trace_products_once(problem, s, invert(s.elimination), projector(s), sigma)

    assert once(np.array([0.5, 0.5, 0.5])) is not None
    assert once(np.array([0.0, 0.5, 0.5])) is not None  # of the first factor, which nothing divides by
    assert once(np.array([0.5, 0.5, 0.0])) is None

"""The criterion and its gradient against the textbook, over random designs and every way through the elimination."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lmmtools import core
from lmmtools.errors import EngineError
from tests.unit.core.dense import central_gradient, dense_criterion, lambdas
from tests.unit.core.designs import make_design, random_design, random_theta
from tests.unit.core.models import model
from tests.unit.core.routes import ROUTES, take

CRITERION = 1e-9
"""Relative: what issue and design ask; the oracle's own n x n inverse is good to about 1e-12."""

GRADIENT = 2e-6
"""Relative to the gradient's size plus one: the error of five-point differences with h = 1e-4."""


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), reml=st.booleans())
@example(seed=43521, reml=True)  # a permuted Z'WZ with unsorted columns
def test_criterion_and_gradient_equal_the_textbook_by_every_route(seed: int, reml: bool) -> None:
    design = random_design(seed)
    theta = random_theta(design, seed + 1)
    expected = dense_criterion(design, theta, reml)
    slope = central_gradient(design, theta, reml)
    for route in ROUTES:
        with pytest.MonkeyPatch.context() as patch:
            take(route, patch)
            found = core.evaluate(core.prepare(design), theta, reml)
        assert found.objective == pytest.approx(expected, rel=CRITERION, abs=CRITERION), route
        assert found.gradient is not None, route
        tolerance = GRADIENT * (1 + np.abs(slope).max())
        np.testing.assert_allclose(found.gradient, slope, atol=tolerance, err_msg=route)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), reml=st.booleans())
def test_derivative_into_a_null_space_is_the_limit_of_the_criterion(seed: int, reml: bool) -> None:
    """G_k is the derivative with respect to Sigma_k also where lambda_k is zero."""
    design = random_design(seed)
    theta = random_theta(design, seed + 1)
    theta[: design.blocks[0].k] = 0.0
    found = core.evaluate(core.prepare(design), theta, reml)
    assert found.G is not None
    l = design.blocks[0].l
    v = np.random.default_rng(seed).standard_normal(l)
    column = lambdas(design, np.concatenate([np.arange(1.0, design.blocks[0].k + 1), theta[design.blocks[0].k :]]))[0]
    h = 1e-3 / np.linalg.norm(v)
    # Sigma = h^2 v v' has the factor with h v in its first column.
    values = []
    for c in (1.0, 2.0):
        moved = theta.copy()
        first = np.zeros_like(column)
        first[:, 0] = c * h * v
        moved[: design.blocks[0].k] = first.T[np.triu_indices(l)]
        values.append(dense_criterion(design, moved, reml) - dense_criterion(design, theta, reml))
    # (f(h^2) and f(4 h^2)) extrapolated to the slope at zero.
    slope = (16 * values[0] - values[1]) / (12 * h * h)
    assert v @ found.G[0] @ v == pytest.approx(slope, rel=1e-3, abs=1e-3 * (1 + abs(slope)))


def test_criterion_equals_lme4_at_its_published_optima() -> None:
    """REML criteria printed in lme4's documentation and in Bates et al. (2015), section 5."""
    cases = {"sleepstudy": ([0.96674177, 0.01516906, 0.23090995], 1743.62827), "Dyestuff": ([0.8483203], 319.65428)}
    for name, (theta, criterion) in cases.items():
        assert core.evaluate(core.prepare(model(name)), np.array(theta)).objective == pytest.approx(
            criterion, abs=1e-4
        ), name


def test_value_without_gradient_is_the_same() -> None:
    problem = core.prepare(model("Penicillin"))
    theta = np.array([1.0, 2.0])
    plain = core.evaluate(problem, theta, gradient=False)
    assert plain.gradient is None
    assert plain.objective == core.evaluate(problem, theta).objective


def test_theta_of_wrong_length_or_not_finite_is_refused() -> None:
    problem = core.prepare(model("Penicillin"))
    with pytest.raises(EngineError, match="2 covariance parameters"):
        core.evaluate(problem, np.array([1.0]))
    with pytest.raises(EngineError, match="finite"):
        core.evaluate(problem, np.array([1.0, np.nan]))


def test_rows_read_in_chunks_give_the_same_products() -> None:
    from lmmtools.core.data.chunks import DesignChunks
    from lmmtools.core.data.passes import accumulate

    design = random_design(12)
    whole_scaling, whole = accumulate(DesignChunks(design))
    scaling, parts = accumulate(DesignChunks(design, rows=7))
    for a, b, block in zip(scaling.basis_maps, whole_scaling.basis_maps, design.blocks, strict=True):
        assert a.shape == b.shape == (block.l, block.l)
        np.testing.assert_array_equal(a, np.tril(a))
    # Each has coordinates of its own; the residual sum of squares and X'WX do not depend on them.
    spread = [s.y_scale**2 * c.response.yy for s, c in ((scaling, parts), (whole_scaling, whole))]
    assert spread[0] == pytest.approx(spread[1], rel=1e-12)
    np.testing.assert_allclose(parts.XX, np.eye(design.p), atol=1e-10)
    beta = [s.x_map @ c.response.centre for s, c in ((scaling, parts), (whole_scaling, whole))]
    np.testing.assert_allclose(beta[0], beta[1], rtol=1e-10)


def test_equal_factors_share_one_block_and_nested_ones_a_chain() -> None:
    rng = np.random.default_rng(1)
    fine = np.repeat(np.arange(200), 2)
    x = rng.standard_normal((400, 1))
    design = make_design(
        rng.standard_normal(400),
        np.ones((400, 1)),
        [("fine", fine, None), ("again", fine, x), ("middle", fine // 4, None), ("top", fine // 40, None)],
    )
    plan = core.prepare(design).structure
    assert [f.blocks for f in plan.factors] == [(0, 1), (2,), (3,)]
    assert len(plan.chain) == 3
    assert plan.q_rest == 0


@pytest.mark.parametrize("reml", [True, False])
def test_a_chain_of_five_levels_equals_the_textbook(reml: bool) -> None:
    rng = np.random.default_rng(5)
    n = 240
    fine = np.sort(rng.integers(0, 120, n))
    x = rng.standard_normal((n, 1))
    levels = [fine, fine // 2, fine // 6, fine // 18, fine // 54]
    factors = [(f"level{i}", np.unique(f, return_inverse=True)[1], x if i == 1 else None) for i, f in enumerate(levels)]
    design = make_design(rng.standard_normal(n), np.column_stack([np.ones(n), x]), factors)
    problem = core.prepare(design)
    assert len(problem.structure.chain) == 5
    theta = rng.uniform(0.3, 1.5, design.k)
    found = core.evaluate(problem, theta, reml)
    assert found.objective == pytest.approx(dense_criterion(design, theta, reml), rel=CRITERION)
    slope = central_gradient(design, theta, reml)
    np.testing.assert_allclose(found.gradient, slope, atol=GRADIENT * (1 + np.abs(slope).max()))


def test_crossed_factor_is_left_to_the_rest() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 300, 900), rng.integers(0, 40, 900)
    plan = core.prepare(
        make_design(rng.standard_normal(900), np.ones((900, 1)), [("a", a, None), ("b", b, None)])
    ).structure
    assert [s.factor.m for s in plan.chain] == [300 - (300 - len(np.unique(a)))]
    assert plan.q_rest == 40

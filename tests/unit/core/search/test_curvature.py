"""Second derivatives of models whose exact Hessian is not cheap, and what they tell of a term that is taken out."""

from __future__ import annotations

import numpy as np
import pytest

from lmmtools import core
from lmmtools.core.search import curvature, scans, traces
from lmmtools.core.search.curvature import curvature_along, local_model
from lmmtools.core.search.objective import evaluate_state, projector
from lmmtools.core.search.parameters import original_directions
from lmmtools.core.search.traces import FewLevels, trace_products_by_columns
from tests.unit.core.search.test_traces import KINDS, crossed, inner_theta


def point(kind, reml, monkeypatch, seed=3):
    """A state of a model that has no cheap Hessian, all of its factors with few levels."""
    monkeypatch.setattr(traces, "DENSE_Q", -1)
    problem = core.prepare(crossed(kind, seed))
    problem.rows.__dict__["dense"] = None
    return problem, evaluate_state(problem, problem.to_lambdas(inner_theta(problem.design)), reml)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [3, 9, 40, 1000])
def test_traces_of_factors_with_few_levels_are_those_of_all_columns(kind, reml, limit, monkeypatch):
    monkeypatch.setattr(traces, "FEW_Q", limit)
    problem, s = point(kind, reml, monkeypatch)
    Y, sigma = projector(s), [original_directions(R) for R in problem.scaling.basis_maps]
    few = FewLevels.of(problem, s)
    sizes = sorted(f.q for f in problem.structure.factors)
    assert (few is None) == (limit < sizes[0])
    if few is None:
        return
    found, is_known = few.traces(problem, Y, sigma)
    expected = trace_products_by_columns(problem, s, Y, sigma)
    assert is_known.any()
    assert is_known.all() == (len(few.factors) == len(sizes))
    np.testing.assert_allclose(found[is_known], expected[is_known], rtol=1e-9, atol=1e-9 * np.abs(expected).max())
    assert not found[~is_known].any()


@pytest.mark.parametrize("reml", [True, False])
def test_hessian_is_exact_where_all_factors_have_few_levels(reml, monkeypatch):
    """Against differences of the gradient."""
    problem, s = point("intercepts", reml, monkeypatch)
    m = local_model(problem, s)
    assert m.exact is None
    for i in range(3):
        ends = []
        for h in (1e-5, -1e-5):
            phi = m.phi + h * np.eye(3)[i]
            lambdas = curvature.parameters.unpack(problem.covariances, phi, m.frames)
            ends.append(local_model(problem, evaluate_state(problem, lambdas, reml)).g)
        np.testing.assert_allclose(
            m.average[i], (ends[0] - ends[1]) / 2e-5, rtol=1e-6, atol=1e-6 * abs(m.average).max()
        )


@pytest.mark.parametrize("seed", range(3))
def test_curvature_by_values_is_that_by_gradients(seed, monkeypatch):
    """Both have errors of third order: of 3% here, over a range of the step that shows them."""
    problem, s = point("intercepts", True, monkeypatch, seed)
    m = local_model(problem, s)
    direction = np.linalg.inv(np.linalg.cholesky(m.average + 10.0 * np.eye(3))).T @ np.ones(3)
    by_values = curvature_along(problem, m, direction)
    monkeypatch.setattr(curvature, "LARGEST_STEP", 0.0)
    monkeypatch.setattr(curvature, "DIFFERENCE", 1e-4)
    exact = curvature_along(problem, m, direction)
    assert by_values != exact
    assert by_values == pytest.approx(exact, rel=0.05, abs=1e-3)
    assert exact == pytest.approx(direction @ m.average @ direction, rel=1e-3, abs=1e-3)


def test_gradients_are_differenced_where_rounding_hides_the_values(monkeypatch):
    problem, s = point("intercepts", True, monkeypatch)
    m, direction, found = local_model(problem, s), np.full(3, 0.1), []
    derivatives = curvature.derivatives
    monkeypatch.setattr(curvature, "derivatives", lambda *a: found.append(a) or derivatives(*a))
    curvature_along(problem, m, direction)
    assert not found
    # Errors of 1e-6 would change the curvature by 1e-3.
    monkeypatch.setattr(curvature, "rounding_of", lambda *a: 1e-6)
    curvature_along(problem, m, direction)
    assert len(found) == 1


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_criterion_without_a_term_of_few_levels_is_that_of_its_elimination(kind, reml, monkeypatch):
    monkeypatch.setattr(traces, "FEW_Q", 1000)
    problem, s = point(kind, reml, monkeypatch)
    m = local_model(problem, s)
    assert sorted(m.few) == list(range(len(problem.design.blocks)))
    for k, base in scans.without_a_term(problem, m.state):
        found = scans.objective_without(problem, m.state, k, m.few[k])
        assert found == pytest.approx(base.objective, rel=1e-10)


def test_a_term_that_explains_nearly_all_is_evaluated(monkeypatch):
    """I - Lambda'N Lambda is then nearly singular, and tells nothing to working precision."""
    problem, s = point("intercepts", True, monkeypatch)
    large = evaluate_state(problem, tuple(lam * 1e5 for lam in s.lambdas), True)
    few = FewLevels.of(problem, large).blocks()
    assert all(scans.objective_without(problem, large, k, N) is None for k, N in few.items())

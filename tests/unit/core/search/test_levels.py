"""Models of one factor, by sums over levels: the same as by the factor of V itself."""

from __future__ import annotations

import numpy as np
import pytest

import lmmtools as lmt
from lmmtools import core
from lmmtools.core.search import levels
from lmmtools.core.search.curvature import local_model
from lmmtools.core.search.objective import derivatives, evaluate_state

TOL = 1e-10
"""Relative: two ways through the same sums."""

FORMULAS = (
    "Reaction ~ Days + (Days|Subject)",
    "Reaction ~ Days + (1|Subject) + (0 + Days|Subject)",
    "Reaction ~ 0 + (1|Subject)",
)


@pytest.fixture
def frame():
    # More levels than a dense rest takes.
    data = lmt.datasets.load("sleepstudy")
    rng = np.random.default_rng(4)
    many = np.tile(np.arange(80), 10)
    subject = rng.normal(size=(80, 2)) @ np.array([[25.0, 1.0], [0.0, 6.0]])
    days = np.repeat(np.arange(10.0), 80) + rng.normal(size=800)
    y = 250.0 + 10.0 * days + subject[many, 0] + subject[many, 1] * days + 25.0 * rng.normal(size=800)
    return type(data)({"Reaction": y, "Days": days, "Subject": [f"s{i}" for i in many]})


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("formula", FORMULAS)
def test_criterion_and_derivatives_are_those_of_the_general_way(frame, formula, reml, monkeypatch):
    problem = core.prepare(lmt.lmm(formula, frame).design)
    theta = np.linspace(0.4, 0.7, problem.design.k)
    lambdas = problem.to_lambdas(theta)
    assert levels.levels_alone(problem) is not None
    fast = evaluate_state(problem, lambdas, reml)
    model = local_model(problem, fast)
    G = derivatives(problem, fast)
    monkeypatch.setattr(levels, "NARROW", 0)
    assert levels.levels_alone(problem) is None
    slow = evaluate_state(problem, lambdas, reml)
    expected = local_model(problem, slow)
    assert fast.objective == pytest.approx(slow.objective, rel=TOL)
    for a, b in zip((*G.G, *G.T), (*derivatives(problem, slow).G, *derivatives(problem, slow).T), strict=True):
        np.testing.assert_allclose(a, b, rtol=TOL, atol=TOL * abs(b).max())
    np.testing.assert_allclose(model.g, expected.g, rtol=TOL, atol=TOL * abs(expected.g).max())
    for a, b in ((model.exact, expected.exact), (model.average, expected.average)):
        np.testing.assert_allclose(a, b, rtol=TOL, atol=TOL * abs(b).max())


def test_the_factor_of_v_is_there_when_it_is_read(frame):
    problem = core.prepare(lmt.lmm(FORMULAS[0], frame).design)
    state = evaluate_state(problem, problem.to_lambdas(np.array([0.5, 0.1, 0.3])), True)
    lost = problem.C.T @ state.U
    state.solution.drop_factor()
    logdet, taken = levels.eliminate_levels(problem, problem.structure.chain[0], state.solution.lambdas[0])
    assert state.elimination.logdet == pytest.approx(logdet, rel=TOL)
    np.testing.assert_allclose(taken, lost, rtol=TOL, atol=TOL * abs(lost).max())


def test_a_theta_that_is_too_large_is_an_error(frame):
    problem = core.prepare(lmt.lmm(FORMULAS[0], frame).design)
    with pytest.raises(lmt.EngineError, match="theta"):
        evaluate_state(problem, problem.to_lambdas(np.array([1e200, 0.0, 1e200])), True)


@pytest.mark.parametrize("formula", ["y ~ 0 + (1|g)", "y ~ 0 + (1|g) + (1|h)"])
def test_a_large_model_without_fixed_effects_is_evaluated(formula):
    rng = np.random.default_rng(6)
    g, h = rng.integers(0, 300, 900), rng.integers(0, 40, 900)
    y = rng.normal(size=300)[g] + rng.normal(size=40)[h] + rng.normal(size=900)
    design = lmt.lmm(formula, {"y": y, "g": g.astype(str), "h": h.astype(str)}).design
    V = np.eye(900) + sum(0.36 * (block.codes[:, None] == block.codes) for block in design.blocks)
    expected = np.linalg.slogdet(V)[1] + 900 * (1 + np.log(2 * np.pi * (y @ np.linalg.solve(V, y)) / 900))
    found = core.evaluate(core.prepare(design), np.full(design.k, 0.6))
    assert found.objective == pytest.approx(expected, rel=TOL)

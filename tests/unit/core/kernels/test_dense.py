"""The compiled evaluation of a small model, against the general elimination, which the textbook tests hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import lmmtools as lmt
from lmmtools import core
from lmmtools.core.data.small import accumulate_small
from lmmtools.core.kernels import routes
from lmmtools.core.search.curvature import evaluate_local, local_model
from lmmtools.core.search.objective import derivatives, evaluate_state
from lmmtools.core.search.start import starting_lambdas, unit_lambdas

if routes()["dense"] != "compiled":
    pytest.skip(f"the kernel is {routes()['dense']}", allow_module_level=True)

# Both are double precision in well-scaled coordinates; at most a few hundred roundings.
SAME = 1e-11

MODELS = {
    "slopes": "y ~ x + (x | g)",
    "three effects": "y ~ x + (x + z | g)",
    "apart": "y ~ x + (x || g)",
    "crossed": "y ~ x + (1 | g) + (1 | h)",
    "crossed slopes": "y ~ x * z + (x | g) + (z | h)",
    "nested": "y ~ 1 + (1 | h/g)",
    "no fixed effects": "y ~ 0 + (1 | g) + (0 + x | h)",
}


def designs(formula: str, weighted: bool):
    rng = np.random.default_rng(3)
    n = 150
    g, h = rng.integers(0, 14, n), rng.integers(0, 6, n)
    data = {"g": g.astype(str), "h": h.astype(str), "x": rng.normal(size=n), "z": rng.normal(size=n)}
    data["y"] = rng.normal(size=14)[g] + rng.normal(size=6)[h] + data["x"] + rng.normal(size=n)
    weights = rng.uniform(0.5, 2.0, n) if weighted else None
    return lmt.lmm(formula, data, weights=weights).design


def points(problem: core.Problem):
    """Lambdas of middling size, of none in one term, and of any directions."""
    rng = np.random.default_rng(1)
    units = unit_lambdas(problem)
    yield units
    yield tuple(np.zeros_like(lam) if k == 0 else lam for k, lam in enumerate(units))
    yield tuple(np.tril(rng.normal(size=lam.shape)) @ lam for lam in units)


def general(problem: core.Problem, lambdas, reml: bool):
    """The same point by the elimination."""
    kept = problem.dense
    problem.rows.__dict__["dense"] = None
    state = evaluate_state(problem, lambdas, reml)
    model = local_model(problem, state)
    problem.rows.__dict__["dense"] = kept
    return state, model


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_the_kernel_equals_the_elimination(name: str, reml: bool, weighted: bool) -> None:
    problem = core.prepare(designs(MODELS[name], weighted))
    assert problem.dense is not None
    for lambdas in points(problem):
        state = evaluate_state(problem, lambdas, reml)
        expected, at = general(problem, lambdas, reml)
        assert state.modes is not None
        assert expected.modes is None
        assert state.objective == pytest.approx(expected.objective, rel=SAME)
        assert state.logdet == pytest.approx(expected.logdet, rel=SAME, abs=SAME)
        np.testing.assert_allclose(state.u, expected.u, rtol=0, atol=SAME * (1 + np.abs(expected.u).max()))
        np.testing.assert_allclose(state.b, expected.b, rtol=0, atol=SAME)
        np.testing.assert_allclose(state.Hxx, expected.Hxx, rtol=SAME, atol=SAME)
        model = local_model(problem, state)
        for ours, theirs in ((model.d.G, at.d.G), (model.d.T, at.d.T), (model.state.lambdas, at.state.lambdas)):
            for a, b in zip(ours, theirs, strict=True):
                # The frame's columns are known up to their signs.
                np.testing.assert_allclose(np.abs(a), np.abs(b), rtol=0, atol=1e3 * SAME * (1 + np.abs(b).max()))
        assert model.exact is not None
        assert at.exact is not None
        for a, b in ((model.phi, at.phi), (model.g, at.g), (model.exact, at.exact), (model.average, at.average)):
            np.testing.assert_allclose(np.abs(a), np.abs(b), rtol=0, atol=1e3 * SAME * (1 + np.abs(b).max()))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_the_kernel_starts_where_the_moments_say(name: str, weighted: bool) -> None:
    problem = core.prepare(designs(MODELS[name], weighted))
    ours = starting_lambdas(problem)
    problem.rows.__dict__["dense"] = None
    for a, b in zip(ours, starting_lambdas(problem), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=SAME * (1 + np.abs(b).max()))


def test_derivatives_are_those_at_the_fixed_effects_that_the_state_has() -> None:
    problem = core.prepare(designs(MODELS["crossed"], False))
    at = unit_lambdas(problem)
    state, expected = evaluate_state(problem, at, False), general(problem, at, False)[0]
    moved, other = (replace(s, b=s.b + 1.0, r2=2.0 * s.r2) for s in (state, expected))
    for a, b in zip(derivatives(problem, moved).G, derivatives(problem, other).G, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e3 * SAME)
    assert not np.allclose(derivatives(problem, moved).G[0], derivatives(problem, state).G[0])


def test_variances_beyond_its_arithmetic_are_left_to_the_elimination() -> None:
    problem = core.prepare(designs(MODELS["crossed"], False))
    huge = tuple(1e4 * lam for lam in unit_lambdas(problem))
    assert problem.dense is not None
    assert problem.dense.criterion(problem.response, huge) is None
    assert evaluate_state(problem, huge, True).objective == pytest.approx(general(problem, huge, True)[0].objective)


def test_effects_that_x_spans_are_left_to_the_elimination() -> None:
    data = {"g": np.repeat(list("abcdef"), 5), "x": np.tile(np.arange(5.0), 6)}
    data["y"] = np.random.default_rng(0).normal(size=30)
    assert core.prepare(lmt.lmm("y ~ g + x + (1 | g)", data).design).dense is None


@pytest.mark.parametrize("name", MODELS)
def test_what_x_does_not_span_is_known_from_the_pass_over_rows(name: str) -> None:
    design = designs(MODELS[name], True)
    known = accumulate_small(design)
    # The nested model has too many levels for a single pass.
    assert (name == "nested") if known is None else known[-1] is True
    assert core.prepare(design).spanned == (None,) * len(design.blocks)


@pytest.mark.parametrize("formula", ["y ~ g + x + (1 | g)", "y ~ g + (x | g)", "y ~ g * x + (x | g)"])
def test_what_x_spans_is_left_to_a_closer_look(formula: str) -> None:
    data = {"g": np.repeat(list("abcdef"), 5), "x": np.tile(np.arange(5.0), 6)}
    data["y"] = np.random.default_rng(0).normal(size=30)
    known = accumulate_small(lmt.lmm(formula, data).design)
    assert known is not None
    assert known[-1] is False


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_a_point_evaluated_at_once_is_the_criterion_and_then_its_derivatives(name: str, reml: bool) -> None:
    problem = core.prepare(designs(MODELS[name], False))
    for lambdas in points(problem):
        ours, theirs = (
            evaluate_local(problem, lambdas, reml),
            local_model(problem, evaluate_state(problem, lambdas, reml)),
        )
        assert ours.objective == pytest.approx(theirs.objective, rel=SAME)
        np.testing.assert_allclose(ours.state.u, theirs.state.u, rtol=0, atol=SAME * (1 + np.abs(theirs.state.u).max()))
        np.testing.assert_allclose(ours.g, theirs.g, rtol=SAME, atol=SAME)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_the_criterion_with_each_term_at_zero_is_that_of_the_model_without_it(name: str, reml: bool) -> None:
    problem = core.prepare(designs(MODELS[name], True))
    assert problem.dense is not None
    lambdas = unit_lambdas(problem)
    found = problem.dense.at_zero(problem.response, lambdas)
    assert len(found) == len(lambdas) + 1
    for k, (logdet, logdet_x, r2) in enumerate(found):
        without = tuple(np.zeros_like(lam) if k in (j, len(lambdas)) else lam for j, lam in enumerate(lambdas))
        expected, _ = general(problem, without, reml)
        assert logdet == pytest.approx(expected.logdet, rel=SAME, abs=SAME)
        assert logdet_x == pytest.approx(2.0 * np.log(expected.Lxx.diagonal()).sum(), rel=SAME, abs=SAME)
        assert r2 == pytest.approx(expected.r2, rel=SAME)

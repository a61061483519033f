"""New responses on an old design."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools import core
from lmmtools.api import lmm
from lmmtools.core.after import refits
from lmmtools.design.stack import keep_rows
from lmmtools.design.theta import lambda_factors
from lmmtools.engines import pls
from lmmtools.errors import EngineError
from lmmtools.inference.power.simulated_tests import Truth, hypotheses_of, simulated_p_values
from tests.unit.core.designs import make_design, random_design
from tests.unit.core.models import maximal, model

SAME = 1e-9
"""Relative agreement of criteria that two routes reach."""


def simulated(design, B: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    Y = rng.standard_normal((design.n, B))
    for block in design.blocks:
        size = rng.choice([0.0, 0.4, 1.0], B)
        u = rng.standard_normal((block.m, B, block.l)) * size[:, None]
        Y += np.einsum("nl,nbl->nb", block.basis, u[block.codes])
    return Y


def test_new_response_equals_a_new_design() -> None:
    for seed in range(10):
        design = random_design(500 + seed)
        y = simulated(design, 1, seed)[:, 0] + 5
        refit = pls.fit_problem(core.prepare(design).with_response(y))
        fresh = pls.fit(replace(design, y=y))
        assert refit.objective == pytest.approx(fresh.objective, rel=SAME), seed
        np.testing.assert_allclose(refit.theta, fresh.theta, atol=1e-5)
        np.testing.assert_allclose(refit.beta, fresh.beta, atol=1e-6)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", ["sleepstudy", "Penicillin", "Pastes", "Dyestuff2"])
def test_many_refits_equal_one_by_one(name: str, reml: bool) -> None:
    design = model(name)
    problem = core.prepare(design)
    Y = simulated(design, 30, 7)
    many = core.refit_many(problem, Y, reml)
    assert many.converged.all()
    for i in range(Y.shape[1]):
        one = pls.fit_problem(problem.with_response(Y[:, i]), reml=reml)
        assert many.objective[i] == pytest.approx(one.objective, rel=SAME, abs=SAME), i
        np.testing.assert_allclose(many.theta[i], one.theta, atol=2e-5)
        np.testing.assert_array_equal(many.theta[i] == 0, one.theta == 0)
        np.testing.assert_allclose(many.beta[i], one.beta, atol=1e-6)
        np.testing.assert_allclose(many.beta_cov[i], one.beta_cov, rtol=1e-4)
        assert many.sigma[i] == pytest.approx(one.sigma, rel=1e-6), i


@pytest.mark.parametrize("seed", range(15))
def test_many_refits_of_random_designs(seed: int) -> None:
    design = random_design(700 + seed)
    problem = core.prepare(design)
    Y = simulated(design, 6, seed)
    many = core.refit_many(problem, Y, bool(seed % 2))
    assert many.converged.all()
    for i in range(6):
        one = pls.fit_problem(problem.with_response(Y[:, i]), reml=bool(seed % 2))
        assert many.objective[i] == pytest.approx(one.objective, rel=1e-7, abs=1e-7), i


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("without", ["u", "v"])
def test_a_level_whose_means_do_not_vary_has_no_variance_at_all(without: str, reml: bool) -> None:
    rng = np.random.default_rng(4)
    layout = np.array([(g, f) for g in range(12) for f in "uvw" for _ in range(4)])
    data = pd.DataFrame(layout, columns=["g", "f"])
    noise = rng.standard_normal(len(data))
    cell = data.groupby(["g", "f"])
    data["y"] = noise + rng.standard_normal(36)[cell.ngroup()]
    flat = data["f"] == without
    data.loc[flat, "y"] = (noise - pd.Series(noise).groupby(cell.ngroup()).transform("mean"))[flat]
    design = lmm("y ~ f + (0 + f | g)", data).design
    problem = core.prepare(design)
    theta = pls.fit_problem(problem, reml=reml).theta
    many = core.refit_many(problem, design.y[:, None], reml).theta[0]
    for found in (theta, many):
        (lam,) = lambda_factors(found, design.blocks)
        size = np.abs(lam).max(axis=1)
        level = list("uvw").index(without)
        assert size[level] == 0.0
        assert (np.delete(size, level) > 0.1).all()


def test_large_models_are_refitted_one_by_one() -> None:
    design = maximal()
    problem = core.prepare(design)
    Y = simulated(design, 2, 1)
    wide = core.refit_many(problem, Y)
    assert wide.converged.all()
    assert wide.objective[1] == pytest.approx(pls.fit_problem(problem.with_response(Y[:, 1])).objective, rel=SAME)


def test_responses_that_cannot_be_fitted_are_refused() -> None:
    problem = core.prepare(model("Dyestuff"))
    with pytest.raises(EngineError, match="30 rows"):
        problem.with_response(np.ones(29))
    with pytest.raises(EngineError, match="exactly"):
        problem.with_response(np.ones(30))
    with pytest.raises(EngineError, match="Response 1 of 2"):
        core.refit_many(problem, np.column_stack([np.arange(30.0), np.full(30, np.nan)]))
    with pytest.raises(EngineError, match="one column per response"):
        core.refit_many(problem, np.ones(30))


def test_offset_is_taken_off_new_responses() -> None:
    d = model("Dyestuff")
    offset = np.linspace(0, 100, d.n)
    plain = pls.fit(d)
    shifted = make_design(np.zeros(d.n) + np.arange(d.n), d.X, [("g", d.blocks[0].codes, None)], offset=offset)
    refit = pls.fit_problem(core.prepare(shifted).with_response(d.y + offset))
    assert refit.objective == pytest.approx(plain.objective, rel=SAME)
    many = core.refit_many(core.prepare(shifted), (d.y + offset)[:, None])
    assert many.objective[0] == pytest.approx(plain.objective, rel=SAME)


def large_crossed(seed: int):
    """Two crossed factors with 520 random effects: more than the search in step and the dense Hessian take."""
    rng = np.random.default_rng(seed)
    n = 4000
    frame = pd.DataFrame({"a": rng.integers(400, size=n), "b": rng.integers(120, size=n), "x": rng.standard_normal(n)})
    frame["y"] = frame.x + rng.normal(size=400)[frame.a] + 0.7 * rng.normal(size=120)[frame.b] + rng.normal(size=n)
    return lmm("y ~ x + (1|a) + (1|b)", frame).design


@pytest.mark.parametrize("reml", [True, False])
def test_refits_from_a_known_optimum_are_those_of_a_whole_search(reml: bool) -> None:
    design = large_crossed(1)
    problem = core.prepare(design)
    theta = core.optimize(problem, reml).theta
    rng = np.random.default_rng(2)
    sizes = ((1.0, 0.7), (0.9, 0.75), (1.4, 0.5), (1.0, 0.7), (0.6, 1.2), (1.0, 0.0))
    u = [[rng.normal(size=b.m) * s for b, s in zip(design.blocks, pair, strict=True)] for pair in sizes]
    Y = np.column_stack([own[0][design.blocks[0].codes] + own[1][design.blocks[1].codes] for own in u])
    Y += rng.normal(size=Y.shape)
    many = core.refit_many(problem, Y, reml, theta)
    assert many.converged.all()
    for i in range(Y.shape[1]):
        own = problem.with_response(Y[:, i])
        whole = core.optimize(own, reml)
        one = core.optimize_again(own, core.Known(problem, theta, reml))
        for objective, found in ((many.objective[i], many.theta[i]), (one.objective, one.theta)):
            # Criteria differ by what the last step leaves, some 1e-9, and theta by the root of that.
            assert objective == pytest.approx(whole.objective, abs=1e-6), i
            np.testing.assert_allclose(found, whole.theta, atol=2e-4)


def test_a_refit_from_a_known_optimum_certifies_the_point_before_its_last_step() -> None:
    design = large_crossed(3)
    problem = core.prepare(design)
    known = core.Known(problem, core.optimize(problem, True).theta, True, 10)
    y = design.y + np.random.default_rng(4).normal(size=design.n)
    found = core.optimize_again(problem.with_response(y), known)
    assert found.converged
    assert found.certificate.scope == "local"
    assert found.certificate.expected_decrease <= 1e-6
    there = core.certify(problem.with_response(y), found.theta)
    assert there.holds
    assert there.expected_decrease <= found.certificate.expected_decrease
    assert there.min_curvature == pytest.approx(found.certificate.min_curvature, rel=0.05)


def test_a_refit_near_the_boundary_takes_the_whole_search() -> None:
    design = large_crossed(5)
    problem = core.prepare(design)
    known = core.Known(problem, core.optimize(problem, True).theta, True, 10)
    rng = np.random.default_rng(6)
    y = rng.normal(size=400)[design.blocks[0].codes] + rng.normal(size=design.n)
    own = problem.with_response(y)
    found, whole = core.optimize_again(own, known), core.optimize(own, True)
    assert found.objective == pytest.approx(whole.objective, abs=1e-8)
    np.testing.assert_array_equal(found.theta == 0, whole.theta == 0)


@pytest.mark.parametrize("reml", [True, False])
def test_rows_of_a_design_are_searched_from_its_optimum_to_the_same_end(reml: bool) -> None:
    design = large_crossed(7)
    problem = core.prepare(design)
    known = core.Known(problem, core.optimize(problem, reml).theta, reml)
    rng = np.random.default_rng(8)
    # A level, a tenth of the rows, and the rows of ten levels, whose columns of Z go with them.
    for left_out in (design.blocks[1].codes == 3, rng.random(design.n) < 0.1, design.blocks[0].codes < 10):
        rest = core.prepare(keep_rows(design, ~left_out))
        found, whole = core.optimize_again(rest, known), core.optimize(rest, reml)
        assert found.converged
        assert found.objective == pytest.approx(whole.objective, abs=1e-6)
        np.testing.assert_allclose(found.theta, whole.theta, atol=2e-4)


def test_rows_without_which_a_variance_is_near_zero_take_the_whole_search(monkeypatch) -> None:
    design = large_crossed(9)
    y = design.y - np.bincount(design.blocks[1].codes, design.y)[design.blocks[1].codes] / 33.0
    first = design.blocks[1].codes < 4
    problem = core.prepare(replace(design, y=y + np.where(first, 6.0 * (design.blocks[1].codes - 1.5), 0.0)))
    known = core.Known(problem, core.optimize(problem, True).theta, True)
    assert known.theta.all()
    rest = core.prepare(keep_rows(problem.design, ~first))
    assert core.optimize_again(rest, known).objective == pytest.approx(core.optimize(rest, True).objective, abs=1e-8)


@pytest.mark.parametrize("what", ["power by z", "power by lr", "levels left out", "a bootstrap of two models"])
def test_what_is_searched_from_a_known_optimum_is_what_whole_searches_find(what, monkeypatch) -> None:
    rng = np.random.default_rng(10)
    n = 3000
    frame = pd.DataFrame({"a": rng.integers(400, size=n), "b": rng.integers(120, size=n), "x": rng.standard_normal(n)})
    frame["y"] = 0.04 * frame.x + rng.normal(size=400)[frame.a] + rng.normal(size=120)[frame.b] + rng.normal(size=n)
    small, fit = (lmm(text, frame).fit(engine="pls") for text in ("y ~ 1 + (1|a) + (1|b)", "y ~ x + (1|a) + (1|b)"))
    whole, again = [], []

    def numbers() -> np.ndarray:
        if what == "levels left out":
            left = [fit.on_rows(frame["b"].to_numpy() % 6 != k) for k in range(3)]
            return np.array([[*one.params, *one.theta, one.sigma, *one.bse] for one in left])
        if what == "a bootstrap of two models":
            return np.sort(lmt.bootstrap_test(small, fit, n=3, rng=2).draws)
        truth = Truth(fit.design, fit.theta, fit.sigma, fit.params.to_numpy(), True)
        hypotheses = hypotheses_of(fit.design, None, None)
        return simulated_p_values(truth, what.split()[-1], hypotheses, 3, np.random.SeedSequence(3))

    def count(problem, known):
        again.append(core.optimize_again(problem, known))
        return again[-1]

    def search(problem, known):
        whole.append(core.optimize(problem, known.reml))
        return whole[-1]

    found = []
    for used in (count, search):
        monkeypatch.setattr(refits, "optimize_again", used)
        monkeypatch.setattr(pls, "optimize_again", used)
        found.append(numbers())
    # The criterion's last digits, some 1e-9, move estimates by their root, in standard errors.
    np.testing.assert_allclose(*found, rtol=1e-3, atol=1e-5)
    assert len(again) == len(whole) >= 3
    assert sum(o.n_evaluations for o in again) <= sum(o.n_evaluations for o in whole) + len(again)

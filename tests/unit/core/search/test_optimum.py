"""Optima: exact balanced values, boundaries, certificates, options."""

from __future__ import annotations

import numpy as np
import pytest

from lmmtools import core
from lmmtools.core.search.descent import descend
from lmmtools.engines import pls
from lmmtools.errors import EngineError
from tests.unit.core.dense import dense_criterion, dense_fit, multi_start
from tests.unit.core.designs import balanced, make_design, random_design
from tests.unit.core.models import maximal, model

EXACT = 1e-9
"""Relative: at an optimum theta is good to the square root of the gradient's rounding error over the curvature."""

SEARCH = 1e-6
"""How far above ours a derivative-free search may stop, and below which another optimum counts as lower."""


def variances(design, fit):
    assert all(block.l == 1 for block in design.blocks), design.blocks
    return [*(fit.theta * fit.sigma) ** 2, fit.sigma**2]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("between", [0.0, 0.02, 1.0, 400.0])
def test_balanced_one_way_layout_has_its_anova_estimates(seed: int, between: float) -> None:
    """REML is the ANOVA estimate where that is positive (Searle, Casella & McCulloch 1992, section 4.3), else zero."""
    reps, levels, within = 5, 6, 2.0
    fit = pls.fit(balanced(10, reps, between, within, seed, levels))
    expected = between - within / reps
    if expected <= 0:
        assert fit.theta[0] == 0.0
        assert fit.certificate.holds
        # All variation is residual.
        total = (between * (levels - 1) * reps + within * levels * (reps - 1)) / (levels * reps - 1)
        assert fit.sigma**2 == pytest.approx(total, rel=EXACT)
    else:
        assert (fit.theta[0] * fit.sigma) ** 2 == pytest.approx(expected, rel=EXACT)
        assert fit.sigma**2 == pytest.approx(within, rel=EXACT)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Dyestuff", [1764.05, 2451.25]),
        ("Pastes", [8.433666666667, 1.657308641975, 0.678]),
        ("Penicillin", [0.71690821256, 3.73091787440, 0.30241545894]),
    ],
)
def test_balanced_data_reach_exact_reml_variances(name: str, expected: list[float]) -> None:
    """Mean squares solved for the variances, by hand."""
    fit = pls.fit(model(name))
    np.testing.assert_allclose(variances(model(name), fit), expected, rtol=2e-8 if name == "Pastes" else EXACT)
    assert fit.certificate.holds


@pytest.mark.parametrize("start", [None, 1e-6, 0.0, 30.0])
@pytest.mark.parametrize("reml", [True, False])
def test_dyestuff_from_any_start(start: float | None, reml: bool) -> None:
    fit = pls.fit(model("Dyestuff"), reml=reml, start=None if start is None else np.array([start]))
    between, within = (1764.05, 2451.25) if reml else (1388.3333333333333, 2451.25)
    assert (fit.theta[0] * fit.sigma) ** 2 == pytest.approx(between, rel=EXACT)
    assert fit.sigma**2 == pytest.approx(within, rel=EXACT)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("start", [None, 0.0, 1.0])
def test_a_variance_that_helps_nothing_is_exactly_zero(reml: bool, start: float | None) -> None:
    fit = pls.fit(model("Dyestuff2"), reml=reml, start=None if start is None else np.array([start]))
    assert fit.theta[0] == 0.0
    assert fit.certificate.holds
    assert fit.certificate.null_spaces[0].min_eigenvalue > 0
    assert fit.certificate.min_curvature == np.inf


def test_sleepstudy_has_published_estimates_in_few_evaluations() -> None:
    fit = pls.fit(model("sleepstudy"), reml=False)
    assert fit.objective == pytest.approx(1751.93934, abs=1e-5)
    assert fit.n_evaluations <= 8
    np.testing.assert_allclose(fit.beta, [251.405105, 10.467286], atol=1e-6)
    assert pls.fit(model("sleepstudy")).n_evaluations <= 3


def test_singular_vector_terms_reach_the_true_optimum() -> None:
    design = maximal()
    fit = pls.fit(design)
    assert fit.certificate.holds
    assert {n.block for n in fit.certificate.null_spaces} == {0, 1}
    # One search takes few evaluations; on the boundary two more look for another optimum.
    assert descend(core.prepare(design), True, None, core.Options()).n_evaluations <= 10
    assert fit.n_evaluations <= 30
    # No scattered point nearby is lower.
    rng = np.random.default_rng(0)
    for _ in range(30):
        assert dense_criterion(design, fit.theta + 0.02 * rng.standard_normal(design.k), True) > fit.objective - SEARCH


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("reml", [True, False])
def test_certificate_agrees_with_a_dense_multi_start_search(seed: int, reml: bool) -> None:
    design = random_design(1000 + seed, n_max=50)
    fit = pls.fit(design, reml=reml)
    assert fit.certificate.holds
    assert fit.objective == pytest.approx(dense_criterion(design, fit.theta, reml), rel=1e-9)
    if design.k <= 6 and fit.certificate.min_curvature > 1e-4:  # else not identified, with many optima
        assert fit.objective <= multi_start(design, reml, 4, seed) + SEARCH


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("reml", [True, False])
def test_random_designs_are_certified(seed: int, reml: bool) -> None:
    design = random_design(2000 + seed)
    fit = pls.fit(design, reml=reml)
    assert fit.certificate.holds, fit.messages
    assert fit.n_evaluations <= 400  # of up to ten searches, where there are few rows
    assert np.isfinite(fit.theta).all()
    assert fit.certificate.expected_decrease < SEARCH


@pytest.mark.parametrize("seed", range(30))
def test_no_other_start_does_better(seed: int) -> None:
    """lme4 starts at theta of the identity; neither that nor scattered starts find a lower criterion."""
    design = random_design(4000 + seed)
    reml = bool(seed % 2)
    fit = pls.fit(design, reml=reml)
    rng = np.random.default_rng(seed)
    identity = np.concatenate([np.eye(b.l)[np.triu_indices(b.l)] for b in design.blocks])
    for start in (identity, rng.standard_normal(design.k), np.exp(rng.standard_normal(design.k))):
        assert fit.objective <= pls.fit(design, reml=reml, start=start).objective + SEARCH, start


def test_certificate_refuses_a_point_that_is_not_an_optimum() -> None:
    problem = core.prepare(model("Penicillin"))
    away = core.certify(problem, np.array([1.0, 1.0]))
    assert not away.holds
    assert away.expected_decrease > 0.1
    # A zero variance that would rather be positive: the gradient in theta vanishes there, the certificate does not.
    zero = core.certify(problem, np.array([1.5, 0.0]))
    assert not zero.holds
    assert zero.null_spaces[0].min_eigenvalue < 0


def test_fit_of_a_fit_stays_there() -> None:
    for name in ("sleepstudy", "Penicillin", "Pastes"):
        first = pls.fit(model(name))
        again = pls.fit(model(name), start=first.theta)
        assert again.n_evaluations <= 2, name
        np.testing.assert_allclose(again.theta, first.theta, rtol=1e-7, atol=1e-9)


def test_callback_hears_every_iterate_and_may_stop() -> None:
    heard: list[core.Progress] = []
    pls.fit(model("sleepstudy"), reml=False, callback=heard.append)
    assert [p.n_evaluations for p in heard] == sorted(p.n_evaluations for p in heard)
    assert heard[-1].objective <= heard[0].objective
    assert heard[-1].gradient_norm < heard[0].gradient_norm
    stopped = pls.fit(model("sleepstudy"), reml=False, callback=lambda p: True)
    assert "callback" in stopped.messages[0]
    assert not stopped.certificate.holds


def test_interrupt_returns_the_best_point_so_far() -> None:
    def interrupt(progress: core.Progress) -> None:
        if progress.n_evaluations > 1:
            raise KeyboardInterrupt

    fit = pls.fit(model("sleepstudy"), reml=False, callback=interrupt)
    assert "interrupted" in fit.messages[0]
    assert fit.objective < 1755


def test_max_iter_ends_the_search_and_says_so() -> None:
    fit = pls.fit(model("sleepstudy"), reml=False, max_iter=2)
    assert "max_iter=2" in fit.messages[0]
    assert not fit.certificate.holds


def test_no_fixed_effects() -> None:
    d = model("Dyestuff")
    design = make_design(d.y - 1500, np.zeros((d.n, 0)), [("g", d.blocks[0].codes, None)])
    for reml in (True, False):
        fit = pls.fit(design, reml=reml)
        assert fit.beta.shape == (0,), reml
        assert fit.beta_cov.shape == (0, 0), reml
        assert fit.objective == pytest.approx(dense_criterion(design, fit.theta, reml), rel=1e-10), reml
        assert fit.certificate.holds, reml
    assert pls.fit(design).objective == pytest.approx(pls.fit(design, reml=False).objective, rel=1e-12)


def test_estimates_equal_generalised_least_squares() -> None:
    design = random_design(77)
    fit = pls.fit(design)
    dense = dense_fit(design, fit.theta, True)
    np.testing.assert_allclose(fit.beta, dense.beta, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(fit.beta_cov, dense.beta_cov, rtol=1e-7, atol=1e-12)
    assert fit.sigma**2 == pytest.approx(dense.sigma2, rel=1e-9)


@pytest.mark.parametrize(
    ("y", "X", "codes", "match"),
    [
        (np.full(12, 3.0), np.ones((12, 1)), np.repeat(np.arange(4), 3), "exactly"),
        (np.arange(12.0), np.column_stack([np.ones(12), np.arange(12.0)]), np.repeat(np.arange(4), 3), "exactly"),
        (np.arange(12.0) ** 2, np.column_stack([np.ones(12), np.ones(12)]), np.repeat(np.arange(4), 3), "dependent"),
        (np.arange(3.0) ** 2, np.eye(3), np.array([0, 0, 1]), "no degrees of freedom"),
        (np.array([1.0, np.nan, 2.0, 4.0, 3.0, 1.0]), np.ones((6, 1)), np.repeat([0, 1], 3), "finite"),
    ],
)
def test_models_without_an_answer_are_refused(y: np.ndarray, X: np.ndarray, codes: np.ndarray, match: str) -> None:
    with pytest.raises(EngineError, match=match):
        pls.fit(make_design(y, X, [("g", codes, None)]))


def test_no_random_term_is_refused() -> None:
    with pytest.raises(EngineError, match="no random-effects term"):
        core.prepare(make_design(np.arange(5.0), np.ones((5, 1)), []))


def test_stopping_a_later_search_is_said() -> None:
    # A singular fit of two variances is searched again.
    rng = np.random.default_rng(0)
    codes = [rng.integers(0, 4, 20), rng.integers(0, 3, 20)]
    problem = core.prepare(
        make_design(rng.normal(size=20), np.ones((20, 1)), [("g", codes[0], None), ("h", codes[1], None)])
    )
    first = descend(problem, True, None, core.Options()).n_evaluations
    heard: list[core.Progress] = []
    found = core.optimize(problem, options=core.Options(callback=lambda p: heard.append(p) or len(heard) > first))
    assert found.converged
    assert any(message.startswith("stopped by the callback in a search from") for message in found.messages), (
        found.messages
    )

"""Hostile numerics: a right answer or a clear EngineError, never NaN, never a hang."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import numpy as np
import pytest

from lmmtools.engines import pls
from lmmtools.errors import EngineError
from tests.unit.core.dense import dense_criterion
from tests.unit.core.designs import balanced, make_design, random_design
from tests.unit.core.models import model


def is_sound(fit) -> bool:
    numbers = [fit.theta, fit.beta, fit.beta_cov, fit.sigma, fit.objective, *fit.modes]
    return all(np.isfinite(x).all() for x in numbers)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("scale", [1e-8, 1e-6, 1e6, 1e8])
def test_units_of_y_change_nothing_but_units(scale: float, reml: bool) -> None:
    for name in ("sleepstudy", "Penicillin", "Dyestuff2"):
        d = model(name)
        plain, scaled = pls.fit(d, reml=reml), pls.fit(replace(d, y=d.y * scale), reml=reml)
        dof = d.n - d.p if reml else d.n
        np.testing.assert_allclose(scaled.theta, plain.theta, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(scaled.beta, plain.beta * scale, rtol=1e-9)
        assert scaled.objective == pytest.approx(plain.objective + 2 * dof * np.log(scale), rel=1e-10), name


@pytest.mark.parametrize("shift", [1e6, 1e9])
def test_a_huge_offset_in_y_costs_only_the_digits_that_y_lost(shift: float) -> None:
    for name in ("sleepstudy", "Penicillin"):
        d = model(name)
        # Round y so that the shift itself is exact to the digits kept.
        y = np.round(d.y, 4)
        plain, moved = pls.fit(replace(d, y=y)), pls.fit(replace(d, y=y + shift))
        lost = shift * 1e-16 / plain.sigma
        np.testing.assert_allclose(moved.theta, plain.theta, atol=max(1e-8, 100 * lost))
        assert moved.objective == pytest.approx(plain.objective, rel=max(1e-11, 10 * lost)), name
        assert moved.sigma == pytest.approx(plain.sigma, rel=max(1e-9, 100 * lost)), name


def test_columns_of_x_on_any_scale() -> None:
    d = random_design(3)
    rng = np.random.default_rng(0)
    x, z = rng.standard_normal((2, d.n))
    scales = np.array([1.0, 1e-8, 1e8])
    X = np.column_stack([np.ones(d.n), x, z])
    plain, scaled = pls.fit(replace(d, fixed=X)), pls.fit(replace(d, fixed=X * scales))
    np.testing.assert_allclose(scaled.beta * scales, plain.beta, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(scaled.theta, plain.theta, rtol=1e-6, atol=1e-8)
    assert scaled.objective == pytest.approx(plain.objective + 2 * np.log(scales).sum(), rel=1e-9)


@pytest.mark.parametrize("gap", [1e-3, 1e-5])
def test_nearly_collinear_columns_of_x(gap: float) -> None:
    d = random_design(3)
    rng = np.random.default_rng(0)
    x, e = rng.standard_normal((2, d.n))
    clear, near = np.column_stack([np.ones(d.n), x, e]), np.column_stack([np.ones(d.n), x, x + gap * e])
    plain, hard = pls.fit(replace(d, fixed=clear), reml=False), pls.fit(replace(d, fixed=near), reml=False)
    # The same column space: the same deviance and theta.
    assert hard.objective == pytest.approx(plain.objective, rel=1e-9)
    np.testing.assert_allclose(hard.theta, plain.theta, atol=1e-6)
    assert hard.beta[2] == pytest.approx(plain.beta[2] / gap, rel=1e-6 / gap * 1e-3)


@pytest.mark.parametrize("shift", [0.0, 1e3, 1e5])
def test_slopes_far_from_the_origin(shift: float) -> None:
    """(1 + x | g) with x = shift + small: the same model as with shift 0, intercept and slope nearly collinear."""
    d = model("sleepstudy")
    days = d.X[:, 1]
    X = np.column_stack([np.ones(d.n), days + shift])
    design = make_design(d.y, X, [("Subject", d.blocks[0].codes, X)])
    fit = pls.fit(design)
    assert fit.certificate.holds
    assert fit.objective == pytest.approx(1743.6282719584, rel=1e-9)
    slope_sd = fit.sigma * np.hypot(fit.theta[1], fit.theta[2])
    assert slope_sd == pytest.approx(5.9221331, rel=1e-6)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_random_slopes_on_any_scale(scale: float) -> None:
    d = model("sleepstudy")
    B = d.X * np.array([1.0, scale])
    fit, plain = pls.fit(make_design(d.y, d.X, [("Subject", d.blocks[0].codes, B)])), pls.fit(d)
    assert fit.objective == pytest.approx(plain.objective, rel=1e-11)
    np.testing.assert_allclose(fit.theta * np.array([1.0, scale, scale]), plain.theta, rtol=1e-6, atol=1e-9)


def test_groups_with_one_row() -> None:
    rng = np.random.default_rng(2)
    codes = np.concatenate([np.repeat(np.arange(8), 4), np.arange(8, 20)])
    n = len(codes)
    x = rng.standard_normal(n)
    B = np.column_stack([np.ones(n), x])
    y = rng.standard_normal(20)[codes] + x * rng.standard_normal(20)[codes] + rng.standard_normal(n)
    design = make_design(y, B, [("g", codes, B)])
    fit = pls.fit(design)
    assert is_sound(fit)
    assert fit.certificate.holds
    assert fit.objective == pytest.approx(dense_criterion(design, fit.theta, True), rel=1e-9)


def test_nearly_as_many_random_effects_as_rows() -> None:
    rng = np.random.default_rng(2)
    n = 60
    codes = np.minimum(np.arange(n), 57)
    design = make_design(rng.standard_normal(n), np.ones((n, 1)), [("g", codes, None)])
    fit = pls.fit(design)
    assert is_sound(fit)
    assert fit.objective <= dense_criterion(design, np.array([1.0]), True) + 1e-9


@pytest.mark.parametrize("ratio", [1e-8, 1e4, 1e8])
def test_extreme_variance_ratios(ratio: float) -> None:
    fit = pls.fit(balanced(3, 6, ratio, 1.0, 4, levels=10))
    expected = max(ratio - 1.0 / 6, 0.0)
    assert (fit.theta[0] * fit.sigma) ** 2 == pytest.approx(expected, rel=1e-6)
    assert is_sound(fit)


@pytest.mark.parametrize("start", [0.0, 1e-12, 1e12])
def test_starts_on_the_boundary_and_far_away(start: float) -> None:
    for name in ("sleepstudy", "Penicillin", "Dyestuff2"):
        d = model(name)
        best = pls.fit(d)
        fit = pls.fit(d, start=np.full(d.k, start))
        assert is_sound(fit), name
        assert fit.objective == pytest.approx(best.objective, rel=1e-10), name
        assert fit.certificate.holds, name


def test_perfect_fit_by_random_effects_ends_in_an_answer_or_an_error() -> None:
    codes = np.repeat(np.arange(5), 4)
    y = np.array([1.0, 4.0, 2.0, 8.0, 5.0])[codes]
    # Groups explain y exactly: the residual variance has no estimate, and rounding decides how far the search gets.
    outcome = None
    with contextlib.suppress(EngineError):
        outcome = pls.fit(make_design(y, np.ones((20, 1)), [("g", codes, None)]))
    assert outcome is None or is_sound(outcome)


def test_two_copies_of_one_term() -> None:
    d = model("Dyestuff")
    codes = d.blocks[0].codes
    fit = pls.fit(make_design(d.y, d.X, [("a", codes, None), ("b", codes, None)]))
    assert is_sound(fit)
    # Only the sum of the two variances is identified, and it is that of one term.
    assert (fit.theta @ fit.theta) * fit.sigma**2 == pytest.approx(1764.05, rel=1e-6)


def test_a_basis_column_of_zeros() -> None:
    d = model("Dyestuff")
    basis = np.column_stack([np.ones(d.n), np.zeros(d.n)])
    fit = pls.fit(make_design(d.y, d.X, [("g", d.blocks[0].codes, basis)]))
    assert is_sound(fit)
    assert fit.objective == pytest.approx(pls.fit(d).objective, rel=1e-9)


def test_weights_over_sixteen_orders() -> None:
    rng = np.random.default_rng(0)
    d = model("Dyestuff")
    for scale in (1e-8, 1e8):
        w = rng.uniform(0.5, 2, d.n)
        plain, scaled = pls.fit(replace(d, weights=w)), pls.fit(replace(d, weights=w * scale))
        np.testing.assert_allclose(scaled.theta / np.sqrt(1 / scale), plain.theta, rtol=1e-7)
        assert scaled.objective == pytest.approx(plain.objective, rel=1e-10), scale

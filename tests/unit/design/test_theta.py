"""theta <-> lambda, and the rule of singularity: it does not depend on units of weights or covariates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.design.theta import SINGULAR_TOL, are_singular, pack_lambda, row_sizes, triangular_factor, unpack_lambda

SAME = 1e-4
"""Of variances in another unit: what the searches' tolerances leave."""


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_a_covariance_matrix_of_any_rank_has_a_triangular_factor_with_no_negative_diagonal(rank):
    root = np.random.default_rng(rank).normal(size=(3, rank))
    cov = root @ root.T
    L = triangular_factor(cov)
    np.testing.assert_allclose(L @ L.T, cov, atol=1e-14)
    np.testing.assert_allclose(L, np.tril(L), atol=1e-14)
    assert (np.diag(L) >= 0).all()


def test_the_factor_of_a_definite_matrix_is_cholesky_s():
    cov = np.array([[4.0, 2.0], [2.0, 3.0]])  # by hand: 2, 1 and sqrt(3 - 1)
    np.testing.assert_allclose(triangular_factor(cov), [[2.0, 0.0], [1.0, np.sqrt(2.0)]], atol=1e-15)


def test_factors_packed_into_theta_are_unpacked_again():
    factors = [np.array([[1.0, 0.0], [2.0, 3.0]]), np.array([[4.0]])]
    theta = pack_lambda(factors)
    np.testing.assert_array_equal(theta, [1.0, 2.0, 3.0, 4.0])
    for lam, again in zip(factors, unpack_lambda(theta, [2, 1]), strict=True):
        np.testing.assert_array_equal(lam, again)


def test_many_thetas_are_unpacked_as_each_is_alone():
    many = np.random.default_rng(5).normal(size=(4, 3, 7))
    for at, lam in enumerate(unpack_lambda(many, [2, 1, 2])):
        for i, j in np.ndindex(4, 3):
            np.testing.assert_array_equal(lam[i, j], unpack_lambda(many[i, j], [2, 1, 2])[at])


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    n = 150
    g, h, x = rng.integers(0, 12, n), rng.integers(0, 8, n), rng.normal(size=n)
    se = rng.uniform(0.5, 2.0, n)
    u = rng.normal(size=(12, 2)) * [1.0, 0.6]
    y = 2 + u[g, 0] + (0.5 + u[g, 1]) * x + 0.8 * rng.normal(size=8)[h] + se * rng.normal(size=n)
    return pd.DataFrame({"y": y, "x": x, "se": se, "g": g.astype(str), "h": h.astype(str)})


@pytest.mark.parametrize("unit", [1e-9, 1e-4, 1.0, 1e5, 1e9])
def test_weights_of_one_over_squared_errors_in_any_unit_leave_the_flag(rows: pd.DataFrame, unit: float) -> None:
    # sigma^2 of a row is sigma^2 / w = (sigma * unit * se)^2: y times unit is the same model, its sigma is the same.
    right = lmt.lmm("y ~ x + (x | g) + (1 | h)", rows, weights=1 / rows.se**2).fit(engine="pls")
    moved = rows.assign(y=rows.y * unit)
    fit = lmt.lmm("y ~ x + (x | g) + (1 | h)", moved, weights=1 / (rows.se * unit) ** 2).fit(engine="pls")
    assert not right.is_singular
    assert not fit.boundary
    assert not fit.is_singular
    expected = right.varcorr.to_frame().vcov[:4].to_numpy(float) * unit**2
    assert fit.varcorr.to_frame().vcov[:4].to_numpy(float) == pytest.approx(expected, rel=SAME)


@pytest.mark.parametrize("size", [1e-12, 1e-6, 1e6, 1e12])
def test_a_constant_weight_leaves_flag_bootstrap_and_ranova(rows: pd.DataFrame, size: float) -> None:
    def look(weight: float) -> tuple[object, ...]:
        fit = lmt.lmm("y ~ x + (1 | g)", rows, weights=np.full(len(rows), weight)).fit(engine="pls")
        drawn = fit.bootstrap(40, rng=3)
        return fit.is_singular, drawn.n_singular, fit.ranova().to_frame()["p"].iloc[1]

    came, right = look(size), look(1.0)
    assert came[:2] == right[:2]
    assert came[2] == pytest.approx(right[2], rel=1e-3)


@pytest.mark.parametrize("size", [1e-10, 1.0, 1e10])
def test_a_variance_of_zero_is_zero_in_any_unit_of_the_weights(size: float) -> None:
    # Means of the levels are equal: the estimate is zero.
    data = pd.DataFrame({"y": [0.0, 1, 2, 0, 1, 2.5, 0, 1, 1.5], "g": list("aaabbbccc")})
    fit = lmt.lmm("y ~ 1 + (1 | g)", data, weights=np.full(9, size)).fit(engine="pls")
    assert fit.is_singular
    assert [row.kind for row in fit.boundary] == ["zero variance"]
    assert fit.bootstrap(30, rng=1).n_singular > 0


def test_with_weights_of_one_the_tolerance_is_lme4s(rows: pd.DataFrame) -> None:
    # isSingular(fit, tol = 1e-4): any(theta diagonal < tol).
    design = lmt.lmm("y ~ x + (1 | g) + (1 | h)", rows, weights=np.ones(len(rows))).design
    theta = np.array([[1.0, 1.0], [1.0, SINGULAR_TOL * 1.01], [SINGULAR_TOL * 0.99, 1.0]])
    assert are_singular(theta, design.blocks, design.weights).tolist() == [False, False, True]


def test_an_effect_of_a_covariate_is_judged_in_any_unit_of_it(rows: pd.DataFrame) -> None:
    for unit in (1e-150, 1e-8, 1e8, 1e150):
        design = lmt.lmm("y ~ 1 + (0 + x | g)", rows.assign(x=rows.x * unit)).design
        rms = float(np.sqrt(np.mean(rows.x**2)))
        theta = np.array([[0.99], [1.01]]) * SINGULAR_TOL / rms / unit
        assert are_singular(theta, design.blocks, design.weights).tolist() == [True, False], unit


@pytest.mark.parametrize("unit", [1.0, 1e170, 1e-170, 1e305])
def test_the_size_of_a_column_is_its_root_mean_square_in_any_unit(unit):
    basis = np.array([[1.0, 3.0], [1.0, -4.0]]) * [1.0, unit]  # by hand: 1, and sqrt(12.5) in that unit
    np.testing.assert_allclose(row_sizes(basis), [1.0, np.sqrt(12.5) * unit], rtol=1e-15)
    np.testing.assert_allclose(row_sizes(basis, np.array([4.0, 9.0])), [np.sqrt(6.5), np.sqrt(90.0) * unit], rtol=1e-15)

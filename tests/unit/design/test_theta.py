"""theta, lambda_k and the factors of covariance matrices."""

import numpy as np
import pytest

from lmmtools.design.theta import pack_lambda, triangular_factor, unpack_lambda


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

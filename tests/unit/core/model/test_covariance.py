"""Each kind of covariance against differences of Sigma, one point at a time and several at once."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from lmmtools.core.model.covariance import covariance_of, is_null, places

RTOL = 1e-6
"""Central differences of a smooth function at a step of 1e-5: errors of 1e-9."""

STEP = 1e-5


def kind(l):
    """The covariance of a term of l effects, and a point: a root of its Sigma."""
    rng = np.random.default_rng(l)
    R = np.tril(rng.standard_normal((l, l))) + 2.0 * np.eye(l)
    return covariance_of(SimpleNamespace(l=l), R, 12.0), rng.standard_normal((l, l))


def sigma_of(term, phi, Q):
    root = term.unpack(phi, Q)
    return root @ root.swapaxes(-1, -2)


def differences(function, at):
    steps = STEP * np.eye(len(at))
    return np.array([(function(at + h) - function(at - h)) / (2.0 * STEP) for h in steps])


@pytest.mark.parametrize("l", [1, 2, 3])
def test_a_point_is_what_its_parameters_say_in_its_frame(l):
    term, lam = kind(l)
    Q, L = term.frame(lam)
    phi = term.pack(L)
    assert phi.shape == term.bounded.shape == (term.k,)
    np.testing.assert_allclose(sigma_of(term, phi, Q), lam @ lam.T, rtol=1e-12)
    assert (np.diff(np.diag(L)) <= 0).all()


@pytest.mark.parametrize("l", [1, 2, 3])
def test_first_and_second_derivatives_of_sigma_are_those_of_differences(l):
    term, lam = kind(l)
    Q, L = term.frame(lam)
    phi = term.pack(L)
    lam = term.unpack(phi, Q)
    np.testing.assert_allclose(term.directions(lam, Q), differences(lambda x: sigma_of(term, x, Q), phi), rtol=RTOL)
    G = np.random.default_rng(9).standard_normal((l, l))
    G = G + G.T
    by_hand = differences(lambda x: np.einsum("iab,ab->i", term.directions(term.unpack(x, Q), Q), G), phi)
    np.testing.assert_allclose(term.curvature(G, lam, Q), by_hand, rtol=RTOL, atol=1e-8)


@pytest.mark.parametrize("l", [1, 2, 3])
def test_theta_goes_to_lambda_and_back_and_its_gradient_is_that_of_differences(l):
    term, _ = kind(l)
    theta = np.abs(np.random.default_rng(4).standard_normal(term.k)) + 0.1
    lam = term.lam(theta)
    np.testing.assert_allclose(term.theta(lam), theta, rtol=1e-12)
    G = np.eye(l) + 0.3

    def criterion(x):
        root = term.lam(x)
        return np.sum(G * (root @ root.T))

    np.testing.assert_allclose(term.theta_gradient(G, lam), differences(criterion, theta), rtol=RTOL)


@pytest.mark.parametrize("l", [1, 3])
def test_many_points_are_answered_as_each_by_itself(l):
    term, _ = kind(l)
    lam = np.random.default_rng(2).standard_normal((5, l, l))
    Q, L = term.frame(lam)
    phi, step = term.pack(L), np.full((5, term.k), 40.0)
    G = np.ones((5, l, l))
    for i in range(5):
        np.testing.assert_allclose(term.theta(lam)[i], term.theta(lam[i]), rtol=1e-12)
        np.testing.assert_allclose(term.unpack(phi, Q)[i], term.unpack(phi[i], Q[i]), rtol=1e-12)
        np.testing.assert_allclose(term.directions(lam, Q)[i], term.directions(lam[i], Q[i]), rtol=1e-12)
        np.testing.assert_allclose(term.curvature(G, lam, Q)[i], term.curvature(G[i], lam[i], Q[i]), rtol=1e-12)
        np.testing.assert_allclose(term.step_limit(phi, step)[i], term.step_limit(phi[i], step[i]), rtol=1e-12)
        assert term.step_limit(phi[i], step[i]) < 1.0, i


def test_a_variance_is_bounded_and_a_triangle_is_not():
    scalar, triangle = kind(1)[0], kind(2)[0]
    assert scalar.bounded.all()
    assert not triangle.bounded.any()
    assert scalar.pack(np.zeros((1, 1))) == 0.0
    assert places([scalar, triangle, scalar]) == [slice(0, 1), slice(1, 4), slice(4, 5)]


def test_elements_of_columns_and_rows_are_those_of_a_triangle_column_by_column():
    # L_11, L_21, L_22.
    triangle, second = kind(2)[0], np.array([False, True])
    assert triangle.of_columns(second).tolist() == [False, False, True]
    assert triangle.of_rows(second).tolist() == [False, True, True]


def test_a_direction_is_null_where_its_information_is_a_billionth():
    # roots^2 c: 1e-10 and 1e-8 beside the tolerance of 1e-9.
    assert is_null(np.array([1e-6, 1e-5]), 100.0).tolist() == [True, False]

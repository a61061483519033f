"""Blocks of many levels against the definitions, level by level."""

from __future__ import annotations

import numpy as np
import pytest

TOL = 1e-12
"""Relative: blocks are conditioned to 1e3 at most."""


def blocks(m, l, rng):
    B = rng.normal(size=(m, 3 * l, l))
    return B.transpose(0, 2, 1) @ B


@pytest.mark.parametrize("l", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("rank", ["full", "singular", "zero"])
def test_factor_returns_what_the_definitions_say(route, l, rank):
    rng = np.random.default_rng(l)
    A, lam = blocks(7, l, rng), rng.normal(size=(l, l))
    if rank == "singular":
        lam[:, -1] = 0.0
    elif rank == "zero":
        lam[:] = 0.0
    T, w, J, logdet = route("blocks").factor(A, lam)
    sigma, eye = lam @ lam.T, np.eye(l)
    M = np.array([eye + lam.T @ a @ lam for a in A])
    np.testing.assert_allclose(logdet, sum(np.linalg.slogdet(x)[1] for x in M), rtol=TOL, atol=TOL)
    np.testing.assert_allclose(w, [lam @ np.linalg.solve(x, lam.T) for x in M], rtol=TOL, atol=TOL)
    np.testing.assert_allclose(T.transpose(0, 2, 1) @ T, w, rtol=TOL, atol=TOL)
    np.testing.assert_allclose(J, [np.linalg.inv(eye + a @ sigma) for a in A], rtol=1e-10, atol=TOL)


def test_factor_takes_arrays_that_are_read_only_or_no_slice_in_order(route):
    rng = np.random.default_rng(3)
    A, lam = blocks(6, 2, rng), rng.normal(size=(2, 2))
    expected = route("blocks").factor(A.copy(), lam.copy())
    A.flags.writeable = False
    found = route("blocks").factor(A.transpose(0, 2, 1), np.asfortranarray(lam))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=TOL, atol=TOL)


@pytest.mark.parametrize("l", [1, 2, 3, 9])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -1e6])
def test_factor_of_a_block_that_is_not_definite_has_no_determinant(route, l, bad):
    A = np.tile(np.eye(l), (4, 1, 1))
    A[2, 0, 0] = bad
    with np.errstate(all="ignore"):
        logdet = route("blocks").factor(A, np.eye(l))[3]
    assert not np.isfinite(logdet)


def test_determinants_of_many_levels_do_not_overflow(route):
    A = np.full((5000, 1, 1), 1e4)
    np.testing.assert_allclose(route("blocks").factor(A, np.eye(1))[3], 5000 * np.log(10001.0), rtol=TOL)


def test_factor_of_no_level_is_empty(route):
    T, w, J, logdet = route("blocks").factor(np.zeros((0, 2, 2)), np.eye(2))
    assert T.shape == w.shape == J.shape == (0, 2, 2)
    assert logdet == 0.0


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (1, 1, 4), (2, 2, 3), (3, 2, 1), (3, 3, 3), (2, 5, 2), (2, 9, 3)], ids=str
)
@pytest.mark.parametrize("m", [0, 5, 300])
def test_multiply_is_a_product_per_level(route, shape, m):
    rng = np.random.default_rng(8)
    a, c, b = shape
    A, B = rng.normal(size=(m, a, c)), rng.normal(size=(m, c, b))
    expected = np.einsum("eik,ekj->eij", A, B)
    multiply = route("blocks").multiply
    np.testing.assert_allclose(multiply(A, B), expected, rtol=TOL, atol=TOL)
    transposed = np.ascontiguousarray(A.transpose(0, 2, 1)).transpose(0, 2, 1)
    out = np.full((m, a, b), np.nan)
    assert multiply(transposed, B, out) is out
    np.testing.assert_allclose(out, expected, rtol=TOL, atol=TOL)


def test_multiply_takes_one_matrix_for_all_levels(route):
    rng = np.random.default_rng(9)
    A, B = rng.normal(size=(2, 2)), rng.normal(size=(300, 2, 2))
    found = route("blocks").multiply(np.broadcast_to(A, B.shape), B)
    np.testing.assert_allclose(found, A @ B, rtol=TOL, atol=TOL)


SHAPES = [(1, 1, 1), (1, 3, 3), (2, 3, 3), (3, 2, 1), (4, 6, 6), (4, 12, 12), (9, 2, 2)]


@pytest.mark.parametrize(("l", "b"), [s[:2] for s in SHAPES])
def test_reduce_takes_the_products_of_right_hand_sides_in_the_metric_of_the_weights(route, l, b):
    rng = np.random.default_rng(l + b)
    A, lam, C = blocks(11, l, rng), rng.normal(size=(l, l)), rng.normal(size=(11, l, b))
    logdet, S = route("blocks").reduce(A, lam, C)
    M = np.eye(l) + lam.T @ A @ lam
    np.testing.assert_allclose(logdet, np.linalg.slogdet(M)[1].sum(), rtol=TOL)
    right = lam.T @ C
    np.testing.assert_allclose(S, np.einsum("eai,eaj->ij", right, np.linalg.solve(M, right)), rtol=1e-10, atol=TOL)


@pytest.mark.parametrize(("l", "b", "c"), SHAPES)
def test_moments_are_sums_of_products_over_levels(route, l, b, c):
    rng = np.random.default_rng(l + b)
    A, lam = blocks(11, l, rng), rng.normal(size=(l, l))
    C, B = rng.normal(size=(11, l, b)), rng.normal(size=(b, c))
    T, gram, cross, last, S = route("blocks").moments(A, lam, C, B)
    J = np.linalg.inv(np.eye(l) + A @ lam @ lam.T)
    N, Y = J @ A, J @ C @ B
    flat, y, f = N.reshape(11, -1), Y[:, :, :-1], Y[:, :, -1]
    own = np.einsum("eij,ekj->eik", y, y).reshape(11, -1)
    square = np.einsum("ei,ej->eij", f, f).reshape(11, -1)
    scale = max(abs(flat).max(), abs(Y).max()) ** 2
    for found, expected in (
        (T, N.sum(0)),
        (gram, flat.T @ flat),
        (cross, flat.T @ own),
        (last, flat.T @ square),
        (S, np.einsum("eij,ekl->ijkl", Y, Y)),
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-11 * scale)

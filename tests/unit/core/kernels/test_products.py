"""The cross-products of a small model, by both routes against sums over explicit columns."""

from __future__ import annotations

import numpy as np
import pytest

# Squares of a few hundred numbers of size one, twice orthonormalised.
SAME = 1e-12

EXACT = 1e-13


def rows(weighted: bool, p: int = 3):
    rng = np.random.default_rng(5)
    n = 60
    g, h = rng.integers(0, 7, n), rng.integers(0, 4, n)
    x = rng.normal(size=(n, 2))
    X = np.column_stack([np.ones(n), 100.0 + rng.normal(size=(n, max(p - 1, 0)))])[:, :p]
    bases = (np.column_stack([np.ones(n), x[:, 0]]), np.ones((n, 1)), x[:, [1]] * 1e5)
    # (1 + x | g) and (0 + z | g) interleaved by level, (1 | h) after them.
    codes, places = (g, h, g), np.array([[0, 3, 7], [21, 1, 4], [2, 3, 7]], dtype=np.intc)
    y = 5.0 + rng.normal(size=n)
    return codes, bases, places, X, y, rng.uniform(0.5, 2.0, n) if weighted else None, 25


@pytest.mark.parametrize("p", [0, 1, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_products_are_those_of_the_explicit_columns(route, weighted: bool, p: int) -> None:
    codes, bases, places, X, y, w, q = rows(weighted, p)
    M, x_map, centre, scale, maps, _ = route("dense").products(codes, bases, places, X, y, w, q, EXACT)
    root = np.ones(len(y)) if w is None else np.sqrt(w)
    Q = (X * root[:, None]) @ x_map
    np.testing.assert_allclose(Q.T @ Q, np.eye(p), atol=SAME)
    np.testing.assert_allclose(np.tril(x_map, -1), 0.0)
    np.testing.assert_allclose(centre, Q.T @ (y * root), atol=10 * SAME)
    r = (y * root - Q @ centre) / scale
    assert r @ r == pytest.approx(len(y), rel=SAME)
    Z = np.zeros((len(y), q))
    for code, basis, (first, stride, _), R in zip(codes, bases, places, maps, strict=True):
        assert np.tril(R) == pytest.approx(R)
        B = (basis * root[:, None]) @ np.linalg.inv(R)
        np.testing.assert_allclose(B.T @ B, len(y) * np.eye(len(R)), atol=1e3 * SAME)
        for e in range(basis.shape[1]):
            Z[np.arange(len(y)), code * stride + first + e] = B[:, e]
    whole = np.column_stack([Z, Q, r])
    np.testing.assert_allclose(M, whole.T @ whole, atol=1e3 * SAME)
    np.testing.assert_allclose(M, M.T)


def test_columns_that_depend_on_others_are_left_to_the_general_way(route) -> None:
    codes, bases, places, X, y, w, q = rows(False)
    products = route("dense").products
    alike = np.column_stack([X, X[:, 1] + 1e-6 * X[:, 2]])
    assert products(codes, bases, places, alike, y, w, q, EXACT) is None
    twice = (np.column_stack([bases[0][:, 0], bases[0][:, 0] * (1 + 1e-9)]), *bases[1:])
    assert products(codes, twice, places, X, y, w, q, EXACT) is None


def test_a_response_that_x_reproduces_and_numbers_out_of_range_are_left_to_the_general_way(route) -> None:
    codes, bases, places, X, y, w, q = rows(True)
    products = route("dense").products
    assert products(codes, bases, places, X, X @ np.arange(3.0), w, q, EXACT) is None
    assert products(codes, bases, places, X * 1e-140, y, w, q, EXACT) is None
    assert products(codes, (bases[0] * 1e140, *bases[1:]), places, X, y, w, q, EXACT) is None


def test_rows_of_any_memory_order_are_read(route) -> None:
    codes, bases, places, X, y, w, q = rows(True)
    products = route("dense").products
    known = products(codes, bases, places, X, y, w, q, EXACT)[0]
    spread = np.repeat(y, 2)[::2]
    spread.flags.writeable = False
    turned = tuple(np.asfortranarray(b) for b in bases)
    np.testing.assert_array_equal(products(codes, turned, places, np.asfortranarray(X), spread, w, q, EXACT)[0], known)

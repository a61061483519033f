"""Sums over the rows of each level and of each pair of levels, against loops over the rows."""

from __future__ import annotations

import numpy as np
import pytest

TOL = 1e-12


@pytest.fixture(params=[1, 2, 3, 9])
def rows(request):
    """Codes of 40 rows in seven levels, one of them empty, and their bases."""
    rng = np.random.default_rng(request.param)
    return rng.choice([0, 1, 2, 4, 5, 6], 40).astype(np.intp), rng.normal(size=(40, request.param))


@pytest.mark.parametrize("weighted", [False, True])
def test_squares_are_added_to_what_is_there(route, rows, weighted):
    codes, z = rows
    rng = np.random.default_rng(1)
    w = rng.uniform(0.5, 2.0, 40) if weighted else None
    start = rng.normal(size=(7, z.shape[1], z.shape[1]))
    start += start.transpose(0, 2, 1)
    out, expected = start.copy(), start.copy()
    route("cells").add_squares(codes, z, w, out)
    for i, e in enumerate(codes):
        expected[e] += (1.0 if w is None else w[i]) * np.outer(z[i], z[i])
    np.testing.assert_allclose(out, expected, rtol=TOL, atol=TOL)


@pytest.mark.parametrize("p", [0, 1, 3])
def test_products_are_added_to_what_is_there(route, rows, p):
    codes, z = rows
    rng = np.random.default_rng(2)
    X, start = rng.normal(size=(40, p)), rng.normal(size=(7, z.shape[1], p))
    out, expected = start.copy(), start.copy()
    route("cells").add_products(codes, z, X, out)
    for i, e in enumerate(codes):
        expected[e] += np.outer(z[i], X[i])
    np.testing.assert_allclose(out, expected, rtol=TOL, atol=TOL)


def test_rows_may_be_a_slice_of_any_order(route, rows):
    codes, z = rows
    found, expected = np.zeros((2, 7, z.shape[1], z.shape[1]))
    route("cells").add_squares(codes[::2], np.asfortranarray(z)[::2], None, found)
    route("cells").add_squares(codes[::2].copy(), z[::2].copy(), None, expected)
    np.testing.assert_allclose(found, expected, rtol=TOL, atol=TOL)


@pytest.fixture(params=[1, 2])
def crossed(request, rows):
    """Rows with levels and bases of a second factor of five levels, and the sums over each pair, (7, l, 5, k)."""
    codes, z = rows
    rng = np.random.default_rng(10 * request.param)
    others, v = rng.integers(0, 5, 40).astype(np.intp), rng.normal(size=(40, request.param))
    expected = np.zeros((7, z.shape[1], 5, request.param))
    for i in range(40):
        expected[codes[i], :, others[i]] += np.outer(z[i], v[i])
    return codes, z, others, v, expected


def test_dense_sums_are_added_to_what_is_there(route, crossed):
    *rows, expected = crossed
    out = np.ones_like(expected)
    route("cells").add_dense(*rows, out)
    np.testing.assert_allclose(out - 1.0, expected, rtol=TOL, atol=10 * TOL)


def test_cells_have_ascending_keys_and_only_those_with_rows(route, crossed):
    codes, z, others, v, expected = crossed
    keys, sums = route("cells").collect(codes, z, others, v, 7, 5)
    np.testing.assert_array_equal(keys, np.unique(codes * 5 + others))
    known = expected.transpose(0, 2, 1, 3).reshape(35, -1)[keys]
    np.testing.assert_allclose(sums, known, rtol=TOL, atol=TOL)


@pytest.mark.parametrize("cut", [0, 1, 17, 40])
def test_cells_of_two_parts_merge_to_those_of_the_whole(route, crossed, cut):
    *rows, _ = crossed
    kernel = route("cells")
    parts = [kernel.collect(*(a[some] for a in rows), 7, 5) for some in (slice(cut), slice(cut, None))]
    keys, sums = kernel.merge(*parts[0], *parts[1])
    known, expected = kernel.collect(*rows, 7, 5)
    np.testing.assert_array_equal(keys, known)
    np.testing.assert_allclose(sums, expected, rtol=TOL, atol=TOL)

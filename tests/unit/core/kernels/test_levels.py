"""Sums over the rows of each level, against loops over the rows."""

from __future__ import annotations

import numpy as np
import pytest

TOL = 1e-12


@pytest.fixture(params=[1, 2, 3, 9])
def rows(request):
    """Codes of 40 rows in seven levels, one of them empty, their basis and its map."""
    l = request.param
    rng = np.random.default_rng(l)
    codes = rng.choice([0, 1, 2, 4, 5, 6], 40).astype(np.intp)
    return codes, rng.normal(size=(40, l)), np.tril(rng.normal(size=(l, l))) + 4.0 * np.eye(l)


@pytest.mark.parametrize("weighted", [False, True])
def test_squares_are_added_to_what_is_there(route, rows, weighted):
    codes, basis, R = rows
    rng = np.random.default_rng(1)
    w = rng.uniform(0.5, 2.0, 40) if weighted else None
    start = rng.normal(size=(7, len(R), len(R)))
    start += start.transpose(0, 2, 1)
    out = start.copy()
    route("levels").add_squares(codes, basis, R, w, out)
    expected = start.copy()
    for i, e in enumerate(codes):
        z = np.linalg.solve(R.T, basis[i])
        expected[e] += (1.0 if w is None else w[i]) * np.outer(z, z)
    np.testing.assert_allclose(out, expected, rtol=TOL, atol=TOL)


@pytest.mark.parametrize("p", [0, 1, 3])
def test_products_are_added_to_what_is_there(route, rows, p):
    codes, basis, R = rows
    rng = np.random.default_rng(2)
    X, start = rng.normal(size=(40, p)), rng.normal(size=(7, len(R), p))
    out = start.copy()
    route("levels").add_products(codes, basis, R, X, out)
    expected = start.copy()
    for i, e in enumerate(codes):
        expected[e] += np.outer(np.linalg.solve(R.T, basis[i]), X[i])
    np.testing.assert_allclose(out, expected, rtol=TOL, atol=TOL)


def test_rows_may_be_a_slice_of_any_order(route, rows):
    codes, basis, R = rows
    found, expected = np.zeros((2, 7, len(R), len(R)))
    route("levels").add_squares(codes[::2], np.asfortranarray(basis)[::2], R, None, found)
    route("levels").add_squares(codes[::2].copy(), basis[::2].copy(), R, None, expected)
    np.testing.assert_allclose(found, expected, rtol=TOL, atol=TOL)

"""Cholesky factors by halves: the same as LAPACK's, in place, on one thread and on two."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import lapack

from lmmtools import cholesky

# Both ways are backward stable; the matrices have condition numbers near 10.
RTOL, ATOL = 1e-10, 1e-12

SIZES = (1, 40, 512, 1408, 1409, 1600)


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    """As if two threads were to be had: halves are split."""
    monkeypatch.setattr(cholesky, "cores", lambda: 2)


def made(q: int) -> np.ndarray:
    A = np.random.default_rng(q).standard_normal((q, q + 5))
    return np.asfortranarray(A @ A.T / q + 0.5 * np.eye(q))


@pytest.mark.parametrize("q", SIZES)
def test_factor_and_inverses_are_lapacks(q):
    S = made(q)
    expected, _ = lapack.dpotrf(S, lower=1)
    L, info = cholesky.factor(S.copy(order="F"))
    X, _ = cholesky.invert_factor(L)
    W, _ = cholesky.invert(L)
    assert info == 0
    np.testing.assert_allclose(np.tril(L), expected, rtol=RTOL, atol=ATOL)
    np.testing.assert_allclose(np.tril(X), lapack.dtrtri(expected, lower=1)[0], rtol=RTOL, atol=1e-11)
    np.testing.assert_allclose(np.tril(W), np.tril(lapack.dpotri(expected, lower=1)[0]), rtol=1e-8, atol=1e-11)
    assert L.flags.f_contiguous
    assert X.flags.f_contiguous
    assert W.flags.f_contiguous


def test_halves_are_split(monkeypatch):
    called = []
    inner = cholesky._blas
    monkeypatch.setattr(cholesky, "_blas", lambda name, *a: called.append(name) or inner(name, *a))
    L, _ = cholesky.factor(made(1600))
    cholesky.invert(L)
    assert set(called) == {"dtrsm", "dsyrk", "dtrmm"}
    called.clear()
    cholesky.factor(made(1408))
    monkeypatch.setattr(cholesky, "cores", lambda: 1)
    cholesky.factor(made(1600))
    assert called == []


def test_the_upper_triangle_is_not_read():
    S = made(1500)
    expected = np.tril(cholesky.factor(S.copy(order="F"))[0])
    S[np.triu_indices(1500, 1)] = np.nan
    L, info = cholesky.factor(S)
    assert info == 0
    np.testing.assert_array_equal(np.tril(L), expected)
    np.testing.assert_array_equal(np.isnan(np.tril(cholesky.invert(L)[0])), False)


def test_the_matrix_is_overwritten_where_it_can_be_and_the_factor_kept():
    S = made(1500)
    L, _ = cholesky.factor(S)
    assert np.shares_memory(L, S)
    kept = L.copy()
    cholesky.invert(L), cholesky.invert_factor(L)
    np.testing.assert_array_equal(L, kept)


@pytest.mark.parametrize("at", [3, 600, 1499])
def test_a_matrix_that_is_not_definite_is_said_to_be_none(at):
    S = made(1500)
    S[at, at] = -1.0
    assert cholesky.factor(S)[1] > 0


@pytest.mark.parametrize("at", [3, 600, 1499])
def test_a_factor_with_a_zero_on_its_diagonal_has_no_inverse(at):
    L = np.asfortranarray(np.tril(made(1500)))
    L[at, at] = 0.0
    assert cholesky.invert_factor(L)[1] > 0
    assert cholesky.invert(L)[1] > 0


def test_rows_in_c_order_are_taken_too():
    S = np.ascontiguousarray(made(1500))
    np.testing.assert_allclose(np.tril(cholesky.factor(S)[0]), lapack.dpotrf(S, lower=1)[0], rtol=RTOL, atol=ATOL)

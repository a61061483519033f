"""A dense rest with some variances at zero, against the dense inverse."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from lmmtools.core.elimination.dense_rest import DenseLayout, DenseRest, PartlyZeroRest
from lmmtools.core.elimination.parts import Factor

TOL = 1e-11


@pytest.mark.parametrize("is_lower", [True, False], ids=["after a chain", "alone"])
@pytest.mark.parametrize("zeros", [(0,), (1,), (2,), (0, 2), (1, 2), (0, 1, 2), ()])
def test_solutions_inverse_and_traces_are_those_of_the_dense_matrix(zeros, is_lower):
    rng = np.random.default_rng(1)
    factors = (Factor((0,), (2,), 6, 2, 0), Factor((1,), (1,), 5, 1, 12), Factor((2,), (1,), 4, 1, 17))
    Z = rng.normal(size=(40, 21))
    A = Z.T @ Z
    lambdas = tuple(np.zeros((f.l, f.l)) if i in zeros else rng.normal(size=(f.l, f.l)) for i, f in enumerate(factors))
    layout = DenseLayout.of(sparse.csr_matrix(A), factors, is_lower=is_lower)
    given = np.asfortranarray(np.tril(A) if is_lower else A)
    rest = layout.factorise(given.copy(order="F"), lambdas)
    assert isinstance(rest, PartlyZeroRest if zeros else DenseRest)
    Lambda = np.zeros((21, 21))
    for f, lam in zip(factors, lambdas, strict=True):
        Lambda[f.columns, f.columns] = np.kron(np.eye(f.m), lam)
    M = np.eye(21) + Lambda.T @ A @ Lambda
    W = Lambda @ np.linalg.solve(M, Lambda.T)
    near = {"rtol": TOL, "atol": TOL * np.abs(A).max()}
    assert rest.logdet == pytest.approx(np.linalg.slogdet(M)[1], rel=TOL, abs=TOL)
    C = rng.normal(size=(21, 3))
    U, F = rest.solve(C)
    np.testing.assert_allclose(U, W @ C, **near)
    np.testing.assert_allclose(F, C - A @ W @ C, **near)
    found, T = rest.invert(full=True)
    np.testing.assert_allclose(found, W, **near)
    N = A - A @ W @ A
    for f, t, again in zip(factors, T, rest.traces(), strict=True):
        blocks = N[f.columns, f.columns].reshape(f.m, f.l, f.m, f.l)
        expected = np.einsum("eaeb->ab", blocks)
        np.testing.assert_allclose(t, expected, **near)
        np.testing.assert_allclose(again, expected, **near)


def test_only_the_factors_with_a_variance_are_factored(monkeypatch):
    from lmmtools import cholesky

    sizes, factor = [], cholesky.factor
    monkeypatch.setattr(cholesky, "factor", lambda S: sizes.append(len(S)) or factor(S))
    factors = (Factor((0,), (1,), 30, 1, 0), Factor((1,), (1,), 5, 1, 30))
    layout = DenseLayout.of(sparse.eye(35).tocsr(), factors, is_lower=True)
    layout.factorise(layout.products(), (np.zeros((1, 1)), np.ones((1, 1))))
    assert sizes == [5]

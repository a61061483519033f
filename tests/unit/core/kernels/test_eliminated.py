"""A sparse rest eliminated front by front, against the dense inverse."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from lmmtools.core.elimination import fronts
from lmmtools.core.elimination.parts import Factor

TOL = 1e-10


class Case:
    """A rest of two factors whose levels meet here and there, with the plan of its elimination."""

    def __init__(self, l, waste, monkeypatch):
        rng = np.random.default_rng(l)
        m = (30, 20)
        self.factors = (Factor((0,), (l,), m[0], l, 0), Factor((1,), (1,), m[1], 1, m[0] * l))
        levels = fronts.Levels.of(self.factors)
        meet = rng.random((50, 50)) < 0.05
        meet = meet | meet.T | np.eye(50, dtype=bool)
        self.q = len(levels.of_column)
        pattern = np.tril(meet[np.ix_(levels.of_column, levels.of_column)])
        monkeypatch.setattr(fronts, "WORTH", 1e12)
        monkeypatch.setattr(fronts, "WASTE", waste)
        self.plan, lower = fronts.plan_fronts(sparse.csc_matrix(meet.astype(float)), levels)
        assert np.array_equal(lower.toarray(), pattern)
        M = rng.normal(size=(self.q, self.q)) * pattern
        self.A = M + M.T + 20.0 * np.eye(self.q)
        self.rows, self.columns = lower.indices, np.repeat(np.arange(self.q), np.diff(lower.indptr))
        self.lambdas = (rng.normal(size=(l, l)), np.array([[0.7]]))
        self.Lambda = np.zeros((self.q, self.q))
        for f, lam in zip(self.factors, self.lambdas, strict=True):
            self.Lambda[f.columns, f.columns] = np.kron(np.eye(f.m), lam)

    @property
    def entries(self):
        return self.A[self.rows, self.columns]


@pytest.fixture(params=[0.0, 0.25, 1e9], ids=["as found", "usual", "one front"])
def waste(request):
    return request.param


@pytest.fixture(params=[1, 2, 3])
def case(request, waste, monkeypatch):
    return Case(request.param, waste, monkeypatch)


def test_solutions_inverse_and_traces_are_those_of_the_dense_matrix(route, case):
    found = route("eliminated").eliminate_fronts(case.plan, case.entries, case.lambdas)
    M = np.eye(case.q) + case.Lambda.T @ case.A @ case.Lambda
    W = case.Lambda @ np.linalg.solve(M, case.Lambda.T)
    assert found.logdet == pytest.approx(np.linalg.slogdet(M)[1], rel=TOL)
    C = np.random.default_rng(0).normal(size=(case.q, 3))
    U, F = found.solve(np.asfortranarray(C))
    np.testing.assert_allclose(U, W @ C, rtol=TOL, atol=TOL)
    np.testing.assert_allclose(F, C - case.A @ W @ C, rtol=TOL, atol=TOL)
    l = case.factors[0].l
    inverse, T = found.invert(l * l + 1)
    np.testing.assert_allclose(inverse, W[case.rows, case.columns], rtol=TOL, atol=TOL)
    N = case.A - case.A @ W @ case.A
    first = sum(N[i * l : (i + 1) * l, i * l : (i + 1) * l] for i in range(30))
    np.testing.assert_allclose(T[:-1].reshape(l, l), first, rtol=TOL, atol=TOL * abs(first).max())
    assert T[-1] == pytest.approx(np.trace(N[30 * l :, 30 * l :]), rel=TOL)


def test_no_right_hand_side_has_no_solution(route, case):
    U, F = route("eliminated").eliminate_fronts(case.plan, case.entries, case.lambdas).solve(np.zeros((case.q, 0)))
    assert U.shape == F.shape == (case.q, 0)


@pytest.mark.parametrize("bad", [np.nan, -1e6])
def test_a_rest_that_is_not_definite_has_no_determinant(route, case, bad):
    entries = case.entries
    entries[(case.rows == 4) & (case.columns == 4)] = bad
    with np.errstate(all="ignore"):
        found = route("eliminated").eliminate_fronts(case.plan, entries, case.lambdas)
    assert not np.isfinite(found.logdet)

"""Pairs of columns that levels meet, against dense matrices."""

from __future__ import annotations

import numpy as np
import pytest

from lmmtools.core.elimination.dense_rest import DenseLayout
from lmmtools.core.elimination.sparse_rest import SparseLayout

TOL = 1e-12


class Case:
    """Rows of 30 levels in 12 columns, some of the levels chosen, in one of the layouts of the rest."""

    def __init__(self, l, layout, rng):
        m, self.q = 30, 12
        met = rng.random((m, self.q)) < 0.3
        met[4] = False
        self.indptr = np.append(0, np.cumsum(met.sum(1))).astype(np.int32)
        self.rows, self.columns = np.nonzero(met)
        self.values = rng.normal(size=(len(self.columns), l))
        self.levels = np.flatnonzero(rng.random(m) < 0.8)
        self.V = np.zeros((m, l, self.q))
        self.V[self.rows, :, self.columns] = self.values
        self.V[np.setdiff1d(np.arange(m), self.levels)] = 0.0
        self.joined = np.einsum("eai,eaj->ij", abs(self.V), abs(self.V)) > 0
        M = rng.normal(size=(self.q, self.q))
        self.W = np.where(self.joined, M + M.T, 0.0)
        if layout == "dense":
            self.layout = DenseLayout(np.zeros((self.q, self.q)), (), True)
            return
        rows, columns = np.nonzero(np.tril(self.joined | np.eye(self.q, dtype=bool)))
        keys = np.sort(columns * self.q + rows)
        self.layout = SparseLayout(np.zeros(len(keys)), keys, self.q, (), None)

    def held(self, M):
        """Return the lower triangle of a matrix as the layout has it; what may not be read is nan."""
        if not self.layout.is_sparse:
            return np.asfortranarray(np.where(np.tri(self.q, dtype=bool), M, np.nan))
        return M[self.layout.keys % self.q, self.layout.keys // self.q]


@pytest.fixture(params=["dense", "sparse"])
def layout(request):
    return request.param


@pytest.fixture(params=[1, 2, 3])
def case(request, layout):
    return Case(request.param, layout, np.random.default_rng(request.param))


@pytest.fixture(params=[1, 3])
def threads(request, route, monkeypatch):
    # Shared out however few they are.
    module = route("pairs")
    if hasattr(module, "SHARED"):
        monkeypatch.setattr(module, "SHARED", 0)
    return request.param


def pairs(route, case):
    return route("pairs").Pairs(case.levels, case.indptr, case.columns, case.layout)


def test_gram_is_taken_off_the_lower_triangle(route, case, threads):
    start = np.random.default_rng(5).normal(size=case.W.shape)
    S = case.held(np.where(case.joined, start, 0.0))
    pairs(route, case).subtract_gram(case.values, S, threads)
    expected = np.where(case.joined, start, 0.0) - np.einsum("eai,eaj->ij", case.V, case.V)
    np.testing.assert_allclose(S, case.held(expected), rtol=TOL, atol=TOL)


def test_quadratics_read_the_lower_triangle_alone(route, case, threads):
    found = pairs(route, case).quadratics(case.values, case.held(case.W), threads)
    expected = np.einsum("eai,ij,ebj->eab", case.V, case.W, case.V)
    np.testing.assert_allclose(found, expected, rtol=TOL, atol=TOL)
    total = pairs(route, case).quadratic(case.values, case.held(case.W), threads)
    np.testing.assert_allclose(total, expected.sum(0), rtol=TOL, atol=TOL)


def test_products_with_a_matrix_stand_in_the_columns_that_are_met(route, case, threads):
    found = pairs(route, case).restrict(case.values, case.held(case.W), threads)
    expected = np.einsum("eai,ij->eaj", case.V, case.W)[case.rows, :, case.columns]
    np.testing.assert_allclose(found, expected, rtol=TOL, atol=TOL)


def test_levels_that_meet_nothing_add_nothing(route, layout):
    case = Case(1, layout, np.random.default_rng(1))
    none = route("pairs").Pairs(np.array([4]), case.indptr, case.columns, case.layout)
    S = case.held(case.W)
    before = S.copy()
    none.subtract_gram(case.values, S)
    np.testing.assert_array_equal(S, before)
    assert none.count == 0
    assert not none.quadratic(case.values, S).any()
    assert not none.quadratics(case.values, S).any()
    assert not none.restrict(case.values, S).any()


def test_what_is_held_as_indices_is_told(route, case):
    held, limit = pairs(route, case), route("pairs").LIMIT
    counts = np.diff(case.indptr)[case.levels]
    assert held.count == (counts * (counts + 1) // 2).sum()
    assert held.stored == (0 if np.isinf(limit) else held.count)

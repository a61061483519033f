"""The forest of fronts: what elimination fills in, found by eliminating a dense matrix of marks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse


def graph(n, density, rng):
    M = np.tril(rng.random((n, n)) < density, -1)
    return M, sparse.csc_matrix(M)


def fill(M):
    """Return below the diagonal all that meet once those before are eliminated."""
    M = M.copy()
    for j in range(len(M)):
        met = np.flatnonzero(M[:, j])
        M[np.ix_(met, met)] |= np.tri(len(met), k=-1, dtype=bool)
    return M


def lists(ends, entries):
    return [x.tolist() for x in np.split(entries, ends[:-1])]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("waste", "small"), [(0.0, 0), (0.25, 24), (1e9, 0)], ids=["exact", "usual", "merged"])
def test_fronts_hold_all_that_elimination_fills_in(route, seed, waste, small):
    rng = np.random.default_rng(seed)
    M, A = graph(40, 0.06, rng)
    widths = rng.integers(1, 4, 40)
    own_ends, own, other_ends, others, parent, height = route("fronts").find_fronts(
        A.indptr, A.indices, widths, waste, small, np.inf
    )
    filled = fill(M)
    mine, later = lists(own_ends, own), lists(other_ends, others)
    assert sorted(own) == list(range(40))
    for i, (o, r) in enumerate(zip(mine, later, strict=True)):
        assert r == np.flatnonzero(filled[:, o[-1]]).tolist(), i
        for v in o:
            assert set(np.flatnonzero(filled[:, v])) <= {*o, *r}, (i, v)
        assert (parent[i] == -1) == (not r), i
        if r:
            assert parent[i] > i
            assert r[0] in mine[parent[i]], i
            assert set(r) <= {*mine[parent[i]], *later[parent[i]]}, i
            assert height[parent[i]] > height[i], i
    if waste == small == 0:
        for o, r in zip(mine, later, strict=True):
            for v in o:
                assert set(np.flatnonzero(filled[:, v])) == {u for u in {*o, *r} if u > v}
    if waste > 1:
        assert (parent == -1).all()


@pytest.mark.parametrize("seed", range(3))
def test_both_routes_find_the_same_forest(route, seed):
    from lmmtools.core.kernels import numpy_fronts

    rng = np.random.default_rng(seed)
    _, A = graph(120, 0.02, rng)
    widths = rng.integers(1, 3, 120)
    found = route("fronts").find_fronts(A.indptr, A.indices, widths, 0.25, 24, np.inf)
    expected = numpy_fronts.find_fronts(A.indptr, A.indices, widths, 0.25, 24, np.inf)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_work_beyond_the_limit_ends_the_search(route):
    full = sparse.csc_matrix(np.tri(30, k=-1))
    widths = np.ones(30, dtype=np.intp)
    find = route("fronts").find_fronts
    assert find(full.indptr, full.indices, widths, 0.25, 24, 100.0) is None
    # One front of 30 columns: 30**3, whatever was merged into it.
    assert find(full.indptr, full.indices, widths, 0.25, 24, 30.0**3) is not None
    assert find(full.indptr, full.indices, widths, 0.25, 24, 30.0**3 - 1.0) is None


def by_definition(M, full):
    """Return minimum degree's order on a dense matrix of marks, ties by number, and the work of its fronts."""
    M, left, order, work = M | M.T, list(range(len(M))), [], 0.0
    while left:
        degree = M[np.ix_(left, left)].sum(axis=1)
        if degree.sum() >= full * len(left) ** 2:
            return [*order, *left], work + len(left) ** 3
        v = left.pop(int(np.argmin(degree)))
        order.append(v)
        work += (degree.min() + 1) ** 2
        met = [u for u in left if M[v, u]]
        M[np.ix_(met, met)] = True
        np.fill_diagonal(M, False)
    return order, work


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n", [1, 7, 64, 130])
def test_order_is_that_of_minimum_degree_and_its_limit_the_work_of_the_fronts(route, seed, n):
    M, _ = graph(n, 0.08, np.random.default_rng(seed))
    order_by_degree = route("fronts").order_by_degree
    whole = sparse.csc_matrix(M | M.T | np.eye(n, dtype=bool))
    order, work = by_definition(M, 0.9)
    assert order_by_degree(whole.indptr, whole.indices, 0.9, work).tolist() == order
    if n > 7:
        assert order_by_degree(whole.indptr, whole.indices, 0.9, 0.99 * work) is None

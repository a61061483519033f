"""Whether an order of low fill is searched for: not where a few eliminations already join everything."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from lmmtools.core.elimination import fronts
from lmmtools.core.elimination.parts import Factor
from lmmtools.core.kernels import numpy_fronts

LEVELS = fronts.Levels.of([Factor((0,), (1,), 700, 1, 0)])


def met(n_levels: int, n: int, rows: int, seed: int = 0) -> sparse.csc_matrix:
    """Pairs of n levels that meet at a random level of another factor, each with itself."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, n_levels, rows), rng.integers(0, n, rows)
    B = sparse.csr_matrix((np.ones(rows), codes), shape=(n_levels, n))
    graph = (B.T @ B + sparse.eye(n)).tocsc()
    graph.data[:] = 1.0
    return graph


def islands(count: int, size: int) -> sparse.csc_matrix:
    return sparse.block_diag([np.ones((size, size))] * count).tocsc()


def band(n: int, width: int) -> sparse.csc_matrix:
    offsets = range(-width, width + 1)
    return sparse.diags([np.ones(n - abs(o)) for o in offsets], offsets).tocsc()


@pytest.fixture(params=["numpy", "compiled"])
def find_order(request):
    if request.param == "numpy":
        return numpy_fronts.find_order
    return pytest.importorskip("lmmtools.core.kernels._fronts", reason="not built").find_order


@pytest.mark.parametrize("seed", range(3))
def test_levels_that_meet_at_random_fill_at_once_and_the_search_agrees(seed, monkeypatch, find_order):
    graph, limit = met(1500, 700, 14_000, seed), fronts.WORTH * 700.0**3
    assert numpy_fronts.FILLING < graph.nnz / 700**2 < 0.3
    assert numpy_fronts.fills_at_once(graph)
    assert find_order(graph, limit / fronts.FULL_COST) is None
    monkeypatch.setattr(numpy_fronts, "fills_at_once", lambda _: False)
    monkeypatch.setattr(fronts.kernel, "find_order", numpy_fronts.find_order)
    assert fronts._eliminate_symbolically(graph, LEVELS, limit) is None


def filled(graph, order):
    """Return how many entries below the diagonal an order makes."""
    M = graph.toarray()[np.ix_(order, order)] != 0
    for j in range(len(M)):
        later = j + 1 + np.flatnonzero(M[j + 1 :, j])
        M[np.ix_(later, later)] = True
    return int(np.tril(M, -1).sum())


@pytest.mark.parametrize("graph", [islands(10, 70), band(700, 50), islands(16, 45)], ids=["islands", "band", "more"])
def test_graphs_that_fall_apart_are_searched(graph, find_order):
    assert graph.nnz > numpy_fronts.FILLING * graph.shape[0] ** 2
    assert not numpy_fronts.fills_at_once(graph)
    order = find_order(graph, np.inf)
    assert sorted(order) == list(range(graph.shape[0]))
    # A perfect order exists; from both ends of a band minimum degree meets in the middle.
    assert filled(graph, order) <= 1.02 * (graph.nnz - graph.shape[0]) / 2


def test_an_arrow_is_eliminated_from_its_shaft(find_order):
    # Level 0 meets all: eliminated first it would join everything.
    n = 200
    M = np.eye(n)
    M[0] = M[:, 0] = 1.0
    M[1:50, 1:50] = 1.0
    graph = sparse.csc_matrix(M)
    assert filled(graph, find_order(graph, np.inf)) == (graph.nnz - n) // 2


def test_degrees_are_those_after_elimination(monkeypatch):
    """On a path each elimination joins its two neighbours: nothing ever fills, and no search is spared."""
    monkeypatch.setattr(numpy_fronts, "FILLING", 0.0)
    assert not numpy_fronts.fills_at_once(band(300, 1))


def test_thin_graphs_are_not_looked_at(monkeypatch):
    monkeypatch.setattr(np, "packbits", lambda *a, **k: pytest.fail("looked"))
    assert not numpy_fronts.fills_at_once(band(300, 1))

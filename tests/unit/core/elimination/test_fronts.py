"""Whether an order of low fill is searched for: not where a few eliminations already join everything."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from lmmtools.core.elimination import fronts
from lmmtools.core.elimination.parts import Factor

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


def limit(n: int) -> float:
    """The work from which no plan is made, as the search for an order counts it."""
    return fronts.WORTH * float(n) ** 3 / fronts.WORK


@pytest.mark.parametrize("seed", range(3))
def test_levels_that_meet_at_random_end_the_search_for_an_order(seed, monkeypatch):
    graph = met(1500, 700, 14_000, seed)
    assert fronts.FILLING < graph.nnz / 700**2 < 0.3
    assert fronts._order_levels(graph, limit(700)) is None
    # SuperLU's order agrees that there is none worth it.
    monkeypatch.setattr(fronts, "FILLING", 1.0)
    assert fronts._eliminate_symbolically(graph, LEVELS, limit(700)) is None


@pytest.mark.parametrize("graph", [islands(10, 70), band(700, 50), islands(16, 45)], ids=["islands", "band", "more"])
def test_graphs_that_fall_apart_are_searched(graph):
    n = graph.shape[0]
    levels = fronts.Levels.of([Factor((0,), (1,), n, 1, 0)])
    assert graph.nnz > fronts.FILLING * n**2
    assert sorted(fronts._order_levels(graph, limit(n))) == list(range(n))
    assert fronts._eliminate_symbolically(graph.tocsc(), levels, limit(n)) is not None


def test_one_large_front_is_counted_once():
    """A clique of 240 joined to 460 levels that meet nothing else: 240**3 multiply-adds of 700**3 / 6."""
    graph = sparse.block_diag([np.ones((240, 240)), sparse.eye(460)]).tocsc()
    assert 240.0**3 < limit(700) < 240.0**4 / 4
    found = fronts._eliminate_symbolically(graph, LEVELS, limit(700))
    assert found is not None
    assert found.own.counts.max() == 240

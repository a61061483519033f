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


@pytest.mark.parametrize("seed", range(3))
def test_levels_that_meet_at_random_fill_at_once_and_the_search_agrees(seed, monkeypatch):
    graph = met(1500, 700, 14_000, seed)
    assert fronts.FILLING < graph.nnz / 700**2 < 0.3
    assert fronts.fills_at_once(graph)
    monkeypatch.setattr(fronts, "fills_at_once", lambda _: False)
    assert fronts._eliminate_symbolically(graph, LEVELS, fronts.WORTH * 700.0**3) is None


@pytest.mark.parametrize("graph", [islands(10, 70), band(700, 50), islands(16, 45)], ids=["islands", "band", "more"])
def test_graphs_that_fall_apart_are_searched(graph):
    assert graph.nnz > fronts.FILLING * graph.shape[0] ** 2
    assert not fronts.fills_at_once(graph)


def test_degrees_are_those_after_elimination(monkeypatch):
    """On a path each elimination joins its two neighbours: nothing ever fills, and no search is spared."""
    monkeypatch.setattr(fronts, "FILLING", 0.0)
    assert not fronts.fills_at_once(band(300, 1))


def test_thin_graphs_are_not_looked_at(monkeypatch):
    monkeypatch.setattr(np, "packbits", lambda *a, **k: pytest.fail("looked"))
    assert not fronts.fills_at_once(band(300, 1))

"""The sparse rest on designs that are made for it: islands, and two large factors that meet here and there."""

from __future__ import annotations

import numpy as np
import pytest

from lmmtools import core
from lmmtools.core.elimination import structure
from lmmtools.core.elimination.dense_rest import DenseLayout
from lmmtools.core.elimination.sparse_rest import SparseLayout
from tests.unit.core.designs import make_design

SAME = 1e-10
"""Relative: two ways through the same arithmetic."""


def islands(*, slopes: bool):
    """400 islands of 4 x 3 levels, fully crossed, two rows a pair."""
    rng = np.random.default_rng(1)
    k, a, b, _ = (v.ravel() for v in np.meshgrid(*(np.arange(m) for m in (400, 4, 3, 2)), indexing="ij"))
    n = len(k)
    x = rng.standard_normal(n)
    first, second = 4 * k + a, 3 * k + b
    y = rng.standard_normal(1600)[first] + (0.5 + 0.3 * x) * rng.standard_normal(1200)[second] + rng.standard_normal(n)
    basis = np.column_stack([np.ones(n), x]) if slopes else None
    return make_design(y, np.column_stack([np.ones(n), x]), [("a", first, None), ("b", second, basis)])


def movers():
    """Workers with a firm each, a few of whom change to a firm nearby; firms lie in regions."""
    rng = np.random.default_rng(2)
    worker = np.repeat(np.arange(4000), 4)
    firm = worker // 5
    moved = (rng.random(4000) < 0.2)[worker] & (np.arange(16000) % 4 > 1)
    firm = np.where(moved, (firm + rng.integers(1, 6, 4000)[worker]) % 800, firm)
    y = rng.standard_normal(4000)[worker] + rng.standard_normal(800)[firm] + rng.standard_normal(16000)
    return make_design(
        y, np.ones((16000, 1)), [("worker", worker, None), ("firm", firm, None), ("region", firm // 40, None)]
    )


DESIGNS = {
    "islands": lambda: islands(slopes=False),
    "islands with slopes": lambda: islands(slopes=True),
    "movers in regions": movers,
}


@pytest.mark.parametrize("name", DESIGNS)
def test_low_fill_is_found_and_gives_what_the_dense_rest_gives(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    design = DESIGNS[name]()
    sparse = core.prepare(design)
    monkeypatch.setattr(structure, "SPARSE_REST", 10**9)
    dense = core.prepare(design)
    assert isinstance(sparse.structure.layout, SparseLayout)
    assert isinstance(dense.structure.layout, DenseLayout)
    rng = np.random.default_rng(3)
    for theta in (rng.uniform(0.2, 1.2, design.k), np.zeros(design.k)):
        one, other = core.evaluate(sparse, theta), core.evaluate(dense, theta)
        assert one.objective == pytest.approx(other.objective, rel=SAME), theta
        np.testing.assert_allclose(one.gradient, other.gradient, rtol=1e-7, atol=1e-7)
        for mine, theirs in zip(one.G, other.G, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-7, atol=1e-7 * np.abs(theirs).max())
    theta = rng.uniform(0.2, 1.2, design.k)
    np.testing.assert_allclose(core.hat_values(sparse, theta), core.hat_values(dense, theta), rtol=1e-8)
    for mine, theirs in zip(
        core.conditional_covariances(sparse, theta), core.conditional_covariances(dense, theta), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-8, atol=1e-12)


def test_fit_proves_its_optimum() -> None:
    optimum = core.optimize(core.prepare(islands(slopes=True)))
    assert optimum.converged


def test_two_factors_that_meet_everywhere_stay_dense() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.integers(0, 900, 20_000), rng.integers(0, 500, 20_000)
    y = rng.standard_normal(20_000)
    layout = core.prepare(make_design(y, np.ones((20_000, 1)), [("a", a, None), ("b", b, None)])).structure.layout
    assert isinstance(layout, DenseLayout)

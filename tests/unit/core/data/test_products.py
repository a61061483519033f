"""Products of the rows in any pieces, merged in any order, and coordinates that the first rows choose badly."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

from lmmtools import core, memory
from lmmtools.core.data import pair_sums, passes, problem
from lmmtools.core.data.chunks import Chunk, DesignChunks
from lmmtools.core.data.coordinates import choose_coordinates
from lmmtools.core.data.passes import accumulate, accumulate_by
from lmmtools.core.data.products import Products
from lmmtools.core.elimination import coupling, gram
from lmmtools.core.elimination.coupling import DenseCoupling, SparseCoupling
from lmmtools.errors import EngineError
from tests.unit.core.dense import dense_fit
from tests.unit.core.designs import make_design, random_design, random_theta

SAME = 1e-10
"""Relative, of criteria of the same rows in other pieces."""


@dataclass
class Pieces:
    """A design's rows in pieces of given sizes, the last of what is left."""

    whole: DesignChunks
    sizes: tuple[int, ...]

    @property
    def n(self) -> int:
        return self.whole.n

    @property
    def levels(self) -> tuple[int, ...]:
        return self.whole.levels

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        return self.whole.groups

    def __iter__(self) -> Iterator[Chunk]:
        (chunk,) = replace(self.whole, rows=self.n)
        ends = np.cumsum([0, *self.sizes]).tolist()
        for a, b in zip(ends, [*ends[1:], self.n], strict=True):
            if a < b:
                s = slice(a, b)
                yield Chunk(
                    chunk.y[s],
                    chunk.X[s],
                    chunk.residual.take(s),
                    tuple(c[s] for c in chunk.codes),
                    tuple(x[s] for x in chunk.bases),
                )


def problem_of(design, scaling, cross):
    """The problem of cross-products made by hand."""
    return problem._assemble(design, scaling, cross, problem._plan(design, cross))


def criteria(design, found) -> list[float]:
    """The criterion at three thetas."""
    made = problem_of(design, *found)
    return [core.evaluate(made, random_theta(design, seed)).objective for seed in range(3)]


@pytest.fixture(params=["dense", "sparse"])
def storage(request, monkeypatch):
    """Couplings held dense from the start, and never."""
    if request.param == "sparse":
        monkeypatch.setattr(pair_sums, "LITTLE", 0)
        monkeypatch.setattr(pair_sums, "DENSE", 2.0)


@pytest.mark.parametrize("seed", range(12))
def test_rows_in_any_pieces_give_the_same_criterion(seed: int, storage) -> None:
    design = random_design(seed)
    source = DesignChunks(design)
    expected = criteria(design, accumulate(source))
    for theta, value in zip((random_theta(design, s) for s in range(3)), expected, strict=True):
        assert value == pytest.approx(dense_fit(design, theta, True).objective, rel=1e-8)
    rng = np.random.default_rng(seed)
    for sizes in ((1,) * (design.n - 1), (1, 2, 3, 4, 5, 6, 7), (design.n - 1,), tuple(rng.integers(0, 9, 5).tolist())):
        assert criteria(design, accumulate(Pieces(source, sizes))) == pytest.approx(expected, rel=SAME)


@pytest.mark.parametrize("seed", range(6))
def test_products_are_merged_in_any_order_and_travel(seed: int, storage) -> None:
    design = random_design(seed)
    source = DesignChunks(design)
    expected = criteria(design, accumulate(source))
    rng = np.random.default_rng(seed)

    def read(empty: Products) -> Products:
        parts = []
        for chunk in Pieces(source, tuple(rng.integers(1, 12, 6).tolist())):
            parts.append(pickle.loads(pickle.dumps(empty)))
            parts[-1].add(chunk)
        while len(parts) > 1:
            i, j = rng.choice(len(parts), 2, replace=False).tolist()
            parts[i].merge(parts[j])
            del parts[j]
        assert parts[0].rows == design.n
        return parts[0]

    for first in (source, Pieces(source, (design.n // 2,))):
        found = accumulate_by(choose_coordinates(first), read)
        assert criteria(design, found) == pytest.approx(expected, rel=SAME)


def test_products_in_other_coordinates_are_not_merged() -> None:
    source = DesignChunks(random_design(1))
    one = Products(choose_coordinates(source))
    other = Products(replace(one.at, unit=2.0 * one.at.unit))
    with pytest.raises(EngineError, match="different coordinates"):
        one.merge(other)


def hard_rows(kind: str):
    """300 rows of which the first 100 say little."""
    rng = np.random.default_rng(5)
    n = 300
    g, h = rng.integers(0, 12, n), rng.integers(0, 6, n)
    x, one = rng.standard_normal(n), np.ones(n)
    X = np.column_stack([one, x])
    y = 1.0 + x + rng.standard_normal(12)[g] + rng.standard_normal(n)
    basis = np.column_stack([one, x])
    if kind == "mean of 1e9":
        y = y + 1e9
    elif kind == "first response is constant":
        y[:100] = 7.0
    elif kind == "response grows by 1e200":
        y[:100] *= 1e-100
        y[100:] *= 1e100
    elif kind == "first column is constant":
        X[:100, 1] = basis[:100, 1] = 0.5
    elif kind == "first column is zero":
        X[:100, 1] = basis[:100, 1] = 0.0
    elif kind == "seconds since 1970":
        X[:, 1] = basis[:, 1] = np.round(1.7e9 + 1e5 * np.abs(x))
        X[:100, 1] = basis[:100, 1] = 1.7e9
    elif kind == "nearly dependent":
        X = np.column_stack([X, x + 1e-6 * rng.standard_normal(n)])
        X[:100, 2] = X[:100, 1]
    elif kind == "first levels alone":
        order = np.argsort(g, kind="stable")
        g, h, X, y, basis = g[order], h[order], X[order], y[order], basis[order]
    return make_design(y, X, [("g", g, basis), ("h", h, None)]), kind


HARD = [
    "mean of 1e9",
    "first response is constant",
    "response grows by 1e200",
    "first column is constant",
    "first column is zero",
    "seconds since 1970",
    "nearly dependent",
    "first levels alone",
]


@pytest.mark.parametrize("kind", HARD)
def test_first_rows_that_say_little_cost_no_digits(kind: str) -> None:
    design, _ = hard_rows(kind)
    source = DesignChunks(design)
    found = accumulate(Pieces(source, (100, 50, 50)))
    expected = accumulate(source)
    scaling, cross = found
    beta = [s.x_map @ c.response.centre for s, c in (found, expected)]
    np.testing.assert_allclose(beta[0], beta[1], rtol=1e-6, atol=1e-9 * np.abs(beta[1]).max())
    spread = [s.y_scale * np.sqrt(c.response.yy) for s, c in (found, expected)]
    assert spread[0] == pytest.approx(spread[1], rel=1e-9)
    np.testing.assert_allclose(cross.XX, np.eye(design.p), atol=1e-8)
    for R, block in zip(scaling.basis_maps, design.blocks, strict=True):
        z = np.linalg.solve(R.T, block.basis.T)
        np.testing.assert_allclose(np.mean(z**2, axis=1), 1.0, atol=1.01)
    one, other = problem_of(design, *found), problem_of(design, *expected)
    theta = other.to_theta([0.3 * np.eye(l) for l in other.widths])
    # A response near 1e9 is known to 1e-7: that is what other coordinates round.
    tolerance = 1e-8 if kind == "mean of 1e9" else 1e-9
    assert core.evaluate(one, theta).objective == pytest.approx(core.evaluate(other, theta).objective, rel=tolerance)


def test_rows_are_added_while_the_next_are_made(monkeypatch) -> None:
    monkeypatch.setattr(passes, "MANY", 0)
    monkeypatch.setattr(passes, "cores", lambda: 2)
    design = random_design(3)
    source = DesignChunks(design, 7)
    found = criteria(design, accumulate(source))
    monkeypatch.setattr(passes, "cores", lambda: 1)
    assert found == criteria(design, accumulate(source))


def test_what_fails_while_rows_are_added_is_raised(monkeypatch) -> None:
    monkeypatch.setattr(passes, "MANY", 0)
    monkeypatch.setattr(passes, "cores", lambda: 2)

    class Failing(DesignChunks):
        def __iter__(self) -> Iterator[Chunk]:
            first, second, *_ = DesignChunks(self.design, 7)
            yield first
            yield replace(second, bases=())
            yield first

    with pytest.raises(IndexError):
        accumulate(Failing(random_design(3)))


def crossed_rows(n: int, seed: int = 6):
    """Rows of 300 and 120 levels, which meet at random, with a slope."""
    rng = np.random.default_rng(seed)
    g, h, x = rng.integers(0, 300, n), rng.integers(0, 120, n), rng.standard_normal(n)
    y = rng.standard_normal(300)[g] + 0.5 * rng.standard_normal(120)[h] + rng.standard_normal(n)
    one = np.ones(n)
    return make_design(y, np.column_stack([one, x]), [("g", g, np.column_stack([one, x])), ("h", h, None)])


def test_levels_that_nearly_all_meet_are_held_dense_and_give_what_sparse_ones_do(monkeypatch) -> None:
    design = crossed_rows(60_000)
    scaling, cross = accumulate(DesignChunks(design, 4000))
    assert isinstance(cross.A.between[0, 1], np.ndarray)
    made = problem_of(design, scaling, cross)
    (stage,) = made.structure.chain
    assert isinstance(stage.coupling, DenseCoupling)
    assert stage.coupling.values.base is not None  # the coupling that was added up, no copy
    monkeypatch.setattr(gram, "SLICE", 4000)
    optimum = core.optimize(made)
    monkeypatch.setattr(pair_sums, "DENSE", 2.0)
    monkeypatch.setattr(coupling, "DENSE_FILL", 2.0)
    sparse = problem_of(design, *accumulate(DesignChunks(design, 4000)))
    assert isinstance(sparse.structure.chain[0].coupling, SparseCoupling)
    known = core.optimize(sparse)
    assert optimum.objective == pytest.approx(known.objective, rel=1e-12)
    np.testing.assert_allclose(optimum.theta, known.theta, rtol=1e-6)
    for covariances in (core.conditional_covariances, core.mode_covariances):
        for a, b in zip(covariances(made, known.theta), covariances(sparse, known.theta), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-12)


def test_levels_that_meet_here_and_there_stay_sparse() -> None:
    rng = np.random.default_rng(7)
    n = 30_000
    g = rng.integers(0, 3000, n)
    h = (g // 3 + rng.integers(0, 2, n)) % 1000
    design = make_design(rng.standard_normal(n), np.ones((n, 1)), [("g", g, None), ("h", h, None)])
    _, cross = accumulate(DesignChunks(design, 3000))
    assert cross.A.between[0, 1].nnz == len(np.unique(g * 1000 + h))


def test_a_dense_coupling_is_refused_where_there_is_no_room(monkeypatch) -> None:
    monkeypatch.setattr(memory, "MATTERS", 0)
    monkeypatch.setattr(memory, "free_memory", lambda: 1e5)
    with pytest.raises(EngineError, match=r"nearly all meet, with 600 and 120 random effects, needs about 1 MB"):
        accumulate(DesignChunks(crossed_rows(60_000), 4000))


def test_a_good_first_chunk_needs_one_pass() -> None:
    passes = []

    class Counted(DesignChunks):
        def __iter__(self) -> Iterator[Chunk]:
            passes.append(1)
            return super().__iter__()

    accumulate(Counted(hard_rows("plain")[0], 50))
    # One look at the first rows, and one pass.
    assert len(passes) == 2


def test_dependent_columns_are_refused_however_the_rows_come() -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal(120)
    X = np.column_stack([np.ones(120), x, 2.0 * x - 1.0])
    design = make_design(rng.standard_normal(120), X, [("g", np.arange(120) % 7, None)])
    for source in (DesignChunks(design), DesignChunks(design, 1), DesignChunks(design, 50)):
        with pytest.raises(EngineError, match="linearly dependent"):
            accumulate(source)


def test_factors_of_the_same_levels_are_made_one_where_only_the_rows_tell() -> None:
    rng = np.random.default_rng(4)
    n = 400
    g, h = rng.integers(0, 20, n), rng.integers(0, 9, n)
    x = rng.standard_normal((n, 1))
    y = rng.standard_normal(20)[g] + rng.standard_normal(n)
    design = make_design(y, np.ones((n, 1)), [("g", g, None), ("again", g, x), ("h", h, None), ("third", g, x**2)])

    class Apart(DesignChunks):
        @property
        def groups(self) -> tuple[tuple[int, ...], ...]:
            return tuple((k,) for k in range(len(self.levels)))

    cross, known = accumulate(Apart(design, 37))[1], accumulate(DesignChunks(design, 37))[1]
    assert cross.groups == known.groups
    np.testing.assert_allclose(cross.A.toarray(), known.A.toarray(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(cross.ZX, known.ZX, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(cross.response.Zy, known.response.Zy, rtol=1e-10, atol=1e-10)

"""The sums of squares behind the starting values: by every route what B = Z'W(I - QQ'W)Z gives entry by entry."""

from __future__ import annotations

import numpy as np
import pytest

from lmmtools import core
from lmmtools.core.data import spanned
from lmmtools.core.elimination.structure import diagonal_blocks
from tests.unit.core.designs import make_design
from tests.unit.core.routes import take

CLOSE = 1e-12
"""Relative: sums of some hundred products."""


def _design(l: int, is_crossed: bool):
    rng = np.random.default_rng(l)
    n, x = 120, rng.normal(size=120)
    basis = np.column_stack([np.ones(n), x, rng.normal(size=n)])[:, :l]
    terms = [("g", rng.integers(0, 15, n), basis)]
    terms += [("h", rng.integers(0, 7, n), None)] if is_crossed else []
    return make_design(rng.normal(size=n), np.column_stack([np.ones(n), x]), terms, rng.uniform(0.5, 2.0, n))


@pytest.mark.parametrize("l", [1, 2, 3])
@pytest.mark.parametrize("is_crossed", [False, True])
def test_squares_of_each_pair_of_columns_are_summed(l, is_crossed, monkeypatch):
    take("chain, dense coupling", monkeypatch)
    problem = core.prepare(_design(l, is_crossed))
    st, moments = problem.structure, problem.moments
    A = st.toarray()
    B = A - problem.ZX @ problem.ZX.T
    firsts = np.cumsum([0, *(f.l for f in st.factors)])
    kinds = np.concatenate([first + np.tile(np.arange(f.l), f.m) for f, first in zip(st.factors, firsts, strict=False)])
    K, squares = firsts[-1], B**2 / A.diagonal()[:, None]
    expected = [[squares[kinds == s][:, kinds == t].sum() for t in range(K)] for s in range(K)]
    np.testing.assert_allclose(moments.M[:K, :K], expected, rtol=CLOSE)


def test_no_columns_of_x_tell_nothing():
    assert not spanned._told_by_columns(np.zeros((6, 0)), np.zeros((0, 0)), 2).any()


@pytest.mark.parametrize("l", [1, 2, 3])
def test_what_x_tells_of_the_effects_is_summed_over_levels_by_either_route(l, monkeypatch):
    take("chain, dense coupling", monkeypatch)
    problem = core.prepare(_design(l, False))
    (f,) = problem.structure.factors
    L = problem.rows.L
    Xt = problem.ZX @ np.linalg.inv(L @ L.T) @ problem.ZX.T
    expected = sum(Xt[e * l : (e + 1) * l, e * l : (e + 1) * l] for e in range(f.m))
    for narrow in (0, 1_000):
        monkeypatch.setattr(spanned, "NARROW", narrow)
        found = spanned._told_by_columns(problem.ZX, L, l)
        np.testing.assert_allclose(found, expected, rtol=CLOSE, atol=CLOSE * np.trace(expected))
    assert np.trace(expected) < np.trace(diagonal_blocks(problem.structure, f).sum(axis=0))

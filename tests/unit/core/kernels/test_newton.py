"""Newton's step and what a certificate reads of a Hessian: the compiled route against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

from lmmtools.core.kernels import numpy_newton as plain

compiled = pytest.importorskip("lmmtools.core.kernels._newton", reason="not built")

# Of matrices with a condition number of at most some thousands.
SAME = 1e-9


def problems(seed: int):
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, 7))
    half = rng.normal(size=(k, k))
    exact = half @ half.T + (0.1 if seed % 3 else -2.0) * np.eye(k)
    average = half @ half.T + 0.5 * np.eye(k)
    bounded = rng.random(k) < 0.6
    phi = np.where(bounded, rng.uniform(0.0, 0.5, k) * (rng.random(k) < 0.7), rng.normal(size=k))
    return phi, 3.0 * rng.normal(size=k), exact, average, bounded


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("has_exact", [True, False])
def test_steps_are_the_same(seed: int, has_exact: bool) -> None:
    phi, g, exact, average, bounded = problems(seed)
    given = exact if has_exact else None
    ours, theirs = (route.step(phi, g, given, average, bounded) for route in (compiled, plain))
    assert ours[0] == theirs[0]
    np.testing.assert_allclose(ours[1], theirs[1], rtol=SAME, atol=SAME)
    assert ours[2] == pytest.approx(theirs[2], rel=SAME, abs=SAME)


@pytest.mark.parametrize("seed", range(40))
def test_judgements_are_the_same(seed: int) -> None:
    phi, g, exact, _, bounded = problems(seed)
    room = np.where(bounded, phi, np.inf)
    ours, theirs = (route.judge(g, exact, room) for route in (compiled, plain))
    np.testing.assert_allclose(ours[:4], theirs[:4], rtol=SAME, atol=SAME)
    np.testing.assert_allclose(np.abs(ours[4]), np.abs(theirs[4]), rtol=1e-6, atol=1e-6)


def test_more_parameters_than_it_holds_are_left_to_numpy() -> None:
    k = 30
    zeros, eye = np.zeros(k), np.eye(k)
    _, step, expected = compiled.step(zeros, np.ones(k), eye, eye, np.zeros(k, dtype=bool))
    np.testing.assert_allclose(step, -1.0)
    assert expected == pytest.approx(0.5 * k)

"""Newton's step under bounds, against every choice of what is held."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from lmmtools.core import kernels
from lmmtools.core.search.newton import newton_steps

# Of one strictly convex quadratic: rounding only.
SAME = 1e-8


def lowest_of_all_faces(phi: np.ndarray, g: np.ndarray, B: np.ndarray, bounded: np.ndarray) -> tuple[float, np.ndarray]:
    """The lowest feasible minimum over the faces on which some bounded elements are at zero."""
    best = (np.inf, np.zeros_like(phi))
    for held in product([False, True], repeat=len(phi)):
        at = np.array(held)
        if (at & ~bounded).any():
            continue
        s = np.where(at, -phi, 0.0)
        s[~at] = np.linalg.solve(B[np.ix_(~at, ~at)], -(g[~at] + B[np.ix_(~at, at)] @ s[at]))
        if (phi + s >= -1e-12)[bounded].all():
            best = min(best, (float(g @ s + 0.5 * s @ B @ s), s), key=lambda one: one[0])
    return best


@pytest.mark.parametrize("seed", range(60))
def test_the_step_is_the_lowest_point_within_the_bounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    k = int(rng.integers(2, 6))
    half = rng.normal(size=(k, k))
    B, g = half @ half.T + 0.1 * np.eye(k), 3.0 * rng.normal(size=k)
    bounded = rng.random(k) < 0.8
    phi = np.where(bounded, rng.uniform(0.05, 1.0, k), rng.normal(size=k))
    value, s = lowest_of_all_faces(phi, g, B, bounded)
    _, step, expected = kernels.newton.step(phi, g, B, B, bounded)
    np.testing.assert_allclose(step, s, atol=SAME)
    assert expected == pytest.approx(-value, abs=SAME)
    many, promised = newton_steps(phi[None], g[None], B[None], B[None], bounded)
    np.testing.assert_allclose(many[0], s, atol=SAME)
    assert promised[0] == pytest.approx(-value, abs=SAME)

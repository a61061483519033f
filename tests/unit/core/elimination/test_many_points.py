"""The deviance at many points at once equals that at each."""

from __future__ import annotations

import numpy as np
import pytest

import lmmtools as lmt
from lmmtools import core

MODELS = [
    ("Reaction ~ Days + (Days|Subject)", "sleepstudy"),
    ("Reaction ~ Days + (Days||Subject)", "sleepstudy"),
    ("diameter ~ 1 + (1|plate) + (1|sample)", "Penicillin"),
    ("strength ~ 1 + (1|batch/cask)", "Pastes"),
    ("Yield ~ 0 + (1|Batch)", "Dyestuff"),
]
# Two factorisations of the same matrices, of order 1000.
ROUNDING = 1e-9


@pytest.mark.parametrize(("formula", "name"), MODELS)
@pytest.mark.parametrize("is_held", [False, True])
def test_many_points_equal_single_ones(formula: str, name: str, is_held: bool) -> None:
    fit = lmt.lmm(formula, lmt.datasets.load(name)).fit(engine="pls", reml=False)
    if is_held and not len(fit.params):
        return
    rng = np.random.default_rng(1)
    relative = [np.tril(rng.standard_normal((6, b.l, b.l))) for b in fit.design.blocks]
    sigma = fit.sigma * np.exp(0.3 * rng.standard_normal(6))
    held = (0, float(fit.params.iloc[0]) + fit.sigma) if is_held else None
    found, _ = core.unprofiled_deviances(fit.problem, relative, sigma, held)
    lowest, best = core.unprofiled_deviances(fit.problem, relative, None, held)
    for i in range(6):

        def one(s: float, i: int = i) -> float:
            return core.unprofiled_deviance(fit.problem, [L[i] * s for L in relative], s, held).deviance

        assert found[i] == pytest.approx(one(sigma[i]), abs=ROUNDING), i
        assert lowest[i] == pytest.approx(one(best[i]), abs=ROUNDING), i
        assert lowest[i] <= min(one(0.9 * best[i]), one(1.1 * best[i])), i


def test_points_beyond_the_arithmetic_are_infinite() -> None:
    fit = lmt.lmm("Yield ~ 1 + (1|Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls", reml=False)
    relative = [np.array([1.0, 1e200, np.nan]).reshape(3, 1, 1)]
    found, _ = core.unprofiled_deviances(fit.problem, relative, np.full(3, fit.sigma))
    assert np.isfinite(found[0])
    assert np.isinf(found[1:]).all()

"""How far the criterion may still fall from a point that is no optimum: a figure that is right, or none."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

import lmmtools as lmt
from lmmtools import core
from lmmtools.core.kernels.numpy_newton import decrease_within
from lmmtools.errors import BoundaryWarning

# A quadratic that is right at the optimum is right to this factor where the criterion is one unit above it.
FACTOR = 1.5


def test_a_step_ends_where_a_variance_reaches_zero():
    # 4 (x - 1) + 2 y with x, y = 0.5 above their bounds: by hand, the quadratic 4 s - s^2 / 2 at s = 0.5.
    B, g = np.eye(1), np.array([4.0])
    assert decrease_within(g, B, np.array([4.0]), np.array([np.inf])) == pytest.approx(8.0)
    assert decrease_within(g, B, np.array([4.0]), np.array([0.5])) == pytest.approx(4 * 0.5 - 0.5**2 / 2)
    assert decrease_within(g, B, np.array([-4.0]), np.array([0.5])) >= 0.0


@pytest.mark.parametrize("factor", [0.02, 0.3, 0.8, 1.3, 3.0, 30.0])
def test_the_figure_is_the_distance_to_the_optimum_or_none(factor):
    # Dyestuff has its optimum inside, Dyestuff2 at zero; both criteria have one valley.
    for name, at in (("Dyestuff", None), ("Dyestuff2", 0.3)):
        model = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load(name))
        best = model.fit(engine="pls")
        problem = core.prepare(model.design)
        theta = factor * (best.theta if at is None else np.array([at]))
        gap = core.recover(problem, theta, True).objective - best.objective
        near = core.certify(problem, theta, True).near_decrease
        assert near is None or gap / FACTOR < near < gap * FACTOR, name
        assert near is not None or gap > 0.5, name


@pytest.mark.filterwarnings("ignore")
def test_a_mixedlm_result_that_stopped_short_names_no_figure_beyond_what_is_left():
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(30), 4)
    y = rng.standard_normal(120)
    y -= 0.9 * pd.Series(y).groupby(g).transform("mean").to_numpy()  # less between groups than within: zero is best
    data = pd.DataFrame({"y": y, "g": g})
    lowest = lmt.lmm("y ~ 1 + (1 | g)", data).fit(engine="pls").objective
    model = smf.mixedlm("y ~ 1", data, groups="g")
    short = model.fit(start_params=np.array([0.0, 0.3]), method="lbfgs", maxiter=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = lmt.from_mixedlm(short)
    left = -2 * short.llf - lowest
    assert not fit.converged
    assert left > 1e-3
    said = [float(m[1]) for text in fit.warnings if (m := re.search(r"may still fall by about ([0-9.e+-]+)", text))]
    assert all(figure < 3 * left for figure in said), said


def test_a_certificate_of_shared_variances_judges_null_spaces_as_any_other() -> None:
    # Nothing is shared here, so that both certificates are of the same parameters.
    problem = core.prepare(lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff2")).design)
    for reml in (True, False):
        plain = core.certify(problem, np.zeros(1), reml)
        shared = core.certify_shared(problem, np.zeros(1), reml)
        assert shared.holds, reml
        assert plain.holds, reml
        (of_shared,), (of_plain,) = shared.null_spaces, plain.null_spaces
        assert of_shared.min_eigenvalue == pytest.approx(of_plain.min_eigenvalue, rel=1e-12), reml


def test_a_certificate_of_shared_variances_sees_lost_rank_of_vector_valued_terms() -> None:
    rng = np.random.default_rng(3)
    g, x = rng.integers(0, 12, 120), rng.standard_normal(120)
    data = pd.DataFrame({"y": rng.standard_normal(12)[g] + rng.standard_normal(120), "x": x, "g": g.astype(str)})
    with pytest.warns(BoundaryWarning):
        fit = lmt.lmm("y ~ x + (x | g)", data).fit(engine="pls")
    (plain,) = core.certify(fit.problem, fit.theta).null_spaces
    (shared,) = core.certify_shared(fit.problem, fit.theta, True).null_spaces
    np.testing.assert_allclose(shared.directions, plain.directions)
    assert shared.min_eigenvalue == pytest.approx(plain.min_eigenvalue)


def test_a_shared_variance_at_zero_is_one_null_space_with_the_derivatives_of_its_blocks_added() -> None:
    rng = np.random.default_rng(5)
    codes = {"g": rng.integers(0, 12, 120).astype(str), "h": rng.integers(0, 8, 120).astype(str)}
    model = lmt.lmm("y ~ 1 + (1 | g) + (1 | h)", pd.DataFrame({"y": rng.standard_normal(120), **codes}))
    problem = core.prepare(replace(model.design, shared=((0, 1),)))
    certificate = core.certify_shared(problem, np.zeros(2), True)
    both = core.evaluate(problem, np.zeros(2)).G
    assert both is not None
    # Intercepts have a mean square of one, so that the engine's coordinates are the data's.
    assert [n.block for n in certificate.null_spaces] == [0]
    assert certificate.null_spaces[0].min_eigenvalue == pytest.approx(float(both[0][0, 0] + both[1][0, 0]))
    assert certificate.holds == (both[0][0, 0] + both[1][0, 0] >= 0)

"""A fixed factor of a hundred levels, whose columns are held sparse, against a live lme4."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.design.sparse_columns import SparseColumns
from tests.live_lme4 import require_lme4

pytestmark = pytest.mark.live_r


@pytest.mark.parametrize("formula", ["y ~ x + f + (1|g)", "y ~ f * x + (1|g)"])
def test_a_factor_of_a_hundred_levels_is_lme4s(formula):
    require_lme4()
    rng = np.random.default_rng(11)
    n = 6000
    f, g, x = rng.integers(0, 100, n), rng.integers(0, 50, n), rng.normal(size=n)
    y = rng.normal(size=100)[f] + rng.normal(size=50)[g] + 0.5 * x + rng.normal(size=n)
    data = pd.DataFrame({"y": y, "x": x, "f": [f"f{i:02}" for i in f], "g": g})
    model = lmt.lmm(formula, data)
    assert isinstance(model.design.fixed, SparseColumns)
    ours, theirs = model.fit(engine="pls"), model.fit(engine="lme4")
    assert ours.objective == pytest.approx(theirs.objective, abs=1e-5)
    np.testing.assert_allclose(ours.params, theirs.params, atol=1e-5)
    np.testing.assert_allclose(ours.bse, theirs.bse, rtol=1e-5)

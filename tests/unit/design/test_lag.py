"""lag(x) is what stood in the row before, whatever else that row misses: the model of the column made by hand."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt

pytestmark = pytest.mark.filterwarnings("ignore::lmmtools.errors.LmmWarning")
N = 48


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"y": rng.normal(size=N), "x": rng.normal(size=N), "g": rng.choice(list("pqrstuv"), N)})
    data["f"] = rng.choice(list("abc"), N)
    return data


FORMULAS = ["y ~ lag(x) + (1|g)", "y ~ lag(x) + f + (1|g)", "y ~ lag(x)*f + (1|g)", "y ~ x + lag(x, 2) + f + (1|g)"]


def pair(formula: str, data: pd.DataFrame):
    """The fit, and that of columns made by hand from all rows of the data."""
    plain = formula.replace("lag(x, 2)", "early").replace("lag(x)", "before")
    used = [name for name in ("y", "x", "f", "g", "before", "early") if re.search(rf"\b{name}\b", plain)]
    by_hand = data.assign(before=data.x.shift(), early=data.x.shift(2)).dropna(subset=used)
    return lmt.lmm(formula, data).fit(engine="pls"), lmt.lmm(plain, by_hand).fit(engine="pls")


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("hole", [None, "y", "f"])
def test_rows_left_out_are_still_the_rows_before(formula, hole):
    data = frame()
    if hole is not None:
        data.loc[[5, 20, 21], hole] = None
    fit, same = pair(formula, data)
    assert fit.objective == pytest.approx(same.objective, abs=1e-8)
    np.testing.assert_allclose(fit.params, same.params, rtol=1e-8)
    for kind in (1, 2, 3):
        np.testing.assert_allclose(fit.anova(type=kind).to_frame(), same.anova(type=kind).to_frame(), rtol=1e-5)
    if "f" in formula:
        ours, other = (f.marginal_means("f").to_frame().select_dtypes("number") for f in (fit, same))
        np.testing.assert_allclose(ours, other, rtol=1e-6)


def test_new_rows_have_their_rows_before_too():
    data = frame()
    fit, _ = pair("y ~ lag(x) + (1|g)", data)
    data.loc[5, "g"] = None
    came = fit.predict(data, random=False)
    expected = fit.params.iloc[0] + fit.params.iloc[1] * data.x.shift()
    np.testing.assert_allclose(came[1:], expected[1:], rtol=1e-10)

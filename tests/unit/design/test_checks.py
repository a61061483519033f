"""What would fill the memory is refused before it is made, with the term at fault."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.design import checks
from lmmtools.errors import DataError

N = 60
K = np.arange(N)
DATA = pd.DataFrame(
    {
        "y": np.random.default_rng(1).normal(size=N),
        "x": np.random.default_rng(2).uniform(1, 2, size=N),
        "z": np.random.default_rng(3).uniform(1, 2, size=N),
        "f": [f"f{i}" for i in K],
        "i": K,
        "g": K % 6,
    }
)


@pytest.mark.parametrize(
    ("fixed", "term"),
    [
        ("f:C(i):C(x)", "f:C(i):C(x)"),
        ("C(i) * C(x) * C(z)", "C(i):C(x):C(z)"),
        ("poly(x, 400):poly(z, 400)", "poly(x, 400):poly(z, 400)"),
        ("bs(x, df=30) * bs(z, df=30) * bs(i, df=30)", "bs(x, df=30):bs(z, df=30):bs(i, df=30)"),
        ("bs(x, df=200):C(i)", "bs(x, df=200):C(i)"),
        ("f + f:g + f:`copy of f`", "f:copy of f"),
    ],
)
def test_terms_that_multiply_out_to_too_many_columns_are_refused_before_they_are_made(fixed, term, monkeypatch):
    monkeypatch.setattr(checks, "MOST_COLUMNS", 3000)
    before = time.process_time()
    with pytest.raises(DataError, match="columns for 60 rows") as found:
        lmt.lmm(f"y ~ {fixed} + (1|g)", DATA.assign(**{"copy of f": DATA["f"]}))
    assert f"{term} alone makes" in str(found.value)
    assert time.process_time() - before < 5


def test_a_factor_of_as_many_levels_as_rows_is_refused_before_its_indicators_fill_the_memory(monkeypatch):
    monkeypatch.setattr(checks, "MOST_NUMBERS", 60 * 50)
    for fixed in ("f", "C(i)"):
        with pytest.raises(DataError, match=r"6[01] columns for 60 rows") as found:
            lmt.lmm(f"y ~ {fixed} + (1|g)", DATA)
        assert "belongs after a bar" in str(found.value), fixed


def test_a_grouping_factor_has_a_limited_number_of_effects(monkeypatch):
    monkeypatch.setattr(checks, "MOST_EFFECTS", 3)
    with pytest.raises(DataError, match="'g' have 4 effects for each level, where 3"):
        lmt.lmm("y ~ x + (1 + x | g) + (0 + z | g) + (0 + i | g)", DATA)
    assert lmt.lmm("y ~ x + (1 + x | g) + (0 + z | g)", DATA)


def test_what_is_wide_but_can_be_fitted_is_fitted():
    rng = np.random.default_rng(4)
    data = pd.DataFrame(
        {"y": rng.normal(size=900), "a": np.arange(900) % 20, "b": np.arange(900) // 45, "g": rng.integers(0, 9, 900)}
    )
    fit = lmt.lmm("y ~ C(a):C(b) + (1|g)", data).fit(engine="pls")
    assert len(fit.params) == 400

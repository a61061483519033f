"""Tests of terms whose columns have names that need quotes: the tables are those of the same data under plain names."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt

rng = np.random.default_rng(11)
N = 200
DATA = pd.DataFrame(
    {
        "y": rng.normal(size=N),
        "a b": rng.normal(size=N),
        "f:g": rng.choice(list("abc"), N),
        "g": rng.choice([f"g{i}" for i in range(10)], N),
    }
)
PLAIN = DATA.rename(columns={"a b": "ab", "f:g": "fg"})


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ A + (A|g)",
        "y ~ F + (F|g)",
        "y ~ A*F + (A + F|g)",
        "y ~ A:F + A + (A + A:F|g)",
        "y ~ log(exp(A)) + (log(exp(A)) + F|g)",
        "y ~ C(F) + A + (poly(A, 2) + C(F)|g)",
    ],
)
@pytest.mark.parametrize("quoted", [("`a b`", "`f:g`"), ("Q('a b')", "Q('f:g')")])
@pytest.mark.filterwarnings("ignore::lmmtools.errors.LmmWarning")
def test_tables_do_not_depend_on_quotes(formula, quoted):
    def fit(names, data):
        return lmt.lmm(formula.replace("F", names[1]).replace("A", names[0]), data).fit(engine="pls")

    odd, plain = fit(quoted, DATA), fit(("ab", "fg"), PLAIN)
    np.testing.assert_allclose(
        odd.ranova().to_frame()["lrt"].astype(float), plain.ranova().to_frame()["lrt"].astype(float), atol=1e-6
    )
    for kind in (1, 2, 3):
        np.testing.assert_allclose(odd.anova(type=kind).to_frame(), plain.anova(type=kind).to_frame(), rtol=1e-4)

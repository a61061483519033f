"""Tests of terms whose columns have names that need quotes: the tables are those of the same data under plain names."""

from __future__ import annotations

from functools import cache

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


def tables(formula: str, names: tuple[str, str], data: pd.DataFrame) -> list[np.ndarray]:
    """Return the likelihood ratios of the random terms, then the tables of tests of types 1, 2 and 3."""
    fit = lmt.lmm(formula.replace("F", names[1]).replace("A", names[0]), data).fit(engine="pls")
    lrt = fit.ranova().to_frame()["lrt"].to_numpy(dtype=float)
    return [lrt, *(fit.anova(type=kind).to_frame().to_numpy(dtype=float) for kind in (1, 2, 3))]


@cache
def plain_tables(formula: str) -> list[np.ndarray]:
    return tables(formula, ("ab", "fg"), PLAIN)


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
    (odd_lrt, *odd), (plain_lrt, *plain) = tables(formula, quoted, DATA), plain_tables(formula)
    np.testing.assert_allclose(odd_lrt, plain_lrt, atol=1e-6)
    for kind, found, want in zip((1, 2, 3), odd, plain, strict=True):
        np.testing.assert_allclose(found, want, rtol=1e-4, err_msg=f"type {kind}")

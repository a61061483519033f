"""Terms that share random effects: found, said, and no obstacle to inference of what is determined."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.design.identification import find_ambiguities
from lmmtools.errors import BoundaryWarning, StructureWarning

SAME = 1e-5
"""Of tests: what the search's tolerance leaves of two optima."""


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    n = 140
    g, h, x = rng.integers(0, 11, n), rng.integers(0, 7, n), rng.normal(size=n)
    u = rng.normal(size=(11, 2))
    y = 1 + u[g, 0] + (0.5 + 0.7 * u[g, 1]) * x + rng.normal(size=7)[h] + rng.normal(size=n)
    data = pd.DataFrame({"y": y, "x": x, "g": [f"g{i}" for i in g], "h": [f"h{i}" for i in h]})
    data["copy"] = [f"other {10 - i}" for i in g]
    data["f"] = np.where(rng.random(n) < 0.5, "a", "b")
    data["above"] = x + 3
    return data


SHARED = {
    "y ~ x + (1 | g) + (1 | copy)": ("y ~ x + (1 | g)", "(1 | g)", "(1 | copy)"),
    "y ~ x + (x | g) + (1 | copy) + (1 | h)": ("y ~ x + (x | g) + (1 | h)", "(x | g)", "(1 | copy)"),
    "y ~ x + (x | g) + (x | copy)": ("y ~ x + (x | g)", "(x | g)", "(x | copy)"),
    "y ~ x + (1 | g) + (x | g)": ("y ~ x + (x | g)", "(1 | g)", "(x | g)"),
    "y ~ x + (x | g) + (0 + above | copy)": ("y ~ x + (x | g)", "(x | g)", "(0 + above | copy)"),
}


@pytest.mark.parametrize("formula", SHARED)
def test_terms_that_share_effects_are_named_and_tests_are_those_of_one_of_them(
    rows: pd.DataFrame, formula: str
) -> None:
    plain, first, second = SHARED[formula]
    with pytest.warns(StructureWarning) as said:
        fit = lmt.lmm(formula, rows).fit(engine="pls")
    (text,) = [str(w.message) for w in said if issubclass(w.category, StructureWarning)]
    assert first in text
    assert second in text
    assert text in fit.warnings
    right = lmt.lmm(plain, rows).fit(engine="pls")
    assert fit.objective == pytest.approx(right.objective, abs=1e-6)
    for ddf in ("satterthwaite", "kenward-roger"):
        found, known = (f.tests(ddf=ddf).to_frame().to_numpy(float) for f in (fit, right))
        np.testing.assert_allclose(found, known, rtol=SAME)
    assert any("says nothing" in note for note in fit.ranova().notes), fit.ranova().notes


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ x + (x | g) + (1 | h)",
        "y ~ x + (x || g)",
        "y ~ x + (1 | g) + (0 + x | copy)",
        "y ~ x + (1 | g) + (0 + above | g)",
        "y ~ x + (1 | g) + (1 | h:g)",
    ],
)
def test_terms_that_share_none_are_not(rows: pd.DataFrame, formula: str) -> None:
    assert find_ambiguities(lmt.lmm(formula, rows).design) == ()


def test_many_rows_are_looked_at_where_the_first_do_not_tell() -> None:
    # x is constant in the first 1,500 rows, and is no constant.
    rng = np.random.default_rng(1)
    n = 3000
    g = rng.integers(0, 20, n)
    data = pd.DataFrame({"y": rng.normal(size=n), "x": np.where(np.arange(n) < 1500, 1.0, 2.0), "g": g.astype(str)})
    assert find_ambiguities(lmt.lmm("y ~ 1 + (x || g)", data).design) == ()
    same = lmt.lmm("y ~ 1 + (1 | g) + (1 | k)", data.assign(k=(g + 5).astype(str))).design
    assert [(a.first, a.second) for a in find_ambiguities(same)] in ([("(1 | g)", "(1 | k)")], [("(1 | k)", "(1 | g)")])


def test_errors_of_what_is_determined_are_given_and_of_the_rest_are_not(rows: pd.DataFrame) -> None:
    with pytest.warns(StructureWarning):
        fit = lmt.lmm("y ~ x + (1 | g) + (1 | copy) + (1 | h)", rows).fit(engine="pls")
    right = lmt.lmm("y ~ x + (1 | g) + (1 | h)", rows).fit(engine="pls").varcorr_bse.set_index("grp").se_sdcor
    found = fit.varcorr_bse.set_index("grp")
    assert found.se_sdcor[["g", "copy"]].isna().all()
    assert found.note[["g", "copy"]].str.contains("only the sum").all()
    np.testing.assert_allclose(
        found.se_sdcor[["h", "Residual"]].astype(float), right[["h", "Residual"]].astype(float), rtol=1e-4
    )


def test_standard_errors_of_a_factor_fixed_and_random_are_called_a_convention(rows: pd.DataFrame) -> None:
    with pytest.warns(BoundaryWarning, match="by that convention the standard errors are those of the model without"):
        fit = lmt.lmm("y ~ x + g + (1 | g) + (1 | h)", rows).fit(engine="pls")
    right = lmt.lmm("y ~ x + g + (1 | h)", rows).fit(engine="pls")
    np.testing.assert_allclose(fit.bse, right.bse, rtol=SAME)

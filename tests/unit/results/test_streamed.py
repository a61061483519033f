"""A fit whose rows are read in batches says what a fit in memory says, or in one sentence why it needs the rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.errors import RowsNeededError

pytest.importorskip("pyarrow")
pytestmark = pytest.mark.filterwarnings("ignore::lmmtools.LmmWarning")

# Sums over batches round otherwise than sums over all rows, and the search stops within 1e-9 of the optimum's theta.
TABLES = 1e-6
FORMULA = "y ~ x*f + c + (x|g) + (1|h)"


def make_data(n: int) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        {
            "x": rng.normal(3.0, 1.0, n),
            "g": rng.integers(0, 60, n),
            "h": rng.choice(list("gfedcba"), n),
            "f": rng.choice(["u", "v", "w"], n, p=[0.5, 0.3, 0.2]),
            "w": rng.random(n) + 0.5,
        }
    )
    frame["c"] = pd.Categorical(rng.choice(["lo", "mid", "hi"], n), categories=["lo", "mid", "hi", "never"])
    g, h = rng.normal(size=(60, 2)), rng.normal(size=7)
    frame["y"] = frame.x * (1 + 0.4 * g[frame.g, 0]) + g[frame.g, 1] + h[frame.h.map(ord) - 97] + rng.normal(size=n)
    frame["y2"] = 2.0 * frame.y + frame.x + rng.normal(size=n)
    frame.loc[5:7, "x"] = np.nan
    return frame


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return make_data(4000)


@pytest.fixture(scope="module")
def path(data, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("parquet") / "rows.parquet"
    data.to_parquet(path, row_group_size=900)
    return str(path)


@pytest.fixture(scope="module", params=[{}, {"weights": "w"}], ids=["plain", "weighted"])
def fits(request, data, path):
    return lmt.lmm(FORMULA, data, **request.param).fit(), lmt.lmm(FORMULA, path, **request.param).fit()


WORKS = {
    "params": lambda fit: fit.params,
    "bse": lambda fit: fit.bse,
    "varcorr": lambda fit: fit.varcorr.to_frame()[["vcov", "sdcor"]],
    "varcorr_bse": lambda fit: fit.varcorr_bse[["se_vcov", "se_sdcor"]],
    "random_effects": lambda fit: fit.random_effects["g"],
    "random_effects_cov": lambda fit: fit.random_effects_cov["h"],
    "coef": lambda fit: fit.coef["g"],
    "anova": lambda fit: fit.anova().to_frame(),
    "anova type 1": lambda fit: fit.anova(type=1).to_frame(),
    "anova type 2": lambda fit: fit.anova(type=2).to_frame(),
    "anova kenward-roger": lambda fit: fit.anova(ddf="kenward-roger").to_frame(),
    "tests": lambda fit: fit.tests().to_frame(),
    "marginal_means": lambda fit: fit.marginal_means("f").to_frame()[["emmean", "se", "df"]],
    "marginal_means at": lambda fit: fit.marginal_means("f", at={"x": [0.0, 1.0]}).to_frame()[["emmean", "se"]],
    "pairwise": lambda fit: fit.pairwise("f").to_frame()[["estimate", "se", "p"]],
    "profile": lambda fit: fit.profile().conf_int(),
    "ranova": lambda fit: fit.ranova().to_frame().select_dtypes("number"),
    "icc": lambda fit: fit.icc().to_frame().select_dtypes("number"),
    "r2": lambda fit: fit.r2().to_frame(),
    "design_effect": lambda fit: fit.design_effect().to_frame().select_dtypes("number"),
    "variance_partition": lambda fit: fit.variance_partition().to_frame().select_dtypes("number"),
    "repca": lambda fit: fit.repca().to_frame().select_dtypes("number"),
    "glance": lambda fit: fit.glance().select_dtypes("number"),
    "ranef_frame": lambda fit: fit.ranef_frame()[["condval", "condsd"]],
    "predict": lambda fit: fit.predict(pd.DataFrame({"x": [1.0, 2.0], "f": ["v", "w"], "c": "hi", "g": 3, "h": "a"})),
    "fittedvalues": lambda fit: fit.fittedvalues,
    "resid": lambda fit: fit.resid,
    "scaled_resid": lambda fit: fit.scaled_resid,
    "residual_quantiles": lambda fit: fit.residual_quantiles,
}


@pytest.mark.parametrize("method", WORKS)
def test_what_needs_no_rows_or_a_pass_is_as_in_memory(method, fits):
    wanted, found = map(WORKS[method], fits)
    np.testing.assert_allclose(
        np.asarray(found, dtype=float), np.asarray(wanted, dtype=float), rtol=TABLES, atol=TABLES, equal_nan=True
    )


def test_the_summary_prints_what_that_in_memory_prints(fits):
    wanted, found = (str(fit.summary()).splitlines() for fit in fits)
    # The data have a name; and MixedLM, which needs the rows, is not asked for its criterion.
    assert [line for line in found if not line.startswith("   Data:")] == [
        line for line in wanted if "MixedLM" not in line and not line.startswith("   Data:")
    ]


def test_a_fit_by_another_criterion_needs_no_second_pass(path):
    model = lmt.lmm(FORMULA, path)
    assert model.fit().problem is model.fit(reml=False).problem


@pytest.mark.parametrize("engine", ["mixedlm", "lme4"])
def test_engines_that_hold_all_rows_say_so(engine, path):
    with pytest.raises(RowsNeededError, match="takes all rows in memory"):
        lmt.lmm(FORMULA, path).fit(engine=engine)


def test_quantiles_are_those_of_all_numbers_whatever_their_order():
    from lmmtools.fit.by_rows import quantiles_of_parts

    rng = np.random.default_rng(7)
    shares = (0.0, 0.25, 0.5, 0.75, 1.0)
    for values in (
        rng.normal(size=10007),
        np.sort(rng.normal(size=10001)),
        np.round(rng.normal(size=5000)),
        np.ones(9),
    ):
        parts = np.array_split(values, 9)
        found = quantiles_of_parts(lambda parts=parts: iter(parts), shares, len(values))
        np.testing.assert_allclose(found, np.quantile(values, shares), rtol=1e-15, atol=1e-15)

"""Sums over a Spark frame are made by its tasks; two workers give the fit in memory.

They need ``pyspark`` and a Java runtime: ``nox -s spark`` runs them, and other runs skip them.
"""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.errors import DataError

sql = pytest.importorskip("pyspark.sql")
if shutil.which("java") is None:
    pytest.skip("Spark needs a Java runtime", allow_module_level=True)

FORMULA = "y ~ x + f + (1 + x | g) + (1 | h)"


@pytest.fixture(scope="module")
def spark():
    options = {
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "4",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
    }
    builder = sql.SparkSession.builder.master("local[2]")
    for name, value in options.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    yield session
    session.stop()


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    n = 6000
    g, h, x = rng.integers(0, 90, n), rng.choice(list("pqrstuv"), n), rng.normal(size=n)
    u, v = rng.normal(size=(90, 2)), dict(zip("pqrstuv", rng.normal(size=7), strict=True))
    y = 1.0 + x * (0.5 + u[g, 1]) + u[g, 0] + pd.Series(h).map(v).to_numpy() + rng.normal(size=n)
    out = pd.DataFrame({"g": g, "h": h, "x": x, "f": rng.choice(["lo", "mid", "hi"], n), "y": y})
    out.loc[[17, 4000], "x"] = np.nan
    out.loc[out.index > 5990, "h"] = "z"  # a level that one partition alone has
    return out


@pytest.fixture(scope="module")
def frame(spark, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    for i in range(6):
        data[1000 * i : 1000 * i + 1000].to_parquet(folder / f"{i}.parquet")
    return spark.read.parquet(str(folder))


@pytest.mark.filterwarnings("ignore::lmmtools.LmmWarning")
@pytest.mark.parametrize("formula", [FORMULA, "y ~ scale(x) + log(x) + f + (1 | g)"])
def test_two_workers_give_the_fit_in_memory(formula, frame, data):
    found, wanted = lmt.lmm(formula, frame).fit(), lmt.lmm(formula, data).fit()
    assert found.design.is_streamed
    assert found.objective == pytest.approx(wanted.objective, rel=1e-12)
    np.testing.assert_allclose(found.params, wanted.params, rtol=1e-9)
    np.testing.assert_allclose(found.theta, wanted.theta, rtol=1e-8)
    assert found.design.dropped == wanted.design.dropped
    assert [list(b.levels) for b in found.design.blocks] == [list(b.levels) for b in wanted.design.blocks]


@pytest.mark.filterwarnings("ignore::lmmtools.LmmWarning")
def test_all_rows_come_into_memory_on_request(frame, data):
    fit = lmt.lmm(FORMULA, frame, stream=False).fit()
    assert not fit.design.is_streamed
    assert sorted(fit.design.y) == sorted(data.y[data.x.notna()])


def test_what_a_task_finds_wrong_is_one_error(spark, data, frame):
    with pytest.raises(DataError, match=r"Column 'x' has 1 infinite value \(first in row .* of the Spark frame\)"):
        lmt.lmm(FORMULA, spark.createDataFrame(data.assign(x=data.x.where(data.index != 3, np.inf))))
    with pytest.raises(DataError, match="have no column 'zz'"):
        lmt.lmm("y ~ zz + (1 | g)", frame)

    def fail(rows):
        raise RuntimeError("no such table")

    with pytest.raises(DataError, match="the Spark frame cannot be computed: RuntimeError: no such table"):
        lmt.lmm(FORMULA, frame.mapInPandas(fail, frame.schema))
    with pytest.raises(DataError, match="is a stream, which has no end"):
        lmt.lmm(FORMULA, spark.readStream.format("rate").load())

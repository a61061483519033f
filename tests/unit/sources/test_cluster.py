"""Sums over a dask frame are made by the workers that have its partitions, in either pass, whatever happens to one."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.errors import DataError

dask = pytest.importorskip("dask")
dd = pytest.importorskip("dask.dataframe")
distributed = pytest.importorskip("distributed")

FORMULA = "y ~ x + f + (1 + x | g) + (1 | h)"


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    n = 6000
    g, h, x = rng.integers(0, 90, n), rng.choice(list("pqrstuv"), n), rng.normal(size=n)
    u, v = rng.normal(size=(90, 2)), dict(zip("pqrstuv", rng.normal(size=7), strict=True))
    y = 1.0 + x * (0.5 + u[g, 1]) + u[g, 0] + pd.Series(h).map(v).to_numpy() + rng.normal(size=n)
    out = pd.DataFrame({"g": g, "h": h, "x": x, "f": rng.choice(["lo", "mid", "hi"], n), "y": y})
    out.loc[[17, 4000], "x"] = np.nan
    # Levels that one partition alone has.
    out.loc[out.index < 100, "g"] = 99
    out.loc[out.index > 5990, "h"] = "z"
    return out


@pytest.fixture(scope="module")
def in_memory(data):
    with pytest.warns(lmt.errors.DroppedRowsWarning):
        return lmt.lmm(FORMULA, data).fit()


@pytest.fixture(scope="module")
def cluster():
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "processes": True}
    with distributed.LocalCluster(**options) as here, distributed.Client(here) as client:
        yield client


def agree(fit, other):
    assert fit.nobs == other.nobs
    assert fit.objective == pytest.approx(other.objective, rel=1e-12)
    np.testing.assert_allclose(fit.params, other.params, rtol=1e-9)
    np.testing.assert_allclose(fit.theta, other.theta, rtol=1e-8)
    assert fit.design.dropped == other.design.dropped
    assert [list(b.levels) for b in fit.design.blocks] == [list(b.levels) for b in other.design.blocks]


def crash(frame: pd.DataFrame, flag: str, times: tuple[int, ...]) -> pd.DataFrame:
    """Return the frame; the process ends where this is one of ``times`` that it is asked for."""
    count = len(list(Path(flag).iterdir()))
    (Path(flag) / str(count)).touch()
    if count in times:
        os._exit(1)
    return frame


def break_down(frame: pd.DataFrame) -> pd.DataFrame:
    raise RuntimeError("no such table")


@pytest.mark.filterwarnings("ignore::lmmtools.errors.DroppedRowsWarning")
@pytest.mark.parametrize("partitions", [1, 2, 7])
def test_threads_of_this_process_give_the_fit_in_memory(data, in_memory, partitions):
    agree(lmt.lmm(FORMULA, dd.from_pandas(data, npartitions=partitions)).fit(), in_memory)


@pytest.mark.filterwarnings("ignore::lmmtools.errors.DroppedRowsWarning")
def test_two_workers_give_the_fit_in_memory(data, in_memory, cluster):
    fit = lmt.lmm(FORMULA, dd.from_pandas(data, npartitions=5).persist()).fit()
    agree(fit, in_memory)
    np.testing.assert_allclose(fit.tests().to_frame(), in_memory.tests().to_frame(), rtol=1e-8)
    again = lmt.lmm("y ~ scale(x) + log(x) + f + (1 | g)", dd.from_pandas(data, npartitions=5)).fit()
    agree(again, lmt.lmm("y ~ scale(x) + log(x) + f + (1 | g)", data).fit())


@pytest.mark.filterwarnings("ignore::lmmtools.errors.DroppedRowsWarning")
@pytest.mark.parametrize("times", [(0,), (2,)], ids=["first pass", "second pass"])
def test_the_work_of_a_worker_that_dies_is_done_again(data, in_memory, cluster, tmp_path, times):
    def read(number: int) -> pd.DataFrame:
        part = data.iloc[number * 2000 : (number + 1) * 2000]
        return crash(part, str(tmp_path), times) if number == 1 else part

    frame = dd.from_map(read, range(3), meta=data.iloc[:0])
    fit = lmt.lmm(FORMULA, frame).fit()
    agree(fit, in_memory)
    assert len(list(tmp_path.iterdir())) > max(times) + 1


def test_a_partition_that_raises_is_one_error(data, cluster):
    frame = dd.from_pandas(data, npartitions=3).map_partitions(break_down, meta=data.iloc[:0])
    with pytest.raises(DataError, match="no such table"):
        lmt.lmm(FORMULA, frame)


def test_a_worker_finds_infinite_numbers_where_memory_does(data, cluster):
    broken = data.fillna({"x": 0.0}).assign(x=lambda d: d.x.where(d.index != 4321, np.inf))
    with pytest.raises(DataError, match=r"Column 'x' has 1 infinite value \(first in row 4321\)"):
        lmt.lmm(FORMULA, broken)
    # Without an index that all partitions share, rows are counted from 1.
    with pytest.raises(DataError, match=r"Column 'x' has 1 infinite value \(first in row 4,322 of the dask frame\)"):
        lmt.lmm(FORMULA, dd.from_pandas(broken, npartitions=4))


def test_statistics_of_parts_are_those_of_all_rows(data):
    from lmmtools.design.row_statistics import RowStatistics

    formula = "y ~ x + f + (1 + x | g) + (1 | h)"
    with pytest.warns(lmt.errors.DroppedRowsWarning):
        whole = lmt.lmm(formula, dd.from_pandas(data, npartitions=1)).fit().design.streamed
    batches = list(whole.batches(700, with_frame=True))
    one, *parts = [RowStatistics.for_rows(whole) for _ in range(4)]
    for i, batch in enumerate(batches):
        one.add(batch)
        parts[3 * i // len(batches)].add(batch)
    parts[1].merge(parts[2])
    parts[0].merge(parts[1])
    for name in ("n", "largest", "sums", "squares", "weighted"):
        np.testing.assert_allclose(getattr(parts[0], name), getattr(one, name), rtol=1e-12)
    np.testing.assert_allclose(np.abs(parts[0].root), np.abs(one.root), rtol=1e-9, atol=1e-9)
    assert parts[0].y.mean == pytest.approx(one.y.mean, rel=1e-12)
    assert parts[0].alike == one.alike


@pytest.mark.filterwarnings("ignore::lmmtools.errors.BoundaryWarning")
def test_declared_categories_keep_their_order_over_partitions(data):
    declared = data.assign(f=pd.Categorical(data.f, categories=["mid", "lo", "hi", "never"]))
    declared.loc[:999, "f"] = None  # the first partition has no complete row
    with pytest.warns(lmt.errors.DroppedRowsWarning):
        found = lmt.lmm("y ~ f + (0 + f | g)", dd.from_pandas(declared, npartitions=6)).fit()
    assert found.design.x_names == ("Intercept", "f[T.lo]", "f[T.hi]")
    assert found.design.blocks[0].cnames == ("f[mid]", "f[lo]", "f[hi]")
    assert found.design.dropped.levels == {"f": ("never",)}


def test_a_partition_of_another_type_names_its_column(data):
    whole = data.dropna().assign(x=1)
    parts = [dask.delayed(whole[:3000]), dask.delayed(whole[3000:].assign(x=0.5))]
    frame = dd.from_delayed(parts, meta=whole[:0], verify_meta=False)
    with pytest.raises(DataError, match=r"partition 1 .* column 'x' is of numbers \(int64\): .*astype"):
        lmt.lmm(FORMULA, frame)


def test_a_persisted_frame_whose_client_is_gone_says_so(data):
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None, "processes": False}
    with distributed.LocalCluster(**options) as here, distributed.Client(here):
        model = lmt.lmm("y ~ f + (1 | g)", dd.from_pandas(data, npartitions=2).persist())
    with pytest.raises(DataError, match="persisted is there as long as its client"):
        model.fit()


def test_a_partition_without_a_column_is_named(data):
    parts = [data.iloc[:200], data.iloc[200:400].drop(columns="x"), data.iloc[400:]]
    frame = dd.from_map(lambda i: parts[i], range(3), meta=data.iloc[:0])
    with pytest.raises(DataError, match="partition 1 of the dask frame has no column 'x'"):
        lmt.lmm(FORMULA, frame)

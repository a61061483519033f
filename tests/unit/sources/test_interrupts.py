"""Ctrl-C reaches the user from any pass: readers end, tasks of a cluster are given up, and the next fit is right."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt

pytest.importorskip("pyarrow")

FORMULA = "y ~ x + (1|g)"
SOON = 0.4
"""Seconds until the interrupt."""


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({"x": rng.normal(size=2000), "g": rng.integers(0, 20, 2000)})
    return frame.assign(y=frame.x + rng.normal(size=20)[frame.g] + rng.normal(size=2000))


@pytest.fixture(scope="module")
def path(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    data.to_parquet(path, row_group_size=20)
    return path


@pytest.fixture
def interrupt():
    """Presses Ctrl-C soon after it is called; processes that a shell started in the background ignore it otherwise."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timers = []

    def soon():
        timers.append(threading.Timer(SOON, os.kill, (os.getpid(), signal.SIGINT)))
        timers[-1].start()

    yield soon
    for timer in timers:
        timer.cancel()
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def slow(monkeypatch):
    """Makes a pass take ten seconds where nothing ends it."""
    from lmmtools.sources import parquet_file

    read = parquet_file.ParquetPart.read

    def reads_slowly(self, schema):
        for batch in read(self, schema):
            for start in range(0, batch.num_rows, 20):
                time.sleep(0.1)
                yield batch.slice(start, 20)

    monkeypatch.setattr(parquet_file.ParquetPart, "read", reads_slowly)
    monkeypatch.setattr("lmmtools.sources.batches.BATCH_ROWS", 20)
    yield
    monkeypatch.undo()


def is_reading():
    return any(thread.name == "lmmtools reads ahead" for thread in threading.enumerate())


@pytest.mark.parametrize("stream", [True, None])
def test_in_a_pass_over_files(stream, path, data, slow, interrupt):
    interrupt()
    started = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        lmt.lmm(FORMULA, path, stream=stream)
    assert time.perf_counter() - started < 10 * SOON
    assert not is_reading()


def test_in_the_pass_of_a_fit(path, data, interrupt, request):
    model = lmt.lmm(FORMULA, path, stream=True)
    request.getfixturevalue("slow")
    interrupt()
    with pytest.raises(KeyboardInterrupt):
        model.fit()
    assert not is_reading()
    request.getfixturevalue("monkeypatch").undo()
    assert model.fit().objective == pytest.approx(lmt.lmm(FORMULA, data).fit().objective, rel=1e-12)


def test_while_rows_are_written(path, interrupt, request, tmp_path):
    fit = lmt.lmm(FORMULA, path, stream=True).fit()
    request.getfixturevalue("slow")
    interrupt()
    with pytest.raises(KeyboardInterrupt):
        fit.augment(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def mark(frame: pd.DataFrame, folder: str) -> pd.DataFrame:
    """Return the frame, slowly, and leave a mark."""
    time.sleep(0.2)
    open(os.path.join(folder, f"{time.time_ns()}-{os.getpid()}"), "w").close()
    return frame


@pytest.mark.parametrize("is_first_pass", [True, False])
def test_on_a_cluster(is_first_pass, data, interrupt, tmp_path):
    dd = pytest.importorskip("dask.dataframe")
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "processes": False}
    with distributed.LocalCluster(**options) as here, distributed.Client(here) as client:
        plain = dd.from_pandas(data, npartitions=40)
        frame = plain.map_partitions(mark, str(tmp_path), meta=data)
        if is_first_pass:
            interrupt()
            with pytest.raises(KeyboardInterrupt):
                lmt.lmm(FORMULA, frame)
        else:
            model = lmt.lmm(FORMULA, frame.partitions[:4])
            interrupt()
            with pytest.raises(KeyboardInterrupt):
                model.fit()
        time.sleep(0.5)  # what a worker was at comes to its end
        assert not any(client.processing().values())
        done = len(os.listdir(tmp_path))
        time.sleep(0.5)
        assert len(os.listdir(tmp_path)) == done
        assert lmt.lmm(FORMULA, plain).fit().objective == pytest.approx(
            lmt.lmm(FORMULA, data).fit().objective, rel=1e-12
        )

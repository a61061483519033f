"""Reading ahead, and how far a pass has come."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmmtools.progress import Rows, on_rows, watch_rows
from lmmtools.sources import open_source
from lmmtools.sources.watched import read_ahead

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("lmmtools.sources.parquet_file.BATCH_ROWS", 100)
    monkeypatch.setattr("lmmtools.sources.batches.BATCH_ROWS", 100)
    pq.write_table(pa.table({"x": list(range(350))}), tmp_path / "t.parquet")
    return tmp_path / "t.parquet"


def test_a_pass_tells_rows_and_total_after_each_batch(path: Path) -> None:
    told: list[Rows] = []
    source = open_source(path)
    assert source is not None
    with on_rows(told.append):
        for _ in range(2):
            list(source.batches(["x"]))
    list(source.batches(["x"]))
    assert [(r.done, r.total) for r in told] == [(n, 350) for n in (100, 200, 300, 350)] * 2


def test_rows_are_told_with_rate_and_time_to_go() -> None:
    assert str(Rows(45_000_000, 100_000_000, 9.0)) == "45,000,000 of 100,000,000 rows, 5 million a second, 11 s to go"
    assert str(Rows(500_000, None, 0.5)) == "500,000 rows, 1 million a second"


def test_a_bar_shows_each_pass(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    source = open_source(path)
    assert source is not None
    with watch_rows(progress=True):
        for _ in range(2):
            list(source.batches(["x"]))
    assert capsys.readouterr().err.count("350/350") == 2


def test_items_come_in_order_and_an_error_where_it_was_raised() -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise ValueError("no more")

    reader = read_ahead(items())
    assert [next(reader) for _ in range(5)] == list(range(5))
    with pytest.raises(ValueError, match="no more"):
        next(reader)


def test_a_reader_that_is_given_up_ends_its_thread_and_closes_what_it_read() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            yield from range(1_000_000)
        finally:
            closed.set()

    reader = read_ahead(items())
    assert next(reader) == 0
    before = threading.active_count()
    reader.close()
    assert closed.is_set()
    assert threading.active_count() < before


def test_a_source_is_a_source(path: Path) -> None:
    source = open_source(path)
    assert open_source(source) is source

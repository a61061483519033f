"""A source that reads one batch ahead, and tells how far a pass has come."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from queue import Full, Queue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from lmmtools.progress import count_rows
from lmmtools.sources.streams import StreamSource

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    import pyarrow as pa

    from lmmtools.sources.source import Source

__all__ = ["WatchedSource", "read_ahead"]

# Seconds after which a thread that waits looks whether it is still needed.
_PATIENCE = 0.1


@dataclass(frozen=True, slots=True)
class WatchedSource:
    """A source as ``open_source`` returns it.

    Attributes
    ----------
    source : Source
        What it reads.
    """

    source: Source

    @property
    def name(self) -> str:
        """What messages and reports call it."""
        return self.source.name

    @property
    def schema(self) -> pa.Schema:
        """Name and type of each column."""
        return self.source.schema

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.source.columns

    def batches(self, columns: Sequence[str]) -> Generator[pa.RecordBatch, None, None]:
        """Return the rows in batches, with these columns; the next is read while one is worked on."""
        return self._watch(self.source.batches(columns))

    def _watch(self, batches: Generator[pa.RecordBatch, None, None]) -> Generator[pa.RecordBatch, None, None]:
        add = count_rows(self.rows())
        # What runs a query works ahead itself.
        with closing(batches if isinstance(self.source, StreamSource) else read_ahead(batches)) as ahead:
            for batch in ahead:
                yield batch
                if add is not None:
                    add(batch.num_rows)

    def rows(self) -> int | None:
        """Return the number of rows, None if it is not known without reading them."""
        return self.source.rows()

    def place(self, row: int) -> str:
        """Return the row at a position as people count."""
        return self.source.place(row)

    def parts(self) -> Sequence[Source]:
        """Return the parts of what it reads, which tell nothing and read nothing ahead."""
        return self.source.parts()


def read_ahead(batches: Iterator[Any]) -> Generator[Any, None, None]:
    """Return the same items, of which the next is made in a thread while the caller works on one."""
    made: Queue[tuple[str, Any]] = Queue(maxsize=1)
    over = Event()

    def put(kind: str, item: Any) -> bool:
        while not over.is_set():
            try:
                made.put((kind, item), timeout=_PATIENCE)
            except Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for batch in batches:
                if not put("batch", batch):
                    break
        except BaseException as error:  # raised where the items are asked for
            put("error", error)
        else:
            put("end", None)
        finally:
            close = getattr(batches, "close", None)
            if close is not None:
                close()

    thread = Thread(target=work, daemon=True, name="lmmtools reads ahead")
    thread.start()
    try:
        while True:
            kind, item = made.get()
            if kind == "end":
                return
            if kind == "error":
                raise item
            yield item
    finally:
        over.set()
        thread.join()

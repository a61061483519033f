"""Data frames of Spark: executors add up the partitions that lie with them, by ``mapInArrow``.

Sums over rows travel, rows do not: each task reads its partitions as Arrow batches and gives one row, its number and
the pickled sums. These are kept by the executors and merged by the driver one after another, in the order of the tasks.
A task whose executor dies is run again by Spark.
"""

from __future__ import annotations

import pickle
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from lmmtools.errors import DataError, LmmError
from lmmtools.sources.batches import regroup
from lmmtools.sources.places import Somewhere, reading
from lmmtools.sources.source import check_wanted

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    import pyarrow as pa

    from lmmtools.sources.folding import Fold
    from lmmtools.sources.source import Source

__all__ = ["SparkSource", "open_data"]

_NAME = "the Spark frame"


@dataclass(frozen=True, slots=True)
class SparkSource:
    """A Spark frame.

    Attributes
    ----------
    frame : pyspark.sql.DataFrame
    schema : pyarrow.Schema
    name : str
    """

    frame: Any
    schema: pa.Schema
    name: str = _NAME

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.schema.names)

    def batches(self, columns: Sequence[str]) -> Generator[pa.RecordBatch, None, None]:
        """Return the rows in batches, fetched from one partition after the other."""
        wanted = check_wanted(self, columns)
        return self._fetch(wanted)

    def _fetch(self, wanted: tuple[str, ...]) -> Generator[pa.RecordBatch, None, None]:
        schema = self._schema_of(wanted)
        sent = self._select(wanted).mapInArrow(_send_batches, "batch binary")
        with closing(_without_faults(sent.toLocalIterator())) as rows:
            yield from regroup((_read_batch(row["batch"]) for row in rows), schema)

    def fold(self, columns: Sequence[str], work: Fold[Any]) -> Any:
        """Return sums over all rows, made by the executors.

        Raises
        ------
        DataError
            A column is missing, or a partition cannot be computed.
        """
        wanted = check_wanted(self, columns)
        chosen = self._select(wanted)
        with suppress(Exception):  # Spark Connect does not tell; each partition then has a sum of its own
            chosen = chosen.coalesce(self.frame.sparkSession.sparkContext.defaultParallelism)
        made = chosen.mapInArrow(
            partial(_add_batches, work, self._schema_of(wanted)), "task int, sums binary"
        ).persist()
        total: Any = None
        try:
            # All tasks run at once here; below their sums are fetched one by one.
            tasks = sorted(row["task"] for row in _without_faults(_collect(made.select("task"))))
            fetched: dict[int, Any] = {}
            with closing(_without_faults(made.toLocalIterator())) as rows:
                for row in rows:
                    fetched[row["task"]] = _unpack(row["sums"])
                    while tasks and tasks[0] in fetched:
                        following = fetched.pop(tasks.pop(0))
                        total = following if total is None else work.merge(total, following)
        finally:
            made.unpersist()
        return work.start() if total is None else total

    def __reduce__(self) -> Any:
        # A session is in one process; tasks of executors need no more than the names of columns.
        return SparkSource, (None, self.schema, self.name)

    def _select(self, wanted: Sequence[str]) -> Any:
        if self.frame is None:
            raise DataError(f"{self.name} belongs to another process: declare the model again on a frame of this one.")
        return self.frame.select(*("`" + name.replace("`", "``") + "`" for name in wanted))

    def _schema_of(self, wanted: Sequence[str]) -> pa.Schema:
        import pyarrow as pa

        return pa.schema([self.schema.field(name) for name in wanted])

    def rows(self) -> None:
        """Return None: the number of rows is not known without computing the frame."""

    def place(self, row: int) -> str:
        """Return the row at a position as people count."""
        return f"row {row + 1:,} of {self.name}"

    def parts(self) -> Sequence[Source]:
        """Return no parts."""
        return ()


def open_data(frame: Any) -> SparkSource:
    """Return the source that a Spark frame is.

    Raises
    ------
    DataError
        It is a stream, or Arrow has no type for one of its columns.
    """
    import pyarrow as pa
    from pyspark.sql.pandas.types import to_arrow_schema

    if frame.isStreaming:
        raise DataError("The Spark frame is a stream, which has no end: write it to files first, and give these.")
    try:
        kinds = to_arrow_schema(frame.schema)
    except Exception as error:  # its own class, which versions name differently
        raise DataError(f"{_NAME} has a column that Arrow has no type for: {_say(error)}") from error
    return SparkSource(frame, pa.schema([field.remove_metadata() for field in kinds], metadata=None))


def _add_batches(work: Fold[Any], schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield one row, in an executor: the number of this task and the sums over its batches, or what is wrong there."""
    import pyarrow as pa
    from pyspark import TaskContext

    context = TaskContext.get()
    task = 0 if context is None else context.partitionId()
    found: Any
    try:
        with reading(Somewhere(f"task {task} of {_NAME}"), is_streamed=False):
            found = work.add(work.start(), regroup(batches, schema))
    except LmmError as error:
        found = error
    sums = pa.array([pickle.dumps(found, protocol=pickle.HIGHEST_PROTOCOL)], pa.binary())
    yield pa.RecordBatch.from_arrays([pa.array([task], pa.int32()), sums], names=["task", "sums"])


def _send_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield each batch as one row that holds its bytes; in an executor."""
    import pyarrow as pa

    for batch in batches:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        yield pa.RecordBatch.from_arrays([pa.array([sink.getvalue().to_pybytes()], pa.binary())], names=["batch"])


def _read_batch(sent: bytes) -> pa.RecordBatch:
    import pyarrow as pa

    return pa.ipc.open_stream(pa.py_buffer(sent)).read_next_batch()


def _unpack(sums: bytes) -> Any:
    """Return the sums of a task of this session, or raise the error that it met."""
    found = pickle.loads(sums)
    if isinstance(found, LmmError):
        raise found
    return found


def _collect(frame: Any) -> Iterator[Any]:
    yield from frame.collect()


def _without_faults(rows: Iterator[Any]) -> Generator[Any, None, None]:
    """Yield rows; faults of Spark are errors."""
    try:
        yield from rows
    except Exception as error:  # whatever the user's own functions raise
        raise DataError(f"{_NAME} cannot be computed: {_say(error)}") from error


def _say(error: Exception) -> str:
    """Return what an error says: of a traceback from a worker its last line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith(("JVM", "\tat"))]
    raised = [line for line in lines if "Error: " in line or "Exception: " in line]
    return (raised[-1] if raised else lines[0] if lines else type(error).__name__)[:300]

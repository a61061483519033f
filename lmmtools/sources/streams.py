"""A source that something else runs, a query or a lazy frame, checked to give as many rows each time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lmmtools.errors import DataError
from lmmtools.sources.batches import regroup
from lmmtools.sources.source import check_wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    import pyarrow as pa

__all__ = ["StreamSource"]


@dataclass(frozen=True, slots=True)
class StreamSource:
    """A table that can be read again and again, but only by asking something else for it.

    Attributes
    ----------
    name : str
    schema : pyarrow.Schema
    read : callable
        Takes names of columns and returns batches that have them.
    faults : tuple of exception types
        What ``read`` and its batches raise where the table cannot be read.
    counted : list of int
        Rows of the first pass, once it was made.
    """

    name: str
    schema: pa.Schema
    read: Callable[[tuple[str, ...]], Iterable[pa.RecordBatch]]
    faults: tuple[type[Exception], ...]
    counted: list[int] = field(default_factory=list)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.schema.names)

    def batches(self, columns: Sequence[str]) -> Generator[pa.RecordBatch, None, None]:
        """Return the rows in batches, with these columns."""
        return self._read(check_wanted(self, columns))

    def _read(self, wanted: tuple[str, ...]) -> Generator[pa.RecordBatch, None, None]:
        import pyarrow as pa

        schema = pa.schema([self.schema.field(name) for name in wanted])
        count = 0
        batches: Iterable[pa.RecordBatch] = ()
        try:
            batches = self.read(wanted)
            for batch in regroup(batches, schema):
                count += batch.num_rows
                yield batch
        except (pa.ArrowException, *self.faults) as error:
            said = str(error).strip().split("\n")[0].rstrip(".")[:300]
            raise DataError(f"{self.name} cannot be read: {said}.") from error
        finally:
            if hasattr(batches, "close"):  # a query that was not read to its end would block the next one
                batches.close()
        if not self.counted:
            self.counted.append(count)
        elif self.counted[0] != count:
            raise DataError(
                f"{self.name} had {self.counted[0]:,} rows when it was read first and {count:,} now. A fit reads its "
                "data several times, and they must stay the same: write them as Parquet, and give the path of that."
            )

    def rows(self) -> int | None:
        """Return the number of rows, None before the first pass."""
        return self.counted[0] if self.counted else None

    def place(self, row: int) -> str:
        """Return the row at a position as people count."""
        return f"row {row + 1:,} of {self.name}"

    def parts(self) -> Sequence[StreamSource]:
        """Return no parts."""
        return ()

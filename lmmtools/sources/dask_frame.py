"""Data frames of dask: each partition is a part, and its workers add up what lies with them.

Sums over rows travel, rows do not. The partitions are split into as many runs as there are workers; a worker adds
partition after partition of a run to one sum, so that no more sums exist at a time than workers, and the sums of runs
are merged in a tree. Where a worker dies, the scheduler has its runs done again elsewhere.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from lmmtools.errors import DataError, LmmError
from lmmtools.sources.batches import regroup
from lmmtools.sources.parts import PartedSource, join_parts
from lmmtools.sources.places import Somewhere, reading
from lmmtools.sources.source import check_wanted, load_package

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    import pyarrow as pa

    from lmmtools.sources.folding import Fold

__all__ = ["DaskPart", "DaskSource", "as_batch", "open_data"]


@dataclass(frozen=True, slots=True)
class DaskSource(PartedSource):
    """A dask frame.

    Attributes
    ----------
    frame : dask.dataframe.DataFrame
    """

    frame: Any = None

    def fold(self, columns: Sequence[str], work: Fold[Any]) -> Any:
        """Return sums over all rows, made by dask's current scheduler where the partitions are.

        Raises
        ------
        DataError
            A column is missing, or a partition cannot be computed.
        """
        import pyarrow as pa

        delayed = load_package("dask", "A frame of dask").delayed
        wanted = check_wanted(self, columns)
        schema = pa.schema([self.schema.field(name) for name in wanted])
        parts = self.frame[list(wanted)].to_delayed()
        shared = delayed(work, pure=False, traverse=False)
        add, merge = delayed(_add_partition, pure=False), delayed(_merge, pure=False)
        sums: list[Any] = []
        for run in _runs(len(parts), _workers()):
            total: Any = None
            for i in run:
                total = add(shared, total, parts[i], schema, i)
            sums.append(total)
        while len(sums) > 1:
            pairs = [merge(shared, a, b) for a, b in zip(sums[::2], sums[1::2], strict=False)]
            sums = pairs + sums[len(sums) - len(sums) % 2 :]
        try:
            return sums[0].compute()
        except LmmError:
            raise
        except Exception as error:  # whatever the user's own functions raise
            lacking = _find_lacking(self.frame, wanted) if isinstance(error, KeyError) else ""
            raise DataError(lacking or f"the dask frame cannot be computed: {_say(error)}") from error


def _find_lacking(frame: Any, wanted: Sequence[str]) -> str:
    """Return the message on the first partition that has not all columns, empty where all have or it cannot be told."""
    delayed = load_package("dask", "A frame of dask").delayed
    try:
        (found,) = load_package("dask", "A frame of dask").compute([delayed(_names_of)(p) for p in frame.to_delayed()])
    except Exception:  # it raises for another reason, which is told then
        return ""
    for number, names in enumerate(found):
        for name in wanted:
            if name not in names:
                return (
                    f"partition {number} of the dask frame has no column {name!r}, which the frame declares. Add it "
                    "there, or leave that partition out."
                )
    return ""


def _names_of(frame: pd.DataFrame) -> list[str]:
    return list(frame.columns)


def _runs(parts: int, workers: int) -> list[range]:
    """Return consecutive partitions for each worker."""
    runs = min(parts, workers)
    ends = [parts * k // runs for k in range(runs + 1)]
    return [range(a, b) for a, b in pairwise(ends)]


def _workers() -> int:
    """Return how many workers dask's current scheduler has."""
    try:
        from distributed import get_client

        return max(1, len(get_client().scheduler_info(n_workers=-1)["workers"]))
    except (ImportError, ValueError, TypeError):  # no cluster: threads of this process
        return os.cpu_count() or 1


def _add_partition(work: Fold[Any], total: Any, frame: pd.DataFrame, schema: pa.Schema, number: int) -> Any:
    """Return the sums with the rows of a partition."""
    import pyarrow as pa

    try:
        batches = list(regroup([as_batch(frame)], schema))
    except pa.ArrowException as error:
        raise DataError(
            f"partition {number} of the dask frame cannot be read: {_say(error)}. Give all partitions the types that "
            "the frame declares, with astype()."
        ) from error
    with reading(Somewhere(f"partition {number} of the dask frame"), is_streamed=False):
        return work.add(work.start() if total is None else total, batches)


def _merge(work: Fold[Any], total: Any, following: Any) -> Any:
    return work.merge(total, following)


def _say(error: Exception) -> str:
    said = f"{type(error).__name__}: {error}".split("\n")[0][:300]
    if "Missing dependency" in said or "Cancelled" in type(error).__name__:
        return (
            f"{said}. A frame that was persisted is there as long as its client: keep it open, or declare the model "
            "on the frame as it was before persist()."
        )
    return said


@dataclass(frozen=True, slots=True)
class DaskPart:
    """A partition.

    Attributes
    ----------
    name : str
        For messages.
    schema : pyarrow.Schema
        Of the whole frame.
    frame : dask.dataframe.DataFrame
        The whole frame.
    number : int
        Which partition.
    rows : None
        Not known without computing it.
    """

    name: str
    schema: pa.Schema
    frame: Any
    number: int
    rows: None = None

    def read(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Return the partition, computed by dask's current scheduler, as one batch."""
        try:
            computed = self.frame[list(schema.names)].partitions[self.number].compute()
        except Exception as error:  # whatever the user's own functions raise
            raise DataError(f"{self.name} cannot be computed: {_say(error)}") from error
        yield as_batch(computed)

    def split(self, rows: int) -> Sequence[DaskPart]:
        """Return the partition itself."""
        return [self]


def open_data(frame: Any) -> DaskSource:
    """Return the source that a dask frame is."""
    schema = as_batch(frame._meta).schema
    count = frame.npartitions
    pieces = [DaskPart(f"partition {i} of the dask frame", schema, frame, i) for i in range(count)]
    joined = join_parts("the dask frame", pieces)
    return DaskSource(joined.name, joined.schema, joined.pieces, joined.faults, joined.check_same, frame)


def as_batch(frame: pd.DataFrame) -> pa.RecordBatch:
    """Return a pandas frame as a batch, without its index."""
    import pyarrow as pa

    batch: pa.RecordBatch = pa.RecordBatch.from_pandas(frame, preserve_index=False)
    return batch.replace_schema_metadata(None)

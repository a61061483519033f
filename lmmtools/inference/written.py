"""The rows fitted with fitted values, residuals and leverages, batch by batch, as Parquet files or as frames."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools import core
from lmmtools.design.coder import describe_change
from lmmtools.errors import DataError
from lmmtools.fit.by_rows import BATCH_ROWS, fitted_rows
from lmmtools.sources.source import load_package

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    import pyarrow as pa

    from lmmtools.design.matrices import Design
    from lmmtools.design.rows_elsewhere import RowBatch
    from lmmtools.fit.record import Fit
    from lmmtools.sources import Source

__all__ = ["augment_batches", "augment_frames", "write_augmented"]

PART_ROWS = 1 << 20
"""Rows of a file from which on the next one is begun."""

_OTHERS = (
    ".csv",
    ".tsv",
    ".tab",
    ".txt",
    ".gz",
    ".bz2",
    ".zst",
    ".lz4",
    ".arrow",
    ".feather",
    ".ipc",
    ".json",
    ".xlsx",
)
"""Endings of files that are not written."""


def augment_batches(fit: Fit, prefix: str = "", leverages: bool = False) -> Iterator[pa.RecordBatch]:
    """Yield the rows fitted in batches of Arrow, all columns of the data, those of the fit beside them.

    Raises
    ------
    DataError
        The data have a column of one of the names, or changed since the fit.
    """
    pa = load_package("pyarrow", "writing rows in batches")
    design = fit.design
    found = core.RowLeverages(fit.problem, fit.theta, fit.reml) if leverages else None
    pairs: Iterator[tuple[Any, RowBatch]]
    source = fit.names.given.source
    if design.streamed is not None:
        pairs = design.streamed.with_tables(BATCH_ROWS, design)
    elif source is not None:
        pairs = _with_tables(source, design)
    else:
        pairs = (
            (pa.RecordBatch.from_pandas(design.frame.iloc[at : at + len(rows)], preserve_index=False), rows)
            for at, rows in _numbered(design.batches(BATCH_ROWS))
        )
    for table, rows in pairs:
        fitted = fitted_rows(rows, fit.estimate)
        columns = {"fitted": fitted, "resid": rows.y - fitted, "fixed": _fixed(rows, fit.estimate.beta)}
        if found is not None:
            columns["hat"] = found.of(rows.X, rows.codes, rows.bases, rows.weights)
        for name, values in columns.items():
            if prefix + name in table.schema.names:
                raise DataError(
                    f'the data have a column {prefix + name!r} already: write augment(prefix=".") to tell them apart'
                )
            table = table.append_column(prefix + name, pa.array(values))
        yield table


def _with_tables(source: Source, design: Design) -> Iterator[tuple[Any, RowBatch]]:
    """Yield tables with all columns of the rows used, read again from where they came, and these rows in memory."""
    start = at = 0
    for table in source.batches(source.columns):
        stop = int(np.searchsorted(design.rows, start + table.num_rows))
        if stop > at:
            yield table.take(design.rows[at:stop] - start), design.take_batch(slice(at, stop))
        start, at = start + table.num_rows, stop
    if start != design.dropped.n_input:
        raise DataError(describe_change(source.name))


def _numbered(batches: Iterator[RowBatch]) -> Iterator[tuple[int, RowBatch]]:
    at = 0
    for rows in batches:
        yield at, rows
        at += len(rows)


def _fixed(rows: RowBatch, beta: Any) -> Any:
    """Return the population's fitted values of a batch of rows."""
    mean = rows.X @ beta
    return np.asarray(mean if rows.offset is None else mean + rows.offset)


def write_augmented(fit: Fit, path: str | os.PathLike[str], prefix: str = "", leverages: bool = False) -> Path:
    """Write the rows fitted as Parquet, and return where: a file for a name that ends so, else a folder of parts.

    What is written has another name until it is whole.

    Raises
    ------
    DataError
        There is something of that name already, the name is one of another kind of file, or nothing can be written: a
        full disk, no right to write.
    """
    target = Path(path)
    if target.exists():
        raise DataError(f"there is {str(target)!r} already: augment() writes to a name that is free")
    if target.suffix.lower() in _OTHERS:
        raise DataError(
            f"augment() writes Parquet, and {target.name!r} is the name of another kind of file: "
            f'"{target.stem}.parquet" makes one file, "{target.stem}" a folder'
        )
    is_file = target.suffix.lower() in (".parquet", ".pq")
    beside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            _write(augment_batches(fit, prefix, leverages), beside, is_file=is_file)
            os.replace(beside, target)
        except OSError as error:
            raise DataError(
                f"{str(target)!r} cannot be written: {error.strerror or error}. Nothing is left there."
            ) from error
    finally:
        # Also after an interruption from the keyboard.
        with contextlib.suppress(OSError):
            if beside.is_dir():
                shutil.rmtree(beside)
            elif beside.exists():
                beside.unlink()
    return target


def _write(batches: Iterator[pa.RecordBatch], place: Path, *, is_file: bool) -> None:
    """Write batches to one file, or to files of at least `PART_ROWS` rows in a new folder."""
    pq = load_package("pyarrow.parquet", "writing rows in batches")
    if not is_file:
        place.mkdir()
    writer, part, count = None, 0, 0
    try:
        for batch in batches:
            if writer is None or (not is_file and count >= PART_ROWS):
                if writer is not None:
                    writer.close()
                name = place if is_file else place / f"part-{part:05d}.parquet"
                writer, part, count = pq.ParquetWriter(name, batch.schema), part + 1, 0
            writer.write_batch(batch)
            count += batch.num_rows
    finally:
        if writer is not None:
            writer.close()


def augment_frames(fit: Fit, prefix: str = "", leverages: bool = False) -> Iterator[pd.DataFrame]:
    """Yield the same as frames."""
    for batch in augment_batches(fit, prefix, leverages):
        yield batch.to_pandas()

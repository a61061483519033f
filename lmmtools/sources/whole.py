"""A source whose rows memory holds, as one frame; and which sources these are."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from lmmtools.memory import free_memory
from lmmtools.sources.columns import as_columns
from lmmtools.sources.folding import Spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from lmmtools.sources.source import Source

__all__ = ["WHOLE_VALUES", "read_small", "read_whole"]

WHOLE_VALUES = 1 << 25
"""Most values, rows times columns of the model, that are read into memory unasked: 6.7 million rows of five columns.
Beyond that, batches take less time than a frame."""

BYTES_OF_VALUE = 100
"""Bytes at the peak of a fit in memory for each value of the data: 2.2 GB for 5 million rows of five columns."""

SHARE_OF_MEMORY = 0.25
"""Share of the free memory that such a fit may take."""


def read_whole(source: Source, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return all rows of a source as a frame, with these columns or all; texts are texts, whole numbers stay whole.

    Raises
    ------
    DataError
        A column is missing, or a part cannot be read or has another schema.
    """
    found = _read_most(source, source.columns if columns is None else columns, None)
    assert found is not None
    return found


def read_small(source: Source, columns: Sequence[str], *, is_spread_too: bool = False) -> pd.DataFrame | None:
    """Return the columns of a source as a frame if they are few enough to be held, else None.

    They are where rows times columns are at most `WHOLE_VALUES` and a fit to them takes at most a quarter of the free
    memory. Rows that several workers hold stay there unless ``is_spread_too``.
    """
    if isinstance(source, Spread) and not is_spread_too:
        return None
    free = free_memory()
    values = WHOLE_VALUES if free is None else min(WHOLE_VALUES, SHARE_OF_MEMORY * free / BYTES_OF_VALUE)
    most = int(values // max(1, len(columns)))
    rows = source.rows()
    return None if rows is not None and rows > most else _read_most(source, columns, most)


def _read_most(source: Source, columns: Sequence[str], most: int | None) -> pd.DataFrame | None:
    """Return the rows as a frame, None where there are more than ``most``: reading stops there."""
    import pandas as pd

    # A table needs one column at least to have rows.
    wanted = tuple(columns) or source.columns[:1]
    pieces: dict[str, list[pd.Series[Any]]] = {name: [] for name in wanted}
    rows = 0
    with closing(source.batches(wanted)) as batches:
        for batch in batches:
            for name, column in as_columns(batch, rows).items():
                pieces[name].append(column)
            rows += batch.num_rows
            if most is not None and rows > most:
                return None
    if not rows:
        empty: pd.DataFrame = source.schema.empty_table().select(list(wanted)).to_pandas()
        return empty
    frame = {name: _join(pieces.pop(name), _is_declared(source, name)) for name in wanted}
    return pd.DataFrame(frame, index=pd.RangeIndex(rows))


def _is_declared(source: Source, name: str) -> bool:
    """Whether the data declare levels of a column, and their order."""
    import pyarrow.types as pt

    return bool(pt.is_dictionary(source.schema.field(name).type))


def _join(pieces: list[pd.Series[Any]], is_declared: bool) -> pd.Series[Any]:
    """Return one column of several; where parts declare different levels, there is no order that all have."""
    import pandas as pd

    if isinstance(pieces[0].dtype, pd.CategoricalDtype):
        with_rows = [piece for piece in pieces if piece.notna().any()] or pieces[:1]
        declared = with_rows[0].cat.categories
        if is_declared and all(piece.cat.categories.equals(declared) for piece in with_rows):
            pieces = [piece.cat.set_categories(declared) for piece in pieces]
        else:
            pieces = [_without_order(piece) for piece in pieces]
    return pieces[0] if len(pieces) == 1 else pd.concat(pieces)


def _without_order(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return the labels of a categorical themselves."""
    dtype = column.cat.categories.dtype
    return column.astype(object if dtype.kind != "O" and column.isna().any() else dtype)

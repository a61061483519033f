"""Another column of the data as the response of a design."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from lmmtools.design.coder import as_response, describe_change
from lmmtools.design.frame import need_columns
from lmmtools.design.rows_elsewhere import StreamedBasis, StreamedColumn
from lmmtools.errors import DataError
from lmmtools.formula.tokens import quote_name
from lmmtools.sources import read_whole
from lmmtools.sources.places import reading

if TYPE_CHECKING:
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design
    from lmmtools.sources import Source

    Floats = NDArray[np.float64]

__all__ = ["read_response", "with_response"]


def read_response(design: Design, source: Source | None, name: str) -> Floats:
    """Return another column of the data that a design in memory was read from, on the rows used, shape (n,).

    Raises
    ------
    DataError
        The data were a frame, where values are given and no name; or they have no such column or changed.
    """
    if source is None:
        raise DataError(
            f"refit({name!r}) takes a name where the data are a path or another source of rows, and this fit is of a "
            "frame: give the values, one for each row used."
        )
    need_columns(pd.DataFrame(columns=list(source.columns)), [name])
    column = read_whole(source, [name])[name]
    if len(column) != design.dropped.n_input:
        raise DataError(describe_change(source.name))
    with reading(source, is_streamed=False):
        return as_response(column.iloc[design.rows], name)


def with_response(design: Design, name: str) -> Design:
    """Return the design of the same rows, read when they are needed, with another column as its response.

    Raises
    ------
    DataError
        The data have no such column.
    """
    assert design.streamed is not None
    rows = design.streamed.with_response(name)
    old: Any = design.y
    offset: Any = design.offset
    weights: Any = design.weights
    blocks = []
    for block in design.blocks:
        basis: Any = block.basis
        made: Any = StreamedBasis(basis.what, rows, basis.at, basis.columns)
        blocks.append(replace(block, basis=made))
    formula = design.formula
    source = formula.source.partition("~")[2]
    if offset is not None:
        offset = StreamedColumn(offset.what, offset.shape, rows, "offset")
    if weights is not None:
        weights = StreamedColumn(weights.what, weights.shape, rows, "weights")
    return replace(
        design,
        formula=replace(formula, response=name, source=f"{quote_name(name)} ~{source}" if source else ""),
        y=old,
        blocks=tuple(blocks),
        offset=offset,
        weights=weights,
        streamed=rows,
    )

"""A design with another column as its response, of rows that are read when they are needed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lmmtools.design.rows_elsewhere import StreamedBasis, StreamedColumn
from lmmtools.errors import DataError
from lmmtools.formula.tokens import quote_name

if TYPE_CHECKING:
    from typing import Any

    from lmmtools.design.matrices import Design

__all__ = ["with_response"]


def with_response(design: Design, name: str) -> Design:
    """Return the design of the same rows with another column as its response.

    Raises
    ------
    DataError
        The rows are in memory, where values are given and no name; or the data have no such column.
    """
    if design.streamed is None:
        raise DataError(
            f"refit({name!r}) takes a name where rows are read when they are needed, and the rows of this fit are in "
            "memory: give the values, one for each row used."
        )
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

"""New data through the recipes of a Design: X, bases, level codes and offsets for prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.factors import match_levels
from lmmtools.design.frame import as_frame, as_numbers, need_columns
from lmmtools.errors import DataError
from lmmtools.formula.expressions import columns_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from lmmtools.design.blocks import Block
    from lmmtools.design.encoders import Encoder
    from lmmtools.design.record import Design

__all__ = ["as_frame", "encode_basis", "encode_codes", "encode_fixed", "encode_offset"]


def encode_fixed(design: Design, newdata: Any) -> NDArray[np.float64]:
    """Return X of new data, shape (n_new, p), the columns that the fit kept; rows with missing values are NaN.

    Raises
    ------
    DataError
        A column that is not there, or a level of a fixed factor that the fit has not seen.
    """
    names = columns_of(design.formula.fixed)
    frame = as_frame(newdata, names)
    _need(frame, names, design.formula.fixed, design.encoder)
    kept = [j for j, name in enumerate(design.encoder.column_names) if name not in design.dropped.columns]
    X = design.encoder.encode(frame)
    return np.asarray(X if len(kept) == X.shape[1] else X[:, kept])


def encode_basis(block: Block, newdata: Any) -> NDArray[np.float64]:
    """Return a block's basis of new data, shape (n_new, l).

    Raises
    ------
    DataError
        A column that is not there, or a level of a factor in the basis that the fit has not seen.
    """
    names = [c for variable in block.term.variables for c in columns_of(variable)]
    frame = as_frame(newdata, names)
    if block.encoder is None:
        return np.ones((len(frame), 1))
    _need(frame, names, str(block.term), block.encoder)
    return np.asarray(block.encoder.encode(frame))


def encode_codes(block: Block, newdata: Any) -> NDArray[np.intp]:
    """Return the level of each row of new data, shape (n_new,), -1 where the fit has not seen it or it is missing.

    Raises
    ------
    DataError
        A grouping column that is not there.
    """
    frame = as_frame(newdata, block.term.factors)
    _need(frame, block.term.factors, str(block.term))
    return np.asarray(match_levels([frame[name] for name in block.term.factors], block.parts, block.members))


def encode_offset(design: Design, newdata: Any, offset: ArrayLike | str | None = None) -> NDArray[np.float64]:
    """Return the offset of new data, shape (n_new,): the formula's own plus the one given, zero without any.

    Raises
    ------
    DataError
        A column that is not there, a wrong length, or no offset where the fit was given one as values.
    """
    names = [c for text in design.formula.offsets for c in columns_of(text)]
    given = design.offset_column if offset is None else offset
    frame = as_frame(newdata, [*names, given] if isinstance(given, str) else names)
    _need(frame, names, "the offset")
    total = np.zeros(len(frame))
    for encoder in design.offset_encoders:
        total = total + encoder.encode(frame)[:, 0]
    if given is None:
        if design.has_given_offset:
            raise DataError(
                "The model was fitted with offset= given as values: give the new rows theirs too, "
                "predict(..., offset=values), zeros for none."
            )
        return total
    if isinstance(given, str):
        _need(frame, (given,), "the offset")
        return total + as_numbers(frame[given], given, "the offset")
    values = np.asarray(given, dtype=np.float64)
    if values.ndim and values.shape != (len(frame),):
        raise DataError(f"offset= has shape {values.shape} for {len(frame)} rows of new data.")
    return total + values


def _need(frame: pd.DataFrame, names: Iterable[str], purpose: str, encoder: Encoder | None = None) -> None:
    """Check that new data have the columns, but for names that a trusted formula took from its context."""
    context = getattr(encoder, "context", {})
    need_columns(frame, [name for name in names if name not in context], purpose)

"""New data coded as a Design codes its own rows: X, bases, level codes, offsets and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lmmtools.design.checks import check_order, check_seen, describe_mismatch
from lmmtools.design.factors import match_levels
from lmmtools.design.facts import ColumnFacts
from lmmtools.design.frame import as_frame, as_numbers, is_missing, need_columns
from lmmtools.errors import DataError
from lmmtools.formula.expressions import columns_of
from lmmtools.sentences import list_first

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    from lmmtools.design.blocks import Block
    from lmmtools.design.encoders import Encoder
    from lmmtools.design.matrices import Design

__all__ = [
    "as_frame",
    "describe_unseen",
    "describe_wrong_kind",
    "encode_basis",
    "encode_codes",
    "encode_fixed",
    "encode_offset",
    "encode_weights",
    "is_categorical",
    "label_levels",
    "without_unseen",
]

SHOWN_LEVELS = 5
"""Unseen levels that a message names."""


def encode_fixed(design: Design, newdata: Any) -> NDArray[np.float64]:
    """Return X of new data, shape (n_new, p), the columns that the fit kept; rows with missing values are NaN.

    Raises
    ------
    DataError
        A column that is not there, or a level of a fixed factor that the fit has not seen.
    """
    names = columns_of(design.formula.fixed)
    frame = as_frame(newdata, names)
    _need_new_columns(frame, names, f"the fixed part ({design.formula.fixed})", design.encoder)
    kept = [j for j, name in enumerate(design.encoder.column_names) if name not in design.dropped.columns]
    X = design.encoder.encode(frame)
    return np.asarray(X if len(kept) == X.shape[1] else X[:, kept])


def is_categorical(design: Design, name: str) -> bool:
    """Whether a column enters the fixed effects by its levels: a factor, or numbers within ``C(...)``."""
    sources = getattr(design.encoder, "sources", {}).values()
    return ColumnFacts(design).is_factor(name) or any(s.is_coded and s.name == name for s in sources)


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
    _need_new_columns(frame, names, str(block.term), block.encoder)
    return np.asarray(block.encoder.encode(frame))


def encode_codes(block: Block, newdata: Any) -> NDArray[np.intp]:
    """Return the level of each row of new data, shape (n_new,), -1 where the fit has not seen it or it is missing.

    Raises
    ------
    DataError
        A grouping column that is not there.
    """
    frame = as_frame(newdata, block.term.factors)
    _need_new_columns(
        frame, block.term.factors, str(block.term), cure=" To predict without random effects: random=False."
    )
    return np.asarray(match_levels([frame[name] for name in block.term.factors], block.parts, block.members))


def label_levels(block: Block, newdata: Any) -> NDArray[np.intp]:
    """Return the level of each row of new data, shape (n_new,): the fit's, and numbers from m on for others.

    Raises
    ------
    DataError
        A grouping column that is not there, or a row without a level.
    """
    codes = encode_codes(block, newdata).copy()
    unseen = np.flatnonzero(codes < 0)
    if not len(unseen):
        return codes
    columns = [as_frame(newdata, block.term.factors)[name].iloc[unseen] for name in block.term.factors]
    for name, column in zip(block.term.factors, columns, strict=True):
        if is_missing(column).any():
            row = int(unseen[np.argmax(is_missing(column))])
            raise DataError(
                f"Row {row} of the new data has no value in {name!r}, so that no effect of {block.term} can be drawn "
                "for it: drop the row, or give it a level."
            )
    parts = [pd.factorize(column.astype(object))[0] for column in columns]
    codes[unseen] = block.m + pd.factorize(pd.MultiIndex.from_arrays(parts))[0]
    return codes


def describe_unseen(block: Block, newdata: Any, codes: NDArray[np.intp]) -> str:
    """Return in words which levels of new data the fit has not seen: ``"'nobody' (row 1)"``; rows from 0."""
    frame = as_frame(newdata, block.term.factors)
    rows = np.flatnonzero(codes < 0)
    columns = [frame[name] for name in block.term.factors]
    parts = [np.where(is_missing(c), "missing", c.astype(str).to_numpy(dtype=object)) for c in columns]
    first: dict[str, int] = {}
    for row in rows.tolist():
        first.setdefault(":".join(str(part[row]) for part in parts), row)
    return list_first([f"{label!r} (row {row})" for label, row in first.items()], SHOWN_LEVELS)


def describe_wrong_kind(block: Block, newdata: Any) -> str:
    """Return what to write where grouping columns hold numbers for text, or text for numbers; empty if none does."""
    frame = as_frame(newdata, block.term.factors)
    names = zip(block.term.factors, block.parts, strict=True)
    return "".join(describe_mismatch(frame[name], name, levels) for name, levels in names)


def without_unseen(design: Design, blocks: Iterable[Block], frame: pd.DataFrame) -> pd.DataFrame:
    """Return new data with missing values where factors of the fixed part or of blocks' bases have new levels.

    Raises
    ------
    DataError
        A column of numbers whose levels were text in the fit, or the other way round.
    """
    known: dict[str, pd.Index[Any]] = {}
    for encoder in (design.encoder, *(b.encoder for b in blocks)):
        known |= {} if encoder is None else encoder.levels_by_column()
    changed = {}
    for name, levels in known.items():
        if name in frame:
            codes = match_levels([frame[name]], (levels,), np.empty((0, 1), dtype=np.intp))
            is_new = (codes < 0) & ~is_missing(frame[name])
            if is_new.any():
                if describe_mismatch(frame[name], name, levels):
                    check_seen(codes, frame[name], name, levels)
                changed[name] = frame[name].astype(object).mask(is_new)
    return frame.assign(**changed) if changed else frame


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
    _need_new_columns(frame, names, "the offset")
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
        _need_new_columns(frame, (given,), "the offset")
        return total + as_numbers(frame[given], given, "the offset")
    return total + _given_values(given, frame.index, "offset")


def encode_weights(design: Design, newdata: Any, weights: ArrayLike | str | None = None) -> NDArray[np.float64]:
    """Return the prior weights of new data, shape (n_new,): ones where the model has none.

    Raises
    ------
    DataError
        A column that is not there, a wrong length, weights that are not positive, weights for a model that has none,
        or none where the fit was given them as values.
    """
    given = design.weights_column if weights is None else weights
    frame = as_frame(newdata, [given] if isinstance(given, str) else [])
    if design.weights is None:
        if weights is not None:
            raise DataError("weights= are given for new rows, but the model was fitted without weights.")
        return np.ones(len(frame))
    if given is None:
        raise DataError(
            "The model was fitted with weights= given as values: the residual variance of the new rows takes theirs, "
            "predict(..., weights=values), ones for sigma squared itself."
        )
    if isinstance(given, str):
        _need_new_columns(frame, (given,), "the weights")
        values = as_numbers(frame[given], given, "the weights")
    else:
        values = _given_values(given, frame.index, "weights")
    if (values <= 0).any():
        raise DataError(f"The weights of new rows must be positive; row {int(np.argmax(values <= 0))} has none.")
    return values


def _given_values(given: ArrayLike, index: pd.Index[Any], key: str) -> NDArray[np.float64]:
    """Return weights or an offset given beside new data as floats, shape (n_new,); one number stands for all rows."""
    check_order(given, index, key)
    n = len(index)
    values = np.asarray(given)
    if values.ndim and values.shape != (n,):
        raise DataError(f"{key}= has shape {values.shape} for {n} rows of new data.")
    return np.broadcast_to(as_numbers(pd.Series(values.reshape(-1), name=key), key, f"the {key}"), (n,))


def _need_new_columns(
    frame: pd.DataFrame, names: Iterable[str], purpose: str, encoder: Encoder | None = None, cure: str = ""
) -> None:
    """Check that new data have the columns, except names that a trusted formula took from its context."""
    context = getattr(encoder, "context", {})
    need_columns(frame, [name for name in names if name not in context], purpose, cure)

"""A model formula and data -> Design: the response, the matrices and the blocks on the complete cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isnan
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from lmmtools.design.blocks import Block, order_blocks
from lmmtools.design.checks import (
    check_distance,
    check_effects,
    check_fixed,
    check_magnitude,
    check_order,
    check_response,
    check_weights,
)
from lmmtools.design.columns import independent_columns, is_clearly_full
from lmmtools.design.dropped import Dropped, check_lost, describe_undefined
from lmmtools.design.encoders import Encoder, learn_columns, learn_matrix
from lmmtools.design.factors import Columns, Factor, combine_factors
from lmmtools.design.frame import as_frame, as_numbers, kind_of, need_columns
from lmmtools.design.matrices import ColumnsLater, Design
from lmmtools.design.remarks import remark_on_numbers
from lmmtools.design.sparse_columns import take_columns
from lmmtools.errors import DataError
from lmmtools.formula.expressions import columns_of, lags_in
from lmmtools.sources.places import advice_on_data

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from lmmtools.design.sparse_columns import Matrix
    from lmmtools.formula.terms import ModelFormula, RandomTerm

__all__ = ["Sample", "build_design", "learn_column", "learn_response", "used_columns"]


def build_design(
    formula: ModelFormula,
    data: Any,
    *,
    weights: str | ArrayLike | None = None,
    offset: str | ArrayLike | None = None,
    na_action: Literal["drop", "raise"] = "drop",
    context: Mapping[str, Any] | None = None,
) -> Design:
    """Return the Design of a model formula on data.

    Parameters
    ----------
    formula : ModelFormula
        From `parse`.
    data : DataFrame, dict of arrays, or any frame that narwhals accepts
        One row per observation.  The index means nothing, and the data are never changed.
    weights, offset : str or array of shape (number of rows,), optional
        A column, or a value for each row; the offset is added to the formula's own.
    na_action : {"drop", "raise"}
        Leave out rows with a missing value in any column used, or refuse them.
    context : mapping, optional
        Names beyond the data's that a formula parsed with ``trusted=True`` may use.

    Raises
    ------
    DataError
        The model cannot be fitted to the data: a missing column, a constant response, infinite values, text where
        numbers are needed, no complete row, ...
    """
    if na_action not in ("drop", "raise"):
        raise DataError(f'na_action is "drop" or "raise", not {na_action!r}')
    extra = {"weights": weights, "offset": offset}
    named = tuple(v for v in extra.values() if isinstance(v, str))
    names = tuple(dict.fromkeys((*used_columns(formula), *named)))
    table = as_frame(data, names)
    context = context or {}
    names = tuple(name for name in names if name in table.columns or name not in context)
    need_columns(table, names)
    if not len(table):
        raise DataError("The data have no rows.")
    given = {key: _given_values(value, table, key) for key, value in extra.items() if value is not None}
    beside = tuple(key for key in given if not isinstance(extra[key], str))
    sample = _complete_cases(table, names, given, beside, na_action)
    parts = _evaluate(formula, sample, context if formula.trusted else None)
    sample, parts = _leave_out_undefined(formula, sample, parts, na_action)
    columns = {key: value if isinstance(value, str) else None for key, value in extra.items()}
    return _check_and_assemble(formula, sample, parts, columns)


@lru_cache(maxsize=512)
def used_columns(formula: ModelFormula) -> tuple[str, ...]:
    """Return the columns that a model uses: response, fixed part, offsets, bases, grouping factors; each once."""
    texts = [formula.response, formula.fixed, *formula.offsets]
    texts += [variable for term in formula.random for variable in term.variables]
    factors = [f for term in formula.random for f in term.factors]
    return tuple(dict.fromkeys([c for text in texts for c in columns_of(text)] + factors))


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The rows used: the frame of complete cases, their positions, values given beside the data, and lost rows.

    A sample of other rows, from which only encoders are learned, says nothing of all rows: its infinite values, and
    states that all rows decide, are left to the pass over them.
    """

    frame: pd.DataFrame | ColumnsLater
    columns: Columns  # the frame's, taken out once: taking a column costs more than most work on it
    everything: Mapping[str, pd.Series[Any]]  # the same columns before rows were left out; empty when none were
    rows: NDArray[np.intp]
    given: dict[str, NDArray[np.float64]]
    n_input: int
    lost: dict[str, int]
    undefined: dict[str, str]
    is_part: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Evaluated:
    """Response, X, bases and offsets on the rows used, with their encoders."""

    y: NDArray[np.float64]
    X: Matrix
    x_encoder: Encoder
    bases: list[tuple[NDArray[np.float64], Encoder | None]]
    offsets: list[tuple[NDArray[np.float64], Encoder]]


def _given_values(value: Any, table: pd.DataFrame, key: str) -> NDArray[np.float64]:
    """Return weights or offset as floats, shape (rows of the data,)."""
    if isinstance(value, str):
        return as_numbers(table[value], value, f"the {key}")
    try:
        column = value if isinstance(value, pd.Series) else pd.Series(np.asarray(value).reshape(-1), name=key)
    except (ValueError, OverflowError):
        raise DataError(f"{key}= takes one number for each row, or the name of a column, not {value!r:.60}") from None
    if len(column) != len(table):
        raise DataError(
            f"{key}= has {len(column)} values for {len(table)} rows of data. "
            "Give one for each row of the data as passed, or the name of a column."
        )
    check_order(value, table.index, key)
    return as_numbers(column, key, f"the {key}")


def _complete_cases(
    table: pd.DataFrame,
    names: Sequence[str],
    given: dict[str, NDArray[np.float64]],
    beside: Sequence[str],
    na_action: str,
) -> Sample:
    """Return the rows without a missing value in any of the columns, nor in what is given ``beside`` the data."""
    columns = Columns.of(table, names)
    missing = {name: lost for name in names if (lost := columns.missing(name)) is not None}
    missing |= {key: lost for key in beside if (lost := np.isnan(given[key])).any()}
    later = ColumnsLater(columns.copies(), table.index, table.columns.name, dict(table.attrs))
    known = columns if missing else columns.plain()
    sample = Sample(later, known, {}, np.arange(len(table)), given, len(table), {}, {})
    return _leave_out(sample, missing, na_action)


def _leave_out(
    sample: Sample, missing: Mapping[str, NDArray[np.bool_]], na_action: str, is_undefined: bool = False
) -> Sample:
    """Return the sample without the rows where a column is missing, with the number of rows that each column loses."""
    if not missing:
        return sample
    lost = {name: int(where.sum()) for name, where in missing.items()}
    keep = ~np.any(list(missing.values()), axis=0)
    check_lost(lost, len(keep), bool(keep.any()), na_action, is_undefined)
    frame = _frame_of(sample).loc[keep]
    return Sample(
        frame,
        Columns.of(frame, sample.columns).plain(),
        sample.everything or sample.columns,
        sample.rows[keep],
        {key: values[keep] for key, values in sample.given.items()},
        sample.n_input,
        {**sample.lost, **lost},
        {name: describe_undefined(name) for name in lost} if is_undefined else {},
    )


def _evaluate(formula: ModelFormula, sample: Sample, context: Mapping[str, Any] | None) -> _Evaluated:
    """Return the response, X, the bases and the offsets on the complete cases."""
    n = len(sample.rows)
    X, x_encoder = learn_columns(
        formula.fixed, sample.columns, n, context=context, may_be_sparse=True, **_rows_of(formula.fixed, sample)
    )
    bases: list[tuple[NDArray[np.float64], Encoder | None]] = []
    for term in formula.random:
        if term.variables:
            bases.append(_learn(term.basis, sample, context, constant="(Intercept)"))
        else:
            bases.append((np.ones((n, 1)), None))
    offsets = [learn_column(text, sample, "an offset", context) for text in formula.offsets]
    return _Evaluated(learn_response(formula.response, sample, context)[0], X, x_encoder, bases, offsets)


def _learn(
    text: str, sample: Sample, context: Mapping[str, Any] | None, constant: str = "Intercept"
) -> tuple[NDArray[np.float64], Encoder]:
    """Return the matrix of a sum of terms on the rows used, shape (n, columns), and its encoder."""
    return learn_matrix(
        text,
        sample.columns,
        len(sample.rows),
        constant=constant,
        context=context,
        **_rows_of(text, sample),
    )


def _rows_of(text: str, sample: Sample) -> dict[str, Any]:
    """Return what the encoder of terms learns of the rows that are left out, and which are used."""
    everything = _columns_of_all_rows(sample) if lags_in(text) else sample.everything
    return {"everything": everything, "rows": sample.rows, "is_part": sample.is_part}


def _columns_of_all_rows(sample: Sample) -> dict[str, pd.Series[Any]]:
    """Return the columns on all rows, those left out included; labels that no used row has are missing."""
    found = {}
    for name, column in sample.everything.items():
        used = sample.columns[name]
        is_label = kind_of(column) == "factor"
        found[name] = column.where(column.isin(used.unique())) if is_label else column
    return found


def _frame_of_all_rows(sample: Sample) -> pd.DataFrame:
    """Return the frame of all rows, those left out included, numbered from 0."""
    return pd.DataFrame(_columns_of_all_rows(sample)).reset_index(drop=True)


def learn_response(
    text: str, sample: Sample, context: Mapping[str, Any] | None
) -> tuple[NDArray[np.float64], Encoder | None]:
    """Return the response, shape (n,), and its encoder, None where it is a column of numbers."""
    columns = sample.columns
    if text in columns and columns.kind(text) == "number":
        return columns.numbers(text, "the response"), None
    for name in columns_of(text):
        if name in sample.columns and sample.columns.kind(name) == "boolean":
            raise DataError(
                f"The response column {name!r} holds True and False. A linear mixed model has a normal response; a "
                f"binary one needs a generalised linear mixed model. To go on anyway: "
                + advice_on_data(
                    f"data[{name!r}].astype(float).",
                    f"in SQL cast({name} as int), or 0 and 1 in a file.",
                    "write 0 and 1.",
                )
            )
    return learn_column(text, sample, "the response", context)


def learn_column(
    text: str, sample: Sample, role: str, context: Mapping[str, Any] | None
) -> tuple[NDArray[np.float64], Encoder]:
    """Return one column of numbers, shape (n,), and its encoder."""
    for name in columns_of(text):
        if name in sample.columns:
            sample.columns.numbers(name, role)
    matrix, encoder = _learn(f"0 + {text}", sample, context)
    if matrix.shape[1] != 1:
        names = ", ".join(encoder.column_names[:4])
        raise DataError(
            f"{text} is {role} and must be one column of numbers, but makes {matrix.shape[1]}: {names}. "
            "Where it is True or False, make a column of 0 and 1 first."
        )
    return matrix[:, 0], encoder


def _leave_out_undefined(
    formula: ModelFormula, sample: Sample, parts: _Evaluated, na_action: str
) -> tuple[Sample, _Evaluated]:
    """Return sample and parts without the rows where an expression has no value, as log(-1) or the first of lag(x)."""
    missing: dict[str, NDArray[np.bool_]] = {}

    def note_missing(values: NDArray[np.float64], labels: Sequence[str]) -> None:
        if isnan(np.add.reduce(values, axis=None)):
            for label, column in zip(labels, values.reshape(len(values), -1).T, strict=True):
                if np.isnan(column).any():
                    missing[label] = np.isnan(column)

    note_missing(parts.y, [formula.response])
    if isinstance(parts.X, np.ndarray):  # sparse columns have no missing values
        note_missing(parts.X, parts.x_encoder.column_names)
    for basis, encoder in parts.bases:
        if encoder is not None:
            note_missing(basis, encoder.column_names)
    for values, encoder in parts.offsets:
        note_missing(values, [encoder.column_names[0]])
    if not missing:
        return sample, parts
    keep = ~np.any(list(missing.values()), axis=0)
    kept = _leave_out(sample, missing, na_action, is_undefined=True)
    return kept, _Evaluated(
        parts.y[keep],
        parts.X[keep],
        parts.x_encoder,
        [(basis[keep], encoder) for basis, encoder in parts.bases],
        [(values[keep], encoder) for values, encoder in parts.offsets],
    )


def _check_and_assemble(
    formula: ModelFormula, sample: Sample, parts: _Evaluated, columns: Mapping[str, str | None]
) -> Design:
    """Return the Design, checked; ``columns`` names the columns that weights and offset were given as."""
    check_response(parts.y, formula.response)
    check_magnitude(parts.y[:, None], [f"the response {formula.response}"])
    # Neither magnitude nor rank of such columns needs another look.
    is_full = is_clearly_full(parts.X)
    if not is_full:
        check_magnitude(parts.X, parts.x_encoder.column_names)
    doubtful = [
        (basis, encoder) for basis, encoder in parts.bases if encoder is not None and not is_clearly_full(basis)
    ]
    for basis, encoder in doubtful:
        check_magnitude(basis, encoder.column_names)
    weights = sample.given.get("weights")
    if weights is not None:
        check_weights(weights, "The weights")
        check_magnitude(weights[:, None], ["the weights"])
    kept = np.arange(parts.X.shape[1]) if is_full else independent_columns(parts.X)
    names = parts.x_encoder.column_names
    dropped = () if len(kept) == len(names) else tuple(name for j, name in enumerate(names) if j not in set(kept))
    if dropped:
        check_distance(parts.X, names, kept)
    for basis, encoder in doubtful:
        if basis.shape[1] > 1 and len(own := independent_columns(basis)) < basis.shape[1]:
            check_distance(basis, encoder.column_names, own)
    if len(kept) >= len(parts.y):
        check_fixed(len(parts.y), [names[j] for j in kept], remark_on_numbers(parts.x_encoder))
    factors = {name: sample.columns.factor(name) for t in formula.random for name in t.factors}
    blocks = [
        _make_block(term, factors, basis, encoder)
        for term, (basis, encoder) in zip(formula.random, parts.bases, strict=True)
    ]
    check_effects(blocks)
    unused = _unused_levels(sample.columns)
    offsets = [values for values, _ in parts.offsets]
    if "offset" in sample.given:
        offsets.append(sample.given["offset"])
    return Design(
        formula=formula,
        y=parts.y,
        fixed=parts.X if not dropped else take_columns(parts.X, kept),
        x_names=tuple(names[j] for j in kept),
        blocks=order_blocks(blocks),
        weights=weights,
        offset=np.sum(offsets, axis=0) if offsets else None,
        rows=sample.rows,
        complete=_drop_unused_levels(_frame_of(sample), unused) if unused else sample.frame,
        dropped=Dropped(
            n_input=sample.n_input,
            rows=sample.lost,
            n_rows=sample.n_input - len(parts.y),
            columns=dropped,
            levels=unused,
            undefined=sample.undefined,
        ),
        encoder=parts.x_encoder,
        offset_encoders=tuple(encoder for _, encoder in parts.offsets),
        offset_column=columns["offset"],
        weights_column=columns["weights"],
        has_given_offset="offset" in sample.given,
        whole=_frame_of_all_rows(sample) if sample.everything and lags_in(formula.fixed) else None,
    )


def _make_block(
    term: RandomTerm, factors: Mapping[str, Factor], basis: NDArray[np.float64], encoder: Encoder | None
) -> Block:
    """Return the block of one term."""
    factor = combine_factors([factors[name] for name in term.factors])
    return Block(
        term=term,
        levels=factor.levels,
        codes=factor.codes,
        basis=basis,
        cnames=("(Intercept)",) if encoder is None else encoder.column_names,
        encoder=encoder,
        parts=factor.parts,
        members=factor.members,
    )


def _unused_levels(columns: Columns) -> dict[str, tuple[str, ...]]:
    """Return {categorical column: its levels that no row has}."""
    categorical = [name for name in columns if columns.is_categorical(name)]
    return {name: unused for name in categorical if (unused := columns.factor(name).unused)}


def _frame_of(sample: Sample) -> pd.DataFrame:
    """Return the complete cases."""
    return sample.frame.take() if isinstance(sample.frame, ColumnsLater) else sample.frame


def _drop_unused_levels(frame: pd.DataFrame, unused: Mapping[str, Any]) -> pd.DataFrame:
    """Return the frame with the given categoricals declaring only levels that they have."""
    return frame.assign(**{name: frame[name].cat.remove_unused_categories() for name in unused})

"""What predictions and means at new data need of a fit, as the entry ``prediction`` of its JSON record.

The entry holds no row of the data. It holds how columns are coded (levels, contrasts, what functions have learned), the
conditional modes, and sums over the rows: cross-products of the model's matrices, from which errors follow.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lmmtools import core
from lmmtools.design.encoders import FormulaicEncoder, PlainEncoder
from lmmtools.design.facts import ColumnFacts, basis_sums, count_rows, largest_fixed
from lmmtools.design.newdata import is_categorical
from lmmtools.errors import DataError, FormulaError
from lmmtools.formula.expressions import columns_of, lags_in
from lmmtools.formula.parser import parse
from lmmtools.inference.marginal.grid_rows import dependence_of_dropped
from lmmtools.inference.marginal.grid_values import count_cells

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmmtools.design.blocks import Block
    from lmmtools.design.encoders import Encoder
    from lmmtools.design.matrices import Design
    from lmmtools.fit.record import Fit

__all__ = ["PREDICTION_VERSION", "checksum", "prediction_entry"]

PREDICTION_VERSION = 1

MOST_CELLS = 100_000
"""Combinations of the levels of predictors whose rows are counted; weights and nesting of means ask for them."""


def prediction_entry(fit: Fit) -> dict[str, Any]:
    """Return the entry ``prediction`` of a fit's record.

    Raises
    ------
    DataError
        If the model cannot be told without its data: its matrices were read from MixedLM, its formula calls functions
        that a file must not, or looks at other rows; or labels of levels are neither text, numbers nor truth values.
    """
    design = fit.design
    _check_storable(design)
    scaling, cross = core.cross_products(design)
    squares, weighted = basis_sums(design)
    entry = {
        "version": PREDICTION_VERSION,
        "formula": _formula(design),
        "columns": {name: _column(design, name) for name in _predictors(design)},
        "cells": _cells(design),
        "fixed": _encoder(design.encoder),
        "offsets": [_encoder(encoder) for encoder in design.offset_encoders],
        "terms": [_term(block) for block in design.blocks],
        "modes": [_pack(modes) for modes in fit.estimate.modes],
        "weights": _beside(design.weights_column, design.weights),
        "offset": {**_beside(design.offset_column, design.offset), "is_given": design.has_given_offset},
        "dropped": {
            "n_input": design.dropped.n_input,
            "columns": list(design.dropped.columns),
            "dependence": _pack(dependence_of_dropped(design)),
        },
        "largest": _pack(largest_fixed(design)),
        "bases": {"squares": _pack(squares), "weighted": _pack(weighted)},
        "products": _products(scaling, cross),
    }
    return {**entry, "sha256": checksum(entry)}


def checksum(entry: Mapping[str, Any]) -> str:
    """Return the SHA-256 of an entry without its own, whatever the order of keys and the spelling of numbers."""
    own = {key: _with_floats(value) for key, value in entry.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()


def _with_floats(value: Any) -> Any:
    """Return JSON with all numbers as floats: another program may write 2 for 2.0."""
    if isinstance(value, dict):
        return {key: _with_floats(own) for key, own in value.items()}
    if isinstance(value, list):
        return [_with_floats(own) for own in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value) if abs(value) < 2**1000 else str(value)
    return value


def _check_storable(design: Design) -> None:
    """Raise a DataError for a model that cannot be told without its data."""
    if design.encoder is None or design.shared:
        raise DataError(
            "this model was read from MixedLM's matrices, which do not say how new data are coded: declare it with "
            "lmm(formula, data), and write that fit"
        )
    texts = [design.formula.fixed, *design.formula.offsets, *(v for b in design.blocks for v in b.term.variables)]
    if any(map(lags_in, texts)):
        raise DataError("lag(x) looks at the row before, which a file does not hold: make it a column of the data")
    try:
        parse(str(design.formula))
    except FormulaError as error:
        raise DataError(
            f"a file holds formulas that call known functions alone, since text from elsewhere is never run: {error}"
        ) from None


def _formula(design: Design) -> dict[str, Any]:
    formula = design.formula
    return {
        "response": formula.response,
        "fixed": formula.fixed,
        "offsets": list(formula.offsets),
        "source": formula.source,
        "random": [
            {
                "intercept": term.intercept,
                "variables": list(term.variables),
                "factors": list(term.factors),
                "label": term.label,
            }
            for term in formula.random
        ],
    }


def _predictors(design: Design) -> list[str]:
    """Return the columns of the fixed part."""
    facts = ColumnFacts(design)
    return [name for name in columns_of(design.formula.fixed) if name in facts.names]


def _column(design: Design, name: str) -> dict[str, Any]:
    """Return what is known of a column of the fixed part."""
    facts = ColumnFacts(design)
    if facts.is_factor(name):
        return {"levels": _labels(facts.levels(name), name), "is_factor": True}
    low, high = facts.ends(name)
    both = facts.distinct(name, most=2)
    return {
        "levels": _labels(facts.levels(name), name) if is_categorical(design, name) else None,
        "is_factor": False,
        "mean": facts.mean(name),
        "ends": [low, high],
        "values": None if both is None else [float(value) for value in both],
    }


def _cells(design: Design) -> dict[str, Any] | None:
    """Return the rows of each combination of the predictors that have levels; None where these are too many."""
    facts = ColumnFacts(design)
    levels: dict[str, list[Any]] = {}
    for name in _predictors(design):
        if facts.is_factor(name) or is_categorical(design, name):
            levels[name] = list(facts.levels(name))
        elif (both := facts.distinct(name, most=2)) is not None:
            levels[name] = both
    if np.prod([len(own) for own in levels.values()], dtype=float) > MOST_CELLS:
        return None
    return {
        "levels": {name: _labels(pd.Index(own), name) for name, own in levels.items()},
        "counts": _pack(count_cells(design, levels)),
    }


def _encoder(encoder: Encoder) -> dict[str, Any]:
    """Return how the columns of a sum of terms are made of data."""
    order = None if encoder.order is None else list(map(int, encoder.order))
    if isinstance(encoder, PlainEncoder):
        terms = [
            [
                {
                    "name": c.name,
                    "levels": None if c.levels is None else _labels(c.levels, c.name),
                    "is_reduced": c.is_reduced,
                }
                for c in term
            ]
            for term in encoder.terms
        ]
        return {"kind": "plain", "terms": terms, "names": list(encoder.column_names), "order": order}
    return {
        "kind": "formula",
        "text": encoder.text,
        "names": list(encoder.column_names),
        "order": order,
        "columns": _columns_of_encoder(encoder),
        "learned": {str(call): _state(state) for call, state in encoder.spec.transform_state.items()},
        "factors": {str(name): _kind(name, *found) for name, found in encoder.spec.encoder_state.items()},
    }


def _columns_of_encoder(encoder: FormulaicEncoder) -> dict[str, Any]:
    """Return the kind and the levels of each column that the terms use."""
    found: dict[str, Any] = {}
    coded = {safe: state.get("categories") for safe, (_, state) in encoder.spec.encoder_state.items() if state}
    for safe, source in encoder.sources.items():
        levels = source.levels
        is_factor = levels is not None
        if levels is None and source.is_coded:
            known = next((own for call, own in coded.items() if safe in str(call) and own is not None), None)
            learned = (s for call, s in encoder.spec.transform_state.items() if safe in str(call) and "levels" in s)
            known = known if known is not None else next(learned, {"levels": [0.0, 1.0]})["levels"]
            levels = pd.Index(known)
        if levels is not None or source.name not in found:
            found[source.name] = {
                "levels": None if levels is None else _labels(levels, source.name),
                "is_factor": is_factor,
            }
    return found


def _kind(name: Any, kind: Any, state: Any) -> dict[str, Any]:
    levels = state.get("categories") if isinstance(state, dict) else None
    return {"kind": str(kind.value), "levels": None if levels is None else _labels(pd.Index(levels), str(name))}


def _state(value: Any) -> Any:
    """Return what a function has learned as JSON: numbers, texts, lists, and mappings as lists of pairs."""
    if isinstance(value, dict):
        return {"pairs": [[_plain_key(key), _state(own)] for key, own in value.items()]}
    if isinstance(value, np.ndarray):
        return {"array": _pack(value)}
    if isinstance(value, (list, tuple)):
        return [_state(own) for own in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float) and np.isfinite(value):
        return value
    raise DataError(f"a function of the formula has learned {value!r:.60}, which a file cannot hold")


def _plain_key(key: Any) -> int | str:
    return int(key) if isinstance(key, (int, np.integer)) else str(key)


def _term(block: Block) -> dict[str, Any]:
    """Return a random-effects term: its levels, effects, and how its columns are made."""
    parts = zip(block.term.factors, block.parts, strict=True)
    return {
        "term": {
            "intercept": block.term.intercept,
            "variables": list(block.term.variables),
            "factors": list(block.term.factors),
            "label": block.term.label,
        },
        "effects": list(block.cnames),
        "levels": [_labels(levels, name) for name, levels in parts],
        "members": _pack(block.members),
        "counts": _pack(count_rows(block)),
        "encoder": None if block.encoder is None else _encoder(block.encoder),
    }


def _beside(column: str | None, values: Any) -> dict[str, Any]:
    """Return the column that weights or an offset came from, and their mean."""
    return {"column": column, "mean": None if values is None else float(values.mean())}


def _products(scaling: core.Scaling, cross: core.CrossProducts) -> dict[str, Any]:
    """Return the cross-products of the model's matrices, in the engine's coordinates."""
    gram, response = cross.A, cross.response
    assert isinstance(gram, core.Gram)
    between = []
    for (i, j), found in sorted(gram.between.items()):
        if isinstance(found, np.ndarray):
            between.append({"factors": [i, j], "dense": _pack(found)})
        else:
            rows = found.tocsr()
            rows.sort_indices()
            parts = {"values": _pack(rows.data), "indices": _pack(rows.indices), "starts": _pack(rows.indptr)}
            between.append({"factors": [i, j], "shape": list(map(int, rows.shape)), **parts})
    return {
        "groups": [list(map(int, members)) for members in cross.groups],
        "own": [_pack(own) for own in gram.own],
        "between": between,
        "ZX": _pack(cross.ZX),
        "XX": _pack(cross.XX),
        "log_weights": float(cross.log_weights),
        "Zy": _pack(response.Zy),
        "Xy": _pack(response.Xy),
        "yy": float(response.yy),
        "centre": _pack(response.centre),
        "y_scale": float(response.y_scale),
        "scaling": {
            "x_map": _pack(scaling.x_map),
            "centre": _pack(scaling.centre),
            "y_scale": float(scaling.y_scale),
            "basis_maps": [_pack(R) for R in scaling.basis_maps],
        },
    }


def _labels(levels: pd.Index[Any], name: str) -> dict[str, Any]:
    """Return levels with their type.

    Raises
    ------
    DataError
        If they are neither text, numbers nor truth values.
    """
    values = [value.item() if isinstance(value, np.generic) else value for value in levels.tolist()]
    kinds = {bool: "truth", int: "integer", float: "number", str: "text"}
    found = {type(value) for value in values}
    if len(found) != 1 or (only := found.pop()) not in kinds or (only is float and not np.isfinite(values).all()):
        raise DataError(
            f"the levels of {name!r} are neither text, numbers nor truth values, and a file cannot hold them: make the "
            f"column text, data[{name!r}].astype(str)"
        )
    return {"kind": kinds[only], "values": values}


def _pack(values: Any) -> dict[str, Any]:
    """Return an array as its type, its shape, and its bytes, compressed and in base 64."""
    array = np.asarray(values)
    is_whole = array.dtype.kind in "iub"
    array = np.asarray(array, dtype="<i8" if is_whole else "<f8", order="C")
    data = base64.b64encode(zlib.compress(array.tobytes(), 9)).decode("ascii")
    return {"type": "integer" if is_whole else "number", "shape": list(array.shape), "data": data}

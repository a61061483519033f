"""How columns are coded, read from a record: levels, facts of columns, and encoders of sums of terms."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lmmtools.design.encoders import PlainEncoder
from lmmtools.design.formulaic_encoder import restore_formulaic
from lmmtools.design.moments import Moments
from lmmtools.design.plain_encoder import PlainColumn
from lmmtools.design.stored_rows import StoredCells, StoredLevels, StoredSurvey
from lmmtools.design.survey import NumberSummary, SurveyPlan
from lmmtools.errors import DataError, FormulaError
from lmmtools.formula.expressions import check_calls, columns_of

if TYPE_CHECKING:
    from lmmtools.design.encoders import Encoder
    from lmmtools.formula.terms import ModelFormula
    from lmmtools.results.json_entry import Entry

__all__ = ["read_cells", "read_encoder", "read_labels", "read_offsets", "read_survey"]

SAFE = re.compile(r"lmm(?:column|factor)\d+_")


def read_labels(entry: Entry) -> list[Any]:
    """Return levels of one type, each once."""
    kind, values = entry["kind"].text(), entry["values"].entries()
    found: list[Any]
    if kind == "text":
        found = [value.text() for value in values]
    elif kind == "truth":
        found = [value.flag() for value in values]
    elif kind == "integer":
        found = [value.count(-(2**53)) for value in values]
    elif kind == "number":
        found = [value.number() for value in values]
    else:
        raise DataError(
            f'{entry.place} has levels of the kind {kind[:40]!r}; there are "text", "integer", "number" and "truth"'
        )
    if not found or len(set(found)) != len(found):
        raise DataError(f"{entry.place} has no level, or one twice")
    return found


def _as_column(levels: list[Any] | None, *, is_factor: bool, n: int, value: float = 0.0) -> pd.Series[Any]:
    """Return a column of n rows at least with all levels, of the type that they had."""
    if levels is None:
        return pd.Series(np.full(n, value))
    values = [levels[i % len(levels)] for i in range(max(n, len(levels)))]
    if is_factor and not isinstance(levels[0], bool):
        return pd.Series(pd.Categorical(values, categories=levels))
    return pd.Series(values)


def read_survey(entry: Entry, formula: ModelFormula) -> StoredSurvey:
    """Return what is known of the columns of the fixed part."""
    levels: dict[str, StoredLevels] = {}
    numbers: dict[str, NumberSummary] = {}
    for name, own in entry.items():
        is_factor, given = own["is_factor"].flag(), own["levels"].optional()
        labels = None if given is None else read_labels(given)
        if labels is not None:
            levels[name] = StoredLevels(_as_column(labels, is_factor=is_factor, n=len(labels)))
        elif is_factor:
            raise DataError(f"{own.place} is a factor without levels")
        if not is_factor:
            low, high = own["ends"].numbers(2).tolist()
            both = own["values"].optional()
            values = None if both is None else {value.number() for value in both.entries()}
            numbers[name] = NumberSummary(Moments(1, own["mean"].number()), low, high, values=values)
    missing = set(columns_of(formula.fixed)) - set(levels) - set(numbers)
    if missing:
        raise DataError(f"{entry.place} has no column {min(missing)!r}, which the formula uses")
    names = tuple(name for name, _ in entry.items())
    return StoredSurvey(SurveyPlan(names, frozenset(levels), frozenset(numbers), ()), levels, numbers)


def read_cells(entry: Entry) -> StoredCells | None:
    """Return the rows of each combination of levels, None where the record has none."""
    found = entry["cells"].optional()
    if found is None:
        return None
    levels = {name: read_labels(own) for name, own in found["levels"].items()}
    shape = tuple(map(len, levels.values()))
    counts = found["counts"].packed(*shape)
    if counts.shape != shape:
        raise DataError(f"{found['counts'].place} has another shape than its levels")
    return StoredCells(levels, counts)


def read_encoder(entry: Entry, text: str, constant: str) -> Encoder:
    """Return how the columns of a sum of terms are made, which must be those of the formula's text."""
    given = entry["order"].optional()
    names = entry["names"].texts()
    order = None if given is None else tuple(own.count() for own in given.entries())
    if order is not None and sorted(order) != list(range(len(names))):
        raise DataError(f"{entry['order'].place} is no order of {len(names)} columns")
    kind = entry["kind"].text()
    if kind == "plain":
        terms = tuple(tuple(map(_read_plain, term.entries())) for term in entry["terms"].entries())
        used = {c.name for term in terms for c in term}
        if used != set(columns_of(text)) or sum(_width(term) for term in terms) != len(names):
            raise DataError(f"{entry.place} makes other columns than {text!r}")
        return PlainEncoder(terms, names, order)
    if kind != "formula":
        raise DataError(f'{entry["kind"].place} is {kind[:40]!r}; it must be "plain" or "formula"')
    return _read_formulaic(entry, names, order, text, constant)


def _read_plain(entry: Entry) -> PlainColumn:
    levels = entry["levels"].optional()
    index = None if levels is None else pd.Index(read_labels(levels))
    return PlainColumn(entry["name"].text(), index, entry["is_reduced"].flag())


def _width(term: tuple[PlainColumn, ...]) -> int:
    return int(np.prod([c.width for c in term])) if term else 1


def _read_formulaic(entry: Entry, names: tuple[str, ...], order: Any, text: str, constant: str) -> Encoder:
    """Return an encoder through formulaic; its text may call known functions alone."""
    own = entry["text"].words()
    try:
        check_calls(own)
    except FormulaError as error:
        raise DataError(f"{entry['text'].place}: {error}") from None
    if set(columns_of(own)) != set(columns_of(text)):
        raise DataError(f"{entry['text'].place} uses other columns than {text!r}")
    found = {name: (_optional_labels(c["levels"]), c["is_factor"].flag()) for name, c in entry["columns"].items()}
    n = max([2, *(len(levels) for levels, _ in found.values() if levels is not None)])
    data = {name: _as_column(levels, is_factor=is_factor, n=n)[:n] for name, (levels, is_factor) in found.items()}
    learned = {call: _read_state(state) for call, state in entry["learned"].items()}
    factors = {
        name: (state["kind"].text(), _optional_labels(state["levels"])) for name, state in entry["factors"].items()
    }
    for call in (*learned, *factors):
        if not SAFE.search(call):
            raise DataError(f"{entry.place} has something learned by {call[:40]!r}, which names no column")
    try:
        encoder = restore_formulaic(own, data, constant, learned, factors)
    except DataError as error:
        raise DataError(f"{entry.place} does not make its columns: {error}") from None
    except (ValueError, TypeError, KeyError, IndexError, ArithmeticError, AttributeError) as error:
        raise DataError(f"{entry.place} does not make its columns: {type(error).__name__}: {error!s:.200}") from None
    if set(encoder.column_names) != set(names) or len(encoder.column_names) != len(names):
        raise DataError(f"{entry.place} makes other columns than it names")
    return replace(encoder, column_names=names, order=order)


def _optional_labels(entry: Entry) -> list[Any] | None:
    given = entry.optional()
    return None if given is None else read_labels(given)


def _read_state(entry: Entry) -> Any:
    """Return what a function has learned: numbers, texts, arrays, lists and mappings of them."""
    value = entry.value
    if isinstance(value, list):
        return [_read_state(own) for own in entry.entries()]
    if isinstance(value, dict) and "array" in value:
        return entry["array"].packed()
    if isinstance(value, dict):
        found = {}
        for pair in entry["pairs"].entries():
            if len(pair.entries()) != 2:
                raise DataError(f"{pair.place} must be a name and a value")
            key, own = pair.entries()
            found[key.count(-(2**53)) if isinstance(key.value, int) else key.text()] = _read_state(own)
        return found
    if value is None or isinstance(value, (bool, int)):
        return value
    return entry.text() if isinstance(value, str) else entry.number()


def read_offsets(entry: Entry, formula: ModelFormula) -> tuple[Encoder, ...]:
    """Return how the formula's offsets are made of data."""
    found = entry.entries()
    if len(found) != len(formula.offsets):
        raise DataError(f"{entry.place} has {len(found)} offsets where the formula has {len(formula.offsets)}")
    return tuple(read_encoder(own, text, "Intercept") for own, text in zip(found, formula.offsets, strict=True))

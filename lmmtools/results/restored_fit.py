"""``RestoredFit``: a fit without its rows, read from a record, which predicts and has means and tests."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from lmmtools import core
from lmmtools.design.blocks import Block
from lmmtools.design.dropped import Dropped
from lmmtools.design.encoders import PlainEncoder
from lmmtools.design.formulaic_encoder import restore_formulaic
from lmmtools.design.matrices import Design
from lmmtools.design.moments import Moments
from lmmtools.design.plain_encoder import PlainColumn
from lmmtools.design.rows_elsewhere import RowsElsewhere, StreamedBasis, StreamedCodes, StreamedColumn
from lmmtools.design.stored_rows import StoredCells, StoredLevels, StoredRows, StoredStatistics, StoredSurvey
from lmmtools.design.survey import NumberSummary, SurveyPlan
from lmmtools.engines.estimate import Estimate
from lmmtools.errors import DataError, FormulaError, LmmError
from lmmtools.fit.record import Prepared
from lmmtools.formula.expressions import check_calls, columns_of
from lmmtools.formula.parser import parse
from lmmtools.formula.terms import RandomTerm
from lmmtools.results.inference_methods import InferenceMethods
from lmmtools.results.prediction_methods import PredictionMethods
from lmmtools.results.stored_prediction import checksum

if TYPE_CHECKING:
    from lmmtools.design.encoders import Encoder
    from lmmtools.formula.terms import ModelFormula
    from lmmtools.results.json_entry import Entry
    from lmmtools.results.stored_fit import StoredFit

__all__ = ["RestoredFit", "restore_fit"]

AGREEMENT = 1e-6
"""Relative difference up to which what the products say agrees with the numbers of the record."""

SAFE = re.compile(r"lmm(?:column|factor)\d+_")


@dataclass(frozen=True, eq=False, repr=False)
class RestoredFit(InferenceMethods, PredictionMethods):
    """A fit that was read from a file, without rows.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool")).fit(engine="pls")
    >>> record = lmt.read_json(fit.to_json(predict=True))
    >>> record.restored.marginal_means("Type").to_frame()["emmean"].round(3).tolist()
    [8.556, 12.444, 10.778, 9.222]
    """


def restore_fit(entry: Entry, record: StoredFit) -> RestoredFit:
    """Return the fit that the entry ``prediction`` of a record describes.

    Raises
    ------
    DataError
        If an entry is missing, of another type or size, or contradicts the record.
    """
    if entry["sha256"].text() != checksum(entry.value):
        raise DataError(f"{entry.place} was changed since it was written: its sha256 is another one")
    try:
        return _restore(entry, record)
    except FormulaError as error:
        raise DataError(f"{entry.place} has a term that is none: {error}") from None


def _restore(entry: Entry, record: StoredFit) -> RestoredFit:
    formula = _read_formula(entry["formula"])
    n, p = record.nobs, len(record.x_names)
    survey = _read_survey(entry["columns"], formula)
    dropped = entry["dropped"]
    columns = dropped["columns"].texts()
    fixed = _read_encoder(entry["fixed"], formula.fixed, "Intercept")
    if tuple(name for name in fixed.column_names if name not in columns) != record.x_names:
        raise DataError(f"{entry['fixed'].place} makes other columns than the fixed effects of the record")
    terms = entry["terms"].entries()
    weights, offset = entry["weights"], entry["offset"]
    widths = tuple(len(term["effects"].entries()) for term in terms)
    size = 1 + sum(widths)
    statistics = StoredStatistics(
        n,
        entry["bases"]["squares"].packed(size, size),
        entry["bases"]["weighted"].packed(size),
        entry["largest"].packed(p),
        Moments(n, _mean(weights) or 1.0),
        Moments(n, _mean(offset) or 0.0),
    )
    dependence = dropped["dependence"].packed(p, len(columns))
    rows: Any = StoredRows(n, widths, survey, statistics, dependence, _read_cells(entry))
    blocks = tuple(_read_block(term, rows, at) for at, term in enumerate(terms))
    elsewhere: Any = _stand_in
    design = Design(
        formula=formula,
        y=elsewhere("the response", n),
        fixed=elsewhere("X", n, p),
        x_names=record.x_names,
        blocks=blocks,
        weights=_column_beside(weights, "weights", rows) if record.is_weighted else None,
        offset=_column_beside(offset, "offset", rows) if record.has_offset else None,
        rows=elsewhere("positions", n),
        complete=elsewhere("the columns", n),
        dropped=Dropped(dropped["n_input"].count(), columns=columns),
        encoder=fixed,
        offset_encoders=_read_offsets(entry["offsets"], formula),
        offset_column=_text_or_none(offset["column"]),
        weights_column=_text_or_none(weights["column"]),
        has_given_offset=offset["is_given"].flag(),
        streamed=rows,
    )
    modes = entry["modes"].entries()
    if len(modes) != len(blocks) or design.k != len(record.theta):
        raise DataError(f"{entry['terms'].place} has other terms than theta and the modes of the record")
    estimate = Estimate(
        engine=record.engine,
        reml=record.reml,
        theta=record.theta,
        beta=record.beta,
        beta_cov=record.beta_cov,
        sigma=record.sigma,
        objective=record.objective,
        modes=tuple(own.packed(b.m, b.l) for own, b in zip(modes, blocks, strict=True)),
    )
    problem = _read_problem(entry["products"], design)
    _check_agreement(problem, record)
    return RestoredFit(design, estimate, record.names, prepared=Prepared(problem))


def _stand_in(what: str, *shape: int) -> RowsElsewhere:
    return RowsElsewhere(what, shape, "a file that holds none")


def _text_or_none(entry: Entry) -> str | None:
    given = entry.optional()
    return None if given is None else given.text()


def _mean(entry: Entry) -> float | None:
    given = entry["mean"].optional()
    return None if given is None else given.number()


def _column_beside(entry: Entry, key: Any, rows: Any) -> Any:
    if entry["mean"].optional() is None:
        raise DataError(f"{entry.place} has no mean, but the record says that there are such values")
    return StreamedColumn(f"the {key}", (rows.n,), rows, key)


def _read_formula(entry: Entry) -> ModelFormula:
    """Return the model's formula, its text checked as any formula from elsewhere."""
    random = tuple(map(_read_random, entry["random"].entries()))
    offsets = entry["offsets"].texts()
    parts = [entry["fixed"].words(), *(f"offset({text})" for text in offsets), *map(str, random)]
    text = f"{entry['response'].words()} ~ {' + '.join(parts)}"
    try:
        found = parse(text)
    except FormulaError as error:
        raise DataError(f"{entry.place} does not read as a formula: {error}") from None
    if found.random != random or found.offsets != offsets or found.response != entry["response"].text():
        raise DataError(f"{entry.place} reads as another formula than it says")
    return replace(found, random=random, fixed=entry["fixed"].text(), source=entry["source"].text())


def _read_random(entry: Entry) -> RandomTerm:
    return RandomTerm(
        entry["intercept"].flag(), entry["variables"].texts(), entry["factors"].texts(), entry["label"].text()
    )


def _read_labels(entry: Entry) -> list[Any]:
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


def _read_survey(entry: Entry, formula: ModelFormula) -> StoredSurvey:
    """Return what is known of the columns of the fixed part."""
    levels: dict[str, StoredLevels] = {}
    numbers: dict[str, NumberSummary] = {}
    for name, own in entry.items():
        is_factor, given = own["is_factor"].flag(), own["levels"].optional()
        labels = None if given is None else _read_labels(given)
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


def _read_cells(entry: Entry) -> StoredCells | None:
    found = entry["cells"].optional()
    if found is None:
        return None
    levels = {name: _read_labels(own) for name, own in found["levels"].items()}
    shape = tuple(map(len, levels.values()))
    counts = found["counts"].packed(*shape)
    if counts.shape != shape:
        raise DataError(f"{found['counts'].place} has another shape than its levels")
    return StoredCells(levels, counts)


def _read_encoder(entry: Entry, text: str, constant: str) -> Encoder:
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
    index = None if levels is None else pd.Index(_read_labels(levels))
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
    return None if given is None else _read_labels(given)


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


def _read_offsets(entry: Entry, formula: ModelFormula) -> tuple[Encoder, ...]:
    found = entry.entries()
    if len(found) != len(formula.offsets):
        raise DataError(f"{entry.place} has {len(found)} offsets where the formula has {len(formula.offsets)}")
    return tuple(_read_encoder(own, text, "Intercept") for own, text in zip(found, formula.offsets, strict=True))


def _read_block(entry: Entry, rows: Any, at: int) -> Block:
    """Return a random-effects term without rows."""
    term = _read_random(entry["term"])
    cnames = entry["effects"].texts()
    parts = tuple(pd.Index(_read_labels(own)) for own in entry["levels"].entries())
    if len(parts) != len(term.factors) or not cnames:
        raise DataError(f"{entry.place} has other factors than its term, or no effect")
    counts = entry["counts"].packed(is_whole=True)
    m = len(counts)
    members = entry["members"].packed(m, len(parts), is_whole=True).astype(np.intp)
    for column, levels in zip(members.T, parts, strict=True):
        if m and not (column.min() >= 0 and column.max() < len(levels)):
            raise DataError(f"{entry['members'].place} names a level that there is not")
    labels = [list(map(str, levels)) for levels in parts]
    levels = (
        parts[0][members[:, 0]]
        if len(parts) == 1
        else pd.Index([":".join(own[i] for own, i in zip(labels, row, strict=True)) for row in members])
    )
    given = entry["encoder"].optional()
    encoder = None if given is None else _read_encoder(given, term.basis, "(Intercept)")
    codes: Any = StreamedCodes("levels", (rows.n,), rows.name, at, counts)
    basis: Any = StreamedBasis(f"the basis of {term}", rows, at, tuple(range(len(cnames))))
    return Block(term, levels, codes, basis, cnames, encoder, parts, members)


def _read_problem(entry: Entry, design: Design) -> core.Problem:
    """Return the problem that the cross-products are of."""
    groups = tuple(tuple(own.count() for own in members.entries()) for members in entry["groups"].entries())
    if sorted(k for members in groups for k in members) != list(range(len(design.blocks))):
        raise DataError(f"{entry['groups'].place} does not name each term once")
    sizes = [(design.blocks[members[0]].m, sum(design.blocks[k].l for k in members)) for members in groups]
    own = entry["own"].entries()
    if len(own) != len(sizes):
        raise DataError(f"{entry['own'].place} has {len(own)} factors where there are {len(sizes)}")
    gram = core.Gram(
        tuple(part.packed(m, l, l) for part, (m, l) in zip(own, sizes, strict=True)),
        _read_between(entry["between"], [m * l for m, l in sizes]),
    )
    q, p = gram.q, design.p
    scaled = entry["scaling"]
    maps = scaled["basis_maps"].entries()
    if len(maps) != len(design.blocks):
        raise DataError(f"{scaled['basis_maps'].place} has {len(maps)} maps for {len(design.blocks)} terms")
    scaling = core.Scaling(
        scaled["x_map"].packed(p, p),
        scaled["centre"].packed(p),
        scaled["y_scale"].number(),
        tuple(R.packed(b.l, b.l) for R, b in zip(maps, design.blocks, strict=True)),
    )
    response = core.ResponseProducts(
        entry["Zy"].packed(q),
        entry["Xy"].packed(p),
        entry["yy"].number(),
        entry["centre"].packed(p),
        entry["y_scale"].number(),
    )
    cross = core.CrossProducts(
        groups, gram, entry["ZX"].packed(q, p), entry["XX"].packed(p, p), entry["log_weights"].number(), response
    )
    try:
        return core.assemble(design, scaling, cross)
    except (LmmError, ValueError, ArithmeticError) as error:
        raise DataError(f"{entry.place} are no cross-products of a model: {error}") from None


def _read_between(entry: Entry, sizes: list[int]) -> dict[tuple[int, int], Any]:
    """Return the couplings of pairs of factors."""
    found: dict[tuple[int, int], Any] = {}
    for own in entry.entries():
        i, j = (int(x) for x in own["factors"].numbers(2))
        if not 0 <= i < j < len(sizes):
            raise DataError(f"{own['factors'].place} is no pair of factors")
        if "dense" in own.value:
            found[i, j] = own["dense"].packed(sizes[i], sizes[j])
            continue
        values = own["values"].packed()
        starts = own["starts"].packed(sizes[i] + 1, is_whole=True)
        indices = own["indices"].packed(len(values), is_whole=True)
        are_places = starts[0] == 0 and starts[-1] == len(values) and (np.diff(starts) >= 0).all()
        if not are_places or (len(indices) and not (indices.min() >= 0 and indices.max() < sizes[j])):
            raise DataError(f"{own.place} names places that a matrix of {sizes[i]} by {sizes[j]} has not")
        found[i, j] = sparse.csr_matrix((values, indices, starts), shape=(sizes[i], sizes[j]))
    if len(found) != len(sizes) * (len(sizes) - 1) // 2:
        raise DataError(f"{entry.place} does not have each pair of factors")
    return found


def _check_agreement(problem: core.Problem, record: StoredFit) -> None:
    """Raise a DataError if the products imply other estimates than the record has."""
    try:
        found = core.recover(problem, record.theta, record.reml)
    except (LmmError, ValueError, ArithmeticError) as error:
        raise DataError(f"prediction.products are no cross-products of a model: {error}") from None
    scale = np.sqrt(np.diag(record.beta_cov)) if len(record.beta) else np.zeros(0)
    is_same = bool((np.abs(found.beta - record.beta) <= AGREEMENT * scale + AGREEMENT * np.abs(record.beta)).all())
    if not is_same or abs(found.sigma - record.sigma) > AGREEMENT * record.sigma:
        raise DataError("prediction.products contradict the estimates of the record")

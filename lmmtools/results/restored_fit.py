"""``RestoredFit``: a fit without its rows, read from a record, which predicts and has means and tests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from lmmtools import core
from lmmtools.design.blocks import Block
from lmmtools.design.dropped import Dropped
from lmmtools.design.matrices import Design
from lmmtools.design.moments import Moments
from lmmtools.design.rows_elsewhere import RowsElsewhere, StreamedBasis, StreamedCodes, StreamedColumn
from lmmtools.design.stored_rows import StoredRows, StoredStatistics
from lmmtools.engines.estimate import Estimate
from lmmtools.errors import DataError, FormulaError, LmmError
from lmmtools.fit.record import Prepared
from lmmtools.formula.parser import parse
from lmmtools.formula.terms import RandomTerm
from lmmtools.results.inference_methods import InferenceMethods
from lmmtools.results.means_methods import MeansMethods
from lmmtools.results.prediction_methods import PredictionMethods
from lmmtools.results.restored_columns import read_cells, read_encoder, read_labels, read_offsets, read_survey
from lmmtools.results.stored_prediction import checksum
from lmmtools.results.term_methods import TermMethods

if TYPE_CHECKING:
    from lmmtools.formula.terms import ModelFormula
    from lmmtools.results.json_entry import Entry
    from lmmtools.results.stored_fit import StoredFit

__all__ = ["RestoredFit", "restore_fit"]

AGREEMENT = 1e-6
"""Relative difference up to which what the products say agrees with the numbers of the record."""


@dataclass(frozen=True, eq=False, repr=False)
class RestoredFit(InferenceMethods, TermMethods, PredictionMethods, MeansMethods):
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
    """Return the fit, its numbers checked against each other."""
    design = _read_design(entry, record)
    modes = entry["modes"].entries()
    if len(modes) != len(design.blocks) or design.k != len(record.theta):
        raise DataError(f"{entry['terms'].place} has other terms than theta and the modes of the record")
    estimate = Estimate(
        engine=record.engine,
        reml=record.reml,
        theta=record.theta,
        beta=record.beta,
        beta_cov=record.beta_cov,
        sigma=record.sigma,
        objective=record.objective,
        modes=tuple(own.packed(b.m, b.l) for own, b in zip(modes, design.blocks, strict=True)),
    )
    problem = _read_problem(entry["products"], design)
    _check_agreement(problem, record)
    return RestoredFit(design, estimate, record.names, prepared=Prepared(problem))


def _read_design(entry: Entry, record: StoredFit) -> Design:
    """Return the design without its rows."""
    formula = _read_formula(entry["formula"])
    n, p = record.nobs, len(record.x_names)
    survey = read_survey(entry["columns"], formula)
    dropped = entry["dropped"]
    columns = dropped["columns"].texts()
    fixed = read_encoder(entry["fixed"], formula.fixed, "Intercept")
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
    rows: Any = StoredRows(n, widths, survey, statistics, dependence, read_cells(entry))
    blocks = tuple(_read_block(term, rows, at) for at, term in enumerate(terms))
    elsewhere: Any = _stand_in
    return Design(
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
        offset_encoders=read_offsets(entry["offsets"], formula),
        offset_column=_text_or_none(offset["column"]),
        weights_column=_text_or_none(weights["column"]),
        has_given_offset=offset["is_given"].flag(),
        streamed=rows,
    )


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


def _read_block(entry: Entry, rows: Any, at: int) -> Block:
    """Return a random-effects term without rows."""
    term = _read_random(entry["term"])
    cnames = entry["effects"].texts()
    parts = tuple(pd.Index(read_labels(own)) for own in entry["levels"].entries())
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
    encoder = None if given is None else read_encoder(given, term.basis, "(Intercept)")
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

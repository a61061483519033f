"""A model formula and a source that is read in batches -> Design whose rows are read when they are needed.

The first pass surveys the columns: levels, combinations, missing values, means. Encoders are learned on few rows that
have every level, with the states that the survey found. A second pass is made only where expressions may have no value
or the columns of X may depend on each other; the engine's pass comes after that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from lmmtools.design.blocks import Block, order_blocks
from lmmtools.design.build import Sample, learn_column, learn_response
from lmmtools.design.checks import (
    check_distance,
    check_effects,
    check_fixed,
    check_magnitude,
    check_range,
    refuse_weights,
)
from lmmtools.design.coded_rows import CodedRows
from lmmtools.design.coder import BlockCoder, Coder, LevelFinder, complete_rows
from lmmtools.design.columns import RANK_TOL, independent_columns
from lmmtools.design.dropped import Dropped, check_lost, describe_undefined
from lmmtools.design.encoders import FormulaicEncoder, PlainEncoder, learn_matrix
from lmmtools.design.factors import Columns, Factor, encode_factor, label_cells
from lmmtools.design.folding import fold_columns
from lmmtools.design.frame import as_numbers, describe_infinite, need_columns
from lmmtools.design.matrices import Design
from lmmtools.design.passes import AddCoded, AddDefined, plan_survey, take_survey
from lmmtools.design.remarks import remark_on_numbers
from lmmtools.design.row_by_row import check_row_by_row, may_be_undefined
from lmmtools.design.rows_elsewhere import RowsElsewhere, StreamedBasis, StreamedCodes, StreamedColumn
from lmmtools.design.streamed_rows import StreamedRows
from lmmtools.design.streamed_states import learn_states
from lmmtools.design.survey import Survey
from lmmtools.errors import DataError
from lmmtools.formula.expressions import columns_of, fold_calls
from lmmtools.formula.tokens import tokenize
from lmmtools.sources.places import reading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lmmtools.design.encoders import Encoder
    from lmmtools.formula.terms import ModelFormula
    from lmmtools.sources import Source

    Floats = NDArray[np.float64]

__all__ = ["build_streamed_design"]

_CLEAR = 100 * RANK_TOL
"""Share of a column beside the others, as a lower bound from few rows, above which all rows need not be asked."""


def build_streamed_design(
    formula: ModelFormula,
    source: Source,
    *,
    weights: str | None = None,
    offset: str | None = None,
    na_action: Literal["drop", "raise"] = "drop",
) -> Design:
    """Return the Design of a model formula on the rows of a source, which stay where they are.

    Parameters
    ----------
    formula : ModelFormula
    source : Source
    weights, offset : str, optional
        Columns.
    na_action : {"drop", "raise"}

    Raises
    ------
    DataError
        As `build_design`; also values given beside the data, and functions of whole columns.
    """
    if na_action not in ("drop", "raise"):
        raise DataError(f'na_action is "drop" or "raise", not {na_action!r}')
    for key, value in (("weights", weights), ("offset", offset)):
        if value is not None and not isinstance(value, str):
            raise DataError(
                f"{key}= takes the name of a column where the rows are read from {source.name}, not values beside them."
            )
    check_row_by_row(formula, source.name)
    plan = plan_survey(formula, weights, offset)
    need_columns(pd.DataFrame(columns=list(source.columns)), plan.names)
    with reading(source, is_streamed=True):
        survey = take_survey(source, plan)
        return _Builder(formula, source, weights, offset, na_action, survey).build()


@dataclass(frozen=True, slots=True, eq=False)
class _Coded:
    """What coded rows tell.

    Attributes
    ----------
    coder : Coder
    survey : Survey
        Of the rows used.
    factors : mapping of str to Factor
    kept : ndarray of intp
        Columns of X that do not depend on others.
    largest : ndarray
        Largest size in each column of X.
    ends : tuple of float
        Smallest and largest response.
    sample : ndarray
        X in some rows.
    undefined : dict of str to int
        Rows in which each expression has no value.
    """

    coder: Coder
    survey: Survey
    factors: Mapping[str, Factor]
    kept: NDArray[np.intp]
    largest: Floats
    ends: tuple[float, float]
    sample: Floats
    undefined: dict[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class _Builder:
    """What a design is built of, once the rows are surveyed."""

    formula: ModelFormula
    source: Source
    weights: str | None
    offset: str | None
    na_action: str
    survey: Survey

    def build(self) -> Design:
        """Return the design."""
        survey = self.survey
        if not survey.n_input:
            raise DataError("The data have no rows.")
        if survey.lost:
            lost = {name: survey.lost[name] for name in survey.plan.names if name in survey.lost}
            check_lost(lost, survey.n_input, survey.n > 0, self.na_action, is_undefined=False)
        self._check_numbers()
        factors = _factors_of(survey)
        sample = self._sample(factors)
        y_encoder = learn_response(self.formula.response, sample, None)[1]
        options: dict[str, Any] = {"is_part": True}
        _, encoder = learn_matrix(self.formula.fixed, sample.columns, len(sample.rows), **options)
        bases: list[Encoder | None] = [
            learn_matrix(t.basis, sample.columns, len(sample.rows), constant="(Intercept)", **options)[1]
            if t.variables
            else None
            for t in self.formula.random
        ]
        offsets = tuple(learn_column(text, sample, "an offset", None)[1] for text in self.formula.offsets)
        encoders = [e for e in (y_encoder, encoder, *bases, *offsets) if isinstance(e, FormulaicEncoder)]
        learn_states(encoders, survey, self.source)
        coder = self._coder(factors, survey, y_encoder, encoder, bases, offsets)
        return self._finish(coder, factors)

    def _check_numbers(self) -> None:
        """Raise a DataError for infinite numbers in a column."""
        for name, summary in self.survey.numbers.items():
            if summary.n_infinite:
                raise DataError(describe_infinite(f"Column {name!r}", summary.n_infinite, summary.first_infinite))

    def _sample(self, factors: Mapping[str, Factor]) -> Sample:
        """Return few rows with every level of each column, from which encoders are learned."""
        survey = self.survey
        head = survey.head_columns()
        used = {c for t in (self.formula.fixed, *_basis_texts(self.formula)) for c in columns_of(t)}
        coded = {c for c in used if c in survey.levels and self._is_coded(c)}
        length = max([len(next(iter(head.values()))), *(len(factors[name].levels) for name in coded)])
        at = np.arange(length)
        columns = {}
        for name, column in head.items():
            if name in coded:
                levels = survey.levels[name].column()[0]
                columns[name] = levels.iloc[at % len(levels)].reset_index(drop=True)
            else:
                is_text = isinstance(column.dtype, pd.CategoricalDtype) and name not in survey.declared
                own = column.astype(object) if is_text else complete_rows({name: column}, (name,))[name]
                columns[name] = own.iloc[at % len(column)].reset_index(drop=True)
        known = Columns.of(columns, columns)
        for name in coded:
            known._factors[name] = replace(
                factors[name], codes=np.asarray(factors[name].codes[at % len(factors[name].levels)])
            )
        for key, beside in (("weights", self.weights), ("offset", self.offset)):
            if beside is not None:
                as_numbers(columns[beside], beside, f"the {key}")
        return Sample(pd.DataFrame(columns), known, {}, at, {}, length, {}, {}, is_part=True)

    def _is_coded(self, name: str) -> bool:
        """Whether a column's levels have columns of their own in X or a basis: no number, or a number in C()."""
        if name not in self.survey.numbers or name not in self.survey.plan.labels:
            return name in self.survey.levels
        texts = [self.formula.fixed, *_basis_texts(self.formula)]
        tokens = [t for text in texts for t in fold_calls(tokenize(text), text, trusted=True)]
        return any(t.kind == "call" and t.text.startswith("C(") and name in t.columns for t in tokens)

    def _coder(
        self,
        factors: Mapping[str, Factor],
        survey: Survey,
        y_encoder: Encoder | None,
        encoder: Encoder,
        bases: list[Encoder | None],
        offsets: tuple[Encoder, ...],
    ) -> Coder:
        """Return what codes a batch of rows, all columns of X kept."""
        blocks = []
        for term, basis in zip(self.formula.random, bases, strict=True):
            own = [factors[name] for name in term.factors]
            members = (
                own[0].members
                if len(own) == 1
                else survey.cells[term.factors].members([factor.levels for factor in own])[0]
            )
            width = 1 if basis is None else len(basis.column_names)
            blocks.append(BlockCoder.of(term.factors, tuple(len(f.levels) for f in own), members, basis, width))
        labels = frozenset(name for name in survey.levels if name not in survey.numbers and name in survey.plan.numeric)
        return Coder(
            survey.plan.names,
            self.formula.response,
            y_encoder,
            encoder,
            None,
            offsets,
            self.weights,
            self.offset,
            {name: LevelFinder(factor.levels) for name, factor in factors.items()},
            labels,
            tuple(blocks),
            survey.plan.names,
            may_be_undefined(self.formula),
        )

    def _finish(self, coder: Coder, factors: Mapping[str, Factor]) -> Design:
        """Return the design of coded rows, checked."""
        coded = self._look_at_coded(coder, factors)
        coder, survey, n = coded.coder, coded.survey, coded.survey.n
        names = coder.encoder.column_names
        self._check_coded(coded)
        kept = coded.kept
        if len(kept) < len(names):
            check_distance(coded.sample, names, kept, self._ends)
            coder = replace(coder, kept=kept)
        if len(kept) >= n:
            check_fixed(n, [names[j] for j in kept], remark_on_numbers(coder.encoder))
        rows = StreamedRows(self.source, coder, n, survey)
        shared: dict[tuple[str, ...], Any] = {}
        blocks = [self._block(k, rows, coded.factors, shared) for k in range(len(self.formula.random))]
        check_effects(blocks)

        def elsewhere(what: str, *shape: int) -> Any:
            return RowsElsewhere(what, (n, *shape), rows.name)

        has_offset = bool(self.formula.offsets) or self.offset is not None
        return Design(
            formula=self.formula,
            y=elsewhere("the response"),
            fixed=elsewhere("the columns of the fixed effects", len(kept)),
            x_names=tuple(names[j] for j in kept),
            blocks=order_blocks(blocks),
            weights=None if self.weights is None else _column("the weights", rows, "weights"),
            offset=_column("the offset", rows, "offset") if has_offset else None,
            rows=elsewhere("the positions"),
            complete=elsewhere("the columns"),
            dropped=self._dropped(coded),
            encoder=coder.encoder,
            offset_encoders=coder.offset_encoders,
            offset_column=self.offset,
            weights_column=self.weights,
            has_given_offset=self.offset is not None,
            streamed=rows,
        )

    def _look_at_coded(self, coder: Coder, factors: Mapping[str, Factor]) -> _Coded:
        """Return what the coded rows tell: of a pass over them where the survey and the first rows do not."""
        survey = self.survey
        names = coder.encoder.column_names
        head = np.asarray(coder.code(complete_rows(survey.head_columns(), survey.plan.names)).X)
        is_computed = coder.may_be_undefined or coder.response_encoder is not None
        if not is_computed and self._is_clearly_full(head, coder.encoder):
            summary = survey.numbers[self.formula.response]
            ends = (summary.smallest, summary.largest)
            largest = self._largest(coder.encoder)
            return _Coded(coder, survey, factors, np.arange(len(names)), largest, ends, head, {})
        make = partial(CodedRows, coder, names, self.formula.response)
        found = fold_columns(self.source, coder.names, make, AddCoded(coder.names))
        found.check_infinite()
        if found.undefined:
            check_lost(found.undefined, survey.n, found.n > 0, self.na_action, is_undefined=True)
            survey = self._survey_defined(coder)
            coder, factors = self._recode(coder, survey, factors)
        kept = independent_columns(found.R) if len(names) else np.arange(0)
        sample = np.asarray(found.head().X)
        return _Coded(coder, survey, factors, kept, found.largest, found.y_range, sample, found.undefined)

    def _recode(
        self, coder: Coder, survey: Survey, factors: Mapping[str, Factor]
    ) -> tuple[Coder, Mapping[str, Factor]]:
        """Return the coder and the factors of the rows in which all expressions have a value."""
        again = _factors_of(survey)
        grouping = {name for t in self.formula.random for name in t.factors}
        factors = {name: again[name] if name in grouping else factors[name] for name in factors}
        bases = [b.encoder for b in coder.blocks]
        recoded = self._coder(factors, survey, coder.response_encoder, coder.encoder, bases, coder.offset_encoders)
        first = {name: coder.levels[name] for name in coder.labels if name not in grouping}
        return replace(recoded, levels={**recoded.levels, **first}), factors

    def _check_coded(self, coded: _Coded) -> None:
        """Raise a DataError for a response, columns of X or weights that cannot be fitted."""
        response = self.formula.response
        check_range(*coded.ends, coded.survey.n, response)
        check_magnitude(np.array([[max(abs(v) for v in coded.ends)]]), [f"the response {response}"])
        check_magnitude(np.asarray(coded.largest)[None], coded.coder.encoder.column_names)
        self._check_weights(coded.survey)

    def _dropped(self, coded: _Coded) -> Dropped:
        """Return the rows, columns and levels that are left out."""
        names, kept = coded.coder.encoder.column_names, set(coded.kept.tolist())
        lost = self.survey.lost
        return Dropped(
            n_input=self.survey.n_input,
            rows={**{name: lost[name] for name in self.survey.plan.names if name in lost}, **coded.undefined},
            n_rows=self.survey.n_input - coded.survey.n,
            columns=tuple(name for j, name in enumerate(names) if j not in kept),
            levels={name: f.unused for name, f in _factors_of(coded.survey).items() if f.unused},
            undefined={name: describe_undefined(name) for name in coded.undefined},
        )

    def _survey_defined(self, coder: Coder) -> Survey:
        """Return the survey of the rows in which all expressions have a value."""
        make = partial(Survey, self.survey.plan, self.survey.declared)
        survey = fold_columns(self.source, coder.names, make, AddDefined(coder))
        survey.own = self.survey.own
        return survey

    def _block(
        self, k: int, rows: StreamedRows, factors: Mapping[str, Factor], shared: dict[tuple[str, ...], Any]
    ) -> Block:
        """Return the block of the k-th random term; terms of one factor share what stands for its levels."""
        term, own = self.formula.random[k], rows.coder.blocks[k]
        parts = tuple(factors[name].levels for name in term.factors)
        if len(parts) > 1:
            counts = rows.survey.cells[term.factors].members(parts)[1]
        else:
            column, unordered = rows.survey.levels[term.factors[0]].column()
            counts = unordered[np.argsort(encode_factor(column).codes)]
        codes = StreamedCodes(f"the levels of {term.group}", (rows.n,), rows.name, k, counts)
        basis: Any = StreamedBasis(f"the columns of {term}", rows, k, tuple(range(own.width)))
        return Block(
            term=term,
            levels=parts[0] if len(parts) == 1 else label_cells(parts, own.members),
            codes=shared.setdefault(term.factors, codes),
            basis=basis,
            cnames=("(Intercept)",) if own.encoder is None else own.encoder.column_names,
            encoder=own.encoder,
            parts=parts,
            members=own.members,
        )

    def _check_weights(self, survey: Survey) -> None:
        """Raise a DataError unless all weights are positive numbers."""
        if self.weights is None:
            return
        summary = survey.numbers[self.weights]
        if summary.n_nonpositive:
            refuse_weights(summary.n_nonpositive, survey.n, summary.first_nonpositive, "The weights")
        check_magnitude(np.array([[summary.largest]]), ["the weights"])

    def _ends(self, name: str) -> tuple[float, float] | None:
        """Return the smallest and the largest number of a column."""
        found = self.survey.numbers.get(name)
        return None if found is None else (found.smallest, found.largest)

    def _largest(self, encoder: Encoder) -> Floats:
        """Return bounds of the sizes of the columns of X that are made of plain columns."""
        assert isinstance(encoder, PlainEncoder)
        out: list[float] = []
        for term in encoder.terms:
            numbers = [self.survey.numbers[c.name] for c in term if c.levels is None]
            size = float(np.prod([max(abs(s.smallest), abs(s.largest)) for s in numbers]))
            out += [size] * int(np.prod([c.width for c in term]))
        return np.array(out)

    def _is_clearly_full(self, X: Floats, encoder: Encoder) -> bool:
        """Whether the first rows show that no column of X depends on others in all rows.

        What the columns before it leave of a column in few rows is at most what they leave of it in all.
        """
        if not isinstance(encoder, PlainEncoder):
            return False
        largest = self._largest(encoder)
        if len(X) < X.shape[1] or not (largest > 0).all():
            return not X.shape[1]
        R = np.asarray(np.linalg.qr(X / largest, mode="r"))
        left = np.abs(R.diagonal())
        return bool((left > _CLEAR * np.sqrt(self.survey.n)).all())


def _basis_texts(formula: ModelFormula) -> list[str]:
    return [variable for term in formula.random for variable in term.variables]


def _column(what: str, rows: StreamedRows, key: Literal["weights", "offset"]) -> Any:
    return StreamedColumn(what, (rows.n,), rows, key)


def _factors_of(survey: Survey) -> dict[str, Factor]:
    return {name: encode_factor(counts.column()[0]) for name, counts in survey.levels.items()}

"""A model formula and a source that is read in batches -> Design whose rows are read when they are needed.

The first pass surveys the columns: levels, combinations, missing values, means. Encoders are learned on few rows that
have every level, with the states that the survey found. A second pass is made only where expressions may have no value
or the columns of X may depend on each other; the engine's pass comes after that.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from lmmtools.design.blocks import Block, order_blocks
from lmmtools.design.build import Sample, learn_column, learn_response, used_columns
from lmmtools.design.checks import (
    check_distance,
    check_effects,
    check_fixed,
    check_magnitude,
    check_range,
    refuse_weights,
)
from lmmtools.design.columns import RANK_TOL, independent_columns
from lmmtools.design.dropped import Dropped, check_lost, describe_undefined
from lmmtools.design.encoders import FormulaicEncoder, PlainEncoder, learn_matrix
from lmmtools.design.factors import Columns, Factor, encode_factor, label_cells
from lmmtools.design.frame import as_numbers, describe_infinite, need_columns
from lmmtools.design.matrices import Design
from lmmtools.design.remarks import remark_on_numbers
from lmmtools.design.rows_elsewhere import RowsElsewhere
from lmmtools.design.streamed_rows import BlockCoder, Coder, LevelFinder, StreamedRows, complete_rows, read_columns
from lmmtools.design.survey import Moments, Survey, SurveyPlan
from lmmtools.errors import DataError, FormulaError
from lmmtools.formula.expressions import check_calls, columns_of, fold_calls
from lmmtools.formula.tokens import tokenize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from lmmtools.design.encoders import Encoder
    from lmmtools.formula.terms import ModelFormula
    from lmmtools.sources import Source

    Floats = NDArray[np.float64]

__all__ = ["build_streamed_design", "plan_survey", "take_survey"]

_CLEAR = 100 * RANK_TOL
"""Share of a column beside the others, as a lower bound from few rows, above which all rows need not be asked."""

_WHOLE = {
    "poly": "poly(x, 2, raw=True), whose columns are powers of x",
    "bs": "I(x**2), I(x**3) or poly(x, 3, raw=True)",
    "cr": "I(x**2), I(x**3) or poly(x, 3, raw=True)",
    "cc": "I(x**2), I(x**3) or poly(x, 3, raw=True)",
    "cs": "I(x**2), I(x**3) or poly(x, 3, raw=True)",
    "lag": "a column of the data with the values of the rows before",
}
"""Functions of a column as a whole, which no pass in batches computes, and what to write instead."""


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
    survey = take_survey(source, plan)
    return _Builder(formula, source, weights, offset, na_action, survey).build()


def check_row_by_row(formula: ModelFormula, name: str) -> None:
    """Raise an error for a function that needs a whole column: rows are read in batches."""
    texts = [formula.response, formula.fixed, *formula.offsets, *(v for t in formula.random for v in t.variables)]
    for text in texts:
        try:
            check_calls(text)
        except FormulaError as error:
            raise DataError(
                f"{error}\nWhere rows are read in batches from {name}, a formula calls known functions alone, with "
                "trusted=True too: others may look at other rows."
            ) from error
        for call in _calls(text):
            for function, node in _functions(call):
                if function in _WHOLE and not (function == "poly" and _is_raw(node)):
                    raise DataError(
                        f"{call} needs the whole column at once, and the rows of {name} are read in batches. Write "
                        f"{_WHOLE[function]}, or fit to a frame in memory."
                    )


def _calls(text: str) -> list[str]:
    """Return the calls in a part of a formula, columns under names that Python reads."""
    tokens = fold_calls(tokenize(text), text, trusted=True, spell=_spell)
    return [t.text for t in tokens if t.kind in ("call", "offset")]


def _spell(name: str) -> str:
    return name if name.isidentifier() else f"column_{abs(hash(name))}"


def _functions(call: str) -> Iterator[tuple[str, ast.Call]]:
    """Yield the name of each function in a call, and where it is called."""
    try:
        tree = ast.parse(call, mode="eval")
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func).rpartition(".")[2], node


def _is_raw(node: ast.Call) -> bool:
    return any(k.arg == "raw" and isinstance(k.value, ast.Constant) and k.value.value is True for k in node.keywords)


def plan_survey(formula: ModelFormula, weights: str | None, offset: str | None) -> SurveyPlan:
    """Return what a survey for a model has to look for."""
    beside = [name for name in (weights, offset) if name is not None]
    texts = [formula.response, formula.fixed, *formula.offsets]
    texts += [variable for term in formula.random for variable in term.variables]
    coded: set[str] = set()
    for text in texts:
        for token in fold_calls(tokenize(text), text, trusted=True):
            if token.kind == "call" and token.text.startswith("C("):
                coded |= set(token.columns)
    grouping = {name for term in formula.random for name in term.factors}
    return SurveyPlan(
        tuple(dict.fromkeys((*used_columns(formula), *beside))),
        frozenset(coded | grouping),
        frozenset([c for text in texts for c in columns_of(text)] + beside),
        tuple(dict.fromkeys(term.factors for term in formula.random if len(term.factors) > 1)),
    )


def take_survey(source: Source, plan: SurveyPlan) -> Survey:
    """Return the survey of all rows of a source."""
    survey = Survey(plan, frozenset(_declared(source)))
    for columns, _ in read_columns(source, plan.names):
        survey.add(columns)
    return survey


def _declared(source: Source) -> Iterator[str]:
    """Yield the columns whose levels have an order that the data declare."""
    import pyarrow.types as pt

    for field in source.schema:
        if pt.is_dictionary(field.type):
            yield field.name


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
        factors = {name: encode_factor(counts.column()[0]) for name, counts in survey.levels.items()}
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
        self._learn_states(encoders)
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
        coded = {c for c in survey.plan.numeric if c in survey.levels and self._is_coded(c)}
        length = max([len(next(iter(head.values()))), *(len(factors[name].levels) for name in coded)])
        at = np.arange(length)
        columns = {}
        for name, column in head.items():
            if name in coded:
                levels = survey.levels[name].column()[0]
                columns[name] = levels.iloc[at % len(levels)].reset_index(drop=True)
            else:
                columns[name] = complete_rows({name: column}, (name,))[name].iloc[at % len(column)].reset_index(drop=True)
        known = Columns(columns)
        for name in coded:
            known._factors[name] = replace(
                factors[name], codes=np.asarray(factors[name].codes[at % len(factors[name].levels)])
            )
        for name in (self.weights, self.offset):
            if name is not None:
                as_numbers(columns[name], name, f"the {'weights' if name == self.weights else 'offset'}")
        return Sample(pd.DataFrame(columns), known, {}, at, {}, length, {}, {}, is_part=True)

    def _is_coded(self, name: str) -> bool:
        """Whether a column's levels have columns of their own in X or a basis: no number, or a number in C()."""
        if name not in self.survey.numbers or name not in self.survey.plan.labels:
            return name in self.survey.levels
        texts = [self.formula.fixed, *(v for t in self.formula.random for v in t.variables)]
        tokens = [t for text in texts for t in fold_calls(tokenize(text), text, trusted=True)]
        return any(t.kind == "call" and t.text.startswith("C(") and name in t.columns for t in tokens)

    def _learn_states(self, encoders: list[FormulaicEncoder]) -> None:
        """Put the means and spreads of all rows into ``scale(x)``, ``center(x)`` and the like."""
        wanted: dict[str, tuple[FormulaicEncoder, list[dict[str, Any]], ast.Call]] = {}
        for encoder in encoders:
            for key, state in encoder.spec.transform_state.items():
                node = ast.parse(key, mode="eval").body
                if isinstance(state, dict) and {"center", "scale"} & set(state) and isinstance(node, ast.Call):
                    own = _restore_names(ast.unparse(node.args[0]), encoder)
                    wanted.setdefault(f"{ast.unparse(node)} {own}", (encoder, [], node))[1].append(state)
        rest = []
        for encoder, states, node in wanted.values():
            source = encoder.sources.get(ast.unparse(node.args[0]))
            if source is not None:
                for state in states:
                    _set_state(state, self.survey.own[source.name], node)
            else:
                rest.append((encoder, states, node))
        for _, _, node in rest:
            if any(isinstance(n, ast.Call) and n is not node and _is_stateful(n) for n in ast.walk(node)):
                raise DataError(
                    "A formula that centres or scales what is centred or scaled needs a pass over the rows for each; "
                    "make the inner one a column of the data."
                )
        if rest:
            self._learn_from_rows(rest)

    def _learn_from_rows(self, rest: list[tuple[FormulaicEncoder, list[dict[str, Any]], ast.Call]]) -> None:
        """Learn the states of calls whose argument is an expression, in a pass over the rows."""
        from lmmtools.design.formulaic_encoder import evaluate_part

        found = [Moments() for _ in rest]
        for columns, _ in read_columns(self.source, self.survey.plan.names):
            for moments, (encoder, _, node) in zip(found, rest, strict=True):
                moments.add(evaluate_part(encoder, ast.unparse(node.args[0]), columns))
        for moments, (_, states, node) in zip(found, rest, strict=True):
            for state in states:
                _set_state(state, moments, node)

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
        labels = frozenset(
            name
            for name in survey.levels
            if name not in survey.numbers and name in survey.plan.numeric
        )
        texts = [self.formula.response, self.formula.fixed, *self.formula.offsets]
        texts += [v for t in self.formula.random for v in t.variables]
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
            any(_may_be_undefined(call) for text in texts for call in _calls(text)),
        )

    def _finish(self, coder: Coder, factors: Mapping[str, Factor]) -> Design:
        """Return the design of coded rows, checked."""
        survey, formula = self.survey, self.formula
        names = coder.encoder.column_names
        head = coder.code(complete_rows(survey.head_columns(), survey.plan.names))
        undefined: dict[str, int] = {}
        if coder.may_be_undefined or not self._is_clearly_full(np.asarray(head.X), coder.encoder):
            found = _CodedRows(coder, names, formula.response)
            for columns, start in read_columns(self.source, coder.names):
                found.add(complete_rows(columns, coder.names), start)
            found.check_infinite()
            undefined = found.undefined
            if undefined:
                check_lost(undefined, survey.n, found.n > 0, self.na_action, is_undefined=True)
                survey = self._survey_defined(coder)
                again = {
                    name: encode_factor(counts.column()[0]) if name in survey.levels else factors[name]
                    for name, counts in survey.levels.items()
                }
                blocks = [b.encoder for b in coder.blocks]
                grouping = {name for t in formula.random for name in t.factors}
                factors = {name: again[name] if name in grouping else factors[name] for name in factors}
                recoded = self._coder(
                    factors, survey, coder.response_encoder, coder.encoder, blocks, coder.offset_encoders
                )
                first = {name: coder.levels[name] for name in coder.labels if name not in grouping}
                coder = replace(recoded, levels={**recoded.levels, **first})
            kept = independent_columns(found.R) if len(names) else np.arange(0)
            largest, y_range = found.largest, found.y_range
            sample = np.asarray(found.head(coder).X)
        else:
            kept = np.arange(len(names))
            largest = self._largest(coder.encoder)
            summary = survey.numbers[formula.response]
            y_range = (summary.smallest, summary.largest)
            sample = np.asarray(head.X)
        check_range(*y_range, survey.n, formula.response)
        check_magnitude(np.array([[max(abs(v) for v in y_range)]]), [f"the response {formula.response}"])
        check_magnitude(np.asarray(largest)[None], names)
        self._check_weights(survey)
        dropped = tuple(name for j, name in enumerate(names) if j not in set(kept.tolist()))
        if dropped:
            check_distance(sample, names, kept)
            coder = replace(coder, kept=kept)
        if len(kept) >= survey.n:
            check_fixed(survey.n, [names[j] for j in kept], remark_on_numbers(coder.encoder))
        n = survey.n
        blocks_made = [self._block(k, coder, factors, n) for k in range(len(formula.random))]
        check_effects(blocks_made)
        ordered = order_blocks(blocks_made)
        coder = replace(coder, blocks=tuple(coder.blocks[next(i for i, b in enumerate(blocks_made) if b is o)] for o in ordered))
        unused = {name: f.unused for name, f in self._used_factors(survey).items() if f.unused}
        rows = StreamedRows(self.source, coder, n, survey)

        def elsewhere(what: str, *shape: int) -> Any:
            return RowsElsewhere(what, (n, *shape), self.source.name)

        has_offset = bool(formula.offsets) or self.offset is not None
        return Design(
            formula=formula,
            y=elsewhere("the response"),
            fixed=elsewhere("the columns of the fixed effects", len(kept)),
            x_names=tuple(names[j] for j in kept),
            blocks=ordered,
            weights=None if self.weights is None else elsewhere("the weights"),
            offset=elsewhere("the offset") if has_offset else None,
            rows=elsewhere("the positions"),
            complete=elsewhere("the columns"),
            dropped=Dropped(
                n_input=self.survey.n_input,
                rows={**{name: self.survey.lost[name] for name in survey.plan.names if name in self.survey.lost}, **undefined},
                n_rows=self.survey.n_input - n,
                columns=dropped,
                levels=unused,
                undefined={name: describe_undefined(name) for name in undefined},
            ),
            encoder=coder.encoder,
            offset_encoders=coder.offset_encoders,
            offset_column=self.offset,
            weights_column=self.weights,
            has_given_offset=self.offset is not None,
            streamed=rows,
        )

    def _used_factors(self, survey: Survey) -> dict[str, Factor]:
        return {name: encode_factor(counts.column()[0]) for name, counts in survey.levels.items()}

    def _survey_defined(self, coder: Coder) -> Survey:
        """Return the survey of the rows in which all expressions have a value."""
        survey = Survey(self.survey.plan, self.survey.declared)
        for columns, _ in read_columns(self.source, coder.names):
            complete = complete_rows(columns, coder.names)
            at = coder.code(complete).rows - next(iter(columns.values())).index[0] if len(columns) else []
            survey.add({name: column.iloc[np.asarray(at, dtype=np.intp)] for name, column in columns.items()})
        survey.own = self.survey.own
        return survey

    def _block(self, k: int, coder: Coder, factors: Mapping[str, Factor], n: int) -> Block:
        """Return the block of the k-th random term."""
        term, own = self.formula.random[k], coder.blocks[k]
        parts = tuple(factors[name].levels for name in term.factors)
        return Block(
            term=term,
            levels=parts[0] if len(parts) == 1 else label_cells(parts, own.members),
            codes=RowsElsewhere(f"the levels of {term.group}", (n,), self.source.name),  # type: ignore[arg-type]
            basis=RowsElsewhere(f"the columns of {term}", (n, own.width), self.source.name),  # type: ignore[arg-type]
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
        left = np.abs(np.linalg.qr(X / largest, mode="r").diagonal())
        return bool((left > _CLEAR * np.sqrt(self.survey.n)).all())


class _CodedRows:
    """What a pass over coded rows tells before columns are left out."""

    def __init__(self, coder: Coder, names: tuple[str, ...], response: str) -> None:
        self.coder = replace(coder, may_be_undefined=False)
        self.names = names
        self.n = 0
        self.undefined: dict[str, int] = {}
        self.largest = np.zeros(len(names))
        self.y_range = (np.inf, -np.inf)
        self._unit: Floats | None = None
        self._R = np.zeros((0, len(names)))
        self._infinite: dict[str, tuple[int, int]] = {}
        self._labels: list[str] = [response, *names]
        for block in coder.blocks:
            self._labels += [] if block.encoder is None else list(block.encoder.column_names)
        self._labels += [encoder.column_names[0] for encoder in coder.offset_encoders]
        self._head: dict[str, pd.Series[Any]] | None = None

    def add(self, columns: Mapping[str, pd.Series[Any]], start: int) -> None:
        """Add complete rows."""
        r = len(next(iter(columns.values())))
        step = max(1, min(1 << 18, (1 << 24) // max(len(self.names), 1)))
        for at in range(0, r, step):
            self._add({name: column.iloc[at : at + step] for name, column in columns.items()})

    def _add(self, columns: Mapping[str, pd.Series[Any]]) -> None:
        batch = self.coder.code(columns)
        parts = [batch.y[:, None], np.asarray(batch.X)]
        for block, basis in zip(self.coder.blocks, batch.bases, strict=True):
            parts += [] if block.encoder is None else [basis]
        if self.coder.offset_encoders:
            frame = pd.DataFrame(dict(columns), copy=False)
            parts += [encoder.encode(frame) for encoder in self.coder.offset_encoders]
        everything = np.hstack(parts)
        if not np.isfinite(np.add.reduce(everything, axis=None)):
            for j, label in enumerate(self._labels):
                infinite = np.isinf(everything[:, j])
                if infinite.any():
                    count, first = self._infinite.get(label, (0, int(batch.rows[np.argmax(infinite)])))
                    self._infinite[label] = (count + int(infinite.sum()), first)
                lost = int(np.isnan(everything[:, j]).sum())
                if lost:
                    self.undefined[label] = self.undefined.get(label, 0) + lost
            keep = ~np.isnan(everything).any(axis=1)
            y, X = batch.y[keep], np.asarray(batch.X)[keep]
            columns = {name: column[keep] for name, column in columns.items()}
        else:
            y, X = batch.y, np.asarray(batch.X)
        self.n += len(y)
        if not len(y):
            return
        self.y_range = (min(self.y_range[0], float(y.min())), max(self.y_range[1], float(y.max())))
        if self._head is None:
            self._head = {name: column.iloc[:2000] for name, column in columns.items()}
        if X.shape[1]:
            self.largest = np.maximum(self.largest, np.abs(X).max(axis=0))
            if self._unit is None:
                size = self.largest
                self._unit = np.where(size > 0, np.exp2(-np.floor(np.log2(np.where(size > 0, size, 1.0)))), 1.0)
            with np.errstate(over="ignore", invalid="ignore"):
                if np.isfinite(X).all():
                    self._R = np.linalg.qr(np.vstack([self._R, X * self._unit]), mode="r")

    def check_infinite(self) -> None:
        """Raise a DataError for an expression with infinite values."""
        for label, (count, first) in self._infinite.items():
            hint = "Leave those rows out, or transform the column so that all are finite."
            raise DataError(describe_infinite(label, count, first, hint))

    @property
    def R(self) -> Floats:
        """The triangular factor of X on the rows that are used, in units that differ by powers of two."""
        return self._R

    def head(self, coder: Coder) -> Any:
        """Return the first rows used, coded."""
        assert self._head is not None
        return self.coder.code(self._head)


def _may_be_undefined(call: str) -> bool:
    """Whether an expression may have no finite value where its columns have one: all but codings and plain scalings."""
    plain = {"C", "scale", "center", "standardize", "factor"}
    return not all(function in plain or "contr" in function or function[:1].isupper() for function, _ in _functions(call)) or (
        any(isinstance(node, ast.BinOp) for node in ast.walk(ast.parse(call, mode="eval")))
    )


def _is_stateful(node: ast.Call) -> bool:
    return ast.unparse(node.func).rpartition(".")[2] in ("scale", "center", "standardize")


def _restore_names(text: str, encoder: FormulaicEncoder) -> str:
    """Return an expression with columns under their own names."""
    for safe, source in encoder.sources.items():
        text = text.replace(safe, repr(source.name))
    return text


def _set_state(state: dict[str, Any], moments: Moments, node: ast.Call) -> None:
    """Put the mean and the spread of all rows where a call has learned them from few."""
    given = dict(zip(("data", "center", "scale", "ddof"), node.args, strict=False))
    given |= {k.arg: k.value for k in node.keywords if k.arg is not None}
    learns: Callable[[str], bool] = lambda key: key not in given or (
        isinstance(given[key], ast.Constant) and given[key].value is True
    )
    if state.get("center") is not None and learns("center"):
        state["center"] = np.float64(moments.mean)
    if state.get("scale") is not None and learns("scale"):
        centre = 0.0 if state.get("center") is None else float(state["center"])
        state["scale"] = np.float64(moments.spread_about(centre, state.get("ddof", 1)))



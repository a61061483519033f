"""Model matrices through formulaic: transforms, splines, contrasts and every coding of factors.

Columns go to formulaic under safe names, so that any name works and none hides a function or another column.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lmmtools.design.checks import check_columns, check_levels, check_seen
from lmmtools.design.columns import in_order, places_of
from lmmtools.design.factors import encode_factor, match_levels
from lmmtools.design.frame import as_numbers, check_finite, is_factor, is_missing, kind_of
from lmmtools.design.indicators import dummy_transform
from lmmtools.design.sparse_columns import LEAST_LEVELS, LEAST_NUMBERS, split_columns
from lmmtools.errors import DataError
from lmmtools.formula.algebra import expand_terms
from lmmtools.formula.expressions import (
    columns_of,
    computed_in,
    fold_calls,
    is_condition,
    lags_in,
    quote_argument,
    without_contrasts,
)
from lmmtools.formula.tokens import quote_name, tokenize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.design.sparse_columns import Matrix, SparseColumns

__all__ = ["FormulaicEncoder", "Source", "evaluate_part", "learn_formulaic", "restore_formulaic"]

# Contrasts that have a number in most rows.
_DENSE_CONTRASTS = re.compile(r"contr\.(poly|helmert|diff|custom)|\b(Poly|Helmert|Diff)\b", re.IGNORECASE)
# Calls that take labels of levels, as many columns as there are.
_OF_LEVELS = ("C(", "dummy(")
# The message in which formulaic wraps the error of a function.
_WRAPPED = re.compile(r"Unable to evaluate factor `.*`\. \[\w+: (.*)\]", re.DOTALL)

TermColumns = tuple[str, frozenset[str], frozenset[str], list[int]]
"""A term's name, its categorical factors, its numerical ones, and where its columns stand."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One column as formulaic gets it.

    Attributes
    ----------
    name : str
        The column.
    levels : pandas.Index or None
        For a factor, its levels.
    is_coded : bool
        Whether the values are labels: numbers inside C(...), where 2 is not 2.0, and booleans outside other calls.
    """

    name: str
    levels: pd.Index[Any] | None
    is_coded: bool

    def encode(self, data: Mapping[str, pd.Series[Any]] | pd.DataFrame) -> Any:
        """Return the values, floats or a Categorical."""
        column = data[self.name]
        if self.levels is not None:
            codes = match_levels([column], (self.levels,), np.empty((0, 1), dtype=np.intp))
            check_seen(codes, column, self.name, self.levels)
            return pd.Categorical.from_codes(codes, categories=self.levels)
        if self.is_coded and isinstance(column.dtype, np.dtype) and column.dtype.kind in "iub":
            return column.to_numpy()
        return as_numbers(column, self.name, "numeric in the model")


@dataclass(frozen=True, slots=True, eq=False)
class FormulaicEncoder:
    """Makes a matrix through formulaic, columns under safe names so that any name works and none shadows another.

    Attributes
    ----------
    spec : formulaic.ModelSpec
        The terms with the state of their transforms.
    sources : dict of str to Source
        Safe name -> the column it stands for.
    column_names : tuple of str, length p
        As formulaic would write them for the columns' own names.
    text : str
        The terms, for messages.
    spelled : dict of str to str
        A factor under its safe name -> as its user wrote it.
    context : mapping
        Names beyond the data's that a trusted formula may use.
    order : tuple of int, length p, or None
        The terms' column at each place, where another package made the matrix; None: in their own order.
    """

    spec: Any
    sources: dict[str, Source]
    column_names: tuple[str, ...]
    text: str
    spelled: dict[str, str]
    context: Mapping[str, Any]
    order: tuple[int, ...] | None = None

    def encode(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Return the matrix of new data, shape (n, p); rows with missing values are NaN.

        Raises
        ------
        DataError
            A level that was not there before, text for numbers, or a transform that fails.
        """
        is_complete = np.ones(len(frame), dtype=bool)
        for source in self.sources.values():
            is_complete &= ~is_missing(frame[source.name])
        matrix = np.full((len(frame), len(self.column_names)), np.nan)
        if lags_in(self.text):
            matrix[is_complete] = _materialise(self.spec, self._table(frame), self)[is_complete]
        elif is_complete.any():
            complete = frame.loc[is_complete]
            _check_seen_numbers(self, complete)
            matrix[is_complete] = _materialise(self.spec, self._table(complete), self)
        return in_order(matrix, self.order)

    def columns_by_term(self) -> dict[str, tuple[int, ...]]:
        """Return which columns each term has, names as a formula writes them; the constant's is empty."""
        written = {**self.spelled, **{safe: quote_name(source.name) for safe, source in self.sources.items()}}
        found = {
            ":".join(map(written.__getitem__, _parts_of_term(t))): tuple(at) for t, at in self.spec.term_indices.items()
        }
        return places_of(found, self.order)

    def levels_by_column(self) -> dict[str, pd.Index[Any]]:
        """Return the levels of each column that is a factor, or numbers whose levels a call takes."""
        own = {source.name: source.levels for source in self.sources.values() if source.levels is not None}
        return {**dict(_levels_of_numbers(self)), **own}

    def factors_by_term(self) -> list[tuple[tuple[str, ...], frozenset[str]]]:
        """Return each term's parts in the formula's order, none for the constant, and which of them are factors."""
        kinds = {str(e): kind.value for e, (kind, _) in self.spec.encoder_state.items()}
        found = []
        for term in self.spec.formula:
            names = {part: _restore(part, self.spelled) for part in _parts_of_term(term)}
            factors = frozenset(name for part, name in names.items() if kinds.get(part) == "categorical")
            found.append((tuple(names.values()), factors))
        return found

    def encode_factor(self, frame: pd.DataFrame, name: str, *, is_reduced: bool) -> NDArray[np.float64]:
        """Return the columns of one part of a term alone, shape (n, columns), a factor with or without all levels."""
        from formulaic import Formula, ModelSpec

        part = next(part for part, own in self.spelled.items() if own == name)
        spec = ModelSpec(
            formula=Formula(f"{int(is_reduced)} + {part}"),
            ensure_full_rank=True,
            na_action="ignore",
            output="numpy",
            transform_state=self.spec.transform_state,
        )
        made = np.asarray(_materialise(spec, self._table(frame), self), dtype=np.float64)
        return made[:, int(is_reduced) :]

    def with_all_levels(self, frame: pd.DataFrame) -> tuple[NDArray[np.float64], list[TermColumns]]:
        """Return the matrix of a frame's rows with a column for every level, shape (n, c), and its terms."""
        from formulaic import ModelSpec

        spec = ModelSpec(
            formula=self.spec.formula,
            ensure_full_rank=False,
            na_action="ignore",
            output="numpy",
            transform_state=self.spec.transform_state,
        )
        made = _materialise(spec, self._table(frame), self)
        kinds = {str(e): kind.value for e, (kind, _) in made.model_spec.encoder_state.items()}
        terms = []
        for term, columns in made.model_spec.term_indices.items():
            names = {part: _restore(part, self.spelled) for part in _parts_of_term(term)}
            factors = frozenset(name for part, name in names.items() if kinds.get(part) == "categorical")
            covariates = frozenset(names.values()) - factors
            terms.append((_term_name(term, self.spelled), factors, covariates, list(columns)))
        return np.array(made, dtype=np.float64), terms

    def by_treatment(self, frame: pd.DataFrame) -> tuple[NDArray[np.float64], list[list[int]]] | None:
        """Return the matrix of a frame's rows with every factor coded by treatment contrasts, and each term's columns.

        None if the factors are coded so anyway.
        """
        from formulaic import Formula, ModelSpec

        terms = [_parts_of_term(term) for term in self.spec.formula]
        plain = [list(map(without_contrasts, parts)) for parts in terms]
        if plain == terms:
            return None
        words = [":".join(parts) or "1" for parts in plain]
        spec = ModelSpec(
            # A formula has a constant unless it says 0, and then those that it adds.
            formula=Formula(" + ".join(["0", *words])),
            ensure_full_rank=True,
            na_action="ignore",
            output="numpy",
            transform_state=self.spec.transform_state,
        )
        made = _materialise(spec, self._table(frame), self)
        # Terms that differ in their contrasts alone are now one, the first.
        columns = {str(term): list(at) for term, at in made.model_spec.term_indices.items()}
        return np.array(made, dtype=np.float64), [columns.pop(word, []) for word in words]

    def _table(self, frame: pd.DataFrame) -> dict[str, Any]:
        """Return the columns under their safe names."""
        return {safe: source.encode(frame) for safe, source in self.sources.items()}


def learn_formulaic(
    text: str,
    data: Mapping[str, pd.Series[Any]],
    constant: str,
    context: Mapping[str, Any],
    everything: Mapping[str, pd.Series[Any]],
    rows: NDArray[np.intp] | None,
    *,
    may_be_sparse: bool = False,
    is_part: bool = False,
) -> tuple[Matrix, FormulaicEncoder]:
    """Return the matrix of a sum of terms, made by formulaic, and its encoder; parameters as of `learn_matrix`."""
    from formulaic import Formula, ModelSpec

    columns = [c for c in columns_of(text) if c in data]
    safe_text, spelled = _spell_safely(text, columns, {c for c in columns if kind_of(data[c]) == "boolean"})
    _check_numbers(spelled, columns, data)
    sources = _make_sources(safe_text, columns, data)
    table = {safe: source.encode(data) for safe, source in sources.items()}
    try:
        formula = Formula(safe_text)
    except Exception as error:
        raise DataError(f"{text!r} does not read as a formula: {_restore(str(error), spelled)}") from error
    spec = ModelSpec(formula=formula, ensure_full_rank=True, na_action="ignore", output="numpy")
    draft = FormulaicEncoder(spec, sources, (), text, spelled, context)
    n = len(next(iter(table.values()), ()))
    widths = list(_bound_widths(formula, table, draft))
    wide = may_be_sparse and not lags_in(text) and _choose_sparse(widths, n)
    stored = n * sum(1 if width >= LEAST_LEVELS else width for _, width in widths) if wide else None
    check_columns(widths, n, stored)
    if everything:
        draft.spec.transform_state.update(_learn_state(draft, everything))
    found = _make_sparse(spec, table, draft) if wide else None
    matrix: Matrix
    if found is not None:
        matrix, made_spec = found
    else:
        # lag(x) takes the row before, whether that row is used or not.
        takes_rows = bool(everything) and rows is not None and lags_in(text)
        if takes_rows:
            table = {safe: source.encode(everything) for safe, source in sources.items()}
        made = _materialise(spec, table, draft)
        matrix, made_spec = np.array(made, dtype=np.float64), made.model_spec
        matrix = matrix[rows] if takes_rows else matrix
    names = [_restore(c, spelled) for c in made_spec.column_names]
    labels = tuple(constant if name == "Intercept" else name for name in names)
    _check_coded(made_spec, spelled)
    if isinstance(matrix, np.ndarray) and not is_part:
        for j, label in enumerate(labels):
            check_finite(matrix[:, j], label, "Leave those rows out, or transform the column so that all are finite.")
    return matrix, FormulaicEncoder(made_spec, sources, labels, text, spelled, context)


def restore_formulaic(
    text: str,
    data: Mapping[str, pd.Series[Any]],
    constant: str,
    transforms: Mapping[str, Any],
    categories: Mapping[str, tuple[str, list[Any] | None]],
) -> FormulaicEncoder:
    """Return the encoder of a sum of terms whose functions have learned already.

    Parameters
    ----------
    text : str
        The terms, whose calls were checked.
    data : mapping of str to Series
        A column of each name, of which only the type and the levels matter.
    constant : str
        Name of the constant column.
    transforms : mapping
        What each function has learned, by its call under safe names.
    categories : mapping of str to (str, list or None)
        Kind of each factor under its safe name, and its levels where it has some.

    Raises
    ------
    DataError
        If the terms cannot be made of such columns.
    """
    from formulaic import Formula, ModelSpec
    from formulaic.parser.types import Factor

    columns = [c for c in columns_of(text) if c in data]
    safe_text, spelled = _spell_safely(text, columns, {c for c in columns if kind_of(data[c]) == "boolean"})
    sources = _make_sources(safe_text, columns, data)
    spec = ModelSpec(formula=Formula(safe_text), ensure_full_rank=True, na_action="ignore", output="numpy")
    spec.transform_state.update(transforms)
    for expression, (kind, levels) in categories.items():
        spec.encoder_state[expression] = (Factor.Kind(kind), {} if levels is None else {"categories": list(levels)})
    draft = FormulaicEncoder(spec, sources, (), text, spelled, {})
    made = _materialise(spec, {safe: source.encode(data) for safe, source in sources.items()}, draft).model_spec
    names = [_restore(c, spelled) for c in made.column_names]
    labels = tuple(constant if name == "Intercept" else name for name in names)
    return FormulaicEncoder(made, sources, labels, text, spelled, {})


def evaluate_part(encoder: FormulaicEncoder, part: str, columns: Mapping[str, pd.Series[Any]]) -> NDArray[np.float64]:
    """Return the values of an expression in safe names, on the rows where none of its own columns is missing."""
    from formulaic import Formula, ModelSpec

    used = {safe: source for safe, source in encoder.sources.items() if safe in part}
    complete = ~np.any([is_missing(columns[s.name]) for s in used.values()], axis=0)
    if not complete.any():
        return np.empty(0)
    table = {safe: source.encode(columns)[complete] for safe, source in used.items()}
    spec = ModelSpec(formula=Formula(f"0 + I({part})"), na_action="ignore", output="numpy")
    return np.asarray(_materialise(spec, table, encoder), dtype=np.float64)[:, 0]


def _choose_sparse(widths: list[tuple[str, int]], n: int) -> bool:
    """Return whether terms, of the given names and widths, have columns of factors that are to be held sparse."""
    wide = [width for name, width in widths if width >= LEAST_LEVELS and not _DENSE_CONTRASTS.search(name)]
    return n * sum(wide) >= LEAST_NUMBERS


def _make_sparse(spec: Any, table: Mapping[str, Any], draft: FormulaicEncoder) -> tuple[SparseColumns, Any] | None:
    """Return the matrix with sparse columns, and the spec with its state; None where a value is not finite."""
    made = _materialise(replace(spec, output="sparse"), table, draft)
    matrix = split_columns(made.__wrapped__)
    return (matrix, replace(made.model_spec, output="numpy")) if np.isfinite(matrix.values).all() else None


def _make_sources(safe_text: str, columns: list[str], data: Mapping[str, pd.Series[Any]]) -> dict[str, Source]:
    """Return {safe name: the column it stands for}, for the safe names that occur in the terms."""
    sources = {}
    for i, name in enumerate(columns):
        levels = encode_factor(data[name]).levels if is_factor(data[name], name) else None
        # I(b * x) computes with booleans; b and C(b) are factors.
        by_use = {False: None if kind_of(data[name]) == "boolean" else levels, True: levels}
        for is_coded, used in by_use.items():
            if _safe_name(i, is_coded) in safe_text:
                if used is not None:
                    check_levels(name, used)
                sources[_safe_name(i, is_coded)] = Source(name, used, is_coded)
    return sources


def _check_numbers(spelled: Mapping[str, str], columns: list[str], data: Mapping[str, pd.Series[Any]]) -> None:
    """Raise a DataError for a factor that a call computes with: log of a category, a polynomial of text."""
    place = {_safe_name(i, False): name for i, name in enumerate(columns)}
    for call, own in spelled.items():
        if call not in place:
            for name in (place[safe] for safe in sorted(computed_in(call)) if safe in place):
                if kind_of(data[name]) == "factor":
                    as_numbers(data[name], name, f"numeric in {own}")


def _bound_widths(formula: Any, table: Mapping[str, Any], draft: FormulaicEncoder) -> Iterator[tuple[str, int]]:
    """Return each term's name and the columns that it has at most."""
    terms = [(_term_name(term, draft.spelled), _parts_of_term(term)) for term in formula]
    # A call alone has no more columns than its arguments may ask for; only where it is multiplied are they counted.
    counted = {p for _, parts in terms for p in parts if len(parts) > 1 or p in table or p.startswith(_OF_LEVELS)}
    widths = {part: _bound_width(part, table, draft) for part in sorted(counted)}
    for name, parts in terms:
        yield name, prod(widths.get(part, 1) for part in parts)


def _bound_width(part: str, table: Mapping[str, Any], draft: FormulaicEncoder) -> int:
    """Return how many columns one factor of a term has at most: the levels of a factor, else what formulaic makes."""
    from formulaic import Formula, ModelSpec

    if part in table and draft.sources[part].levels is None:
        return 1
    if part in table or part.startswith(_OF_LEVELS):
        return prod(len(pd.unique(pd.Series(values))) for safe, values in table.items() if safe in part)
    spec = ModelSpec(formula=Formula(f"0 + {part}"), na_action="ignore", output="numpy")
    return int(_materialise(spec, table, draft).shape[1])


def _learn_state(draft: FormulaicEncoder, everything: Mapping[str, pd.Series[Any]]) -> dict[str, Any]:
    """Return the state of the transforms of numbers; each call's is learned from all rows that have its own columns."""
    from formulaic import Formula, ModelSpec

    state: dict[str, Any] = {}
    for call in draft.spelled:
        used = {safe: source for safe, source in draft.sources.items() if safe in call}
        if call in used or not used or any(s.levels is not None or s.is_coded for s in used.values()):
            continue
        missing = [is_missing(everything[s.name]) for s in used.values()]
        complete = ~np.any(missing, axis=0)
        table = {safe: source.encode(everything)[complete] for safe, source in used.items()}
        spec = ModelSpec(formula=Formula(f"0 + {call}"), na_action="ignore", output="numpy")
        state |= _materialise(spec, table, draft).model_spec.transform_state
    return state


def _safe_name(i: int, is_coded: bool) -> str:
    """Return the name under which formulaic knows the i-th column."""
    return f"lmmfactor{i}_" if is_coded else f"lmmcolumn{i}_"


def _spell_safely(text: str, columns: list[str], booleans: Collection[str]) -> tuple[str, dict[str, str]]:
    """Return the terms with columns under safe names, and {factor so spelled: as it was}."""
    place = {name: i for i, name in enumerate(columns)}

    def spelling(is_coded: bool) -> Callable[[str], str]:
        return lambda name: _safe_name(place[name], is_coded) if name in place else quote_argument(name)

    folded = [
        fold_calls(tokenize(text), text, trusted=True, spell=spell)
        for spell in (quote_argument, spelling(False), spelling(True))
    ]
    safe_of, spelled = {}, {}
    for own, plain, coded in zip(*folded, strict=True):
        if own.kind == "name":
            safe_of[quote_name(own.text)] = safe = spelling(own.text in booleans)(own.text)
            spelled[safe] = own.text
        elif own.kind == "call":
            safe = coded.text if own.text.startswith(_OF_LEVELS) else plain.text
            safe_of[own.text] = safe = f"C({safe})" if is_condition(own.text) else safe
            spelled[safe] = own.text
    # Multiplied out: formulaic takes exception to a constant inside a product, ``x * 1``.
    terms = expand_terms(folded[0], text)
    words = ["1" if () in terms else "0", *(":".join(safe_of[factor] for factor in term) for term in terms if term)]
    return " + ".join(words), spelled


def _parts_of_term(term: Any) -> list[str]:
    """Return the factors of a formulaic term, none for the constant."""
    return [str(f.expr) for f in term.factors if str(f.expr) != "1"]


def _term_name(term: Any, spelled: Mapping[str, str]) -> str:
    """Return the name of a formulaic term in the user's spelling."""
    return ":".join(_restore(part, spelled) for part in _parts_of_term(term))


def _restore(text: str, spelled: Mapping[str, str]) -> str:
    """Return a text from formulaic with the user's own spelling of each factor."""
    for safe in sorted(spelled, key=len, reverse=True):
        text = text.replace(safe, spelled[safe])
    return text


def _materialise(spec: Any, table: Mapping[str, Any], encoder: FormulaicEncoder) -> Any:
    """Return formulaic's matrix; its errors and warnings become a DataError in the user's spelling."""
    from formulaic.errors import DataMismatchWarning

    data = pd.DataFrame(table)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", DataMismatchWarning)
            return spec.get_model_matrix(data, context={"dummy": dummy_transform(), **encoder.context})
    except Exception as error:
        said = _WRAPPED.sub(r"\1", str(error))
        message = _restore(said, {**encoder.spelled, **{k: s.name for k, s in encoder.sources.items()}})
        raise DataError(f"{encoder.text!r} cannot be made from the data: {message}") from error


def _check_seen_numbers(encoder: FormulaicEncoder, frame: pd.DataFrame) -> None:
    """Raise a DataError for a number in a ``C(number)`` or a ``dummy(number)`` that the fit has not seen."""
    for name, levels in _levels_of_numbers(encoder):
        codes = match_levels([frame[name]], (levels,), np.empty((0, 1), dtype=np.intp))
        check_seen(codes, frame[name], name, levels)


def _levels_of_numbers(encoder: FormulaicEncoder) -> Iterator[tuple[str, pd.Index[Any]]]:
    """Yield the name and the levels of each column of numbers that a ``C(number)`` or a ``dummy(number)`` takes."""
    states = {str(e): state for e, (_, state) in encoder.spec.encoder_state.items()}
    states |= {str(e): state for e, state in encoder.spec.transform_state.items()}
    for expression, state in states.items():
        levels = state.get("categories", state.get("levels")) if isinstance(state, dict) else None
        for safe, source in encoder.sources.items():
            calls = tuple(f"{call}{safe}{after}" for call in _OF_LEVELS for after in "),")
            if source.levels is None and levels is not None and expression.startswith(calls):
                yield source.name, pd.Index(list(levels))


def _check_coded(spec: Any, spelled: Mapping[str, str]) -> None:
    """Raise a DataError for a C(...) of one level."""
    for expression, (_, state) in spec.encoder_state.items():
        categories = state.get("categories") if isinstance(state, dict) else None
        if categories is not None and len(categories) < 2:
            check_levels(_restore(str(expression), spelled), pd.Index(list(categories)))

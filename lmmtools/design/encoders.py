"""Model matrices: a sum of terms and a frame in, columns of numbers out, and the recipe to repeat it on new data.

formulaic does the work.  Sums of plain columns and of their interactions, which most models are, are written out here
instead: the same names and numbers (the tests hold them side by side) in microseconds rather than milliseconds.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lmmtools.design.factors import encode_factor, match_levels
from lmmtools.design.frame import as_numbers, check_finite, is_missing, kind_of
from lmmtools.errors import DataError
from lmmtools.formula.algebra import expand_terms
from lmmtools.formula.expressions import columns_of, fold_calls, quote_argument
from lmmtools.formula.tokens import quote_name, tokenize

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Encoder", "FormulaicEncoder", "PlainEncoder", "learn_matrix"]


@dataclass(frozen=True, slots=True, eq=False)
class PlainColumn:
    """One column of data as a factor of a term: its numbers, or an indicator for each of some levels.

    Attributes
    ----------
    name : str
        The column.
    levels : pandas.Index or None
        The factor's levels; None for numbers.
    is_reduced : bool
        Whether the first level has no indicator, being the reference.
    """

    name: str
    levels: pd.Index[Any] | None = None
    is_reduced: bool = True

    @property
    def column_names(self) -> list[str]:
        """Names of the columns, as formulaic writes them."""
        if self.levels is None:
            return [self.name]
        if self.is_reduced:
            return [f"{self.name}[T.{level}]" for level in self.levels[1:]]
        return [f"{self.name}[{level}]" for level in self.levels]

    def encode(self, frame: pd.DataFrame) -> list[NDArray[np.float64]]:
        """Return the columns, each of shape (n,), NaN where the value is missing."""
        column = frame[self.name]
        if self.levels is None:
            return [as_numbers(column, self.name, "numeric in the model")]
        codes = match_levels([column], (self.levels,), np.empty((0, 1), dtype=np.intp))
        _check_seen(codes, column, self.name, self.levels)
        return self.indicate(codes)

    def indicate(self, codes: NDArray[np.intp]) -> list[NDArray[np.float64]]:
        """Return the columns for given level codes, NaN where the code is -1."""
        assert self.levels is not None
        columns = [(codes == j).astype(np.float64) for j in range(int(self.is_reduced), len(self.levels))]
        if (codes < 0).any():
            for c in columns:
                c[codes < 0] = np.nan
        return columns


@dataclass(frozen=True, slots=True, eq=False)
class PlainEncoder:
    """Makes the matrix of a sum of plain columns and their interactions.

    Attributes
    ----------
    terms : tuple of tuple of PlainColumn
        ``()`` is the constant.
    column_names : tuple of str, length p
        As formulaic writes them.
    """

    terms: tuple[tuple[PlainColumn, ...], ...]
    column_names: tuple[str, ...]

    def encode(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Return the matrix of new data, shape (n, p); rows with missing values are NaN.

        Raises
        ------
        DataError
            A level that was not there before, or text for numbers.
        """
        made = {id(c): c.encode(frame) for term in self.terms for c in term}
        return _assemble(self.terms, made, len(frame))


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
    """

    spec: Any
    sources: dict[str, Source]
    column_names: tuple[str, ...]
    text: str
    spelled: dict[str, str]
    context: Mapping[str, Any]

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
        if is_complete.any():
            frame = frame.loc[is_complete]
            table = {safe: source.encode(frame) for safe, source in self.sources.items()}
            matrix[is_complete] = _materialise(self.spec, table, self)
        return matrix


Encoder = PlainEncoder | FormulaicEncoder


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
        Whether numbers stand inside C(...), where 2 is a label and not 2.0.
    """

    name: str
    levels: pd.Index[Any] | None
    is_coded: bool

    def encode(self, data: Mapping[str, pd.Series[Any]] | pd.DataFrame) -> Any:
        """Return the values, floats or a Categorical."""
        column = data[self.name]
        if self.levels is not None:
            codes = match_levels([column], (self.levels,), np.empty((0, 1), dtype=np.intp))
            _check_seen(codes, column, self.name, self.levels)
            return pd.Categorical.from_codes(codes, categories=self.levels)
        if self.is_coded and isinstance(column.dtype, np.dtype) and column.dtype.kind in "iub":
            return column.to_numpy()
        return as_numbers(column, self.name, "numeric in the model")


def learn_matrix(
    text: str,
    columns: Mapping[str, pd.Series[Any]],
    n: int,
    *,
    constant: str = "Intercept",
    context: Mapping[str, Any] | None = None,
    everything: Mapping[str, pd.Series[Any]] | None = None,
) -> tuple[NDArray[np.float64], Encoder]:
    """Return the matrix of a sum of terms on complete cases, shape (n, p), and its encoder.

    Parameters
    ----------
    text : str
        The terms in normal form, ``"1 + x + np.log(z)"``.
    columns : mapping of str to Series, each shape (n,)
        The data by name, without missing values.
    n : int
        Number of rows.
    constant : str
        What to call the constant.
    context : mapping, optional
        Names beyond the data's that a trusted formula may use.
    everything : mapping of str to Series, optional
        The data before rows with missing values were left out.  R learns ``scale(x)``, ``poly(x, 2)`` and the like from
        all rows that have an x, whatever else they miss, and so do lme4 and statsmodels; without it, from ``columns``.

    Raises
    ------
    DataError
        A column of dates, a factor with one level, a transform that fails or makes infinite values.
    """
    terms = _plain_terms(text)
    learned = None if terms is None else _learn_plain(terms, columns, n, constant)
    return learned or _learn_formulaic(text, columns, constant, context or {}, everything or {})


@lru_cache(maxsize=512)
def _plain_terms(text: str) -> tuple[tuple[str, ...], ...] | None:
    """Return the terms as tuples of column names, ``()`` the constant, or None if there is more than names in them."""
    tokens = fold_calls(tokenize(text), text, trusted=True)
    if any(t.kind in ("call", "offset") for t in tokens):
        return None
    names = {quote_name(t.text): t.text for t in tokens if t.kind == "name"}
    return tuple(tuple(names[factor] for factor in term) for term in expand_terms(tokens, text))


def _learn_plain(
    terms: tuple[tuple[str, ...], ...], data: Mapping[str, pd.Series[Any]], n: int, constant: str
) -> tuple[NDArray[np.float64], PlainEncoder] | None:
    """As `learn_matrix` for plain columns, or None where the coding of factors takes formulaic's full rules."""
    names = tuple(dict.fromkeys(name for term in terms for name in term))
    values: dict[str, list[NDArray[np.float64]]] = {}
    levels: dict[str, pd.Index[Any]] = {}
    codes: dict[str, NDArray[np.intp]] = {}
    for name in names:
        if _is_factor(data[name], name):
            factor = encode_factor(data[name])
            _check_levels(name, factor.levels)
            codes[name], levels[name] = factor.codes, factor.levels
        else:
            values[name] = [as_numbers(data[name], name, "numeric in the model")]
    coding = _coding(terms, set(levels))
    if coding is None:
        return None
    columns = {(name, r): PlainColumn(name, levels[name], r) for name in levels for r in (True, False)}
    columns |= {(name, True): PlainColumn(name) for name in values}
    plain = tuple(
        tuple(columns[name, r] for name, r in zip(term, reduced, strict=True))
        for term, reduced in zip(terms, coding, strict=True)
    )
    used = {id(c): c for term in plain for c in term}
    made = {key: values[c.name] if c.levels is None else c.indicate(codes[c.name]) for key, c in used.items()}
    labels = tuple(label for term in plain for label in _labels(term, constant))
    return _assemble(plain, made, n), PlainEncoder(plain, labels)


def _coding(terms: tuple[tuple[str, ...], ...], factors: set[str]) -> list[tuple[bool, ...]] | None:
    """Return for each factor in each term whether it leaves out its reference level, or None if that is not plain.

    A factor is reduced where the term without it is in the model too.  Without a constant, the first factor that
    stands alone is not reduced and spans the constant for the others.
    """
    present = {frozenset(term) for term in terms}
    has_constant = frozenset() in present
    coding: list[tuple[bool, ...]] = []
    for term in terms:
        reduced = []
        for name in term:
            margin = frozenset(term) - {name}
            if name not in factors or ((margin or has_constant) and margin in present):
                reduced.append(True)
            elif not margin:
                reduced.append(has_constant)
                has_constant = True
            else:
                return None
        coding.append(tuple(reduced))
    return coding


def _labels(term: tuple[PlainColumn, ...], constant: str) -> list[str]:
    """Names of a term's columns; the first factor's levels vary fastest, as in R and formulaic."""
    if not term:
        return [constant]
    choices = product(*(c.column_names for c in reversed(term)))
    return [":".join(reversed(choice)) for choice in choices]


def _assemble(
    terms: tuple[tuple[PlainColumn, ...], ...], made: Mapping[int, list[NDArray[np.float64]]], n: int
) -> NDArray[np.float64]:
    """Return the matrix of terms whose columns are made, shape (n, p)."""
    columns: list[NDArray[np.float64]] = []
    for term in terms:
        if not term:
            columns.append(np.ones(n))
        elif len(term) == 1:
            columns += made[id(term[0])]
        else:
            for choice in product(*(made[id(c)] for c in reversed(term))):
                columns.append(np.prod(choice[::-1], axis=0))
    return np.column_stack(columns) if columns else np.empty((n, 0))


def _is_factor(column: pd.Series[Any], name: str) -> bool:
    """Whether a column enters as a factor, not as numbers.

    Raises
    ------
    DataError
        It holds dates or complex numbers.
    """
    kind = kind_of(column)
    if kind in ("date", "complex"):
        as_numbers(column, name, "numeric in the model")
    return kind == "factor"


def _check_levels(name: str, levels: pd.Index[Any]) -> None:
    """Raise a DataError for a factor that does not vary."""
    if len(levels) < 2:
        raise DataError(
            f"The factor {name!r} has one level, {levels[0]!r}, in the rows used: it has no effect to estimate. "
            "Leave it out of the formula, or look at which rows are lost to missing values."
        )


def _check_seen(codes: NDArray[np.intp], column: pd.Series[Any], name: str, levels: pd.Index[Any]) -> None:
    """Raise a DataError for a level that the fit has not seen."""
    is_new = (codes < 0) & ~is_missing(column)
    if is_new.any():
        label = column.iloc[int(np.flatnonzero(is_new)[0])]
        known = ", ".join(map(repr, levels[:8])) + (", ..." if len(levels) > 8 else "")
        raise DataError(f"The factor {name!r} has the level {label!r}, which the fit has not seen. Levels: {known}.")


def _learn_formulaic(
    text: str,
    data: Mapping[str, pd.Series[Any]],
    constant: str,
    context: Mapping[str, Any],
    everything: Mapping[str, pd.Series[Any]],
) -> tuple[NDArray[np.float64], FormulaicEncoder]:
    """As `learn_matrix`, through formulaic."""
    from formulaic import Formula, ModelSpec

    columns = [c for c in columns_of(text) if c in data]
    safe_text, spelled = _spell_safely(text, columns)
    table, sources = {}, {}
    for i, name in enumerate(columns):
        is_factor = _is_factor(data[name], name)
        for is_coded in (False, True):
            safe = _safe(i, is_coded)
            if safe in safe_text:
                levels = encode_factor(data[name]).levels if is_factor else None
                if levels is not None:
                    _check_levels(name, levels)
                sources[safe] = Source(name, levels, is_coded)
                table[safe] = sources[safe].encode(data)
    spec = ModelSpec(formula=Formula(safe_text), ensure_full_rank=True, na_action="ignore", output="numpy")
    draft = FormulaicEncoder(spec, sources, (), text, spelled, context)
    if everything:
        draft.spec.transform_state.update(_learn_state(draft, everything))
    made = _materialise(spec, table, draft)
    names = [_restore(c, spelled) for c in made.model_spec.column_names]
    labels = tuple(constant if name == "Intercept" else name for name in names)
    matrix = np.array(made, dtype=np.float64)
    _check_coded(made.model_spec, spelled)
    for j, label in enumerate(labels):
        check_finite(matrix[:, j], label, "Leave those rows out, or transform the column so that all are finite.")
    return matrix, FormulaicEncoder(made.model_spec, sources, labels, text, spelled, context)


def _learn_state(draft: FormulaicEncoder, everything: Mapping[str, pd.Series[Any]]) -> dict[str, Any]:
    """Return what the transforms of numbers learn, each call from all rows that have its own columns."""
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


def _safe(i: int, is_coded: bool) -> str:
    """Return the name under which formulaic knows the i-th column."""
    return f"lmmfactor{i}_" if is_coded else f"lmmcolumn{i}_"


def _spell_safely(text: str, columns: list[str]) -> tuple[str, dict[str, str]]:
    """Return the terms with columns under safe names, and {factor so spelled: as it was}."""
    place = {name: i for i, name in enumerate(columns)}

    def spelling(is_coded: bool) -> Callable[[str], str]:
        return lambda name: _safe(place[name], is_coded) if name in place else quote_argument(name)

    folded = [
        fold_calls(tokenize(text), text, trusted=True, spell=spell)
        for spell in (quote_argument, spelling(False), spelling(True))
    ]
    words, spelled = [], {}
    for own, plain, coded in zip(*folded, strict=True):
        if own.kind == "name":
            safe = spelling(False)(own.text)
            spelled[safe] = own.text
        else:
            safe = coded.text if own.text.startswith("C(") else plain.text
            if own.kind == "call":
                spelled[safe] = own.text
        words.append(safe)
    return " ".join(words), spelled


def _restore(text: str, spelled: Mapping[str, str]) -> str:
    """Return a text of formulaic's with the user's own spelling of each factor."""
    for safe in sorted(spelled, key=len, reverse=True):
        text = text.replace(safe, spelled[safe])
    return text


def _materialise(spec: Any, table: Mapping[str, Any], encoder: FormulaicEncoder) -> Any:
    """Return formulaic's matrix; whatever it raises or warns of becomes a DataError in the user's own words."""
    from formulaic.errors import DataMismatchWarning

    data = pd.DataFrame(table)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", DataMismatchWarning)
            return spec.get_model_matrix(data, context=dict(encoder.context))
    except Exception as error:
        message = _restore(str(error), {**encoder.spelled, **{k: s.name for k, s in encoder.sources.items()}})
        raise DataError(f"{encoder.text!r} cannot be made from the data: {message}") from error


def _check_coded(spec: Any, spelled: Mapping[str, str]) -> None:
    """Raise a DataError for a C(...) of one level."""
    for expression, (_, state) in spec.encoder_state.items():
        categories = state.get("categories") if isinstance(state, dict) else None
        if categories is not None and len(categories) < 2:
            _check_levels(_restore(str(expression), spelled), pd.Index(list(categories)))

"""Passes over a source before its rows are coded as a design: the survey, of all complete rows or of some."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.build import used_columns
from lmmtools.design.coder import Coder, complete_rows
from lmmtools.design.folding import fold_columns
from lmmtools.design.row_by_row import texts_of
from lmmtools.design.survey import Survey, SurveyPlan
from lmmtools.formula.expressions import columns_of, fold_calls
from lmmtools.formula.tokens import tokenize

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

    from lmmtools.design.coded_rows import CodedRows
    from lmmtools.formula.terms import ModelFormula
    from lmmtools.sources import Source

__all__ = ["AddCoded", "AddDefined", "plan_survey", "take_survey"]


def plan_survey(formula: ModelFormula, weights: str | None, offset: str | None) -> SurveyPlan:
    """Return what a survey for a model has to look for."""
    beside = [name for name in (weights, offset) if name is not None]
    texts = texts_of(formula)
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
    return fold_columns(source, plan.names, partial(Survey, plan, frozenset(_declared(source))), _add_to_survey)


def _add_to_survey(survey: Survey, columns: Mapping[str, pd.Series[Any]], start: int) -> None:
    survey.add(columns)


@dataclass(frozen=True, slots=True)
class AddDefined:
    """Adds the rows in which all expressions have a value to a survey."""

    coder: Coder

    def __call__(self, survey: Survey, columns: Mapping[str, pd.Series[Any]], start: int) -> None:
        """Add those of a batch, whose first row has the position given."""
        complete = complete_rows(columns, self.coder.names)
        at: Any = self.coder.code(complete).rows - start if len(columns) else []
        survey.add({name: column.iloc[np.asarray(at, dtype=np.intp)] for name, column in columns.items()})


@dataclass(frozen=True, slots=True)
class AddCoded:
    """Adds complete rows to what coded rows tell."""

    names: tuple[str, ...]

    def __call__(self, found: CodedRows, columns: Mapping[str, pd.Series[Any]], start: int) -> None:
        """Add those of a batch, whose first row has the position given."""
        found.add(complete_rows(columns, self.names), start)


def _declared(source: Source) -> Iterator[str]:
    """Yield the columns whose levels have an order that the data declare."""
    import pyarrow.types as pt

    for field in source.schema:
        if pt.is_dictionary(field.type):
            yield field.name

"""Another model on the rows of a design."""

from __future__ import annotations

import weakref
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lmmtools.design.build import build_design, used_columns
from lmmtools.design.frame import as_frame
from lmmtools.design.of_source import build_source_design
from lmmtools.design.streamed import build_streamed_design
from lmmtools.errors import DataError
from lmmtools.sources import open_source
from lmmtools.sources.watched import WatchedSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmmtools.design.matrices import Design
    from lmmtools.formula.terms import ModelFormula
    from lmmtools.sources import Source

__all__ = ["Given", "is_unchanged", "redeclare", "redeclare_on"]


class Given:
    """The data that a model was declared on, while somebody else holds them.

    Parameters
    ----------
    data : object
        What the user gave; only a weak reference to it is kept, so that no fit keeps data alive.
    source : Source, optional
        Where the rows are read from if the data are no frame in memory.
    stream : bool, optional
        Whether they are read in batches, as the user said; None: as their number tells.
    """

    __slots__ = ("_look", "path", "source", "stream")

    def __init__(self, data: Any = None, source: Source | None = None, stream: bool | None = None) -> None:
        self.source, self.stream = source, stream
        # As code writes it.
        self.path = None if source is None else _write_paths(data)
        self._look: Callable[[], Any]
        try:
            self._look = weakref.ref(data)
        except TypeError:  # a dict, None
            self._look = _nothing

    def look(self) -> Any:
        """Return the data, None where they are gone."""
        return self._look()

    def __reduce__(self) -> Any:
        return Given, ()

    def __deepcopy__(self, memo: Any) -> Given:
        return self


def _write_paths(data: Any) -> str | None:
    """Return a path or a list of paths as code, None for data of another kind."""
    if isinstance(data, (str, PathLike)):
        return repr(fspath(data))
    if isinstance(data, WatchedSource):  # of the command line, which opens files itself
        return repr(data.name)
    return repr([fspath(path) for path in data]) if isinstance(data, (list, tuple)) else None


def _nothing() -> None:
    return None


def redeclare_on(design: Design, formula: ModelFormula, given: Given, data: Any = None) -> Design:
    """Return the design of a formula on the data that another design was made of, or on other data.

    Parameters
    ----------
    design : Design
    formula : ModelFormula
    given : Given
        The data of the design; where they are gone and no other data are given, its own rows and columns serve if they
        have all that the formula needs.
    data : DataFrame or source of rows, optional
        Other data.

    Raises
    ------
    DataError
        If the data are gone or were changed since, or weights or an offset given as values do not go with the rows.
    """
    source = given.source if data is None else open_source(data)
    if source is None and data is None:
        data = given.look()
        if data is not None and not is_unchanged(design, data):
            raise DataError(
                "the data were changed since the fit: say which data the changed model is for, update(change, data=...)"
            )
        if data is None and (design.dropped.n_rows or not set(used_columns(formula)) <= set(design.frame.columns)):
            raise DataError(
                "the data of this fit are not held any more, and the changed model needs them: give them again, "
                "update(change, data=...)"
            )
        if data is None:
            return redeclare(design, formula)
    weights, offset = _given_arguments(design)
    for key, values in (("weights", weights), ("offset", offset)):
        if isinstance(values, np.ndarray) and design.dropped.n_rows:
            raise DataError(
                f"{key}= were given as values, and rows were left out: declare the changed model with "
                f"lmm(formula, data, {key}=...)"
            )
    if source is not None:
        return build_source_design(formula, source, weights=weights, offset=offset, stream=given.stream)
    return build_design(formula, data, weights=weights, offset=offset)


def is_unchanged(design: Design, data: Any) -> bool:
    """Return whether data still hold the values of a design, row by row."""
    names = list(design.frame.columns)
    table = as_frame(data, names)
    if not set(names) <= set(table.columns) or len(table) != design.dropped.n_input:
        return False
    rows = table[names].iloc[design.rows]
    return all(_are_equal(rows[name], design.frame[name]) for name in names)


def _are_equal(column: pd.Series[Any], other: pd.Series[Any]) -> bool:
    if isinstance(column.dtype, pd.CategoricalDtype):  # levels that no row has were taken out
        return list(column) == list(other)
    return bool(np.array_equal(column.to_numpy(), other.to_numpy()))


def redeclare(design: Design, formula: ModelFormula) -> Design:
    """Return the design of a formula on the rows of another design, with its weights and offset.

    Raises
    ------
    DataError
        If the design has no formula or looks at rows that were left out (``lag(x)``), the formula uses columns that
        the design does not have, or rows that are not in memory are complete in other columns alone.
    """
    if design.encoder is None:
        raise DataError(
            "this model was read from MixedLM's arrays and has no formula; declare it with lmm(formula, data)"
        )
    if design.whole is not None:
        raise DataError("lag(x) looks at rows that were left out; declare the other model with lmm(formula, data)")
    weights, offset = _given_arguments(design)
    if design.streamed is None:
        return build_design(formula, design.frame, weights=weights, offset=offset, na_action="raise")
    changed = build_streamed_design(formula, design.streamed.source, weights=weights, offset=offset)
    if changed.n != design.n:
        raise DataError(
            f"{formula.source or formula} has {changed.n:,} complete rows of {design.streamed.name}, and "
            f"{design.formula.source or design.formula} has {design.n:,}: fits of different rows cannot be compared. "
            "Leave out the rows with missing values of the columns of both before the fit."
        )
    return changed


def _given_arguments(design: Design) -> tuple[Any, Any]:
    """Return ``weights=`` and ``offset=`` as they were given: a column's name, values of the rows used, or None.

    Raises
    ------
    DataError
        If an offset was given as values beside one in the formula: only their sum is known.
    """
    weights = design.weights if design.weights_column is None else design.weights_column
    if not design.has_given_offset or design.offset_column is not None:
        return weights, design.offset_column
    if design.formula.offsets:
        raise DataError(
            "an offset was given as values beside one in the formula: declare the other model with "
            "lmm(formula, data, offset=...)"
        )
    return weights, design.offset

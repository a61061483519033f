"""Checks of the data, by the rules of lme4's ``lFormula``, and of the model's size; each error names the cure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pandas as pd

from lmmtools.design.columns import largest_sizes, lost_by_distance
from lmmtools.design.frame import is_missing, show_value
from lmmtools.errors import DataError
from lmmtools.formula.tokens import quote_name
from lmmtools.memory import need_memory
from lmmtools.sentences import list_first
from lmmtools.sources.places import advice_on_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from lmmtools.design.blocks import Block
    from lmmtools.design.sparse_columns import Matrix


__all__ = [
    "check_columns",
    "check_distance",
    "check_effects",
    "check_fixed",
    "check_levels",
    "check_magnitude",
    "check_order",
    "check_range",
    "check_response",
    "check_seen",
    "check_weights",
    "describe_mismatch",
    "refuse_weights",
]

# Sums of squares are normal doubles (2e-308 to 2e308) between these.
_SMALLEST, _LARGEST = 1e-152, 1e153
# A sum of squares between this and its reciprocal is one of numbers between those.
_PLAIN = 1e-280
# Columns or levels that a message names.
_MOST_SHOWN = 8


def check_magnitude(values: Matrix, names: Sequence[str]) -> None:
    """Raise a DataError for a column, of shape (n, columns), whose squares are too large or small for a double."""
    if isinstance(values, np.ndarray):
        squares = np.einsum("ij,ij->j", values, values)
        if squares.min(initial=1.0) > _PLAIN and squares.max(initial=1.0) < 1.0 / _PLAIN:
            return
    largest = largest_sizes(values)
    beyond = np.flatnonzero((largest > _LARGEST) | ((largest < _SMALLEST) & (largest > 0.0)))
    if len(beyond):
        j = beyond[0]
        unit = 10.0 ** max(-300.0, min(300.0, np.floor(np.log10(largest[j]))))
        raise DataError(
            f"The largest value of {names[j]} is {largest[j]:.3g} in size, whose square is beyond double precision. "
            f"Take another unit, so that values lie between {_SMALLEST:g} and {_LARGEST:g}: divide them by {unit:g}."
        )


def check_order(given: Any, index: pd.Index[Any], key: str) -> None:
    """Raise a DataError for a Series given beside the data that has their row labels in another order.

    Values are taken by place; by label they would belong to other rows.
    """
    if not isinstance(given, pd.Series) or len(given) != len(index) or given.index.equals(index):
        return
    if given.index.is_unique and index.is_unique and bool(given.index.isin(index).all()):
        raise DataError(
            f"{key}= is a Series with the row labels of the data in another order, and values are taken by place. "
            f"Give {key}=values.reindex(data.index) to take them by label, or {key}=values.to_numpy() by place."
        )


def check_response(y: NDArray[np.float64], name: str) -> None:
    """Raise a DataError if the response, shape (n,), is the same number in every row."""
    check_range(float(y.min()), float(y.max()), len(y), name)


def check_range(smallest: float, largest: float, n: int, name: str) -> None:
    """Raise a DataError if the response, in n rows from ``smallest`` to ``largest``, is the same number in all."""
    if smallest == largest:
        raise DataError(
            f"The response {name} is constant: {smallest:g} in all {n} rows used. "
            "There is no variance to divide; is it the right column?"
        )


def check_fixed(n: int, names: Sequence[str], remarks: Sequence[str]) -> None:
    """Raise a DataError if there are as many fixed effects as rows; ``remarks`` are sentences on doubtful columns."""
    if len(names) >= n:
        raise DataError(
            f"The model has {len(names)} fixed effects for {n} rows, which leaves nothing for the residual. "
            f"Take terms out of the fixed part: {list_first(names, _MOST_SHOWN)}."
            + "".join(f" {text[0].upper()}{text[1:]}." for text in remarks)
        )


def check_distance(
    X: Matrix,
    names: Sequence[str],
    kept: NDArray[np.intp],
    ends: Callable[[str], tuple[float, float] | None] = lambda _: None,
) -> None:
    """Raise a DataError for a column too far from zero for its spread: in double precision it is a constant.

    ``ends`` returns the smallest and largest value of a column where X has some rows of many.
    """
    far = lost_by_distance(X, kept)
    if len(far):
        name, column = names[far[0]], X[:, far[0]]
        low, high = ends(name) or (column.min(), column.max())
        python = f"data[{name!r}] -= data[{name!r}].mean(), or center({quote_name(name)}) in the formula"
        is_column = "(" not in name and ":" not in name
        centred = f"center({quote_name(name)}) in the formula"
        centre = advice_on_data(python, centred, centred) if is_column else "by the column in it"
        raise DataError(
            f"{name} is too far from zero for its spread: its values go from {low:.15g} to "
            f"{high:.15g}, and beside a constant nothing of them is left in double precision. "
            f"Centre it: {centre}."
        )


def check_weights(weights: NDArray[np.float64], name: str) -> None:
    """Raise a DataError unless all weights, shape (n,), are positive."""
    bad = np.flatnonzero(weights <= 0)
    if len(bad):
        refuse_weights(len(bad), len(weights), float(weights[bad[0]]), name)


def refuse_weights(count: int, n: int, first: float, name: str) -> NoReturn:
    """Raise the DataError for ``count`` of n weights that are not positive."""
    raise DataError(
        f"{name} must be positive: {count} of {n} are not, the first {first:g}. "
        "A weight of zero leaves a row out of the fit: drop those rows from the data."
    )


def check_levels(name: str, levels: pd.Index[Any]) -> None:
    """Raise a DataError for a factor that does not vary, or whose levels are written alike."""
    if len(levels) < 2:
        raise DataError(
            f"The factor {name!r} has one level, {show_value(levels[0])}, in the rows used: it has no effect to "
            "estimate. Leave it out of the formula, or look at which rows are lost to missing values."
        )
    if levels.dtype == object and len(written := Counter(map(str, levels))) < len(levels):
        label, count = written.most_common(1)[0]
        raise DataError(
            f"The factor {name!r} has {count} levels that are written {label}, of different types: their columns would "
            "have one name. Rename one of them, or make them one level, "
            + advice_on_data(f"data[{name!r}].astype(str).", f"in SQL cast({name} as varchar).", "with --factor.")
        )


def check_seen(codes: NDArray[np.intp], column: pd.Series[Any], name: str, levels: pd.Index[Any]) -> None:
    """Raise a DataError for a level that the fit has not seen."""
    is_new = (codes < 0) & ~is_missing(column)
    if is_new.any():
        label = column.iloc[int(np.flatnonzero(is_new)[0])]
        known = list_first(map(show_value, levels), _MOST_SHOWN)
        raise DataError(
            f"The factor {name!r} has the level {show_value(label)}, which the fit has not seen. Levels: {known}."
            + describe_mismatch(column, name, levels)
        )


def describe_mismatch(column: pd.Series[Any], name: str, levels: pd.Index[Any]) -> str:
    """Return what to write where new data hold numbers and the fit's levels are text, or the other way round."""
    values = column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else pd.Index(column.dropna())
    kinds = tuple(pd.api.types.infer_dtype(v) for v in (levels, values))
    if kinds[0] == "string" and kinds[1] in ("integer", "floating"):
        as_text = ".astype(str)" if kinds[1] == "integer" else ".astype(int).astype(str)"
        return f" They are text in the fit and numbers here: write data[{name!r}]{as_text}."
    if kinds[1] == "string" and kinds[0] in ("integer", "floating"):
        return f" They are numbers in the fit and text here: write pd.to_numeric(data[{name!r}])."
    return ""


# X'X takes n p^2 operations and p^2 numbers of memory; at this width a fit takes minutes.
MOST_COLUMNS = 5000
# Numbers in one matrix: 16 GiB.
MOST_NUMBERS = 2**31
# The matrix itself, and its copy with columns of one length while dependent ones are looked for.
COPIES = 2
# The Hessian's blocks of one grouping factor have l^4 numbers: 800 MB.
MOST_EFFECTS = 100

CURE = (
    "A factor of many levels belongs after a bar, (1 | g); a column of numbers that was read as text has "
    "a cell that is none: make it missing."
)


def check_columns(terms: Iterable[tuple[str, int]], n: int, stored: int | None = None) -> None:
    """Raise a DataError if a matrix would be wider than a fit can use, or fill the memory that is free.

    Parameters
    ----------
    terms : iterable of (str, int)
        Each term's name and number of columns.
    n : int
        Rows.
    stored : int, optional
        Numbers that are stored, where columns of factors are held sparse.
    """
    widths = dict(terms)
    total = sum(widths.values())
    numbers = total * n if stored is None else stored
    widest = max(widths, key=lambda name: widths[name], default="")
    if total <= MOST_COLUMNS and numbers <= MOST_NUMBERS:
        need_memory(
            COPIES * numbers,
            DataError,
            f"A model matrix of {total:,} columns ({widths.get(widest, 0):,} of them in {widest}) and {n:,} rows",
            CURE,
        )
        return
    most = min(MOST_COLUMNS, MOST_NUMBERS // max(n, 1))
    raise DataError(
        f"The formula makes {total:,} columns for {n:,} rows, where {most:,} can be used; {widest} alone makes "
        f"{widths[widest]:,}. {CURE}"
    )


def check_effects(blocks: Sequence[Block]) -> None:
    """Raise a DataError if the terms of one grouping factor have more effects together than a fit can use."""
    effects: Counter[str] = Counter()
    for block in blocks:
        effects[block.group] += block.l
    for group, count in effects.items():
        if count > MOST_EFFECTS:
            raise DataError(
                f"The random-effects terms of {group!r} have {count:,} effects for each level, where {MOST_EFFECTS} "
                "can be used: write fewer before the bar."
            )

"""The weights with which a marginal mean averages the cells of a reference grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from lmmtools.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Weights", "cell_weights", "check_weights", "describe_weights"]

Weights = Literal["equal", "proportional", "outer", "cells", "flat"]

_WORDS: dict[Weights, str] = {
    "equal": "",
    "proportional": "weights proportional to the rows of the levels averaged over",
    "outer": "weights are products of the shares of rows of each factor averaged over",
    "cells": "weights are the rows of each cell",
    "flat": "equal weights of the cells that have rows",
}


def check_weights(weights: object) -> Weights:
    """Return ``weights`` itself if it names a scheme (``"prop"`` is short for proportional).

    Raises
    ------
    DataError
        If there is no such scheme.
    """
    name = "proportional" if weights == "prop" else weights
    if not isinstance(name, str) or name not in get_args(Weights):
        raise DataError(f"weights={weights!r} is not known; use one of {', '.join(map(repr, get_args(Weights)))}")
    return name  # type: ignore[return-value]


def describe_weights(weights: Weights) -> tuple[str, ...]:
    """Return the note on the weights, if they are not equal."""
    return (_WORDS[weights],) if _WORDS[weights] else ()


def cell_weights(
    counts: Floats,
    exists: NDArray[np.bool_],
    kept: tuple[int, ...],
    outer: Mapping[int, tuple[int, ...]],
    scheme: Weights,
) -> Floats:
    """Return the weight of each cell in the mean that it belongs to, shape of counts; NaN where none has weight.

    Parameters
    ----------
    counts : ndarray
        Rows of each cell of the grid, an axis per predictor.
    exists : ndarray of bool, shape of counts
        Cells that the nesting of factors allows; the others have weight zero.
    kept : tuple of int
        Axes whose levels identify the means; the others are averaged over.
    outer : mapping of int to tuple of int
        The axes in which the factor of an axis is nested.
    scheme : str
        ``"equal"``: each level the same, a nested factor's within the levels that it is nested in. ``"proportional"``:
        by the rows of the combinations averaged over, whatever the levels kept. ``"outer"``: the product of the shares
        of each factor's levels. ``"cells"``: by the cell's own rows. ``"flat"``: one for each cell that has rows.
    """
    averaged = tuple(a for a in range(counts.ndim) if a not in kept)
    if all(counts.shape[a] == 1 for a in averaged):
        # The mean of one cell is that cell, whatever its weight.
        return exists.astype(float)
    # What is nested is averaged first, the most deeply nested of it and of equals the last (the first axis), within
    # the levels of what it is nested in, be they kept or averaged over afterwards.
    nested = sorted((a for a in averaged if a in outer), key=lambda a: (-len(outer[a]), a))
    within = {g for a in nested for g in outer[a]} & set(kept)
    # Nested factors that are averaged over together meet in cells with rows alone.
    around = {a: {a, *outer[a], *nested[i:]} for i, a in enumerate(nested)}
    w = exists.astype(float)
    if scheme == "equal":
        for a in nested:
            w = w * _share(_margin(counts, around[a]) > 0, a)
    elif scheme == "proportional":
        w = w * _margin(counts, {*averaged, *within})
    elif scheme == "outer":
        for a in averaged:
            w = w * _share(_margin(counts, {*around.get(a, {a}), *within}), a)
    elif scheme == "cells":
        w = w * counts
    else:
        w = w * (counts > 0)
        inside = tuple(a for a in averaged if not any(a in outer[n] for n in nested))
        w = _share(w, inside)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(w / w.sum(axis=averaged, keepdims=True))


def _margin(counts: Floats, axes: set[int]) -> Floats:
    """Return counts summed over all axes but some; the others have length one."""
    rest = tuple(a for a in range(counts.ndim) if a not in axes)
    return np.asarray(counts.sum(axis=rest, keepdims=True))


def _share(values: NDArray[Any], axis: int | tuple[int, ...]) -> Floats:
    """Return values as shares of their sum along axes; zero where the sum is."""
    total = values.sum(axis=axis, keepdims=True)
    return np.asarray(np.divide(values, total, out=np.zeros(values.shape), where=total > 0))

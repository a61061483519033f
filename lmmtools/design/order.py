"""The order of a matrix's columns, where another package has another: patsy puts factors before covariates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["find_order", "in_order", "places_of"]


def in_order(matrix: NDArray[np.float64], order: tuple[int, ...] | None) -> NDArray[np.float64]:
    """Return the matrix with its columns in the order given; None: as they are."""
    return matrix if order is None else matrix[:, list(order)]


def places_of(
    columns_by_term: Mapping[str, tuple[int, ...]], order: tuple[int, ...] | None
) -> dict[str, tuple[int, ...]]:
    """Return where each term's columns stand once they are in the order given."""
    if order is None:
        return dict(columns_by_term)
    place = {column: at for at, column in enumerate(order)}
    return {term: tuple(place[c] for c in columns) for term, columns in columns_by_term.items()}


def find_order(
    made: NDArray[np.float64],
    wanted: NDArray[np.float64],
    made_names: Sequence[str],
    wanted_names: Sequence[str],
    tolerance: float,
) -> tuple[int, ...] | None:
    """Return which column of ``made`` each column of ``wanted`` is by its values, or None if they are not the same.

    Equal columns go by their names, and then by their places.

    Parameters
    ----------
    made, wanted : ndarray, shape (n, p)
    made_names, wanted_names : sequence of str, length p
    tolerance : float
        How far values may lie apart, relative to the largest of the column.
    """
    if made.shape != wanted.shape:
        return None
    free = list(range(made.shape[1]))
    order = []
    for j, name in enumerate(wanted_names):
        bound = tolerance * np.abs(wanted[:, j]).max(initial=0.0)
        # Its own name and place first: nearly always that is the column, and equal columns are told apart by them.
        for c in sorted(free, key=lambda c: (made_names[c] != name, c != j)):
            if np.all(np.abs(made[:, c] - wanted[:, j]) <= bound):
                order.append(c)
                free.remove(c)
                break
        else:
            return None
    return tuple(order)

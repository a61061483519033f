"""Which factors of a reference grid are nested in which others, and which of the grid's cells exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.errors import DataError
from lmmtools.sentences import join_with_and

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Nesting", "describe_nesting", "existing_cells", "find_nesting", "given_nesting", "occurring"]

Nesting = dict[str, tuple[str, ...]]
"""The factors in which each nested factor is nested."""


def find_nesting(names: Sequence[str], counts: Floats | None, terms: Sequence[frozenset[str]]) -> Nesting:
    """Return which factors are nested in which, as emmeans finds it.

    A factor is nested in each other one of which every level of it meets one level alone; of two that are the same
    partition of the rows, the first is nested in the second. It is also nested where the formula says so: it has no
    main effect, and of its terms with factors that have one, or are nested themselves, one is within all others.

    Parameters
    ----------
    names : sequence of str
        Factors of several levels, in the order of the formula.
    counts : ndarray, shape (levels of each name ...), or None
        Rows of each combination; None where only the formula is asked.
    terms : sequence of frozenset of str
        The factors of each term.
    """
    found: Nesting = {}
    if counts is not None:
        for a, name in enumerate(names):
            others = [o for o in names if o != name and name not in found.get(o, ())]
            outer = tuple(o for o in others if _meets_one(counts, a, names.index(o)))
            if outer:
                found[name] = outer
    for name, outer in _nested_by_formula(names, terms).items():
        found[name] = tuple(dict.fromkeys([*found.get(name, ()), *outer]))
    return found


def _meets_one(counts: Floats, a: int, other: int) -> bool:
    """Whether every level of an axis meets at most one level of another, and some level meets one."""
    met = occurring(counts, (a, other)).sum(axis=other)
    return int(met.max(initial=0)) == 1


def _nested_by_formula(names: Sequence[str], terms: Sequence[frozenset[str]]) -> Nesting:
    """Return the nesting that terms without a main effect imply."""
    sets = [term & set(names) for term in terms]
    placed = {name for name in names if {name} in sets}
    found: Nesting = {}
    while True:
        for name in names:
            if name in placed:
                continue
            around = {frozenset(term - {name}) for term in sets if name in term and term - {name} <= placed}
            least = [outer for outer in around if not any(other < outer for other in around)]
            if len(least) == 1 and least[0]:
                groups = {g for outer in least[0] for g in (outer, *found.get(outer, ()))}
                found[name] = tuple(n for n in names if n in groups)
                placed.add(name)
                break
        else:
            return found


def given_nesting(nesting: Any, names: Sequence[str]) -> Nesting:
    """Return the nesting that the user gives, ``{"genotype": "year"}``, for the factors of a grid.

    Raises
    ------
    DataError
        If it is no mapping of names of the grid, or circular.
    """
    if not isinstance(nesting, Mapping):
        raise DataError(f'nesting={nesting!r} must be a dict, {{"genotype": "year"}}; {{}} says that nothing is nested')
    found: Nesting = {}
    for name, outer in nesting.items():
        groups = (outer,) if isinstance(outer, str) else tuple(outer) if isinstance(outer, Sequence) else (outer,)
        for given in (name, *groups):
            if given not in names:
                raise DataError(f"nesting= names {given!r}, which is no factor of the fixed part: {', '.join(names)}")
        found[name] = groups
    for name in found:
        inside = _all_outer(name, found)
        if name in inside:
            raise DataError(f"nesting= has {name!r} nested in itself, by way of {join_with_and(sorted(inside))}")
    return {name: tuple(n for n in names if n in _all_outer(name, found)) for name in found}


def _all_outer(name: str, nesting: Nesting) -> set[str]:
    """Return the factors in which one is nested, directly or by way of others."""
    found: set[str] = set()
    todo = list(nesting.get(name, ()))
    while todo:
        outer = todo.pop()
        if outer not in found:
            found.add(outer)
            todo.extend(nesting.get(outer, ()))
    return found


def occurring(counts: Floats, axes: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which combinations of the levels of some axes have rows; the other axes have length one."""
    rest = tuple(a for a in range(counts.ndim) if a not in axes)
    return np.asarray(counts.sum(axis=rest, keepdims=True) > 0)


def existing_cells(counts: Floats, names: Sequence[str], nesting: Nesting) -> NDArray[np.bool_]:
    """Return the cells in which each nested factor has a level of the levels that it is nested in, shape of counts.

    A combination of crossed factors exists although it may have no rows.
    """
    exists = np.ones(counts.shape, dtype=bool)
    for name, outer in nesting.items():
        exists &= occurring(counts, tuple(names.index(n) for n in (name, *outer)))
    return exists


def describe_nesting(nesting: Nesting) -> tuple[str, ...]:
    """Return the note on what is nested in what, if anything is."""
    if not nesting:
        return ()
    each = (f"{name} is nested in {join_with_and(outer)}" for name, outer in nesting.items())
    return (f"{'; '.join(each)}: means are over the combinations that exist",)

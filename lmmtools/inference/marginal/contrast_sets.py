"""Contrasts of marginal means within each group of them: names, and weights of the fixed effects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.errors import DataError
from lmmtools.inference.marginal.contrast_methods import MINUS, find_method, given_weights
from lmmtools.inference.marginal.grid import Cells, estimable_contrasts
from lmmtools.inference.marginal.means import cell_label

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["ContrastSet", "contrasts_within", "put_beside"]

WHERE_COMPARED = "."
"""What stands for the level of a factor in the row of a contrast between its levels."""


@dataclass(frozen=True, slots=True, eq=False)
class ContrastSet:
    """The contrasts of the means of one group, which are adjusted together.

    Attributes
    ----------
    group : tuple
        Levels of the columns within which means are compared.
    names : tuple of str
    L : ndarray, shape (contrasts, p)
        Weights of the fixed effects.
    sums : ndarray, shape (contrasts,)
        Sum of each contrast's weights of the means: by how much it contains the mean offset.
    is_estimable : ndarray of bool, shape (contrasts,)
    n_means : int
    usual : str
        The adjustment that they have by default.
    is_pairwise : bool
        Whether these are all pairwise differences.
    """

    group: tuple[Any, ...]
    names: tuple[str, ...]
    L: Floats
    sums: Floats
    is_estimable: NDArray[np.bool_]
    n_means: int
    usual: str
    is_pairwise: bool


def contrasts_within(
    cells: Cells, method: Any, interaction: str | Sequence[str] | None, ref: Any, sign: str = MINUS
) -> tuple[list[ContrastSet], tuple[str, ...]]:
    """Return the contrasts within each group, and a note on groups that have one mean alone.

    Raises
    ------
    DataError
        If there is no such method, weights are not one per mean, no mean is ``ref``, or each group has one mean alone.
    """
    k = cells.n_compared
    members = cells.groups()
    sizes = {len(own) for own in members.values()}
    sets, alone = [], []
    for group, own in members.items():
        rows = [cells.values[i][:k] for i in own]
        has_one = len(own) == 1 or (
            interaction is not None and any(len({row[j] for row in rows}) == 1 for j in range(k))
        )
        if has_one and len(sizes) > 1 and not isinstance(method, Mapping):
            alone.append(cell_label(cells.within, group))
            continue
        names, weights, usual, is_pairwise = _read_contrasts(cells.compared, rows, method, interaction, ref, sign)
        is_known = estimable_contrasts(weights, cells.gap[own])
        L, sums = weights @ cells.L[own], weights.sum(axis=1)
        sets.append(ContrastSet(group, names, L, sums, is_known, len(own), usual, is_pairwise))
    note = f"one mean alone, and nothing to compare it with, within {', '.join(alone)}"
    return sets, (note,) if alone else ()


def put_beside(sets: Sequence[ContrastSet], within: Sequence[str], columns: Sequence[str]) -> list[ContrastSet]:
    """Return the sets with a level for each of ``columns``: a dot where they have none."""

    def level(own: ContrastSet, name: str) -> Any:
        return own.group[within.index(name)] if name in within else WHERE_COMPARED

    return [replace(own, group=tuple(level(own, name) for name in columns)) for own in sets]


def _read_contrasts(
    compared: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    method: Any,
    interaction: str | Sequence[str] | None,
    ref: Any,
    sign: str,
) -> tuple[tuple[str, ...], Floats, str, bool]:
    """Return names, weights (contrasts, means), the usual adjustment, and whether they are all pairwise differences.

    Parameters
    ----------
    compared : sequence of str
        Columns whose levels are compared.
    rows : sequence of tuple
        The levels of each mean; those of the first column vary fastest.
    method, interaction, ref
        As :meth:`LMMResults.contrasts` takes them.
    sign : str
        Between the labels of two means.

    Raises
    ------
    DataError
        If there is no such method, there is one mean alone, weights are not one per mean, or no mean is ``ref``.
    """
    labels = [cell_label(compared, row) for row in rows]
    if interaction is not None:
        names, weights = _cross(compared, rows, interaction, sign)
        return names, weights, "none", False
    if isinstance(method, Mapping) or hasattr(method, "columns"):
        names, weights = given_weights(labels, {name: method[name] for name in method})
        return names, weights, "none", False
    chosen = find_method(method)
    if len(labels) < chosen.least:
        raise DataError(f"there is one mean alone ({labels[0]}): nothing to compare it with")
    if ref is not None and chosen.name != "reference":
        raise DataError(f'ref= goes with method="reference", not {method!r}')
    names, weights = chosen.weights(labels, _find_reference(ref, method, labels, rows), sign)
    return names, weights, chosen.adjust, chosen.is_pairwise


def _find_reference(ref: Any, method: str, labels: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> int:
    """Return which mean is the reference: the first, emmeans' last of "trt.vs.ctrlk", or that of a level or label."""
    if ref is None:
        return len(labels) - 1 if method == "trt.vs.ctrlk" else 0
    wanted = ref if isinstance(ref, tuple) else (ref,)
    found = [i for i, row in enumerate(rows) if row == wanted or labels[i] == ref]
    found = found or [i for i, row in enumerate(rows) if tuple(map(str, row)) == tuple(map(str, wanted))]
    if not found:
        raise DataError(f"ref={ref!r} is none of the means compared: {', '.join(labels)}")
    return found[0]


def _cross(
    compared: Sequence[str], rows: Sequence[tuple[Any, ...]], interaction: str | Sequence[str], sign: str
) -> tuple[tuple[str, ...], Floats]:
    """Return products of contrasts of each column: names joined by colons, weights (contrasts, means)."""
    if not isinstance(interaction, (str, Sequence)):
        raise DataError(f"interaction={interaction!r} must be the name of a method, or a list with one for each factor")
    methods = [interaction] * len(compared) if isinstance(interaction, str) else list(interaction)
    if len(methods) != len(compared):
        raise DataError(
            f"interaction= needs one method, or one for each of {', '.join(compared)}; it has {len(methods)}"
        )
    if len(rows) != np.prod([len({row[j] for row in rows}) for j in range(len(compared))]):
        raise DataError(
            f"interaction= needs all combinations of the levels of {', '.join(compared)}; some do not exist, for a "
            "factor is nested in another one: name what it is nested in as by="
        )
    names: list[tuple[str, ...]] = [()]
    weights: Floats = np.ones((1, 1))
    for j, (column, method) in enumerate(zip(compared, methods, strict=True)):
        levels = list(dict.fromkeys(row[j] for row in rows))
        chosen = find_method(method)
        if len(levels) < chosen.least:
            raise DataError(f"{column!r} has one level alone: nothing to compare it with")
        own, W = chosen.weights([cell_label([column], (level,)) for level in levels], 0, sign)
        # Later columns vary more slowly.
        names = [(*before, name) for name in own for before in names]
        weights = np.asarray(np.kron(W, weights))
    return tuple(" : ".join(name) for name in names), weights

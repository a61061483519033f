"""The columns of one variance component, over all groups: where they are not zero, merged and split up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.engines.mixedlm.reading.labels import parse_label

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Columns", "collect_columns", "merge_parallel", "split_columns"]

# Columns are multiples of each other when they agree to this, relative: both come from the same data.
PARALLEL_TOL = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The non-zero elements of a component's design, its columns numbered through all groups.

    Attributes
    ----------
    rows, cols : ndarray of intp, shape (entries,)
        Row of the data and column.
    values : ndarray, shape (entries,)
    groups : ndarray of intp, shape (columns,)
        The group that each column belongs to.
    labels : tuple of tuple of str, length columns
        As MixedLM names them; several names where columns were merged.
    n_empty : int
        Columns that were zero throughout, left out.
    n_merged : int
        Columns that were multiples of another in their group, merged with it.
    """

    rows: NDArray[np.intp]
    cols: NDArray[np.intp]
    values: NDArray[np.float64]
    groups: NDArray[np.intp]
    labels: tuple[tuple[str, ...], ...]
    n_empty: int = 0
    n_merged: int = 0

    @property
    def is_overlapping(self) -> bool:
        """Whether a row has a part in several columns."""
        return len(np.unique(self.rows)) < len(self.rows)


def collect_columns(mats: list[Any], colnames: list[Any], rows_of: list[NDArray[np.intp]]) -> Columns:
    """Return the columns of one component from its matrices, one per group, dense or sparse.

    Parameters
    ----------
    mats : list of array, each (n_g, columns of the group)
    colnames : list of list of str
    rows_of : list of ndarray of intp, each (n_g,)
        Rows of the data that each group has.
    """
    from scipy import sparse

    rows, cols, values, groups, labels = [], [], [], [], []
    n_empty, start = 0, 0
    for g, (mat, names, own) in enumerate(zip(mats, colnames, rows_of, strict=True)):
        entries = sparse.coo_array(mat if sparse.issparse(mat) else np.atleast_2d(np.asarray(mat, dtype=float)))
        entries.eliminate_zeros()
        used, local = np.unique(entries.col, return_inverse=True)
        n_empty += mat.shape[1] - len(used)
        rows.append(own[entries.row])
        cols.append(start + local.reshape(-1))
        values.append(np.asarray(entries.data, dtype=float))
        groups.append(np.full(len(used), g, dtype=np.intp))
        labels += [(str(list(names)[c]),) for c in used]
        start += len(used)
    join = np.concatenate
    return Columns(
        join(rows).astype(np.intp), join(cols).astype(np.intp), join(values), join(groups), tuple(labels), n_empty
    )


def merge_parallel(columns: Columns) -> Columns:
    """Return the columns with multiples of each other in a group made one: a v, b v -> sqrt(a**2 + b**2) v.

    Independent effects of equal variance on a v and b v add up to one effect on the merged column; Z Z' is the same.
    """
    if not columns.is_overlapping:
        return columns
    order = np.lexsort((columns.rows, columns.cols))
    ends = np.cumsum(np.bincount(columns.cols, minlength=len(columns.labels)))[:-1]
    rows_of, values_of = np.split(columns.rows[order], ends), np.split(columns.values[order], ends)
    kept: list[tuple[int, NDArray[np.float64], list[int]]] = []
    by_rows: dict[bytes, list[int]] = {}
    for j, (rows, values) in enumerate(zip(rows_of, values_of, strict=True)):
        for place in by_rows.setdefault(rows.tobytes(), []):
            first, merged, members = kept[place]
            ratio = values / values_of[first]
            if np.ptp(ratio) <= PARALLEL_TOL * abs(ratio[0]):
                kept[place] = (first, merged + ratio[0] ** 2, [*members, j])
                break
        else:
            by_rows[rows.tobytes()].append(len(kept))
            kept.append((j, np.ones(1), [j]))
    if len(kept) == len(columns.labels):
        return columns
    return Columns(
        np.concatenate([rows_of[first] for first, _, _ in kept]),
        np.repeat(np.arange(len(kept)), [len(rows_of[first]) for first, _, _ in kept]),
        np.concatenate([values_of[first] * np.sqrt(merged) for first, merged, _ in kept]),
        columns.groups[[first for first, _, _ in kept]],
        tuple(tuple(text for j in members for text in columns.labels[j]) for _, _, members in kept),
        columns.n_empty,
        len(columns.labels) - len(kept),
    )


def split_columns(columns: Columns) -> list[Columns]:
    """Return the columns as sets in each of which a row has a part in one column at most.

    The terms of the component's formula are such sets where that works, as in ``1 + C(cask)``; otherwise columns are
    taken in order, each into the first set that has room for it.
    """
    if not columns.is_overlapping:
        return [columns]
    families: dict[Any, int] = {}
    by_term = np.array([families.setdefault(parse_label(texts[-1]).family, len(families)) for texts in columns.labels])
    pairs = np.unique(np.column_stack([columns.rows, by_term[columns.cols]]), axis=0)
    member = by_term if len(pairs) == len(columns.rows) else _first_fit(columns)
    return [_subset(columns, member == k) for k in range(int(member.max()) + 1)]


def _first_fit(columns: Columns) -> NDArray[np.intp]:
    order = np.argsort(columns.cols, kind="stable")
    ends = np.cumsum(np.bincount(columns.cols, minlength=len(columns.labels)))[:-1]
    taken: list[set[int]] = []
    member = np.empty(len(columns.labels), dtype=np.intp)
    for j, rows in enumerate(np.split(columns.rows[order], ends)):
        own = set(rows.tolist())
        k = next((k for k, used in enumerate(taken) if used.isdisjoint(own)), len(taken))
        if k == len(taken):
            taken.append(set())
        taken[k] |= own
        member[j] = k
    return member


def _subset(columns: Columns, keep: NDArray[np.bool_]) -> Columns:
    number = np.cumsum(keep) - 1
    entries = keep[columns.cols]
    return Columns(
        columns.rows[entries],
        number[columns.cols[entries]],
        columns.values[entries],
        columns.groups[keep],
        tuple(texts for texts, k in zip(columns.labels, keep, strict=True) if k),
        columns.n_empty,
        columns.n_merged,
    )

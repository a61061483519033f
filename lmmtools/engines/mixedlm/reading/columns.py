"""The columns of one variance component, or of correlated effects, read as pieces of a model."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lmmtools.engines.mixedlm.reading.labels import ColumnLabel, parse_label
from lmmtools.engines.mixedlm.reading.mixedlm_reading import Piece
from lmmtools.formula.checking import read_python
from lmmtools.formula.terms import RandomTerm
from lmmtools.formula.tokens import quote_name

if TYPE_CHECKING:
    from numpy.typing import NDArray


__all__ = [
    "Columns",
    "Groups",
    "collect_columns",
    "crosses_groups",
    "merge_parallel",
    "name_variable",
    "read_piece",
    "read_re_piece",
    "split_columns",
    "term_label",
]

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
    member = by_term if len(pairs) == len(columns.rows) else _assign_first_fit(columns)
    return [_take_columns(columns, member == k) for k in range(int(member.max()) + 1)]


def _assign_first_fit(columns: Columns) -> NDArray[np.intp]:
    """Return the set of each column, shape (columns,): the first set whose rows do not overlap with the column's."""
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


def _take_columns(columns: Columns, keep: NDArray[np.bool_]) -> Columns:
    """Return some of the columns, numbered anew."""
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


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """MixedLM's groups.

    Attributes
    ----------
    name : str
    codes : ndarray of intp, shape (n,)
    labels : pandas.Index, shape (number of groups,)
    rows : list of ndarray of intp
        Rows of each group, in the order of its matrices.
    frame : pandas.DataFrame or None
        The data of a formula, n rows.
    """

    name: str
    codes: NDArray[np.intp]
    labels: pd.Index[Any]
    rows: list[NDArray[np.intp]]
    frame: pd.DataFrame | None

    @property
    def count(self) -> int:
        """Number of groups."""
        return len(self.labels)


def term_label(columns: Columns) -> ColumnLabel:
    """Return the most informative label of the columns: one with factors, if there is any."""
    parsed = [parse_label(texts[-1]) for texts in columns.labels]
    return next((p for p in parsed if p.factors), parsed[0])


def name_variable(text: str) -> str:
    """Return a covariate as a formula writes it: an expression or name as it is, anything else quoted."""
    tree = read_python(text)
    return text if tree is not None and isinstance(tree.body, ast.Name | ast.Call) else quote_name(text)


def _declared_levels(columns: Columns) -> list[str]:
    """Return the level of each column as declared: from the brackets of its name, or else the name."""
    parsed = [parse_label(texts[-1]) for texts in columns.labels]
    return [":".join(p.levels) if p.levels else p.text for p in parsed]


def crosses_groups(columns: Columns, groups: Groups) -> bool | None:
    """Return whether a declared level occurs in several groups; None where columns are merely numbered."""
    if groups.count == 1:
        return False
    declared = _declared_levels(columns)
    if all(text.isdecimal() for text in declared) and not term_label(columns).factors:
        counts: dict[int, int] = {}
        for g, text in zip(columns.groups.tolist(), declared, strict=True):
            if int(text) < counts.get(g, 0):
                return None
            counts[g] = int(text)
        if all(int(declared[j]) == 0 for j in np.unique(columns.groups, return_index=True)[1]):
            return None
    return len(set(declared)) < len(declared)


def read_piece(columns: Columns, groups: Groups, name: str) -> Piece:
    """Return the piece that non-overlapping columns are: by groups, or by a factor within them.

    Parameters
    ----------
    columns : Columns
        Each row has a part in one column at most.
    groups : Groups
    name : str
        The component's name, which stands for its factor or covariate where names of columns do not tell.
    """
    n = len(groups.codes)
    basis = np.zeros((n, 1))
    basis[columns.rows, 0] = columns.values
    if np.bincount(columns.groups, minlength=groups.count).max() <= 1:
        return _by_groups(columns, groups, basis, name)
    return _by_factor(columns, groups, basis, name)


def _by_groups(columns: Columns, groups: Groups, basis: NDArray[np.float64], name: str) -> Piece:
    """Return the piece whose levels are the groups."""
    label = term_label(columns)
    declared = dict(zip(columns.groups.tolist(), _declared_levels(columns), strict=True))
    if np.all(basis != 0) and (columns.n_merged or not label.variables or np.all(basis == 1.0)):
        variables: tuple[str, ...] = ()
    elif label.text.isdecimal():
        # A number is no name: MixedLM numbers the columns of arrays.
        variables = (name_variable(name),)
    elif label.variables and not label.factors:
        variables = (":".join(map(name_variable, label.variables)),)
    else:
        variables = (name_variable(label.text),)
    term = RandomTerm(not variables, variables, (groups.name,))
    labels = tuple(declared.get(g, "") for g in range(groups.count))
    return Piece(term, groups.codes, groups.labels, basis, variables or ("(Intercept)",), labels)


def _by_factor(columns: Columns, groups: Groups, basis: NDArray[np.float64], name: str) -> Piece:
    """Return the piece whose levels are those of a factor within the groups, or across them."""
    label, declared = term_label(columns), _declared_levels(columns)
    own = label.factors or (name,)
    within = crosses_groups(columns, groups) is not False and groups.name not in own
    codes = _find_row_levels(columns, groups, label, declared)
    if label.variables and label.factors:
        variables: tuple[str, ...] = (":".join(map(name_variable, label.variables)),)
    elif columns.n_merged or np.ptp(columns.values) == 0.0:
        variables = ()
    else:
        variables = (name_variable(name),)
    term = RandomTerm(not variables, variables, (groups.name, *own) if within else own)
    shown = [f"{groups.labels[g]}:{text}" for g, text in zip(columns.groups, declared, strict=True)]
    levels = pd.Index(shown if within else declared)
    return Piece(term, codes, levels, basis, variables or ("(Intercept)",), tuple(declared))


def _find_row_levels(columns: Columns, groups: Groups, label: ColumnLabel, declared: list[str]) -> NDArray[np.intp]:
    """Return each row's level, shape (n,).

    A row of zeros (a covariate that is 0) has the level that the data say; without data, the first one of its group,
    since the row has no part in the component.
    """
    codes = np.full(len(groups.codes), -1, dtype=np.intp)
    codes[columns.rows] = columns.cols
    lost = np.flatnonzero(codes < 0)
    if not len(lost):
        return codes
    place = {key: j for j, key in enumerate(zip(columns.groups.tolist(), declared, strict=True))}
    if groups.frame is not None and label.factors and set(label.factors) <= set(groups.frame.columns):
        parts = [groups.frame[f].astype(str).to_numpy() for f in label.factors]
        for i in lost.tolist():
            codes[i] = place.get((int(groups.codes[i]), ":".join(p[i] for p in parts)), -1)
    unplaced = np.flatnonzero(codes < 0)
    first = {int(g): j for j, g in reversed(list(enumerate(columns.groups)))}
    codes[unplaced] = [first.get(int(g), 0) for g in groups.codes[unplaced]]
    return codes


def _write_factor(name: str, frame: pd.DataFrame | None) -> str:
    """Return a factor of the basis as a formula writes it: numbers need C() to be one."""
    if frame is not None and name in frame.columns and pd.api.types.is_numeric_dtype(frame[name]):
        return f"C({quote_name(name)})"
    return name_variable(name)


def read_re_piece(exog_re: NDArray[np.float64], names: list[str], groups: Groups) -> Piece:
    """Return the piece that (correlated) columns of ``exog_re``, shape (n, l), are."""
    ones = [bool(np.all(column == 1.0)) for column in exog_re.T]
    terms: dict[str, None] = {}
    for name, is_one in zip(names, ones, strict=True):
        if not is_one:
            label = parse_label(name)
            parts = [_write_factor(f, groups.frame) for f in label.factors] + list(map(name_variable, label.variables))
            terms[":".join(parts) or name] = None
    cnames = tuple("(Intercept)" if is_one else name for name, is_one in zip(names, ones, strict=True))
    term = RandomTerm(any(ones), tuple(terms), (groups.name,))
    return Piece(term, groups.codes, groups.labels, exog_re, cnames, tuple(map(str, groups.labels)))

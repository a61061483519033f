"""One set of columns, or of correlated columns -> the piece of a model that they are."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lmmtools.engines.mixedlm.reading.components import Piece
from lmmtools.engines.mixedlm.reading.labels import ColumnLabel, parse_label
from lmmtools.formula.python import read_python
from lmmtools.formula.terms import RandomTerm
from lmmtools.formula.tokens import quote_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.engines.mixedlm.reading.columns import Columns

__all__ = ["Groups", "crosses_groups", "name_variable", "read_piece", "read_re_piece", "term_label"]


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
    """Return the label that tells most of what the columns are: one with factors, if there is any."""
    parsed = [parse_label(texts[-1]) for texts in columns.labels]
    return next((p for p in parsed if p.factors), parsed[0])


def name_variable(text: str) -> str:
    """Return a covariate as a formula writes it: an expression or name as it is, anything else quoted."""
    tree = read_python(text)
    return text if tree is not None and isinstance(tree.body, ast.Name | ast.Call) else quote_name(text)


def _declared(columns: Columns) -> list[str]:
    """Return the level of each column as declared: from the brackets of its name, or else the name."""
    parsed = [parse_label(texts[-1]) for texts in columns.labels]
    return [":".join(p.levels) if p.levels else p.text for p in parsed]


def crosses_groups(columns: Columns, groups: Groups) -> bool | None:
    """Return whether a declared level occurs in several groups; None where columns are merely numbered."""
    if groups.count == 1:
        return False
    declared = _declared(columns)
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
    label = term_label(columns)
    declared = dict(zip(columns.groups.tolist(), _declared(columns), strict=True))
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
    label, declared = term_label(columns), _declared(columns)
    own = label.factors or (name,)
    within = crosses_groups(columns, groups) is not False and groups.name not in own
    codes, n_unplaced = _codes(columns, groups, label, declared)
    if label.variables and label.factors:
        variables: tuple[str, ...] = (":".join(map(name_variable, label.variables)),)
    elif columns.n_merged or np.ptp(columns.values) == 0.0:
        variables = ()
    else:
        variables = (name_variable(name),)
    term = RandomTerm(not variables, variables, (groups.name, *own) if within else own)
    shown = [f"{groups.labels[g]}:{text}" for g, text in zip(columns.groups, declared, strict=True)]
    levels = pd.Index(shown if within else declared)
    return Piece(term, codes, levels, basis, variables or ("(Intercept)",), tuple(declared), n_unplaced)


def _codes(columns: Columns, groups: Groups, label: ColumnLabel, declared: list[str]) -> tuple[NDArray[np.intp], int]:
    """Return each row's level; a row of zeros (a covariate that is 0) has the level that the data say."""
    codes = np.full(len(groups.codes), -1, dtype=np.intp)
    codes[columns.rows] = columns.cols
    lost = np.flatnonzero(codes < 0)
    if not len(lost):
        return codes, 0
    place = {key: j for j, key in enumerate(zip(columns.groups.tolist(), declared, strict=True))}
    if groups.frame is not None and label.factors and set(label.factors) <= set(groups.frame.columns):
        parts = [groups.frame[f].astype(str).to_numpy() for f in label.factors]
        for i in lost.tolist():
            codes[i] = place.get((int(groups.codes[i]), ":".join(p[i] for p in parts)), -1)
    unplaced = np.flatnonzero(codes < 0)
    first = {int(g): j for j, g in reversed(list(enumerate(columns.groups)))}
    codes[unplaced] = [first.get(int(g), 0) for g in groups.codes[unplaced]]
    return codes, len(unplaced)


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

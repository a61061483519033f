"""Where R codes the factors of a formula in fewer columns than formulaic and statsmodels: another model in ``lmer()``.

formulaic (and patsy) let a term span all that its levels allow.  R codes a factor of a term by contrasts wherever the
term without that factor lies within *any* earlier term, be it one with a numeric column: in ``x:g + f:g`` the f of
``f:g`` is coded by contrasts, because g stands in ``x:g``, and one column of ``f:g`` is missing (R's ``terms()``, the
entries 1 and 2 of its table of factors).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, combinations
from itertools import product as choices
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.blas import product
from lmmtools.design.columns import RANK_TOL, independent_columns
from lmmtools.design.sparse_columns import as_array
from lmmtools.formula.tokens import quote_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.design.encoders import Encoder
    from lmmtools.design.sparse_columns import Matrix

    Floats = NDArray[np.float64]

__all__ = ["CodedTerm", "NarrowerInR", "atoms_of", "code_like_r", "find_narrower", "r_matrix"]

Atom = tuple[frozenset[str], frozenset[str]]
"""A part of a term's space: its numeric columns, and the factors that vary in it with their mean taken out."""


@dataclass(frozen=True, slots=True)
class CodedTerm:
    """One term and how its factors are coded.

    Attributes
    ----------
    parts : tuple of str
        Its columns and calls, as the formula has them.
    factors : frozenset of str
        Those of them that are categorical.
    reduced : frozenset of str
        Those of the factors that are coded by contrasts, the others by an indicator of each level.
    """

    parts: tuple[str, ...]
    factors: frozenset[str]
    reduced: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class NarrowerInR:
    """What ``lmer()`` leaves out of the columns of a sum of terms.

    Attributes
    ----------
    columns : tuple of str
        The columns here that the space of R's columns does not hold.
    count : int
        By how many columns R's matrix is narrower: less than the number of ``columns`` where R keeps combinations.
    added : tuple of str
        Terms which, added to R's formula, give the model that is fitted here; empty where adding terms does not.
    """

    columns: tuple[str, ...]
    count: int
    added: tuple[str, ...] = ()

    def __str__(self) -> str:
        names = ", ".join(self.columns)
        if self.count == len(self.columns):
            left_out = f"the column{'s' * (self.count > 1)} {names}"
        else:
            left_out = f"{self.count} of the columns {names} (R keeps their other combinations)"
        cure = f" In R, add {' + '.join(self.added)} to the formula for the model here." if self.added else ""
        return (
            f"lmer() fits another model to this formula: it leaves out {left_out}. R codes a factor by contrasts where "
            "the rest of its term stands within an earlier term; lmmtools has the wider coding of formulaic and "
            f"statsmodels.{cure}"
        )


def code_like_r(terms: Sequence[tuple[tuple[str, ...], frozenset[str]]]) -> tuple[CodedTerm, ...]:
    """Return R's coding of terms (their parts, and which are factors), given in R's order, the constant as ``()``."""
    coded: list[CodedTerm] = []
    earlier: list[frozenset[str]] = []
    has_constant = any(not parts for parts, _ in terms)
    is_first = True
    for parts, factors in terms:
        margins = {name: frozenset(parts) - {name} for name in factors}
        reduced = {name for name, margin in margins.items() if not margin or any(margin <= e for e in earlier)}
        if factors and is_first:
            # Without a constant, the first factor of all is not reduced, whatever the table says.
            is_first = False
            if not has_constant:
                reduced -= {next(name for name in parts if name in factors)}
        coded.append(CodedTerm(parts, factors, frozenset(reduced)))
        earlier.append(frozenset(parts))
    return tuple(coded)


def atoms_of(terms: Sequence[CodedTerm]) -> dict[Atom, None]:
    """Return the parts of space that coded terms span where every combination of levels occurs, in their order."""
    found: dict[Atom, None] = {}
    for term in terms:
        numbers = frozenset(term.parts) - term.factors
        free = [name for name in term.parts if name in term.factors - term.reduced]
        for chosen in chain.from_iterable(combinations(free, size) for size in range(len(free) + 1)):
            found[numbers, term.reduced | frozenset(chosen)] = None
    return found


def find_narrower(encoder: Encoder, frame: pd.DataFrame, X: Matrix, names: Sequence[str]) -> NarrowerInR | None:
    """Return the columns of a sum of terms that ``lmer()`` leaves out, None where its columns span the same.

    Parameters
    ----------
    encoder : Encoder
        The encoder of the terms.
    frame : pandas.DataFrame, n rows
        The rows used.
    X : ndarray or SparseColumns, shape (n, p)
        The columns here, of full rank.
    names : sequence of str, length p
    """
    terms = encoder.factors_by_term()
    if has_all_margins(terms):
        return None
    in_r = code_like_r(terms)
    wide = tuple(CodedTerm(parts, factors) for parts, factors in terms)
    missing = [atom for atom in atoms_of(wide) if atom not in atoms_of(in_r)]
    if not missing:
        return None
    kept = r_matrix(encoder, frame, in_r)
    # A call such as lag(x) lacks values in rows that were left out of the fit for them.
    is_whole = np.isfinite(kept).all(axis=1)
    kept, matrix = kept[is_whole], as_array(X)[is_whole]
    kept = kept[:, independent_columns(kept)]
    count = matrix.shape[1] - kept.shape[1]
    if count <= 0:
        return None
    is_outside = _lie_outside(matrix, kept)
    left_out = tuple(name for name, outside in zip(names, is_outside, strict=True) if outside)
    return NarrowerInR(left_out, count, tuple(_write_terms(_terms_to_add(terms, missing), frame)))


def has_all_margins(terms: Sequence[tuple[tuple[str, ...], frozenset[str]]]) -> bool:
    """Whether each term without any one of its factors is a term too: both codings then span the same."""
    present = {frozenset(parts) for parts, _ in terms}
    return all(frozenset(parts) - {name} in present for parts, factors in terms for name in factors)


def r_matrix(encoder: Encoder, frame: pd.DataFrame, terms: Sequence[CodedTerm]) -> Floats:
    """Return the columns of coded terms, shape (n, columns)."""
    made: dict[tuple[str, bool], Floats] = {}
    columns: list[Floats] = []
    for term in terms:
        keys = [(name, name in term.reduced) for name in term.parts]
        for name, is_reduced in keys:
            if (name, is_reduced) not in made:
                made[name, is_reduced] = encoder.encode_factor(frame, name, is_reduced=is_reduced)
        for choice in choices(*(made[key].T for key in keys)):
            columns.append(np.prod(choice, axis=0) if choice else np.ones(len(frame)))
    return np.column_stack(columns) if columns else np.empty((len(frame), 0))


def _lie_outside(columns: Floats, matrix: Floats) -> NDArray[np.bool_]:
    """Return for each of some columns whether it is independent of those of a matrix of full rank."""
    norms = np.linalg.norm(columns, axis=0)
    basis = np.linalg.qr(matrix / np.linalg.norm(matrix, axis=0))[0] if matrix.shape[1] else matrix
    left = columns / np.where(norms > 0, norms, 1.0)
    for _ in range(2):
        left = left - product(basis, product(basis.T, left))
    return np.asarray(np.linalg.norm(left, axis=0) > RANK_TOL)


def _terms_to_add(
    terms: Sequence[tuple[tuple[str, ...], frozenset[str]]], missing: Sequence[Atom]
) -> list[tuple[str, ...]]:
    """Return terms, their parts, with which R's coding spans all; none where these do not help."""
    order = list(dict.fromkeys(name for parts, _ in terms for name in parts))
    wanted = atoms_of([CodedTerm(parts, factors) for parts, factors in terms])
    added = [(tuple(n for n in order if n in numbers | factors), factors) for numbers, factors in missing]
    everything = sorted({*terms, *added}, key=lambda term: len(term[0]))
    in_r = atoms_of(code_like_r(everything))
    if any(atom not in in_r for atom in wanted) or any(atom not in wanted for atom in in_r):
        return []
    return [parts for parts, _ in added]


def _write_terms(terms: Sequence[tuple[str, ...]], frame: pd.DataFrame) -> Iterator[str]:
    for parts in terms:
        yield ":".join(quote_name(part) if part in frame.columns else part for part in parts) or "1"

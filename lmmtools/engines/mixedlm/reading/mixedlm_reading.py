"""A MixedLM model as its arrays have it: pieces, components and the whole, in lme4 notation and in words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lmmtools.formula.notation import write_term
from lmmtools.sentences import join_with_and

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.formula.terms import RandomTerm


__all__ = ["Component", "Kind", "MixedLMReading", "Piece", "describe_components", "describe_groups", "remark"]

Kind = Literal[
    "intercept",
    "slope",
    "correlated",
    "indicator",
    "indicator slope",
    "reference-coded",
    "several columns",
    "empty",
]


@dataclass(frozen=True, eq=False)
class Piece:
    """Random effects of one basis by one grouping factor: each row of the design belongs to one level at most.

    Attributes
    ----------
    term : RandomTerm
        The same in lme4's terms.
    codes : ndarray of intp, shape (n,)
        The level that each row really has, 0 .. m-1.
    levels : pandas.Index, shape (m,)
        Labels of the levels.
    basis : ndarray, shape (n, l)
        What multiplies the level's effects; zero where the row has no part in the component.
    cnames : tuple of str, length l
        Names of the effects, ``"(Intercept)"`` for a column of ones.
    labels : tuple of str, length m
        The level as its author declared it, before MixedLM took it within its group: ``"A"`` in every plate.
    """

    term: RandomTerm
    codes: NDArray[np.intp]
    levels: pd.Index[Any]
    basis: NDArray[np.float64]
    cnames: tuple[str, ...]
    labels: tuple[str, ...]

    @property
    def m(self) -> int:
        """Number of levels."""
        return len(self.levels)

    @cached_property
    def rows_per_level(self) -> NDArray[np.intp]:
        """Rows with a part in each level, shape (m,)."""
        has_part = np.any(self.basis != 0, axis=1)
        return np.bincount(self.codes[has_part], minlength=self.m)

    @property
    def is_constant(self) -> bool:
        """Whether the basis is a single column of ones."""
        return bool(self.basis.shape[1] == 1 and np.all(self.basis == 1.0))

    def is_same_as(self, other: Piece) -> bool:
        """Whether the two add the same matrix to the covariance of y, but for a factor."""
        if self.basis.shape[1] > 1 or other.basis.shape[1] > 1:
            return False
        a, b = np.abs(self.basis[:, 0]), np.abs(other.basis[:, 0])
        if not (np.all((a != 0) == (b != 0)) and _is_constant(a[b != 0] / b[b != 0])):
            return False
        used = a != 0
        signs = np.sign(self.basis[used, 0] * other.basis[used, 0])
        pairs = np.unique(np.column_stack([self.codes[used], other.codes[used], signs]), axis=0)
        return len(pairs) == len(np.unique(self.codes[used])) == len(np.unique(other.codes[used]))

    @property
    def is_residual(self) -> bool:
        """Whether every level has one row and all rows one basis: then only the sum with the residual is known."""
        return bool(
            self.basis.shape[1] == 1
            and len(self.codes) == self.m
            and np.all(self.rows_per_level == 1)
            and _is_constant(np.abs(self.basis[:, 0]))
        )


def _is_constant(values: NDArray[np.float64]) -> bool:
    """Whether all values are equal but for rounding."""
    return bool(len(values) and np.ptp(values) <= 1e-12 * np.max(np.abs(values)))


@dataclass(frozen=True, eq=False)
class Component:
    """One variance parameter, or one covariance matrix, of a MixedLM model as its arrays have it.

    Attributes
    ----------
    name : str
        As the author wrote it: the key of ``vc_formula``; for ``re_formula`` what MixedLM prints.
    source : {"re", "vc"}
        Which of the two it comes from.
    index : int
        Its place: the first column of ``exog_re``, or the place in ``exog_vc.names``.
    kind : str
        ``"intercept"``, ``"slope"``: one column of ones, or of a covariate, for each group; ``"correlated"``: several
        columns for each group, their effects correlated; ``"indicator"``: one column of ones for each level of a
        factor; ``"indicator slope"``: that times a covariate; ``"reference-coded"``: levels as contrasts, one level
        has no column of its own; ``"several columns"``: a row has a part in several columns; ``"empty"``: zeros.
    pieces : tuple of Piece
        One, or several that share the one variance; none where the component is empty.
    group : str
        Name of MixedLM's groups.
    factors : tuple of str
        The factors in the names of the columns (``("sample",)``), without the groups that MixedLM adds.
    crosses_groups : bool or None
        Whether a declared level occurs in several groups; None where names of columns cannot tell.
    n_groups : int
        Number of MixedLM's groups.
    n_columns : int
        Columns in all groups, empty ones included.
    n_empty : int
        Columns that are zero: levels that a group declares and does not have.
    re_columns : tuple of int
        The columns of ``exog_re`` that it holds.
    caveats : tuple of str
        How the lme4 term differs from the component; empty where it does not.
    """

    name: str
    source: Literal["re", "vc"]
    index: int
    kind: Kind
    pieces: tuple[Piece, ...]
    group: str
    factors: tuple[str, ...]
    crosses_groups: bool | None
    n_groups: int
    n_columns: int
    n_empty: int = 0
    re_columns: tuple[int, ...] = ()
    caveats: tuple[str, ...] = ()

    @property
    def piece(self) -> Piece:
        """The only piece, or the first of those that share the variance."""
        return self.pieces[0]

    @property
    def codes(self) -> NDArray[np.intp]:
        """Level of each row in the grouping that the arrays have, shape (n,)."""
        return self.piece.codes

    @property
    def basis(self) -> NDArray[np.float64]:
        """What multiplies the effects, shape (n, l)."""
        return self.piece.basis

    @property
    def m(self) -> int:
        """Number of levels in the arrays."""
        return self.piece.m if self.pieces else 0

    @property
    def n_declared(self) -> int:
        """Number of levels that its author declared, taking equal labels for equal levels."""
        return len(set(self.piece.labels)) if self.pieces else 0

    @property
    def is_residual(self) -> bool:
        """Whether only the sum of its variance and the residual's is identified."""
        return len(self.pieces) == 1 and self.piece.is_residual

    @property
    def is_exact(self) -> bool:
        """Whether the lme4 term is exactly this component."""
        return not self.caveats

    @property
    def is_crossed_inside(self) -> bool:
        """Whether a factor that crosses the groups was declared inside them, so that it became group:factor."""
        return self.n_groups > 1 and bool(self.crosses_groups) and self.group not in self.factors

    @property
    def lme4(self) -> str:
        """The component in lme4 notation, ``"(1|plate:sample)"``; pieces joined by plus."""
        return " + ".join(write_term(p.term) for p in self.pieces)


@dataclass(frozen=True, eq=False, repr=False)
class MixedLMReading:
    """A MixedLM model as its arrays have it.

    Attributes
    ----------
    response : str
        Name of the response.
    fixed : str
        The fixed-effects part of the formula; the names of the columns of X where there is no formula.
    has_formula : bool
        Whether the model was made from a formula.
    group : str
        Name of MixedLM's groups.
    groups : ndarray of intp, shape (n,)
        Group of each row, in MixedLM's order of groups.
    group_labels : pandas.Index, shape (number of groups,)
    components : tuple of Component
        Those of ``exog_re`` first, then ``exog_vc``'s in MixedLM's order (by name).
    confounded : tuple of (str, str)
        Pairs of components of which only the sum of variances is identified; ``"Residual"`` may be the second.
    frame : pandas.DataFrame or None
        The data that the formula was evaluated on, n rows.
    """

    response: str
    fixed: str
    has_formula: bool
    group: str
    groups: NDArray[np.intp]
    group_labels: pd.Index[Any]
    components: tuple[Component, ...]
    confounded: tuple[tuple[str, str], ...]
    frame: pd.DataFrame | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.groups)

    @property
    def n_groups(self) -> int:
        """Number of MixedLM's groups."""
        return len(self.group_labels)

    @property
    def lme4(self) -> str:
        """The random effects in lme4 notation, ``"(1|plate) + (1|plate:sample)"``."""
        return " + ".join(c.lme4 for c in self.components if c.pieces)

    @property
    def formula(self) -> str:
        """The whole model in lme4 notation, ``"diameter ~ 1 + (1|plate) + (1|plate:sample)"``."""
        return f"{self.response} ~ {' + '.join(filter(None, (self.fixed, self.lme4)))}"

    @property
    def is_exact(self) -> bool:
        """Whether the lme4 formula is exactly this model."""
        return all(c.is_exact for c in self.components)

    @property
    def remarks(self) -> tuple[str, ...]:
        """How the model differs from its lme4 formula, and which variances are identified in sums only."""
        return remark(self.components, self.confounded)

    @property
    def words(self) -> tuple[str, ...]:
        """What the model assumes, sentence by sentence."""
        groups = describe_groups(self.group, self.n_groups, self.n)
        return (groups, *describe_components(self.components, self.confounded))

    def __getitem__(self, name: str) -> Component:
        for component in self.components:
            if component.name == name:
                return component
        raise KeyError(f"no component {name!r}; there are {[c.name for c in self.components]}")

    def __str__(self) -> str:
        return "\n".join([f"In lme4 notation: {self.formula}", *(f"- {sentence}" for sentence in self.words)])

    def __repr__(self) -> str:
        return f"<MixedLM reading {self.formula}: {self.n} rows, {self.n_groups} groups>"


def describe_groups(group: str, n_groups: int, n: int) -> str:
    """Return the number of groups that MixedLM makes of the n rows, as a sentence without full stop."""
    if n_groups == 1:
        return f"{group} makes the groups: all {n} rows are one group"
    return f"{group} makes the groups: {n_groups} of them, independent of each other"


def describe_components(components: Sequence[Component], confounded: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Return what a model assumes of its random effects, sentence by sentence, without full stops."""
    return (*(describe_component(c) for c in components), *_describe_confounded(confounded))


def remark(components: Sequence[Component], confounded: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Return how a model differs from its lme4 formula, and which variances are identified in sums only."""
    caveats = [f"{c.name}: {caveat}" for c in components for caveat in c.caveats]
    return (*caveats, *_describe_confounded(confounded))


def _describe_confounded(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Return a sentence for each pair of components that are identified in sums only."""
    out = []
    for first, second in pairs:
        if second == "Residual":
            out.append(
                f"{first} has one row for each level: its variance and the residual's cannot be told apart, only "
                "their sum is identified"
            )
        else:
            out.append(f"{first} and {second} are the same effects: only the sum of their variances is identified")
    return out


def describe_component(component: Component) -> str:
    """Return a component in a sentence or two."""
    if not component.pieces:
        return f"{component.name}: nothing, {component.caveats[0]}"
    pieces = "; and ".join(_describe_piece(p) for p in component.pieces)
    sentences = [f"{component.name}: {pieces}"]
    if component.is_crossed_inside and component.factors:
        sentences.append(_describe_crossed_inside(component))
    sentences += [f"Not quite: {caveat}" for caveat in component.caveats]
    return ". ".join(sentences)


def _describe_piece(piece: Piece) -> str:
    """Return a piece in words, with its lme4 term."""
    group = " and ".join(piece.term.factors)
    each = f"each {group}" if len(piece.term.factors) == 1 else f"each combination of {group}"
    names = ["intercept" if c == "(Intercept)" else f"slope of {c}" for c in piece.cnames]
    rows = piece.rows_per_level
    levels = "1 level" if piece.m == 1 else f"{piece.m} levels"
    count = f"{levels}, one row each" if rows.max() == 1 == rows.min() else levels
    if len(names) == 1:
        article = "an" if names[0] == "intercept" else "a"
        return f"{article} {names[0]} for {each} ({count}): {write_term(piece.term)}"
    return f"{join_with_and(names)} for {each}, correlated ({count}): {write_term(piece.term)}"


def _describe_crossed_inside(component: Component) -> str:
    """Return a sentence on a factor that crosses the groups but was declared inside them."""
    factor = ":".join(component.factors)
    return (
        f"Levels of {factor} occur in several levels of {component.group}, but what is declared inside the groups "
        f"starts anew in each: a level of {factor} in one {component.group} has nothing to do with the same level "
        "in another"
    )

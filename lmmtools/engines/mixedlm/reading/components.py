"""What a component of a MixedLM model really is, and its pieces, each in lme4 notation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lmmtools.formula.notation import write_term

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.formula.terms import RandomTerm

__all__ = ["Component", "Kind", "Piece"]

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
    """Random effects of one basis by one grouping factor: what a row of a component's design holds in one place.

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
    n_unplaced : int
        Rows without a part in the component whose level the arrays do not show; they were put with any level.
    """

    term: RandomTerm
    codes: NDArray[np.intp]
    levels: pd.Index[Any]
    basis: NDArray[np.float64]
    cnames: tuple[str, ...]
    labels: tuple[str, ...]
    n_unplaced: int = 0

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
    return bool(len(values) and np.ptp(values) <= 1e-12 * np.max(np.abs(values)))


@dataclass(frozen=True, eq=False)
class Component:
    """One variance parameter (or one covariance matrix) of a MixedLM model, as its arrays have it.

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
        In what the lme4 term is not the whole truth; empty where it is.
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
        """Level of each row in the grouping that it really has, shape (n,)."""
        return self.piece.codes

    @property
    def basis(self) -> NDArray[np.float64]:
        """What multiplies the effects, shape (n, l)."""
        return self.piece.basis

    @property
    def m(self) -> int:
        """Number of levels that it really has."""
        return self.piece.m if self.pieces else 0

    @property
    def n_declared(self) -> int:
        """Number of levels that its author declared, taking equal labels for equal levels."""
        return len(set(self.piece.labels)) if self.pieces else 0

    @property
    def is_one_row_per_level(self) -> bool:
        """Whether no level has two rows."""
        return bool(self.pieces) and bool(np.all(self.piece.rows_per_level <= 1))

    @property
    def is_residual(self) -> bool:
        """Whether only the sum of its variance and the residual's is identified."""
        return len(self.pieces) == 1 and self.piece.is_residual

    @property
    def is_exact(self) -> bool:
        """Whether the lme4 term is the whole truth about it."""
        return not self.caveats

    @property
    def is_crossed_inside(self) -> bool:
        """Whether a factor that crosses the groups was declared inside them, so that it became group:factor."""
        return self.n_groups > 1 and bool(self.crosses_groups) and self.group not in self.factors

    @property
    def lme4(self) -> str:
        """The component in lme4 notation, ``"(1|plate:sample)"``; pieces joined by plus."""
        return " + ".join(write_term(p.term) for p in self.pieces)

"""One random-effects block: the columns of Z that one term owns, never held as an indicator matrix."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.rows_elsewhere import StreamedBasis
from lmmtools.formula.terms import order_written

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray
    from scipy import sparse

    from lmmtools.formula.terms import RandomTerm

__all__ = ["Block", "order_blocks", "take_effects"]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The columns of Z that belong to one random-effects term.

    Row i of the block is ``basis[i]`` (l numbers) in the columns of level ``codes[i]``, zero elsewhere.

    Attributes
    ----------
    term : RandomTerm
        What was declared.
    levels : pandas.Index, shape (m,)
        Labels of the levels that occur, in the factor's order; ``"a:A"`` for an interaction, as lme4 writes it.
    codes : ndarray of intp, shape (n,)
        Level of each row, 0 .. m-1; every level occurs.
    basis : ndarray of float, shape (n, l)
        The term's model matrix, one column per effect.
    cnames : tuple of str, length l
        Names of the effects, ``"(Intercept)"`` first where there is one, as lme4 names them.
    encoder : Encoder or None
        Makes the basis of new data; None where the basis is the constant.
    parts : tuple of pandas.Index
        Levels of each column that the grouping factor combines; ``(levels,)`` for a single column.
    members : ndarray of intp, shape (m, number of parts)
        Which level of each part each level combines; labels are for reading, this is what tells levels apart.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> block = fit.design.blocks[0]
    >>> block.m, block.l
    (6, 1)
    """

    term: RandomTerm
    levels: pd.Index[Any]
    codes: NDArray[np.intp]
    basis: NDArray[np.float64]
    cnames: tuple[str, ...]
    encoder: Any = None
    parts: tuple[pd.Index[Any], ...] = ()
    members: NDArray[np.intp] = field(default_factory=lambda: np.empty((0, 0), dtype=np.intp))

    @property
    def group(self) -> str:
        """Name of the grouping factor."""
        return self.term.group

    @property
    def m(self) -> int:
        """Number of levels."""
        return len(self.levels)

    @property
    def l(self) -> int:  # noqa: E743 - the field's letter, as in design equations
        """Number of effects per level."""
        return int(self.basis.shape[1])

    @property
    def q(self) -> int:
        """Number of columns of Z, m * l."""
        return self.m * self.l

    @property
    def k(self) -> int:
        """Number of covariance parameters theta, l (l + 1) / 2."""
        return self.l * (self.l + 1) // 2

    @property
    def is_scalar(self) -> bool:
        """Whether the term has one effect per level."""
        return self.l == 1

    def to_sparse(self) -> sparse.csc_array:
        """Return the block's columns of Z, shape (n, m*l), level by level, and effect by effect within a level."""
        from scipy import sparse

        n, l = self.basis.shape
        rows = np.repeat(np.arange(n), l)
        cols = (self.codes[:, None] * l + np.arange(l)).ravel()
        return sparse.csc_array((self.basis.ravel(), (rows, cols)), shape=(n, self.q))


def take_effects(block: Block, keep: Sequence[int], **changes: Any) -> Block:
    """Return a block with some of its effects, by their places, and other changes."""
    basis: Any = block.basis
    basis = basis.take(keep) if isinstance(basis, StreamedBasis) else np.ascontiguousarray(basis[:, list(keep)])
    return replace(block, basis=basis, cnames=tuple(block.cnames[j] for j in keep), **changes)


def order_blocks(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """Return blocks in lme4's order: by decreasing number of levels.

    lme4 leaves terms as written if their numbers of levels do not increase anywhere; else it takes R's
    ``rev(order(nlevels))``, which also reverses terms with equal numbers of levels.
    """
    written = [blocks[i] for i in order_written([b.term for b in blocks])]
    sizes = [b.m for b in written]
    if all(a >= b for a, b in pairwise(sizes)):
        return tuple(written)
    return tuple(sorted(written, key=lambda b: b.m)[::-1])

"""Designs made of the rows of another: a subset, resampled rows, or copies of levels as new levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.factors import is_nested
from lmmtools.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.design.blocks import Block
    from lmmtools.design.matrices import Design

__all__ = ["extend_design", "keep_rows", "stack_rows"]


def keep_rows(design: Design, keep: NDArray[np.bool_]) -> Design:
    """Return the design of the rows where ``keep``, shape (n,), is true; levels that no longer occur go with them.

    The columns of X stay as they are, of full rank among these rows or not.
    """
    return stack_rows(design, [np.flatnonzero(keep)], [0])


def stack_rows(
    design: Design, pieces: Sequence[NDArray[np.intp]], copies: Sequence[int], fresh: Sequence[bool] | None = None
) -> Design:
    """Return the design whose rows are those of ``pieces``, one after the other.

    Parameters
    ----------
    design : Design
    pieces : sequence of ndarray of intp
        Positions of rows; a row may be in several pieces.
    copies : sequence of int
        The number of each piece's copy of its rows, from 0: the levels of later copies get a mark, ``"308~1"``.
    fresh : sequence of bool, optional
        For each block, whether copies have new levels (the default) or those of the first copy.

    Notes
    -----
    The columns of X stay as they are, of full rank among these rows or not.
    """
    rows = np.concatenate(pieces)
    copy = np.repeat(np.asarray(copies, dtype=np.intp), [len(p) for p in pieces])
    is_fresh = [True] * len(design.blocks) if fresh is None else list(fresh)
    blocks = tuple(
        _take_rows(block, rows, copy if new else np.zeros_like(copy))
        for block, new in zip(design.blocks, is_fresh, strict=True)
    )
    renamed = {f for block, new in zip(design.blocks, is_fresh, strict=True) if new for f in block.term.factors}
    return replace(
        design,
        y=design.y[rows],
        fixed=design.fixed[rows],
        blocks=blocks,
        weights=None if design.weights is None else design.weights[rows],
        offset=None if design.offset is None else design.offset[rows],
        rows=design.rows[rows],
        complete=_relabel_copies(design.frame.iloc[rows], renamed, copy),
    )


def extend_design(design: Design, factor: str, size: int) -> Design:
    """Return a design with another number of levels of a grouping factor.

    Parameters
    ----------
    design : Design
    factor : str
        A grouping factor, as ``fit.ngroups`` names it.
    size : int
        Levels it is to have: the first ones, or all and then copies of them.

    Raises
    ------
    DataError
        If the model has no such factor, or ``size`` is below two.
    """
    outer = next((b for b in design.blocks if b.group == factor), None)
    if outer is None:
        known = ", ".join(dict.fromkeys(b.group for b in design.blocks))
        raise DataError(f"{factor!r} is no grouping factor of the model; there are {known}")
    if size < 2:
        raise DataError(f"{factor} cannot have {size} levels; a variance needs at least two")
    order = np.argsort(outer.codes, kind="stable")
    by_level = np.split(order, np.cumsum(np.bincount(outer.codes, minlength=outer.m))[:-1])
    pieces = [by_level[i % outer.m] for i in range(size)]
    fresh = [is_nested(b.codes, outer.codes) for b in design.blocks]
    return stack_rows(design, pieces, [i // outer.m for i in range(size)], fresh)


def _take_rows(block: Block, rows: NDArray[np.intp], copy: NDArray[np.intp]) -> Block:
    import pandas as pd

    key = copy * block.m + block.codes[rows]
    present, codes = np.unique(key, return_inverse=True)
    source, nth = present % block.m, present // block.m
    labels = block.levels[source]
    if nth.any():
        labels = pd.Index([_mark_copy(label, n) for label, n in zip(labels, nth.tolist(), strict=True)])
    return replace(
        block,
        levels=labels,
        codes=codes.reshape(-1).astype(np.intp),
        basis=np.ascontiguousarray(block.basis[rows]),
        members=block.members[source] if len(block.members) else block.members,
    )


def _relabel_copies(frame: pd.DataFrame, columns: set[str], copy: NDArray[np.intp]) -> pd.DataFrame:
    import pandas as pd

    if not copy.any():
        return frame
    marked = {
        name: pd.Categorical([_mark_copy(value, n) for value, n in zip(frame[name], copy.tolist(), strict=True)])
        for name in columns
    }
    return frame.assign(**marked).reset_index(drop=True)


def _mark_copy(label: object, copy: int) -> object:
    return f"{label}~{copy}" if copy else label

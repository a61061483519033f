"""A design with some of its rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.design.blocks import Block
    from lmmtools.design.record import Design

__all__ = ["keep_rows"]


def keep_rows(design: Design, keep: NDArray[np.bool_]) -> Design:
    """Return the design of the rows where ``keep``, shape (n,), is true; levels that no longer occur go with them.

    The columns of X stay as they are, of full rank among these rows or not.
    """
    return replace(
        design,
        y=design.y[keep],
        X=design.X[keep],
        blocks=tuple(_keep(block, keep) for block in design.blocks),
        weights=None if design.weights is None else design.weights[keep],
        offset=None if design.offset is None else design.offset[keep],
        rows=design.rows[keep],
        frame=design.frame.loc[keep],
    )


def _keep(block: Block, keep: NDArray[np.bool_]) -> Block:
    left, codes = np.unique(block.codes[keep], return_inverse=True)
    return replace(
        block,
        levels=block.levels[left],
        codes=codes.reshape(-1).astype(np.intp),
        basis=block.basis[keep],
        members=block.members[left] if len(block.members) else block.members,
    )

"""How the levels of factors hang together: connected components, and whether one factor refines another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["connected_components", "count_pairs", "is_nested"]


def connected_components(codes: Sequence[NDArray[np.intp]], sizes: Sequence[int]) -> NDArray[np.intp]:
    """Island of each row, shape (n,), numbered 0, 1, ... in the order in which rows first meet them.

    A level of one factor is joined to a level of another if a row has both; rows are in the same island if their
    levels are joined, directly or through other levels. With one factor, the islands are its levels.

    Parameters
    ----------
    codes : sequence of ndarray of intp, each shape (n,)
        Level of each row, 0 .. m-1, one array per factor.
    sizes : sequence of int
        Number of levels m of each factor.

    Raises
    ------
    ValueError
        If no factor is given: without one there is nothing that joins rows.
    """
    from scipy import sparse
    from scipy.sparse import csgraph

    if not codes:
        raise ValueError("connected components need at least one factor")
    starts = np.concatenate([[0], np.cumsum(sizes)])
    # A row joins the level of every factor to that of the first; that joins them all to each other.
    hub = np.asarray(codes[0])
    ends = [np.asarray(c) + start for c, start in zip(codes[1:], starts[1:-1], strict=True)]
    tails = np.tile(hub, len(ends))
    heads = np.concatenate(ends) if ends else tails
    total = int(starts[-1])
    graph = sparse.coo_array((np.ones(len(tails), dtype=np.int8), (tails, heads)), shape=(total, total))
    _, labels = csgraph.connected_components(graph, directed=False)
    island = labels[hub]
    _, first, inverse = np.unique(island, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.intp)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse.ravel()]


def count_pairs(
    a: NDArray[np.intp], b: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Cells of the table of two factors that have rows: (level of a, level of b, number of rows), each shape (cells,).

    Cells are ordered by a, then by b. Memory grows with the rows, never with the number of possible cells.
    """
    width = int(b.max()) + 1 if len(b) else 1
    cells, counts = np.unique(a.astype(np.int64) * width + b, return_counts=True)
    return (cells // width).astype(np.intp), (cells % width).astype(np.intp), counts.astype(np.intp)


def is_nested(inner_codes: NDArray[np.intp], outer_codes: NDArray[np.intp]) -> bool:
    """Whether every level of the inner factor occurs within one level of the outer factor only.

    True as well when the two factors split the rows alike; ``is_nested`` both ways round tells that case.
    """
    inner, _, _ = count_pairs(np.asarray(inner_codes), np.asarray(outer_codes))
    return len(inner) == len(np.unique(inner))

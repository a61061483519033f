"""Terms that the fixed effects span, ``g + (1 | g)``: the data say nothing of their variances.

With P the projection off X under V, P Z_k = 0 for such a term: the restricted likelihood is the same whatever its
variance, and the likelihood is largest at zero. The variance is held at zero, where the fixed effects' standard errors
are those of the model without the term; anywhere else rounding errors would decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.engines.pls.structure import Structure

    Floats = NDArray[np.float64]

__all__ = ["spanned_blocks"]

LEFT = 1e-13
"""Share of a column's squared length that X leaves, below which it is rounding."""


def spanned_blocks(st: Structure, ZX: Floats, XX: Floats) -> NDArray[np.bool_]:
    """Return for each block in design order whether X spans all its columns, shape (blocks,).

    Parameters
    ----------
    st : Structure
    ZX : ndarray, shape (q, p)
        Z'WX in the engine's order.
    XX : ndarray, shape (p, p)
        X'WX.
    """
    squares = st.A.diagonal()
    left = squares - np.einsum("qp,pq->q", ZX, np.linalg.solve(XX, ZX.T))
    is_spanned = left <= LEFT * squares
    out = np.zeros(sum(len(f.blocks) for f in st.factors), dtype=bool)
    for f in st.factors:
        own = is_spanned[f.columns].reshape(f.m, f.l)
        for k, part in f.parts():
            out[k] = own[:, part].all()
    return out

"""Terms whose columns X spans: under REML the criterion does not depend on their variances.

``y ~ treatment + (1 | treatment)``: the fixed effects take up all that the random ones could. What is left of the
criterion's derivative is rounding, which would lead an optimiser anywhere.
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


def spanned_blocks(st: Structure, ZX: Floats) -> tuple[bool, ...]:
    """Return for each block in design order whether X, its columns orthonormal, spans all columns of the block.

    Parameters
    ----------
    st : Structure
    ZX : ndarray, shape (q, p)
    """
    squares = st.A.diagonal()
    is_spanned = squares - np.einsum("qp,qp->q", ZX, ZX) <= LEFT * squares
    found = {
        k: bool(is_spanned[f.columns].reshape(f.m, f.l)[:, part].all()) for f in st.factors for k, part in f.parts()
    }
    return tuple(found[k] for k in sorted(found))

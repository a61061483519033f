"""The criterion of responses along one variance, and its lowest value.

NumPy searches all responses in step (:mod:`~lmmtools.core.search.section`), which is no kernel: here there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["lowest"]


def lowest(
    log_values: Floats,
    log_counts: Floats,
    values: Floats,
    weights: Floats,
    left: Floats,
    dof: int,
    constant: Floats,
) -> tuple[Floats, Floats, NDArray[np.bool_], NDArray[np.bool_]] | None:
    """Return tau and the criterion where it is lowest, whether that is proven, and whether it falls, each (B,).

    With m_i, n_i, mu_j, w_j and r_0 the criterion is sum_i n_i log(1 + tau m_i) + dof log(r_0 + sum_j w_j /
    (1 + tau mu_j)) + constant. None where there is no kernel.

    Parameters
    ----------
    log_values, log_counts : ndarray, shape (s,)
        m_i and n_i.
    values : ndarray, shape (r,)
        mu_j.
    weights : ndarray, shape (B, r)
        w_j.
    left : ndarray, shape (B,)
        r_0.
    dof : int
    constant : ndarray, shape (B,)
    """
    return None

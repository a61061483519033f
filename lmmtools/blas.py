"""Large products by the BLAS that the factorisations use.

The wheels of NumPy and SciPy each bring an OpenBLAS with threads of its own, which keep their cores busy for some
milliseconds after every call that woke them. Cholesky factors come from SciPy's; a single large dot product by NumPy's
in between, of a millisecond's work, costs a fit up to half of its time on a machine with few cores. Small products wake
nobody and stay with NumPy, whose calls cost less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.blas import ddot, dgemm, dgemv, dsyrk

from lmmtools.threads import cores_for

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["add_gram", "dot", "product"]

SMALL = 9_000
"""Multiplications up to which OpenBLAS works in the calling thread, whatever the operation."""


MEETING = 384
"""Inner dimension that threads of a product work through between two points at which they wait for each other: X'X of
50 columns and 100,000 rows takes five times as long on two busy cores as on one."""

NARROW = 512
"""Rows or columns of a product below which it takes one thread."""


def dot(a: Floats, b: Floats) -> float:
    """Return the sum of the products of two arrays of one shape."""
    if a.size <= SMALL:
        return float(np.vdot(a, b))
    if a.flags.f_contiguous and b.flags.f_contiguous:
        a, b = a.T, b.T
    return float(ddot(a.reshape(-1), b.reshape(-1)))


def product(A: Floats, B: Floats) -> Floats:
    """Return A B, A (a, c) and B (c, b) or (c,), in C order.

    Operands of either order are used as they are; others are copied.
    """
    if B.ndim == 1:
        if A.size <= SMALL:
            return np.asarray(A @ B)
        M, transposed = _fortran(A)
        return np.asarray(dgemv(1.0, M, B, trans=transposed))
    if A.size * B.shape[1] <= SMALL:
        return np.asarray(A @ B)
    # (A B)' = B' A', which dgemm returns in Fortran order.
    left, left_transposed = _fortran(B.T)
    right, right_transposed = _fortran(A.T)
    with _cores_for_product(len(A), B.shape[1], A.shape[1]):
        return np.asarray(dgemm(1.0, left, right, trans_a=left_transposed, trans_b=right_transposed).T)


def add_gram(scale: float, A: Floats, S: Floats) -> None:
    """Add scale A'A to the lower triangle of a Fortran-ordered S, A (m, q) in C order and S (q, q)."""
    with _cores_for_product(A.shape[1], A.shape[1], len(A)):
        dsyrk(scale, A.T, beta=1.0, c=S, lower=1, overwrite_c=1)


def _cores_for_product(m: int, n: int, inner: int) -> AbstractContextManager[None]:
    """Return the context of a product, (m, n), by the work between two points at which threads wait for each other."""
    return cores_for(m * n * min(inner, MEETING) if min(m, n) >= NARROW else 0)


def _fortran(M: Floats) -> tuple[Floats, bool]:
    """Return M or M' in Fortran order without a copy where one is, and whether it is M'."""
    return (M.T, True) if M.flags.c_contiguous and not M.flags.f_contiguous else (M, False)

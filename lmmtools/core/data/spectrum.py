"""The eigenvalues that make the criterion of a model with one variance a cheap function of it.

They depend on the design alone, so refits share them.

With one effect per level of one factor A = Z'WZ is diagonal, and B = Z'PZ = A - CC' with C = Z'WX (X'WX)^-1/2. Levels
of equal a = A_gg, of s levels and C_g their rows of C, have all directions orthogonal to the columns of C_g as
eigenvectors, with a for their eigenvalue: only min(s, p) directions are left to each distinct a, so that balanced data
of any size have a small problem.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.lapack import dgeqrf, dorgqr, dsyevd, dtrtrs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["NULL", "Spectrum", "find_spectrum", "solve_lower"]

LARGEST = 300
"""Eigenvalues of a dense matrix of up to this size are taken: 0.02 s, with its vectors."""

LARGEST_MAP = 4_000_000
"""Numbers (32 MB) in the map from levels to that matrix."""

EQUAL = 1e-12
"""Relative difference of two a that counts as rounding."""

NULL = 1e-12
"""Eigenvalue, as a share of the largest, that counts as zero: X spans that direction."""


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """The eigenvectors of B, as far as they are needed.

    Attributes
    ----------
    order : ndarray of intp, shape (m,)
        Levels by a.
    first : ndarray of intp, shape (groups,)
        Where the levels of each distinct a begin.
    a : ndarray, shape (groups,)
    counts : ndarray, shape (groups,)
        Levels with that a.
    reduce : ndarray, shape (m, d)
        Orthonormal columns: the directions that are left, group by group.
    group : ndarray of intp, shape (d,)
        Which group each of them belongs to.
    vectors : ndarray, shape (d, d)
        Eigenvectors of B within them.
    values : ndarray, shape (d,)
        Their eigenvalues, exactly zero where X spans the direction.
    L : ndarray, shape (p, p)
        Lower Cholesky factor of X'WX.
    C : ndarray, shape (m, p)
        In the order of the levels.
    """

    order: NDArray[np.intp]
    first: NDArray[np.intp]
    a: Floats
    counts: Floats
    reduce: Floats
    group: NDArray[np.intp]
    vectors: Floats
    values: Floats
    L: Floats
    C: Floats


def find_spectrum(a: Floats, ZX: Floats, L: Floats) -> Spectrum | None:
    """Return the spectrum of a model with one variance, None where it would cost too much.

    Parameters
    ----------
    a : ndarray, shape (m,)
        Diagonal of A.
    ZX : ndarray, shape (m, p)
    L : ndarray, shape (p, p)
        Lower Cholesky factor of X'WX.
    """
    p = ZX.shape[1]
    order = np.argsort(a, kind="stable")
    sorted_a = a[order]
    starts = [0, *((sorted_a[1:] - sorted_a[:-1] > EQUAL * sorted_a[1:]).nonzero()[0] + 1).tolist()]
    counts = [stop - start for start, stop in pairwise([*starts, len(a)])]
    sizes = [min(count, p) for count in counts]
    d = sum(sizes)
    if d > LARGEST or d * len(a) > LARGEST_MAP:
        return None
    C = solve_lower(L, ZX.T).T[order]
    reduce, half = np.zeros((len(a), d)), np.zeros((d, p))
    at = 0
    for start, count, size in zip(starts, counts, sizes, strict=True):
        rows, columns = slice(start, start + count), slice(at, at + size)
        if count <= p:
            reduce[rows, columns] = np.eye(count)
            half[columns] = C[rows]
        else:
            reduce[rows, columns], half[columns] = _orthogonal(C[rows])
        at += size
    first, group = np.array(starts), np.repeat(np.arange(len(starts)), sizes)
    distinct = sorted_a[first]
    B = -half @ half.T
    B[range(d), range(d)] += distinct[group]
    values, vectors = (dsyevd(B)[:2]) if d else (np.zeros(0), B)
    values[values <= NULL * sorted_a[-1]] = 0.0
    return Spectrum(order, first, distinct, np.array(counts, dtype=float), reduce, group, vectors, values, L, C)


def _orthogonal(C: Floats) -> tuple[Floats, Floats]:
    """Return Q (s, p) with orthonormal columns and R (p, p), upper triangular, with Q R = C, s >= p."""
    turned, tau, _, _ = dgeqrf(C)
    p = C.shape[1]
    return dorgqr(turned, tau)[0], np.triu(turned[:p])


def solve_lower(L: Floats, B: Floats) -> Floats:
    """Return L^-1 B, L lower triangular."""
    return np.asarray(dtrtrs(L, B, lower=1)[0]) if len(L) else B

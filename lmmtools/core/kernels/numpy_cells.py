"""Sums over the rows of each level, and of each cell: a pair of levels of two factors that meet.

The rows i have levels e_i and g_i of two factors with bases z_i and v_i, in the engine's coordinates. A cell's key is
e * m + g, m levels of the second factor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

__all__ = ["add_dense", "add_products", "add_squares", "collect", "merge"]


def add_squares(codes: NDArray[np.intp], z: Floats, w: Floats | None, out: Floats) -> None:
    """Add w_i z_i z_i' of the rows of each level to ``out``.

    Parameters
    ----------
    codes : ndarray of intp, shape (r,)
    z : ndarray, shape (r, l)
    w : ndarray, shape (r,), or None
    out : ndarray, shape (m, l, l), C order
    """
    weighted = z if w is None else z * w[:, None]
    for a in range(z.shape[1]):
        for c in range(a + 1):
            sums = np.bincount(codes, weights=weighted[:, a] * z[:, c], minlength=len(out))
            out[:, a, c] += sums
            if c < a:
                out[:, c, a] += sums


def add_products(codes: NDArray[np.intp], z: Floats, X: Floats, out: Floats) -> None:
    """Add z_i x_i' of the rows of each level to ``out``.

    Parameters
    ----------
    codes : ndarray of intp, shape (r,)
    z : ndarray, shape (r, l)
    X : ndarray, shape (r, p)
    out : ndarray, shape (m, l, p)
    """
    r, l = z.shape
    columns = codes[:, None] * l + np.arange(l)
    Z = sparse.csr_matrix((z.ravel(), columns.ravel(), np.arange(r + 1) * l), shape=(r, len(out) * l))
    out += np.asarray(Z.T @ X).reshape(out.shape)


def collect(
    first: Indices, z: Floats, second: Indices, v: Floats, m_first: int, m_second: int
) -> tuple[NDArray[np.int64], Floats]:
    """Return the sums of z_i v_i' over the rows of each cell that has some.

    Parameters
    ----------
    first, second : ndarray of intp, shape (r,)
        Levels.
    z : ndarray, shape (r, l)
    v : ndarray, shape (r, k)
    m_first, m_second : int
        How many levels there are.

    Returns
    -------
    keys : ndarray of int64, shape (c,)
        Ascending.
    sums : ndarray, shape (c, l * k)
    """
    key = first.astype(np.int64) * m_second + second
    order = np.argsort(key, kind="stable")
    return _sum_equal(key[order], _outer(z[order], v[order]))


def merge(
    keys: NDArray[np.int64], sums: Floats, more_keys: NDArray[np.int64], more: Floats
) -> tuple[NDArray[np.int64], Floats]:
    """Return the cells of both of two sets, those in both added up, in the form of :func:`collect`."""
    joined = np.concatenate([keys, more_keys])
    order = np.argsort(joined, kind="stable")
    return _sum_equal(joined[order], np.concatenate([sums, more])[order])


def add_dense(first: Indices, z: Floats, second: Indices, v: Floats, out: Floats) -> None:
    """Add z_i v_i' of the rows of each cell to ``out``, (m_first, l, m_second, k), C order."""
    r, (m, l, m_second, k) = len(first), out.shape
    for a in range(l):
        columns = second[:, None] * k + np.arange(k)
        V = sparse.csr_matrix(((z[:, a, None] * v).ravel(), columns.ravel(), np.arange(r + 1) * k))
        V.resize(r, m_second * k)
        level = sparse.csr_matrix((np.ones(r), first, np.arange(r + 1)), shape=(r, m))
        cells = (level.T @ V).tocoo()
        out[:, a].reshape(m, -1)[cells.row, cells.col] += cells.data


def _outer(z: Floats, v: Floats) -> Floats:
    """Return z_i v_i' of each row, shape (r, l * k)."""
    return (z[:, :, None] * v[:, None, :]).reshape(len(z), z.shape[1] * v.shape[1])


def _sum_equal(keys: NDArray[np.int64], numbers: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Return each of some sorted keys once, and the sums of its numbers."""
    if not len(keys):
        return keys, numbers
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return keys[starts], np.add.reduceat(numbers, starts, axis=0)

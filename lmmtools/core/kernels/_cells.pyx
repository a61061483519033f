# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Sums over the rows of each level and of each cell, compiled; numpy_cells says what is added."""

import numpy as np

from libc.stdint cimport int32_t, int64_t

__all__ = ["add_dense", "add_products", "add_squares", "collect", "merge"]


# out_e += w_i z_i z_i' over the rows i of level e
cdef inline void squares(int l, const Py_ssize_t[:] codes, const double[:, :] z, bint weighted, const double[:] w,
                         double[:, :, ::1] out) noexcept nogil:
    cdef Py_ssize_t i, e
    cdef int a, c
    cdef double s
    for i in range(codes.shape[0]):
        e = codes[i]
        for a in range(l):
            s = w[i] * z[i, a] if weighted else z[i, a]
            for c in range(l):
                out[e, a, c] += s * z[i, c]


def add_squares(codes, z, w, out):
    """Add w_i z_i z_i' of the rows of each level to ``out``, (m, l, l)."""
    cdef int l = z.shape[1]
    cdef const Py_ssize_t[:] level = codes
    cdef const double[:, :] b = z
    cdef bint weighted = w is not None
    cdef const double[:] weight = w if weighted else b[:, 0]
    cdef double[:, :, ::1] o = out
    with nogil:
        if l == 1:
            squares(1, level, b, weighted, weight, o)
        elif l == 2:
            squares(2, level, b, weighted, weight, o)
        else:
            squares(l, level, b, weighted, weight, o)


# out_e += z_i x_i' over the rows i of level e
cdef inline void products(int l, int p, const Py_ssize_t[:] codes, const double[:, :] z, const double[:, :] X,
                          double[:, :, :] out) noexcept nogil:
    cdef Py_ssize_t i, e
    cdef int a, c
    for i in range(codes.shape[0]):
        e = codes[i]
        for a in range(l):
            for c in range(p):
                out[e, a, c] += z[i, a] * X[i, c]


def add_products(codes, z, X, out):
    """Add z_i x_i' of the rows of each level to ``out``, (m, l, p)."""
    cdef int l = z.shape[1], p = X.shape[1]
    if not p:
        return None
    cdef const Py_ssize_t[:] level = codes
    cdef const double[:, :] b = z
    cdef const double[:, :] x = X
    cdef double[:, :, :] o = out
    with nogil:
        if l == 1:
            products(1, p, level, b, x, o)
        elif l == 2:
            products(2, p, level, b, x, o)
        else:
            products(l, p, level, b, x, o)


# order: the rows by ascending code, rows of one code as they stand in ``given``
cdef void sort_rows(const Py_ssize_t[:] codes, const int32_t[::1] given, bint is_first, int32_t[::1] ends,
                    int32_t[::1] order) noexcept nogil:
    cdef Py_ssize_t i, row, r = codes.shape[0], m = ends.shape[0] - 1
    for i in range(m + 1):
        ends[i] = 0
    for i in range(r):
        ends[codes[i] + 1] += 1
    for i in range(m):
        ends[i + 1] += ends[i]
    for i in range(r):
        row = i if is_first else given[i]
        order[ends[codes[row]]] = <int32_t>row
        ends[codes[row]] += 1


# keys and sums of the cells of rows that are sorted by both levels; returns how many
cdef Py_ssize_t sum_cells(const Py_ssize_t[:] first, const double[:, :] z, const Py_ssize_t[:] second,
                          const double[:, :] v, int64_t m, const int32_t[::1] order, int64_t[::1] keys,
                          double[:, ::1] sums) noexcept nogil:
    cdef Py_ssize_t i, row, at = -1, r = order.shape[0]
    cdef int a, c, l = z.shape[1], k = v.shape[1]
    cdef int64_t key, last = -1
    for i in range(r):
        row = order[i]
        key = first[row] * m + second[row]
        if key != last:
            at += 1
            keys[at] = last = key
            for a in range(l * k):
                sums[at, a] = 0.0
        for a in range(l):
            for c in range(k):
                sums[at, a * k + c] += z[row, a] * v[row, c]
    return at + 1


def collect(first, z, second, v, m_first, m_second):
    """Return the keys of the cells that have rows, ascending, and the sums of z_i v_i' over their rows."""
    cdef Py_ssize_t r = len(first), count
    cdef const Py_ssize_t[:] e = first
    cdef const Py_ssize_t[:] g = second
    cdef const double[:, :] left = z
    cdef const double[:, :] right = v
    cdef int64_t m = m_second
    by_second, order = np.empty(r, dtype=np.int32), np.empty(r, dtype=np.int32)
    ends = np.empty(max(m_first, m_second) + 1, dtype=np.int32)
    keys, sums = np.empty(r, dtype=np.int64), np.empty((r, z.shape[1] * v.shape[1]))
    cdef int32_t[::1] one = by_second, two = order
    cdef int32_t[::1] end_first = ends[: m_first + 1], end_second = ends[: m_second + 1]
    cdef int64_t[::1] k = keys
    cdef double[:, ::1] s = sums
    with nogil:
        sort_rows(g, one, True, end_second, one)
        sort_rows(e, one, False, end_first, two)
        count = sum_cells(e, left, g, right, m, two, k, s)
    return keys[:count].copy(), sums[:count].copy()


def merge(keys, sums, more_keys, more):
    """Return the cells of both of two sets, those in both added up."""
    cdef Py_ssize_t i = 0, j = 0, at = 0, a, n = len(keys), m = len(more_keys), width = sums.shape[1]
    out_keys, out_sums = np.empty(n + m, dtype=np.int64), np.empty((n + m, width))
    cdef const int64_t[::1] left = keys, right = more_keys
    cdef const double[:, ::1] x = sums, y = more
    cdef int64_t[::1] k = out_keys
    cdef double[:, ::1] s = out_sums
    with nogil:
        while i < n or j < m:
            if j == m or (i < n and left[i] < right[j]):
                k[at] = left[i]
                for a in range(width):
                    s[at, a] = x[i, a]
                i += 1
            elif i == n or right[j] < left[i]:
                k[at] = right[j]
                for a in range(width):
                    s[at, a] = y[j, a]
                j += 1
            else:
                k[at] = left[i]
                for a in range(width):
                    s[at, a] = x[i, a] + y[j, a]
                i += 1
                j += 1
            at += 1
    return out_keys[:at], out_sums[:at]


# out[e, a, g, c] += z_a v_c
cdef inline void scatter(int l, int k, const Py_ssize_t[:] first, const double[:, :] z, const Py_ssize_t[:] second,
                         const double[:, :] v, double[:, :, :, ::1] out) noexcept nogil:
    cdef Py_ssize_t i, e, g
    cdef int a, c
    for i in range(first.shape[0]):
        e, g = first[i], second[i]
        for a in range(l):
            for c in range(k):
                out[e, a, g, c] += z[i, a] * v[i, c]


def add_dense(first, z, second, v, out):
    """Add z_i v_i' of the rows of each cell to ``out``, (m_first, l, m_second, k)."""
    cdef const Py_ssize_t[:] e = first
    cdef const Py_ssize_t[:] g = second
    cdef const double[:, :] left = z
    cdef const double[:, :] right = v
    cdef double[:, :, :, ::1] o = out
    cdef int l = z.shape[1], k = v.shape[1]
    with nogil:
        if l == 1 and k == 1:
            scatter(1, 1, e, left, g, right, o)
        elif l == 2 and k == 1:
            scatter(2, 1, e, left, g, right, o)
        else:
            scatter(l, k, e, left, g, right, o)

# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Pairs of columns that the same level meets, compiled; numpy_pairs says what each function returns.

All loops go through a matrix of the rest column by column: with v_e the columns of level e, column j of sum_e v_e'v_e has
v_e[i] . v_e[j] from each level e that meets j, for its later columns i. One column fits the cache, where any order
of pairs would fetch each entry from memory; and no index of a pair is held.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

__all__ = ["COST", "LIMIT", "Pairs"]

COST = 20.0
LIMIT = float("inf")

SHARED = 30_000_000
"""Pairs from which threads share the columns."""


class Pairs:
    """Pairs of columns met by the same level."""

    def __init__(self, levels, indptr, columns, layout):
        self.levels = np.asarray(levels, dtype=np.intp)
        self.indptr = np.ascontiguousarray(indptr, dtype=np.intp)
        self.columns = np.ascontiguousarray(columns, dtype=np.int32)
        self.q = layout.q
        self.starts, self.rows = layout.pattern if layout.is_sparse else (np.zeros(1, dtype=np.intp),) * 2
        self.is_sparse = layout.is_sparse
        self.first, self.at, self.end, self.level = by_column(self.levels, self.indptr, self.columns, self.q)
        counts = np.diff(self.indptr)[self.levels]
        self.count = int((counts * (counts + 1) // 2).sum())
        self.stored = 0

    def subtract_gram(self, values, S, threads=1):
        """Subtract sum_e v_e'v_e from the lower triangle of S, in place."""
        flat = S.ravel(order="K")
        share(self, threads, lambda begin, stop: subtract(self, np.ascontiguousarray(values), flat, begin, stop))

    def quadratics(self, values, W, threads=1):
        """Return v_e W v_e' of every level, (m, l, l), from the lower triangle of W."""
        flat, v = W.ravel(order="K"), np.ascontiguousarray(values)
        return sum(share(self, threads, lambda begin, stop: quadratic(self, v, flat, begin, stop)))

    def quadratic(self, values, W, threads=1):
        """Return the sum of v_e W v_e' over the levels, (l, l), from the lower triangle of W."""
        return self.quadratics(values, W, threads).sum(axis=0)

    def restrict(self, values, W, threads=1):
        """Return v_e W in the columns that e meets, (places, l), from the lower triangle of W."""
        flat, v = W.ravel(order="K"), np.ascontiguousarray(values)
        return sum(share(self, threads, lambda begin, stop: restricted(self, v, flat, begin, stop)))


def share(pairs, threads, work):
    """Return what the work on all columns returns, in ranges of about as many pairs as there are threads."""
    if threads < 2 or pairs.count < SHARED:
        return [work(0, pairs.q)]
    # Pairs of the columns before each.
    before = np.concatenate([[0], np.cumsum(pairs.end - pairs.at)])[pairs.first]
    bounds = np.searchsorted(before, before[pairs.q] * np.arange(threads + 1) // threads)
    bounds[0], bounds[threads] = 0, pairs.q
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, bounds[:threads].tolist(), bounds[1:].tolist()))


def by_column(const Py_ssize_t[::1] levels, const Py_ssize_t[::1] indptr, const int[::1] columns, Py_ssize_t q):
    """Return where each column's levels begin, (q + 1,), and of each its place, the end of its level, and the level."""
    cdef Py_ssize_t n, t, e, total = 0
    cdef int j
    first = np.zeros(q + 1, dtype=np.intp)
    cdef Py_ssize_t[::1] f = first
    for n in range(levels.shape[0]):
        e = levels[n]
        total += indptr[e + 1] - indptr[e]
        for t in range(indptr[e], indptr[e + 1]):
            f[columns[t] + 1] += 1
    for n in range(q):
        f[n + 1] += f[n]
    cdef Py_ssize_t[::1] next_one = first[:q].copy()
    out = np.empty((3, total), dtype=np.intp)
    cdef Py_ssize_t[:, ::1] o = out
    for n in range(levels.shape[0]):
        e = levels[n]
        for t in range(indptr[e], indptr[e + 1]):
            j = columns[t]
            o[0, next_one[j]] = t
            o[1, next_one[j]] = indptr[e + 1]
            o[2, next_one[j]] = e
            next_one[j] += 1
    return first, out[0], out[1], out[2]


# column[i] -= v_e[i] . v_e[j] for one level e: its columns i from place t, that of j, to the end
cdef inline void subtract_level(int l, const double* v, const int* columns, Py_ssize_t t, Py_ssize_t end,
                                double* column) noexcept nogil:
    cdef Py_ssize_t i
    cdef int a
    cdef double s
    for i in range(t, end):
        s = 0.0
        for a in range(l):
            s += v[i * l + a] * v[t * l + a]
        column[columns[i]] -= s


def subtract(pairs, const double[:, ::1] values, double[::1] S, Py_ssize_t begin, Py_ssize_t stop):
    """Subtract sum_e v_e'v_e from some columns of S."""
    cdef const Py_ssize_t[::1] first = pairs.first, at = pairs.at, ends = pairs.end
    cdef const Py_ssize_t[::1] starts = pairs.starts, rows = pairs.rows
    cdef const int[::1] columns = pairs.columns
    cdef Py_ssize_t q = pairs.q, j, n, k
    cdef int l = values.shape[1]
    cdef bint is_sparse = pairs.is_sparse
    cdef double[::1] work = np.zeros(q if is_sparse else 1)
    cdef double* column
    if not at.shape[0]:
        return
    with nogil:
        for j in range(begin, stop):
            column = &work[0] if is_sparse else &S[j * q]
            for n in range(first[j], first[j + 1]):
                if l == 1:
                    subtract_level(1, &values[0, 0], &columns[0], at[n], ends[n], column)
                elif l == 2:
                    subtract_level(2, &values[0, 0], &columns[0], at[n], ends[n], column)
                else:
                    subtract_level(l, &values[0, 0], &columns[0], at[n], ends[n], column)
            if is_sparse:
                for k in range(starts[j], starts[j + 1]):
                    S[k] += work[rows[k]]
                    work[rows[k]] = 0.0


# column j of W in the lower triangle: W itself, or its entries on the pattern put into work
cdef inline const double* read_column(bint is_sparse, const double* W, Py_ssize_t q, Py_ssize_t j, Py_ssize_t start,
                                      Py_ssize_t stop, const Py_ssize_t* rows, double* work) noexcept nogil:
    cdef Py_ssize_t k
    if not is_sparse:
        return W + j * q
    for k in range(start, stop):
        work[rows[k]] = W[k]
    return work


# out_e[a, b] += sum_i v_e[i, a] W_ij v_e[j, b] over the columns i from that of j on, which itself counts half
cdef inline void quadratic_level(int l, const double* v, const int* columns, Py_ssize_t t, Py_ssize_t end,
                                 const double* column, double* out) noexcept nogil:
    cdef Py_ssize_t i
    cdef int a, b
    cdef double s
    for a in range(l):
        s = 0.5 * column[columns[t]] * v[t * l + a]
        for i in range(t + 1, end):
            s += column[columns[i]] * v[i * l + a]
        for b in range(l):
            out[a * l + b] += s * v[t * l + b]


def quadratic(pairs, const double[:, ::1] values, const double[::1] W, Py_ssize_t begin, Py_ssize_t stop):
    """Return what some columns of W add to v_e W v_e', (m, l, l)."""
    cdef const Py_ssize_t[::1] first = pairs.first, at = pairs.at, ends = pairs.end, level = pairs.level
    cdef const Py_ssize_t[::1] starts = pairs.starts, rows = pairs.rows
    cdef const int[::1] columns = pairs.columns
    cdef Py_ssize_t q = pairs.q, j, n
    cdef int l = values.shape[1]
    cdef bint is_sparse = pairs.is_sparse
    cdef double[::1] work = np.zeros(q if is_sparse else 1)
    cdef const double* column
    half = np.zeros((len(pairs.indptr) - 1, l, l))
    if not at.shape[0]:
        return half
    cdef double[:, :, ::1] out = half
    with nogil:
        for j in range(begin, stop):
            column = read_column(is_sparse, &W[0], q, j, starts[j] if is_sparse else 0,
                                 starts[j + 1] if is_sparse else 0, &rows[0], &work[0])
            for n in range(first[j], first[j + 1]):
                if l == 1:
                    quadratic_level(1, &values[0, 0], &columns[0], at[n], ends[n], column, &out[level[n], 0, 0])
                elif l == 2:
                    quadratic_level(2, &values[0, 0], &columns[0], at[n], ends[n], column, &out[level[n], 0, 0])
                else:
                    quadratic_level(l, &values[0, 0], &columns[0], at[n], ends[n], column, &out[level[n], 0, 0])
    return half + half.transpose(0, 2, 1)


# out[i] += W_ij v_e[j] and, but for i = j, out[j] += W_ij v_e[i], over the columns i from that of j on
cdef inline void restrict_level(int l, const double* v, const int* columns, Py_ssize_t t, Py_ssize_t end,
                                const double* column, double* out) noexcept nogil:
    cdef Py_ssize_t i
    cdef int a
    cdef double w
    for a in range(l):
        out[t * l + a] += column[columns[t]] * v[t * l + a]
    for i in range(t + 1, end):
        w = column[columns[i]]
        for a in range(l):
            out[i * l + a] += w * v[t * l + a]
            out[t * l + a] += w * v[i * l + a]


def restricted(pairs, const double[:, ::1] values, const double[::1] W, Py_ssize_t begin, Py_ssize_t stop):
    """Return what some columns of W add to v_e W in the columns that e meets, (places, l)."""
    cdef const Py_ssize_t[::1] first = pairs.first, at = pairs.at, ends = pairs.end
    cdef const Py_ssize_t[::1] starts = pairs.starts, rows = pairs.rows
    cdef const int[::1] columns = pairs.columns
    cdef Py_ssize_t q = pairs.q, j, n
    cdef int l = values.shape[1]
    cdef bint is_sparse = pairs.is_sparse
    cdef double[::1] work = np.zeros(q if is_sparse else 1)
    cdef const double* column
    found = np.zeros((values.shape[0], l))
    if not at.shape[0]:
        return found
    cdef double[:, ::1] out = found
    with nogil:
        for j in range(begin, stop):
            column = read_column(is_sparse, &W[0], q, j, starts[j] if is_sparse else 0,
                                 starts[j + 1] if is_sparse else 0, &rows[0], &work[0])
            for n in range(first[j], first[j + 1]):
                if l == 1:
                    restrict_level(1, &values[0, 0], &columns[0], at[n], ends[n], column, &out[0, 0])
                else:
                    restrict_level(l, &values[0, 0], &columns[0], at[n], ends[n], column, &out[0, 0])
    return found

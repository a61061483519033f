# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""A sparse rest eliminated front by front, compiled; numpy_eliminated says what each method returns.

A front of width m holds the k columns K that are eliminated in it and the later ones R that they meet, row by row. With
A_KK, A_KR as they are when their turn comes:

    w = Lambda (I + Lambda'A_KK Lambda)^-1 Lambda' ,   C = w A_KR ,   A_RR <- A_RR - A_KR'C   (in the parent's front)
"""

import numpy as np

from lmmtools.core.kernels import numpy_eliminated

from libc.math cimport isfinite, log, NAN, sqrt
from scipy.linalg.cython_blas cimport dgemm
from scipy.linalg.cython_lapack cimport dpotrf, dpotri

__all__ = ["eliminate_fronts"]

cdef enum:
    SMALL = 512  # multiplications up to which loops take less time than a call of BLAS
    FEW = 12     # columns up to which the same is true of LAPACK

WIDEST = 600
"""Columns of a front from which the threads of BLAS can share the work, which is numpy_eliminated's."""

cdef char* PLAIN = "N"
cdef char* TURNED = "T"
cdef char* UPPER = "U"


def eliminate_fronts(plan, A, lambdas):
    """Return the fronts of a plan eliminated."""
    if plan.lists.width.max() >= WIDEST:
        return numpy_eliminated.eliminate_fronts(plan, A, lambdas)
    return EliminatedFronts(plan, A, lambdas)


class EliminatedFronts:
    """The fronts of a plan, eliminated."""

    def __init__(self, plan, A, lambdas):
        self.plan = plan
        self.numbers = np.zeros(plan.size)
        self.numbers[plan.place] = A
        self.numbers[plan.mirrored] = A
        lists = plan.lists
        k, r = lists.own_counts, lists.width - lists.own_counts
        self.w_begins, self.c_begins = np.cumsum(k * k) - k * k, np.cumsum(k * r) - k * r
        self.w, self.C = np.empty(int((k * k).sum())), np.empty(max(1, int((k * r).sum())))
        self.lam = np.concatenate([lam.ravel() for lam in lambdas])
        self.logdet = eliminate(self, lists, int(lists.width.max()))

    def solve(self, right):
        """Return U = Lambda (I + Lambda'A Lambda)^-1 Lambda'C and C - A U, shape (q, b), of C = ``right``."""
        left = np.array(right, dtype=float, order="C")
        U, F = np.empty(left.shape), np.empty(left.shape)
        if left.shape[1]:
            solve_all(self, self.plan.lists, left, U, F)
        return U, F

    def invert(self, count):
        """Return W on the pattern and the sums of N's blocks, (count,), entry by entry of the lambdas."""
        numbers, T = np.empty(self.plan.size), np.zeros(count)
        invert_all(self, self.plan.lists, numbers, T, int(self.plan.lists.width.max()))
        return numbers[self.plan.place], T


# C (m, n) = alpha op(A) op(B) + beta C, inner dimension q, all row by row
cdef inline void multiply(bint turn_a, bint turn_b, int m, int n, int q, double alpha, const double* A, int lda,
                          const double* B, int ldb, double beta, double* C, int ldc) noexcept nogil:
    cdef int i, j, k
    cdef double s
    if m * n * q > SMALL:
        dgemm(TURNED if turn_b else PLAIN, TURNED if turn_a else PLAIN, &n, &m, &q, &alpha, <double*> B, &ldb,
              <double*> A, &lda, &beta, C, &ldc)
        return
    for i in range(m):
        for j in range(n):
            s = 0.0
            for k in range(q):
                s += (A[k * lda + i] if turn_a else A[i * lda + k]) * (B[j * ldb + k] if turn_b else B[k * ldb + j])
            C[i * ldc + j] = alpha * s if beta == 0.0 else alpha * s + beta * C[i * ldc + j]


# M <- M^-1, (k, k), full, by its Cholesky factor L ; returns log|L|, nan where M is not positive definite
cdef double invert_definite(int k, double* M, double* X) noexcept nogil:
    cdef int i, j, a, info = 0
    cdef double s, total = 0.0
    if k > FEW:
        # Column by column the upper triangle is the lower one row by row.
        dpotrf(UPPER, &k, M, &k, &info)
        if info:
            return NAN
        for i in range(k):
            total += log(M[i * k + i])
        dpotri(UPPER, &k, M, &k, &info)
        for i in range(k):
            for j in range(i):
                M[j * k + i] = M[i * k + j]
        return total
    for j in range(k):
        for i in range(j, k):
            s = M[i * k + j]
            for a in range(j):
                s -= M[i * k + a] * M[j * k + a]
            if i == j:
                if not s > 0.0:
                    return NAN
                M[j * k + j] = sqrt(s)
                total += log(M[j * k + j])
            else:
                M[i * k + j] = s / M[j * k + j]
    # X = L^-1, M^-1 = X'X
    for j in range(k):
        for i in range(j, k):
            s = 1.0 if i == j else 0.0
            for a in range(j, i):
                s -= M[i * k + a] * X[a * k + j]
            X[i * k + j] = s / M[i * k + i]
    for i in range(k):
        for j in range(i + 1):
            s = 0.0
            for a in range(i, k):
                s += X[a * k + i] * X[a * k + j]
            M[i * k + j] = s
            M[j * k + i] = s
    return total


# out (k, k) = Lambda' A Lambda, or Lambda A Lambda' ; Lambda has the blocks of the levels among the columns
cdef void in_lambda(int k, bint turned, const double* A, int lda, const Py_ssize_t* columns, const int* place,
                    const int* span, const Py_ssize_t* entry, const double* lam, double* work, double* out) noexcept nogil:
    cdef int i, j, d, l, b
    cdef double s
    cdef const double* own
    for j in range(k):
        l, b, own = span[columns[j]], place[columns[j]], lam + entry[columns[j]]
        for i in range(k):
            s = 0.0
            for d in range(l):
                s += A[i * lda + j - b + d] * (own[b * l + d] if turned else own[d * l + b])
            work[i * k + j] = s
    for i in range(k):
        l, b, own = span[columns[i]], place[columns[i]], lam + entry[columns[i]]
        for j in range(k):
            s = 0.0
            for d in range(l):
                s += (own[b * l + d] if turned else own[d * l + b]) * work[(i - b + d) * k + j]
            out[i * k + j] = s


def eliminate(done, lists, int widest):
    """Return log|I + Lambda'A Lambda|; w and C of each front, and its own rows of A, stay in ``done``."""
    cdef const Py_ssize_t[::1] offset = lists.offset, counts = lists.own_counts, width = lists.width
    cdef const Py_ssize_t[::1] own_begin = lists.own_begins, own = lists.own, parent = lists.parent
    cdef const Py_ssize_t[::1] other_begin = lists.other_begins, place = lists.in_parent, entry = lists.entry
    cdef const int[::1] local = lists.place, span = lists.span
    cdef const Py_ssize_t[::1] w_begin = done.w_begins, c_begin = done.c_begins
    cdef double[::1] numbers = done.numbers, w = done.w, C = done.C
    cdef const double[::1] lam = done.lam
    cdef double[::1] work = np.empty(3 * widest * widest)
    cdef double* M = &work[0]
    cdef double* X = &work[widest * widest]
    cdef double* left = &work[2 * widest * widest]
    cdef double total = 0.0, change
    cdef double* A
    cdef double* up
    cdef Py_ssize_t f, t, i, j
    cdef int k, m, r
    with nogil:
        for f in range(offset.shape[0]):
            k, m = counts[f], width[f]
            r = m - k
            A = &numbers[offset[f]]
            in_lambda(k, False, A, m, &own[own_begin[f]], &local[0], &span[0], &entry[0], &lam[0], X, M)
            for i in range(k):
                M[i * k + i] += 1.0
            change = invert_definite(k, M, X)
            if not isfinite(change):
                total = NAN
                break
            total += change
            in_lambda(k, True, M, k, &own[own_begin[f]], &local[0], &span[0], &entry[0], &lam[0], X, &w[w_begin[f]])
            if not r:
                continue
            multiply(False, False, k, r, k, 1.0, &w[w_begin[f]], k, A + k, m, 0.0, &C[c_begin[f]], r)
            multiply(True, False, r, r, k, -1.0, A + k, m, &C[c_begin[f]], r, 0.0, left, r)
            t, up = other_begin[f], &numbers[offset[parent[f]]]
            for i in range(r):
                for j in range(r):
                    up[place[t + i] * width[parent[f]] + place[t + j]] += left[i * r + j] + A[(k + i) * m + k + j]
    return 2.0 * total


def solve_all(done, lists, double[:, ::1] right, double[:, ::1] U, double[:, ::1] F):
    """Fill in U and F; ``right`` is overwritten."""
    cdef const Py_ssize_t[::1] offset = lists.offset, counts = lists.own_counts, width = lists.width
    cdef const Py_ssize_t[::1] own_begin = lists.own_begins, own = lists.own
    cdef const Py_ssize_t[::1] other_begin = lists.other_begins, others = lists.others
    cdef const Py_ssize_t[::1] w_begin = done.w_begins, c_begin = done.c_begins
    cdef const double[::1] numbers = done.numbers, w = done.w, C = done.C
    cdef Py_ssize_t f, o, t
    cdef int k, m, r, i, j, c, b = right.shape[1]
    cdef const double* A
    cdef double s
    with nogil:
        # c_R <- c_R - C'c_K
        for f in range(offset.shape[0]):
            k, r, o, t = counts[f], width[f] - counts[f], own_begin[f], other_begin[f]
            for i in range(k):
                for j in range(r):
                    for c in range(b):
                        right[others[t + j], c] -= C[c_begin[f] + i * r + j] * right[own[o + i], c]
        # c_K <- c_K - A_KR u_R ; u_K = w c_K ; f_K = c_K - A_KK u_K
        for f in range(offset.shape[0] - 1, -1, -1):
            k, m, o, t = counts[f], width[f], own_begin[f], other_begin[f]
            r = m - k
            A = &numbers[offset[f]]
            for i in range(k):
                for j in range(r):
                    for c in range(b):
                        right[own[o + i], c] -= A[i * m + k + j] * U[others[t + j], c]
            for i in range(k):
                for c in range(b):
                    s = 0.0
                    for j in range(k):
                        s += w[w_begin[f] + i * k + j] * right[own[o + j], c]
                    U[own[o + i], c] = s
            for i in range(k):
                for c in range(b):
                    s = right[own[o + i], c]
                    for j in range(k):
                        s -= A[i * m + j] * U[own[o + j], c]
                    F[own[o + i], c] = s


def invert_all(done, lists, double[::1] numbers, double[::1] T, int widest):
    """Fill in W, in the layout of the fronts, and the sums of N's blocks over levels.

    W_RR from the parent ; X = C W_RR ; W_KR = -X ; W_KK = w + X C' ; N_KK = A - A w A - E W_RR E' , E = A_KR - A_KK C
    """
    cdef const Py_ssize_t[::1] offset = lists.offset, counts = lists.own_counts, width = lists.width
    cdef const Py_ssize_t[::1] own_begin = lists.own_begins, own = lists.own, parent = lists.parent
    cdef const Py_ssize_t[::1] other_begin = lists.other_begins, place = lists.in_parent, entry = lists.entry
    cdef const int[::1] local = lists.place, span = lists.span
    cdef const Py_ssize_t[::1] w_begin = done.w_begins, c_begin = done.c_begins
    cdef const double[::1] kept = done.numbers, w = done.w, C = done.C
    cdef double[::1] work = np.empty(3 * widest * widest)
    cdef double* X = &work[0]
    cdef double* E = &work[widest * widest]
    cdef double* Y = &work[2 * widest * widest]
    cdef const double* A
    cdef double* W
    cdef double* up
    cdef double s
    cdef Py_ssize_t f, o, t, i, j, d
    cdef int k, m, r, l, b
    with nogil:
        for f in range(offset.shape[0] - 1, -1, -1):
            k, m, o, t = counts[f], width[f], own_begin[f], other_begin[f]
            r = m - k
            A, W = &kept[offset[f]], &numbers[offset[f]]
            for i in range(k):
                for j in range(k):
                    W[i * m + j] = w[w_begin[f] + i * k + j]
            if r:
                up = &numbers[offset[parent[f]]]
                for i in range(r):
                    for j in range(r):
                        W[(k + i) * m + k + j] = up[place[t + i] * width[parent[f]] + place[t + j]]
                multiply(False, False, k, r, r, 1.0, &C[c_begin[f]], r, W + k * m + k, m, 0.0, X, r)
                multiply(False, True, k, k, r, 1.0, X, r, &C[c_begin[f]], r, 1.0, W, m)
                for i in range(k):
                    for j in range(r):
                        W[i * m + k + j] = -X[i * r + j]
                        W[(k + j) * m + i] = -X[i * r + j]
                for i in range(k):
                    for j in range(r):
                        E[i * r + j] = A[i * m + k + j]
                multiply(False, False, k, r, k, -1.0, A, m, &C[c_begin[f]], r, 1.0, E, r)
                multiply(False, False, k, r, r, 1.0, E, r, W + k * m + k, m, 0.0, X, r)
            multiply(False, False, k, k, k, 1.0, A, m, &w[w_begin[f]], k, 0.0, Y, k)
            for i in range(k):
                # The other columns of its level.
                l, b = span[own[o + i]], local[own[o + i]]
                for d in range(l):
                    j = i - b + d
                    s = A[i * m + j] - dot(k, Y + i * k, A + j * m)
                    if r:
                        s -= dot(r, X + i * r, E + j * r)
                    T[entry[own[o + i]] + b * l + d] += s


cdef inline double dot(int n, const double* x, const double* y) noexcept nogil:
    cdef int i
    cdef double s = 0.0
    for i in range(n):
        s += x[i] * y[i]
    return s

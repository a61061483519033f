# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The blocks of many levels, (m, l, l), compiled; numpy_blocks says what each function returns."""

import numpy as np

from lmmtools.core.kernels import numpy_blocks

from libc.math cimport isfinite, log, NAN, sqrt
from lmmtools.core.kernels.small_blocks cimport invert

__all__ = ["factor", "moments", "multiply", "reduce"]

cdef enum:
    MOST = 8  # effects per level; numpy_blocks does the work beyond
    WIDE = 32  # numbers per level of whose square moments are summed here; beyond, BLAS is faster

cdef double LARGE = 1e150  # a product of pivots is taken the logarithm of before it overflows


# L L' = D, in place in the lower triangle of D; returns the product of L's diagonal, nan where a pivot is not positive.
cdef inline double cholesky(int l, double* D) noexcept nogil:
    cdef int i, j, k
    cdef double s, det = 1.0
    for j in range(l):
        s = D[j * l + j]
        for k in range(j):
            s -= D[j * l + k] * D[j * l + k]
        if not s > 0.0:
            return NAN
        s = sqrt(s)
        D[j * l + j] = s
        det *= s
        for i in range(j + 1, l):
            D[i * l + j] = (D[i * l + j] - dot(j, D + i * l, D + j * l)) / s
    return det


cdef inline double dot(int n, const double* x, const double* y) noexcept nogil:
    cdef int k
    cdef double s = 0.0
    for k in range(n):
        s += x[k] * y[k]
    return s


# L L' = I + lambda'A lambda in the lower triangle of L; returns the product of L's diagonal
cdef inline double factor_one(int l, const double* A, const double* lam, double* L) noexcept nogil:
    cdef double AL[MOST * MOST]
    cdef int i, j, k
    cdef double s
    for i in range(l):
        for j in range(l):
            s = 0.0
            for k in range(l):
                s += A[i * l + k] * lam[k * l + j]
            AL[i * l + j] = s
    for i in range(l):
        for j in range(i + 1):
            s = 1.0 if i == j else 0.0
            for k in range(l):
                s += lam[k * l + i] * AL[k * l + j]
            L[i * l + j] = s
    return cholesky(l, L)


# J = (I + A Sigma)^-1
cdef inline void invert_one(int l, const double* A, const double* sigma, double* J) noexcept nogil:
    cdef double K[MOST * MOST]
    cdef int i, j, k
    cdef double s
    for i in range(l):
        for j in range(l):
            s = 1.0 if i == j else 0.0
            for k in range(l):
                s += A[i * l + k] * sigma[k * l + j]
            K[i * l + j] = s
    invert(l, K, J)


# The sum of logarithms of numbers, of which the product is taken as long as it does not overflow
cdef inline double log_sum(double* product, double new) noexcept nogil:
    cdef double found
    product[0] *= new
    if product[0] < LARGE:
        return 0.0
    found = log(product[0]) if isfinite(product[0]) else NAN
    product[0] = 1.0
    return found


# T_e = L_e^-1 lambda', w_e = T_e'T_e, J_e = (I + A_e Sigma)^-1 with L_e L_e' = I + lambda'A_e lambda; sum of log|.|
cdef inline double factor_all(int l, Py_ssize_t m, const double* A, const double* lam, const double* sigma,
                              double* T, double* w, double* J) noexcept nogil:
    cdef double L[MOST * MOST]
    cdef double s, product = 1.0, total = 0.0
    cdef Py_ssize_t e
    cdef int i, j, k
    for e in range(m):
        total += log_sum(&product, factor_one(l, A, lam, L))
        for i in range(l):
            for j in range(l):
                s = lam[j * l + i]
                for k in range(i):
                    s -= L[i * l + k] * T[k * l + j]
                T[i * l + j] = s / L[i * l + i]
        for i in range(l):
            for j in range(i + 1):
                s = 0.0
                for k in range(l):
                    s += T[k * l + i] * T[k * l + j]
                w[i * l + j] = s
                w[j * l + i] = s
        invert_one(l, A, sigma, J)
        A += l * l
        T += l * l
        w += l * l
        J += l * l
    return 2.0 * (total + log(product))


def factor(A, lam):
    """Return T, w, J, each (m, l, l), and log|I + lambda'A_e lambda| summed over the levels e."""
    cdef int l = lam.shape[0]
    cdef Py_ssize_t m = len(A)
    if l > MOST:
        return numpy_blocks.factor(A, lam)
    out = np.empty((3, m, l, l))
    if not m:
        return out[0], out[1], out[2], 0.0
    cdef const double[:, :, ::1] a = np.ascontiguousarray(A, dtype=np.float64)
    cdef const double[:, ::1] lm = np.ascontiguousarray(lam, dtype=np.float64)
    cdef const double[:, ::1] sigma = np.ascontiguousarray(lam @ lam.T)
    cdef double[:, :, :, ::1] o = out
    cdef double* T = &o[0, 0, 0, 0]
    cdef double* w = &o[1, 0, 0, 0]
    cdef double* J = &o[2, 0, 0, 0]
    cdef double logdet
    with nogil:
        # A constant l lets the C compiler unroll the loops.
        if l == 1:
            logdet = factor_all(1, m, &a[0, 0, 0], &lm[0, 0], &sigma[0, 0], T, w, J)
        elif l == 2:
            logdet = factor_all(2, m, &a[0, 0, 0], &lm[0, 0], &sigma[0, 0], T, w, J)
        else:
            logdet = factor_all(l, m, &a[0, 0, 0], &lm[0, 0], &sigma[0, 0], T, w, J)
    return out[0], out[1], out[2], logdet


# out_e = A_e B_e
cdef inline void multiply_all(Py_ssize_t m, int rows, int inner, int columns, const double[:, :, :] A,
                              const double[:, :, :] B, double[:, :, ::1] out) noexcept nogil:
    cdef Py_ssize_t e
    cdef int i, j, k
    cdef double s
    for e in range(m):
        for i in range(rows):
            for j in range(columns):
                s = 0.0
                for k in range(inner):
                    s += A[e, i, k] * B[e, k, j]
                out[e, i, j] = s


def multiply(A, B, out=None):
    """Return A_e B_e, (m, a, b), written to ``out`` where it is given."""
    cdef Py_ssize_t m = A.shape[0]
    cdef int rows = A.shape[1], inner = A.shape[2], columns = B.shape[2]
    if inner > MOST or columns > WIDE:
        return numpy_blocks.multiply(A, B, out)
    if out is None:
        out = np.empty((m, rows, columns))
    cdef const double[:, :, :] a = A
    cdef const double[:, :, :] b = B
    cdef double[:, :, ::1] o = out
    with nogil:
        if inner == 1:
            multiply_all(m, rows, 1, columns, a, b, o)
        elif inner == 2:
            multiply_all(m, rows, 2, columns, a, b, o)
        elif inner == 3:
            multiply_all(m, rows, 3, columns, a, b, o)
        else:
            multiply_all(m, rows, inner, columns, a, b, o)
    return out


# S += x y', x of n numbers and y of k
cdef inline void add_outer(int n, int k, const double* x, const double* y, double* S) noexcept nogil:
    cdef int i, j
    for i in range(n):
        for j in range(k):
            S[i * k + j] += x[i] * y[j]


# R_e = L_e^-1 lambda'C_e with L_e L_e' = I + lambda'A_e lambda ; S += R_e'R_e ; sum of log|L_e L_e'|
cdef inline double reduce_all(int l, int b, Py_ssize_t m, const double* A, const double* lam, const double* C,
                              double* S) noexcept nogil:
    cdef double L[MOST * MOST]
    cdef double R[WIDE]
    cdef double s, product = 1.0, total = 0.0
    cdef Py_ssize_t e
    cdef int i, j, k
    for e in range(m):
        total += log_sum(&product, factor_one(l, A, lam, L))
        for i in range(l):
            for j in range(b):
                s = 0.0
                for k in range(l):
                    s += lam[k * l + i] * C[k * b + j]
                for k in range(i):
                    s -= L[i * l + k] * R[k * b + j]
                R[i * b + j] = s / L[i * l + i]
        for i in range(l):
            add_outer(b, b, R + i * b, R + i * b, S)
        A += l * l
        C += l * b
    return 2.0 * (total + log(product))


def reduce(A, lam, C):
    """Return the sum of log|I + lambda'A_e lambda| and the sum of C_e'w_e C_e, (b, b)."""
    cdef Py_ssize_t m = A.shape[0]
    cdef int l = A.shape[1], b = C.shape[2]
    if l * b > WIDE or l > MOST or not m:
        return numpy_blocks.reduce(A, lam, C)
    cdef const double[:, :, ::1] a = np.ascontiguousarray(A)
    cdef const double[:, ::1] lm = np.ascontiguousarray(lam, dtype=np.float64)
    cdef const double[:, :, ::1] c = np.ascontiguousarray(C)
    S = np.zeros((b, b))
    cdef double[:, ::1] s = S
    cdef double logdet
    with nogil:
        if l == 1:
            logdet = reduce_all(1, b, m, &a[0, 0, 0], &lm[0, 0], &c[0, 0, 0], &s[0, 0])
        elif l == 2:
            logdet = reduce_all(2, b, m, &a[0, 0, 0], &lm[0, 0], &c[0, 0, 0], &s[0, 0])
        else:
            logdet = reduce_all(l, b, m, &a[0, 0, 0], &lm[0, 0], &c[0, 0, 0], &s[0, 0])
    return logdet, S


# S += x x' in its lower triangle, x of n numbers
cdef inline void add_square(int n, const double* x, double* S) noexcept nogil:
    cdef int i, j
    for i in range(n):
        for j in range(i + 1):
            S[i * n + j] += x[i] * x[j]


# J = (I + A_e Sigma)^-1 ; N = J A_e ; Y = J C_e B, its last column f ; sums[0] += n n' in its lower triangle, sums[1] +=
# n (sum of y y' over the other columns)', sums[2] += n (f f')', symmetric matrices by their t lower entries n, and
# S += vec Y (vec Y)' in its lower triangle ; T += n
cdef inline void sum_moments(int l, int b, int c, Py_ssize_t m, const double* A, const double* sigma, const double* C,
                             const double* B, double* T, double* sums, double* S) noexcept nogil:
    cdef double J[MOST * MOST]
    cdef double N[MOST * MOST]
    cdef double P[MOST * MOST]
    cdef double Q[MOST * MOST]
    cdef double F[WIDE]
    cdef double Y[WIDE]
    cdef Py_ssize_t e
    cdef int i, j, k, at, t = l * (l + 1) // 2
    cdef double s
    for e in range(m):
        invert_one(l, A, sigma, J)
        at = 0
        for i in range(l):
            for j in range(i + 1):
                s = 0.0
                for k in range(l):
                    s += J[i * l + k] * A[k * l + j]
                N[at] = s
                T[at] += s
                at += 1
            for j in range(b):
                s = 0.0
                for k in range(l):
                    s += J[i * l + k] * C[k * b + j]
                F[j] = s
            for j in range(c):
                s = 0.0
                for k in range(b):
                    s += F[k] * B[k * c + j]
                Y[i * c + j] = s
        at = 0
        for i in range(l):
            for j in range(i + 1):
                P[at] = dot(c - 1, Y + i * c, Y + j * c)
                Q[at] = Y[i * c + c - 1] * Y[j * c + c - 1]
                at += 1
        add_square(t, N, sums)
        add_outer(t, t, N, P, sums + t * t)
        add_outer(t, t, N, Q, sums + 2 * t * t)
        add_square(l * c, Y, S)
        A += l * l
        C += l * b


def moments(A, lam, C, B):
    """Return T, gram, cross, last and S, sums over levels of products of N_e = J_e A_e and Y_e = J_e C_e B."""
    cdef Py_ssize_t m = A.shape[0]
    cdef int l = A.shape[1], b = C.shape[2], c = B.shape[1], t = l * (l + 1) // 2
    if l * max(b, c) > WIDE or l > MOST or not m:
        return numpy_blocks.moments(A, lam, C, B)
    cdef const double[:, :, ::1] a = np.ascontiguousarray(A)
    cdef const double[:, ::1] sigma = np.ascontiguousarray(lam @ lam.T)
    cdef const double[:, :, ::1] right = np.ascontiguousarray(C)
    cdef const double[:, ::1] wide = np.ascontiguousarray(B)
    T, sums, S = np.zeros(t), np.zeros((3, t, t)), np.zeros((l * c, l * c))
    cdef double[::1] total = T
    cdef double[:, :, ::1] q = sums
    cdef double[:, ::1] s = S
    with nogil:
        # Constants let the C compiler unroll the loops.
        if l == 1:
            sum_moments(1, b, c, m, &a[0, 0, 0], &sigma[0, 0], &right[0, 0, 0], &wide[0, 0], &total[0], &q[0, 0, 0],
                        &s[0, 0])
        elif l == 2 and b == c == 3:
            sum_moments(2, 3, 3, m, &a[0, 0, 0], &sigma[0, 0], &right[0, 0, 0], &wide[0, 0], &total[0], &q[0, 0, 0],
                        &s[0, 0])
        elif l == 2:
            sum_moments(2, b, c, m, &a[0, 0, 0], &sigma[0, 0], &right[0, 0, 0], &wide[0, 0], &total[0], &q[0, 0, 0],
                        &s[0, 0])
        else:
            sum_moments(l, b, c, m, &a[0, 0, 0], &sigma[0, 0], &right[0, 0, 0], &wide[0, 0], &total[0], &q[0, 0, 0],
                        &s[0, 0])
    sums[0] += np.tril(sums[0], -1).T
    S += np.tril(S, -1).T
    # Where each of the l**2 entries of a symmetric matrix stands among its t.
    place = np.zeros((l, l), dtype=np.intp)
    place[np.tril_indices(l)] = np.arange(t)
    at = np.maximum(place, place.T).ravel()
    gram, cross, last = sums[:, at[:, None], at]
    return T[at].reshape(l, l), gram, cross, last, S.reshape(l, c, l, c)

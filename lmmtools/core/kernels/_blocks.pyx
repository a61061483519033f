# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The blocks of many levels, (m, l, l), compiled; numpy_blocks says what each function returns."""

import numpy as np

from lmmtools.core.kernels import numpy_blocks

from libc.math cimport fabs, isfinite, log, NAN, sqrt

__all__ = ["factor", "moments", "multiply"]

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


# J = K^-1 by Gauss and Jordan with row pivots; K is overwritten. Returns the smallest pivot's size.
cdef inline double invert(int l, double* K, double* J) noexcept nogil:
    cdef int i, j, k, at
    cdef double r, smallest = LARGE
    for i in range(l):
        for j in range(l):
            J[i * l + j] = 1.0 if i == j else 0.0
    for k in range(l):
        at = k
        for i in range(k + 1, l):
            if fabs(K[i * l + k]) > fabs(K[at * l + k]):
                at = i
        if at != k:
            for j in range(l):
                r = K[k * l + j]
                K[k * l + j] = K[at * l + j]
                K[at * l + j] = r
                r = J[k * l + j]
                J[k * l + j] = J[at * l + j]
                J[at * l + j] = r
        smallest = min(smallest, fabs(K[k * l + k]))
        r = 1.0 / K[k * l + k]
        for j in range(l):
            K[k * l + j] *= r
            J[k * l + j] *= r
        for i in range(l):
            if i != k:
                r = K[i * l + k]
                for j in range(l):
                    K[i * l + j] -= r * K[k * l + j]
                    J[i * l + j] -= r * J[k * l + j]
    return smallest


# T_e = L_e^-1 lambda', w_e = T_e'T_e, J_e = (I + A_e Sigma)^-1 with L_e L_e' = I + lambda'A_e lambda; sum of log|.|
cdef inline double factor_all(int l, Py_ssize_t m, const double* A, const double* lam, const double* sigma,
                              double* T, double* w, double* J) noexcept nogil:
    cdef double AL[MOST * MOST]
    cdef double D[MOST * MOST]
    cdef double det, product = 1.0, total = 0.0
    cdef Py_ssize_t e
    cdef int i, j, k
    for e in range(m):
        for i in range(l):
            for j in range(l):
                det = 0.0
                for k in range(l):
                    det += A[i * l + k] * lam[k * l + j]
                AL[i * l + j] = det
        for i in range(l):
            for j in range(i + 1):
                det = 1.0 if i == j else 0.0
                for k in range(l):
                    det += lam[k * l + i] * AL[k * l + j]
                D[i * l + j] = det
        det = cholesky(l, D)
        product *= det
        if not product < LARGE:
            if not isfinite(product):
                return NAN
            total += log(product)
            product = 1.0
        for i in range(l):
            for j in range(l):
                det = lam[j * l + i]
                for k in range(i):
                    det -= D[i * l + k] * T[k * l + j]
                T[i * l + j] = det / D[i * l + i]
        for i in range(l):
            for j in range(i + 1):
                det = 0.0
                for k in range(l):
                    det += T[k * l + i] * T[k * l + j]
                w[i * l + j] = det
                w[j * l + i] = det
        for i in range(l):
            for j in range(l):
                det = 1.0 if i == j else 0.0
                for k in range(l):
                    det += A[i * l + k] * sigma[k * l + j]
                D[i * l + j] = det
        invert(l, D, J)
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
    if inner > MOST:
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


# N = J_e A_e ; Y = F_e B, its last column f ; T += N ; gram += vec N (vec N)' ; cross += vec N (vec sum y y')' over the
# other columns ; last += vec N (vec f f')' ; S += vec Y (vec Y)'
cdef inline void sum_moments(int l, int b, int c, Py_ssize_t m, const double* A, const double* J, const double* F,
                             const double* B, double* T, double* gram, double* cross, double* last,
                             double* S) noexcept nogil:
    cdef double N[MOST * MOST]
    cdef double P[MOST * MOST]
    cdef double Q[MOST * MOST]
    cdef double Y[WIDE]
    cdef Py_ssize_t e
    cdef int i, j, k
    cdef double s
    for e in range(m):
        for i in range(l):
            for j in range(l):
                s = 0.0
                for k in range(l):
                    s += J[i * l + k] * A[k * l + j]
                N[i * l + j] = s
                T[i * l + j] += s
            for j in range(c):
                s = 0.0
                for k in range(b):
                    s += F[i * b + k] * B[k * c + j]
                Y[i * c + j] = s
        for i in range(l):
            for j in range(l):
                P[i * l + j] = dot(c - 1, Y + i * c, Y + j * c)
                Q[i * l + j] = Y[i * c + c - 1] * Y[j * c + c - 1]
        add_outer(l * l, l * l, N, N, gram)
        add_outer(l * l, l * l, N, P, cross)
        add_outer(l * l, l * l, N, Q, last)
        add_outer(l * c, l * c, Y, Y, S)
        A += l * l
        J += l * l
        F += l * b


def moments(A, J, F, B):
    """Return T, gram, cross, last and S, sums over levels of products of N_e = J_e A_e and Y_e = F_e B."""
    cdef Py_ssize_t m = A.shape[0]
    cdef int l = A.shape[1], b = F.shape[2], c = B.shape[1]
    if l * c > WIDE or l > MOST or not m:
        return numpy_blocks.moments(A, J, F, B)
    cdef const double[:, :, ::1] a = np.ascontiguousarray(A)
    cdef const double[:, :, ::1] j = np.ascontiguousarray(J)
    cdef const double[:, :, ::1] f = np.ascontiguousarray(F)
    cdef const double[:, ::1] wide = np.ascontiguousarray(B)
    T, squares, S = np.zeros((l, l)), np.zeros((3, l * l, l * l)), np.zeros((l, c, l, c))
    cdef double[:, ::1] t = T
    cdef double[:, :, ::1] q = squares
    cdef double[:, :, :, ::1] s = S
    with nogil:
        if l == 1:
            sum_moments(1, b, c, m, &a[0, 0, 0], &j[0, 0, 0], &f[0, 0, 0], &wide[0, 0], &t[0, 0],
                        &q[0, 0, 0], &q[1, 0, 0], &q[2, 0, 0], &s[0, 0, 0, 0])
        elif l == 2:
            sum_moments(2, b, c, m, &a[0, 0, 0], &j[0, 0, 0], &f[0, 0, 0], &wide[0, 0], &t[0, 0],
                        &q[0, 0, 0], &q[1, 0, 0], &q[2, 0, 0], &s[0, 0, 0, 0])
        else:
            sum_moments(l, b, c, m, &a[0, 0, 0], &j[0, 0, 0], &f[0, 0, 0], &wide[0, 0], &t[0, 0],
                        &q[0, 0, 0], &q[1, 0, 0], &q[2, 0, 0], &s[0, 0, 0, 0])
    return T, squares[0], squares[1], squares[2], S

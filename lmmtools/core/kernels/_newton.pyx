# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Newton's step under bounds, compiled; numpy_newton says what each function returns, and does the work of many."""

import numpy as np

from libc.float cimport DBL_MIN
from libc.math cimport fabs, fmax, fmin, INFINITY, sqrt
from scipy.linalg.cython_lapack cimport dgesv, dsyev

from lmmtools.core.kernels import numpy_newton as plain

__all__ = ["judge", "step"]

cdef enum:
    MOST = 24  # parameters; NumPy's calls are no cost beyond

cdef double WEAKEST = plain.WEAKEST, EIGEN_FLOOR = plain.EIGEN_FLOOR, DIAGONAL_FLOOR = plain.DIAGONAL_FLOOR
cdef double VANISHED = plain.VANISHED
cdef int PIVOTS = plain.MAX_PIVOTS
cdef char* VECTORS = "V"
cdef char* VALUES = "N"
cdef char* LOWER = "L"


# Eigenvalues of a symmetric matrix, rising; its columns become eigenvectors. False where LAPACK fails.
cdef bint decompose(int n, double* A, double* values, bint vectors) noexcept nogil:
    cdef double work[40 * MOST]
    cdef int size = 40 * MOST, info = 0
    dsyev(VECTORS if vectors else VALUES, LOWER, &n, A, &n, values, work, &size, &info)
    return info == 0


# Whether B over some elements is the curvature of a minimum: its diagonal positive, scaled to one no weak eigenvalue.
cdef bint is_minimum(int n, const int* at, const double[:, :] B) noexcept nogil:
    cdef double A[MOST * MOST]
    cdef double values[MOST]
    cdef int i, j
    for i in range(n):
        if not B[at[i], at[i]] > 0.0:
            return False
    if n <= 1:
        return True
    for i in range(n):
        for j in range(i + 1):
            A[j * n + i] = B[at[i], at[j]] / sqrt(B[at[i], at[i]] * B[at[j], at[j]])
    return decompose(n, A, values, False) and values[0] > WEAKEST


# s = B^-1 (-g) over the free elements, the others held at their bounds; B (n, n). False where B is singular.
cdef bint solve_free(int n, const double* B, const double* g, const double* lower, const bint* held,
                     double* s) noexcept nogil:
    cdef double A[MOST * MOST]
    cdef double x[MOST]
    cdef int where[MOST]
    cdef int pivots[MOST]
    cdef int i, j, r = 0, one = 1, info = 0
    for i in range(n):
        s[i] = lower[i]
        if not held[i]:
            where[r] = i
            r += 1
    for i in range(r):
        x[i] = -g[where[i]]
        for j in range(n):
            if held[j]:
                x[i] -= B[where[i] * n + j] * lower[j]
        for j in range(r):
            A[j * r + i] = B[where[i] * n + where[j]]
    if r:
        dgesv(&r, &one, A, &r, pivots, x, &r, &info)
    for i in range(r):
        s[where[i]] = x[i]
    return info == 0


def step(const double[::1] phi, const double[::1] g, exact, const double[:, :] average, bounded):
    cdef int k = phi.shape[0]
    if k > MOST:
        return plain.step(np.asarray(phi), np.asarray(g), exact, np.asarray(average), bounded)
    cdef const unsigned char[:] limits = bounded.view(np.uint8)
    cdef const double[:, :] B = average
    cdef double A[MOST * MOST]
    cdef double V[MOST * MOST]
    cdef double values[MOST]
    cdef double scale[MOST]
    cdef double slope[MOST]
    cdef double lower[MOST]
    cdef double s[MOST]
    cdef bint held[MOST]
    cdef int at[MOST]
    cdef int i, j, l, n = 0, wrong
    cdef bint is_exact = False
    cdef double x, top = 0.0, expected = 0.0
    cdef double[::1] out
    for i in range(k):
        if not (limits[i] and phi[i] == 0.0):
            at[n] = i
            n += 1
    if exact is not None:
        B = exact
        is_exact = is_minimum(n, at, B)
        if not is_exact:
            B = average
    result = np.zeros(k)
    n = 0
    for i in range(k):
        if not (limits[i] and phi[i] == 0.0 and g[i] >= 0.0):
            at[n] = i
            n += 1
    if n == 0:
        return is_exact, result, 0.0
    out = result
    for i in range(n):
        slope[i] = g[at[i]]
        lower[i] = -phi[at[i]] if limits[at[i]] else -INFINITY
        held[i] = False
        top = fmax(top, fabs(B[at[i], at[i]]))
    if n == 1:
        x = fmax(fabs(B[at[0], at[0]]), DBL_MIN)
        s[0] = fmax(-slope[0] / x, lower[0])
        out[at[0]] = s[0]
        return is_exact, result, -s[0] * (slope[0] + 0.5 * x * s[0])
    # Eigenvalues of the matrix scaled to a diagonal of one, by absolute value and kept off zero
    x = DIAGONAL_FLOOR * top if top > 0.0 else 1.0
    for i in range(n):
        scale[i] = sqrt(fmax(fabs(B[at[i], at[i]]), x))
    for i in range(n):
        for j in range(n):
            A[i * n + j] = B[at[i], at[j]]
            V[i * n + j] = A[i * n + j] / scale[i] / scale[j]
    if not decompose(n, V, values, True):
        return plain.step(np.asarray(phi), np.asarray(g), exact, np.asarray(average), bounded)
    if not values[0] > EIGEN_FLOOR:
        for i in range(n):
            for j in range(n):
                x = 0.0
                for l in range(n):
                    x += V[l * n + i] * fmax(fabs(values[l]), EIGEN_FLOOR) * V[l * n + j]
                A[i * n + j] = x * scale[i] * scale[j]
    # Murty's least-index pivoting: the first element below its bound, or held against its force, changes sides
    for l in range(PIVOTS):
        if not solve_free(n, A, slope, lower, held, s):
            return plain.step(np.asarray(phi), np.asarray(g), exact, np.asarray(average), bounded)
        wrong = -1
        for i in range(n):
            if held[i]:
                x = slope[i]
                for j in range(n):
                    x += A[i * n + j] * s[j]
                if x < 0.0:
                    wrong = i
            elif s[i] < lower[i]:
                wrong = i
            if wrong >= 0:
                held[wrong] = not held[wrong]
                break
        if wrong < 0:
            break
    for i in range(n):
        s[i] = fmax(s[i], lower[i])
        out[at[i]] = s[i]
    for i in range(n):
        x = slope[i]
        for j in range(n):
            x += 0.5 * A[i * n + j] * s[j]
        expected -= s[i] * x
    return is_exact, result, expected


# By how much g's - s'Bs/2 falls along a step s, at most to where it is lowest.
cdef double fall(int n, const double* g, const double[:, :] B, const double* s) noexcept nogil:
    cdef double slope = 0.0, bend = 0.0, t
    cdef int i, j
    for i in range(n):
        slope += g[i] * s[i]
        for j in range(n):
            bend += s[i] * B[i, j] * s[j]
    t = 1.0 if bend <= slope else slope / bend
    return t * slope - 0.5 * t * t * bend


def judge(const double[:] g, const double[:, :] B, const double[:] room):
    cdef int n = g.shape[0]
    if n > MOST:
        return plain.judge(np.asarray(g), np.asarray(B), np.asarray(room))
    cdef double V[MOST * MOST]
    cdef double values[MOST]
    cdef double scale[MOST]
    cdef double slope[MOST]
    cdef double newton[MOST]
    cdef double cut[MOST]
    cdef double shorter[MOST]
    cdef int i, j, l
    cdef double x, along, share = 1.0, expected = 0.0, largest = 0.0
    cdef double[::1] out
    for i in range(n):
        slope[i] = g[i]
        newton[i] = 0.0
        scale[i] = 1.0 / sqrt(fmax(fabs(B[i, i]), DBL_MIN))
    for i in range(n):
        for j in range(n):
            V[i * n + j] = B[i, j] * scale[j] * scale[i]
    if not decompose(n, V, values, True):
        return plain.judge(np.asarray(g), np.asarray(B), np.asarray(room))
    for l in range(n):
        along = 0.0
        for i in range(n):
            along += V[l * n + i] * scale[i] * slope[i]
        along /= fmax(fabs(values[l]), VANISHED)
        for i in range(n):
            newton[i] += scale[i] * V[l * n + i] * along
    direction = np.empty(n)
    out = direction
    for i in range(n):
        x = slope[i] * newton[i]
        expected += 0.5 * x
        largest = fmax(largest, fabs(x))
        if newton[i] > room[i]:
            share = fmin(share, room[i] / newton[i])
        out[i] = scale[i] * V[i]
    for i in range(n):
        cut[i] = fmin(newton[i], room[i])
        shorter[i] = share * newton[i]
    x = fmax(0.0, fmax(fall(n, slope, B, cut), fall(n, slope, B, shorter)))
    return largest, values[0], fmax(expected, 0.0), x, direction

# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Sums over the rows of each level, compiled: one pass over the rows, in any order; numpy_levels says what is added."""

from lmmtools.core.kernels import numpy_levels

__all__ = ["add_products", "add_squares"]

cdef enum:
    MOST = 8  # effects per level; numpy_levels does the work beyond


# z = R'^-1 b, R lower triangular
cdef inline void turn(int l, const double[:, :] basis, Py_ssize_t i, const double[:, :] R, double* z) noexcept nogil:
    cdef int a, c
    cdef double s
    for a in range(l - 1, -1, -1):
        s = basis[i, a]
        for c in range(a + 1, l):
            s -= R[c, a] * z[c]
        z[a] = s / R[a, a]


# out_e += w_i z_i z_i' over the rows i of level e
cdef inline void squares(int l, const Py_ssize_t[:] codes, const double[:, :] basis, const double[:, :] R,
                         bint weighted, const double[:] w, double[:, :, ::1] out) noexcept nogil:
    cdef double z[MOST]
    cdef Py_ssize_t i, e
    cdef int a, c
    cdef double s
    for i in range(codes.shape[0]):
        turn(l, basis, i, R, z)
        e = codes[i]
        for a in range(l):
            s = w[i] * z[a] if weighted else z[a]
            for c in range(l):
                out[e, a, c] += s * z[c]


def add_squares(codes, basis, R, w, out):
    """Add w_i z_i z_i' of the rows of each level to ``out``, (m, l, l)."""
    cdef int l = basis.shape[1]
    if l > MOST:
        return numpy_levels.add_squares(codes, basis, R, w, out)
    cdef const Py_ssize_t[:] level = codes
    cdef const double[:, :] b = basis
    cdef const double[:, :] r = R
    cdef bint weighted = w is not None
    cdef const double[:] weight = w if weighted else b[:, 0]
    cdef double[:, :, ::1] o = out
    with nogil:
        if l == 1:
            squares(1, level, b, r, weighted, weight, o)
        elif l == 2:
            squares(2, level, b, r, weighted, weight, o)
        else:
            squares(l, level, b, r, weighted, weight, o)


# out_e += z_i x_i' over the rows i of level e
cdef inline void products(int l, int p, const Py_ssize_t[:] codes, const double[:, :] basis, const double[:, :] R,
                          const double[:, :] X, double[:, :, ::1] out) noexcept nogil:
    cdef double z[MOST]
    cdef Py_ssize_t i, e
    cdef int a, c
    for i in range(codes.shape[0]):
        turn(l, basis, i, R, z)
        e = codes[i]
        for a in range(l):
            for c in range(p):
                out[e, a, c] += z[a] * X[i, c]


def add_products(codes, basis, R, X, out):
    """Add z_i x_i' of the rows of each level to ``out``, (m, l, p)."""
    cdef int l = basis.shape[1], p = X.shape[1]
    if l > MOST:
        return numpy_levels.add_products(codes, basis, R, X, out)
    if not p:
        return None
    cdef const Py_ssize_t[:] level = codes
    cdef const double[:, :] b = basis
    cdef const double[:, :] r = R
    cdef const double[:, :] x = X
    cdef double[:, :, ::1] o = out
    with nogil:
        if l == 1:
            products(1, p, level, b, r, x, o)
        elif l == 2:
            products(2, p, level, b, r, x, o)
        else:
            products(l, p, level, b, r, x, o)

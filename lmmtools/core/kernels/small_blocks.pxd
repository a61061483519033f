# cython: boundscheck=False, wraparound=False, cdivision=True
# The inverse of a small block, which several kernels have: inline, so that no module of its own is there at run time.

from libc.float cimport DBL_MAX
from libc.math cimport fabs


# J = K^-1 by Gauss and Jordan with row pivots; K is overwritten. Returns the smallest pivot's size.
cdef inline double invert(int l, double* K, double* J) noexcept nogil:
    cdef int i, j, k, at
    cdef double r, smallest = DBL_MAX
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

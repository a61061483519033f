# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""A small model at one theta, compiled; numpy_dense says what each function returns.

The first factor is eliminated level by level, what crosses it as one dense matrix. Matrices are in BLAS's order, by
columns; (w, q) by columns is (q, w) by rows.
"""

import numpy as np

from lmmtools.core.kernels import numpy_dense as plain

from libc.math cimport fabs, fmax, fmin, isfinite, log, log1p, sqrt
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
from lmmtools.core.kernels.small_blocks cimport invert
from scipy.linalg.cython_blas cimport ddot, dgemm, dgemv, dsymm, dsyrk, dtrmm, dtrsm
from scipy.linalg.cython_lapack cimport dgesdd, dgesv, dpotrf, dsyev, dtrtri

__all__ = ["at_zero", "criterion", "point", "products", "start"]

cdef enum:
    MOST = 8  # effects per level
    MOST_TERMS = 16
    MOST_TYPES = 32  # effects of all factors
    LARGEST_X = 512  # columns of X in a pass over rows

WIDEST = MOST
TERMS = MOST_TERMS
LARGEST = 200

cdef double CLEAR = plain.CLEAR, SURE = plain.SURE, LEAST = plain.LEAST, GREATEST = plain.MOST
cdef double BEYOND = 1e6
cdef double BESIDE = 1e-9  # share of a term's squares beside X that is far from rounding
cdef double TINY = 1e-300

cdef double ONE = 1.0, ZERO = 0.0, MINUS = -1.0
cdef char* LOWER = "L"
cdef char* LEFT = "L"
cdef char* RIGHT = "R"
cdef char* PLAIN = "N"
cdef char* TURNED = "T"
cdef char* VECTORS = "V"


cdef struct Model:
    int factors, blocks, p
    int m[MOST_TERMS]        # levels of each factor
    int l[MOST_TERMS]        # effects per level of each factor
    int start[MOST_TERMS]    # its first column
    int factor[MOST_TERMS]   # of each block
    int offset[MOST_TERMS]   # of each block within a level
    int width[MOST_TERMS]    # of each block
    int k                    # parameters
    int q, q1, qr, w0, w     # columns of Z, of the first factor, of the others; qr + p, and one for y
    const double* M          # [Z X]'W[Z X]
    Py_ssize_t ld            # numbers from one of its rows to the next
    const double* units      # information of an average level, (blocks,)
    const double* Zy
    const double* Xy
    double yy
    double lam[MOST_TERMS][MOST * MOST]    # of each block, by rows
    double root[MOST_TERMS][MOST * MOST]   # of each factor, block diagonal, by rows


cdef struct Work:
    double* memory
    double* TC      # (w, q1): T_e [A_er, Z_e'X, Z_e'y], T_e = L_e^-1 lambda'
    double* T       # (m, l, l)
    double* S       # (w, w): the rest, X and y in the metric of the first factor; lower triangle
    double* M       # (qr, qr): L_r
    double* R       # (qr, w): L_r^-1 Lambda_r' S
    double* H       # (p + 1, p + 1): lower triangle, then Lxx and z
    double* b       # (p,)
    double* u       # (q,)
    double logdet, logdet_x, r2


cdef void read_sizes(Model* m, const int[::1] sizes) noexcept:
    """Fill in how factors and blocks hang together."""
    cdef int f, k, l, at = 3
    m.factors, m.blocks, m.p = sizes[0], sizes[1], sizes[2]
    m.q = m.k = 0
    for f in range(m.factors):
        m.m[f], m.l[f] = sizes[at], sizes[at + 1]
        m.start[f] = m.q
        m.q += m.m[f] * m.l[f]
        at += 2
        memset(m.root[f], 0, MOST * MOST * sizeof(double))
    for k in range(m.blocks):
        m.factor[k], m.offset[k], l = sizes[at], sizes[at + 1], sizes[at + 2]
        m.width[k] = l
        m.k += l * (l + 1) // 2
        at += 3
    m.q1 = m.m[0] * m.l[0]
    m.qr = m.q - m.q1
    m.w0 = m.qr + m.p
    m.w = m.w0 + 1


cdef bint read_model(Model* m, const int[::1] sizes, const double[:, ::1] M, const double[::1] units,
                     const double[::1] Zy, const double[::1] Xy, double yy, tuple lambdas) except -1:
    """Fill in a model; whether lambda is within what this arithmetic holds."""
    cdef int i, j, k, l
    cdef const double[:, :] lam
    cdef double size
    read_sizes(m, sizes)
    m.M, m.ld, m.units, m.Zy, m.yy = &M[0, 0], M.shape[1], &units[0], &Zy[0], yy
    m.Xy = &Xy[0] if m.p else m.Zy
    for k in range(m.blocks):
        l = m.width[k]
        lam = lambdas[k]
        size = 0.0
        for i in range(l):
            for j in range(l):
                m.lam[k][i * l + j] = lam[i, j]
                size += lam[i, j] * lam[i, j]
        if not size * units[k] < BEYOND:
            return False
    return True


cdef void merge(Model* m) noexcept nogil:
    """lambda of each factor from those of its blocks."""
    cdef int i, j, k, l, lf, f, o
    for k in range(m.blocks):
        f, l, o = m.factor[k], m.width[k], m.offset[k]
        lf = m.l[f]
        for i in range(l):
            for j in range(l):
                m.root[f][(o + i) * lf + o + j] = m.lam[k][i * l + j]


cdef bint make_work(Model* m, Work* s) noexcept nogil:
    cdef Py_ssize_t q1 = m.q1, w = m.w, qr = m.qr, p1 = m.p + 1
    cdef Py_ssize_t size = w * q1 + q1 * m.l[0] + w * w + qr * qr + qr * w + p1 * p1 + m.p + m.q
    s.memory = <double*> malloc(size * sizeof(double))
    if s.memory == NULL:
        return False
    s.TC = s.memory
    s.T = s.TC + w * q1
    s.S = s.T + q1 * m.l[0]
    s.M = s.S + w * w
    s.R = s.M + qr * qr
    s.H = s.R + qr * w
    s.b = s.H + p1 * p1
    s.u = s.b + m.p
    return True


cdef void times_root(Model* m, double* B, int ld, int columns) noexcept nogil:
    """Lambda_r' B in place, B (qr, columns)."""
    cdef int f, l, g, i, j, c
    cdef double* at
    cdef double x[MOST]
    cdef const double* lam
    for f in range(1, m.factors):
        l, lam = m.l[f], m.root[f]
        for c in range(columns):
            at = B + <Py_ssize_t> c * ld + m.start[f] - m.q1
            if l == 1:
                for g in range(m.m[f]):
                    at[g] *= lam[0]
                continue
            for g in range(m.m[f]):
                for i in range(l):
                    x[i] = 0.0
                    for j in range(l):
                        x[i] += lam[j * l + i] * at[j]
                memcpy(at, x, l * sizeof(double))
                at += l


cdef bint factorise(Model* m, Work* s) noexcept nogil:
    """The criterion's parts; whether they could be computed."""
    cdef int l = m.l[0], w = m.w, w0 = m.w0, qr = m.qr, q1 = m.q1, p = m.p, p1 = m.p + 1
    cdef int e, i, j, k, info = 0, one = 1
    cdef double x, total, product = 1.0
    cdef double L[MOST * MOST]
    cdef double AL[MOST * MOST]
    cdef const double* lam = m.root[0]
    cdef const double* A
    cdef const double* C
    cdef double* T
    cdef double* row
    # L_e L_e' = I + lambda' A_e lambda, T_e = L_e^-1 lambda', rows T_e [A_er, Z_e'X, Z_e'y]
    for e in range(m.m[0]):
        A = m.M + e * l * (m.ld + 1)
        T = s.T + e * l * l
        for i in range(l):
            for j in range(l):
                x = 0.0
                for k in range(l):
                    x += A[i * m.ld + k] * lam[k * l + j]
                AL[i * l + j] = x
        for j in range(l):
            for i in range(j, l):
                x = 1.0 if i == j else 0.0
                for k in range(l):
                    x += lam[k * l + i] * AL[k * l + j]
                for k in range(j):
                    x -= L[i * l + k] * L[j * l + k]
                if i == j:
                    if not x > 0.0:
                        return False
                    L[j * l + j] = sqrt(x)
                    product *= x
                else:
                    L[i * l + j] = x / L[j * l + j]
        if product > 1e100:
            s.logdet += log(product)
            product = 1.0
        for i in range(l):
            for j in range(l):
                x = lam[j * l + i]
                for k in range(i):
                    x -= L[i * l + k] * T[k * l + j]
                T[i * l + j] = x / L[i * l + i]
        for i in range(l):
            row = s.TC + <Py_ssize_t> (e * l + i) * w
            memset(row, 0, w * sizeof(double))
            for j in range(l):
                x = T[i * l + j]
                if x == 0.0:
                    continue
                C = m.M + (e * l + j) * m.ld + q1
                for k in range(w0):
                    row[k] += x * C[k]
                row[w0] += x * m.Zy[e * l + j]
    s.logdet += log(product)
    # S <- S - sum_e (T_e C_e)' (T_e C_e)
    for j in range(w0):
        memcpy(s.S + <Py_ssize_t> j * w, m.M + (q1 + j) * m.ld + q1, w0 * sizeof(double))
        s.S[<Py_ssize_t> j * w + w0] = m.Zy[q1 + j] if j < qr else m.Xy[j - qr]
    s.S[<Py_ssize_t> w0 * w + w0] = m.yy
    dsyrk(LOWER, PLAIN, &w, &q1, &MINUS, s.TC, &w, &ONE, s.S, &w)
    # L_r L_r' = I + Lambda_r' S_rr Lambda_r, R = L_r^-1 Lambda_r' [S_rr, S_rx, S_ry]
    if qr:
        for j in range(w):
            for i in range(qr):
                s.R[<Py_ssize_t> j * qr + i] = s.S[<Py_ssize_t> i * w + j] if i <= j else s.S[<Py_ssize_t> j * w + i]
        times_root(m, s.R, qr, w)
        # M' = Lambda_r' (Lambda_r' S_rr)'
        for j in range(qr):
            for i in range(qr):
                s.M[<Py_ssize_t> j * qr + i] = s.R[<Py_ssize_t> i * qr + j]
        times_root(m, s.M, qr, qr)
        for i in range(qr):
            s.M[<Py_ssize_t> i * qr + i] += 1.0
        dpotrf(LOWER, &qr, s.M, &qr, &info)
        if info:
            return False
        for i in range(qr):
            s.logdet += 2.0 * log(s.M[<Py_ssize_t> i * qr + i])
        dtrsm(LEFT, LOWER, PLAIN, PLAIN, &qr, &w, &ONE, s.M, &qr, s.R, &qr)
    # H = [X y]'V^-1[X y]
    for j in range(p1):
        for i in range(j, p1):
            s.H[j * p1 + i] = s.S[<Py_ssize_t> (qr + j) * w + qr + i]
    if qr:
        dsyrk(LOWER, TURNED, &p1, &qr, &MINUS, s.R + <Py_ssize_t> qr * qr, &qr, &ONE, s.H, &p1)
    if p:
        dpotrf(LOWER, &p, s.H, &p1, &info)
        if info:
            return False
        for i in range(p):
            s.logdet_x += 2.0 * log(s.H[i * p1 + i])
        # z = Lxx^-1 Hxy, r2 = Hyy - z'z, b = Lxx^-T z
        total = 0.0
        for i in range(p):
            x = s.H[i * p1 + p]
            for j in range(i):
                x -= s.H[j * p1 + i] * s.H[j * p1 + p]
            x /= s.H[i * p1 + i]
            s.H[i * p1 + p] = x
            total += x * x
        for i in range(p - 1, -1, -1):
            x = s.H[i * p1 + p]
            for j in range(i + 1, p):
                x -= s.H[i * p1 + j] * s.b[j]
            s.b[i] = x / s.H[i * p1 + i]
        s.r2 = s.H[p * p1 + p] - total
    else:
        s.r2 = s.H[0]
    return s.r2 > TINY and isfinite(s.r2) and isfinite(s.logdet) and isfinite(s.logdet_x)


cdef void find_modes(Model* m, Work* s) noexcept nogil:
    """u = Lambda M^-1 Lambda' Z'(y - Xb): the rest's by L_r, then each level's own."""
    cdef int l = m.l[0], w = m.w, qr = m.qr, q1 = m.q1, p = m.p
    cdef int e, f, i, j, g, lf, one = 1
    cdef double x
    cdef double y[MOST]
    cdef double* u = s.u + q1
    cdef double* row
    cdef double* T
    if qr:
        # Lambda_r L_r^-T (R_y - R_x b)
        memcpy(u, s.R + <Py_ssize_t> m.w0 * qr, qr * sizeof(double))
        for j in range(p):
            for i in range(qr):
                u[i] -= s.b[j] * s.R[<Py_ssize_t> (qr + j) * qr + i]
        dtrsm(LEFT, LOWER, TURNED, PLAIN, &qr, &one, &ONE, s.M, &qr, u, &qr)
        for f in range(1, m.factors):
            lf = m.l[f]
            for g in range(m.m[f]):
                row = s.u + m.start[f] + g * lf
                for i in range(lf):
                    y[i] = 0.0
                    for j in range(lf):
                        y[i] += m.root[f][i * lf + j] * row[j]
                memcpy(row, y, lf * sizeof(double))
    # w_e (Z_e'y - Z_e'X b - A_er u_r) with w_e = T_e' T_e
    for e in range(m.m[0]):
        T = s.T + e * l * l
        for i in range(l):
            row = s.TC + <Py_ssize_t> (e * l + i) * w
            x = row[m.w0]
            for j in range(p):
                x -= row[qr + j] * s.b[j]
            for j in range(qr):
                x -= row[j] * u[j]
            y[i] = x
        for i in range(l):
            x = 0.0
            for j in range(l):
                x += T[j * l + i] * y[j]
            s.u[e * l + i] = x


def criterion(const int[::1] sizes, const double[:, ::1] M, const double[::1] units, const double[::1] Zy,
              const double[::1] Xy, double yy, tuple lambdas):
    cdef Model m
    cdef Work s
    if not read_model(&m, sizes, M, units, Zy, Xy, yy, lambdas):
        return None
    merge(&m)
    s.logdet = s.logdet_x = 0.0
    if not make_work(&m, &s):
        raise MemoryError
    try:
        if not factorise(&m, &s):
            return None
        return parts_of(&m, &s)
    finally:
        free(s.memory)


cdef tuple parts_of(Model* m, Work* s):
    """What criterion returns, of a model that is factorised."""
    cdef int i, j, p = m.p, p1 = m.p + 1
    cdef double[::1] b, u
    cdef double[:, ::1] L
    find_modes(m, s)
    b_array, u_array, L_array = np.empty(p), np.empty(m.q), np.zeros((p, p))
    u = u_array
    memcpy(&u[0], s.u, m.q * sizeof(double))
    if p:
        b, L = b_array, L_array
        memcpy(&b[0], s.b, p * sizeof(double))
        for i in range(p):
            for j in range(i + 1):
                L[i, j] = s.H[j * p1 + i]
    return s.logdet, s.logdet_x, s.r2, b_array, L_array, u_array


def at_zero(const int[::1] sizes, const double[:, ::1] M, const double[::1] units, const double[::1] Zy,
            const double[::1] Xy, double yy, tuple lambdas):
    cdef Model m
    cdef Work s
    cdef int k, l
    cdef double[:, ::1] out
    if not read_model(&m, sizes, M, units, Zy, Xy, yy, lambdas):
        return None
    if not make_work(&m, &s):
        raise MemoryError
    result = np.empty((m.blocks + 1, 3))
    out = result
    try:
        for k in range(m.blocks + 1):
            merge(&m)
            for l in range(m.blocks):
                if k == l or k == m.blocks:
                    clear(&m, l)
            s.logdet = s.logdet_x = 0.0
            if not factorise(&m, &s):
                return None
            out[k, 0], out[k, 1], out[k, 2] = s.logdet, s.logdet_x, s.r2
        return result
    finally:
        free(s.memory)


cdef void clear(Model* m, int k) noexcept nogil:
    """Set the lambda of one block to zero within that of its factor."""
    cdef int i, j, f = m.factor[k], o = m.offset[k]
    for i in range(m.width[k]):
        for j in range(m.width[k]):
            m.root[f][(o + i) * m.l[f] + o + j] = 0.0


cdef bint find_frame(int l, double* lam, double* Q, double* roots) noexcept nogil:
    """Q and the roots of lambda lambda' = Q roots^2 Q', and lambda = Q roots; by rows, roots decreasing."""
    cdef double U[MOST * MOST]
    cdef double V[MOST * MOST]
    cdef double work[2048]
    cdef int iwork[8 * MOST]
    cdef int i, j, n = l, size = 2048, info = 0
    if l == 1:
        Q[0], roots[0] = 1.0, fabs(lam[0])
        lam[0] = roots[0]
        return True
    # lambda by rows is lambda' by columns: lambda' = U S V', so that Q = V, (V' by columns is V by rows)
    memcpy(Q, lam, l * l * sizeof(double))
    dgesdd("A", &n, &n, Q, &n, roots, U, &n, V, &n, work, &size, iwork, &info)
    if info:
        return False
    memcpy(Q, V, l * l * sizeof(double))
    for i in range(l):
        for j in range(l):
            lam[i * l + j] = Q[i * l + j] * roots[j]
    return True


def point(const int[::1] sizes, const double[:, ::1] M, const double[::1] units, const double[::1] Zy,
          const double[::1] Xy, double yy, tuple lambdas, bint reml, int dof):
    cdef Model m
    cdef Work s
    cdef int k, l
    cdef double Q[MOST_TERMS][MOST * MOST]
    cdef double roots[MOST_TERMS][MOST]
    cdef double[:, :, ::1] block
    cdef double[:, ::1] vectors, matrices_row
    cdef double[:, :, ::1] matrices
    if not read_model(&m, sizes, M, units, Zy, Xy, yy, lambdas):
        return None
    for k in range(m.blocks):
        if not find_frame(m.width[k], m.lam[k], Q[k], roots[k]):
            return None
    merge(&m)
    s.logdet = s.logdet_x = 0.0
    if not make_work(&m, &s):
        raise MemoryError
    try:
        if not factorise(&m, &s):
            return None
        vectors_array, matrices_array = np.empty((2, m.k)), np.empty((2, m.k, m.k))
        vectors, matrices = vectors_array, matrices_array
        blocks = []
        for k in range(m.blocks):
            l = m.width[k]
            block_array = np.zeros((5, l, l))
            block = block_array
            memcpy(&block[0, 0, 0], Q[k], l * l * sizeof(double))
            for j in range(l):
                block[1, j, j] = roots[k][j]
            memcpy(&block[2, 0, 0], m.lam[k], l * l * sizeof(double))
            blocks.append(block_array)
        if not differentiate(&m, &s, reml, dof, Q, roots, &vectors[0, 0], &matrices[0, 0, 0], blocks):
            raise MemoryError
        return parts_of(&m, &s), vectors_array, matrices_array, blocks
    finally:
        free(s.memory)


cdef bint differentiate(Model* m, Work* s, bint reml, int dof, double[MOST_TERMS][MOST * MOST] Q,
                        double[MOST_TERMS][MOST] roots, double* vectors, double* matrices, list blocks) except -1:
    """phi and gradient, exact and average Hessian, and G and T of each block."""
    cdef int l = m.l[0], w = m.w, w0 = m.w0, qr = m.qr, q1 = m.q1, q = m.q, p = m.p, p1 = m.p + 1, K = m.k
    cdef int e, f, i, j, k, a, c, g, h, at, lk, lj, rows = qr + p, one = 1, columns
    cdef Py_ssize_t size = (<Py_ssize_t> w) * q1 + (<Py_ssize_t> rows) * q + 2 * (<Py_ssize_t> q) * q + q
    cdef double x, y, ratio = dof / s.r2
    cdef double* memory
    cdef double* JC
    cdef double* E
    cdef double* N
    cdef double* NP
    cdef double* F
    cdef double* D
    cdef double* ND
    cdef double* Y
    cdef double* row
    cdef double[:, :, ::1] block
    size += 2 * (<Py_ssize_t> q) * K + (<Py_ssize_t> p) * K + 2 * (<Py_ssize_t> K) * K + 2 * K
    memory = <double*> malloc(size * sizeof(double))
    if memory == NULL:
        return False
    try:
        JC = memory                # (w, q1): J_e [A_er, Z_e'X, Z_e'y], J_e = (I + A_e Sigma)^-1
        E = JC + w * q1            # (qr + p, q): [L_r^-1 Lambda_r' Z_r'; Lxx^-1 X'] V^-1 Z
        N = E + rows * q           # (q, q): Z'V^-1 Z, projected off X under REML
        NP = N + q * q             # (q, q): Z'PZ
        F = NP + q * q             # (q,): Z'V^-1 (y - Xb)
        D = F + q                  # (q, K): dSigma_i f
        ND = D + q * K             # (q, K)
        Y = ND + q * K             # (p, K)
        solve_levels(m, s, JC, N)
        with nogil:
            # E of the first factor's columns, and of the rest's
            for e in range(q1):
                memcpy(E + <Py_ssize_t> e * rows, JC + <Py_ssize_t> e * w, rows * sizeof(double))
            for j in range(qr):
                memcpy(E + <Py_ssize_t> (q1 + j) * rows, s.R + <Py_ssize_t> j * qr, qr * sizeof(double))
                for i in range(p):
                    E[<Py_ssize_t> (q1 + j) * rows + qr + i] = s.S[<Py_ssize_t> j * w + qr + i]
            if qr:
                times_root(m, E, rows, q1)
                dtrsm(LEFT, LOWER, PLAIN, PLAIN, &qr, &q1, &ONE, s.M, &qr, E, &rows)
                if p:
                    dgemm(TURNED, PLAIN, &p, &q, &qr, &MINUS, s.R + <Py_ssize_t> qr * qr, &qr, E, &rows, &ONE, E + qr,
                          &rows)
            if p:
                dtrsm(LEFT, LOWER, PLAIN, PLAIN, &p, &q, &ONE, s.H, &p1, E + qr, &rows)
            # f = Z'V_1^-1 y - E' [R_y; z]
            for e in range(q1):
                F[e] = JC[<Py_ssize_t> e * w + w0]
            for i in range(qr):
                F[q1 + i] = s.S[<Py_ssize_t> i * w + w0]
            for e in range(q):
                row = E + <Py_ssize_t> e * rows
                x = F[e]
                for i in range(qr):
                    x -= row[i] * s.R[<Py_ssize_t> w0 * qr + i]
                for i in range(p):
                    x -= row[qr + i] * s.H[i * p1 + p]
                F[e] = x
            # N = Z'V_1^-1 Z - E'E, lower triangle; Z'V_1^-1 Z has J_e A_e, J_e A_er and S_rr
            for j in range(q1):
                for i in range(qr):
                    N[<Py_ssize_t> j * q + q1 + i] = JC[<Py_ssize_t> j * w + i]
            for j in range(qr):
                for i in range(j, qr):
                    N[<Py_ssize_t> (q1 + j) * q + q1 + i] = s.S[<Py_ssize_t> j * w + i]
            if rows:
                columns = rows if reml else qr
                if columns:
                    dsyrk(LOWER, TURNED, &q, &columns, &MINUS, E, &rows, &ONE, N, &q)
            for j in range(q):
                for i in range(j):
                    N[<Py_ssize_t> j * q + i] = N[<Py_ssize_t> i * q + j]
        # G and T of each block
        for k in range(m.blocks):
            lk, f = m.width[k], m.factor[k]
            block = blocks[k]
            for a in range(lk):
                for c in range(lk):
                    x = y = 0.0
                    for g in range(m.m[f]):
                        i = m.start[f] + g * m.l[f] + m.offset[k]
                        x += N[<Py_ssize_t> (i + c) * q + i + a]
                        if reml:
                            for h in range(p):
                                y += E[<Py_ssize_t> (i + a) * rows + qr + h] * E[<Py_ssize_t> (i + c) * rows + qr + h]
                    block[4, a, c] = x + y
                    y = 0.0
                    for g in range(m.m[f]):
                        i = m.start[f] + g * m.l[f] + m.offset[k]
                        y += F[i + a] * F[i + c]
                    block[3, a, c] = x - ratio * y
        # D and the quadratic forms
        memset(D, 0, q * K * sizeof(double))
        directions(m, Q, F, D)
        dsymm(LEFT, LOWER, &q, &K, &ONE, N, &q, D, &q, &ZERO, ND, &q)
        if p and not reml:
            dgemm(PLAIN, PLAIN, &p, &K, &q, &ONE, E + qr, &rows, D, &q, &ZERO, Y, &p)
        second_derivatives(m, s, reml, dof, Q, roots, N, F, D, ND, Y, vectors, matrices, blocks)
        return True
    finally:
        free(memory)


cdef void solve_levels(Model* m, Work* s, double* JC, double* N) noexcept nogil:
    """J_e = (I + A_e Sigma)^-1 by Gauss and Jordan; J_e [A_er, Z_e'X, Z_e'y], and J_e A_e into N's lower triangle."""
    cdef int l = m.l[0], w = m.w, w0 = m.w0, q = m.q, q1 = m.q1
    cdef int e, i, j, k, at
    cdef double x
    cdef double sigma[MOST * MOST]
    cdef double B[MOST * MOST]
    cdef double J[MOST * MOST]
    cdef const double* A
    cdef const double* lam = m.root[0]
    cdef double* row
    cdef const double* C
    for i in range(l):
        for j in range(l):
            x = 0.0
            for k in range(l):
                x += lam[i * l + k] * lam[j * l + k]
            sigma[i * l + j] = x
    for j in range(m.q1):
        memset(N + <Py_ssize_t> j * q, 0, m.q1 * sizeof(double))
    for e in range(m.m[0]):
        A = m.M + e * l * (m.ld + 1)
        for i in range(l):
            for j in range(l):
                x = 1.0 if i == j else 0.0
                for k in range(l):
                    x += A[i * m.ld + k] * sigma[k * l + j]
                B[i * l + j] = x
        invert(l, B, J)
        for i in range(l):
            row = JC + <Py_ssize_t> (e * l + i) * w
            memset(row, 0, w * sizeof(double))
            for j in range(l):
                x = J[i * l + j]
                C = m.M + (e * l + j) * m.ld + q1
                for k in range(w0):
                    row[k] += x * C[k]
                row[w0] += x * m.Zy[e * l + j]
            for j in range(i + 1):
                x = 0.0
                for k in range(l):
                    x += J[i * l + k] * A[k * m.ld + j]
                N[<Py_ssize_t> (e * l + j) * q + e * l + i] = x


cdef inline double sigma_entry(int l, const double* Q, const double* lam, double c, int a, int b, int i, int j) noexcept nogil:
    """Entry (i, j) of dSigma / dL_ab = Q_a (Q L)_b' + its transpose; with one effect 1 / c + Sigma."""
    if l == 1:
        return 1.0 / c + lam[0] * lam[0]
    return Q[i * l + a] * lam[j * l + b] + Q[j * l + a] * lam[i * l + b]


cdef void directions(Model* m, double[MOST_TERMS][MOST * MOST] Q, double* F, double* D) noexcept nogil:
    """dSigma_i f, columns of D."""
    cdef int k, l, f, g, a, b, i, j, row, column = 0
    cdef double x
    cdef double S[MOST * MOST]
    for k in range(m.blocks):
        l, f = m.width[k], m.factor[k]
        for b in range(l):
            for a in range(b, l):
                for i in range(l):
                    for j in range(l):
                        S[i * l + j] = sigma_entry(l, Q[k], m.lam[k], m.units[k], a, b, i, j)
                for g in range(m.m[f]):
                    row = m.start[f] + g * m.l[f] + m.offset[k]
                    for i in range(l):
                        x = 0.0
                        for j in range(l):
                            x += S[i * l + j] * F[row + j]
                        D[<Py_ssize_t> column * m.q + row + i] = x
                column += 1


cdef void second_derivatives(Model* m, Work* s, bint reml, int dof, double[MOST_TERMS][MOST * MOST] Q,
                             double[MOST_TERMS][MOST] roots, double* N, double* F, double* D, double* ND, double* Y,
                             double* vectors, double* matrices, list blocks):
    cdef int K = m.k, q = m.q, p = m.p
    cdef int i, j, k, l, a, b, c, d, at, to, kk, size, first, other, lj, f, h, fk, fj, g, u, v
    cdef double x, y, z, ratio = dof / s.r2
    cdef double* phi = vectors
    cdef double* gradient = vectors + K
    cdef double* exact = matrices
    cdef double* average = matrices + K * K
    cdef double[:, :, ::1] block
    cdef double* gram = <double*> malloc((MOST * MOST) * (MOST * MOST) * sizeof(double))
    cdef double* vec = <double*> malloc((MOST * MOST) * sizeof(double))
    cdef double* forms = <double*> malloc(K * sizeof(double))
    if gram == NULL or vec == NULL or forms == NULL:
        free(gram)
        free(vec)
        free(forms)
        raise MemoryError
    # q_i = f'dSigma_i f, and dof (q_ij / r2) + curvature of Sigma - dof q_i q_j / r2^2
    for i in range(K):
        x = 0.0
        for a in range(q):
            x += D[<Py_ssize_t> i * q + a] * F[a]
        forms[i] = x
    for i in range(K):
        for j in range(i + 1):
            x = y = 0.0
            for a in range(q):
                x += D[<Py_ssize_t> i * q + a] * ND[<Py_ssize_t> j * q + a]
                y += D[<Py_ssize_t> j * q + a] * ND[<Py_ssize_t> i * q + a]
            x = 0.5 * (x + y)
            if p and not reml:
                for a in range(p):
                    x -= Y[i * p + a] * Y[j * p + a]
            x *= ratio
            y = -ratio / s.r2 * forms[i] * forms[j]
            average[i * K + j] = average[j * K + i] = x + y
            exact[i * K + j] = exact[j * K + i] = 2.0 * x + y
    at = 0
    for k in range(m.blocks):
        l = m.width[k]
        block = blocks[k]
        if l == 1:
            x = block[3, 0, 0] * (1.0 / m.units[k] + m.lam[k][0] * m.lam[k][0])
            phi[at] = log1p(m.units[k] * m.lam[k][0] * m.lam[k][0])
            gradient[at] = x
            average[at * K + at] += x
            exact[at * K + at] += x
            at += 1
            continue
        to = at
        for b in range(l):
            for a in range(b, l):
                phi[to] = roots[k][b] if a == b else 0.0
                # 2 (Q' G lambda)_ab
                x = 0.0
                for i in range(l):
                    for j in range(l):
                        x += Q[k][i * l + a] * block[3, i, j] * m.lam[k][j * l + b]
                gradient[to] = 2.0 * x
                # 2 (Q' G Q)_ac between the entries of one column of L
                for c in range(b, l):
                    x = 0.0
                    for i in range(l):
                        for j in range(l):
                            x += Q[k][i * l + a] * block[3, i, j] * Q[k][j * l + c]
                    average[to * K + at + c - b] += 2.0 * x
                    exact[to * K + at + c - b] += 2.0 * x
                to += 1
            at = to
    # tr(P V_i P V_j) from the Gram matrix of the blocks N_gh of two terms
    first = 0
    for k in range(m.blocks):
        l, fk = m.width[k], m.factor[k]
        other = 0
        for kk in range(m.blocks):
            lj, fj = m.width[kk], m.factor[kk]
            if kk > k:
                break
            size = l * lj
            memset(gram, 0, size * size * sizeof(double))
            for h in range(m.m[fj]):
                v = m.start[fj] + h * m.l[fj] + m.offset[kk]
                for g in range(m.m[fk]):
                    u = m.start[fk] + g * m.l[fk] + m.offset[k]
                    if size == 1:
                        x = N[<Py_ssize_t> v * q + u]
                        gram[0] += x * x
                        continue
                    for a in range(l):
                        for b in range(lj):
                            vec[a * lj + b] = N[<Py_ssize_t> (v + b) * q + u + a]
                    for a in range(size):
                        x = vec[a]
                        for b in range(a + 1):
                            gram[a * size + b] += x * vec[b]
            for a in range(size):
                for b in range(a):
                    gram[b * size + a] = gram[a * size + b]
            trace_block(m, k, kk, first, other, Q, gram, exact)
            other += lj * (lj + 1) // 2
        first += l * (l + 1) // 2
    free(gram)
    free(vec)
    free(forms)


cdef void trace_block(Model* m, int k, int kk, int first, int other, double[MOST_TERMS][MOST * MOST] Q,
                      const double* gram, double* exact) noexcept nogil:
    """Take sum_abcd dSigma_i[a,b] dSigma_j[c,d] gram[(a,c),(b,d)] off the Hessian."""
    cdef int K = m.k, l = m.width[k], lj = m.width[kk]
    cdef int a, b, c, d, i, j, row, column, size = l * lj
    cdef double x, left
    cdef double part[MOST * MOST]
    row = first
    for j in range(l):
        for i in range(j, l):
            # sum over a, b of dSigma_i: (c, d)
            for c in range(lj):
                for d in range(lj):
                    x = 0.0
                    for a in range(l):
                        for b in range(l):
                            left = sigma_entry(l, Q[k], m.lam[k], m.units[k], i, j, a, b)
                            x += left * gram[(a * lj + c) * size + b * lj + d]
                    part[c * lj + d] = x
            column = other
            for b in range(lj):
                for a in range(b, lj):
                    x = 0.0
                    for c in range(lj):
                        for d in range(lj):
                            x += sigma_entry(lj, Q[kk], m.lam[kk], m.units[kk], a, b, c, d) * part[c * lj + d]
                    exact[row * K + column] -= x
                    if k != kk:
                        exact[column * K + row] -= x
                    column += 1
            row += 1


def start(const int[::1] sizes, const double[:, ::1] M, const double[::1] units, const double[::1] Zy,
          const double[::1] Xy, double yy, int n, double floor, double spread):
    cdef Model m
    cdef int t = 0, k, f, l
    cdef tuple nothing
    cdef double[:, ::1] root
    zeros = []
    read_sizes(&m, sizes)
    for k in range(m.blocks):
        l = m.width[k]
        zeros.append(np.zeros((l, l)))
    nothing = tuple(zeros)
    read_model(&m, sizes, M, units, Zy, Xy, yy, nothing)
    for f in range(m.factors):
        t += m.l[f]
    if t > MOST_TYPES or not find_start(&m, t, n, floor, spread):
        return None
    for k in range(m.blocks):
        l = m.width[k]
        root = zeros[k]
        memcpy(&root[0, 0], m.lam[k], l * l * sizeof(double))
    return nothing


# Every effect a variance component v_c: E sum_g z_g^2 / a_g = sum_d v_d sum_gh B_gh^2 / a_g + v_e sum_g B_gg / a_g
# and E r'Wr = sum_d v_d tr B_d + v_e (n - p), with B = Z'WZ - Z'WX X'WZ
cdef bint find_start(Model* m, int types, int n, double floor, double spread) noexcept nogil:
    cdef int q = m.q, p = m.p, K1 = types + 1, one = 1, info = 0
    cdef int f, g, h, i, k, l, a, c, t, u, first
    cdef int of[MOST_TERMS]          # the first type of each factor
    cdef int pivots[MOST_TYPES + 1]
    cdef double A[(MOST_TYPES + 1) * (MOST_TYPES + 1)]
    cdef double v[MOST_TYPES + 1]
    cdef double sizes[MOST_TYPES]
    cdef double traces[MOST_TERMS]
    cdef int counts[MOST_TYPES]
    cdef double x, residual, others
    cdef double* B = <double*> malloc((<size_t> q) * q * sizeof(double) + q * sizeof(int))
    cdef int* kind = <int*> (B + <size_t> q * q)
    if B == NULL:
        return False
    t = 0
    for f in range(m.factors):
        of[f] = t
        for i in range(m.m[f] * m.l[f]):
            kind[m.start[f] + i] = t + i % m.l[f]
        t += m.l[f]
    for g in range(q):
        memcpy(B + <size_t> g * q, m.M + g * m.ld, q * sizeof(double))
    first = <int> m.ld
    if p:
        # Rows of M from column q on are X's columns of each row of Z'WX
        dsyrk(LOWER, TURNED, &q, &p, &MINUS, <double*> (m.M + q), &first, &ONE, B, &q)
    memset(A, 0, K1 * K1 * sizeof(double))
    for t in range(types):
        v[t] = sizes[t] = 0.0
        counts[t] = 0
    v[types] = m.yy
    for g in range(q):
        t = kind[g]
        x = m.M[g * m.ld + g]
        sizes[t] += x
        counts[t] += x > 0.0
        # A by columns
        A[t * K1 + types] += B[<size_t> g * q + g]
        x = 1.0 / x if x > 0.0 else 0.0
        v[t] += m.Zy[g] * m.Zy[g] * x
        A[types * K1 + t] += B[<size_t> g * q + g] * x
        for h in range(q):
            residual = B[<size_t> h * q + g] if g >= h else B[<size_t> g * q + h]
            A[kind[h] * K1 + t] += residual * residual * x
    A[types * K1 + types] = n - p
    free(B)
    dgesv(&K1, &one, A, &K1, pivots, v, &K1, &info)
    if info:
        return False
    residual = v[types]
    if not residual > 1e-14 * m.yy / n:
        residual = 0.1 * m.yy / n
    for k in range(m.blocks):
        traces[k] = 0.0
        for a in range(m.width[k]):
            t = of[m.factor[k]] + m.offset[k] + a
            x = fmax(v[t] / residual, floor / fmax(sizes[t] / max(counts[t], 1), 1e-12))
            if not isfinite(x):
                return False
            m.lam[k][a * m.width[k] + a] = x
            traces[k] += x
    for k in range(m.blocks):
        if m.width[k] == 1:
            m.lam[k][0] = sqrt(m.lam[k][0])
            continue
        others = 0.0
        for u in range(m.blocks):
            if u != k:
                others += traces[u]
        if not find_covariance(m, k, residual, others, floor * m.m[m.factor[k]] / n, spread):
            return False
    return True


# Sigma of a vector-valued term from sum_g z_g z_g' = s2 kept (sum_g A_g Sigma A_g + (1 + others) sum_g A_g), and its root
cdef bint find_covariance(Model* m, int k, double residual, double others, double floor, double spread) noexcept nogil:
    cdef int l = m.width[k], f = m.factor[k], s = l * l, one = 1, info = 0
    cdef int a, b, c, d, g, i, row, size = 40 * MOST
    cdef int pivots[MOST * MOST]
    cdef double total[MOST * MOST]
    cdef double S[MOST * MOST]
    cdef double V[MOST * MOST]
    cdef double values[MOST]
    cdef double work[40 * MOST]
    cdef double x, kept = 0.0, trace = 0.0
    cdef const double* A
    cdef const double* C
    cdef double* gram = <double*> malloc(s * s * sizeof(double))
    if gram == NULL:
        return False
    memset(gram, 0, s * s * sizeof(double))
    memset(total, 0, s * sizeof(double))
    memset(S, 0, s * sizeof(double))
    for g in range(m.m[f]):
        row = m.start[f] + g * m.l[f] + m.offset[k]
        A = m.M + row * (m.ld + 1)
        for a in range(l):
            C = m.M + (row + a) * m.ld + m.q
            for i in range(m.p):
                kept += C[i] * C[i]
            for b in range(l):
                total[a * l + b] += A[a * m.ld + b]
                S[a * l + b] += m.Zy[row + a] * m.Zy[row + b]
                for c in range(l):
                    for d in range(l):
                        gram[(c * l + d) * s + a * l + b] += A[a * m.ld + c] * A[b * m.ld + d]
    for a in range(l):
        trace += total[a * l + a]
    kept = fmax(1.0 - kept / fmax(trace, 1e-12), 0.1)
    for i in range(s):
        S[i] = S[i] / (residual * kept) - (1.0 + others) * total[i]
    dgesv(&s, &one, gram, &s, pivots, S, &s, &info)
    free(gram)
    if info == 0:
        for a in range(l):
            for b in range(l):
                V[a * l + b] = 0.5 * (S[a * l + b] + S[b * l + a])
                if not isfinite(V[a * l + b]):
                    return False
        dsyev(VECTORS, LOWER, &l, V, &l, values, work, &size, &info)
        if info:
            return False
        if values[l - 1] > floor:
            x = fmax(floor, spread * values[l - 1])
            for a in range(l):
                for b in range(l):
                    m.lam[k][a * l + b] = 0.0
                    for i in range(l):
                        m.lam[k][a * l + b] += V[i * l + a] * fmax(values[i], x) * V[i * l + b]
    # The lower Cholesky factor, in place
    for b in range(l):
        for a in range(b, l):
            x = m.lam[k][a * l + b]
            for i in range(b):
                x -= m.lam[k][a * l + i] * m.lam[k][b * l + i]
            if a == b:
                if not x > 0.0:
                    return False
                m.lam[k][a * l + a] = sqrt(x)
            else:
                m.lam[k][a * l + b] = x / m.lam[k][b * l + b]
        for a in range(b):
            m.lam[k][a * l + b] = 0.0
    return True


def products(tuple codes, tuple bases, const int[:, ::1] places, const double[:, :] X, const double[:] y, weights, int q,
             double exact):
    cdef int n = <int> X.shape[0], p = <int> X.shape[1], width = q + p + 1, blocks = <int> places.shape[0]
    cdef int i, j, k, l, total = 0, used = 0
    cdef double scale
    cdef const double[:] w
    cdef const double[:, :] basis
    cdef const Py_ssize_t[:] code
    cdef double[:, ::1] M, T, R
    cdef double[::1] centre
    cdef double* memory
    cdef double* Q
    cdef double* r
    cdef double* root
    cdef double* B
    cdef int* at
    for k in range(blocks):
        l = bases[k].shape[1]
        total += l
        if l > MOST or p > LARGEST_X:
            return plain.products(codes, bases, np.asarray(places), np.asarray(X), np.asarray(y), weights, q, exact)
    memory = <double*> malloc((<size_t> n) * (p + 2 + total) * sizeof(double) + (<size_t> n) * total * sizeof(int))
    if memory == NULL:
        raise MemoryError
    try:
        Q, r = memory, memory + (<size_t> n) * p
        root = r + n
        B = root + n
        at = <int*> (B + (<size_t> n) * total)
        for i in range(n):
            root[i] = 1.0
        if weights is not None:
            w = weights
            for i in range(n):
                root[i] = sqrt(w[i])
        for i in range(n):
            r[i] = y[i] * root[i]
            for j in range(p):
                Q[(<size_t> i) * p + j] = X[i, j] * root[i]
        x_map, centre_array, whole = np.eye(p), np.zeros(p + 1), np.zeros((width, width))
        M, centre = whole, centre_array
        if p:
            T = x_map
            if not orthonormalise(n, p, Q, &T[0, 0]):
                return None
        scale = centred(n, p, Q, r, &centre[0], exact)
        if not scale > 0.0:
            return None
        maps = []
        for k in range(blocks):
            basis, code = bases[k], codes[k]
            l = <int> basis.shape[1]
            map_array = np.zeros((l, l))
            R = map_array
            maps.append(map_array)
            for i in range(n):
                for j in range(l):
                    B[(<size_t> i) * total + used + j] = basis[i, j] * root[i]
                    at[(<size_t> i) * total + used + j] = places[k, 0] + <int> code[i] * places[k, 1] + j
            if not unit_basis(n, l, total, B + used, &R[0, 0]):
                return None
            used += l
        with nogil:
            add_rows(n, p, q, total, Q, r, B, at, &M[0, 0])
        is_clear = True
        for k in range(blocks):
            is_clear = is_clear and is_beside(&M[0, 0], q, p, bases[k].shape[1], places[k, 0], places[k, 1], places[k, 2])
        return whole, x_map, centre_array[:p], scale, maps, is_clear
    finally:
        free(memory)


cdef bint orthonormalise(int n, int p, double* Q, double* T) noexcept nogil:
    """Q <- Q T with orthonormal columns, T (p, p) upper triangular, both by rows; whether no column is dependent."""
    cdef int i, j, info = 0
    cdef double share = 0.0
    cdef double* G = <double*> malloc((<size_t> p) * (p + 1) * sizeof(double))
    cdef double* d = G + (<size_t> p) * p
    if G == NULL:
        return False
    while share < SURE:
        dsyrk(LOWER, PLAIN, &p, &n, &ONE, Q, &p, &ZERO, G, &p)
        for i in range(p):
            share = G[i * p + i]
            if not (share > LEAST and share < GREATEST):
                free(G)
                return False
            d[i] = sqrt(share)
        for j in range(p):
            for i in range(j, p):
                G[j * p + i] /= d[i] * d[j]
        # G = L L', T <- T D^-1 L^-T
        dpotrf(LOWER, &p, G, &p, &info)
        share = 1.0
        for i in range(p):
            share = fmin(share, G[i * p + i])
        if info or not share >= CLEAR:
            free(G)
            return False
        dtrtri(LOWER, PLAIN, &p, G, &p, &info)
        for j in range(p):
            for i in range(j, p):
                G[j * p + i] /= d[j]
        dtrmm(LEFT, LOWER, PLAIN, PLAIN, &p, &n, &ONE, G, &p, Q, &p)
        dtrmm(LEFT, LOWER, PLAIN, PLAIN, &p, &p, &ONE, G, &p, T, &p)
    free(G)
    return True


cdef double centred(int n, int p, double* Q, double* r, double* centre, double exact) noexcept nogil:
    """r <- (r - Q centre) / scale, of mean square one; the scale, 0 where X leaves no variation."""
    cdef int i, j, k, one = 1
    cdef double x, scale, ss = ddot(&n, r, &one, r, &one), least = fmax(exact * exact * ss, LEAST)
    cdef double step[LARGEST_X]
    # The second pass takes off what rounding left of the first.
    for k in range(2 if p else 0):
        dgemv(PLAIN, &p, &n, &ONE, Q, &p, r, &one, &ZERO, step, &one)
        dgemv(TURNED, &p, &n, &MINUS, Q, &p, step, &one, &ONE, r, &one)
        for j in range(p):
            centre[j] += step[j]
    ss = ddot(&n, r, &one, r, &one)
    if not (ss > least and ss < GREATEST):
        return 0.0
    scale = sqrt(ss / n)
    for i in range(n):
        r[i] /= scale
    return scale


cdef bint unit_basis(int n, int l, int stride, double* B, double* R) noexcept nogil:
    """B <- B R^-1, orthonormal on average over the rows, R (l, l) lower triangular; whether no column is dependent."""
    cdef int i, a, b, c
    cdef double x
    cdef double G[MOST * MOST]
    cdef double d[MOST]
    cdef double* row
    memset(G, 0, l * l * sizeof(double))
    for i in range(n):
        row = B + (<size_t> i) * stride
        for a in range(l):
            for b in range(a + 1):
                G[a * l + b] += row[a] * row[b]
    for a in range(l):
        x = G[a * l + a]
        if not (x > LEAST and x < GREATEST):
            return False
        d[a] = sqrt(x)
    # R'R = D^-1 G D^-1: Cholesky's factor from the last row up, then R <- R D / sqrt(n)
    for a in range(l - 1, -1, -1):
        for b in range(a, -1, -1):
            x = G[a * l + b] / d[a] / d[b]
            for c in range(a + 1, l):
                x -= R[c * l + a] * R[c * l + b]
            if a == b:
                if not x >= CLEAR * CLEAR:
                    return False
                R[a * l + a] = sqrt(x)
            else:
                R[a * l + b] = x / R[a * l + a]
    for a in range(l):
        for b in range(a + 1):
            R[a * l + b] *= d[b] / sqrt(<double> n)
    for i in range(n):
        row = B + (<size_t> i) * stride
        for a in range(l - 1, -1, -1):
            x = row[a]
            for c in range(a + 1, l):
                x -= R[c * l + a] * row[c]
            row[a] = x / R[a * l + a]
    return True


cdef bint is_beside(const double* M, int q, int p, int l, int first, int stride, int m) noexcept nogil:
    """Whether X is far from spanning a direction of a term: A_g - C_g C_g' summed over levels is clearly definite."""
    cdef int a, b, g, j, info = 0, width = q + p + 1
    cdef double left, x, trace = 0.0
    cdef double S[MOST * MOST]
    cdef const double* row
    cdef const double* other
    for a in range(l):
        for b in range(a + 1):
            left = x = 0.0
            for g in range(m):
                row = M + (<Py_ssize_t> (first + g * stride + a)) * width
                other = M + (<Py_ssize_t> (first + g * stride + b)) * width
                x += row[first + g * stride + b]
                for j in range(q, q + p):
                    left -= row[j] * other[j]
            S[b * l + a] = left + x
            trace += x if a == b else 0.0
    for a in range(l):
        S[a * l + a] -= BESIDE * trace
    dpotrf(LOWER, &l, S, &l, &info)
    return info == 0


cdef void add_rows(int n, int p, int q, int total, double* Q, double* r, const double* B, const int* at,
                   double* M) noexcept nogil:
    """M += [Z Q r]'[Z Q r] of rows in which Z has the given numbers at the given columns."""
    cdef int i, j, a, b, g, h, one = 1, width = q + p + 1
    cdef double x
    cdef double* row
    for i in range(n):
        for a in range(total):
            x, g = B[(<size_t> i) * total + a], at[(<size_t> i) * total + a]
            row = M + (<size_t> g) * width
            for b in range(a + 1):
                h = at[(<size_t> i) * total + b]
                # Of a pair the place below the diagonal
                if h <= g:
                    row[h] += x * B[(<size_t> i) * total + b]
                else:
                    M[(<size_t> h) * width + g] += x * B[(<size_t> i) * total + b]
            row += q
            for j in range(p):
                row[j] += x * Q[(<size_t> i) * p + j]
            row[p] += x * r[i]
    row = M + (<size_t> q) * width + q
    if p:
        dsyrk(LOWER, PLAIN, &p, &n, &ONE, Q, &p, &ZERO, row, &width)
        dgemv(PLAIN, &p, &n, &ONE, Q, &p, r, &one, &ZERO, row + p, &width)
    row[(<size_t> p) * width + p] = ddot(&n, r, &one, r, &one)
    for i in range(q):
        for j in range(i):
            M[(<size_t> j) * width + i] = M[(<size_t> i) * width + j]
    for i in range(q, width):
        for j in range(i):
            M[(<size_t> i) * width + j] = M[(<size_t> j) * width + i]

# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The criterion along one variance, and its lowest value, compiled; search/section says how it is found."""

import numpy as np

from libc.math cimport ceil, exp, fabs, fmax, fmin, INFINITY, isfinite, log, log1p, NAN, sqrt
from libc.stdlib cimport free, malloc

__all__ = ["lowest"]

cdef enum:
    MOST = 4000  # intervals of one response that may be open at once

cdef double PER_DECADE = 3.0
cdef double TOL = 1e-8, POLISHED = 1e-20
cdef int MAX_POLISHING = 60, MAX_ROUNDS = 40


cdef struct Section:
    int s, r, dof
    const double* log_values   # m_i, (s,)
    const double* log_counts   # n_i
    const double* values       # mu_j, (r,)
    const double* weights      # w_j
    double left, constant, rank
    bint falls


cdef struct Point:
    double tau, f, slope
    double p, p2, h, k  # sum n m / (1 + tau m), sum n m^2 / (1 + tau m)^2, -r'/r, r''/r


# f = sum_i n_i log(1 + tau m_i) + dof log r(tau) + constant, r(tau) = r_0 + sum_j w_j / (1 + tau mu_j)
cdef void evaluate(const Section* c, double tau, Point* out) noexcept nogil:
    cdef int i
    cdef double x, share, part, r = c.left
    out.tau, out.p, out.p2, out.h, out.k = tau, 0.0, 0.0, 0.0, 0.0
    out.f = c.constant
    for i in range(c.s):
        x = c.log_values[i] / (1.0 + tau * c.log_values[i])
        out.p += c.log_counts[i] * x
        out.p2 += c.log_counts[i] * x * x
        out.f += c.log_counts[i] * log1p(tau * c.log_values[i])
    for i in range(c.r):
        share = 1.0 / (1.0 + tau * c.values[i])
        part = c.weights[i] * share
        r += part
        share *= c.values[i]
        out.h += part * share
        out.k += 2.0 * part * share * share
    out.h /= r
    out.k /= r
    out.f += c.dof * log(r)
    out.slope = out.p - c.dof * out.h


# The minimum of an interval on which the criterion is convex, by Newton's method kept inside
cdef void find_minimum(const Section* c, const Point* a, const Point* b, double* tau, double* value) noexcept nogil:
    cdef double low = a.tau, high = b.tau, step, last, trial
    cdef Point at
    cdef int i
    tau[0] = a.tau if a.f <= b.f else b.tau
    value[0] = fmin(a.f, b.f)
    trial = low - a.slope * (high - low) / (b.slope - a.slope)
    for i in range(MAX_POLISHING):
        evaluate(c, trial, &at)
        if at.f < value[0]:
            tau[0], value[0] = trial, at.f
        if at.slope < 0:
            low = trial
        else:
            high = trial
        step = -at.slope / (c.dof * (at.k - at.h * at.h) - at.p2)
        if fabs(at.slope * step) < POLISHED:
            break
        last = trial
        trial += step
        if not (trial > low and trial < high):
            trial = 0.5 * (low + high)
        if trial == last:
            break


# Zero and geometric values of tau, up to where the criterion only rises or is at its limit; how many, at most MOST
cdef int make_grid(const Section* c, Point* points) noexcept nogil:
    cdef int i, n
    cdef double top = 0.0, bottom = INFINITY, sums = 0.0, first, last, rate
    for i in range(c.s):
        top, bottom = fmax(top, c.log_values[i]), fmin(bottom, c.log_values[i])
    for i in range(c.r):
        top, bottom = fmax(top, c.values[i]), fmin(bottom, c.values[i])
        sums += c.weights[i] / c.values[i]
    evaluate(c, 0.0, points)
    if c.s == 0 or c.r == 0:
        evaluate(c, 1.0 / top if top > 0.0 else 1.0, points + 1)
        return 2
    first, last = 0.1 / top, 10.0 / bottom
    # From 1 / min m on the first part rises by at least rank / 2 per unit of log tau; the second falls by less from
    # where dof sum(w / mu) / (r_0 tau) is below that.
    last = fmax(last, 2.0 * c.dof / c.rank * sums / c.left) if c.left > 0.0 else fmax(last, 1e9 / bottom)
    rate = log(last / first)
    n = <int> fmin(fmax(2.0, ceil(PER_DECADE * rate / log(10.0)) + 1.0), MOST / 2)
    for i in range(n):
        evaluate(c, first * exp(rate * i / (n - 1)), points + 1 + i)
    return n + 1


# The limit of the criterion as tau tends to infinity where it is finite, else inf
cdef double limit_at_infinity(const Section* c) noexcept nogil:
    cdef double sums = 0.0, f = c.constant
    cdef int i
    if c.rank != c.dof or c.r == 0 or c.left != 0.0:
        return INFINITY
    for i in range(c.r):
        sums += c.weights[i] / c.values[i]
    for i in range(c.s):
        f += c.log_counts[i] * log(c.log_values[i])
    return f + c.dof * log(sums) if sums > 0.0 else INFINITY


# Halve the intervals on which the criterion may be lower until none is left, or it is convex on it. Is it proven?
cdef bint search(const Section* c, Point* points, int* ends, int* after, double* tau, double* best) noexcept nogil:
    cdef int i, n, count, left, used, rounds
    cdef double width, low, high, bound, value, at, tol
    cdef const Point* a
    cdef const Point* b
    n = make_grid(c, points)
    best[0], tau[0] = INFINITY, NAN
    for i in range(n):
        if c.falls and (i == n - 1 or points[i].f > points[i + 1].f or (i > 0 and points[i].f > points[i - 1].f)):
            continue
        if points[i].f < best[0]:
            best[0], tau[0] = points[i].f, points[i].tau
    tol = TOL * fmax(1.0, fabs(points[0].f))
    count, used = n - 1, n
    for i in range(count):
        ends[2 * i], ends[2 * i + 1] = i, i + 1
    for rounds in range(MAX_ROUNDS):
        left = 0
        bound = best[0] - tol
        for i in range(count):
            a, b = points + ends[2 * i], points + ends[2 * i + 1]
            width = b.tau - a.tau
            low, high = b.p - c.dof * a.h, a.p - c.dof * b.h
            if not fmax(a.f + fmin(low, 0.0) * width, b.f - fmax(high, 0.0) * width) < bound:
                continue
            if c.falls and not (low < 0.0 and high > 0.0):
                continue
            if c.dof * (b.k - a.h * a.h) > a.p2:
                if a.slope < 0.0 and b.slope > 0.0:
                    find_minimum(c, a, b, &at, &value)
                    if value < best[0]:
                        best[0], tau[0] = value, at
                continue
            if left >= MOST // 2 or used >= 3 * MOST:
                return False
            after[2 * left], after[2 * left + 1] = ends[2 * i], ends[2 * i + 1]
            left += 1
        if left == 0:
            return True
        count = 0
        for i in range(left):
            if used >= 3 * MOST:
                return False
            a, b = points + after[2 * i], points + after[2 * i + 1]
            evaluate(c, sqrt(a.tau * b.tau) if a.tau > 0.0 else 0.5 * b.tau, points + used)
            ends[2 * count], ends[2 * count + 1] = after[2 * i], used
            ends[2 * count + 2], ends[2 * count + 3] = used, after[2 * i + 1]
            count += 2
            used += 1
    return False


def lowest(const double[::1] log_values, const double[::1] log_counts, const double[::1] values,
           const double[:, ::1] weights, const double[::1] left, int dof, const double[::1] constant):
    cdef Section c
    cdef Py_ssize_t z, B = left.shape[0]
    cdef int i
    cdef double any_weight
    cdef double[::1] tau, best
    cdef unsigned char[::1] proven, falls
    cdef bint is_proven, towards
    cdef Point* points = <Point*> malloc((3 * MOST + 8) * sizeof(Point))
    cdef int* ends = <int*> malloc((4 * MOST + 8) * sizeof(int))
    if points == NULL or ends == NULL:
        free(points)
        free(ends)
        raise MemoryError
    taus, bests = np.empty(B), np.empty(B)
    provens, all_falls = np.empty(B, dtype=np.uint8), np.empty(B, dtype=np.uint8)
    tau, best, proven, falls = taus, bests, provens, all_falls
    c.s, c.r, c.dof = log_values.shape[0], values.shape[0], dof
    c.log_values = &log_values[0] if c.s else NULL
    c.log_counts = &log_counts[0] if c.s else NULL
    c.values = &values[0] if c.r else NULL
    c.rank = 0.0
    with nogil:
        for i in range(c.s):
            c.rank += c.log_counts[i]
        for z in range(B):
            c.weights = &weights[z, 0] if c.r else NULL
            c.left, c.constant = left[z], constant[z]
            any_weight = 0.0
            for i in range(c.r):
                any_weight = fmax(any_weight, c.weights[i])
            c.falls = c.left == 0.0 and c.rank < c.dof and any_weight > 0.0
            is_proven = search(&c, points, ends, ends + 2 * MOST + 4, &tau[z], &best[z])
            towards = not c.falls and limit_at_infinity(&c) < best[z] - TOL * fmax(1.0, fabs(points[0].f))
            proven[z] = is_proven and not c.falls and not towards
            falls[z] = c.falls or towards
    free(points)
    free(ends)
    return taus, bests, provens.view(np.bool_), all_falls.view(np.bool_)

# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Orders of low fill, and which levels make a front, compiled; numpy_fronts says what the functions return."""

import numpy as np

from libc.stdint cimport uint64_t
from libc.stdlib cimport qsort

__all__ = ["find_fronts", "order_by_degree"]


cdef int compare(const void* a, const void* b) noexcept nogil:
    cdef long long x = (<const long long*> a)[0], y = (<const long long*> b)[0]
    return (x > y) - (x < y)


def find_fronts(indptr, indices, widths, double waste, double small_waste, double limit):
    """Return the forest of fronts, children before parents, or None as soon as their work exceeds the limit."""
    cdef const Py_ssize_t[::1] begin = np.ascontiguousarray(indptr, dtype=np.intp)
    cdef const Py_ssize_t[::1] below = np.ascontiguousarray(indices, dtype=np.intp)
    cdef const Py_ssize_t[::1] width = np.ascontiguousarray(widths, dtype=np.intp)
    cdef Py_ssize_t n = width.shape[0], j, c, t, count, used = 0, children, room = max(4 * below.shape[0], 1024)
    cdef double work = 0.0, zeros
    # Of each level: what it meets, from start[j] to start[j + 1] in meets; its children as a list; the levels merged
    # into it as a list from head to tail.
    lists = np.full((5, n), -1, dtype=np.intp)
    cdef Py_ssize_t[:, ::1] of = lists
    cdef Py_ssize_t[::1] child = of[0], sibling = of[1], head = of[2], tail = of[3], after = of[4]
    cdef Py_ssize_t[::1] k = np.zeros(n, dtype=np.intp), m = np.zeros(n, dtype=np.intp)
    cdef double[::1] zero = np.zeros(n)
    top_of = np.arange(n, dtype=np.intp)
    cdef Py_ssize_t[::1] top = top_of, stamp = np.full(n, -1, dtype=np.intp)
    starts = np.zeros(n + 1, dtype=np.intp)
    cdef Py_ssize_t[::1] start = starts
    met = np.empty(room, dtype=np.longlong)
    cdef long long[::1] meets = met, keys = np.empty(max(n, 1), dtype=np.longlong)
    for j in range(n):
        if used + n > room:
            room = 2 * room + n
            met = np.concatenate([met[:used], np.empty(room - used, dtype=np.longlong)])
            meets = met
        # later = the union of what j meets and of what its children meet beyond j
        count = children = 0
        for t in range(begin[j], begin[j + 1]):
            stamp[below[t]] = j
            meets[used + count] = below[t]
            count += 1
        c = child[j]
        while c >= 0:
            # Ordered by -m, then by number.
            keys[children] = -m[c] * (<long long> 1 << 32) + c
            children += 1
            for t in range(start[c] + 1, start[c + 1]):
                if stamp[meets[t]] != j:
                    stamp[meets[t]] = j
                    meets[used + count] = meets[t]
                    count += 1
            c = sibling[c]
        if children:
            qsort(&meets[used], count, sizeof(long long), compare)
            qsort(&keys[0], children, sizeof(long long), compare)
        start[j] = used
        k[j] = width[j]
        m[j] = width[j]
        for t in range(used, used + count):
            m[j] += width[meets[t]]
        if count:
            sibling[j] = child[meets[used]]
            child[meets[used]] = j
        used += count
        start[j + 1] = used
        head[j] = tail[j] = j
        for t in range(children):
            c = keys[t] & 0xFFFFFFFF
            zeros = zero[j] + zero[c] + <double> k[c] * (m[j] + k[c] - m[c])
            if zeros <= max(waste * (k[j] + k[c]) * (m[j] + k[c]), small_waste):
                zero[j] = zeros
                work -= <double> k[c] * <double> m[c] * <double> m[c]
                after[tail[c]] = head[j]
                head[j] = head[c]
                k[j] += k[c]
                m[j] += k[c]
                top[c] = j
        work += <double> k[j] * <double> m[j] * <double> m[j]
        if work > limit:
            return None
    return collect(top_of, head, tail, after, starts, meets, n)


cdef collect(top_of, Py_ssize_t[::1] head, Py_ssize_t[::1] tail, Py_ssize_t[::1] after, starts,
             long long[::1] meets, Py_ssize_t n):
    """Return the fronts' own levels, one front after the other, their others, parents and heights."""
    cdef Py_ssize_t[::1] top = top_of, start = starts
    cdef Py_ssize_t i = 0, j, t, v, own_used = 0, other_used = 0, count = int((top_of == np.arange(n)).sum())
    flat = np.empty((4, count), dtype=np.intp)
    cdef Py_ssize_t[:, ::1] out = flat
    cdef Py_ssize_t[::1] number = np.full(n, -1, dtype=np.intp)
    own = np.empty(n, dtype=np.intp)
    cdef Py_ssize_t[::1] mine = own
    others = np.empty(int((starts[1:] - starts[:n])[top_of == np.arange(n)].sum()), dtype=np.intp)
    cdef Py_ssize_t[::1] rest = others
    for j in range(n):
        if top[j] == j:
            number[j] = i
            v = head[j]
            while v != tail[j]:
                mine[own_used] = v
                own_used += 1
                v = after[v]
            mine[own_used] = v
            own_used += 1
            for t in range(start[j], start[j + 1]):
                rest[other_used] = meets[t]
                other_used += 1
            out[0, i], out[1, i], out[2, i], out[3, i] = own_used, other_used, -1, 0
            i += 1
    for j in range(n - 1, -1, -1):
        # A level is merged with a later one, which has its number by now.
        number[j] = number[top[j]]
    for j in range(n):
        if top[j] == j and start[j + 1] > start[j]:
            t = number[meets[start[j]]]
            out[2, number[j]] = t
            out[3, t] = max(out[3, t], out[3, number[j]] + 1)
    return flat[0], own, flat[1], others, flat[2], flat[3]


cdef inline int count_bits(uint64_t x) noexcept nogil:
    x = x - ((x >> 1) & <uint64_t> 0x5555555555555555)
    x = (x & <uint64_t> 0x3333333333333333) + ((x >> 2) & <uint64_t> 0x3333333333333333)
    x = (x + (x >> 4)) & <uint64_t> 0x0F0F0F0F0F0F0F0F
    return <int> ((x * <uint64_t> 0x0101010101010101) >> 56)


def order_by_degree(indptr, indices, double full, double limit):
    """Return the levels in order of minimum degree, or None as soon as their fronts' work exceeds the limit."""
    cdef const Py_ssize_t[::1] begin = np.ascontiguousarray(indptr, dtype=np.intp)
    cdef const Py_ssize_t[::1] met = np.ascontiguousarray(indices, dtype=np.intp)
    cdef Py_ssize_t n = begin.shape[0] - 1, words = (n + 63) // 64, i, j, t, v, u, w, lowest, old, left
    cdef uint64_t one = 1, bits
    cdef double work = 0.0, ends = 0.0
    order = np.empty(n, dtype=np.intp)
    cdef Py_ssize_t[::1] out = order
    cdef uint64_t[:, ::1] row = np.zeros((max(n, 1), max(words, 1)), dtype=np.uint64)
    cdef Py_ssize_t[::1] degree = np.zeros(n, dtype=np.intp)
    cdef bint is_over = False
    with nogil:
        for j in range(n):
            for t in range(begin[j], begin[j + 1]):
                if met[t] != j:
                    row[j, met[t] >> 6] |= one << (met[t] & 63)
            for w in range(words):
                degree[j] += count_bits(row[j, w])
            ends += degree[j]
        for i in range(n):
            left = n - i
            # From here on all meet: one front.
            if ends >= full * left * left:
                is_over = work + <double> left * left * left > limit
                t = i
                for j in range(n):
                    if degree[j] >= 0:
                        out[t] = j
                        t += 1
                break
            # No order has less work than columns of equal length have that hold what is there.
            if work + (0.5 * ends + left) * (0.5 * ends + left) / left > limit:
                is_over = True
                break
            v, lowest = -1, n
            for j in range(n):
                if 0 <= degree[j] < lowest:
                    v, lowest = j, degree[j]
            out[i] = v
            work += <double> (lowest + 1) * (lowest + 1)
            ends -= lowest
            degree[v] = -1
            for w in range(words):
                bits = row[v, w]
                for t in range(64):
                    if not bits:
                        break
                    if bits & one:
                        u = 64 * w + t
                        old, degree[u] = degree[u], 0
                        for j in range(words):
                            row[u, j] |= row[v, j]
                        row[u, u >> 6] &= ~(one << (u & 63))
                        row[u, v >> 6] &= ~(one << (v & 63))
                        for j in range(words):
                            degree[u] += count_bits(row[u, j])
                        ends += degree[u] - old
                    bits >>= 1
    return None if is_over else order

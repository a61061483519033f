"""Cholesky factors of large matrices and their inverses, made with several threads on cores that others use too.

LAPACK's own versions in OpenBLAS meet at a barrier for every few columns, where each thread waits for the slowest: on a
machine whose cores are busy they take three to ten times as long with two threads as with one, at 2,000 columns. Here
halves are split until they are small; what is between them is one call of syrk, trsm or trmm each, which share work out
once, and the small ones take one thread. Where there is one thread, LAPACK does it all.

Work is done in place, in the lower triangle of Fortran-ordered arrays, by the BLAS that SciPy offers to Cython: its
functions for Python would copy each half.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import cython_blas, cython_lapack
from scipy.linalg.lapack import dpotrf, dpotri, dtrtri

from lmmtools.threads import cores, cores_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["factor", "invert", "invert_factor"]

SMALL = 1408
"""Columns up to which none of the calls between halves has enough to do for several cores."""

LEAF = 512
"""Columns of a half that is split no more."""

ALIGNED = 64
"""Halves are multiples of this, so that columns stay aligned with cache lines and vectors."""


def factor(S: Floats) -> tuple[Floats, int]:
    """Return the lower Cholesky factor of S, (q, q), in Fortran order, and 0, or a number above it where S has none.

    S is overwritten where it can be. Only lower triangles count: the upper one is not read and may hold anything after.
    """
    if len(S) <= SMALL or cores() == 1:
        L, info = dpotrf(S, lower=1, clean=0, overwrite_a=1)
        return L, int(info)
    L = np.require(S, np.float64, ["F", "W"])
    return L, _factor(_Triangle.of(L))


def invert_factor(L: Floats) -> tuple[Floats, int]:
    """Return the inverse of L, (q, q) lower triangular, in Fortran order, and 0, or a number above it without one."""
    if len(L) <= SMALL or cores() == 1:
        X, info = dtrtri(L, lower=1)
        return X, int(info)
    X = np.array(L, order="F")
    return X, _invert_factor(_Triangle.of(X))


def invert(L: Floats) -> tuple[Floats, int]:
    """Return the inverse of L L', L (q, q) lower triangular, and 0, or a number above it where it has none.

    Its lower triangle, in Fortran order: the upper one may hold anything.
    """
    if len(L) <= SMALL or cores() == 1:
        W, info = dpotri(L, lower=1, overwrite_c=0)
        return W, int(info)
    W, info = invert_factor(L)
    if not info:
        _multiply_by_transpose(_Triangle.of(W))
    return W, info


class _Triangle:
    """The lower triangle of a corner of a Fortran-ordered array: where it begins, its size, the array's rows."""

    __slots__ = ("at", "n", "rows")

    def __init__(self, at: int, n: int, rows: int) -> None:
        self.at, self.n, self.rows = at, n, rows

    @classmethod
    def of(cls, A: Floats) -> _Triangle:
        return cls(A.ctypes.data, len(A), len(A))

    def split(self) -> tuple[_Triangle, int, _Triangle]:
        """Return the first half, where the rectangle below it begins, and the second half."""
        k = -(-self.n // (2 * ALIGNED)) * ALIGNED
        size = np.dtype(np.float64).itemsize
        below = self.at + k * size
        return (
            _Triangle(self.at, k, self.rows),
            below,
            _Triangle(below + k * self.rows * size, self.n - k, self.rows),
        )


def _factor(T: _Triangle) -> int:
    """Replace a symmetric matrix by its factor: L11 of A11, A21 L11'^-1, and L22 of A22 less that one's square."""
    if T.n <= LEAF:
        return _lapack("dpotrf", "L", T.n, T.at, T.rows)
    first, below, second = T.split()
    info = _factor(first)
    if info:
        return info
    k, m = first.n, second.n
    with cores_for(m * k**2 // 2):
        _blas("dtrsm", "R", "L", "T", "N", m, k, 1.0, first.at, T.rows, below, T.rows)
    with cores_for(m**2 * k // 2):
        _blas("dsyrk", "L", "N", m, k, -1.0, below, T.rows, 1.0, second.at, T.rows)
    return _factor(second)


def _invert_factor(T: _Triangle) -> int:
    """Replace L by its inverse: that of L11, - L22^-1 L21 L11^-1, and that of L22."""
    if T.n <= LEAF:
        return _lapack("dtrtri", "L", "N", T.n, T.at, T.rows)
    first, below, second = T.split()
    k, m = first.n, second.n
    with cores_for(m**2 * k // 2):
        _blas("dtrsm", "L", "L", "N", "N", m, k, -1.0, second.at, T.rows, below, T.rows)
    with cores_for(m * k**2 // 2):
        _blas("dtrsm", "R", "L", "N", "N", m, k, 1.0, first.at, T.rows, below, T.rows)
    return _invert_factor(first) or _invert_factor(second)


def _multiply_by_transpose(T: _Triangle) -> None:
    """Replace X by the lower triangle of X'X: X11'X11 + X21'X21, X22'X21 and X22'X22."""
    if T.n <= LEAF:
        _lapack("dlauum", "L", T.n, T.at, T.rows)
        return
    first, below, second = T.split()
    k, m = first.n, second.n
    _multiply_by_transpose(first)
    with cores_for(m * k**2 // 2):
        _blas("dsyrk", "L", "T", k, m, 1.0, below, T.rows, 1.0, first.at, T.rows)
    with cores_for(m**2 * k // 2):
        _blas("dtrmm", "L", "L", "T", "N", m, k, 1.0, second.at, T.rows, below, T.rows)
    _multiply_by_transpose(second)


def _blas(name: str, *arguments: str | int | float) -> None:
    """Call a function of BLAS; its signature tells addresses from counts."""
    _function("blas", name)(*_references(SIGNATURES[name], arguments))


def _lapack(name: str, *arguments: str | int) -> int:
    """Call a function of LAPACK and return its ``info``."""
    info = ctypes.c_int(0)
    _function("lapack", name)(*_references(SIGNATURES[name], arguments), ctypes.byref(info))
    return info.value


SIGNATURES = {
    "dtrsm": "ccccnnxpnpn",
    "dtrmm": "ccccnnxpnpn",
    "dsyrk": "ccnnxpnxpn",
    "dpotrf": "cnpn",
    "dtrtri": "ccnpn",
    "dlauum": "cnpn",
}
"""The kind of each argument: c character, n number of rows or columns, x scalar, p address of a matrix."""


def _references(signature: str, arguments: tuple[Any, ...]) -> list[Any]:
    """Return the arguments as Fortran takes them: all by address."""
    make: dict[str, Callable[[Any], Any]] = {
        "c": lambda text: ctypes.byref(ctypes.c_char(text.encode())),
        "n": lambda number: ctypes.byref(ctypes.c_int(number)),
        "x": lambda factor: ctypes.byref(ctypes.c_double(factor)),
        "p": ctypes.c_void_p,
    }
    return [make[kind](value) for kind, value in zip(signature, arguments, strict=True)]


@cache
def _function(library: str, name: str) -> Any:
    """Return a function of those that SciPy exports for Cython."""
    capsule = (cython_blas if library == "blas" else cython_lapack).__pyx_capi__[name]
    name_of, address_of = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
    address_of.restype, address_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    count = len(SIGNATURES[name]) + (library == "lapack")
    # CFUNCTYPE lets other Python threads work meanwhile.
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * count)(address_of(capsule, name_of(capsule)))

"""What an elimination plan is made of: grouping factors and how one lies within another, couplings, and the rest.

The *chain* is nested factors, eliminated level by level; the *rest* is what crosses it. A :class:`Coupling` holds the
cross-products of a factor of the chain with the rest: for each level e an l x q_rest block, all of it or the columns
that e meets. Its ``values`` arguments have the layout of ``Coupling.values``, with any number of rows per level in
place of l.

A :class:`Layout` is made once per model and says where a symmetric matrix of the rest has its entries: a
Fortran-ordered (q, q) array whose lower triangle counts, or the entries of a lower triangle on a pattern, one after the
other. Either way ``M.ravel(order="K")[layout.place(rows, columns)]`` reads entries. A :class:`Rest` is the Cholesky
decomposition of such a matrix at one theta.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lmmtools.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy import sparse

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

__all__ = ["KEEP_Q", "Coupling", "Factor", "Layout", "Link", "Rest", "level_blocks", "merge", "not_definite"]

KEEP_Q = 1200
"""Columns of the rest (12 MB a dense matrix) beyond which matrices are overwritten where they can be."""


@dataclass(frozen=True, slots=True)
class Factor:
    """One grouping factor with all the terms on it.

    Attributes
    ----------
    blocks : tuple of int
        Indices in ``design.blocks``.
    widths : tuple of int
        Effects per level of each of those blocks.
    m : int
        Levels.
    l : int
        Effects per level, the sum of the widths.
    start : int
        First column in the engine's order of Z's columns.
    """

    blocks: tuple[int, ...]
    widths: tuple[int, ...]
    m: int
    l: int
    start: int

    @property
    def q(self) -> int:
        """Columns of Z."""
        return self.m * self.l

    @property
    def columns(self) -> slice:
        """Where the factor stands in the engine's order."""
        return slice(self.start, self.start + self.q)

    def parts(self) -> tuple[tuple[int, slice], ...]:
        """Return each block with its place within a level."""
        return _parts(self.blocks, self.widths)


@cache
def _parts(blocks: tuple[int, ...], widths: tuple[int, ...]) -> tuple[tuple[int, slice], ...]:
    """Return each block with its slice within a level."""
    ends = list(accumulate(widths, initial=0))
    return tuple((k, slice(a, b)) for k, a, b in zip(blocks, ends[:-1], ends[1:], strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """How the levels of a factor of the chain lie within those of a coarser one.

    Attributes
    ----------
    parent : ndarray of int, shape (m,)
        The level of the coarser factor that each level lies in.
    gather : csr_matrix, shape (m_parent, m)
        Sums over the children of each parent.
    A : ndarray, shape (m, l, l_parent)
        Cross-products of each level with its parent.
    """

    parent: NDArray[np.intp]
    gather: sparse.csr_matrix
    A: Floats


def merge(factor: Factor, lambdas: Sequence[Floats]) -> Floats:
    """Return lambda of all terms of a factor, (..., l, l), block diagonal, from those per block in design order."""
    if len(factor.blocks) == 1:
        return lambdas[factor.blocks[0]]
    out = np.zeros((*lambdas[0].shape[:-2], factor.l, factor.l))
    for k, part in factor.parts():
        out[..., part, part] = lambdas[k]
    return out


class Coupling(Protocol):
    """What elimination asks of the block between a factor and the rest."""

    @property
    def values(self) -> Floats:
        """The cross-products before any elimination."""

    @property
    def reads_lower(self) -> bool:
        """Whether ``quadratic`` needs no more than the lower triangle of W."""

    @property
    def pair_count(self) -> int:
        """Pairs of columns whose products are added one by one."""

    def scale(self, T: Floats, values: Floats) -> Floats:
        """Return T_e times the block of each level e; T is (m, l', l)."""

    def subtract_gram(self, T: Floats, values: Floats, S: Floats) -> None:
        """Subtract sum_e (T_e values_e)'(T_e values_e) from the lower triangle of a Fortran-ordered S, T (m, l', l)."""

    def times(self, values: Floats, B: Floats) -> Floats:
        """Return values_e B for each level, shape (m, l, b), of B (q_rest, b)."""

    def transpose_times(self, values: Floats, V: Floats) -> Floats:
        """Return sum_e values_e' V_e, shape (q_rest, b), of V (m, l, b)."""

    def quadratic(self, J: Floats, values: Floats, W: Floats) -> Floats:
        """Return sum_e J_e values_e W values_e' J_e', shape (l, l), of a symmetric, Fortran-ordered W.

        Only the lower triangle of W is read where ``reads_lower``.
        """

    def quadratics(self, values: Floats, W: Floats) -> Floats:
        """Return values_e W values_e' for each level, shape (m, l, l), W symmetric and Fortran-ordered."""

    def restrict(self, values: Floats, W: Floats) -> Floats:
        """Return values_e W in the columns that e meets, W symmetric, in the layout of the rest and Fortran-ordered."""

    def contract(self, left: Floats, right: Floats) -> Floats:
        """Return left_e right_e' for each level, shape (m, l_left, l_right)."""

    def lift(self, link: int, values: Floats) -> Floats:
        """Return sums of values_e over the children of each level of a coarser factor, in that factor's layout."""

    def pull(self, link: int, values: Floats) -> Floats:
        """Return the values of a coarser factor's level at each of its children, in this factor's layout."""

    def matrix(self, values: Floats, a: int) -> Floats | sparse.csr_matrix:
        """Return row a of every level's block, (m, q_rest)."""

    def row_products(self, levels: NDArray[np.intp], values: Floats, columns: NDArray[np.intp]) -> Floats:
        """Return values_e at one column of the rest for each (level, column) pair, shape (pairs, l)."""


class Layout(Protocol):
    """Where the rest's matrices have their entries, and their Cholesky decomposition."""

    @property
    def q(self) -> int:
        """Columns of the rest."""

    @property
    def factors(self) -> tuple[Factor, ...]:
        """The factors of the rest, whose columns follow each other."""

    @property
    def is_sparse(self) -> bool:
        """Whether matrices hold a pattern's entries only."""

    @property
    def pattern(self) -> tuple[Indices, Indices]:
        """Where each column begins among a pattern's entries, (q + 1,), and their rows; empty where all are stored."""

    def place(self, rows: Indices, columns: Indices) -> Indices:
        """Return the place of entries among the numbers of a matrix."""

    def products(self) -> Floats:
        """Return Z'WZ among the rest; after a chain a copy that may be overwritten."""

    def factorise(self, A: Floats, lambdas: tuple[Floats, ...]) -> Rest:
        """Return I + Lambda'A Lambda factored, A in the metric of the chain.

        Raises
        ------
        EngineError
            If it is not positive definite to working precision.
        """


class Rest(Protocol):
    """I + Lambda'A Lambda of the rest, factored at one theta."""

    @property
    def logdet(self) -> float:
        """log|I + Lambda'A Lambda|."""

    def solve(self, C: Floats) -> tuple[Floats, Floats]:
        """Return U = Lambda (I + Lambda'A Lambda)^-1 Lambda'C and C - A U, shape (q, b)."""

    def invert(self, *, full: bool) -> tuple[Floats, list[Floats]]:
        """Return W = Lambda (I + Lambda'A Lambda)^-1 Lambda' and the traces of N = A - A W A, (l, l) per factor.

        The traces are sums over levels of N's diagonal blocks. ``full`` asks a dense rest for W's upper triangle as
        well, which else may hold anything.
        """

    def traces(self) -> list[Floats]:
        """Return the traces of N alone."""


def not_definite() -> EngineError:
    """Return the error of a theta at which a matrix is not positive definite."""
    return EngineError("I + Lambda' Z'WZ Lambda is not positive definite to working precision; theta is too large.")


def level_blocks(layout: Layout, W: Floats) -> tuple[Floats, ...]:
    """Return the diagonal blocks, (m, l, l) per factor, of a matrix of the rest."""
    flat, out, start = W.ravel(order="K"), [], 0
    for f in layout.factors:
        columns = (start + np.arange(f.q)).reshape(f.m, f.l)
        out.append(flat[layout.place(columns[:, :, None], columns[:, None, :])])
        start += f.q
    return tuple(out)

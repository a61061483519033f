"""The rest: what crosses the chain of nested factors, dense or sparse.

A :class:`Layout` is made once per model and says where a symmetric matrix of the rest has its entries: a
Fortran-ordered (q, q) array whose lower triangle counts, or the entries of a lower triangle on a pattern, one after the
other. Either way ``M.ravel(order="K")[layout.place(rows, columns)]`` reads entries. A :class:`Rest` is the factor of
such a matrix at one theta.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from lmmtools.errors import EngineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.core.elimination.factors import Factor

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

__all__ = ["KEEP_Q", "Layout", "Rest", "level_blocks", "not_definite"]

KEEP_Q = 1200
"""Beyond this size (12 MB a dense matrix) the rest keeps no more matrices than it must."""


class Layout(Protocol):
    """Where the rest's matrices have their entries, and how they are factored."""

    @property
    def q(self) -> int:
        """Columns of the rest."""

    @property
    def factors(self) -> tuple[Factor, ...]:
        """The factors of the rest, whose columns follow each other."""

    @property
    def is_sparse(self) -> bool:
        """Whether matrices hold a pattern's entries only."""

    def place(self, rows: Indices, columns: Indices) -> Indices:
        """Return the place of entries among the numbers of a matrix."""

    def products(self) -> Floats:
        """Return Z'WZ among the rest; after a chain a copy that may be overwritten."""

    def factorise(self, A: Floats, lambdas: tuple[Floats, ...]) -> Rest:
        """Factor I + Lambda'A Lambda, A in the metric of the chain.

        Raises
        ------
        EngineError
            If it is not positive definite to working precision.
        """


class Rest(Protocol):
    """The factor of I + Lambda'A Lambda at one theta."""

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
    """Return the error of a theta that the arithmetic cannot hold."""
    return EngineError("I + Lambda' Z'WZ Lambda is not positive definite to working precision; theta is too large.")


def level_blocks(layout: Layout, W: Floats) -> tuple[Floats, ...]:
    """Return the diagonal blocks, (m, l, l) per factor, of a matrix of the rest."""
    flat, out, start = W.ravel(order="K"), [], 0
    for f in layout.factors:
        columns = (start + np.arange(f.q)).reshape(f.m, f.l)
        out.append(flat[layout.place(columns[:, :, None], columns[:, None, :])])
        start += f.q
    return tuple(out)

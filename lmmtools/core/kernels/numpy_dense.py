"""A small model at one theta: its criterion, and the derivatives in the parameters of the search.

NumPy has nothing here that the general elimination does not do as well: where there is no compiled kernel, or lambda is
beyond what its plain arithmetic holds, all functions return None, and the elimination does the work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Criterion = tuple[float, float, float, Floats, Floats, Floats]

__all__ = ["at_zero", "criterion", "point", "start"]

LARGEST = 0
"""Columns of [Z X] up to which the kernel is used."""

TERMS, WIDEST = 0, 0
"""Terms, and effects per level of a factor, that it holds."""


def criterion(
    sizes: NDArray[np.intc], M: Floats, units: Floats, Zy: Floats, Xy: Floats, yy: float, lambdas: tuple[Floats, ...]
) -> Criterion | None:
    """Return log|V|, log|Hxx|, r2, b (p,), Lxx (p, p) and the modes u (q,), with V = I + Z Lambda Lambda' Z'.

    Parameters
    ----------
    sizes : ndarray of C integers
        Numbers of factors, of blocks and of fixed effects; levels and effects per level of each factor, in order of
        elimination; factor, first effect within a level and number of effects of each block, in design order.
    M : ndarray, shape (q + p or more, q + p or more)
        [Z X]'W[Z X] in its upper left, in C order.
    units : ndarray, shape (blocks,)
        Information of an average level.
    Zy, Xy : ndarray, shapes (q,) and (p,)
    yy : float
    lambdas : tuple of ndarray, each (l, l)
        Per block in design order.
    """
    return None


def point(
    sizes: NDArray[np.intc],
    M: Floats,
    units: Floats,
    Zy: Floats,
    Xy: Floats,
    yy: float,
    lambdas: tuple[Floats, ...],
    reml: bool,
    dof: int,
) -> tuple[Criterion, Floats, Floats, list[Floats]] | None:
    """Return what ``criterion`` does, and the derivatives.

    phi and the gradient (2, k), exact and average Hessian (2, k, k), and per block Q, L, Q L, G, T (5, l, l): the frame
    of lambda, and the derivatives with respect to Sigma of the criterion and of log|V|.
    """
    return None


def at_zero(
    sizes: NDArray[np.intc], M: Floats, units: Floats, Zy: Floats, Xy: Floats, yy: float, lambdas: tuple[Floats, ...]
) -> Floats | None:
    """Return log|V|, log|Hxx| and r2 with the lambda of each block at zero and the others held, (blocks, 3)."""
    return None


def start(
    sizes: NDArray[np.intc],
    M: Floats,
    units: Floats,
    Zy: Floats,
    Xy: Floats,
    yy: float,
    n: int,
    floor: float,
    spread: float,
) -> tuple[Floats, ...] | None:
    """Return starting lambdas per block, (l, l), by the moments of :mod:`~lmmtools.core.search.start`."""
    return None

"""A small model: its cross-products of all rows at once, as one dense matrix, and what the compiled kernel takes.

The kernel evaluates the criterion with its derivatives for the same search that serves every model. On the five
classic data sets of a few hundred rows that takes 3 to 23 microseconds, 180 to 420 by the general elimination, and the
search needs one to three evaluations: a search compiled as a whole would save its own calls alone, at the price of a
second one that has to be kept the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.core import kernels
from lmmtools.core.data.chunks import merge_blocks
from lmmtools.core.data.crossprod import EXACT_TOL, CrossProducts, ResponseProducts, Scaling
from lmmtools.core.elimination.structure import Structure, chain_of_sizes, order_columns, order_factors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design

    Floats = NDArray[np.float64]
    Criterion = tuple[float, float, float, Floats, Floats, Floats]

__all__ = ["DenseModel", "accumulate_small", "dense_model"]

MULTIPLICATIONS = 4_000_000
"""Multiplications in the products of dense columns up to which they cost less than making sparse ones."""


@dataclass(frozen=True, slots=True, eq=False)
class DenseModel:
    """A model as the kernel takes it: see :mod:`~lmmtools.core.kernels.numpy_dense`.

    Attributes
    ----------
    sizes : ndarray of C integers
        Factors, blocks, and how they hang together.
    M : ndarray, shape (q + p or more, q + p or more)
        [Z X]'W[Z X] in the engine's order, in its upper left.
    units : ndarray, shape (blocks,)
        Information of an average level.
    """

    sizes: NDArray[np.intc]
    M: Floats
    units: Floats

    def criterion(self, y: ResponseProducts, lambdas: tuple[Floats, ...]) -> Criterion | None:
        """Return log|V|, log|Hxx|, r2, b, Lxx and the modes, None beyond what the kernel holds."""
        return kernels.dense.criterion(self.sizes, self.M, self.units, y.Zy, y.Xy, y.yy, lambdas)

    def at_zero(self, y: ResponseProducts, lambdas: tuple[Floats, ...]) -> Floats | None:
        """Return log|V|, log|Hxx| and r2 with each block at zero, the others held, and with all, (blocks + 1, 3)."""
        return kernels.dense.at_zero(self.sizes, self.M, self.units, y.Zy, y.Xy, y.yy, lambdas)

    def point(
        self, y: ResponseProducts, lambdas: tuple[Floats, ...], reml: bool, dof: int
    ) -> tuple[Criterion, Floats, Floats, list[Floats]] | None:
        """Return what ``criterion`` does, phi and the gradient, both Hessians, and Q, L, Q L, G, T per block."""
        return kernels.dense.point(self.sizes, self.M, self.units, y.Zy, y.Xy, y.yy, lambdas, reml, dof)

    def start(self, y: ResponseProducts, n: int, floor: float, spread: float) -> tuple[Floats, ...] | None:
        """Return starting lambdas by moments, None where there is no kernel for them."""
        return kernels.dense.start(self.sizes, self.M, self.units, y.Zy, y.Xy, y.yy, n, floor, spread)


def dense_model(st: Structure, ZX: Floats, XX: Floats, units: Sequence[float]) -> DenseModel | None:
    """Return a model as the kernel takes it, None where it is too large or there is none."""
    q, p, widths = st.q, len(XX), [f.l for f in st.factors]
    if q + p > kernels.dense.LARGEST or max(widths) > kernels.dense.WIDEST or len(units) > kernels.dense.TERMS:
        return None
    if isinstance(st.products, np.ndarray) and st.products.base is not None:
        # All of it, of which Z'WZ and Z'WX are parts.
        whole = st.products.base
    else:
        whole = np.block([[st.toarray(), ZX], [ZX.T, XX]])
    places = {k: (i, part.start, part.stop - part.start) for i, f in enumerate(st.factors) for k, part in f.parts()}
    sizes = [len(st.factors), len(units), p]
    sizes += [size for f in st.factors for size in (f.m, f.l)]
    sizes += [size for k in range(len(units)) for size in places[k]]
    return DenseModel(np.array(sizes, dtype=np.intc), whole, np.array(units))


def accumulate_small(design: Design) -> tuple[Scaling, CrossProducts, Structure, bool] | None:
    """Return the coordinates, the cross-products in them and the plan of a small model, None where it is none.

    Last, whether it is known that X spans no effects.

    Neither is one whose columns are nearly dependent, or whose numbers are not finite: what is to be said of it, the
    general way says.
    """
    n, p, q = design.n, design.p, design.q
    width = q + p + 1
    if n <= p or n * width**2 > MULTIPLICATIONS:
        return None
    levels, widths = [b.m for b in design.blocks], [b.l for b in design.blocks]
    groups = merge_blocks([b.codes for b in design.blocks], levels)
    n_chain = chain_of_sizes(q, len(groups))
    if n_chain is None:
        return None
    factors = order_factors(groups, levels, widths)
    places = {k: (f.start + part.start, f.l, f.m) for f in factors for k, part in f.parts()}
    found = kernels.dense.products(
        tuple(b.codes for b in design.blocks),
        tuple(b.basis for b in design.blocks),
        np.array([places[k] for k in range(len(widths))], dtype=np.intc),
        design.X,
        design.response,
        design.weights,
        q,
        EXACT_TOL,
    )
    if found is None:
        return None
    M, x_map, centre, y_scale, maps, is_clear = found
    log_weights = 0.0 if design.weights is None else float(np.log(design.weights).sum())
    response = ResponseProducts(M[:q, -1].copy(), M[q:-1, -1].copy(), float(M[-1, -1]), centre, y_scale)
    scaling = Scaling(x_map, centre, y_scale, tuple(maps))
    structure = Structure(factors, n_chain, {}, order_columns(groups, levels, widths), M[:q, :q])
    cross = CrossProducts(tuple(map(tuple, groups)), M[:q, :q], M[:q, q:-1], M[q:-1, q:-1], log_weights, response)
    return scaling, cross, structure, is_clear

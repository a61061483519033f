"""A model made ready: the design's cross-products in the engine's coordinates, and the elimination plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg.lapack import dpotrf

from lmmtools import memory
from lmmtools.blas import product
from lmmtools.core.data.chunks import DesignChunks, indicator_rows
from lmmtools.core.data.crossprod import CrossProducts, ResponseProducts, Scaling, project_response
from lmmtools.core.data.moments import MomentSystem, moment_system
from lmmtools.core.data.passes import accumulate
from lmmtools.core.data.room import ModelSize, products_need, rest_need
from lmmtools.core.data.small import DenseModel, accumulate_small, dense_model
from lmmtools.core.data.spanned import Spanned, find_spanned
from lmmtools.core.data.spectrum import Spectrum, find_spectrum
from lmmtools.core.elimination.gram import Gram
from lmmtools.core.elimination.many_points import Cut, cut_largest
from lmmtools.core.elimination.parts import merge
from lmmtools.core.elimination.structure import Structure, build_structure
from lmmtools.core.model.covariance import Covariance, covariance_of, places
from lmmtools.core.model.residual import KnownWeights, ResidualModel
from lmmtools.core.model.scalar import Scalar
from lmmtools.core.model.unstructured import Unstructured
from lmmtools.design.sparse_columns import TurnedColumns
from lmmtools.errors import EngineError
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy import sparse

    from lmmtools.design.matrices import Design

    Floats = NDArray[np.float64]

__all__ = ["Problem", "assemble", "cross_products", "model_size", "prepare"]


class RowData:
    """What is computed from a design when it is first needed, and shared by all its responses.

    ``spans_nothing`` says that X is known to span no effects; False may be either.
    """

    def __init__(
        self,
        design: Design,
        scaling: Scaling,
        structure: Structure,
        ZX: Floats,
        XX: Floats,
        spans_nothing: bool = False,
    ) -> None:
        self._ZX, self._XX, self._spans_nothing = ZX, XX, spans_nothing
        self._design, self._scaling, self._structure = design, scaling, structure

    @cached_property
    def moments(self) -> MomentSystem:
        """The linear system behind the starting values."""
        return moment_system(self._structure, self._ZX, self._design.n)

    @cached_property
    def spectrum(self) -> Spectrum | None:
        """The eigenvalues of a model with one variance; None with several, or where they cost too much."""
        if self._design.k > 1:
            return None
        return find_spectrum(self._structure.diagonal(), self._ZX, self.L)

    @cached_property
    def L(self) -> Floats:
        """Lower Cholesky factor of X'WX, shape (p, p)."""
        L, info = dpotrf(self._XX, lower=1) if len(self._XX) else (self._XX, 0)
        if info:
            raise EngineError("X is rank deficient to working precision.")
        return np.asarray(L)

    @cached_property
    def spanned(self) -> tuple[Spanned | None, ...]:
        """What X spans of each block."""
        if self._spans_nothing:
            return (None,) * len(self._design.blocks)
        maps = self._scaling.basis_maps
        return find_spanned(self._structure, self._ZX, self.L, maps)

    @cached_property
    def dense(self) -> DenseModel | None:
        """The model as the compiled kernel takes it, None where it does not, or where X spans effects."""
        are_plain = all(isinstance(term, (Scalar, Unstructured)) for term in self.covariances)
        if any(self.spanned) or not are_plain:
            return None
        return dense_model(self._structure, self._ZX, self._XX, self.units)

    @cached_property
    def covariances(self) -> tuple[Covariance, ...]:
        """How the covariance matrix of each block's effects is searched, in design order."""
        triples = zip(self._design.blocks, self._scaling.basis_maps, self.units, strict=True)
        return tuple(covariance_of(block, R, c) for block, R, c in triples)

    @cached_property
    def residual(self) -> ResidualModel:
        """The residuals' covariance, of all rows."""
        return KnownWeights(self._design.weights)

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """l of each block in design order."""
        return tuple(len(R) for R in self._scaling.basis_maps)

    @cached_property
    def log_x_map(self) -> float:
        """2 log|x_map|: log|Hxx| in the engine's coordinates less that on the data's scale."""
        return 2.0 * float(np.log(np.abs(np.diag(self._scaling.x_map))).sum())

    @cached_property
    def units(self) -> tuple[float, ...]:
        """Information of an average level per block, n / m: a relative variance of 1 / units begins to matter."""
        return tuple(self._design.n / b.m for b in self._design.blocks)

    @cached_property
    def Zt(self) -> sparse.csr_matrix:
        """Z' in the engine's order, shape (q, n)."""
        d = self._design
        codes, bases = tuple(b.codes for b in d.blocks), tuple(b.basis for b in d.blocks)
        Z = indicator_rows(codes, bases, tuple(b.m for b in d.blocks), self._scaling.basis_maps)
        Zt = Z.T.tocsr()
        order = self._structure.order
        return Zt if np.array_equal(order, np.arange(len(order))) else Zt[order]

    @cached_property
    def Q(self) -> Floats | TurnedColumns:
        """X in the engine's coordinates, shape (n, p); not formed where X has sparse columns."""
        X, x_map = self._design.fixed, self._scaling.x_map
        return product(X, x_map) if isinstance(X, np.ndarray) else TurnedColumns(X, x_map)


@dataclass(frozen=True, eq=False)
class Problem:
    """Everything that evaluating the criterion needs; made by :func:`prepare`, once per design.

    Attributes
    ----------
    design : Design
        Only its sizes and names are read once the problem is made (and its rows for a new response).
    scaling : Scaling
        The engine's coordinates.
    structure : Structure
        The elimination plan, with Z'WZ.
    ZX : ndarray, shape (q, p)
        Z'WX in the engine's order.
    XX : ndarray, shape (p, p)
    log_weights : float
    response : ResponseProducts
    rows : RowData
    """

    design: Design
    scaling: Scaling
    structure: Structure
    ZX: Floats
    XX: Floats
    log_weights: float
    response: ResponseProducts
    rows: RowData

    @property
    def moments(self) -> MomentSystem:
        """The linear system behind the starting values."""
        return self.rows.moments

    @property
    def spanned(self) -> tuple[Spanned | None, ...]:
        """What X spans of each block, None where that is nothing; see :class:`Spanned`."""
        return self.rows.spanned

    @property
    def dense(self) -> DenseModel | None:
        """The model as the compiled kernel takes it, None where it does not."""
        return self.rows.dense

    def away_from_x(self, lambdas: Sequence[Floats]) -> tuple[Floats, ...]:
        """Return lambda per block, (l, l), without the directions that X spans; the REML criterion is the same."""
        return tuple(lam if s is None else s.away @ lam for lam, s in zip(lambdas, self.spanned, strict=True))

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.design.n

    @property
    def p(self) -> int:
        """Number of fixed effects."""
        return int(self.XX.shape[0])

    @property
    def covariances(self) -> tuple[Covariance, ...]:
        """How the covariance matrix of each block's effects is searched, in design order."""
        return self.rows.covariances

    @property
    def residual(self) -> ResidualModel:
        """The residuals' covariance, of all rows."""
        return self.rows.residual

    @property
    def widths(self) -> tuple[int, ...]:
        """l of each block in design order."""
        return self.rows.widths

    @cached_property
    def C(self) -> Floats:
        """Z'W[X y], shape (q, p + 1)."""
        return np.column_stack([self.ZX, self.response.Zy])

    @cached_property
    def H(self) -> Floats:
        """[X y]'W[X y], shape (p + 1, p + 1)."""
        p = self.p
        H = np.empty((p + 1, p + 1))
        H[:p, :p], H[:p, p], H[p, :p], H[p, p] = self.XX, self.response.Xy, self.response.Xy, self.response.yy
        return H

    @cached_property
    def cut(self) -> Cut:
        """C and H with the largest factor apart, for evaluations at many values of lambda at once."""
        return cut_largest(self.structure, self.C, self.H)

    @property
    def log_x_map(self) -> float:
        """2 log|x_map|: log|Hxx| in the engine's coordinates less that on the data's scale."""
        return self.rows.log_x_map

    @property
    def units(self) -> tuple[float, ...]:
        """Information of an average level per block, n / m: a relative variance of 1 / units begins to matter."""
        return self.rows.units

    def constant(self, reml: bool, y_scale: Floats | float | None = None) -> Any:
        """Return the criterion on the data's scale less that in the engine's coordinates, of the shape of ``y_scale``.

        ``y_scale`` is the scale of each response, by default that of the problem's own.
        """
        dof = self.n - self.p if reml else self.n
        log_scale = log(self.response.y_scale) if y_scale is None else np.log(y_scale)
        out = 2.0 * dof * log_scale - self.log_weights
        return out - self.log_x_map if reml else out

    def to_lambdas(self, theta: Floats) -> tuple[Floats, ...]:
        """Return lambda per block in the engine's coordinates, from theta on the data's scale.

        Raises
        ------
        EngineError
            If theta has the wrong length or values that are not finite.
        """
        theta = np.asarray(theta, dtype=float)
        if theta.shape != (self.design.k,):
            raise EngineError(f"theta has shape {theta.shape}; this model has {self.design.k} covariance parameters.")
        if not np.isfinite(theta).all():
            raise EngineError("theta holds values that are not finite numbers.")
        return tuple(term.lam(theta[own]) for term, own in zip(self.covariances, places(self.covariances), strict=True))

    def to_theta(self, lambdas: Sequence[Floats]) -> Floats:
        """Return theta on the data's scale, shape (..., k), from any root of each Sigma in the engine's coordinates."""
        return np.concatenate([term.theta(lam) for term, lam in zip(self.covariances, lambdas, strict=True)], axis=-1)

    def by_factor(self, lambdas: Sequence[Floats]) -> tuple[Floats, ...]:
        """Return lambda per factor in order of elimination, block diagonal where a factor has several terms."""
        return tuple(merge(f, lambdas) for f in self.structure.factors)

    def with_response(self, y: Floats) -> Problem:
        """Return the problem of another response on the same design; everything but the response's products is shared.

        Parameters
        ----------
        y : ndarray, shape (n,)

        Raises
        ------
        EngineError
            If y has another length, is not finite, or is reproduced exactly by X.
        """
        y = np.asarray(y, dtype=float)
        if y.shape != (self.n,):
            raise EngineError(f"The new response has shape {y.shape}; this design has {self.n} rows.")
        if self.design.offset is not None:
            y = y - self.design.offset
        Zy, Xy, yy, centre, scale = project_response(self.rows.Zt, self.rows.Q, self.residual, y[:, None])
        response = ResponseProducts(Zy[:, 0], Xy[:, 0], float(yy[0]), centre[:, 0], float(scale[0]))
        return replace(self, response=response)


@single
def prepare(design: Design) -> Problem:
    """Return the problem to evaluate, optimize or refit; the rows of the design are read once.

    Raises
    ------
    EngineError
        If there is no random term, X is rank deficient, the response has no variation left beside X, or there is not
        the memory that the fit needs.
    """
    if not design.blocks:
        raise EngineError("The model has no random-effects term; this engine needs at least one.")
    small = accumulate_small(design) if design.streamed is None else None
    if small is not None:
        scaling, cross, structure, is_clear = small
        rows = RowData(design, scaling, structure, cross.ZX, cross.XX, is_clear)
        return Problem(design, scaling, structure, cross.ZX, cross.XX, cross.log_weights, cross.response, rows)
    return assemble(design, *cross_products(design))


@single
def cross_products(design: Design) -> tuple[Scaling, CrossProducts]:
    """Return the engine's coordinates and all that it needs of the rows of a design, which are read once.

    Raises
    ------
    EngineError
        If X is rank deficient, the response has no variation left beside X, or there is no memory for the products.
    """
    products_need(design).check()
    return accumulate(DesignChunks(design))


@single
def assemble(design: Design, scaling: Scaling, cross: CrossProducts) -> Problem:
    """Return the problem of a design whose cross-products are known; none of its rows is read.

    Raises
    ------
    EngineError
        If there is not the memory that the fit needs.
    """
    structure = _plan(design, cross)
    rest = rest_need(design, structure)
    if rest is not None:
        rest.check()
    return _assemble(design, scaling, cross, structure)


@single
def model_size(design: Design) -> ModelSize:
    """Return how large a model is and the memory that its fit takes; large designs are read once for it.

    Raises
    ------
    EngineError
        If there is no random term, or there is no memory for the cross-products alone.
    """
    if not design.blocks:
        raise EngineError("The model has no random-effects term; this engine needs at least one.")
    need = products_need(design)
    if design.streamed is not None or accumulate_small(design) is None:
        need.check()
        plan = _plan(design, accumulate(DesignChunks(design))[1])
        rest = rest_need(design, plan)
        if rest is not None:
            need = replace(max(need, rest, key=lambda part: part.numbers), numbers=need.numbers + rest.numbers)
        need = replace(need, numbers=need.numbers + plan.gram.numbers)
    counts = design.n, design.p, design.q, design.k
    return ModelSize(*counts, int(memory.NUMBER * need.numbers), need.term, memory.free_memory())


def _plan(design: Design, cross: CrossProducts) -> Structure:
    """Return the elimination plan of a design's cross-products."""
    assert isinstance(cross.A, Gram)
    return build_structure(cross.A, cross.groups, [b.m for b in design.blocks], [b.l for b in design.blocks])


def _assemble(design: Design, scaling: Scaling, cross: CrossProducts, structure: Structure) -> Problem:
    """Return the problem with its arrays in the engine's order."""
    # From factors in the order of their blocks to that of elimination.
    places, ends = {}, np.cumsum([0, *(f.q for f in sorted(structure.factors, key=lambda f: f.blocks))])
    for f, start in zip(sorted(structure.factors, key=lambda f: f.blocks), ends, strict=False):
        places[f.blocks] = np.arange(start, start + f.q)
    order = np.concatenate([places[f.blocks] for f in structure.factors])
    response = replace(cross.response, Zy=cross.response.Zy[order])
    ZX = cross.ZX[order]
    rows = RowData(design, scaling, structure, ZX, cross.XX)
    return Problem(design, scaling, structure, ZX, cross.XX, cross.log_weights, response, rows)

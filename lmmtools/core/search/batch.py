"""The criterion and its derivatives for many responses at once, one theta each, for refit_many.

Arrays have a leading axis B over responses. V is eliminated in one of two ways: level by level for a single grouping
factor, whose levels are independent, and as a dense matrix for small models of any shape. Both answer for N = Z'V^-1Z.
Where a compiled kernel holds the model it takes the responses one by one instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lmmtools.core.data.crossprod import ResponseProducts, project_response
from lmmtools.core.elimination.dense_rest import dense_blocks
from lmmtools.core.elimination.parts import merge
from lmmtools.core.kernels.numpy_blocks import small_inverse, small_logdet
from lmmtools.core.search.objective import objectives_at_zero, profile
from lmmtools.core.search.traces import add_block, trace_one_factor
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem

    Floats = NDArray[np.float64]

__all__ = [
    "BatchElimination",
    "BatchState",
    "OneByOne",
    "Points",
    "Responses",
    "elimination_for",
    "evaluate_batch",
    "objectives_without_effects",
    "project",
]


DENSE_BATCH_Q = 160
"""Up to this many random effects the dense elimination costs less than fitting one response after another."""


@dataclass(frozen=True, slots=True, eq=False)
class Responses:
    """The cross-products of B responses, in the engine's coordinates.

    Attributes
    ----------
    Zy : ndarray, shape (B, q)
    Xy : ndarray, shape (B, p)
    yy : ndarray, shape (B,)
    centre : ndarray, shape (B, p)
    y_scale : ndarray, shape (B,)
    """

    Zy: Floats
    Xy: Floats
    yy: Floats
    centre: Floats
    y_scale: Floats

    def take(self, at: NDArray[np.intp]) -> Responses:
        """Return some of the responses."""
        return Responses(self.Zy[at], self.Xy[at], self.yy[at], self.centre[at], self.y_scale[at])

    def one(self, z: int) -> ResponseProducts:
        """Return one of the responses."""
        return ResponseProducts(self.Zy[z], self.Xy[z], float(self.yy[z]), self.centre[z], float(self.y_scale[z]))


class BatchElimination(Protocol):
    """The elimination of V at B values of lambda."""

    @property
    def logdet(self) -> Floats:
        """log|V|, shape (B,), nan where it is beyond the arithmetic."""

    def times_N(self, D: Floats) -> Floats:
        """Return N D, shape (B, q, c), of D (B, q, c)."""

    def solve(self, C: Floats) -> tuple[Floats, Floats]:
        """Return U and F = C - A U, shape (B, q, c), of right-hand sides (B, q, c) or (q, c)."""

    def blocks(self) -> list[Floats]:
        """Return the sums over levels of N's diagonal blocks, (B, l, l) per factor."""

    def squares(self, Y: Floats, sigma: Sequence[Floats]) -> Floats:
        """Return tr(P V_i P V_j), shape (B, k, k), with Z'PZ = N - YY'."""


class OneFactor:
    """The elimination of a single factor, whose levels are independent: arrays (B, m, l, l)."""

    def __init__(self, problem: Problem, lambdas: Sequence[Floats]) -> None:
        st = problem.structure
        self.f = st.factors[0]
        f = self.f
        A = st.chain[0].A if st.chain else dense_blocks(st.layout.products(), f.m, f.l)
        lam = merge(f, lambdas)
        if f.l == 1:
            s = (lam**2)[:, None]
            D = 1.0 + A * s
            with np.errstate(invalid="ignore", divide="ignore"):
                self.logdet = np.log(D).sum(axis=(1, 2, 3))
                self.J = 1.0 / D
            self.w = s * self.J
        else:
            Sigma = (lam @ lam.transpose(0, 2, 1))[:, None]
            K = A @ Sigma
            K[..., range(f.l), range(f.l)] += 1.0
            self.J = small_inverse(K)
            self.logdet = small_logdet(K).sum(axis=1)
            w = Sigma @ self.J
            self.w = 0.5 * (w + w.transpose(0, 1, 3, 2))
        self.N = self.J @ A if f.l > 1 else self.J * A

    def _apply(self, blocks: Floats, C: Floats) -> Floats:
        parts = C.reshape(*C.shape[:-2], self.f.m, self.f.l, C.shape[-1])
        out = blocks * parts if self.f.l == 1 else blocks @ parts
        return out.reshape(len(blocks), self.f.q, C.shape[-1])

    def times_N(self, D: Floats) -> Floats:
        """Return N D."""
        return self._apply(self.N, D)

    def solve(self, C: Floats) -> tuple[Floats, Floats]:
        """Return U and F."""
        return self._apply(self.w, C), self._apply(self.J, C)

    def blocks(self) -> list[Floats]:
        """Return the traces of N."""
        return [self.N.sum(axis=1)]

    def squares(self, Y: Floats, sigma: Sequence[Floats]) -> Floats:
        """Return the traces."""
        return trace_one_factor(self.f, self.N, Y, sigma)


class Dense:
    """The elimination of any small model: M, (B, q, q), and its inverse."""

    def __init__(self, problem: Problem, lambdas: Sequence[Floats]) -> None:
        st = problem.structure
        self.factors = st.factors
        self.A = st.layout.products() if not st.chain else st.toarray()
        B = len(lambdas[0])
        self.lams = [merge(f, lambdas) for f in st.factors]
        half = self._scale(np.broadcast_to(self.A, (B, *self.A.shape)), transpose=False)
        M = self._scale(half.transpose(0, 2, 1), transpose=False)
        M[:, range(st.q), range(st.q)] += 1.0
        try:
            L = np.linalg.cholesky(M)
            self.logdet = 2.0 * np.log(L[:, range(st.q), range(st.q)]).sum(axis=1)
        except np.linalg.LinAlgError:
            sign, self.logdet = np.linalg.slogdet(M)
            self.logdet = np.where(sign > 0, self.logdet, np.nan)
            M[~np.isfinite(self.logdet)] = np.eye(st.q)
        inverse = np.asarray(np.linalg.inv(M), dtype=float)
        W = self._scale(inverse, transpose=True)
        self.W = self._scale(W.transpose(0, 2, 1), transpose=True)
        self.N = self.A - self.A @ self.W @ self.A

    def _scale(self, M: Floats, *, transpose: bool) -> Floats:
        """Return M Lambda (or M Lambda')."""
        out = np.empty(M.shape)
        B, q = M.shape[:2]
        for f, lam in zip(self.factors, self.lams, strict=True):
            cut = M[:, :, f.columns]
            if f.l == 1:
                np.multiply(cut, lam, out=out[:, :, f.columns])
            else:
                right = lam.transpose(0, 2, 1) if transpose else lam
                out[:, :, f.columns] = (cut.reshape(B, q * f.m, f.l) @ right).reshape(B, q, f.q)
        return out

    def times_N(self, D: Floats) -> Floats:
        """Return N D."""
        return self.N @ D

    def solve(self, C: Floats) -> tuple[Floats, Floats]:
        """Return U and F."""
        U = self.W @ C
        return U, C - self.A @ U

    def blocks(self) -> list[Floats]:
        """Return the traces of N."""
        out = []
        for f in self.factors:
            own = self.N[:, f.columns, f.columns].reshape(-1, f.m, f.l, f.m, f.l)
            out.append(np.einsum("zgagb->zab", own))
        return out

    def squares(self, Y: Floats, sigma: Sequence[Floats]) -> Floats:
        """Return the traces."""
        N = self.N - Y @ Y.transpose(0, 2, 1)
        out = np.zeros((len(N), k := sum(x.shape[1] for x in sigma), k))
        for i, f in enumerate(self.factors):
            for other in self.factors[i:]:
                add_block(f, other, N[:, f.columns, other.columns], sigma, out)
        return out


@dataclass(frozen=True, slots=True, eq=False)
class OneByOne:
    """A small model's responses, which the compiled kernel evaluates one after the other, each at lambda, (B, l, l)."""

    problem: Problem
    lambdas: Sequence[Floats]

    def evaluate(self, y: Responses, reml: bool) -> BatchState:
        """Return the criterion of each."""
        problem, B, p = self.problem, len(y.yy), self.problem.p
        model = problem.dense
        assert model is not None
        logdet, r2, b, L = np.full(B, np.nan), np.ones(B), np.zeros((B, p)), np.zeros((B, p, p))
        for z in range(B):
            found = model.criterion(y.one(z), tuple(lam[z] for lam in self.lambdas))
            if found is not None:
                own, own_x, r2[z], b[z], L[z], _ = found
                logdet[z] = own + own_x if reml else own
        dof = problem.n - p if reml else problem.n
        objective = profile(logdet, r2, dof) + problem.constant(reml, y.y_scale)
        objective = np.where(np.isfinite(objective), objective, np.inf)
        return BatchState(objective, self, b[:, None], b, L, b, r2)

    def points(self, y: Responses, is_there: NDArray[np.bool_], reml: bool) -> Points:
        """Return the derivatives of those that could be evaluated; zeros for the others."""
        problem, B, k = self.problem, len(y.yy), self.problem.design.k
        model, dof = problem.dense, problem.n - problem.p if reml else problem.n
        assert model is not None
        vectors, matrices = np.zeros((B, 2, k)), np.zeros((B, 2, k, k))
        blocks = [np.zeros((B, 5, l, l)) for l in problem.widths]
        for z in np.flatnonzero(is_there).tolist():
            found = model.point(y.one(z), tuple(lam[z] for lam in self.lambdas), reml, dof)
            if found is not None:
                _, vectors[z], matrices[z], own = found
                for block, numbers in zip(blocks, own, strict=True):
                    block[z] = numbers
        return Points(
            tuple(block[:, 0] for block in blocks),
            tuple(block[:, 2] for block in blocks),
            [block[:, 3] for block in blocks],
            [block[:, 4] for block in blocks],
            vectors[:, 0],
            vectors[:, 1],
            matrices[:, 0],
            matrices[:, 1],
        )


def elimination_for(problem: Problem) -> type[OneFactor] | type[Dense] | type[OneByOne] | None:
    """Return the kind of elimination for a model; None where fitting responses one by one costs less."""
    if len(problem.structure.factors) == 1:
        return OneFactor
    if problem.dense is not None:
        return OneByOne
    return Dense if problem.structure.q <= DENSE_BATCH_Q else None


@dataclass(frozen=True, slots=True, eq=False)
class BatchState:
    """The criterion of B responses at one lambda each.

    Attributes
    ----------
    objective : ndarray, shape (B,)
        inf where it cannot be evaluated.
    elimination : BatchElimination
    Fx, Fy : ndarray, shapes (B, q, p) and (B, q)
    Lxx : ndarray, shape (B, p, p)
    b : ndarray, shape (B, p)
    r2 : ndarray, shape (B,)
    """

    objective: Floats
    elimination: BatchElimination | OneByOne
    Fx: Floats
    Fy: Floats
    Lxx: Floats
    b: Floats
    r2: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """The derivatives of the criterion of B responses at one lambda each.

    Attributes
    ----------
    frames, lambdas : tuple of ndarray, each (B, l, l)
        Q and Q L per block.
    G, T : list of ndarray, each (B, l, l)
        Derivatives of the criterion and of log|V| with respect to Sigma.
    phi, g : ndarray, shape (B, k)
    exact, average : ndarray, shape (B, k, k)
        Hessians.
    """

    frames: tuple[Floats, ...]
    lambdas: tuple[Floats, ...]
    G: list[Floats]
    T: list[Floats]
    phi: Floats
    g: Floats
    exact: Floats
    average: Floats


def project(problem: Problem, Y: Floats) -> Responses:
    """Return the cross-products of responses Y, shape (n, B), offset included as in the design."""
    d = problem.design
    if d.offset is not None:
        Y = Y - d.offset[:, None]
    Zy, Xy, yy, centre, scale = project_response(problem.rows.Zt, problem.rows.Q, problem.residual, Y)
    return Responses(np.ascontiguousarray(Zy.T), np.ascontiguousarray(Xy.T), yy, centre.T, scale)


def evaluate_batch(
    problem: Problem,
    kind: type[OneFactor] | type[Dense] | type[OneByOne],
    y: Responses,
    lambdas: Sequence[Floats],
    reml: bool,
) -> BatchState:
    """Return the criterion of each response at its lambda, (B, l, l) per block; see objective.evaluate_state."""
    p, n, B = problem.p, problem.n, len(y.yy)
    elimination = kind(problem, lambdas)
    if isinstance(elimination, OneByOne):
        return elimination.evaluate(y, reml)
    Cy = y.Zy[:, :, None]
    Uy, Fy = elimination.solve(Cy)
    Hyy = y.yy - np.einsum("zqc,zqc->z", Cy, Uy)
    logdet = elimination.logdet
    if p:
        Ux, Fx = elimination.solve(problem.ZX)
        Hxx = problem.XX - problem.ZX.T @ Ux
        Hxy = y.Xy[:, :, None] - problem.ZX.T @ Uy
        try:
            L = np.linalg.cholesky(Hxx)
        except np.linalg.LinAlgError:
            bad = np.linalg.eigvalsh(Hxx)[:, 0] <= 0
            Hxx[bad] = np.eye(p)
            L = np.linalg.cholesky(Hxx)
            logdet = np.where(bad, np.nan, logdet)
        z = np.linalg.solve(L, Hxy)
        b = np.linalg.solve(L.transpose(0, 2, 1), z)[:, :, 0]
        r2 = Hyy - np.einsum("zpc,zpc->z", z, z)
        if reml:
            logdet = logdet + 2.0 * np.log(L[:, range(p), range(p)]).sum(axis=1)
    else:
        Fx, L, b, r2 = np.zeros((B, len(problem.ZX), 0)), np.zeros((B, 0, 0)), np.zeros((B, 0)), Hyy
    dof = n - p if reml else n
    with np.errstate(invalid="ignore", divide="ignore"):
        objective = profile(logdet, r2, dof) + problem.constant(reml, y.y_scale)
    objective = np.where(np.isfinite(objective), objective, np.inf)
    return BatchState(objective, elimination, Fx, Fy[:, :, 0], np.asarray(L, dtype=float), b, r2)


@single
def objectives_without_effects(problem: Problem, Y: Floats, reml: bool = True) -> Floats:
    """Return the criterion of every column of Y with all variances of random effects zero, shape (B,).

    Parameters
    ----------
    problem : Problem
    Y : ndarray, shape (n, B)
        Responses, offset included as in the design.
    reml : bool
    """
    y = project(problem, np.asarray(Y, dtype=float))
    return objectives_at_zero(problem, y.Xy, y.yy, y.y_scale, reml)

"""Elimination: V^-1 through the chain and the rest, for one value of theta.

V = I + sum_k Z_k Lambda_k Lambda_k' Z_k' (in units of sigma**2 / w). Eliminating a factor with blocks A_e and
Sigma = lambda lambda' turns the cross-products of everything else from the metric they are in to the metric of that
factor's own covariance (Woodbury, level by level):

    A_ij  <-  A_ij - sum_e A_ie w_e A_ej
    w_e    =  Sigma (I + A_e Sigma)^-1  =  lambda (I + lambda' A_e lambda)^-1 lambda'

and adds log|I + lambda' A_e lambda| to log|V|. Nothing needs lambda to be invertible, or triangular. What remains at
the end, the rest, has a factor of its own, dense or sparse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.core.elimination.rest import not_definite
from lmmtools.core.elimination.small import multiply, resolvent, transpose_multiply, weights

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

    from lmmtools.core.elimination.rest import Rest
    from lmmtools.core.elimination.structure import Stage, Structure

    Floats = NDArray[np.float64]

__all__ = ["EliminatedStage", "Elimination", "eliminate", "solve"]


@dataclass(frozen=True, slots=True, eq=False)
class EliminatedStage:
    """One factor of the chain at the moment it is eliminated.

    Attributes
    ----------
    stage : Stage
    A : ndarray, shape (m, l, l)
        Its blocks in the metric of the finer factors.
    w : ndarray, shape (m, l, l)
        Sigma (I + A_e Sigma)^-1.
    J : ndarray, shape (m, l, l)
        (I + A_e Sigma)^-1.
    links : tuple of ndarray, each (m, l, l_parent)
        Cross-products with the coarser factors.
    coupling : ndarray or None
        Cross-products with the rest, in the coupling's layout.
    """

    stage: Stage
    A: Floats
    w: Floats
    J: Floats
    links: tuple[Floats, ...]
    coupling: Floats | None


@dataclass(frozen=True, slots=True, eq=False)
class Elimination:
    """The factor of V at one theta.

    Attributes
    ----------
    structure : Structure
    stages : tuple of EliminatedStage
    rest : Rest or None
    logdet : float
        log|V|, equal to log|M| of lme4.
    """

    structure: Structure
    stages: tuple[EliminatedStage, ...]
    rest: Rest | None
    logdet: float


def eliminate(st: Structure, lambdas: tuple[Floats, ...]) -> Elimination:
    """Factor V at the given lambda, one (l, l) matrix per factor in order of elimination.

    Raises
    ------
    EngineError
        If a block is not positive definite to working precision (theta beyond what the arithmetic can hold).
    """
    n_chain = len(st.chain)
    if not n_chain:
        rest = st.layout.factorise(st.layout.products(), lambdas)
        return Elimination(st, (), rest, rest.logdet)
    logdet = 0.0
    done: list[EliminatedStage] = []
    A = [s.A for s in st.chain]
    links = [[link.A for link in s.links] for s in st.chain]
    couplings = [None if s.coupling is None else s.coupling.values for s in st.chain]
    A_rest = st.layout.products() if st.q_rest else None
    for i, stage in enumerate(st.chain):
        T, w, change = weights(A[i], lambdas[i])
        if not np.isfinite(change):
            raise not_definite()
        logdet += change
        scaled = [multiply(T, link) for link in links[i]]
        for step, link in enumerate(stage.links):
            j = i + 1 + step
            for other in range(step, len(scaled)):
                product = transpose_multiply(scaled[step], scaled[other])
                total = _gather(link.gather, product)
                if other == step:
                    A[j] = A[j] - total
                else:
                    links[j][other - step - 1] = links[j][other - step - 1] - total
        values, kind = couplings[i], stage.coupling
        if kind is not None and values is not None and A_rest is not None:
            Y = kind.scale(T, values) if stage.links else values
            for step in range(len(stage.links)):
                above = couplings[i + 1 + step]
                assert above is not None
                product = kind.scale(scaled[step].transpose(0, 2, 1), Y)
                couplings[i + 1 + step] = above - kind.lift(step, product)
            kind.subtract_gram(T, values, A_rest)
        done.append(EliminatedStage(stage, A[i], w, resolvent(A[i], lambdas[i]), tuple(links[i]), values))
    if A_rest is None:
        return Elimination(st, tuple(done), None, logdet)
    rest = st.layout.factorise(A_rest, lambdas[n_chain:])
    return Elimination(st, tuple(done), rest, logdet + rest.logdet)


def _gather(gather: sparse.csr_matrix, blocks: Floats) -> Floats:
    """Return the sums of blocks (m, a, b) over the children of each parent, (m_parent, a, b)."""
    return np.asarray(gather @ blocks.reshape(len(blocks), -1)).reshape(-1, *blocks.shape[1:])


def solve(el: Elimination, C: Floats) -> tuple[Floats, Floats]:
    """Return U = Lambda M^-1 Lambda' C and F = C - A U, shape (q, b), for any right-hand sides.

    With C = Z'W[X y] these are the conditional modes' coefficients and Z'V^-1[X y].

    Parameters
    ----------
    el : Elimination
    C : ndarray, shape (q, b)
        In the engine's order.
    """
    st = el.structure
    if not el.stages and el.rest is not None:
        return el.rest.solve(C)
    b = C.shape[1]
    U, F = np.empty_like(C), np.empty_like(C)
    parts = [C[s.stage.factor.columns].reshape(s.stage.factor.m, s.stage.factor.l, b) for s in el.stages]
    c_rest = C[st.q_chain :]
    for i, s in enumerate(el.stages):
        if not s.links and s.coupling is None:
            break
        v = multiply(s.w, parts[i])
        for step, (link, A) in enumerate(zip(s.stage.links, s.links, strict=True)):
            parts[i + 1 + step] = parts[i + 1 + step] - _gather(link.gather, transpose_multiply(A, v))
        if s.stage.coupling is not None and s.coupling is not None:
            c_rest = c_rest - s.stage.coupling.transpose_times(s.coupling, v)
    u_rest = c_rest
    if el.rest is not None:
        u_rest, F[st.q_chain :] = el.rest.solve(c_rest)
        U[st.q_chain :] = u_rest
    for i in range(len(el.stages) - 1, -1, -1):
        s = el.stages[i]
        f = s.stage.factor
        right = parts[i]
        for step, (link, A) in enumerate(zip(s.stage.links, s.links, strict=True)):
            coarser = st.factors[i + 1 + step]
            right = right - multiply(A, U[coarser.columns].reshape(coarser.m, coarser.l, b)[link.parent])
        if s.stage.coupling is not None and s.coupling is not None:
            right = right - s.stage.coupling.times(s.coupling, u_rest)
        U[f.columns] = multiply(s.w, right).reshape(f.q, b)
        F[f.columns] = multiply(s.J, right).reshape(f.q, b)
    return U, F

"""Elimination of the chain and the rest: log|V|, V^-1 times vectors, and the inverse where it is needed.

V = I + sum_k Z_k Lambda_k Lambda_k' Z_k' (in units of sigma**2 / w), for one value of theta. Eliminating a factor with
blocks A_e and Sigma = lambda lambda' turns the cross-products of everything else from the metric they are in to the
metric of that factor's own covariance (Woodbury, level by level):

    A_ij  <-  A_ij - sum_e A_ie w_e A_ej
    w_e    =  Sigma (I + A_e Sigma)^-1  =  lambda (I + lambda' A_e lambda)^-1 lambda'

and adds log|I + lambda' A_e lambda| to log|V|. Nothing needs lambda to be invertible, or triangular. What remains at
the end, the rest, is factored by its layout, dense or sparse. Of the inverse, Lambda M^-1 Lambda', the gradient needs
traces, and other readers the blocks on the pattern of Z'WZ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.core.elimination.parts import level_blocks, not_definite
from lmmtools.core.kernels import blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

    from lmmtools.core.elimination.parts import Rest
    from lmmtools.core.elimination.structure import Stage, Structure

    Floats = NDArray[np.float64]
    from collections.abc import Sequence

    from lmmtools.core.elimination.parts import Link

__all__ = [
    "EliminatedStage",
    "Elimination",
    "Inverse",
    "diagonal_of_inverse",
    "eliminate",
    "invert",
    "solve",
    "traces",
]


@dataclass(frozen=True, slots=True, eq=False)
class EliminatedStage:
    """One factor of the chain, as it was when it was eliminated.

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
    """The elimination of V at one theta, which solves and inverses use.

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
    """Return the elimination of V at the given lambda, one (l, l) matrix per factor in order of elimination.

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
        T, w, J, change = blocks.factor(A[i], lambdas[i])
        if not np.isfinite(change):
            raise not_definite()
        logdet += change
        done.append(EliminatedStage(stage, A[i], w, J, tuple(links[i]), couplings[i]))
        if not w.any():
            # Its variance is zero: it takes nothing off the others.
            continue
        scaled = [blocks.multiply(T, link) for link in links[i]]
        for step, link in enumerate(stage.links):
            j = i + 1 + step
            for other in range(step, len(scaled)):
                product = blocks.multiply(scaled[step].transpose(0, 2, 1), scaled[other])
                total = _sum_over_children(link.gather, product)
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
    if A_rest is None:
        return Elimination(st, tuple(done), None, logdet)
    rest = st.layout.factorise(A_rest, lambdas[n_chain:])
    return Elimination(st, tuple(done), rest, logdet + rest.logdet)


def _sum_over_children(gather: sparse.csr_matrix, blocks: Floats) -> Floats:
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
    U, F = np.empty(C.shape), np.empty(C.shape)
    parts = [C[s.stage.factor.columns].reshape(s.stage.factor.m, s.stage.factor.l, b) for s in el.stages]
    c_rest = C[st.q_chain :]
    for i, s in enumerate(el.stages):
        if not s.links and s.coupling is None:
            break
        v = blocks.multiply(s.w, parts[i])
        for step, (link, A) in enumerate(zip(s.stage.links, s.links, strict=True)):
            parts[i + 1 + step] = parts[i + 1 + step] - _sum_over_children(
                link.gather, blocks.multiply(A.transpose(0, 2, 1), v)
            )
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
            right = right - blocks.multiply(A, U[coarser.columns].reshape(coarser.m, coarser.l, b)[link.parent])
        if s.stage.coupling is not None and s.coupling is not None:
            right = right - s.stage.coupling.times(s.coupling, u_rest)
        blocks.multiply(s.w, right, U[f.columns].reshape(right.shape))
        blocks.multiply(s.J, right, F[f.columns].reshape(right.shape))
    return U, F


@dataclass(frozen=True, slots=True, eq=False)
class Inverse:
    """Blocks and traces of W = Lambda M^-1 Lambda' and of N = Z'V^-1 Z.

    Attributes
    ----------
    T : tuple of ndarray, each (l, l)
        Sum over levels of the diagonal blocks of N, per factor in order of elimination.
    diagonal : tuple of ndarray, each (m, l, l)
        Diagonal blocks of W per factor; only where all blocks were asked for.
    links : tuple of tuple of ndarray
        Blocks of W between a chain factor's levels and their parents, (m, l, l_parent).
    couplings : tuple of ndarray or None
        Blocks of W between chain and rest, in the coupling's layout.
    W_rest : ndarray or None
        W among the rest as its layout has it; its lower triangle only, unless the rest is dense and there is no chain
        or all blocks were asked for.
    N : ndarray, shape (m, l, l), or None
        Diagonal blocks of N for a chain of one factor with no rest, where they are all of N.
    """

    T: tuple[Floats, ...]
    diagonal: tuple[Floats, ...]
    links: tuple[tuple[Floats, ...], ...]
    couplings: tuple[Floats | None, ...]
    W_rest: Floats | None
    N: Floats | None


def invert(el: Elimination, *, blocks: bool = False) -> Inverse:
    """Return the traces of N and, with ``blocks``, W on the pattern of A (a selected inverse), from coarse to fine.

    For a level e with ancestors and rest x: V_x = sum_y A_ey W_yx, Q = sum_x V_x A_xe, then
    W_ee = w + w Q w, W_ex = -w V_x, and N_ee = J A_ee - J Q J' with J = (I + A_ee Sigma)^-1.
    """
    n_chain = len(el.stages)
    only = n_chain == 1 and not blocks
    W_rest: Floats | None = None
    T_rest: list[Floats] = []
    if el.rest is not None:
        kind = el.stages[0].stage.coupling if only else None
        W_rest, T_rest = el.rest.invert(full=kind is None or not kind.reads_lower)
    if not n_chain:
        diagonal = _rest_blocks(el, W_rest) if blocks else ()
        return Inverse(tuple(T_rest), diagonal, (), (), W_rest, None)
    if only:
        return _invert_single(el.stages[0], W_rest, T_rest)
    T = [np.zeros(0)] * n_chain
    W = _ChainBlocks(n_chain)
    for i in range(n_chain - 1, -1, -1):
        T[i] = _invert_stage(el.stages[i], i, W, W_rest)
    symmetric = tuple(0.5 * (t + t.T) for t in (*T, *T_rest))
    diagonal = (*W.diagonal, *_rest_blocks(el, W_rest)) if blocks else ()
    return Inverse(symmetric, diagonal, tuple(W.links), tuple(W.couplings), W_rest, None)


def diagonal_of_inverse(el: Elimination) -> tuple[Floats, ...]:
    """Return the diagonal blocks of W, (m, l, l) per factor in order of elimination.

    With one factor before the rest, nothing of their coupling's size is formed for it.
    """
    kind = el.stages[0].stage.coupling if len(el.stages) == 1 else None
    if kind is None or el.rest is None:
        return invert(el, blocks=True).diagonal
    s = el.stages[0]
    assert s.coupling is not None
    W_rest = el.rest.invert(full=True)[0]
    Q = kind.quadratics(s.coupling, W_rest)
    return (s.w + blocks.multiply(blocks.multiply(s.w, Q), s.w), *_rest_blocks(el, W_rest))


def _invert_single(s: EliminatedStage, W_rest: Floats | None, T_rest: list[Floats]) -> Inverse:
    """Return the traces of a chain of one factor: the sum of N_ee = J A - J A_er W_rr' A_r'e J' without its terms."""
    P = blocks.multiply(s.J, s.A)
    T = P.sum(0)
    kind = s.stage.coupling
    if kind is None or s.coupling is None or W_rest is None:
        return Inverse((0.5 * (T + T.T),), (), (), (), None, P)
    T = T - kind.quadratic(s.J, s.coupling, W_rest)
    return Inverse((0.5 * (T + T.T), *T_rest), (), (), (), W_rest, None)


def traces(el: Elimination) -> tuple[Floats, ...]:
    """Return the sums over levels of the diagonal blocks of N, (l, l) per factor in order of elimination."""
    return invert(el).T if el.stages or el.rest is None else tuple(el.rest.traces())


class _ChainBlocks:
    """Blocks of W found so far, by stage."""

    __slots__ = ("couplings", "diagonal", "links")

    def __init__(self, n: int) -> None:
        self.diagonal: list[Floats] = [np.zeros(0)] * n
        self.links: list[tuple[Floats, ...]] = [()] * n
        self.couplings: list[Floats | None] = [None] * n

    def between(self, own: Sequence[Link], i: int, b: int, a: int) -> Floats:
        """Return W between ancestors b and a of every level of factor i, shape (m, l_b, l_a)."""
        low, high = min(a, b), max(a, b)
        parent = own[low].parent
        if a == b:
            return self.diagonal[i + 1 + a][parent]
        block = self.links[i + 1 + low][high - low - 1][parent]
        return block if b == low else block.transpose(0, 2, 1)

    def coupling(self, i: int) -> Floats:
        """Return W between factor i and the rest."""
        found = self.couplings[i]
        assert found is not None
        return found


def _invert_stage(s: EliminatedStage, i: int, W: _ChainBlocks, W_rest: Floats | None) -> Floats:
    """Return the trace of N of one factor, (l, l); its blocks of W are added to ``W``."""
    kind = s.stage.coupling
    own = s.stage.links
    P = blocks.multiply(s.J, s.A)
    if not own and kind is None:
        W.diagonal[i] = s.w
        return np.asarray(P.sum(0))
    V = []
    for a in range(len(own)):
        total = np.zeros((len(s.A), s.A.shape[1], s.links[a].shape[2]))
        for b, A in enumerate(s.links):
            total += blocks.multiply(A, W.between(own, i, b, a))
        if kind is not None and s.coupling is not None:
            total += kind.contract(s.coupling, kind.pull(a, W.coupling(i + 1 + a)))
        V.append(total)
    Q = np.zeros_like(s.A)
    for v, A in zip(V, s.links, strict=True):
        Q += blocks.multiply(v, A.transpose(0, 2, 1))
    if kind is not None and s.coupling is not None and W_rest is not None:
        V_rest = kind.restrict(s.coupling, W_rest)
        for a, A in enumerate(s.links):
            V_rest = V_rest + kind.scale(A, kind.pull(a, W.coupling(i + 1 + a)))
        Q += kind.contract(V_rest, s.coupling)
        W.couplings[i] = kind.scale(-s.w, V_rest)
    W.diagonal[i] = s.w + blocks.multiply(blocks.multiply(s.w, Q), s.w)
    W.links[i] = tuple(-blocks.multiply(s.w, v) for v in V)
    return np.asarray((P - blocks.multiply(blocks.multiply(s.J, Q), s.J.transpose(0, 2, 1))).sum(0))


def _rest_blocks(el: Elimination, W_rest: Floats | None) -> tuple[Floats, ...]:
    """Return the diagonal blocks of W among the rest, (m, l, l) per factor."""
    return () if W_rest is None else level_blocks(el.structure.layout, W_rest)

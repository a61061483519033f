"""The inverse where it is needed: traces for the gradient, and Lambda M^-1 Lambda' on the pattern of Z'WZ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.core.elimination.rest import level_blocks
from lmmtools.core.elimination.small import multiply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core.elimination.chain import EliminatedStage, Elimination
    from lmmtools.core.elimination.factors import Link

    Floats = NDArray[np.float64]

__all__ = ["Inverse", "invert", "traces"]


@dataclass(frozen=True, slots=True, eq=False)
class Inverse:
    """What is needed of W = Lambda M^-1 Lambda' and of N = Z'V^-1 Z.

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
    """Return traces and, with ``blocks``, all of W on the pattern of A (a selected inverse), coarse to fine.

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


def _invert_single(s: EliminatedStage, W_rest: Floats | None, T_rest: list[Floats]) -> Inverse:
    """Return the traces of a chain of one factor: N_ee = J A - J A_er W_rr' A_r'e J', summed without its parts."""
    P = multiply(s.J, s.A)
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
    """Fill in the blocks of W of one factor and return its trace of N."""
    kind = s.stage.coupling
    own = s.stage.links
    P = multiply(s.J, s.A)
    if not own and kind is None:
        W.diagonal[i] = s.w
        return np.asarray(P.sum(0))
    V = []
    for a in range(len(own)):
        total = np.zeros((len(s.A), s.A.shape[1], s.links[a].shape[2]))
        for b, A in enumerate(s.links):
            total += multiply(A, W.between(own, i, b, a))
        if kind is not None and s.coupling is not None:
            total += kind.contract(s.coupling, kind.pull(a, W.coupling(i + 1 + a)))
        V.append(total)
    Q = np.zeros_like(s.A)
    for v, A in zip(V, s.links, strict=True):
        Q += multiply(v, A.transpose(0, 2, 1))
    if kind is not None and s.coupling is not None and W_rest is not None:
        V_rest = kind.restrict(s.coupling, W_rest)
        for a, A in enumerate(s.links):
            V_rest = V_rest + kind.scale(A, kind.pull(a, W.coupling(i + 1 + a)))
        Q += kind.contract(V_rest, s.coupling)
        W.couplings[i] = kind.scale(-s.w, V_rest)
    W.diagonal[i] = s.w + multiply(multiply(s.w, Q), s.w)
    W.links[i] = tuple(-multiply(s.w, v) for v in V)
    return np.asarray((P - multiply(multiply(s.J, Q), s.J.transpose(0, 2, 1))).sum(0))


def _rest_blocks(el: Elimination, W_rest: Floats | None) -> tuple[Floats, ...]:
    return () if W_rest is None else level_blocks(el.structure.layout, W_rest)

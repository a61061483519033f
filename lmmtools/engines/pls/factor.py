"""Elimination: V^-1 through the chain and the rest, for one value of theta.

V = I + sum_k Z_k Lambda_k Lambda_k' Z_k' (in units of sigma**2 / w). Eliminating a factor with blocks A_e and
Sigma = lambda lambda' turns the cross-products of everything else from the metric they are in to the metric of that
factor's own covariance (Woodbury, level by level):

    A_ij  <-  A_ij - sum_e A_ie w_e A_ej ,     w_e = Sigma (I + A_e Sigma)^-1 = lambda (I + lambda' A_e lambda)^-1 lambda'

and adds log|I + lambda' A_e lambda| to log|V|. Nothing needs lambda to be invertible. What remains at the end has the
dense factor of I + Lambda' A Lambda.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotri, dpotrs

from lmmtools.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.engines.pls.structure import Factor, Stage, Structure

    Floats = NDArray[np.float64]

__all__ = ["Elimination", "Inverse", "StageFactor", "eliminate", "invert", "solve"]


@dataclass(frozen=True, slots=True, eq=False)
class StageFactor:
    """One factor of the chain at the moment it is eliminated.

    Attributes
    ----------
    stage : Stage
    A : ndarray, shape (m, l, l)
        Its blocks in the metric of the finer factors.
    w : ndarray, shape (m, l, l)
        Sigma (I + A_e Sigma)^-1.
    links : tuple of ndarray, each (m, l, l_parent)
        Cross-products with the coarser factors.
    coupling : ndarray or None
        Cross-products with the rest, in the coupling's layout.
    """

    stage: Stage
    A: Floats
    w: Floats
    links: tuple[Floats, ...]
    coupling: Floats | None


@dataclass(frozen=True, slots=True, eq=False)
class Elimination:
    """The factor of V at one theta.

    Attributes
    ----------
    structure : Structure
    lambdas : tuple of ndarray, each (l, l)
        lambda per factor, in order of elimination.
    stages : tuple of StageFactor
    A_rest : ndarray, shape (q_rest, q_rest), or None
        Cross-products of the rest in the metric of the chain, lower triangle.
    L_rest : ndarray, shape (q_rest, q_rest), or None
        Lower Cholesky factor of I + Lambda' A_rest Lambda; its upper triangle is not used.
    logdet : float
        log|V|, equal to log|M| of the design notes.
    """

    structure: Structure
    lambdas: tuple[Floats, ...]
    stages: tuple[StageFactor, ...]
    A_rest: Floats | None
    L_rest: Floats | None
    logdet: float


def eliminate(st: Structure, lambdas: Sequence[Floats]) -> Elimination:
    """Factor V at the given lambda, one (l, l) matrix per factor in order of elimination.

    Raises
    ------
    EngineError
        If a block is not positive definite to working precision (theta beyond what the arithmetic can hold).
    """
    logdet = 0.0
    done: list[StageFactor] = []
    A = [s.A for s in st.chain]
    links = [[link.A for link in s.links] for s in st.chain]
    couplings = [None if s.coupling is None else s.coupling.values for s in st.chain]
    A_rest = st.A_rest.copy(order="F") if st.q_rest and st.chain else st.A_rest
    for i, stage in enumerate(st.chain):
        T, w, change = _absorb(A[i], lambdas[i])
        logdet += change
        scaled = [_mm(T, link) for link in links[i]]
        for step, link in enumerate(stage.links):
            j = i + 1 + step
            for other in range(step, len(scaled)):
                product = _tmm(scaled[step], scaled[other])
                total = (link.gather @ product.reshape(len(product), -1)).reshape(-1, *product.shape[1:])
                if other == step:
                    A[j] = A[j] - total
                else:
                    links[j][other - step - 1] = links[j][other - step - 1] - total
        values, kind = couplings[i], stage.coupling
        if kind is not None and values is not None:
            Y = kind.scale(T, values)
            for step in range(len(stage.links)):
                j = i + 1 + step
                product = kind.scale(scaled[step].transpose(0, 2, 1), Y)
                couplings[j] = couplings[j] - kind.lift(step, product)
            kind.subtract_gram(Y, A_rest)
        done.append(StageFactor(stage, A[i], w, tuple(links[i]), values))
    if not st.q_rest:
        return Elimination(st, tuple(lambdas), tuple(done), None, None, logdet)
    S = _scale_rest(A_rest, st.rest, lambdas[len(st.chain) :], lower=bool(st.chain))
    S.ravel(order="K")[:: len(S) + 1] += 1.0
    L, info = dpotrf(S, lower=1, clean=0, overwrite_a=1)
    if info:
        raise _not_definite()
    logdet += 2.0 * float(np.log(L.diagonal()).sum())
    if not np.isfinite(logdet):
        raise _not_definite()
    return Elimination(st, tuple(lambdas), tuple(done), A_rest, L, logdet)


def _absorb(A: Floats, lam: Floats) -> tuple[Floats, Floats, float]:
    """T with T'T = w, w itself, and log|I + lambda' A lambda| summed over levels."""
    l = lam.shape[0]
    if l == 1:
        t = lam[0, 0]
        D = A * (t * t)
        D += 1.0
        change = float(np.log(D).sum())
        w = (t * t) / D
        if not np.isfinite(change):
            raise _not_definite()
        return np.sqrt(w), w, change
    D = lam.T @ A @ lam
    D[:, range(l), range(l)] += 1.0
    try:
        L = np.linalg.cholesky(D)
    except np.linalg.LinAlgError:
        raise _not_definite() from None
    change = 2.0 * float(np.log(L[:, range(l), range(l)]).sum())
    if not np.isfinite(change):
        raise _not_definite()
    T = forward_substitute(L, lam.T)
    return T, _tmm(T, T), change


def forward_substitute(L: Floats, B: Floats) -> Floats:
    """L_e^-1 B for every level, L (m, l, l) lower triangular, B (l, c); row by row, since l is small and m large."""
    m, l, _ = L.shape
    X = np.empty((m, l, B.shape[1]))
    for i in range(l):
        row = np.broadcast_to(B[i], (m, B.shape[1]))
        for j in range(i):
            row = row - L[:, i, j, None] * X[:, j]
        X[:, i] = row / L[:, i, i, None]
    return X


def _mm(A: Floats, B: Floats) -> Floats:
    """A_e B_e; 1 x 1 blocks by broadcasting, which is some 20 times faster than matmul."""
    return A * B if A.shape[-1] == A.shape[-2] == 1 or A.shape[-1] == B.shape[-1] == 1 else np.matmul(A, B)


def _tmm(A: Floats, B: Floats) -> Floats:
    """A_e' B_e."""
    return _mm(A.transpose(0, 2, 1), B)


def _not_definite() -> EngineError:
    return EngineError("I + Lambda' Z'WZ Lambda is not positive definite to working precision; theta is too large.")


def _scale_rest(A: Floats, rest: Sequence[Factor], lambdas: Sequence[Floats], *, lower: bool) -> Floats:
    """Lambda' A Lambda for the dense rest, Fortran-ordered; only the lower triangle of A is read if ``lower``."""
    if all(f.l == 1 for f in rest):
        t = np.repeat([lam[0, 0] for lam in lambdas], [f.m for f in rest])
        S = A * t
        S *= t[:, None]
        return np.asfortranarray(S)
    full = symmetrize(A) if lower else A
    return np.asfortranarray(scale_columns(scale_columns(full, rest, lambdas).T, rest, lambdas))


def symmetrize(A: Floats) -> Floats:
    """A full symmetric copy from the lower triangle."""
    out = np.tril(A)
    out += np.tril(A, -1).T
    return out


def scale_columns(B: Floats, rest: Sequence[Factor], lambdas: Sequence[Floats], *, transpose: bool = False) -> Floats:
    """B Lambda (or B Lambda'), columns of B in the order of the rest."""
    out = np.empty(B.shape)
    start = 0
    for f, lam in zip(rest, lambdas, strict=True):
        s = slice(start, start + f.q)
        if f.l == 1:
            np.multiply(B[:, s], lam[0, 0], out=out[:, s])
        else:
            out[:, s] = (B[:, s].reshape(-1, f.l) @ (lam.T if transpose else lam)).reshape(len(B), -1)
        start += f.q
    return out


def solve(el: Elimination, C: Floats) -> tuple[Floats, Floats]:
    """U = Lambda M^-1 Lambda' C and F = C - A U, for any right-hand sides.

    With C = Z'W[X y] these are the conditional modes' coefficients and Z'V^-1[X y].

    Parameters
    ----------
    el : Elimination
    C : ndarray, shape (q, b)
        In the engine's order.

    Returns
    -------
    U, F : ndarray, shape (q, b)
    """
    st = el.structure
    b = C.shape[1]
    U, F = np.empty_like(C), np.empty_like(C)
    parts = [C[s.stage.factor.columns].reshape(s.stage.factor.m, s.stage.factor.l, b) for s in el.stages]
    c_rest = C[st.q_chain :]
    for i, s in enumerate(el.stages):
        v = _mm(s.w, parts[i])
        for step, (link, A) in enumerate(zip(s.stage.links, s.links, strict=True)):
            product = _tmm(A, v)
            total = link.gather @ product.reshape(len(product), -1)
            parts[i + 1 + step] = parts[i + 1 + step] - total.reshape(-1, product.shape[1], b)
        if s.stage.coupling is not None and s.coupling is not None:
            c_rest = c_rest - s.stage.coupling.transpose_times(s.coupling, v)
    u_rest = c_rest
    if el.L_rest is not None and el.A_rest is not None:
        lams = el.lambdas[len(el.stages) :]
        right = scale_columns(c_rest.T, st.rest, lams).T
        x, _ = dpotrs(el.L_rest, right, lower=1)
        u_rest = scale_columns(x.T, st.rest, lams, transpose=True).T
        U[st.q_chain :] = u_rest
        F[st.q_chain :] = c_rest - symmetric_times(el.A_rest, u_rest, lower=bool(el.stages))
    for i in range(len(el.stages) - 1, -1, -1):
        s = el.stages[i]
        f = s.stage.factor
        right = parts[i]
        for step, (link, A) in enumerate(zip(s.stage.links, s.links, strict=True)):
            coarser = st.factors[i + 1 + step]
            right = right - _mm(A, U[coarser.columns].reshape(coarser.m, coarser.l, b)[link.parent])
        if s.stage.coupling is not None and s.coupling is not None:
            right = right - s.stage.coupling.times(s.coupling, u_rest)
        U[f.columns] = _mm(s.w, right).reshape(f.q, b)
        F[f.columns] = _mm(_J(s.A, el.lambdas[i]), right).reshape(f.q, b)
    return U, F


def symmetric_times(A: Floats, B: Floats, *, lower: bool) -> Floats:
    """A B for a symmetric A of which maybe only the lower triangle is stored."""
    if not lower:
        return np.asarray(A @ B)
    from scipy.linalg.blas import dsymm

    return np.asarray(dsymm(1.0, A, B, lower=1))


def _J(A: Floats, lam: Floats) -> Floats:
    """(I + A_e Sigma)^-1 for every level."""
    l = lam.shape[0]
    if l == 1:
        t = lam[0, 0]
        return 1.0 / (1.0 + A * (t * t))
    K = A @ (lam @ lam.T)
    K[:, range(l), range(l)] += 1.0
    return np.linalg.inv(K)


@dataclass(frozen=True, slots=True, eq=False)
class Inverse:
    """What is needed of Lambda M^-1 Lambda' =: W and of N = Z'V^-1 Z.

    Attributes
    ----------
    T : tuple of ndarray, each (l, l)
        Sum over levels of the diagonal blocks of N, per factor in order of elimination.
    diagonal : tuple of ndarray, each (m, l, l)
        Diagonal blocks of W per factor; empty unless asked for.
    links : tuple of tuple of ndarray
        Blocks of W between a chain factor's levels and their parents, (m, l, l_parent).
    couplings : tuple of ndarray or None
        Blocks of W between chain and rest, in the coupling's layout.
    W_rest : ndarray, shape (q_rest, q_rest), or None
        W among the rest, full.
    N : ndarray, shape (m, l, l), or None
        Diagonal blocks of N for a chain of one factor with no rest, where they are all of N.
    """

    T: tuple[Floats, ...]
    diagonal: tuple[Floats, ...]
    links: tuple[tuple[Floats, ...], ...]
    couplings: tuple[Floats | None, ...]
    W_rest: Floats | None
    N: Floats | None


SMALL_GAIN = 1e-3
"""Below this mean of lambda' N lambda the trace m I - sum [M^-1] would lose digits to cancellation."""


def invert(el: Elimination, *, blocks: bool = False) -> Inverse:
    """Traces and, with ``blocks``, all of W on the pattern of A (a selected inverse), coarse to fine.

    For a level e with ancestors and rest x: V_x = sum_y A_ey W_yx, Q = sum_x V_x A_xe, then
    W_ee = w + w Q w, W_ex = -w V_x, and N_ee = J A_ee - J Q J' with J = (I + A_ee Sigma)^-1.
    """
    st = el.structure
    n_chain = len(el.stages)
    T: list[Floats] = [np.zeros(0)] * len(st.factors)
    W_rest = N_only = None
    if el.L_rest is not None and el.A_rest is not None:
        W_rest = _invert_rest(el, el.L_rest, el.A_rest, T)
    diagonal: list[Floats] = [np.zeros(0)] * n_chain
    links: list[tuple[Floats, ...]] = [()] * n_chain
    couplings: list[Floats | None] = [None] * n_chain
    for i in range(n_chain - 1, -1, -1):
        s = el.stages[i]
        kind = s.stage.coupling
        J = _J(s.A, el.lambdas[i])
        P = _mm(J, s.A)
        if i == 0 and not blocks and not s.links:
            if kind is None or s.coupling is None or W_rest is None:
                T[0] = P.sum(0)
                N_only = P
            else:
                T[0] = P.sum(0) - kind.quadratic(kind.scale(J, s.coupling), W_rest)
            break
        V = []
        for a, link in enumerate(s.stage.links):
            # Blocks of W among the ancestors of e, seen from ancestor a.
            total = 0.0
            for b, A in enumerate(s.links):
                total = total + _mm(A, _ancestor_block(diagonal, links, s.stage.links, i, b, a))
            if kind is not None and s.coupling is not None:
                above = couplings[i + 1 + a]
                assert above is not None
                total = total + kind.contract(s.coupling, kind.pull(a, above))
            V.append(np.asarray(total))
            del link
        Q: Floats | float = 0.0
        for v, A in zip(V, s.links, strict=True):
            Q = Q + _mm(v, A.transpose(0, 2, 1))
        V_rest = None
        if kind is not None and s.coupling is not None and W_rest is not None:
            V_rest = kind.restrict(s.coupling, W_rest)
            for a, A in enumerate(s.links):
                above = couplings[i + 1 + a]
                assert above is not None
                V_rest = V_rest + kind.scale(A, kind.pull(a, above))
            Q = Q + kind.contract(V_rest, s.coupling)
        diagonal[i] = s.w + _mm(_mm(s.w, np.asarray(Q)), s.w) if isinstance(Q, np.ndarray) else s.w
        links[i] = tuple(-_mm(s.w, v) for v in V)
        if kind is not None and V_rest is not None:
            couplings[i] = kind.scale(-s.w, V_rest)
        N = P - _mm(_mm(J, Q), J.transpose(0, 2, 1)) if isinstance(Q, np.ndarray) else P
        T[i] = N.sum(0)
    blocks_rest = []
    if blocks and W_rest is not None:
        for f in st.rest:
            s0 = slice(f.start - st.q_chain, f.start - st.q_chain + f.q)
            blocks_rest.append(dense_blocks(W_rest[s0, s0], f.m, f.l))
    T = [0.5 * (t + t.T) for t in T]
    return Inverse(tuple(T), (*diagonal, *blocks_rest), tuple(links), tuple(couplings), W_rest, N_only)


def _ancestor_block(
    diagonal: Sequence[Floats],
    links: Sequence[tuple[Floats, ...]],
    own: Sequence[object],
    i: int,
    b: int,
    a: int,
) -> Floats:
    """W between ancestors b and a of every level of factor i, shape (m, l_b, l_a)."""
    from lmmtools.engines.pls.structure import Link

    low, high = min(a, b), max(a, b)
    link = own[low]
    assert isinstance(link, Link)
    if a == b:
        return diagonal[i + 1 + a][link.parent]
    block = links[i + 1 + low][high - low - 1][link.parent]
    return block if b == low else block.transpose(0, 2, 1)


def dense_blocks(W: Floats, m: int, l: int) -> Floats:
    """Diagonal blocks (m, l, l) of a dense (m*l, m*l) matrix."""
    if l == 1:
        return np.diag(W).reshape(m, 1, 1).copy()
    at = np.arange(m)
    return np.asarray(W.reshape(m, l, m, l)[at, :, at, :])


def _invert_rest(el: Elimination, L: Floats, A: Floats, T: list[Floats]) -> Floats:
    """W among the rest; fills in T for its factors."""
    st = el.structure
    lams = el.lambdas[len(el.stages) :]
    inverse, info = dpotri(L, lower=1, overwrite_c=0)
    if info:
        raise _not_definite()
    upper = np.triu_indices(len(inverse), 1) if len(inverse) <= SMALL_REST else None
    if upper is not None:
        inverse[upper] = inverse.T[upper]
    else:
        mirror_lower(inverse)
    weak = []
    for i, (f, lam) in enumerate(zip(st.rest, lams, strict=True)):
        s = slice(f.start - st.q_chain, f.start - st.q_chain + f.q)
        gain = f.m * np.eye(f.l) - dense_blocks(inverse[s, s], f.m, f.l).sum(0)
        if float(np.linalg.eigvalsh(gain)[0]) > SMALL_GAIN * f.m:
            half = np.linalg.solve(lam.T, gain)
            T[len(el.stages) + i] = np.linalg.solve(lam.T, half.T)
        else:
            weak.append(i)
    W = scale_columns(inverse, st.rest, lams, transpose=True)
    W = scale_columns(W.T, st.rest, lams, transpose=True)
    for i in weak:
        f = st.rest[i]
        s = slice(f.start - st.q_chain, f.start - st.q_chain + f.q)
        rows = (
            A[s] if not el.stages else np.concatenate([A[s, : s.start], symmetrize(A[s, s]), A[s.stop :, s].T], axis=1)
        )
        right = (rows @ W).reshape(f.m, f.l, -1)
        quadratic = np.einsum("eak,ebk->ab", right, rows.reshape(f.m, f.l, -1))
        T[len(el.stages) + i] = dense_blocks(rows[:, s], f.m, f.l).sum(0) - quadratic
    return np.asfortranarray(W)


SMALL_REST = 256
"""Up to this size index arrays mirror a triangle fastest; beyond it they would take too much memory."""


def mirror_lower(A: Floats, step: int = 256) -> None:
    """Copy the lower triangle of A onto the upper, in place and in tiles."""
    q = len(A)
    for start in range(0, q, step):
        stop = min(start + step, q)
        tile = A[start:stop, start:stop]
        tile[:] = np.tril(tile) + np.tril(tile, -1).T
        A[start:stop, stop:] = A[stop:, start:stop].T

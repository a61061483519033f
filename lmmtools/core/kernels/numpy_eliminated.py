"""A sparse rest eliminated front by front, by NumPy: fronts of one shape and height in one stack.

A front holds the columns K that are eliminated in it and the later ones R that they meet. With A_KK, A_KR as they are
when their turn comes:

    w    = Lambda (I + Lambda'A_KK Lambda)^-1 Lambda' ,   C = w A_KR ,   A_RR <- A_RR - A_KR'C   (in the parent's front)
    W_KR = -C W_RR ,   W_KK = w + C W_RR C'
    N_KK = A_KK - A_KK w A_KK - E W_RR E' ,   E = A_KR - A_KK C
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools import cholesky

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

__all__ = ["Batch", "EliminatedFronts", "FrontLists", "Fronts", "eliminate_fronts"]

SINGLE = 48
"""A single front that eliminates at least this many columns goes to LAPACK's symmetric routines."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Fronts of one shape and height, stacked.

    Attributes
    ----------
    offset : int
        Where the stack, (count, width, width), begins among the numbers of all fronts.
    own : ndarray of int, shape (count, k)
        Columns eliminated here.
    others : ndarray of int, shape (count, width - k)
        Later columns that they meet.
    parent_offset, parent_width : ndarray of int, shape (count,)
    parent_place : ndarray of int, shape (count, width - k)
        Place of each of the others in the parent's front.
    is_single_parent : bool
        Whether no two of the fronts have the same parent.
    same, entry : ndarray of int
        Places in a (count, k, k) stack that belong to one level, and the place of each in the concatenated lambdas.
    """

    offset: int
    own: Indices
    others: Indices
    parent_offset: Indices
    parent_width: Indices
    parent_place: Indices
    is_single_parent: bool
    same: Indices
    entry: Indices

    @property
    def shape(self) -> tuple[int, int, int]:
        """(count, width, width)."""
        width = self.own.shape[1] + self.others.shape[1]
        return len(self.own), width, width

    @property
    def columns(self) -> slice:
        """Slice of the stack among the numbers of all fronts."""
        count, width, _ = self.shape
        return slice(self.offset, self.offset + count * width * width)

    def in_parent(self) -> Indices:
        """Return the places of (others, others) in the parents' fronts, shape (count, others, others)."""
        rows = self.parent_offset[:, None] + self.parent_place * self.parent_width[:, None]
        return np.asarray(rows[:, :, None] + self.parent_place[:, None, :])


@dataclass(frozen=True, slots=True, eq=False)
class FrontLists:
    """Fronts one by one, children before parents.

    Attributes
    ----------
    offset, width : ndarray of int, shape (fronts,)
        Where the front, (width, width), begins among the numbers of all fronts.
    own_begins, own_counts : ndarray of int, shape (fronts,)
        Where each one's columns begin in ``own``, and how many are eliminated in it.
    other_begins : ndarray of int, shape (fronts,)
        Where the later columns that they meet begin in ``others``.
    own, others : ndarray of int
        Columns, front by front.
    in_parent : ndarray of int
        Place of each of the others in the parent's front.
    parent : ndarray of int, shape (fronts,)
        -1 at a root.
    place, span : ndarray of int32, shape (q,)
        Each column's place in its level, and the level's number of columns.
    entry : ndarray of int, shape (q,)
        Where the lambda of each column's factor begins when all are put one after the other.
    """

    offset: Indices
    width: Indices
    own_begins: Indices
    own_counts: Indices
    other_begins: Indices
    own: Indices
    others: Indices
    in_parent: Indices
    parent: Indices
    place: NDArray[np.int32]
    span: NDArray[np.int32]
    entry: Indices


@dataclass(frozen=True, slots=True, eq=False)
class Fronts:
    """The plan of a sparse elimination.

    Attributes
    ----------
    size : int
        Numbers in all fronts.
    batches : tuple of Batch
        Children before parents.
    lists : FrontLists
        The same fronts one by one.
    place, mirrored : ndarray of int, shape (entries,)
        Place in the fronts of each entry of the pattern's lower triangle, and of its mirror image.
    is_scalar : bool
        Whether every level has one column.
    """

    size: int
    batches: tuple[Batch, ...]
    lists: FrontLists
    place: Indices
    mirrored: Indices
    is_scalar: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Stack:
    """A stack of fronts when it is eliminated: arrays (count, k, k) and (count, k, others).

    Attributes
    ----------
    batch : Batch
    A, B : ndarray
        A_KK and A_KR in the metric of what was eliminated before.
    w : ndarray
    C : ndarray
        w A_KR.
    """

    batch: Batch
    A: Floats
    B: Floats
    w: Floats
    C: Floats


def eliminate_fronts(plan: Fronts, A: Floats, lambdas: Sequence[Floats]) -> EliminatedFronts:
    """Return the fronts of a plan eliminated.

    Parameters
    ----------
    plan : Fronts
    A : ndarray, shape (entries,)
        The rest's matrix, on the pattern.
    lambdas : sequence of ndarray, each (l, l)
        Per factor of the rest.
    """
    return EliminatedFronts(plan, A, lambdas)


class EliminatedFronts:
    """The fronts of a plan, eliminated.

    Attributes
    ----------
    logdet : float
        log|I + Lambda'A Lambda|, nan where that is not positive definite to working precision.
    """

    def __init__(self, plan: Fronts, A: Floats, lambdas: Sequence[Floats]) -> None:
        self._plan = plan
        numbers = np.zeros(plan.size)
        numbers[plan.place] = A
        numbers[plan.mirrored] = A
        flat = np.concatenate([lam.ravel() for lam in lambdas])
        self.logdet = 0.0
        self._done: list[_Stack] = []
        for batch in plan.batches:
            front = numbers[batch.columns].reshape(batch.shape)
            k = batch.own.shape[1]
            own, B = front[:, :k, :k], front[:, :k, k:]
            w, change = _weights(own, batch, flat, is_scalar=plan.is_scalar)
            self.logdet += change
            C = w * B if k == 1 else np.matmul(w, B)
            self._done.append(_Stack(batch, own, B, w, C))
            if B.shape[2]:
                # The contributions of its children to the others, and its own.
                left = front[:, k:, k:] - np.matmul(B.transpose(0, 2, 1), C)
                at = batch.in_parent()
                if batch.is_single_parent:
                    numbers[at] += left
                else:
                    np.add.at(numbers, at.ravel(), left.ravel())

    def solve(self, right: Floats) -> tuple[Floats, Floats]:
        """Return U = Lambda (I + Lambda'A Lambda)^-1 Lambda'C and C - A U, shape (q, b), of C = ``right``."""
        right = np.array(right)
        for s in self._done:
            if s.B.shape[2]:
                product = np.matmul(s.C.transpose(0, 2, 1), right[s.batch.own])
                np.subtract.at(right, s.batch.others, product)
        U, F = np.empty_like(right), np.empty_like(right)
        for s in reversed(self._done):
            own = s.batch.own
            mine = right[own]
            if s.B.shape[2]:
                mine = mine - np.matmul(s.B, U[s.batch.others])
            U[own] = found = np.matmul(s.w, mine)
            F[own] = mine - np.matmul(s.A, found)
        return U, F

    def invert(self, count: int) -> tuple[Floats, Floats]:
        """Return W on the pattern and the sums of N's blocks, (count,), entry by entry of the lambdas."""
        plan = self._plan
        numbers = np.empty(plan.size)
        T = np.zeros(count)
        for s in reversed(self._done):
            batch = s.batch
            front = numbers[batch.columns].reshape(batch.shape)
            k = batch.own.shape[1]
            N = s.A - np.matmul(s.A, np.matmul(s.w, s.A))
            if s.B.shape[2]:
                W = numbers[batch.in_parent()]
                X = np.matmul(s.C, W)
                front[:, :k, k:], front[:, k:, :k], front[:, k:, k:] = -X, -X.transpose(0, 2, 1), W
                front[:, :k, :k] = s.w + np.matmul(X, s.C.transpose(0, 2, 1))
                E = s.B - np.matmul(s.A, s.C)
                N -= np.matmul(np.matmul(E, W), E.transpose(0, 2, 1))
            else:
                front[:] = s.w
            T += np.bincount(batch.entry, weights=N.reshape(-1)[batch.same], minlength=len(T))
        return numbers[plan.place], T


def _weights(A: Floats, batch: Batch, flat: Floats, *, is_scalar: bool) -> tuple[Floats, float]:
    """Return Lambda (I + Lambda'A Lambda)^-1 Lambda' of stacked fronts and the sum of log|I + Lambda'A Lambda|.

    The last is nan where one is not positive definite to working precision.
    """
    count, k, _ = A.shape
    if is_scalar:
        s = flat[batch.entry].reshape(count, k)
        if k == 1:
            square = s[:, :, None] ** 2
            D = 1.0 + square * A
            with np.errstate(invalid="ignore", divide="ignore"):
                return square / D, float(np.log(D).sum())
        M = A * s[:, :, None] * s[:, None, :]
        M[:, range(k), range(k)] += 1.0
        inverse, logdet = _invert_definite(M)
        return inverse * s[:, :, None] * s[:, None, :], logdet
    lam = np.zeros(A.shape)
    lam.reshape(-1)[batch.same] = flat[batch.entry]
    M = np.matmul(np.matmul(lam.transpose(0, 2, 1), A), lam)
    M[:, range(k), range(k)] += 1.0
    inverse, logdet = _invert_definite(M)
    return np.matmul(np.matmul(lam, inverse), lam.transpose(0, 2, 1)), logdet


def _invert_definite(M: Floats) -> tuple[Floats, float]:
    """Return the inverses and the sum of log-determinants, nan where one is not positive definite."""
    count, k, _ = M.shape
    if count == 1 and k >= SINGLE:
        L, info = cholesky.factor(M[0].T)
        if info:
            return M, np.nan
        logdet = 2.0 * float(np.log(L.diagonal()).sum())
        lower = np.tril(cholesky.invert(L)[0])
        return (lower + np.tril(lower, -1).T)[None], logdet
    try:
        stacked = np.linalg.cholesky(M)
    except np.linalg.LinAlgError:
        return M, np.nan
    half = np.asarray(np.linalg.inv(stacked), dtype=float)
    return np.matmul(half.transpose(0, 2, 1), half), 2.0 * float(np.log(stacked[:, range(k), range(k)]).sum())

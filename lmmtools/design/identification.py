"""Whether the data identify each variance: beside the residual variance, and beside those of other terms.

The covariance of the response is linear in the parameters, V = s R + sum_a c_a D_a, with R = W^-1 the residuals' and a
matrix D_a = sum_g (z_gi z_gj' + z_gj z_gi') / (1 + [i = j]) for each variance or covariance of each term. The residual
variance is told from the rest exactly where R is no linear combination of the D_a; under REML all of them projected off
X, K'RK and K'D_aK with K'X = 0, since that is all that the restricted likelihood knows. Counting levels does not decide
it: with unequal weights, or a slope that is zero in some rows, one row per level is enough.

Linear dependence is found without any n x n matrix: the numbers u'D_a v for random vectors u and v, as many pairs as
there are parameters and some more, are dependent just where the matrices are (with probability one).

Two terms whose factors split the rows alike give the response the same covariance along every direction that the
columns of both span, v = B_1 a = B_2 c: Sigma_1 + t a a' and Sigma_2 - t c c' are the same model for any t. A factor
given twice under two names is the plain case, ``(1 | g) + (x | g)`` another.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import lstsq
from scipy.linalg import qr as scipy_qr

from lmmtools.audience import advice
from lmmtools.design.frame import show_value
from lmmtools.errors import DataError
from lmmtools.sentences import join_with_and

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from lmmtools.design.blocks import Block
    from lmmtools.design.matrices import Design

    Floats = NDArray[np.float64]

__all__ = [
    "Ambiguity",
    "Direction",
    "check_identified",
    "describe_unidentified",
    "find_ambiguities",
    "residual_direction",
]

# Share of the residuals' part that the terms leave, below which it is rounding: data of n rows would tell the variances
# apart with a relative standard error of about 1e8 / sqrt(n).
SAME = 1e-8
# Share of a column, beside the ones before it, below which it depends on them.
DEPENDENT = 1e-9
# Pairs of random vectors beyond the number of parameters.
SPARE = 4
# Rows, of whole levels, that are examined first: variances that are identified there are identified in all rows.
FEW = 2000
# Parts of a direction below this share of its largest are rounding.
NOTHING = 1e-6
# Entries of a direction that a message lists.
MOST_SHOWN = 7
# Rows in which effects that two terms share are looked for first.
AMBIGUITY_ROWS = 1000
# Two spans share a direction where the cosine of their angle is one but for this: rounding.
SAME_SPAN = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Direction:
    """A change of the parameters that leaves the distribution of the response as it is.

    Attributes
    ----------
    terms : tuple of Block
        The terms whose covariance matrices change.
    changes : tuple of ndarray, each (l, l)
        Subtracted from the covariance matrix of each term's effects when 1 is added to the residual variance.
    """

    terms: tuple[Block, ...]
    changes: tuple[Floats, ...]

    def parts(self) -> Iterator[tuple[str, float]]:
        """Yield each variance or covariance that changes, in words, and by how much."""
        for block, change in zip(self.terms, self.changes, strict=True):
            for i in range(block.l):
                for j in range(i + 1):
                    if abs(change[i, j]) > NOTHING * float(np.abs(change).max()):
                        yield _name_parameter(block, i, j), -float(change[i, j])


def check_identified(design: Design, reml: bool) -> None:
    """Raise a DataError unless each grouping factor has two levels and all variances are identified."""
    for block in design.blocks:
        if block.m < 2:
            raise DataError(
                f"The grouping factor {block.group!r} has one level, {show_value(block.levels[0])}, in the rows used. "
                f"A variance between levels needs at least two; leave {block.term} out. {_how_to_fit_anyway()}"
            )
    said = describe_unidentified(design, reml)
    if said:
        raise DataError(f"{said} {_how_to_fit_anyway()}")


def describe_unidentified(design: Design, reml: bool) -> str:
    """Return which variances are not identified beside the residual variance, and the cure; empty if all are."""
    found = residual_direction(design, reml)
    if found is None:
        return ""
    names = join_with_and(block.term for block in found.terms)
    sizes = dict.fromkeys(
        f"{b.l} random effect{'s' * (b.l > 1)} for each of {b.m} levels of {b.group!r}" for b in found.terms
    )
    likelihood = "the restricted likelihood" if reml else "the likelihood"
    parts = [f"{change:+.4g} to {name}" for name, change in found.parts()]
    shown = join_with_and(["+1 to the residual variance", *parts], MOST_SHOWN)
    return (
        f"{names} cannot be told from the residuals: {likelihood} stays the same when one adds {shown}. In the "
        f"{design.n} rows there {'is' if found.terms[0].l == 1 else 'are'} {join_with_and(sizes)}. "
        f"{_describe_cure(design, found, reml)}"
    )


def residual_direction(design: Design, reml: bool) -> Direction | None:
    """Return how the residual variance trades off against the terms' variances; None where it does not.

    Parameters
    ----------
    design : Design
    reml : bool
        By the restricted likelihood, which depends only on contrasts of y that are free of the fixed effects.
    """
    rank = design.n - design.p if reml else design.n
    if design.q < rank:  # The terms' part of V has at most this rank, the residuals' the other.
        return None
    if design.streamed is not None:
        # About as many effects as rows: these can be held in memory, since the effects' products are.
        design = design.streamed.collect(design)
    w = np.ones(design.n) if design.weights is None else design.weights / design.weights.mean()
    root = np.sqrt(w)
    bases = [_orthonormal(block.basis * root[:, None]) for block in design.blocks]
    X = design.X * root[:, None] if reml else np.empty((design.n, 0))
    largest = max(design.blocks, key=lambda block: block.m)
    some = largest.codes < -(-FEW * largest.m // design.n)
    scaled = [Q for Q, _ in bases]
    if not some.all() and _trade_off(design.blocks, scaled, X, some) is None:
        return None
    changes = _trade_off(design.blocks, scaled, X, None)
    if changes is None:
        return None
    unit = 1.0 if design.weights is None else float(1 / design.weights.mean())
    original = [unit * T @ change @ T.T for change, (_, T) in zip(changes, bases, strict=True)]
    size = [float(np.abs(change).max(initial=0.0)) for change in changes]
    involved = [k for k, s in enumerate(size) if s > NOTHING * max(size)]
    return Direction(tuple(design.blocks[k] for k in involved), tuple(original[k] for k in involved))


def _orthonormal(basis: Floats) -> tuple[Floats, Floats]:
    """Return basis @ T with columns of mean square one that are orthogonal, shape (n, r), and T, shape (l, r)."""
    size = np.abs(basis).max(axis=0, initial=0.0)
    unit = np.where(size > 0, size, 1.0)
    scaled = basis / unit
    norms = np.sqrt(np.mean(scaled**2, axis=0))
    scaled /= np.where(norms > 0, norms, 1.0)
    unit = unit * np.where(norms > 0, norms, 1.0)
    # Eigenvectors of the mean squares drop columns that depend on others of the same term.
    values, vectors = np.linalg.eigh(scaled.T @ scaled / len(scaled))
    kept = values > 1e-12 * values.max(initial=1.0)
    T = vectors[:, kept] / np.sqrt(values[kept])
    return scaled @ T, T / unit[:, None]


def _trade_off(
    blocks: Sequence[Block], bases: Sequence[Floats], X: Floats, rows: NDArray[np.bool_] | None
) -> list[Floats] | None:
    """Return a matrix (r, r) for each block that together give the residuals' covariance, None if none do.

    The vectors are zero but in ``rows``, and orthogonal to X.
    """
    if rows is not None:
        bases, X = [Q[rows] for Q in bases], X[rows]
    codes = [block.codes if rows is None else block.codes[rows] for block in blocks]
    n, widths = len(codes[0]), [Q.shape[1] for Q in bases]
    count = 1 + sum(l * (l + 1) // 2 for l in widths)
    off_x = _projector(X, is_full_rank=rows is None)
    rng = np.random.default_rng(0)
    seen = np.empty((count + SPARE, count))
    for r in range(count + SPARE):
        u, v = off_x(rng.standard_normal(n)), off_x(rng.standard_normal(n))
        seen[r, 0] = u @ v
        seen[r, 1:] = np.concatenate([_bilinear(Q, c, u, v) for Q, c in zip(bases, codes, strict=True)])
    sizes = np.concatenate([_norms(Q, c) for Q, c in zip(bases, codes, strict=True)])
    target, columns = seen[:, 0], seen[:, 1:] / np.where(sizes > 0, sizes, 1.0)
    solution = _least_squares(columns, target)
    left = float(np.linalg.norm(target - columns @ solution))
    if not left <= SAME * np.sqrt(n * len(target)):
        return None
    return _unpack_symmetric(solution / np.where(sizes > 0, sizes, 1.0), widths)


def _projector(X: Floats, is_full_rank: bool) -> Callable[[Floats], Floats]:
    """Return the projection of a vector, shape (n,), off the columns of X, shape (n, p)."""
    size = np.abs(X).max(axis=0, initial=0.0)
    X = X[:, size > 0] / size[size > 0]
    if is_full_rank:
        Q = np.asarray(np.linalg.qr(X)[0])
    else:
        Q, R, _ = scipy_qr(X, mode="economic", pivoting=True)
        diagonal = np.abs(np.diagonal(R))
        Q = Q[:, diagonal > DEPENDENT * diagonal.max(initial=0.0)]

    def project(v: Floats) -> Floats:
        for _ in range(2):  # the second time takes away what rounding left
            v = v - Q @ (Q.T @ v)
        return v

    return project


def _bilinear(Q: Floats, codes: NDArray[np.intp], u: Floats, v: Floats) -> Floats:
    """Return u'D_a v for each entry a = (i, j), j <= i, of one term's covariance matrix."""
    left, right = (np.stack([np.bincount(codes, x * column) for column in Q.T], axis=1) for x in (u, v))
    S = left.T @ right
    S = S + np.tril(S.T, -1)
    return np.asarray(S[np.tril_indices(len(S))])


def _norms(Q: Floats, codes: NDArray[np.intp]) -> Floats:
    """Return the Frobenius norm of each D_a, or up to sqrt(2) times it."""
    squares = np.stack([np.bincount(codes, column**2) for column in Q.T], axis=1)
    S = np.sqrt(squares.T @ squares)
    return np.asarray(S[np.tril_indices(len(S))])


def _least_squares(columns: Floats, target: Floats) -> Floats:
    """Return the least-squares solution of smallest norm."""
    return np.asarray(lstsq(columns, target, cond=DEPENDENT, lapack_driver="gelsy")[0])


def _unpack_symmetric(entries: Floats, widths: Sequence[int]) -> list[Floats]:
    """Return the symmetric matrices whose lower triangles, row by row, are the entries."""
    made, at = [], 0
    for l in widths:
        S = np.zeros((l, l))
        rows, columns = np.tril_indices(l)
        S[rows, columns] = S[columns, rows] = entries[at : at + len(rows)]
        made.append(S)
        at += len(rows)
    return made


def _name_parameter(block: Block, i: int, j: int) -> str:
    """Return the name of entry (i, j) of a term's covariance matrix."""
    if i == j:
        return f"the variance of {block.cnames[i]} by {block.group}"
    return f"the covariance of {block.cnames[j]} and {block.cnames[i]} by {block.group}"


def _describe_cure(design: Design, found: Direction, reml: bool) -> str:
    """Return what to write instead."""
    if reml and residual_direction(design, False) is None:
        return f"Maximum likelihood tells them apart: {advice('fit(reml=False)', '--ml')}."
    if len(found.terms) > 1:
        return "Leave one of these terms out."
    block = found.terms[0]
    if block.l == 1:
        return f"Leave {block.term} out, or use a factor whose levels repeat."
    is_coded = any("[" in name for name in block.cnames)
    convert = advice("convert it: pd.to_numeric", "correct what is no number in it")
    hint = f" If a column before the bar is text that should be numbers, {convert}."
    return f"Write fewer effects before the bar, for example (1 | {block.group}).{hint * is_coded}"


def _how_to_fit_anyway() -> str:
    """Return how to fit the model without this check."""
    return advice("To fit the model all the same: fit(check=False).", "To fit the model all the same: --no-check.")


@dataclass(frozen=True, slots=True)
class Ambiguity:
    """Two terms that share random effects: only the sum of their variances is identified.

    Attributes
    ----------
    first, second : str
        The terms.
    groups : (str, str)
        Their grouping factors.
    count : int
        Number of effects per level that they share.
    is_whole : bool
        Whether they share all effects of both.
    """

    first: str
    second: str
    groups: tuple[str, str]
    count: int
    is_whole: bool

    def __str__(self) -> str:
        one, other = self.groups
        what = f"{self.first} and {self.second}"
        why = "are of one factor" if one == other else f"are one factor: {one} and {other} split the rows alike"
        share = "" if self.is_whole else f", and share {self.count} random effect{'s' * (self.count > 1)}"
        cure = "Keep one of the two" if self.is_whole else "Leave it to one of the two"
        return (
            f"{what} {why}{share}. The data tell only the sum of their variances there; how it is divided between the "
            f"two, and their random effects with it, is a convention. {cure}"
        )


def find_ambiguities(design: Design) -> tuple[Ambiguity, ...]:
    """Return the pairs of terms that share random effects, in the order of the design's blocks."""
    found = []
    together = {frozenset(pair) for members in design.shared for pair in combinations(members, 2)}
    for (i, a), (j, b) in combinations(enumerate(design.blocks), 2):
        if frozenset((i, j)) in together or not _split_alike(design, a, b):
            continue
        count = _common_directions(*_bases_of(design, a, b))
        if count:
            found.append(Ambiguity(str(a.term), str(b.term), (a.group, b.group), count, count == max(a.l, b.l)))
    return tuple(found)


def _bases_of(design: Design, a: Block, b: Block) -> tuple[Floats, Floats]:
    """Return the bases of two blocks on rows enough to show what the columns of both span."""
    if design.streamed is None:
        return a.basis, b.basis
    if a.encoder is None and b.encoder is None and a.l == b.l == 1:
        return np.ones((1, 1)), np.ones((1, 1))
    few = design.streamed.few(design)
    at = [i for i, block in enumerate(design.blocks) if block in (a, b)]
    return few.blocks[at[0]].basis, few.blocks[at[1]].basis


def _split_alike(design: Design, a: Block, b: Block) -> bool:
    """Whether two blocks have the same levels in the same rows."""
    if a.m != b.m:
        return False
    if a.codes is b.codes or a.group == b.group:
        return True
    if design.streamed is not None:
        return design.streamed.are_alike(a.codes, b.codes)
    # A level of the one for each of the other.
    first = np.zeros(a.m, dtype=np.intp)
    first[a.codes] = b.codes
    return bool(np.array_equal(first[a.codes], b.codes))


def _common_directions(A: Floats, B: Floats) -> int:
    """Return the dimension of what the columns of both span."""
    # Columns that differ in some rows differ in all.
    for rows in (slice(AMBIGUITY_ROWS), slice(None)):
        count = _count_common_directions(A[rows], B[rows])
        if not count or len(A) <= AMBIGUITY_ROWS:
            break
    return count


def _count_common_directions(A: Floats, B: Floats) -> int:
    """Return the number of angles of zero between the spans of two bases."""
    cosines = np.linalg.svd(_orthonormal_columns(A).T @ _orthonormal_columns(B), compute_uv=False)
    return int((cosines > 1.0 - SAME_SPAN).sum())


def _orthonormal_columns(B: Floats) -> Floats:
    """Return an orthonormal basis, shape (n, l), of the columns that are not zero."""
    size = np.abs(B).max(axis=0)
    scaled = B[:, size > 0] / size[size > 0]
    return np.asarray(np.linalg.qr(scaled / np.linalg.norm(scaled, axis=0))[0], dtype=float)

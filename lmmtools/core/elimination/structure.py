"""The elimination plan, made once per model: merged factors, the nested chain, and the rest.

Blocks on one factor become one (lambda block diagonal). Factors are then put in the order of elimination: first a
chain in which every factor is nested in the next (``class`` in ``school`` in ``region``), whose diagonal blocks stay
block diagonal however long it is; then everything that crosses it, the *rest*, whose Schur complement is dense, or
sparse where its fill is low.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from lmmtools.core.elimination.coupling import couple_dense, couple_sparse, is_dense, meeting_patterns
from lmmtools.core.elimination.dense_rest import DenseLayout
from lmmtools.core.elimination.parts import Factor, Link
from lmmtools.core.elimination.sparse_rest import sparse_layout
from lmmtools.design.rows_elsewhere import have_same_levels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core.elimination.parts import Coupling, Layout

    Floats = NDArray[np.float64]

__all__ = [
    "Stage",
    "Structure",
    "build_structure",
    "chain_of_sizes",
    "diagonal_blocks",
    "merge_blocks",
    "order_columns",
    "order_factors",
    "total_block",
]

SMALL_Q = 64
"""Up to this many random effects one dense factor costs less than the calls that would exploit its structure."""

MEDIUM_Q = 160
"""The same for a chain with a rest, which takes more calls."""


SPARSE_REST = 300
"""Columns of the rest from which a sparse elimination is considered."""


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """One factor of the chain before anything is eliminated.

    Attributes
    ----------
    factor : Factor
    A : ndarray, shape (m, l, l)
        Its diagonal blocks of Z'WZ.
    links : tuple of Link
        One per coarser factor of the chain, nearest first.
    coupling : Coupling or None
        Cross-products with the rest; None where there is no rest.
    """

    factor: Factor
    A: Floats
    links: tuple[Link, ...]
    coupling: Coupling | None


@dataclass(frozen=True, eq=False)
class Structure:
    """A model's elimination plan with its numbers, which are cut out of Z'WZ when something first needs them.

    Attributes
    ----------
    factors : tuple of Factor
        In order of elimination.
    n_chain : int
        How many of them are the chain.
    parents : dict of (int, int) to ndarray of int
        The level of a coarser factor of the chain that each level of a finer one lies in, by their places.
    order : ndarray of int, shape (q,)
        Column of Z (merged blocks in design order) at each place of the engine's order.
    products : csr_matrix or ndarray, shape (q, q)
        Z'WZ in the engine's order; dense in a small model.
    """

    factors: tuple[Factor, ...]
    n_chain: int
    parents: dict[tuple[int, int], NDArray[np.intp]]
    order: NDArray[np.intp]
    products: sparse.csr_matrix | Floats

    @cached_property
    def A(self) -> sparse.csr_matrix:
        """Z'WZ, sparse, for products with it."""
        return sparse.csr_matrix(self.products)

    @property
    def rest(self) -> tuple[Factor, ...]:
        """What crosses the chain; their columns follow the chain's."""
        return self.factors[self.n_chain :]

    @property
    def chain(self) -> tuple[Stage, ...]:
        """The factors of the chain with their numbers, finest first."""
        return self._numbers[0]

    @property
    def layout(self) -> Layout:
        """Where the rest's matrices have their entries, with Z'WZ among the rest."""
        return self._numbers[1]

    @cached_property
    def _numbers(self) -> tuple[tuple[Stage, ...], Layout]:
        """The chain, and the layout of the rest."""
        chain, A, first = self.factors[: self.n_chain], self.A, self.q_chain
        if not chain and isinstance(self.products, np.ndarray):
            return (), DenseLayout(np.asfortranarray(self.products.T), self.rest, False)
        links = _links(A, chain, self.parents)
        A_rest = A[first:, first:] if chain else A
        couplings, layout = _make_couplings(A[:first, first:], A_rest, chain, links, self.rest)
        stages = tuple(
            Stage(f, _cut_blocks(A, f), link, coupling)
            for f, link, coupling in zip(chain, links, couplings, strict=True)
        )
        return stages, layout

    @property
    def q(self) -> int:
        """Number of random effects."""
        return len(self.order)

    @property
    def q_chain(self) -> int:
        """Number of random effects in the chain."""
        return sum(f.q for f in self.factors[: self.n_chain])

    @property
    def q_rest(self) -> int:
        """Number of random effects in the rest."""
        return self.q - self.q_chain

    def diagonal(self) -> Floats:
        """Return the diagonal of Z'WZ, shape (q,)."""
        return np.asarray(self.products.diagonal())


def merge_blocks(codes: Sequence[NDArray[np.intp]], levels: Sequence[int]) -> list[list[int]]:
    """Return the blocks of each grouping factor, in order of the first; blocks with equal codes share a factor."""
    groups: list[list[int]] = []
    for i, (code, m) in enumerate(zip(codes, levels, strict=True)):
        for group in groups:
            j = group[0]
            if levels[j] == m and (codes[j] is code or have_same_levels(codes[j], code)):
                group.append(i)
                break
        else:
            groups.append([i])
    return groups


def build_structure(
    A: sparse.csr_matrix, groups: Sequence[Sequence[int]], levels: Sequence[int], widths: Sequence[int]
) -> Structure:
    """Return the plan from Z'WZ (blocks in design order).

    The pattern of A alone decides what is nested and what is crossed.
    """
    columns = _merged_columns(groups, levels, widths)
    sizes = [len(c) for c in columns]
    chain_groups: list[int] = []
    chain_links: dict[tuple[int, int], NDArray[np.intp]] = {}
    q = sum(sizes)
    if chain_of_sizes(q, len(groups)) != 0:
        pattern = _level_patterns(A, columns, [sum(widths[k] for k in g) for g in groups])
        chain_groups, chain_links = _longest_chain(pattern, sizes)
        if q <= MEDIUM_Q and len(chain_groups) < len(groups):
            chain_groups = []
    sequence = [*chain_groups, *(g for g in range(len(groups)) if g not in chain_groups)]
    order = np.concatenate([columns[g] for g in sequence])
    if not np.array_equal(order, np.arange(len(order))):
        A = A[order][:, order].tocsr()
    place = {g: i for i, g in enumerate(chain_groups)}
    parents = {
        (place[i], place[j]): parent
        for (i, j), parent in chain_links.items()
        if i in place and j in place and place[i] < place[j]
    }
    factors = order_factors([groups[g] for g in sequence], levels, widths)
    return Structure(factors, len(chain_groups), parents, order, A)


def chain_of_sizes(q: int, factors: int) -> int | None:
    """Return how many factors are the chain where their sizes tell it without the numbers, else None."""
    if q <= SMALL_Q:
        return 0
    return 1 if factors == 1 else None


def order_factors(groups: Sequence[Sequence[int]], levels: Sequence[int], widths: Sequence[int]) -> tuple[Factor, ...]:
    """Return the factors of blocks grouped by factor, one after the other."""
    factors, start = [], 0
    for group in groups:
        own = tuple(widths[k] for k in group)
        factors.append(Factor(tuple(group), own, levels[group[0]], sum(own), start))
        start += factors[-1].q
    return tuple(factors)


def order_columns(groups: Sequence[Sequence[int]], levels: Sequence[int], widths: Sequence[int]) -> NDArray[np.intp]:
    """Return the column of Z, blocks in design order, at each place of factors one after the other, shape (q,)."""
    if len(groups) == len(levels):
        return np.arange(sum(m * l for m, l in zip(levels, widths, strict=True)))
    return np.concatenate(_merged_columns(groups, levels, widths))


def _merged_columns(
    groups: Sequence[Sequence[int]], levels: Sequence[int], widths: Sequence[int]
) -> list[NDArray[np.intp]]:
    """Return the columns of the blocks of each factor, interleaved level by level."""
    starts = np.cumsum([0, *(m * l for m, l in zip(levels, widths, strict=True))])
    out = []
    for group in groups:
        parts = [starts[k] + np.arange(levels[k] * widths[k]).reshape(levels[k], widths[k]) for k in group]
        out.append(np.concatenate(parts, axis=1).ravel())
    return out


def _level_patterns(
    A: sparse.csr_matrix, columns: Sequence[NDArray[np.intp]], widths: Sequence[int]
) -> dict[tuple[int, int], sparse.csr_matrix]:
    """Return which levels meet for every ordered pair of factors, each (m_i, m_j)."""
    found = {}
    for i in range(len(columns)):
        rows = A[columns[i]]
        for j in range(i + 1, len(columns)):
            block = rows[:, columns[j]].tocoo()
            shape = (len(columns[i]) // widths[i], len(columns[j]) // widths[j])
            ones = np.ones(block.nnz, dtype=bool)
            meet = sparse.csr_matrix((ones, (block.row // widths[i], block.col // widths[j])), shape=shape)
            found[i, j] = meet
            found[j, i] = meet.T.tocsr()
    return found


def _longest_chain(
    pattern: dict[tuple[int, int], sparse.csr_matrix], sizes: Sequence[int]
) -> tuple[list[int], dict[tuple[int, int], NDArray[np.intp]]]:
    """Return the chain of nested factors with the most columns, finest first, and the parents of levels per pair."""
    parents = {}
    for (i, j), meet in pattern.items():
        counts = np.diff(meet.indptr)
        if counts.max(initial=0) <= 1 and sizes[i] >= sizes[j]:
            parent = np.zeros(meet.shape[0], dtype=np.intp)
            parent[counts == 1] = meet.indices
            parents[i, j] = parent
    best: list[int] = []
    for first in sorted(range(len(sizes)), key=lambda g: -sizes[g]):
        chain = [first]
        for g in sorted(range(len(sizes)), key=lambda g: -sizes[g]):
            if g not in chain and all((c, g) in parents for c in chain):
                chain.append(g)
        if sum(sizes[g] for g in chain) > sum(sizes[g] for g in best):
            best = chain
    return best, parents


def _links(
    A: sparse.csr_matrix, factors: Sequence[Factor], parents: dict[tuple[int, int], NDArray[np.intp]]
) -> list[tuple[Link, ...]]:
    """Return the links of each factor of the chain to the coarser ones, nearest first."""
    out = []
    for i, factor in enumerate(factors):
        links = []
        for j in range(i + 1, len(factors)):
            coarser = factors[j]
            parent = parents[i, j]
            ones = np.ones(factor.m)
            gather = sparse.csr_matrix((ones, (parent, np.arange(factor.m))), shape=(coarser.m, factor.m))
            block = A[factor.columns, coarser.columns].tocoo()
            values = np.zeros((factor.m, factor.l, coarser.l))
            values[block.row // factor.l, block.row % factor.l, block.col % coarser.l] = block.data
            links.append(Link(parent, gather, values))
        out.append(tuple(links))
    return out


def _make_couplings(
    B: sparse.csr_matrix,
    A_rest: sparse.csr_matrix,
    chain: Sequence[Factor],
    links: Sequence[tuple[Link, ...]],
    rest: tuple[Factor, ...],
) -> tuple[Sequence[Coupling | None], Layout]:
    """Return the chain's couplings with the rest, cut from B (q_chain, q_rest), and the rest's layout."""
    dense = DenseLayout.of(A_rest, rest, is_lower=bool(chain))
    if not (chain and rest):
        return [None] * len(chain), dense
    pieces, widths = [B[f.columns].tocsr() for f in chain], [f.l for f in chain]
    if is_dense(pieces):
        return couple_dense(pieces, widths, links), dense
    patterns = meeting_patterns(pieces, widths, links)
    layout = (sparse_layout(A_rest, patterns, rest) if A_rest.shape[0] >= SPARSE_REST else None) or dense
    return couple_sparse(pieces, patterns, links, layout), layout


def diagonal_blocks(st: Structure, factor: Factor) -> Floats:
    """Return the factor's diagonal blocks of A, shape (m, l, l), from the chain where it has them."""
    m, l = factor.m, factor.l
    if isinstance(st.products, np.ndarray):
        own = st.products[factor.columns, factor.columns].reshape(m, l, m, l)
        return np.asarray(own.diagonal(axis1=0, axis2=2).transpose(2, 0, 1))
    for stage in st.chain:
        if stage.factor is factor:
            return stage.A
    return _cut_blocks(st.A, factor)


def total_block(st: Structure, factor: Factor) -> Floats:
    """Return the sum of the factor's diagonal blocks of A, shape (l, l)."""
    if isinstance(st.products, np.ndarray):
        own = st.products[factor.columns, factor.columns].reshape(factor.m, factor.l, factor.m, factor.l)
        return np.asarray(np.einsum("gagb->ab", own))
    return np.asarray(diagonal_blocks(st, factor).sum(axis=0))


def _cut_blocks(A: sparse.csr_matrix, factor: Factor) -> Floats:
    """Return the factor's diagonal blocks of A, shape (m, l, l)."""
    block = A[factor.columns, factor.columns].tocoo()
    values = np.zeros((factor.m, factor.l, factor.l))
    values[block.row // factor.l, block.row % factor.l, block.col % factor.l] = block.data
    return values

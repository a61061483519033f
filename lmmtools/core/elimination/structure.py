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
from lmmtools.core.elimination.gram import Gram, as_sparse, slices_of
from lmmtools.core.elimination.parts import Factor, Link
from lmmtools.core.elimination.sparse_rest import sparse_layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.core.elimination.gram import Pair
    from lmmtools.core.elimination.parts import Coupling, Layout

    Floats = NDArray[np.float64]

__all__ = [
    "Stage",
    "Structure",
    "build_structure",
    "chain_of_sizes",
    "diagonal_blocks",
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
    """A model's elimination plan with its numbers, which are made ready when something first needs them.

    Attributes
    ----------
    factors : tuple of Factor
        In order of elimination.
    n_chain : int
        How many of them are the chain.
    parents : dict of (int, int) to ndarray of int
        The level of a coarser factor of the chain that each level of a finer one lies in, by their places.
    order : ndarray of int, shape (q,)
        Column of Z (blocks in design order) at each place of the engine's order.
    products : Gram or ndarray, shape (q, q)
        Z'WZ in the engine's order; an array in a small model.
    """

    factors: tuple[Factor, ...]
    n_chain: int
    parents: dict[tuple[int, int], NDArray[np.intp]]
    order: NDArray[np.intp]
    products: Gram | Floats

    @cached_property
    def gram(self) -> Gram:
        """Z'WZ by factors."""
        if isinstance(self.products, Gram):
            return self.products
        return Gram.of_dense(self.products, [(f.m, f.l) for f in self.factors])

    def times(self, B: Floats) -> Floats:
        """Return Z'WZ B, shape (q, b), of B (q, b)."""
        return self.products @ B

    def toarray(self) -> Floats:
        """Return Z'WZ as an array, (q, q), which is not to be overwritten."""
        return self.products if isinstance(self.products, np.ndarray) else self.products.toarray()

    def columns(self, factors: Sequence[Factor]) -> Floats:
        """Return Z'WZ in the columns of some factors, one after the other, shape (q, columns)."""
        if isinstance(self.products, np.ndarray):
            return np.hstack([self.products[:, f.columns] for f in factors])
        return self.products.columns_of([self.factors.index(f) for f in factors])

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
        chain = self.factors[: self.n_chain]
        if not chain and isinstance(self.products, np.ndarray):
            return (), DenseLayout(np.asfortranarray(self.products.T), self.rest, False)
        gram = self.gram
        links = _links(gram, chain, self.parents)
        couplings, layout = _make_couplings(gram, chain, links, self.rest)
        stages = tuple(
            Stage(f, own, link, coupling)
            for f, own, link, coupling in zip(chain, gram.own[: len(chain)], links, couplings, strict=True)
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


def build_structure(
    gram: Gram, groups: Sequence[Sequence[int]], levels: Sequence[int], widths: Sequence[int]
) -> Structure:
    """Return the plan from Z'WZ of the factors in the order of ``groups``, their blocks.

    Which levels meet decides alone what is nested and what is crossed.
    """
    chain: list[int] = []
    found: dict[tuple[int, int], NDArray[np.intp]] = {}
    if chain_of_sizes(gram.q, len(groups)) != 0:
        found = _find_parents(gram)
        chain = _longest_chain(found, gram.sizes)
        if gram.q <= MEDIUM_Q and len(chain) < len(groups):
            chain = []
    sequence = [*chain, *(g for g in range(len(groups)) if g not in chain)]
    parents = {(i, j): found[chain[i], chain[j]] for i in range(len(chain)) for j in range(i + 1, len(chain))}
    ordered = [groups[g] for g in sequence]
    factors = order_factors(ordered, levels, widths)
    order = np.concatenate(_merged_columns(ordered, levels, widths))
    products = gram if sequence == sorted(sequence) else gram.in_order(sequence)
    return Structure(factors, len(chain), parents, order, products)


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


def _find_parents(gram: Gram) -> dict[tuple[int, int], NDArray[np.intp]]:
    """Return, for each factor whose levels lie in one level each of another that is no larger, that level."""
    found = {}
    for (i, j), pair in gram.between.items():
        l_i, l_j = gram.own[i].shape[1], gram.own[j].shape[1]
        meet = _meeting_levels(pair, l_i, l_j)
        if meet is None:
            continue
        for a, b, pattern in ((i, j, meet), (j, i, meet.T.tocsr())):
            counts = np.diff(pattern.indptr)
            if gram.sizes[a] >= gram.sizes[b] and counts.max(initial=0) <= 1:
                parent = np.zeros(pattern.shape[0], dtype=np.intp)
                parent[counts == 1] = pattern.indices
                found[a, b] = parent
    return found


def _meeting_levels(pair: Pair, l_i: int, l_j: int) -> sparse.csr_matrix | None:
    """Return which levels of two factors meet, (m_i, m_j); None where they are too many for either to be nested."""
    m_i, m_j = pair.shape[0] // l_i, pair.shape[1] // l_j
    if isinstance(pair, np.ndarray):
        rows, columns, count = [], [], 0
        for part in slices_of(m_i, l_i * pair.shape[1]):
            cut = pair[part.start * l_i : part.stop * l_i].reshape(-1, l_i, m_j, l_j)
            row, column = np.nonzero(cut.any(axis=(1, 3)) if l_i * l_j > 1 else cut[:, 0, :, 0])
            count += len(row)
            if count > max(m_i, m_j):
                return None
            rows.append(row + part.start)
            columns.append(column)
        row, column = np.concatenate(rows), np.concatenate(columns)
    else:
        entries = pair.tocoo()
        row, column = entries.row // l_i, entries.col // l_j
        if len(row) > l_i * l_j * max(m_i, m_j):
            return None
    return sparse.csr_matrix((np.ones(len(row), dtype=bool), (row, column)), shape=(m_i, m_j))


def _longest_chain(parents: dict[tuple[int, int], NDArray[np.intp]], sizes: Sequence[int]) -> list[int]:
    """Return the chain of nested factors with the most columns, finest first."""
    best: list[int] = []
    for first in sorted(range(len(sizes)), key=lambda g: -sizes[g]):
        chain = [first]
        for g in sorted(range(len(sizes)), key=lambda g: -sizes[g]):
            if g not in chain and all((c, g) in parents for c in chain):
                chain.append(g)
        if sum(sizes[g] for g in chain) > sum(sizes[g] for g in best):
            best = chain
    return best


def _links(
    gram: Gram, factors: Sequence[Factor], parents: dict[tuple[int, int], NDArray[np.intp]]
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
            block = as_sparse(gram.between[i, j]).tocoo()
            values = np.zeros((factor.m, factor.l, coarser.l))
            values[block.row // factor.l, block.row % factor.l, block.col % coarser.l] = block.data
            links.append(Link(parent, gather, values))
        out.append(tuple(links))
    return out


def _make_couplings(
    gram: Gram, chain: Sequence[Factor], links: Sequence[tuple[Link, ...]], rest: tuple[Factor, ...]
) -> tuple[Sequence[Coupling | None], Layout]:
    """Return the chain's couplings with the rest, and the rest's layout."""
    k, count = len(chain), len(gram.own)
    if not rest:
        return [None] * k, DenseLayout(np.zeros((0, 0), order="F"), rest, is_lower=True)
    A_rest = gram.in_order(range(k, count)).tocsr()
    dense = DenseLayout.of(A_rest, rest, is_lower=bool(chain))
    if not chain:
        return [], dense
    pieces = [[gram.between[i, j] for j in range(k, count)] for i in range(k)]
    widths = [f.l for f in chain]
    if is_dense(pieces):
        return couple_dense(pieces, widths, links), dense
    rows = [as_sparse(sparse.hstack([as_sparse(p) for p in row], format="csr")) for row in pieces]
    patterns = meeting_patterns(rows, widths, links)
    layout = (sparse_layout(A_rest, patterns, rest) if A_rest.shape[0] >= SPARSE_REST else None) or dense
    return couple_sparse(rows, patterns, links, layout), layout


def diagonal_blocks(st: Structure, factor: Factor) -> Floats:
    """Return the factor's diagonal blocks of A, shape (m, l, l)."""
    if isinstance(st.products, Gram):
        return st.products.own[st.factors.index(factor)]
    m, l = factor.m, factor.l
    own = st.products[factor.columns, factor.columns].reshape(m, l, m, l)
    return np.asarray(own.diagonal(axis1=0, axis2=2).transpose(2, 0, 1))


def total_block(st: Structure, factor: Factor) -> Floats:
    """Return the sum of the factor's diagonal blocks of A, shape (l, l)."""
    if isinstance(st.products, np.ndarray):
        own = st.products[factor.columns, factor.columns].reshape(factor.m, factor.l, factor.m, factor.l)
        return np.asarray(np.einsum("gagb->ab", own))
    return np.asarray(diagonal_blocks(st, factor).sum(axis=0))

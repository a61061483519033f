"""Checks of memory for the engine's dense arrays, from their sizes, before they are filled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.core.data.chunks import CHUNK_ROWS
from lmmtools.core.elimination.sparse_rest import SparseLayout
from lmmtools.errors import EngineError
from lmmtools.memory import NUMBER, need_memory, say_bytes

if TYPE_CHECKING:
    from lmmtools.core.elimination.structure import Structure
    from lmmtools.design.matrices import Design

__all__ = ["check_deletions", "check_dense", "check_products", "check_rest"]

CHUNKS = 2
"""Copies of a chunk of X while its cross-products are made (measured)."""

PRODUCTS = 8
"""Arrays of the size of Z'X at the peak of a fit (measured: 7.7): Z'X, Z'[X y], solutions, and their derivatives."""

SCALAR, VECTOR = 3, 5
"""Dense matrices of the rest at the peak: cross-products, Cholesky factor and inverse where all lambda are scalar; two
more where some are not, while the inverse is multiplied by them. At zero variances no products are overwritten."""

PAIR = 5
"""Numbers per pair of columns that are added by index: its place, its two columns, its product and a weight."""

FRONT = 4
"""Arrays of the size of all fronts: those of elimination, those kept, those of the inverse, and scratch."""


def check_products(design: Design) -> None:
    """Refuse a design whose cross-products of random effects with X do not fit into memory.

    Raises
    ------
    EngineError
        The message says how much is needed, why, and what would help.
    """
    p, q = design.p + 1, design.q
    widest = max(design.blocks, key=lambda block: block.q)
    need_memory(
        CHUNKS * min(design.n, CHUNK_ROWS) * p + PRODUCTS * q * p,
        EngineError,
        f"The fit, with {design.p:,} columns of X beside {q:,} random effects, {widest.q:,} of them in {widest.term},",
        "Fewer fixed effects would help: a factor of many levels belongs after a bar, (1 | g).",
    )


def check_dense(n: int, p: int) -> None:
    """Refuse to make sparse columns of X, n rows at a time, dense where there is no memory for them.

    Raises
    ------
    EngineError
        As :func:`check_products`.
    """
    need_memory(
        CHUNKS * n * p,
        EngineError,
        f"X, whose {p:,} columns are so nearly dependent that they are multiplied as dense ones,",
        "Centre numeric columns that lie far from zero, and take terms out that others nearly determine.",
    )


def check_rest(design: Design, st: Structure) -> None:
    """Refuse a plan whose rest, what crosses the chain of nested factors, does not fit into memory.

    Raises
    ------
    EngineError
        As :func:`check_products`.
    """
    if not st.rest:
        return
    largest = max(st.rest, key=lambda factor: factor.q)
    term = " + ".join(str(design.blocks[k].term) for k in largest.blocks)
    q = st.q_rest
    cure = (
        f"The need grows with the square of {q:,}, the effects of all factors but the largest: put rare levels of "
        f"{design.blocks[largest.blocks[0]].group} together, leave {term} out, or fit where there is more memory."
    )
    where = f" in {term}" if largest.q == q else f" ({largest.q:,} of them in {term})"
    if isinstance(st.layout, SparseLayout):
        numbers: float = FRONT * st.layout.fronts.size
        how = "eliminated front by front,"
    else:
        copies = SCALAR if all(f.l == 1 for f in st.rest) else VECTOR
        numbers = copies * float(q) ** 2
        how = f"held in dense matrices of {say_bytes(NUMBER * float(q) ** 2)},"
    numbers += PAIR * sum(stage.coupling.pair_count for stage in st.chain if stage.coupling is not None)
    need_memory(numbers, EngineError, f"The fit, with {q:,} random effects{where} that cross others, {how}", cure)


def check_deletions(sets: int, p: int) -> None:
    """Refuse more sets of rows to leave out than there is memory for their covariance matrices.

    Raises
    ------
    EngineError
        As :func:`check_products`.
    """
    need_memory(
        4.0 * sets * p * p,
        EngineError,
        f"Leaving out {sets:,} sets of rows, each with a covariance matrix of {p:,} fixed effects,",
        'Leave out levels instead of rows, fit.influence(level="g"), or use fewer fixed effects.',
    )

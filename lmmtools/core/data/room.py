"""The memory that the engine's arrays take, from their sizes, and checks of it before they are filled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmmtools.core.data.chunks import CHUNK_ROWS
from lmmtools.core.elimination.sparse_rest import SparseLayout
from lmmtools.errors import OutOfMemoryError
from lmmtools.memory import NUMBER, need_memory, say_bytes
from lmmtools.sentences import count_noun

if TYPE_CHECKING:
    from lmmtools.core.elimination.structure import Structure
    from lmmtools.design.matrices import Design

__all__ = [
    "ModelSize",
    "Need",
    "check_clusters",
    "check_coupling",
    "check_deletions",
    "check_dense",
    "check_largest_cluster",
    "products_need",
    "rest_need",
]

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

LITTLE = 1e6
"""Bytes below which a size is not told more exactly."""


@dataclass(frozen=True, slots=True)
class Need:
    """Memory that a step of the fit takes.

    Attributes
    ----------
    numbers : float
        Floats held at once, at the peak.
    term : str
        The term that takes most of it.
    what : str
        What needs it, and why so many: the subject of an error's first sentence.
    cure : str
        What would help, a sentence.
    """

    numbers: float
    term: str
    what: str
    cure: str

    def check(self) -> None:
        """Raise an OutOfMemoryError that says how much is needed, why, and what would help, if there is not so much."""
        need_memory(self.numbers, OutOfMemoryError, self.what, self.cure)


@dataclass(frozen=True, slots=True)
class ModelSize:
    """How large a model is, and the memory that its fit takes.

    Attributes
    ----------
    rows : int
        n, complete rows.
    fixed_effects : int
        p, columns of X.
    random_effects : int
        q, columns of Z.
    variance_parameters : int
        k, entries of theta.
    bytes : int
        Peak of a fit by the engine pls above the design's own arrays, an estimate from sizes.
    term : str
        The term that takes most of it.
    free : float or None
        Bytes that this process may still take; None where the system does not say.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> size = lmt.lmm("diameter ~ 1 + (1|plate) + (1|sample)", lmt.datasets.load("Penicillin")).size
    >>> print(size)
    144 rows, 1 fixed effect, 30 random effects, 2 variance parameters
    a fit takes under 1 MB above its data, most of it for (1 | plate)
    >>> size.random_effects
    30
    """

    rows: int
    fixed_effects: int
    random_effects: int
    variance_parameters: int
    bytes: int
    term: str
    free: float | None

    def __str__(self) -> str:
        counts = (
            count_noun(self.rows, "row"),
            count_noun(self.fixed_effects, "fixed effect"),
            count_noun(self.random_effects, "random effect"),
            count_noun(self.variance_parameters, "variance parameter"),
        )
        memory = f"about {say_bytes(self.bytes)}" if self.bytes >= LITTLE else f"under {say_bytes(LITTLE)}"
        lines = [", ".join(counts), f"a fit takes {memory} above its data, most of it for {self.term}"]
        if self.free is not None and self.bytes > self.free:
            lines.append(f"{say_bytes(self.free)} are free: fit() will refuse it and say what would help")
        return "\n".join(lines)


def products_need(design: Design) -> Need:
    """Return what the cross-products of random effects with X take."""
    p, q = design.p + 1, design.q
    widest = max(design.blocks, key=lambda block: block.q)
    return Need(
        CHUNKS * min(design.n, CHUNK_ROWS) * p + PRODUCTS * q * p,
        str(widest.term),
        f"The fit, with {design.p:,} columns of X beside {q:,} random effects, {widest.q:,} of them in {widest.term},",
        "Fewer fixed effects would help: a factor of many levels belongs after a bar, (1 | g).",
    )


def check_dense(n: int, p: int) -> None:
    """Refuse to make sparse columns of X, n rows at a time, dense where there is no memory for them.

    Raises
    ------
    OutOfMemoryError
        As :meth:`Need.check`.
    """
    need_memory(
        CHUNKS * n * p,
        OutOfMemoryError,
        f"X, whose {p:,} columns are so nearly dependent that they are multiplied as dense ones,",
        "Centre numeric columns that lie far from zero, and take terms out that others nearly determine.",
    )


def check_coupling(rows: int, columns: int) -> None:
    """Refuse a dense matrix of the cross-products of two factors where there is no memory for it.

    Raises
    ------
    OutOfMemoryError
        As :meth:`Need.check`.
    """
    need_memory(
        float(rows) * columns,
        OutOfMemoryError,
        f"A table of two factors whose levels nearly all meet, with {rows:,} and {columns:,} random effects,",
        "Put rare levels together, leave one of the terms on these factors out, or fit where there is more memory.",
    )


def rest_need(design: Design, st: Structure) -> Need | None:
    """Return what a plan's rest takes, the factors that cross the chain of nested ones; None where there is none."""
    if not st.rest:
        return None
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
    return Need(numbers, term, f"The fit, with {q:,} random effects{where} that cross others, {how}", cure)


def check_clusters(m: int, p: int) -> None:
    """Refuse more clusters than there is memory for the two matrices of each.

    Raises
    ------
    OutOfMemoryError
        As :meth:`Need.check`.
    """
    need_memory(
        4.0 * m * p * p,
        OutOfMemoryError,
        f"A robust covariance of {p:,} fixed effects from {m:,} clusters, each with two matrices of that size,",
        "Take a coarser cluster=, or use fewer fixed effects.",
    )


def check_largest_cluster(rows: int) -> None:
    """Refuse a cluster whose covariance matrix, of so many rows, there is no memory to take the root of.

    Raises
    ------
    OutOfMemoryError
        As :meth:`Need.check`.
    """
    need_memory(
        8.0 * rows * rows,
        OutOfMemoryError,
        f"CR2 of a cluster whose covariance matrix has {rows:,} rows",
        'Use cov="CR1" or "CR3", which need no such matrix.',
    )


def check_deletions(sets: int, p: int) -> None:
    """Refuse more sets of rows to leave out than there is memory for their covariance matrices.

    Raises
    ------
    OutOfMemoryError
        As :meth:`Need.check`.
    """
    need_memory(
        4.0 * sets * p * p,
        OutOfMemoryError,
        f"Leaving out {sets:,} sets of rows, each with a covariance matrix of {p:,} fixed effects,",
        'Leave out levels instead of rows, fit.influence(level="g"), or use fewer fixed effects.',
    )

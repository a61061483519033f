"""How a design is laid out in MixedLM: which term becomes what; and what the likelihood then costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.audience import option
from lmmtools.design.factors import connected_components
from lmmtools.errors import TranslationError
from lmmtools.threads import cores_for

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design


__all__ = [
    "COEFFICIENTS",
    "MixedLMLayout",
    "cores_for_groups",
    "count_work",
    "estimate_fit_seconds",
    "estimate_seconds",
    "lay_out",
]


@dataclass(frozen=True, slots=True, eq=False)
class MixedLMLayout:
    """How a design is laid out in MixedLM.

    Attributes
    ----------
    islands : ndarray of intp, shape (n,)
        Independent group of each row, numbered from 0: the connected components of all grouping factors.
    n_islands : int
        How many there are.
    group_block : int or None
        A block whose levels are the islands, if there is one.
    re_block : int or None
        The block that becomes ``exog_re`` (``re_formula``); always the vector-valued one where there is one.
    vc_blocks : tuple of int
        The blocks that become variance components, in design order.
    """

    islands: NDArray[np.intp]
    n_islands: int
    group_block: int | None
    re_block: int | None
    vc_blocks: tuple[int, ...]


def lay_out(design: Design) -> MixedLMLayout:
    """Return the finest correct layout of ``design`` in MixedLM.

    Raises
    ------
    TranslationError
        If the model has prior weights, no fixed effects, or correlated effects for a factor whose levels are not the
        independent groups, which MixedLM cannot express.
    """
    if design.weights is not None:
        raise TranslationError(f"MixedLM has no prior weights. Use {option('engine', 'pls')}.")
    if design.p == 0:
        raise TranslationError(f"MixedLM needs at least one fixed effect. Use {option('engine', 'pls')}.")
    islands = connected_components([b.codes for b in design.blocks], [b.m for b in design.blocks])
    n_islands = int(islands.max()) + 1
    # A factor has exactly one island per level, so equal counts mean equal partitions.
    matching = [i for i, b in enumerate(design.blocks) if b.m == n_islands]
    vectors = [i for i, b in enumerate(design.blocks) if not b.is_scalar]
    _check_vectors(design, vectors, matching, n_islands)
    candidates = vectors or [i for i in matching if design.blocks[i].term.basis == "1"]
    re_block = candidates[0] if candidates else None
    vc_blocks = tuple(i for i in range(len(design.blocks)) if i != re_block)
    group_block = re_block if re_block is not None else (matching[0] if matching else None)
    return MixedLMLayout(islands, n_islands, group_block, re_block, vc_blocks)


def _check_vectors(design: Design, vectors: list[int], matching: list[int], n_islands: int) -> None:
    """Raise a TranslationError for correlated effects of a factor whose levels are not the groups."""
    if len(vectors) > 1:
        terms = " and ".join(str(design.blocks[i].term) for i in vectors)
        raise TranslationError(
            f"{terms} have no MixedLM form: MixedLM has one set of correlated effects, for the grouping that defines "
            f"its groups.\nUse {option('engine', 'pls')}, or write {_write_uncorrelated(design, vectors[1:])}."
        )
    for i in vectors:
        if i in matching:
            continue
        block = design.blocks[i]
        others = ", ".join(dict.fromkeys(str(b.term) for j, b in enumerate(design.blocks) if j != i))
        raise TranslationError(
            f"{block.term} beside {others} has no MixedLM form: MixedLM correlates effects only for the grouping that "
            f"defines its groups, and the levels of {block.group} ({block.m}) are not the independent groups here "
            f"({n_islands}).\nUse {option('engine', 'pls')}, or write {_write_uncorrelated(design, [i])}."
        )


def _write_uncorrelated(design: Design, blocks: list[int]) -> str:
    """Return the terms with double bars, which MixedLM can express."""
    terms = [design.blocks[i].term for i in blocks]
    return " and ".join(f"({t.basis.removeprefix('1 + ')} || {t.group})" for t in terms)


# Seconds per unit of each kind of work below, as `python -m benchmarks.mixedlm_cost` measures them: the estimates for
# its designs are right to a factor of two.
COEFFICIENTS = (5e-4, 7.1e-5, 1.3e-5, 5.9e-7, 2e-9, 2.7e-10)
# Evaluations per covariance parameter that a search of MixedLM's costs: the median there; they range from 6 to 100.
SEARCH = 12.0


def count_work(design: Design, layout: MixedLMLayout) -> NDArray[np.float64]:
    """Return the amounts of work in one evaluation of MixedLM's likelihood, its model built from arrays; shape (6,).

    One, independent groups, groups times variance components, rows, n p^2 (products of X) and sum_g q_g^2 (q_g + n_g)
    (systems of the q_g random effects of group g, with its n_g rows as right-hand sides).
    """
    n_g = np.bincount(layout.islands, minlength=layout.n_islands).astype(float)
    q_g = np.zeros(layout.n_islands)
    for block in design.blocks:
        first = np.zeros(block.m, dtype=np.intp)
        first[block.codes] = layout.islands
        q_g += block.l * np.bincount(first, minlength=layout.n_islands)
    groups = float(layout.n_islands)
    components = groups * len(layout.vc_blocks)
    systems = float(np.sum(q_g**2 * (q_g + n_g)))
    return np.array([1.0, groups, components, design.n, float(design.n) * design.p**2, systems])


def estimate_seconds(design: Design, layout: MixedLMLayout) -> float:
    """Return about how many seconds one evaluation of MixedLM's likelihood takes, its model built from arrays."""
    return float(count_work(design, layout) @ COEFFICIENTS)


def estimate_fit_seconds(design: Design, layout: MixedLMLayout) -> float:
    """Return about how many seconds MixedLM's own search takes."""
    return SEARCH * design.k * estimate_seconds(design, layout)


def cores_for_groups(design: Design, layout: MixedLMLayout) -> AbstractContextManager[None]:
    """Return a context with the number of threads that suits MixedLM's algebra, one group after the other."""
    return cores_for(int(count_work(design, layout)[-1]) // layout.n_islands)

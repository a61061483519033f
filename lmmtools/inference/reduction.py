"""Models with one random effect less, on the same rows: what a test of a random term compares with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.errors import DataError

if TYPE_CHECKING:
    from lmmtools.design.blocks import Block
    from lmmtools.design.record import Design

__all__ = ["Reduction", "reductions"]


@dataclass(frozen=True, slots=True, eq=False)
class Reduction:
    """One random effect, or one variable of a vector of them, taken out.

    Attributes
    ----------
    name : str
        As lmerTest writes it: ``"Days in (Days | Subject)"``, or the term where all of it goes.
    design : Design
        Without it; it may have no blocks left.
    block : int
        Index of the block in the full design.
    removed : tuple of int
        Which effects of the block go.
    """

    name: str
    design: Design
    block: int
    removed: tuple[int, ...]


def reductions(design: Design, *, reduce_terms: bool = True) -> list[Reduction]:
    """Return the single deletions from a model's random terms.

    Parameters
    ----------
    design : Design
    reduce_terms : bool
        Take the variables out of ``(x + z | g)`` one at a time, those that stand inside an interaction with another
        excepted; otherwise, and where nothing would be left, the whole term.

    Raises
    ------
    DataError
        If blocks share their variances, as only a MixedLM model that was read can have them.
    """
    if design.shared:
        raise DataError(
            "terms of this model share one variance, so that none can be left out alone; declare it with lmm(...)"
        )
    found = []
    for k, block in enumerate(design.blocks):
        for variable in _droppable(block) if reduce_terms else ():
            own = block.encoder.columns_by_term()[variable]
            found.append(Reduction(f"{variable} in {block.term}", _without(design, k, variable, own), k, own))
        if not (reduce_terms and _droppable(block)):
            rest = tuple(b for i, b in enumerate(design.blocks) if i != k)
            found.append(Reduction(str(block.term), replace(design, blocks=rest), k, tuple(range(block.l))))
    return found


def _droppable(block: Block) -> tuple[str, ...]:
    """Return the variables whose removal leaves a basis that is still one."""
    variables = block.term.variables
    if len(variables) + block.term.intercept < 2:
        return ()
    parts = [frozenset(v.split(":")) for v in variables]
    return tuple(v for v, own in zip(variables, parts, strict=True) if not any(own < other for other in parts))


def _without(design: Design, k: int, variable: str, columns: tuple[int, ...]) -> Design:
    block = design.blocks[k]
    keep = [j for j in range(block.l) if j not in columns]
    term = replace(block.term, variables=tuple(v for v in block.term.variables if v != variable))
    smaller = replace(
        block, term=term, basis=np.ascontiguousarray(block.basis[:, keep]), cnames=tuple(block.cnames[j] for j in keep)
    )
    return replace(design, blocks=tuple(smaller if i == k else b for i, b in enumerate(design.blocks)))

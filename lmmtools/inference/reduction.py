"""Models with one random effect less, on the same rows: what a test of a random term compares with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.errors import DataError
from lmmtools.formula.terms import order_written

if TYPE_CHECKING:
    from lmmtools.design.blocks import Block
    from lmmtools.design.matrices import Design

__all__ = ["Reduction", "reductions", "with_constants"]


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


def with_constants(design: Design) -> Design:
    """Return the design with ``(0 + f | g)``, f a factor, written as the same model ``(1 + f | g)``.

    An effect of every level spans a constant: taking f out of the term leaves ``(1 | g)``, and not nothing.
    """
    return replace(design, blocks=tuple(_with_constant(b) if _spans_constant(b) else b for b in design.blocks))


def _spans_constant(block: Block) -> bool:
    is_one_variable = not block.term.intercept and len(block.term.variables) == 1
    return is_one_variable and block.l > 1 and bool(np.allclose(block.basis.sum(axis=1), 1.0))


def _with_constant(block: Block) -> Block:
    basis = np.column_stack([np.ones(len(block.basis)), block.basis[:, 1:]])
    return replace(block, basis=basis, cnames=("(Intercept)", *block.cnames[1:]), encoder=None)


def reductions(design: Design, *, reduce_terms: bool = True) -> list[Reduction]:
    """Return the single deletions from a model's random terms, in the order in which lme4 writes these.

    Parameters
    ----------
    design : Design
        As :func:`with_constants` writes it.
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
    written = [design.formula.random[i] for i in order_written(design.formula.random)]
    found = []
    for k, block in sorted(enumerate(design.blocks), key=lambda item: written.index(item[1].term)):
        droppable = _droppable(block) if reduce_terms else ()
        for variable in droppable:
            own = _columns_of(block, variable)
            found.append(Reduction(f"{variable} in {block.term}", _without(design, k, variable, own), k, own))
        if not droppable:
            rest = tuple(b for i, b in enumerate(design.blocks) if i != k)
            name = _named_whole(block) if reduce_terms else str(block.term)
            found.append(Reduction(name, replace(design, blocks=rest), k, tuple(range(block.l))))
    return found


def _droppable(block: Block) -> tuple[str, ...]:
    """Return the variables whose removal leaves a basis that is still one."""
    variables = block.term.variables
    if _is_rewritten(block):
        return variables
    if len(variables) + block.term.intercept < 2:
        return ()
    parts = [frozenset(v.split(":")) for v in variables]
    return tuple(v for v, own in zip(variables, parts, strict=True) if not any(own < other for other in parts))


def _named_whole(block: Block) -> str:
    """Return what a term is called that goes as a whole because its only variable does."""
    is_slope = not block.term.intercept and len(block.term.variables) == 1
    return f"{block.term.variables[0]} in {block.term}" if is_slope else str(block.term)


def _is_rewritten(block: Block) -> bool:
    return not block.term.intercept and block.cnames[0] == "(Intercept)"


def _columns_of(block: Block, variable: str) -> tuple[int, ...]:
    return tuple(range(1, block.l)) if _is_rewritten(block) else block.encoder.columns_by_term()[variable]


def _without(design: Design, k: int, variable: str, columns: tuple[int, ...]) -> Design:
    block = design.blocks[k]
    keep = [j for j in range(block.l) if j not in columns]
    left = tuple(v for v in block.term.variables if v != variable)
    term = replace(block.term, intercept=block.term.intercept or not left, variables=left)
    smaller = replace(
        block, term=term, basis=np.ascontiguousarray(block.basis[:, keep]), cnames=tuple(block.cnames[j] for j in keep)
    )
    return replace(design, blocks=tuple(smaller if i == k else b for i, b in enumerate(design.blocks)))

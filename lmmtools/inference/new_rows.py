"""The rows that a prediction is for, and the random-effects terms that it includes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lmmtools.design import newdata
from lmmtools.errors import DataError
from lmmtools.formula.parser import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from lmmtools.design.blocks import Block
    from lmmtools.design.record import Design
    from lmmtools.formula.terms import RandomTerm

    Floats = NDArray[np.float64]

__all__ = ["NewRows", "Unseen", "encode_rows", "find_included", "rows_of_fit"]

Unseen = Literal["error", "population"]


@dataclass(frozen=True, slots=True, eq=False)
class NewRows:
    """Rows to predict for, as the design codes them.

    Attributes
    ----------
    index : pandas.Index, shape (r,)
    X : ndarray, shape (r, p)
    offset : ndarray, shape (r,)
        In units of y.
    codes : tuple of ndarray of intp, each (r,)
        Level of each row, per block; -1 for a level that the fit has not seen, and for every row of a block whose
        levels the prediction has no use for.
    bases : tuple of ndarray, each (r, l)
        Per block; zero where the prediction has no use for the term.
    weights : ndarray, shape (r,)
        Prior weights; ones where the prediction has no use for them.
    are_fitted : bool
        Whether they are the rows of the fit.
    """

    index: pd.Index[Any]
    X: Floats
    offset: Floats
    codes: tuple[NDArray[np.intp], ...]
    bases: tuple[Floats, ...]
    weights: Floats
    are_fitted: bool = False


def rows_of_fit(design: Design, included: Sequence[bool]) -> NewRows:
    """Return the rows that were fitted."""
    n = design.n
    new = np.full(n, -1, dtype=np.intp)
    return NewRows(
        design.frame.index,
        design.X,
        np.zeros(n) if design.offset is None else design.offset,
        tuple(b.codes if use else new for b, use in zip(design.blocks, included, strict=True)),
        tuple(b.basis for b in design.blocks),
        np.ones(n) if design.weights is None else design.weights,
        are_fitted=True,
    )


def encode_rows(
    design: Design,
    data: Any,
    included: Sequence[bool],
    *,
    unseen: Unseen = "error",
    offset: ArrayLike | str | None = None,
    weights: ArrayLike | str | None = None,
    is_observation: bool = False,
) -> NewRows:
    """Return new data as the design codes them; only the columns that the prediction uses need be there.

    Parameters
    ----------
    design : Design
    data : DataFrame, or whatever else is a table
    included : sequence of bool, one per block
        Whether the prediction includes the block's modes.
    unseen : {"error", "population"}
        What to do with a level of an included term that the fit has not seen, or that is missing.
    offset, weights : array_like, shape (r,), or str, optional
        Of the new rows.
    is_observation : bool
        Whether observations are predicted: these have terms that are left out, and a residual, too.

    Raises
    ------
    DataError
        A column is missing, or a level is unseen and ``unseen="error"``.
    """
    frame = newdata.as_frame(data)
    X = newdata.encode_fixed(design, frame)
    codes, bases = [], []
    for block, use in zip(design.blocks, included, strict=True):
        code = newdata.encode_codes(block, frame) if use else np.full(len(frame), -1, dtype=np.intp)
        if use and unseen == "error" and (code < 0).any():
            raise DataError(
                f"the fit has not seen these levels of {block.group}: {newdata.describe_unseen(block, frame, code)}. "
                'Write predict(..., unseen="population") to predict for them without a random effect.'
            )
        is_used = use or is_observation
        codes.append(code)
        bases.append(newdata.encode_basis(block, frame) if is_used else np.zeros((len(frame), block.l)))
    return NewRows(
        frame.index,
        X,
        newdata.encode_offset(design, frame, offset),
        tuple(codes),
        tuple(bases),
        newdata.encode_weights(design, frame, weights) if is_observation else np.ones(len(frame)),
    )


def find_included(design: Design, random: bool | str | Sequence[str]) -> tuple[bool, ...]:
    """Return for each block whether a prediction includes it.

    Parameters
    ----------
    design : Design
    random : bool, str or sequence of str
        All or none; grouping factors, either way round for an interaction; terms, ``"(1 | batch)"``.

    Raises
    ------
    DataError
        If there is no such factor or term; the message lists those there are.
    """
    if isinstance(random, (bool, np.bool_)):
        return (bool(random),) * len(design.blocks)
    names = [random] if isinstance(random, str) else random
    if not isinstance(names, (list, tuple, set, frozenset)) or not all(isinstance(name, str) for name in names):
        raise DataError(
            f"random={random!r} says not which random effects to include: write True, False, a grouping factor "
            f"({_factors(design)}), or a list of them"
        )
    wanted = {i for name in names for i in _find(design.blocks, name, design)}
    return tuple(i in wanted for i in range(len(design.blocks)))


def _find(blocks: Sequence[Block], name: str, design: Design) -> list[int]:
    """Return the blocks that a factor or some terms in lme4's notation stand for."""
    if "|" not in name:
        factors = sorted(name.split(":"))
        found = [i for i, b in enumerate(blocks) if b.group == name]
        found = found or [i for i, b in enumerate(blocks) if sorted(b.group.split(":")) == factors]
        if not found:
            raise DataError(f"random={name!r}: the model has no such grouping factor; there are {_factors(design)}")
        return found
    own = [_key(b.term) for b in blocks]
    found = []
    for term in parse(f"y ~ {name.strip().removeprefix('~')}").random:
        matching = [i for i, key in enumerate(own) if key == _key(term)]
        if not matching:
            terms = ", ".join(str(b.term) for b in blocks)
            raise DataError(f"random={name!r}: the model has no term {term}; its terms are {terms}")
        found += matching
    return found


def _key(term: RandomTerm) -> tuple[bool, frozenset[str], frozenset[str]]:
    return term.intercept, frozenset(term.variables), frozenset(term.factors)


def _factors(design: Design) -> str:
    return ", ".join(map(repr, design.factors))

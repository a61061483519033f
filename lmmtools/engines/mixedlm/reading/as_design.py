"""MixedLMReading -> Design: the same model in this package's record, from any arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pandas as pd

from lmmtools.design.blocks import Block, order_blocks
from lmmtools.design.columns import find_order, independent_columns
from lmmtools.design.dropped import Dropped
from lmmtools.design.encoders import learn_matrix
from lmmtools.design.factors import combine_factors, encode_factor
from lmmtools.design.matrices import Design
from lmmtools.errors import DataError, LmmError, TranslationError
from lmmtools.formula.declare import crossed
from lmmtools.formula.parser import parse
from lmmtools.formula.terms import ModelFormula, RandomTerm
from lmmtools.formula.tokens import quote_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lmmtools.design.encoders import Encoder
    from lmmtools.engines.mixedlm.reading.mixedlm_reading import Component, MixedLMReading, Piece

__all__ = ["ReadDesign", "as_design"]

# An encoder is the model's own if its matrix agrees to this, relative to the column: patsy and formulaic compute
# splines and the like in different orders.
SAME_TOL = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class ReadDesign:
    """A design, and the blocks of each component of the reading.

    Attributes
    ----------
    design : Design
    blocks : tuple of (Component, Block)
        In the order of the reading; a component of several pieces has several blocks, an empty one none.
    confounded : tuple of str
        Components whose variances are identified in sums only.
    """

    design: Design
    blocks: tuple[tuple[Component, Block], ...]
    confounded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownRows:
    """The encoder of a matrix without a formula: it knows the rows of the fit alone.

    Attributes
    ----------
    column_names : tuple of str, length p
    what : str
        The matrix, for the message: ``"the fixed-effects part 'bs(x, 4)'"``.
    """

    column_names: tuple[str, ...]
    what: str

    def encode(self, frame: pd.DataFrame) -> NoReturn:
        """Refuse new data.

        Raises
        ------
        DataError
            Always.
        """
        raise DataError(
            f"{self.what} is known for the rows of the fit only, so that {len(frame)} new rows have no prediction. "
            "Declare the model to lmmtools.lmm(), whose results predict."
        )


def as_design(model: Any, reading: MixedLMReading) -> ReadDesign:
    """Return the Design of a MixedLM model.

    Raises
    ------
    TranslationError
        If nothing is random.
    DataError
        If the arrays hold values that are not finite.
    """
    _check_model(model, reading)
    frame = _make_frame(model, reading)
    columns = {str(name): frame[name] for name in frame.columns}
    y = np.ascontiguousarray(model.endog, dtype=float)
    X = np.asarray(model.exog, dtype=float)
    kept = independent_columns(X)
    names = tuple(map(str, model.exog_names))
    fixed, encoder = _read_fixed(model, reading, columns, X)
    pairs: list[tuple[Component, Block]] = []
    taken: dict[str, NDArray[np.intp]] = {}
    for component in reading.components:
        pairs += [(component, _make_block(piece, component.name, columns, taken)) for piece in component.pieces]
    blocks = [block for _, block in pairs]
    formula = ModelFormula(reading.response, fixed, tuple(b.term for b in blocks), source=reading.formula)
    ordered = order_blocks(blocks)
    design = Design(
        formula=formula,
        y=y,
        fixed=np.ascontiguousarray(X[:, kept]),
        x_names=tuple(names[j] for j in kept),
        blocks=ordered,
        weights=None,
        offset=None,
        rows=np.arange(len(y)),
        complete=frame,
        dropped=Dropped(len(y), columns=tuple(name for j, name in enumerate(names) if j not in set(kept.tolist()))),
        encoder=encoder,
        shared=_find_shared_blocks(pairs, ordered),
    )
    unidentified = dict.fromkeys(name for pair in reading.confounded for name in pair if name != "Residual")
    return ReadDesign(design, tuple(pairs), tuple(unidentified))


def _find_shared_blocks(
    pairs: list[tuple[Component, Block]], ordered: tuple[Block, ...]
) -> tuple[tuple[int, ...], ...]:
    """Return the sets of blocks that are one component."""
    place = {id(block): i for i, block in enumerate(ordered)}
    members: dict[int, list[int]] = {}
    for component, block in pairs:
        members.setdefault(id(component), []).append(place[id(block)])
    return tuple(tuple(sorted(m)) for m in members.values() if len(m) > 1)


def _check_model(model: Any, reading: MixedLMReading) -> None:
    """Raise an LmmError for a model without random effects, or with values that are not finite."""
    if not any(component.pieces for component in reading.components):
        raise TranslationError("the model has no random effects: all its components are zero throughout")
    for name in ("endog", "exog"):
        if not np.all(np.isfinite(getattr(model, name))):
            raise DataError(f"the model's {name} holds values that are not finite numbers")


def _make_frame(model: Any, reading: MixedLMReading) -> pd.DataFrame:
    """Return the data: the formula's, or the arrays under their names."""
    if reading.frame is not None:
        return reading.frame
    columns = {str(model.endog_names): model.endog}
    columns |= {str(name): model.exog[:, j] for j, name in enumerate(model.exog_names)}
    if model.k_re:
        columns |= {str(name): model.exog_re[:, j] for j, name in enumerate(model.data.exog_re_names)}
    columns[reading.group] = np.asarray(reading.group_labels)[reading.groups]
    original = getattr(model.data, "orig_endog", None)
    index = original.index if isinstance(original, pd.Series | pd.DataFrame) else None
    return pd.DataFrame(columns, index=index)


def _read_fixed(
    model: Any, reading: MixedLMReading, columns: Mapping[str, Any], X: NDArray[np.float64]
) -> tuple[str, Encoder | KnownRows]:
    """Return the fixed part and the encoder of X, where one makes the same matrix."""
    names = tuple(map(str, model.exog_names))
    by_columns = " + ".join(["0", *map(quote_name, names)])
    try:
        text = parse(f"`the response` ~ {reading.fixed}", crossed("g")).fixed
    except LmmError:
        return by_columns, KnownRows(names, f"the fixed-effects part {reading.fixed!r}")
    encoder = _find_encoder(text, columns, X, names)
    if encoder is None:
        return by_columns, KnownRows(names, f"the fixed-effects part {reading.fixed!r}")
    return text, encoder


def _find_encoder(
    text: str, columns: Mapping[str, Any], wanted: NDArray[np.float64], names: tuple[str, ...]
) -> Encoder | None:
    """Return the encoder of a sum of terms if it makes the matrix ``wanted``, its columns so named; else None."""
    try:
        matrix, encoder = learn_matrix(text, columns, len(wanted))
    except (LmmError, KeyError, ValueError, TypeError):
        return None
    order = find_order(matrix, wanted, encoder.column_names, names, SAME_TOL)
    if order is None:
        return None
    return replace(encoder, column_names=names, order=None if order == tuple(range(len(names))) else order)


def _make_block(piece: Piece, name: str, columns: Mapping[str, Any], taken: dict[str, NDArray[np.intp]]) -> Block:
    """Return the block of a piece, its levels labelled and ordered as the data's factors have them."""
    factor = _find_own_factor(piece, columns) or _make_factor(piece)
    codes, levels, parts, members = factor
    term = piece.term
    # One name, one grouping: reports and frames of modes go by it.
    if not np.array_equal(taken.setdefault(term.group, codes), codes):
        term = RandomTerm(term.intercept, term.variables, (f"{term.group} ({name})",))
        parts, members = (levels,), np.arange(len(levels), dtype=np.intp)[:, None]
        taken[term.group] = codes
    return Block(term, levels, codes, piece.basis, piece.cnames, _basis_encoder(piece, columns), parts, members)


_Labelled = tuple[Any, Any, tuple[Any, ...], Any]


def _find_own_factor(piece: Piece, columns: Mapping[str, Any]) -> _Labelled | None:
    """Return codes, levels, parts and members of the data's own factors, if they group the rows as the piece does."""
    names = piece.term.factors
    if not set(names) <= set(columns) or any(columns[n].isna().any() for n in names):
        return None
    factor = combine_factors([encode_factor(columns[n]) for n in names])
    pairs = np.unique(np.column_stack([factor.codes, piece.codes]), axis=0)
    if not len(pairs) == piece.m == len(factor.levels):
        return None
    return factor.codes, factor.levels, factor.parts, factor.members


def _make_factor(piece: Piece) -> _Labelled:
    """Return the piece's own levels, their labels taken for one column."""
    levels = pd.Index(piece.levels)
    return piece.codes, levels, (levels,), np.arange(len(levels), dtype=np.intp)[:, None]


def _basis_encoder(piece: Piece, columns: Mapping[str, Any]) -> Encoder | KnownRows | None:
    """Return the encoder of a piece's basis; None for a constant."""
    if piece.is_constant:
        return None
    encoder = _find_encoder(piece.term.basis, columns, piece.basis, piece.cnames) if piece.term.variables else None
    return encoder or KnownRows(piece.cnames, f"the basis of {piece.term}")

"""The terms of the fixed part, coded with a column for every level, from which hypotheses on whole terms are made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.columns import independent_columns
from lmmtools.design.formulaic_encoder import FormulaicEncoder
from lmmtools.design.plain_encoder import PlainEncoder
from lmmtools.errors import DataError
from lmmtools.formula.functions import is_matrix
from lmmtools.formula.tokens import quote_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design

    Floats = NDArray[np.float64]

__all__ = ["FixedTerm", "fixed_terms", "treatment_coding"]


@dataclass(frozen=True, slots=True, eq=False)
class FixedTerm:
    """One term of the fixed part.

    Attributes
    ----------
    name : str
        As the formula has it: ``"recipe:temp"``; empty for the constant.
    factors : frozenset of str
        Its categorical factors.
    covariates : frozenset of str
        Its numerical variables.
    matrices : frozenset of str
        Those of the covariates that R holds as matrices: polynomials, splines, ``scale(x)``.
    written : str
        The name as a formula writes it, quotes of odd names included: the encoder's key for it.
    columns : ndarray, shape (n, c)
        An indicator of every combination of levels (no reference left out), times the covariates.
    """

    name: str
    factors: frozenset[str]
    covariates: frozenset[str]
    matrices: frozenset[str]
    written: str
    columns: Floats

    @property
    def variables(self) -> frozenset[str]:
        """Factors and covariates."""
        return self.factors | self.covariates

    def is_within(self, other: FixedTerm) -> bool:
        """Whether ``other`` contains this term: the same covariates, and all its factors and more."""
        return self.covariates == other.covariates and self.factors < other.factors


def fixed_terms(design: Design) -> tuple[FixedTerm, ...]:
    """Return the terms of the fixed part in the formula's order, the constant among them.

    Raises
    ------
    DataError
        If the design has columns and no terms (a MixedLM model that was read from its arrays).
    """
    encoder = design.encoder
    if design.streamed is not None:
        design = design.streamed.few(design)
    if isinstance(encoder, PlainEncoder):
        return tuple(_plain(encoder, design))
    if isinstance(encoder, FormulaicEncoder):
        return tuple(_through_formulaic(encoder, design))
    raise DataError(
        "this model has columns and no formula, so that its terms are not known; test columns with fit.f_test(...), or "
        "declare it with lmm(formula, data)"
    )


def treatment_coding(design: Design) -> tuple[Floats, list[list[int]]] | None:
    """Return X coded by treatment contrasts, shape (n, p), and each term's columns of it; None if X is coded so."""
    if design.streamed is not None:
        design = design.streamed.few(design)
    coded = design.encoder.by_treatment(design.seen) if isinstance(design.encoder, FormulaicEncoder) else None
    if coded is None:
        return None
    matrix, columns = design.take_used(coded[0]), coded[1]
    kept = independent_columns(matrix)
    place = {c: at for at, c in enumerate(kept.tolist())}
    return matrix[:, kept], [[place[c] for c in own if c in place] for own in columns]


def _plain(encoder: PlainEncoder, design: Design) -> list[FixedTerm]:
    """Return the fixed terms of a plain encoder, factors with all levels."""
    found = []
    for term in encoder.terms:
        full = tuple(replace(column, is_reduced=column.levels is None) for column in term)
        matrix = PlainEncoder((full,), ()).encode(design.frame)
        factors = frozenset(c.name for c in term if c.levels is not None)
        covariates = frozenset(c.name for c in term if c.levels is None)
        written = ":".join(quote_name(c.name) for c in term)
        found.append(FixedTerm(":".join(c.name for c in term), factors, covariates, frozenset(), written, matrix))
    return found


def _through_formulaic(encoder: FormulaicEncoder, design: Design) -> list[FixedTerm]:
    """Return the fixed terms of formulaic's encoder, factors with all levels."""
    matrix, terms = encoder.with_all_levels(design.seen)
    matrix = design.take_used(matrix)
    return [
        FixedTerm(name, factors, covariates, frozenset(filter(is_matrix, covariates)), written, matrix[:, columns])
        for written, (name, factors, covariates, columns) in zip(encoder.columns_by_term(), terms, strict=True)
    ]

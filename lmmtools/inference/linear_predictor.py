"""The linear predictor of fitted or new rows, X b + offset + Z u of the effects included, and its error variances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lmmtools import core
from lmmtools.design import newdata
from lmmtools.design.encoders import learn_matrix
from lmmtools.errors import DataError
from lmmtools.formula.expressions import columns_of
from lmmtools.formula.parser import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from lmmtools.design.blocks import Block
    from lmmtools.design.matrices import Design
    from lmmtools.fit.record import Fit
    from lmmtools.formula.terms import RandomTerm

    Floats = NDArray[np.float64]
    Included = tuple[NDArray[np.bool_], ...]
    """Which effects of each block, each (l,)."""

__all__ = [
    "NewRows",
    "Unseen",
    "error_variances",
    "find_included",
    "includes_any",
    "observation_variances",
    "predicted_means",
    "rows_to_predict",
]

Unseen = Literal["error", "population", "missing"]


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


def rows_to_predict(
    design: Design,
    data: Any,
    included: Included,
    *,
    unseen: Unseen = "error",
    offset: ArrayLike | str | None = None,
    weights: ArrayLike | str | None = None,
    is_observation: bool = False,
) -> NewRows:
    """Return the rows that were fitted, or new data as the design codes them.

    Parameters
    ----------
    design : Design
    data : DataFrame, or whatever else is a table, or None
        New data, of which only the columns that the prediction uses need be there; None for the fitted rows.
    included : tuple of ndarray of bool, each (l,)
        Effects of each block that the prediction includes.
    unseen : {"error", "population", "missing"}
        What to do with a level of an included term that the fit has not seen, or that is missing; ``"missing"`` holds
        for levels of the fixed part's factors too, and makes the row NaN.
    offset, weights : array_like, shape (r,), or str, optional
        Of the new rows.
    is_observation : bool
        Whether observations are predicted, whose variance includes the terms left out and the residual.

    Raises
    ------
    DataError
        A column is missing, a level is unseen and ``unseen="error"``, levels are numbers that were text in the fit, or
        an offset or weights are given without new data.
    """
    if data is None:
        if offset is not None or weights is not None:
            raise DataError("offset= and weights= go with new data; the rows of the fit have theirs")
        return _fitted_rows(design, included)
    frame = newdata.as_frame(data)
    if unseen == "missing":
        used = [b for b, use in zip(design.blocks, included, strict=True) if use.any() or is_observation]
        frame = newdata.without_unseen(design, used, frame)
    X = newdata.encode_fixed(design, frame)
    codes, bases = [], []
    for block, effects in zip(design.blocks, included, strict=True):
        use = bool(effects.any())
        code = newdata.encode_codes(block, frame) if use else np.full(len(frame), -1, dtype=np.intp)
        if use and (code < 0).any():
            _check_levels(block, frame, code, unseen)
            X = np.where((code < 0)[:, None], np.nan, X) if unseen == "missing" else X
        codes.append(code)
        is_used = use or is_observation
        bases.append(newdata.encode_basis(block, frame) if is_used else np.zeros((len(frame), block.l)))
    return NewRows(
        frame.index,
        X,
        newdata.encode_offset(design, frame, offset),
        tuple(codes),
        tuple(bases),
        newdata.encode_weights(design, frame, weights) if is_observation else np.ones(len(frame)),
    )


def _fitted_rows(design: Design, included: Included) -> NewRows:
    """Return the rows of the fit."""
    n = design.n
    unseen = np.full(n, -1, dtype=np.intp)
    return NewRows(
        design.frame.index,
        design.X,
        np.zeros(n) if design.offset is None else design.offset,
        tuple(b.codes if use.any() else unseen for b, use in zip(design.blocks, included, strict=True)),
        tuple(b.basis for b in design.blocks),
        np.ones(n) if design.weights is None else design.weights,
        are_fitted=True,
    )


def _check_levels(block: Block, frame: pd.DataFrame, code: NDArray[np.intp], unseen: Unseen) -> None:
    """Raise a DataError for levels of another type than the fit's, and for unseen levels if ``unseen="error"``."""
    unknown = f"the fit has not seen these levels of {block.group}: {newdata.describe_unseen(block, frame, code)}."
    wrong = newdata.describe_wrong_kind(block, frame)
    if wrong:
        raise DataError(unknown + wrong)
    if unseen == "error":
        raise DataError(
            f'{unknown} Write unseen="population" to predict for them without a random effect, or unseen="missing" for '
            "NaN."
        )


def find_included(design: Design, random: bool | str | Sequence[str]) -> Included:
    """Return which effects of each block a prediction includes, each (l,).

    Parameters
    ----------
    design : Design
    random : bool, str or sequence of str
        All or none; grouping factors, either way round for an interaction; terms, ``"(1 | batch)"``, of the model or
        with some of the effects that its terms have.

    Raises
    ------
    DataError
        If there is no such factor, term or effect; the message lists those there are.
    """
    if isinstance(random, (bool, np.bool_)):
        return tuple(np.full(b.l, bool(random)) for b in design.blocks)
    names = [random] if isinstance(random, str) else random
    if not isinstance(names, (list, tuple, set, frozenset)) or not all(isinstance(name, str) for name in names):
        raise DataError(
            f"random={random!r} does not name random effects to include: write True, False, a grouping factor "
            f"({_list_factors(design)}), or a list of them"
        )
    included = tuple(np.zeros(b.l, dtype=bool) for b in design.blocks)
    for name in names:
        for i, effects in _find_effects(design, name):
            included[i][effects] = True
    return included


def _find_effects(design: Design, name: str) -> list[tuple[int, NDArray[np.bool_]]]:
    """Return (block, effects) of each block that a factor's name or a term in lme4's notation refers to."""
    if "|" in name:
        return [found for term in _read_terms(name) for found in _find_term(design, name, term)]
    group = design.find_factor(name)
    if group is None:
        raise DataError(f"random={name!r}: the model has no such grouping factor; there are {_list_factors(design)}")
    return [(i, np.ones(design.blocks[i].l, dtype=bool)) for i in design.factors[group]]


def _read_terms(text: str) -> tuple[RandomTerm, ...]:
    """Return the terms of a text in lme4's notation."""
    return parse(f"y ~ {text.strip().removeprefix('~')}").random


def _find_term(design: Design, name: str, term: RandomTerm) -> list[tuple[int, NDArray[np.bool_]]]:
    """Return the block that is this term, or the blocks of its factor that together have exactly its effects."""
    for i, block in enumerate(design.blocks):
        if _term_key(block.term) == _term_key(term):
            return [(i, np.ones(block.l, dtype=bool))]
    group = design.find_factor(term.group)
    found = []
    if group is not None:
        effects = _effect_names(design, term)
        found = [(i, np.isin(design.blocks[i].cnames, effects)) for i in design.factors[group]]
        if effects and sum(int(own.sum()) for _, own in found) == len(effects):
            return found
    terms = ", ".join(str(b.term) for b in design.blocks)
    raise DataError(f"random={name!r}: the model has no term {term}; its terms are {terms}")


def _effect_names(design: Design, term: RandomTerm) -> tuple[str, ...]:
    """Return the effects' names of a term on the fitted rows; none if a column is not in the model's data."""
    if not term.variables:
        return ("(Intercept)",)
    frame = design.frame
    context = {k: v for b in design.blocks for k, v in getattr(b.encoder, "context", {}).items()}
    names = {name for variable in term.variables for name in columns_of(variable)} - set(context)
    if not names <= set(frame.columns):
        return ()
    columns = {name: frame[name] for name in names}
    known = context if design.formula.trusted else None
    return tuple(learn_matrix(term.basis, columns, design.n, constant="(Intercept)", context=known)[1].column_names)


def _term_key(term: RandomTerm) -> tuple[bool, frozenset[str], frozenset[str]]:
    """Return what identifies a term whatever the order of its parts."""
    return term.intercept, frozenset(term.variables), frozenset(term.factors)


def _list_factors(design: Design) -> str:
    """Return the grouping factors' names as text."""
    return ", ".join(map(repr, design.factors))


def includes_any(included: Included) -> bool:
    """Return whether a prediction includes a random effect."""
    return any(bool(use.any()) for use in included)


def predicted_means(fit: Fit, rows: NewRows, included: Included) -> Floats:
    """Return X b + offset + Z u of the effects included, shape (r,)."""
    mean = rows.X @ fit.estimate.beta + rows.offset
    for modes, code, basis, use in zip(fit.estimate.modes, rows.codes, rows.bases, included, strict=True):
        if use.any():
            own = np.where(code[:, None] < 0, 0.0, modes[code])
            mean = mean + np.einsum("rl,rl->r", basis[:, use], own[:, use])
    return np.asarray(mean)


def error_variances(fit: Fit, rows: NewRows, included: Included) -> Floats:
    """Return Var(x b_hat + z u_hat - x b - z u) over the effects included, (r,); NaN where a row is incomplete."""
    if rows.are_fitted and all(use.all() for use in included):  # sigma**2 h / w: leverages take a hundredth of the time
        return np.asarray(fit.scale * fit.hat_values.to_numpy() / rows.weights)
    bases = [np.where(use, B, 0.0) for B, use in zip(rows.bases, included, strict=True)]
    codes = [c if use.any() else np.zeros_like(c) for c, use in zip(rows.codes, included, strict=True)]
    complete = np.isfinite(rows.X).all(axis=1) & np.all([np.isfinite(B).all(axis=1) for B in bases], axis=0)
    out = np.full(len(rows.X), np.nan)
    out[complete] = core.prediction_variances(
        fit.problem, fit.theta, fit.reml, rows.X[complete], [c[complete] for c in codes], [B[complete] for B in bases]
    )
    return out


def observation_variances(fit: Fit, rows: NewRows, included: Included) -> Floats:
    """Return the variance of observations about the mean that is predicted, shape (r,)."""
    return _left_out_variance(fit, rows, included) + fit.scale / rows.weights


def _left_out_variance(fit: Fit, rows: NewRows, included: Included) -> Floats:
    """Return the sum of z_k' Sigma_k z_k over the terms that are not included, shape (r,), in squared units of y."""
    out = np.zeros(len(rows.X))
    for Sigma, basis, use in zip((t.cov for t in fit.varcorr), rows.bases, included, strict=True):
        if not use.any():
            out += np.einsum("ra,ab,rb->r", basis, Sigma, basis)
    return out

"""Hypotheses on the fixed effects, as text or as a matrix."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from patsy import PatsyError

    Floats = NDArray[np.float64]

# Reading takes time with the square of the length; it stays under seconds.
_LONGEST = 10_000

__all__ = ["label_contrast", "read_constraints"]


def read_constraints(constraints: Any, names: tuple[str, ...]) -> tuple[Floats, Floats, tuple[str, ...]]:
    """Return L (rows, p), the hypothesised values (rows,) and a label per row.

    Parameters
    ----------
    constraints : str, array_like of shape (rows, p) or (p,), or (array_like, array_like)
        As statsmodels takes them: ``"Days = 0"``, ``"a = b, c = 1"``; a matrix L of L beta = 0; or L and its values. A
        DataFrame's columns that are named after fixed effects go by these names.
    names : tuple of str, length p

    Raises
    ------
    DataError
        If a coefficient is unknown, or L has another width than the fixed effects.
    """
    if isinstance(constraints, str) and not constraints.strip():
        raise DataError(f"there is no constraint in an empty text; write {names[0] + ' = 0' if names else 'one'!r}")
    if isinstance(constraints, str):
        return _parse(constraints, names)
    values: ArrayLike | None = None
    if isinstance(constraints, tuple) and len(constraints) == 2:
        constraints, values = constraints
    if set(getattr(constraints, "columns", ())) == set(names):
        constraints = constraints[list(names)]
    try:
        L = np.atleast_2d(np.asarray(constraints, dtype=float))
    except (TypeError, ValueError) as error:
        raise DataError(f"constraints are neither text nor a matrix of numbers: {error}") from None
    if L.ndim != 2 or L.shape[1] != len(names):
        raise DataError(
            f"the contrast matrix has shape {L.shape}; the model has {len(names)} fixed effects: {', '.join(names)}"
        )
    if not len(L):
        raise DataError("the contrast matrix has no rows, so that there is nothing to test")
    _check_rows(L)
    right = np.zeros(len(L)) if values is None else _read_values(values, len(L))
    return L, right, tuple(label_contrast(row, names) for row in L)


def _check_rows(L: Floats) -> None:
    if not np.isfinite(L).all() or not L.any(axis=1).all():
        raise DataError("a row of the contrast matrix is zero or not finite")


def _read_values(values: ArrayLike, n: int) -> Floats:
    try:
        right = np.asarray(values, dtype=float).reshape(-1)
    except (TypeError, ValueError) as error:
        raise DataError(f"the values of the contrasts are no numbers: {error}") from None
    if len(right) != n:
        raise DataError(f"the number of values, {len(right)}, is not that of the contrasts, {n}")
    if not np.isfinite(right).all():
        raise DataError("a value of a contrast is not finite")
    return right


def _parse(text: str, names: tuple[str, ...]) -> tuple[Floats, Floats, tuple[str, ...]]:
    from patsy import DesignInfo, PatsyError

    if len(text) > _LONGEST:
        raise DataError(f"the text has {len(text):,} characters; give contrasts of that size as a matrix")
    try:
        with np.errstate(all="ignore"):
            found = DesignInfo(list(names)).linear_constraint(text)
    except PatsyError as error:
        said = f"{text!r} cannot be read: {_complaint(error)}. The fixed effects are {', '.join(names)}."
        raise DataError(said) from None
    except RecursionError:
        raise DataError("the text is nested too deeply to be read; give the contrasts as a matrix") from None
    L, values = np.asarray(found.coefs, dtype=float), np.asarray(found.constants, dtype=float).reshape(-1)
    _check_rows(L)
    return L, values, tuple(label_contrast(row, names) for row in L)


def _complaint(error: PatsyError) -> str:
    """Return what patsy says, with the whole word that it stumbles over."""
    where = error.origin
    if where is None:
        return str(error.message)
    word = re.match(r"[^\s=,+*/()<>-]+|.", where.code[where.start :])
    if "unrecognized token" in error.message and word:
        return f"{word[0]!r} is neither a fixed effect, a number nor an operator"
    return f"{error.message}, at {where.code[where.start : where.end]!r}"


def label_contrast(row: Floats, names: tuple[str, ...]) -> str:
    """Return a contrast as text, ``"a - b"``, ``"0.5*a + 0.5*b"``."""
    parts: list[str] = []
    for weight, name in zip(row, names, strict=True):
        if weight:
            size = "" if abs(weight) == 1 else f"{abs(weight):g}*"
            sign = "-" if weight < 0 else "+"
            parts.append(f"{sign} {size}{name}" if parts else f"{'-' if weight < 0 else ''}{size}{name}")
    return " ".join(parts)

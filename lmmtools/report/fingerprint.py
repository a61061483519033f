"""What tells the data of one fit from those of another without the data: hashes and sums of its columns."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design

__all__ = ["Alike", "Fingerprint", "Inputs", "inputs_of_arrays", "inputs_of_design", "sorted_hash"]

# Digits of a value that count as the same: one that went through a text file may come back one bit off.
DIGITS = 12
# A value at the edge of its last digit may be rounded to either side; its sums then agree to this, relatively.
SUMS_REL = 1e-9

Alike: TypeAlias = Literal["same", "other order", "other values", "unknown"]


def sorted_hash(values: NDArray[np.float64]) -> str:
    """Return the SHA-256 of numbers, shape (n,), whatever the order of their rows, to twelve digits."""
    return _hash(np.sort(values))


def _hash(values: NDArray[np.float64]) -> str:
    return hashlib.sha256("\n".join(f"{v:.{DIGITS}g}" for v in values.tolist()).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """One column of numbers, to be recognised; empty or None for what is not known.

    Attributes
    ----------
    n : int or None
        How many there are.
    ordered, unordered : str
        SHA-256 of the values to twelve digits, in the order of the rows and sorted.
    total, squares : float or None
        Their sum and the sum of their squares.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> model = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff"))
    >>> column = lmt.compare(model, "pls", "mixedlm").columns[0]
    >>> column.inputs.response.n
    30
    """

    n: int | None = None
    ordered: str = ""
    unordered: str = ""
    total: float | None = None
    squares: float | None = None

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Fingerprint:
        """Return the fingerprint of numbers, shape (n,)."""
        values = np.asarray(values, dtype=float)
        total, squares = _sums(values)
        return cls(len(values), _hash(values), sorted_hash(values), total, squares)

    def compare(self, other: Fingerprint) -> Alike:
        """Return whether another fingerprint is of the same numbers, as far as both tell."""
        if self.n is not None and other.n is not None and self.n != other.n:
            return "other values"
        has_sums = None not in (self.total, other.total, self.squares, other.squares)
        if has_sums and not self._has_sums_of(other):
            return "other values"
        if self.ordered and self.ordered == other.ordered:
            return "same"
        has_hashes = bool(self.unordered and other.unordered)
        if not (has_sums or has_hashes):
            return "unknown"
        is_same = has_sums or self.unordered == other.unordered
        if not is_same:
            return "other values"
        is_reordered = bool(self.ordered and other.ordered) and self.unordered == other.unordered
        return "other order" if is_reordered else "same"

    def _has_sums_of(self, other: Fingerprint) -> bool:
        mine, theirs = (self.total, self.squares), (other.total, other.squares)
        # A sum that nearly cancels is known to the size of its terms.
        n = self.n or other.n or 1
        scales = (math.sqrt(n * max(self.squares or 0.0, other.squares or 0.0)), self.squares or 0.0)
        return all(
            not abs(a - b) > SUMS_REL * scale  # type: ignore[operator]
            for a, b, scale in zip(mine, theirs, scales, strict=True)
        )


def _sums(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the sum and the sum of squares; NaN where they leave the range of numbers."""
    try:
        return math.fsum(values), math.fsum(values * values)
    except (OverflowError, ValueError):
        return math.nan, math.nan


@dataclass(frozen=True, slots=True)
class Inputs:
    """What was fitted, to be recognised.

    Attributes
    ----------
    response : Fingerprint
    name : str
        What the response is called, ``"log(y)"``; empty if unknown.
    weights, offset : Fingerprint or None
        None where there are none.
    columns : dict of str to (float, float)
        Sum and sum of squares of each column of X, by the names of the fixed effects.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> model = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff"))
    >>> column = lmt.compare(model, "pls", "mixedlm").columns[0]
    >>> column.inputs.name
    'Yield'
    """

    response: Fingerprint
    name: str = ""
    weights: Fingerprint | None = None
    offset: Fingerprint | None = None
    columns: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def inputs_of_design(design: Design) -> Inputs:
    """Return what a design was made of."""
    return inputs_of_arrays(design.y, design.X, design.x_names, design.formula.response, design.weights, design.offset)


def inputs_of_arrays(y: Any, X: Any, names: Any, response: str = "", weights: Any = None, offset: Any = None) -> Inputs:
    """Return what a fit of y, shape (n,), on X, shape (n, p), was made of; weights and offset may be None."""
    matrix = np.asarray(X, dtype=float)
    return Inputs(
        Fingerprint.of(y),
        response,
        None if weights is None else Fingerprint.of(weights),
        None if offset is None else Fingerprint.of(offset),
        {str(name): _sums(column) for name, column in zip(names, matrix.T, strict=True)},
    )

"""Contrasts of means by name: their labels, their weights, and the adjustment that each has by default."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, pairwise
from math import gcd, lcm
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from lmmtools.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["MINUS", "OVER", "ContrastMethod", "Method", "find_method", "given_weights", "known_methods"]

Labels: TypeAlias = Sequence[str]
Weights: TypeAlias = "tuple[tuple[str, ...], Floats]"
"""Names of contrasts, and their weights on the means, shape (contrasts, means)."""

DEGREES = ("linear", "quadratic", "cubic", "quartic")
MINUS, OVER = " - ", " / "
"""Between the labels of two means: of their difference, or of their ratio."""
LARGEST_DEGREE = 6
"""Polynomial contrasts go so far, as emmeans' do."""


@dataclass(frozen=True, slots=True)
class ContrastMethod:
    """Contrasts of k means that a name stands for.

    Attributes
    ----------
    name : str
    adjust : str
        How p-values are adjusted unless told otherwise, as in emmeans.
    weights : callable
        Takes the labels of the means, the index of the reference and what stands between the labels of a difference;
        returns names and weights.
    least : int
        Fewest means.
    """

    name: str
    adjust: str
    weights: Callable[[Labels, int, str], Weights]
    least: int = 2

    @property
    def is_pairwise(self) -> bool:
        """Whether these are all differences of two means."""
        return self.name in ("pairwise", "revpairwise")


def known_methods() -> str:
    """Return the names of the methods as text."""
    return ", ".join(map(repr, _METHODS))


def find_method(name: object) -> ContrastMethod:
    """Return the method of a name, emmeans' names included.

    Raises
    ------
    DataError
        If there is none.
    """
    found = _METHODS.get(_ALIASES.get(name, name)) if isinstance(name, str) else None
    if found is None:
        raise DataError(f"method={name!r} is not known; use one of {known_methods()}, or weights by name (dict, frame)")
    return found


def given_weights(labels: Labels, method: Mapping[str, Any]) -> Weights:
    """Return the names and weights of contrasts that the user gives: name -> a weight per mean; a frame's columns.

    Raises
    ------
    DataError
        If there are none, or weights are no numbers or not one per mean.
    """
    rows = []
    for name, weights in method.items():
        try:
            row = np.asarray(weights, dtype=float)
        except (TypeError, ValueError):
            raise DataError(f"contrast {name!r} has weights that are no numbers: {weights!r}") from None
        if row.shape != (len(labels),) or not np.isfinite(row).all():
            raise DataError(f"contrast {name!r} needs {len(labels)} finite weights, for {', '.join(labels)}")
        rows.append(row)
    if not rows:
        raise DataError("there are no contrasts: give a dict of weights by name")
    return tuple(map(str, method)), np.array(rows)


def _pairwise(labels: Labels, reference: int, sign: str = MINUS) -> Weights:
    """Each mean less each later one."""
    eye = np.eye(len(labels))
    pairs = list(combinations(range(len(labels)), 2))
    return tuple(f"{labels[i]}{sign}{labels[j]}" for i, j in pairs), np.array([eye[i] - eye[j] for i, j in pairs])


def _reversed_pairs(labels: Labels, reference: int, sign: str = MINUS) -> Weights:
    """Each mean less each earlier one."""
    eye = np.eye(len(labels))
    pairs = [(i, j) for i in range(len(labels)) for j in range(i)]
    return tuple(f"{labels[i]}{sign}{labels[j]}" for i, j in pairs), np.array([eye[i] - eye[j] for i, j in pairs])


def _reference(labels: Labels, reference: int, sign: str = MINUS) -> Weights:
    """Each mean less that of the reference."""
    eye, at = np.eye(len(labels)), range(len(labels))[reference]
    others = [i for i in range(len(labels)) if i != at]
    return tuple(f"{labels[i]}{sign}{labels[at]}" for i in others), eye[others] - eye[at]


def _consecutive(labels: Labels, reference: int, sign: str = MINUS) -> Weights:
    """Each mean less the one before."""
    eye = np.eye(len(labels))
    return tuple(f"{after}{sign}{before}" for before, after in pairwise(labels)), eye[1:] - eye[:-1]


def _effects(labels: Labels, reference: int, sign: str = MINUS) -> Weights:
    """Each mean less the average of all."""
    return tuple(f"{label} effect" for label in labels), np.eye(len(labels)) - 1.0 / len(labels)


def _deleted_effects(labels: Labels, reference: int, sign: str = MINUS) -> Weights:
    """Each mean less the average of the others."""
    k = len(labels)
    return tuple(f"{label} effect" for label in labels), np.eye(k) - (1.0 - np.eye(k)) / (k - 1)


def _mean_change(labels: Labels, reference: int, sign: str = MINUS) -> Weights:
    """The average after each place less the average before it."""
    k = len(labels)
    rows = [[-1.0 / i] * i + [1.0 / (k - i)] * (k - i) for i in range(1, k)]
    return tuple(f"{before}|{after}" for before, after in pairwise(labels)), np.array(rows)


def _helmert(labels: Labels, reference: int, sign: str = MINUS) -> Weights:
    """Each mean less the average of those before it."""
    k = len(labels)
    rows = [[-1.0 / i] * i + [1.0] + [0.0] * (k - i - 1) for i in range(1, k)]
    names = [f"{labels[1]}{sign}{labels[0]}", *(f"{labels[i]}{sign}mean before" for i in range(2, k))]
    return tuple(names), np.array(rows)


def _identity(labels: Labels, reference: int, sign: str = MINUS) -> Weights:
    """The means themselves."""
    return tuple(labels), np.eye(len(labels))


def _polynomial(labels: Labels, reference: int, sign: str = MINUS) -> Weights:
    """Orthogonal polynomials of equally spaced levels, in whole numbers: linear, quadratic, ..."""
    k = len(labels)
    basis = [[Fraction(1)] * k]
    for degree in range(1, min(k - 1, LARGEST_DEGREE) + 1):
        row = [Fraction(x) ** degree for x in range(k)]
        for other in basis:
            share = _dot(row, other) / _dot(other, other)
            row = [a - share * b for a, b in zip(row, other, strict=True)]
        basis.append(row)
    names = tuple(DEGREES[d] if d < len(DEGREES) else f"degree {d + 1}" for d in range(len(basis) - 1))
    return names, np.array([_in_whole_numbers(row) for row in basis[1:]], dtype=float)


def _dot(a: list[Fraction], b: list[Fraction]) -> Fraction:
    return sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))


def _in_whole_numbers(row: list[Fraction]) -> list[int]:
    """Return the smallest whole numbers in the same proportions."""
    common = lcm(*(x.denominator for x in row))
    whole = [int(x * common) for x in row]
    return [x // gcd(*whole) for x in whole]


Method = Literal[
    "pairwise", "revpairwise", "reference", "sequential", "effects", "deleted effects", "mean change", "helmert",
    "polynomial", "identity"
]  # fmt: skip

_METHODS = {
    method.name: method
    for method in (
        ContrastMethod("pairwise", "tukey", _pairwise),
        ContrastMethod("revpairwise", "tukey", _reversed_pairs),
        ContrastMethod("reference", "dunnett", _reference),
        ContrastMethod("sequential", "mvt", _consecutive),
        ContrastMethod("polynomial", "none", _polynomial),
        ContrastMethod("effects", "fdr", _effects),
        ContrastMethod("deleted effects", "fdr", _deleted_effects),
        ContrastMethod("mean change", "mvt", _mean_change),
        ContrastMethod("helmert", "none", _helmert),
        ContrastMethod("identity", "none", _identity, least=1),
    )
}
_ALIASES = {
    "tukey": "pairwise",
    "dunnett": "reference",
    "trt.vs.ctrl": "reference",
    "trt.vs.ctrl1": "reference",
    "trt.vs.ctrlk": "reference",
    "consec": "sequential",
    "consecutive": "sequential",
    "poly": "polynomial",
    "eff": "effects",
    "deviation": "effects",
    "del.eff": "deleted effects",
    "mean_chg": "mean change",
}

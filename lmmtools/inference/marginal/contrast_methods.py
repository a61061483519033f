"""Which contrasts to take of means: pairs, against a reference, steps, deviations, or weights as given."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["contrast_weights"]


def contrast_weights(labels: Sequence[str], method: Any) -> tuple[tuple[str, ...], Floats]:
    """Return names of the contrasts of some means, and their weights, shape (contrasts, means).

    Parameters
    ----------
    labels : sequence of str
        The means.
    method : str or mapping of str to array_like, each (means,)
        ``"pairwise"``: each less each later one; ``"reference"``: each later one less the first; ``"sequential"``: each
        less the one before; ``"effects"``: each less the mean of all; or name -> weights.

    Raises
    ------
    DataError
        If there is no such method, there is one mean alone, or weights are not one per mean.
    """
    k = len(labels)
    if isinstance(method, Mapping):
        return _given(labels, method)
    if not isinstance(method, str) or method not in _METHODS:
        known = ", ".join(map(repr, _METHODS))
        raise DataError(f"method={method!r} is not known; use one of {known}, or a dict of weights by name")
    if k < 2:
        raise DataError(f"there is one mean alone ({labels[0]}): nothing to compare it with")
    return _METHODS[method](labels, np.eye(k))


def _given(labels: Sequence[str], method: Mapping[str, Any]) -> tuple[tuple[str, ...], Floats]:
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


def _pairwise(labels: Sequence[str], eye: Floats) -> tuple[tuple[str, ...], Floats]:
    pairs = [(i, j) for i in range(len(labels)) for j in range(i + 1, len(labels))]
    return tuple(f"{labels[i]} - {labels[j]}" for i, j in pairs), np.array([eye[i] - eye[j] for i, j in pairs])


def _reference(labels: Sequence[str], eye: Floats) -> tuple[tuple[str, ...], Floats]:
    return tuple(f"{label} - {labels[0]}" for label in labels[1:]), eye[1:] - eye[0]


def _sequential(labels: Sequence[str], eye: Floats) -> tuple[tuple[str, ...], Floats]:
    names = (f"{after} - {before}" for before, after in pairwise(labels))
    return tuple(names), eye[1:] - eye[:-1]


def _effects(labels: Sequence[str], eye: Floats) -> tuple[tuple[str, ...], Floats]:
    return tuple(f"{label} effect" for label in labels), eye - 1.0 / len(labels)


_METHODS: dict[str, Callable[[Sequence[str], Floats], tuple[tuple[str, ...], Floats]]] = {
    "pairwise": _pairwise,
    "reference": _reference,
    "sequential": _sequential,
    "effects": _effects,
}

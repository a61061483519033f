"""What differences of gradients along a search tell of the error of an approximate Hessian.

With A the approximation and H = A + E the Hessian, the gradient changes along a step s by

    g_1 - g_0 = (A_0 + A_1) s / 2 + (E_0 + E_1) s / 2 + O(s^3)

so that E s is known after each step without another evaluation. E is small and hardly changes between the points of a
search. It is kept as the symmetric matrix that changes least and agrees with the last step (Powell 1970), in units in
which A has a unit diagonal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.core.search.curvature import LocalModel

    Floats = NDArray[np.float64]

__all__ = ["corrected", "error_after"]

LARGEST = 0.5
"""Largest error of the scaled Hessian that is believed; more is none of the approximation but of a long step."""


def error_after(E: Floats, old: LocalModel, new: LocalModel) -> Floats:
    """Return E, shape (k, k), after the step between two points whose phi are in one frame, from E before it."""
    scale = _units(new.average)
    s = (new.phi - old.phi) / scale
    length = float(s @ s)
    if not length > 0:
        return E
    change = scale * (new.g - old.g - 0.5 * (old.average + new.average) @ (new.phi - old.phi))
    miss = change - E @ s
    found = E + (np.outer(miss, s) + np.outer(s, miss)) / length - (miss @ s / length**2) * np.outer(s, s)
    return found if np.abs(found).max() < LARGEST else np.zeros_like(E)


def corrected(average: Floats, E: Floats) -> Floats:
    """Return the approximate Hessian with its error taken out, shape (k, k)."""
    scale = _units(average)
    return np.asarray(average + E / scale / scale[:, None])


def _units(average: Floats) -> Floats:
    """Return the units in which an approximate Hessian has a unit diagonal, shape (k,)."""
    return np.asarray(1.0 / np.sqrt(np.maximum(np.abs(np.diag(average)), np.finfo(float).tiny)))

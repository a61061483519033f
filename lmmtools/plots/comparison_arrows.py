"""Lengths of comparison arrows: two means differ where the arrows that point from one to the other do not overlap.

With means m_i <= m_j, d_ij their difference and e_ij the margin of error of its simultaneous interval, arrows of
lengths R_i to the right and L_j to the left say what the tests say if

    R_i + L_j <  d_ij   where the difference is significant, and   R_i + L_j >= d_ij   where it is not.

The emmeans package (vignette "Explanations supplement", section "Comparison arrows") solves R_i + L_j = e_ij by least
squares, with more weight where d_ij is close to e_ij, and checks the inequalities. Where these fail, the lengths here
are those nearest to the equations, in the sum of absolute deviations, for which they hold, if there are such lengths.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Arrows", "comparison_arrows"]

_GAP = 1e-3
"""Share of the difference by which arrows of a significant difference end apart, at least."""
_NEAREST = 0.05
"""Distance of a difference from its margin, in units of the margin, below which pairs have equal weights."""


@dataclass(frozen=True, slots=True, eq=False)
class Arrows:
    """Lengths of arrows.

    Attributes
    ----------
    left, right : ndarray, shape (k,)
        Zero where no mean lies on that side.
    wrong : tuple of (int, int)
        Pairs of means whose arrows do not say what their test says.
    """

    left: Floats
    right: Floats
    wrong: tuple[tuple[int, int], ...]


def comparison_arrows(
    means: Floats, pairs: NDArray[np.intp], margins: Floats, is_significant: NDArray[np.bool_]
) -> Arrows:
    """Return the lengths of the arrows of k means.

    Parameters
    ----------
    means : ndarray, shape (k,)
    pairs : ndarray of int, shape (pairs, 2)
        Means that are compared.
    margins : ndarray, shape (pairs,)
        Half the width of the interval of each difference.
    is_significant : ndarray of bool, shape (pairs,)
    """
    k = len(means)
    is_up = means[pairs[:, 0]] <= means[pairs[:, 1]]
    lower, upper = np.where(is_up, pairs.T, pairs.T[::-1])
    known = np.isfinite(margins) & np.isfinite(means[lower]) & np.isfinite(means[upper])
    lower, upper, margin, significant = lower[known], upper[known], margins[known], is_significant[known]
    gap = means[upper] - means[lower]
    # Columns: R of each mean, then L.
    A = np.zeros((len(lower), 2 * k))
    rows = np.arange(len(lower))
    A[rows, lower] = A[rows, k + upper] = 1.0
    used = A.any(axis=0)
    lengths = np.zeros(2 * k)
    if len(lower):
        lengths[used] = _solve(A[:, used], gap, margin, significant)
    is_wrong = (A @ lengths < gap) != significant
    wrong = tuple((int(i), int(j)) for i, j in zip(lower[is_wrong], upper[is_wrong], strict=True))
    return Arrows(lengths[k:], lengths[:k], wrong)


def _solve(A: Floats, gap: Floats, margin: Floats, significant: NDArray[np.bool_]) -> Floats:
    """Return lengths, by least squares if these are right, or else by linear programming."""
    weights = 1.0 / np.sqrt(_NEAREST + np.abs(gap - margin) / margin)
    found, *_ = np.linalg.lstsq(A * weights[:, None], margin * weights, rcond=None)
    if found.min() >= 0.0 and bool((((A @ found) < gap) == significant).all()):
        return np.asarray(found)
    exact = _nearest_that_hold(A, gap, margin, significant)
    return np.maximum(found, 0.0) if exact is None else exact


def _nearest_that_hold(A: Floats, gap: Floats, margin: Floats, significant: NDArray[np.bool_]) -> Floats | None:
    """Return the lengths nearest to the equations for which all inequalities hold; None if there are none."""
    from scipy.optimize import linprog

    n, q = A.shape
    eye, zero = np.eye(n), np.zeros((n, n))
    # Minimise the sum of u with -u <= A x - margin <= u; signs turn "at least" into "at most".
    sign = np.where(significant, 1.0, -1.0)
    limit = np.where(significant, (1.0 - _GAP) * gap, -gap)
    found = linprog(
        np.concatenate([np.zeros(q), np.ones(n)]),
        np.block([[A, -eye], [-A, -eye], [sign[:, None] * A, zero]]),
        np.concatenate([margin, -margin, limit]),
        bounds=(0.0, None),
    )
    return np.asarray(found.x[:q]) if found.status == 0 else None

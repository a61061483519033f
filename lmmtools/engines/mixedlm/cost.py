"""What MixedLM's likelihood costs, from sizes alone, so that no decision and no text depends on a clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.threads import cores_for

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design
    from lmmtools.engines.mixedlm.plan import MixedLMPlan

__all__ = ["COEFFICIENTS", "cores_for_groups", "count_work", "estimate_fit_seconds", "estimate_seconds"]

# Seconds per unit of each kind of work below, as `python -m benchmarks.mixedlm_cost` measures them: the estimates for
# its designs are right to a factor of two.
COEFFICIENTS = (5e-4, 7.1e-5, 1.3e-5, 5.9e-7, 2e-9, 2.7e-10)
# Evaluations' worth of time that a search of MixedLM's takes per covariance parameter: the median there, of 6 to 100.
SEARCH = 12.0


def count_work(design: Design, layout: MixedLMPlan) -> NDArray[np.float64]:
    """Return what one evaluation of MixedLM's likelihood consists of, its model built from arrays; shape (6,).

    One, independent groups, groups times variance components, rows, n p^2 (products of X) and sum_g q_g^2 (q_g + n_g)
    (systems of the q_g random effects of group g, with its n_g rows as right-hand sides).
    """
    n_g = np.bincount(layout.islands, minlength=layout.n_islands).astype(float)
    q_g = np.zeros(layout.n_islands)
    for block in design.blocks:
        first = np.zeros(block.m, dtype=np.intp)
        first[block.codes] = layout.islands
        q_g += block.l * np.bincount(first, minlength=layout.n_islands)
    groups = float(layout.n_islands)
    components = groups * len(layout.vc_blocks)
    systems = float(np.sum(q_g**2 * (q_g + n_g)))
    return np.array([1.0, groups, components, design.n, float(design.n) * design.p**2, systems])


def estimate_seconds(design: Design, layout: MixedLMPlan) -> float:
    """Return about how many seconds one evaluation of MixedLM's likelihood takes, its model built from arrays."""
    return float(count_work(design, layout) @ COEFFICIENTS)


def estimate_fit_seconds(design: Design, layout: MixedLMPlan) -> float:
    """Return about how many seconds MixedLM's own search takes."""
    return SEARCH * design.k * estimate_seconds(design, layout)


def cores_for_groups(design: Design, layout: MixedLMPlan) -> AbstractContextManager[None]:
    """Return the context of MixedLM's algebra, which goes from group to group."""
    return cores_for(int(count_work(design, layout)[-1]) // layout.n_islands)

"""Where a correlation may be anything: at a standard deviation of zero.

The deviance at a given correlation is nowhere larger than its smallest value without one of the two effects, which the
limit of a standard deviation going to zero leaves whatever the correlation.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from lmmtools import core
from lmmtools.design.theta import lambda_factors
from lmmtools.engines import pls
from lmmtools.inference.profile.coordinates import Point

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmmtools.design.matrices import Design
    from lmmtools.inference.profile.coordinates import Parameter

__all__ = ["without_either"]


def without_either(design: Design) -> Callable[[Parameter], Point | None]:
    """Return what gives the best point without one of the two effects of a correlation, None of another parameter."""

    @cache
    def without(k: int, j: int) -> Point:
        return _without(design, k, j)

    def best(parameter: Parameter) -> Point | None:
        if parameter.kind != "cor":
            return None
        return min((without(parameter.block, j) for j in parameter.effects), key=lambda point: point.deviance)

    return best


def _without(design: Design, k: int, j: int) -> Point:
    """Return the fit by maximum likelihood without effect j of block k, as a point of the whole model."""
    block = design.blocks[k]
    keep = [i for i in range(block.l) if i != j]
    smaller = replace(
        block, basis=np.ascontiguousarray(block.basis[:, keep]), cnames=tuple(block.cnames[i] for i in keep)
    )
    blocks = tuple(smaller if i == k else b for i, b in enumerate(design.blocks))
    fit = pls.fit_problem(core.prepare(replace(design, blocks=blocks)), reml=False)
    phi = [fit.sigma**2 * (lam @ lam.T) for lam in lambda_factors(fit.theta, blocks)]
    whole = np.zeros((block.l, block.l))
    whole[np.ix_(keep, keep)] = phi[k]
    phi[k] = whole
    return Point(fit.objective, 0.0, np.zeros(0), tuple(phi), fit.sigma, fit.beta)

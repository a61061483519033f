"""The criterion of many responses with all variances of random effects zero: least squares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.core.search.batch import project
from lmmtools.core.search.objective import profile
from lmmtools.threads import single

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem

    Floats = NDArray[np.float64]

__all__ = ["objectives_at_zero", "objectives_without_effects"]


@single
def objectives_without_effects(problem: Problem, Y: Floats, reml: bool = True) -> Floats:
    """Return the criterion of every column of Y with all variances of random effects zero, shape (B,).

    Parameters
    ----------
    problem : Problem
    Y : ndarray, shape (n, B)
        Responses, offset included as in the design.
    reml : bool
    """
    y = project(problem, np.asarray(Y, dtype=float))
    return objectives_at_zero(problem, y.Xy, y.yy, y.y_scale, reml)


def objectives_at_zero(problem: Problem, Xy: Floats, yy: Floats, y_scale: Floats, reml: bool) -> Floats:
    """Return the same from the cross-products of responses, shape (B,).

    Parameters
    ----------
    problem : Problem
    Xy : ndarray, shape (B, p)
    yy, y_scale : ndarray, shape (B,)
    reml : bool
    """
    L = np.linalg.cholesky(problem.XX)
    r2 = yy - (np.linalg.solve(L, Xy.T) ** 2).sum(axis=0)
    dof = problem.n - problem.p if reml else problem.n
    logdet = 2.0 * np.log(np.diag(L)).sum() if reml else 0.0
    return np.asarray(profile(logdet, r2, dof) + problem.constant(reml, y_scale))

"""refit_many: the fits of many responses on one design, in step where that settles them, else one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.core.after.recover import recover_optimum
from lmmtools.core.search.many import fit_in_step
from lmmtools.core.search.optimum import optimize
from lmmtools.core.search.shared import refuse_shared
from lmmtools.errors import EngineError
from lmmtools.threads import single

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem
    from lmmtools.core.search.many import Refits

    Floats = NDArray[np.float64]

__all__ = ["refit_many"]


@single
def refit_many(problem: Problem, Y: Floats, reml: bool = True) -> Refits:
    """Return the fits of every column of Y on the design of ``problem``.

    Parameters
    ----------
    problem : Problem
    Y : ndarray, shape (n, B)
        Responses, offset included as in the design.
    reml : bool

    Raises
    ------
    EngineError
        If Y has another number of rows, or a response is not finite or is reproduced exactly by X.
    """
    refuse_shared(problem.design, "refit")
    Y = np.asarray(Y, dtype=float)
    if Y.ndim != 2 or Y.shape[0] != problem.n:
        raise EngineError(f"The responses have shape {Y.shape}; give {problem.n} rows, one column per response.")
    out = fit_in_step(problem, Y, reml)
    for i in np.flatnonzero(~out.converged):
        own = problem.with_response(Y[:, i])
        optimum = optimize(own, reml)
        found = recover_optimum(own, optimum)
        out.theta[i], out.beta[i], out.beta_cov[i] = found.theta, found.beta, found.beta_cov
        out.sigma[i], out.objective[i] = found.sigma, found.objective
        out.converged[i] = optimum.certificate.holds
        out.n_evaluations[i] += optimum.n_evaluations
    return out

"""The optimum of another response, or of some of the rows, from a known one: by fewer evaluations.

The search starts at the known theta, each standard deviation moved as its moment estimate moved between the responses.
It ends without derivatives at its last point: they are those of the point before, which the certificate is of, and the
step between them is expected to lower the criterion by less than a certificate allows. What a first search does
besides, starts elsewhere and the exact curvature along the weakest direction, it leaves out. So it is made only of
models in which a first search finds one optimum as a rule, and its end is used only where it is like the first one's:
the certificate holds and no variance is near zero. Elsewhere the whole search is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.core.search import parameters
from lmmtools.core.search.certificate import DECREASE_TOL, certify_model, refuse_shared
from lmmtools.core.search.curvature import share
from lmmtools.core.search.descent import Options, descend
from lmmtools.core.search.elsewhere import FEW, FLAT, LONG, SMALL_Q, competing_effects
from lmmtools.core.search.optimum import Optimum, optimize
from lmmtools.core.search.start import joint_lambdas, starting_lambdas
from lmmtools.core.search.traces import DENSE_Q
from lmmtools.threads import single

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem
    from lmmtools.core.search.curvature import Shared
    from lmmtools.core.search.descent import Descent

    Floats = NDArray[np.float64]
    Lambdas = tuple[Floats, ...]

__all__ = ["Known", "optimize_again"]

FAR = 12.0
"""A variance is away from zero if the criterion's quadratic at the optimum rises by this much until there."""

MANY = 5
"""Responses from which on the exact curvature at the known optimum saves more evaluations than it costs."""

NOISE = 3.0
"""Moves of a moment estimate below this many standard errors of a standard deviation, (2 m)**-1/2 of it, are noise."""

MOST = 2.0
"""Largest factor, up or down, by which a standard deviation of the start is moved."""


@dataclass(frozen=True, eq=False)
class Known:
    """An optimum from which those of other responses on the same design, or of some of its rows, are searched.

    Attributes
    ----------
    problem : Problem
        With the response that it is the optimum of.
    theta : ndarray, shape (k,)
        On the data's scale.
    reml : bool
    n : int
        Responses that will be searched from it.
    """

    problem: Problem
    theta: Floats
    reml: bool
    n: int = 1

    @cached_property
    def shared(self) -> Shared | None:
        """What all responses share at theta; None where it costs more than it saves."""
        return None if self.n < MANY else share(self.problem, self.problem.to_lambdas(self.theta), self.reml)


@single
def optimize_again(problem: Problem, known: Known) -> Optimum:
    """Return the optimum of a response or of some rows, by a search from a known optimum where that is enough.

    Parameters
    ----------
    problem : Problem
        ``known.problem`` with another response, or the problem of some of its rows.
    known : Known

    Raises
    ------
    EngineError
        If the criterion cannot be evaluated at the start, or blocks share a variance.
    """
    refuse_shared(problem.design, "refit")
    reml = known.reml
    if not _has_one_optimum(problem) or not all(np.diag(lam).all() for lam in problem.to_lambdas(known.theta)):
        return optimize(problem, reml)
    shared = known.shared if problem.rows is known.problem.rows else None
    start = _moved_start(problem, known) if shared is None else None
    run = descend(problem, reml, start, Options(LONG, finish=0.5 * DECREASE_TOL, shared=shared))
    certificate = certify_model(problem, run.model, exact=False)
    is_enough = certificate.holds and certificate.min_curvature >= FLAT and not run.message
    if not is_enough or not _is_away_from_zero(problem, run):
        return optimize(problem, reml)
    state = run.end
    return Optimum(problem.to_theta(state.lambdas), state.objective, certificate, run.n_evaluations, (), True, state)


def _has_one_optimum(problem: Problem) -> bool:
    """Return whether a first search of a response on the design finds one optimum as a rule, and its cost matters."""
    if problem.design.k == 1 or problem.structure.q <= max(SMALL_Q, DENSE_Q) or problem.n - problem.p <= FEW:
        return False
    is_spanned = any(span is not None for span in problem.spanned)
    return not is_spanned and not competing_effects(problem.design) and joint_lambdas(problem) is None


def _moved_start(problem: Problem, known: Known) -> Lambdas:
    """Return the known lambdas, their rows scaled as the moment estimates moved where one of these moved far.

    Without some of the rows the moment estimates move as the optimum does, by less than they differ from it.
    """
    lambdas = problem.to_lambdas(known.theta)
    if problem.rows is not known.problem.rows:
        return lambdas
    ratios, is_far = [], False
    pairs = zip(starting_lambdas(known.problem), starting_lambdas(problem), strict=True)
    for block, (old, new) in zip(problem.design.blocks, pairs, strict=True):
        ratio = np.sqrt((new**2).sum(axis=1) / (old**2).sum(axis=1))
        is_far |= bool((np.abs(np.log(ratio)) > NOISE / np.sqrt(2.0 * block.m)).any())
        ratios.append(np.clip(ratio, 1.0 / MOST, MOST))
    if not is_far:
        return lambdas
    return tuple(lam * ratio[:, None] for lam, ratio in zip(lambdas, ratios, strict=True))


def _is_away_from_zero(problem: Problem, run: Descent) -> bool:
    """Return whether the quadratic at the optimum rises by FAR or more until any variance is zero."""
    at = parameters.bounded(problem.covariances)
    return bool((0.5 * run.model.phi[at] ** 2 * np.diag(run.model.average)[at] >= FAR).all())

"""The whole search: descents from several starts, the lowest optimum among their ends, and its certificate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.core.search.certificate import SAME, Certificate, certify_model, refuse_shared, with_scope
from lmmtools.core.search.descent import Descent, Options, descend
from lmmtools.core.search.elsewhere import FLAT, BestSoFar, other_starts
from lmmtools.core.search.objective import State, evaluate_state
from lmmtools.core.search.reproduced import reproducing_terms
from lmmtools.core.search.scans import find_lower
from lmmtools.core.search.section import LowestOfAll, lowest_of_all
from lmmtools.threads import single

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem

    Floats = NDArray[np.float64]
    Lambdas = tuple[Floats, ...]

__all__ = ["Optimum", "optimize", "with_reproduction"]

LARGE = 1e3
"""Relative variance times c beyond which random effects may reproduce the response."""

LOWER = 1e-9
"""Relative decrease of the criterion from which the end of another search counts as lower."""

MAX_DOWN = 8
"""Largest number of searches from points that scans found lower; each ends lower than the one before."""


@dataclass(frozen=True, slots=True, eq=False)
class Optimum:
    """The end of the whole search.

    Attributes
    ----------
    theta : ndarray, shape (k,)
        On the data's scale.
    objective : float
    certificate : Certificate
    n_evaluations : int
        Of the criterion, searches from elsewhere counted, the certificate's differences left out.
    messages : tuple of str
    converged : bool
        Whether the certificate holds.
    state : State
        The evaluated optimum, in the problem's coordinates.
    """

    theta: Floats
    objective: float
    certificate: Certificate
    n_evaluations: int
    messages: tuple[str, ...]
    converged: bool
    state: State


@single
def optimize(
    problem: Problem, reml: bool = True, start: Floats | None = None, options: Options | None = None
) -> Optimum:
    """Return the lowest optimum that the searches find, with its certificate.

    With one variance, where its eigenvalues are cheap, that is the lowest value of all (scope "global"). With several,
    searches start from elsewhere too unless ``start`` is given, and from values found lower without a search: those
    with each term, and all, at zero, and in small models the lowest along each variance.

    Parameters
    ----------
    problem : Problem
    reml : bool
    start : array_like, shape (k,), optional
        theta to start from; by default moments, or with one variance its lowest value.
    options : Options, optional

    Raises
    ------
    EngineError
        If the criterion cannot be evaluated at the start, or blocks share a variance.
    """
    refuse_shared(problem.design, "refit")
    options = Options() if options is None else options
    lowest = lowest_of_all(problem, reml)
    first = None if start is None else problem.to_lambdas(start)
    if first is None and lowest is not None:
        first = lowest.lambdas
    run = _search(problem, reml, first, options, "")
    if lowest is not None:
        run = _reach_lowest(problem, reml, options, run, lowest)
    else:
        if start is None:
            run = _search_elsewhere(problem, reml, options, run)
        run = _go_lower(problem, reml, options, run)
    messages = list(run.messages)
    certificate = with_scope(run.certificate, run.best.model.objective, lowest)
    if not certificate.holds and not run.best.interrupted:
        messages.append("the certificate does not hold: this may not be the optimum")
    state = _canonical_optimum(problem, run.best.model.state)
    return Optimum(
        problem.to_theta(state.lambdas),
        state.objective,
        certificate,
        run.count,
        tuple(filter(None, messages)),
        certificate.holds,
        state,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """The best of the searches so far.

    Attributes
    ----------
    best : Descent
    certificate : Certificate
    count : int
        Evaluations of all searches.
    messages : tuple of str
    """

    best: Descent
    certificate: Certificate
    count: int
    messages: tuple[str, ...]


def _criterion_size(run: _Run) -> float:
    """Return the absolute value of the criterion, at least 1, to which differences are relative."""
    return max(1.0, abs(run.best.model.objective))


def _search(problem: Problem, reml: bool, start: Lambdas | None, options: Options, name: str) -> _Run:
    """Return the end of one search from a start, by default that of moments."""
    best = descend(problem, reml, start, options)
    messages = (f"found in a search from {name}", best.message) if name else (best.message,)
    return _Run(best, certify_model(problem, best.model), best.n_evaluations, messages)


def _is_stopped(run: _Run, options: Options) -> bool:
    """Return whether the user or the limit of evaluations ended the search; then no other is made."""
    return run.best.interrupted or run.best.n_evaluations >= options.max_iter


def _keep_lower(run: _Run, other: _Run, name: str) -> _Run:
    """Return the lower of two ends, with the evaluations of both and the message of one that the user stopped."""
    slack = LOWER * _criterion_size(run)
    gain = run.best.model.objective - other.best.model.objective
    count = run.count + other.count
    if gain > slack or (gain > -slack and other.certificate.holds and not run.certificate.holds):
        return replace(other, count=count)
    messages = run.messages
    if other.best.interrupted:
        messages = (*messages, f"{other.best.message} in a search from {name}")
    return replace(run, count=count, messages=messages)


def _search_elsewhere(problem: Problem, reml: bool, options: Options, run: _Run) -> _Run:
    """Return the best end of the first search and of those from other starts that are worth their cost."""
    if _is_stopped(run, options):
        return run
    for name, start, is_last in other_starts(BestSoFar(problem, run.best, run.certificate)):
        other = _search(problem, reml, start, options, name)
        is_lower = run.best.model.objective - other.best.model.objective > LOWER * _criterion_size(run)
        run = _keep_lower(run, other, name)
        is_sure = run.certificate.holds and run.certificate.min_curvature >= FLAT and not is_lower
        if other.best.interrupted or (is_sure and is_last):
            break
    return run


def _go_lower(problem: Problem, reml: bool, options: Options, run: _Run) -> _Run:
    """Return the best end after searches from lower points, as long as scans find such points."""
    for _ in range(MAX_DOWN):
        if _is_stopped(run, options):
            break
        objective = run.best.model.objective
        scan = BestSoFar(problem, run.best, run.certificate).is_worth_scanning
        found = find_lower(problem, run.best.model, objective - SAME * _criterion_size(run), scan=scan)
        if found is None:
            break
        run = _keep_lower(run, _search(problem, reml, found.lambdas, options, found.name), found.name)
        if run.best.model.objective >= objective:
            break
    return run


def _reach_lowest(problem: Problem, reml: bool, options: Options, run: _Run, lowest: LowestOfAll) -> _Run:
    """Return the run, or a search from the lowest point of all where the run ended above it."""
    if lowest.lambdas is None or _is_stopped(run, options):
        return run
    if run.best.model.objective <= lowest.objective + SAME * _criterion_size(run):
        return run
    name = "the lowest value of all"
    return _keep_lower(run, _search(problem, reml, lowest.lambdas, options, name), name)


def _canonical_optimum(problem: Problem, state: State) -> State:
    """Return the optimum with effects that X spans at zero variance; the REML criterion does not depend on it."""
    if not state.reml or all(span is None or span.is_all for span in problem.spanned):
        return state
    lambdas = [
        lam if span is None else span.without @ lam for lam, span in zip(state.lambdas, problem.spanned, strict=True)
    ]
    return evaluate_state(problem, lambdas, True)


@single
def with_reproduction(problem: Problem, optimum: Optimum) -> Optimum:
    """Return the optimum with the terms whose effects reproduce the response in its certificate."""
    if problem.design.k == 1 or not _may_reproduce(problem, optimum):
        return optimum
    terms = reproducing_terms(problem, optimum.state.reml)
    return replace(optimum, certificate=replace(optimum.certificate, reproduced_by=terms))


def _may_reproduce(problem: Problem, optimum: Optimum) -> bool:
    """Return whether random effects may reproduce the response.

    They can reproduce any response where [X Z] has as many columns as rows. Where it has fewer, they reproduce special
    responses, such as those that are constant within levels; then variances are large, or the certificate fails.
    """
    pairs = zip(optimum.state.lambdas, problem.units, strict=True)
    is_large = any(float((lam * lam).sum()) * c > LARGE for lam, c in pairs)
    return problem.p + problem.structure.q >= problem.n or is_large or not optimum.certificate.holds

"""From a fit to the profiles of its parameters, around the lowest minimum that any of them meets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from lmmtools import core
from lmmtools.design.blocks import take_effects
from lmmtools.design.theta import lambda_factors, pack_lambda, triangular_factor
from lmmtools.engines import pls
from lmmtools.errors import DataError, EngineError
from lmmtools.inference.profile.coordinates import Point, parameters_of
from lmmtools.inference.profile.path import FitDerivatives, follow
from lmmtools.inference.profile.profile_result import Curve, Profile, curve_of, select_parameters
from lmmtools.inference.tails import check_alpha, chi2_quantile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lmmtools.core import Problem
    from lmmtools.design.matrices import Design
    from lmmtools.engines.estimate import Estimate
    from lmmtools.fit.record import Fit
    from lmmtools.inference.profile.coordinates import Parameter


__all__ = ["profile_fit"]

LOWER = 1e-4
"""A path this far below the fit's deviance has found another minimum, which is then fitted and profiled instead."""

MOST_REFITS = 4

BOUNDS = {
    "sd": (0.0, np.inf),
    "cor": (-0.5 * np.pi, 0.5 * np.pi),
    "sigma": (-np.inf, np.inf),
    "beta": (-np.inf, np.inf),
}


def profile_fit(
    fit: Fit, parameters: str | Sequence[str] | None = None, *, alphamax: float = 0.01, joint: bool = True
) -> Profile:
    """Return the profiles of a fit; see :meth:`LMMResults.profile`.

    With ``joint`` the cutoff comes from the chi-squared distribution with one degree of freedom per parameter, as in
    lme4; otherwise from that with one, which suffices for intervals.
    """
    if fit.design.shared:
        raise DataError("terms of this model share one variance and have no profile; declare it with lmm(...)")
    known = parameters_of(fit.design)
    chosen = select_parameters(known, parameters)
    cutoff = float(np.sqrt(chi2_quantile(check_alpha(alphamax), len(known) if joint else 1)))
    notes: list[str] = []
    best = fit.estimate
    if fit.reml:
        best = pls.fit_problem(fit.problem, reml=False)
        notes.append("the REML fit was refitted by maximum likelihood: profiles are those of the likelihood")
    elsewhere = _best_without_an_effect(fit.design)
    first = best.objective
    found = _profile_all(fit.problem, best, known, chosen, cutoff, elsewhere)
    for _ in range(MOST_REFITS):
        lower = None if found.lower is None else _refit_from(fit.problem, found.lower)
        if lower is None or lower.objective > best.objective - LOWER:
            break
        best = lower
        found = _profile_all(fit.problem, best, known, chosen, cutoff, elsewhere)
    if best.objective < first - LOWER:
        notes.append(
            f"the profiles met a minimum whose deviance is {first - best.objective:.3g} below the fit's, and are "
            "profiles around that one"
        )
    return Profile(found.curves, tuple(p.name for p in known), cutoff, (*notes, *found.notes), found.undefined)


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """The profiles around one fit.

    Attributes
    ----------
    curves : dict of str to Curve
    undefined : dict of str to str
    notes : tuple of str
    lower : Point or None
        The lowest point met, if it is below the fit.
    """

    curves: dict[str, Curve]
    undefined: dict[str, str]
    notes: tuple[str, ...]
    lower: Point | None


def _profile_all(
    problem: Problem,
    best: Estimate,
    known: Sequence[Parameter],
    chosen: Sequence[Parameter],
    cutoff: float,
    elsewhere: Callable[[Parameter], Point | None],
) -> _Found:
    """Return the profiles of the chosen parameters around one fit."""
    sigma, beta, bse = best.sigma, best.beta, np.sqrt(np.diag(best.beta_cov))
    phi = tuple(sigma**2 * (lam @ lam.T) for lam in lambda_factors(best.theta, problem.design.blocks))
    around = FitDerivatives(problem, phi, sigma, beta, bse)
    curves, undefined, notes = {}, {}, []
    lower: Point | None = None
    for parameter in chosen:
        estimate = parameter.value(phi, sigma, beta)
        if not np.isfinite(estimate):
            undefined[parameter.name] = "a standard deviation is zero, which leaves the correlation undefined"
            continue
        coordinates = around.coordinates(parameter)
        v, x = coordinates.locate(phi, sigma, beta)
        try:
            local = around.second_order(coordinates, v, x)
            path = follow(coordinates, v, x, local, cutoff, BOUNDS[parameter.kind], elsewhere(parameter))
        except EngineError as error:
            undefined[parameter.name] = f"the deviance cannot be evaluated around the fit ({error})"
            continue
        if path.stopped:
            notes.append(
                f"the profile of {parameter.name} stops short, so that limits beyond it are NaN: {path.stopped}"
            )
        met = path.lowest
        if met.deviance < (best.objective - LOWER if lower is None else lower.deviance):
            lower = met
        curves[parameter.name] = curve_of(parameter, coordinates, path, estimate, known)
    return _Found(curves, undefined, tuple(notes), lower)


def _refit_from(problem: Problem, point: Point) -> Estimate | None:
    """Return the maximum-likelihood fit searched from a point of a path; None if the search fails."""
    theta = pack_lambda([triangular_factor(cov) / point.sigma for cov in point.phi])
    try:
        return pls.fit_problem(problem, reml=False, start=theta)
    except EngineError:
        return None


def _best_without_an_effect(design: Design) -> Callable[[Parameter], Point | None]:
    """Return a function: correlation -> the best fit without one of its two effects, None for other parameters.

    At a standard deviation of zero a correlation is arbitrary: the deviance at any correlation is at most that of the
    model without one of the two effects.
    """

    @cache
    def without(k: int, j: int) -> Point:
        return _fit_without_effect(design, k, j)

    def best(parameter: Parameter) -> Point | None:
        if parameter.kind != "cor":
            return None
        return min((without(parameter.block, j) for j in parameter.effects), key=lambda point: point.deviance)

    return best


def _fit_without_effect(design: Design, k: int, j: int) -> Point:
    """Return the maximum-likelihood fit without effect j of block k, as a point of the whole model."""
    block = design.blocks[k]
    keep = [i for i in range(block.l) if i != j]
    smaller = take_effects(block, keep)
    blocks = tuple(smaller if i == k else b for i, b in enumerate(design.blocks))
    fit = pls.fit_problem(core.prepare(replace(design, blocks=blocks)), reml=False)
    phi = [fit.sigma**2 * (lam @ lam.T) for lam in lambda_factors(fit.theta, blocks)]
    whole = np.zeros((block.l, block.l))
    whole[np.ix_(keep, keep)] = phi[k]
    phi[k] = whole
    return Point(fit.objective, 0.0, np.zeros(0), tuple(phi), fit.sigma, fit.beta)

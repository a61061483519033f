"""MixedLMResults -> Estimate on the data's scale: its variances, and everything else computed at them."""

from __future__ import annotations

import copy
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools import core
from lmmtools.design.theta import pack_lambda, triangular_factor
from lmmtools.engines import pls
from lmmtools.engines.estimate import AGREEMENT_TOL, Agreement, Certificate, Estimate, describe_shortfall
from lmmtools.errors import DataError, EngineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.core import Problem
    from lmmtools.engines.mixedlm.reading.as_design import ReadDesign
    from lmmtools.engines.mixedlm.reading.mixedlm_reading import Component


__all__ = ["as_estimate", "is_penalised", "read_theta"]

# A covariance matrix may have eigenvalues below zero by this share of the largest: rounding.
NEGATIVE_TOL = 1e-10
# MixedLM's fixed effects are those of its variances if they agree to this share of their standard errors.
FIXED_TOL = 1e-3
# Along a ridge the curvature is zero but for the error of differences, and Newton's step means little.
RIDGE_DECREASE, RIDGE_CURVATURE = 1e-6, 1e-3


def read_theta(result: Any, read: ReadDesign) -> NDArray[np.float64]:
    """Return the relative covariance parameters of a MixedLM result, shape (k,), blocks in design order.

    Raises
    ------
    EngineError
        If MixedLM ended at a variance below zero or a matrix that is no covariance matrix.
    """
    cov_re, vcomp = np.asarray(result.cov_re_unscaled, float), np.atleast_1d(np.asarray(result.vcomp, float))
    lambdas = {}
    for component, block in read.blocks:
        if component.source == "re":
            own = cov_re[np.ix_(component.re_columns, component.re_columns)]
        else:
            own = np.atleast_2d(vcomp[component.index] / result.scale)
        lambdas[id(block)] = _factor_covariance(own, component)
    return pack_lambda([lambdas[id(block)] for block in read.design.blocks])


def _factor_covariance(cov: NDArray[np.float64], component: Component) -> NDArray[np.float64]:
    """Return the lower-triangular factor of a component's covariance matrix, which is checked."""
    values = np.linalg.eigvalsh(cov)
    if not np.all(np.isfinite(values)):
        raise EngineError(f"MixedLM's estimate of {component.name!r} is not a finite number: its fit failed")
    if values[0] < -NEGATIVE_TOL * max(values[-1], 1e-300):
        raise EngineError(
            f"MixedLM ended outside the parameter space: {component.name!r} has the relative variance "
            f"{values[0]:.4g} in some direction. Fit again with use_sqrt=True, which keeps variances positive."
        )
    return triangular_factor(cov)


def as_estimate(result: Any, read: ReadDesign, problem: Problem) -> Estimate:
    """Return the estimate at a MixedLM result's variances: criterion, fixed effects, modes, certificate.

    Everything but the variance ratios is computed anew at them, in closed form; ``agreement`` says how close MixedLM's
    own criterion is.

    Raises
    ------
    EngineError
        If MixedLM's variances are not valid, or the criterion cannot be evaluated at them.
    """
    reml = _is_reml(result)
    at = core.recover(problem, read_theta(result, read), reml)
    certify = core.certify_shared if read.design.shared else core.certify
    certificate = certify(problem, at.theta, reml)
    if read.confounded and not certificate.holds:
        certificate = _certify_ridge(certificate)
    objective, agreement, messages = _compare_criteria(result, at, reml)
    if not result.converged:
        messages.append("MixedLM reported that its optimiser did not converge")
    messages += _compare_fixed_effects(result, read, at)
    messages += _compare_with_optimum(problem, at, objective) if not certificate.holds else []
    count = sum(int(h.get("fcalls", 0)) for h in getattr(result, "hist", None) or () if isinstance(h, dict))
    return Estimate(
        "mixedlm",
        reml,
        at.theta,
        at.beta,
        at.beta_cov,
        at.sigma,
        objective,
        at.modes,
        certificate,
        count,
        tuple(messages),
        agreement,
    )


def _certify_ridge(certificate: Certificate) -> Certificate:
    """Return the certificate of a model of which only a sum of variances is identified: an optimum is a ridge there."""
    is_level = certificate.expected_decrease <= RIDGE_DECREASE and certificate.min_curvature >= -RIDGE_CURVATURE
    return replace(certificate, holds=is_level and not certificate.null_spaces)


def _compare_criteria(result: Any, at: core.Recovered, reml: bool) -> tuple[float, Agreement | None, list[str]]:
    """Return the criterion, how closely its two computations agree, and a message if they do not."""
    own, failure = _evaluate_own_criterion(result, reml)
    if own is None:
        return at.objective, None, [failure]
    agreement = Agreement.between("pls", at.objective, own)
    if abs(agreement.difference) <= AGREEMENT_TOL:
        return own, agreement, []
    text = (
        f"MixedLM's own criterion at its fixed effects is {own:.6f}; at those that its variances imply it is "
        f"{at.objective:.6f}"
    )
    return at.objective, None, [text]


def _compare_with_optimum(problem: Problem, at: core.Recovered, objective: float) -> list[str]:
    """Return how far above the optimum a result is that is not certified, where that is worth a sentence."""
    try:
        if problem.design.shared:
            best = core.lowest_shared(problem, at.theta, at.reml)
        else:
            best = pls.fit_problem(problem, reml=at.reml).objective
    except EngineError:
        return []
    return list(filter(None, [describe_shortfall("MixedLM", objective, best)]))


def _is_reml(result: Any) -> bool:
    """Whether a result is a REML fit; raise a DataError if it does not say."""
    method = getattr(result, "method", None)
    if method not in ("REML", "ML"):
        raise DataError(f"the result does not say whether it is REML or ML (method is {method!r})")
    return bool(method == "REML")


def _evaluate_own_criterion(result: Any, reml: bool) -> tuple[float | None, str]:
    """Return MixedLM's own criterion at its estimate, or why there is none."""
    # The model remembers the last fit's choice, which need not be this result's.
    model = copy.copy(result.model)
    model.reml, model.cov_pen, model.fe_pen = reml, None, None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            value = -2.0 * float(model.loglike(result.params_object, profile_fe=False))
        except (np.linalg.LinAlgError, ValueError, FloatingPointError) as error:
            return None, f"MixedLM's own likelihood fails at its estimate: {error}"
    return (value, "") if np.isfinite(value) else (None, "MixedLM's own likelihood is not finite at its estimate")


def _compare_fixed_effects(result: Any, read: ReadDesign, at: core.Recovered) -> list[str]:
    """Return a message where MixedLM's fixed effects are not those that its variances imply.

    Raises
    ------
    EngineError
        If a penalty moved them.
    """
    messages = []
    if result.cov_pen is not None or getattr(result.model, "fe_pen", None) is not None:
        messages.append("the fit was penalised: its variances are no REML or ML estimates")
    own = np.asarray(result.fe_params, dtype=float)
    if len(own) != len(at.beta):
        return messages
    away = np.abs(own - at.beta) / np.sqrt(np.diag(at.beta_cov))
    j = int(np.argmax(away)) if len(away) else -1
    if j < 0 or away[j] <= FIXED_TOL:
        return messages
    name = read.design.x_names[j]
    if is_penalised(result):
        raise EngineError(
            f"the fixed effects were penalised (fit_regularized, or fe_pen=): {name} is {own[j]:.6g}, where the REML "
            f"or ML estimate at the same variances is {at.beta[j]:.6g}. Penalised estimates have no standard errors or "
            "tests of a mixed model: give the result of model.fit(), or take the penalised fe_params from statsmodels"
        )
    messages.append(
        f"MixedLM's own estimate of {name}, {own[j]:.6g}, is not the one that its variances imply, {at.beta[j]:.6g}, "
        "which stands here (MixedLM loses fixed effects where a variance is zero)"
    )
    return messages


def is_penalised(result: Any) -> bool:
    """Whether fixed effects of a result come from ``fit_regularized``, or from ``fit(fe_pen=...)``.

    ``fit()`` records its search as ``hist`` and ``fit_regularized``, which moves the fixed effects after it, does not.
    """
    return not hasattr(result, "hist") or getattr(result.model, "fe_pen", None) is not None

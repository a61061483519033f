"""Fit through MixedLM: its own search, polished by exact gradients, and its own numbers at the optimum.

MixedLM works well in the interior of the parameter space, on data of ordinary scale, from a start that is not far off.
``conditioning`` sees to the scale, ``building`` to the boundary, and this module to the start.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.theta import pack_lambda
from lmmtools.engines import pls
from lmmtools.engines.estimate import Agreement
from lmmtools.engines.mixedlm.building import build_reduced_model
from lmmtools.engines.mixedlm.conditioning import least_squares_criterion, read_criterion, root_mean_squares
from lmmtools.engines.mixedlm.cost import cores_for_groups
from lmmtools.engines.mixedlm.plan import plan
from lmmtools.engines.mixedlm.searching import search
from lmmtools.errors import EngineError
from lmmtools.threads import single

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design
    from lmmtools.engines.estimate import Estimate
    from lmmtools.engines.mixedlm.building import ReducedModel
    from lmmtools.engines.mixedlm.conditioning import Conditioned
    from lmmtools.engines.mixedlm.plan import MixedLMPlan
    from lmmtools.engines.mixedlm.searching import Search

__all__ = ["Readback", "evaluate_at", "fit"]

# Smallest diagonal of lambda_k that the polish starts from.
START_FLOOR = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Readback:
    """MixedLM's own numbers at a given theta, on the data's scale; shapes as in Estimate."""

    objective: float
    beta: NDArray[np.float64]
    beta_cov: NDArray[np.float64]
    sigma: float
    modes: tuple[NDArray[np.float64], ...]


@single
def evaluate_at(design: Design, layout: MixedLMPlan, theta: NDArray[np.float64], *, reml: bool) -> Readback | None:
    """Return MixedLM's own numbers with the optimum ``theta`` as its start, or None where nothing random is left.

    MixedLM's optimiser starts at the optimum and stops there.

    Raises
    ------
    EngineError
        If MixedLM moves away from theta or fails: then theta is not its optimum.
    """
    reduced = build_reduced_model(design, layout, theta)
    if reduced is None:
        return None
    model = reduced.model
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # What MixedLM warns of here (its absolute boundary rule, a gradient norm) is decided by the certificate.
        warnings.simplefilter("ignore")
        try:
            with cores_for_groups(design, layout):
                result = model.fit(start_params=reduced.start, reml=reml, method="bfgs", maxiter=50)
                llf = float(model.loglike(result.params_object, profile_fe=False))
        except (np.linalg.LinAlgError, ValueError, FloatingPointError) as error:
            raise EngineError(f"MixedLM failed at the optimum: {error}") from error
    if not np.isfinite(llf):
        raise EngineError("MixedLM's likelihood is not finite at the optimum")
    return _read_back(design, layout, reduced, result, llf, reml=reml)


def _read_back(
    design: Design,
    layout: MixedLMPlan,
    reduced: ReducedModel,
    result: Any,
    llf: float,
    *,
    reml: bool,
) -> Readback:
    p, data = design.p, reduced.data
    objective = read_criterion(design, data, llf, reml=reml)
    R_inv = np.linalg.inv(data.R)
    beta = data.b_ols + data.scale * (R_inv @ np.asarray(result.fe_params))
    # MixedLM's cov_params inverts the whole observed information, cross terms of fixed and variance parameters
    # included, though these vanish in expectation; lme4's vcov is the inverse of the fixed-effects block alone.
    information = np.linalg.inv(np.asarray(result.cov_params()))[:p, :p]
    beta_cov = data.scale**2 * R_inv @ np.linalg.inv(information) @ R_inv.T
    modes = _modes(design, layout, data, result, list(reduced.vc_blocks), reduced.root)
    return Readback(objective, beta, beta_cov, data.scale * float(np.sqrt(result.scale)), modes)


def _modes(
    design: Design,
    layout: MixedLMPlan,
    data: Conditioned,
    result: Any,
    vc_blocks: list[int],
    root: NDArray[np.float64] | None,
) -> tuple[NDArray[np.float64], ...]:
    modes = [np.zeros((b.m, b.l)) for b in design.blocks]
    rank = 0 if root is None else root.shape[1]
    re_level = np.zeros(layout.n_islands, dtype=np.intp)
    if layout.re_block is not None:
        re_level[layout.islands] = design.blocks[layout.re_block].codes
    for group, effects in result.random_effects.items():
        values = np.asarray(effects, dtype=float)
        if layout.re_block is not None and root is not None and rank:
            unit = data.units[layout.re_block]
            modes[layout.re_block][re_level[group]] = data.scale * (root @ values[:rank]) / unit
        position = rank
        for j, index in enumerate(vc_blocks):
            levels = np.array(result.model.exog_vc.colnames[j][result.model.group_labels.index(group)], dtype=np.intp)
            modes[index][levels, 0] = data.scale * values[position : position + levels.size] / data.units[index][0]
            position += levels.size
    return tuple(modes)


def _lift_off_zero(found: Search, design: Design) -> NDArray[np.float64] | None:
    """Return theta to polish from: where MixedLM's search ended, but no standard deviation at zero.

    theta = 0 is a stationary point of the square-root parametrisation, MixedLM's as well as ours, optimum or not:
    lifted off it, the polish can tell which way is down.
    """
    if found.lambdas is None:
        return None
    units = (root_mean_squares(b.basis) for b in design.blocks)
    return pack_lambda([_lift(lam, unit) for lam, unit in zip(found.lambdas, units, strict=True)])


def _lift(lam: NDArray[np.float64], unit: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return lambda_k with diagonal elements of at least START_FLOOR, in units of sigma per unit of the basis."""
    lifted = lam.copy()
    np.fill_diagonal(lifted, np.maximum(np.diag(lam), START_FLOOR / unit))
    return lifted


def fit(design: Design, *, reml: bool = True, **options: Any) -> Estimate:
    """Fit through statsmodels' MixedLM and return the polished, certified estimate.

    MixedLM's optimisers give theta; exact gradients polish it and decide the boundary (a component is zero when zero
    is no worse); MixedLM evaluates the model there, and its numbers are what the estimate holds.

    Parameters
    ----------
    design : Design
    reml : bool
        REML or maximum likelihood.
    **options
        Passed to the polishing optimiser (``max_iter``, tolerances, ``callback``).

    Raises
    ------
    TranslationError
        If MixedLM cannot express the model.
    EngineError
        If MixedLM's algebra fails at the optimum.
    """
    layout = plan(design)
    found = search(design, layout, reml=reml)
    polished = pls.fit(design, reml=reml, start=_lift_off_zero(found, design), **options)
    read = evaluate_at(design, layout, polished.theta, reml=reml)
    messages = (*polished.messages, *(f"MixedLM: {text}" for text in found.messages))
    estimate = replace(polished, engine="mixedlm", n_evaluations=found.n_evaluations, messages=messages)
    if read is None:
        objective = least_squares_criterion(design, reml=reml)
        return replace(estimate, agreement=Agreement.between("least squares", objective, estimate.objective))
    return replace(
        estimate,
        beta=read.beta,
        beta_cov=read.beta_cov,
        sigma=read.sigma,
        objective=read.objective,
        modes=read.modes,
        agreement=Agreement.between("pls", polished.objective, read.objective),
    )

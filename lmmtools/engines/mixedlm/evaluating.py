"""MixedLM's numbers at given parameters: its likelihood, its estimates, and its result object on the data's scale."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.theta import lambda_factors
from lmmtools.engines.estimate import Agreement
from lmmtools.engines.mixedlm.building import build_reduced_model, least_squares_criterion, read_criterion
from lmmtools.engines.mixedlm.from_text import make_model
from lmmtools.engines.mixedlm.layout import cores_for_groups, lay_out
from lmmtools.engines.mixedlm.spec import component_names, write_spec
from lmmtools.errors import EngineError
from lmmtools.threads import single

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design
    from lmmtools.engines.estimate import Estimate
    from lmmtools.engines.mixedlm.building import Conditioned, ReducedModel
    from lmmtools.engines.mixedlm.layout import MixedLMLayout


__all__ = ["Readback", "agree", "evaluate_at", "evaluate_likelihood", "on_data_scale"]


@dataclass(frozen=True, slots=True, eq=False)
class Readback:
    """MixedLM's own numbers at a given theta, on the data's scale; shapes as in Estimate."""

    objective: float
    beta: NDArray[np.float64]
    beta_cov: NDArray[np.float64]
    sigma: float
    modes: tuple[NDArray[np.float64], ...]


@single
def evaluate_at(design: Design, layout: MixedLMLayout, theta: NDArray[np.float64], *, reml: bool) -> Readback | None:
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
        # The certificate decides what its warnings are about (an absolute boundary rule, the gradient norm).
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
    layout: MixedLMLayout,
    reduced: ReducedModel,
    result: Any,
    llf: float,
    *,
    reml: bool,
) -> Readback:
    """Return MixedLM's numbers of conditioned data on the data's scale."""
    p, data = design.p, reduced.data
    objective = read_criterion(design, data, llf, reml=reml)
    R_inv = np.linalg.inv(data.R)
    beta = data.b_ols + data.scale * (R_inv @ np.asarray(result.fe_params))
    # MixedLM's cov_params inverts the whole observed information, cross terms of fixed and variance parameters
    # included, though these vanish in expectation; lme4's vcov is the inverse of the fixed-effects block alone.
    information = np.linalg.inv(np.asarray(result.cov_params()))[:p, :p]
    beta_cov = data.scale**2 * R_inv @ np.linalg.inv(information) @ R_inv.T
    modes = _read_modes(design, layout, data, result, list(reduced.vc_blocks), reduced.root)
    return Readback(objective, beta, beta_cov, data.scale * float(np.sqrt(result.scale)), modes)


def _read_modes(
    design: Design,
    layout: MixedLMLayout,
    data: Conditioned,
    result: Any,
    vc_blocks: list[int],
    root: NDArray[np.float64] | None,
) -> tuple[NDArray[np.float64], ...]:
    """Return MixedLM's random effects on the data's scale, (m, l) per block; zero for what was left out."""
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


@single
def evaluate_likelihood(
    design: Design, layout: MixedLMLayout, theta: NDArray[np.float64], *, reml: bool
) -> tuple[str, float]:
    """Return the engine's name, and the REML criterion or deviance at ``theta``, profiled over beta and sigma.

    MixedLM computes it, once. Where every variance is zero there is no MixedLM model: the least-squares criterion in
    closed form stands in.

    Raises
    ------
    EngineError
        If MixedLM's algebra fails at theta.
    """
    reduced = build_reduced_model(design, layout, theta)
    if reduced is None:
        return "least squares", least_squares_criterion(design, reml=reml)
    model = reduced.model
    # MixedLM's fit() sets these before it evaluates.
    model.reml, model.cov_pen, model.fe_pen, model._cov_sing = reml, None, None, 0
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            with cores_for_groups(design, layout):
                llf = float(model.loglike(reduced.start))
        except (np.linalg.LinAlgError, ValueError, FloatingPointError) as error:
            raise EngineError(f"MixedLM's likelihood failed: {error}") from error
    if not np.isfinite(llf):
        raise EngineError("MixedLM's likelihood is not finite")
    return "mixedlm", read_criterion(design, reduced.data, llf, reml=reml)


def agree(design: Design, layout: MixedLMLayout, estimate: Estimate) -> Agreement:
    """Return how closely MixedLM's criterion at the estimate's theta agrees with the estimate's.

    Raises
    ------
    EngineError
        If MixedLM's algebra fails there.
    """
    engine, objective = evaluate_likelihood(design, layout, estimate.theta, reml=estimate.reml)
    return Agreement.between(engine, objective, estimate.objective)


# MixedLM treats a variance under 1e-10 of the residual's as zero and then drops the fixed effects; a zero component
# is shown to it as this much instead, which moves the criterion by less than its last printed digit.
VARIANCE_FLOOR = 1e-9


@single
def on_data_scale(design: Design, estimate: Estimate) -> Any:
    """Return MixedLM's result for the spec of ``design``, in the data's units, started at ``estimate``."""
    from statsmodels.regression.mixed_linear_model import MixedLMParams

    layout = lay_out(design)
    spec = write_spec(design, layout, reml=estimate.reml)
    model = make_model(**spec.kwargs)
    covs = [lam @ lam.T for lam in lambda_factors(estimate.theta, design.blocks)]
    by_name = {
        name: max(float(covs[i][0, 0]), VARIANCE_FLOOR)
        for i, name in zip(layout.vc_blocks, component_names(design, layout), strict=True)
    }
    vcomp = np.array([by_name[name] for name in model.exog_vc.names])
    cov_re = np.empty((0, 0))
    if layout.re_block is not None:
        values, vectors = np.linalg.eigh(covs[layout.re_block])
        cov_re = (vectors * np.maximum(values, VARIANCE_FLOOR)) @ vectors.T
    start = MixedLMParams.from_components(fe_params=np.zeros(design.p), cov_re=cov_re, vcomp=vcomp)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # The certificate has decided what its warnings are about (an absolute boundary rule, the gradient norm).
        warnings.simplefilter("ignore")
        return model.fit(start_params=start, reml=estimate.reml, method="bfgs")

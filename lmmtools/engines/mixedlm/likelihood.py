"""MixedLM's likelihood at given parameters, beside the criterion that another engine has there."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.engines.estimate import Agreement
from lmmtools.engines.mixedlm.building import build_reduced_model
from lmmtools.engines.mixedlm.conditioning import least_squares_criterion, read_criterion
from lmmtools.engines.mixedlm.cost import cores_for_groups
from lmmtools.errors import EngineError
from lmmtools.threads import single

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design
    from lmmtools.engines.estimate import Estimate
    from lmmtools.engines.mixedlm.plan import MixedLMPlan

__all__ = ["agree", "evaluate_likelihood"]


@single
def evaluate_likelihood(
    design: Design, layout: MixedLMPlan, theta: NDArray[np.float64], *, reml: bool
) -> tuple[str, float]:
    """Return who computed it, and the REML criterion or deviance at ``theta``, profiled over beta and sigma.

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
    # What its fit() sets before it evaluates.
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


def agree(design: Design, layout: MixedLMPlan, estimate: Estimate) -> Agreement:
    """Return how closely MixedLM's criterion at the estimate's theta agrees with the estimate's.

    Raises
    ------
    EngineError
        If MixedLM's algebra fails there.
    """
    engine, objective = evaluate_likelihood(design, layout, estimate.theta, reml=estimate.reml)
    return Agreement.between(engine, objective, estimate.objective)

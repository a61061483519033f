"""The MixedLMResults that a user of statsmodels would get from the spec, started at the optimum."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.theta import lambda_factors
from lmmtools.engines.mixedlm.from_text import make_model
from lmmtools.engines.mixedlm.plan import plan
from lmmtools.engines.mixedlm.spec import component_names, write_spec
from lmmtools.threads import single

if TYPE_CHECKING:
    from lmmtools.design.matrices import Design
    from lmmtools.engines.estimate import Estimate

__all__ = ["on_data_scale"]

# MixedLM treats a variance under 1e-10 of the residual's as zero and then drops the fixed effects; a zero component
# is shown to it as this much instead, which moves the criterion by less than its last printed digit.
VARIANCE_FLOOR = 1e-9


@single
def on_data_scale(design: Design, estimate: Estimate) -> Any:
    """Return MixedLM's result for the spec of ``design``, in the data's units, started at ``estimate``."""
    from statsmodels.regression.mixed_linear_model import MixedLMParams

    layout = plan(design)
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
        # What it warns of (an absolute boundary rule, the gradient norm) the certificate has decided already.
        warnings.simplefilter("ignore")
        return model.fit(start_params=start, reml=estimate.reml, method="bfgs")

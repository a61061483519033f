"""MixedLM's own search for the optimum, from its own start."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.theta import pack_lambda, triangular_factor
from lmmtools.engines.mixedlm.building import build_model
from lmmtools.engines.mixedlm.conditioning import condition
from lmmtools.engines.mixedlm.cost import cores_for_groups
from lmmtools.threads import single

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design
    from lmmtools.engines.mixedlm.plan import MixedLMPlan

__all__ = ["Search", "search"]

# MixedLM's optimisers stop on the largest element of the gradient of llf / n; its default of 1e-5 leaves 4 digits.
GTOL = 1e-8


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """Where MixedLM's own optimisers ended.

    Attributes
    ----------
    lambdas : tuple of ndarray, each (l, l), or None
        lambda_k per block, on the data's scale; None if the optimisers failed.
    n_evaluations : int
    messages : tuple of str
        What MixedLM said.
    """

    lambdas: tuple[NDArray[np.float64], ...] | None
    n_evaluations: int
    messages: tuple[str, ...]

    @property
    def theta(self) -> NDArray[np.float64] | None:
        """The relative covariance parameters, shape (k,), blocks in design order; None if the optimisers failed."""
        return None if self.lambdas is None else pack_lambda(self.lambdas)


@single
def search(design: Design, layout: MixedLMPlan, *, reml: bool) -> Search:
    """Return where MixedLM's own optimisers end from MixedLM's own start."""
    from statsmodels.tools.sm_exceptions import ConvergenceWarning

    data = condition(design)
    blocks = design.blocks
    re_basis = data.bases[layout.re_block] if layout.re_block is not None else None
    vc_bases = {i: data.bases[i][:, 0] for i in layout.vc_blocks}
    model = build_model(data, layout, tuple(b.codes for b in blocks), re_basis, vc_bases)
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        try:
            with cores_for_groups(design, layout):
                result = model.fit(reml=reml, method=["bfgs", "powell"], gtol=GTOL, full_output=True)
        except (np.linalg.LinAlgError, ValueError, FloatingPointError) as error:
            return Search(None, 0, (f"MixedLM's optimisers failed ({error})",))
    said = tuple(dict.fromkeys(str(w.message) for w in caught if issubclass(w.category, ConvergenceWarning)))
    evaluations = sum(int(h.get("fcalls", 0)) for h in result.hist or ())
    lambdas: list[NDArray[np.float64]] = [np.zeros((b.l, b.l)) for b in blocks]
    if layout.re_block is not None:
        unit = data.units[layout.re_block]
        lambdas[layout.re_block] = triangular_factor(np.asarray(result.cov_re_unscaled)) / unit[:, None]
    for i, variance in zip(layout.vc_blocks, np.atleast_1d(result.vcomp) / result.scale, strict=True):
        lambdas[i] = np.sqrt(np.atleast_2d(variance)) / data.units[i][:, None]
    if not all(np.all(np.isfinite(lam)) for lam in lambdas):
        return Search(None, evaluations, said)
    return Search(tuple(lambdas), evaluations, said)

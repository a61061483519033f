"""Fit through MixedLM: its own search, polished by exact gradients, and its own numbers at the optimum.

MixedLM works well in the interior of the parameter space, on data of ordinary scale, from a start that is not far off.
``building`` takes care of the scale and of the boundary, and this module of the start.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.theta import pack_lambda, triangular_factor
from lmmtools.engines import pls
from lmmtools.engines.estimate import Agreement
from lmmtools.engines.mixedlm.building import (
    build_model,
    condition,
    least_squares_criterion,
    root_mean_squares,
)
from lmmtools.engines.mixedlm.evaluating import evaluate_at
from lmmtools.engines.mixedlm.layout import cores_for_groups, lay_out
from lmmtools.threads import single

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design
    from lmmtools.engines.estimate import Estimate
    from lmmtools.engines.mixedlm.layout import MixedLMLayout


__all__ = ["Search", "fit", "search"]

# Smallest diagonal of lambda_k that the polish starts from.
START_FLOOR = 0.05
# MixedLM's optimisers stop on the largest element of the gradient of llf / n; its default of 1e-5 leaves 4 digits.
GTOL = 1e-8


def fit(
    design: Design,
    *,
    reml: bool = True,
    max_iter: int = pls.MAX_ITER,
    tol: float = pls.TOL,
    callback: Callable[[pls.Progress], Any] | None = None,
) -> Estimate:
    """Return the estimate of statsmodels' MixedLM, polished and certified.

    MixedLM's optimisers give theta; exact gradients polish it and decide the boundary (a component is zero when zero
    is no worse); MixedLM evaluates the model there, and its numbers are what the estimate holds.

    Parameters
    ----------
    design : Design
    reml : bool
        REML or maximum likelihood.
    max_iter, tol, callback
        Of the polishing, as :func:`lmmtools.engines.pls.fit` takes them.

    Raises
    ------
    TranslationError
        If MixedLM cannot express the model.
    EngineError
        If MixedLM's algebra fails at the optimum.
    """
    layout = lay_out(design)
    found = search(design, layout, reml=reml)
    start = _lift_off_zero(found, design)
    polished = pls.fit(design, reml=reml, start=start, max_iter=max_iter, tol=tol, callback=callback)
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


def _lift_off_zero(found: Search, design: Design) -> NDArray[np.float64] | None:
    """Return theta to polish from: where MixedLM's search ended, but no standard deviation at zero.

    theta = 0 is a stationary point of the square-root parametrisation, MixedLM's as well as ours, optimum or not:
    lifted off it, the polish can tell which way is down.
    """
    if found.lambdas is None:
        return None
    units = (root_mean_squares(b.basis) for b in design.blocks)
    return pack_lambda([_raise_diagonal(lam, unit) for lam, unit in zip(found.lambdas, units, strict=True)])


def _raise_diagonal(lam: NDArray[np.float64], unit: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return lambda_k with diagonal elements of at least START_FLOOR, in units of sigma per unit of the basis."""
    lifted = lam.copy()
    np.fill_diagonal(lifted, np.maximum(np.diag(lam), START_FLOOR / unit))
    return lifted


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """Where MixedLM's own optimisers ended.

    Attributes
    ----------
    lambdas : tuple of ndarray, each (l, l), or None
        lambda_k per block, on the data's scale; None if the optimisers failed.
    n_evaluations : int
    messages : tuple of str
        MixedLM's warnings.
    """

    lambdas: tuple[NDArray[np.float64], ...] | None
    n_evaluations: int
    messages: tuple[str, ...]

    @property
    def theta(self) -> NDArray[np.float64] | None:
        """The relative covariance parameters, shape (k,), blocks in design order; None if the optimisers failed."""
        return None if self.lambdas is None else pack_lambda(self.lambdas)


@single
def search(design: Design, layout: MixedLMLayout, *, reml: bool) -> Search:
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

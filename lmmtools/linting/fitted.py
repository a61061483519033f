"""A MixedLM result held against the optimum of its own model."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools import core
from lmmtools.engines import pls
from lmmtools.engines.mixedlm.reading import as_design, as_estimate
from lmmtools.errors import DataError, EngineError, LmmWarning, TranslationError
from lmmtools.fit.boundary import Boundary, find_boundary

if TYPE_CHECKING:
    from lmmtools.engines.estimate import Estimate
    from lmmtools.engines.mixedlm.reading import MixedLMReading, ReadDesign

__all__ = ["Fitted", "read_fit"]

# MixedLM warns of a boundary where a variance, in the units of the data, is below this: the constant in its fit().
MIXEDLM_BOUNDARY = 0.01


@dataclass(frozen=True, eq=False)
class Fitted:
    """A result in closed form.

    Attributes
    ----------
    read : ReadDesign
    estimate : Estimate or None
        At the result's own variances; None if these are none.
    failure : str
        Why there is no estimate.
    best : float or None
        The lowest criterion that the pls engine finds for the model; None where it is not needed or not found.
    boundary : Boundary
        Components at their boundary, by lmmtools' rule.
    warned : bool
        Whether MixedLM warned that the estimate may be on the boundary.
    """

    read: ReadDesign
    estimate: Estimate | None
    failure: str = ""
    best: float | None = None
    boundary: Boundary = field(default_factory=lambda: Boundary(()))
    warned: bool = False

    @property
    def is_certified(self) -> bool:
        """Whether the certificate of the result holds."""
        return _is_certified(self.estimate)

    @property
    def gap(self) -> float:
        """How far the criterion is above the optimum; zero where none better is known."""
        if self.estimate is None or self.best is None:
            return 0.0
        return max(0.0, self.estimate.objective - self.best)


def read_fit(result: Any, reading: MixedLMReading) -> Fitted | None:
    """Return a result in closed form; None if its model has no random effects or its data cannot be read."""
    try:
        read = as_design(result.model, reading)
    except (TranslationError, DataError):
        return None
    problem = core.prepare(read.design)
    warned = _warns_of_boundary(result)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LmmWarning)
            estimate = as_estimate(result, read, problem)
    except (EngineError, DataError) as error:
        return Fitted(read, None, str(error), warned=warned)
    boundary = find_boundary(estimate.theta, read.design, estimate.certificate)
    best = None
    if not _is_certified(estimate):
        best = _lowest(read, problem, estimate)
    return Fitted(read, estimate, best=best, boundary=boundary, warned=warned)


def _is_certified(estimate: Estimate | None) -> bool:
    return estimate is not None and estimate.certificate is not None and estimate.certificate.holds


def _lowest(read: ReadDesign, problem: core.Problem, estimate: Estimate) -> float | None:
    try:
        if read.design.shared:
            return core.lowest_shared(problem, estimate.theta, estimate.reml)
        return pls.fit_problem(problem, reml=estimate.reml).objective
    except EngineError:
        return None


def _warns_of_boundary(result: Any) -> bool:
    """Whether ``MixedLM.fit`` warned of the boundary: its own condition, on variances in the units of the data."""
    variances = [*np.diag(np.atleast_2d(result.cov_re)), *np.atleast_1d(result.vcomp)] if result.k_re else []
    variances = variances or list(np.atleast_1d(result.vcomp))
    return any(abs(float(v)) < MIXEDLM_BOUNDARY for v in variances)

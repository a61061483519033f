"""Results that are not at the optimum, and boundaries that MixedLM missed or reported where there are none."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools import core
from lmmtools.design.findings import Finding
from lmmtools.engines import pls
from lmmtools.engines.mixedlm.reading import as_design, as_estimate, is_penalised
from lmmtools.errors import DataError, EngineError, LmmWarning, TranslationError
from lmmtools.fit.boundary import Boundary, find_boundary
from lmmtools.linting.alternatives import reading_terms, write_lmm_call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmmtools.engines.estimate import Estimate
    from lmmtools.engines.mixedlm.reading import MixedLMReading, ReadDesign
    from lmmtools.linting.case import Case

__all__ = ["check"]

# A criterion further above the optimum than this changes printed digits.
_LARGEST_GAP = 1e-3
# MixedLM warns of a boundary where a variance, in the units of the data, is below this: the constant in its fit().
MIXEDLM_BOUNDARY = 0.01


def check(case: Case) -> Iterator[Finding]:
    """Yield findings on a result."""
    fitted = _read_fit(case.result, case.reading) if case.result is not None and case.reading is not None else None
    if fitted is None:
        return
    if fitted.estimate is None and is_penalised(case.result):
        return
    if fitted.estimate is None:
        yield Finding("no-estimate", "error", f"The result has no usable estimate: {fitted.failure}", _refit(case))
        return
    criterion = "REML criterion" if case.reml else "deviance"
    if fitted.gap > _LARGEST_GAP:
        said = " although it reports converged=True" if getattr(case.result, "converged", False) else ""
        yield Finding(
            "stopped-short",
            "error" if fitted.gap > 0.1 else "warning",
            f"The optimiser stopped at a {criterion} of {fitted.estimate.objective:.4f}{said}; the optimum of this "
            f"model is {fitted.best:.4f}, lower by {fitted.gap:.3g}.",
            _refit(case),
        )
        return
    if fitted.boundary and not fitted.warned:
        yield Finding(
            "boundary-missed",
            "warning",
            f"The fit is on the boundary, and MixedLM did not say so: {fitted.boundary}. Standard errors and tests of "
            "the variances do not hold there.",
            "Report the zero variance as such, or leave the term out: the other estimates stay the same.",
        )
    if fitted.warned and not fitted.boundary:
        yield Finding(
            "boundary-false",
            "info",
            "MixedLM warns that the estimate may be on the boundary, because a variance is below "
            f"{MIXEDLM_BOUNDARY:g} in the units of the data. It is not: the variance is small only in these units.",
            "Nothing to do; or rescale the response, and the warning goes away.",
        )


def _refit(case: Case) -> str:
    assert case.reading is not None
    options = "" if case.reml else ", reml=False"
    return (
        f'result = model.fit(method=["powell", "bfgs"], ftol=1e-12, maxiter=1000{options})\n'
        f"# or, with a certificate of the optimum:\n{write_lmm_call(case, reading_terms(case.reading))}"
    )


@dataclass(frozen=True, eq=False)
class _Fitted:
    """A MixedLM result, with the criterion, its optimum and the boundary of its model.

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


def _read_fit(result: Any, reading: MixedLMReading) -> _Fitted | None:
    """Return the result evaluated by the pls engine; None if its model has no random effects or cannot be read."""
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
        return _Fitted(read, None, str(error), warned=warned)
    boundary = find_boundary(estimate.theta, read.design, estimate.certificate)
    best = None
    if not _is_certified(estimate):
        best = _find_lowest(read, problem, estimate)
    return _Fitted(read, estimate, best=best, boundary=boundary, warned=warned)


def _is_certified(estimate: Estimate | None) -> bool:
    return estimate is not None and estimate.certificate is not None and estimate.certificate.holds


def _find_lowest(read: ReadDesign, problem: core.Problem, estimate: Estimate) -> float | None:
    """Return the lowest criterion of the model; None if the search fails."""
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

"""A result that is no optimum, and boundaries that MixedLM missed or saw where there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.design.findings import Finding
from lmmtools.engines.mixedlm.reading import is_penalised
from lmmtools.linting.cures import use_lmm
from lmmtools.linting.fitted import MIXEDLM_BOUNDARY
from lmmtools.linting.inside import reading_terms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmmtools.linting.case import Case

__all__ = ["check"]

# A criterion further above the optimum than this changes printed digits.
SHORT = 1e-3


def check(case: Case) -> Iterator[Finding]:
    """Yield findings on a result."""
    fitted = case.fitted
    if fitted is None:
        return
    if fitted.estimate is None and is_penalised(case.result):
        return
    if fitted.estimate is None:
        yield Finding("no-estimate", "error", f"The result has no usable estimate: {fitted.failure}", _refit(case))
        return
    criterion = "REML criterion" if case.reml else "deviance"
    if fitted.gap > SHORT:
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
        f"# or, with a certificate of the optimum:\n{use_lmm(case, reading_terms(case.reading))}"
    )

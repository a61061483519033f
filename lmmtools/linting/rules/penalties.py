"""Fixed effects that are shrunk by a penalty."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.design.findings import Finding
from lmmtools.engines.mixedlm.reading import is_penalised

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmmtools.linting.case import Case

__all__ = ["check"]


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding on a penalised result, or on a call that asks for one."""
    if case.result is not None:
        is_found = is_penalised(case.result)
    else:
        is_found = case.call is not None and any(fit.is_penalised for fit in case.call.fits)
    if not is_found:
        return
    yield Finding(
        "penalised",
        "warning",
        "The fixed effects are penalised (fit_regularized, or fe_pen=): they are shrunk towards zero. The standard "
        "errors, z and p beside them, and the likelihood, are not those of a REML or ML fit.",
        "result = model.fit()  # for estimates with standard errors and tests",
    )

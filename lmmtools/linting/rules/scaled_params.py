"""Variances read from ``params``, where they are divided by the residual variance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.design.findings import Finding
from lmmtools.sentences import list_first

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmmtools.linting.case import Case

__all__ = ["check"]

MAX_NAMED = 3


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding if the code takes entries of ``params`` for variances."""
    uses = case.call.scaled_uses if case.call is not None else ()
    if not uses:
        return
    yield Finding(
        "params-scaled",
        "error",
        f"The code reads {list_first(uses, MAX_NAMED)} of the result. There, as in bse and conf_int(), variances and "
        "covariances are divided by the residual variance (scale): a variance of 900 beside a residual variance of 600 "
        "stands as 1.5.",
        "result.cov_re, result.vcomp  # variances in the units of the data; beside result.scale, the residual's",
    )

"""Groups whose levels are fixed effects as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from lmmtools.design.findings import Finding
from lmmtools.formula.notation import write_comment
from lmmtools.linting.readings import read_random

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmmtools.linting.case import Case

__all__ = ["check"]


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for every factor that has a random intercept and whose levels are fixed effects."""
    fixed = case.fixed
    if fixed is None or (case.call is not None and case.call.api == "arrays"):
        return
    main = {n for p in fixed.parts if len(p.factors) + len(p.variables) == 1 for n in (*p.factors, *p.variables)}
    for name in _random_factors(case):
        is_labels = any(p.factors == (name,) and not p.variables for p in fixed.parts) or _is_labels(case, name)
        if name in main and is_labels:
            yield Finding(
                "group-also-fixed",
                "error",
                f"{name} has a fixed effect for each of its levels and a random intercept: the fixed effects take all "
                f"that tells the levels of {name} apart, and nothing is left to estimate their variance from. Its "
                "estimate is zero, or where the optimiser happened to stop.",
                write_comment(f"Leave {name} out of the fixed effects, or out of the random ones."),
            )


def _random_factors(case: Case) -> list[str]:
    """Return the single factors that have a random intercept."""
    if case.reading is not None:
        terms = [p.term for c in case.reading.components for p in c.pieces if p.m > 1]
    elif case.call is not None:
        terms = [term for reading in read_random(case.call)[:1] for term in reading]
    else:
        terms = []
    return list(dict.fromkeys(t.factors[0] for t in terms if t.intercept and len(t.factors) == 1))


def _is_labels(case: Case, name: str) -> bool:
    """Whether a column without ``C()`` is coded by its levels."""
    if case.frame is not None and name in case.frame.columns:
        return not pd.api.types.is_numeric_dtype(case.frame[name].dtype)
    return case.call is not None and case.call.is_labels(name)

"""Levels of categorical columns that no row has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from lmmtools.design.findings import Finding
from lmmtools.formula.notation import write_text
from lmmtools.linting.call import columns_in
from lmmtools.sentences import list_first

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmmtools.linting.case import Case

__all__ = ["check"]

MAX_NAMED = 3


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for every categorical column of the model with unused levels."""
    frame = case.frame
    if frame is None:
        return
    for name in sorted(_columns(case) & set(map(str, frame.columns))):
        column = frame[name]
        if not isinstance(column.dtype, pd.CategoricalDtype):
            continue
        unused = [level for level in column.cat.categories if not (column == level).any()]
        if unused:
            named = list_first([repr(level) for level in unused], MAX_NAMED)
            is_fixed = name in case.fixed_columns
            effect = (
                "the fixed effects get a column of zeros for each, and X'X cannot be inverted"
                if is_fixed
                else "MixedLM makes an empty column for each"
            )
            yield Finding(
                "unused-levels",
                "error" if is_fixed else "info",
                f"{name} has levels that no row has ({named}): {effect}.",
                f"data[{write_text(name)}] = data[{write_text(name)}].cat.remove_unused_categories()",
            )


def _columns(case: Case) -> set[str]:
    """Return the columns that the model names."""
    found = set(case.fixed_columns)
    call = case.call
    if call is not None:
        found |= {call.groups} if call.groups else set()
        for text in [call.re_formula, *(call.vc_formula or {}).values()]:
            found |= columns_in(text) if text else set()
    elif case.reading is not None:
        found |= {case.reading.group} | {f for c in case.reading.components for f in c.factors}
    return found

"""Columns on scales so different that MixedLM's optimiser may fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmmtools.design.findings import Finding
from lmmtools.formula.notation import write_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmmtools.linting.case import Case

__all__ = ["check"]

# lme4 warns of columns whose standard deviations differ by more than this (its checkScaleX).
WIDE = 1e5
# A slope whose values are this many times larger or smaller than 1 has a variance with hardly any gradient.
STEEP = 1e3


def check(case: Case) -> Iterator[Finding]:
    """Yield findings on the scales of fixed effects and random slopes."""
    if case.model is None:
        return
    X = np.asarray(case.model.exog, dtype=float)
    names = list(case.model.exog_names)
    sd = X.std(axis=0)
    varying = np.flatnonzero(sd > 0)
    if len(varying) > 1:
        low, high = varying[np.argmin(sd[varying])], varying[np.argmax(sd[varying])]
        if sd[high] / sd[low] > WIDE:
            culprit = max(low, high, key=lambda column: abs(np.log10(sd[column])))
            yield Finding(
                "badly-scaled",
                "warning",
                f"The columns of X are on very different scales: {names[high]} has standard deviation {sd[high]:.3g}, "
                f"{names[low]} {sd[low]:.3g}.",
                _rescale(names[culprit], sd[culprit]),
            )
    for component in case.reading.components if case.reading is not None else ():
        for piece in component.pieces:
            for name, column in zip(piece.cnames, piece.basis.T, strict=True):
                size = float(np.sqrt(np.mean(column[column != 0] ** 2))) if np.any(column) else 1.0
                # The rule on coding reports numbers that are no covariates in the fixed effects.
                is_covariate = name != "(Intercept)" and (name in case.fixed_columns or case.call is None)
                if is_covariate and not 1 / STEEP <= size <= STEEP:
                    yield Finding(
                        "badly-scaled-slope",
                        "warning",
                        f"The random slope for {name} multiplies values of about {size:.3g}: its variance is some "
                        f"{size**2:.0e} times smaller than the others, and MixedLM's optimiser works in these units.",
                        _rescale(name, size),
                    )


def _rescale(name: str, size: float) -> str:
    """Return the cure that divides a column by the power of ten nearest to its size."""
    column = f"data[{write_text(name)}]"
    return f"Rescale: {column} = {column} / {10.0 ** round(np.log10(size)):g}"

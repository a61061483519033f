"""A printed number with the fit's own, and how far the two may lie apart."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lmmtools.report.comparison_tables import Counterpart
from lmmtools.report.effect_labels import match_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from lmmtools.printout.printed_table import PrintedRow

__all__ = ["LOOSE", "NOISE_OF_DF", "bound_of", "find_name", "pair"]

LOOSE = 1e-3
"""How far an estimate of a fit that stopped early may lie, in standard errors or relative to its size."""
NOISE_OF_DF = 2e-3
"""Relative difference of degrees of freedom by two implementations' numerical derivatives."""


def pair(row: PrintedRow, column: str, value: Any, bound: float = 0.0, *, is_known: bool = True) -> Counterpart:
    """Return a number of a printed row, named by its labels and column, with the fit's own."""
    label = ", ".join(part for part in (*row.labels, column) if part)
    number = None if value is None else float(value)
    return Counterpart(label, row.numbers[column], number, bound, is_known)


def find_name(names: Iterable[Any], label: str) -> Any:
    """Return the name that is the printed label in Python's spelling; None if there is none."""
    return next((name for name in names if match_key(str(name)) == match_key(label)), None)


def bound_of(column: str, own: Mapping[str, Any] | pd.Series, error: str) -> float:
    """Return how far a number of a row with estimate, error, df, t and p may lie apart."""
    if column == "df":
        return NOISE_OF_DF * float(own["df"]) if math.isfinite(own["df"]) else 0.0
    if column == "t":
        return LOOSE * (1.0 + abs(float(own["t"])))
    if column == "p":
        t, df = abs(float(own["t"])), float(own["df"])
        change = (t + 1.0) * LOOSE * (1.0 + t)
        if math.isfinite(df):
            change += 0.5 * df * math.log1p(t * t / df) * NOISE_OF_DF
        return float(own["p"]) * math.expm1(min(change, 50.0))
    if column in ("lower", "upper"):
        return 5.0 * LOOSE * float(own[error])
    return LOOSE * float(own[error])

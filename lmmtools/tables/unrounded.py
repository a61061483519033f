"""The numbers of a table as a frame, unrounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lmmtools.tables.column import component_key, effect_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from lmmtools.tables.column import FitColumn, Key

__all__ = ["to_unrounded_frame"]

_EFFECT = ("estimate", "std_error", "statistic", "p", "lower", "upper")
_FIT = ("estimator", "software", "test", "criterion", "aic", "bic", "r2", "r2_marginal", "r2_conditional", "icc")


def to_unrounded_frame(columns: Sequence[FitColumn], effects: Mapping[Key, str]) -> pd.DataFrame:
    """Return a row per number, ``(part, name, statistic)``, and a column per fit; None where a fit does not say."""
    import pandas as pd

    records: dict[tuple[str, str, str], list[Any]] = {}

    def put(k: int, row: tuple[str, str, str], value: Any) -> None:
        records.setdefault(row, [None] * len(columns))[k] = value

    # Rows in the order of the table, whichever column has them.
    for key, name in effects.items():
        for k, column in enumerate(columns):
            found = next((e for n, e in column.effects.items() if effect_key(n) == key), None)
            for statistic in _EFFECT:
                put(k, ("fixed", name, statistic), _plain(getattr(found, statistic, None)))
    names: dict[Key, str] = {}
    for k, column in enumerate(columns):
        for (group, effect), (variance, sd) in column.components.items():
            name = names.setdefault(component_key(group, effect), f"{group}: {effect}")
            put(k, ("random", name, "variance"), _plain(variance))
            put(k, ("random", name, "sd"), _plain(sd))
        for (group, one, other), value in column.correlations.items():
            name = names.setdefault(component_key(group, one, other), f"{group}: {one}, {other}")
            put(k, ("random", name, "correlation"), _plain(value))
    for k, column in enumerate(columns):
        put(k, ("random", "Residual", "variance"), _plain(column.residual[0]))
        put(k, ("random", "Residual", "sd"), _plain(column.residual[1]))
        put(k, ("size", "rows", ""), column.nobs)
        for group, levels in column.ngroups.items():
            put(k, ("size", names.setdefault(component_key(group), group), "levels"), levels)
    for statistic in _FIT:
        for k, column in enumerate(columns):
            put(k, ("fit", statistic, ""), _plain(getattr(column, statistic)))
    for k, column in enumerate(columns):
        put(k, ("flags", "", ""), None if column.flags is None else ", ".join(column.flags))
    index = pd.MultiIndex.from_tuples(list(records), names=["part", "name", "statistic"])
    return pd.DataFrame(list(records.values()), index=index, columns=[c.name for c in columns], dtype=object)


def _plain(value: Any) -> Any:
    """Return a number that was printed as a float."""
    return float(value) if isinstance(value, float) else value

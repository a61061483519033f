"""One column of a table of fits: what a journal prints of one fit, unrounded, from any source; all as a frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from lmmtools.report.effect_labels import match_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from lmmtools.report.provenance import Inputs

__all__ = ["Effect", "FitColumn", "Key", "component_key", "effect_key", "to_unrounded_frame"]

Key: TypeAlias = tuple[str, ...]
"""Key by which rows of several fits are matched; the same for R's and Python's spelling."""

_EFFECT = ("estimate", "std_error", "statistic", "p", "lower", "upper")
_FIT = ("estimator", "software", "test", "criterion", "aic", "bic", "r2", "r2_marginal", "r2_conditional", "icc")


@dataclass(frozen=True, slots=True)
class Effect:
    """One fixed effect; None for numbers that are not known.

    Attributes
    ----------
    estimate, std_error : float
        In units of y per unit of x.
    statistic, p : float
        t or z value, two-sided p-value.
    lower, upper : float
        Limits of its interval, by the distribution of the test.
    """

    estimate: float
    std_error: float | None = None
    statistic: float | None = None
    p: float | None = None
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True, slots=True)
class FitColumn:
    """What a table shows of one fit; None where its source does not say.

    Attributes
    ----------
    name : str
        Header.
    response : str or None
        The response's name.
    estimator : str
        ``"REML"``, ``"ML"``, ``"OLS"``, ``"WLS"`` or ``"GLS"``.
    software : str
        The package that fitted it.
    effects : dict of str to Effect
        Fixed effects by name.
    test : str
        The test of p-values and intervals, as a phrase; empty where there are none.
    errors : str
        Kind of the standard errors if they are not model-based; else empty.
    components : dict of (group, effect) to (variance, standard deviation)
        Random effects.
    correlations : dict of (group, effect, effect) to float
        Of the random effects.
    residual : (float, float)
        Variance and standard deviation.
    nobs : int or None
        Rows used.
    ngroups : dict of str to int
        Levels per grouping factor.
    criterion : float or None
        REML criterion, or -2 log L.
    aic, bic, r2, r2_marginal, r2_conditional, icc : float or None
        AIC and BIC count every variance parameter and the residual variance; ``r2`` is of a linear model.
    flags : tuple of str, or None
        ``"singular"``, ``"not certified"``, ``"not converged"``; empty if it has none, None if the source is silent.
    inputs : Inputs or None
        Fingerprints of the response and of the columns of X.
    """

    name: str
    response: str | None
    estimator: str
    software: str
    effects: Mapping[str, Effect]
    test: str
    components: Mapping[tuple[str, str], tuple[float, float]]
    correlations: Mapping[tuple[str, str, str], float]
    residual: tuple[float, float]
    nobs: int | None
    ngroups: Mapping[str, int] = field(default_factory=dict)
    criterion: float | None = None
    aic: float | None = None
    bic: float | None = None
    r2: float | None = None
    r2_marginal: float | None = None
    r2_conditional: float | None = None
    icc: float | None = None
    flags: tuple[str, ...] | None = None
    errors: str = ""
    inputs: Inputs | None = None

    @property
    def kind(self) -> Literal["REML", "ML"]:
        """Its likelihood: restricted (``"REML"``) or not (``"ML"``)."""
        return "REML" if self.estimator == "REML" else "ML"

    @property
    def is_mixed(self) -> bool:
        """Whether it is a mixed model."""
        return self.estimator in ("REML", "ML")


def effect_key(name: str) -> Key:
    """Return a key of a fixed effect that does not depend on the order in an interaction's name."""
    return tuple(sorted(match_key(part) for part in _parts(name)))


def component_key(group: str, *effects: str) -> Key:
    """Return a key of a variance or correlation; ``Subject.1``, a second term on Subject, has the key of Subject."""
    base, _, number = group.rpartition(".")
    plain = base if base and number.isdigit() else group
    return (":".join(sorted(plain.split(":"))), *sorted(map(match_key, effects)))


def _parts(name: str) -> list[str]:
    """Return the names that an interaction joins; a colon within brackets joins nothing."""
    parts, depth = [""], 0
    for c in name:
        depth += (c in "([") - (c in ")]")
        if c == ":" and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return parts


def to_unrounded_frame(columns: Sequence[FitColumn], effects: Mapping[Key, str]) -> pd.DataFrame:
    """Return a row per number, ``(part, name, statistic)``, and a column per fit; None where a fit does not say."""
    import pandas as pd

    records: dict[tuple[str, str, str], list[Any]] = {}

    def put(k: int, row: tuple[str, str, str], value: Any) -> None:
        records.setdefault(row, [None] * len(columns))[k] = value

    # Rows in the order of the printed table.
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
    """Return a `RoundedNumber` as a plain float; other values as they are."""
    return float(value) if isinstance(value, float) else value

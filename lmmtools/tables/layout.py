"""The rows of a table of fits: matched over the columns, ordered, named, unrounded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from lmmtools.errors import DataError
from lmmtools.report.table import TEXT, Cell, Framed, NumberFormat
from lmmtools.tables.column import component_key, effect_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from lmmtools.tables.column import Effect, FitColumn, Key

__all__ = ["BELOW", "STATISTICS", "Below", "Layout", "Row", "choose_effects", "make_rows", "merge_keys"]

Below: TypeAlias = Literal["std_error", "interval", "statistic", "p"]
BELOW: dict[str, str] = {
    "std_error": "Standard errors",
    "interval": "intervals",
    "statistic": "t or z values",
    "p": "p-values",
}
STATISTICS: dict[str, str] = {
    "criterion": "criterion",
    "loglik": "Log-likelihood",
    "aic": "AIC",
    "bic": "BIC",
    "r2": "R²",
    "icc": "ICC",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """What a table shows, and how.

    Attributes
    ----------
    below : str or None
        What stands below each coefficient.
    marks : tuple of (str, float)
        Marks of significance with the limit that p is below, smallest limit first.
    random : {"sd", "variance"} or None
        How random effects are shown; None for not at all.
    statistics : tuple of str
        Of `STATISTICS`, in order.
    digits : int
        Significant digits.
    decimals : int or None
        Decimals of coefficients, if fixed.
    keep, drop, order : tuple of str
        Names of fixed effects, as Python or R spells them; ``*`` stands for anything.
    labels : dict of str to str
        Name of a fixed effect, of an effect or of a grouping factor -> what to print.
    """

    below: str | None
    marks: tuple[tuple[str, float], ...]
    random: str | None
    statistics: tuple[str, ...]
    digits: int
    decimals: int | None
    keep: tuple[str, ...]
    drop: tuple[str, ...]
    order: tuple[str, ...]
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """One row: what it is, its numbers, and how they are shown.

    Attributes
    ----------
    part : str
        ``"fixed"``, ``"random"``, ``"size"``, ``"fit"``, ``"flags"``.
    label : str
        Header, may be empty.
    cells : tuple of (Cell or Framed)
        One per column of the table.
    numbers : NumberFormat
        How they are shown.
    """

    part: str
    label: str
    cells: tuple[Cell | Framed, ...]
    numbers: NumberFormat = TEXT


def make_rows(columns: Sequence[FitColumn], layout: Layout) -> list[Row]:
    """Return the rows of a table, top to bottom.

    Raises
    ------
    DataError
        If a name that is asked for is in no fit.
    """
    named = _Labels(columns, layout.labels)
    return [
        *_fixed_rows(columns, layout, named),
        *(_random_rows(columns, layout, named) if layout.random else ()),
        *_size_rows(columns, named),
        *_fit_rows(columns, layout),
        _flags_row(columns),
    ]


# -- fixed effects ------------------------------------------------------------------------------------------------


def choose_effects(columns: Sequence[FitColumn], layout: Layout) -> dict[Key, str]:
    """Return the fixed effects that are shown, in order: key -> name."""
    names = merge_keys([c.effects for c in columns], effect_key)
    chosen = names if not layout.keep else _found(names, layout.keep, "keep")
    dropped = _found(names, layout.drop, "drop")
    first = _found(names, layout.order, "order")
    chosen = {k: v for k, v in chosen.items() if k not in dropped}
    return {k: chosen[k] for k in [*(k for k in first if k in chosen), *(k for k in chosen if k not in first)]}


def _found(names: Mapping[Key, str], patterns: Sequence[str], option: str) -> dict[Key, str]:
    """Return {key: name} of the effects that match the patterns, in the patterns' order.

    Raises
    ------
    DataError
        If one stands for none.
    """
    found: dict[Key, str] = {}
    for pattern in patterns:
        wanted = effect_key(pattern)
        hits = {k: v for k, v in names.items() if k == wanted}
        if not hits and "*" in pattern:
            shape = re.compile(".*".join(map(re.escape, pattern.split("*"))))
            hits = {k: v for k, v in names.items() if shape.fullmatch(v) or shape.fullmatch(":".join(k))}
        if not hits:
            raise DataError(f"{option}: no fit has a fixed effect {pattern!r}; there are {', '.join(names.values())}")
        found |= hits
    return found


def merge_keys(tables: Iterable[Mapping[Any, Any]], key: Callable[[Any], Key]) -> dict[Key, Any]:
    """Return {key: name} over all tables; a name that only a later table has follows its predecessor there."""
    order: list[Key] = []
    names: dict[Key, Any] = {}
    for table in tables:
        place = -1
        for name in table:
            k = key(name)
            if k in names:
                place = max(place, order.index(k))
            else:
                place += 1
                order.insert(place, k)
                names[k] = name
    return {k: names[k] for k in order}


def _fixed_rows(columns: Sequence[FitColumn], layout: Layout, named: _Labels) -> Iterator[Row]:
    tables = [{effect_key(n): e for n, e in c.effects.items()} for c in columns]
    for k, name in choose_effects(columns, layout).items():
        effects = [t.get(k) for t in tables]
        share = f"coefficient {' '.join(k)}"
        numbers = NumberFormat("significant", layout.digits, share=share)
        if layout.decimals is not None:
            numbers = NumberFormat("correlation", layout.decimals, share=share)
        cells = tuple(None if e is None else Framed((e.estimate,), after=_mark(e, layout)) for e in effects)
        yield Row("fixed", named.effect(name), cells, numbers)
        if layout.below is not None:
            yield Row("fixed", "", tuple(_below(e, layout.below) for e in effects), _below_format(layout, numbers))


def _mark(effect: Effect, layout: Layout) -> str:
    """Return the mark of a p-value; empty if p is not defined."""
    p = effect.p
    return next((mark for mark, limit in layout.marks if p is not None and p < limit), "")


def _below(effect: Effect | None, below: str) -> Framed | None:
    if effect is None:
        return None
    if below == "interval":
        limits = (effect.lower, effect.upper)
        return None if limits[0] is None or limits[1] is None else Framed((limits[0], limits[1]), "[", "]")
    value: float | None = getattr(effect, below)
    return None if value is None else Framed((value,), "(", ")")


def _below_format(layout: Layout, numbers: NumberFormat) -> NumberFormat:
    if layout.below == "p":
        return NumberFormat("bounded", 3)
    return NumberFormat("correlation", 2) if layout.below == "statistic" else numbers


# -- random effects -----------------------------------------------------------------------------------------------


def _random_rows(columns: Sequence[FitColumn], layout: Layout, named: _Labels) -> Iterator[Row]:
    """Yield the variances or standard deviations and the correlations of each grouping factor; the residual last."""
    at = 1 if layout.random == "sd" else 0
    numbers = NumberFormat("significant", layout.digits)
    keys = merge_keys([{**c.components, **c.correlations} for c in columns], lambda name: component_key(*name))
    groups = list(dict.fromkeys(k[0] for k in keys))
    for group in groups:
        # Variances before correlations; both in the order of the fits.
        for k, name in sorted(((k, n) for k, n in keys.items() if k[0] == group), key=lambda item: len(item[0])):
            if len(name) == 2:
                pairs = [{component_key(*n): v for n, v in c.components.items()}.get(k) for c in columns]
                cells = tuple(None if pair is None else pair[at] for pair in pairs)
                yield Row("random", f"{named.group(name[0])}: {named.effect(name[1])}", cells, numbers)
            else:
                values = tuple({component_key(*n): v for n, v in c.correlations.items()}.get(k) for c in columns)
                label = f"{named.group(name[0])}: corr. {named.effect(name[1])}, {named.effect(name[2])}"
                yield Row("random", label, values, NumberFormat("correlation", 2))
    yield Row("random", "Residual", tuple(c.residual[at] for c in columns), numbers)


# -- size, fit, flags ---------------------------------------------------------------------------------------------


def _size_rows(columns: Sequence[FitColumn], named: _Labels) -> Iterator[Row]:
    yield Row("size", "Observations", tuple(c.nobs for c in columns), NumberFormat("correlation", 0))
    for k, name in merge_keys([c.ngroups for c in columns], lambda n: component_key(n)).items():
        cells = tuple({component_key(n): m for n, m in c.ngroups.items()}.get(k) for c in columns)
        yield Row("size", f"Levels of {named.group(name)}", cells, NumberFormat("correlation", 0))


def _fit_rows(columns: Sequence[FitColumn], layout: Layout) -> Iterator[Row]:
    if len({c.response for c in columns if c.response}) > 1:
        yield Row("fit", "Response", tuple(c.response for c in columns))
    yield Row("fit", "Fitted by", tuple(c.estimator for c in columns))
    if len({c.software for c in columns}) > 1:
        yield Row("fit", "Software", tuple(c.software for c in columns))
    for statistic in layout.statistics:
        yield from _STATISTICS[statistic](columns, layout)


def _likelihood_rows(label: str, value: Callable[[FitColumn], float | None]) -> Callable[..., Iterator[Row]]:
    """Return a function that yields one row for REML fits and one for ML fits, whose values do not compare."""

    def rows(columns: Sequence[FitColumn], layout: Layout) -> Iterator[Row]:
        for kind in ("REML", "ML"):
            cells = tuple(value(c) if c.kind == kind else None for c in columns)
            if any(cell is not None for cell in cells):
                shown = label or {"REML": "REML criterion", "ML": "-2 log-likelihood"}[kind]
                title = shown if not label else f"{shown} ({kind})"
                # One decimal, as in R: only differences of criteria have a meaning.
                yield Row("fit", title, cells, NumberFormat("correlation", 1 if layout.digits <= 4 else 3))

    return rows


def _share_rows(columns: Sequence[FitColumn], layout: Layout) -> Iterator[Row]:
    """Yield R2 of mixed models (Nakagawa and Schielzeth) and of linear models in separate rows."""
    for label, values in (
        ("R² marginal", [c.r2_marginal for c in columns]),
        ("R² conditional", [c.r2_conditional for c in columns]),
        ("R²", [c.r2 for c in columns]),
    ):
        if any(v is not None for v in values):
            yield Row("fit", label, tuple(values), NumberFormat("correlation", 3))


def _icc_rows(columns: Sequence[FitColumn], layout: Layout) -> Iterator[Row]:
    if any(c.icc is not None for c in columns):
        yield Row("fit", "ICC", tuple(c.icc for c in columns), NumberFormat("correlation", 3))


_STATISTICS: dict[str, Callable[..., Iterator[Row]]] = {
    "criterion": _likelihood_rows("", lambda c: c.criterion),
    "loglik": _likelihood_rows("Log-likelihood", lambda c: None if c.criterion is None else -0.5 * c.criterion),
    "aic": _likelihood_rows("AIC", lambda c: c.aic),
    "bic": _likelihood_rows("BIC", lambda c: c.bic),
    "r2": _share_rows,
    "icc": _icc_rows,
}


def _flags_row(columns: Sequence[FitColumn]) -> Row:
    cells = tuple(
        None if not c.is_mixed else "not said" if c.flags is None else ", ".join(c.flags) or "none" for c in columns
    )
    return Row("flags", "Flags", cells)


class _Labels:
    """Printed names of effects and grouping factors.

    Parameters
    ----------
    columns : sequence of FitColumn
    labels : mapping of str to str
        As Python or R spells the names.

    Raises
    ------
    DataError
        If a name is in no fit.
    """

    def __init__(self, columns: Sequence[FitColumn], labels: Mapping[str, str]) -> None:
        self._effects = {effect_key(name): text for name, text in labels.items()}
        self._groups = {component_key(name): text for name, text in labels.items()}
        effects = {effect_key(n): n for c in columns for n in c.effects}
        effects |= {effect_key(e): e for c in columns for _, e in c.components}
        groups = {component_key(g): g for c in columns for g in (*(g for g, _ in c.components), *c.ngroups)}
        for name in labels:
            if effect_key(name) not in effects and component_key(name) not in groups:
                known = ", ".join(dict.fromkeys([*effects.values(), *groups.values()]))
                raise DataError(f"labels: no fit has an effect or factor {name!r}; there are {known}")

    def effect(self, name: str) -> str:
        """Return the printed name of an effect."""
        shown = "(Intercept)" if effect_key(name) == ("(Intercept)",) else name
        return self._effects.get(effect_key(name), shown)

    def group(self, name: str) -> str:
        """Return the printed name of a grouping factor."""
        return self._groups.get(component_key(name), name)

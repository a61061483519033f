"""Variance components coded by intercepts, contrasts or numbers where indicators of levels were meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.design.findings import Finding
from lmmtools.formula.notation import write_text
from lmmtools.formula.terms import RandomTerm
from lmmtools.linting.alternatives import lowest_criterion, reading_terms

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

    from lmmtools.linting.call import DeclaredComponent, Side
    from lmmtools.linting.case import Case

__all__ = ["check"]


def check(case: Case) -> Iterator[Finding]:
    """Yield findings on the formulas of variance components."""
    if case.call is not None:
        coded = {c.name for c in case.reading.components if c.kind == "reference-coded"} if case.reading else set()
        coded -= _find_shared(case)
        for component in case.call.components:
            if component.name not in coded:
                yield from _intercept(case, component)
            yield from _number(case, component)
            yield from _shared(case, component)
    if case.reading is not None:
        for found in case.reading.components:
            # Of several kinds of effects, some are contrasts because the others are there.
            if found.kind == "reference-coded" and found.name not in _find_shared(case):
                name = ":".join(found.factors) or found.name
                labels = ":".join(f"C({f})" for f in found.factors or (found.name,))
                yield Finding(
                    "reference-coded",
                    "error",
                    f"{found.name} codes {name} by contrasts with a reference level, which has no effect of its own: "
                    "the variance is that of differences from it, and changes with the choice of reference.",
                    _write_components(case, found.name, {found.name: f"0 + {labels}"}),
                )


def _intercept(case: Case, component: DeclaredComponent) -> Iterator[Finding]:
    side = component.side
    if side is None or not side.intercept or not side.factors:
        return
    factors = ":".join(f"C({f})" for f in side.factors)
    is_own = case.call is not None and case.call.groups in side.factors
    where = (
        f" Within {case.call.groups} it is the only level, so that the intercept stands for it."
        if is_own and case.call is not None
        else ""
    )
    yield Finding(
        "intercept-inside",
        "warning",
        f"{component.name}: {side.text!r} has an intercept beside the levels of {', '.join(side.factors)}: a column of "
        f"ones, and contrasts with a reference level in place of indicators, all with one variance.{where}",
        _write_components(case, component.name, {component.name: f"0 + {factors}"})
        + (', or re_formula="1" for the groups' if is_own else ""),
    )


def _number(case: Case, component: DeclaredComponent) -> Iterator[Finding]:
    """Yield a finding for every column of whole numbers that look like labels and are used as a covariate."""
    side, call = component.side, case.call
    if side is None or call is None:
        return
    for part in side.parts:
        if part.factors or len(part.variables) != 1:
            continue
        name = part.variables[0]
        is_number = call.kinds.get(name) == "number"
        column = case.frame[name] if case.frame is not None and name in case.frame.columns else None
        if column is not None:
            is_number = _looks_like_labels(column)
        if is_number and name not in case.fixed_columns:
            if column is not None and not _is_better_as_labels(case, name):
                continue
            seen = f" {column.nunique()} whole numbers in {len(column)} rows." if column is not None else ""
            yield Finding(
                "number-as-slope",
                "error" if column is not None else "warning",
                f"{component.name}: {side.text!r} takes {name} for a covariate, one random slope for each group, "
                f"because its values are numbers.{seen} It is not in the fixed effects, as a covariate would be.",
                _write_components(case, component.name, {component.name: f"0 + C({name})"}),
            )


def _shared(case: Case, component: DeclaredComponent) -> Iterator[Finding]:
    """Yield a finding for a component whose effects are of several kinds, an intercept and a slope, or two factors."""
    side, call = component.side, case.call
    if side is None or call is None or not _is_shared(side):
        return
    is_one_group = call.is_one_group or (case.reading is not None and case.reading.n_groups == 1)
    # In one group, what has no factor is one effect, which has no variance.
    parts = [p for p in side.parts if p.factors or not is_one_group] or side.parts
    texts = [":".join((*(f"C({f})" for f in p.factors), *p.variables)) for p in parts]
    apart = {f"{component.name} {text}": f"0 + {text}" for text in texts}
    if side.intercept and not side.factors and not is_one_group:
        apart = {component.name: "1", **apart}
    yield Finding(
        "shared-variance",
        "warning",
        f"{component.name}: {side.text!r} has effects of several kinds, and a component has one variance: they "
        "all have the same by declaration, and the fit depends on the units of a covariate.",
        _write_components(case, component.name, apart),
    )


def _is_shared(side: Side) -> bool:
    """Whether a component has effects of several kinds; an intercept beside levels is a finding of its own."""
    return len(side.parts) + (side.intercept and not side.factors) > 1


def _find_shared(case: Case) -> set[str]:
    """Return the names of the components that have effects of several kinds."""
    declared = case.call.components if case.call is not None else ()
    return {c.name for c in declared if c.side is not None and _is_shared(c.side)}


def _write_components(case: Case, name: str, changed: Mapping[str, str]) -> str:
    """Return the argument with all components of a call, others in the place of the one of a name."""
    declared = dict(case.call.vc_formula or {}) if case.call is not None else {}
    entries: dict[str, str] = {}
    for key, text in declared.items():
        entries |= changed if key == name else {key: text}
    written = ", ".join(f"{write_text(k)}: {write_text(v)}" for k, v in (entries or changed).items())
    return f"{case.call.components_name if case.call is not None else 'vc_formula'}={{{written}}}"


def _is_better_as_labels(case: Case, name: str) -> bool:
    """Whether a random slope of a column does not fit better than its values as labels."""
    reading = case.reading
    if reading is None:
        return True
    terms = reading_terms(reading)
    group = (reading.group,) if reading.n_groups > 1 else ()
    labels = [RandomTerm(True, (), (*group, name)) if t.variables == (name,) and not t.intercept else t for t in terms]
    now, then = lowest_criterion(case, terms), lowest_criterion(case, labels)
    return now is None or then is None or then <= now


def _looks_like_labels(column: pd.Series) -> bool:
    """Whether numbers are whole, and each occurs more than once on average."""
    if column.dtype.kind not in "iu" and not (column.dtype.kind == "f" and bool((column.dropna() % 1 == 0).all())):
        return False
    return 2 < column.nunique() <= len(column) / 2

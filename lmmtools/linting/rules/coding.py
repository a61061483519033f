"""Variance components coded by intercepts, contrasts or numbers where indicators of levels were meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.design.findings import Finding
from lmmtools.formula.notation import write_text
from lmmtools.formula.terms import RandomTerm
from lmmtools.linting.alternatives import lowest_criterion, reading_terms

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from lmmtools.linting.call import DeclaredComponent
    from lmmtools.linting.case import Case

__all__ = ["check"]


def check(case: Case) -> Iterator[Finding]:
    """Yield findings on the formulas of variance components."""
    if case.call is not None:
        coded = {c.name for c in case.reading.components if c.kind == "reference-coded"} if case.reading else set()
        for component in case.call.components:
            if component.name not in coded:
                yield from _intercept(case, component)
            yield from _number(case, component)
    if case.reading is not None:
        for found in case.reading.components:
            if found.kind == "reference-coded":
                name = ":".join(found.factors) or found.name
                yield Finding(
                    "reference-coded",
                    "error",
                    f"{found.name} codes {name} by contrasts with a reference level, which has no effect of its own: "
                    "the variance is that of differences from it, and changes with the choice of reference.",
                    f"vc_formula={{{write_text(found.name)}: {write_text(f'0 + C({name})')}}}",
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
        f"{case.call.components_name if case.call else 'vc_formula'}="
        f"{{{write_text(component.name)}: {write_text(f'0 + {factors}')}}}"
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
                f"{call.components_name}={{{write_text(component.name)}: {write_text(f'0 + C({name})')}}}",
            )


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

"""The model that the text of a MixedLM call declares, in lme4's notation."""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.formula.notation import write_expression, write_term
from lmmtools.formula.terms import RandomTerm
from lmmtools.linting.call import read_side, split_formula

# What is left of columns that others span, relative to their size.
SPANNED = 1e-8

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lmmtools.linting.call import DeclaredComponent, MixedLMCall, Part, Side
    from lmmtools.linting.case import Case

__all__ = ["name_model", "read_as", "read_random", "unread_arguments"]

# Arguments that decide which model a call fits.
_FORMULA_ARGUMENTS = ("formula", "groups", "re_formula", "vc_formula")
_BAYES_ARGUMENTS = ("formula", "vc_formula")
_ARRAY_ARGUMENTS = ("groups", "exog_re", "exog_vc")
# Of components whose columns may be numbers or labels, each doubles the readings.
_MOST_READINGS = 4
_NAME = re.compile(r"[^\W\d]\w*")
_BAR_IN_PARENTHESES = re.compile(r"\(([^()|]*\|[^()]*)\)")


def name_model(case: Case) -> tuple[str, str]:
    """Return the formula of a model in lme4's notation; where the notation has no such model, "" and why.

    Effects of one level that the fixed effects contain do not count: whatever their variance, the fit is the same.
    """
    reading = case.reading
    assert reading is not None
    terms: dict[RandomTerm, None] = {}
    reasons = [f"{c.name}: {caveat}" for c in reading.components for caveat in c.caveats]
    for component in reading.components:
        for piece in component.pieces:
            if piece.m == 1:
                if not _is_spanned(piece.basis, case.model.exog):
                    reasons.append(f"{component.name} has random effects of one level alone")
                continue
            terms[piece.term] = None
            columns = set(map(str, reading.frame.columns)) if reading.frame is not None else set(component.factors)
            reasons += [f"{component.name}: {f} is no column" for f in component.factors if f not in columns]
    if reasons:
        return "", f"lme4's notation has no such model. {'; '.join(dict.fromkeys(reasons))}."
    return f"{reading.response} ~ {' + '.join([reading.fixed, *map(write_term, terms)])}", ""


def _is_spanned(columns: NDArray[np.float64], by: NDArray[np.float64]) -> bool:
    """Whether columns are combinations of others."""
    rest = columns - by @ np.linalg.lstsq(by, columns, rcond=None)[0]
    return bool(np.linalg.norm(rest) <= SPANNED * np.linalg.norm(columns))


def unread_arguments(call: MixedLMCall) -> tuple[tuple[str, str], ...]:
    """Return the arguments that decide the model and that the text does not show, each with where it comes from."""
    names = {"arrays": _ARRAY_ARGUMENTS, "bayes": _BAYES_ARGUMENTS}.get(call.api, _FORMULA_ARGUMENTS)
    hidden = [n for n in names if n in call.unknown or ("**" in call.unknown and n not in call.given)]
    return tuple((call.components_name if n == "vc_formula" else n, call.origins.get(n, "")) for n in hidden)


def read_as(call: MixedLMCall) -> tuple[str, ...]:
    """Return the formulas in lme4's notation that the text of a call may stand for.

    None where the text does not show the random effects, or where lme4 has no notation for them. What it does not
    show of the fixed effects is written ``?``.
    """
    fixed = " ".join(f"{_write_response(call)} ~ {_write_fixed(call)}".split())
    return tuple(" + ".join([fixed, *map(write_term, terms)]) for terms in read_random(call))


def read_random(call: MixedLMCall) -> list[tuple[RandomTerm, ...]]:
    """Return the readings of the random effects, one or several; none where the text or lme4's notation lacks them."""
    hidden = {name for name, _ in unread_arguments(call)} - {"formula"}
    own = (call.groups,) if call.groups is not None else call.groups_parts
    if hidden or not (own or call.is_one_group):
        return []
    group = () if call.is_one_group else own
    parts: list[list[tuple[RandomTerm, ...]]] = []
    if call.re_formula is not None or not call.vc_formula:
        side = read_side(call.re_formula or "1")
        if side is None:
            return []
        parts.append([tuple(_own_terms(side, group))])
    for component in call.components:
        readings = _component_readings(component, call, group)
        if not readings:
            return []
        parts.append(readings)
    if len(list(product(*parts))) > _MOST_READINGS:
        return []
    return list(dict.fromkeys(tuple(dict.fromkeys(t for part in way for t in part)) for way in product(*parts)))


def _own_terms(side: Side, group: tuple[str, ...]) -> Iterator[RandomTerm]:
    variables = tuple(":".join((*(f"C({f})" for f in p.factors), *p.variables)) for p in side.parts)
    if group and (side.intercept or variables):
        yield RandomTerm(side.intercept, variables, group)


def _component_readings(
    component: DeclaredComponent, call: MixedLMCall, group: tuple[str, ...]
) -> list[tuple[RandomTerm, ...]]:
    """Return the terms that a component may stand for: several where a column may hold numbers or labels."""
    side = component.side
    # Columns of several terms share one variance, which lme4's notation cannot say.
    if side is None or len(side.parts) + side.intercept > 1:
        return []
    if not side.parts:
        return [(RandomTerm(True, (), group),)] if group and side.intercept else [()]
    part = side.parts[0]
    open_names = [v for v in part.variables if _may_hold_labels(v, call)]
    ways = [()] if not open_names else [(), tuple(open_names)]
    labels = {v for v in part.variables if call.kinds.get(v) in ("text", "category")}
    return [(_component_term(part, labels | set(extra), group),) for extra in ways]


def _may_hold_labels(variable: str, call: MixedLMCall) -> bool:
    """Whether the text leaves open if a variable without ``C()`` holds numbers or labels."""
    if variable in call.kinds or not _NAME.fullmatch(variable):
        return False
    fixed = call.fixed
    return fixed is None or not any(variable in p.variables for p in fixed.parts)


def _component_term(part: Part, labels: set[str], group: tuple[str, ...]) -> RandomTerm:
    own = (*part.factors, *(v for v in part.variables if v in labels))
    slopes = tuple(v for v in part.variables if v not in labels)
    factors = own if set(group) & set(own) else (*group, *own)
    variables = (":".join(slopes),) if slopes else ()
    return RandomTerm(not variables, variables, factors)


def _write_response(call: MixedLMCall) -> str:
    parts = split_formula(call.formula) if call.formula is not None else None
    return write_expression((parts[0] if parts else call.shown_response) or "?")


def _write_fixed(call: MixedLMCall) -> str:
    parts = split_formula(call.formula) if call.formula is not None else None
    text = parts[1] if parts else call.shown_fixed
    # A bar within the fixed part is Python's bitwise or: the name of a column, and no random effect.
    return write_expression(_BAR_IN_PARENTHESES.sub(r"`\1`", text)) if text else "?"

"""Notation that MixedLM does not accept: lme4's bars in formulas, and several columns as groups."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from lmmtools.design.findings import Finding
from lmmtools.errors import FormulaError
from lmmtools.formula.expressions import fold_calls
from lmmtools.formula.foreign import read_structures
from lmmtools.formula.parser import parse
from lmmtools.formula.terms import RandomTerm
from lmmtools.formula.tokens import tokenize
from lmmtools.linting.alternatives import write_model
from lmmtools.linting.call import is_formula, split_formula
from lmmtools.linting.readings import read_random

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmmtools.linting.call import MixedLMCall
    from lmmtools.linting.case import Case

__all__ = ["check"]


def check(case: Case) -> Iterator[Finding]:
    """Yield findings on bars in formulas and on lists of groups."""
    call = case.call
    if call is None:
        return
    yield from _check_bars(case, call)
    if case.reading is not None:
        return
    yield from _check_listed_groups(case, call)
    if call.groups is not None and is_formula(call.groups) and (case.frame is None or call.groups not in case.frame):
        factor = call.groups.removeprefix("C(").removesuffix(")") if call.groups.startswith("C(") else call.groups
        yield Finding(
            "groups-formula",
            "warning",
            f"groups={call.groups!r} reads as a formula. MixedLM takes groups for the name of one column, and fails "
            "unless the data have a column of that name.",
            _write_model_of_groups(case, call, factor),
        )


def _write_model_of_groups(case: Case, call: MixedLMCall, factor: str) -> str:
    parts = [f"(1 | {part.strip()})" for part in re.split(r"[+*|]", factor)]
    try:
        terms = parse(f"y ~ 1 + {' + '.join(parts)}").random
    except FormulaError:
        return "Write the name of a column."
    return write_model(replace(case, call=replace(call, groups=None)), terms)


def _check_bars(case: Case, call: MixedLMCall) -> Iterator[Finding]:
    sides = split_formula(call.formula or "")
    texts = {"the formula": sides[1] if sides else "", "re_formula": call.re_formula or ""}
    texts |= {f"vc_formula[{name!r}]": text for name, text in (call.vc_formula or {}).items()}
    found = {where: text for where, text in texts.items() if _has_bar(text)}
    if not found:
        return
    named = " and ".join(f"{where} ({text!r})" for where, text in found.items())
    yield Finding(
        "bar-in-formula" if "the formula" in found else "lme4-bars",
        "error",
        f"There is a bar of lme4's in {named}. MixedLM's formulas have no bars: patsy takes | for Python's 'or' of two "
        "columns, which fails, or makes one column of numbers among the fixed effects and no random effect. Groups "
        "stand in groups=, effects in re_formula and vc_formula.",
        _write_model_of_bars(case, call, found),
    )


def _has_bar(text: str) -> bool:
    try:
        tokens = fold_calls(read_structures(tokenize(text), text), text, trusted=True)
    except FormulaError:
        # Text that cannot be parsed may have a bar all the same.
        return "|" in text.replace("I(", "").partition("(")[2] and "I(" not in text
    return any(t.is_operator("|", "||") for t in tokens)


def _write_model_of_bars(case: Case, call: MixedLMCall, found: dict[str, str]) -> str:
    """Return code of the model that the bars declare."""
    if call.api == "bayes":
        return '# Write each factor as a component:\nvc_formulas={"g": "0 + C(g)"}'
    try:
        terms = [t for text in found.values() for t in parse(f"y ~ 1 + ({text.strip().removeprefix('~')})").random]
        has_bar = "the formula" in found
        model = parse(call.formula or "") if has_bar else None
    except FormulaError:
        return 'Write the model as lme4 does: lmt.lmm("y ~ x + (1 | g)", data)'
    formula = call.formula if model is None else f"{model.response} ~ {model.fixed}"
    plain = replace(call, formula=formula, re_formula=None, vc_formula=None)
    declared = [t for t in next(iter(read_random(plain)), ()) if all(t.factors != other.factors for other in terms)]
    bare = replace(case, call=plain, model=None, reading=None)
    return write_model(bare, list(dict.fromkeys([*declared, *terms])))


def _check_listed_groups(case: Case, call: MixedLMCall) -> Iterator[Finding]:
    names = call.groups_list
    if not names or (case.frame is not None and not set(names) <= set(map(str, case.frame.columns))):
        return
    if len(names) == 1:
        message = f"groups=[{names[0]!r}] is a list, which MixedLM takes for the groups of its rows, one for each."
        terms: tuple[RandomTerm, ...] = (RandomTerm(True, (), names),)
    else:
        message = (
            f"groups is a list of {len(names)} columns. MixedLM takes one column; of a list it takes the names for the "
            "groups of its rows, one for each, and fails. Crossed factors are variance components in one group that "
            "holds all rows:"
        )
        terms = tuple(RandomTerm(True, (), (name,)) for name in names)
    yield Finding(
        "groups-not-one-column", "error", message, write_model(replace(case, call=replace(call, groups_list=())), terms)
    )

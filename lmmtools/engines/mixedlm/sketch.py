"""The MixedLM call of a formula without its data: right for any data, though not as fast as `spec` can make it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.engines.mixedlm.spec import OPTIMISER, is_elementary, is_plain_name
from lmmtools.errors import TranslationError
from lmmtools.formula.expressions import respell
from lmmtools.formula.notation import write_comment

if TYPE_CHECKING:
    from lmmtools.formula.terms import ModelFormula, RandomTerm

__all__ = ["sketch_call"]


def sketch_call(formula: ModelFormula) -> str:
    """Return runnable statsmodels code for a formula, given a DataFrame ``data`` of complete cases.

    The groups are the factor that all terms share, as batch in ``(1|batch/cask)``; where there is none, all rows are
    one group. Only data can show whether a finer grouping would do.

    Raises
    ------
    TranslationError
        If MixedLM cannot express the model for all data, or data are needed to write it.
    """
    for text in (formula.response, formula.fixed, *(t.basis for t in formula.random)):
        if not is_elementary(respell(text, lambda name: "x")):
            raise TranslationError(f"{text!r} is no sum of columns: give the data to translate it for MixedLM.")
    if formula.offsets:
        raise TranslationError("MixedLM has no offset: give the data, and it is subtracted from the response.")
    outer = next((t for t in formula.random if all(set(t.factors) <= set(u.factors) for u in formula.random)), None)
    lines, groups = _write_groups(outer)
    inside = frozenset(outer.factors) if outer is not None else frozenset[str]()
    re_formula, rest = _take_group_effects(formula, inside)
    vc_formula = {" ".join((term.group, *term.variables)): _write_component(term, inside) for term in rest}
    arguments = [repr(f"{_spell(formula.response)} ~ {_spell(formula.fixed)}"), "data", f"groups={groups!r}"]
    arguments += [f"re_formula={re_formula!r}"] if re_formula else []
    arguments += [f"vc_formula={vc_formula!r}"] if vc_formula else []
    call = ",\n    ".join(arguments)
    return "\n".join(
        [
            "import statsmodels.formula.api as smf",
            "",
            *lines,
            f"model = smf.mixedlm(\n    {call},\n)",
            f"result = model.fit(reml=True, {OPTIMISER})",
        ]
    )


def _write_groups(outer: RandomTerm | None) -> tuple[list[str], str]:
    """Return the code that makes the groups, and their column."""
    if outer is None:
        note = "# the factors may cross: one group holds all rows, each factor is a variance component"
        return [note, 'data["all_rows"] = 1'], "all_rows"
    if len(outer.factors) == 1:
        return [write_comment(f"everything else lies within {outer.group}: its levels are the groups")], outer.group
    name = "_".join(outer.factors)
    return [f"data[{name!r}] = data.groupby({list(outer.factors)!r}, observed=True).ngroup()"], name


def _take_group_effects(formula: ModelFormula, inside: frozenset[str]) -> tuple[str | None, list[RandomTerm]]:
    """Return the formula of the groups' own effects, and the terms that are left."""
    own = [t for t in formula.random if frozenset(t.factors) == inside]
    vectors = [t for t in formula.random if t.intercept + len(t.variables) > 1]
    for t in vectors:
        if t not in own or len(vectors) > 1:
            raise TranslationError(
                f"{t} has no MixedLM form here: MixedLM has one set of correlated effects, for the grouping that "
                f'defines its groups.\nUse engine="pls", or write ({" + ".join(t.variables)} || {t.group}).'
            )
    chosen = next(iter(vectors), None) or next((t for t in own if not t.variables), None)
    if chosen is None:
        return None, list(formula.random)
    rest = list(formula.random)
    rest.remove(chosen)
    return _spell(chosen.basis), rest


def _write_component(term: RandomTerm, inside: frozenset[str]) -> str:
    """Return the formula of a variance component inside the groups."""
    parts = [f"C({_spell_name(f)})" for f in term.factors if f not in inside]
    parts += [_spell(v) for v in term.variables]
    return f"0 + {':'.join(parts)}" if parts else "1"


def _spell(text: str) -> str:
    """Return an expression in patsy's spelling."""
    return respell(text, _spell_name)


def _spell_name(name: str) -> str:
    """Return a column's name in patsy's spelling."""
    return name if is_plain_name(name) else f"Q({name!r})"

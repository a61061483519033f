"""What a script does with figures of results: variances added, likelihoods compared, names given."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

from lmmtools.linting.call import split_formula
from lmmtools.linting.script.unknowns import figures_in
from lmmtools.linting.script.values import Params, ResultRef, Thing

if TYPE_CHECKING:
    from lmmtools.linting.call import MixedLMCall
    from lmmtools.linting.script.interpreter import Interpreter

__all__ = ["note_arithmetic", "note_comparison", "note_name", "note_sum", "read_figure", "vary"]

_PARAMS = ("params", "bse", "pvalues", "tvalues")
_FIGURES = ("cov_re", "vcomp", "scale", "fittedvalues", "llf")
_CRITERIA = ("aic", "bic")
_VARIANCES = frozenset({"var", "nanvar", "variance", "pvariance"})
# Words in a name that say that what it holds is without the random effects.
_WITHOUT_MODES = re.compile(r"(?:^|_)(?:pop|population|marginal|fixed|fixef|fixedeffects)(?:_|$)", re.IGNORECASE)


def read_figure(reader: Interpreter, result: ResultRef, node: ast.expr, name: str) -> Any:
    """Return ``result.name``."""
    if name == "model":
        return result.model
    if name in _PARAMS:
        return Params(result, name)
    if name in _CRITERIA and result.is_reml:
        reader.register.add_use(result, "reml-aic", reader.cell, node)
    key = ("node", id(node))
    return Thing(key, key, node, figures=frozenset({(result, name)}) if name in _FIGURES else frozenset())


def vary(name: str, made: Thing) -> Thing:
    """Return what a function of this name makes of figures: of fitted values, their variance."""
    if name not in _VARIANCES or not made.figures:
        return made
    figures = frozenset((r, "variance of fittedvalues" if n == "fittedvalues" else n) for r, n in made.figures)
    return Thing(made.key, made.rows, made.node, made.origin, holds=made.holds, figures=figures)


def note_arithmetic(reader: Interpreter, node: ast.BinOp, left: Any, right: Any) -> None:
    """Record sums and shares of variances that leave a part out, or count one twice."""
    if isinstance(node.op, ast.Add):
        note_sum(reader, node, left, right)
    elif isinstance(node.op, ast.Div):
        below = figures_in(right)
        for result in {r for r, n in below if n == "scale"}:
            names = {n for r, n in below if r == result}
            if "cov_re" in names and not names & {"vcomp", "params"}:
                reader.register.add_use(result, "vcomp-forgotten", reader.cell, node)


def note_sum(reader: Interpreter, node: ast.expr, *parts: Any) -> None:
    """Record a sum of the variance of fitted values and of the random effects that they contain."""
    found = figures_in(*parts)
    for result in {r for r, n in found if n == "variance of fittedvalues"}:
        if any(r.model.number == result.model.number and n in ("cov_re", "vcomp", "params") for r, n in found):
            reader.register.add_use(result, "fitted-as-fixed", reader.cell, node)


def note_comparison(reader: Interpreter, node: ast.expr, left: Any, right: Any) -> None:
    """Record that log-likelihoods of REML fits with different fixed effects are compared."""
    first, second = ({r for r, n in figures_in(v) if n == "llf" and r.is_reml} for v in (left, right))
    for a in first - second:
        for b in second - first:
            pair = _differing_pair(reader, a, b)
            if pair is not None:
                later, other = max((a, pair[1]), (b, pair[0]), key=lambda way: way[0].model.number)
                reader.register.add_use(later, "reml-compared", reader.cell, node, other)


def _differing_pair(reader: Interpreter, a: ResultRef, b: ResultRef) -> tuple[str, str] | None:
    """Return the fixed effects of two results if they differ beside the same response; None if they may not."""
    firsts, seconds = reader.register.calls_of(a), reader.register.calls_of(b)
    sides = [{_sides(c) for c in calls} for calls in (firsts, seconds)]
    if any(len(s) != 1 or None in s for s in sides):
        return None
    (response, fixed), (other_response, other_fixed) = (next(iter(s)) or ("", "") for s in sides)
    if response != other_response or fixed == other_fixed:
        return None
    first, second = (c.fixed_text or c.shown_fixed or "" for c in (firsts[0], seconds[0]))
    return first, second


def _sides(call: MixedLMCall) -> tuple[str, str] | None:
    """Return response and fixed effects of a call, both as text without blanks; None if they are not shown."""
    parts = split_formula(call.formula) if call.formula is not None else None
    response, fixed = parts or (call.shown_response, call.shown_fixed)
    if response is None or fixed is None or "?" in fixed:
        return None
    terms = sorted("".join(t.split()) for t in fixed.split("+"))
    return response, "+".join(t for t in terms if t != "1")


def note_name(reader: Interpreter, name: str, value: Any) -> None:
    """Record that fitted values get a name that says that they are those of the fixed effects alone."""
    if not isinstance(value, Thing) or value.node is None or _WITHOUT_MODES.search(name) is None:
        return
    if len(value.figures) == 1:
        for result, figure in value.figures:
            if figure in ("fittedvalues", "variance of fittedvalues"):
                reader.register.add_use(result, "fitted-as-fixed", reader.cell, value.node)

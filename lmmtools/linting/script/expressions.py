"""Expressions of a script -> values, each kind of expression by a function; nothing is run."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

from lmmtools.linting.script import frames, texts
from lmmtools.linting.script.assigning import bind
from lmmtools.linting.script.classes import member_of_parents
from lmmtools.linting.script.containers import CONTAINERS
from lmmtools.linting.script.figures import note_arithmetic, note_comparison, read_figure
from lmmtools.linting.script.functions import define
from lmmtools.linting.script.unknowns import truth, unknown
from lmmtools.linting.script.values import (
    MAX_SIZE,
    Dotted,
    Estimate,
    Function,
    Instance,
    Params,
    Parents,
    ResultRef,
    Text,
    Thing,
    choose,
    is_constant,
    is_scalar,
    lift,
)

if TYPE_CHECKING:
    from lmmtools.linting.script.interpreter import Interpreter
    from lmmtools.linting.script.values import Scope

__all__ = ["BARE", "CUSTOMARY", "HANDLERS", "attribute", "combine", "other", "subscript"]

# Customary names of statsmodels: a part of a notebook may use them without the import.
CUSTOMARY = {"smf": "statsmodels.formula.api", "sm": "statsmodels.api", "statsmodels": "statsmodels"}
BARE = {"mixedlm": "statsmodels.formula.api.mixedlm", "MixedLM": "statsmodels.api.MixedLM"}
# Longer integers take part in no model, and Python refuses to write them.
_MOST_BITS = 1024
_VARIANCE = re.compile(r".* (?:Var|Cov)")
_CALLABLE_NAMES = ("mixedlm", "MixedLM", "formula", "api", "from_formula", "regression", "mixed_linear_model")


def _constant(reader: Interpreter, node: ast.Constant, scope: Scope) -> Any:
    value = node.value
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return unknown(node)
    if isinstance(value, str):
        # A lone surrogate, '\\ud800', cannot be printed.
        return value if len(value) <= MAX_SIZE and _is_encodable(value) else unknown(node)
    return value if value is None or is_scalar(value) else unknown(node)


def _is_encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _name(reader: Interpreter, node: ast.Name, scope: Scope) -> Any:
    if node.id in scope.values:
        return scope.get(node.id)
    path = CUSTOMARY.get(node.id) or BARE.get(node.id)
    return Dotted(path) if path else Thing(("name", node.id), ("name", node.id), node)


def _joined(reader: Interpreter, node: ast.JoinedStr, scope: Scope) -> Any:
    pieces = []
    for part in node.values:
        value = reader.evaluate(part, scope)
        pieces.append(value)
    return lift(lambda *p: texts.join_parts([texts.write(v) for v in p]), *pieces)


def _formatted(reader: Interpreter, node: ast.FormattedValue, scope: Scope) -> Any:
    value = reader.evaluate(node.value, scope)
    if node.format_spec is not None or node.conversion not in (-1, 115):
        return Text((None,))
    return lift(texts.write, value)


def _binary(reader: Interpreter, node: ast.BinOp, scope: Scope) -> Any:
    left, right = reader.evaluate(node.left, scope), reader.evaluate(node.right, scope)
    return combine(reader, node, left, right)


def combine(reader: Interpreter, node: ast.BinOp, left: Any, right: Any) -> Any:
    """Return ``left op right``, on each way to them, and record what it does with figures of results."""
    note_arithmetic(reader, node, left, right)
    return lift(lambda a, b: operate(reader, node, a, b), left, right)


def operate(reader: Interpreter, node: ast.BinOp, left: Any, right: Any) -> Any:
    """Return ``left op right``."""
    op = node.op
    note_comparison(reader, node, left, right)
    if any(isinstance(v, Estimate) for v in (left, right)) or reader.register.is_tracked(left, right):
        return _operate_estimates(reader, node, left, right)
    if isinstance(op, ast.Add):
        if texts.is_text(left) and texts.is_text(right):
            return texts.join_parts([left, right])
        if isinstance(left, tuple) and isinstance(right, tuple):
            return left + right if len(left) + len(right) <= MAX_SIZE else unknown(node)
        joined = frames.join_labels(left, right, ("node", id(node)), node)
        if joined is not None:
            return joined
        if (isinstance(left, str) and isinstance(right, Thing)) or (isinstance(right, str) and isinstance(left, Thing)):
            operand = left if isinstance(left, Thing) else right
            if isinstance(operand, Thing) and operand.column is None and not operand.is_frame:
                return texts.join_parts([texts.write(left), texts.write(right)])
    if isinstance(op, ast.Mod) and isinstance(left, str):
        return texts.format_percent(left, right)
    if isinstance(op, ast.Mult):
        items, times = (left, right) if isinstance(left, tuple) else (right, left)
        if isinstance(items, tuple) and not isinstance(times, tuple):
            is_one = bool(items) and is_constant(items) and len(set(map(str, items))) == 1
            return unknown(node, times, kind="constant" if is_one else "")
    if isinstance(op, ast.BitOr) and isinstance(left, dict) and isinstance(right, dict):
        return {**left, **right}
    is_mask = isinstance(op, ast.BitAnd | ast.BitOr)
    made = unknown(node, left, right, kind="mask" if is_mask else "")
    return _same_rows(made, left, right)


def _same_rows(made: Thing, *operands: Any) -> Thing:
    """Return a Thing with the rows of its operands, where these have the same."""
    rows = {o.rows for o in operands if isinstance(o, Thing)}
    if len(rows) != 1:
        return made
    return Thing(
        made.key,
        rows.pop(),
        made.node,
        made.origin,
        kind=made.kind,
        holds=made.holds,
        is_dropped=made.is_dropped,
        figures=made.figures,
    )


def _operate_estimates(reader: Interpreter, node: ast.BinOp, left: Any, right: Any) -> Any:
    """Return a sum, product or ratio of variances read from ``params``, which are divided by the scale."""
    both = [v for v in (left, right) if isinstance(v, Estimate)]
    uses = frozenset(u for v in both for u in v.uses)
    if isinstance(node.op, ast.Mult) and (_is_scale(left) or _is_scale(right)):
        reader.register.clear_uses(right if _is_scale(left) else left)
        return _without_uses(unknown(node, left, right))
    if isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.Div) and both:
        is_plain = all(isinstance(v, Estimate | int | float) for v in (left, right))
        if isinstance(node.op, ast.Div) and len(both) == 2:
            # A ratio of two variances does not depend on the scale.
            reader.register.clear_uses(both[0], both[1])
            return unknown(node)
        if is_plain:
            return Estimate(uses, both[0].result)
    return unknown(node, left, right)


def _is_scale(value: Any) -> bool:
    """Whether a value is the residual variance of a result."""
    return isinstance(value, Thing) and bool(value.figures) and all(name == "scale" for _, name in value.figures)


def _without_uses(made: Thing) -> Thing:
    return Thing(made.key, made.rows, made.node, made.origin, figures=made.figures)


def _unary(reader: Interpreter, node: ast.UnaryOp, scope: Scope) -> Any:
    value = reader.evaluate(node.operand, scope)
    if isinstance(node.op, ast.USub) and isinstance(value, int | float):
        return -value
    if isinstance(node.op, ast.Not):
        return lift(lambda v: unknown(node) if (t := truth(v)) is None else not t, value)
    return unknown(node, value, kind="mask" if isinstance(node.op, ast.Invert) else "")


def _bool(reader: Interpreter, node: ast.BoolOp, scope: Scope) -> Any:
    values = [reader.evaluate(v, scope) for v in node.values]
    is_or = isinstance(node.op, ast.Or)

    def decide(*operands: Any) -> Any:
        for operand in operands[:-1]:
            known = truth(operand)
            if known is None:
                return unknown(node, *operands)
            if known == is_or:
                return operand
        return operands[-1]

    return lift(decide, *values)


def _compare(reader: Interpreter, node: ast.Compare, scope: Scope) -> Any:
    left, *rights = [reader.evaluate(v, scope) for v in (node.left, *node.comparators)]
    if len(rights) > 1:
        return unknown(node, left, *rights, kind="mask")
    return lift(lambda a, b: _compare_two(reader, node, a, b), left, rights[0])


def _compare_two(reader: Interpreter, node: ast.Compare, left: Any, right: Any) -> Any:
    op = node.ops[0]
    note_comparison(reader, node, left, right)
    if isinstance(op, ast.Is | ast.IsNot) and right is None and truth(left) is not None:
        return (left is None) == isinstance(op, ast.Is)
    if (
        isinstance(op, ast.In | ast.NotIn)
        and is_scalar(left)
        and isinstance(right, tuple | dict)
        and is_constant(right)
    ):
        return (left in right) == isinstance(op, ast.In)
    if is_constant(left) and is_constant(right):
        if isinstance(op, ast.Eq | ast.NotEq):
            return (left == right) == isinstance(op, ast.Eq)
        if isinstance(left, int | float) and isinstance(right, int | float):
            tests = {ast.Lt: left < right, ast.LtE: left <= right, ast.Gt: left > right, ast.GtE: left >= right}
            return tests.get(type(op), unknown(node))
    return unknown(node, left, right, kind="mask")


def _conditional(reader: Interpreter, node: ast.IfExp, scope: Scope) -> Any:
    test = reader.evaluate(node.test, scope)
    site, arms = reader.arms_of(test, node.test, id(node))
    if len(set(arms)) == 1:
        taken, other = (node.body, node.orelse) if arms[0] else (node.orelse, node.body)
        value = reader.evaluate(taken, scope)
        reader.scan_later(other, scope)
        return value
    values = []
    for i, is_true in enumerate(arms):
        values.append(reader.evaluate(node.body if is_true else node.orelse, scope.branch(site, i)))
    return choose(site, values)


def _subscript(reader: Interpreter, node: ast.Subscript, scope: Scope) -> Any:
    if isinstance(node.value, ast.Attribute) and node.value.attr in ("loc", "iloc", "at"):
        owner = reader.evaluate(node.value.value, scope)
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        items = [slice(None) if _is_all(p) else reader.evaluate(p, scope) for p in parts]
        return lift(lambda o, *i: _locate(reader, node, o, i), owner, *items)
    owner, item = reader.evaluate(node.value, scope), reader.evaluate(node.slice, scope)
    return lift(lambda o, i: subscript(reader, node, o, i), owner, item)


def _is_all(node: ast.expr) -> bool:
    return isinstance(node, ast.Slice) and node.lower is None and node.upper is None


def _locate(reader: Interpreter, node: ast.Subscript, owner: Any, items: tuple[Any, ...]) -> Any:
    if isinstance(owner, Params):
        return subscript(reader, node, owner, items[0] if len(items) == 1 else None)
    is_frame = isinstance(owner, Thing) and not owner.figures
    return frames.select_located(owner, items, node) if is_frame else unknown(node, owner)


def subscript(reader: Interpreter, node: ast.Subscript | ast.Call, owner: Any, item: Any) -> Any:
    """Return ``owner[item]``."""
    if isinstance(owner, Params):
        return _read_entry(reader, node, owner, item)
    if isinstance(owner, dict):
        if is_scalar(item) and item in owner:
            return owner[item]
        return unknown(node, *list(owner.values())[:20])
    if isinstance(owner, tuple):
        if isinstance(item, int) and -len(owner) <= item < len(owner):
            return owner[item]
        return unknown(node, *owner[:20])
    if isinstance(owner, Thing) and not owner.figures and isinstance(node, ast.Subscript):
        return frames.select(owner, item, node)
    return unknown(node, owner)


def _read_entry(reader: Interpreter, node: ast.Subscript | ast.Call, owner: Params, item: Any) -> Any:
    """Return an entry of ``params``, or of what has the same entries."""
    is_last = type(item) is int and item == -1
    is_variance = (isinstance(item, str) and _VARIANCE.fullmatch(item) is not None) or is_last
    if owner.name in ("pvalues", "tvalues"):
        # That of a covariance is a test of a value inside its range.
        if is_last or (isinstance(item, str) and item.endswith(" Var")):
            reader.register.add_use(owner.result, "variance-pvalue", reader.cell, node)
        return unknown(node)
    return reader.register.read_variance(owner, item, node) if is_variance else unknown(node)


def _attribute(reader: Interpreter, node: ast.Attribute, scope: Scope) -> Any:
    owner = reader.evaluate(node.value, scope)
    return lift(lambda o: attribute(reader, node, o, scope), owner)


def attribute(reader: Interpreter, node: ast.Attribute, owner: Any, scope: Scope) -> Any:
    """Return ``owner.attr``."""
    name = node.attr
    if isinstance(owner, Dotted):
        return Dotted(f"{owner.path}.{name}")
    if isinstance(owner, Instance):
        place = owner.find(name, scope)
        value = scope.get(place) if place is not None else None
        if isinstance(value, Function):
            return Function(value.node, value.scope, (owner,) if value.first else ())
        if place is not None:
            return value
        key = ("attribute", id(owner.node), name)
        return Thing(key, key, node, f"attributes of `{owner.node.name}`")
    if isinstance(owner, Parents):
        found = member_of_parents(owner, name, scope)
        return unknown(node) if found is None else found
    if name == "value" and is_scalar(owner):
        # Of a member of an Enum.
        return owner
    if isinstance(owner, ResultRef):
        return read_figure(reader, owner, node, name)
    if isinstance(owner, Params):
        return owner if name in ("loc", "iloc", "values") else unknown(node)
    if isinstance(owner, Thing) and owner.figures:
        return unknown(node, owner)
    if isinstance(owner, Thing):
        root = node.value
        if name in _CALLABLE_NAMES and isinstance(root, ast.Name) and root.id in CUSTOMARY:
            return Dotted(f"{CUSTOMARY[root.id]}.{name}")
        return frames.select_attribute(owner, name, node)
    if owner is None and isinstance(node.value, ast.Name) and node.value.id in CUSTOMARY:
        return Dotted(f"{CUSTOMARY[node.value.id]}.{name}")
    return unknown(node, owner)


def _lambda(reader: Interpreter, node: ast.Lambda, scope: Scope) -> Any:
    return define(reader, node, scope)


def _named(reader: Interpreter, node: ast.NamedExpr, scope: Scope) -> Any:
    value = reader.evaluate(node.value, scope)
    bind(reader, node.target, value, node.value, scope)
    return value


def _await(reader: Interpreter, node: ast.Await | ast.Starred, scope: Scope) -> Any:
    return reader.evaluate(node.value, scope)


def other(reader: Interpreter, node: ast.expr, scope: Scope) -> Any:
    """Return the value of any other expression, of which nothing is known."""
    return unknown(node, *(reader.evaluate(c, scope) for c in ast.iter_child_nodes(node) if isinstance(c, ast.expr)))


HANDLERS: dict[type[ast.AST], Any] = {
    **CONTAINERS,
    ast.Constant: _constant,
    ast.Name: _name,
    ast.JoinedStr: _joined,
    ast.FormattedValue: _formatted,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _bool,
    ast.Compare: _compare,
    ast.IfExp: _conditional,
    ast.Subscript: _subscript,
    ast.Attribute: _attribute,
    ast.Lambda: _lambda,
    ast.NamedExpr: _named,
    ast.Await: _await,
    ast.Starred: _await,
}

"""Data frames in a script: which frame an expression comes from, and what the script makes of its columns."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from lmmtools.linting.script.values import UNKNOWN, Opaque, dotted, evaluate, is_known

if TYPE_CHECKING:
    from lmmtools.linting.script.values import Scope

__all__ = ["column_of", "facts_of", "is_constant_array", "judge_column", "resolve", "unwrap"]

# Methods of a column or an array that leave the rows, and what they stand for, as they are.
_SAME_ROWS = frozenset({"astype", "to_numpy", "tolist", "copy", "ravel", "flatten", "values", "array", "map", "cat"})
# Methods of a frame that leave the rows as they are.
_SAME_FRAME = frozenset({"copy", "assign", "astype", "rename", "convert_dtypes", "reset_index"})
# Names that stand for other names are followed so far.
_MOST_STEPS = 20
_KINDS = {
    **dict.fromkeys(("str", "string", "object", "O", "U"), "text"),
    "category": "category",
    **dict.fromkeys(("int", "float", "int64", "float64", "int32", "Int64"), "number"),
}


def resolve(node: ast.expr, scope: Scope) -> ast.expr:
    """Return the expression that a name stands for, as far as it is known."""
    for _ in range(_MOST_STEPS):
        value = scope.values.get(node.id) if isinstance(node, ast.Name) else None
        if not isinstance(value, Opaque):
            break
        node = value.node
    return node


def unwrap(node: ast.expr, scope: Scope) -> ast.expr:
    """Return the frame that an expression is made of, without what leaves its rows as they are."""
    while True:
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in _SAME_FRAME
            and dotted(node.func, scope) is None
        ):
            node = node.func.value
        else:
            return node


def column_of(node: ast.expr, scope: Scope) -> tuple[str, ast.expr] | None:
    """Return the column and the frame of ``df["g"]``, ``df.g``, ``df["g"].astype(str).values``; None for others."""
    node = resolve(node, scope)
    # Names may stand for each other in a circle.
    for _ in range(_MOST_STEPS):
        inner = node.func if isinstance(node, ast.Call) else node
        if not (isinstance(inner, ast.Attribute) and inner.attr in _SAME_ROWS):
            break
        node = resolve(inner.value, scope)
    if isinstance(node, ast.Subscript):
        name = evaluate(node.slice, scope)
        return (name, node.value) if isinstance(name, str) else None
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and dotted(node, scope) is None:
        return node.attr, node.value
    return None


def is_constant_array(node: ast.expr, scope: Scope) -> bool:
    """Whether an expression is one value for all rows: ``np.ones(n)``, ``[1] * n``, ``1``."""
    node = resolve(node, scope)
    for _ in range(_MOST_STEPS):
        func = node.func if isinstance(node, ast.Call) else None
        if not (isinstance(func, ast.Attribute) and func.attr in _SAME_ROWS):
            break
        node = resolve(func.value, scope)
    value = evaluate(node, scope)
    if is_known(value):
        return isinstance(value, str | int | float)
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in ("ones", "zeros", "ones_like", "zeros_like"):
            return True
        if name in ("repeat", "full", "full_like"):
            place = 0 if name == "repeat" else 1
            given = node.args[place] if len(node.args) > place else None
            return given is not None and isinstance(evaluate(given, scope), str | int | float)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return any(isinstance(v := evaluate(n, scope), tuple) and len(v) == 1 for n in (node.left, node.right))
    return False


def judge_column(node: ast.expr, scope: Scope) -> str:
    """Return what an assigned column is: ``"constant"``, ``"text"``, ``"category"``, ``"number"`` or ``"made"``."""
    if is_constant_array(node, scope):
        return "constant"
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute):
            if part.func.attr == "astype" and part.args:
                return _KINDS.get(_type_name(part.args[0], scope), "made")
            if part.func.attr in ("Categorical", "cut", "qcut"):
                return "category"
            if part.func.attr in ("ngroup", "factorize", "to_numeric"):
                return "number"
    return "made"


def _type_name(node: ast.expr, scope: Scope) -> str:
    value = evaluate(node, scope)
    if isinstance(value, str):
        return value
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")


def facts_of(node: ast.expr, scope: Scope) -> dict[str, str]:
    """Return what the script makes of the columns of the frame that an expression is."""
    facts: dict[str, str] = {}
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr == "assign":
            facts = {**{k.arg: judge_column(k.value, scope) for k in node.keywords if k.arg}, **facts}
        elif node.func.attr == "astype" and node.args:
            kinds = evaluate(node.args[0], scope)
            facts = {**(_cast(kinds) if isinstance(kinds, dict) else _cast_names(node.args[0], scope)), **facts}
        node = node.func.value
    if isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.Name):
        facts = {**scope.columns.get(node.id, {}), **facts}
    return facts


def _cast(kinds: dict[str, object]) -> dict[str, str]:
    return {str(column): _KINDS.get(str(kind), "made") for column, kind in kinds.items()}


def _cast_names(node: ast.expr, scope: Scope) -> dict[str, str]:
    """Return the kinds of ``{"g": str, "x": float}``, whose values are types and not text."""
    if not isinstance(node, ast.Dict):
        return {}
    pairs = [(evaluate(k, scope) if k is not None else UNKNOWN, v) for k, v in zip(node.keys, node.values, strict=True)]
    return {k: _KINDS.get(_type_name(v, scope), "made") for k, v in pairs if isinstance(k, str)}

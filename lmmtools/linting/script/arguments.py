"""The arguments of a MixedLM call in a script -> MixedLMCall, with the frames and columns that they name."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from lmmtools.linting.call import FitCall, MixedLMCall
from lmmtools.linting.script.values import UNKNOWN, Opaque, Unknown, dotted, evaluate, is_known

if TYPE_CHECKING:
    from lmmtools.linting.script.values import Scope

__all__ = ["column_kinds", "judge_column", "read_call", "read_fit"]

_FORMULA_ORDER = ("formula", "data", "re_formula", "vc_formula", "subset", "use_sparse", "missing")
_ARRAY_ORDER = ("endog", "exog", "groups", "exog_re", "exog_vc", "use_sqrt", "missing")
_FIT_ORDER = ("start_params", "reml", "niter_sa", "do_cg", "fe_pen", "cov_pen", "free", "full_output", "method")
_FIT_REGULARIZED_ORDER = ("start_params", "method", "alpha", "ceps", "ptol", "maxit")
MAX_TEXT = 60
# A longer list holds the groups of the rows and no names of columns.
_MOST_GROUPINGS = 12
# An expression of more nodes is neither shown nor compared: a script may hold thousands of calls that name it.
MAX_NODES = 200
# Methods of a column or an array that keep the rows and their meaning.
_SAME_ROWS = frozenset({"astype", "to_numpy", "tolist", "copy", "ravel", "flatten", "values", "array", "map", "cat"})
# Methods of a frame that keep the rows.
_SAME_FRAME = frozenset({"copy", "assign", "astype", "rename", "convert_dtypes", "reset_index"})
# Chains of names that stand for other names are followed this far.
_MOST_STEPS = 20
_KINDS = {
    **dict.fromkeys(("str", "string", "object", "O", "U"), "text"),
    "category": "category",
    **dict.fromkeys(("int", "float", "int64", "float64", "int32", "Int64"), "number"),
}


@dataclass(slots=True)
class _Given:
    """Arguments by name: expressions, or values where ``**options`` is a known dict."""

    nodes: dict[str, ast.expr] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    is_open: bool = False

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.nodes) | frozenset(self.values)

    def value(self, name: str, scope: Scope) -> Any:
        """Return the value of an argument: None if it is not given, UNKNOWN if it is no constant."""
        if name in self.values:
            return self.values[name]
        if name in self.nodes:
            return evaluate(self.nodes[name], scope)
        return UNKNOWN if self.is_open else None


def _bind(node: ast.Call, order: tuple[str, ...], scope: Scope) -> _Given:
    given = _Given()
    for i, argument in enumerate(node.args):
        if isinstance(argument, ast.Starred) or i >= len(order):
            given.is_open = True
            break
        given.nodes[order[i]] = argument
    for keyword in node.keywords:
        if keyword.arg is not None:
            given.nodes[keyword.arg] = keyword.value
            continue
        options = evaluate(keyword.value, scope)
        if isinstance(options, dict):
            given.values |= {str(k): v for k, v in options.items()}
        elif (pairs := _open_dict(keyword.value, scope)) is not None:
            given.nodes |= pairs
        else:
            given.is_open = True
    return given


def _open_dict(node: ast.expr, scope: Scope) -> dict[str, ast.expr] | None:
    """Return the entries of ``dict(data=df, groups="g")`` or ``{"data": df}``, whose values need not be constants."""
    node = resolve(node, scope)
    if isinstance(node, ast.Dict):
        keys = [evaluate(k, scope) if k is not None else UNKNOWN for k in node.keys]
        named = [k for k in keys if isinstance(k, str)]
        return dict(zip(named, node.values, strict=True)) if len(named) == len(keys) else None
    is_dict = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict"
    if is_dict and isinstance(node, ast.Call) and not node.args and all(k.arg for k in node.keywords):
        return {str(k.arg): k.value for k in node.keywords}
    return None


def read_call(node: ast.Call, api: str, scope: Scope) -> MixedLMCall:
    """Return the record of a call of MixedLM.

    Parameters
    ----------
    node : ast.Call
    api : {"formula", "arrays"}
    scope : Scope
        Values of the names at the call.
    """
    if api == "arrays":
        return _read_arrays(node, scope)
    given = _bind(node, _FORMULA_ORDER, scope)
    unknown = {"**"} if given.is_open else set[str]()
    texts: dict[str, str | None] = {}
    for name in ("formula", "re_formula"):
        value = given.value(name, scope)
        texts[name] = value if isinstance(value, str) else None
        if not isinstance(value, str) and (value is not None or name == "formula"):
            unknown.add(name)
    components = given.value("vc_formula", scope)
    is_dict = isinstance(components, dict) and all(isinstance(v, str) for v in components.values())
    if components is not None and not is_dict:
        unknown.add("vc_formula")
    data = given.nodes.get("data")
    facts = column_kinds(data, scope) if data is not None else {}
    groups = _groups(given, facts, data, scope)
    if groups.name is None and not groups.is_constant:
        unknown.add("groups")
    return MixedLMCall(
        formula=texts["formula"],
        groups=groups.name,
        re_formula=texts["re_formula"],
        vc_formula={str(k): v for k, v in components.items()} if is_dict else None,
        given=given.names,
        unknown=frozenset(unknown),
        is_one_group=groups.is_constant,
        data=_shorten(data) if data is not None else "data",
        groups_text=groups.text,
        groups_frame=groups.frame,
        groups_list=groups.listed,
        kinds={c: f for c, f in facts.items() if f in ("text", "category", "number")},
        made=frozenset(facts),
    )


@dataclass(frozen=True, slots=True)
class _Groups:
    name: str | None
    text: str
    frame: str | None = None
    is_constant: bool = False
    listed: tuple[str, ...] = ()


def _groups(given: _Given, facts: dict[str, str], data: ast.expr | None, scope: Scope) -> _Groups:
    value = given.value("groups", scope)
    if isinstance(value, str):
        return _Groups(value, repr(value), is_constant=facts.get(value) == "constant")
    node = given.nodes.get("groups")
    listed = _as_column_names(value if node is None else _selected_columns(node, scope) or value)
    if listed:
        return _Groups(None, repr(list(listed)) if node is None else _shorten(node), listed=listed)
    if node is None:
        return _Groups(None, "")
    column = column_of(node, scope)
    if column is not None:
        name, frame = column
        own = unwrap(frame, scope)
        base = unwrap(data, scope) if data is not None else None
        is_same = base is not None and _is_same(_resolve_frame(own, scope), _resolve_frame(base, scope))
        is_one = is_same and (facts.get(name) == "constant" or column_kinds(frame, scope).get(name) == "constant")
        return _Groups(name, _shorten(node), None if is_same else _shorten(frame), is_one)
    return _Groups(None, _shorten(node), is_constant=not is_known(value) and is_constant_array(node, scope))


def _selected_columns(node: ast.expr, scope: Scope) -> Any:
    """Return the list in ``df[["a", "b"]]``; None for other expressions."""
    node = resolve(node, scope)
    return evaluate(node.slice, scope) if isinstance(node, ast.Subscript) else None


def _as_column_names(value: Any) -> tuple[str, ...]:
    """Return the names of columns in a list; none if it is no such list, as a list as long as the data holds groups."""
    is_list = isinstance(value, (list, tuple)) and 0 < len(value) <= _MOST_GROUPINGS
    return tuple(value) if is_list and all(isinstance(v, str) for v in value) and len(set(value)) == len(value) else ()


def _resolve_frame(node: ast.expr, scope: Scope) -> ast.expr:
    """Return the frame behind names that are other names of it: ``d = df.copy()``."""
    for _ in range(10):
        inner = unwrap(resolve(node, scope) if isinstance(node, ast.Name) else node, scope)
        if not isinstance(inner, ast.Name) or inner is node:
            break
        node = inner
    return node


def _is_same(first: ast.expr, second: ast.expr) -> bool:
    """Whether two expressions read the same; long ones are not compared."""
    if first is second:
        return True
    return _is_short(first) and _is_short(second) and ast.dump(first) == ast.dump(second)


def _is_short(node: ast.expr) -> bool:
    return sum(1 for _ in islice(ast.walk(node), MAX_NODES + 1)) <= MAX_NODES


def _read_arrays(node: ast.Call, scope: Scope) -> MixedLMCall:
    given = _bind(node, _ARRAY_ORDER, scope)
    unknown = frozenset({"**"}) if given.is_open else frozenset[str]()
    data, groups = given.nodes.get("endog"), given.nodes.get("groups")
    column = column_of(groups, scope) if groups is not None else None
    missing = given.value("missing", scope)
    return MixedLMCall(
        api="arrays",
        groups=column[0] if column is not None else None,
        given=given.names | ({"missing=drop"} if missing == "drop" else set()),
        unknown=unknown,
        is_one_group=groups is not None and column is None and is_constant_array(groups, scope),
        data=_shorten(data) if data is not None else "data",
        groups_text=_shorten(groups) if groups is not None else "",
    )


def read_fit(node: ast.Call, name: str, scope: Scope) -> FitCall:
    """Return the arguments of ``.fit(...)`` or ``.fit_regularized(...)``; ``name`` is the method."""
    if name == "fit_regularized":
        given = _bind(node, _FIT_REGULARIZED_ORDER, scope)
        alpha = given.value("alpha", scope)
        # alpha is 0 by default: no penalty.
        is_penalised = isinstance(alpha, Unknown) or bool(alpha)
        return FitCall(tuple(sorted(given.names)), None, True, is_penalised)
    given = _bind(node, _FIT_ORDER, scope)
    method, reml = given.value("method", scope), given.value("reml", scope)
    methods = (method,) if isinstance(method, str) else method
    is_shown = isinstance(methods, tuple) and all(isinstance(m, str) for m in methods)
    shown: bool | None = True if reml is None else bool(reml)
    return FitCall(
        tuple(sorted(given.names)),
        methods if is_shown else None,
        None if isinstance(reml, Unknown) else shown,
        "fe_pen" in given.names and given.value("fe_pen", scope) is not None,
    )


def _shorten(node: ast.expr) -> str:
    text = ast.unparse(node) if _is_short(node) else "..."
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 3]}..."


def resolve(node: ast.expr, scope: Scope) -> ast.expr:
    """Return the expression that a name stands for; the node itself if that is unknown."""
    for _ in range(_MOST_STEPS):
        value = scope.values.get(node.id) if isinstance(node, ast.Name) else None
        if not isinstance(value, Opaque):
            break
        node = value.node
    return node


def unwrap(node: ast.expr, scope: Scope) -> ast.expr:
    """Return the frame at the root of an expression, without the methods that keep its rows."""
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
    """Return the kind of an assigned column: ``"constant"``, ``"text"``, ``"category"``, ``"number"`` or ``"made"``."""
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


def column_kinds(node: ast.expr, scope: Scope) -> dict[str, str]:
    """Return the kinds of columns that the script assigns in the frame that an expression denotes."""
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

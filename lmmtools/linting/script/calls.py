"""Calls in a script: of MixedLM, of fits, of functions of the script, and of what makes texts, dicts and frames."""

from __future__ import annotations

import ast
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

from lmmtools.linting.script import frames, texts
from lmmtools.linting.script.arguments import Arguments
from lmmtools.linting.script.assigning import bind
from lmmtools.linting.script.classes import define_record, find_parents, make_object
from lmmtools.linting.script.expressions import CUSTOMARY, subscript
from lmmtools.linting.script.figures import note_comparison, note_sum, vary
from lmmtools.linting.script.functions import follow
from lmmtools.linting.script.unknowns import items_of, unknown
from lmmtools.linting.script.values import (
    MAX_SIZE,
    REST,
    Bound,
    Choice,
    Dotted,
    Estimate,
    Fact,
    Function,
    Instance,
    ModelRef,
    Params,
    ResultRef,
    Text,
    Thing,
    is_scalar,
    leaves,
    lift,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.linting.script.interpreter import Interpreter
    from lmmtools.linting.script.values import Scope

__all__ = ["call"]

# Methods that change their owner: the name of the owner gets another value.
_CHANGES = frozenset(["append", "extend", "update", "insert", "pop", "setdefault", "clear", "popitem", "remove", "add"])
_IN_PLACE = frozenset(["dropna", "reset_index", "set_index", "rename", "drop", "sort_values", "fillna", "query"])
_SUMS = frozenset({"sum", "nansum", "fsum"})
_EXTREMES = frozenset({"min", "max"})
_RANKS = frozenset({"min", "max", "sorted"})
_MOST_RANKED = 20
_SAME_SEQUENCE = frozenset({"list", "tuple", "sorted", "set", "reversed"})


def call(reader: Interpreter, node: ast.Call, scope: Scope) -> Any:
    """Return the value of a call."""
    func = node.func
    owner = reader.evaluate(func.value, scope) if isinstance(func, ast.Attribute) else None
    arguments = _read_arguments(reader, node, scope)
    if isinstance(func, ast.Attribute):
        callee = lift(lambda o: reader.attribute(func, o, scope), owner)
    else:
        callee = reader.evaluate(func, scope)
    known = next((v for v in leaves(callee) if isinstance(v, Dotted | Function | Instance | Bound)), None)
    if known is not None:
        return _call_known(reader, node, known, arguments, scope)
    if not isinstance(func, ast.Attribute):
        if isinstance(func, ast.Name) and func.id not in scope.values:
            return _call_builtin(reader, node, func.id, arguments, scope)
        return unknown(node, *arguments.positional, *arguments.named.values())
    value = lift(lambda o: _call_method(reader, node, func, o, arguments, scope), owner)
    _note_change(reader, func, owner, arguments, value, scope)
    return value


def _read_arguments(reader: Interpreter, node: ast.Call, scope: Scope) -> Arguments:
    given = Arguments()
    for argument in node.args:
        if isinstance(argument, ast.Starred):
            value = reader.evaluate(argument.value, scope)
            if isinstance(value, tuple):
                given.positional += value
            else:
                given.is_open = True
            continue
        if not given.is_open:
            given.nodes[len(given.positional)] = argument
            given.positional.append(reader.evaluate(argument, scope))
        else:
            reader.evaluate(argument, scope)
    for keyword in node.keywords:
        value = reader.evaluate(keyword.value, scope)
        if keyword.arg is not None:
            given.named[keyword.arg] = value
            given.nodes[keyword.arg] = keyword.value
        else:
            _open(given, value)
    return given


def _open(given: Arguments, value: Any) -> None:
    """Add the entries of a dict that is opened with ``**``; entries of one way alone are None on the others."""
    dicts = [v for v in leaves(value) if isinstance(v, dict)]
    if not dicts or any(not isinstance(v, dict) for v in leaves(value)) or any(REST in d for d in dicts):
        given.is_open = True
    for key in dict.fromkeys(k for d in dicts for k in d if isinstance(k, str)):
        given.named[key] = lift(lambda d, k=key: d.get(k) if isinstance(d, dict) else None, value)


def _call_known(reader: Interpreter, node: ast.Call, callee: Any, arguments: Arguments, scope: Scope) -> Any:
    if isinstance(callee, Bound):
        merged = Arguments(
            [*callee.positional, *arguments.positional],
            {**callee.named, **arguments.named},
            {k: n for k, n in arguments.nodes.items() if isinstance(k, str)},
            arguments.is_open,
        )
        return _call_known(reader, node, callee.function, merged, scope)
    if isinstance(callee, Function):
        return follow(reader, callee, arguments, node)
    if isinstance(callee, Instance):
        start = scope.get(callee.find("__init__", scope) or "")
        return make_object(reader, node, callee, start, arguments, scope)
    api = api_of(callee.path)
    if api is not None:
        return reader.register.add(reader.cell, node, api, arguments)
    name = callee.path.rpartition(".")[2]
    if name == "partial" and arguments.positional and not arguments.is_open:
        first = next((v for v in leaves(arguments.positional[0]) if isinstance(v, Dotted | Function)), None)
        return Bound(first, tuple(arguments.positional[1:]), arguments.named) if first else unknown(node)
    if name == "namedtuple" and not arguments.is_open:
        return define_record(node, arguments, scope) or unknown(node)
    if callee.path == "itertools.product" and not arguments.named:
        return _cross(node, arguments)
    if name == "import_module" and arguments.positional and isinstance(arguments.positional[0], str):
        return Dotted(arguments.positional[0])
    if name == "deepcopy" and arguments.positional:
        return arguments.positional[0]
    if name == "add_constant" and arguments.positional and isinstance(arguments.positional[0], Thing):
        return _add_constant(arguments.positional[0], node)
    if name in ("column_stack", "hstack", "c_") and arguments.positional and isinstance(arguments.positional[0], tuple):
        return arguments.positional[0]
    things = [*arguments.positional, *arguments.named.values()]
    made = lift(
        lambda *values: frames.array_of(
            callee.path,
            values[: len(arguments.positional)],
            dict(zip(arguments.named, values[len(arguments.positional) :], strict=True)),
            node,
        ),
        *things,
    )
    if made is not None and not (isinstance(made, Choice) and None in made.values):
        return made
    return _reduce(reader, node, name, things)


def _reduce(reader: Interpreter, node: ast.Call, name: str, values: Sequence[Any]) -> Thing:
    """Return what a function makes of values that the text does not show."""
    if name in _SUMS:
        note_sum(reader, node, *values)
    return vary(name, unknown(node, *values))


def _cross(node: ast.expr, arguments: Arguments) -> Any:
    """Return the items of ``itertools.product``."""
    parts = [items_of(v) for v in arguments.positional]
    known = [p for p in parts if p is not None]
    if len(known) < len(parts) or arguments.is_open or prod(map(len, known)) > MAX_SIZE // 10:
        return unknown(node, *arguments.positional)
    return tuple(product(*known))


def _add_constant(value: Thing, node: ast.expr) -> Thing:
    """Return the frame with a column of ones before the others."""
    names = value.selected or ((value.column,) if value.column is not None else ())
    columns = {**value.columns, "const": Fact("constant")}
    key = ("const", value.key)
    selected = ("const", *names) if names else ()
    return Thing(key, value.rows, node, value.origin, is_frame=True, selected=selected, columns=columns)


def api_of(path: str) -> str | None:
    """Return "formula", "arrays" or "bayes", the interface of a mixed model that a name is; None for other names."""
    root, dot, rest = path.partition(".")
    path = f"{CUSTOMARY[root]}{dot}{rest}" if root in CUSTOMARY else path
    if not path.startswith("statsmodels."):
        return None
    if path.endswith((".mixedlm", ".MixedLM.from_formula")):
        return "formula"
    if path.endswith((".BinomialBayesMixedGLM.from_formula", ".PoissonBayesMixedGLM.from_formula")):
        return "bayes"
    return "arrays" if path.endswith(".MixedLM") else None


def _call_builtin(reader: Interpreter, node: ast.Call, name: str, arguments: Arguments, scope: Scope) -> Any:
    first = arguments.positional[0] if arguments.positional else None
    if name == "dict" and not arguments.is_open:
        return lift(lambda *v: _make_dict(reader, node, v), *arguments.positional[:1], arguments.named)
    if name == "dict" and isinstance(first, dict):
        return {**first, REST: None}
    if name == "str" and len(arguments.positional) == 1:
        return lift(texts.write, first)
    if name in _SAME_SEQUENCE and len(arguments.positional) == 1:
        if isinstance(first, Thing):
            return first
        return lift(lambda v: unknown(node, v) if (items := items_of(v)) is None else items, first)
    if name == "zip" and arguments.positional and all(isinstance(v, tuple) for v in arguments.positional):
        return tuple(zip(*arguments.positional, strict=False))
    if name == "enumerate" and isinstance(first, tuple):
        return tuple(enumerate(first))
    if name == "range" and len(arguments.positional) == 1 and type(first) is int and 0 <= first <= 100:
        return tuple(range(first))
    if name == "super":
        return find_parents(reader, scope) or unknown(node)
    if name in _RANKS and isinstance(arguments.named.get("key"), Function) and isinstance(first, tuple):
        _rank(reader, node, arguments.named["key"], first)
    if name == "len" and isinstance(first, tuple | dict | str):
        return len(first)
    if name in ("int", "float", "round", "abs"):
        return first if isinstance(first, Estimate) else unknown(node, first, kind="number")
    if name == "getattr" and len(arguments.positional) > 1 and isinstance(arguments.positional[1], str):
        return lift(lambda o: reader.attribute(ast.Attribute(node, arguments.positional[1]), o, scope), first)
    if name == "str":
        return unknown(node, *arguments.positional, kind="text")
    if name in _EXTREMES and len(arguments.positional) == 2:
        note_comparison(reader, node, *arguments.positional)
    return _reduce(reader, node, name, [*arguments.positional, *arguments.named.values()])


def _rank(reader: Interpreter, node: ast.Call, key: Function, items: tuple[Any, ...]) -> None:
    """Record that figures of the items are compared by a key."""
    values = [follow(reader, key, Arguments([item]), node) for item in items[:_MOST_RANKED]]
    for value in values[1:]:
        note_comparison(reader, node, values[0], value)


def _make_dict(reader: Interpreter, node: ast.expr, values: tuple[Any, ...]) -> Any:
    *sources, named = values
    found: dict[Any, Any] = {}
    for source in sources:
        if isinstance(source, dict):
            found |= source
        elif isinstance(source, tuple) and all(
            isinstance(p, tuple) and len(p) == 2 and is_scalar(p[0]) for p in source
        ):
            found |= dict(source)
        else:
            found[REST] = source
    found |= named
    return found if reader.is_small(found) else unknown(node)


def _call_method(
    reader: Interpreter, node: ast.Call, func: ast.Attribute, owner: Any, arguments: Arguments, scope: Scope
) -> Any:
    name = func.attr
    if isinstance(owner, ModelRef) and name in ("fit", "fit_regularized"):
        return reader.register.add_fit(owner, node, name, arguments)
    if isinstance(owner, str | Text):
        value = texts.text_method(owner, name, arguments.positional, arguments.named)
        return unknown(node, *arguments.positional, kind="text") if value is NotImplemented else value
    if isinstance(owner, Params) and name in ("get", "filter"):
        return subscript(reader, node, owner, _variance_asked(name, arguments))
    if isinstance(owner, dict):
        return _call_dict_method(node, owner, name, arguments)
    if isinstance(owner, tuple) and name == "copy":
        return owner
    if isinstance(owner, ResultRef) and name == "conf_int":
        return Params(owner, "conf_int()")
    if isinstance(owner, Thing) and name == "pipe" and arguments.positional:
        piped = _pipe(reader, node, owner, arguments, scope)
        if piped is not None:
            return piped
    if isinstance(owner, Thing) and owner.figures:
        return vary(name, unknown(node, owner, *arguments.positional, *arguments.named.values()))
    if isinstance(owner, Thing):
        if name == "parse_args":
            return Thing(("node", id(node)), ("node", id(node)), node, "the command line")
        made = frames.call_method(owner, name, arguments.positional, arguments.named, node)
        if made is not None:
            return made
    return unknown(node, owner, *arguments.positional, *arguments.named.values())


def _pipe(reader: Interpreter, node: ast.Call, owner: Thing, arguments: Arguments, scope: Scope) -> Any:
    """Return what ``owner.pipe(function, ...)`` returns; None if the text does not show the function."""
    first, *others = arguments.positional
    # pipe((function, "data")) gives the frame by this name.
    function, name = first if isinstance(first, tuple) and len(first) == 2 else (first, None)
    if not isinstance(function, Dotted | Function | Bound):
        return None
    named = {**arguments.named, name: owner} if isinstance(name, str) else arguments.named
    nodes = {**arguments.nodes, 0: node.func.value} if isinstance(node.func, ast.Attribute) else arguments.nodes
    given = Arguments(others if isinstance(name, str) else [owner, *others], named, nodes, arguments.is_open)
    return _call_known(reader, node, function, given, scope)


def _variance_asked(name: str, arguments: Arguments) -> Any:
    if name == "get":
        return arguments.positional[0] if arguments.positional else None
    like = arguments.named.get("like")
    return f"Group {like.strip()}" if isinstance(like, str) and like.strip() in ("Var", "Cov") else None


def _call_dict_method(node: ast.Call, owner: dict[Any, Any], name: str, arguments: Arguments) -> Any:
    first = arguments.positional[0] if arguments.positional else None
    if name == "copy":
        return dict(owner)
    if name in ("items", "keys", "values") and REST not in owner:
        return tuple(getattr(owner, name)())
    if name in ("get", "pop", "setdefault") and is_scalar(first):
        default = arguments.positional[1] if len(arguments.positional) > 1 else None
        return owner[first] if first in owner else unknown(node) if REST in owner else default
    return unknown(node, *list(owner.values())[:20])


def _note_change(
    reader: Interpreter, func: ast.Attribute, owner: Any, arguments: Arguments, value: Any, scope: Scope
) -> None:
    """Give the name of an owner that a method changes its new value."""
    if func.attr in _IN_PLACE and arguments.named.get("inplace") is True:
        if isinstance(owner, Thing):
            bind(reader, func.value, value, None, scope)
    elif func.attr in _CHANGES and any(isinstance(v, tuple | dict | Thing) for v in leaves(owner)):
        changed = lift(lambda o, *a: _change(o, func.attr, a, arguments), owner, *arguments.positional)
        reader.charge(owner)
        bind(reader, func.value, changed if reader.is_small(changed) else Thing(("changed", id(func))), None, scope)


def _change(owner: Any, name: str, positional: tuple[Any, ...], arguments: Arguments) -> Any:
    first = positional[0] if positional else None
    if isinstance(owner, tuple):
        if name in ("append", "add") and len(owner) < MAX_SIZE // 10:
            return (*owner, first)
        if name == "extend" and isinstance(first, tuple):
            return (*owner, *first)
        return Thing(("changed", id(arguments)))
    if isinstance(owner, dict):
        if name == "update":
            more = first if isinstance(first, dict) else {} if first is None else {REST: None}
            rest = {REST: None} if arguments.is_open else {}
            return {**owner, **more, **arguments.named, **rest}
        if name == "pop" and is_scalar(first):
            return {k: v for k, v in owner.items() if k != first}
        if name == "setdefault" and is_scalar(first):
            return {first: positional[1] if len(positional) > 1 else None, **owner}
        return {} if name == "clear" else {REST: None}
    if isinstance(owner, Thing) and name == "insert" and len(positional) > 2 and isinstance(positional[1], str):
        return frames.assign_column(owner, positional[1], positional[2])
    return owner

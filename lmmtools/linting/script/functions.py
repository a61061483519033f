"""Functions of a script: read at their calls with the arguments given, or with unknown ones where there is no call."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from lmmtools.linting.script.unknowns import unknown
from lmmtools.linting.script.values import Function, Instance, ModelRef, ResultRef, Thing, choose, leaves

if TYPE_CHECKING:
    from lmmtools.linting.script.arguments import Arguments
    from lmmtools.linting.script.interpreter import Interpreter
    from lmmtools.linting.script.values import Scope

__all__ = ["define", "follow", "run_function"]

# Functions that call each other are followed this deep.
_MOST_FRAMES = 6


def define(
    reader: Interpreter,
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
    scope: Scope,
    first: tuple[Any, ...] = (),
) -> Function:
    """Return a function, which is read at its calls, or at the end if there is none."""
    function = Function(node, scope, first)
    if id(node) not in reader.known:
        reader.known[id(node)] = function
        reader.waiting.append((function, reader.cell))
    return function


def follow(reader: Interpreter, function: Function, arguments: Arguments, node: ast.Call) -> Any:
    """Return what a function of the script returns for arguments."""
    is_again = function.node in reader.stack or len(reader.stack) >= _MOST_FRAMES
    if is_again or reader.work.is_spent:
        reader.work.is_cut = reader.work.is_cut or reader.work.is_spent
        return unknown(node, *arguments.positional, *arguments.named.values())
    reader.followed.add(id(function.node))
    return run_function(reader, function, arguments)


def run_function(reader: Interpreter, function: Function, arguments: Arguments | None) -> Any:
    """Return what the body of a function returns, its parameters unknown where no arguments are given."""
    node, inner = function.node, function.scope.branch()
    _bind_parameters(reader, function, arguments, inner)
    reader.stack.append(node)
    reader.returned.append([])
    if isinstance(node, ast.Lambda):
        reader.returned[-1].append(reader.evaluate(node.body, inner))
    else:
        reader.run(node.body, inner)
    reader.stack.pop()
    values = reader.returned.pop()
    _export(function, inner)
    for name in reader.globals.get(id(node), ()):
        if name in inner.values.maps[0]:
            function.scope.values.maps[-1][name] = inner.values[name]
    return choose(("return", id(node)), values) if values else None


def _bind_parameters(reader: Interpreter, function: Function, arguments: Arguments | None, inner: Scope) -> None:
    node = function.node
    given = node.args
    names = [*given.posonlyargs, *given.args]
    defaults = dict(zip((a.arg for a in names[len(names) - len(given.defaults) :]), given.defaults, strict=True))
    defaults |= {a.arg: d for a, d in zip(given.kwonlyargs, given.kw_defaults, strict=True) if d is not None}
    label = f"`{getattr(node, 'name', 'lambda')}()`"
    for argument in (*names, *given.kwonlyargs, *(a for a in (given.vararg, given.kwarg) if a)):
        key = ("parameter", id(node), argument.arg)
        inner.values[argument.arg] = Thing(key, key, None, f"parameters of {label}")
    for argument, value in zip(names, function.first, strict=False):
        inner.values[argument.arg] = value
    if arguments is None:
        return
    own = names[len(function.first) :]
    is_open = arguments.is_open
    for argument in (*own, *given.kwonlyargs):
        if argument.arg in arguments.named:
            inner.values[argument.arg] = arguments.named[argument.arg]
        elif not is_open and argument.arg in defaults:
            inner.values[argument.arg] = reader.evaluate(defaults[argument.arg], function.scope)
    for argument, value in zip(own, arguments.positional, strict=False):
        inner.values[argument.arg] = value
    if given.kwarg is not None and not is_open:
        known = {a.arg for a in (*names, *given.kwonlyargs)}
        inner.values[given.kwarg.arg] = {k: v for k, v in arguments.named.items() if k not in known}
    if given.vararg is not None and not is_open:
        inner.values[given.vararg.arg] = tuple(arguments.positional[len(own) :])


def _export(function: Function, inner: Scope) -> None:
    """Keep attributes that a method assigned, for the methods that are read after it."""
    own = next((f for f in function.first if isinstance(f, Instance)), None)
    if own is None:
        return
    for name, value in inner.values.maps[0].items():
        if name.startswith(f"{id(own.node)}."):
            old = own.scope.values.get(name)
            is_other = name in own.scope.values and old != value and not _has_grown(old, value)
            is_reference = any(isinstance(v, ModelRef | ResultRef) for v in leaves(value))
            own.scope.values[name] = Thing(("attribute", name)) if is_other and not is_reference else value


def _has_grown(old: Any, value: Any) -> bool:
    """Whether a dict is another with further entries."""
    if not isinstance(old, dict) or not isinstance(value, dict) or len(old) > len(value):
        return False
    return all(key in value and value[key] == entry for key, entry in old.items())

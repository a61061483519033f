"""Classes of a script: their parents, and objects whose fields are given when they are made."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from lmmtools.linting.script.functions import follow
from lmmtools.linting.script.values import Function, Instance, Parents, Thing

if TYPE_CHECKING:
    from lmmtools.linting.script.arguments import Arguments
    from lmmtools.linting.script.interpreter import Interpreter
    from lmmtools.linting.script.values import Scope

__all__ = ["define_record", "find_parents", "make_object", "member_of_parents"]

# The name under which a scope keeps that an object of a class was made.
_MADE = "()"


def make_object(
    reader: Interpreter, node: ast.Call, owner: Instance, start: Any, arguments: Arguments, scope: Scope
) -> Instance:
    """Return an object of a class; ``start`` is its ``__init__`` if the script has one."""
    if isinstance(start, Function):
        follow(reader, Function(start.node, start.scope, (owner,)), arguments, node)
        return owner
    fields = list(dict.fromkeys(_fields(owner)))
    given = {**dict(zip(fields, arguments.positional, strict=False)), **arguments.named}
    values = owner.scope.values
    is_first = owner.path(_MADE) not in values
    values[owner.path(_MADE)] = True
    for name in fields:
        place = owner.path(name)
        if name not in given and is_first and not arguments.is_open:
            continue
        value = given.get(name, values.get(place))
        is_other = not is_first and values.get(place) != value
        values[place] = Thing(("attribute", place)) if is_other or arguments.is_open else value
    return owner


def _fields(owner: Instance) -> list[str]:
    """Return the fields that a class declares, ``name: type``, those that it inherits first."""
    own = [s.target.id for s in owner.node.body if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)]
    return [*(name for base in owner.bases for name in _fields(base)), *own]


def define_record(node: ast.Call, arguments: Arguments, scope: Scope) -> Instance | None:
    """Return the class that ``namedtuple("Name", "a b")`` makes; None if the text does not show its fields."""
    names = arguments.positional[1] if len(arguments.positional) > 1 else arguments.named.get("field_names")
    fields = tuple(names.replace(",", " ").split()) if isinstance(names, str) else names
    if not isinstance(fields, tuple) or not all(isinstance(f, str) and f.isidentifier() for f in fields):
        return None
    any_type = ast.Constant(None)
    body: list[ast.stmt] = [ast.AnnAssign(ast.Name(f, ast.Store()), any_type, None, 1) for f in fields]
    made = ast.ClassDef("namedtuple", [], [], body, [])
    return Instance(ast.copy_location(made, node), scope)


def find_parents(reader: Interpreter, scope: Scope) -> Parents | None:
    """Return what ``super()`` is in the method that is read; None outside methods."""
    method = reader.stack[-1] if reader.stack else None
    names = method.args.args if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) else []
    owner = scope.get(names[0].arg) if names else None
    if not isinstance(owner, Instance):
        return None
    waiting = [owner]
    while waiting:
        found = waiting.pop(0)
        if method in found.node.body:
            return Parents(owner, found.bases)
        waiting += found.bases
    return None


def member_of_parents(parents: Parents, name: str, scope: Scope) -> Any:
    """Return a method or attribute of the parents, methods with the object that they are called of; None if none."""
    for base in parents.bases:
        place = base.find(name, scope)
        value = scope.get(place) if place is not None else None
        if isinstance(value, Function):
            return Function(value.node, value.scope, (parents.owner,) if value.first else ())
        if place is not None:
            return value
    return None

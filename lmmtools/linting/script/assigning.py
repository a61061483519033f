"""Assignments in a script: to names, attributes, columns of frames and entries of dicts."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from lmmtools.linting.script import frames
from lmmtools.linting.script.figures import note_name
from lmmtools.linting.script.values import MAX_SIZE, REST, Instance, Thing, is_scalar, lift

if TYPE_CHECKING:
    from lmmtools.linting.script.interpreter import Interpreter
    from lmmtools.linting.script.values import Scope

__all__ = ["bind"]


def bind(reader: Interpreter, target: ast.expr, value: Any, node: ast.expr | None, scope: Scope) -> None:
    """Record the value that is assigned to a name, an attribute, a column or an entry of a dict."""
    if isinstance(target, ast.Name):
        note_name(reader, target.id, value)
        scope.values[target.id] = value
    elif isinstance(target, ast.Tuple | ast.List):
        is_even = isinstance(value, tuple) and len(value) == len(target.elts)
        is_starred = any(isinstance(e, ast.Starred) for e in target.elts)
        for i, element in enumerate(target.elts):
            if is_even and not is_starred:
                bind(reader, element, value[i], None, scope)
            else:
                origin = value.origin if isinstance(value, Thing) else ""
                key = ("part", id(target), i)
                bind(reader, element, Thing(key, key, node, origin), None, scope)
    elif isinstance(target, ast.Starred):
        bind(reader, target.value, value, node, scope)
    elif isinstance(target, ast.Attribute):
        owner = reader.evaluate(target.value, scope)
        if isinstance(owner, Instance):
            scope.values[owner.path(target.attr)] = value
        elif isinstance(owner, Thing):
            _rebind(reader, target.value, frames.assign_column(owner, target.attr, value), scope)
    elif isinstance(target, ast.Subscript):
        _bind_item(reader, target, value, scope)


def _bind_item(reader: Interpreter, target: ast.Subscript, value: Any, scope: Scope) -> None:
    container = target.value
    if isinstance(container, ast.Attribute) and container.attr in ("loc", "iloc", "at"):
        parts = target.slice.elts if isinstance(target.slice, ast.Tuple) else []
        owner = reader.evaluate(container.value, scope)
        name = reader.evaluate(parts[1], scope) if len(parts) == 2 else None
        if isinstance(owner, Thing) and isinstance(name, str):
            is_all = isinstance(parts[0], ast.Slice) and parts[0].lower is None and parts[0].upper is None
            given = value if is_all else Thing(("part", id(target)))
            _rebind(reader, container.value, frames.assign_column(owner, name, given), scope)
        return
    owner, key = reader.evaluate(container, scope), reader.evaluate(target.slice, scope)
    if isinstance(key, str):
        note_name(reader, key, value)
    reader.charge(owner)
    _rebind(reader, container, lift(lambda o, k: _with_item(reader, o, k, value), owner, key), scope)


def _rebind(reader: Interpreter, target: ast.expr, value: Any, scope: Scope) -> None:
    if isinstance(target, ast.Name | ast.Attribute):
        bind(reader, target, value, None, scope)


def _with_item(reader: Interpreter, owner: Any, key: Any, value: Any) -> Any:
    if isinstance(owner, dict):
        if len(owner) > MAX_SIZE // 10 or reader.work.left < -MAX_SIZE * 10:
            return {REST: None}
        return {**owner, key: value} if is_scalar(key) else {REST: None}
    if isinstance(owner, Thing):
        if isinstance(key, str):
            return frames.assign_column(owner, key, value)
        return owner
    return Thing(("items", id(owner))) if isinstance(owner, tuple) else owner

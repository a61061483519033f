"""Lists, dicts and comprehensions of a script, item by item."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from lmmtools.linting.script import frames
from lmmtools.linting.script.assigning import bind
from lmmtools.linting.script.unknowns import element_of, items_of, truth, unknown
from lmmtools.linting.script.values import MAX_SIZE, REST, Text, Thing, is_scalar, lift

if TYPE_CHECKING:
    from lmmtools.linting.script.interpreter import Interpreter
    from lmmtools.linting.script.values import Scope

__all__ = ["CONTAINERS"]


def _sequence(reader: Interpreter, node: ast.List | ast.Tuple | ast.Set, scope: Scope) -> Any:
    items: list[Any] = []
    is_whole = True
    for item in node.elts:
        value = reader.evaluate(item.value if isinstance(item, ast.Starred) else item, scope)
        if not isinstance(item, ast.Starred):
            items.append(value)
        elif isinstance(value, tuple):
            items += value
        else:
            is_whole = False
            items.append(value)
        if len(items) > MAX_SIZE:
            is_whole, items = False, items[:10]
    # Sizes of nested lists multiply: what is made of large ones is not followed.
    is_small = sum(len(i) if isinstance(i, tuple | dict | str) else 1 for i in items) <= MAX_SIZE
    return tuple(items) if is_whole and is_small and reader.is_small(tuple(items)) else unknown(node, tuple(items[:20]))


def _dict(reader: Interpreter, node: ast.Dict, scope: Scope) -> Any:
    found: Any = {}
    for key, value in zip(node.keys, node.values, strict=True):
        content = reader.evaluate(value, scope)
        if key is None:
            found = lift(lambda d, c: {**d, **(c if isinstance(c, dict) else {REST: c})}, found, content)
            continue
        name = reader.evaluate(key, scope)
        entry = lift(lambda d, n, c=content: {**d, **({n: c} if is_scalar(n) else {REST: c})}, found, name)
        found = entry if len(node.keys) <= MAX_SIZE // 10 else {REST: unknown(node)}
    return found if reader.is_small(found) else unknown(node)


def _comprehension(
    reader: Interpreter, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, scope: Scope
) -> Any:
    items: list[tuple[Any, Any]] = []
    is_whole = _fill(reader, node, 0, scope.branch(), items)
    if isinstance(node, ast.DictComp):
        found: dict[Any, Any] = {}
        for key, value in items:
            found[key if is_scalar(key) else REST] = value
        if not is_whole:
            found[REST] = None
        return found if reader.is_small(found) else unknown(node)
    values = tuple(v for _, v in items)
    if is_whole and reader.is_small(values):
        return values
    kinds = {frames.judge(v).kind if not isinstance(v, Thing) else v.kind for v in values}
    kind = {"constant": _kind_of_items(values)}.get(k := kinds.pop(), k) if len(kinds) == 1 else ""
    return unknown(node, *values[:5], kind=kind)


def _kind_of_items(values: tuple[Any, ...]) -> str:
    """Return the kind of a list of unknown length whose items read alike."""
    if all(isinstance(v, Text) for v in values):
        return "text"
    return "constant" if all(is_scalar(v) for v in values) and len(set(map(str, values))) == 1 else "made"


def _fill(reader: Interpreter, node: Any, level: int, scope: Scope, items: list[tuple[Any, Any]]) -> bool:
    """Add the items of a comprehension; return whether they are all."""
    if level == len(node.generators):
        key = reader.evaluate(node.key, scope) if isinstance(node, ast.DictComp) else None
        value = reader.evaluate(node.value if isinstance(node, ast.DictComp) else node.elt, scope)
        items.append((key, value))
        return True
    generator = node.generators[level]
    source = reader.evaluate(generator.iter, scope)
    values = items_of(source)
    is_whole = values is not None
    for value in values if values else [element_of(source, generator.iter)]:
        bind(reader, generator.target, value, None, scope)
        tests = [reader.evaluate(test, scope) for test in generator.ifs]
        truths = [truth(t) for t in tests]
        if False in truths:
            continue
        is_whole = is_whole and None not in truths
        is_whole = _fill(reader, node, level + 1, scope, items) and is_whole
        if len(items) > MAX_SIZE or reader.is_repeat_over(node):
            return False
    return is_whole if values != () else True


CONTAINERS: dict[type[ast.AST], Any] = {
    ast.List: _sequence,
    ast.Tuple: _sequence,
    ast.Set: _sequence,
    ast.Dict: _dict,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.DictComp: _comprehension,
}

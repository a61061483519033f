"""The value of an expression in a script, where the text alone determines it: constants, and collections of them."""

from __future__ import annotations

import ast
import re
from collections import ChainMap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "MAX_SIZE",
    "UNKNOWN",
    "Dotted",
    "ModelRef",
    "Opaque",
    "Scope",
    "Unknown",
    "Work",
    "dotted",
    "evaluate",
    "is_known",
    "items_of",
]

# Nothing that a model call needs is larger; a script that builds more is not followed.
MAX_SIZE = 10_000
MAX_DEPTH = 60
# Longer integers take part in no model, and Python refuses to write them.
_MOST_BITS = 1024
# Formats of a given width could fill the memory.
_PLAIN_FORMAT = re.compile(r"(?:[^%]|%%|%(?:\(\w*\))?[sdrif])*")
_PLAIN_FIELDS = re.compile(r"(?:[^{}]|\{\{|\}\}|\{\w*\})*")


class Unknown:
    """The value of an expression that the text does not determine."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True, slots=True)
class Dotted:
    """An imported module or function, by its full name."""

    path: str


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A name that holds the model of a call found, by the call's number."""

    number: int


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value of which only the expression is known."""

    node: ast.expr


@dataclass(slots=True)
class Work:
    """Steps that are left for following a script; each statement, expression and item takes one.

    A few lines of nested loops may run without end. Once no steps are left, the body of a loop is read once and every
    expression is unknown, so that the rest takes time in proportion to its length.
    """

    left: int = 300_000

    @property
    def is_spent(self) -> bool:
        """Whether no steps are left."""
        return self.left <= 0

    def take(self, steps: int = 1) -> None:
        """Record steps that were taken."""
        self.left -= steps


@dataclass(slots=True)
class Scope:
    """Names and their values at one place of a script.

    Attributes
    ----------
    values : ChainMap of str to value
        Constants, ``Dotted``, ``ModelRef``, ``Opaque`` or ``UNKNOWN``. The first map has the names
        assigned in this scope.
    columns : ChainMap of str to dict of str to str
        Frame -> column -> the kind that the script assigns: ``"constant"``, ``"text"``, ``"category"``, ``"number"``,
        ``"made"``.
    work : Work
        The whole script's.
    """

    values: ChainMap[str, Any] = field(default_factory=ChainMap)
    columns: ChainMap[str, dict[str, str]] = field(default_factory=ChainMap)
    work: Work = field(default_factory=Work)

    def branch(self) -> Scope:
        """Return a child scope, whose assignments leave this one as it is."""
        return Scope(self.values.new_child(), self.columns.new_child(), self.work)

    def merge(self, *ways: Scope) -> None:
        """Assign the values on which all branches of this scope agree; names on which they differ become unknown."""
        for name in {n for way in ways for n in way.values.maps[0]}:
            found = [way.values.get(name, UNKNOWN) for way in ways]
            same = all(type(v) is type(found[0]) and v == found[0] for v in found)
            self.values[name] = found[0] if same else UNKNOWN
        for name in {n for way in ways for n in way.columns.maps[0]}:
            facts = [way.columns.get(name, {}) for way in ways]
            both = {c: f for c, f in facts[0].items() if all(other.get(c) == f for other in facts)}
            rest = {c: "made" for other in facts for c in other if c not in both}
            self.columns[name] = {**rest, **both}

    def note_column(self, frame: str, column: str, kind: str) -> None:
        """Record the kind that the script assigns to a column of a frame."""
        own = self.columns.maps[0]
        if frame not in own:
            own[frame] = dict(self.columns.get(frame, {}))
        own[frame][column] = kind


def is_known(value: Any) -> bool:
    """Whether a value is a constant."""
    return not isinstance(value, Unknown | Opaque | Dotted | ModelRef)


def dotted(node: ast.expr, scope: Scope) -> str | None:
    """Return the full name of an attribute such as ``smf.mixedlm``; None for other expressions."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    root = scope.values.get(node.id)
    if isinstance(root, Dotted):
        return ".".join([root.path, *reversed(names)])
    return None if node.id in scope.values else ".".join([node.id, *reversed(names)])


def evaluate(node: ast.expr, scope: Scope, depth: int = 0) -> Any:
    """Return the value of a constant expression (text, number, None, or a tuple or dict of them); UNKNOWN for others.

    Nothing is run: names are looked up in ``scope``; text is joined, formatted and put into containers here.
    """
    scope.work.take()
    if depth > MAX_DEPTH or scope.work.is_spent:
        return UNKNOWN
    handler = _HANDLERS.get(type(node))
    value = handler(node, scope, depth + 1) if handler is not None else UNKNOWN
    # The size of a name's value was checked when it was assigned.
    is_new = not isinstance(node, ast.Name) and is_known(value)
    return UNKNOWN if is_new and _count_size(value, scope.work) > MAX_SIZE else value


def items_of(node: ast.expr, scope: Scope) -> tuple[Any, ...] | None:
    """Return the items of a constant collection; None for any other expression."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.args:
        owner = evaluate(node.func.value, scope)
        if isinstance(owner, dict) and node.func.attr in ("items", "keys", "values"):
            return tuple(getattr(owner, node.func.attr)())
    value = evaluate(node, scope)
    return tuple(value) if isinstance(value, tuple | dict) else None


def _count_size(value: Any, work: Work) -> int:
    """Return the number of characters and items in a constant, counted up to MAX_SIZE."""
    total, waiting = 0, [value]
    while waiting and total <= MAX_SIZE:
        work.take()
        item = waiting.pop()
        total += len(item) if isinstance(item, str) else 1
        if isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, tuple):
            waiting += item
    return total


def _all_known(values: list[Any]) -> bool:
    return all(is_known(v) for v in values)


def _constant(node: ast.Constant, scope: Scope, depth: int) -> Any:
    value = node.value
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return UNKNOWN
    # A lone surrogate, '\\ud800', cannot be printed.
    return UNKNOWN if isinstance(value, str) and not _is_encodable(value) else value


def _is_encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _name(node: ast.Name, scope: Scope, depth: int) -> Any:
    value = scope.values.get(node.id, UNKNOWN)
    return value if is_known(value) else UNKNOWN


def _joined(node: ast.JoinedStr, scope: Scope, depth: int) -> Any:
    words, size = [], 0
    for part in node.values:
        if size > MAX_SIZE:
            return UNKNOWN
        if isinstance(part, ast.FormattedValue):
            value = evaluate(part.value, scope, depth)
            if part.format_spec is not None or part.conversion not in (-1, 115) or not _is_scalar(value):
                return UNKNOWN
            words.append(str(value))
        else:
            words.append(str(evaluate(part, scope, depth)))
        size += len(words[-1])
    return "".join(words)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _binary(node: ast.BinOp, scope: Scope, depth: int) -> Any:
    left, right = evaluate(node.left, scope, depth), evaluate(node.right, scope, depth)
    if not _all_known([left, right]):
        return UNKNOWN
    if isinstance(node.op, ast.Add):
        if isinstance(left, str) and isinstance(right, str):
            return left + right
        if isinstance(left, tuple) and isinstance(right, tuple):
            return left + right
    if isinstance(node.op, ast.Mod) and isinstance(left, str) and _PLAIN_FORMAT.fullmatch(left):
        return _or_unknown(lambda: left % right) if _is_small(left, "%", [right]) else UNKNOWN
    if isinstance(node.op, ast.BitOr) and isinstance(left, dict) and isinstance(right, dict):
        return {**left, **right}
    return UNKNOWN


def _is_small(template: str, mark: str, arguments: list[Any]) -> bool:
    """Whether a template is small enough to be followed, with the longest argument in every field."""
    return (1 + template.count(mark)) * max(len(str(a)) for a in (template, *arguments)) <= 10 * MAX_SIZE


def _or_unknown(make: Callable[[], Any]) -> Any:
    """Return what ``make`` returns; UNKNOWN if it raises."""
    try:
        return make()
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError, MemoryError):
        return UNKNOWN


def _unary(node: ast.UnaryOp, scope: Scope, depth: int) -> Any:
    value = evaluate(node.operand, scope, depth)
    if isinstance(node.op, ast.USub) and isinstance(value, int | float):
        return -value
    return not value if isinstance(node.op, ast.Not) and isinstance(value, bool) else UNKNOWN


def _sequence(node: ast.List | ast.Tuple, scope: Scope, depth: int) -> Any:
    items: list[Any] = []
    for item in node.elts:
        if len(items) > MAX_SIZE:
            return UNKNOWN
        value = evaluate(item.value if isinstance(item, ast.Starred) else item, scope, depth)
        if not is_known(value) or (isinstance(item, ast.Starred) and not isinstance(value, tuple)):
            return UNKNOWN
        items += value if isinstance(item, ast.Starred) else [value]
    return tuple(items)


def _dict(node: ast.Dict, scope: Scope, depth: int) -> Any:
    found: dict[Any, Any] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        content = evaluate(value, scope, depth)
        if key is None:
            if not isinstance(content, dict):
                return UNKNOWN
            scope.work.take(len(content))
            found.update(content)
            continue
        name = evaluate(key, scope, depth)
        if not _is_scalar(name) or not is_known(content):
            return UNKNOWN
        found[name] = content
    return found


def _comprehension(node: ast.ListComp | ast.DictComp, scope: Scope, depth: int) -> Any:
    if len(node.generators) != 1 or node.generators[0].ifs:
        return UNKNOWN
    generator = node.generators[0]
    source = evaluate(generator.iter, scope, depth)
    if not isinstance(source, tuple | dict) or not isinstance(generator.target, ast.Name):
        return UNKNOWN
    inner, items = scope.branch(), []
    for value in source:
        if scope.work.is_spent:
            return UNKNOWN
        inner.values[generator.target.id] = value
        parts = (node.elt,) if isinstance(node, ast.ListComp) else (node.key, node.value)
        items.append([evaluate(part, inner, depth) for part in parts])
    if not all(_all_known(item) for item in items):
        return UNKNOWN
    if isinstance(node, ast.ListComp):
        return tuple(item[0] for item in items)
    return {key: value for key, value in items if _is_scalar(key)}


def _subscript(node: ast.Subscript, scope: Scope, depth: int) -> Any:
    owner, key = evaluate(node.value, scope, depth), evaluate(node.slice, scope, depth)
    if isinstance(owner, dict) and isinstance(key, str | int):
        return _or_unknown(lambda: owner[key])
    if isinstance(owner, tuple) and isinstance(key, int):
        return _or_unknown(lambda: owner[key])
    return UNKNOWN


def _call(node: ast.Call, scope: Scope, depth: int) -> Any:
    if any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords):
        return UNKNOWN
    arguments = [evaluate(a, scope, depth) for a in node.args]
    named = {str(k.arg): evaluate(k.value, scope, depth) for k in node.keywords}
    if not _all_known([*arguments, *named.values()]):
        return UNKNOWN
    if isinstance(node.func, ast.Name) and node.func.id not in scope.values:
        if node.func.id == "dict" and all(isinstance(a, dict) for a in arguments):
            scope.work.take(sum(map(len, arguments)))
            return {**{k: v for a in arguments for k, v in a.items()}, **named}
        if node.func.id == "str" and len(arguments) == 1 and _is_scalar(arguments[0]):
            return str(arguments[0])
        return UNKNOWN
    return _method(node.func, arguments, named, scope, depth) if isinstance(node.func, ast.Attribute) else UNKNOWN


def _method(func: ast.Attribute, arguments: list[Any], named: dict[str, Any], scope: Scope, depth: int) -> Any:
    owner = evaluate(func.value, scope, depth)
    if isinstance(owner, str):
        if (
            func.attr == "format"
            and _PLAIN_FIELDS.fullmatch(owner)
            and all(_is_scalar(a) for a in (*arguments, *named.values()))
        ):
            is_small = _is_small(owner, "{", [*arguments, *named.values()])
            return _or_unknown(lambda: owner.format(*arguments, **named)) if is_small else UNKNOWN
        if func.attr == "join" and len(arguments) == 1 and isinstance(arguments[0], tuple | dict):
            is_small = len(owner) * len(arguments[0]) <= MAX_SIZE
            return _or_unknown(lambda: owner.join(arguments[0])) if is_small else UNKNOWN
        if func.attr == "strip" and not arguments and not named:
            return owner.strip()
    if isinstance(owner, dict) and func.attr == "copy" and not arguments:
        return dict(owner)
    return UNKNOWN


_HANDLERS: dict[type[ast.AST], Any] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.JoinedStr: _joined,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.List: _sequence,
    ast.Tuple: _sequence,
    ast.Dict: _dict,
    ast.ListComp: _comprehension,
    ast.DictComp: _comprehension,
    ast.Subscript: _subscript,
    ast.Call: _call,
}

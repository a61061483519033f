"""Values that the text does not show, made of others, and what they tell all the same."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from lmmtools.linting.script.values import (
    REST,
    Choice,
    Dotted,
    Estimate,
    Function,
    Instance,
    ModelRef,
    ResultRef,
    Text,
    Thing,
    is_scalar,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["element_of", "figures_in", "fits_pattern", "items_of", "truth", "unknown"]


def unknown(node: ast.expr, *operands: Any, kind: str = "") -> Thing:
    """Return the value of an expression that the text does not show, made of operands."""
    things = [v for o in operands for v in _inside(o) if isinstance(v, Thing)]
    uses = frozenset(u for o in operands for v in _inside(o) if isinstance(v, Estimate) for u in v.uses)
    figures = figures_in(*operands)
    origin = next((t.origin for t in things if t.origin), "")
    is_dropped = any(t.is_dropped for t in things)
    key = ("node", id(node))
    holds = uses.union(*(t.holds for t in things))
    return Thing(key, key, node, origin, kind=kind, is_dropped=is_dropped, holds=holds, figures=figures)


def figures_in(*values: Any) -> frozenset[tuple[ResultRef, str]]:
    """Return the figures of results that went into values, on any of the ways to them."""
    found: set[tuple[ResultRef, str]] = set()
    for value in values:
        for item in _inside(value):
            if isinstance(item, Thing):
                found |= item.figures
            elif isinstance(item, Estimate):
                found.add((item.result, "params"))
    return frozenset(found)


def _inside(value: Any) -> Iterator[Any]:
    """Yield a value and the items that it holds, down to a few levels."""
    waiting, count = [value], 0
    while waiting and count < 50:
        item = waiting.pop()
        count += 1
        yield item
        if isinstance(item, tuple):
            waiting += item[:50]
        elif isinstance(item, dict):
            waiting += list(item.values())[:50]
        elif isinstance(item, Choice):
            waiting += item.values


def truth(value: Any) -> bool | None:
    """Return whether a value is true; None if the text does not show it."""
    if is_scalar(value) or value is None:
        return bool(value)
    if isinstance(value, tuple | dict):
        return bool(value) if not (isinstance(value, dict) and set(value) == {REST}) else None
    if isinstance(value, Text):
        return True if any(value.parts) else None
    return True if isinstance(value, Dotted | ModelRef | ResultRef | Function | Instance) else None


def fits_pattern(pattern: ast.pattern, subject: Any) -> bool | None:
    """Return whether a text or number fits a pattern of ``match``; None if the text does not show it."""
    if isinstance(pattern, ast.MatchValue):
        value = pattern.value.value if isinstance(pattern.value, ast.Constant) else None
        return value == subject if is_scalar(value) else None
    if isinstance(pattern, ast.MatchOr):
        found = [fits_pattern(p, subject) for p in pattern.patterns]
        return True if True in found else None if None in found else False
    if isinstance(pattern, ast.MatchAs):
        return True if pattern.pattern is None else fits_pattern(pattern.pattern, subject)
    return None if isinstance(pattern, ast.MatchClass) else False


def items_of(value: Any) -> tuple[Any, ...] | None:
    """Return the items of a collection that the text shows; None for others."""
    if isinstance(value, dict):
        return None if REST in value else tuple(value)
    return value if isinstance(value, tuple) else None


def element_of(value: Any, node: ast.expr) -> Any:
    """Return an item of a collection that the text does not show."""
    if isinstance(value, Thing):
        key = ("element", id(node))
        return Thing(key, key, node, value.origin, columns=value.columns, is_dropped=value.is_dropped)
    return unknown(node)

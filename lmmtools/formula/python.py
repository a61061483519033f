"""Python expressions read, never run, within bounds: what they nest, and what their numbers come to."""

from __future__ import annotations

import ast
import math
from typing import Any

__all__ = ["largest_number", "read_python"]

# Readers, Python's compiler among them, call themselves for what is inside; Python stops at about a thousand calls.
_DEEPEST = 100


def read_python(code: str) -> ast.Expression | None:
    """Return the syntax tree of an expression, None if it is none or is nested too deeply to be worked with."""
    try:
        tree = ast.parse(code, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree if _is_shallow(tree) else None


def _is_shallow(tree: ast.AST) -> bool:
    level: list[ast.AST] = [tree]
    for _ in range(_DEEPEST):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return True
    return False


def largest_number(tree: ast.AST) -> float:
    """Return the common logarithm of a bound for every number that the tree's arithmetic on numbers makes.

    A computer is busy for ever with a product of powers of integers: the bound is found without multiplying them.
    """
    largest = 0.0
    sizes: dict[int, float] = {}
    # Children first: a node's size is made of theirs.
    for node in reversed(list(ast.walk(tree))):
        size = _size(node, sizes)
        if size is not None:
            sizes[id(node)] = size
            largest = max(largest, size)
    return largest


def _size(node: ast.AST, sizes: dict[int, float]) -> float | None:
    """Return the logarithm of a bound for what a node of numbers is, None where there is a column in it."""
    if isinstance(node, ast.Constant):
        return _digits(node.value)
    if isinstance(node, ast.UnaryOp):
        return sizes.get(id(node.operand))
    if not isinstance(node, ast.BinOp):
        return None
    left, right = sizes.get(id(node.left)), sizes.get(id(node.right))
    if left is None or right is None:
        return None
    if isinstance(node.op, ast.Pow):
        return left * 10.0**right if right < 4 else math.inf
    # One divided by a small number is as large as their digits together; a sum has a digit more than its parts.
    return left + right + 1.0


def _digits(value: Any) -> float | None:
    """Return the logarithm of a number or of its inverse, whichever is larger; None for what is no number."""
    if not isinstance(value, (int, float)):
        return None
    if isinstance(value, int):
        return value.bit_length() * math.log10(2.0)
    return abs(math.log10(abs(value))) if value and math.isfinite(value) else 0.0 if not value else math.inf

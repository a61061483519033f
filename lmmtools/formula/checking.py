"""Python expressions in a formula: read, never run, and checked for what a function call may hold.

The check is of Python's own syntax tree, by lists of what is allowed: what is on none of them is refused.
"""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from lmmtools.errors import FormulaError
from lmmtools.formula.functions import CONSTANTS, CONTRASTS, FUNCTIONS, R_CONTRASTS, UNARY

__all__ = ["check_tree", "columns_asked", "hide_quoted", "largest_number", "read_python"]

_NODES = (
    *(ast.Expression, ast.Call, ast.Name, ast.Load, ast.Constant, ast.List, ast.Tuple, ast.keyword, ast.Attribute),
    *(ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.BitAnd, ast.BitOr),
    *(ast.UnaryOp, ast.USub, ast.UAdd, ast.Invert),
    *(ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE),
)
# A power of a power of literals may take for ever; no model needs a larger exponent.
_LARGEST_EXPONENT = 64
# Limits that no model reaches and that bound the time: columns of one function, elements of a list, a spline's degree.
_MOST_COLUMNS, _MOST_ELEMENTS, _LARGEST_DEGREE, _MOST_DECIMALS = 1000, 1000, 20, 300
_MOST_DIGITS = 308
_NEED_COLUMN = ("I", "C", "scale", "center", "standardize", "poly", "bs", "cr", "cc", "cs", "lag", "dummy")


@dataclass(frozen=True, slots=True)
class _Arguments:
    """How many arguments a function takes without a name, and which with one."""

    most: int
    named: tuple[str, ...] = ()


_SPLINES = ("bs", "cr", "cc", "cs")
_QUOTED = re.compile("`[^`]*`")
_SPLINE = ("df", "knots", "lower_bound", "upper_bound", "extrapolation")
_ARGUMENTS = {
    **dict.fromkeys(UNARY, _Arguments(1)),
    **dict.fromkeys(("np.maximum", "np.minimum"), _Arguments(2)),
    "np.round": _Arguments(2, ("decimals",)),
    "I": _Arguments(1),
    "C": _Arguments(2, ("contrasts", "levels", "spans_intercept")),
    "center": _Arguments(1),
    "scale": _Arguments(4, ("center", "scale", "ddof")),
    "standardize": _Arguments(4, ("center", "rescale", "ddof")),
    "poly": _Arguments(3, ("degree", "raw")),
    "lag": _Arguments(2, ("k",)),
    "dummy": _Arguments(2, ("levelsToKeep",)),
    "bs": _Arguments(7, (*_SPLINE, "degree", "include_intercept")),
    **dict.fromkeys(("cr", "cc", "cs"), _Arguments(6, (*_SPLINE, "constraints"))),
    **dict.fromkeys(
        (*CONTRASTS, *R_CONTRASTS), _Arguments(2, ("reference", "base", "reverse", "scale", "scores", "backward"))
    ),
}
# Function -> argument by which its result or its time grows -> the argument's place, and its limit.
_DF = {"df": (1, _MOST_COLUMNS)}
_SIZES = {
    "poly": {"degree": (1, _MOST_COLUMNS)},
    "bs": {**_DF, "degree": (3, _LARGEST_DEGREE)},
    **dict.fromkeys(("cr", "cc", "cs"), _DF),
    "lag": {"k": (1, _MOST_COLUMNS)},
    "np.round": {"decimals": (1, _MOST_DECIMALS)},
}


def check_tree(tree: ast.AST) -> None:
    """Raise a FormulaError (message only) unless the tree holds arithmetic and calls by name, nothing else."""
    attributes = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if not isinstance(node, _NODES):
            _refuse_node(type(node).__name__.lower())
        if isinstance(node, ast.Call):
            _check_call(node)
        elif isinstance(node, ast.Attribute):
            is_known = isinstance(node.value, ast.Name) and node.value.id in ("np", "contr")
            if not is_known or (id(node) not in attributes and not _is_constant_attribute(node)):
                _refuse_node(f"attribute .{node.attr}")
        elif isinstance(node, ast.Constant):
            _check_constant(node)
        elif isinstance(node, ast.Compare):
            _check_comparison(node)
        elif isinstance(node, ast.BinOp):
            _check_arithmetic(node)
        elif isinstance(node, ast.UnaryOp):
            _check_operand(node.operand)
        elif isinstance(node, (ast.List, ast.Tuple)):
            _check_list(node)
    if largest_number(tree) > _MOST_DIGITS:
        raise FormulaError(f"The numbers in it come to more than 1e{_MOST_DIGITS}, the largest that a computer has:")
    if isinstance(tree, ast.Expression) and isinstance(tree.body, (ast.List, ast.Tuple)):
        raise FormulaError("A list is no term:")


def columns_asked(call: str) -> int:
    """Return how many columns a call in normal form asks for by number: ``bs(x, df=5)`` and ``poly(x, 5)`` for five."""
    if not any(f"{name}(" in call for name in ("poly", *_SPLINES)):
        return 0
    tree = read_python(hide_quoted(call))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)] if tree is not None else []
    return sum(_columns_of_call(node) for node in calls if ast.unparse(node.func) in ("poly", *_SPLINES))


def _columns_of_call(node: ast.Call) -> int:
    """Return the largest number among a call's arguments, 1 if there is none."""
    numbers = [
        n.value
        for a in (*node.args, *(k.value for k in node.keywords))
        for n in ast.walk(a)
        if isinstance(n, ast.Constant)
    ]
    return int(max((n for n in numbers if isinstance(n, (int, float)) and abs(n) <= _MOST_COLUMNS), default=1))


def _refuse_node(what: str) -> NoReturn:
    """Raise the error for syntax that a formula may not hold."""
    raise FormulaError(f"A formula may hold columns, numbers, arithmetic and calls of known functions, but no {what}:")


def _is_constant_attribute(node: ast.Attribute) -> bool:
    """Whether an attribute is a known constant or contrast, ``np.pi`` or ``contr.sum``."""
    name = ast.unparse(node)
    return name in CONSTANTS or name in R_CONTRASTS


def _check_constant(node: ast.Constant) -> None:
    """Raise a FormulaError for a literal of another type, or a text that readers read differently."""
    value = node.value
    if not isinstance(value, (bool, int, float, str, type(None))):
        _refuse_node(f"constant {value!r}")
    # Quotes within quotes are read in one way by one reader and in another by the next.
    if isinstance(value, str) and (not value.isprintable() or set(value) & set("`\\") or {"'", '"'} <= set(value)):
        raise FormulaError(
            "A text in a formula may have no back-tick, backslash, line break or both kinds of quotes; "
            "give the level another name in the data:"
        )


def _check_call(node: ast.Call) -> None:
    """Raise a FormulaError for an unknown function, or arguments that it does not take."""
    name = ast.unparse(node.func)
    if not isinstance(node.func, (ast.Name, ast.Attribute)) or name not in FUNCTIONS.values():
        _refuse_node("call of what is not the name of a known function")
    if any(k.arg is None for k in node.keywords):
        _refuse_node("** argument")
    if name in ("log", "np.log") and len(node.args) + len(node.keywords) > 1:
        raise FormulaError("log() takes one column; write log2(x), log10(x) or log(x) / log(3) for another base:")
    if not node.args and (name in _NEED_COLUMN or name in UNARY):
        raise FormulaError(f"{name}() has no column in it:")
    if name in R_CONTRASTS or name == "C":
        _check_contrasts(node, name)
    if name == "dummy" and any(map(_has_column, (*node.args[1:], *(k.value for k in node.keywords)))):
        raise FormulaError('dummy() names levels as texts or numbers, dummy(f, "a") or dummy(f, c("a", "b")):')
    takes = _ARGUMENTS[name]
    if len(node.args) > takes.most:
        raise FormulaError(f"{name}() takes {takes.most} argument{'s' * (takes.most > 1)}, not {len(node.args)}:")
    for keyword in node.keywords:
        if keyword.arg not in takes.named:
            known = f"; it has {', '.join(takes.named)}" if takes.named else ""
            raise FormulaError(f"{name}() has no argument {keyword.arg}{known}:")
    _check_size(node, name)


def _check_contrasts(node: ast.Call, name: str) -> None:
    """Refuse numbers that R takes for the place of a level, or for how many levels there are."""
    given = {k.arg: k.value for k in node.keywords}
    if "base" in given and (name == "C" or _is_number(given["base"])):
        raise FormulaError(
            "base is the place of a level in R; here the reference level is named, C(f, Treatment('its name')):"
        )
    if name != "C" and ("n" in given or (node.args and _is_number(node.args[0]))):
        named = " (and C(f, Treatment('name')) for a reference level)" if name == "contr.treatment" else ""
        raise FormulaError(f"{name} takes no number of levels here, the data have it; write C(f, {name}){named}:")


def _is_number(node: ast.AST) -> bool:
    """Whether a node is a literal number."""
    return isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool)


def _check_size(node: ast.Call, name: str) -> None:
    """Refuse a polynomial of degree a million."""
    for argument, (place, most) in _SIZES.get(name, {}).items():
        given = [k.value for k in node.keywords if k.arg == argument] + node.args[place : place + 1]
        for value in given:
            numbers = [n.value for n in ast.walk(value) if isinstance(n, ast.Constant)]
            is_plain = isinstance(value, (ast.Constant, ast.UnaryOp))
            if not is_plain or any(isinstance(n, (int, float)) and abs(n) > most for n in numbers):
                raise FormulaError(f"{argument} of {name}() may be a number up to {most}:")


def _check_comparison(node: ast.Compare) -> None:
    """Raise a FormulaError for chained comparisons, or & and | without parentheses."""
    operands = (node.left, *node.comparators)
    is_mixed = any(isinstance(o, ast.BinOp) and isinstance(o.op, (ast.BitAnd, ast.BitOr)) for o in operands)
    if len(node.ops) > 1 or is_mixed:
        raise FormulaError(
            "Put each comparison in parentheses, (x > 1) & (x < 3): Python's & and | bind tighter than >:"
        )


def _check_arithmetic(node: ast.BinOp) -> None:
    """Raise a FormulaError for large or nested exponents, and for text or lists as operands."""
    if isinstance(node.op, ast.Pow):
        numbers = [n.value for n in ast.walk(node.right) if isinstance(n, ast.Constant)]
        is_tower = _has_power(node.right) or (_has_power(node.left) and not _has_column(node.left))
        if is_tower or any(isinstance(v, (int, float)) and abs(v) > _LARGEST_EXPONENT for v in numbers):
            raise FormulaError(f"An exponent may be a number up to {_LARGEST_EXPONENT}, not a power itself:")
    _check_operand(node.left)
    _check_operand(node.right)


def _has_power(node: ast.AST) -> bool:
    """Whether a tree has a power in it."""
    return any(isinstance(n, ast.BinOp) and isinstance(n.op, ast.Pow) for n in ast.walk(node))


def _has_column(node: ast.AST) -> bool:
    """Whether a tree has a column in it."""
    return any(isinstance(n, ast.Name) and n.id not in ("np", "contr") for n in ast.walk(node))


def _check_list(node: ast.List | ast.Tuple) -> None:
    """Raise a FormulaError for a list of columns, or a long one."""
    if _has_column(node):
        raise FormulaError("A list may hold numbers and texts, not columns:")
    if len(node.elts) > _MOST_ELEMENTS:
        raise FormulaError(f"A list may hold up to {_MOST_ELEMENTS} elements, not {len(node.elts)}:")


def _check_operand(node: ast.AST) -> None:
    """Raise a FormulaError for a text or a list in arithmetic."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        raise FormulaError("Text takes no part in arithmetic:")
    if isinstance(node, (ast.List, ast.Tuple)):
        raise FormulaError("A list takes no part in arithmetic:")


# Python's compiler and other readers recurse into nested expressions; Python stops at about a thousand calls.
_DEEPEST = 100


def hide_quoted(call: str) -> str:
    """Return a call in normal form with ``_`` for each name between back-ticks, so that Python's parser reads it."""
    return _QUOTED.sub("_", call)


def read_python(code: str) -> ast.Expression | None:
    """Return the syntax tree of an expression, None if it is no expression or is nested too deeply."""
    try:
        tree = ast.parse(code, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree if _is_shallow(tree) else None


def _is_shallow(tree: ast.AST) -> bool:
    """Whether a tree has at most ``_DEEPEST`` levels."""
    level: list[ast.AST] = [tree]
    for _ in range(_DEEPEST):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return True
    return False


def largest_number(tree: ast.AST) -> float:
    """Return the common logarithm of a bound for every number that the tree's arithmetic on numbers makes.

    Powers of integers may have too many digits to be computed: the bound is found from logarithms alone.
    """
    largest = 0.0
    sizes: dict[int, float] = {}
    # Children first: a node's size is made of theirs.
    for node in reversed(list(ast.walk(tree))):
        size = _bound_digits(node, sizes)
        if size is not None:
            sizes[id(node)] = size
            largest = max(largest, size)
    return largest


def _bound_digits(node: ast.AST, sizes: dict[int, float]) -> float | None:
    """Return the logarithm of a bound for what a node of numbers is, None where there is a column in it."""
    if isinstance(node, ast.Constant):
        return _digits_of_literal(node.value)
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


def _digits_of_literal(value: Any) -> float | None:
    """Return the logarithm of a number or of its inverse, whichever is larger; None for what is no number."""
    if not isinstance(value, (int, float)):
        return None
    if isinstance(value, int):
        return value.bit_length() * math.log10(2.0)
    return abs(math.log10(abs(value))) if value and math.isfinite(value) else 0.0 if not value else math.inf

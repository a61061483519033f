"""The response's transformation, found in the formula, and its inverse with three derivatives."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from lmmtools.errors import DataError
from lmmtools.formula.checking import hide_quoted, read_python
from lmmtools.formula.expressions import columns_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design

    Floats = NDArray[np.float64]

__all__ = ["ResponseScale", "response_scale", "transformed_response"]

Jet: TypeAlias = "tuple[Floats, Floats, Floats, Floats]"
"""The values of a function and of its first three derivatives."""
Step: TypeAlias = Callable[["Floats"], Jet]

Ratio = Literal["", "ratio", "odds_ratio"]


@dataclass(frozen=True, slots=True, eq=False)
class ResponseScale:
    """How fitted values go back to the scale of the response's column.

    Attributes
    ----------
    text : str
        The response as the formula has it: ``"log(y)"``.
    steps : tuple of callable
        Inverses of its functions, the outermost first.
    ratio : str
        What a difference on the model's scale is on the other: ``"ratio"`` after a logarithm, ``"odds_ratio"`` after a
        logit, else empty: it stays as it is.
    rate : float
        The logarithm of that ratio is ``rate`` times the difference.
    """

    text: str
    steps: tuple[Step, ...]
    ratio: Ratio = ""
    rate: float = 1.0

    def inverse(self, values: Floats) -> Jet:
        """Return the values on the response's scale, and their derivatives by the model's scale."""
        one = np.ones_like(values)
        jet: Jet = (values, one, 0.0 * one, 0.0 * one)
        with np.errstate(all="ignore"):
            for step in self.steps:
                jet = _compose(step(jet[0]), jet)
        return jet

    def back(self, estimate: Floats, se: Floats, sigma: float | None) -> tuple[Floats, Floats]:
        """Return estimates and standard errors on the response's scale.

        With ``sigma``, the mean of what is normal about the estimate with that standard deviation, to second order:
        h + sigma^2 h'' / 2, whose derivative is h' + sigma^2 h''' / 2.
        """
        h, d1, d2, d3 = self.inverse(estimate)
        half = 0.0 if sigma is None else 0.5 * sigma**2
        return h + half * d2, np.abs(d1 + half * d3) * se

    def limits(self, lower: Floats, upper: Floats, sigma: float | None) -> tuple[Floats, Floats]:
        """Return limits on the response's scale; where the function falls they change sides."""
        low, high = (self.back(ends, np.zeros_like(ends), sigma)[0] for ends in (lower, upper))
        return np.fmin(low, high), np.fmax(low, high)


def _compose(outer: Jet, inner: Jet) -> Jet:
    """Return f(g(x)) and its derivatives, of f's at g and g's at x."""
    f, f1, f2, f3 = outer
    _, g1, g2, g3 = inner
    return f, f1 * g1, f2 * g1**2 + f1 * g2, f3 * g1**3 + 3.0 * f2 * g1 * g2 + f1 * g3


def transformed_response(design: Design) -> str:
    """Return the response as the formula has it where it is no plain column, else nothing."""
    text = design.formula.response
    is_plain = text.startswith("`") or columns_of(text) == (text,)
    return "" if is_plain else text.replace("`", "").replace("np.", "")


def response_scale(design: Design) -> ResponseScale | None:
    """Return the response's transformation, None if it has none.

    Raises
    ------
    DataError
        If it has no inverse that is known here.
    """
    shown = transformed_response(design)
    if not shown:
        return None
    text = hide_quoted(design.formula.response)
    tree = read_python(text)
    assert tree is not None
    steps, ratio, rate = _invert(tree.body, shown)
    return ResponseScale(shown, tuple(steps), ratio, rate)


def _invert(tree: ast.expr, shown: str) -> tuple[list[Step], Ratio, float]:
    """Return the inverses of an expression's functions, the outermost first, and what differences of it are.

    Raises
    ------
    DataError
        A function without an inverse that is known here, or the column stands in two places.
    """
    steps: list[Step] = []
    rate: float | None = 1.0
    found: Ratio = ""
    while not isinstance(tree, ast.Name):
        if isinstance(tree, ast.Call) and _function(tree) == "I":
            tree = tree.args[0]
            continue
        step, tree, kind, factor = _undo(tree, shown)
        steps.append(step)
        # Around the logarithm, multiples and constants added leave its differences what they are; within it they
        # leave a ratio of the column, or of what is added to it.
        if found and kind == "other":
            found, rate = "", None
        elif rate is not None and not found:
            rate = None if kind == "other" else rate * factor
            if rate is not None and kind in ("ratio", "odds_ratio"):
                found = "ratio" if kind == "ratio" else "odds_ratio"
    return steps, found, rate if rate is not None else 1.0


def _undo(tree: ast.expr, shown: str) -> tuple[Step, ast.expr, str, float]:
    """Return the inverse of the outermost function, what is inside, what differences are, and their factor."""
    refused = DataError(
        f'type="response" needs the inverse of {shown}; there is none here for a part of it, {_call_of(tree)}: '
        "transform the means by hand"
    )
    if isinstance(tree, ast.Call):
        name = _function(tree)
        if name in _LOGARITHMS and len(tree.args) == 1:
            inner = tree.args[0]
            odds = _odds_of(inner)
            if odds is not None:
                base = _LOGARITHMS[name]
                return _after(_scaled(base), _expit), odds, "odds_ratio", base
            return _power_of(_LOGARITHMS[name]), inner, "ratio", _LOGARITHMS[name]
        if name in _INVERSES and len(tree.args) == 1 and not tree.keywords:
            return _INVERSES[name], tree.args[0], "other", 1.0
        raise refused
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, (ast.USub, ast.UAdd)):
        sign = -1.0 if isinstance(tree.op, ast.USub) else 1.0
        return _scaled(sign), tree.operand, "same", sign
    if not isinstance(tree, ast.BinOp):
        raise refused
    left, right = _constant(tree.left), _constant(tree.right)
    if (left is None) == (right is None):
        raise refused
    if right is not None:
        return _undo_right(tree, right, refused)
    assert left is not None
    return _undo_left(tree, left, refused)


def _undo_right(tree: ast.BinOp, c: float, refused: DataError) -> tuple[Step, ast.expr, str, float]:
    """Return as `_undo` for a constant on the right: x + c, x - c, x * c, x / c, x ** c."""
    if isinstance(tree.op, (ast.Add, ast.Sub)):
        return _shifted(-c if isinstance(tree.op, ast.Add) else c), tree.left, "same", 1.0
    if isinstance(tree.op, (ast.Mult, ast.Div)) and c:
        factor = 1.0 / c if isinstance(tree.op, ast.Mult) else c
        return _scaled(factor), tree.left, "same", factor
    if isinstance(tree.op, ast.Pow) and c:
        return _to_power(1.0 / c), tree.left, "other", 1.0
    raise refused


def _undo_left(tree: ast.BinOp, c: float, refused: DataError) -> tuple[Step, ast.expr, str, float]:
    """Return as `_undo` for a constant on the left: c + x, c - x, c * x, c / x, c ** x."""
    if isinstance(tree.op, ast.Add):
        return _shifted(-c), tree.right, "same", 1.0
    if isinstance(tree.op, ast.Sub):
        return _after(_scaled(-1.0), _shifted(c)), tree.right, "same", -1.0
    if isinstance(tree.op, ast.Mult) and c:
        return _scaled(1.0 / c), tree.right, "same", 1.0 / c
    if isinstance(tree.op, ast.Div) and c:
        return _after(_to_power(-1.0), _scaled(c)), tree.right, "other", 1.0
    raise refused


def _odds_of(tree: ast.expr) -> ast.expr | None:
    """Return p of ``p / (1 - p)``, None for anything else."""
    if not (isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Div) and isinstance(tree.right, ast.BinOp)):
        return None
    rest = tree.right
    is_odds = (
        isinstance(rest.op, ast.Sub) and _constant(rest.left) == 1.0 and ast.dump(rest.right) == ast.dump(tree.left)
    )
    return tree.left if is_odds else None


def _call_of(tree: ast.expr) -> str:
    """Return the outermost function or operator of an expression in words."""
    return f"{_function(tree)}()" if isinstance(tree, ast.Call) else "the column in two places, or an operator"


def _function(call: ast.Call) -> str:
    return ast.unparse(call.func)


def _constant(tree: ast.expr) -> float | None:
    """Return the value of an expression of numbers alone, None if a column is in it."""
    if isinstance(tree, ast.Constant) and isinstance(tree.value, (int, float)):
        return float(tree.value)
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, (ast.USub, ast.UAdd)):
        value = _constant(tree.operand)
        return None if value is None else -value if isinstance(tree.op, ast.USub) else value
    if isinstance(tree, ast.Attribute):
        return {"np.pi": math.pi, "np.e": math.e}.get(ast.unparse(tree))
    if isinstance(tree, ast.BinOp):
        left, right = _constant(tree.left), _constant(tree.right)
        work = _ARITHMETIC.get(type(tree.op))
        if left is None or right is None or work is None:
            return None
        try:
            value = work(left, right)
        except (ArithmeticError, ValueError):
            return None
        return value if isinstance(value, float) and math.isfinite(value) else None
    return None


_ARITHMETIC: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
}


def _after(first: Step, second: Step) -> Step:
    """Return the function that does one step after the other."""

    def both(v: Floats) -> Jet:
        inner = first(v)
        return _compose(second(inner[0]), inner)

    return both


def _shifted(c: float) -> Step:
    return lambda v: (v + c, np.ones_like(v), np.zeros_like(v), np.zeros_like(v))


def _scaled(c: float) -> Step:
    return lambda v: (c * v, np.full_like(v, c), np.zeros_like(v), np.zeros_like(v))


def _power_of(rate: float) -> Step:
    """Return v -> exp(rate v): the inverse of a logarithm to the base exp(rate)."""

    def power(v: Floats) -> Jet:
        e = np.exp(rate * v)
        return e, rate * e, rate**2 * e, rate**3 * e

    return power


def _to_power(c: float) -> Step:
    """Return v -> v ** c; a negative v counts as zero where the power has no meaning there."""
    is_whole = float(c).is_integer()

    def power(v: Floats) -> Jet:
        # The square of a negative root is no inverse: the root was of a number of zero or more.
        base = v if c < 0 and is_whole else np.where(v < 0, 0.0, v)
        return (
            base**c,
            c * base ** (c - 1),
            c * (c - 1) * base ** (c - 2) if c != 1 else np.zeros_like(v),
            c * (c - 1) * (c - 2) * base ** (c - 3) if c not in (1, 2) else np.zeros_like(v),
        )

    return power


def _expit(v: Floats) -> Jet:
    p = 1.0 / (1.0 + np.exp(-v))
    d = p * (1.0 - p)
    return p, d, d * (1.0 - 2.0 * p), d * (1.0 - 6.0 * d)


def _log(v: Floats) -> Jet:
    return np.log(v), 1.0 / v, -1.0 / v**2, 2.0 / v**3


def _sine(v: Floats) -> Jet:
    return np.sin(v), np.cos(v), -np.sin(v), -np.cos(v)


def _cube(v: Floats) -> Jet:
    return v**3, 3.0 * v**2, 6.0 * v, np.full_like(v, 6.0)


_LN2, _LN10 = math.log(2.0), math.log(10.0)
_LOGARITHMS = {"log": 1.0, "np.log": 1.0, "log2": _LN2, "np.log2": _LN2, "log10": _LN10, "np.log10": _LN10}
_INVERSES: dict[str, Step] = {
    "np.log1p": _after(_power_of(1.0), _shifted(-1.0)),
    "np.sqrt": _to_power(2.0),
    "np.square": _to_power(0.5),
    "np.cbrt": _cube,
    "np.exp": _log,
    "exp": _log,
    "exp2": _after(_log, _scaled(1.0 / _LN2)),
    "np.exp2": _after(_log, _scaled(1.0 / _LN2)),
    "np.expm1": _after(_shifted(1.0), _log),
    "np.arcsin": _sine,
}

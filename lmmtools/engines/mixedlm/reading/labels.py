"""Names of MixedLM's design columns: ``"C(sample)[T.B]:dose"`` -> factors, levels and covariates."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import lru_cache

from lmmtools.formula.checking import read_python

__all__ = ["ColumnLabel", "parse_label"]

CONSTANT_NAMES = frozenset({"Intercept", "(Intercept)", "const", "1"})
_QUOTES = "\"'"
_OPEN, _CLOSE = "([{", ")]}"


@dataclass(frozen=True, slots=True)
class ColumnLabel:
    """What the name of a design column says, as patsy and formulaic write such names.

    Attributes
    ----------
    text : str
        The name.
    factors : tuple of str
        The factors whose levels the column stands for, ``("sample",)``; an expression where it is not a bare column.
    levels : tuple of str
        One level per factor.
    variables : tuple of str
        The covariates that multiply the indicator.
    is_reduced : bool
        Whether a level was named as a contrast to a reference (``[T.B]``).
    """

    text: str
    factors: tuple[str, ...]
    levels: tuple[str, ...]
    variables: tuple[str, ...]
    is_reduced: bool

    @property
    def is_constant(self) -> bool:
        """Whether it is the name of a column of ones."""
        return not self.factors and not self.variables

    @property
    def family(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What columns of one formula term have in common: factors and covariates without levels."""
        return self.factors, self.variables


@lru_cache(maxsize=65536)
def parse_label(text: str) -> ColumnLabel:
    """Return what a column's name says; a name without levels is a covariate, ``"Intercept"`` is nothing."""
    factors, levels, variables, reduced = [], [], [], False
    for part in _split(text, ":"):
        if part.strip() in CONSTANT_NAMES:
            continue
        stem, level = _split_level(part)
        if level is None:
            variables.append(_bare(stem))
            continue
        prefix, dot, rest = level.partition(".")
        if dot and prefix in ("T", "S"):
            reduced, level = True, rest
        factors.append(_bare(stem))
        levels.append(level)
    return ColumnLabel(text, tuple(factors), tuple(levels), tuple(variables), reduced)


def _split(text: str, separator: str) -> list[str]:
    """Return the parts of a text between separators outside brackets and quotes."""
    parts, depth, quote, start = [], 0, "", 0
    for i, c in enumerate(text):
        if quote:
            quote = "" if c == quote else quote
        elif c in _QUOTES and depth and _closes_later(text, i):
            quote = c
        elif c in _OPEN:
            depth += 1
        elif c in _CLOSE:
            depth = max(0, depth - 1)
        elif c == separator and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [*parts, text[start:]]


def _closes_later(text: str, i: int) -> bool:
    """Whether the quote at i occurs once more."""
    return text[i] in text[i + 1 :]


def _split_level(part: str) -> tuple[str, str | None]:
    """Return ``("C(sample)", "T.B")`` of ``"C(sample)[T.B]"``; None as the level where there is none."""
    if not part.endswith("]"):
        return part, None
    depth = 0
    for i, c in enumerate(part):
        if c == "[" and depth == 0 and i > 0:
            return part[:i], part[i + 1 : -1]
        depth += (c in "(") - (c in ")")
    return part, None


def _bare(stem: str) -> str:
    """Return the column in ``C(column, ...)`` or ``Q("column")``; other expressions as they are."""
    stem = stem.strip()
    if stem.startswith("`") and stem.endswith("`") and len(stem) > 2:
        return stem[1:-1]
    tree = read_python(stem)
    if tree is None:
        return stem
    node = tree.body
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("C", "Q") and node.args:
        node = node.args[0]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Call | ast.Attribute) else stem

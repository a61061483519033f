"""The sides of patsy formulas that a MixedLM call is made of: ``"0 + C(cask):dose"`` -> factors and covariates."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from lmmtools.errors import FormulaError
from lmmtools.formula.algebra import expand_terms
from lmmtools.formula.checking import read_python
from lmmtools.formula.expressions import fold_calls
from lmmtools.formula.tokens import tokenize

__all__ = ["Part", "Side", "columns_in", "is_formula", "read_side", "split_formula"]

_TERMS = re.compile(r"C\(\w+\)|\w+(\s*[:/+*|]\s*\w+)+")


@dataclass(frozen=True, slots=True)
class Part:
    """One term of a side.

    Attributes
    ----------
    factors : tuple of str
        Columns inside ``C(...)``.
    variables : tuple of str
        The other factors of the product, as formula text; a column of text is one of them, though it acts as a factor.
    """

    factors: tuple[str, ...]
    variables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """The right side of a formula, multiplied out.

    Attributes
    ----------
    text : str
        As written.
    intercept : bool
        Whether it has the constant, written or implied.
    parts : tuple of Part
    """

    text: str
    intercept: bool
    parts: tuple[Part, ...]

    @property
    def factors(self) -> tuple[str, ...]:
        """Columns inside ``C(...)``, each once."""
        return tuple(dict.fromkeys(f for p in self.parts for f in p.factors))


def read_side(text: str) -> Side | None:
    """Return what a one-sided formula says, None if it cannot be read (an unclosed parenthesis, lme4's bar)."""
    bare = text.strip().removeprefix("~")
    if not bare.strip():
        return None
    try:
        terms = expand_terms(fold_calls(tokenize(bare), bare, trusted=True), bare)
    except FormulaError:
        return None
    return Side(text, () in terms, tuple(_part(term) for term in terms if term))


def split_formula(text: str) -> tuple[str, str] | None:
    """Return response and right side of a formula, None if it has no or several tildes."""
    left, tilde, right = text.partition("~")
    if not tilde or "~" in right or not left.strip() or not right.strip():
        return None
    return left.strip(), right.strip()


def is_formula(groups: str) -> bool:
    """Whether the name of groups reads as terms of a formula: ``a:b``, ``a/b``, ``a + b``, ``C(g)``."""
    return _TERMS.fullmatch(groups.strip()) is not None


def columns_in(text: str) -> frozenset[str]:
    """Return the columns that a side names; empty if it cannot be read."""
    try:
        tokens = fold_calls(tokenize(text), text, trusted=True)
    except FormulaError:
        return frozenset()
    bare = {t.text for t in tokens if t.kind == "name"}
    return frozenset(bare | {c for t in tokens if t.kind == "call" for c in t.columns})


def _part(term: tuple[str, ...]) -> Part:
    factors, variables = [], []
    for text in term:
        name = _factor_name(text)
        if name is None:
            variables.append(text)
        else:
            factors.append(name)
    return Part(tuple(factors), tuple(variables))


def _factor_name(text: str) -> str | None:
    """Return the column in ``C(column, ...)``, None for anything else."""
    if not text.startswith("C("):
        return None
    inside = text[2:-1]
    if inside.startswith("`"):
        return inside[1:].partition("`")[0]
    tree = read_python(text)
    if tree is None or not (isinstance(tree.body, ast.Call) and tree.body.args):
        return None
    first = tree.body.args[0]
    is_quoted = isinstance(first, ast.Call) and ast.unparse(first.func) == "Q" and len(first.args) == 1
    if is_quoted and isinstance(first, ast.Call) and isinstance(first.args[0], ast.Constant):
        return str(first.args[0].value)
    return ast.unparse(first)

"""Text of a MixedLM call -> model: the one door through which text of a formula reaches statsmodels.

patsy evaluates what a formula calls as Python code. Here a formula passes only if `lmm()` would evaluate it too, and if
what patsy makes of it, piece by piece, passes as well: the two read quotes and names in ways of their own.
"""

from __future__ import annotations

import ast
from math import prod
from typing import TYPE_CHECKING, Any

from lmmtools.errors import FormulaError
from lmmtools.formula.algebra import expand_terms
from lmmtools.formula.checking import check_tree, columns_asked, read_python
from lmmtools.formula.expressions import columns_of, fold_calls
from lmmtools.formula.functions import CONTRASTS, FUNCTIONS
from lmmtools.formula.tokens import tokenize

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

__all__ = ["make_model"]

# patsy and MixedLM take seconds for more, and no model of so many terms is fitted by MixedLM.
_MOST_WORDS = 2000
# Columns, and numbers in one matrix, of which there are several.
_MOST_PARTS, _MOST_FIXED, _MOST_RANDOM, _MOST_NUMBERS = 100, 500, 5000, 50_000_000
_COLUMN = "_column"


def make_model(
    formula: str,
    data: Any,
    groups: Any,
    re_formula: str | None = None,
    vc_formula: Mapping[str, str] | None = None,
) -> Any:
    """Return the MixedLM model of a call, not fitted.

    Parameters
    ----------
    formula, re_formula : str
    data : DataFrame
    groups : str or array_like, shape (n,)
    vc_formula : mapping of str to str, optional

    Raises
    ------
    FormulaError
        A text that does more than arithmetic and calls of known functions on columns of the data.

    Notes
    -----
    What statsmodels raises on harmless text, and patsy on text that it cannot read, passes through.
    """
    columns = frozenset(map(str, data.columns))
    for text in (formula, re_formula, *(vc_formula or {}).values()):
        if text is not None:
            terms = _check_text(text, columns)
            _check_size(
                terms, data, _MOST_FIXED if text is formula else min(_MOST_RANDOM, _MOST_NUMBERS // max(len(data), 1))
            )
    # patsy looks for names in the frame that calls: there scripts have numpy under this name.
    import numpy as np  # noqa: F401
    from statsmodels.regression.mixed_linear_model import MixedLM

    components = None if vc_formula is None else dict(vc_formula)
    return MixedLM.from_formula(formula, data, re_formula=re_formula, vc_formula=components, groups=groups)


def _check_text(text: str, columns: Collection[str]) -> Sequence[tuple[str, ...]]:
    """Return the terms of a formula, two-sided or one-sided, if it is harmless however it is read.

    Raises
    ------
    FormulaError
        If it is not.
    """
    if not isinstance(text, str):
        raise FormulaError(f"A formula is text, not {type(text).__name__}.")
    from patsy.desc import ModelDesc
    from patsy.parse_formula import parse_formula

    if len(tokenize(text)) > _MOST_WORDS:
        raise FormulaError(f"A formula for MixedLM may have up to {_MOST_WORDS:,} names, numbers and operators.")
    try:
        # A PatsyError of the syntax alone is the same that MixedLM raises, and nothing is multiplied out yet.
        parse_formula(text)
        left, _, right = text.rpartition("~")
        fold_calls(tokenize(left), left)
        terms = expand_terms(fold_calls(tokenize(right), right), right)
        described = ModelDesc.from_formula(text)
    except (RecursionError, MemoryError):
        raise FormulaError("The formula is nested too deeply.") from None
    for term in (*described.lhs_termlist, *described.rhs_termlist):
        for factor in term.factors:
            _check_code(str(factor.code), columns)
    return terms


def _check_size(terms: Sequence[tuple[str, ...]], data: Any, most: int) -> None:
    """Raise a FormulaError if the terms make more columns than MixedLM can use in reasonable time and memory."""
    parts = {part for term in terms for part in term}
    if len(parts) > _MOST_PARTS:
        raise FormulaError(f"The formula has {len(parts):,} variables; MixedLM's are made of up to {_MOST_PARTS}.")
    widths = {part: _bound_width(part, data) for part in parts}
    total = sum(prod(widths[part] for part in term) for term in terms)
    if total > most:
        raise FormulaError(f"The formula makes up to {total:,} columns, where {most:,} are made at most.")


def _bound_width(part: str, data: Any) -> int:
    """Return how many columns one factor of a term has at most."""
    from pandas.api.types import is_numeric_dtype

    used = [data[name] for name in columns_of(part) if name in data]
    is_plain = len(used) == 1 and (part.startswith("C(") or not is_numeric_dtype(used[0].dtype))
    return int(used[0].nunique()) if is_plain else max(1, columns_asked(part))


def _check_code(code: str, columns: Collection[str]) -> None:
    """Raise a FormulaError unless an expression is arithmetic and known calls on columns of the data."""
    read = read_python(code.strip())
    if read is None:
        raise FormulaError(f"{_shorten(code)} does not read as an expression, or is nested too deeply.")
    tree = _PatsySpellings().visit(read)
    try:
        check_tree(tree)
    except FormulaError as error:
        raise FormulaError(f"{str(error).rstrip(':')}: {_shorten(code)}") from None
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        is_name = isinstance(node, ast.Name) and id(node) not in called
        if is_name and node.id not in (*columns, *CONTRASTS, _COLUMN, "np"):  # type: ignore[attr-defined]
            raise FormulaError(f"{_shorten(code)} names what is no column of the data.")


class _PatsySpellings(ast.NodeTransformer):
    """Writes patsy's spellings as those of the whitelist: ``Q("a b")`` is a column, ``abs`` is ``np.abs``."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        name = ast.unparse(node.func)
        (first, *others) = (*node.args, *node.keywords) or (None,)
        if name == "Q" and not others and isinstance(first, ast.Constant) and isinstance(first.value, str):
            return ast.copy_location(ast.Name(_COLUMN, ast.Load()), node)
        if name in FUNCTIONS:
            node.func = ast.parse(FUNCTIONS[name], mode="eval").body
        return node


def _shorten(code: str) -> str:
    """Return code for a message, at most 60 characters, in quotes."""
    return repr(code if len(code) <= 60 else f"{code[:57]}...")
